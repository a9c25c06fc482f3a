/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ip.h"
#include "packets.h"

static void test_embedded_v4(void **state)
{
	static const struct {
		const char *ip, *v4[IP_EMBEDDED_MAX];
	} row[] = {
		{ "2002:c000:209::1", { "192.0.2.9" } },
		{ "2002:c000:209::5efe:10.0.0.1", { "192.0.2.9", "10.0.0.1" } },
		{ "2001:0:c000:201:8000:1234:f5ff:fffe", { "192.0.2.1", "10.0.0.1" } },
		{ "2001:0:c000:201:0:5efe:f5ff:fffe",
			{ "192.0.2.1", "10.0.0.1", "245.255.255.254" } },
		{ "64:ff9b::192.0.2.9", { "192.0.2.9" } },
		{ "64:ff9b::1:192.0.2.9", { NULL } },
		{ "64:ff9b:1::10.0.0.1", { "10.0.0.1" } },
		{ "64:ff9b:1:ffff:1:2:10.0.0.1", { "10.0.0.1" } },
		{ "64:ff9b:2::10.0.0.1", { NULL } },
		{ "::ffff:0:10.0.0.1", { "10.0.0.1" } },
		{ "fe80::5efe:10.0.0.1", { "10.0.0.1" } },
		{ "fe80::200:5efe:10.0.0.1", { "10.0.0.1" } },
		{ "2001:db8::300:5efe:10.0.0.1", { "10.0.0.1" } },
		{ "2001:db8::400:5efe:10.0.0.1", { NULL } },
		{ "::10.0.0.1", { "10.0.0.1" } },
		{ "::", { NULL } },
		{ "::1", { NULL } },
		{ "10.0.0.1", { NULL } },
		{ "2001:db8::10.0.0.1", { NULL } },
		{ "2001:1::c000:201", { NULL } },
		{ "2003:c000:209::1", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct ip ip = address(row[i].ip), v4[IP_EMBEDDED_MAX];
		unsigned n = ip_embedded_v4(&ip, v4);
		char text[IP_TEXT_MAX];

		for (unsigned k = 0; k < n; k++) {
			assert_non_null(row[i].v4[k]);
			assert_string_equal(ip_text(&v4[k], text), row[i].v4[k]);
		}
		assert_true(n == IP_EMBEDDED_MAX || !row[i].v4[n]);
	}
}

/* As bytes are compared. */
static void test_order(void **state)
{
	const struct ip ip[] = { { { 0 } }, { { [15] = 1 } }, { { [8] = 1 } },
		ip_from_v4((const uint8_t[]){ 10, 0, 0, 1 }),
		ip_from_v4((const uint8_t[]){ 10, 0, 1, 0 }),
		ip_from_v4((const uint8_t[]){ 192, 0, 2, 1 }), { { 0x20, 1 } },
		{ { 0x20, 1, [15] = 0xff } }, { { 0xff, [7] = 2 } } };

	(void)state;
	for (unsigned i = 0; i < sizeof(ip) / sizeof(ip[0]); i++)
		for (unsigned j = 0; j < sizeof(ip) / sizeof(ip[0]); j++) {
			int order = memcmp(&ip[i], &ip[j], sizeof(ip[i]));

			assert_int_equal(ip_order(&ip[i], &ip[j]), (order > 0) - (order < 0));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded_v4),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
