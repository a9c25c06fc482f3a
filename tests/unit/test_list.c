/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of fence, black and white; files of them. Wrong ones in a configuration:
 * tests/golden/test_conf.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/list.h"

static const struct {
	const char *text, *again;
} right[] = {
	{ "10.0.0.0/8", "10.0.0.0/8" },
	{ " 192.0.2.7\t", "192.0.2.7/32" },
	{ "2001:DB8::/32", "2001:db8::/32" },
	{ "::/0", "::/0" },
	{ "0.0.0.0/0 25", "0.0.0.0/0 25" },
	{ "192.0.2.0/24 tcp", "192.0.2.0/24 tcp" },
	{ "192.0.2.0/24 tcp/1-65535", "192.0.2.0/24 tcp/1-65535" },
	{ "192.0.2.0/24 udp/53-53", "192.0.2.0/24 udp/53" },
	{ "192.0.2.0/24 icmp", "192.0.2.0/24 icmp" },
	{ "fd00::/8 icmp until 2026-01-31T12:00:00Z",
		"fd00::/8 icmp until 2026-01-31T12:00:00.000000000Z" },
	{ "fd00::/8 until 2028-02-29T01:30:00.5+02:00",
		"fd00::/8 until 2028-02-28T23:30:00.500000000Z" },
	{ "192.0.2.1 sctp/1 until 2200-01-01T00:00:00+00:01",
		"192.0.2.1/32 sctp/1 until 2199-12-31T23:59:00.000000000Z" },
};

static const struct {
	const char *text, *why;
} wrong[] = {
	{ "", "\"\" is not a network" },
	{ "example.org", "is not a network" },
	{ "10.0.0.0/33", "is not a network" },
	{ "10.0.0.0/8/8", "is not a network" },
	{ "10.1.2.3/8", "write the network, \"10.0.0.0/8\"" },
	{ "2001:db8::1/32", "write the network, \"2001:db8::/32\"" },
	{ "10.0.0.0/8 0", "is not a port" },
	{ "10.0.0.0/8 65536", "is not a port" },
	{ "10.0.0.0/8 1-", "is not a port" },
	{ "10.0.0.0/8 tcp/", "is not a port" },
	{ "10.0.0.0/8 tcp/http", "is not a port" },
	{ "10.0.0.0/8 25x", "is not a port" },
	{ "10.0.0.0/8 90-80", "write 80-90" },
	{ "10.0.0.0/8 icmp/8", "write icmp alone" },
	{ "10.0.0.0/8 TCP/8", "is not a protocol" },
	{ "10.0.0.0/8 /8", "is not a protocol" },
	{ "10.0.0.0/8 until", "\"\" is not a time" },
	{ "10.0.0.0/8 until tomorrow", "is not a time" },
	{ "10.0.0.0/8 until 2026-01-31T12:00:00", "is not a time" },
	{ "10.0.0.0/8 until 2026-1-31T12:00:00Z", "is not a time" },
	{ "10.0.0.0/8 until 2026-02-30T12:00:00Z", "is not a time" },
	{ "10.0.0.0/8 until 1970-01-01T00:00:00Z", "is not a time" },
	{ "10.0.0.0/8 until 1971-01-01T00:00:00+01:00", "is not a time" },
	{ "10.0.0.0/8 until 2199-12-31T23:59:59-23:59", "is not a time" },
	{ "10.0.0.0/8 until 2026-01-31T12:00:00.Z", "is not a time" },
	{ "10.0.0.0/8 until 2026-01-31T12:00:00ZZ", "is not a time" },
	{ "10.0.0.0/8 tcp/1 udp/1", "\"udp/1\" is too much" },
	{ "10.0.0.0/8 until 2026-01-31T12:00:00Z tcp", "\"tcp\" is too much" },
	{ "10.0.0.0/8 \x1b[31m", "byte 0x1b is not text" },
	{ "10.0.0.0/8 \xc3\xa4", "byte 0xc3 is not text" },
};

static void test_right(void **state)
{
	char text[LIST_RULE_TEXT_MAX], why[LIST_WHY_MAX];
	struct list_rule rule;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		if (list_rule_parse(right[i].text, &rule, why) < 0)
			fail_msg("%s: %s", right[i].text, why);
		assert_string_equal(list_rule_text(&rule, text), right[i].again);
		assert_int_equal(list_rule_parse(text, &rule, why), 0);
		assert_string_equal(list_rule_text(&rule, text), right[i].again);
	}
}

static void test_wrong(void **state)
{
	char why[LIST_WHY_MAX], line[LIST_LINE_MAX + 2];
	struct list_rule rule;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(list_rule_parse(wrong[i].text, &rule, why), -EINVAL);
		if (!strstr(why, wrong[i].why))
			fail_msg("%s: %s", wrong[i].text, why);
	}
	memset(line, ' ', sizeof(line));
	memcpy(line, "10.0.0.0/8", 10);
	line[LIST_LINE_MAX] = '\0';
	assert_int_equal(list_rule_parse(line, &rule, why), 0);
	line[LIST_LINE_MAX] = ' ';
	line[LIST_LINE_MAX + 1] = '\0';
	assert_int_equal(list_rule_parse(line, &rule, why), -EINVAL);
}

