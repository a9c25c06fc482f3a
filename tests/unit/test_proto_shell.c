/* SPDX-License-Identifier: Apache-2.0 */
/* Telnet, rlogin, rsh and rexec; shells over bare TCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "proto_kit.h"

#define CHECK(info, parts, expected) \
	kit_check(info, parts, sizeof(parts) / sizeof((parts)[0]), expected)

static const struct proto_flow_info any = { .ip_proto = 6, .port = { 4000, 7547 } };

static int show_logins(void **state)
{
	(void)state;
	kit_show_logins = true;
	return 0;
}

/* Options in front of, between and inside of words; IAC IAC; the end of a subnegotiation; both
 * ends of a line. */
static void test_telnet(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x18\xff\xfb\x01\xff\xfd\x1f"),
		C("\xff\xfb\x18\xff\xfd\x01\xff\xfa\x1f\0\x50\xff\xff\x18\xff\xf0"
		  "\xff\xfa\x20\0"
		  "38400,38400\xff\xf0"),
		S("box\r\nlog\xff\xfb\x03in: "),
		C("roo\xff\xfd\x03t\r\0"),
		S("root\r\nPassword: "),
		C("s3cret\r\0"),
		S("\r\n\r\nBusyBox v1.31\r\n# "),
		C("cat /pro\xff\xffx\x7f\x7f"
		  "c/cpuinfo\r\n"),
		S("cat /proc/cpuinfo\r\nmodel: \xff\xff\r\n# "),
		C("\r\nid\r\n"),
		S("uid=0\r\n# "),
	};

	(void)state;
	CHECK(&any, parts,
		"login - root s3cret - success\n"
		"telnet \"telnet\":{\"command\":\"cat /proc/cpuinfo\",\"output\":\"model: "
		"\\ufffd\\r\\n#\"}\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"uid=0\\r\\n#\"}\n");
}

static void test_telnet_refused(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfb\x01\xff\xfb\x03User Access\r\n\r\nUSERNAME: "),
		C("admin\r\n"),
		S("Password: "),
		C("admin\r\n"),
		S("\r\n% Login invalid\r\n\r\nUsername: "),
		C("\r\n"),
		S("\r\nUsername: "),
		C("root\r\n"),
		S("\r\npassword:"),
		C("\r\n"),
		S("\r\nPassword:"),
		C("1234\r\n"),
		S("\r\nAccess denied\r\n"),
	};

	(void)state;
	CHECK(&any, parts,
		"login - admin admin - failure\n"
		"login - root - - failure\n"
		"login - root 1234 - failure\n");
}

/* No options; the prompt alone says what it is. Control sequences do not hide it. */
static void test_telnet_without_options(void **state)
{
	static const struct kit_part parts[] = {
		S("\x1b[1mrouter\x1b[0m Login\x1b[K: \0"),
		C("root\n"),
		S("Password:"),
		C("vizxv\n"),
		S("\r\nLast failed login: Mon Nov 12\r\nLast login: Tue\r\n\x1b[32m~ $\x1b[0m "),
		C("enable\nsh\n"),
		S("sh: not found\r\n$ "),
	};

	(void)state;
	CHECK(&any, parts,
		"login - root vizxv - success\n"
		"telnet \"telnet\":{\"command\":\"enable\",\"output\":\"\"}\n"
		"telnet \"telnet\":{\"command\":\"sh\",\"output\":\"sh: not found\\r\\n$\"}\n");
}

static void test_telnet_editing(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("rot\bot\r\n"),
		S("# "),
		C("rm -rf /\x15"
		  "ls  -l  /tmp/\x17/var\xff\xf7\r\n"),
		S("none\r\n# "),
		C("caf\xc3\xa9\x7f"
		  "e\xff\xf8w\x03x\r\n"),
	};

	(void)state;
	CHECK(&any, parts,
		"login - root - - success\n"
		"telnet \"telnet\":{\"command\":\"ls  -l  /va\",\"output\":\"none\\r\\n#\"}\n"
		"telnet \"telnet\":{\"command\":\"x\",\"output\":\"\"}\n");
}

