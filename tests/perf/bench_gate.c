/* SPDX-License-Identifier: Apache-2.0 */
/* Prints ns a frame for frame_parse() alone and with gate_judge(), for few and for many conversations. */
#include <time.h>

#include "gate_bench.h"

enum { FRAMES = 4000000 };

static int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* the machine may be busy */
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void make_frame(struct bytes *f, unsigned n)
{
	char src[32];

	snprintf(src, sizeof(src), "192.0.%u.%u", n >> 16 & 255, n >> 8 & 255);
	udp_frame(f, 1, ROUTER, src, 1024 + (n & 255), "10.0.0.1", 53, 18);
}

/* Frames packed as a port's ring has them, so that not the bench's own memory is measured. */
struct packed {
	uint8_t at[60];
	uint32_t len;
};

static void pack(struct packed *packed, const struct bytes *f)
{
	if (f->len > sizeof(packed->at))
		abort();
	memcpy(packed->at, f->at, f->len);
	packed->len = f->len;
}

static uint64_t judge(struct bench *b, unsigned port, const struct packed *p)
{
	struct frame parsed;

	frame_parse(p->at, p->len, FRAME_LINK_ETHERNET, &parsed);
	return gate_judge(b->gate, port, &parsed, &b->now, ++b->packets).out_ports;
}

static void print(const char *what, unsigned flows, int64_t ns)
{
	printf("%-16s %6u flows %7.1f ns/frame\n", what, flows, (double)ns / FRAMES);
}

static void run(unsigned flows)
{
	struct bench *b = bench_new(3, 65536);
	struct packed *frames = calloc(flows, sizeof(*frames));
	struct bytes frame;
	struct frame parsed;
	uint64_t sum = 0;
	int64_t start;

	bench_open(b, true);
	for (unsigned i = 0; i < flows; i++) {
		make_frame(&frame, i);
		pack(&frames[i], &frame);
	}
	start = clock_ns();
	for (unsigned i = 0; i < FRAMES; i++) {
		const struct packed *f = &frames[i % flows];

		frame_parse(f->at, f->len, FRAME_LINK_ETHERNET, &parsed);
		sum += parsed.packet[0].dport;
	}
	print("parse", flows, clock_ns() - start);
	for (unsigned i = 0; i < flows; i++)
		sum += judge(b, GATE_OUTSIDE, &frames[i]);
	start = clock_ns();
	for (unsigned i = 0; i < FRAMES; i++)
		sum += judge(b, GATE_OUTSIDE, &frames[i % flows]);
	print("parse and judge", flows, clock_ns() - start);
	if (sum == 0 || !bench_counts_hold(b))
		abort();
	free(frames);
	bench_free(b);
}

/* A honeypot's answers: the whole chain. */
static void run_replies(unsigned flows)
{
	struct bench *b = bench_new(3, 65536);
	struct packed *frames = calloc(flows, sizeof(*frames));
	struct bytes frame;
	uint64_t sum = 0;
	int64_t start;

	b->honeypot[0].limit.peer_allowance = UINT32_MAX; /* time stands still here */
	bench_open(b, true);
	for (unsigned i = 0; i < flows; i++) {
		char peer[32];

		make_frame(&frame, i);
		bench_send(b, GATE_OUTSIDE, &frame);
		snprintf(peer, sizeof(peer), "192.0.%u.%u", i >> 16 & 255, i >> 8 & 255);
		udp_frame(&frame, ROUTER, 1, "10.0.0.1", 53, peer, 1024 + (i & 255), 18);
		pack(&frames[i], &frame);
	}
	start = clock_ns();
	for (unsigned i = 0; i < FRAMES; i++)
		sum += judge(b, 1, &frames[i % flows]);
	print("replies", flows, clock_ns() - start);
	if (sum == 0 || !bench_counts_hold(b))
		abort();
	free(frames);
	bench_free(b);
}

/* A flood beyond the budget, each frame another destination. */
static void run_refused(void)
{
	struct bench *b = bench_new(3, 65536);
	struct bytes f;
	uint64_t sum = 0;
	int64_t start;

	bench_open(b, true);
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 4000, "198.51.100.1", 4000, 18);
	start = clock_ns();
	for (uint32_t i = 0; i < FRAMES; i++) {
		memcpy(f.at + 30, &i, sizeof(i));
		sum += bench_send(b, 1, &f).out_ports;
		bench_wait(b, 1000);
	}
	print("refused flood", FRAMES, clock_ns() - start);
	if (sum == 0)
		abort();
	bench_free(b);
}

int main(void)
{
	run(64);
	run(60000);
	run_replies(64);
	run_replies(60000);
	run_refused();
	return 0;
}
