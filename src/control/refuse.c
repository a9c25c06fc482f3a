/* SPDX-License-Identifier: Apache-2.0 */
#include "control/refuse.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/cur.h"
#include "base/inet_sum.h"
#include "frame/frame.h"

enum {
	ETHERNET_LEN = 14,
	TAG_LEN = 4,
	ETHERNET_MIN = 60, /* without FCS: what came over a wire is padded to it */
	IP4_LEN = 20,
	IP6_LEN = 40,
	TCP_LEN = 20,
	UDP_LEN = 8,
	ICMP_LEN = 8,
	QUOTE4_MAX = 576 - IP4_LEN - ICMP_LEN, /* RFC 1812, 4.3.2.3 */
	QUOTE6_MAX = 1280 - IP6_LEN - ICMP_LEN,
	QUOTE4_BRIEF = 8, /* bytes behind the header (RFC 792) */
	TOS_CONTROL = 0xc0,
	IP4_DF = 0x4000,
	HOPS_MIN = 5,
	HOPS_MAX = 22,
	DELAY_MIN_US = 15000,
	DELAY_MAX_US = 180000,
};

static_assert(REFUSE_FRAME_MAX == ETHERNET_LEN + TAG_LEN + 1280, "the longest answer fits");

/* Who answers. */
struct speaker {
	struct ip ip;
	uint8_t hops; /* routers between him and the honeypot */
	uint8_t ttl;  /* that his packets begin with */
	bool brief;   /* quotes as little as RFC 792 asks for, as Windows and IOS do */
	uint64_t hash;
};

/* What tells one ICMP error from another. */
struct error {
	uint8_t type, code;
};

/* The answer as far as it is written. */
struct writer {
	uint8_t *at;
	uint32_t len;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	assert(n <= REFUSE_FRAME_MAX - w->len);
	memcpy(w->at + w->len, bytes, n);
	w->len += (uint32_t)n;
}

static void put8(struct writer *w, uint8_t v)
{
	put(w, &v, 1);
}

static void put16(struct writer *w, uint16_t v)
{
	put8(w, (uint8_t)(v >> 8));
	put8(w, (uint8_t)(v & 0xff));
}

static void put32(struct writer *w, uint32_t v)
{
	put16(w, (uint16_t)(v >> 16));
	put16(w, (uint16_t)(v & 0xffff));
}

static uint32_t sum_of(struct cur c)
{
	return inet_sum(c.at, cur_left(&c));
}

/* An IPv4-mapped address has 0xffff before it, which changes no checksum. */
static uint32_t sum_pseudo(const struct ip *src, const struct ip *dst, uint8_t proto, uint32_t len)
{
	return proto + (len >> 16) + (len & 0xffff) + inet_sum(src, sizeof(*src)) +
	       inet_sum(dst, sizeof(*dst));
}

/* Fills in the checksum field at `field` over what was written from `start` on. */
static void put_sum(struct writer *w, uint32_t start, uint32_t field, uint32_t sum)
{
	uint16_t v = (uint16_t)~inet_sum_fold(sum + inet_sum(w->at + start, w->len - start));

	w->at[field] = (uint8_t)(v >> 8);
	w->at[field + 1] = (uint8_t)(v & 0xff);
}

/* The bytes of the frame from `from` to `to`. */
static struct cur part(const struct frame *frame, uint32_t from, uint32_t to)
{
	struct cur c = cur_make(frame->data, frame->len);

	cur_skip(&c, from);
	return cur_sub(&c, to - from);
}

static uint64_t hash_ip(uint64_t seed, const struct ip *ip)
{
	unsigned char key[crypto_shorthash_KEYBYTES] = { 0 };
	uint64_t hash;

	static_assert(sizeof(hash) == crypto_shorthash_BYTES, "one hash");
	memcpy(key, &seed, sizeof(seed));
	crypto_shorthash((unsigned char *)&hash, ip->byte, sizeof(ip->byte), key);
	return hash;
}

/* Its /24 or /64: hosts of one network are equally far away. */
static struct ip net_of(const struct ip *ip)
{
	struct ip net = *ip;

	memset(net.byte + (ip_is_v4(ip) ? 15 : 8), 0, ip_is_v4(ip) ? 1 : 8);
	return net;
}

static uint8_t hops_of(uint64_t hash)
{
	return (uint8_t)(HOPS_MIN + hash % (HOPS_MAX - HOPS_MIN + 1));
}