/* Keys that move in a line, where a shell asks for it; one that brings another line is told as it is. */
static void test_telnet_keys(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("u\r\n"),
		S("Password: "),
		C("p\x1b[Dq\r\n"),
		S("\r\n$ "),
		C("caf\xc3\xa9s x\x1b[D\x1b[D\x1bOD\x7f\x1b[3~t\r\n"),
		S("\r\n$ "),
		C("xx world\x1b[H\x1b[C\x1b[C\x15hello\x05!\x01\x1b[D\x7f\x1b[4~\x1b[3~\r\n"),
		S("\r\n$ "),
		C("\x1b[200~echo one > f\recho two >> f\x1b[201~\r"),
		S("\r\n$ "),
		C("\x1b[A\x1b[D -x\r\n"),
		S("\r\n$ "),
		C("i\x1b\x7f"
		  "d\r\n"),
		S("\r\n$ "),
		C("w\x1b[1;2;3;4;5D\r\n"),
		S("\r\n$ "),
		C("cat > x\r\n"),
		S("cat > x\r\n"),
		C("a\x01\x1b[D\r\n"),
	};

	(void)state;
	kit_check_lines(&any, PARTS(parts), "login ", "login - u p\\x1b[Dq - success\n");
	kit_check_lines(&any, PARTS(parts), "file f", "file f 8\n");
	kit_check_lines(&any, PARTS(parts), "telnet ",
		"telnet \"telnet\":{\"command\":\"caft x\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"hello world!\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"echo one > f\",\"output\":\"\"}\n"
		"telnet \"telnet\":{\"command\":\"echo two >> f\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"\\u001b[A\\u001b[D -x\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"w\\u001b[1;2;3;4;5D\",\"output\":\"$\"}\n"
		"telnet \"telnet\":{\"command\":\"cat > x\",\"output\":\"\"}\n"
		"telnet \"telnet\":{\"command\":\"a\\u0001\\u001b[D\",\"output\":\"\"}\n");
}

/* What is typed comes back by letters, before its line has ended. */
static void test_telnet_echo(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfb\x01login: "),
		C("a"),
		S("a"),
		C("b"),
		S("b"),
		C("\r\0"),
		S("\r\nPassword: "),
		C("x"),
		C("y"),
		C("\r\0"),
		S("\r\n$ "),
		C("i"),
		S("i"),
		C("d"),
		S("d"),
		C("\r\0"),
		S("\r\nuid=1\r\n$ "),
		C("w"),
		S("w"),
		C("\r\0"),
		S("\r\nnobody\r\n$ "),
	};

	(void)state;
	CHECK(&any, parts,
		"login - ab xy - success\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"uid=1\\r\\n$\"}\n"
		"telnet \"telnet\":{\"command\":\"w\",\"output\":\"nobody\\r\\n$\"}\n");
}

/* A bot that does not wait: its password is no line. */
static void test_telnet_ahead(void **state)
{
	static const struct kit_part parts[] = {
		C("\xff\xfd\x01root\r\npa55\r\nid\r\n"),
		S("login: "),
		S("root\r\n"),
		S("Password: "),
		S("\r\nWelcome\r\n"),
		S("$ "),
		S("uid=0\r\n$ "),
	};

	(void)state;
	CHECK(&any, parts,
		"login - root pa55 - success\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"uid=0\\r\\n$\"}\n");
}

/* What waits does not wait for a prompt that never comes. */
static void test_telnet_no_prompt(void **state)
{
	static const struct kit_part parts[] = {
		C("\xff\xfd\x01root\r\npa55\r\nid\r\n"),
		S("login: "),
		S("Password: "),
		S("Hello\r\n"),
		C("w\r\n"),
		S("nobody\r\n"),
	};

	(void)state;
	CHECK(&any, parts,
		"login - root pa55 - success\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"\"}\n"
		"telnet \"telnet\":{\"command\":\"w\",\"output\":\"nobody\"}\n");
}

