/* SPDX-License-Identifier: Apache-2.0 */
/* SIP (RFC 3261), over UDP and TCP: the first line and the headers that people look for. A
 * message is a transaction. */
#include <ctype.h>

#include "proto/talk.h"

#define SIP_LINE_MAX     4096
#define SIP_HEAD_MAX     16384 /* of a message, up to the empty line */
#define SIP_ATTEMPTS_MAX 16    /* to log in, without an answer; the oldest one stays unknown */
#define SIP_SEQUENCE_MAX 16u
#define SIP_ID_MAX       48u

static const struct {
	const char *name, *brief;
	enum proto_buffer_id buffer;
} headers[] = {
	{ "From", "f", BUFFER_SIP_FROM },
	{ "To", "t", BUFFER_SIP_TO },
	{ "Via", "v", BUFFER_SIP_VIA },
	{ "User-Agent", "", BUFFER_SIP_USER_AGENT },
	{ "Content-Type", "c", BUFFER_SIP_CONTENT_TYPE },
	{ "Content-Length", "l", BUFFER_SIP_CONTENT_LENGTH },
};

static const char *const methods[] = { "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "UPDATE",
	"REFER", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "INFO", "OPTIONS" };

/* What a request and its answers have in common (RFC 3261, 8.1.1): beginnings of CSeq and Call-ID. */
struct sip_call {
	uint8_t sequence[SIP_SEQUENCE_MAX], id[SIP_ID_MAX];
	uint8_t sequence_len, id_len;
};

/* An attempt to log in. */
struct attempt {
	struct proto_login login;
	struct sip_call call;
};

struct sip {
	struct proto_conn *conn;
	uint64_t body[2]; /* bytes of a body still to come */
	struct attempt *
		attempt; /* SIP_ATTEMPTS_MAX, without an answer, the oldest first; NULL: there was none */
	unsigned n_attempts;
};

/* Of a message, for logins. */
struct sip_said {
	struct sip_call call;
	struct cur credentials; /* behind "Digest" */
};

static void add(struct proto_fields *f, enum proto_buffer_id id, struct cur c)
{
	proto_fields_add(f, id, c.at, cur_left(&c));
}

static uint32_t number_of(struct cur c)
{
	uint32_t n = 0;

	while (cur_left(&c) && isdigit(c.at[0]) && n < 10000000)
		n = n * 10 + cur_u8(&c) - '0';
	return n;
}

static void keep(uint8_t *to, size_t room, uint8_t *ret_len, struct cur c)
{
	cur_limit(&c, room);
	*ret_len = (uint8_t)cur_left(&c);
	cur_copy(&c, to, *ret_len);
}

static bool same_call(const struct sip_call *a, const struct sip_call *b)
{
	return text_same(cur_make(a->sequence, a->sequence_len),
		       cur_make(b->sequence, b->sequence_len)) &&
	       text_same(cur_make(a->id, a->id_len), cur_make(b->id, b->id_len));
}

static void end_attempt(struct sip *sip, unsigned n, enum proto_login_result result)
{
	proto_login_end(sip->conn, &sip->attempt[n].login, result);
	sip->n_attempts--;
	memmove(sip->attempt + n, sip->attempt + n + 1,
		(sip->n_attempts - n) * sizeof(sip->attempt[0]));
}

static bool same_login(const struct proto_login *a, const struct proto_login *b)
{
	return a->side == b->side &&
	       text_same(
		       cur_make(a->user.text, a->user.len), cur_make(b->user.text, b->user.len)) &&
	       text_same(
		       cur_make(a->hash.bytes, a->hash.len), cur_make(b->hash.bytes, b->hash.len));
}

/* What was sent again is in the last place, too, and is told once. */
static bool was_sent(const struct sip *sip)
{
	const struct attempt *last = &sip->attempt[sip->n_attempts - 1];

	for (const struct attempt *a = sip->attempt; a < last; a++)
		if (same_call(&a->call, &last->call) && same_login(&a->login, &last->login))
			return true;
	return false;
}