static struct speaker speaker_host(const struct frame_packet *p, uint64_t seed)
{
	struct ip net = net_of(&p->dst);
	uint64_t hash = hash_ip(seed, &p->dst);
	bool windows = hash >> 32 & 1;

	return (struct speaker){
		.ip = p->dst,
		.hops = hops_of(hash_ip(seed, &net)),
		.ttl = windows ? 128 : 64,
		.brief = windows,
		.hash = hash,
	};
}

static struct ip router_of(const struct ip *net, uint64_t hash, const struct ip *dst)
{
	struct ip router = *net;
	bool v4 = ip_is_v4(net);
	uint8_t first = v4 && (hash >> 33 & 1) ? 254 : 1;

	router.byte[15] = first;
	if (ip_equal(&router, dst))
		router.byte[15] = first == 254 ? 1 : v4 ? 254 : 2;
	return router;
}

/* The last router before the destination, or the one that was given. */
static struct speaker speaker_router(
	const struct frame_packet *p, const struct ip *router, uint64_t seed)
{
	struct ip net = net_of(&p->dst);
	bool given = router && ip_is_v4(router) == (p->version == 4) && !ip_equal(router, &p->dst);
	uint64_t hash = hash_ip(seed, given ? router : &net);
	bool ios = hash >> 32 & 1;

	return (struct speaker){
		.ip = given ? *router : router_of(&net, hash, &p->dst),
		.hops = (uint8_t)(hops_of(hash) - 1),
		.ttl = ios ? 255 : 64,
		.brief = ios,
		.hash = hash,
	};
}

static bool is_group(const struct mac *mac)
{
	return mac->byte[0] & 1;
}

/* Plain IP over Ethernet, so that an answer of the same form gets there. */
static bool frame_is_plain(const struct frame *f)
{
	return f->n_packets > 0 && f->n_tags <= 1 && f->anomalies == 0 && !is_group(&f->src_mac) &&
	       !is_group(&f->dst_mac) &&
	       f->packet[0].l3_at == ETHERNET_LEN + (uint32_t)TAG_LEN * f->n_tags;
}

/* An address that packets are routed from and to. */
static bool ip_is_routed(const struct ip *ip)
{
	static const struct ip loopback = { .byte = { [15] = 1 } };

	if (ip_is_link_local(ip) || ip_is_multicast(ip))
		return false;
	if (ip_is_v4(ip))
		return ip->byte[12] != 0 && ip->byte[12] != 127 && ip->byte[12] < 240;
	return !ip_is_unset(ip) && !ip_equal(ip, &loopback);
}

/* Of ICMP only what asks or replies: never errors, redirects, neighbour discovery, MLD. */
static bool transport_is_answered(const struct frame_packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return p->has_transport && !(p->tcp_flags & TH_RST);
	case IPPROTO_UDP:
		return p->has_transport;
	case IPPROTO_ICMP:
		return p->has_transport && (p->icmp_type == 0 || p->icmp_type == 8 ||
						   (p->icmp_type >= 13 && p->icmp_type <= 18));
	case IPPROTO_ICMPV6:
		return p->has_transport && (p->icmp_type == 128 || p->icmp_type == 129);
	case IPPROTO_IGMP:
		return false;
	default:
		return true;
	}
}

/* Routers drop wrong headers; an answer would tell that it came from none. */
static bool ip_sum_is_right(const struct frame *f, const struct frame_packet *p)
{
	return p->version == 6 || sum_of(part(f, p->l3_at, p->l4_at)) == 0xffff;
}

/* So do hosts with the rest. A UDP datagram over IPv4 may have no checksum. */
static bool transport_sum_is_right(const struct frame *f, const struct frame_packet *p)
{
	struct cur c = part(f, p->l4_at, p->end_at);

	if (p->proto == IPPROTO_UDP) {
		struct cur head = c;
		uint16_t len;

		cur_skip(&head, 4);
		len = cur_be16(&head);
		if (cur_be16(&head) == 0)
			return p->version == 4;
		cur_limit(&c, len);
	}
	return inet_sum_fold(sum_of(c) + sum_pseudo(&p->src, &p->dst, p->proto,
						 (uint32_t)cur_left(&c))) == 0xffff;
}

