/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "conf/conf.h"
#include "control/owner.h"
#include "event/event.h"

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static struct conf *two_honeypots(void)
{
	static const char text[] = "outside = eth0\ninside = {eth1}\n"
				   "honeypot web { address = {203.0.113.5, \"2001:db8::5\"} }\n"
				   "honeypot ssh { address = {203.0.113.6} }\n";
	struct conf *conf;
	char *faults = NULL;

	assert_int_equal(conf_load_text(text, strlen(text), "test", &conf, &faults), 0);
	return conf;
}

static void test_names(void **state)
{
	static const struct {
		const char *src, *dst, *name;
		enum direction direction;
	} row[] = {
		{ "198.51.100.1", "203.0.113.5", "web", DIRECTION_INBOUND },
		{ "2001:db8::1", "2001:db8::5", "web", DIRECTION_INBOUND },
		{ "203.0.113.6", "198.51.100.1", "ssh", DIRECTION_OUTBOUND },
		{ "203.0.113.6", "203.0.113.5", "ssh", DIRECTION_INTERNAL },
		{ "203.0.113.5", "203.0.113.5", "web", DIRECTION_INTERNAL },
	};
	struct conf *conf = two_honeypots();

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct record_head head = { .src = address(row[i].src),
			.dst = address(row[i].dst) };

		owner_name(conf, &head);
		assert_int_equal(head.honeypot.len, strlen(row[i].name));
		assert_memory_equal(head.honeypot.at, row[i].name, head.honeypot.len);
		assert_int_equal(head.direction, row[i].direction);
	}
	conf_free(conf);
}

/* What is not about a honeypot keeps what was said of it. */
static void test_of_none(void **state)
{
	struct conf *conf = two_honeypots();
	struct record_head head = { .src = address("198.51.100.1"),
		.dst = address("198.51.100.2"),
		.honeypot = text_of("other"),
		.direction = DIRECTION_OUTBOUND };

	(void)state;
	owner_name(conf, &head);
	assert_int_equal(head.honeypot.len, 5);
	assert_int_equal(head.direction, DIRECTION_OUTBOUND);
	conf_free(conf);
}

static void test_addresses(void **state)
{
	struct conf *conf = two_honeypots();
	struct ip ip = address("203.0.113.6"), v6 = address("2001:db8::5"),
		  none = address("203.0.113.7");

	(void)state;
	assert_ptr_equal(conf_honeypot_of(conf, &ip), &conf->honeypot[1]);
	assert_ptr_equal(conf_honeypot_of(conf, &v6), &conf->honeypot[0]);
	assert_null(conf_honeypot_of(conf, &none));
	assert_true(conf_honeypot_has(&conf->honeypot[1], &ip));
	assert_false(conf_honeypot_has(&conf->honeypot[0], &ip));
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_of_none),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
