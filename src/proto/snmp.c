/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNMP over UDP: version 1 (RFC 1157), 2c (RFC 1901, 3416) and 3 (RFC 3412, 3414). A message is a
 * transaction. The community of a request is a password: it was good when an answer has the same
 * one. Who does not know it hears nothing, so that failure is never seen.
 */
#include "proto/fields.h"

#include "proto/ber.h"

#define SNMP_VARS_MAX        64   /* of a message that are shown */
#define SNMP_TEXT_MAX        255  /* of a community or user that is shown */
#define SNMP_OID_MAX         128  /* bytes of an object's name that is shown */
#define SNMP_COMMUNITIES_MAX 1024 /* of a conversation that are told */
#define SNMP_JSON_MAX        16384

enum {
	BER_INTEGER = 0x02,
	BER_STRING = 0x04,
	BER_OID = 0x06,
	BER_SEQUENCE = 0x30,
	BER_ADDRESS = 0x40,
	PDU_GET = 0xa0,
	PDU_GET_NEXT,
	PDU_RESPONSE,
	PDU_SET,
	PDU_TRAP_V1,
	PDU_GET_BULK,
	PDU_INFORM,
	PDU_TRAP_V2,
	PDU_REPORT
};

#define USM_MODEL 3 /* RFC 3411, 5 */

struct community {
	struct community *next;
	size_t size; /* of this memory */
	uint16_t len;
	uint8_t side; /* that asks with it */
	bool told;
	uint8_t at[];
};

struct snmp {
	struct proto_conn *conn;
	struct community *first, **last;
	unsigned n;
};

struct message {
	unsigned version; /* 1, 2, 3 */
	bool encrypted, has_usm;
	struct cur community, user;
	struct ber pdu;
};

static bool next_is(struct cur *c, uint8_t tag, struct cur *ret_body)
{
	struct ber element;

	if (!ber_next(c, &element) || element.tag != tag)
		return false;
	*ret_body = element.body;
	return true;
}

static bool next_number(struct cur *c, int64_t *ret_number)
{
	struct cur body;

	if (!next_is(c, BER_INTEGER, &body) || !cur_left(&body))
		return false;
	*ret_number = ber_number(body);
	return true;
}

static bool read_pdu(struct cur *c, struct ber *ret_pdu)
{
	/* The long form of a tag (X.690, 8.1.2.4), which agents take too. */
	bool is_long = cur_ahead(*c, 0) == 0xbf && cur_ahead(*c, 1) <= PDU_REPORT - PDU_GET;
	struct cur body, ignored;

	cur_skip(c, is_long);
	if (!ber_next(c, ret_pdu))
		return false;
	ret_pdu->tag |= is_long ? PDU_GET : 0;
	if (ret_pdu->tag < PDU_GET || ret_pdu->tag > PDU_REPORT)
		return false;
	body = ret_pdu->body;
	return next_is(&body, ret_pdu->tag == PDU_TRAP_V1 ? BER_OID : BER_INTEGER, &ignored);
}

/* RFC 3414, 2.4: engine, boots, time, user. */
static bool read_usm(struct cur c, struct cur *ret_user)
{
	struct cur parameters, engine;
	int64_t ignored;

	return next_is(&c, BER_SEQUENCE, &parameters) &&
	       next_is(&parameters, BER_STRING, &engine) && next_number(&parameters, &ignored) &&
	       next_number(&parameters, &ignored) && next_is(&parameters, BER_STRING, ret_user);
}

/* RFC 3412, 6. */
static bool read_v3(struct cur *c, struct message *m)
{
	struct cur head, flags, parameters, scoped, ignored;
	int64_t id, max, model;

	if (!next_is(c, BER_SEQUENCE, &head) || !next_number(&head, &id) ||
		!next_number(&head, &max) || !next_is(&head, BER_STRING, &flags) ||
		cur_left(&flags) != 1 || !next_number(&head, &model) ||
		!next_is(c, BER_STRING, &parameters))
		return false;
	m->encrypted = cur_u8(&flags) & 2;
	m->has_usm = model == USM_MODEL;
	if (m->has_usm && !read_usm(parameters, &m->user))
		return false;
	if (m->encrypted)
		return next_is(c, BER_STRING, &ignored);
	return next_is(c, BER_SEQUENCE, &scoped) && next_is(&scoped, BER_STRING, &ignored) &&
	       next_is(&scoped, BER_STRING, &ignored) && read_pdu(&scoped, &m->pdu);
}

