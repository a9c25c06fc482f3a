/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of src/proto with a protocol of its own: lines `Q text`, answered by `A text`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/inside.h"

struct toy {
	struct proto_tx *open; /* asked and not answered */
	unsigned gaps;
	struct proto_conn *conn;
};

struct toy_tx {
	struct toy *toy;
	struct proto_body text[2];
	struct proto_conn *conn;
};

static enum proto_guess toy_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)info;
	if (len >= 1 && bytes[0] != (side ? 'A' : 'Q'))
		return PROTO_IS_NOT;
	if (len >= 2 && bytes[1] != ' ')
		return PROTO_IS_NOT;
	return len >= 2 ? PROTO_IS : PROTO_MAY_BE;
}

static void *toy_open(struct proto_conn *conn)
{
	struct toy *toy = proto_alloc(conn, sizeof(*toy));

	if (toy)
		toy->conn = conn;
	return toy;
}

static void toy_close(void *state)
{
	proto_free(((struct toy *)state)->conn, state, sizeof(struct toy));
}

static struct proto_tx *toy_ask(struct proto_conn *conn, struct toy *toy)
{
	struct toy_tx *data = proto_alloc(conn, sizeof(*data));

	if (!data)
		return NULL;
	*data = (struct toy_tx){ .toy = toy, .conn = conn };
	toy->open = proto_tx_new(conn, data);
	if (!toy->open)
		proto_free(conn, data, sizeof(*data));
	return toy->open;
}

static size_t toy_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct toy *toy = state;
	size_t used = 0;
	const uint8_t *stop;

	(void)end;
	while (used < len && (stop = memchr(bytes + used, '\n', len - used))) {
		size_t line = (size_t)(stop - bytes) - used;
		struct proto_tx *tx = side ? toy->open : toy_ask(conn, toy);

		if (!tx || line < 2)
			return SIZE_MAX;
		proto_body_add(
			conn, &((struct toy_tx *)tx->data)->text[side], bytes + used + 2, line - 2);
		if (side == 0 && line == 3 && bytes[used + 2] == '!')
			proto_tx_add_event(tx, "toy.exclamation");
		proto_tx_done(tx, side);
		used += line + 1;
		if (side == 1 && line == 5 && memcmp(bytes + used - 4, "new\n", 4) == 0) {
			proto_conn_start_over(conn);
			return used;
		}
	}
	return used;
}

static void toy_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	(void)conn;
	(void)side;
	((struct toy *)state)->gaps += (unsigned)len;
}

static bool toy_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes)
{
	struct toy_tx *data = tx->data;

	if (n || (id != BUFFER_FTP_COMMAND && id != BUFFER_FTP_REPLY))
		return false;
	*ret_bytes = proto_body_bytes(&data->text[id == BUFFER_FTP_REPLY]);
	return true;
}

static void toy_free(void *tx)
{
	struct toy_tx *data = tx;

	proto_body_free(data->conn, &data->text[0]);
	proto_body_free(data->conn, &data->text[1]);
	proto_free(data->conn, data, sizeof(*data));
}

static const struct proto_parser toy_parser = { .id = PROTO_FTP,
	.ip_proto = 6,
	.guess = toy_guess,
	.open = toy_open,
	.close = toy_close,
	.feed = toy_feed,
	.gap = toy_gap,
	.buffer = toy_buffer,
	.free_tx = toy_free };

const struct proto_parser *const proto_parsers[] = { &toy_parser, NULL };

struct heard {
	char text[4096];
	unsigned news, done;
};

static void on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct heard *heard = context;
	struct proto_tx_state state = proto_tx_state(tx);
	struct proto_bytes ask = { 0 }, answer = { 0 };

	(void)side;
	heard->news++;
	if (!state.done[0] || !state.done[1])
		return;
	heard->done++;
	proto_tx_buffer(tx, BUFFER_FTP_COMMAND, 0, &ask);
	proto_tx_buffer(tx, BUFFER_FTP_REPLY, 0, &answer);
	assert_false(proto_tx_buffer(tx, BUFFER_HTTP_URI, 0, &ask));
	if (strlen(heard->text) + ask.len + answer.len + 3 < sizeof(heard->text))
		snprintf(heard->text + strlen(heard->text),
			sizeof(heard->text) - strlen(heard->text), "%.*s=%.*s;", (int)ask.len,
			(const char *)ask.at, (int)answer.len, (const char *)answer.at);
}

