/* SPDX-License-Identifier: Apache-2.0 */
/* rules_kit - rules from text to open, and units to hold against them. For tests and fuzz
 * targets. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame/frame.h"
#include "packets.h"
#include "rules/compile.h"
#include "rules/rules.h"

#define KIT_KEPT (16u << 10) /* bytes of a stream that stay in front of the new ones */

struct kit {
	void *image;
	size_t size;
	struct rules *rules;
	struct rules_flow *flow;
	uint64_t packets[2], total[2];
	uint8_t bytes[2][KIT_KEPT + 65536];
	uint32_t kept[2];
	uint16_t server_port;
	int64_t now_ns;
	enum proto_id app;
	bool quiet; /* of the units (rules_unit.quiet) */
	/* What was hit, by sid, in order. */
	unsigned n_hits;
	uint32_t sid[256];
	struct rules_hit hit[256];
};

/* False: the text has a rule that was refused (told on stderr), or no memory. */
__attribute__((unused)) static bool kit_open(struct kit *kit, const char *rules, size_t len)
{
	struct rules_text *text = NULL;
	bool good;

	memset(kit, 0, sizeof(*kit));
	kit->server_port = 80;
	kit->now_ns = INT64_C(1000000000);
	if (rules_text_new(&text))
		return false;
	rules_text_read(text, "kit", rules, len);
	for (uint32_t i = 0; i < text->n_faults; i++)
		fprintf(stderr, "refused: %s\n", text->fault[i].text);
	good = text->n_faults == 0 && rules_compile(text, &kit->image, &kit->size) == 0 &&
	       rules_open(kit->image, kit->size, &kit->rules) == 0;
	rules_text_free(text);
	kit->flow = rules_flow_new();
	return good && kit->flow;
}

__attribute__((unused)) static void kit_close(struct kit *kit)
{
	rules_flow_free(kit->flow);
	rules_close(kit->rules);
	free(kit->image);
}

/* Another conversation, with the same rules. */
__attribute__((unused)) static void kit_restart(struct kit *kit)
{
	rules_flow_free(kit->flow);
	kit->flow = rules_flow_new();
	memset(kit->packets, 0, sizeof(kit->packets));
	memset(kit->total, 0, sizeof(kit->total));
	memset(kit->kept, 0, sizeof(kit->kept));
	kit->n_hits = 0;
}

__attribute__((unused)) static unsigned kit_look(struct kit *kit, const struct rules_unit *unit)
{
	struct rules_hit hits[RULES_HITS_MAX];
	size_t n = rules_look(kit->rules, unit, hits);

	for (size_t i = 0; i < n; i++) {
		if (kit->n_hits == 256)
			break;
		kit->hit[kit->n_hits] = hits[i];
		kit->sid[kit->n_hits++] = rules_info(kit->rules, hits[i].rule).sid;
	}
	return (unsigned)n;
}

/* A unit around a header of TCP, UDP or ICMP; `b` and `frame` live as long as the unit. */
__attribute__((unused)) static struct rules_unit kit_unit(struct kit *kit, unsigned proto,
	unsigned side, unsigned tcp_flags, struct bytes *b, struct frame *frame)
{
	const char *client = "10.0.0.1", *server = "198.51.100.7";

	put_ethernet(b, 2, 1, 0x800);
	put_ip4(b, side ? server : client, side ? client : server, proto, proto == 6 ? 20 : 8, 1,
		0);
	if (proto == 6)
		put_tcp(b, side ? kit->server_port : 40000, side ? 40000 : kit->server_port, 1,
			tcp_flags);
	else if (proto == 17)
		put_udp(b, side ? kit->server_port : 40000, side ? 40000 : kit->server_port, 0);
	else
		put(b, "\x08\x00\x00\x00\x02\x9a\x00\x07", 8);
	frame_parse(b->at, b->len, FRAME_LINK_ETHERNET, frame);
	kit->packets[side]++;
	return (struct rules_unit){ .frame = frame,
		.packet = &frame->packet[0],
		.wall_ns = kit->now_ns,
		.steady_ns = kit->now_ns,
		.side = side,
		.established = true,
		.quiet = kit->quiet,
		.flow = kit->flow,
		.app = kit->app,
		.flow_packets = { kit->packets[0], kit->packets[1] },
		.stream_bytes = { kit->total[0], kit->total[1] } };
}

/* A packet without a stream. */
__attribute__((unused)) static void kit_packet(struct kit *kit, unsigned proto, unsigned side,
	unsigned flags, const void *bytes, uint32_t len)
{
	struct bytes b;
	struct frame frame;
	struct rules_unit unit = kit_unit(kit, proto, side, flags, &b, &frame);

	unit.kind = RULES_PACKET;
	unit.bytes = bytes;
	unit.len = len;
	kit_look(kit, &unit);
}

/* A segment of TCP: the packet, then what it adds to the stream. Edits are made in the stream. */
__attribute__((unused)) static void kit_segment(
	struct kit *kit, unsigned side, const void *bytes, uint32_t len)
{
	struct bytes b;
	struct frame frame;
	struct rules_unit unit = kit_unit(kit, 6, side, 0x18, &b, &frame);
	uint8_t *at = kit->bytes[side];
	uint32_t kept = kit->kept[side];

	unit.kind = RULES_PACKET;
	unit.streamed = true;
	unit.bytes = bytes;
	unit.len = len;
	kit_look(kit, &unit);
	if (kept > KIT_KEPT) {
		memmove(at, at + kept - KIT_KEPT, KIT_KEPT);
		kept = KIT_KEPT;
	}
	memcpy(at + kept, bytes, len);
	unit.kind = RULES_STREAM;
	unit.bytes = at;
	unit.fresh = kept;
	unit.repeats = true;
	unit.len = kept + len;
	unit.offset = kit->total[side] - kept;
	kit->total[side] += len;
	unit.stream_bytes[side] = kit->total[side];
	kit->kept[side] = kept + len;
	for (unsigned i = kit->n_hits, n = kit_look(kit, &unit); n-- > 0; i++)
		for (unsigned e = 0; e < kit->hit[i].n_edits; e++)
			memcpy(at + kit->hit[i].edit[e].at, kit->hit[i].edit[e].bytes,
				kit->hit[i].edit[e].len);
}

/* The stream ends. */
__attribute__((unused)) static void kit_end(struct kit *kit, unsigned side)
{
	struct bytes b;
	struct frame frame;
	struct rules_unit unit = kit_unit(kit, 6, side, 0x11, &b, &frame);

	unit.kind = RULES_FLOW_END;
	unit.bytes = kit->bytes[side];
	unit.len = unit.fresh = kit->kept[side];
	unit.offset = kit->total[side] - kit->kept[side];
	kit_look(kit, &unit);
}
