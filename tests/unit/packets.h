/* SPDX-License-Identifier: Apache-2.0 */
/* packets - frames for tests, built piece by piece. Static functions, so that a test needs no more. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/ip.h"

struct bytes {
	uint32_t len;
	uint8_t at[2048];
};

__attribute__((unused)) static void put(struct bytes *b, const void *bytes, size_t n)
{
	if (b->len + n > sizeof(b->at))
		__builtin_trap();
	memcpy(b->at + b->len, bytes, n);
	b->len += (uint32_t)n;
}

__attribute__((unused)) static void put8(struct bytes *b, unsigned v)
{
	put(b, &(uint8_t){ (uint8_t)v }, 1);
}

__attribute__((unused)) static void put16(struct bytes *b, unsigned v)
{
	put8(b, v >> 8 & 255);
	put8(b, v & 255);
}

__attribute__((unused)) static void put32(struct bytes *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

__attribute__((unused)) static void put_zero(struct bytes *b, size_t n)
{
	while (n--)
		put8(b, 0);
}

/* MAC address 02:00:00:00:00:n; 255 is broadcast. */
__attribute__((unused)) static void put_mac(struct bytes *b, unsigned n)
{
	struct mac mac = { { 2, 0, 0, 0, 0, (uint8_t)n } };

	if (n == 255)
		memset(&mac, 0xff, sizeof(mac));
	put(b, &mac, sizeof(mac));
}

__attribute__((unused)) static void put_ethernet(
	struct bytes *b, unsigned to, unsigned from, unsigned type)
{
	b->len = 0;
	put_mac(b, to);
	put_mac(b, from);
	put16(b, type);
}

__attribute__((unused)) static struct ip address(const char *text)
{
	struct ip ip = { 0 };

	if (ip_parse(text, &ip) < 0)
		__builtin_trap();
	return ip;
}

/* An IPv4 header for `len` bytes of payload; fragment: flags and offset as in the header. */
__attribute__((unused)) static void put_ip4(struct bytes *b, const char *src, const char *dst,
	unsigned proto, unsigned len, unsigned id, unsigned fragment)
{
	struct ip s = address(src), d = address(dst);

	put16(b, 0x4500);
	put16(b, 20 + len);
	put16(b, id);
	put16(b, fragment);
	put8(b, 64);
	put8(b, proto);
	put16(b, 0);
	put(b, s.byte + 12, 4);
	put(b, d.byte + 12, 4);
}

__attribute__((unused)) static void put_ip6(struct bytes *b, const char *src, const char *dst,
	unsigned next, unsigned len, unsigned hops)
{
	struct ip s = address(src), d = address(dst);

	put32(b, 0x60000000);
	put16(b, len);
	put8(b, next);
	put8(b, hops);
	put(b, &s, 16);
	put(b, &d, 16);
}

__attribute__((unused)) static void put_ip(
	struct bytes *b, const char *src, const char *dst, unsigned proto, unsigned len)
{
	if (strchr(src, ':'))
		put_ip6(b, src, dst, proto, len, 64);
	else
		put_ip4(b, src, dst, proto, len, 7, 0);
}

__attribute__((unused)) static void put_tcp(
	struct bytes *b, unsigned sport, unsigned dport, uint32_t seq, unsigned flags)
{
	put16(b, sport);
	put16(b, dport);
	put32(b, seq);
	put32(b, 0);
	put8(b, 0x50);
	put8(b, flags);
	put16(b, 1000);
	put32(b, 0);
}

/* Of the frame whose last header put_tcp() made. */
__attribute__((unused)) static void set_ack(struct bytes *b, uint32_t ack)
{
	b->len -= 12;
	put32(b, ack);
	b->len += 8;
}

__attribute__((unused)) static void put_udp(
	struct bytes *b, unsigned sport, unsigned dport, unsigned len)
{
	put16(b, sport);
	put16(b, dport);
	put16(b, 8 + len);
	put16(b, 0);
}

/* A DNS question: www.example.org, A. */
enum { QUESTION_LEN = 12 + 17 + 4 };
__attribute__((unused)) static void put_question(struct bytes *b)
{
	static const uint8_t head[12] = { 0, 1, 1, 0, 0, 1 };

	put(b, head, sizeof(head));
	put(b, "\3www\7example\3org", 17);
	put32(b, 0x00010001);
}

__attribute__((unused)) static unsigned type_of(const char *src)
{
	return strchr(src, ':') ? 0x86dd : 0x0800;
}

/* Whole frames: from MAC `from` to MAC `to`. */
__attribute__((unused)) static void tcp_frame(struct bytes *b, unsigned to, unsigned from,
	const char *src, unsigned sport, const char *dst, unsigned dport, uint32_t seq,
	unsigned flags)
{
	put_ethernet(b, to, from, type_of(src));
	put_ip(b, src, dst, 6, 20);
	put_tcp(b, sport, dport, seq, flags);
}

__attribute__((unused)) static void udp_frame(struct bytes *b, unsigned to, unsigned from,
	const char *src, unsigned sport, const char *dst, unsigned dport, unsigned len)
{
	put_ethernet(b, to, from, type_of(src));
	put_ip(b, src, dst, 17, 8 + len);
	put_udp(b, sport, dport, len);
	put_zero(b, len);
}

/* ICMP or ICMPv6 by the address. */
__attribute__((unused)) static void icmp_frame(struct bytes *b, unsigned to, unsigned from,
	const char *src, const char *dst, unsigned type, unsigned code, unsigned id)
{
	put_ethernet(b, to, from, type_of(src));
	put_ip(b, src, dst, strchr(src, ':') ? 58 : 1, 8);
	put8(b, type);
	put8(b, code);
	put16(b, 0);
	put16(b, id);
	put16(b, 1);
}

__attribute__((unused)) static void arp_frame(struct bytes *b, unsigned to, unsigned from,
	unsigned op, const char *sender, const char *target)
{
	struct ip s = address(sender), t = address(target);

	put_ethernet(b, to, from, 0x0806);
	put32(b, 0x00010800);
	put16(b, 0x0604);
	put16(b, op);
	put_mac(b, from);
	put(b, s.byte + 12, 4);
	put_mac(b, 0);
	put(b, t.byte + 12, 4);
}
