/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/reader.h"
#include "cmd/fishbowl/replay_found.h"
#include "cmd/fishbowl/replay_look.h"
#include "cmd/fishbowl/replay_nets.h"
#include "conf/conf.h"
#include "control/owner.h"
#include "control/parts.h"
#include "incident/incident.h"
#include "recover/recover.h"
#include "vault/piece.h"

/* gate_tick is due this often in packet time; a gap longer than TICKS_MAX ticks gets so many. */
#define TICK_NS   100000000
#define TICKS_MAX 64

enum { EPB_DIRECTION = 3, EPB_OUTBOUND = 2, PORT_INSIDE = 1, ND_ADVERTISEMENT = 136 };
enum { PADDED_MAX = 60 }; /* bytes of a frame that holds less than Ethernet sends */

struct replay {
	struct replay_setup setup;
	struct gate *gate;
	struct whole *whole;
	struct replay_look *look; /* NULL: headers only */
	struct incidents *incidents;
	char json[RECORD_MEMBERS_MAX + 2]; /* members as an object */
	struct replay_found *found;
	void *flow_memory;
	void *budget_memory;
	struct gate_time now;
	int64_t ticked_ns;
	struct replay_counts counts;
};

/* Which side of the wire an address is on; both lists or none: unknown. */
enum side { SIDE_UNKNOWN, SIDE_HOME, SIDE_EXTERNAL };

static enum side side_of(const struct replay *r, const struct ip *ip)
{
	bool home = r->setup.home && replay_nets_hold(r->setup.home, ip);
	bool external = r->setup.external ? replay_nets_hold(r->setup.external, ip) : !home;

	if (home == external)
		return SIDE_UNKNOWN;
	return home ? SIDE_HOME : SIDE_EXTERNAL;
}

static enum direction direction_by_nets(
	const struct replay *r, const struct ip *from, const struct ip *to)
{
	enum side src, dst;

	if (ip_is_unset(from) && ip_is_unset(to))
		return DIRECTION_NONE;
	src = side_of(r, from);
	dst = side_of(r, to);
	if (src == SIDE_HOME && dst == SIDE_HOME)
		return DIRECTION_INTERNAL;
	if (src == SIDE_HOME && dst == SIDE_EXTERNAL)
		return DIRECTION_OUTBOUND;
	if (src == SIDE_EXTERNAL && dst == SIDE_HOME)
		return DIRECTION_INBOUND;
	return DIRECTION_NONE;
}

static void count_record(struct replay *r, const struct record *record)
{
	struct replay_counts *c = &r->counts;
	const struct text *app = &record->head.app_proto;

	c->records++;
	replay_found_take(r->found, record);
	switch (record->type) {
	case EVENT_FLOW:
		c->flow_proto[record->head.proto]++;
		c->application[proto_find(app->at, app->len)]++;
		break;
	case EVENT_ALERT:
		c->alerts++;
		break;
	case EVENT_LOGIN:
		if (record->login.action.len) /* a password was set */
			break;
		c->logins++;
		c->logins_good += text_is_word(record->login.result, "success");
		break;
	case EVENT_FILEINFO:
		c->files++;
		break;
	default:
		break;
	}
}

static void emit(struct replay *r, const struct record *record)
{
	count_record(r, record);
	r->setup.emit(r->setup.emit_context, record);
}

static struct text members_as_json(struct replay *r, struct record *record)
{
	const struct text *members = record_members(record);
	size_t len = members ? members->len : 0;

	if (len == 0 || len > RECORD_MEMBERS_MAX)
		return (struct text){ 0 };
	r->json[0] = '{';
	memcpy(r->json + 1, members->at, len);
	r->json[len + 1] = '}';
	return (struct text){ r->json, (uint32_t)len + 2 };
}

/* What follows from what was told so far. */
static void emit_incidents(struct replay *r)
{
	struct record record;

	while (incidents_next(r->incidents, &record)) {
		record.head.pcap_cnt = record.head.packet;
		record.head.packet = 0;
		emit(r, &record);
	}
}

/* The gate's record becomes one of replay: frames are known by their number in the capture, and
 * without a policy there is no verdict. */
static void make_ours(const struct replay *r, struct record_head *head)
{
	head->pcap_cnt = head->packet;
	head->packet = 0;
	if (r->setup.policy)
		return;
	head->direction = (uint8_t)direction_by_nets(r, &head->src, &head->dst);
	head->reason = REASON_NONE;
	head->verdict = VERDICT_PASS;
}

