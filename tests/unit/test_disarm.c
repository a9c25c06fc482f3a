/* SPDX-License-Identifier: Apache-2.0 */
/* The engine itself inline: rules as they are written, and what of an attack arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect_receiver.h"
#include "rules/compile.h"
#include "rules/parse.h"

/* Know Your Enemy: Honeynets, figure 3; with a parenthesis at its end. */
#define FIGURE_3                                                                             \
	"alert tcp $HONEYNET any -> $EXTERNAL_NET 53 (msg:\"DNS EXPLOIT named\";flags: A+; " \
	"content:\"|CD80 E8D7 FFFFFFFF|/bin/sh\"; replace:\"|0000 E8D7 FFFFFFFF|/ben/sh\";)"
#define EXPLOIT  "\xcd\x80\xe8\xd7\xff\xff\xff\xff/bin/sh"
#define DISARMED "\0\0\xe8\xd7\xff\xff\xff\xff/ben/sh"
#define BEFORE   "\x12\x34 a question "
#define BEHIND   " and what follows it"
static const char attack[] = BEFORE EXPLOIT BEHIND;
static const char harmless[] = BEFORE DISARMED BEHIND;
enum { AT = sizeof(BEFORE) - 1, LEN = sizeof(EXPLOIT) - 1, ATTACK = sizeof(attack) - 1 };

static void *image;
static struct rules *rules;
static uint64_t flow;

static void load(const char *text)
{
	struct rules_text *read;
	size_t size;

	assert_int_equal(rules_text_new(&read), 0);
	assert_int_equal(rules_text_set(read, "HONEYNET", "[10.0.0.0/8,2001:db8::1]"), 0);
	assert_int_equal(rules_text_set(read, "EXTERNAL_NET", "!$HONEYNET"), 0);
	assert_int_equal(rules_text_read(read, "test", text, strlen(text)), 0);
	assert_int_equal(read->n_faults, 0);
	assert_int_equal(rules_compile(read, &image, &size), 0);
	assert_int_equal(rules_open(image, size, &rules), 0);
	rules_text_free(read);
	memset(&b, 0, sizeof(b));
	plan.text = attack;
	plan.len = ATTACK;
	plan.never = EXPLOIT;
	plan.never_len = LEN;
	bench_open(
		&b, &(struct inspect_setup){ .is_inline = true, .rules = rules, .flows_max = 64 });
	b.port = 53;
	flow = 0;
}

static void unload(void)
{
	stop();
	rules = rules_close(rules);
	free(image);
}

static void begin(void)
{
	inspect_end_flow(b.inspect, b.flow, NULL);
	pump();
	start_flow(++flow, 0xffffffe0);
	handshake();
}

static void assert_arrived(const char *bytes)
{
	assert_int_equal(got.next, ATTACK);
	assert_memory_equal(got.first, bytes, ATTACK);
	assert_memory_equal(got.last, bytes, ATTACK);
	assert_int_equal(got.dropped, 0);
	assert_int_equal(b.told.hits, 1);
}

static void test_figure_3(void **state)
{
	(void)state;
	load(FIGURE_3);
	for (int v6 = 0; v6 < 2; v6++) {
		b.v6 = v6;
		begin();
		send_part(0, ATTACK);
		assert_arrived(harmless);
		for (uint32_t at = AT; at <= AT + LEN; at++) {
			begin();
			send_part(0, at);
			send_part(at, ATTACK);
			assert_arrived(harmless);
			begin();
			send_part(at, ATTACK);
			send_part(0, at);
			assert_arrived(harmless);
		}
		begin();
		for (uint32_t i = 0; i < ATTACK; i++)
			send_part(i, i + 1);
		assert_arrived(harmless);
		begin();
		for (uint32_t i = ATTACK; i > 0; i--)
			send_part(i - 1, i);
		assert_arrived(harmless);
	}
	unload();
}

static void test_slow(void **state)
{
	(void)state;
	load(FIGURE_3);
	for (uint32_t at = AT + 1; at < AT + LEN; at++) {
		begin();
		send_part(0, at);
		later(40 * MS);
		send_part(at, ATTACK);
		later(40 * MS);
		assert_int_equal(got.next, ATTACK);
		assert_int_equal(got.dropped, 0);
		assert_int_equal(b.told.hits, 1);
		assert_memory_equal(got.first, BEFORE, AT);
		assert_memory_equal(got.first + AT + LEN, BEHIND, sizeof(BEHIND) - 1);
	}
	begin(); /* a byte at a time, each later than a frame may be held */
	for (uint32_t i = 0; i < ATTACK; i++) {
		send_part(i, i + 1);
		later(40 * MS);
	}
	assert_int_equal(got.next, ATTACK);
	unload();
}

/* Ten minutes between pieces that were all acknowledged, in many conversations at once: none arrives whole, none
 * is ended, and what is kept of them is their pieces. */
