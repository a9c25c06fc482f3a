/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcapng.h"

#include <assert.h>
#include <string.h>

/* Option codes of the draft, section 3.5, 4.1-4.6. */
enum {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_MACADDR = 6,
	IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	EPB_PACKETID = 5,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
	LINKTYPE_ETHERNET = 1,
	FLAGS_INBOUND = 1,
	FLAGS_OUTBOUND = 2,
};

/* Head of the comment for each verdict and reason. */
struct comment {
	const char *text;
	size_t len;
};

static const struct comment comments[2][REASON_COUNT] = {
#define REASON(id, name, verdict, severity, text) \
	[VERDICT_PASS][REASON_##id] = { "pass " name, sizeof("pass " name) - 1 },
#include "event/reason.def"
#undef REASON
#define REASON(id, name, verdict, severity, text) \
	[VERDICT_DROP][REASON_##id] = { "drop " name, sizeof("drop " name) - 1 },
#include "event/reason.def"
#undef REASON
};

enum {
	COMMENT_HEAD_MAX = 40,
	COMMENT_MAX = COMMENT_HEAD_MAX + sizeof(" flow ") - 1 + 16,
	/* block head and tail, flags, packet id, comment with padding, end of options */
	PACKET_OVERHEAD = 28 + 4 + 8 + 12 + 4 + COMMENT_MAX + 3 + 4 + 3,
};

#define REASON(id, name, verdict, severity, text) \
	static_assert(sizeof("pass " name) <= COMMENT_HEAD_MAX, "a reason's name is too long");
#include "event/reason.def"
#undef REASON

static uint8_t *put16(uint8_t *at, uint16_t n)
{
	memcpy(at, &n, sizeof(n));
	return at + sizeof(n);
}

static uint8_t *put32(uint8_t *at, uint32_t n)
{
	memcpy(at, &n, sizeof(n));
	return at + sizeof(n);
}

/* Times are stored as two halves, the high one first (section 4.3). */
static uint8_t *put_time(uint8_t *at, int64_t time_ns)
{
	at = put32(at, (uint32_t)((uint64_t)time_ns >> 32));
	return put32(at, (uint32_t)time_ns);
}

static uint8_t *put_padding(uint8_t *at, size_t len)
{
	static const uint8_t zeros[4];
	size_t n = -len & 3;

	memcpy(at, zeros, n);
	return at + n;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return put_padding(at + len, len);
}

static uint8_t *put_option_head(uint8_t *at, uint16_t code, size_t len)
{
	return put16(put16(at, code), (uint16_t)len);
}

static uint8_t *put_option(uint8_t *at, uint16_t code, const void *bytes, size_t len)
{
	return put_bytes(put_option_head(at, code, len), bytes, len);
}

static uint8_t *put_option_text(uint8_t *at, uint16_t code, const char *text)
{
	return text && *text ? put_option(at, code, text, strnlen(text, PCAPNG_TEXT_MAX)) : at;
}

static uint8_t *put_option_u64(uint8_t *at, uint16_t code, uint64_t n)
{
	return put_option(at, code, &n, sizeof(n));
}

static uint8_t *put_option_time(uint8_t *at, uint16_t code, int64_t time_ns)
{
	return put_time(put_option_head(at, code, 8), time_ns);
}

/* Ends the options and writes the block's length at both its ends. */
static size_t end_block(uint8_t *start, uint8_t *at)
{
	uint32_t len;

	at = put_option_head(at, OPT_END, 0);
	len = (uint32_t)(at + 4 - start);
	put32(start + 4, len);
	put32(at, len);
	return len;
}

size_t pcapng_packet_size(uint32_t len)
{
	return (size_t)len + PACKET_OVERHEAD;
}

static uint8_t *put_hex(uint8_t *at, uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned shift = (63u - (unsigned)__builtin_clzll(n)) & ~3u;

	for (;; shift -= 4) {
		*at++ = (uint8_t)digits[n >> shift & 15];
		if (shift == 0)
			return at;
	}
}

static uint8_t *put_comment(uint8_t *at, const struct pcapng_packet *packet)
{
	static const char flow[] = " flow ";
	const struct comment *comment =
		&comments[packet->verdict == VERDICT_DROP]
			 [packet->reason < REASON_COUNT ? packet->reason : REASON_NONE];
	uint8_t *start = at + 4;

	at = start;
	memcpy(at, comment->text, comment->len);
	at += comment->len;
	if (packet->flow) {
		memcpy(at, flow, sizeof(flow) - 1);
		at = put_hex(at + sizeof(flow) - 1, packet->flow);
	}
	put_option_head(start - 4, OPT_COMMENT, (size_t)(at - start));
	return put_padding(at, (size_t)(at - start));
}

size_t pcapng_put_packet(uint8_t *at, const struct pcapng_packet *packet)
{
	uint8_t *start = at;
	uint32_t flags = packet->arrived ? FLAGS_INBOUND : FLAGS_OUTBOUND;

	at = put32(at, PCAPNG_EPB) + 4; /* the length comes last */
	at = put32(at, packet->interface);
	at = put_time(at, packet->time_ns);
	at = put32(at, packet->kept);
	at = put32(at, packet->len);
	at = put_bytes(at, packet->data, packet->kept);
	at = put_comment(at, packet);
	at = put32(put_option_head(at, EPB_FLAGS, 4), flags);
	at = put_option_u64(at, EPB_PACKETID, packet->packet);
	return end_block(start, at);
}

uint64_t pcapng_comment_flow(const char *comment, size_t len)
{
	static const char key[] = " flow ";
	const char *at = len ? memmem(comment, len, key, sizeof(key) - 1) : NULL;
	const char *end = at ? comment + len : NULL;
	uint64_t flow = 0;

	if (!at)
		return 0;
	for (at += sizeof(key) - 1; at < end; at++) {
		char c = *at;

		if (flow >> 60)
			return 0;
		if (c >= '0' && c <= '9')
			flow = flow << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			flow = flow << 4 | (uint64_t)(c - 'a' + 10);
		else
			return 0;
	}
	return flow <= RECORD_U64_MAX ? flow : 0;
}

size_t pcapng_put_section(uint8_t *at, const struct pcapng_section *section)
{
	static const uint8_t unknown_length[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t *start = at;

	at = put32(at, PCAPNG_SHB) + 4;
	at = put32(at, PCAPNG_BYTE_ORDER);
	at = put16(put16(at, 1), 0); /* version 1.0 */
	at = put_bytes(at, unknown_length, sizeof(unknown_length));
	at = put_option_text(at, SHB_HARDWARE, section->hardware);
	at = put_option_text(at, SHB_OS, section->os);
	at = put_option_text(at, SHB_USERAPPL, section->program);
	at = put_option_text(at, OPT_COMMENT, section->comment);
	return end_block(start, at);
}

size_t pcapng_put_interface(uint8_t *at, const struct pcapng_interface *interface)
{
	static const uint8_t nanoseconds = 9;
	uint8_t *start = at;

	at = put32(at, PCAPNG_IDB) + 4;
	at = put16(put16(at, LINKTYPE_ETHERNET), 0);
	at = put32(at, 0); /* no snap length */
	at = put_option_text(at, IF_NAME, interface->name);
	at = put_option_text(at, IF_DESCRIPTION, interface->description);
	if (interface->has_mac)
		at = put_option(at, IF_MACADDR, interface->mac.byte, sizeof(interface->mac.byte));
	at = put_option(at, IF_TSRESOL, &nanoseconds, 1);
	return end_block(start, at);
}

size_t pcapng_put_statistics(uint8_t *at, const struct pcapng_statistics *statistics)
{
	uint8_t *start = at;

	at = put32(at, PCAPNG_ISB) + 4;
	at = put32(at, statistics->interface);
	at = put_time(at, statistics->time_ns);
	at = put_option_time(at, ISB_STARTTIME, statistics->start_ns);
	at = put_option_time(at, ISB_ENDTIME, statistics->end_ns);
	at = put_option_u64(at, ISB_IFRECV, statistics->received);
	at = put_option_u64(at, ISB_IFDROP, statistics->nic_drops);
	at = put_option_u64(at, ISB_FILTERACCEPT, statistics->accepted);
	at = put_option_u64(at, ISB_OSDROP, statistics->os_drops);
	at = put_option_u64(at, ISB_USRDELIV, statistics->delivered);
	at = put_option_text(at, OPT_COMMENT, statistics->comment);
	return end_block(start, at);
}