static void test_telnet_new_password(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("u\r\n"),
		S("password: "),
		C("p\r\n"),
		S("You must choose one.\r\nNew password: "),
		C("q\r\n"),
		S("Retype new password: "),
		C("q\r\n"),
		S("% "),
		C("exit\r\n"),
	};

	(void)state;
	CHECK(&any, parts,
		"login - u p - success\n"
		"set passwd u q - unknown\n"
		"telnet \"telnet\":{\"command\":\"exit\",\"output\":\"\"}\n");
}

/* His own password, asked for by sudo(8), is no line; whose it is says the question. */
/* The party line of eggdrop ends the lines in which it asks. */
static void test_telnet_eggdrop(void **state)
{
	static const struct kit_part wrong[] = {
		S("bot (Eggdrop v1.6.15)\r\n\r\nPlease enter your nickname.\r\n"), C("boss\r\n"),
		S("\r\nEnter your password.\r\n"), C("wrong\r\n"),
		S("Negative on that, Houston.\r\n")
	};
	static const struct kit_part right[] = { S("Please enter your nickname.\r\n"),
		C("boss\r\n"), S("\r\nEnter your password.\r\n\xff\xfb\1"), C("hunter2\r\n"),
		S("\xff\xfc\1\r\nConnected to bot, running eggdrop\r\n"), C(".who\r\n"),
		S("boss\r\n") };

	(void)state;
	CHECK(&any, wrong, "login - boss wrong - failure\n");
	CHECK(&any, right,
		"login - boss hunter2 - success\n"
		"telnet \"telnet\":{\"command\":\".who\",\"output\":\"boss\"}\n");
}

static void test_telnet_sudo(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("bob\r\n"),
		S("Password: "),
		C("p\r\n"),
		S("$ "),
		C("sudo id\r\n"),
		S("[sudo] password for bob: "),
		C("wrong\r\n"),
		S("\r\nSorry, try again.\r\n[sudo] password for bob: "),
		C("p\r\n"),
		S("\r\nuid=0\r\n$ "),
		C("echo x | passwd\r\n"),
	};

	(void)state;
	kit_check_lines(&any, PARTS(parts), "login ",
		"login - bob p - success\n"
		"login - bob wrong - failure\n"
		"login - bob p - success\n");
	kit_check_lines(&any, PARTS(parts), "set ", "set passwd bob x - unknown\n");
	assert_null(strstr(kit_run(&any, PARTS(parts), 0, SIZE_MAX), "\"wrong\""));
}

/* A shell that comes back has let nobody in: what was called from it says whether that was so. */
static void test_telnet_su(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("bob\r\n"),
		S("Password: "),
		C("p\r\n"),
		S("\r\nLast login: today\r\n$ "),
		C("su\r\n"),
		S("su\r\nPassword: "),
		C("toor\r\n"),
		S("\r\nsu: Authentication failure\r\n$ "),
		C("ssh root@10.0.0.9\r\n"),
		S("root@10.0.0.9's password: "),
		C("one\r\n"),
		S("\r\nPermission denied, please try again.\r\nroot@10.0.0.9's password: "),
		C("two\r\n"),
		S("\r\nroot@10.0.0.9: Permission denied (publickey,password).\r\n$ "),
		C("ssh root@10.0.0.9\r\n"),
		S("root@10.0.0.9's password: "),
		C("three\r\n"),
		S("\r\nLast failed login: today\r\n# "),
		C("exit\r\n"),
		S("exit\r\n$ "),
		C("mysql -p\r\n"),
		S("Enter password: "),
		C("four\r\n"),
		S("\r\nERROR 1045 (28000): Access denied for user 'bob'\r\n$ "),
		C("su\r\n"),
		S("Password: "),
		C("five\r\n"),
		S("\r\nroot@access denied# "),
		C("id\r\n"),
	};

	(void)state;
	kit_check_lines(&any, PARTS(parts), "login ",
		"login - bob p - success\n"
		"login - - toor - failure\n"
		"login - root one - failure\n"
		"login - root two - failure\n"
		"login - root three - success\n"
		"login - - four - failure\n"
		"login - - five - success\n");
}