static bool read_message(struct cur c, struct message *ret_message)
{
	struct message m = { 0 };
	struct cur body;
	int64_t version;

	if (!next_is(&c, BER_SEQUENCE, &body) || !next_number(&body, &version))
		return false;
	m.version = (unsigned)version + (version < 3);
	if (version == 3 ? !read_v3(&body, &m)
			 : (version != 0 && version != 1) ||
				   !next_is(&body, BER_STRING, &m.community) ||
				   !read_pdu(&body, &m.pdu))
		return false;
	*ret_message = m;
	return true;
}

/* X.690, 8.19: the first number holds two. */
static bool put_oid(struct out *o, struct cur c)
{
	bool first = true;

	if (cur_left(&c) > SNMP_OID_MAX)
		return false;
	while (cur_left(&c)) {
		uint64_t n = 0, root;
		uint8_t byte;

		do {
			byte = cur_u8(&c);
			if (n >> 57)
				return false;
			n = n << 7 | (byte & 0x7f);
		} while (byte & 0x80 && cur_left(&c));
		if (byte & 0x80)
			return false;
		if (first) {
			root = n < 80 ? n / 40 : 2;
			out_u64(o, root);
			n -= root * 40;
		}
		out_char(o, '.');
		out_u64(o, n);
		first = false;
	}
	return !first;
}

static void say_oid(
	struct proto_fields *f, struct out *o, const char *name, struct cur c, bool is_trap)
{
	char text[SNMP_OID_MAX * 4 + 8];
	struct out oid = out_make(text, sizeof(text));

	if (!put_oid(&oid, c) || !out_ok(&oid))
		return;
	json_text(o, name, oid.at, oid.len);
	if (is_trap)
		proto_fields_add(f, BUFFER_SNMP_TRAP_OID, oid.at, oid.len);
}

/* RFC 3416, 3. */
static void say_error(struct out *o, int64_t error)
{
	static const char *const errors[] = { NULL, "TooBig", "NoSuchName", "BadValue", "ReadOnly",
		"GenErr", "NoAccess", "WrongType", "WrongLength", "WrongEncoding", "WrongValue",
		"NoCreation", "InconsistentValue", "ResourceUnavailable", "CommitFailed",
		"UndoFailed", "AuthorizationError", "NotWritable", "InconsistentName" };

	if (error > 0 && (size_t)error < sizeof(errors) / sizeof(errors[0]))
		json_str(o, "error", errors[error]);
}

/* RFC 1157, 4.1.6. */
static void say_trap(struct proto_fields *f, struct out *o, struct cur *c)
{
	static const char *const types[] = { "ColdStart", "WarmStart", "LinkDown", "LinkUp",
		"AuthenticationFailure", "EgpNeighborLoss", "EnterpriseSpecific" };
	struct cur enterprise, address, ignored;
	char text[16];
	struct out a = out_make(text, sizeof(text));
	int64_t generic, specific;

	if (!next_is(c, BER_OID, &enterprise) || !next_is(c, BER_ADDRESS, &address) ||
		cur_left(&address) != 4 || !next_number(c, &generic) ||
		!next_number(c, &specific) || !next_is(c, 0x43, &ignored)) {
		cur_fail(c);
		return;
	}
	if (generic >= 0 && (size_t)generic < sizeof(types) / sizeof(types[0]))
		json_str(o, "trap_type", types[generic]);
	say_oid(f, o, "trap_oid", enterprise, true);
	for (unsigned i = 0; i < 4; i++)
		out_fmt(&a, i ? ".%u" : "%u", cur_u8(&address));
	json_text(o, "trap_address", a.at, a.len);
	proto_fields_add(f, BUFFER_SNMP_TRAP_ADDRESS, a.at, a.len);
}

static void say_vars(struct proto_fields *f, struct out *o, struct cur *c)
{
	struct cur list, one, oid;

	json_open(o, "vars", '[');
	if (next_is(c, BER_SEQUENCE, &list))
		for (unsigned n = 0;
			n < SNMP_VARS_MAX && o->len < SNMP_JSON_MAX - 1024 &&
			next_is(&list, BER_SEQUENCE, &one) && next_is(&one, BER_OID, &oid);
			n++)
			say_oid(f, o, NULL, oid, false);
	json_close(o, ']');
}

static void say_pdu(struct proto_fields *f, struct out *o, const struct ber *pdu)
{
	struct cur c = pdu->body;
	int64_t id, error, index;

	json_str(o, "pdu_type", proto_number_word(NUMBER_SNMP_PDU_TYPE, pdu->tag - PDU_GET));
	proto_fields_add_number(f, NUMBER_SNMP_PDU_TYPE, pdu->tag - PDU_GET);
	if (pdu->tag == PDU_TRAP_V1)
		say_trap(f, o, &c);
	else if (next_number(&c, &id) && next_number(&c, &error) && next_number(&c, &index) &&
		 (pdu->tag == PDU_RESPONSE || pdu->tag == PDU_REPORT))
		say_error(o, error);
	say_vars(f, o, &c);
}