static void test_fields(void **state)
{
	char why[LIST_WHY_MAX];
	struct list_rule rule;

	(void)state;
	assert_int_equal(list_rule_parse("10.0.0.0/8", &rule, why), 0);
	assert_int_equal(rule.net.bits, 104);
	assert_int_equal(rule.port_low, 0);
	assert_int_equal(rule.port_high, UINT16_MAX);
	assert_int_equal(
		list_rule_parse("10.0.0.0/8 tcp/1-9 until 2001-09-09T01:46:40Z", &rule, why), 0);
	assert_int_equal(rule.proto, 6);
	assert_int_equal(rule.port_low, 1);
	assert_int_equal(rule.port_high, 9);
	assert_int_equal(rule.until_ns, INT64_C(1000000000) * 1000000000);
	assert_int_equal(list_rule_parse("::/0 icmp", &rule, why), 0);
	assert_int_equal(rule.proto, 58);
}

/* Every prefix of every line, in memory of its own size. */
static void test_every_prefix(void **state)
{
	static const char text[] = "# a\n10.0.0.0/8\r\n\n192.0.2.1 tcp/22 until "
				   "2026-01-31T12:00:00.5+02:00 # b\nfd00::/8\tudp/1-2";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct list list = { 0 };
		char *copy = malloc(n ? n : 1), *faults = NULL;
		int r;

		assert_non_null(copy);
		memcpy(copy, text, n);
		r = list_text_load(copy, n, "test", 10, &list, &faults);
		assert_true(r == 0 ? !faults : r == -EINVAL && faults);
		assert_true(list.n <= 3);
		if (n == sizeof(text) - 1)
			assert_int_equal(list.n, 3);
		list_done(&list);
		free(faults);
		free(copy);
	}
}

static void test_faults(void **state)
{
	static const char text[] = "10.0.0.0/8\nx\n10.0.0.0/8\0tcp\n10.1.2.3/8 # y\n";
	struct list list = { 0 };
	char *faults = NULL;

	(void)state;
	assert_int_equal(
		list_text_load(text, sizeof(text) - 1, "name", 10, &list, &faults), -EINVAL);
	assert_int_equal(strncmp(faults, "name:2: \"x\" is not a network; ", 30), 0);
	assert_non_null(strstr(faults, "\nname:3: byte 0x00 is not text"));
	assert_non_null(strstr(faults, "\nname:4: \"10.1.2.3/8\" is an address inside"));
	assert_int_equal(list.n, 1);
	list_done(&list);
	free(faults);
	faults = NULL;
	assert_int_equal(
		list_text_load("::1\n::2\n::3\nx\n", 14, "name", 2, &list, &faults), -EINVAL);
	assert_int_equal(strncmp(faults, "name:3: there are more than", 27), 0);
	list_done(&list);
	free(faults);
}

static void make_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static struct conf *load(const char *from)
{
	struct conf *conf = NULL;
	char *faults = NULL;

	if (conf_load_text(from, strlen(from), "test", &conf, &faults) < 0)
		fail_msg("%s", faults ? faults : "out of memory");
	return conf;
}

static void test_all_lists(void **state)
{
	char path[] = "/tmp/fishbowl-list-XXXXXX", text[1024];
	struct list list[LIST_COUNT];
	char *faults = NULL;
	struct conf *conf;

	(void)state;
	make_file(path, "192.0.2.0/24\n198.51.100.0/24 tcp/25\n");
	snprintf(text, sizeof(text),
		"outside = eth0 inside = eth1 honeypot a { address = 10.0.0.1 }\n"
		"fence = {\"10.0.0.0/8\", \"fd00::/8 tcp/1\"} black_files = {\"%s\"}\n"
		"white = {\"203.0.113.1 udp/123\"} white_files = {\"%s\"}\n",
		path, path);
	conf = load(text);
	assert_int_equal(conf_lists_load(conf, list, &faults), 0);
	assert_int_equal(list[LIST_FENCE].n, 2);
	assert_int_equal(list[LIST_BLACK].n, 2);
	assert_int_equal(list[LIST_WHITE].n, 3);
	assert_int_equal(list[LIST_WHITE].rule[2].port_low, 25);
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		list_done(&list[kind]);
	unlink(path);
	assert_int_equal(conf_lists_load(conf, list, &faults), -EINVAL);
	assert_non_null(strstr(faults, ": there is no such file; "));
	assert_non_null(strchr(faults, '\n')); /* for each list that names it */
	free(faults);
	conf_free(conf);
}

/* A long black list is read in a moment; the bound leaves room for sanitizers and slow machines. */
static void test_speed(void **state)
{
	enum { LINES = 100000 };
	size_t size = LINES * 32, len = 0;
	struct list list = { 0 };
	char *text = malloc(size), *faults = NULL;
	clock_t begin;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < LINES; i++)
		len += (size_t)snprintf(text + len, size - len, "%u.%u.%u.0/24 tcp/25\n",
			1 + i % 200, i / 200 % 256, i / 51200);
	begin = clock();
	assert_int_equal(list_text_load(text, len, "test", LIST_RULES_MAX, &list, &faults), 0);
	print_message(
		"%d entries in %ld ms\n", LINES, (long)(clock() - begin) * 1000 / CLOCKS_PER_SEC);
	assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
	assert_int_equal(list.n, LINES);
	list_done(&list);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_all_lists),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