static void tell(struct replay *r, struct record *own)
{
	(void)incidents_take(r->incidents, own, members_as_json(r, own));
	emit(r, own);
	emit_incidents(r);
}

void replay_tell(struct replay *r, const struct record *record)
{
	struct record own = *record;

	tell(r, &own);
}

static int on_record(void *context, const struct record *record)
{
	struct replay *r = context;
	struct record own = *record;

	if (own.type == EVENT_FLOW && r->look)
		replay_look_flow(r->look, &own);
	make_ours(r, &own.head);
	tell(r, &own);
	return 0;
}

static void on_found(void *context, const struct record *record)
{
	const struct replay *r = context;
	struct record own = *record;

	owner_name(r->setup.conf, &own.head);
	on_record(context, &own);
}

static void on_text(void *context, const struct inspect_frame *frame, const struct proto_text *text)
{
	const struct replay *r = context;

	r->setup.on_text(r->setup.emit_context, frame, text);
}

static void on_piece(void *context, const struct recover_piece *kept)
{
	const struct replay *r = context;
	struct piece piece = { .file_id = kept->id,
		.offset = kept->offset,
		.side = (uint8_t)kept->side,
		.end = kept->end,
		.cut = kept->cut,
		.record = *kept->record,
		.bytes = kept->bytes,
		.len = (uint32_t)kept->len };

	owner_name(r->setup.conf, &piece.record.head);
	make_ours(r, &piece.record.head);
	/* What cannot be packed is no file of ours: names have a bound. */
	(void)piece_cut(&piece, r->setup.keep, r->setup.emit_context);
}

static int new_look(struct replay *r)
{
	const struct replay_look_setup setup = { .rules = r->setup.rules,
		.is_inline = r->setup.is_inline,
		.midstream = r->setup.midstream,
		.ignore_checksums = r->setup.ignore_checksums,
		.signatures = r->setup.signatures,
		.geo = r->setup.geo,
		.flows_max = (uint32_t)r->setup.conf->rules.conversations,
		.emit = on_found,
		.on_text = r->setup.on_text ? on_text : NULL,
		.keep = r->setup.keep ? on_piece : NULL,
		.context = r };

	/* Without either there is nothing to look for in what is carried. */
	if (!setup.rules && !r->setup.conf->top.application_records)
		return 0;
	return replay_look_new(&setup, &r->look);
}

