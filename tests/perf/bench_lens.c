/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_lens CAPTURE        how many packets a second fb-lens looks at and makes records of, on one core
 * bench_lens --flows N      what it takes in memory while so many conversations are under way
 *
 * Frames are given to watch_packet() as the lens has them out of a segment, with the note that the gate would have
 * written. All is in memory before the clock starts; records are packed and thrown away.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/inet_sum.h"
#include "cmd/fb-lens/watch.h"
#include "conf/conf.h"
#include "noted.h"
#include "proto/proto.h"

static uint64_t records;

static void on_record(void *context, const struct record *record)
{
	static uint8_t packed[RECORD_PACKED_MAX];

	(void)context;
	if (record_pack(record, packed, sizeof(packed)) < 0)
		die("a record cannot be packed");
	records++;
}

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double rss_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_maxrss / 1024;
}

static struct watch *new_watch(uint64_t conversations, struct counts_lens *counts)
{
	struct watch_setup setup = { .counts = counts, .emit = on_record };
	static struct conf *conf;
	struct watch *watch;

	if (conf_default(&conf) < 0)
		die("configuration");
	if (conversations > 0)
		conf->rules.conversations = conversations;
	setup.conf = conf;
	if (watch_new(&setup, &watch) < 0)
		die("watch");
	return watch;
}

static void look(struct watch *watch, const struct kept *k, uint64_t id)
{
	static const struct capture_interface outside = { .description = "outside" },
					      inside = { .description = "inside" };
	const struct capture_packet packet = { .data = k->bytes,
		.len = k->len,
		.orig_len = k->len,
		.time_ns = k->time_ns,
		.link = CAPTURE_LINK_ETHERNET,
		.comment = text_of(k->note),
		.id = id };

	watch_packet(watch, &packet, k->answers ? &inside : &outside);
}

/* ---- a capture ---- */

static int run_capture(const char *path)
{
	struct counts_lens counts = { 0 };
	struct load load = { 0 };
	struct watch *watch;
	double took;

	load_capture(path, &load);
	watch = new_watch(0, &counts);
	took = cpu_s();
	for (size_t i = 0; i < load.n; i++)
		look(watch, &load.frame[i], i + 1);
	took = cpu_s() - took;
	printf("{\"packets\":%zu,\"looked\":%llu,\"records\":%llu,\"cpu_s\":%.3f,\"packets_per_"
	       "core\":%.0f,"
	       "\"mbit_per_core\":%.0f}\n",
		load.n, (unsigned long long)counts.looked, (unsigned long long)records, took,
		(double)load.n / took, (double)load.bytes * 8 / took / 1e6);
	return 0;
}

/* ---- many conversations ---- */

struct __attribute__((packed)) tcp_frame {
	uint8_t dst[6], src[6];
	uint16_t ethertype;
	uint8_t version, tos;
	uint16_t len, id, fragment;
	uint8_t ttl, proto;
	uint16_t ip_sum;
	uint32_t from, to;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t offset, flags;
	uint16_t window, sum, urgent;
	char text[64];
};

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16, TCP_IP_LEN = 40, MAC_LEN = 14, TEXT_MAX = 63 };

static void fill(struct tcp_frame *f, uint64_t n, bool answers, uint8_t flags, const char *text)
{
	uint32_t client = htonl(0x0b000000 + (uint32_t)n), server = htonl(0xc6120005);
	uint16_t port = htons((uint16_t)(1024 + n % 60000)), http = htons(80);
	size_t len = strnlen(text, TEXT_MAX);
	uint32_t sum;

	*f = (struct tcp_frame){ .dst = { 2 },
		.src = { 2, 1 },
		.ethertype = htons(0x0800),
		.version = 0x45,
		.len = htons((uint16_t)(TCP_IP_LEN + len)),
		.ttl = 64,
		.proto = IPPROTO_TCP,
		.from = answers ? server : client,
		.to = answers ? client : server,
		.sport = answers ? http : port,
		.dport = answers ? port : http,
		.seq = htonl(flags & SYN ? 100 : 101),
		.ack = flags & ACK ? htonl(101) : 0,
		.offset = 5 << 4,
		.flags = flags,
		.window = htons(65000) };
	memcpy(f->text, text, len);
	f->ip_sum = htons((uint16_t)~inet_sum(&f->version, 20));
	sum = (uint32_t)inet_sum(&f->from, 8) + IPPROTO_TCP + 20 + (uint32_t)len;
	f->sum = htons((uint16_t)~inet_sum_fold(sum + inet_sum(&f->sport, 20 + len)));
}

/* The n-th conversation: opened, and a request that is not whole yet. */
static void open_one(struct watch *watch, uint64_t n)
{
	static const struct {
		bool answers;
		uint8_t flags;
		const char *text;
	} step[] = { { false, SYN, "" }, { true, SYN | ACK, "" }, { false, ACK, "" },
		{ false, ACK | PSH, "GET /index.html HTTP/1.1\r\nHost: example.net\r\n" } };
	struct tcp_frame f;
	struct kept k = { .bytes = (uint8_t *)&f };

	for (unsigned i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		fill(&f, n, step[i].answers, step[i].flags, step[i].text);
		k.len = (uint32_t)(MAC_LEN + TCP_IP_LEN + strnlen(step[i].text, TEXT_MAX));
		k.answers = step[i].answers;
		k.time_ns = (int64_t)(n * 4 + i) * 1000;
		snprintf(k.note, sizeof(k.note), "pass %s flow %llx",
			k.answers ? "reply" : "inbound", (unsigned long long)(n + 1));
		look(watch, &k, n * 4 + i + 1);
	}
}

static int run_flows(uint64_t flows)
{
	struct counts_lens counts = { 0 };
	struct watch *watch = new_watch(flows, &counts);
	double before = rss_mib(), took = cpu_s();

	for (uint64_t n = 0; n < flows; n++)
		open_one(watch, n);
	took = cpu_s() - took;
	printf("{\"flows\":%llu,\"looked\":%llu,\"rss_mib\":%.0f,\"empty_rss_mib\":%.0f,"
	       "\"bytes_per_flow\":%.0f,\"cpu_s\":%.3f}\n",
		(unsigned long long)flows, (unsigned long long)counts.looked, rss_mib(), before,
		rss_mib() * 1024 * 1024 / (double)flows, took);
	return 0;
}

int main(int argc, char **argv)
{
	proto_prepare();
	if (argc == 2)
		return run_capture(argv[1]);
	if (argc == 3 && strcmp(argv[1], "--flows") == 0 && strtoull(argv[2], NULL, 10) > 0)
		return run_flows(strtoull(argv[2], NULL, 10));
	fputs("usage: bench_lens CAPTURE | bench_lens --flows N\n", stderr);
	return 2;
}
