/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat - whether an address has become another system's, or is shared by several: each connection is held against
 * the one before, what does not go together has a weight, and what is much at once is a change; what keeps happening
 * is sharing (the idea and the reasons' names are p0f's, the weights are not).
 */
#pragma once

#include "fingerprint/tcp.h"

enum nat_reason {
#define REASON_BIT(ID, name, weight) NAT_BIT_##ID,
#define NAT_REASONS(X)                                                                     \
	X(OS, "os_sig", 4)         /* another system */                                    \
	X(LOOK, "sig_diff", 4)     /* not known, and other options, scale or quirks */     \
	X(KNOWN, "x_known", 2)     /* known now and not before, or the other way round */  \
	X(FUZZY, "fuzzy", 1)       /* fits exactly now and not before, or the other way */ \
	X(HOPS, "ttl", 2)          /* nearer or farther by more than NAT_HOPS_SAME */      \
	X(MTU, "mtu", 1)           /* another MSS */                                       \
	X(PORT, "port", 2)         /* source ports were counting up, and went back */      \
	X(TIMESTAMP, "tstamp", 3)  /* not of the clock that connections agreed upon */     \
	X(PROGRAM, "app_vs_os", 3) /* a program that does not run on that system */        \
	X(NAMED, "us_vs_os", 3)    /* a program that says it runs on another system */     \
	X(VIA, "via", 4)           /* it says that it comes through a proxy */
	NAT_REASONS(REASON_BIT)
#undef REASON_BIT
		NAT_REASON_COUNT
};

#define NAT_HOPS_SAME 2
#define NAT_HISTORY   8 /* connections */
#define NAT_CHANGE    4 /* weight of one connection */
#define NAT_SHARING \
	10 /* weight of NAT_HISTORY connections, NAT_SHARING_TIMES of which at least NAT_COUNTS */
#define NAT_SHARING_TIMES 3
#define NAT_COUNTS        2
#define NAT_PORTS_COUNT   4 /* ports that went up by less than NAT_PORTS_STEP, one after the other */
#define NAT_PORTS_STEP    100
#define NAT_QUIET_NS      (INT64_C(3600) * 1000000000) /* the same is not told again so soon */

enum nat_verdict { NAT_SAME, NAT_IS_CHANGE, NAT_IS_SHARING };

struct nat {
	/* The connection before. */
	bool has_look;
	struct tcp_look look;
	struct tcp_match match;
	uint16_t port;
	uint8_t ports_up; /* so often in turn */
	/* What the last connections weighed. */
	uint8_t weight[NAT_HISTORY], next;
	uint32_t reasons;                    /* of them, bits of enum nat_reason */
	int64_t told_ns[NAT_IS_SHARING + 1]; /* 0: never */
};

/* What does not go together with the connection before; then this is the one before. `port`: of a client. */
uint32_t nat_compare(
	struct nat *nat, const struct tcp_look *look, const struct tcp_match *match, uint16_t port);
/* Adds what a connection, or a message in it, weighs. *ret_reasons: of what is to be told. */
enum nat_verdict nat_weigh(
	struct nat *nat, uint32_t reasons, int64_t wall_ns, uint32_t *ret_reasons);
void nat_reasons_text(struct out *o, uint32_t reasons);
