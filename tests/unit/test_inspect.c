/* SPDX-License-Identifier: Apache-2.0 */
/* Passive: what the rules are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect_bench.h"
#include "inspect_fake.h"

static struct bench b;
static struct bytes f;
static struct frame parsed;

static void start(const char *text, const struct inspect_setup *setup)
{
	struct inspect_setup with_rules = *setup;

	memset(&b, 0, sizeof(b));
	rules = (struct rules){ .text = text };
	with_rules.rules = &rules;
	bench_open(&b, &with_rules);
}

static void send_tcp(unsigned side, int64_t offset, unsigned flags, const char *data)
{
	tcp_of(&b, &f, side, offset, flags, data, (unsigned)strlen(data));
	assert_int_equal(give(&b, &f, side, &parsed).verdict, INSPECT_PASS);
}

static void send_ack(unsigned side, int64_t offset, uint32_t peer_offset)
{
	b.acked[!side] = peer_offset;
	send_tcp(side, offset, ACK, "");
}

static void handshake(void)
{
	send_tcp(0, 0, SYN, "");
	assert_false(rules.last.established);
	send_tcp(1, 0, SYN | ACK, "");
	assert_false(rules.last.established);
	send_ack(0, 0, 0);
	assert_true(rules.last.established);
}

static const struct inspect_setup plain = { .flows_max = 16 };

static void test_split(void **state)
{
	(void)state;
	start("attack", &plain);
	handshake();
	send_tcp(0, 0, ACK, "this att");
	assert_int_equal(b.told.hits, 0);
	send_tcp(0, 8, ACK, "ack ends");
	assert_int_equal(b.told.hits, 1);
	assert_int_equal(rules.last.offset, 0);
	assert_int_equal(rules.last.fresh, 8);
	assert_int_equal(rules.last.len, 16);
	assert_int_equal(rules.last.stream_bytes[0], 17);
	assert_int_equal(rules.last.flow_packets[0], 4);
	send_tcp(0, 8, ACK, "ack ends");
	assert_int_equal(b.told.hits, 1);
	bench_close(&b);
}

static void test_order(void **state)
{
	(void)state;
	start("attack", &plain);
	b.seq[0] = 0xfffffffd;
	handshake();
	send_tcp(0, 4, ACK, "ck");
	send_tcp(0, 2, ACK, "ta");
	assert_int_equal(b.told.hits, 0);
	send_tcp(0, 0, ACK, "atXX");
	assert_int_equal(b.told.hits, 1);
	assert_int_equal(b.told.packet, b.packet);
	send_tcp(1, 0, ACK, "attack");
	assert_int_equal(b.told.hits, 2);
	assert_int_equal(rules.last.side, 1);
	bench_close(&b);
}

/* What refers to a packet refers to the one by which the peer has the bytes. */
static void test_when_acked(void **state)
{
	(void)state;
	start("attack", &(struct inspect_setup){ .when_acked = true });
	handshake();
	send_tcp(0, 0, ACK, "this attack ends");
	assert_int_equal(b.told.hits, 0);
	send_ack(1, 0, 8);
	assert_int_equal(b.told.hits, 0);
	assert_int_equal(rules.last_stream.len, 8);
	send_ack(1, 0, 11);
	assert_int_equal(b.told.hits, 1);
	assert_int_equal(b.told.packet, 6);
	assert_int_equal(rules.last_stream.side, 0);
	assert_int_equal(rules.last_stream.len, 11);
	bench_close(&b);
}

