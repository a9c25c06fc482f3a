/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frames and HTTP headers of hosts: records that can be packed and printed. A step is a byte of what it is, one
 * of its conversation, one of how much later, one of its length, and its bytes: a frame's from its IP header on.
 */
#include <stdlib.h>

#include "fingerprint_bench.h"

#include "base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_record(void *context, const struct record *record)
{
	static char packed[RECORD_PACKED_MAX], line[RECORD_JSON_MAX];
	struct out o = out_make(line, sizeof(line));
	struct record again;
	int len = record_pack(record, packed, sizeof(packed));

	(void)context;
	if (len < 0 || record_unpack(packed, (size_t)len, &again) < 0)
		abort();
	record_json(&o, &again, NULL);
	record_story(&o, &again);
	if (!out_ok(&o))
		abort();
}

static void take_frame(struct fingerprint *f, struct fingerprint_frame *taken, struct cur bytes)
{
	struct frame frame;

	frame_parse(bytes.at, (uint32_t)cur_left(&bytes), FRAME_LINK_RAW_IP, &frame);
	taken->frame = &frame;
	fingerprint_take(f, taken);
}

static void take_headers(
	struct fingerprint *f, struct fingerprint_frame *taken, uint8_t how, struct cur bytes)
{
	const struct fingerprint_message message = { .response = how & 2,
		.version = how >> 2 & 1,
		.client = address("192.0.2.1"),
		.server = address("198.51.100.2"),
		.headers = bytes.at,
		.len = cur_left(&bytes) };

	fingerprint_http(f, taken, &message);
}

static void take_step(struct fingerprint *f, struct cur *c, int64_t *now_ns)
{
	uint8_t how = cur_u8(c);
	struct fingerprint_frame taken = { .flow_id = cur_u8(c) % 8u };
	uint8_t later = cur_u8(c), len = cur_u8(c);
	struct cur bytes = cur_sub(c, len < cur_left(c) ? len : cur_left(c));

	*now_ns += (int64_t)later * later * SECOND / 100;
	taken.wall_ns = *now_ns;
	if (how & 1)
		take_headers(f, &taken, how, bytes);
	else
		take_frame(f, &taken, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signatures *set;
	struct fingerprint_setup setup = { .hosts = 16, .flows = 16, .emit = on_record };
	struct cur c = cur_make(data, size);
	struct fingerprint *f;
	int64_t now_ns = SECOND;

	if (!set && (signatures_new(&set) < 0 || signatures_read(set, "bench", bench_signatures,
							 sizeof(bench_signatures) - 1) < 0))
		abort();
	setup.signatures = set;
	if (fingerprint_new(&setup, &f) < 0)
		abort();
	while (cur_left(&c) > 0)
		take_step(f, &c, &now_ns);
	fingerprint_free(f);
	return 0;
}