/* passwd(1) asks: it is taken, does not match, is asked for again; for another user; nothing is typed; it is the end. */
static void test_telnet_passwd(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("u\r\n"),
		S("u\r\nPassword: "),
		C("p\r\n"),
		S("\r\n$ "),
		C("passwd\r\n"),
		S("passwd\r\nChanging password for u.\r\nNew password: "),
		C("one\r\n"),
		S("\r\nRetype new password: "),
		C("one\r\n"),
		S("\r\npasswd: password updated successfully\r\n$ "),
		C("sudo /usr/bin/passwd bob\r\n"),
		S("sudo /usr/bin/passwd bob\r\nNew password: "),
		C("\r\n"),
		S("\r\nNo password supplied\r\nNew password: "),
		C("shor\b\brt\r\n"),
		S("\r\nBad password: too weak\r\nNew password: "),
		C("two\r\nsame\r\n"),
		S("\r\nRepeat password: "),
		S("\r\nPasswords don't match\r\npasswd: password for bob is unchanged\r\n$ "),
		C("passwd -q; passwd -u; id\r\n"),
		S("passwd -q; passwd -u; id\r\nEnter new UNIX password: "),
		C("last\r\n"),
	};

	(void)state;
	kit_check_lines(&any, PARTS(parts), "set ",
		"set passwd u one - success\n"
		"set passwd bob shrt - failure\n"
		"set passwd bob two - failure\n"
		"set passwd u last - unknown\n");
	assert_null(strstr(kit_run(&any, PARTS(parts), 0, SIZE_MAX), "\"one\""));
	assert_null(strstr(kit_text, "\"same\""));
}

/* What a line gives to commands that set passwords: through pipes, quotes, other commands, here documents. */
static void test_passwd_lines(void **state)
{
	static const struct kit_part parts[] = {
		S("\xff\xfd\x01login: "),
		C("u\r\n"),
		S("Password: "),
		C("p\r\n"),
		S("$ "),
		C("echo root:a:b | chpasswd\n"
		  "echo -e \"old\\nnew\\nnew\"|passwd|bash\n"
		  "sudo sh -c 'printf \"x\\nx\\n\" | /usr/bin/passwd bob'; w\n"
		  "echo q | passwd --stdin ann\n"
		  "chpasswd <<< 'c:d'; echo no | passwd -l; echo none | chpasswd\n"
		  "cat << E | busybox chpasswd -c x\ne:f\r\n\ng:$6$s$h\nE\n"
		  "chpasswd <<-E\n\ti:j\n\tE\n"
		  "(echo k; sleep 1; echo -n l; echo m) | passwd nel; w | passwd nel; (echo x) > y "
		  "| passwd nel\n"
		  "echo x; (echo n) ; passwd nel\n"),
		C("useradd -o -u 0 -g 0 -p '$1$s$h' -s /bin/sh ada\n"
		  "useradd --shell /bin/sh eve --password=k -m\n"
		  "usermod -pl eva && usermod -p\n"
		  "useradd -p $(openssl passwd) nan; useradd -p `cat x` nan; useradd nan\n"
		  "useradd -p \"$(cat x | openssl passwd -stdin)\" nan; useradd -p $(\n"
		  "useradd -p $(openssl passwd x | cat) nan; useradd -p $(openssl passwd x\n"
		  "w; useradd -o -p $(openssl passwd -1 -salt x 'm n') -s /bin/sh kim; w a\n"
		  "useradd -p '$' nan; useradd -p '$('; useradd -p '`'; useradd -p $(openssl\n"
		  "net user max Pa55 /add; net.exe user max; net1 user max * ; net user nan "
		  "/delete\n"
		  "usermod -p `openssl passwd m` -G wheel kim\n"
		  "useradd lee -p \"$(openssl passwd -6 \\$m)\" -s /bin/sh && openssl passwd n\n"
		  "mysqladmin -u root -pold password 'n o'\n"
		  "mysqladmin --user=sql -h h password r; mysqladmin password; passwd sam; "
		  "mysqladmin -u\nmysqladmin -u password\nmysqladmin -u password -h ''\n"
		  "grep passwd /etc/passwd > x; echo passwd | cat; nopasswd | chpasswd\n"),
		S("$ "),
	};

	(void)state;
	kit_check_lines(&any, PARTS(parts), "set ",
		"set chpasswd root a:b - unknown\n"
		"set passwd u new - unknown\n"
		"set passwd bob x - unknown\n"
		"set passwd ann q - unknown\n"
		"set chpasswd c d - unknown\n"
		"set chpasswd e f - unknown\n"
		"set chpasswd g - $6$s$h unknown\n"
		"set chpasswd i j - unknown\n"
		"set passwd nel lm - unknown\n"
		"set useradd ada - $1$s$h unknown\n"
		"set useradd eve k - unknown\n"
		"set usermod eva l - unknown\n"
		"set useradd kim m n - unknown\n"
		"set net user max Pa55 - unknown\n"
		"set usermod kim m - unknown\n"
		"set useradd lee $m - unknown\n"
		"set mysqladmin root n o - unknown\n"
		"set mysqladmin sql r - unknown\n");
}

