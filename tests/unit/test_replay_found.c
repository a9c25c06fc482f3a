/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "base/out.h"
#include "cmd/fishbowl/replay_found.h"
#include "cmd/fishbowl/replay_top.h"

/* ---- replay_top ---- */

static void test_heavy_ones_stay(void **state)
{
	enum { ROOM = 64, RARE = 20000 };
	struct top *top;
	char key[32];

	(void)state;
	assert_int_equal(top_new(ROOM, &top), 0);
	for (unsigned i = 0; i < RARE; i++) {
		top_add(top, key, (size_t)snprintf(key, sizeof(key), "rare %u", i), 1);
		top_add(top, key, (size_t)snprintf(key, sizeof(key), "heavy %u", i % 8), 1 + i % 8);
		assert_in_range(top_count(top), 1, ROOM);
	}
	for (unsigned i = 0; i < 8; i++) {
		const struct top_entry *e = top_heaviest(top, i);

		snprintf(key, sizeof(key), "heavy %u", 7 - i);
		assert_int_equal(e->key_len, strlen(key));
		assert_memory_equal(e->key, key, e->key_len);
		assert_int_equal(e->weight, (8 - i) * (RARE / 8));
	}
	assert_true(top_gone(top) > RARE - ROOM);
	assert_null(top_heaviest(top, top_count(top)));
	top_free(top);
}

static void test_names(void **state)
{
	char long_key[TOP_KEY_MAX + 9] = "x", note[TOP_NOTE_MAX + 9] = "y";
	struct top_entry *e;
	struct top *top;

	(void)state;
	assert_int_equal(top_new(2, &top), 0);
	e = top_add(top, long_key, sizeof(long_key), 3);
	top_note(e, note, sizeof(note));
	assert_int_equal(e->key_len, TOP_KEY_MAX);
	assert_int_equal(e->note_len, TOP_NOTE_MAX);
	assert_ptr_equal(top_add(top, long_key, sizeof(long_key), 1), e);
	top_add(top, "", 0, 4);
	assert_int_equal(
		top_heaviest(top, 0)->key_len, 0); /* of the same weight the shorter name */
	assert_int_equal(top_heaviest(top, 1)->weight, 4);
	top_free(top);
}

/* ---- replay_found ---- */

static struct replay_found *found;
static char printed[FOUND_TEXT_MAX];

static const char *print(void)
{
	struct out o = out_make(printed, sizeof(printed));

	replay_found_print(&o, found);
	assert_true(out_ok(&o));
	for (const char *line = printed; *line; line = strchr(line, '\n') + 1) {
		assert_non_null(strchr(line, '\n'));
		assert_in_range(strchr(line, '\n') - line, 0, FOUND_COLUMNS);
	}
	for (size_t i = 0; i < o.len; i++)
		assert_true(printed[i] == '\n' || (printed[i] >= ' ' && printed[i] <= '~'));
	return printed;
}

static int begin(void **state)
{
	(void)state;
	return replay_found_new(false, &found);
}

static int end(void **state)
{
	(void)state;
	found = replay_found_free(found);
	return 0;
}

static struct record record_of(enum event_type type, const char *src, const char *dst)
{
	struct record record = { .type = type };

	assert_true(ip_parse(src, &record.head.src) == 0 && ip_parse(dst, &record.head.dst) == 0);
	record.head.app_proto = text_of("x");
	return record;
}

static void test_nothing(void **state)
{
	(void)state;
	assert_string_equal(print(), "");
}

static void test_hosts(void **state)
{
	struct record flow = record_of(EVENT_FLOW, "203.0.113.9", "192.0.2.1");

	(void)state;
	flow.head.direction = DIRECTION_INBOUND;
	flow.head.honeypot = text_of("web");
	flow.flow.bytes_toserver = 1000;
	flow.flow.bytes_toclient = 234567;
	replay_found_take(found, &flow);
	replay_found_take(found, &flow);
	flow.flow.parent_id = 1; /* in a tunnel */
	replay_found_take(found, &flow);
	print();
	assert_non_null(strstr(printed, "  192.0.2.1                                471.1 kB       "
					"  0       2 honeypot\n"));
	assert_non_null(strstr(printed,
		"  203.0.113.9                              471.1 kB         2       0 outside\n"));
}

