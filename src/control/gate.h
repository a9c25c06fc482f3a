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

#define GATE_PORTS_MAX 17 /* the outside and CONF_INSIDE_MAX inside ports */
#define GATE_OUTSIDE   0  /* number of the outside port; inside ports follow */

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
};

/* Takes a record; -ENOSPC when there is no room now. */
typedef int gate_emit(void *context, const struct record *record);

struct gate_setup {
	const struct conf *conf; /* must outlive the gate */
	void *flow_memory;       /* gate_flow_memory_size() bytes; zeroed or left by a gate before */
	void *budget_memory;     /* gate_budget_memory_size() bytes; the same */
	gate_emit *emit;
	void *emit_context;
	uint64_t boot;         /* identity of this run; part of flow ids */
	bool same_boot;        /* steady time goes on from the memory's last user (no reboot between) */
	struct gate_time now;
};

size_t gate_flow_memory_size(const struct conf *conf);
size_t gate_budget_memory_size(const struct conf *conf);

/* -ENOMEM, -EINVAL. Memory that makes no sense is started afresh, with budgets used up for a whole
 * period rather than empty. */
int gate_new(const struct gate_setup *setup, struct gate **ret_gate);
struct gate *gate_free(struct gate *gate);

/* The verdict on one frame that arrived on `in_port`. `packet` is the id it will have in the
 * capture. Counts the frame; the caller captures it before it sends it. */
struct gate_answer gate_judge(struct gate *gate, unsigned in_port, const struct frame *frame,
	const struct gate_time *now, uint64_t packet);

/* The caller could not do what the answer said (reason RING_FULL, TX_FAILED, OVERSIZE, ...): counts
 * it and records it, as a series. */
void gate_failed(struct gate *gate, unsigned in_port, enum reason reason, const struct frame *frame,
	const struct gate_time *now);

/* Timeouts, ended series, the flow log. Bounded work a call; call it some times a second. */
void gate_tick(struct gate *gate, const struct gate_time *now);

/* Writes the records of all open flows. True when all are written; else call again. */
bool gate_finish(struct gate *gate, const struct gate_time *now);

/* Counts since the memory was fresh (they live in it), for audit and status. */
struct gate_counts {
	uint64_t received;     /* frames judged */
	uint64_t bytes;        /* bytes of them */
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
