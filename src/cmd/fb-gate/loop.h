/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the frame path: every frame of every port is judged, captured, and then, if so judged, sent.
 * It allocates nothing, waits in two places (wait_for_work, look_for_frames), and does per burst what
 * need not be done per frame. A frame that could not be captured is not sent.
 */
#pragma once

#include <poll.h>

#include "control/gate.h"
#include "control/later.h"
#include "control/whole.h"
#include "sys/child.h"
#include "sys/counts.h"
#include "sys/port.h"

struct inspect;
struct inspect_text;
struct ring;
struct rules;

struct loop_port {
	struct port *port; /* NULL: its NIC is gone */
	struct counts_port *counts;
	uint64_t missed_before, kernel_before; /* by the sockets of gates before */
	bool down;
	bool ready;  /* has frames, or an error to tell */
	bool floods; /* nearly all of its last burst was stopped */
	bool held;   /* it floods, and is not read until the frame ring has room for others */
};

#define LOOP_HELD_SETS 16 /* datagrams in fragments that are held for the rules at a time */

/* A datagram in fragments that is held: its frames as they came. */
struct loop_held_set {
	bool used;
	unsigned n;
	uint32_t len[WHOLE_PARTS_MAX];
	int64_t time_ns[WHOLE_PARTS_MAX];
	uint8_t bytes[WHOLE_BYTES_MAX];
};

/* An image of rules, mapped here. */
struct loop_image {
	struct rules *rules; /* NULL: none */
	const void *memory;
	size_t size;
	uint64_t generation; /* as the supervisor calls it */
	int64_t since_ns;
};

/* What holds frames against the rules. */
struct loop_rules {
	struct inspect *inspect; /* NULL: there are no rules */
	struct loop_image image;
	struct loop_image next; /* is being taken up, piece by piece between frames */
	bool missing;           /* there should be some */
	bool pass;              /* what cannot be decided leaves */
	uint64_t epoch;         /* grows when what is held must not leave any more */
	uint8_t *datagram;      /* out of fragments, while it is looked at */
	uint8_t *part;          /* a fragment of one */
	struct loop_held_set *set;
	struct inspect_text *text; /* of a record that is being made */
	uint16_t honeypot;         /* whose frame is being looked at */
	uint64_t lost;             /* hits that could not be recorded: no room */
	int64_t loaded_ns;         /* that taking up the image took */
};

struct loop {
	struct child *child;
	struct gate *gate;
	struct whole *whole; /* fragments that wait for the rest of their datagram */
	struct later *later; /* frames that are sent later: refusals, what a slow line holds back */
	struct loop_rules rules;
	const struct conf *conf;
	bool late; /* the frame in hand was judged before others */
	uint64_t refusals;
	uint64_t turn;         /* of the loop */
	unsigned last_in;      /* port of the last frame */
	unsigned alternations; /* frames in a row that came alone, and not where the last one did */
	unsigned stopped;      /* frames of this burst that do not go on */
	struct ring *frames, *records;
	gate_emit *emit;           /* into `records`; its context is the loop */
	const void *policy_memory; /* mapped here, of policy_size bytes; NULL: the first one */
	size_t policy_size;
	struct counts_gate *counts;
	struct loop_port port[CHAN_PORTS_MAX];
	unsigned n_ports;
	int event_fd;
	size_t event_at; /* fill of the frame ring that wakes fb-tap */
	bool event_sent;
	bool tap_stuck; /* the ring is nearly full and fb-tap does nothing */
	struct gate_time now;
	int64_t next_tick_ns;
};

enum loop_end {
	LOOP_FINISH,  /* write the flow records, then end */
	LOOP_RESTART, /* end at once: another gate goes on with the flow table */
};

/* Reads both clocks into loop->now. */
void loop_clock(struct loop *loop);
/* Room for what rules need, and those of START (memory NULL: none). loop->conf is set. -ENOMEM, -EBADMSG. */
int loop_rules_new(struct loop *loop, const void *memory, size_t size);
/* What was found in the conversation of a flow record, into it. */
void loop_describe_flow(const struct loop *loop, struct record *record);
/* The gate has closed a conversation. */
void loop_end_flow(struct loop *loop, uint64_t flow_id);
enum loop_end loop_run(struct loop *loop);
/* After LOOP_FINISH: the records of the open flows, as far as there is room within a few seconds. */
void loop_finish(struct loop *loop);
