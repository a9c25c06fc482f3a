/* SPDX-License-Identifier: Apache-2.0 */
/* LDAP (RFC 4511), over TCP and UDP. A request and its answers are a transaction. */
#include "proto/fields.h"

#include "proto/ber.h"
#include "proto/krb5.h"
#include "proto/ntlm.h"
#include "proto/sasl.h"
#include "proto/talk.h"

#define LDAP_CALLS_MAX 64          /* requests without their last answer */
#define LDAP_BINDS_MAX 16          /* the same of binds; the oldest gets none */
#define LDAP_SIZE_MAX  (64u << 20) /* bytes of a message; no server takes one so long */
#define LDAP_WHOLE_MAX (60u << 10) /* bytes of one that is read; a longer one is left out */
#define LDAP_GUESS_MAX 8192        /* bytes of a first message on a port that is not its own */
#define LDAP_LIST_MAX  64          /* attributes, changes, values that are shown */

enum {
	BIND_REQUEST = 0x60,
	BIND_RESPONSE,
	UNBIND_REQUEST = 0x42,
	SEARCH_REQUEST = 0x63,
	SEARCH_ENTRY,
	SEARCH_DONE,
	MODIFY_REQUEST,
	MODIFY_RESPONSE,
	ADD_REQUEST,
	ADD_RESPONSE,
	DELETE_REQUEST = 0x4a,
	DELETE_RESPONSE = 0x6b,
	MOD_DN_REQUEST,
	MOD_DN_RESPONSE,
	COMPARE_REQUEST,
	COMPARE_RESPONSE,
	ABANDON_REQUEST = 0x50,
	SEARCH_REFERENCE = 0x73,
	EXTENDED_REQUEST = 0x77,
	EXTENDED_RESPONSE,
	INTERMEDIATE
};

/* A bind in a message. */
struct ldap_bind {
	struct proto_login login;
	int64_t id;
};

struct ldap {
	struct proto_conn *conn;
	struct {
		struct proto_tx *tx;
		int64_t id;
	} call[LDAP_CALLS_MAX];
	struct ntlm ntlm;
	struct ldap_bind *
		bind; /* LDAP_BINDS_MAX, without an answer, the oldest first; NULL: there was none */
	unsigned n_binds;
	uint64_t skip[2]; /* bytes of a message that is left out */
	bool knows_asker, over;
	uint8_t asker; /* the side that asks: what it answers is no answer */
};

struct said {
	struct ldap *ldap;
	struct proto_fields *f;
	struct out *o;
	unsigned side;
	bool unasked; /* it answers what nobody has asked */
	int64_t id;
};

static const char *const results[] = { "success", "operations_error", "protocol_error",
	"time_limit_exceeded", "size_limit_exceeded", "compare_false", "compare_true",
	"auth_method_not_supported", "stronger_auth_required", NULL, "referral",
	"admin_limit_exceeded", "unavailable_critical_extension", "confidentiality_required",
	"sasl_bind_in_progress", NULL, "no_such_attribute", "undefined_attribute_type",
	"inappropriate_matching", "constraint_violation", "attribute_or_value_exists",
	"invalid_attribute_syntax", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	"no_such_object", "alias_problem", "invalid_dns_syntax", NULL,
	"alias_dereferencing_problem", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	NULL, "inappropriate_authentication", "invalid_credentials", "insufficient_access_rights",
	"busy", "unavailable", "unwilling_to_perform", "loop_detect", NULL, NULL, NULL, NULL, NULL,
	NULL, NULL, NULL, NULL, "naming_violation", "object_class_violation",
	"not_allowed_on_non_leaf", "not_allowed_on_rdn", "entry_already_exists",
	"object_class_mods_prohibited", NULL, "affects_multiple_dsas" };

static struct cur body_of(struct cur *c)
{
	struct ber element;

	return ber_next(c, &element) ? element.body : cur_make(NULL, 0);
}

static void json_body(struct out *o, const char *name, struct cur body)
{
	json_text(o, name, body.at, cur_left(&body));
}

static void add(const struct said *s, enum proto_buffer_id request, enum proto_buffer_id response,
	struct cur body)
{
	proto_fields_add(s->f, s->side ? response : request, body.at, cur_left(&body));
}

