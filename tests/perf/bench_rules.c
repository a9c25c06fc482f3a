/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long rules take to load, what they cost in memory, and how fast streams are looked at. Run it by hand on a
 * build without sanitizers: bench_rules FILE... (plain or gzip). Times are of the CPU.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "frame/frame.h"
#include "packets.h"
#include "rules/compile.h"
#include "rules/rules.h"

#define STREAM_BYTES (128u << 20)
#define RUN_NS       400000000
#define KEPT         (16u << 10)
#define SEGMENT      1448u
#define SEGMENT_BIG  (45 * SEGMENT) /* what a virtual interface hands over at once */
#define A_LOOK       64u /* segments between two looks at the clock, which cost like one of them */
#define CHUNK        (128u << 10) /* iperf3 sends the same bytes again and again */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static double since_ms(int64_t start_ns)
{
	return (double)(now_ns() - start_ns) / 1e6;
}

static unsigned resident_mib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (unsigned)(resident * 4096 >> 20);
}

static char *read_file(const char *path, size_t *ret_len)
{
	size_t room = 128u << 20;
	char *text = malloc(room);
	gzFile f = gzopen(path, "rb");
	int n = text && f ? gzread(f, text, (unsigned)room) : -1;

	if (f)
		gzclose(f);
	if (n < 0) {
		perror(path);
		exit(1);
	}
	*ret_len = (size_t)n;
	return text;
}

static struct rules *load(char **path, int n, void **ret_image)
{
	struct rules_text *text = NULL;
	struct rules *rules = NULL;
	int64_t start = now_ns(), all = start;
	size_t size = 0;

	if (rules_text_new(&text))
		exit(1);
	rules_text_set(text, "HOME_NET", "10.0.0.1");
	rules_text_set(text, "EXTERNAL_NET", "!$HOME_NET");
	for (int i = 0; i < n; i++) {
		size_t len;
		char *bytes = read_file(path[i], &len);

		rules_text_read(text, path[i], bytes, len);
		free(bytes);
	}
	printf("parse    %8.1f ms  %u rules, %u refused\n", since_ms(start), text->n_rules,
		text->n_faults);
	start = now_ns();
	if (rules_compile(text, ret_image, &size))
		exit(1);
	printf("compile  %8.1f ms  %.1f MiB\n", since_ms(start), (double)size / (1 << 20));
	rules_text_free(text);
	start = now_ns();
	if (rules_open(*ret_image, size, &rules))
		exit(1);
	printf("open     %8.1f ms\nall      %8.1f ms, %u MiB resident\n", since_ms(start),
		since_ms(all), resident_mib());
	return rules;
}

struct payload {
	const char *name;
	uint16_t port;
	void (*fill)(uint8_t *, size_t);
};

struct sums {
	uint64_t bytes, segments, hits, tired;
};

static uint64_t all_checks(const struct rules *rules)
{
	uint64_t checks = 0;

	for (uint32_t i = 0; i < rules_count(rules); i++)
		checks += rules_cost(rules, i).checks;
	return checks;
}

static void look(struct rules *rules, const struct rules_unit *unit, struct sums *sums)
{
	struct rules_hit hits[RULES_HITS_MAX];
	size_t n = rules_look(rules, unit, hits);

	for (size_t i = 0; i < n; i++)
		sums->tired += hits[i].tired;
	sums->hits += n;
}

/* One segment, first as a packet, then as new bytes of the stream. */
static void take_segment(struct rules *rules, struct rules_unit *unit, const uint8_t *bytes,
	uint32_t kept, uint32_t len, struct sums *sums)
{
	unsigned side = unit->side;

	unit->flow_packets[side]++;
	unit->kind = RULES_PACKET;
	unit->streamed = true;
	unit->bytes = bytes + kept;
	unit->len = len;
	unit->fresh = 0;
	unit->offset = 0;
	unit->stream_bytes[side] = sums->bytes + len;
	look(rules, unit, sums);
	unit->kind = RULES_STREAM;
	unit->repeats = true;
	unit->bytes = bytes;
	unit->fresh = kept;
	unit->offset = sums->bytes - kept;
	unit->len = kept + len;
	look(rules, unit, sums);
	sums->bytes += len;
	sums->segments++;
}

static void stream(struct rules *rules, struct rules_unit *unit, const uint8_t *chunk,
	uint32_t segment, struct sums *sums)
{
	static uint8_t bytes[KEPT + SEGMENT_BIG];
	int64_t start = now_ns();

	while (sums->bytes < STREAM_BYTES &&
		(sums->segments % A_LOOK != 0 || now_ns() - start < RUN_NS)) {
		uint32_t kept = sums->bytes < KEPT ? (uint32_t)sums->bytes : KEPT;
		uint32_t at = sums->bytes % CHUNK;
		uint32_t first = CHUNK - at < segment ? CHUNK - at : segment;

		memmove(bytes, bytes + unit->len - kept, kept);
		memcpy(bytes + kept, chunk + at, first);
		memcpy(bytes + kept + first, chunk, segment - first);
		take_segment(rules, unit, bytes, kept, segment, sums);
	}
}