/* What the peer never acknowledges is looked at as well: when there is too much of it, by a reset, at the end. */
static void test_never_acked(void **state)
{
	static char data[1400];

	(void)state;
	start("attack", &(struct inspect_setup){ .when_acked = true });
	handshake();
	send_tcp(0, 0, ACK, "attack");
	memset(data, 'x', sizeof(data) - 1);
	for (unsigned i = 0; i <= INSPECT_SKIP_BYTES / 1399; i++)
		send_tcp(0, 6 + i * 1399, ACK, data);
	assert_int_equal(b.told.hits, 1);
	b.flow = 2;
	handshake();
	send_tcp(0, 0, ACK, "attack");
	send_tcp(1, 0, ACK, "attack");
	assert_int_equal(b.told.hits, 1);
	send_tcp(1, 6, RST, "");
	assert_int_equal(b.told.hits, 3);
	b.flow = 3;
	handshake();
	send_tcp(0, 0, ACK | FIN, "attack");
	assert_int_equal(b.told.hits, 3);
	inspect_end_flow(b.inspect, b.flow, NULL);
	assert_int_equal(b.told.hits, 4);
	bench_close(&b);
}

/* Bytes that never came are given up when the peer has them, or at the end. */
static void test_gap(void **state)
{
	struct inspect_counts counts;

	(void)state;
	start("attack", &plain);
	handshake();
	send_tcp(0, 100, ACK, "atta");
	send_ack(1, 0, 104);
	assert_int_equal(b.told.hits, 0);
	send_tcp(0, 104, ACK, "ck");
	assert_int_equal(b.told.hits, 1);
	send_tcp(0, 200, ACK, "attack");
	assert_int_equal(b.told.hits, 1);
	inspect_end_flow(b.inspect, b.flow, NULL);
	assert_int_equal(b.told.hits, 2);
	assert_int_equal(rules.looks[RULES_FLOW_END], 2);
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.missed, 100 + 94);
	assert_int_equal(counts.flows, 0);
	assert_int_equal(counts.pool_used, 0);
	bench_close(&b);
}

static void test_gap_without_acknowledgement(void **state)
{
	static char data[1400];

	(void)state;
	start("attack", &plain);
	handshake();
	memset(data, 'x', sizeof(data) - 1);
	for (unsigned i = 0; i < 2 * INSPECT_SKIP_BYTES / 1399; i++)
		send_tcp(0, 10 + i * 1399, ACK, data);
	send_tcp(0, 10 + 2 * INSPECT_SKIP_BYTES / 1399 * 1399, ACK, "attack");
	assert_int_equal(b.told.hits, 1);
	/* numbers that went elsewhere altogether */
	for (unsigned i = 0; i < 10; i++)
		send_tcp(0, 50000000 + i * 6, ACK, "attack");
	assert_true(b.told.hits >= 3);
	bench_close(&b);
}

static void test_midstream(void **state)
{
	(void)state;
	start("attack", &plain);
	send_tcp(0, 0, ACK, "attack");
	assert_int_equal(b.told.hits, 0);
	assert_int_equal(rules.looks[RULES_PACKET], 1);
	bench_close(&b);
	start("attack", &(struct inspect_setup){ .midstream = true });
	send_tcp(0, 1000, ACK, "atta");
	send_tcp(1, 1000, ACK, "data");
	send_tcp(0, 1004, ACK, "ck");
	assert_int_equal(b.told.hits, 1);
	assert_true(rules.last.established);
	bench_close(&b);
}

static void test_depth(void **state)
{
	(void)state;
	start("attack", &(struct inspect_setup){ .depth = 10 });
	handshake();
	send_tcp(0, 0, ACK, "attack ...");
	send_tcp(0, 10, ACK, "attack");
	assert_int_equal(b.told.hits, 1);
	bench_close(&b);
}

