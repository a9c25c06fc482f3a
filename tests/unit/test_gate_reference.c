/* SPDX-License-Identifier: Apache-2.0 */
/* The gate and its reference model agree on every frame of a random walk. FISHBOWL_MODEL_PACKETS says how
 * many frames; FISHBOWL_MODEL_SEED which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate_walk.h"

enum { PACKETS = 300000, A_WALK = 100000 };

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void walk(uint64_t seed, uint64_t frames, uint64_t by_reason[static REASON_COUNT])
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->seed = seed * 0x9e3779b97f4a7c15 | 1;
	walk_begin(w, bench_new(REF_POTS, 8192));
	while (w->frames < frames && !w->failed)
		walk_step(w);
	if (w->failed)
		fail_msg("seed %llu: %s", (unsigned long long)seed, w->story);
	for (unsigned i = 0; i < REASON_COUNT; i++)
		by_reason[i] += w->by_reason[i];
	walk_end(w);
	free(w);
}

static void test_agree(void **state)
{
	uint64_t left = number("FISHBOWL_MODEL_PACKETS", PACKETS),
		 seed = number("FISHBOWL_MODEL_SEED", 1);
	uint64_t by_reason[REASON_COUNT] = { 0 };

	(void)state;
	while (left > 0) {
		uint64_t frames = left < A_WALK ? left : A_WALK;

		walk(seed++, frames, by_reason);
		left -= frames;
	}
	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (by_reason[i])
			print_message(
				"%9llu %s\n", (unsigned long long)by_reason[i], reason_name(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_agree) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