static struct proto_conn *start(struct heard *heard, uint8_t ip_proto)
{
	struct proto_setup setup = { .on_tx = on_tx, .context = heard };
	struct proto_flow_info info = { .ip_proto = ip_proto, .port = { 1024, 21 } };
	struct proto_conn *conn;

	*heard = (struct heard){ 0 };
	assert_int_equal(proto_conn_new(&setup, &info, &conn), 0);
	return conn;
}

static void say(struct proto_conn *conn, unsigned side, const char *text)
{
	proto_feed(conn, side, (const uint8_t *)text, strlen(text), 1);
}

static void finish(struct proto_conn *conn)
{
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
}

static void transactions_are_told(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	assert_int_equal(proto_conn_app(conn), PROTO_NONE);
	say(conn, 0, "Q one\nQ t");
	assert_int_equal(proto_conn_app(conn), PROTO_FTP);
	assert_int_equal(proto_conn_id(conn, 1), PROTO_NONE);
	assert_int_equal(heard.news, 1);
	say(conn, 1, "A eins\n");
	assert_int_equal(proto_conn_id(conn, 1), PROTO_FTP);
	assert_string_equal(heard.text, "one=eins;");
	say(conn, 0, "wo\n");
	assert_int_equal(heard.done, 1);
	finish(conn);
	assert_string_equal(heard.text, "one=eins;two=;");
}

static void every_way_to_cut_it_is_the_same(void **state)
{
	static const char ask[] = "Q one\nQ two\n", answer[] = "A two\n";

	(void)state;
	for (size_t first = 0; first <= strlen(ask); first++) {
		for (size_t second = first; second <= strlen(ask); second++) {
			struct heard heard;
			struct proto_conn *conn = start(&heard, 6);
			const uint8_t *bytes = (const uint8_t *)ask;

			proto_feed(conn, 0, bytes, first, 1);
			proto_feed(conn, 0, bytes + first, second - first, 1);
			proto_feed(conn, 0, bytes + second, strlen(ask) - second, 1);
			say(conn, 1, answer);
			finish(conn);
			assert_string_equal(heard.text, "two=two;one=;");
		}
	}
}

static void server_that_speaks_first_is_heard(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	say(conn, 1, "*** hello\n");
	assert_int_equal(proto_conn_app(conn), PROTO_NONE);
	assert_int_equal(proto_conn_id(conn, 1), PROTO_FAILED);
	say(conn, 0, "Q ");
	assert_int_equal(proto_conn_app(conn), PROTO_FTP);
	say(conn, 0, "x\n");
	assert_int_equal(heard.news, 1);
	finish(conn);
}

static void what_nobody_knows_fails(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	say(conn, 0, "xx");
	assert_int_equal(proto_conn_app(conn), PROTO_NONE);
	say(conn, 1, "A");
	assert_int_equal(proto_conn_id(conn, 1), PROTO_NONE);
	proto_end(conn, 1);
	assert_int_equal(proto_conn_app(conn), PROTO_FAILED);
	assert_int_equal(proto_conn_bytes(conn), 0);
	finish(conn);

	conn = start(&heard, 17); /* the protocol is TCP's */
	say(conn, 0, "Q one\n");
	assert_int_equal(proto_conn_id(conn, 0), PROTO_FAILED);
	finish(conn);
}

static void gaps_are_told_or_passed(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	say(conn, 0, "Q one\nQ t");
	proto_gap(conn, 0, 7);
	assert_int_equal(((struct toy *)proto_conn_state(conn))->gaps, 10); /* and 3 pending */
	say(conn, 0, "Q x\n");
	assert_int_equal(heard.news, 2);
	finish(conn);

	conn = start(&heard, 6); /* nobody knew it yet: it begins behind the gap */
	say(conn, 0, "xx");
	proto_gap(conn, 0, 7);
	say(conn, 0, "Q x\n");
	assert_int_equal(proto_conn_id(conn, 0), PROTO_FTP);
	assert_int_equal(proto_conn_app(conn), PROTO_FTP);
	assert_int_equal(((struct toy *)proto_conn_state(conn))->gaps, 0);
	finish(conn);
}

