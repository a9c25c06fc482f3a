/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the frame path: every frame of every port is judged, captured, and then, if so judged, sent.
 * It allocates nothing, waits in one place (loop_wait), and does per burst what need not be done per
 * frame. A frame that could not be captured is not sent.
 */
#pragma once

#include <poll.h>

#include "control/gate.h"
#include "control/later.h"
#include "control/whole.h"
#include "sys/child.h"
#include "sys/counts.h"
#include "sys/port.h"

struct ring;

struct loop_port {
	struct port *port; /* NULL: its NIC is gone */
	struct counts_port *counts;
	uint64_t missed_before, kernel_before; /* by the sockets of gates before */
	bool down;
	bool ready;  /* has frames, or an error to tell */
	bool floods; /* nearly all of its last burst was stopped */
	bool held;   /* it floods, and is not read until the frame ring has room for others */
};

struct loop {
	struct child *child;
	struct gate *gate;
	struct whole *whole; /* fragments that wait for the rest of their datagram */
	struct later *later; /* frames that are sent later: refusals, what a slow line holds back */
	uint64_t refusals;
	uint64_t turn;    /* of the loop */
	unsigned stopped; /* frames of this burst that do not go on */
	struct ring *frames, *records;
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
enum loop_end loop_run(struct loop *loop);
/* After LOOP_FINISH: the records of the open flows, as far as there is room within a few seconds. */
void loop_finish(struct loop *loop);
