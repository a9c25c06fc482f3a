/* SPDX-License-Identifier: Apache-2.0 */
/* SYNs as p0f sees them, which signature they fit, and what is told of hosts. That both are as p0f has them is also
 * held against p0f itself, in tests/golden/test_fingerprint.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "fingerprint_bench.h"

#include "fingerprint/clock.h"
#include "fingerprint/nat.h"
#include "fingerprint/tcp.h"

#define OPTIONS(text) .options = text, .n_options = sizeof(text) - 1

static struct signatures *set;
static struct bytes b;

static int open_set(void **state)
{
	uint64_t more;
	size_t n;

	(void)state;
	assert_int_equal(signatures_new(&set), 0);
	assert_int_equal(
		signatures_read(set, "bench", bench_signatures, sizeof(bench_signatures) - 1), 0);
	signatures_faults(set, &n, &more);
	assert_int_equal(n, 0);
	return 0;
}

static int close_set(void **state)
{
	(void)state;
	set = signatures_free(set);
	return 0;
}

/* ---- one packet ---- */

static bool look_at(const struct syn *syn, struct tcp_look *look)
{
	struct frame frame;

	syn_frame(&b, syn);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &frame);
	return frame.n_packets == 1 && tcp_look_read(&frame, &frame.packet[0], look);
}

static const char *text_of_syn(const struct syn *syn)
{
	static char text[TCP_RAW_MAX];
	struct out o = out_make(text, sizeof(text));
	struct tcp_look look;

	if (!look_at(syn, &look))
		return "none";
	tcp_look_text(&o, &look, 0);
	assert_true(out_ok(&o));
	return text;
}

static void test_text(void **state)
{
	static const struct {
		struct syn syn;
		const char *text;
	} good[] = {
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240 },
			"4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\0")), .window = 5, .ttl = 50 },
			"4:50+14:0:1460:5,7:mss,sok,ts,nop,ws:df,id+,ts1-:0" },
		{ { .src = "2001:db8::1", .dst = "2001:db8::2", .window = 2 },
			"6:64+0:0:0:2,0:::0" },
		{ { .plain_ip = true, .window = 1, .payload = 3 }, "4:64+0:0:0:1,0::id-:+" },
		{ { .plain_ip = true, .id = 1, .fragment = 0x8000, .window = 1, .ttl = 200 },
			"4:200+?:0:0:1,0::0+:0" },
		{ { .flags = SYN | ACK, .window = 1 }, "4:64+0:0:0:1,0::df,id+,ack-:0" },
		{ { .flags = SYN | ACK, .ack = 1, .window = 1 }, "4:64+0:0:0:1,0::df,id+:0" },
		{ { .ack = 1, .window = 1 }, "4:64+0:0:0:1,0::df,id+,ack+:0" },
		{ { .flags = SYN | URG | PSH | 0x40, .urgent = 1 },
			"4:64+0:0:0:0,0::df,id+,ecn,urgf+,pushf+:0" },
		{ { .urgent = 1 }, "4:64+0:0:0:0,0::df,id+,uptr+:0" },
		{ { OPTIONS("\2\4\5\xb4\0\0\0\0"), .window = 2920 },
			"4:64+0:0:1460:mss*2,0:mss,eol+3:df,id+:0" },
		{ { OPTIONS("\2\4\5\xb4\0\1\0\0"), .window = 3000 },
			"4:64+0:0:1460:mtu*2,0:mss,eol+3:df,id+,opt+:0" },
		{ { OPTIONS("\3\3\17\1"), .window = 1 }, "4:64+0:0:0:1,15:ws,nop:df,id+,exws:0" },
		{ { OPTIONS("\2\5\5\xb4\1\1\1\1"), .window = 1 },
			"4:64+0:0:1460:1,0:mss,nop,nop,nop,nop:df,id+,bad:0" },
		{ { OPTIONS("\114\1\0\0"), .window = 1 }, "4:64+0:0:0:1,0:?76:df,id+,bad:0" },
		{ { OPTIONS("\5\12\0\0\0\0\0\0\0\0\1\2"), .window = 1 },
			"4:64+0:0:0:1,0:sack,nop,mss:df,id+,bad:0" },
		{ { .flags = SYN | FIN }, "none" },
		{ { .flags = SYN | RST }, "none" },
		{ { .flags = ACK }, "none" },
		{ { .plain_ip = true, .id = 1, .fragment = 0x2000 }, "none" },
	};
	struct syn zero = { .window = 1, .seq = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(text_of_syn(&good[i].syn), good[i].text);
	assert_string_equal(text_of_syn(&zero), "4:64+0:0:0:1,0::df,id+:0");
	memset(b.at + 14 + 20 + 4, 0, 4);
	{
		struct frame frame;
		struct tcp_look look;

		frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &frame);
		assert_true(tcp_look_read(&frame, &frame.packet[0], &look));
		assert_int_equal(look.quirks, QUIRK_DF | QUIRK_ID_SET | QUIRK_SEQ_ZERO);
	}
}

