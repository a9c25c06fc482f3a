/* SPDX-License-Identifier: Apache-2.0 */
/* Finger (RFC 1288): a line that asks for a user, here or on another host, and the answer, of which
 * the beginning is kept. The question and its answer are a transaction. */
#include "proto/talk.h"

#include <ctype.h>

#define FINGER_PORT       79
#define FINGER_LINE_MAX   512  /* bytes of the question */
#define FINGER_ANSWER_MAX 1024 /* bytes of the answer that are shown */
#define FINGER_HOSTS_MAX  16
#define FINGER_JSON_MAX   (6 * FINGER_ANSWER_MAX + 512)

struct finger {
	struct proto_conn *conn;
	struct proto_tx *tx;
	bool asked, answered, cut; /* cut: the rest of the answer is only counted */
	uint64_t bytes;            /* of the answer */
	uint32_t kept;
	uint8_t answer[FINGER_ANSWER_MAX];
};

static bool begins(struct cur c, const char *word)
{
	cur_limit(&c, strlen(word));
	return text_is(c, word);
}

/* RFC 1288, 2.3: /W asks for more; user@host1@host2 asks host2 to ask host1. */
static void say_query(struct out *o, struct cur line)
{
	struct cur rest = text_trim(line), user;
	bool is_long = begins(rest, "/W") && (cur_left(&rest) == 2 || isspace(rest.at[2]));

	talk_text(o, "query", line);
	json_bool(o, "long", is_long);
	cur_skip(&rest, is_long ? 2 : 0);
	rest = text_trim(rest);
	user = text_until(&rest, '@');
	talk_text(o, "user", user);
	if (!cur_left(&rest))
		return;
	json_open(o, "hosts", '[');
	for (unsigned n = 0; n < FINGER_HOSTS_MAX && cur_left(&rest); n++)
		talk_text(o, NULL, text_until(&rest, '@'));
	json_close(o, ']');
}

static bool have_tx(struct finger *f)
{
	if (!f->tx && !f->asked && !f->answered)
		f->tx = proto_fields_tx(f->conn, "finger");
	return f->tx;
}

static size_t take_query(struct finger *f, const uint8_t *bytes, size_t len, bool end)
{
	char text[3 * 6 * FINGER_LINE_MAX + 512];
	struct cur line;
	bool whole;
	size_t used;
	struct out o;

	if (f->asked || (!len && end))
		return len;
	used = text_line(bytes, len, FINGER_LINE_MAX, end, &line, &whole);
	if (!used || !have_tx(f))
		return used;
	f->asked = true;
	o = talk_out(f->tx->data, text, sizeof(text));
	say_query(&o, line);
	talk_say(f->tx->data, &o);
	proto_tx_done(f->tx, 0);
	return len;
}

static void keep(struct finger *f, struct cur c)
{
	f->bytes += cur_left(&c);
	cur_limit(&c, FINGER_ANSWER_MAX - f->kept);
	if (f->cut || !cur_left(&c))
		return;
	memcpy(f->answer + f->kept, c.at, cur_left(&c));
	f->kept += (uint32_t)cur_left(&c);
}

static void say_answer(struct finger *f)
{
	char text[FINGER_JSON_MAX];
	struct out o;

	if (!have_tx(f))
		return;
	f->answered = true;
	o = talk_out(f->tx->data, text, sizeof(text));
	json_text(&o, "answer", f->answer, f->kept);
	json_u64(&o, "answer_bytes", f->bytes);
	talk_say(f->tx->data, &o);
	proto_tx_done(f->tx, 1);
}

static size_t finger_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct finger *f = state;

	(void)conn;
	if (side == 0)
		return take_query(f, bytes, len, end);
	keep(f, cur_make(bytes, len));
	if (end && f->bytes)
		say_answer(f);
	return len;
}

static void finger_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct finger *f = state;

	(void)conn;
	f->asked |= side == 0;
	f->cut |= side == 1;
	f->bytes += side == 1 ? len : 0;
}

static void *finger_open(struct proto_conn *conn)
{
	struct finger *f = proto_alloc(conn, sizeof(*f));

	if (f)
		*f = (struct finger){ .conn = conn };
	return f;
}

