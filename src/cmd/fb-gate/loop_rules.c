/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames held against the rules (inspect/inspect.h), behind the gate's verdict and before the
 * capture. What is changed is changed in its place in the NIC's ring, so nothing is copied back, and
 * frames of a burst leave in their order. inspect keeps a copy as it came, for the capture.
 *
 * A frame that is held was judged and counted as seen, and as `unseen` until it is captured:
 * whoever dies meanwhile leaves counts that are true.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/ring.h"
#include "cmd/fb-gate/loop_inside.h"
#include "conf/conf.h"
#include "control/policy.h"
#include "control/privacy.h"
#include "control/refuse.h"
#include "frame/frame.h"
#include "inspect/inspect.h"
#include "inspect/record.h"
#include "rules/rule.h"

static const int64_t ns_per_ms = 1000000;

/* What rides with a held frame. */
struct held_tag {
	int64_t time_ns, due_ns;
	uint64_t flow_id, epoch;
	uint32_t out_ports;
	uint16_t in, reason, honeypot;
	uint8_t direction, side;
	uint16_t set; /* 1 + number in loop->rules.set; 0: a frame of its own */
};

static_assert(sizeof(struct held_tag) <= INSPECT_TAG_MAX, "a tag fits");

/* ---- taking up rules ---- */

/* What does not leave is held against the same rules behind the capture (cmd/fb-lens/watch.h). */
static bool is_lens_to_tell(const struct loop *l, enum direction direction)
{
	return l->conf->top.lens && direction != DIRECTION_OUTBOUND;
}

/* The hit holds all the same when there is no room to tell it. */
static void on_hit(void *context, const struct inspect_hit *hit)
{
	struct loop *l = context;
	struct record record;

	if (!hit->hit->alert || is_lens_to_tell(l, hit->frame->direction))
		return;
	inspect_record_hit(hit, l->rules.text, &record);
	if (l->rules.honeypot < l->conf->n_honeypots)
		record.head.honeypot = text_of(l->conf->honeypot[l->rules.honeypot].name);
	l->rules.lost += l->emit(l, &record) < 0;
}

static int new_inspect(struct loop *l, struct rules *rules)
{
	const struct conf_rules *limits = &l->conf->rules;
	const struct inspect_setup setup = {
		.rules = rules,
		.is_inline = true,
		.midstream = true,
		.pool_bytes = limits->streams,
		.flows_max = (uint32_t)limits->conversations,
		.hold_ns = (int64_t)limits->hold * ns_per_ms,
		.depth = limits->depth,
		.on_hit = on_hit,
		.context = l,
	};

	return inspect_new(&setup, &l->rules.inspect);
}

static void forget_image(struct loop_image *image)
{
	rules_close(image->rules);
	if (image->memory)
		munmap((void *)(uintptr_t)image->memory, image->size);
	*image = (struct loop_image){ 0 };
}

/* They hold from now on, and are no longer the next ones. */
static int use_rules(struct loop *l, struct loop_image *next)
{
	struct loop_rules *r = &l->rules;
	int result = 0;

	if (r->inspect)
		inspect_set_rules(r->inspect, next->rules);
	else
		result = new_inspect(l, next->rules);
	if (result < 0)
		return result;
	forget_image(&r->image);
	r->image = *next;
	r->missing = false;
	r->loaded_ns = loop_now() - next->since_ns;
	*next = (struct loop_image){ 0 };
	return 0;
}

static void no_rules(struct loop *l)
{
	loop_forget_held(l);
	l->rules.inspect = inspect_free(l->rules.inspect);
	forget_image(&l->rules.image);
	l->rules.missing = false;
}

/* The first ones, before there are frames. */
static int open_rules(struct loop *l, const void *memory, size_t size)
{
	struct loop_image next = { .memory = memory, .size = size, .since_ns = loop_now() };
	int r = rules_open(memory, size, &next.rules);

	if (r == 0)
		r = use_rules(l, &next);
	if (r < 0)
		rules_close(next.rules);
	return r;
}

int loop_rules_new(struct loop *l, const void *memory, size_t size)
{
	struct loop_rules *r = &l->rules;

	r->missing = l->conf->top.rules.n > 0;
	r->pass = l->conf->rules.undecided == CONF_UNDECIDED_PASS;
	r->datagram = malloc(WHOLE_BYTES_MAX);
	r->part = malloc(WHOLE_BYTES_MAX);
	r->set = calloc(LOOP_HELD_SETS, sizeof(*r->set));
	r->text = malloc(sizeof(*r->text));
	r->honeypot = GATE_NO_HONEYPOT;
	if (!r->datagram || !r->part || !r->set || !r->text)
		return -ENOMEM;
	return memory ? open_rules(l, memory, size) : 0;
}

