/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - how long a host has been up, by its TCP timestamps (RFC 7323, 4). Two readings give the clock's rate, and
 * so the time when it was 0, unless the host begins at a number of its own for each connection or each peer (RFC 7323,
 * 7.1), as many do today: that shows when what it says to two peers does not agree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

struct clock_reading {
	int64_t ns; /* of the packet, wall */
	uint32_t timestamp;
	enum {
		CLOCK_NONE,
		CLOCK_READ,
		CLOCK_USED
	} state; /* used: no more is to be learnt from it */
};

enum clock_trust {
	CLOCK_UNKNOWN,
	CLOCK_ONCE,
	CLOCK_AGAIN,    /* what it says to another peer agrees */
	CLOCK_CHANGING, /* it does not: it is no uptime */
};

struct clock {
	struct clock_reading last[2]; /* of a SYN, a SYN+ACK */
	enum clock_trust trust;
	struct ip peer; /* to whom it was said */
	uint32_t hertz;
	int64_t zero_ns; /* when the clock was 0, or would have been */
};

/* Ticks a second, if two readings can be believed: CLOCK_WAIT_MIN_NS to CLOCK_WAIT_MAX_NS between them,
 * CLOCK_TICKS_MIN ticks, and a rate of CLOCK_HERTZ_MAX at most (p0f's bounds); else 0. Rates that systems use are
 * taken for what they are; others need CLOCK_WAIT_SURE_NS. */
#define CLOCK_WAIT_MIN_NS  INT64_C(25000000)
#define CLOCK_WAIT_SURE_NS INT64_C(500000000)
#define CLOCK_WAIT_MAX_NS  (INT64_C(600) * 1000000000)
#define CLOCK_TICKS_MIN    5
#define CLOCK_HERTZ_MAX    1500
uint32_t clock_rate(const struct clock_reading *first, const struct clock_reading *second);

/* A rate was found in what was said to a peer. True: the clock's trust has changed. */
bool clock_learn(struct clock *clock, const struct ip *peer, uint32_t hertz,
	const struct clock_reading *reading);

uint32_t clock_up_minutes(const struct clock *clock, const struct clock_reading *reading);
uint32_t clock_wrap_days(const struct clock *clock); /* it begins anew after so many */
/* Whether a timestamp is not that of this clock, which must be CLOCK_AGAIN. */
bool clock_contradicts(const struct clock *clock, const struct clock_reading *reading);