/* A name of an entry: looked for, and shown. */
static void say_dn(const struct said *s, const char *name, struct cur body)
{
	add(s, BUFFER_LDAP_REQUEST_DN, BUFFER_LDAP_RESPONSES_DN, body);
	json_body(s->o, name, body);
}

static void say_type(const struct said *s, const char *name, struct cur body)
{
	add(s, BUFFER_LDAP_REQUEST_ATTRIBUTE, BUFFER_LDAP_RESPONSES_ATTRIBUTE, body);
	json_body(s->o, name, body);
}

static void say_values(struct out *o, const char *name, struct cur set)
{
	json_open(o, name, '[');
	for (unsigned n = 0; cur_left(&set) && n < LDAP_LIST_MAX; n++)
		json_body(o, NULL, body_of(&set));
	json_close(o, ']');
}

static void result(const struct said *s, struct cur c)
{
	int64_t code = ber_number(body_of(&c));

	if (code >= 0 && (size_t)code < sizeof(results) / sizeof(results[0]) && results[code])
		json_str(s->o, "result_code", results[code]);
	else
		json_u64(s->o, "result_code", (uint64_t)code);
	proto_fields_add_number(s->f, NUMBER_LDAP_RESULT, (uint64_t)code);
	say_dn(s, "matched_dn", body_of(&c));
	json_body(s->o, "message", body_of(&c));
}

static void drop_bind(struct ldap *l, unsigned n, enum proto_login_result result)
{
	proto_login_end(l->conn, &l->bind[n].login, result);
	l->n_binds--;
	memmove(l->bind + n, l->bind + n + 1, (l->n_binds - n) * sizeof(l->bind[0]));
}

/* The login of another bind. NULL: no room. */
static struct proto_login *new_bind(const struct said *s)
{
	struct ldap *l = s->ldap;

	if (!l->bind)
		l->bind = proto_alloc(l->conn, LDAP_BINDS_MAX * sizeof(l->bind[0]));
	if (!l->bind)
		return NULL;
	if (l->n_binds == LDAP_BINDS_MAX)
		drop_bind(l, 0, PROTO_LOGIN_UNKNOWN);
	l->bind[l->n_binds] = (struct ldap_bind){ .id = s->id };
	return &l->bind[l->n_binds++].login;
}

static void bind_answered(struct ldap *l, int64_t id, bool success)
{
	for (unsigned i = 0; i < l->n_binds; i++)
		if (l->bind[i].id == id) {
			drop_bind(l, i, success ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE);
			return;
		}
}

/* RFC 4513, 5.1: an anonymous bind is no login. */
static void simple_bind(const struct said *s, struct cur dn, struct cur password)
{
	struct proto_login *login;

	if (!cur_left(&dn) && !cur_left(&password))
		return;
	login = new_bind(s);
	if (!login)
		return;
	login->method = "simple";
	proto_login_user(login, dn.at, cur_left(&dn));
	proto_login_password(login, password.at, cur_left(&password));
}

/* NTLMSSP in GSS-SPNEGO or alone; in Microsoft's own form of a bind, too ([MS-ADTS] 5.1.1.1.3). */
static void ntlm_bind(const struct said *s, struct cur token)
{
	struct proto_login login = { 0 }, *bind;
	struct ntlm_who who;

	if (!ntlm_authenticate(s->ldap->conn, &login, &s->ldap->ntlm, token, &who) || !login.begun)
		return;
	bind = new_bind(s);
	if (bind)
		*bind = login;
	else
		proto_login_end(s->ldap->conn, &login, PROTO_LOGIN_UNKNOWN);
}

static void sasl_bind(const struct said *s, struct cur c)
{
	struct cur mechanism = body_of(&c), credentials = body_of(&c);
	struct proto_login *login;

	json_open(s->o, "sasl", '{');
	json_body(s->o, "mechanism", mechanism);
	krb5_say_ticket(s->o, credentials);
	json_close(s->o, '}');
	if (!text_is(mechanism, "PLAIN")) {
		ntlm_bind(s, credentials);
		return;
	}
	login = new_bind(s);
	if (!login)
		return;
	login->method = "plain";
	sasl_plain(login, credentials);
}