/* ---- other rules, while frames go on ---- */

static void answer(struct loop *l, uint64_t generation, int64_t result)
{
	const struct message_applied applied = { .rules = generation, .result = result };

	(void)child_applied(l->child, &applied);
}

static int begin_next(struct loop_image *next, const struct message_rules *m, int fd)
{
	void *memory = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*next = (struct loop_image){
		.memory = memory,
		.size = m->size,
		.generation = m->generation,
		.since_ns = loop_now(),
	};
	return rules_open_begin(memory, m->size, &next->rules);
}

void loop_take_rules(struct loop *l, const struct message_rules *m, int fd)
{
	struct loop_image *next = &l->rules.next;
	int r = -EBADMSG;

	forget_image(next);
	if (m->size == 0)
		no_rules(l);
	else if (fd >= 0)
		r = begin_next(next, m, fd);
	if (next->rules)
		return; /* loop_rules_more() answers */
	forget_image(next);
	answer(l, m->generation, m->size == 0 ? 0 : r);
}

void loop_rules_more(struct loop *l)
{
	struct loop_image *next = &l->rules.next;
	uint64_t generation = next->generation;
	int r = next->rules ? rules_open_more(next->rules) : 1;

	if (r == 1)
		return;
	if (r == 0)
		r = use_rules(l, next);
	forget_image(next);
	answer(l, generation, r);
}

/* ---- what was decided ---- */

static void stop_frame(struct gate_answer *answer, enum reason reason)
{
	answer->verdict = VERDICT_DROP;
	answer->reason = reason;
	answer->out_ports = 0;
	answer->due_ns = 0;
	answer->refusal = REFUSE_SILENCE;
}

static void tell_receiver(struct loop *l, const struct frame *frame)
{
	uint8_t reset[REFUSE_FRAME_MAX];
	uint32_t len = refuse_build_onward(frame, reset);

	if (len > 0)
		(void)later_put(l->later, l->now.steady_ns, 1u << GATE_OUTSIDE, GATE_OUTSIDE,
			GATE_NO_HONEYPOT, reset, len);
}

static void reject(struct loop *l, const struct frame *frame, enum rule_reject whom,
	struct gate_answer *answer)
{
	if (whom != RULE_REJECT_DESTINATION)
		answer->refusal = REFUSE_RESET;
	if (whom != RULE_REJECT_SOURCE)
		tell_receiver(l, frame);
}

/* Setting `undecided`: the rules do not stop what they do not know. */
static bool is_stopped(const struct loop *l, const struct inspect_answer *said)
{
	bool stops = said->verdict == INSPECT_DROP || said->verdict == INSPECT_REJECT;

	return stops && !(l->rules.pass && said->reason == REASON_RULE_UNDECIDED);
}

static void apply(struct loop *l, unsigned in, const struct frame *frame,
	const struct inspect_answer *said, struct gate_answer *answer)
{
	if (said->verdict == INSPECT_CHANGED)
		answer->reason = REASON_RULE_REPLACED;
	if (!is_stopped(l, said))
		return;
	stop_frame(answer, said->reason);
	if (said->verdict == INSPECT_REJECT)
		reject(l, frame, (enum rule_reject)said->reject, answer);
	loop_failed(l, in, answer->reason, frame);
}

/* ---- a frame ---- */

static bool leaves(unsigned in, const struct gate_answer *answer)
{
	return in != GATE_OUTSIDE && answer->verdict == VERDICT_PASS &&
	       answer->direction == DIRECTION_OUTBOUND;
}

static struct held_tag tag_of(const struct loop *l, unsigned in, int64_t time_ns,
	const struct gate_answer *answer, uint16_t set)
{
	return (struct held_tag){ .time_ns = time_ns,
		.due_ns = answer->due_ns,
		.flow_id = answer->flow_id,
		.epoch = l->rules.epoch,
		.out_ports = answer->out_ports,
		.in = (uint16_t)in,
		.reason = (uint16_t)answer->reason,
		.honeypot = answer->honeypot,
		.direction = (uint8_t)answer->direction,
		.side = answer->side,
		.set = set };
}