static void test_udp(void **state)
{
	(void)state;
	start("attack", &plain);
	udp_frame(&f, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 53, 6);
	memcpy(f.at + f.len - 6, "attack", 6);
	give(&b, &f, 0, &parsed);
	assert_int_equal(b.told.hits, 1);
	assert_false(rules.last.established);
	udp_frame(&f, 1, 2, "192.0.2.9", 53, "10.0.0.1", 1000, 6);
	give(&b, &f, 1, &parsed);
	assert_true(rules.last.established);
	assert_int_equal(rules.last.flow_packets[0] + rules.last.flow_packets[1], 2);
	icmp_frame(&f, 2, 1, "10.0.0.1", "192.0.2.9", 8, 0, 77);
	put(&f, "attack", 6);
	f.at[17] = (uint8_t)(f.at[17] + 6);
	b.flow = 0;
	give(&b, &f, 0, &parsed);
	assert_int_equal(b.told.hits, 2);
	assert_null(rules.last.flow);
	arp_frame(&f, 2, 1, 1, "10.0.0.1", "10.0.0.2");
	give(&b, &f, 0, &parsed);
	assert_int_equal(rules.looks[RULES_PACKET], 4);
	assert_null(rules.last.packet);
	bench_close(&b);
}

/* The packet inside, which ends the frame. */
static void put_inner(
	bool back, unsigned sport, unsigned dport, uint32_t seq, unsigned flags, const char *data)
{
	unsigned len = (unsigned)strlen(data);

	put_ip4(&f, back ? "10.9.9.2" : "10.9.9.1", back ? "10.9.9.1" : "10.9.9.2", 6, 20 + len, 7,
		0);
	put_tcp(&f, sport, dport, seq, flags);
	put(&f, data, len);
	sums_fix(f.at, f.len);
}

static void send_inner(
	unsigned sport, unsigned dport, uint32_t seq, unsigned flags, const char *data)
{
	unsigned len = (unsigned)strlen(data);

	put_ethernet(&f, 2, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, 40 + len, 7, 0);
	put_inner(sport == 80, sport, dport, seq, flags, data);
	give(&b, &f, 0, &parsed);
}

/* IP in IP: a conversation of its own, with its own sides. */
static void test_tunnel(void **state)
{
	struct inspect_counts counts;

	(void)state;
	start("attack", &plain);
	send_inner(1000, 80, 10, SYN, "");
	send_inner(80, 1000, 99, SYN | ACK, "");
	send_inner(1000, 80, 11, ACK, "att");
	send_inner(1000, 80, 14, ACK, "ack");
	assert_int_equal(b.told.hits, 1);
	assert_true(rules.last_stream.established);
	assert_int_equal(rules.last_stream.side, 0);
	send_inner(80, 1000, 100, ACK, "answer");
	assert_int_equal(rules.last_stream.side, 1);
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.flows, 2);
	bench_close(&b);
}

/* The same, captured in another order: who is answered began. */
static void test_tunnel_answer_first(void **state)
{
	(void)state;
	start("attack", &plain);
	send_inner(80, 1000, 99, SYN | ACK, "");
	send_inner(1000, 80, 10, SYN, "");
	send_inner(1000, 80, 11, ACK, "att");
	send_inner(1000, 80, 14, ACK, "ack");
	assert_int_equal(b.told.hits, 1);
	assert_true(rules.last_stream.established);
	assert_int_equal(rules.last_stream.side, 0);
	send_inner(80, 1000, 100, ACK, "answer");
	assert_int_equal(rules.last_stream.side, 1);
	bench_close(&b);
}

static void send_vxlan(
	unsigned sport, unsigned dport, uint32_t seq, unsigned flags, const char *data)
{
	unsigned len = (unsigned)strlen(data);
	bool back = sport == 80;

	put_ethernet(&f, 2, 1, 0x0800);
	put_ip4(&f, back ? "192.0.2.9" : "10.0.0.1", back ? "10.0.0.1" : "192.0.2.9", 17,
		8 + 8 + 14 + 40 + len, 7, 0);
	put_udp(&f, back ? 50001 : 50002, 4789, 8 + 14 + 40 + len);
	put(&f, "\x08\0\0\0\0\0\7", 8);
	put(&f, "\2\0\0\0\0\1\2\0\0\0\0\2\x08", 14);
	put_inner(back, sport, dport, seq, flags, data);
	b.flow = back ? 2 : 1;
	give(&b, &f, 0, &parsed);
}