static void bind_response(const struct said *s, struct cur c)
{
	struct cur code = c;
	bool success = ber_number(body_of(&code)) == 0;

	result(s, c);
	ntlm_challenged(&s->ldap->ntlm, c);
	if (!s->unasked)
		bind_answered(s->ldap, s->id, success);
}

static void bind_request(const struct said *s, struct cur c)
{
	struct ber auth;
	struct cur dn;

	json_u64(s->o, "version", (uint64_t)ber_number(body_of(&c)));
	dn = body_of(&c);
	say_dn(s, "name", dn);
	if (!ber_next(&c, &auth))
		return;
	if (auth.tag == 0x80)
		simple_bind(s, dn, auth.body);
	else if (auth.tag == 0xa3)
		sasl_bind(s, auth.body);
	else if (auth.tag == 0x8a || auth.tag == 0x8b)
		ntlm_bind(s, auth.body);
}

static void search_request(const struct said *s, struct cur c)
{
	struct cur list;

	say_dn(s, "base_object", body_of(&c));
	json_u64(s->o, "scope", (uint64_t)ber_number(body_of(&c)));
	json_u64(s->o, "deref_alias", (uint64_t)ber_number(body_of(&c)));
	json_u64(s->o, "size_limit", (uint64_t)ber_number(body_of(&c)));
	json_u64(s->o, "time_limit", (uint64_t)ber_number(body_of(&c)));
	json_bool(s->o, "types_only", ber_number(body_of(&c)) != 0);
	body_of(&c); /* the filter */
	list = body_of(&c);
	json_open(s->o, "attributes", '[');
	for (unsigned n = 0; cur_left(&list) && n < LDAP_LIST_MAX; n++)
		say_type(s, NULL, body_of(&list));
	json_close(s->o, ']');
}

static void attributes(const struct said *s, struct cur list, const char *type, const char *values)
{
	json_open(s->o, "attributes", '[');
	for (unsigned n = 0; cur_left(&list) && n < LDAP_LIST_MAX; n++) {
		struct cur one = body_of(&list);

		json_open(s->o, NULL, '{');
		say_type(s, type, body_of(&one));
		say_values(s->o, values, body_of(&one));
		json_close(s->o, '}');
	}
	json_close(s->o, ']');
}

static void search_entry(const struct said *s, struct cur c)
{
	say_dn(s, "base_object", body_of(&c));
	attributes(s, body_of(&c), "type", "values");
}

static void add_request(const struct said *s, struct cur c)
{
	say_dn(s, "entry", body_of(&c));
	attributes(s, body_of(&c), "name", "values");
}

static void modify_request(const struct said *s, struct cur c)
{
	static const char *const operations[] = { "add", "delete", "replace", "increment" };
	struct cur list;

	say_dn(s, "object", body_of(&c));
	list = body_of(&c);
	json_open(s->o, "changes", '[');
	for (unsigned n = 0; cur_left(&list) && n < LDAP_LIST_MAX; n++) {
		struct cur one = body_of(&list), attribute;
		uint64_t operation = (uint64_t)ber_number(body_of(&one));

		attribute = body_of(&one);
		json_open(s->o, NULL, '{');
		json_str(s->o, "operation", operation < 4 ? operations[operation] : "unknown");
		json_open(s->o, "modification", '{');
		say_type(s, "attribute_type", body_of(&attribute));
		say_values(s->o, "attribute_values", body_of(&attribute));
		json_close(s->o, '}');
		json_close(s->o, '}');
	}
	json_close(s->o, ']');
}

static void delete_request(const struct said *s, struct cur c)
{
	say_dn(s, "dn", c);
}

static void mod_dn_request(const struct said *s, struct cur c)
{
	say_dn(s, "entry", body_of(&c));
	json_body(s->o, "new_rdn", body_of(&c));
	json_bool(s->o, "delete_old_rdn", ber_number(body_of(&c)) != 0);
	if (cur_left(&c))
		json_body(s->o, "new_superior", body_of(&c));
}

