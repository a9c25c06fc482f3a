/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a pcap file of refused frames and the answers to them to stdout, for check_refusals.py. */
#include <stdio.h>
#include <stdlib.h>

#include "control/refuse.h"
#include "packets.h"
#include "sums.h"

static void write_bytes(const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, stdout) != n)
		abort();
}

static void write_frame(const uint8_t *data, uint32_t len)
{
	uint32_t head[] = { 0, 0, len, len };

	write_bytes(head, sizeof(head));
	write_bytes(data, len);
}

/* The frame with its checksums, and both kinds of answer; all that are built here have one. */
static void refuse(struct bytes *b)
{
	uint8_t out[REFUSE_FRAME_MAX];
	struct frame f;

	sums_fix(b->at, b->len);
	frame_parse(b->at, b->len, FRAME_LINK_ETHERNET, &f);
	write_frame(b->at, b->len);
	for (enum refuse_how how = REFUSE_RESET; how <= REFUSE_UNREACHABLE; how++) {
		uint32_t len = refuse_build(how, &f, NULL, 1, out);

		if (len == 0)
			abort();
		write_frame(out, len);
	}
}

static void refuse_all(const char *src, const char *dst)
{
	static const unsigned flags[] = { 2, 18, 16, 24, 17, 1 };
	struct bytes b;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		tcp_frame(&b, 2, 1, src, 1000 + i, dst, 80, 12345, flags[i]);
		refuse(&b);
	}
	for (unsigned len = 1; len < 1400; len += 233) {
		udp_frame(&b, 2, 1, src, 1000, dst, 9999, len);
		refuse(&b);
	}
	icmp_frame(&b, 2, 1, src, dst, strchr(src, ':') ? 128 : 8, 0, 77);
	refuse(&b);
}

int main(void)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zero[2], snaplen, link;
	} head = { 0xa1b2c3d4, 2, 4, { 0, 0 }, 65535, 1 };
	char dst[IP_TEXT_MAX];

	write_bytes(&head, sizeof(head));
	for (unsigned n = 1; n < 20; n++) {
		snprintf(dst, sizeof(dst), "192.0.%u.9", n);
		refuse_all("10.0.0.1", dst);
		snprintf(dst, sizeof(dst), "2001:db8:%x::9", n);
		refuse_all("2001:db8::1", dst);
	}
	return fflush(stdout) ? 1 : 0;
}
