/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "dice.h"
#include "gate_bench.h"

enum { RULES = 3000, LOOKUPS = 100000, MANY = 100000 };

static struct bench *b;
static uint64_t seed = 7;

static unsigned dice(unsigned n)
{
	return (unsigned)(dice_next(&seed) >> 33) % n;
}

static int set_up(void **state)
{
	(void)state;
	b = bench_new(3, 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bench_free(b);
	return 0;
}

/* Few different bits, so that many match. */
static struct ip random_ip(void)
{
	struct ip ip = { .byte = { [10] = 0xff, [11] = 0xff } };

	for (unsigned i = dice(3) ? 12 : 0; i < 16; i++)
		ip.byte[i] = (uint8_t)(dice(3) << (dice(2) ? 6 : 0));
	return ip;
}

static void clear_host_bits(struct ip_prefix *net)
{
	for (unsigned i = net->bits; i < 128; i++)
		net->ip.byte[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static struct list_rule random_rule(void)
{
	struct list_rule rule = { .net.ip = random_ip(), .port_high = UINT16_MAX };

	rule.net.bits = (uint8_t)(ip_is_v4(&rule.net.ip) ? 96 + dice(33) : dice(129));
	clear_host_bits(&rule.net);
	if (dice(3) == 0)
		rule.proto = dice(2) ? 6 : 17;
	if (dice(3) == 0) {
		rule.port_low = (uint16_t)(1 + dice(10));
		rule.port_high = (uint16_t)(rule.port_low + dice(10));
	}
	if (dice(4) == 0)
		rule.until_ns = b->now.wall_ns + (dice(2) ? SECOND : -SECOND);
	return rule;
}

static bool matches(const struct list_rule *rule, const struct ip *ip, uint8_t proto, uint16_t port)
{
	for (unsigned i = 0; i < rule->net.bits; i++)
		if ((rule->net.ip.byte[i / 8] ^ ip->byte[i / 8]) & 0x80 >> i % 8)
			return false;
	if (ip_is_v4(ip) && rule->net.bits < 96)
		return false;
	return (!rule->proto || rule->proto == proto) && port >= rule->port_low &&
	       port <= rule->port_high && (!rule->until_ns || rule->until_ns > b->now.wall_ns);
}

static bool search(const struct list *list, const struct ip *ip, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (matches(&list->rule[i], ip, proto, port))
			return true;
	return false;
}

static void fill(struct list *list, size_t n)
{
	list->rule = realloc(list->rule, n * sizeof(*list->rule));
	list->n = n;
	for (size_t i = 0; i < n; i++)
		list->rule[i] = random_rule();
}

static void test_lists(void **state)
{
	static const unsigned sizes[] = { 0, 1, 2, 30, 300, RULES };
	unsigned found = 0;

	(void)state;
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct policy *policy;

		for (unsigned k = 0; k < LIST_COUNT; k++)
			fill(&b->list[k], sizes[s] ? sizes[s] / (k + 1) : 0);
		policy = bench_policy(b);
		for (unsigned i = 0; i < LOOKUPS / (1 + sizes[s]) + 200; i++) {
			struct ip ip = random_ip();
			enum list_kind kind = dice(LIST_COUNT);
			uint8_t proto = (uint8_t[]){ 6, 17, 1 }[dice(3)];
			uint16_t port = (uint16_t)dice(20);
			bool is = policy_listed(policy, kind, &ip, proto, port);

			assert_int_equal(is, search(&b->list[kind], &ip, proto, port));
			found += is;
		}
		free(policy);
	}
	assert_true(found > 1000);
}

static void test_expiry(void **state)
{
	const struct ip ip = address("192.0.2.9");
	struct policy *policy;

	(void)state;
	fill(&b->list[LIST_BLACK], 1);
	b->list[LIST_BLACK].rule[0] = (struct list_rule){
		.net = { ip, 128 }, .until_ns = b->now.wall_ns + SECOND, .port_high = UINT16_MAX
	};
	for (unsigned i = 0; i < 3; i++, bench_wait(b, SECOND / 2)) {
		policy = bench_policy(b);
		assert_int_equal(policy_listed(policy, LIST_BLACK, &ip, 6, 1), i < 2);
		free(policy);
	}
}

/* As configured, as ordered. */
static void test_honeypots(void **state)
{
	struct policy_pot pot[3] = { [0].isolate = 1, [1].roach_motel = 1 };
	const struct policy_source source = { .conf = b->conf, .pot = pot, .generation = 5 };
	struct policy *policy;

	(void)state;
	b->honeypot[2].set.isolate = true;
	b->honeypot[1].limit.tcp.count = 77;
	policy = bench_policy(b);
	assert_int_equal(policy_pot(policy, 2)->isolate, 1);
	assert_int_equal(policy_pot(policy, 1)->limit.tcp.count, 77);
	assert_int_equal(policy_pot(policy, 1)->isolate, 0);
	free(policy);
	assert_int_equal(policy_build(&source, &policy), 0);
	assert_int_equal(policy_pot(policy, 0)->isolate, 1);
	assert_int_equal(policy_pot(policy, 1)->roach_motel, 1);
	assert_int_equal(policy_pot(policy, 2)->isolate, 0);
	free(policy);
}

/* Everything that the gate reads, so that the sanitizer sees where it looks. */
static unsigned use(const struct policy *policy)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < policy->n_pots; i++)
		sum += policy_pot(policy, i)->isolate + policy_pot(policy, i)->limit.tcp.count;
	for (unsigned i = 0; i < 20; i++) {
		struct ip ip = random_ip();

		for (unsigned k = 0; k < LIST_COUNT; k++)
			sum += policy_listed(policy, k, &ip, 6, 5);
		sum += policy_is_resolver(policy, &ip) + policy_is_ntp_server(policy, &ip);
	}
	return sum;
}