static void compare_request(const struct said *s, struct cur c)
{
	struct cur assertion;

	say_dn(s, "entry", body_of(&c));
	assertion = body_of(&c);
	json_open(s->o, "attribute_value_assertion", '{');
	say_type(s, "description", body_of(&assertion));
	json_body(s->o, "value", body_of(&assertion));
	json_close(s->o, '}');
}

static void abandon_request(const struct said *s, struct cur c)
{
	json_u64(s->o, "message_id", (uint64_t)ber_number(c));
}

static void extended_request(const struct said *s, struct cur c)
{
	json_body(s->o, "name", body_of(&c));
}

static void extended_response(const struct said *s, struct cur c)
{
	struct ber element;

	result(s, c);
	while (cur_left(&c) && ber_next(&c, &element))
		if (element.tag == 0x8a)
			json_body(s->o, "name", element.body);
}

static const struct operation {
	uint8_t tag;
	bool answer, last; /* last: no answer follows */
	const char *name;
	void (*say)(const struct said *s, struct cur c);
} operations[] = {
	{ BIND_REQUEST, false, false, "bind_request", bind_request },
	{ BIND_RESPONSE, true, true, "bind_response", bind_response },
	{ UNBIND_REQUEST, false, true, "unbind_request", NULL },
	{ SEARCH_REQUEST, false, false, "search_request", search_request },
	{ SEARCH_ENTRY, true, false, "search_result_entry", search_entry },
	{ SEARCH_DONE, true, true, "search_result_done", result },
	{ SEARCH_REFERENCE, true, false, "search_result_reference", NULL },
	{ MODIFY_REQUEST, false, false, "modify_request", modify_request },
	{ MODIFY_RESPONSE, true, true, "modify_response", result },
	{ ADD_REQUEST, false, false, "add_request", add_request },
	{ ADD_RESPONSE, true, true, "add_response", result },
	{ DELETE_REQUEST, false, false, "del_request", delete_request },
	{ DELETE_RESPONSE, true, true, "del_response", result },
	{ MOD_DN_REQUEST, false, false, "mod_dn_request", mod_dn_request },
	{ MOD_DN_RESPONSE, true, true, "mod_dn_response", result },
	{ COMPARE_REQUEST, false, false, "compare_request", compare_request },
	{ COMPARE_RESPONSE, true, true, "compare_response", result },
	{ ABANDON_REQUEST, false, true, "abandon_request", abandon_request },
	{ EXTENDED_REQUEST, false, false, "extended_request", extended_request },
	{ EXTENDED_RESPONSE, true, true, "extended_response", extended_response },
	{ INTERMEDIATE, true, false, "intermediate_response", NULL },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const struct operation *find_operation(uint8_t tag)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (operations[i].tag == tag)
			return &operations[i];
	return NULL;
}

static struct proto_tx *find_call(struct ldap *l, int64_t id)
{
	for (unsigned i = 0; i < LDAP_CALLS_MAX; i++)
		if (l->call[i].tx && l->call[i].id == id)
			return l->call[i].tx;
	return NULL;
}

static void forget_call(struct ldap *l, const void *data)
{
	for (unsigned i = 0; i < LDAP_CALLS_MAX; i++)
		if (l->call[i].tx && l->call[i].tx->data == data)
			l->call[i].tx = NULL;
}

static void keep_call(struct ldap *l, int64_t id, struct proto_tx *tx)
{
	for (unsigned i = 0; i < LDAP_CALLS_MAX; i++)
		if (!l->call[i].tx) {
			l->call[i].tx = tx;
			l->call[i].id = id;
			return;
		}
	tx->state.done[1] = true; /* too many: its answers are on their own */
}

static void say_message(
	const struct said *s, int64_t id, const struct operation *op, struct cur body)
{
	if (op->answer)
		json_open(s->o, NULL, '{');
	else
		json_open(s->o, "request", '{');
	json_u64(s->o, "message_id", (uint64_t)id);
	json_str(s->o, "operation", op->name);
	if (op->say) {
		json_open(s->o, op->name, '{');
		op->say(s, body);
		json_close(s->o, '}');
	}
	json_close(s->o, '}');
}

