/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool ip_in_prefix(const struct ip *ip, const struct ip_prefix *prefix)
{
	size_t whole = prefix->bits / 8;
	unsigned rest = prefix->bits % 8;

	if (memcmp(ip->byte, prefix->ip.byte, whole) != 0)
		return false;
	return rest == 0 || ((ip->byte[whole] ^ prefix->ip.byte[whole]) >> (8 - rest)) == 0;
}

int ip_parse(const char *text, struct ip *ret_ip)
{
	uint8_t v4[4];
	struct ip ip;

	if (inet_pton(AF_INET, text, v4) == 1)
		ip = ip_from_v4(v4);
	else if (inet_pton(AF_INET6, text, ip.byte) != 1)
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

/* An address that has `pattern` in the bits of `mask` carries IPv4 at byte `at`. */
struct embedding {
	uint8_t pattern[12], mask[12];
	uint8_t at;
	uint8_t flip; /* obfuscation */
};

#define ALL_12                                                             \
	{                                                                  \
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 \
	}

static const struct embedding embeddings[] = {
	{ { 0x20, 0x02 }, { 255, 255 }, 2, 0 },
	{ { 0x20, 0x01 }, { 255, 255, 255, 255 }, 4, 0 },
	{ { 0x20, 0x01 }, { 255, 255, 255, 255 }, 12, 255 },
	{ { 0, 0x64, 0xff, 0x9b }, ALL_12, 12, 0 },
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, { 255, 255, 255, 255, 255, 255 }, 12, 0 },
	{ { [8] = 0xff, 0xff }, ALL_12, 12, 0 },
	{ { [10] = 0x5e, 0xfe }, { [8] = 0xfc, 255, 255, 255 }, 12, 0 }, /* bits u and g are free */
	{ { 0 }, ALL_12, 12, 0 },
};

static bool is_embedding(const struct embedding *e, const struct ip *ip)
{
	for (size_t i = 0; i < sizeof(e->mask); i++)
		if ((ip->byte[i] & e->mask[i]) != e->pattern[i])
			return false;
	return true;
}

unsigned ip_embedded_v4(const struct ip *ip, struct ip ret_v4[static IP_EMBEDDED_MAX])
{
	static const struct ip loopback = { .byte = { [15] = 1 } };
	unsigned n = 0;

	if (ip_is_unset(ip) || ip_equal(ip, &loopback))
		return 0;
	for (size_t i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++) {
		const struct embedding *e = &embeddings[i];

		if (n == IP_EMBEDDED_MAX || !is_embedding(e, ip))
			continue;
		ret_v4[n] = ip_from_v4(ip->byte + e->at);
		for (unsigned k = 12; k < 16; k++)
			ret_v4[n].byte[k] ^= e->flip;
		n++;
	}
	return n;
}

/* Decimal number up to max, the whole string. -1 when it is not one. */
static int parse_number(const char *text, int max)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -1;
	}
	return n;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	struct ip_prefix prefix;
	char address[IP_TEXT_MAX];
	bool v4;
	int bits;

	if (!slash)
		slash = text + strlen(text);
	if ((size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (ip_parse(address, &prefix.ip) < 0)
		return -EINVAL;
	v4 = strchr(address, ':') == NULL;
	bits = *slash ? parse_number(slash + 1, v4 ? 32 : 128) : v4 ? 32 : 128;
	if (bits < 0)
		return -EINVAL;
	prefix.bits = (uint8_t)(v4 ? 96 + bits : bits);
	for (unsigned i = prefix.bits; i < 128; i++)
		if (prefix.ip.byte[i / 8] & (0x80 >> (i % 8)))
			return -EINVAL;
	*ret_prefix = prefix;
	return 0;
}

int mac_parse(const char *text, struct mac *ret_mac)
{
	struct mac mac;
	int end = 0;

	if (strlen(text) != 17 ||
		sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac.byte[0], &mac.byte[1],
			&mac.byte[2], &mac.byte[3], &mac.byte[4], &mac.byte[5], &end) != 6 ||
		end != 17)
		return -EINVAL;
	*ret_mac = mac;
	return 0;
}

const char *ip_text(const struct ip *ip, char buf[static IP_TEXT_MAX])
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, ip->byte + 12, buf, IP_TEXT_MAX);
	else
		inet_ntop(AF_INET6, ip->byte, buf, IP_TEXT_MAX);
	return buf;
}

const char *ip_prefix_text(const struct ip_prefix *prefix, char buf[static IP_TEXT_MAX])
{
	bool v4 = ip_is_v4(&prefix->ip) && prefix->bits >= 96;
	size_t len;

	ip_text(&prefix->ip, buf);
	len = strlen(buf);
	snprintf(buf + len, IP_TEXT_MAX - len, "/%u", v4 ? prefix->bits - 96u : prefix->bits);
	return buf;
}

const char *mac_text(const struct mac *mac, char buf[static MAC_TEXT_MAX])
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac->byte[0], mac->byte[1],
		mac->byte[2], mac->byte[3], mac->byte[4], mac->byte[5]);
	return buf;
}
