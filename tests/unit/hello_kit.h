/* SPDX-License-Identifier: Apache-2.0 */
/* hello_kit - hellos of TLS for tests, built piece by piece. */
#pragma once

#include "packets.h"

/* Where a length stands, until what it counts has been put. */
__attribute__((unused)) static uint32_t begin(struct bytes *b, unsigned size)
{
	put_zero(b, size);
	return b->len;
}

__attribute__((unused)) static void end(struct bytes *b, uint32_t at, unsigned size)
{
	uint32_t len = b->len - at;

	for (unsigned i = 0; i < size; i++)
		b->at[at - 1 - i] = (uint8_t)(len >> 8 * i);
}

__attribute__((unused)) static void put_extension(
	struct bytes *b, unsigned type, const char *body, size_t len)
{
	put16(b, type);
	put16(b, (unsigned)len);
	put(b, body, len);
}

#define EXTENSION(b, type, body) put_extension(b, type, body, sizeof(body) - 1)

/* What JA4's authors show as their example (github FoxIO-LLC/ja4): t13d1516h2_8daaf6152771_e5627efa2ab1 over TCP,
 * with GREASE (RFC 8701) where browsers put it. The message with its type and length. */
__attribute__((unused)) static void put_browser_hello(struct bytes *b)
{
	static const unsigned ciphers[] = { 0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c,
		0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };
	uint32_t message, list;

	put8(b, 1);
	message = begin(b, 3);
	put16(b, 0x0303);
	put_zero(b, 32);
	put8(b, 0);
	list = begin(b, 2);
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		put16(b, ciphers[i]);
	end(b, list, 2);
	put(b, "\1\0", 2);
	list = begin(b, 2);
	EXTENSION(b, 0x4a4a, "");
	EXTENSION(b, 0,
		"\0\x0e\0\0\x0b"
		"example.org");
	EXTENSION(b, 23, "");
	EXTENSION(b, 0xff01, "\0");
	EXTENSION(b, 10, "\0\x08\x8a\x8a\0\x1d\0\x17\0\x18");
	EXTENSION(b, 11, "\1\0");
	EXTENSION(b, 35, "");
	EXTENSION(b, 16, "\0\x0c\2h2\x08http/1.1");
	EXTENSION(b, 5, "\1\0\0\0\0");
	EXTENSION(b, 13, "\0\x10\4\3\x08\4\4\1\5\3\x08\5\5\1\x08\6\6\1");
	EXTENSION(b, 18, "");
	EXTENSION(b, 51, "\0\0");
	EXTENSION(b, 45, "\1\1");
	EXTENSION(b, 43, "\6\x6a\x6a\3\4\3\3");
	EXTENSION(b, 27, "\2\0\2");
	EXTENSION(b, 0x4469, "\0\3\2h2");
	EXTENSION(b, 21, "\0\0");
	end(b, list, 2);
	end(b, message, 3);
}