/* More users than are told of, and longer names and passwords than are kept. */
static void test_passwd_limits(void **state)
{
	static char many[4000], name[1000];
	const struct kit_part lines[] = { S("\xff\xfd\x01# "), C("chpasswd << E\n"),
		{ 0, many, sizeof(many) }, C("E\n"), S("# ") };
	const struct kit_part names[] = { S("\xff\xfd\x01# "), C("passwd "),
		{ 0, name, sizeof(name) }, C("\n"), S("New password: "), { 0, name, sizeof(name) },
		C("\n"), S("# ") };
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i += 4)
		memcpy(many + i, "a:b\n", 4);
	memset(name, 'n', sizeof(name));
	kit_run(&any, PARTS(lines), 0, SIZE_MAX);
	for (const char *at = kit_text; (at = strstr(at, "set chpasswd a b")); at++)
		n++;
	assert_int_equal(n, 32);
	assert_int_equal(strlen(kit_lines(kit_run(&any, PARTS(names), 0, SIZE_MAX), "set ")),
		strlen("set passwd   - unknown\n") + (size_t)2 * PROTO_LOGIN_MAX);
}

static void test_telnet_environ(void **state)
{
	static const struct kit_part taken[] = {
		S("\xff\xfd\x27\xff\xfa\x27\1\xff\xf0"),
		C("\xff\xfb\x27\xff\xfa\x27\0\0USER\1-f root\xff\xf0"),
		S("# "),
		C("id\r\n"),
	};
	static const struct kit_part asked[] = {
		S("\xff\xfd\x27"),
		C("\xff\xfa\x27\0\0DISPLAY\1:0\0USER\1root\xff\xf0"),
		S("Password: "),
		C("toor\r\n"),
		S("Login incorrect\r\n"),
	};

	(void)state;
	CHECK(&any, taken,
		"login - -f root - - success\n"
		"telnet \"telnet\":{\"command\":\"id\",\"output\":\"\"}\n");
	CHECK(&any, asked, "login - root toor - failure\n");
}

/* What looks a little like it. */
static void test_not_telnet(void **state)
{
	static const struct kit_part utf16[] = { S("\xff\xfe<\0?\0x\0m\0l\0") };
	static const struct kit_part mpeg[] = { S("\xff\xfb\x90\x44\0\0") };
	static const struct kit_part text[] = { S("Please log in\r\nLast login: Mon\r\n# "),
		C("id\r\n"), S("uid=0\r\n") };
	static const struct kit_part binary[] = { S("\1\2\3login: "), C("id\r\n") };

	(void)state;
	CHECK(&any, utf16, "");
	CHECK(&any, mpeg, "");
	CHECK(&any, text, "");
	CHECK(&any, binary, "");
}

