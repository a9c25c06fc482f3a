/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-gate/loop_inside.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ring.h"
#include "capture/pcapng.h"
#include "capture/ring_kind.h"
#include "control/parts.h"
#include "control/policy.h"
#include "control/privacy.h"
#include "control/refuse.h"
#include "frame/frame.h"

enum { WAIT_MS = 20, HELD_WAIT_MS = 1, FINISH_WAIT_MS = 5, CATCH_UP_MS = 5 };
enum { FLOOD_STOPPED = 7, FLOOD_TURNS = 4 }; /* so many of 8 */
enum { LOOK_AFTER = 8 };                     /* alternations */
static const int64_t ns_per_s = 1000000000, tick_ns = 10000000, finish_ns = 5 * 1000000000LL;
static const int64_t look_ns = 50000;

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * ns_per_s + t.tv_nsec;
}

int64_t loop_now(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

void loop_clock(struct loop *l)
{
	l->now.steady_ns = read_clock(CLOCK_BOOTTIME);
	l->now.wall_ns = read_clock(CLOCK_REALTIME);
}

/* ---- one frame ---- */

static enum reason fault_reason(enum port_fault fault)
{
	switch (fault) {
	case PORT_FAULT_OVERSIZE:
		return REASON_OVERSIZE;
	case PORT_FAULT_CHECKSUM:
		return REASON_CHECKSUM;
	case PORT_FAULT_RUNT:
		return REASON_RUNT;
	default:
		return REASON_NONE;
	}
}

void loop_failed(struct loop *l, unsigned in, enum reason reason, const struct frame *frame)
{
	(l->late ? gate_failed_late : gate_failed)(l->gate, in, reason, frame, &l->now);
}

/* False when there is no room. */
static bool capture(struct loop *l, const struct pcapng_packet *packet)
{
	struct ring_entry *entry;
	uint8_t *block =
		ring_reserve(l->frames, (uint32_t)pcapng_packet_size(packet->kept), &entry);

	if (!block)
		return false;
	entry->kind = RING_FRAME;
	entry->flags = (uint16_t)packet->interface;
	entry->flow = packet->flow;
	entry->time_ns = packet->time_ns;
	ring_commit(l->frames, (uint32_t)pcapng_put_packet(block, packet));
	return true;
}

/* Returns the ports that something was queued on. */
static uint32_t forward(struct loop *l, unsigned in, const uint8_t *data, uint32_t len,
	uint32_t out_ports, const struct frame *frame)
{
	uint32_t used = 0;

	for (; out_ports; out_ports &= out_ports - 1) {
		unsigned out = (unsigned)__builtin_ctz(out_ports);
		int r = out < l->n_ports && l->port[out].port && !l->port[out].down
				? port_tx(l->port[out].port, data, len)
				: -ENODEV;

		if (r == 0)
			used |= 1u << out;
		else
			loop_failed(l, in,
				r == -ENODEV     ? REASON_NO_PORT
				: r == -EMSGSIZE ? REASON_OVERSIZE
				: r == -EINVAL   ? REASON_RUNT
						 : REASON_TX_FAILED,
				frame);
	}
	return used;
}

static uint32_t kept(const struct loop *l, const struct arrival *a)
{
	uint32_t keep = privacy_keep(gate_policy(l->gate), a->answer, a->frame);

	return keep < a->len ? keep : a->len;
}

static bool capture_arrival(struct loop *l, const struct arrival *a)
{
	const struct pcapng_packet packet = {
		.interface = a->in,
		.time_ns = a->time_ns,
		.data = a->data,
		.len = a->len,
		.kept = kept(l, a),
		.direction = a->answer->direction,
		.arrived = true,
		.packet = ring_next_seq(l->frames),
		.flow = a->answer->flow_id,
		.verdict = a->answer->verdict,
		.reason = a->answer->reason,
	};

	/* Only the beginning of such a frame is there. */
	return a->fault != PORT_FAULT_OVERSIZE && capture(l, &packet);
}

/* A frame that was changed, as it leaves. */
static bool capture_changed(struct loop *l, const struct arrival *a)
{
	unsigned out = (unsigned)__builtin_ctz(a->answer->out_ports);
	const struct pcapng_packet packet = {
		.interface = out,
		.time_ns = l->now.wall_ns,
		.data = a->changed,
		.len = a->len,
		.kept = kept(l, a),
		.direction = a->answer->direction,
		.arrived = false,
		.packet = ring_next_seq(l->frames),
		.flow = a->answer->flow_id,
		.verdict = VERDICT_PASS,
		.reason = REASON_RULE_REPLACED,
	};

	if (!capture(l, &packet))
		return false;
	l->port[out].counts->made++;
	return true;
}

/* What the honeypot hears of a frame that was stopped, if policy wants it to hear anything. */
static void refuse(struct loop *l, const struct arrival *a)
{
	const struct policy *policy = gate_policy(l->gate);
	const struct ip *router = policy->has_router ? &policy->router : NULL;
	uint64_t seed = gate_secret(l->gate);
	uint8_t answer[REFUSE_FRAME_MAX];
	uint32_t len =
		refuse_build((enum refuse_how)a->answer->refusal, a->frame, router, seed, answer);

	if (len > 0) /* no room: then it hears nothing */
		(void)later_put(l->later,
			l->now.steady_ns + refuse_delay_ns(a->frame, seed, l->refusals++),
			1u << a->in, a->in, a->answer->honeypot, answer, len);
}

static uint32_t send_or_wait(struct loop *l, const struct arrival *a)
{
	const struct gate_answer *answer = a->answer;
	const uint8_t *data = a->changed ? a->changed : a->data;

	if (answer->refusal != REFUSE_SILENCE)
		refuse(l, a);
	if (answer->due_ns <= l->now.steady_ns || answer->out_ports == 0)
		return forward(l, a->in, data, a->len, answer->out_ports, a->frame);
	if (later_put(l->later, answer->due_ns, answer->out_ports, a->in, answer->honeypot, data,
		    a->len) < 0)
		loop_failed(l, a->in, REASON_LINE_FULL, a->frame);
	return 0;
}

uint32_t loop_finish_frame(struct loop *l, const struct arrival *a)
{
	struct counts_port *counts = l->port[a->in].counts;

	counts->received++;
	l->stopped += a->answer->out_ports == 0;
	if (!capture_arrival(l, a)) {
		counts->unseen++;
		if (a->fault == PORT_FAULT_NONE)
			loop_failed(l, a->in, REASON_RING_FULL, a->frame);
		return 0;
	}
	counts->captured++;
	if (a->changed && a->answer->out_ports && !capture_changed(l, a)) {
		loop_failed(l, a->in, REASON_RING_FULL, a->frame);
		return 0;
	}
	return send_or_wait(l, a);
}

static uint32_t handle_part(struct loop *l, const struct whole_set *set, unsigned i,
	const struct parts *parts, const uint8_t *changed)
{
	const struct whole_part *part = &set->part[i];
	struct arrival a = { .in = set->in_port,
		.data = part->data,
		.len = part->len,
		.time_ns = part->time_ns,
		.frame = &parts->frame,
		.answer = &parts->answer };
	uint32_t used;

	if (!changed)
		return loop_finish_frame(l, &a);
	a.changed = loop_changed_part(l, &parts->frame, a.data, a.len, changed, set->datagram_len);
	used = loop_finish_frame(l, &a);
	loop_flush(l, a.in, used, a.frame); /* there is one copy only */
	return 0;
}

/* All frames of a datagram, in the order in which they came. */
static uint32_t handle_set(struct loop *l, const struct whole_set *set)
{
	struct parts parts = { 0 };
	const uint8_t *changed = NULL;
	uint32_t used = 0;
	bool goes = true;

	for (unsigned i = 0; i < set->n; i++) {
		l->now.wall_ns = set->part[i].time_ns;
		parts_judge(&parts, l->gate, set, i, &l->now, ring_next_seq(l->frames));
		if (i == 0)
			goes = loop_inspect_set(l, set, &parts.answer, &changed);
		if (goes)
			used |= handle_part(l, set, i, &parts, changed);
	}
	return used;
}

/* True: it waits, or went with its datagram (then *used has the ports). */
static bool take_part(struct loop *l, unsigned in, const struct frame *frame, uint32_t *used)
{
	const struct whole_set *set;

	if (!gate_wants_whole(l->gate, in, frame))
		return false;
	switch (whole_take(l->whole, in, frame, &l->now, 0, &set)) {
	case WHOLE_NOT:
		return false;
	case WHOLE_HELD:
		return true;
	case WHOLE_SET:
		break;
	}
	*used |= handle_set(l, set);
	return true;
}

static uint32_t handle(struct loop *l, unsigned in, const struct port_frame *f, struct frame *frame)
{
	struct gate_answer answer;
	struct arrival a = { .in = in,
		.data = f->data,
		.len = f->len,
		.time_ns = f->time_ns,
		.fault = f->fault,
		.frame = frame,
		.answer = &answer };
	uint32_t used = 0;

	l->now.wall_ns = f->time_ns;
	frame_parse(f->data, f->len, FRAME_LINK_ETHERNET, frame);
	if (f->fault == PORT_FAULT_NONE && take_part(l, in, frame, &used))
		return used;
	answer = gate_judge(l->gate, in, frame, &l->now, ring_next_seq(l->frames));
	if (f->fault != PORT_FAULT_NONE) {
		answer.verdict = VERDICT_DROP;
		answer.reason = fault_reason(f->fault);
		answer.out_ports = 0;
		answer.refusal = REFUSE_SILENCE;
		gate_failed(l->gate, in, answer.reason, frame, &l->now);
	}
	return loop_inspect(l, &a, f->data, &answer) ? loop_finish_frame(l, &a) : 0;
}

/* ---- one burst ---- */

/* Which frame failed is not known then; it is counted under the last one's address. */
void loop_flush(struct loop *l, unsigned in, uint32_t ports, const struct frame *last)
{
	for (; ports; ports &= ports - 1) {
		unsigned out = (unsigned)__builtin_ctz(ports);
		uint32_t sent = 0, failed = 0;

		(void)port_tx_flush(l->port[out].port, &sent, &failed);
		l->port[out].counts->sent += sent;
		for (; failed; failed--)
			gate_failed(l->gate, in, REASON_TX_FAILED, last, &l->now);
	}
}

/* A wake-up for fb-tap when the ring passes its mark upwards, one only. */
static void wake_tap(struct loop *l)
{
	static const uint64_t one = 1;
	bool above = ring_used(l->frames) >= l->event_at;

	if (above && !l->event_sent && l->event_fd >= 0 &&
		write(l->event_fd, &one, sizeof(one)) < 0)
		return; /* it is awake already */
	l->event_sent = above;
}

/* A ring that is nearly full because fb-tap had no CPU: frames wait a few milliseconds in the socket's
 * ring, rather than be lost. Not again while fb-tap does nothing at all. */
static void let_tap_catch_up(struct loop *l)
{
	size_t enough = ring_data_size(l->frames) / 16, used = ring_used(l->frames);
	bool short_of = ring_room(l->frames) < enough;

	if (short_of && !l->tap_stuck) {
		wake_tap(l);
		for (int ms = 0; ms < CATCH_UP_MS && ring_room(l->frames) < enough; ms++)
			(void)poll(NULL, 0, 1);
		short_of = ring_used(l->frames) >= used;
	}
	l->tap_stuck = short_of;
}

/* A refusal is a frame of our own: it is captured as what went out of that NIC, and counted apart. */
static bool capture_made(struct loop *l, const struct later_frame *f)
{
	const struct pcapng_packet packet = {
		.interface = f->in_port,
		.time_ns = l->now.wall_ns,
		.data = f->data,
		.len = f->len,
		.kept = f->len,
		.direction = f->in_port == GATE_OUTSIDE ? DIRECTION_OUTBOUND : DIRECTION_INBOUND,
		.arrived = false,
		.packet = ring_next_seq(l->frames),
		.verdict = VERDICT_PASS,
		.reason = REASON_REFUSAL,
	};

	if (!capture(l, &packet))
		return false;
	l->port[f->in_port].counts->made++;
	return true;
}

/* Frames whose time has come. */
static void send_later(struct loop *l)
{
	const struct later_frame *f;
	struct frame frame;

	while ((f = later_due(l->later, l->now.steady_ns)) != NULL) {
		bool made = f->out_ports == 1u << f->in_port;

		frame_parse(f->data, f->len, FRAME_LINK_ETHERNET, &frame);
		later_pop(l->later);
		if (!made || capture_made(l, f))
			loop_flush(l, f->in_port,
				forward(l, f->in_port, f->data, f->len, f->out_ports, &frame),
				&frame);
	}
}

/* Fragments whose datagram did not become whole in time. */
static void expire_parts(struct loop *l, int64_t steady_ns)
{
	const struct whole_set *set;

	while ((set = whole_expired(l->whole, steady_ns)) != NULL)
		(void)handle_set(l, set); /* nothing of it leaves */
}

static void count_alternation(struct loop *l, unsigned in, int n)
{
	l->alternations = n == 1 && in != l->last_in ? l->alternations + 1 : 0;
	l->last_in = in;
}

/* True when more frames wait. */
static bool run_burst(struct loop *l, unsigned in)
{
	struct port_frame frames[PORT_BURST];
	struct loop_port *port = &l->port[in];
	struct frame frame;
	uint32_t used = 0;
	int n;

	if (!port->port)
		return false;
	let_tap_catch_up(l);
	n = port_rx_burst(port->port, frames);
	if (n <= 0) {
		port->down = n < 0;
		if (n == -ENODEV)
			port->port = port_free(port->port);
		return false;
	}
	port->down = false;
	count_alternation(l, in, n);
	loop_clock(l);
	for (int i = 0; i < n; i++) {
		used |= handle(l, in, &frames[i], &frame);
		loop_release(l, l->now.steady_ns); /* behind what it has waited for */
	}
	port->floods = l->stopped > (unsigned)n * FLOOD_STOPPED / 8;
	l->stopped = 0;
	loop_flush(l, in, used, &frame);
	port_rx_release(port->port);
	wake_tap(l);
	return n == PORT_BURST;
}

/* ---- some times a second ---- */

static void publish(struct loop *l)
{
	struct counts_gate *to = l->counts;
	struct gate_counts from;

	gate_counts(l->gate, &from);
	to->received = from.received;
	to->bytes = from.bytes;
	to->passed = from.passed;
	to->dropped = from.dropped;
	to->in_flows = from.in_flows;
	to->other_frames = from.other_frames;
	to->open_frames = from.open_frames;
	to->flows_active = from.flows_active;
	to->flows_total = from.flows_total;
	memcpy(to->by_reason, from.by_reason, sizeof(from.by_reason));
	loop_publish_rules(l);
	for (unsigned i = 0; i < l->n_ports; i++) {
		struct port_stats stats;

		if (!l->port[i].port || port_stats(l->port[i].port, &stats) < 0)
			continue;
		l->port[i].counts->missed = l->port[i].missed_before + stats.lost;
		l->port[i].counts->kernel = l->port[i].kernel_before + stats.received;
	}
}

static bool put_frame_marker(struct loop *l, uint64_t id)
{
	struct ring_marker marker = { .marker = id, .n_interfaces = l->n_ports };
	struct ring_entry *entry;
	void *payload = ring_reserve(l->frames, sizeof(marker), &entry);

	if (!payload)
		return false;
	for (unsigned i = 0; i < l->n_ports; i++) {
		const struct counts_port *counts = l->port[i].counts;

		marker.interface[i] = (struct ring_marker_interface){
			.received = counts->received,
			.captured = counts->captured,
			.missed = counts->missed,
			.unseen = counts->unseen,
		};
	}
	memcpy(payload, &marker, sizeof(marker));
	entry->kind = RING_MARKER;
	entry->time_ns = l->now.wall_ns;
	ring_commit(l->frames, sizeof(marker));
	return true;
}

static bool put_record_marker(struct loop *l, const struct audit_marker *marker)
{
	struct ring_entry *entry;
	void *payload = ring_reserve(l->records, sizeof(*marker), &entry);

	if (!payload)
		return false;
	memcpy(payload, marker, sizeof(*marker));
	entry->kind = RECORD_KIND_MARKER;
	entry->time_ns = l->now.wall_ns;
	ring_commit(l->records, sizeof(*marker));
	return true;
}

static void audit(struct loop *l, uint64_t id)
{
	struct message_audited answer = { .id = id, .gate.id = id };
	struct audit_marker *marker = &answer.gate;

	publish(l);
	marker->received = l->counts->received;
	marker->in_flows = l->counts->in_flows;
	marker->other_frames = l->counts->other_frames;
	marker->open_frames = l->counts->open_frames;
	marker->passed = l->counts->passed;
	marker->dropped = l->counts->dropped;
	marker->bytes = l->counts->bytes;
	marker->flows_active = l->counts->flows_active;
	marker->flows_total = l->counts->flows_total;
	for (unsigned i = 0; i < l->n_ports; i++) {
		marker->missed += l->port[i].counts->missed;
		marker->kernel += l->port[i].counts->kernel;
		marker->unseen += l->port[i].counts->unseen;
		marker->captured += l->port[i].counts->captured;
		marker->made += l->port[i].counts->made;
	}
	answer.frames = marker->captured + marker->made;
	answer.ok = put_frame_marker(l, id) && put_record_marker(l, marker);
	(void)child_audited(l->child, &answer); /* the supervisor notices a missing answer */
}

/* ---- orders ---- */

/* What was judged by the policy before must not leave any more. */
static void forget_later(struct loop *l)
{
	while (later_next_ns(l->later) != INT64_MAX) {
		(void)later_due(l->later, INT64_MAX);
		later_pop(l->later);
	}
	loop_forget_held(l);
}

static int64_t use_policy(struct loop *l, const struct message_policy *m, int fd)
{
	void *memory = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	const struct policy *policy;
	int64_t r;

	if (memory == MAP_FAILED)
		return -errno;
	policy = policy_check(memory, m->size);
	r = policy ? gate_set_policy(l->gate, policy, &l->now) : -EBADMSG;
	if (r < 0) {
		munmap(memory, m->size);
		return r;
	}
	forget_later(l);
	if (l->policy_memory)
		munmap((void *)(uintptr_t)l->policy_memory, l->policy_size);
	l->policy_memory = memory;
	l->policy_size = m->size;
	return 0;
}

static void take_policy(struct loop *l, struct message *m)
{
	struct message_applied applied = { .generation = m->policy.generation };

	applied.result = m->n_fds == 1 && m->policy.size <= POLICY_SIZE_MAX
				 ? use_policy(l, &m->policy, m->fd[0])
				 : -EBADMSG;
	message_close_fds(m);
	(void)child_applied(l->child, &applied);
}

static void take_rules(struct loop *l, struct message *m)
{
	loop_take_rules(l, &m->rules, m->n_fds == 1 ? m->fd[0] : -1);
	message_close_fds(m);
}

static void kill_flow(struct loop *l, uint64_t flow_id)
{
	struct message_applied applied = { .flow_id = flow_id };

	applied.result = gate_kill_flow(l->gate, flow_id);
	forget_later(l);
	(void)child_applied(l->child, &applied);
}

/* Messages, timeouts, counters. True when the loop is to end. */
static bool tick(struct loop *l, enum loop_end *ret_end)
{
	struct message m;

	l->next_tick_ns = l->now.steady_ns + tick_ns;
	l->alternations = 0; /* only poll() tells of a NIC that went down, and tries one that was */
	switch (child_poll(l->child, l->now.steady_ns, &m)) {
	case CHILD_AUDIT:
		audit(l, m.audit.id);
		break;
	case CHILD_STOP:
		*ret_end = m.stop.how == STOP_RESTART ? LOOP_RESTART : LOOP_FINISH;
		return true;
	case CHILD_POLICY:
		take_policy(l, &m);
		break;
	case CHILD_RULES:
		take_rules(l, &m);
		break;
	case CHILD_KILL_FLOW:
		kill_flow(l, m.kill_flow.flow_id);
		break;
	case CHILD_ORPHAN:
		*ret_end = LOOP_FINISH;
		return true;
	case CHILD_SEGMENT: /* these are not for this process */
	case CHILD_FILE_ORDER:
		message_close_fds(&m);
		break;
	case CHILD_NOTHING:
		break;
	}
	expire_parts(l, l->now.steady_ns);
	gate_tick(l->gate, &l->now);
	publish(l);
	return false;
}

/* Milliseconds until a frame is due or there is anything else to do, at most `ms`. */
static int until_due(const struct loop *l, int ms)
{
	int64_t wait = later_next_ns(l->later), held = loop_release_ns(l);

	wait = held < wait ? held : wait;
	if (l->rules.next.rules)
		return 0;
	if (wait == INT64_MAX)
		return ms;
	wait = wait <= l->now.steady_ns ? 0 : (wait - l->now.steady_ns + 999999) / 1000000;
	return wait < ms ? (int)wait : ms;
}

/* Finds the ports that have frames, or waits for frames or a message; true when there is a message.
 * Only those ports are read: an empty look costs a system call. A port that is down would report its
 * error at once again and again: it is left out here, and tried each time the others have waited. */
static bool wait_for_work(struct loop *l, int wait_ms)
{
	struct pollfd wait[CHAN_PORTS_MAX + 1];

	for (unsigned i = 0; i < l->n_ports; i++)
		wait[i] = (struct pollfd){
			.fd = l->port[i].port && !l->port[i].down && !l->port[i].held
				      ? port_fd(l->port[i].port)
				      : -1,
			.events = POLLIN,
		};
	wait[l->n_ports] = (struct pollfd){ .fd = l->child->chan.fd, .events = POLLIN };
	if (poll(wait, l->n_ports + 1, wait_ms) < 0)
		return false;
	for (unsigned i = 0; i < l->n_ports; i++)
		l->port[i].ready |= wait[i].revents != 0 || l->port[i].down;
	return wait[l->n_ports].revents != 0;
}

/* Where each waits for the other's frame the next one comes at once, sooner than this process could sleep
 * and be woken, which is what a round trip through here costs most. A stream's frames do not alternate, and
 * are not waited for like this: the processor has other things to do. True when there is one. */
static bool look_for_frames(struct loop *l)
{
	int64_t until;

	if (l->alternations < LOOK_AFTER)
		return false;
	until = loop_now() + look_ns;
	do {
		for (unsigned i = 0; i < l->n_ports; i++)
			if (l->port[i].port && !l->port[i].down && !l->port[i].held &&
				port_rx_waits(l->port[i].port))
				return l->port[i].ready = true;
		sched_yield();
	} while (loop_now() < until);
	l->alternations = 0;
	return false;
}

/* Half of the frame ring is for the others: what a flood sends beyond that is lost in its own socket. */
static bool is_held(const struct loop *l, const struct loop_port *port)
{
	return port->floods && ring_used(l->frames) > ring_data_size(l->frames) / 2;
}

/* A honeypot that floods has its turn less often while there is anything else to do. */
static bool must_wait(const struct loop *l, unsigned port)
{
	bool others = false;

	if (l->port[port].held)
		return true;
	for (unsigned i = 0; i < l->n_ports; i++)
		others |= i != port && l->port[i].ready && !l->port[i].floods;
	return l->port[port].floods && others && l->turn % FLOOD_TURNS != 0;
}

enum loop_end loop_run(struct loop *l)
{
	enum loop_end end = LOOP_FINISH;

	loop_clock(l);
	for (;; l->turn++) {
		bool more = false, held = false, looked;

		for (unsigned i = 0; i < l->n_ports; i++) {
			if (l->port[i].ready && !must_wait(l, i))
				l->port[i].ready = run_burst(l, i);
			l->port[i].held = is_held(l, &l->port[i]);
			more |= l->port[i].ready && !l->port[i].held;
			held |= l->port[i].held;
		}
		loop_rules_more(l);
		looked = !more && look_for_frames(l);
		if (!looked &&
			wait_for_work(l, more ? 0 : until_due(l, held ? HELD_WAIT_MS : WAIT_MS)))
			l->next_tick_ns = 0;
		l->now.steady_ns = read_clock(CLOCK_BOOTTIME);
		if (later_next_ns(l->later) <= l->now.steady_ns)
			send_later(l);
		if (loop_release_ns(l) <= l->now.steady_ns)
			loop_release(l, l->now.steady_ns);
		if (l->now.steady_ns >= l->next_tick_ns) {
			l->now.wall_ns = read_clock(CLOCK_REALTIME);
			if (tick(l, &end))
				return end;
		}
	}
}

void loop_finish(struct loop *l)
{
	int64_t until;

	expire_parts(l, INT64_MAX);
	loop_forget_held(l);
	for (unsigned i = 0; i < l->n_ports; i++)
		l->port[i].port = port_free(l->port[i].port);
	loop_clock(l);
	until = l->now.steady_ns + finish_ns;
	while (!gate_finish(l->gate, &l->now) && l->now.steady_ns < until) {
		(void)poll(NULL, 0, FINISH_WAIT_MS);
		loop_clock(l);
	}
	publish(l);
}