static struct inspect_answer ask(struct loop *l, const struct frame *frame, uint8_t *bytes,
	unsigned in, const struct gate_answer *answer, const struct held_tag *tag)
{
	struct inspect_frame f = {
		.frame = frame,
		.bytes = bytes,
		.len = frame->len,
		.flow_id = answer->flow_id,
		.parent_of_inner = frame->n_packets > 1 ? answer->flow_id : 0,
		.side = answer->side,
		.midstream = answer->midstream,
		.reassembled = tag->set != 0,
		.leaves = leaves(in, answer),
		.quiet = is_lens_to_tell(l, answer->direction),
		.is_private = privacy_keep(gate_policy(l->gate), answer, frame) < frame->len,
		.direction = answer->direction,
		.wall_ns = tag->time_ns,
		.steady_ns = l->now.steady_ns,
		.packet = ring_next_seq(l->frames),
	};

	l->rules.honeypot = answer->honeypot;
	return inspect_take(l->rules.inspect, &f, tag, sizeof(*tag));
}

/* Rules are about conversations; without any in force none leaves, if policy says so. */
static bool wants_rules(const struct loop *l, unsigned in, const struct gate_answer *answer)
{
	return l->rules.missing && !l->rules.pass && answer->flow_id != 0 && leaves(in, answer);
}

static bool is_inspected(const struct loop *l, const struct gate_answer *answer)
{
	return l->rules.inspect && answer->verdict == VERDICT_PASS && answer->flow_id != 0;
}

static void count_held(struct counts_port *counts)
{
	counts->received++;
	counts->unseen++;
}

bool loop_inspect(struct loop *l, struct arrival *a, uint8_t *bytes, struct gate_answer *answer)
{
	struct inspect_answer said;
	struct held_tag tag;

	if (wants_rules(l, a->in, answer)) {
		stop_frame(answer, REASON_NO_RULES);
		loop_failed(l, a->in, answer->reason, a->frame);
	}
	if (!is_inspected(l, answer))
		return true;
	tag = tag_of(l, a->in, a->time_ns, answer, 0);
	said = ask(l, a->frame, bytes, a->in, answer, &tag);
	if (said.verdict == INSPECT_HELD) {
		count_held(l->port[a->in].counts);
		return false;
	}
	if (said.verdict == INSPECT_CHANGED) {
		a->data = said.before;
		a->changed = bytes;
	}
	apply(l, a->in, a->frame, &said, answer);
	return true;
}

/* ---- a datagram in parts ---- */

static struct loop_held_set *free_set(struct loop *l)
{
	for (unsigned i = 0; i < LOOP_HELD_SETS; i++)
		if (!l->rules.set[i].used)
			return &l->rules.set[i];
	return NULL;
}

static void keep_set(struct loop *l, struct loop_held_set *held, const struct whole_set *set)
{
	uint8_t *at = held->bytes;

	held->used = true;
	held->n = set->n;
	for (unsigned i = 0; i < set->n; i++) {
		memcpy(at, set->part[i].data, set->part[i].len);
		at += set->part[i].len;
		held->len[i] = set->part[i].len;
		held->time_ns[i] = set->part[i].time_ns;
		count_held(l->port[set->in_port].counts);
	}
}

bool loop_inspect_set(struct loop *l, const struct whole_set *set, struct gate_answer *answer,
	const uint8_t **ret_bytes)
{
	uint8_t *bytes = l->rules.datagram;
	struct loop_held_set *held = free_set(l);
	struct inspect_answer said;
	struct held_tag tag;
	struct frame frame;

	*ret_bytes = NULL;
	frame_parse(set->part[0].data, set->part[0].len, FRAME_LINK_ETHERNET, &frame);
	if (wants_rules(l, set->in_port, answer) || (is_inspected(l, answer) && !held)) {
		stop_frame(answer, held ? REASON_NO_RULES : REASON_RULE_UNDECIDED);
		loop_failed(l, set->in_port, answer->reason, &frame);
	}
	if (!set->datagram || !is_inspected(l, answer))
		return true;
	memcpy(bytes, set->datagram, set->datagram_len);
	frame_parse(bytes, set->datagram_len, FRAME_LINK_ETHERNET, &frame);
	tag = tag_of(l, set->in_port, set->part[0].time_ns, answer,
		(uint16_t)(1 + (held - l->rules.set)));
	said = ask(l, &frame, bytes, set->in_port, answer, &tag);
	if (said.verdict == INSPECT_HELD) {
		keep_set(l, held, set);
		return false;
	}
	if (said.verdict == INSPECT_CHANGED)
		*ret_bytes = bytes;
	apply(l, set->in_port, &frame, &said, answer);
	return true;
}

const uint8_t *loop_changed_part(struct loop *l, const struct frame *part, const uint8_t *data,
	uint32_t len, const uint8_t *datagram, uint32_t datagram_len)
{
	const struct frame_packet *p = &part->packet[0];
	struct frame whole;
	uint32_t from;

	frame_parse(datagram, datagram_len, FRAME_LINK_ETHERNET, &whole);
	from = whole.packet[0].l4_at + p->fragment_offset;
	memcpy(l->rules.part, data, len);
	if (whole.n_packets > 0 && p->l4_at + p->fragment_len <= len &&
		from + p->fragment_len <= datagram_len)
		memcpy(l->rules.part + p->l4_at, datagram + from, p->fragment_len);
	return l->rules.part;
}

