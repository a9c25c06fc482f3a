/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-store DIR FLOWS PACKETS LEN - a state directory as a long run leaves it: segments of 128 MiB, the
 * journal, the day database with its index, through the code of fb-store. Flow n is TCP from
 * 198.18.0.0 + n, port 1024 + n % 50000, to 10.0.0.5 port 22; PACKETS frames of LEN bytes each, mixed with
 * those of 499 others. One flow, the first, has as many packets as a busy host: 100,000.
 * Prints how long the slowest round of fb-store took.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "capture/pcapng.h"
#include "capture/segment.h"
#include "event/event.h"
#include "store/intake.h"
#include "sys/chan.h"

enum { AT_ONCE = 500, SEGMENT = 128 << 20, BUSY = 100000, RING = 8 << 20, BUF = 1 << 20 };
static const int64_t start_ns = 1769860800000000000; /* 2026-01-31 12:00 */

struct maker {
	uint64_t flows, packets;
	uint32_t len;
	int capture_fd, journal_fd, db_fd;
	int segment_fd;
	uint64_t segment_number, segment_bytes;
	uint64_t packet;
	struct ring *producer;
	struct intake *intake;
	int64_t slowest_ns;
	uint8_t *buf;
	size_t used;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void flush(struct maker *m)
{
	if (write(m->segment_fd, m->buf, m->used) != (ssize_t)m->used)
		die("segment");
	m->used = 0;
}

static void step(struct maker *m)
{
	int64_t before = now_ns(), took;

	(void)intake_step(m->intake, before);
	took = now_ns() - before;
	if (took > m->slowest_ns)
		m->slowest_ns = took;
}

static void put_record(struct maker *m, const struct record *record)
{
	struct ring_entry *entry;
	void *at;
	int n;

	while (!(at = ring_reserve(m->producer, RECORD_PACKED_MAX, &entry)))
		step(m);
	entry->kind = RECORD_KIND_DATA;
	n = record_pack(record, at, RECORD_PACKED_MAX);
	if (n < 0)
		die("record");
	ring_commit(m->producer, (uint32_t)n);
}

static void end_segment(struct maker *m)
{
	char name[SEGMENT_NAME_MAX];
	struct record record = { .type = EVENT_CAPTURE,
		.head = { .time_ns = start_ns + (int64_t)m->packet * 1000 },
		.capture = { .action = text_of("closed") } };

	if (m->segment_fd < 0)
		return;
	flush(m);
	close(m->segment_fd);
	m->segment_fd = -1;
	segment_name(1, m->segment_number, name);
	record.capture.segment = text_of(name);
	put_record(m, &record);
}

static void begin_segment(struct maker *m)
{
	static const struct pcapng_interface interface[2] = { { .name = "eth0",
								      .description = "outside" },
		{ .name = "eth1", .description = "inside" } };
	struct pcapng_section section = { .program = "make-store" };
	char name[SEGMENT_NAME_MAX];

	segment_name(1, ++m->segment_number, name);
	m->segment_fd = openat(m->capture_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (m->segment_fd < 0)
		die(name);
	m->used = pcapng_put_section(m->buf, &section);
	m->used += pcapng_put_interface(m->buf + m->used, &interface[0]);
	m->used += pcapng_put_interface(m->buf + m->used, &interface[1]);
	m->segment_bytes = m->used;
}

static struct ip address(uint64_t n)
{
	return ip_from_v4((uint8_t[]){ (uint8_t)(198 + (n >> 24)), (uint8_t)(18 + (n >> 16)),
		(uint8_t)(n >> 8), (uint8_t)n });
}

static void make_frame(uint8_t *at, uint32_t len, uint64_t flow)
{
	static const uint8_t head[] = { 2, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 0, 0,
		0, 0, 0, 64, 6, 0, 0 };
	struct ip source = address(flow);
	uint32_t port = 1024 + (uint32_t)(flow % 50000);

	memcpy(at, head, sizeof(head));
	at[16] = (uint8_t)((len - 14) >> 8);
	at[17] = (uint8_t)(len - 14);
	memcpy(at + 26, source.byte + 12, 4);
	memcpy(at + 30, (uint8_t[4]){ 10, 0, 0, 5 }, 4);
	at[34] = (uint8_t)(port >> 8);
	at[35] = (uint8_t)port;
	at[37] = 22;
	at[46] = 0x50;
}

static void put_packet(struct maker *m, uint64_t flow)
{
	static uint8_t frame[2048];
	struct pcapng_packet packet = { .data = frame,
		.len = m->len,
		.kept = m->len,
		.packet = ++m->packet,
		.flow = flow + 1,
		.direction = DIRECTION_INBOUND,
		.reason = REASON_INBOUND,
		.time_ns = start_ns + (int64_t)m->packet * 1000 };
	size_t n;

	if (m->segment_fd < 0)
		begin_segment(m);
	make_frame(frame, m->len, flow);
	n = pcapng_put_packet(m->buf + m->used, &packet);
	m->used += n;
	m->segment_bytes += n;
	if (m->used > BUF - 4096)
		flush(m);
	if (m->segment_bytes > SEGMENT)
		end_segment(m);
}

static void put_flow(struct maker *m, uint64_t flow, uint64_t packets)
{
	struct record record = { .type = EVENT_FLOW,
		.head = { .time_ns = start_ns + (int64_t)m->packet * 1000,
			.flow_id = flow + 1,
			.src = address(flow),
			.sport = (uint16_t)(1024 + flow % 50000),
			.dst = ip_from_v4((uint8_t[]){ 10, 0, 0, 5 }),
			.dport = 22,
			.proto = 6,
			.honeypot = text_of("pot"),
			.direction = DIRECTION_INBOUND,
			.reason = REASON_INBOUND },
		.flow = { .pkts_toserver = packets,
			.bytes_toserver = packets * m->len,
			.state = text_of("closed"),
			.end_reason = text_of("closed") } };

	record.flow.end_ns = record.head.time_ns;
	record.flow.start_ns = record.head.time_ns - (int64_t)packets * AT_ONCE * 1000;
	put_record(m, &record);
}

static void make(struct maker *m)
{
	uint64_t busy = 0, all = m->flows * m->packets;

	for (uint64_t first = 1; first < m->flows; first += AT_ONCE) {
		uint64_t end = first + AT_ONCE < m->flows ? first + AT_ONCE : m->flows;

		for (uint64_t i = 0; i < m->packets; i++)
			for (uint64_t flow = first; flow < end; flow++)
				put_packet(m, flow);
		while (busy < BUSY && busy * all < m->packet * BUSY) {
			put_packet(m, 0);
			busy++;
		}
		for (uint64_t flow = first; flow < end; flow++)
			put_flow(m, flow, m->packets);
	}
	put_flow(m, 0, busy);
	end_segment(m);
}

static int open_dir(const char *parent, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void *memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("memory");
	return at;
}

static void open_intake(struct maker *m)
{
	size_t size = ring_memory_size(RING);
	void *at = memory(size);
	struct intake_setup setup = { .journal_dir_fd = m->journal_fd,
		.db_dir_fd = m->db_fd,
		.capture_dir_fd = m->capture_fd,
		.journal_budget = UINT64_C(1) << 40,
		.database_budget = UINT64_C(1) << 40,
		.honeynet = "perf",
		.boot = 1,
		.n_sources = 1,
		.counts = memory(4096) };

	ring_format(at, size, 1);
	setup.source[0].origin = "gate";
	if (ring_open(at, size, &m->producer) < 0 ||
		ring_open(at, size, &setup.source[0].ring) < 0 ||
		intake_new(&setup, &m->intake) < 0)
		die("intake");
}

static void drain(struct maker *m)
{
	int64_t slowest = 0;

	for (int idle = 0; idle < 3;) {
		int64_t before = now_ns(), took;
		bool more = intake_step(m->intake, before);

		took = now_ns() - before;
		slowest = took > slowest ? took : slowest;
		idle = more || !intake_is_drained(m->intake) ? 0 : idle + 1;
	}
	m->slowest_ns = slowest > m->slowest_ns ? slowest : m->slowest_ns;
	intake_close(m->intake);
}

int main(int argc, char **argv)
{
	struct maker m = { .segment_fd = -1, .buf = malloc(BUF) };
	char conf[4096];
	FILE *file;

	if (argc != 5 || !m.buf) {
		fputs("usage: make-store DIR FLOWS PACKETS LEN\n", stderr);
		return 2;
	}
	m.flows = strtoull(argv[2], NULL, 10);
	m.packets = strtoull(argv[3], NULL, 10);
	m.len = (uint32_t)strtoul(argv[4], NULL, 10);
	if (m.len < 60 || m.len > 1514)
		return 2;
	m.capture_fd = open_dir(argv[1], "capture");
	m.journal_fd = open_dir(argv[1], "journal");
	m.db_fd = open_dir(argv[1], "db");
	open_intake(&m);
	make(&m);
	drain(&m);
	snprintf(conf, sizeof(conf), "%s/fishbowl.conf", argv[1]);
	file = fopen(conf, "we");
	if (!file)
		die(conf);
	fprintf(file,
		"outside = \"eth0\"\ninside = {\"eth1\"}\nstate_dir = \"%s\"\n"
		"honeypot \"pot\" { address = {\"10.0.0.5\"} }\n",
		argv[1]);
	fclose(file);
	printf("%llu packets in %llu segments; slowest round %.0f ms\n",
		(unsigned long long)m.packet, (unsigned long long)m.segment_number,
		(double)m.slowest_ns / 1e6);
	return 0;
}
