/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ten an hour, exactly: a burst of attempts and then many more over three hours, across midnight, while the
 * wall clock jumps, the gate is killed and started again, and the machine rebooted. What left is held against
 * the most that could leave.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "dice.h"
#include "gate_bench.h"

enum { ATTEMPTS = 10000, BURST = 5000, KILLS = 20, RESTARTS = 5, LIMIT = 10, SYN = 2 };
#define HOUR (3600 * SECOND)

/* What no death can spoil: each field is one store. */
struct witness {
	uint32_t next; /* attempt */
	uint32_t n_out;
	int64_t out[ATTEMPTS];    /* when they left, by the test's own clock */
	uint32_t which[ATTEMPTS]; /* attempt each was */
	int64_t booted;           /* when steady time was 0 */
};

static struct witness *w;
static int64_t attempt_at[ATTEMPTS];
static uint64_t seed = 99;

static uint64_t dice(uint64_t n)
{
	return (dice_next(&seed) >> 16) % n;
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Half of them within a second. */
static void make_attempts(void)
{
	for (unsigned i = 0; i < ATTEMPTS; i++)
		attempt_at[i] =
			1000 * SECOND + (int64_t)dice((uint64_t)(i < BURST ? SECOND : 3 * HOUR));
	qsort(attempt_at, ATTEMPTS, sizeof(attempt_at[0]), compare);
}

/* Whoever lets out each as soon as it may lets out the most. */
static unsigned optimum(void)
{
	static int64_t out[ATTEMPTS];
	unsigned n = 0;

	for (unsigned i = 0; i < ATTEMPTS; i++)
		if (n < LIMIT || out[n - LIMIT] <= attempt_at[i] - HOUR)
			out[n++] = attempt_at[i];
	return n;
}

static void attempt(struct bench *b, uint32_t n)
{
	struct bytes f;

	b->now.steady_ns = attempt_at[n] - w->booted;
	/* 23:00 UTC and on, with jumps of up to days. */
	b->now.wall_ns = 1699999200 * SECOND + attempt_at[n];
	if (n % 97 == 0)
		b->now.wall_ns += (int64_t)(n % 7) * 86400 * SECOND - 3 * 86400 * SECOND;
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1000 + n % 60000, "192.0.2.9", 80, n, SYN);
	/* Killed before it went on, it is sent again, which is no other conversation. */
	if (bench_send(b, 1, &f).verdict == VERDICT_PASS &&
		(w->n_out == 0 || w->which[w->n_out - 1] != n)) {
		w->out[w->n_out] = attempt_at[n];
		w->which[w->n_out] = n;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		w->n_out++;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->next = n + 1;
	if (n % 8 == 0)
		gate_tick(b->gate, &b->now);
}

/* Of the attempt that comes next: whoever was killed in it has seen that time already. */
static int64_t time_now(void)
{
	return attempt_at[w->next < ATTEMPTS ? w->next : ATTEMPTS - 1];
}

static void open_gate(struct bench *b, bool same_boot)
{
	b->now.steady_ns = time_now() - w->booted;
	bench_open(b, same_boot);
}

/* Goes on from where the last one died, but not much further than where it is to die. */
static void live(struct bench *b, uint32_t until)
{
	open_gate(b, true);
	while (w->next < until && w->next < ATTEMPTS)
		attempt(b, w->next);
	for (;;)
		pause();
}

/* At some instruction of attempt `n` or one of the next ones. */
static void live_and_die(struct bench *b, uint32_t n)
{
	volatile const uint32_t *next = &w->next;
	pid_t child = fork();

	if (child == 0)
		live(b, n + 20);
	while (*next < n)
		continue;
	for (uint64_t i = dice(4000); i > 0; i--)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Every other time with a reboot: steady time begins anew. */
static void restart(struct bench *b, unsigned n)
{
	if (n % 2 == 0)
		w->booted = time_now() - SECOND;
	open_gate(b, n % 2);
	b->gate = gate_free(b->gate);
}

static void check_hours(void)
{
	for (uint32_t i = LIMIT; i < w->n_out; i++)
		assert_true(w->out[i] - w->out[i - LIMIT] >= HOUR);
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static struct bench *make_bench(void)
{
	struct bench *b = bench_new(1, 4096);

	b->honeypot[0].limit.tcp = (struct conf_rate){ LIMIT, 3600 };
	free(b->flow_memory);
	free(b->budget_memory);
	b->flow_memory = share(gate_flow_memory_size(b->conf));
	b->budget_memory = share(gate_budget_memory_size(b->conf));
	w = share(sizeof(*w));
	return b;
}

static void free_bench(struct bench *b)
{
	b->gate = gate_free(b->gate);
	munmap(b->flow_memory, gate_flow_memory_size(b->conf));
	munmap(b->budget_memory, gate_budget_memory_size(b->conf));
	munmap(w, sizeof(*w));
	b->flow_memory = b->budget_memory = NULL;
	bench_free(b);
}

/* Among the first ones, which leave, and later. */
static uint32_t next_death(unsigned n)
{
	uint32_t at = n < 8 ? n : (uint32_t)(ATTEMPTS * (uint64_t)(n - 8) / (KILLS - 8));

	return at > w->next ? at : w->next;
}

static void test_ten_an_hour(void **state)
{
	struct bench *b = make_bench();
	unsigned most;

	(void)state;
	make_attempts();
	most = optimum();
	for (unsigned i = 0; i < KILLS; i++) {
		live_and_die(b, next_death(i));
		if (i % (KILLS / RESTARTS) == 0)
			restart(b, i / (KILLS / RESTARTS));
	}
	open_gate(b, true);
	while (w->next < ATTEMPTS)
		attempt(b, w->next);
	check_hours();
	print_message("%u of at most %u left, of %u attempts, with %u kills and %u restarts\n",
		w->n_out, most, ATTEMPTS, KILLS, RESTARTS);
	assert_true(w->n_out <= most);
	/* A kill between taking and sending costs one, which is not made up for within the hour. */
	assert_true(w->n_out + KILLS >= most);
	free_bench(b);
}

/* Nobody is killed: then all of it is used. */
static void test_all_of_it(void **state)
{
	struct bench *b = make_bench();

	(void)state;
	make_attempts();
	for (unsigned i = 1; i <= RESTARTS; i++) {
		open_gate(b, true);
		while (w->next < ATTEMPTS * i / RESTARTS)
			attempt(b, w->next);
		b->gate = gate_free(b->gate);
		restart(b, i);
	}
	check_hours();
	print_message("%u of at most %u left\n", w->n_out, optimum());
	assert_int_equal(w->n_out, optimum());
	free_bench(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ten_an_hour),
		cmocka_unit_test(test_all_of_it) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