static bool is_starttls(struct cur c)
{
	static const char oid[] = "1.3.6.1.4.1.1466.20037";
	struct cur name = body_of(&c);

	return cur_left(&name) == sizeof(oid) - 1 && memcmp(name.at, oid, sizeof(oid) - 1) == 0;
}

static void take_request(struct ldap *l, int64_t id, const struct operation *op, struct cur body)
{
	char text[16384];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx = proto_fields_tx(l->conn, "ldap");
	struct said s = { .ldap = l, .o = &o, .id = id };

	if (!tx)
		return;
	s.f = tx->data;
	say_message(&s, id, op, body);
	proto_fields_say(s.f, &o);
	proto_fields_add_number(
		s.f, NUMBER_LDAP_STARTTLS, op->tag == EXTENDED_REQUEST && is_starttls(body));
	if (op->last)
		tx->state.done[1] = true;
	else
		keep_call(l, id, tx);
	proto_tx_done(tx, 0);
}

static void take_answer(
	struct ldap *l, bool unasked, int64_t id, const struct operation *op, struct cur body)
{
	char text[16384];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx = unasked ? NULL : find_call(l, id);
	struct said s = { .ldap = l, .o = &o, .side = 1, .unasked = unasked, .id = id };
	uint64_t starttls = 0, code = 1;

	if (!tx) {
		tx = proto_fields_tx(l->conn, "ldap");
		if (!tx)
			return;
		tx->state.done[0] = true;
		if (!op->last && !unasked)
			keep_call(l, id, tx);
	}
	s.f = tx->data;
	s.f->sub_name = "responses";
	s.f->in_sub = true;
	if (s.f->sub_len)
		out_char(&o, ',');
	say_message(&s, id, op, body);
	proto_fields_say(s.f, &o);
	s.f->in_sub = false;
	if (!op->last && !unasked) {
		proto_tx_news(tx, 1);
		return;
	}
	proto_fields_number(tx, NUMBER_LDAP_STARTTLS, 0, &starttls);
	proto_fields_number(tx, NUMBER_LDAP_RESULT, 0, &code);
	l->over = starttls && code == 0;
	if (l->over)
		proto_conn_start_over(l->conn);
	forget_call(l, tx->data);
	proto_tx_done(tx, 1);
}

/* Who asks is who was heard asking first. */
static bool is_asker(struct ldap *l, unsigned side, bool answers)
{
	if (!l->knows_asker)
		l->asker = (uint8_t)(answers ? !side : side);
	l->knows_asker = true;
	return side == l->asker;
}

static bool take_message(struct ldap *l, unsigned side, struct cur c)
{
	const struct operation *op;
	struct ber message, id, element;
	bool asker;

	if (!ber_next(&c, &message) || !ber_next(&message.body, &id) ||
		!ber_next(&message.body, &element))
		return false;
	op = find_operation(element.tag);
	if (message.tag != 0x30 || id.tag != 2 || !op)
		return false;
	asker = is_asker(l, side, op->answer);
	if (op->answer)
		take_answer(l, asker, ber_number(id.body), op, element.body);
	else
		take_request(l, ber_number(id.body), op, element.body);
	return true;
}

static size_t ldap_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct ldap *l = state;
	struct cur c = cur_make(bytes, len);
	bool tcp = proto_conn_info(conn)->ip_proto == IPPROTO_TCP;

	(void)end;
	for (talk_skip(&l->skip[side], &c); cur_left(&c) && !l->over;
		talk_skip(&l->skip[side], &c)) {
		size_t size = ber_size(c.at, cur_left(&c));

		if (size > LDAP_SIZE_MAX)
			return SIZE_MAX;
		if (size > LDAP_WHOLE_MAX && tcp) {
			proto_conn_limit(conn);
			l->skip[side] = size;
			continue;
		}
		if (!size || size > cur_left(&c))
			break;
		if (!take_message(l, side, cur_sub(&c, size)))
			return SIZE_MAX;
	}
	return len - cur_left(&c);
}

static void *ldap_open(struct proto_conn *conn)
{
	struct ldap *l = proto_alloc(conn, sizeof(*l));

	if (l)
		l->conn = conn;
	return l;
}

