/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-gate/loop.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "capture/pcapng.h"
#include "capture/ring_kind.h"
#include "frame/frame.h"

enum { WAIT_MS = 20, FINISH_WAIT_MS = 5, CATCH_UP_MS = 5 };
static const int64_t ns_per_s = 1000000000, tick_ns = 10000000, finish_ns = 5 * 1000000000LL;

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * ns_per_s + t.tv_nsec;
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

/* False when there is no room, or only the beginning of the frame: captures are never cut. */
static bool capture(
	struct loop *l, unsigned in, const struct port_frame *f, const struct gate_answer *answer)
{
	struct ring_entry *entry;
	uint8_t *block;

	if (f->fault == PORT_FAULT_OVERSIZE)
		return false;
	block = ring_reserve(l->frames, (uint32_t)pcapng_packet_size(f->len), &entry);
	if (!block)
		return false;
	const struct pcapng_packet packet = {
		.interface = in,
		.time_ns = f->time_ns,
		.data = f->data,
		.len = f->len,
		.direction = answer->direction,
		.arrived = true,
		.packet = ring_next_seq(l->frames),
		.flow = answer->flow_id,
		.verdict = answer->verdict,
		.reason = answer->reason,
	};
	entry->kind = RING_FRAME;
	entry->flags = (uint16_t)in;
	entry->flow = answer->flow_id;
	entry->time_ns = f->time_ns;
	ring_commit(l->frames, (uint32_t)pcapng_put_packet(block, &packet));
	return true;
}

/* Returns the ports that something was queued on. */
static uint32_t forward(struct loop *l, unsigned in, const struct port_frame *f, uint32_t out_ports,
	const struct frame *frame)
{
	uint32_t used = 0;

	for (; out_ports; out_ports &= out_ports - 1) {
		unsigned out = (unsigned)__builtin_ctz(out_ports);
		int r = out < l->n_ports && l->port[out].port && !l->port[out].down
				? port_tx(l->port[out].port, f->data, f->len)
				: -ENODEV;

		if (r == 0)
			used |= 1u << out;
		else
			gate_failed(l->gate, in,
				r == -ENODEV     ? REASON_NO_PORT
				: r == -EMSGSIZE ? REASON_OVERSIZE
				: r == -EINVAL   ? REASON_RUNT
						 : REASON_TX_FAILED,
				frame, &l->now);
	}
	return used;
}

static uint32_t handle(struct loop *l, unsigned in, const struct port_frame *f, struct frame *frame)
{
	struct counts_port *counts = l->port[in].counts;
	struct gate_answer answer;

	l->now.wall_ns = f->time_ns;
	frame_parse(f->data, f->len, FRAME_LINK_ETHERNET, frame);
	answer = gate_judge(l->gate, in, frame, &l->now, ring_next_seq(l->frames));
	counts->received++;
	if (f->fault != PORT_FAULT_NONE) {
		answer.verdict = VERDICT_DROP;
		answer.reason = fault_reason(f->fault);
		answer.out_ports = 0;
		gate_failed(l->gate, in, answer.reason, frame, &l->now);
	}
	if (!capture(l, in, f, &answer)) {
		counts->unseen++;
		if (f->fault == PORT_FAULT_NONE)
			gate_failed(l->gate, in, REASON_RING_FULL, frame, &l->now);
		return 0;
	}
	counts->captured++;
	return forward(l, in, f, answer.out_ports, frame);
}

/* ---- one burst ---- */

/* Which frame failed is not known then; it is counted under the last one's address. */
static void flush(struct loop *l, unsigned in, uint32_t ports, const struct frame *last)
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
	loop_clock(l);
	for (int i = 0; i < n; i++)
		used |= handle(l, in, &frames[i], &frame);
	flush(l, in, used, &frame);
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
	}
	answer.frames = marker->captured;
	answer.ok = put_frame_marker(l, id) && put_record_marker(l, marker);
	(void)child_audited(l->child, &answer); /* the supervisor notices a missing answer */
}

/* Messages, timeouts, counters. True when the loop is to end. */
static bool tick(struct loop *l, enum loop_end *ret_end)
{
	struct message m;

	l->next_tick_ns = l->now.steady_ns + tick_ns;
	switch (child_poll(l->child, l->now.steady_ns, &m)) {
	case CHILD_AUDIT:
		audit(l, m.audit.id);
		break;
	case CHILD_STOP:
		*ret_end = m.stop.how == STOP_RESTART ? LOOP_RESTART : LOOP_FINISH;
		return true;
	case CHILD_ORPHAN:
		*ret_end = LOOP_FINISH;
		return true;
	case CHILD_NOTHING:
		break;
	}
	gate_tick(l->gate, &l->now);
	publish(l);
	return false;
}

/* Finds the ports that have frames, or waits for frames or a message; true when there is a message.
 * Only those ports are read: an empty look costs a system call. A port that is down would report its
 * error at once again and again: it is left out here, and tried each time the others have waited. */
static bool wait_for_work(struct loop *l, int wait_ms)
{
	struct pollfd wait[CHAN_PORTS_MAX + 1];

	for (unsigned i = 0; i < l->n_ports; i++)
		wait[i] = (struct pollfd){
			.fd = l->port[i].port && !l->port[i].down ? port_fd(l->port[i].port) : -1,
			.events = POLLIN,
		};
	wait[l->n_ports] = (struct pollfd){ .fd = l->child->chan.fd, .events = POLLIN };
	if (poll(wait, l->n_ports + 1, wait_ms) < 0)
		return false;
	for (unsigned i = 0; i < l->n_ports; i++)
		l->port[i].ready |= wait[i].revents != 0 || l->port[i].down;
	return wait[l->n_ports].revents != 0;
}

enum loop_end loop_run(struct loop *l)
{
	enum loop_end end = LOOP_FINISH;

	loop_clock(l);
	for (;;) {
		bool more = false;

		for (unsigned i = 0; i < l->n_ports; i++) {
			if (l->port[i].ready)
				l->port[i].ready = run_burst(l, i);
			more |= l->port[i].ready;
		}
		if (wait_for_work(l, more ? 0 : WAIT_MS))
			l->next_tick_ns = 0;
		l->now.steady_ns = read_clock(CLOCK_BOOTTIME);
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
