/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cmd/fishbowl/replay_nets.h"

static struct replay_nets *parse(const char *text, const struct replay_nets *home)
{
	struct replay_nets *nets = NULL;
	const char *fault = NULL;

	if (replay_nets_parse(text, home, &nets, &fault) < 0)
		fail_msg("%s: %s", text, fault);
	return nets;
}

static bool holds(const struct replay_nets *nets, const char *address)
{
	struct ip ip;

	assert_int_equal(ip_parse(address, &ip), 0);
	return replay_nets_hold(nets, &ip);
}

static void test_lists(void **state)
{
	static const struct {
		const char *list, *address;
		bool in;
	} cases[] = {
		{ "any", "8.8.8.8", true },
		{ "any", "2001:db8::1", true },
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.0.0.5", "10.0.0.5", true },
		{ "!10.0.0.5", "10.0.0.5", false },
		{ "!10.0.0.5", "2001:db8::1", true },
		{ "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "172.31.255.255", true },
		{ "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "172.32.0.0", false },
		{ "[ 192.168.0.0/16 , fd00::/8 ]", "fd12::1", true },
		{ "[10.0.0.0/8,!10.1.0.0/16]", "10.2.0.1", true },
		{ "[10.0.0.0/8,!10.1.0.0/16]", "10.1.0.1", false },
		{ "[!10.1.0.0/16,10.0.0.0/8]", "10.1.0.1", false },
		{ "[!10.1.0.0/16,!10.2.0.0/16]", "10.3.0.1", true },
		{ "[10.0.0.0/8,![10.1.0.0/16,!10.1.1.1]]", "10.1.1.1", true },
		{ "[10.0.0.0/8,![10.1.0.0/16,!10.1.1.1]]", "10.1.1.2", false },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct replay_nets *nets = parse(cases[i].list, NULL);

		if (holds(nets, cases[i].address) != cases[i].in)
			fail_msg("%s in %s", cases[i].address, cases[i].list);
		replay_nets_free(nets);
	}
}

static void test_home_in_external(void **state)
{
	struct replay_nets *home = parse("[192.168.0.0/16,10.0.0.0/8]", NULL);
	struct replay_nets *external = parse("!$HOME_NET", home);

	(void)state;
	assert_false(holds(external, "10.0.0.1"));
	assert_true(holds(external, "8.8.8.8"));
	replay_nets_free(external);
	replay_nets_free(home);
}

static void test_faults(void **state)
{
	static const char *const wrong[] = { "", " ", "!", "[]", "[", "]", "10.0.0.0/8,",
		"10.0.0.0/33", "10.0.0.1/8", "[10.0.0.0/8", "[10.0.0.0/8,]", "10.0.0.0/8]",
		"10.0.0.0/8 11.0.0.0/8", "!any", "!!10.0.0.1", "$HOME_NET", "$NETS",
		"host.example.org", "[[[[[[[[[[10.0.0.1]]]]]]]]]]", "10.0.0.0/8,11.0.0.0/8",
		"1111111111111111111111111111111111111111111111111111111111111111111" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct replay_nets *nets = NULL;
		const char *fault = NULL;

		if (replay_nets_parse(wrong[i], NULL, &nets, &fault) == 0)
			fail_msg("accepted: %s", wrong[i]);
		assert_non_null(fault);
		assert_null(nets);
	}
}

static void test_too_many(void **state)
{
	static char text[16 * (REPLAY_NETS_MAX + 2)];
	struct replay_nets *nets = NULL;
	const char *fault = NULL;
	size_t len = 0;

	(void)state;
	for (int i = 0; i <= REPLAY_NETS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s10.0.%d.%d",
			i ? "," : "[", i / 256, i % 256);
	snprintf(text + len, sizeof(text) - len, "]");
	assert_true(replay_nets_parse(text, NULL, &nets, &fault) < 0);
	assert_string_equal(fault, "too many networks");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_home_in_external),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