static void limits_hold(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	for (unsigned i = 0; i < PROTO_TX_MAX; i++)
		say(conn, 0, "Q x\n");
	assert_false(proto_conn_overrun(conn));
	say(conn, 0, "Q x\n");
	assert_true(proto_conn_overrun(conn));
	assert_int_equal(heard.done, PROTO_TX_MAX);
	finish(conn);

	conn = start(&heard, 6); /* a line without an end */
	say(conn, 0, "Q ");
	for (unsigned i = 0; i < PROTO_PENDING_MAX; i++)
		say(conn, 0, "x");
	assert_int_equal(proto_conn_bytes(conn), sizeof(struct toy));
	assert_true(proto_conn_limited(conn));
	say(conn, 0, "\n");
	assert_int_equal(heard.news, 0);
	finish(conn);
}

static void another_protocol_may_follow(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);

	(void)state;
	say(conn, 0, "Q one\n");
	say(conn, 1, "A new\nA more\n");
	assert_int_equal(heard.done, 1);
	assert_int_equal(proto_conn_app(conn), PROTO_FTP);
	say(conn, 0, "Q two\n");
	proto_end(conn, 0);
	proto_end(conn, 1);
	assert_string_equal(heard.text, "one=new;two=;");
	proto_conn_free(conn);
}

static void last_bytes_of_a_body_are_kept(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);
	struct proto_body body = { 0 };
	uint64_t total = 0;
	uint8_t piece[1000];

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		for (unsigned k = 0; k < sizeof(piece); k++)
			piece[k] = (uint8_t)((total + k) * 7919 >> 8);
		assert_true(proto_body_add(conn, &body, piece, 1 + i % sizeof(piece)));
		total += 1 + i % sizeof(piece);
		assert_int_equal(body.offset + body.len, total);
		assert_true(body.len >= (total < PROTO_BODY_KEEP ? total : PROTO_BODY_KEEP));
	}
	for (uint32_t k = 0; k < body.len; k++)
		assert_int_equal(body.at[k], (uint8_t)((body.offset + k) * 7919 >> 8));
	proto_body_free(conn, &body);
	assert_int_equal(proto_conn_bytes(conn), 0);
	proto_conn_free(conn);
}

/* Beyond a limit each body has a window still, while there is some memory; then something goes unseen, which is known. */
static void bodies_within_a_limit(void **state)
{
	enum { LIMIT = PROTO_CONN_BYTES_MAX / 2 };
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);
	struct proto_body body[12] = { 0 };
	void *held = proto_alloc(conn, LIMIT);
	uint8_t piece[16384] = { 0 };
	unsigned n = 0;

	(void)state;
	for (; n < 12 && !proto_conn_limited(conn); n++)
		for (unsigned i = 0; i < 20; i++) {
			piece[sizeof(piece) - 1] = (uint8_t)i;
			proto_body_add_within(conn, &body[n], piece, sizeof(piece), LIMIT);
			assert_int_equal(body[n].offset + body[n].len, (i + 1) * sizeof(piece));
			if (!proto_conn_limited(conn)) {
				assert_true(body[n].len >= sizeof(piece));
				assert_int_equal(body[n].at[body[n].len - 1], i);
			}
		}
	assert_in_range(n, 4, 8);
	assert_false(proto_conn_overrun(conn));
	for (unsigned i = 0; i < 12; i++)
		proto_body_free(conn, &body[i]);
	proto_free(conn, held, LIMIT);
	assert_int_equal(proto_conn_bytes(conn), 0);
	proto_conn_free(conn);
}

static void memory_is_counted(void **state)
{
	struct heard heard;
	struct proto_conn *conn = start(&heard, 6);
	void *half = proto_alloc(conn, PROTO_CONN_BYTES_MAX / 2);

	(void)state;
	assert_non_null(half);
	assert_null(proto_alloc(conn, PROTO_CONN_BYTES_MAX / 2 + 1));
	assert_true(proto_conn_overrun(conn));
	proto_free(conn, half, PROTO_CONN_BYTES_MAX / 2);
	assert_int_equal(proto_conn_bytes(conn), 0);
	proto_conn_free(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transactions_are_told),
		cmocka_unit_test(every_way_to_cut_it_is_the_same),
		cmocka_unit_test(server_that_speaks_first_is_heard),
		cmocka_unit_test(what_nobody_knows_fails),
		cmocka_unit_test(gaps_are_told_or_passed),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(another_protocol_may_follow),
		cmocka_unit_test(last_bytes_of_a_body_are_kept),
		cmocka_unit_test(bodies_within_a_limit),
		cmocka_unit_test(memory_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
