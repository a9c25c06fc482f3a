/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets against lists of times; changed while they are used; and killed at every instruction: a child does one
 * thing with them, step by step, and after each step that changed the memory a copy of it is opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "control/budget.h"
#include "dice.h"
#include "gate_bench.h"

enum { POTS = 2, EVENTS_MAX = 1 << 16, NONE = -1 };
static const struct conf_rate unlimited = { .count = CONF_RATE_UNLIMITED, .period_s = 1 };

static struct bench *b;
static struct budget *budget;
static struct policy *policy;
static uint64_t seed = 7;

static unsigned dice(unsigned n)
{
	return (unsigned)(dice_next(&seed) >> 33) % n;
}

static void open_budget(bool same_boot)
{
	struct policy *next = bench_policy(b);

	budget = budget_close(budget);
	assert_int_equal(
		budget_open(b->budget_memory, b->conf, next, b->now.steady_ns, same_boot, &budget),
		0);
	free(policy);
	policy = next;
}

static void apply(void)
{
	struct policy *next = bench_policy(b);

	assert_int_equal(budget_set_policy(budget, next, b->now.steady_ns), 0);
	free(policy);
	policy = next;
}

static int set_up(void **state)
{
	(void)state;
	b = bench_new(POTS, 1024);
	for (unsigned i = 0; i < POTS; i++) {
		struct conf_limit *l = &b->honeypot[i].limit;

		l->tcp = l->udp = l->icmp = l->other = l->all = unlimited;
		l->destinations = l->ports = l->net = unlimited;
	}
	open_budget(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	budget = budget_close(budget);
	free(policy);
	policy = NULL;
	bench_free(b);
	return 0;
}

static struct budget_item item_to(enum budget_class class, unsigned host, uint16_t port)
{
	struct budget_item item = { .class = class, .has_port = true, .port = port };

	item.dst = address("192.0.0.0");
	item.dst.byte[14] = (uint8_t)(host >> 8);
	item.dst.byte[15] = (uint8_t)host;
	return item;
}

static enum reason begin(unsigned pot, const struct budget_item *item)
{
	enum reason reason = budget_refuses(budget, pot, item, b->now.steady_ns);

	if (reason == REASON_NONE)
		budget_take(budget, pot, item, b->now.steady_ns);
	return reason;
}

static enum reason begin_to(unsigned pot, enum budget_class class, unsigned host, uint16_t port)
{
	struct budget_item item = item_to(class, host, port);

	return begin(pot, &item);
}

/* How many more may begin at this moment. */
static unsigned room(unsigned pot, enum budget_class class)
{
	unsigned n = 0;

	while (n < 1000 && begin_to(pot, class, n, 80) == REASON_NONE)
		n++;
	return n;
}

/* ---- against lists ---- */

struct event {
	int64_t at;
	struct budget_item item;
	unsigned pot;
};

static struct event events[EVENTS_MAX];
static unsigned n_events;

/* Events in the window that have something in common with `item`; NONE: all. */
static unsigned count(unsigned pot, int64_t window, int class, const struct ip *net)
{
	unsigned n = 0;

	for (unsigned i = n_events; i-- > 0 && events[i].at > b->now.steady_ns - window;)
		n += (pot == POTS || events[i].pot == pot) &&
		     (class == NONE || (int)events[i].item.class == class) &&
		     (!net || memcmp(&events[i].item.dst, net, 15) == 0);
	return n;
}

/* Different destinations or ports of the honeypot in the window, `item`'s among them. */
static unsigned different(unsigned pot, int64_t window, const struct budget_item *item, bool ports)
{
	unsigned n = 1;

	for (unsigned i = n_events; i-- > 0 && events[i].at > b->now.steady_ns - window;) {
		const struct budget_item *a = &events[i].item;
		bool known = events[i].pot != pot ||
			     (ports ? a->port == item->port : ip_equal(&a->dst, &item->dst));

		for (unsigned k = i + 1; k < n_events && !known; k++)
			known = events[k].pot == pot &&
				(ports ? a->port == events[k].item.port
				       : ip_equal(&a->dst, &events[k].item.dst));
		n += !known;
	}
	return n;
}

static int64_t window(const struct conf_rate *rate)
{
	return rate->period_s * SECOND;
}

static bool has_room(unsigned n, const struct conf_rate *rate)
{
	return rate->count == CONF_RATE_UNLIMITED || n < rate->count;
}

static enum reason expected(unsigned pot, const struct budget_item *item)
{
	const struct conf_limit *l = &b->honeypot[pot].limit;
	const struct conf_rate *own = item->class == BUDGET_TCP ? &l->tcp : &l->udp;
	const struct conf_honeynet *h = &b->conf->honeynet;

	if (!has_room(count(pot, window(own), (int)item->class, NULL), own))
		return item->class == BUDGET_TCP ? REASON_TCP_LIMIT : REASON_UDP_LIMIT;
	if (!has_room(count(pot, window(&l->all), NONE, NULL), &l->all))
		return REASON_ALL_LIMIT;
	if (!has_room(count(POTS, window(&h->all), NONE, NULL), &h->all))
		return REASON_HONEYNET_LIMIT;
	if (!has_room(different(pot, window(&l->destinations), item, false) - 1, &l->destinations))
		return REASON_DESTINATION_LIMIT;
	if (!has_room(different(pot, window(&l->ports), item, true) - 1, &l->ports))
		return REASON_PORT_LIMIT;
	return has_room(count(pot, window(&l->net), NONE, &item->dst), &l->net) ? REASON_NONE
										: REASON_NET_LIMIT;
}

static void random_limits(void)
{
	struct conf_limit *l = &b->honeypot[dice(POTS)].limit;

	l->tcp = (struct conf_rate){ 1 + dice(40), 1 + dice(300) };
	l->udp = dice(3) ? (struct conf_rate){ 1 + dice(60), 1 + dice(300) } : unlimited;
	l->all = (struct conf_rate){ 5 + dice(60), 1 + dice(600) };
	b->conf->honeynet.all =
		dice(3) ? (struct conf_rate){ 10 + dice(54), 1 + dice(600) } : unlimited;
}

static void step(void)
{
	struct budget_item item = item_to(
		dice(2) ? BUDGET_TCP : BUDGET_UDP, dice(3) << 8 | dice(12), (uint16_t)dice(8));
	unsigned pot = dice(POTS);
	enum reason right = expected(pot, &item), reason = begin(pot, &item);

	assert_string_equal(reason_name(reason), reason_name(right));
	if (reason != REASON_NONE)
		return;
	assert_true(n_events < EVENTS_MAX);
	events[n_events++] = (struct event){ .at = b->now.steady_ns, .item = item, .pot = pot };
}

static void test_against_lists(void **state)
{
	unsigned by_pot[POTS] = { 0 };

	(void)state;
	n_events = 0;
	for (unsigned i = 0; i < POTS; i++) {
		b->honeypot[i].limit.destinations = (struct conf_rate){ 10, 120 };
		b->honeypot[i].limit.ports = (struct conf_rate){ 4, 30 };
		b->honeypot[i].limit.net = (struct conf_rate){ 12, 60 };
	}
	open_budget(true);
	for (unsigned i = 0; i < 60000; i++) {
		step();
		if (dice(3) == 0)
			bench_wait(b, dice(20) * SECOND / 2);
		if (dice(300) == 0) {
			random_limits();
			apply();
		}
		if (dice(500) == 0)
			open_budget(true);
	}
	for (unsigned i = 0; i < n_events; i++)
		by_pot[events[i].pot]++;
	assert_true(by_pot[0] > 1000 && by_pot[1] > 1000);
}

/* ---- other limits ---- */

static void test_up_and_down(void **state)
{
	struct conf_limit *l = &b->honeypot[0].limit;

	(void)state;
	l->tcp = (struct conf_rate){ 10, 3600 };
	apply();
	assert_int_equal(room(0, BUDGET_TCP), 10);
	for (unsigned count = 5; count <= 60; count += 11) {
		l->tcp.count = count;
		apply();
		assert_int_equal(room(0, BUDGET_TCP), count > 10 ? (count == 16 ? 6 : 11) : 0);
	}
	assert_int_equal(room(1, BUDGET_TCP), 1000);
	/* By the name, not by the number. */
	budget = budget_close(budget);
	memcpy(b->honeypot[0].name, "other", 6);
	memcpy(b->honeypot[1].name, "pot1", 5);
	b->honeypot[1].limit.tcp = (struct conf_rate){ 60, 3600 };
	open_budget(true);
	assert_int_equal(room(1, BUDGET_TCP), 0);
	assert_int_equal(room(0, BUDGET_TCP), 60);
}

/* Never more than the limit, not always all of it, and not the same each hour. */
static void test_jitter(void **state)
{
	struct conf_limit *l = &b->honeypot[0].limit;
	unsigned least = UINT32_MAX, most = 0;

	(void)state;
	l->tcp = (struct conf_rate){ 100, 3600 };
	l->jitter = 50;
	apply();
	b->now.steady_ns = 3600 * SECOND;
	for (unsigned i = 0; i < 60; i++) {
		unsigned n = room(0, BUDGET_TCP);

		assert_true(n <= 100 && n >= 50);
		least = n < least ? n : least;
		most = n > most ? n : most;
		bench_wait(b, 3600 * SECOND);
	}
	assert_true(most > 85 && least < 65);
}

static void test_volumes(void **state)
{
	(void)state;
	b->honeypot[0].limit.packets = (struct conf_volume){ 10, 1 };
	b->honeypot[0].limit.bytes = (struct conf_volume){ 1000, 60 };
	b->honeypot[0].limit.reply_packets = (struct conf_volume){ 2, 1 };
	b->conf->honeynet.packets = (struct conf_volume){ 14, 1 };
	apply();
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(budget_send(budget, 0, BUDGET_BEGUN, 1, 50, b->now.steady_ns),
			i < 10 ? REASON_NONE : REASON_PACKET_RATE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(budget_send(budget, 0, BUDGET_REPLY, 1, 5000, b->now.steady_ns),
			i < 2 ? REASON_NONE : REASON_PACKET_RATE);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(budget_send(budget, 1, BUDGET_BEGUN, 1, 50, b->now.steady_ns),
			i < 4 ? REASON_NONE : REASON_HONEYNET_RATE);
	bench_wait(b, 2 * SECOND);
	open_budget(true);
	assert_int_equal(
		budget_send(budget, 0, BUDGET_BEGUN, 1, 501, b->now.steady_ns), REASON_BYTE_RATE);
	assert_int_equal(
		budget_send(budget, 0, BUDGET_BEGUN, 1, 500, b->now.steady_ns), REASON_NONE);
}

/* Time that nobody saw does not pass. */
static void test_reboot(void **state)
{
	(void)state;
	b->honeypot[0].limit.tcp = (struct conf_rate){ 5, 3600 };
	apply();
	assert_int_equal(room(0, BUDGET_TCP), 5);
	bench_wait(b, 1800 * SECOND);
	assert_int_equal(room(0, BUDGET_TCP), 0);
	for (unsigned i = 0; i < 3; i++) {
		b->now.steady_ns = SECOND;
		open_budget(false);
		bench_wait(b, 600 * SECOND);
		assert_int_equal(room(0, BUDGET_TCP), i == 2 ? 5 : 0);
	}
	budget_set_mark(budget, 0, BUDGET_MARK_DONE);
	open_budget(false);
	assert_int_equal(budget_mark(budget, 0), BUDGET_MARK_DONE);
	assert_int_equal(budget_mark(budget, 1), BUDGET_MARK_NONE);
}

/* ---- killed at every instruction ---- */

enum { PAGE = 4096, PAGES_MAX = 1 << 15, STEPS_MAX = 4000000 };

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

/* The pages that are not zero now: where something may change. */
static unsigned used_pages(const uint8_t *memory, uint32_t page[static PAGES_MAX])
{
	static const uint8_t zero[PAGE];
	unsigned n = 0;

	for (uint32_t i = 0; i < budget_memory_size() / PAGE; i++)
		if (memcmp(memory + (size_t)i * PAGE, zero, PAGE) != 0) {
			assert_true(n < PAGES_MAX);
			page[n++] = i;
		}
	return n;
}

/* In the child: what is to be interrupted. */
static void act_take(void)
{
	struct budget_item item = item_to(BUDGET_TCP, 200, 99);

	budget_take(budget, 0, &item, b->now.steady_ns);
}

static void act_send(void)
{
	budget_send(budget, 0, BUDGET_BEGUN, 1, 100, b->now.steady_ns);
}

static struct policy *other;

static void act_policy(void)
{
	budget_set_policy(budget, other, b->now.steady_ns);
}

/* What is left must be at most what was left before; what is opened is a copy. */
static void check_copy(const uint8_t *memory, const uint32_t *page, unsigned n_pages,
	unsigned conversations, unsigned packets)
{
	static uint8_t *copy;
	struct policy *now = bench_policy(b);
	unsigned n = 0;

	if (!copy)
		copy = share(budget_memory_size());
	for (unsigned i = 0; i < n_pages; i++)
		memcpy(copy + (size_t)page[i] * PAGE, memory + (size_t)page[i] * PAGE, PAGE);
	assert_int_equal(budget_open(copy, b->conf, now, b->now.steady_ns, true, &budget), 0);
	assert_true(room(0, BUDGET_TCP) <= conversations);
	while (budget_send(budget, 0, BUDGET_BEGUN, 1, 100, b->now.steady_ns) == REASON_NONE)
		n++;
	assert_true(n <= packets);
	budget = budget_close(budget);
	free(now);
}

static bool next_instruction(pid_t child)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 || waitpid(child, &status, 0) < 0)
		return false;
	return WIFSTOPPED(status);
}