/* Zeroed pages that cost nothing until they are used: most of a flow table never is. */
static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void unmap_memory(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

int replay_new(const struct replay_setup *setup, struct replay **ret_replay)
{
	struct replay *r = calloc(1, sizeof(*r));
	struct gate_setup gate = {
		.conf = setup->conf,
		.policy = setup->image,
		.emit = on_record,
		.emit_context = r,
		.same_boot = true,
		.observe = !setup->policy,
	};
	int result = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->setup = *setup;
	gate.flow_memory = r->flow_memory = map_memory(gate_flow_memory_size(setup->conf));
	gate.budget_memory = r->budget_memory = map_memory(gate_budget_memory_size(setup->conf));
	if (r->flow_memory && r->budget_memory)
		result = whole_new(&r->whole);
	if (result == 0)
		result = incidents_new(&r->incidents);
	if (result == 0)
		result = replay_found_new(setup->viewer, &r->found);
	if (result == 0)
		result = new_look(r);
	if (result == 0)
		result = gate_new(&gate, &r->gate);
	if (result < 0) {
		replay_free(r);
		return result;
	}
	*ret_replay = r;
	return 0;
}

struct replay *replay_free(struct replay *r)
{
	if (r) {
		gate_free(r->gate);
		whole_free(r->whole);
		replay_look_free(r->look);
		incidents_free(r->incidents);
		replay_found_free(r->found);
		unmap_memory(r->flow_memory, gate_flow_memory_size(r->setup.conf));
		unmap_memory(r->budget_memory, gate_budget_memory_size(r->setup.conf));
		free(r);
	}
	return NULL;
}

static void advance(struct replay *r, int64_t time_ns)
{
	struct replay_counts *c = &r->counts;

	time_ns = capture_sane_time(time_ns);
	if (c->frames == 0 || time_ns < c->first_ns)
		c->first_ns = time_ns;
	if (c->frames == 0 || time_ns > c->last_ns)
		c->last_ns = time_ns;
	if (time_ns > r->now.steady_ns)
		r->now.steady_ns = time_ns;
	r->now.wall_ns = time_ns;
}

static void expire_parts(struct replay *r, int64_t steady_ns);

static void tick(struct replay *r)
{
	int64_t due = (r->now.steady_ns - r->ticked_ns) / TICK_NS;

	if (due <= 0)
		return;
	r->ticked_ns = r->now.steady_ns;
	expire_parts(r, r->now.steady_ns);
	for (int64_t i = 0; i < due && i < TICKS_MAX; i++)
		gate_tick(r->gate, &r->now);
}

static bool text_is(const char *text, const char *other)
{
	return text && strcmp(text, other) == 0;
}

/* The port that the capture itself names, or -1. */
static int port_by_interface(const struct conf *conf, const struct capture_interface *interface)
{
	if (!interface)
		return -1;
	if (text_is(interface->description, "outside") || text_is(interface->name, "outside"))
		return GATE_OUTSIDE;
	if (!text_is(interface->description, "inside") && !text_is(interface->name, "inside"))
		return -1;
	for (size_t i = 0; i < conf->top.inside.n; i++)
		if (text_is(conf->top.inside.text[i], interface->name))
			return PORT_INSIDE + (int)i;
	return PORT_INSIDE;
}

static int honeypot_port(const struct conf_a_honeypot *honeypot)
{
	return PORT_INSIDE + (honeypot->inside > 0 ? honeypot->inside : 0);
}

/* The addresses that the sender says are its own: IP source or ARP sender, and the target of a
 * neighbour advertisement or of a solicitation from :: (duplicate address detection, RFC 4862). */
static unsigned own_addresses(const struct frame *frame, const struct ip *ret_own[2])
{
	const struct frame_packet *outer = &frame->packet[0];
	unsigned n = 0;

	if (frame->n_packets > 0)
		ret_own[n++] = &outer->src;
	else if (frame->is_arp)
		ret_own[n++] = &frame->arp_sender;
	if (frame->is_nd && (outer->icmp_type == ND_ADVERTISEMENT || ip_is_unset(&outer->src)))
		ret_own[n++] = &frame->nd_target;
	return n;
}

static int port_by_frame(const struct replay *r, const struct frame *frame)
{
	const struct conf *conf = r->setup.conf;
	const struct ip *own[2];
	unsigned n = own_addresses(frame, own);

	for (size_t i = 0; i < conf->n_honeypots; i++) {
		const struct conf_a_honeypot *honeypot = &conf->honeypot[i];

		if (honeypot->has_mac && mac_equal(&honeypot->mac, &frame->src_mac))
			return honeypot_port(honeypot);
		for (unsigned a = 0; a < n; a++)
			if (conf_honeypot_has(honeypot, own[a]))
				return honeypot_port(honeypot);
	}
	if (n > 0 && r->setup.home && side_of(r, own[0]) == SIDE_HOME)
		return PORT_INSIDE;
	return GATE_OUTSIDE;
}

static void count_frame(struct replay_counts *c, const struct frame *frame)
{
	if (frame->n_packets > 0)
		c->ip_proto[frame->packet[0].proto]++;
	else if (frame->is_arp)
		c->arp++;
	else
		c->other_l2++;
	c->inner += frame->n_packets > 1;
	for (uint64_t left = frame->anomalies; left; left &= left - 1)
		c->anomaly[__builtin_ctzll(left)]++;
}

/* Reasons that say how the gateway did then, not what its policy is. */
static bool is_comparable(enum reason reason)
{
	switch (reason) {
	case REASON_RING_FULL:
	case REASON_RECORDS_FULL:
	case REASON_OVERSIZE:
	case REASON_CHECKSUM:
	case REASON_TX_FAILED:
	case REASON_NO_PORT:
	case REASON_RUNT:
	case REASON_LOCKDOWN:
	case REASON_KILLED:
		return false;
	default:
		return true;
	}
}

static bool starts_with_word(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->at, word, len) != 0 ||
		(text->len > len && text->at[len] != ' '))
		return false;
	len += text->len > len;
	text->at += len;
	text->len -= (uint32_t)len;
	return true;
}

/* What "pass inbound flow 1a2b" in the comment expects: a reason and whether it passed; EXPECT_NOTHING: it is
 * somebody else's comment, EXPECT_UNKNOWN: a reason of another version. */