/* Each in memory of its own size, so that a sanitizer sees a read past the end. */
static void test_every_prefix(void **state)
{
	static const struct syn syn = { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .payload = 4 };

	(void)state;
	syn_frame(&b, &syn);
	for (uint32_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct tcp_look look;
		struct frame frame;
		uint32_t timestamp;

		assert_non_null(copy);
		memcpy(copy, b.at, len);
		frame_parse(copy, len, FRAME_LINK_ETHERNET, &frame);
		for (unsigned i = 0; i < frame.n_packets; i++) {
			(void)tcp_look_read(&frame, &frame.packet[i], &look);
			(void)tcp_timestamp(&frame, &frame.packet[i], &timestamp);
		}
		free(copy);
	}
}

static const char *match_of(const struct syn *syn, uint16_t peer_mss)
{
	static char text[128];
	struct out o = out_make(text, sizeof(text));
	struct tcp_match m;
	struct tcp_look look;

	assert_true(look_at(syn, &look));
	tcp_match(set, &look, peer_mss, &m);
	if (m.label)
		out_fmt(&o, "%.*s %.*s", (int)m.label->name.len, m.label->name.at,
			(int)m.label->flavour.len, m.label->flavour.at);
	out_fmt(&o, "%s%s %u", m.label && m.label->generic ? " generic" : "",
		m.fuzzy ? " fuzzy" : "", m.hops);
	return text;
}

static void test_match(void **state)
{
	static const struct {
		struct syn syn;
		const char *match;
	} good[] = {
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240 }, "Linux new 0" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .ttl = 29 },
			"Linux new 35" },
		/* Farther than is believed, or a TTL above the first one. */
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .ttl = 28 },
			"Linux new fuzzy 4" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .ttl = 100 },
			"Linux new fuzzy 28" },
		/* Not the window of the specific one. */
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64241 }, "Linux any generic 0" },
		/* A router took DF away, another set ECN; one that added a push did not. */
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .plain_ip = true,
			  .id = 1 },
			"Linux new fuzzy 0" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .flags = SYN | 0x40 },
			"Linux new fuzzy 0" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .flags = SYN | PSH },
			" 0" },
		{ { OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, .payload = 1 }, " 0" },
		{ { OPTIONS(WINDOWS_OPTIONS), .window = 64240, .ttl = 120 }, "Windows 10 8" },
		{ { OPTIONS("\2\4\5\xb4"), .window = 1024, .ttl = 41, .plain_ip = true, .id = 9 },
			"scan  23" },
		/* No program's fits fuzzily. */
		{ { OPTIONS("\2\4\5\xb4"), .window = 1024, .ttl = 65, .plain_ip = true, .id = 9 },
			" 63" },
		{ { OPTIONS("\2\4\5\xb4"), .window = 3000 }, "Multiple  0" },
		{ { OPTIONS("\2\4\5\xb4"), .window = 3000, .ttl = 255 }, "Of MTU  0" },
	};
	struct syn answer = { OPTIONS("\2\4\5\xb4"), .flags = SYN | ACK, .ack = 1, .window = 13000,
		.plain_ip = true, .fragment = 0x4000 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(match_of(&good[i].syn, 0), good[i].match);
	/* Ten times the MSS that the client said. */
	assert_string_equal(match_of(&answer, 0), " 0");
	assert_string_equal(match_of(&answer, 1300), "Linux 4 0");
}

/* ---- clocks ---- */

static struct clock_reading at(int64_t ms, uint32_t timestamp)
{
	return (struct clock_reading){
		.ns = ms * 1000000, .timestamp = timestamp, .state = CLOCK_READ
	};
}