static bool is_answered(const struct frame *f)
{
	const struct frame_packet *p = &f->packet[0];

	return frame_is_plain(f) && ip_is_routed(&p->src) && ip_is_routed(&p->dst) &&
	       (!p->is_fragment || p->first_fragment) && transport_is_answered(p) &&
	       ip_sum_is_right(f, p);
}

static void put_ethernet(
	struct writer *w, const struct frame *f, const struct mac *to, const struct mac *from)
{
	struct cur tags = part(f, 2 * sizeof(struct mac), f->l3_at - 2);

	put(w, to, sizeof(*to));
	put(w, from, sizeof(*from));
	while (cur_left(&tags))
		put8(w, cur_u8(&tags));
	put16(w, f->ethertype);
}

/* Linux sends resets with DF and without an id; ICMP errors are of higher precedence and may be
 * cut. */
static void put_ip4(struct writer *w, const struct frame_packet *p, const struct speaker *from,
	uint8_t proto, uint32_t len)
{
	uint32_t start = w->len;
	bool windows = from->ttl == 128, reset = proto == IPPROTO_TCP;
	uint16_t id = (uint16_t)((from->hash >> 40) + p->fragment_id);

	put8(w, 0x45);
	put8(w, reset || windows ? 0 : TOS_CONTROL);
	put16(w, (uint16_t)(IP4_LEN + len));
	put16(w, reset && !windows ? 0 : id);
	put16(w, reset ? IP4_DF : 0);
	put8(w, (uint8_t)(from->ttl - from->hops));
	put8(w, proto);
	put16(w, 0);
	put(w, from->ip.byte + 12, 4);
	put(w, p->src.byte + 12, 4);
	put_sum(w, start, start + 10, 0);
}

static void put_ip6(struct writer *w, const struct frame_packet *p, const struct speaker *from,
	uint8_t proto, uint32_t len)
{
	put32(w, 0x60000000);
	put16(w, (uint16_t)len);
	put8(w, proto);
	put8(w, (uint8_t)(from->ttl - from->hops));
	put(w, &from->ip, sizeof(from->ip));
	put(w, &p->src, sizeof(p->src));
}

static void put_ip(struct writer *w, const struct frame_packet *p, const struct speaker *from,
	uint8_t proto, uint32_t len)
{
	(p->version == 4 ? put_ip4 : put_ip6)(w, p, from, proto, len);
}

/* RFC 9293, 3.10.7.1. */
static void put_reset(struct writer *w, const struct frame_packet *p, const struct speaker *from)
{
	bool acked = p->tcp_flags & TH_ACK;
	uint32_t len = p->end_at - p->payload_at;
	uint32_t start;

	len += (p->tcp_flags & TH_SYN ? 1u : 0) + (p->tcp_flags & TH_FIN ? 1u : 0);
	put_ip(w, p, from, IPPROTO_TCP, TCP_LEN);
	start = w->len;
	put16(w, p->dport);
	put16(w, p->sport);
	put32(w, acked ? p->tcp_ack : 0);
	put32(w, acked ? 0 : p->tcp_seq + len);
	put8(w, TCP_LEN / 4 << 4);
	put8(w, acked ? TH_RST : TH_RST | TH_ACK);
	put16(w, 0);
	put32(w, 0);
	put_sum(w, start, start + 16, sum_pseudo(&from->ip, &p->src, IPPROTO_TCP, TCP_LEN));
}

static uint32_t quote_len(const struct frame_packet *p, const struct speaker *from)
{
	uint32_t len = p->end_at - p->l3_at, max = QUOTE6_MAX;

	if (p->version == 4)
		max = from->brief ? p->l4_at - p->l3_at + QUOTE4_BRIEF : QUOTE4_MAX;
	return len < max ? len : max;
}

/* The packet as it got there: routers on the way counted down its TTL. */
static void put_quote(struct writer *w, const struct frame *f, const struct frame_packet *p,
	const struct speaker *from)
{
	uint32_t len = quote_len(p, from), start = w->len;
	struct cur c = part(f, p->l3_at, p->l3_at + len);
	uint8_t ttl = (uint8_t)(p->ttl - from->hops);

	while (cur_left(&c))
		put8(w, cur_u8(&c));
	if (p->version == 6) {
		w->at[start + 7] = ttl;
	} else {
		struct writer head = { w->at, start + p->l4_at - p->l3_at };

		w->at[start + 8] = ttl;
		w->at[start + 10] = w->at[start + 11] = 0;
		put_sum(&head, start, start + 10, 0);
	}
}