static void test_ten_minutes(void **state)
{
	enum { FLOWS = 64 };
	static const uint32_t cut[] = { 0, AT + 1, AT + 6, AT + LEN - 1, ATTACK };
	struct inspect_counts counts;

	(void)state;
	load(FIGURE_3);
	for (unsigned piece = 0; piece < 4; piece++) {
		for (flow = 1; flow <= FLOWS; flow++) {
			start_flow(flow, 1000);
			if (piece == 0)
				handshake();
			else
				receive_payload(&(struct frame_packet){ .tcp_seq = 1000 },
					(const uint8_t *)attack, cut[piece]);
			send_part(cut[piece], cut[piece + 1]);
			later(40 * MS);
			acknowledge();
			assert_int_equal(got.next, cut[piece + 1]);
			assert_int_equal(got.dropped, 0);
		}
		assert_int_equal(b.told.hits, piece == 3 ? 1 : 0);
		later(600 * SECOND);
		inspect_counts(b.inspect, &counts);
		assert_int_equal(counts.flows, FLOWS);
		assert_int_equal(counts.held, 0);
		assert_true(counts.pool_used <= FLOWS * 4096);
	}
	for (flow = 1; flow <= FLOWS; flow++)
		inspect_end_flow(b.inspect, flow, NULL);
	unload();
}

static void test_other_copy(void **state)
{
	(void)state;
	load(FIGURE_3);
	begin();
	send_part(0, AT + 5);
	send_data(AT - 2, ACK, "................", 16);
	send_part(0, ATTACK);
	finish_as_sender();
	assert_int_equal(got.next, ATTACK);
	assert_memory_equal(got.first, got.last, ATTACK);
	assert_memory_equal(got.first, BEFORE, AT);
	unload();
}

/* Twice in one stream, and once more: each is another place. */
static void test_again(void **state)
{
	(void)state;
	load(FIGURE_3);
	begin();
	for (uint32_t i = 0; i < 3; i++)
		send_data(i * ATTACK, ACK, attack, ATTACK);
	assert_int_equal(got.next, 3 * ATTACK);
	for (uint32_t i = 0; i < 3; i++)
		assert_memory_equal(got.last + i * ATTACK, harmless, ATTACK);
	unload();
}

static void test_udp(void **state)
{
	(void)state;
	load("alert udp $HONEYNET any -> any 53 (content:\"|CD80 E8D7 FFFFFFFF|/bin/sh\"; "
	     "replace:\"|0000 E8D7 FFFFFFFF|/ben/sh\"; sid:1;)");
	begin();
	udp_frame(&f, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 53, ATTACK);
	memcpy(f.at + f.len - ATTACK, attack, ATTACK);
	sums_fix(f.at, f.len);
	assert_int_equal(give(&b, &f, 0, &parsed).verdict, INSPECT_CHANGED);
	assert_memory_equal(f.at + f.len - ATTACK, harmless, ATTACK);
	frame_parse(f.at, f.len, FRAME_LINK_ETHERNET, &parsed);
	assert_int_equal(sums_wrong(&parsed), 0);
	unload();
}

static void test_drop(void **state)
{
	static const char *const action[] = { "drop", "reject" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char text[200];

		snprintf(text, sizeof(text),
			"%s tcp $HONEYNET any -> any 53 (content:\"/bin/sh\"; sid:1;)", action[i]);
		load(text);
		begin();
		send_part(0, AT + 10);
		assert_int_equal(send_part(AT + 10, ATTACK), i ? INSPECT_REJECT : INSPECT_DROP);
		assert_int_equal(send_part(0, ATTACK), INSPECT_DROP);
		plan.never = "/bin/sh";
		plan.never_len = 7;
		later(SECOND);
		unload();
	}
}

/* More requests than are followed, and then the one: what can no longer be read does not leave where a rule might
 * have had to stop it, and leaves where none might. */
static void test_beyond_limits(void **state)
{
	static const struct {
		const char *rule;
		bool stops;
	} cases[] = {
		{ "drop http $HONEYNET any -> any 53 (http.uri; content:\"/evil\"; sid:1;)", true },
		{ "drop dns $HONEYNET any -> any 53 (dns.query; content:\"evil\"; sid:1;)", false },
		{ "alert http $HONEYNET any -> any 53 (http.uri; content:\"/evil\"; sid:1;)",
			false },
	};
	static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			  last[] = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n";
	const uint32_t len = sizeof(request) - 1, n = PROTO_TX_MAX + 8;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(cases[i].rule);
		begin();
		for (uint32_t k = 0; k < n; k++)
			send_data(k * len, ACK, request, len);
		assert_int_equal(send_data(n * len, ACK, last, sizeof(last) - 1),
			cases[i].stops ? INSPECT_DROP : INSPECT_PASS);
		assert_int_equal(got.dropped > 0, cases[i].stops);
		assert_int_equal(b.told.hits, 0);
		unload();
	}
}

