/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/ntp.h"
#include "packets.h"

static struct bytes b;

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static bool fine(uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool result;

	if (!copy)
		abort();
	memcpy(copy, b.at, len);
	result = ntp_request_fine(copy, len);
	free(copy);
	return result;
}

static void request(void)
{
	b.len = 0;
	put8(&b, 0x23);
	put_zero(&b, 47);
}

static void put_extension(unsigned len)
{
	put16(&b, 0x0104);
	put16(&b, len);
	put_zero(&b, len - 4);
}

static void test_head(void **state)
{
	(void)state;
	request();
	for (unsigned first = 0; first < 256; first++) {
		unsigned version = first >> 3 & 7;

		b.at[0] = (uint8_t)first;
		assert_int_equal(fine(48), (first & 7) == 3 && version >= 1 && version <= 4);
	}
	b.at[0] = 0x1b;
	b.at[1] = 17;
	assert_false(fine(48));
}

static void test_lengths(void **state)
{
	(void)state;
	request();
	put_zero(&b, 500); /* behind the header a MAC, or fields of length 0 */
	for (uint32_t len = 0; len <= b.len; len++)
		assert_int_equal(fine(len), len == 48 || len == 68 || len == 72);
}

static void test_extensions(void **state)
{
	static const unsigned mac[] = { 0, 20, 24 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		request();
		put_extension(36);
		put_extension(104);
		put_zero(&b, mac[i]);
		assert_true(fine(b.len));
	}
	request();
	put_extension(NTP_EXTENSIONS_MAX);
	assert_true(fine(b.len));
	put_extension(28);
	assert_false(fine(b.len));
	request();
	put_extension(40);
	for (uint32_t len = 49; len < b.len; len++)
		assert_int_equal(fine(len), len == 68 || len == 72);
	b.at[51] = 38;
	assert_false(fine(b.len));
	b.at[51] = 12;
	assert_false(fine(b.len));
	b.at[51] = 44;
	assert_false(fine(b.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