static uint32_t rate(int64_t ms, uint32_t from, uint32_t to)
{
	struct clock_reading a = at(0, from), c = at(ms, to);

	return clock_rate(&a, &c);
}

static void test_clock(void **state)
{
	struct clock clock = { 0 };
	struct ip one = address("192.0.2.1"), two = address("192.0.2.2");
	struct clock_reading now = at(1000000, 360000), other = at(1060000, 420010), wrong;

	(void)state;
	assert_int_equal(rate(100, 1000, 1100), 1000);
	assert_int_equal(rate(100, UINT32_MAX - 49, 50), 1000); /* over the end */
	assert_int_equal(rate(1000, 0, 260), 250);
	assert_int_equal(rate(1000, 0, 700), 700);
	assert_int_equal(rate(100, 0, 70), 0); /* no usual rate, and too short to tell */
	assert_int_equal(rate(24, 0, 24), 0);
	assert_int_equal(rate(600001, 0, 60000), 0);
	assert_int_equal(rate(1000, 0, 4), 0);
	assert_int_equal(rate(1000, 0, 1501), 0);
	assert_int_equal(rate(1000, 100, 0), 0); /* back */

	assert_true(clock_learn(&clock, &one, 1000, &now));
	assert_int_equal(clock.trust, CLOCK_ONCE);
	assert_int_equal(clock_up_minutes(&clock, &now), 6);
	assert_int_equal(clock_wrap_days(&clock), 49);
	assert_false(clock_learn(&clock, &one, 1000, &other));
	assert_true(clock_learn(&clock, &two, 1000, &other));
	assert_int_equal(clock.trust, CLOCK_AGAIN);
	assert_false(clock_contradicts(&clock, &now));
	wrong = at(1060000, 5000000);
	assert_true(clock_contradicts(&clock, &wrong));

	clock = (struct clock){ 0 };
	assert_true(clock_learn(&clock, &one, 1000, &now));
	assert_true(clock_learn(&clock, &two, 1000, &wrong));
	assert_int_equal(clock.trust, CLOCK_CHANGING);
	assert_false(clock_learn(&clock, &one, 1000, &now));
}

/* ---- what is told ---- */

static struct fingerprint *f;
static char told[8192];
static size_t told_len;
static int64_t now_ns;

static void put_text(struct out *o, const char *name, struct text text)
{
	if (text.len > 0)
		out_fmt(o, " %s=%.*s", name, (int)text.len, text.at);
}

static void on_record(void *context, const struct record *record)
{
	const struct event_fingerprint *e = &record->fingerprint;
	struct out o = out_make(told + told_len, sizeof(told) - told_len);
	char subject[IP_TEXT_MAX];

	(void)context;
	assert_int_equal(record->type, EVENT_FINGERPRINT);
	assert_int_equal(record->head.time_ns, now_ns);
	out_fmt(&o, "%.*s %s", (int)e->kind.len, e->kind.at, ip_text(&e->subject, subject));
	put_text(&o, "os", e->os);
	put_text(&o, "app", e->app);
	put_text(&o, "before", e->os_before);
	put_text(&o, "match", e->match);
	put_text(&o, "reason", e->reason);
	put_text(&o, "link", e->link);
	if (e->uptime_min)
		out_fmt(&o, " up=%u/%u", e->uptime_min, e->uptime_days);
	out_char(&o, '\n');
	assert_true(out_ok(&o));
	told_len += o.len;
}

static void begin(void)
{
	const struct fingerprint_setup setup = { .signatures = set, .emit = on_record };

	assert_int_equal(fingerprint_new(&setup, &f), 0);
	now_ns = 1000 * SECOND;
}

static void end(void)
{
	f = fingerprint_free(f);
	told_len = 0;
}

static void give(const struct syn *syn, uint64_t flow)
{
	struct fingerprint_frame taken = { .flow_id = flow, .wall_ns = now_ns };
	struct frame frame;

	syn_frame(&b, syn);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &frame);
	taken.frame = &frame;
	told[told_len] = '\0';
	fingerprint_take(f, &taken);
}

static void expect(const char *text)
{
	told[told_len] = '\0';
	assert_string_equal(told, text);
	told_len = 0;
}

#define LINUX(...)                                                               \
	{                                                                        \
		OPTIONS(LINUX_OPTIONS("\0\0\0\1")), .window = 64240, __VA_ARGS__ \
	}