/* `side` says it, to others if it is `leaving`. */
static void run(struct rules *rules, const struct payload *payload, unsigned side, bool leaving,
	uint32_t segment)
{
	static uint8_t chunk[CHUNK];
	struct rules_flow *flow = rules_flow_new();
	const char *home = "10.0.0.1", *other = "198.51.100.7";
	uint16_t ports[2] = { 40000, payload->port };
	struct bytes b;
	struct frame frame;
	struct sums sums = { 0 };
	struct rules_unit unit = {
		.frame = &frame, .flow = flow, .established = true, .side = side
	};
	uint64_t checks = all_checks(rules);
	int64_t start;
	double ns;

	put_ethernet(&b, 2, 1, 0x800);
	put_ip4(&b, leaving ? home : other, leaving ? other : home, 6, 20, 1, 0);
	put_tcp(&b, ports[side], ports[!side], 1, 0x18);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &frame);
	unit.packet = &frame.packet[0];
	payload->fill(chunk, CHUNK);
	start = now_ns();
	stream(rules, &unit, chunk, segment, &sums);
	ns = (double)(now_ns() - start);
	printf("%-8s %5u %s %s %6u %10.0f ns %7.2f Gbit/s %8.1f checks a segment, %" PRIu64
	       " hits, %" PRIu64 " tired\n",
		payload->name, payload->port, side ? "server" : "client",
		leaving ? "leaving " : "entering", segment, ns / (double)sums.segments,
		(double)sums.bytes * 8 / ns,
		(double)(all_checks(rules) - checks) / (double)sums.segments, sums.hits,
		sums.tired);
	rules_flow_free(flow);
}

static void fill_zero(uint8_t *at, size_t n)
{
	memset(at, 0, n);
}

static void fill_random(uint8_t *at, size_t n)
{
	static uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at[i] = (uint8_t)x;
	}
}

static void repeat(uint8_t *at, size_t n, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)text[i % len];
}

static void fill_digits(uint8_t *at, size_t n)
{
	repeat(at, n, "0123456789");
}

static void fill_text(uint8_t *at, size_t n)
{
	repeat(at, n,
		"The quick brown fox says: User-Agent: Mozilla/5.0 (X11; Linux) "
		"Accept: */*\r\nHost: www.example.org\r\n<html><body>index.php?id=1");
}

static void fill_http(uint8_t *at, size_t n)
{
	repeat(at, n,
		"GET /index.php?id=17&name=fox HTTP/1.1\r\nHost: www.example.org\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
		"Connection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n");
}

/* The rules that have cost most, with FISHBOWL_BENCH_COSTS set: the clock costs too. */
static void print_costs(const struct rules *rules)
{
	for (unsigned n = 0; n < 15; n++) {
		static uint64_t below = UINT64_MAX;
		uint64_t best = 0;
		uint32_t rule = 0;

		for (uint32_t i = 0; i < rules_count(rules); i++)
			if (rules_cost(rules, i).ns > best && rules_cost(rules, i).ns < below) {
				best = rules_cost(rules, i).ns;
				rule = i;
			}
		below = best;
		printf("%10" PRIu64 " us %8" PRIu64 " checks  sid %u %s\n", best / 1000,
			rules_cost(rules, rule).checks, rules_info(rules, rule).sid,
			rules_info(rules, rule).msg);
	}
}

int main(int argc, char **argv)
{
	static const struct payload payloads[] = {
		{ "zeros", 5201, fill_zero },
		{ "digits", 5201, fill_digits },
		{ "random", 5201, fill_random },
		{ "random", 80, fill_random },
		{ "text", 5201, fill_text },
		{ "http", 80, fill_http },
	};
	const char *only = getenv("FISHBOWL_BENCH_ONLY"); /* one kind of payload */
	void *image = NULL;
	struct rules *rules = load(argv + 1, argc - 1, &image);

	rules_take_time(rules, getenv("FISHBOWL_BENCH_COSTS"));
	for (unsigned i = 0; i < 8 * sizeof(payloads) / sizeof(*payloads); i++)
		if (!only || strcmp(only, payloads[i / 8].name) == 0)
			run(rules, &payloads[i / 8], i & 1, i & 2, i & 4 ? SEGMENT_BIG : SEGMENT);
	if (getenv("FISHBOWL_BENCH_COSTS"))
		print_costs(rules);
	rules_close(rules);
	free(image);
	return 0;
}