/* VXLAN: each way is an outer conversation, from a port of the sender's choice. What is inside is one. */
static void test_tunnel_one_way(void **state)
{
	struct inspect_counts counts;

	(void)state;
	start("attack", &plain);
	send_vxlan(1000, 80, 10, SYN, "");
	send_vxlan(80, 1000, 99, SYN | ACK, "");
	send_vxlan(1000, 80, 11, ACK, "att");
	send_vxlan(1000, 80, 14, ACK, "ack");
	assert_int_equal(rules.last_stream.side, 0);
	assert_true(rules.last_stream.established);
	send_vxlan(80, 1000, 100, ACK, "answer");
	assert_int_equal(rules.last_stream.side, 1);
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.flows, 3);
	bench_close(&b);
}

/* The one idle longest goes, and what waited in it is decided. */
static void test_eviction(void **state)
{
	struct inspect_counts counts;

	(void)state;
	start("attack", &plain);
	for (b.flow = 1; b.flow <= 16; b.flow++)
		handshake();
	b.flow = 1;
	send_tcp(0, 1, ACK, "attack"); /* behind a gap */
	for (b.flow = 20; b.flow < 35; b.flow++)
		handshake();
	assert_int_equal(b.told.hits, 0);
	handshake();
	assert_int_equal(b.told.hits, 1);
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.evicted, 16);
	assert_int_equal(counts.flows, 16);
	bench_close(&b);
}

/* RSTs with other numbers than the next one, which no receiver believes, and one that both ends left out. */
static void test_behind_rst(void **state)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			  answer[] = "HTTP/1.1 204 No\r\n\r\n";
	const int64_t n = sizeof(ask) - 1, m = sizeof(answer) - 1;
	struct inspect_flow_facts facts;

	(void)state;
	start("attack", &plain);
	handshake();
	for (unsigned i = 0; i < 3; i++) {
		send_tcp(0, n * i, ACK, ask);
		send_tcp(1, m * i, ACK, answer);
		send_tcp(0, n * (i + 1) + 1, RST | ACK, "");
		send_tcp(1, m * (i + 1) + 1, RST, "");
	}
	assert_int_equal(inspect_facts(b.inspect, b.flow).transactions, 3);
	send_tcp(0, n * 3, RST, "");
	send_tcp(1, m * 3, ACK, "on its way");
	assert_int_equal(inspect_app(b.inspect, b.flow), PROTO_HTTP);
	send_tcp(0, n * 3, ACK, ask);
	send_tcp(1, m * 3 + 10, ACK, answer);
	inspect_end_flow(b.inspect, b.flow, &facts);
	assert_int_equal(facts.transactions, 4);
	assert_int_equal(facts.app, PROTO_HTTP);
	bench_close(&b);
}

static unsigned asked;
static void count_asked(void *context, const struct inspect_frame *frame, struct proto_tx *tx)
{
	struct proto_bytes host;

	(void)context;
	(void)frame;
	asked += proto_tx_buffer(tx, BUFFER_HTTP_HOST, 0, &host);
}