/* RFC 792, RFC 4443. */
static void put_error(struct writer *w, const struct frame *f, const struct frame_packet *p,
	const struct speaker *from, struct error error)
{
	uint8_t proto = p->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint32_t len = ICMP_LEN + quote_len(p, from), start;

	put_ip(w, p, from, proto, len);
	start = w->len;
	put8(w, error.type);
	put8(w, error.code);
	put16(w, 0);
	put32(w, 0);
	put_quote(w, f, p, from);
	put_sum(w, start, start + 2,
		p->version == 4 ? 0 : sum_pseudo(&from->ip, &p->src, proto, len));
}

static void put_padding(struct writer *w)
{
	while (w->len < ETHERNET_MIN)
		put8(w, 0);
}

static bool by_host(
	struct writer *w, const struct frame *f, const struct frame_packet *p, uint64_t seed)
{
	struct speaker host = speaker_host(p, seed);

	if (p->ttl <= host.hops || !transport_sum_is_right(f, p))
		return false;
	put_ethernet(w, f, &f->src_mac, &f->dst_mac);
	if (p->proto == IPPROTO_TCP)
		put_reset(w, p, &host);
	else
		put_error(w, f, p, &host,
			p->version == 4 ? (struct error){ 3, 3 } : (struct error){ 1, 4 });
	return true;
}

static bool by_router(struct writer *w, const struct frame *f, const struct frame_packet *p,
	const struct ip *given, uint64_t seed)
{
	struct speaker router = speaker_router(p, given, seed);

	/* With 1 left he would say "time exceeded". */
	if (p->ttl <= router.hops + 1 || ip_equal(&router.ip, &p->src))
		return false;
	put_ethernet(w, f, &f->src_mac, &f->dst_mac);
	put_error(w, f, p, &router,
		p->version == 4 ? (struct error){ 3, 1 } : (struct error){ 1, 3 });
	return true;
}

/* A host answers whole datagrams, which a fragment is not; a router answers its first one. */
static bool host_answers(const struct frame_packet *p)
{
	return (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) && !p->is_fragment;
}

uint32_t refuse_build(enum refuse_how how, const struct frame *frame, const struct ip *router,
	uint64_t seed, uint8_t ret_frame[static REFUSE_FRAME_MAX])
{
	const struct frame_packet *p = &frame->packet[0];
	struct writer w = { .at = ret_frame };
	bool done;

	if (how == REFUSE_SILENCE || !is_answered(frame))
		return 0;
	if (how == REFUSE_RESET && host_answers(p))
		done = by_host(&w, frame, p, seed);
	else
		done = by_router(&w, frame, p, router, seed);
	if (!done)
		return 0;
	put_padding(&w);
	return w.len;
}

uint32_t refuse_build_onward(const struct frame *frame, uint8_t ret_frame[static REFUSE_FRAME_MAX])
{
	const struct frame_packet *p = &frame->packet[0];
	struct writer w = { .at = ret_frame };
	struct frame_packet back;
	struct speaker sender;

	if (!is_answered(frame) || p->proto != IPPROTO_TCP || p->is_fragment ||
		!transport_sum_is_right(frame, p))
		return 0;
	/* What the receiver would have said to make the sender reset the connection at this place. */
	back = *p;
	back.src = p->dst;
	back.dst = p->src;
	back.sport = p->dport;
	back.dport = p->sport;
	back.tcp_ack = p->tcp_seq;
	back.tcp_flags = TH_ACK;
	sender = (struct speaker){ .ip = p->src, .ttl = p->ttl };
	put_ethernet(&w, frame, &frame->dst_mac, &frame->src_mac);
	put_reset(&w, &back, &sender);
	put_padding(&w);
	return w.len;
}

int64_t refuse_delay_ns(const struct frame *frame, uint64_t seed, uint64_t n)
{
	struct ip net = net_of(&frame->packet[0].dst);
	int64_t base, jitter;

	base = DELAY_MIN_US +
	       (int64_t)((hash_ip(seed, &net) >> 8) % (DELAY_MAX_US - DELAY_MIN_US + 1));
	jitter = base * (int64_t)(hash_ip(seed ^ n, &net) % 1024) / 10240;
	return (base + jitter) * 1000;
}
