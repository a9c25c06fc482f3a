/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/peers.h"
#include "dice.h"

#define SECOND 1000000000ll
enum { PAID_MAX = 1 << 16 };

static struct peer peers[PEERS];
static struct {
	int64_t at;
	uint64_t bytes;
} paid[PAID_MAX];
static unsigned n_paid;
static uint64_t seed = 7;

static uint64_t dice(uint64_t n)
{
	return (dice_next(&seed) >> 16) % n;
}

/* What no minute may have more of than the allowance: answers that were not earned. */
static void check_minutes(uint64_t allowance)
{
	uint64_t sum = 0;
	unsigned first = 0;

	for (unsigned i = 0; i < n_paid; i++) {
		sum += paid[i].bytes;
		while (paid[first].at <= paid[i].at - 60 * SECOND)
			sum -= paid[first++].bytes;
		assert_true(sum <= allowance);
	}
	n_paid = 0;
}

/* One peer, at random or as fast as it is allowed. */
static void run(const struct peers_limit *limit, bool greedy)
{
	struct peer peer = { 0 };
	int64_t now = 1 + (int64_t)dice(1u << 30);
	uint64_t heard = 0, answered = 0, earned, unearned = 0;

	for (unsigned i = 0; i < 30000; i++) {
		uint32_t bytes = (uint32_t)(1 + dice(1500));

		now += (int64_t)dice(dice(100) ? SECOND / 10 : 90 * SECOND);
		if (dice(greedy ? 50 : 3) == 0) {
			peers_heard(&peer, limit, bytes, now);
			heard += bytes;
			continue;
		}
		earned = peer.earned;
		if (!peers_answer(&peer, limit, bytes, now))
			continue;
		answered += bytes;
		earned = earned < bytes ? earned : bytes;
		if (peer.earned == 0 && bytes > earned) {
			paid[n_paid].at = now;
			paid[n_paid++].bytes = bytes - earned;
			unearned += bytes - earned;
		}
	}
	assert_true(answered <= limit->amplification * heard + unearned);
	check_minutes(limit->allowance);
}

static void test_no_minute_has_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		run(&(struct peers_limit){ dice(5), dice(20000) }, i % 2);
}

static void test_what_came_is_answered(void **state)
{
	const struct peers_limit limit = { .amplification = 3, .allowance = 1000 };
	struct peer peer = { 0 };

	(void)state;
	assert_true(peers_answer(&peer, &limit, 500, SECOND));
	assert_false(peers_answer(&peer, &limit, 20, SECOND));
	peers_heard(&peer, &limit, 100, SECOND);
	assert_true(peers_answer(&peer, &limit, 300, SECOND));
	assert_false(peers_answer(&peer, &limit, 20, SECOND));
	assert_true(peers_answer(&peer, &limit, 250, 31 * SECOND)); /* half of half */
	assert_false(peers_answer(&peer, &limit, 20, 31 * SECOND));
	peers_heard(&peer, &limit, 100, 32 * SECOND);
	assert_false(peers_answer(&peer, &limit, 510, 100 * SECOND)); /* not saved up for long */
	peers_heard(&peer, &limit, UINT32_MAX, 200 * SECOND);
	assert_true(peers_answer(&peer, &limit, PEERS_EARNED_MAX, 200 * SECOND));
	assert_false(peers_answer(&peer, &limit, 510, 200 * SECOND));
}

/* After a reboot steady time is another one. */
static void test_time_goes_back(void **state)
{
	const struct peers_limit limit = { .amplification = 0, .allowance = 1000 };
	struct peer peer = { 0 };

	(void)state;
	assert_true(peers_answer(&peer, &limit, 500, 1000 * SECOND));
	assert_true(peers_answer(&peer, &limit, 500, SECOND));
	assert_false(peers_answer(&peer, &limit, 100, SECOND));
}

static void test_accounts(void **state)
{
	struct ip a = { .byte = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } }, b = a;
	struct ip c = { .byte = { 0x20, 1, 0xd, 0xb8, [15] = 1 } }, d = c;
	unsigned same = 0;

	(void)state;
	d.byte[15] = 2;
	assert_ptr_equal(peers_find(peers, 1, 0, &c), peers_find(peers, 1, 0, &d)); /* one /64 */
	for (unsigned i = 2; i < 200; i++) {
		b.byte[15] = (uint8_t)i;
		same += peers_find(peers, 1, 0, &a) == peers_find(peers, 1, 0, &b);
		same += peers_find(peers, i, 0, &a) == peers_find(peers, 1, 0, &a);
		same += peers_find(peers, 1, i, &a) == peers_find(peers, 1, 0, &a);
	}
	assert_true(same < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_minute_has_more),
		cmocka_unit_test(test_what_came_is_answered),
		cmocka_unit_test(test_time_goes_back),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