/* ---- what was held ---- */

static struct gate_answer answer_of(const struct held_tag *tag)
{
	return (struct gate_answer){ .verdict = VERDICT_PASS,
		.reason = (enum reason)tag->reason,
		.direction = (enum direction)tag->direction,
		.flow_id = tag->flow_id,
		.out_ports = tag->out_ports,
		.due_ns = tag->due_ns,
		.honeypot = tag->honeypot,
		.side = tag->side };
}

static void decide(struct loop *l, const struct held_tag *tag, const struct inspect_answer *said,
	const struct frame *frame, struct gate_answer *answer)
{
	if (tag->epoch != l->rules.epoch) {
		stop_frame(answer, REASON_OUTDATED);
		loop_failed(l, tag->in, answer->reason, frame);
	} else {
		apply(l, tag->in, frame, said, answer);
	}
}

static void release_one(struct loop *l, const struct held_tag *tag,
	const struct inspect_released *r, struct arrival *a)
{
	struct gate_answer answer = answer_of(tag);
	struct frame frame;

	frame_parse(a->data, a->len, FRAME_LINK_ETHERNET, &frame);
	decide(l, tag, &r->answer, &frame, &answer);
	a->in = tag->in;
	a->frame = &frame;
	a->answer = &answer;
	l->port[tag->in].counts->received--;
	l->port[tag->in].counts->unseen--;
	loop_flush(l, tag->in, loop_finish_frame(l, a), &frame);
}

static void release_set(
	struct loop *l, const struct held_tag *tag, const struct inspect_released *r)
{
	struct loop_held_set *set = &l->rules.set[tag->set - 1];
	const uint8_t *at = set->bytes;

	for (unsigned i = 0; i < set->n; i++) {
		struct arrival a = { .data = at, .len = set->len[i], .time_ns = set->time_ns[i] };
		struct frame frame;

		frame_parse(at, set->len[i], FRAME_LINK_ETHERNET, &frame);
		if (r->answer.verdict == INSPECT_CHANGED)
			a.changed = loop_changed_part(l, &frame, at, a.len, r->bytes, r->len);
		release_one(l, tag, r, &a);
		at += set->len[i];
	}
	set->used = false;
}

static void release(struct loop *l, const struct inspect_released *r)
{
	struct held_tag tag;
	struct arrival a = { .data = r->before, .len = r->len };

	memcpy(&tag, r->tag, sizeof(tag));
	if (tag.set) {
		release_set(l, &tag, r);
		return;
	}
	a.time_ns = tag.time_ns;
	if (r->answer.verdict == INSPECT_CHANGED)
		a.changed = r->bytes;
	release_one(l, &tag, r, &a);
}

void loop_release(struct loop *l, int64_t steady_ns)
{
	struct inspect_released r;

	if (!l->rules.inspect)
		return;
	l->late = true;
	while (inspect_next(l->rules.inspect, steady_ns, &r))
		release(l, &r);
	l->late = false;
}

int64_t loop_release_ns(const struct loop *l)
{
	return l->rules.inspect ? inspect_next_ns(l->rules.inspect) : INT64_MAX;
}

/* They are captured all the same. */
void loop_forget_held(struct loop *l)
{
	l->rules.epoch++;
	loop_release(l, INT64_MAX);
}

void loop_describe_flow(const struct loop *l, struct record *record)
{
	struct inspect_flow_facts facts;

	if (!l->rules.inspect)
		return;
	facts = inspect_facts(l->rules.inspect, record->head.flow_id);
	inspect_record_flow(&facts, record);
}

void loop_end_flow(struct loop *l, uint64_t flow_id)
{
	if (l->rules.inspect)
		inspect_end_flow(l->rules.inspect, flow_id, NULL);
}

void loop_publish_rules(struct loop *l)
{
	struct counts_rules *to = &l->counts->rules;
	struct inspect_counts from = { 0 };

	if (l->rules.inspect)
		inspect_counts(l->rules.inspect, &from);
	to->flows = from.flows;
	to->pool_used = from.pool_used;
	to->held = from.held;
	to->hits = from.hits;
	to->changed = from.changed;
	to->dropped = from.dropped;
	to->undecided = from.undecided;
	to->no_room = from.no_room;
	to->lost = l->rules.lost;
	to->loaded_ns = (uint64_t)l->rules.loaded_ns;
}
