/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts: more conversations than are followed at a time, and bytes of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/session.h"
#include "frame/frame.h"
#include "inspect/inspect.h"

static char told[1 << 16];
static struct out told_out;
static unsigned begun, pieces;

static void on_piece(
	void *context, const struct session_name *name, bool begins, const char *bytes, size_t len)
{
	(void)context;
	(void)name;
	begun += begins;
	pieces++;
	out_bytes(&told_out, bytes, len);
	assert_true(len <= SESSION_PIECE_MAX);
	assert_int_equal(bytes[len - 1], '\n');
}

static struct sessions *new_sessions(struct session_setup setup)
{
	struct sessions *all;

	setup.write = on_piece;
	told_out = out_make(told, sizeof(told));
	begun = pieces = 0;
	assert_int_equal(sessions_new(&setup, &all), 0);
	return all;
}

static void say(struct sessions *all, uint64_t flow, unsigned side, const char *text, size_t len)
{
	static const struct frame none;
	const struct inspect_frame frame = { .frame = &none, .flow_id = flow };
	const struct proto_text said = { .proto = PROTO_TELNET,
		.kind = side ? PROTO_TEXT_SHOWN : PROTO_TEXT_TYPED,
		.side = side,
		.time_ns = 1000000000,
		.bytes = (const uint8_t *)text,
		.len = len };

	sessions_take(all, &frame, &said);
}

static void test_characters(void **state)
{
	struct sessions *all = new_sessions((struct session_setup){ .format = SESSION_ASCIICAST });

	(void)state;
	say(all, 1, 1, "a\xe2\x82", 3);
	say(all, 1, 0, "\xf0\x9f", 2);
	say(all, 1, 1, "\xac\xe2", 2);
	say(all, 1, 0, "\x90\x9f", 2);
	say(all, 1, 1, "x\"\n", 3);
	say(all, 1, 1, "\xc3", 1);
	sessions_end(all, 1);
	assert_non_null(strstr(told,
		"[0.000000,\"o\",\"a\"]\n[0.000000,\"o\",\"\xe2\x82\xac\"]\n"
		"[0.000000,\"i\",\"\xf0\x9f\x90\x9f\"]\n[0.000000,\"o\",\"\\ufffdx\\\"\\n\"]\n"
		"[0.000000,\"o\",\"\\ufffd\"]\n"));
	assert_int_equal(begun, 1);
	sessions_free(all);
}

static void test_many(void **state)
{
	struct sessions *all = new_sessions((struct session_setup){ .format = SESSION_TEXT });

	(void)state;
	for (uint64_t flow = 1; flow <= SESSION_MAX + 3; flow++)
		say(all, flow, 1, "x\n", 2);
	assert_int_equal(sessions_parted(all), 3);
	assert_int_equal(begun, 3);
	told_out.len = 0;
	say(all, 2, 1, "y\n", 2);
	sessions_end_all(all);
	assert_int_equal(begun, SESSION_MAX + 4);
	sessions_free(all);
}

static void test_long_lines(void **state)
{
	struct sessions *all = new_sessions((struct session_setup){ .format = SESSION_TEXT });
	static char line[5000];

	(void)state;
	memset(line, 1, sizeof(line));
	say(all, 7, 0, line, sizeof(line));
	sessions_end(all, 7);
	sessions_end(all, 7);
	assert_true(out_ok(&told_out));
	assert_int_equal(begun, 1);
	assert_true(pieces > 1);
	sessions_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