/* Lines, answers, prompts, subnegotiations and what waits are all longer than their limits. */
static void test_telnet_limits(void **state)
{
	static char line[6000], sub[9000];
	const struct kit_part parts[] = { S("\xff\xfd\x01login: "), C("r\r\n"), S("# "),
		{ 0, line, 2000 }, C("\r\n"), { 1, line, sizeof(line) }, C("\r\n\xff\xfa\x18"),
		{ 0, sub, sizeof(sub) }, S("# "), C("\r\nid\r\n") };
	const struct kit_part ahead[] = { C("\xff\xfd\x01"), { 0, line, 2000 }, C("\r\n"), S("x"),
		S("\r\n# ") };

	(void)state;
	memset(line, 'a', sizeof(line));
	memset(sub, '\r', sizeof(sub));
	for (size_t piece = 0; piece < 9; piece++) {
		kit_run(&any, parts, 10, piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "\"truncated\":true}\n"));
		assert_non_null(strstr(kit_text, "{\"command\":\"id\",\"output\":\"\"}\n"));
		kit_run(&any, ahead, 5, piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "aaa\",\"output\":\"x\\r\\n#\""));
	}
}

/* More lines than transactions of a connection: nothing is overrun. */
static void test_telnet_many_lines(void **state)
{
	static char lines[6000];
	const struct kit_part parts[] = { S("\xff\xfd\x01$ "), { 0, lines, sizeof(lines) },
		S("$ ") };
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lines); i += 2)
		memcpy(lines + i, "a\n", 2);
	kit_run(&any, parts, 3, 0, SIZE_MAX);
	for (const char *at = kit_text; (at = strstr(at, "\"command\":\"a\"")); at++)
		n++;
	assert_int_equal(n, sizeof(lines) / 2);
}

static void test_rlogin(void **state)
{
	static const struct kit_part good[] = {
		C("\0alice\0root\0xterm/38400\0"),
		S("\0"),
		S("\x80Last login: Mon from h\r\n# "),
		C("\xff\xffss\0\x18\0\x50\0\0\0\0ls\r"),
		S("\r\nfile\r\n# "),
	};
	static const struct kit_part asked[] = {
		C("\0alice\0bob\0vt100/9600\0"),
		S("\0Password: "),
		C("pw\r"),
		S("\r\nLogin incorrect\r\nlogin: "),
		C("root\r"),
		S("\r\nPassword: "),
		C("toor\r"),
		S("\r\n# "),
	};
	static const struct kit_part refused[] = { C("\0a\0b\0dumb/300\0"),
		S("\1rlogind: Permission denied.\r\n") };

	(void)state;
	CHECK(&any, good,
		"login rhosts root - - success\n"
		"rlogin \"rlogin\":{\"command\":\"ls\",\"output\":\"file\\r\\n#\"}\n");
	CHECK(&any, asked,
		"login rhosts bob - - failure\n"
		"login password bob pw - failure\n"
		"login password root toor - success\n");
	CHECK(&any, refused, "login rhosts b - - failure\n");
}

static void test_rsh(void **state)
{
	static const struct proto_flow_info shell = { .ip_proto = 6, .port = { 1023, 514 } };
	static const struct proto_flow_info elsewhere = { .ip_proto = 6, .port = { 1023, 2000 } };
	static const struct kit_part good[] = { C("1022\0"), C("al\0root\0echo \"a\"\0stdin"),
		S("\0a\n") };
	static const struct kit_part refused[] = { C("\0al\0root\0id\0"),
		S("\1Permission denied.\n") };
	static const struct kit_part alone[] = { C("0\0al\0root\0id\0") };
	static const struct kit_part behind_nat[] = { C("1022\0al\0root\0id\0") };

	(void)state;
	CHECK(&shell, good,
		"login rhosts root - - success\n"
		"rsh \"rsh\":{\"client_user\":\"al\",\"server_user\":\"root\",\"command\":"
		"\"echo \\\"a\\\"\",\"answer\":\"a\\n\"}\n");
	CHECK(&elsewhere, refused,
		"login rhosts root - - failure\n"
		"rsh \"rsh\":{\"client_user\":\"al\",\"server_user\":\"root\",\"command\":"
		"\"id\",\"answer\":\"Permission denied.\\n\"}\n");
	CHECK(&any, behind_nat,
		"rsh \"rsh\":{\"client_user\":\"al\",\"server_user\":\"root\",\"command\":\"id\"}\n"
		"login rhosts root - - unknown\n");
	CHECK(&shell, alone,
		"rsh \"rsh\":{\"client_user\":\"al\",\"server_user\":\"root\",\"command\":\"id\"}\n"
		"login rhosts root - - unknown\n");
}