/* In memory of just that size. */
static bool is_refused(const struct policy *policy, size_t size, size_t at, uint8_t flip)
{
	uint8_t *copy = malloc(size);
	const struct policy *checked;

	memcpy(copy, policy, size);
	if (at < size)
		copy[at] ^= flip;
	checked = policy_check(copy, size);
	if (checked)
		use(checked);
	free(copy);
	return !checked;
}

static void test_spoilt_images(void **state)
{
	static const uint8_t flips[] = { 1, 2, 8, 0x10, 0x40, 0x80, 0xff };
	struct policy *policy;
	unsigned refused = 0;

	(void)state;
	for (unsigned k = 0; k < LIST_COUNT; k++)
		fill(&b->list[k], 20);
	policy = bench_policy(b);
	assert_false(is_refused(policy, policy->size, SIZE_MAX, 0));
	for (size_t at = 0; at < sizeof(*policy); at++)
		for (unsigned i = 0; i < sizeof(flips); i++)
			refused += is_refused(policy, policy->size, at, flips[i]);
	assert_true(refused > 300);
	for (size_t at = 0; at < 16; at++) /* magic, version, size */
		assert_true(is_refused(policy, policy->size, at, 0x40));
	for (size_t size = 0; size < policy->size; size += 1 + size / 64)
		assert_true(is_refused(policy, size, SIZE_MAX, 0));
	free(policy);
}

/* Addresses as they come: at random, or one after the other. */
static struct ip many_ip(unsigned i, unsigned how)
{
	struct ip ip = address("10.0.0.0");

	ip.byte[13] = (uint8_t)(i >> 16);
	ip.byte[14] = (uint8_t)(i >> 8);
	ip.byte[15] = (uint8_t)i;
	for (unsigned k = 0; how == 0 && k < 16; k++)
		ip.byte[k] = (uint8_t)dice(256);
	if (how == 2)
		memcpy(ip.byte, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0", 12);
	return ip;
}

static long ms_since(clock_t start)
{
	return (clock() - start) * 1000 / CLOCKS_PER_SEC;
}

static void many_rules(unsigned how, long most)
{
	struct policy_source source = { .conf = b->conf, .list = b->list, .generation = 1 };
	struct list_rule *rule = b->list[LIST_BLACK].rule;
	struct policy *policy;
	clock_t start;
	long ms;

	for (unsigned i = 0; i < MANY; i++)
		rule[i] = (struct list_rule){ .net = { many_ip(i, how), 128 },
			.port_high = UINT16_MAX };
	start = clock();
	assert_int_equal(policy_build(&source, &policy), 0);
	assert_non_null(policy_check(policy, policy->size));
	ms = ms_since(start);
	start = clock();
	for (size_t i = 0; i < MANY; i++)
		assert_true(policy_listed(policy, LIST_BLACK, &rule[i].net.ip, 6, 1));
	print_message(
		"%u rules: %ld ms, to find each: %ld ms\n", (unsigned)MANY, ms, ms_since(start));
	free(policy);
	assert_true(ms < most);
	assert_true(ms_since(start) < most);
}

static void test_many_rules(void **state)
{
	long most = 200;

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	most = 2000;
#endif
	fill(&b->list[LIST_BLACK], MANY);
	for (unsigned how = 0; how < 3; how++)
		many_rules(how, most);
}

#define POLICY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(test_lists),
		POLICY_TEST(test_expiry),
		POLICY_TEST(test_honeypots),
		POLICY_TEST(test_spoilt_images),
		POLICY_TEST(test_many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