#define WINDOWS(...)                                                               \
	{                                                                          \
		OPTIONS(WINDOWS_OPTIONS), .window = 64240, .ttl = 128, __VA_ARGS__ \
	}

static void test_told_once(void **state)
{
	struct syn syn = LINUX(), answer = { OPTIONS("\2\4\5\xb4"), .src = "198.51.100.2",
		.dst = "192.0.2.1", .sport = 80, .dport = 40000, .flags = SYN | ACK, .ack = 1,
		.window = 14600, .plain_ip = true, .fragment = 0x4000 };

	(void)state;
	begin();
	give(&syn, 1);
	expect("syn 192.0.2.1 os=Linux new\nmtu 192.0.2.1 link=Ethernet\n");
	give(&syn, 1); /* once more, and another one */
	syn.sport = 40001;
	give(&syn, 2);
	expect("");
	give(&answer, 2);
	expect("syn+ack 198.51.100.2 os=Linux 4\nmtu 198.51.100.2 link=Ethernet\n");
	give(&answer, 2);
	expect("");
	now_ns += FINGERPRINT_FORGET_NS + 1;
	give(&syn, 3);
	expect("syn 192.0.2.1 os=Linux new\nmtu 192.0.2.1 link=Ethernet\n");
	end();
}

static void test_looks_are_bounded(void **state)
{
	struct syn syn = { .plain_ip = true, .id = 9 };
	struct fingerprint_counts counts;

	(void)state;
	begin();
	for (unsigned i = 0; i < FINGERPRINT_LOOKS + 5; i++) {
		syn.window = 2000 + i;
		syn.seq = 77 + i;
		give(&syn, 1);
	}
	counts = fingerprint_counts(f);
	assert_int_equal(counts.told, FINGERPRINT_LOOKS);
	assert_int_equal(counts.untold, 5);
	end();
}

static void test_records_are_bounded(void **state)
{
	struct syn syn = { .plain_ip = true, .id = 9 };
	struct fingerprint_counts counts;
	char src[32];

	(void)state;
	begin();
	syn.src = src;
	for (unsigned i = 0; i < FINGERPRINT_RECORDS + 9; i++) {
		snprintf(src, sizeof(src), "10.0.%u.%u", i / 250, i % 250 + 1);
		give(&syn, i + 1);
		told_len = 0;
	}
	counts = fingerprint_counts(f);
	assert_int_equal(counts.told, FINGERPRINT_RECORDS);
	assert_int_equal(counts.untold, 9);
	now_ns += SECOND; /* it is told later */
	give(&syn, 7777);
	assert_int_equal(fingerprint_counts(f).told, FINGERPRINT_RECORDS + 1);
	/* More hosts than there is room for. */
	for (unsigned i = 0; i < 3 * FINGERPRINT_HOSTS; i++) {
		snprintf(
			src, sizeof(src), "10.%u.%u.%u", 1 + i / 62500, i / 250 % 250, i % 250 + 1);
		now_ns += SECOND / 100;
		give(&syn, 10000 + i);
		told_len = 0;
	}
	assert_int_equal(
		fingerprint_counts(f).told, FINGERPRINT_RECORDS + 1 + 3 * FINGERPRINT_HOSTS);
	end();
}

static void test_change_and_sharing(void **state)
{
	struct syn linux_syn = LINUX(), windows_syn = WINDOWS();
	uint64_t flow = 1;

	(void)state;
	begin();
	give(&linux_syn, flow++);
	told_len = 0;
	windows_syn.sport = 50000;
	give(&windows_syn, flow++);
	expect("syn 192.0.2.1 os=Windows 10\n"
	       "nat 192.0.2.1 os=Windows 10 before=Linux new match=change reason=os_sig\n");
	linux_syn.sport = 50001;
	give(&linux_syn, flow++);
	expect(""); /* a change has been told */
	windows_syn.sport = 50002;
	give(&windows_syn, flow++);
	expect("nat 192.0.2.1 os=Windows 10 before=Linux new match=sharing reason=os_sig\n");
	for (unsigned i = 0; i < 20; i++) { /* and that, too */
		linux_syn.sport = 51000 + i;
		give(&linux_syn, flow++);
		windows_syn.sport = 52000 + i;
		give(&windows_syn, flow++);
	}
	expect("");
	end();
}

