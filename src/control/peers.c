/* SPDX-License-Identifier: Apache-2.0 */
#include "control/peers.h"

#include <string.h>

enum { V6_NET = 8 };
static const int64_t ns_per_s = 1000000000, minute_ns = 60000000000;

struct peer *peers_find(
	struct peer peers[static PEERS], uint64_t secret, unsigned honeypot, const struct ip *ip)
{
	uint64_t word[2], hash = secret ^ (honeypot * 0x9e3779b97f4a7c15);

	memcpy(word, ip, sizeof(word));
	if (!ip_is_v4(ip))
		word[1] = 0;
	for (unsigned i = 0; i < 2; i++) {
		hash = (hash ^ word[i]) * 0xbf58476d1ce4e5b9;
		hash = (hash ^ hash >> 32) * 0x94d049bb133111eb;
	}
	return &peers[(hash >> 40) % PEERS]; /* where all bits of an address have come to */
}

/* Half of the allowance can be saved up and half of it comes in a minute, so no minute has more than the
 * allowance. */
static void fill(struct peer *p, const struct peers_limit *limit, int64_t now)
{
	uint64_t half = limit->allowance / 2 < UINT32_MAX ? limit->allowance / 2 : UINT32_MAX;
	int64_t since = now - p->filled_ns;
	uint64_t more;

	if (p->filled_ns == 0 || since < 0 || since >= minute_ns) {
		p->tokens = (uint32_t)half;
		if (since >= PEERS_EARNED_S * ns_per_s || p->filled_ns == 0)
			p->earned = 0;
		p->filled_ns = now > 0 ? now : 1;
		return;
	}
	more = half * (uint64_t)(since / 1000000) / 60000;
	if (more == 0)
		return;
	p->tokens = p->tokens + more < half ? (uint32_t)(p->tokens + more) : (uint32_t)half;
	p->filled_ns = now;
}

void peers_heard(struct peer *p, const struct peers_limit *limit, uint32_t bytes, int64_t steady_ns)
{
	uint64_t earned;

	fill(p, limit, steady_ns);
	earned = p->earned + limit->amplification * bytes;
	p->earned = earned < PEERS_EARNED_MAX ? (uint32_t)earned : PEERS_EARNED_MAX;
}

bool peers_answer(
	struct peer *p, const struct peers_limit *limit, uint32_t bytes, int64_t steady_ns)
{
	fill(p, limit, steady_ns);
	if (bytes > (uint64_t)p->earned + p->tokens)
		return false;
	if (bytes <= p->earned) {
		p->earned -= bytes;
		return true;
	}
	p->tokens -= bytes - p->earned;
	p->earned = 0;
	return true;
}