static void test_rexec(void **state)
{
	static const struct proto_flow_info exec = { .ip_proto = 6, .port = { 40000, 512 } };
	static const struct proto_flow_info by_root = { .ip_proto = 6, .port = { 1023, 2000 } };
	static const struct kit_part good[] = { C("0\0root\0toor\0id\0"), S("\0uid=0\n") };
	static const struct kit_part stderr_too[] = { C("40001\0root\0toor\0id\0") };

	(void)state;
	CHECK(&by_root, stderr_too,
		"rsh \"rsh\":{\"server_user\":\"root\",\"command\":\"id\"}\n"
		"login password root toor - unknown\n");
	CHECK(&exec, good,
		"login password root toor - success\n"
		"rsh \"rsh\":{\"server_user\":\"root\",\"command\":\"id\",\"answer\":"
		"\"uid=0\\n\"}\n");
	CHECK(&any, good,
		"login password root toor - success\n"
		"rsh \"rsh\":{\"server_user\":\"root\",\"command\":\"id\",\"answer\":"
		"\"uid=0\\n\"}\n");
}

static void test_not_rcmd(void **state)
{
	static char command[70000] = "1\0a\0b\0";
	static const struct kit_part port[] = { C("70000\0a\0b\0c\0") };
	static const struct kit_part name[] = { C("1\0a b\0b\0c\0") };
	static const struct kit_part terminal[] = { C("\0a\0b\0xterm/\0\0") };
	const struct kit_part endless[] = { { 0, command, sizeof(command) }, S("\0") };

	(void)state;
	memset(command + 6, 'c', sizeof(command) - 6);
	CHECK(&any, port, "");
	CHECK(&any, name, "");
	CHECK(&any, terminal,
		"rsh \"rsh\":{\"server_user\":\"a\",\"command\":\"xterm/\"}\nlogin "
		"password a b - unknown\n");
	kit_run(&any, endless, 2, 0, SIZE_MAX);
	assert_string_equal(kit_text, "");
	kit_run(&any, endless, 2, 1000, SIZE_MAX);
	assert_string_equal(kit_text, "");
}

/* Key by key, and more keys than pieces are told apart, before the shell answers. */
static void test_raw_shell_key_by_key(void **state)
{
	static const char answer[] = "uid=0(root) gid=0(root)\n# ";
	char keys[2000];
	struct proto_conn *conn = kit_open(&any);
	int64_t time_ns = 0;

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	memset(keys, ' ', sizeof(keys));
	memcpy(keys, "id", 2);
	keys[sizeof(keys) - 1] = '\n';
	for (size_t i = 0; i < sizeof(keys); i++)
		proto_feed(conn, 0, (const uint8_t *)keys + i, 1, ++time_ns);
	proto_feed(conn, 1, (const uint8_t *)answer, sizeof(answer) - 1, ++time_ns);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	assert_non_null(strstr(kit_text, "shell \"shell\":{\"command\":\"id "));
	assert_non_null(strstr(kit_text, "\"output\":\"uid=0(root) gid=0(root)"));
}