/* Ports that counted up and go back, from farther away; one alone is no reason. */
static void test_ports_and_hops(void **state)
{
	struct syn syn = LINUX();

	(void)state;
	begin();
	for (unsigned i = 0; i < 8; i++) {
		syn.sport = 40000 + i;
		give(&syn, i + 1);
	}
	told_len = 0;
	syn.sport = 1024;
	give(&syn, 20);
	expect("");
	for (unsigned i = 0; i < 8; i++) {
		syn.sport = 1025 + i;
		give(&syn, 21 + i);
	}
	syn.sport = 1000;
	syn.ttl = 50;
	give(&syn, 40);
	expect("nat 192.0.2.1 os=Linux new before=Linux new match=change reason=ttl port\n");
	end();
}

static void give_http(const char *headers, bool response, uint64_t flow)
{
	const struct fingerprint_frame taken = { .flow_id = flow, .wall_ns = now_ns };
	const struct fingerprint_message message = { .response = response,
		.version = 1,
		.client = address("192.0.2.1"),
		.server = address("198.51.100.2"),
		.headers = headers,
		.len = strlen(headers) };

	fingerprint_http(f, &taken, &message);
}

static void test_http(void **state)
{
	struct syn windows_syn = WINDOWS();

	(void)state;
	begin();
	give(&windows_syn, 1);
	told_len = 0;
	give_http("Host: x\r\nUser-Agent: Tool/1 (Linux)\r\n\r\n", false, 1);
	expect("http request 192.0.2.1 app=Tool 1\n"
	       "nat 192.0.2.1 os=Windows 10 before=Windows 10 match=change "
	       "reason=app_vs_os us_vs_os\n");
	give_http("Host: x\r\nUser-Agent: other\r\n\r\n", false, 1); /* not the first */
	expect("");
	give_http("Server: other\r\n\r\n", true, 1);
	expect("http response 198.51.100.2 app=Server match=dishonest\n");
	give_http("Host: x\r\nUser-Agent: Tool/1 (Linux)\r\nX-Forwarded-For: 1\r\n\r\n", false, 2);
	expect("");
	give_http("Host: x\r\nUser-Agent: Tool/1 (Linux)\r\nX-Forwarded-For: 1\r\n\r\n", false, 3);
	expect("nat 192.0.2.1 os=Windows 10 before=Windows 10 match=sharing "
	       "reason=app_vs_os us_vs_os via\n");
	end();
}

/* The clock of one that counts for each host on its own is found out. */
static void test_uptime(void **state)
{
	struct syn syn = { OPTIONS(LINUX_OPTIONS("\0\1\0\0")), .window = 64240 },
		   later = { OPTIONS("\1\1\10\12\0\1\1\364\0\0\0\0"), .flags = ACK, .ack = 1,
			   .seq = 1001 },
		   other = { OPTIONS(LINUX_OPTIONS("\60\1\0\0")), .window = 64240,
			   .dst = "198.51.100.3", .sport = 40001 },
		   other_later = { OPTIONS("\1\1\10\12\60\1\1\364\0\0\0\0"), .flags = ACK, .ack = 1,
			   .seq = 1001, .dst = "198.51.100.3", .sport = 40001 };

	(void)state;
	begin();
	give(&syn, 1);
	told_len = 0;
	now_ns += SECOND / 2;
	give(&later, 1);
	expect("uptime 192.0.2.1 match=once up=1/49\n");
	now_ns += SECOND / 2;
	give(&later, 1);
	expect("");
	give(&other, 2);
	now_ns += SECOND / 2;
	give(&other_later, 2);
	expect("uptime 192.0.2.1 match=changing\n");
	end();
}

/* Programs say nothing of the system behind them. */
static void test_program(void **state)
{
	struct syn syn = { OPTIONS("\2\4\5\xb4"), .window = 1024, .ttl = 41, .plain_ip = true,
		.id = 9 },
		   linux_syn = LINUX(.sport = 40001);

	(void)state;
	begin();
	give(&linux_syn, 1);
	told_len = 0;
	give(&syn, 2);
	expect("syn 192.0.2.1 app=scan match=random_ttl\n");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_looks_are_bounded),
		cmocka_unit_test(test_records_are_bounded),
		cmocka_unit_test(test_change_and_sharing),
		cmocka_unit_test(test_ports_and_hops),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