static void take_login(struct sip *sip, unsigned side, const struct sip_said *said)
{
	struct attempt *attempt;

	if (!sip->attempt)
		sip->attempt = proto_alloc(sip->conn, SIP_ATTEMPTS_MAX * sizeof(sip->attempt[0]));
	if (!sip->attempt)
		return;
	if (sip->n_attempts == SIP_ATTEMPTS_MAX)
		end_attempt(sip, 0, PROTO_LOGIN_UNKNOWN);
	attempt = &sip->attempt[sip->n_attempts++];
	*attempt = (struct attempt){ .call = said->call };
	proto_login_digest(&attempt->login, said->credentials);
	attempt->login.side = (uint8_t)side;
	if (was_sent(sip)) {
		attempt->login.begun = false;
		end_attempt(sip, sip->n_attempts - 1, PROTO_LOGIN_UNKNOWN);
	}
}

/* RFC 3261, 22: 401 and 407 ask for other credentials, 403 wants none; of 1xx another follows. */
static void login_answered(
	struct sip *sip, unsigned side, uint32_t status, const struct sip_said *said)
{
	bool refused = status == 401 || status == 403 || status == 407;

	for (unsigned i = 0; status >= 200 && i < sip->n_attempts; i++) {
		const struct attempt *attempt = &sip->attempt[i];

		if (attempt->login.side == side || !same_call(&attempt->call, &said->call))
			continue;
		end_attempt(sip, i, refused ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
		return;
	}
}

/* What stands in front of white space. */
static bool take_word(struct cur *c, const char *word)
{
	size_t len = strlen(word);

	if (!text_begins(*c, word) || !isspace(cur_ahead(*c, len)))
		return false;
	cur_skip(c, len);
	return true;
}

static void take_common(struct sip_said *said, struct cur name, struct cur value)
{
	struct sip_call *call = &said->call;

	if (text_is(name, "Authorization") || text_is(name, "Proxy-Authorization")) {
		if (take_word(&value, "Digest"))
			said->credentials = value;
	} else if (text_is(name, "CSeq")) {
		keep(call->sequence, sizeof(call->sequence), &call->sequence_len,
			text_until(&value, ' '));
	} else if (text_is(name, "Call-ID") || text_is(name, "i")) {
		keep(call->id, sizeof(call->id), &call->id_len, value);
	}
}

/* A line, and those behind it that begin with white space (RFC 3261, 7.3.1). */
static struct cur header_of(struct cur *c)
{
	struct cur header = *c;

	do
		text_until(c, '\n');
	while (cur_left(c) && (c->at[0] == ' ' || c->at[0] == '\t'));
	header.end = c->at;
	return header;
}

/* Returns the length of the body. */
static uint32_t take_headers(struct proto_fields *f, struct cur c, struct sip_said *ret_said)
{
	uint32_t body = 0;

	while (cur_left(&c)) {
		struct cur value = header_of(&c);
		struct cur name = text_trim(text_until(&value, ':'));

		value = text_trim(value);
		take_common(ret_said, name, value);
		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
			if (!text_is(name, headers[i].name) && !text_is(name, headers[i].brief))
				continue;
			if (!cur_left(&name))
				continue;
			add(f, headers[i].buffer, value);
			if (headers[i].buffer == BUFFER_SIP_CONTENT_LENGTH)
				body = number_of(value);
		}
	}
	return body;
}

static bool is_answer(struct cur line)
{
	return cur_left(&line) >= 8 && memcmp(line.at, "SIP/2.0 ", 8) == 0;
}

/* Returns the status of an answer; 0: it is none. */
static uint32_t take_first(struct proto_fields *f, struct cur line)
{
	char text[3 * SIP_LINE_MAX];
	struct out o = out_make(text, sizeof(text));
	struct cur rest = text_trim(line), one, two;
	bool answer = is_answer(rest);

	add(f, answer ? BUFFER_SIP_RESPONSE_LINE : BUFFER_SIP_REQUEST_LINE, rest);
	line = rest;
	one = text_until(&rest, ' ');
	two = text_until(&rest, ' ');
	add(f, answer ? BUFFER_SIP_PROTOCOL : BUFFER_SIP_METHOD, one);
	add(f, answer ? BUFFER_SIP_STAT_CODE : BUFFER_SIP_URI, two);
	add(f, answer ? BUFFER_SIP_STAT_MSG : BUFFER_SIP_PROTOCOL, rest);
	json_text(&o, answer ? "version" : "method", one.at, cur_left(&one));
	json_text(&o, answer ? "code" : "uri", two.at, cur_left(&two));
	json_text(&o, answer ? "reason" : "version", rest.at, cur_left(&rest));
	json_text(&o, answer ? "response_line" : "request_line", line.at, cur_left(&line));
	proto_fields_say(f, &o);
	return answer ? number_of(two) : 0;
}