static void test_logins(void **state)
{
	struct record login = record_of(EVENT_LOGIN, "203.0.113.9", "192.0.2.1");

	(void)state;
	login.login.user = text_of("ro\x1b[31mot");
	login.login.password = text_of("a\\b");
	login.login.result = text_of("failure");
	for (unsigned i = 0; i < 5; i++)
		replay_found_take(found, &login);
	login.login.result = text_of("success");
	replay_found_take(found, &login);
	print();
	assert_non_null(strstr(printed, "  x ro\\x1b[31mot / a\\x5cb                               "
					"          6          1\n"));
	assert_non_null(strstr(printed, "203.0.113.9 > 192.0.2.1\n"));
}

/* What --role viewer must not show is nowhere. */
static void test_viewer(void **state)
{
	struct record login = record_of(EVENT_LOGIN, "203.0.113.9", "192.0.2.1");
	struct record file = record_of(EVENT_FILEINFO, "203.0.113.9", "192.0.2.1");

	(void)state;
	replay_found_free(found);
	assert_int_equal(replay_found_new(true, &found), 0);
	login.login.user = login.login.password = text_of("geheim");
	login.login.result = text_of("success");
	*record_members(&file) =
		text_of("\"fileinfo\":{\"filename\":\"geheim\",\"sha256\":\"01\",\"size\":1}");
	replay_found_take(found, &login);
	replay_found_take(found, &file);
	assert_non_null(strstr(print(), "    - (x) 1 x 203.0.113.9 > 192.0.2.1\n"));
	assert_null(strstr(printed, "geheim"));
}

static void test_chats(void **state)
{
	struct record chat = record_of(EVENT_CHAT, "203.0.113.9", "192.0.2.1");

	(void)state;
	chat.chat.kind = text_of("join");
	chat.chat.channel = text_of("#a");
	replay_found_take(found, &chat);
	assert_string_equal(print(), "");
	chat.chat.kind = text_of("message");
	chat.chat.nick = text_of("al");
	chat.chat.text =
		text_of(".scan 192.0.2.0/24, and so on and so on until the line is too long");
	replay_found_take(found, &chat);
	assert_non_null(strstr(print(), "  #a                                 1  al: .scan "));
	assert_non_null(strstr(printed, "...\n"));
}

static void test_files(void **state)
{
	static const char members[] =
		"\"fileinfo\":{\"filename\":\"a\\u0000\\u202eb\",\"sha256\":\"0123\",\"size\":1500,"
		"\"magic\":\"ELF\"}";
	struct record file = record_of(EVENT_FILEINFO, "203.0.113.9", "192.0.2.1");

	(void)state;
	*record_members(&file) = text_of(members);
	replay_found_take(found, &file);
	replay_found_take(found, &file);
	print();
	assert_non_null(strstr(printed, "files, the largest of 2\n  0123 "));
	assert_non_null(strstr(
		printed, "    1.5 kB\n    a \\xe2\\x80\\xaeb (ELF) 2 x 203.0.113.9 > 192.0.2.1\n"));
}

/* Many things with the longest texts of bytes that are escaped: bounded, in lines that are not too long. */
static void test_hostile(void **state)
{
	static char bytes[1024];
	static const enum event_type types[] = { EVENT_LOGIN, EVENT_CHAT, EVENT_DECODED,
		EVENT_ALERT, EVENT_INCIDENT };

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (unsigned i = 0; i < 3000; i++) {
		struct record r = record_of(types[i % 5], "2001:db8:1111:2222:3333:4444:5555:6666",
			"2001:db8:1111:2222:3333:4444:5555:7777");
		struct text text = { bytes, 100 };

		memcpy(bytes, &i, sizeof(i));
		r.head.app_proto = (struct text){ bytes, 16 };
		if (r.type == EVENT_LOGIN) {
			r.login.user = r.login.password = text;
			r.login.result = text_of("success");
		} else if (r.type == EVENT_CHAT) {
			r.chat.kind = text_of("message");
			r.chat.channel = r.chat.nick = r.chat.text = text;
		} else if (r.type == EVENT_DECODED) {
			r.decoded.method = r.decoded.text = (struct text){ bytes, 1000 };
		} else if (r.type == EVENT_ALERT) {
			r.alert.sid = i;
			r.alert.signature = text;
		} else {
			r.incident.title = text;
		}
		replay_found_take(found, &r);
	}
	print();
	assert_non_null(strstr(printed, "\nincidents\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heavy_ones_stay),
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_hosts, begin, end),
		cmocka_unit_test_setup_teardown(test_logins, begin, end),
		cmocka_unit_test_setup_teardown(test_viewer, begin, end),
		cmocka_unit_test_setup_teardown(test_chats, begin, end),
		cmocka_unit_test_setup_teardown(test_files, begin, end),
		cmocka_unit_test_setup_teardown(test_hostile, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