static void finger_close(void *state)
{
	struct finger *f = state;

	proto_free(f->conn, f, sizeof(*f));
}

static void finger_free_tx(void *data)
{
	struct finger *f = proto_conn_state(((struct proto_fields *)data)->conn);

	if (f && f->tx && f->tx->data == data) {
		f->tx = NULL;
		f->asked = f->answered = true;
	}
	proto_fields_free(data);
}

/* The first line: `*ret_whole`, its end is there. False: it is none. */
static bool first_line(struct cur c, struct cur *ret_line, bool *ret_whole)
{
	if (!text_line(c.at, cur_left(&c), FINGER_LINE_MAX, true, ret_line, ret_whole))
		return false;
	for (struct cur line = *ret_line; cur_left(&line);) {
		uint8_t byte = cur_u8(&line);

		if ((byte < ' ' || byte == 0x7f) && byte != '\t' && byte != '\r')
			return false;
	}
	return true;
}

static bool may_become(struct cur c, const char *word)
{
	size_t n = strlen(word);

	return memcmp(c.at, word, cur_left(&c) < n ? cur_left(&c) : n) == 0;
}

/* Any line can be a question: elsewhere than on its port only /W gives it away, or the answer. */
static enum proto_guess finger_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len), line;
	bool whole, sure;

	if (!len || !first_line(c, &line, &whole))
		return PROTO_IS_NOT;
	sure = info->port[1] == FINGER_PORT ||
	       (side == 0 && (begins(c, "/W ") || begins(c, "/W\r\n")));
	if (sure && whole)
		return PROTO_IS;
	return !whole && (sure || (side == 0 && may_become(c, "/W "))) ? PROTO_MAY_BE
								       : PROTO_IS_NOT;
}

/* How answers begin: the word, and what stands behind it in the same line. */
static const struct {
	const char *begin, *then;
} answers[] = { { "Login: ", "Name: " }, { "Login name: ", "In real life: " }, { "Login ", "Tty " },
	{ "Login ", "TTY " }, { "No one logged on", "" }, { "finger: ", ": no such user" } };

static enum proto_guess look_at_answer(struct cur c, bool ended)
{
	bool whole = ended || (cur_left(&c) && memchr(c.at, '\n', cur_left(&c)));
	struct cur line = text_until(&c, '\n');

	if (!cur_left(&line))
		return whole ? PROTO_IS_NOT : PROTO_MAY_BE;
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (!may_become(line, answers[i].begin) || cur_left(&line) > FINGER_LINE_MAX)
			continue;
		if (!whole)
			return PROTO_MAY_BE;
		if (text_begins(line, answers[i].begin) && text_has(line, answers[i].then))
			return PROTO_IS;
	}
	return PROTO_IS_NOT;
}

/* One line was asked, and answered as only finger does; another host's answer stands behind its name in brackets. */
static enum proto_guess finger_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	struct cur asked = unclaimed->said[0], answer = unclaimed->said[1], line;
	bool whole;

	(void)info;
	if (!cur_left(&asked) || !first_line(asked, &line, &whole) ||
		memchr(asked.at, '\n', cur_left(&asked) - 1))
		return PROTO_IS_NOT;
	if (!whole)
		return unclaimed->ended[0] ? PROTO_IS_NOT : PROTO_MAY_BE;
	if (cur_left(&answer) && *answer.at == '[' && memchr(answer.at, '\n', cur_left(&answer)))
		text_until(&answer, '\n');
	else if (cur_left(&answer) && *answer.at == '[' && cur_left(&answer) <= FINGER_LINE_MAX)
		return unclaimed->ended[1] ? PROTO_IS_NOT : PROTO_MAY_BE;
	while (cur_left(&answer) && (*answer.at == '\r' || *answer.at == '\n'))
		cur_skip(&answer, 1); /* BSD's fingerd says an empty line first */
	return look_at_answer(answer, unclaimed->ended[1]);
}

const struct proto_parser proto_finger = { .id = PROTO_FINGER,
	.ip_proto = IPPROTO_TCP,
	.guess = finger_guess,
	.claim = finger_claim,
	.open = finger_open,
	.close = finger_close,
	.feed = finger_feed,
	.gap = finger_gap,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = finger_free_tx };
