/* SPDX-License-Identifier: Apache-2.0 */
/* gate_traffic - new conversations of honeypots, quickly: templates with other destinations each time. */
#pragma once

#include "dice.h"
#include "gate_bench.h"

enum { POTS = 3 };
/* In the order of enum budget_class. */
enum traffic {
	TRAFFIC_TCP,
	TRAFFIC_UDP,
	TRAFFIC_ICMP,
	TRAFFIC_OTHER,
	TRAFFIC_DNS,
	TRAFFIC_NTP,
	TRAFFIC_DHCP,
	TRAFFIC_KINDS
};

static struct bytes traffic_frame[POTS][TRAFFIC_KINDS][2];
static struct ip traffic_resolver[2], traffic_ntp_server[2];

static uint64_t traffic_random(uint64_t *seed)
{
	return dice_next(seed) >> 16;
}

static struct conf_rate *traffic_limit(struct bench *b, unsigned pot, enum traffic kind)
{
	struct conf_limit *l = &b->honeypot[pot].limit;
	struct conf_rate *of[] = { &l->tcp, &l->udp, &l->icmp, &l->other, &l->dns, &l->ntp,
		&l->dhcp };

	return of[kind];
}

static void traffic_question(struct bytes *f, unsigned pot, enum traffic kind, bool v6)
{
	static const uint8_t ntp[48] = { 0x23 };
	char src[64];

	snprintf(src, sizeof(src), v6 ? "2001:db8::%u" : "10.0.0.%u", pot + 1);
	put_ethernet(f, ROUTER, pot + 1, type_of(src));
	switch (kind) {
	case TRAFFIC_DNS:
		put_ip(f, src, v6 ? "2001:db8::53" : "10.0.0.53", 17, 8 + QUESTION_LEN);
		put_udp(f, 1000, 53, QUESTION_LEN);
		put_question(f);
		break;
	case TRAFFIC_NTP:
		put_ip(f, src, v6 ? "2001:db8::123" : "10.0.0.123", 17, 8 + sizeof(ntp));
		put_udp(f, 1000, 123, sizeof(ntp));
		put(f, ntp, sizeof(ntp));
		break;
	default:
		put_ip(f, src, v6 ? "ff02::1:2" : "255.255.255.255", 17, 8 + 30);
		put_udp(f, v6 ? 546 : 68, v6 ? 547 : 67, 30);
		put_zero(f, 30);
		break;
	}
}

static void traffic_make(struct bytes *f, unsigned pot, enum traffic kind, bool v6)
{
	const char *dst = v6 ? "2001:db8:9::" : "192.0.0.0";
	char src[64];

	snprintf(src, sizeof(src), v6 ? "2001:db8::%u" : "10.0.0.%u", pot + 1);
	switch (kind) {
	case TRAFFIC_TCP:
		tcp_frame(f, ROUTER, pot + 1, src, 1000, dst, 80, 1, 2);
		break;
	case TRAFFIC_UDP:
		udp_frame(f, ROUTER, pot + 1, src, 1000, dst, 4000, 10);
		break;
	case TRAFFIC_ICMP:
		icmp_frame(f, ROUTER, pot + 1, src, dst, v6 ? 128 : 8, 0, 7);
		break;
	case TRAFFIC_OTHER:
		put_ethernet(f, ROUTER, pot + 1, type_of(src));
		put_ip(f, src, dst, 11, 30);
		put_zero(f, 30);
		break;
	default:
		traffic_question(f, pot, kind, v6);
		break;
	}
}

__attribute__((unused)) static void traffic_prepare(struct bench *b)
{
	for (unsigned i = 0; i < POTS * TRAFFIC_KINDS * 2; i++)
		traffic_make(&traffic_frame[i / 2 / TRAFFIC_KINDS][i / 2 % TRAFFIC_KINDS][i % 2],
			i / 2 / TRAFFIC_KINDS, i / 2 % TRAFFIC_KINDS, i % 2);
	traffic_resolver[0] = address("10.0.0.53");
	traffic_resolver[1] = address("2001:db8::53");
	traffic_ntp_server[0] = address("10.0.0.123");
	traffic_ntp_server[1] = address("2001:db8::123");
	b->conf->resolver = traffic_resolver;
	b->conf->ntp_server = traffic_ntp_server;
	b->conf->n_resolvers = b->conf->n_ntp_servers = 2;
}

/* Sends the first frame of conversation `n`, which has not been before, or a question. */
__attribute__((unused)) static struct gate_answer traffic_new(
	struct bench *b, unsigned pot, enum traffic kind, bool v6, uint32_t n)
{
	struct bytes *f = &traffic_frame[pot][kind][v6];
	unsigned l4 = v6 ? 54 : 34, low = l4 - 3;

	if (kind == TRAFFIC_DNS || kind == TRAFFIC_NTP) { /* the source port */
		f->at[l4] = (uint8_t)(n >> 8 | 4);
		f->at[l4 + 1] = (uint8_t)n;
	} else if (kind != TRAFFIC_DHCP) {
		f->at[low] = (uint8_t)(n >> 16);
		f->at[low + 1] = (uint8_t)(n >> 8);
		f->at[low + 2] = (uint8_t)n;
	}
	return bench_send(b, 1, f);
}
