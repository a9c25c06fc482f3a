/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of files: sums of those that came whole, holes of others. And that a login's texts fit into a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/out.h"
#include "frame/frame.h"
#include "recover/files.h"

static const struct frame no_frame;
static const struct inspect_frame frame = { .frame = &no_frame, .flow_id = 1 };

static struct recover_files *files;
static struct inspect_text text;
static struct record record;

/* A file that grows. */
static struct proto_file file;

static void start(void)
{
	static uint64_t id;

	file = (struct proto_file){ .id = ++id, .name = "f", .name_len = 1 };
}

static void piece(uint64_t offset, const char *bytes)
{
	size_t len = strlen(bytes);

	file.offset = offset;
	file.carried += len;
	if (file.size < offset + len)
		file.size = offset + len;
	assert_false(recover_files_take(
		files, &frame, &file, (const uint8_t *)bytes, len, &text, &record));
}

static const char *finish(bool cut)
{
	file.offset = file.size;
	file.end = true;
	file.cut = cut;
	assert_true(recover_files_take(files, &frame, &file, NULL, 0, &text, &record));
	return record_members(&record)->at;
}

#define BEGIN   "\"fileinfo\":{\"filename\":\"f\",\"gaps\":"
#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MD5_ABC "900150983cd24fb0d6963f7d28e17f72"
#define WHOLE   BEGIN "false,\"state\":\"CLOSED\",\"sha256\":\"" SHA_ABC "\",\"md5\":\"" MD5_ABC "\","
#define SIZE(n) "\"stored\":false,\"size\":" n "}"

static void test_whole(void **state)
{
	(void)state;
	start();
	piece(0, "a");
	piece(1, "bc");
	assert_string_equal(finish(false), WHOLE SIZE("3"));
	start();
	piece(0, "abc");
	assert_string_equal(finish(true), BEGIN "false,\"state\":\"TRUNCATED\"," SIZE("3"));
}

static void test_holes(void **state)
{
	(void)state;
	start();
	piece(2, "c");
	piece(3, "d");
	piece(10, "k");
	assert_string_equal(finish(false),
		BEGIN "true,\"state\":\"TRUNCATED\",\"holes\":[{\"offset\":0,\"length\":2},"
		      "{\"offset\":4,\"length\":6}]," SIZE("11"));
	/* Filled: all is there, but was not summed in order. */
	start();
	piece(0, "a");
	piece(4, "e");
	piece(1, "bcd");
	piece(5, "f");
	assert_string_equal(finish(false),
		BEGIN "false,\"state\":\"TRUNCATED\",\"out_of_order\":true," SIZE("6"));
	/* In the middle, at both ends, and more than one. */
	start();
	piece(10, "k");
	piece(20, "u");
	piece(3, "de");
	piece(0, "a");
	piece(9, "jkl");
	piece(18, "st");
	assert_string_equal(finish(false),
		BEGIN "true,\"state\":\"TRUNCATED\",\"holes\":[{\"offset\":1,\"length\":2},"
		      "{\"offset\":5,\"length\":4},{\"offset\":12,\"length\":6}],"
		      "\"out_of_order\":true," SIZE("21"));
}

static void test_rewritten(void **state)
{
	(void)state;
	start();
	piece(0, "abc");
	piece(1, "X");
	assert_string_equal(finish(false),
		BEGIN "false,\"state\":\"TRUNCATED\",\"out_of_order\":true," SIZE("3"));
}

static void test_many_holes(void **state)
{
	const char *said;

	(void)state;
	start();
	for (unsigned i = 1; i <= 20; i++)
		piece(10 * (uint64_t)i, "x");
	said = finish(false);
	assert_non_null(strstr(said, "{\"offset\":151,\"length\":9}],\"more_holes\":36,"));
	/* A full list has no place for the second half of a hole: it is taken for missing. */
	start();
	for (unsigned i = 1; i <= INSPECT_HOLES_MAX; i++)
		piece(10 * (uint64_t)i, "x");
	piece(5, "x");
	assert_non_null(
		strstr(finish(false), "\"holes\":[{\"offset\":0,\"length\":10},{\"offset\":11,"));
}

/* Of one whose beginning nobody saw, nothing is known. */
static void test_late(void **state)
{
	(void)state;
	start();
	file.size = file.carried = 5;
	piece(5, "abc");
	assert_string_equal(finish(false), BEGIN "false,\"state\":\"CLOSED\"," SIZE("8"));
}

static void test_login_fits(void **state)
{
	static uint8_t hash[PROTO_LOGIN_HASH_MAX], packed[RECORD_PLAIN_MAX];
	static char line[RECORD_JSON_MAX];
	struct proto_login login = { .method = "ntlm",
		.hash = { .bytes = hash, .len = sizeof(hash) },
		.user = { .len = PROTO_LOGIN_MAX },
		.password = { .len = PROTO_LOGIN_MAX } };
	struct out o = out_make(line, sizeof(line));
	int n;

	(void)state;
	memset(hash, 1, sizeof(hash)); /* six bytes each in JSON */
	memset(login.user.text, 1, sizeof(login.user.text));
	memset(login.password.text, 1, sizeof(login.password.text));
	inspect_record_login(&frame, PROTO_SMB, &login, &record);
	n = record_pack(&record, packed, sizeof(packed));
	assert_true(n > PROTO_LOGIN_HASH_MAX);
	assert_int_equal(record_unpack(packed, (size_t)n, &record), 0);
	assert_int_equal(record.login.hash.len, PROTO_LOGIN_HASH_MAX);
	record_json(&o, &record, NULL);
	assert_true(out_ok(&o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_many_holes),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_login_fits),
	};
	int r;

	if (recover_files_new(&files))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	recover_files_free(files);
	return r;
}
