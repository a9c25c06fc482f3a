/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - the verdict on every frame, and the flow log. The same code live (cmd/fb-gate) and offline
 * (fishbowl replay): it does no I/O, asks no clock and allocates nothing after gate_new().
 *
 * Memory for flows and budgets is the caller's (shared files live, plain memory in replay), so that
 * a restarted gate goes on with the conversations and budgets of the one that died.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

struct conf;
struct frame;
struct gate;
struct policy;

#define GATE_PORTS_MAX   17 /* the outside and CONF_INSIDE_MAX inside ports */
#define GATE_OUTSIDE     0  /* number of the outside port; inside ports follow */
#define GATE_NO_HONEYPOT 0xffffu

/* Named limits. */
#define GATE_REFUSED_MAX     64  /* refused conversations of a honeypot in the flow table */
#define GATE_INTERNAL_SHARE  8   /* 1/8 of the flow table for what it begins with other honeypots */
#define GATE_DROPS_MAX       20  /* drop records of a honeypot a second; then series */
#define GATE_SERIES_S        10  /* a series is recorded after so many seconds */
#define GATE_FRAGMENTS_MAX   256 /* datagrams in fragments followed at a time */
#define GATE_FRAGMENT_S      30  /* for how long */
#define GATE_ICMP_ERRORS_MAX 16  /* ICMP errors a honeypot may send about one conversation */

struct gate_time {
	int64_t wall_ns;   /* for records: when the frame was received */
	int64_t steady_ns; /* for budgets and timeouts: never goes back */
};

struct gate_answer {
	enum verdict verdict;
	enum reason reason;
	enum direction direction;
	uint64_t flow_id;   /* 0: the frame belongs to no flow */
	uint32_t out_ports; /* bit n: to be sent on port n; 0 for dropped frames */
	int64_t due_ns;     /* steady: not to be sent before (a slow line); 0: at once */
	uint8_t refusal;    /* enum refuse_how: what the honeypot is told of a dropped frame */
	uint16_t honeypot;  /* whose the frame is, or to whom it goes; GATE_NO_HONEYPOT */
	uint8_t side;       /* of a frame of a flow: 0 from who began it, 1 from the other */
	bool midstream;     /* TCP whose beginning was not seen */
};

/* Takes a record; -ENOSPC when there is no room now. */
typedef int gate_emit(void *context, const struct record *record);
/* How many records were ever taken, over all runs on the same memory (the record ring's next sequence
 * number). With it a gate that died while it handed over a record knows whether it was taken. */
typedef uint64_t gate_emitted(void *context);

struct gate_setup {
	const struct conf *conf;     /* must outlive the gate */
	const struct policy *policy; /* checked; of the same honeypots; see gate_set_policy() */
	void *flow_memory;   /* gate_flow_memory_size() bytes; zeroed or left by a gate before */
	void *budget_memory; /* gate_budget_memory_size() bytes (always the same); the same */
	gate_emit *emit;
	gate_emitted *emitted; /* may be NULL: then a record in doubt counts as taken */
	void *emit_context;
	bool observe; /* no data control: every frame passes and is logged (replay without honeypots) */
	uint64_t boot;  /* identity of this run; part of flow ids */
	bool same_boot; /* steady time goes on from the memory's last user (no reboot between) */
	/* By port: the interface number of its NIC, 0: none there, or not known. What was learnt of the
	 * honeypots behind a NIC is forgotten when there is another one. */
	int32_t nic[GATE_PORTS_MAX];
	struct gate_time now;
};

size_t gate_flow_memory_size(const struct conf *conf);
size_t gate_budget_memory_size(const struct conf *conf);

/* -ENOMEM; -EINVAL: more honeypots or NICs than conf.h says, or a policy for other ones; -E2BIG: see
 * budget_open(). Memory that makes no sense is started afresh, with budgets used up for a whole period rather than empty. Call it before
 * anything else is put where `emit` puts records. */
int gate_new(const struct gate_setup *setup, struct gate **ret_gate);
struct gate *gate_free(struct gate *gate);

/* The verdict on one frame that arrived on `in_port`. `packet` is the id it will have in the
 * capture. Counts the frame; the caller captures it before it sends it. */
struct gate_answer gate_judge(struct gate *gate, unsigned in_port, const struct frame *frame,
	const struct gate_time *now, uint64_t packet);

/* Judges by this policy from the next frame on; it must stay until another one replaced it. -EINVAL: not
 * for these honeypots; -ENOMEM, -E2BIG: see budget.h. Then the old one holds. */
int gate_set_policy(struct gate *gate, const struct policy *policy, const struct gate_time *now);
const struct policy *gate_policy(const struct gate *gate);
/* Nothing of this conversation passes any more, either way. -ENOENT: it is not open. */
int gate_kill_flow(struct gate *gate, uint64_t flow_id);
/* Secret of this flow memory, for what must look the same each time (control/refuse.h). */
uint64_t gate_secret(const struct gate *gate);

/* Whether a frame is a part of a datagram that must be whole before it is judged. */
bool gate_wants_whole(struct gate *gate, unsigned in_port, const struct frame *frame);

/* A datagram that arrived in parts. */
struct gate_whole {
	const struct frame *frame; /* as if it had come in one piece */
	uint32_t frames, bytes;    /* of all parts */
};

/* As gate_judge(), for each part of a datagram in turn. `before` is the answer to the first one, which
 * judges all of them; NULL for the first. */
struct gate_answer gate_judge_part(struct gate *gate, unsigned in_port,
	const struct gate_whole *whole, const struct frame *part, const struct gate_answer *before,
	const struct gate_time *now, uint64_t packet);

/* The caller could not do what the answer said (reason RING_FULL, TX_FAILED, OVERSIZE, ...): the frame
 * is counted as dropped instead of passed, once however often it fails, and recorded, as a series. Call
 * it after gate_judge() for that frame and before the next one's; only TX_FAILED may come later. A frame
 * that cannot be carried at all is judged first, by what there is of it. */
void gate_failed(struct gate *gate, unsigned in_port, enum reason reason, const struct frame *frame,
	const struct gate_time *now);

/* The same for a frame that was judged before others: it was held meanwhile. The caller calls it once for each
 * frame. */
void gate_failed_late(struct gate *gate, unsigned in_port, enum reason reason,
	const struct frame *frame, const struct gate_time *now);

/* Timeouts, ended series, the flow log. Bounded work a call; call it some times a second. */
void gate_tick(struct gate *gate, const struct gate_time *now);

/* Writes the records of all open flows. True when all are written; else call again. */
bool gate_finish(struct gate *gate, const struct gate_time *now);

/* Counts since the memory was fresh (they live in it), for audit and status.
 *   received = passed + dropped = in_flows + other_frames
 *   in_flows = frames of the flow records emitted + open_frames
 * where the frames of a flow record are pkts_toserver + pkts_toclient + icmp_errors, and 0 for a record
 * with a parent_id (a conversation inside a tunnel: its frames are the tunnel's).
 * by_reason of passing reasons includes frames that later failed (gate_failed). */
struct gate_counts {
	uint64_t received; /* frames judged */
	uint64_t bytes;    /* bytes of them */
	uint64_t passed;
	uint64_t dropped;
	uint64_t in_flows;     /* frames accounted to flows */
	uint64_t other_frames; /* frames without a flow */
	uint64_t open_frames;  /* frames of the flows still open */
	uint64_t flows_active;
	uint64_t flows_total;
	uint64_t by_reason[REASON_COUNT];
};
void gate_counts(const struct gate *gate, struct gate_counts *ret_counts);