static void say_text(struct proto_fields *f, struct out *o, const char *name,
	enum proto_buffer_id id, struct cur text)
{
	size_t len = cur_left(&text);

	proto_fields_add(f, id, text.at, len);
	json_text(o, name, text.at, len < SNMP_TEXT_MAX ? len : SNMP_TEXT_MAX);
}

static void say_message(struct proto_fields *f, struct out *o, const struct message *m)
{
	json_u64(o, "version", m->version);
	proto_fields_add_number(f, NUMBER_SNMP_VERSION, m->version);
	if (m->version < 3)
		say_text(f, o, "community", BUFFER_SNMP_COMMUNITY, m->community);
	if (m->encrypted)
		json_str(o, "pdu_type", "encrypted");
	else
		say_pdu(f, o, &m->pdu);
	if (m->has_usm)
		say_text(f, o, "usm", BUFFER_SNMP_USM, m->user);
}

static struct community *find_community(const struct snmp *snmp, struct cur text)
{
	for (struct community *c = snmp->first; c; c = c->next)
		if (c->len == cur_left(&text) && memcmp(c->at, text.at, c->len) == 0)
			return c;
	return NULL;
}

static void add_community(struct snmp *snmp, unsigned side, struct cur text)
{
	size_t size = sizeof(struct community) + cur_left(&text);
	struct community *c;

	if (snmp->n == SNMP_COMMUNITIES_MAX)
		return;
	c = proto_alloc(snmp->conn, size);
	if (!c)
		return;
	*c = (struct community){
		.size = size, .len = (uint16_t)cur_left(&text), .side = (uint8_t)side
	};
	cur_copy(&text, c->at, c->len);
	*snmp->last = c;
	snmp->last = &c->next;
	snmp->n++;
}

static void tell_login(struct snmp *snmp, struct community *c, enum proto_login_result result)
{
	struct proto_login login = { .method = "community", .side = c->side };

	if (c->told)
		return;
	c->told = true;
	proto_login_password(&login, c->at, c->len);
	proto_login_end(snmp->conn, &login, result);
}

static bool asks(uint8_t tag)
{
	return tag == PDU_GET || tag == PDU_GET_NEXT || tag == PDU_SET || tag == PDU_GET_BULK;
}

static void follow_login(struct snmp *snmp, unsigned side, const struct message *m)
{
	struct community *c;

	if (m->version == 3 || !cur_left(&m->community))
		return;
	c = find_community(snmp, m->community);
	if (!c && asks(m->pdu.tag))
		add_community(snmp, side, m->community);
	else if (c && m->pdu.tag == PDU_RESPONSE && side != c->side)
		tell_login(snmp, c, PROTO_LOGIN_SUCCESS);
}

static size_t snmp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[SNMP_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct snmp *snmp = state;
	struct message m;
	struct proto_tx *tx;

	for (struct community *c = end ? snmp->first : NULL; c; c = c->next)
		tell_login(snmp, c, PROTO_LOGIN_UNKNOWN);
	tx = len ? proto_fields_tx(conn, "snmp") : NULL;
	if (!tx)
		return len;
	((struct proto_fields *)tx->data)->sides = (uint8_t)(1u << side);
	if (read_message(cur_make(bytes, len), &m)) {
		say_message(tx->data, &o, &m);
		proto_fields_say(tx->data, &o);
		follow_login(snmp, side, &m);
	} else {
		proto_tx_add_event(tx, "snmp.malformed_data");
	}
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

static void *snmp_open(struct proto_conn *conn)
{
	struct snmp *snmp = proto_alloc(conn, sizeof(*snmp));

	if (!snmp)
		return NULL;
	*snmp = (struct snmp){ .conn = conn };
	snmp->last = &snmp->first;
	return snmp;
}

static void snmp_close(void *state)
{
	struct snmp *snmp = state;

	while (snmp->first) {
		struct community *c = snmp->first;

		snmp->first = c->next;
		proto_free(snmp->conn, c, c->size);
	}
	proto_free(snmp->conn, snmp, sizeof(*snmp));
}

static enum proto_guess snmp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct message m;

	(void)info;
	(void)side;
	return read_message(cur_make(bytes, len), &m) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_snmp = { .id = PROTO_SNMP,
	.ip_proto = 17,
	.guess = snmp_guess,
	.open = snmp_open,
	.close = snmp_close,
	.feed = snmp_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