/* The head of a message; it ends with an empty line. */
static uint32_t take_head(struct sip *sip, unsigned side, struct cur c)
{
	struct proto_tx *tx = proto_fields_tx(sip->conn, "sip");
	struct sip_said said = { .credentials = { 0 } };
	struct proto_fields *f;
	uint32_t body, status;

	if (!tx)
		return 0;
	f = tx->data;
	f->sides = (uint8_t)(1u << side);
	status = take_first(f, text_until(&c, '\n'));
	body = take_headers(f, c, &said);
	if (status)
		login_answered(sip, side, status, &said);
	else if (cur_left(&said.credentials))
		take_login(sip, side, &said);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return body;
}

/* Where the head ends; 0: not here. */
static size_t head_end(struct cur c)
{
	const uint8_t *at = memmem(c.at, cur_left(&c), "\r\n\r\n", 4);

	return at ? (size_t)(at - c.at) + 4 : 0;
}

static size_t sip_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct sip *sip = state;
	struct cur c = cur_make(bytes, len);

	(void)end;
	while (cur_left(&c)) {
		size_t head;

		talk_skip(&sip->body[side], &c);
		while (cur_left(&c) && isspace(c.at[0])) /* between messages, to keep it alive */
			cur_skip(&c, 1);
		head = cur_left(&c) ? head_end(c) : 0;
		if (!head && proto_conn_info(conn)->ip_proto == IPPROTO_UDP)
			head = cur_left(&c);
		if (!head)
			return cur_left(&c) > SIP_HEAD_MAX ? SIZE_MAX : len - cur_left(&c);
		sip->body[side] = take_head(sip, side, cur_sub(&c, head));
		if (proto_conn_info(conn)->ip_proto == IPPROTO_UDP) {
			sip->body[side] = 0;
			return len;
		}
	}
	return len;
}

static void *sip_open(struct proto_conn *conn)
{
	struct sip *sip = proto_alloc(conn, sizeof(*sip));

	if (sip)
		sip->conn = conn;
	return sip;
}

static void sip_close(void *state)
{
	struct sip *sip = state;

	while (sip->n_attempts)
		end_attempt(sip, 0, PROTO_LOGIN_UNKNOWN);
	proto_free(sip->conn, sip->attempt, SIP_ATTEMPTS_MAX * sizeof(sip->attempt[0]));
	proto_free(sip->conn, sip, sizeof(*sip));
}

static enum proto_guess sip_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	size_t n = len < 8 ? len : 8;
	enum proto_guess best = PROTO_IS_NOT;

	(void)info;
	(void)side;
	if (memcmp(bytes, "SIP/2.0 ", n) == 0)
		return n == 8 ? PROTO_IS : PROTO_MAY_BE;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct cur c = cur_make(bytes, len);
		size_t word = strlen(methods[i]);

		if (memcmp(bytes, methods[i], len < word ? len : word) != 0)
			continue;
		if (len <= word + 4) {
			best = PROTO_MAY_BE;
			continue;
		}
		cur_skip(&c, word);
		if (cur_ahead(c, 0) == ' ' &&
			(memcmp(c.at, " sip", 4) == 0 || memcmp(c.at, " tel", 4) == 0 ||
				memmem(c.at, cur_left(&c), " SIP/2.0\r\n", 10)))
			return PROTO_IS;
	}
	return best;
}

const struct proto_parser proto_sip = { .id = PROTO_SIP,
	.guess = sip_guess,
	.open = sip_open,
	.close = sip_close,
	.feed = sip_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
