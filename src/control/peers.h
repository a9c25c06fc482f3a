/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers - the reflection guard: how much may be answered to somebody outside who has not proved that he is
 * at the address he claims (UDP, ICMP, TCP before its handshake is complete).
 *
 * An answer is paid out of what came from that peer, times the amplification that policy allows, or out of
 * a small allowance a minute. The table has a fixed number of accounts; peers that fall into one share it,
 * which errs on the strict side. It lies in memory that survives a crash.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

#define PEERS            16384
#define PEERS_EARNED_MAX (1u << 20) /* bytes that can be saved up */
#define PEERS_EARNED_S   60         /* for how long */

struct peers_limit {
	uint64_t amplification; /* bytes for each byte that came */
	uint64_t allowance;     /* bytes a minute beside that */
};

/* Zeroed memory is fresh. */
struct peer {
	int64_t filled_ns;
	uint32_t tokens, earned; /* bytes */
};

/* The account of a claimed peer of a honeypot: IPv4 by address, IPv6 by /64. */
struct peer *peers_find(
	struct peer peers[static PEERS], uint64_t secret, unsigned honeypot, const struct ip *ip);
/* `bytes` came from it. */
void peers_heard(
	struct peer *peer, const struct peers_limit *limit, uint32_t bytes, int64_t steady_ns);
/* Takes them, or says false. */
bool peers_answer(
	struct peer *peer, const struct peers_limit *limit, uint32_t bytes, int64_t steady_ns);