static void protect(int how)
{
	if (mprotect(b->budget_memory, budget_memory_size(), how) < 0)
		_exit(1);
}

/* The first store: from here on every step counts. */
static void on_store(int signal)
{
	(void)signal;
	protect(PROT_READ | PROT_WRITE);
	raise(SIGSTOP);
}

/* Stopped where it stores into the budgets for the first time. */
static pid_t start_child(void (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		protect(PROT_READ);
		signal(SIGSEGV, on_store);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		act();
		kill(getpid(), SIGKILL);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
		ptrace(PTRACE_CONT, child, NULL, SIGSEGV) < 0)
		return -1;
	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) ? child : -1;
}

static bool has_changed(
	const uint8_t *memory, uint8_t *last, const uint32_t *page, unsigned n_pages)
{
	bool changed = false;

	for (unsigned i = 0; i < n_pages; i++) {
		const uint8_t *now = memory + (size_t)page[i] * PAGE;
		uint8_t *before = last + (size_t)i * PAGE;

		if (memcmp(now, before, PAGE) == 0)
			continue;
		memcpy(before, now, PAGE);
		changed = true;
	}
	return changed;
}

static void kill_everywhere(void (*act)(void), unsigned conversations, unsigned packets)
{
	static uint32_t page[PAGES_MAX];
	unsigned n_pages = used_pages(b->budget_memory, page), steps = 0, stores = 0;
	uint8_t *last = calloc(n_pages, PAGE);
	pid_t child = start_child(act);
	struct budget *own = budget;

	if (child < 0) {
		free(last);
		skip(); /* no ptrace here */
	}
	has_changed(b->budget_memory, last, page, n_pages);
	while (steps++ < STEPS_MAX && next_instruction(child)) {
		if (!has_changed(b->budget_memory, last, page, n_pages))
			continue;
		stores++;
		check_copy(b->budget_memory, page, n_pages, conversations, packets);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	budget = own;
	free(last);
	assert_true(stores > 3 && steps < STEPS_MAX);
	print_message("killed in %u places, after each of %u stores\n", steps, stores);
}

/* Two of three conversations are used, and 6 of 10 packets. */
static void prepare_kills(void)
{
	size_t size = budget_memory_size();

	budget = budget_close(budget);
	free(b->budget_memory);
	b->budget_memory = share(size);
	b->honeypot[0].limit.tcp = (struct conf_rate){ 3, 3600 };
	b->honeypot[0].limit.packets = (struct conf_volume){ 10, 3600 };
	open_budget(true);
	begin_to(0, BUDGET_TCP, 1, 1);
	begin_to(0, BUDGET_TCP, 2, 2);
	budget_send(budget, 0, BUDGET_BEGUN, 6, 600, b->now.steady_ns);
	bench_wait(b, 60 * SECOND);
}

static void end_kills(void)
{
	munmap(b->budget_memory, budget_memory_size());
	b->budget_memory = NULL;
}

static void test_killed_while_taking(void **state)
{
	(void)state;
	prepare_kills();
	kill_everywhere(act_take, 1, 4);
	open_budget(true);
	assert_int_equal(room(0, BUDGET_TCP), 0);
	kill_everywhere(act_send, 0, 4);
	end_kills();
}

static void test_killed_while_limits_change(void **state)
{
	(void)state;
	prepare_kills();
	b->honeypot[0].limit.tcp.count = 4;
	b->honeypot[1].limit.udp = (struct conf_rate){ 100, 60 }; /* so that all moves */
	b->honeypot[0].limit.packets.period_s = 1800;
	other = bench_policy(b);
	kill_everywhere(act_policy, 2, 4);
	free(other);
	end_kills();
}

#define BUDGET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUDGET_TEST(test_against_lists),
		BUDGET_TEST(test_up_and_down),
		BUDGET_TEST(test_jitter),
		BUDGET_TEST(test_volumes),
		BUDGET_TEST(test_reboot),
		BUDGET_TEST(test_killed_while_taking),
		BUDGET_TEST(test_killed_while_limits_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