/* A FIN beyond what its receiver takes, which he leaves out; and one that came before the bytes in front of it. */
static void test_early_fin(void **state)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			  answer[] = "HTTP/1.1 204 No\r\n\r\n";
	const int64_t n = sizeof(ask) - 1, m = sizeof(answer) - 1;

	(void)state;
	for (unsigned when_acked = 0; when_acked < 2; when_acked++) {
		start("attack",
			&(struct inspect_setup){ .on_tx = count_asked, .when_acked = when_acked });
		for (b.flow = 1; b.flow <= 2; b.flow++) {
			const unsigned last = b.flow == 1 ? 4 : 3;

			b.acked[0] = b.acked[1] = 0;
			handshake();
			send_tcp(0, b.flow == 1 ? 2 * n + 5 : 3 * n, FIN | ACK, "");
			asked = 0;
			for (unsigned i = 0; i < last; i++) {
				send_tcp(0, n * i, ACK, ask);
				b.acked[0] = (uint32_t)(n * (i + 1)) + (b.flow == 2 && i == 2);
				send_tcp(1, m * i, ACK, answer);
				b.acked[1] = (uint32_t)(m * (i + 1));
			}
			send_tcp(0, n * last + (b.flow == 2), ACK, "");
			assert_int_equal(asked, last);
		}
		b.flow = 2;
		send_tcp(0, n * 3, ACK, ask); /* it was the end */
		b.acked[0] = (uint32_t)(n * 4);
		send_tcp(1, m * 3, ACK, answer);
		send_ack(0, n * 4, (uint32_t)(m * 4));
		assert_int_equal(asked, 3);
		bench_close(&b);
	}
}

static char file[64];
static void on_file(void *context, const struct inspect_frame *frame, const struct proto_file *part,
	const uint8_t *bytes, size_t len)
{
	(void)context;
	assert_int_equal(frame->flow_id, 2);
	snprintf(file + strlen(file), sizeof(file) - strlen(file), "%.*s%.*s", (int)len,
		(const char *)bytes, part->end ? (int)part->name_len : 0, part->name);
}

/* A data connection is known by what the other one said. */
static void test_ftp(void **state)
{
	static const char *const said[] = { "220 hello\r\n", "USER x\r\n", "331 password\r\n",
		"PASS y\r\n", "230 in\r\n", "PASV\r\n",
		"227 Entering Passive Mode (192,0,2,9,19,137)\r\n", "RETR name\r\n" };
	int64_t offset[2] = { 0, 0 };

	(void)state;
	memset(file, 0, sizeof(file));
	start("attack", &(struct inspect_setup){ .on_file = on_file });
	b.port = 21;
	handshake();
	for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		unsigned side = i % 2 == 0;

		send_tcp(side, offset[side], ACK, said[i]);
		offset[side] += (int64_t)strlen(said[i]);
	}
	assert_int_equal(inspect_app(b.inspect, 1), PROTO_FTP);
	b.flow = 2;
	b.port = 19 * 256 + 137;
	handshake();
	send_tcp(1, 0, ACK, "GET / HTTP/1.0 attack");
	assert_int_equal(inspect_app(b.inspect, 2), PROTO_FTP_DATA);
	assert_int_equal(b.told.hits, 1);
	inspect_end_flow(b.inspect, 2, NULL);
	assert_string_equal(file, "GET / HTTP/1.0 attackname");
	b.flow = 3; /* it comes only once */
	handshake();
	send_tcp(1, 0, ACK, "anything");
	assert_int_not_equal(inspect_app(b.inspect, 3), PROTO_FTP_DATA);
	bench_close(&b);
}

static enum proto_id app_of_connection(uint64_t flow, unsigned port)
{
	b.flow = flow;
	b.port = port;
	handshake();
	send_tcp(1, 0, ACK, "GET / HTTP/1.0");
	return inspect_app(b.inspect, flow);
}

static void hear_offers(const struct inspect_setup *setup)
{
	static const char offers[] =
		":srv 001 bob :hi\r\n:al!a@h PRIVMSG bob :\1DCC SEND x 3221225993 4000 1\1\r\n"
		":al!a@h PRIVMSG bob :\1DCC SEND y 3221225992 4001 1\1\r\n";

	start("attack", setup);
	b.port = 6667;
	handshake();
	send_tcp(1, 0, ACK, offers);
	assert_int_equal(inspect_app(b.inspect, 1), PROTO_IRC);
}