static void ldap_close(void *state)
{
	struct ldap *l = state;

	while (l->n_binds)
		drop_bind(l, 0, PROTO_LOGIN_UNKNOWN);
	proto_free(l->conn, l->bind, LDAP_BINDS_MAX * sizeof(l->bind[0]));
	proto_free(l->conn, l, sizeof(*l));
}

static void ldap_free_tx(void *data)
{
	forget_call(proto_conn_state(((struct proto_fields *)data)->conn), data);
	proto_fields_free(data);
}

/* What the first request or answer of a conversation begins with, whole: the version of a bind, the scope of a search,
 * the name of an extended one; the result of an answer. */
static bool is_first(const struct ber *op)
{
	struct cur body = op->body;
	struct ber first, second;
	int64_t value;

	if (!ber_next(&body, &first))
		return false;
	value = ber_number(first.body);
	switch (op->tag) {
	case BIND_REQUEST:
		return first.tag == 2 && (value == 2 || value == 3);
	case SEARCH_REQUEST:
		return first.tag == 4 && ber_next(&body, &second) && second.tag == 10 &&
		       cur_left(&second.body) == 1 && ber_number(second.body) <= 3;
	case EXTENDED_REQUEST:
		return first.tag == 0x80;
	case SEARCH_ENTRY:
		return first.tag == 4 && ber_next(&body, &second) && second.tag == 0x30;
	case BIND_RESPONSE:
	case SEARCH_DONE:
	case EXTENDED_RESPONSE:
		return first.tag == 10 && cur_left(&first.body) == 1 && ber_next(&body, &second) &&
		       second.tag == 4;
	}
	return false;
}

/* On any port: what JNDI is made to fetch a class from (Log4Shell) seldom has LDAP's own. */
static enum proto_guess guess_any(struct cur c, size_t size)
{
	struct ber message, id, op;

	if (size > LDAP_GUESS_MAX)
		return PROTO_IS_NOT;
	if (cur_left(&c) < size)
		return PROTO_MAY_BE;
	if (!ber_next(&c, &message) || !ber_next(&message.body, &id) ||
		!ber_next(&message.body, &op))
		return PROTO_IS_NOT;
	return id.tag == 2 && cur_left(&id.body) >= 1 && cur_left(&id.body) <= 4 &&
			       ber_number(id.body) > 0 && is_first(&op)
		       ? PROTO_IS
		       : PROTO_IS_NOT;
}

static enum proto_guess ldap_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	size_t size = ber_size(bytes, len);

	(void)side;
	if ((len && cur_ahead(c, 0) != 0x30) || size == SIZE_MAX)
		return PROTO_IS_NOT;
	if (!size)
		return PROTO_MAY_BE;
	if (info->port[0] != 389 && info->port[1] != 389 && info->port[1] != 3268)
		return guess_any(c, size);
	cur_skip(&c, 1);
	cur_skip(&c, c.at[0] & 0x80 ? 1 + (c.at[0] & 0x7f) : 1);
	if (cur_left(&c) < 8 && cur_left(&c) + 2 < size)
		return PROTO_MAY_BE;
	if (cur_u8(&c) != 2)
		return PROTO_IS_NOT;
	cur_skip(&c, cur_u8(&c));
	return find_operation(cur_u8(&c)) && cur_ok(&c) ? PROTO_IS : PROTO_IS_NOT;
}

/* Answers are a list. */
static bool ldap_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;

	out_str(o, "\"ldap\":{");
	if (f->cut)
		json_bool(o, "cut", true);
	if (f->text_len) {
		json_name(o, NULL);
		out_bytes(o, f->text, f->text_len);
	}
	if (f->sub_len) {
		json_open(o, "responses", '[');
		out_bytes(o, f->sub, f->sub_len);
		json_close(o, ']');
	}
	json_close(o, '}');
	return f->text_len || f->sub_len || f->cut;
}

const struct proto_parser proto_ldap = { .id = PROTO_LDAP,
	.guess = ldap_guess,
	.open = ldap_open,
	.close = ldap_close,
	.feed = ldap_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = ldap_json,
	.free_tx = ldap_free_tx };