enum { EXPECT_NOTHING, EXPECT_UNKNOWN, EXPECT_REASON, EXPECT_PASS = 1 << 14 };

static uint16_t expectation(struct text comment)
{
	bool passed = starts_with_word(&comment, verdict_name(VERDICT_PASS));

	if (!passed && !starts_with_word(&comment, verdict_name(VERDICT_DROP)))
		return EXPECT_NOTHING;
	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (starts_with_word(&comment, reason_name((enum reason)i)))
			return (uint16_t)(EXPECT_REASON + i + (passed ? EXPECT_PASS : 0));
	return EXPECT_UNKNOWN;
}

static void compare_verdict(
	struct replay_counts *c, uint16_t expected, const struct gate_answer *answer)
{
	bool passed = expected & EXPECT_PASS;
	enum reason reason = (enum reason)((expected & ~EXPECT_PASS) - EXPECT_REASON);

	if (expected == EXPECT_NOTHING)
		return;
	if (expected == EXPECT_UNKNOWN)
		c->other_verdict++;
	else if (!is_comparable(reason))
		c->not_comparable++;
	else if (passed == (answer->verdict == VERDICT_PASS) && answer->reason == reason)
		c->same_verdict++;
	else
		c->other_verdict++;
}

bool replay_link_of(enum capture_link link, enum frame_link *ret_link)
{
	switch (link) {
	case CAPTURE_LINK_ETHERNET:
		*ret_link = FRAME_LINK_ETHERNET;
		return true;
	case CAPTURE_LINK_RAW_IP:
		*ret_link = FRAME_LINK_RAW_IP;
		return true;
	case CAPTURE_LINK_COOKED:
		*ret_link = FRAME_LINK_COOKED;
		return true;
	case CAPTURE_LINK_COOKED2:
		*ret_link = FRAME_LINK_COOKED2;
		return true;
	case CAPTURE_LINK_NULL:
		*ret_link = FRAME_LINK_NULL;
		return true;
	case CAPTURE_LINK_LOOP:
		*ret_link = FRAME_LINK_LOOP;
		return true;
	case CAPTURE_LINK_HDLC:
		*ret_link = FRAME_LINK_HDLC;
		return true;
	case CAPTURE_LINK_WIFI:
		*ret_link = FRAME_LINK_WIFI;
		return true;
	case CAPTURE_LINK_RADIOTAP:
		*ret_link = FRAME_LINK_RADIOTAP;
		return true;
	case CAPTURE_LINK_OTHER:
		break;
	}
	return false;
}

/* All else that passes without a flow is the honeypots' own housekeeping, or not IP. */
static bool found_table_full(const struct frame *frame, const struct gate_answer *answer)
{
	return frame->n_packets > 0 && answer->verdict == VERDICT_PASS && answer->flow_id == 0 &&
	       (answer->reason == REASON_INBOUND || answer->reason == REASON_REPLY ||
		       answer->reason == REASON_INTERNAL);
}

static void note_answer(struct replay *r, const struct frame *frame,
	const struct gate_answer *answer, uint16_t expected)
{
	r->counts.no_flow += found_table_full(frame, answer);
	if (r->setup.policy)
		compare_verdict(&r->counts, expected, answer);
}

static void look(struct replay *r, const struct frame *frame, const struct gate_answer *answer,
	const struct gate_time *now, uint64_t number)
{
	struct gate_answer own = *answer;

	if (!r->look)
		return;
	if (!r->setup.policy && frame->n_packets > 0)
		own.direction = direction_by_nets(r, &frame->packet[0].src, &frame->packet[0].dst);
	replay_look_frame(r->look, frame, &own, now, number);
}

/* What the capture expects of a part rides with its number. */
enum { EXPECT_SHIFT = 48 };

static void judge_set(struct replay *r, const struct whole_set *set, struct gate_answer *ret_answer)
{
	struct parts parts = { 0 };
	struct gate_time now = r->now;

	for (unsigned i = 0; i < set->n; i++) {
		const struct whole_part *part = &set->part[i];
		uint64_t number = part->packet & ((UINT64_C(1) << EXPECT_SHIFT) - 1);

		now.wall_ns = part->time_ns;
		parts_judge(&parts, r->gate, set, i, &now, number);
		note_answer(
			r, &parts.frame, &parts.answer, (uint16_t)(part->packet >> EXPECT_SHIFT));
		look(r, &parts.frame, &parts.answer, &now, number);
	}
	*ret_answer = parts.answer;
}

