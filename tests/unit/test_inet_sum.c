/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/inet_sum.h"

static uint16_t slow_sum(const uint8_t *bytes, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint64_t)bytes[i] << 8;
	return inet_sum_fold(sum);
}

/* RFC 1071, 3. */
static void test_example(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(inet_sum(bytes, sizeof(bytes)), 0xddf2);
	assert_int_equal(inet_sum(bytes, 0), 0);
	assert_int_equal(inet_sum(NULL, 0), 0);
}

static void test_every_length(void **state)
{
	uint8_t bytes[80];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 200);
	for (size_t from = 0; from < 8; from++)
		for (size_t len = 0; from + len <= sizeof(bytes); len++)
			assert_int_equal(inet_sum(bytes + from, len), slow_sum(bytes + from, len));
}

/* Zero is only the sum of zeros. */
static void test_two_zeros(void **state)
{
	static const uint8_t zeros[64], ones[2] = { 0xff, 0xff }, both[] = { 0xff, 0xfe, 0, 1 };

	(void)state;
	assert_int_equal(inet_sum(zeros, sizeof(zeros)), 0);
	assert_int_equal(inet_sum(ones, sizeof(ones)), 0xffff);
	assert_int_equal(inet_sum(both, sizeof(both)), 0xffff);
	assert_int_equal(inet_sum_fold(0xffff + (uint64_t)inet_sum(both, 4)), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_two_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
