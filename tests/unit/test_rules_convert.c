/* SPDX-License-Identifier: Apache-2.0 */
/* From rules about what comes in to rules about what leaves: what each becomes, and that it can
 * be read. All of the world's rules: tests/golden/test_rules.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/out.h"
#include "rules/convert.h"
#include "rules/parse.h"

#define IN  "alert tcp $EXTERNAL_NET any -> $HOME_NET 21 "
#define OUT "tcp $HONEYNET any -> $EXTERNAL_NET 21 "

static const struct {
	const char *file, *rule, *converted;
	enum rule_conversion how;
} cases[] = {
	/* the last letter or digit, of its kind */
	{ "x", IN "(content:\"abc\"; sid:5; rev:2;)",
		"alert " OUT "(content:\"abc\"; replace:\"abd\"; sid:1000000005; rev:2;)",
		RULE_CONVERT_REPLACE },
	{ "x", IN "(content:\"/bin/sh -i\"; sid:5;)",
		"alert " OUT "(content:\"/bin/sh -i\"; replace:\"/bin/sh -o\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	{ "x", IN "(content:\"SITE EXEC 9\"; nocase; sid:5;)",
		"alert " OUT
		"(content:\"SITE EXEC 9\"; replace:\"SITE EXEC 0\"; nocase; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	{ "x", IN "(content:\"aZ|0d 0a|\"; sid:5;)",
		"alert " OUT "(content:\"aZ|0d 0a|\"; replace:\"aB|0D 0A|\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	/* none of these: the last byte that is no padding */
	{ "x", IN "(content:\"|cd 80 e8 d7 ff 00|\"; sid:5;)",
		"alert " OUT "(content:\"|cd 80 e8 d7 ff 00|\"; replace:\"|CD 80 E8 D6 FF 00|\"; "
		"sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	{ "x", IN "(content:\"../\\;\"; sid:5;)",
		"alert " OUT "(content:\"../\\;\"; replace:\"../_\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	/* the longest content that is sent as it stands */
	{ "x",
		IN "(content:\"ab\"; content:!\"abcdef\"; content:\"abc\"; distance:1; "
		   "content:\"x\"; sid:5;)",
		"alert " OUT "(content:\"ab\"; content:!\"abcdef\"; content:\"abc\"; "
		"replace:\"abd\"; distance:1; "
		"content:\"x\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	{ "x", IN "(content:\"ab\"; content:\"abcdef\"; http_uri; sid:5;)",
		"alert " OUT
		"(content:\"ab\"; replace:\"ac\"; content:\"abcdef\"; http_uri; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	/* nothing that can be replaced */
	{ "x", IN "(content:\"abcdef\"; http_uri; sid:5;)",
		"drop " OUT "(content:\"abcdef\"; http_uri; sid:1000000005;)", RULE_CONVERT_DROP },
	{ "x", IN "(content:\"AAAAAAAA\"; sid:5;)",
		"drop " OUT "(content:\"AAAAAAAA\"; sid:1000000005;)", RULE_CONVERT_DROP },
	{ "x", IN "(content:\"|90 90 90|\"; content:\"a\"; sid:5;)",
		"drop " OUT "(content:\"|90 90 90|\"; content:\"a\"; sid:1000000005;)",
		RULE_CONVERT_DROP },
	{ "x", IN "(flags:S; sid:5)", "drop " OUT "(flags:S; sid:1000000005;)", RULE_CONVERT_DROP },
	{ "x", "alert icmp $EXTERNAL_NET any -> $HOME_NET any (content:\"abc\"; sid:5;)",
		"drop icmp $HONEYNET any -> $EXTERNAL_NET any (content:\"abc\"; sid:1000000005;)",
		RULE_CONVERT_DROP },
	/* what the attack is */
	{ "x", IN "(content:\"abc\"; classtype:web-application-attack; sid:5;)",
		"drop " OUT "(content:\"abc\"; classtype:web-application-attack; sid:1000000005;)",
		RULE_CONVERT_DROP },
	{ "x", IN "(content:\"abc\"; classtype:trojan-activity; sid:5;)",
		"alert " OUT "(content:\"abc\"; classtype:trojan-activity; sid:1000000005;)",
		RULE_CONVERT_ALERT },
	{ "/etc/rules/tftp.rules", IN "(content:\"abc\"; sid:5;)",
		"alert " OUT "(content:\"abc\"; sid:1000000005;)", RULE_CONVERT_ALERT },
	{ "attack-responses.rules", IN "(content:\"abc\"; sid:5;)",
		"drop " OUT "(content:\"abc\"; sid:1000000005;)", RULE_CONVERT_DROP },
	{ "x", IN "(content:\"abc\"; sid:1442;)", "alert " OUT "(content:\"abc\"; sid:1000001442;)",
		RULE_CONVERT_ALERT },
	/* its own replace stays */
	{ "x", IN "(content:\"abc\"; replace:\"xyz\"; content:\"longer\"; sid:5;)",
		"alert " OUT
		"(content:\"abc\"; replace:\"xyz\"; content:\"longer\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	/* headers */
	{ "x",
		"alert tcp any 1024: <> [$HTTP_SERVERS, $HOME_NET] ![80,81] (content:\"abc\"; "
		"sid:5;)",
		"alert tcp $HONEYNET 1024: -> $EXTERNAL_NET ![80,81] (content:\"abc\"; "
		"replace:\"abd\"; sid:1000000005;)",
		RULE_CONVERT_REPLACE },
	{ "x", "alert ip [192.0.2.1,198.51.100.0/24] any -> $HOME_NET any (sid:5;)",
		"alert ip $HONEYNET any -> [192.0.2.1,198.51.100.0/24] any (sid:1000000005;)",
		RULE_CONVERT_ALERT },
	{ "x", IN "(msg:\"sid:7\\; a\"; content:\"a;b\"; sid: 5 ; gid:1)",
		"alert " OUT
		"(msg:\"sid:7\\; a\"; content:\"a;b\"; replace:\"a|3B|c\"; sid:1000000005; gid:1;)",
		RULE_CONVERT_REPLACE },
	/* not inbound */
	{ "x", "alert tcp $HOME_NET any -> $EXTERNAL_NET any (content:\"abc\"; sid:5;)", NULL,
		RULE_CONVERT_NOT },
	{ "x", "alert tcp $EXTERNAL_NET any -> any any (content:\"abc\"; sid:5;)", NULL,
		RULE_CONVERT_NOT },
	{ "x", "alert tcp !$HOME_NET any -> $HOME_NET any (content:\"abc\"; sid:5;)", NULL,
		RULE_CONVERT_NOT },
	{ "x", "alert tcp $EXTERNAL_NET any -> !$HOME_NET any (content:\"abc\"; sid:5;)", NULL,
		RULE_CONVERT_NOT },
	{ "x", "pass tcp $EXTERNAL_NET any -> $HOME_NET any (content:\"abc\"; sid:5;)", NULL,
		RULE_CONVERT_NOT },
};

static struct rules_text *read_rules(const char *file, const char *rules)
{
	struct rules_text *text;

	assert_int_equal(rules_text_new(&text), 0);
	assert_int_equal(rules_text_read(text, file, rules, strlen(rules)), 0);
	if (text->n_faults)
		fail_msg("%s: %s", rules, text->fault[0].text);
	assert_int_equal(text->n_rules, 1);
	return text;
}

static void test_cases(void **state)
{
	static char buf[RULE_CONVERT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rules_text *text = read_rules(cases[i].file, cases[i].rule);
		struct out o = out_make(buf, sizeof(buf));

		assert_int_equal(rule_convert(text->rule[0], &o), cases[i].how);
		rules_text_free(text);
		if (!cases[i].converted) {
			assert_int_equal(o.len, 0);
			continue;
		}
		assert_int_equal(buf[o.len - 1], '\n');
		buf[o.len - 1] = 0;
		assert_string_equal(buf, cases[i].converted);
		/* and can be read; what was converted is not inbound any more */
		text = read_rules("again", buf);
		assert_int_equal(rule_convert(text->rule[0], &o), RULE_CONVERT_NOT);
		rules_text_free(text);
	}
}

static void test_mark(void **state)
{
	static char buf[RULE_CONVERT_MAX];
	struct rules_text *text = read_rules("x", "alert tcp $HOME_NET any -> $EXTERNAL_NET 80 "
						  "(content:\"abc\"; flowbits:set,a; sid:5;)");
	struct out o = out_make(buf, sizeof(buf));

	(void)state;
	assert_true(rule_convert_mark(text->rule[0], &o));
	assert_string_equal(buf, "alert tcp $EXTERNAL_NET any -> $HONEYNET 80 (content:\"abc\"; "
				 "flowbits:set,a; sid:1000000005; noalert;)\n");
	rules_text_free(text);
	text = read_rules("again", buf);
	assert_false(rule_convert_mark(text->rule[0], &o));
	assert_true(text->rule[0]->noalert);
	rules_text_free(text);
}

/* A rule that is switched off is read when the caller wants it; its faults are nobody's. */
static void test_disabled(void **state)
{
	static const char rules[] = "#alert tcp any any -> any any (sid:1;)\n"
				    "# alert tcp any any -> any any (nosuch; sid:2;)\n";
	struct rules_text *text;

	(void)state;
	assert_int_equal(rules_text_new(&text), 0);
	text->take_disabled = true;
	assert_int_equal(rules_text_read(text, "x", rules, sizeof(rules) - 1), 0);
	assert_int_equal(text->n_rules, 1);
	assert_int_equal(text->n_disabled, 2);
	assert_int_equal(text->n_faults, 0);
	rules_text_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