static void expire_parts(struct replay *r, int64_t steady_ns)
{
	const struct whole_set *set;
	struct gate_answer unused;

	while ((set = whole_expired(r->whole, steady_ns)) != NULL)
		judge_set(r, set, &unused);
}

/* True when there is an answer: a part that waits has none yet. */
static bool judge_frame(struct replay *r, unsigned port, const struct frame *frame,
	uint16_t expected, struct gate_answer *ret_answer)
{
	uint64_t number = r->counts.frames | (uint64_t)expected << EXPECT_SHIFT;
	enum whole_result result = WHOLE_NOT;
	const struct whole_set *set;

	if (gate_wants_whole(r->gate, port, frame))
		result = whole_take(r->whole, port, frame, &r->now, number, &set);
	if (result == WHOLE_HELD)
		return false;
	if (result == WHOLE_SET) {
		judge_set(r, set, ret_answer);
		return true;
	}
	*ret_answer = gate_judge(r->gate, port, frame, &r->now, r->counts.frames);
	note_answer(r, frame, ret_answer, expected);
	look(r, frame, ret_answer, &r->now, r->counts.frames);
	return true;
}

/* A super-frame as the host captured it that sent it, before its NIC made packets of it: its IPv4 header has no
 * length yet. No receiver would accept that, so it is given one only where nothing is controlled. Returns the
 * frame's bytes, to be freed; NULL: they are the packet's. */
static uint8_t *give_length(
	const struct capture_packet *packet, enum frame_link link, struct frame *frame)
{
	const uint64_t anomalies = frame->anomalies;
	size_t at, len;
	uint8_t *bytes;

	if (frame->n_packets != 1 || !frame_has_anomaly(frame, FRAME_ANOMALY_IP4_TOTAL))
		return NULL;
	at = frame->packet[0].l3_at;
	if (packet->data[at + 2] || packet->data[at + 3] || packet->len <= PADDED_MAX)
		return NULL;
	bytes = malloc(packet->len);
	if (!bytes)
		return NULL;
	memcpy(bytes, packet->data, packet->len);
	len = packet->orig_len - at < UINT16_MAX ? packet->orig_len - at : UINT16_MAX;
	bytes[at + 2] = (uint8_t)(len >> 8);
	bytes[at + 3] = (uint8_t)len;
	frame_parse(bytes, packet->len, link, frame);
	frame->anomalies |= anomalies;
	return bytes;
}

bool replay_packet(struct replay *r, const struct capture_packet *packet,
	const struct capture_interface *interface, struct gate_answer *ret_answer)
{
	struct replay_counts *c = &r->counts;
	int port = GATE_OUTSIDE;
	enum frame_link link;
	uint8_t *bytes = NULL;
	struct frame frame;
	bool answers;

	advance(r, packet->time_ns);
	c->frames++;
	c->bytes += packet->len;
	c->cut += packet->orig_len > packet->len;
	if (!replay_link_of(packet->link, &link)) {
		c->unknown_link++;
		return false;
	}
	tick(r);
	if (r->setup.policy)
		port = port_by_interface(r->setup.conf, interface);
	if (port >= 0 && (packet->flags & EPB_DIRECTION) == EPB_OUTBOUND && r->setup.policy) {
		c->copies++;
		return false;
	}
	frame_parse(packet->data, packet->len, link, &frame);
	if (!r->setup.policy)
		bytes = give_length(packet, link, &frame);
	if (packet->orig_len > frame.wire_len)
		frame.wire_len = packet->orig_len;
	count_frame(c, &frame);
	if (port < 0)
		port = port_by_frame(r, &frame);
	answers = judge_frame(r, (unsigned)port, &frame,
		r->setup.policy ? expectation(packet->comment) : EXPECT_NOTHING, ret_answer);
	free(bytes);
	return answers;
}

void replay_finish(struct replay *r)
{
	expire_parts(r, INT64_MAX);
	if (r->look)
		replay_look_finish(r->look);
	while (!gate_finish(r->gate, &r->now))
		;
	incidents_finish(r->incidents);
	emit_incidents(r);
}

const struct replay_counts *replay_counts(const struct replay *r)
{
	return &r->counts;
}

struct replay_found *replay_found(struct replay *r)
{
	return r->found;
}

void replay_gate_counts(const struct replay *r, struct gate_counts *ret_counts)
{
	gate_counts(r->gate, ret_counts);
}
