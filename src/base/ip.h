/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip - addresses, prefixes, MACs as plain data. IPv4 lives as its IPv4-mapped IPv6 address
 * (RFC 4291, 2.5.5.2), so one comparison and one prefix match serve both. Where it matters that a
 * packet really was IPv4 (a hostile IPv6 packet may carry mapped addresses), compare the version too.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ip {
	uint8_t byte[16];
};

struct mac {
	uint8_t byte[6];
};

/* A network: the first `bits` (0..128) of `ip`; for IPv4 that is 96 + the usual length. */
struct ip_prefix {
	struct ip ip;
	uint8_t bits;
};

#define IP_TEXT_MAX  64 /* longest text of an address or prefix, with NUL */
#define MAC_TEXT_MAX 18

#define IP_EMBEDDED_MAX 3

static inline struct ip ip_from_v4(const uint8_t v4[static 4])
{
	struct ip ip = { .byte = { [10] = 0xff, [11] = 0xff } };

	memcpy(ip.byte + 12, v4, 4);
	return ip;
}

static inline bool ip_equal(const struct ip *a, const struct ip *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* As memcmp(): less than, equal to, more than 0. Inline: lists are searched with it for every frame. */
static inline int ip_order(const struct ip *a, const struct ip *b)
{
	uint64_t x[2], y[2];
	unsigned i;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	i = x[0] == y[0];
	return (be64toh(x[i]) > be64toh(y[i])) - (be64toh(x[i]) < be64toh(y[i]));
}

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* IPv4-mapped. */
static inline bool ip_is_v4(const struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(ip->byte, mapped, sizeof(mapped)) == 0;
}

/* :: (what a zeroed struct is). */
static inline bool ip_is_unset(const struct ip *ip)
{
	static const struct ip unset;

	return ip_equal(ip, &unset);
}

/* 224/4, ff00::/8. */
static inline bool ip_is_multicast(const struct ip *ip)
{
	return ip_is_v4(ip) ? (ip->byte[12] & 0xf0) == 0xe0 : ip->byte[0] == 0xff;
}

/* 169.254/16, fe80::/10. */
static inline bool ip_is_link_local(const struct ip *ip)
{
	if (ip_is_v4(ip))
		return ip->byte[12] == 169 && ip->byte[13] == 254;
	return ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80;
}

bool ip_in_prefix(const struct ip *ip, const struct ip_prefix *prefix);

/* The IPv4 addresses that an IPv6 address carries, to which a relay or translator would forward what is
 * sent there: 6to4 (RFC 3056), Teredo's server and client (RFC 4380), NAT64 (RFC 6052; RFC 8215 with a /96
 * prefix), SIIT (RFC 2765), ISATAP (RFC 5214), IPv4-compatible (RFC 4291). Returns how many; of an IPv4
 * address none. What a site's own prefix means (6rd, NAT64) cannot be known here. */
unsigned ip_embedded_v4(const struct ip *ip, struct ip ret_v4[static IP_EMBEDDED_MAX]);

/* Text both ways. Parsers take exactly the whole string; 0 or -EINVAL. */
int ip_parse(const char *text, struct ip *ret_ip);
int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix); /* host bits must be zero */
int mac_parse(const char *text, struct mac *ret_mac);
const char *ip_text(const struct ip *ip, char buf[static IP_TEXT_MAX]);
const char *ip_prefix_text(const struct ip_prefix *prefix, char buf[static IP_TEXT_MAX]);
const char *mac_text(const struct mac *mac, char buf[static MAC_TEXT_MAX]);