/* Announces ports from `port` on, in one conversation. */
static void announce(uint64_t flow, unsigned port, unsigned n)
{
	int64_t offset[2] = { 0, 0 };
	char text[128];

	b.flow = flow;
	b.port = 21;
	handshake();
	send_tcp(1, 0, ACK, "220 hello\r\n");
	offset[1] = (int64_t)strlen("220 hello\r\n");
	for (; n--; port++) {
		snprintf(text, sizeof(text), "PASV\r\n");
		send_tcp(0, offset[0], ACK, text);
		offset[0] += (int64_t)strlen(text);
		snprintf(text, sizeof(text), "227 (192,0,2,9,%u,%u)\r\n", port / 256, port % 256);
		send_tcp(1, offset[1], ACK, text);
		offset[1] += (int64_t)strlen(text);
		snprintf(text, sizeof(text), "RETR x\r\n");
		send_tcp(0, offset[0], ACK, text);
		offset[0] += (int64_t)strlen(text);
	}
}

/* Who announces many connections makes his own be forgotten; only many who do so make those of others. */
static void test_many_announced(void **state)
{
	(void)state;
	start("attack", &(struct inspect_setup){ .when_acked = false });
	announce(1, 5000, 1);
	announce(2, 6000, 1000);
	for (uint64_t flow = 100; flow < 110; flow++)
		announce(flow, 10000 + 100 * (unsigned)flow, 16);
	assert_int_equal(app_of_connection(3, 5000), PROTO_FTP_DATA);
	assert_int_equal(app_of_connection(4, 6999), PROTO_FTP_DATA);
	assert_int_equal(app_of_connection(5, 6984), PROTO_FTP_DATA);
	assert_int_not_equal(app_of_connection(6, 6983), PROTO_FTP_DATA);
	assert_int_equal(app_of_connection(7, 20000), PROTO_FTP_DATA);
	bench_close(&b);
}

/* A file that was offered in a chat comes from whom the offer names. Inline, no such offer counts. */
static void test_dcc(void **state)
{
	(void)state;
	hear_offers(&(struct inspect_setup){ .when_acked = false });
	assert_int_equal(app_of_connection(2, 4000), PROTO_DCC);
	assert_int_not_equal(app_of_connection(3, 4001), PROTO_DCC);
	bench_close(&b);
	hear_offers(&(struct inspect_setup){ .is_inline = true });
	assert_int_not_equal(app_of_connection(2, 4000), PROTO_DCC);
	bench_close(&b);
}

/* All memory in use: what was only looked back at goes first, and frames pass in any case. */
static void test_memory(void **state)
{
	static char data[1400];
	struct inspect_counts counts;

	(void)state;
	start("attack", &(struct inspect_setup){ .pool_bytes = 1 << 20, .flows_max = 2000 });
	memset(data, 'x', sizeof(data) - 1);
	for (b.flow = 1; b.flow <= 500; b.flow++) {
		handshake();
		for (unsigned i = 0; i < 20; i++)
			send_tcp(0, i * 1399, ACK, data);
		send_tcp(0, 20 * 1399, ACK, "attack");
		assert_int_equal(b.told.hits, b.flow);
	}
	inspect_counts(b.inspect, &counts);
	assert_true(counts.pool_used <= 1 << 20);
	assert_int_equal(counts.no_room, 0);
	for (b.flow = 1; b.flow <= 500; b.flow++)
		for (unsigned i = 0; i < 20; i++) /* each keeps a gap */
			send_tcp(0, 30000 + i * 2800, ACK, data);
	inspect_counts(b.inspect, &counts);
	assert_true(counts.missed > 0);
	assert_true(counts.pool_used <= 1 << 20);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_when_acked),
		cmocka_unit_test(test_never_acked),
		cmocka_unit_test(test_behind_rst),
		cmocka_unit_test(test_early_fin),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_gap_without_acknowledgement),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_tunnel_answer_first),
		cmocka_unit_test(test_tunnel_one_way),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_ftp),
		cmocka_unit_test(test_many_announced),
		cmocka_unit_test(test_dcc),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
