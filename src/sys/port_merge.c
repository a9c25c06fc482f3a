/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/port_merge.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/inet_sum.h"

enum {
	IP_AT = 14, /* untagged frames only */
	IP4_LEN = 20,
	IP4_ADDRESSES_AT = 12,
	IP6_LEN = 40,
	IP6_ADDRESSES_AT = 8,
	TCP_LEN = 20,
	TCP_SUM_AT = 16,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	DONT_FRAGMENT = 0x4000,
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, size_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static size_t l4_of(uint8_t version)
{
	return IP_AT + (version == 4 ? IP4_LEN : IP6_LEN);
}

/* 4 or 6: a whole IP packet with TCP in it, no options, extensions, tags or padding. 0: not so. */
static uint8_t version_of(const uint8_t *f, size_t len)
{
	const uint8_t *ip = f + IP_AT;

	if (len < IP_AT + IP4_LEN + TCP_LEN)
		return 0;
	if (get16(f + 12) == ETHERTYPE_IP && ip[0] == 0x45 && get16(ip + 2) == len - IP_AT &&
		(get16(ip + 6) & ~DONT_FRAGMENT) == 0 && ip[9] == IPPROTO_TCP)
		return 4;
	if (get16(f + 12) == ETHERTYPE_IPV6 && len >= IP_AT + IP6_LEN + TCP_LEN &&
		ip[0] >> 4 == 6 && get16(ip + 4) == len - IP_AT - IP6_LEN && ip[6] == IPPROTO_TCP)
		return 6;
	return 0;
}

/* Offset of the payload of a segment with nothing but ACK and perhaps PSH, 0: not so. */
static size_t payload_of(const uint8_t *f, size_t len, size_t l4)
{
	const uint8_t *tcp = f + l4;
	size_t header = (size_t)(tcp[12] >> 4) * 4;

	if (header < TCP_LEN || len <= l4 + header || (tcp[12] & 15) != 0 ||
		(tcp[13] & ~TCP_PSH) != TCP_ACK)
		return 0;
	return l4 + header;
}

static uint64_t pseudo_header_sum(const uint8_t *ip, uint8_t version, size_t tcp_len)
{
	size_t at = version == 4 ? IP4_ADDRESSES_AT : IP6_ADDRESSES_AT,
	       end = l4_of(version) - IP_AT;

	return (uint64_t)inet_sum(ip + at, end - at) + IPPROTO_TCP + tcp_len;
}

/* The kernel makes checksums anew: those that were wrong would be right then. 0 has two forms. */
static bool sums_right(const uint8_t *f, size_t len, uint8_t version)
{
	const uint8_t *ip = f + IP_AT, *tcp = f + l4_of(version);
	size_t tcp_len = len - l4_of(version);
	uint16_t sum = get16(tcp + TCP_SUM_AT);

	if (sum == 0 || sum == 0xffff)
		return false;
	if (version == 4 && (inet_sum(ip, IP4_LEN) != 0xffff || get16(ip + 10) == 0xffff))
		return false;
	return inet_sum_fold(pseudo_header_sum(ip, version, tcp_len) + inet_sum(tcp, tcp_len)) ==
	       0xffff;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* All of the headers but lengths, identification, sequence number, PSH and checksums. */
static bool same_headers(const uint8_t *a, const uint8_t *b, uint8_t version, size_t payload)
{
	size_t l4 = l4_of(version);
	bool ip = version == 4 ? same(a, b, 0, IP_AT + 2) && same(a, b, IP_AT + 6, IP_AT + 10) &&
					 same(a, b, IP_AT + 12, l4)
			       : same(a, b, 0, IP_AT + 4) && same(a, b, IP_AT + 6, l4);

	return ip && same(a, b, l4, l4 + 4) && same(a, b, l4 + 8, l4 + 13) &&
	       same(a, b, l4 + 14, l4 + TCP_SUM_AT) && same(a, b, l4 + 18, payload);
}

static void begin(
	struct port_merge *m, const uint8_t *frame, size_t len, uint8_t version, size_t payload)
{
	memcpy(m->frame, frame, len);
	m->len = len;
	m->n = 1;
	m->version = version;
	m->payload = payload;
	m->size = len - payload;
	m->checked = false;
	m->ended = frame[l4_of(version) + 13] & TCP_PSH;
	m->seq = get32(frame + l4_of(version) + 4) + (uint32_t)m->size;
	m->id = (uint16_t)(get16(frame + IP_AT + 4) + 1);
}

static bool goes_on(const struct port_merge *m, const uint8_t *frame, size_t len, uint8_t version,
	size_t payload)
{
	return !m->ended && version == m->version && payload == m->payload &&
	       len - payload <= m->size && m->n < PORT_MERGE_SEGMENTS &&
	       len - payload <= sizeof(m->frame) - m->len &&
	       get32(frame + l4_of(version) + 4) == m->seq &&
	       (version == 6 || get16(frame + IP_AT + 4) == m->id) &&
	       same_headers(frame, m->frame, version, payload);
}

static bool add(struct port_merge *m, const uint8_t *frame, size_t len)
{
	size_t l4 = l4_of(m->version), more = len - m->payload;

	/* The first one is looked at only now: most frames are alone. */
	m->checked = m->checked || sums_right(m->frame, m->len, m->version);
	if (!m->checked || !sums_right(frame, len, m->version))
		return false;
	memcpy(m->frame + m->len, frame + m->payload, more);
	m->len += more;
	m->n++;
	m->seq += (uint32_t)more;
	m->id++;
	m->frame[l4 + 13] = frame[l4 + 13]; /* the last one has it */
	m->ended = more < m->size || frame[l4 + 13] & TCP_PSH;
	return true;
}

bool port_merge_take(struct port_merge *m, const uint8_t *frame, size_t len)
{
	uint8_t version = version_of(frame, len);
	size_t payload = version ? payload_of(frame, len, l4_of(version)) : 0;

	if (!payload || len > sizeof(m->frame))
		return false;
	if (m->n > 0)
		return goes_on(m, frame, len, version, payload) && add(m, frame, len);
	begin(m, frame, len, version, payload);
	return true;
}

void port_merge_end(struct port_merge *m, size_t *ret_l4)
{
	uint8_t *ip = m->frame + IP_AT;
	size_t l4 = l4_of(m->version);

	if (m->version == 4) {
		put16(ip + 2, m->len - IP_AT);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~inet_sum(ip, IP4_LEN));
	} else {
		put16(ip + 4, m->len - l4);
	}
	put16(m->frame + l4 + TCP_SUM_AT,
		inet_sum_fold(pseudo_header_sum(ip, m->version, m->len - l4)));
	*ret_l4 = l4;
}