/* Bytes that a shell leaves out, and keys that edit a line, are typed as well. */
static void test_raw_shell_control_bytes(void **state)
{
	static const struct kit_part nul[] = { C("\0id\n"), S("uid=0(root) gid=0(root)\n") };
	static const struct kit_part keys[] = { S("$ "),
		C("x\x15"
		  "id\n"),
		S("uid=1(a) gid=1(a)\n$ ") };
	static const struct kit_part shown[] = { C("id\n"), S("uid=0(root) gid=0(root)\n\0\1") };

	(void)state;
	CHECK(&any, nul,
		"shell \"shell\":{\"command\":\"id\",\"output\":\"uid=0(root) gid=0(root)\"}\n");
	CHECK(&any, keys,
		"shell \"shell\":{\"command\":\"id\",\"output\":\"uid=1(a) gid=1(a)\\n$\"}\n");
	kit_run(&any, shown, 2, 0, SIZE_MAX);
	assert_string_equal(kit_text, "");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What may be a shell for long, a byte at a time: it is not looked at anew with each. */
static void test_raw_shell_in_doubt(void **state)
{
	static char lines[8000];
	double from = seconds();

	(void)state;
	for (size_t i = 0; i < sizeof(lines); i += 2)
		memcpy(lines + i, "x\r", 2);
	for (unsigned run = 0; run < 8; run++) {
		struct proto_conn *conn = kit_open(&any);

		proto_feed(conn, 0, (const uint8_t *)lines, sizeof(lines), 1);
		for (unsigned i = 0; i < 180; i++)
			proto_feed(conn, 1, (const uint8_t *)"x", 1, i);
		proto_conn_free(conn);
	}
	assert_true(seconds() - from < 0.7);
}

/* The same bytes, where somebody may lie, are of what the connection began as. */
static void test_taken_over(void **state)
{
	static const struct kit_part parts[] = { C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), C("id\n"),
		S("uid=0(root) gid=0(root)\n"), C("pwd\n"), S("/\n") };

	(void)state;
	for (unsigned doubted = 0; doubted < 2; doubted++) {
		struct proto_flow_info info = any;
		struct proto_conn *conn;

		info.doubted = doubted;
		conn = kit_open(&info);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			proto_feed(conn, parts[i].side, parts[i].bytes, parts[i].len, 1);
		assert_int_equal(proto_conn_app(conn), doubted ? PROTO_HTTP : PROTO_SHELL);
		assert_int_equal(proto_conn_before(conn), doubted ? PROTO_NONE : PROTO_HTTP);
		proto_conn_free(conn);
	}
}

/* Bytes are missing before anybody could know whose the others are. */
static void test_gap_before_it_is_known(void **state)
{
	static const struct kit_part parts[] = { C("id\n"), S("u"), LOST,
		S("=0(root) gid=0(root) groups=0(root)\n"), C("pwd\n"), S("/root\n"), C("exit\n") };

	(void)state;
	kit_run_lossy(&any, PARTS(parts));
	assert_non_null(strstr(kit_text, "\"command\":\"id\",\"output\":\"=0(root) gid=0(root)"));
	assert_non_null(strstr(kit_text, "\"command\":\"pwd\",\"output\":\"/root\""));
	assert_non_null(strstr(kit_text, "\"command\":\"exit\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_telnet),
		cmocka_unit_test(test_telnet_refused),
		cmocka_unit_test(test_telnet_without_options),
		cmocka_unit_test(test_telnet_editing),
		cmocka_unit_test(test_telnet_keys),
		cmocka_unit_test(test_telnet_echo),
		cmocka_unit_test(test_telnet_ahead),
		cmocka_unit_test(test_telnet_no_prompt),
		cmocka_unit_test(test_telnet_new_password),
		cmocka_unit_test(test_telnet_eggdrop),
		cmocka_unit_test(test_telnet_sudo),
		cmocka_unit_test(test_telnet_su),
		cmocka_unit_test(test_telnet_passwd),
		cmocka_unit_test(test_passwd_lines),
		cmocka_unit_test(test_passwd_limits),
		cmocka_unit_test(test_telnet_environ),
		cmocka_unit_test(test_not_telnet),
		cmocka_unit_test(test_telnet_limits),
		cmocka_unit_test(test_telnet_many_lines),
		cmocka_unit_test(test_rlogin),
		cmocka_unit_test(test_rsh),
		cmocka_unit_test(test_rexec),
		cmocka_unit_test(test_not_rcmd),
		cmocka_unit_test(test_raw_shell_key_by_key),
		cmocka_unit_test(test_raw_shell_control_bytes),
		cmocka_unit_test(test_raw_shell_in_doubt),
		cmocka_unit_test(test_gap_before_it_is_known),
		cmocka_unit_test(test_taken_over),
	};

	return cmocka_run_group_tests(tests, show_logins, NULL);
}