/* An intruder's own server announces a connection for a file: it is read as what it is. */
static void test_announced(void **state)
{
	static const char *const said[] = { "220 hello\r\n", "USER x\r\n", "230 in\r\n", "PASV\r\n",
		"227 Entering Passive Mode (192,0,2,9,0,80)\r\n", "STOR name\r\n" };
	static const char *const data[] = { "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n",
		"\x7f"
		"ELF and what is evil in it" };
	uint32_t offset[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		load(i ? "drop ftp-data $HONEYNET any -> any 80 (file.data; content:\"evil\"; "
			 "sid:1;)"
		       : "drop http $HONEYNET any -> any 80 (http.uri; content:\"/evil\"; sid:1;)");
		b.port = 21;
		begin();
		offset[0] = offset[1] = 0;
		for (unsigned k = 0; k < sizeof(said) / sizeof(said[0]); k++) {
			unsigned side = k % 2 == 0;

			tcp_of(&b, &f, side, offset[side], ACK, said[k], (unsigned)strlen(said[k]));
			assert_int_equal(give_now(side), INSPECT_PASS);
			offset[side] += (uint32_t)strlen(said[k]);
			b.acked[side] = offset[side];
		}
		assert_int_equal(inspect_app(b.inspect, b.flow), PROTO_FTP);
		start_flow(++flow, 5000);
		b.port = 80;
		handshake();
		assert_int_equal(
			send_data(0, ACK, data[i], (uint32_t)strlen(data[i])), INSPECT_DROP);
		inspect_end_flow(b.inspect, flow - 1, NULL);
		unload();
	}
}

/* An RST that its receiver does not believe, or that both ends ignore, ends nothing. */
static void test_behind_rst(void **state)
{
	static const char first[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			  last[] = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n";
	const uint32_t at = sizeof(first) - 1;
	static const struct {
		unsigned side;
		uint32_t offset;
		bool peer_goes_on;
	} rst[] = { { 0, 1, false }, { 0, 0, false }, { 1, 0, false }, { 1, 0, true },
		{ 1, 7, false }, { 0, 7, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rst) / sizeof(rst[0]); i++) {
		load("drop http $HONEYNET any -> any 53 (http.uri; content:\"/evil\"; sid:1;)");
		begin();
		assert_int_equal(send_data(0, ACK, first, at), INSPECT_PASS);
		tcp_of(&b, &f, rst[i].side, rst[i].offset + (rst[i].side ? 0 : at), RST | ACK, "",
			0);
		assert_int_equal(give_now(rst[i].side), INSPECT_PASS);
		tcp_of(&b, &f, 1, 0, ACK, "", 0);
		if (rst[i].peer_goes_on)
			assert_int_equal(give_now(1), INSPECT_PASS);
		assert_int_equal(send_data(at, ACK, last, sizeof(last) - 1), INSPECT_DROP);
		unload();
	}
}

static void put_frame(struct bytes *to, unsigned type, unsigned flags, unsigned stream,
	const char *payload, unsigned len)
{
	put8(to, 0);
	put16(to, len);
	put8(to, type);
	put8(to, flags);
	put32(to, stream);
	put(to, payload, len);
}

/* The same within a connection that goes on: more streams of HTTP/2 are open than are followed. */
static void test_beyond_streams(void **state)
{
	enum { HEADERS = 1, END_HEADERS = 4 };
	static const char plain[] = "\x83\x84", evil[] = "\x83\4\5/evil"; /* RFC 7541: POST / */
	static struct bytes out;
	uint32_t first;

	(void)state;
	for (unsigned streams = 8; streams <= 120; streams += 112) {
		load("drop http $HONEYNET any -> any 53 (http.uri; content:\"/evil\"; sid:1;)");
		begin();
		out.len = 0;
		put(&out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
		for (unsigned i = 0; i < streams; i++)
			put_frame(&out, HEADERS, END_HEADERS, 2 * i + 1, plain, 2);
		first = out.len;
		send_data(0, ACK, (const char *)out.at, first);
		put_frame(&out, HEADERS, END_HEADERS, 2 * streams + 1, evil, sizeof(evil) - 1);
		assert_int_equal(
			send_data(first, ACK, (const char *)out.at + first, out.len - first),
			INSPECT_DROP);
		assert_int_equal(b.told.hits, streams == 8);
		unload();
	}
}

static uint64_t seed;
static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

/* Any cuts, in any order: what a quick sender sends arrives as the rule says. */
static void test_random(void **state)
{
	(void)state;
	load(FIGURE_3);
	for (unsigned run = 1; run <= 5000; run++) {
		uint32_t cut[ATTACK + 1], n = 0, most = 1 + dice(12);

		seed = run;
		begin();
		for (uint32_t at = 0; at < ATTACK; at += 1 + dice(most))
			cut[n++] = at;
		cut[n] = ATTACK;
		for (uint32_t i = 0; i < 3 * n && got.next < ATTACK; i++) {
			uint32_t k = dice(n);

			send_part(cut[k], cut[k + 1]);
		}
		for (uint32_t k = 0; k < n; k++)
			send_part(cut[k], cut[k + 1]);
		assert_int_equal(got.next, ATTACK);
		assert_memory_equal(got.first, harmless, ATTACK);
		assert_memory_equal(got.last, harmless, ATTACK);
		assert_int_equal(b.told.hits, 1);
	}
	unload();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figure_3),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_ten_minutes),
		cmocka_unit_test(test_other_copy),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_beyond_limits),
		cmocka_unit_test(test_beyond_streams),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_behind_rst),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
