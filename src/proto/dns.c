/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS (RFC 1035), and LLMNR (RFC 4795) which has the same messages. Over TCP each message is
 * preceded by its length. A message is a transaction of its own: questions and answers are paired
 * by whoever reads the records. Names are written out, at most DNS_NAME_MAX bytes each, through at
 * most DNS_JUMPS_MAX pointers.
 */
#include "proto/fields.h"

#include <ctype.h>

#define DNS_NAME_MAX  1025
#define DNS_JUMPS_MAX 255
#define DNS_RRS_MAX   512 /* records of a message that are read */
#define DNS_GROUPS    16  /* kinds of answers that are shown grouped */
#define DNS_HEADER    12

struct dns_name {
	uint8_t text[DNS_NAME_MAX];
	uint32_t len;
	bool cut;
};

struct dns_rr {
	struct dns_name name;
	uint16_t type;
	uint32_t ttl;
	struct cur data;
};

/* Where the value of an answer is in the JSON text. */
struct dns_shown {
	uint16_t type;
	uint32_t at, len;
};

struct dns_message {
	const uint8_t *bytes;
	size_t len;
	struct cur cur;
	uint16_t id, flags, count[4];
	const char *event[8];
	unsigned n_events;
	struct proto_fields *fields;
	struct dns_shown shown[DNS_RRS_MAX];
	unsigned n_shown;
	unsigned n_rrs;
};

struct word {
	uint16_t number;
	const char *text;
};

static const struct word types[] = { { 1, "A" }, { 2, "NS" }, { 3, "MD" }, { 4, "MF" },
	{ 5, "CNAME" }, { 6, "SOA" }, { 7, "MB" }, { 8, "MG" }, { 9, "MR" }, { 10, "NULL" },
	{ 11, "WKS" }, { 12, "PTR" }, { 13, "HINFO" }, { 14, "MINFO" }, { 15, "MX" }, { 16, "TXT" },
	{ 17, "RP" }, { 18, "AFSDB" }, { 19, "X25" }, { 20, "ISDN" }, { 21, "RT" }, { 22, "NSAP" },
	{ 23, "NSAPPTR" }, { 24, "SIG" }, { 25, "KEY" }, { 26, "PX" }, { 27, "GPOS" },
	{ 28, "AAAA" }, { 29, "LOC" }, { 30, "NXT" }, { 33, "SRV" }, { 34, "ATMA" },
	{ 35, "NAPTR" }, { 36, "KX" }, { 37, "CERT" }, { 38, "A6" }, { 39, "DNAME" }, { 41, "OPT" },
	{ 42, "APL" }, { 43, "DS" }, { 44, "SSHFP" }, { 45, "IPSECKEY" }, { 46, "RRSIG" },
	{ 47, "NSEC" }, { 48, "DNSKEY" }, { 49, "DHCID" }, { 50, "NSEC3" }, { 51, "NSEC3PARAM" },
	{ 52, "TLSA" }, { 53, "SMIMEA" }, { 55, "HIP" }, { 59, "CDS" }, { 60, "CDNSKEY" },
	{ 61, "OPENPGPKEY" }, { 62, "CSYNC" }, { 63, "ZONEMD" }, { 64, "SVCB" }, { 65, "HTTPS" },
	{ 99, "SPF" }, { 108, "EUI48" }, { 109, "EUI64" }, { 249, "TKEY" }, { 250, "TSIG" },
	{ 251, "IXFR" }, { 252, "AXFR" }, { 253, "MAILB" }, { 254, "MAILA" }, { 255, "ANY" },
	{ 256, "URI" }, { 257, "CAA" } };

static const struct word rcodes[] = { { 0, "NOERROR" }, { 1, "FORMERR" }, { 2, "SERVFAIL" },
	{ 3, "NXDOMAIN" }, { 4, "NOTIMP" }, { 5, "REFUSED" }, { 6, "YXDOMAIN" }, { 7, "YXRRSET" },
	{ 8, "NXRRSET" }, { 9, "NOTAUTH" }, { 10, "NOTZONE" } };

static void json_word(
	struct out *o, const char *name, const struct word *words, size_t n, uint16_t number)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].number == number) {
			json_str(o, name, words[i].text);
			return;
		}
	json_name(o, name);
	out_fmt(o, "\"%u\"", number);
}

/* LLMNR's are written in lower case. */
static void json_type(struct out *o, const char *name, uint16_t type, bool llmnr)
{
	size_t at = o->len;

	json_word(o, name, types, sizeof(types) / sizeof(types[0]), type);
	for (at += name ? strlen(name) + 3 : 0; llmnr && at < o->len; at++)
		o->at[at] = (char)tolower(o->at[at]);
}

static void event(struct dns_message *m, const char *name)
{
	for (unsigned i = 0; i < m->n_events; i++)
		if (m->event[i] == name)
			return;
	if (m->n_events < sizeof(m->event) / sizeof(m->event[0]))
		m->event[m->n_events++] = name;
}

static void name_add(struct dns_name *name, const uint8_t *label, size_t len)
{
	if (name->cut || name->len + (name->len ? 1 : 0) + len > DNS_NAME_MAX) {
		name->cut = true;
		return;
	}
	if (name->len)
		name->text[name->len++] = '.';
	memcpy(name->text + name->len, label, len);
	name->len += (uint32_t)len;
}

/* A name at `c`, which is left behind it. */
static bool read_name(struct dns_message *m, struct cur *c, struct dns_name *ret_name)
{
	struct cur at = *c;
	bool jumped = false;

	ret_name->len = 0;
	ret_name->cut = false;
	for (unsigned jumps = 0;;) {
		uint8_t len = cur_u8(&at);

		if (!cur_ok(&at))
			break;
		/* Where it ends is known behind a pointer: what is too long costs no more than is told. */
		if (len == 0 || (jumped && ret_name->cut)) {
			if (!jumped)
				*c = at;
			if (ret_name->cut)
				event(m, "dns.name_too_long");
			return true;
		}
		if (len >= 0xc0) {
			size_t to = ((size_t)(len & 0x3f) << 8) | cur_u8(&at);

			if (!cur_ok(&at) || to >= m->len)
				break;
			if (!jumped)
				*c = at;
			jumped = true;
			if (++jumps > DNS_JUMPS_MAX) {
				event(m, "dns.infinite_loop");
				return true;
			}
			at = cur_make(m->bytes, m->len);
			cur_skip(&at, to);
		} else if (len < 0x40) {
			const uint8_t *label = cur_take(&at, len);

			if (label)
				name_add(ret_name, label, len);
		} else {
			break;
		}
	}
	cur_fail(c);
	return false;
}

static void json_names(
	struct out *o, const char *name, struct dns_message *m, struct cur *c, uint32_t *ret_at)
{
	struct dns_name text;

	json_name(o, name);
	*ret_at = (uint32_t)o->len;
	out_json_text(o, (const char *)text.text, read_name(m, c, &text) ? text.len : 0);
}

static void json_sub_name(struct out *o, const char *name, struct dns_message *m, struct cur *c)
{
	uint32_t at;

	json_names(o, name, m, c, &at);
}

/* Bytes of a record are a cursor of their own, but names in it may point into the message. */
static void json_soa(struct out *o, struct dns_message *m, struct cur c)
{
	json_sub_name(o, "mname", m, &c);
	json_sub_name(o, "rname", m, &c);
	json_u64(o, "serial", cur_be32(&c));
	json_u64(o, "refresh", cur_be32(&c));
	json_u64(o, "retry", cur_be32(&c));
	json_u64(o, "expire", cur_be32(&c));
	json_u64(o, "minimum", cur_be32(&c));
}

static void json_srv(struct out *o, struct dns_message *m, struct cur c)
{
	json_u64(o, "priority", cur_be16(&c));
	json_u64(o, "weight", cur_be16(&c));
	json_u64(o, "port", cur_be16(&c));
	json_sub_name(o, "name", m, &c);
}

static void json_sshfp(struct out *o, struct dns_message *m, struct cur c)
{
	size_t len;

	(void)m;
	json_u64(o, "algo", cur_u8(&c));
	json_u64(o, "type", cur_u8(&c));
	len = cur_left(&c);
	json_hex(o, "fingerprint", cur_take(&c, len), len, ':');
}

static void json_address(struct out *o, struct cur c)
{
	size_t len = cur_left(&c);

	out_char(o, '"');
	for (unsigned i = 0; len == 4 && i < 4; i++)
		out_fmt(o, i ? ".%u" : "%u", cur_u8(&c));
	for (unsigned i = 0; len == 16 && i < 8; i++)
		out_fmt(o, i ? ":%04x" : "%04x", cur_be16(&c));
	out_char(o, '"');
}

/* Texts of a TXT record, as one. */
static void json_txt(struct out *o, struct cur c)
{
	uint8_t text[1024];
	size_t used = 0;

	while (cur_left(&c)) {
		struct cur part = cur_sub(&c, cur_u8(&c));
		size_t len = cur_left(&part);

		if (!cur_ok(&part) || len > sizeof(text) - used)
			break;
		cur_copy(&part, text + used, len);
		used += len;
	}
	out_json_text(o, (const char *)text, used);
}

static const struct rr_object {
	uint16_t type;
	const char *name;
	void (*json)(struct out *o, struct dns_message *m, struct cur c);
} objects[] = { { 6, "soa", json_soa }, { 33, "srv", json_srv }, { 44, "sshfp", json_sshfp } };

/* The value of a record; returns where it begins in the text, 0: not shown. */
static uint32_t json_value(
	struct out *o, struct dns_message *m, const struct dns_rr *rr, bool llmnr)
{
	struct cur c = rr->data;
	uint32_t at = 0;

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		if (objects[i].type == rr->type) {
			json_name(o, objects[i].name);
			at = (uint32_t)o->len;
			out_char(o, '{');
			objects[i].json(o, m, c);
			out_char(o, '}');
			return at;
		}
	switch (rr->type) {
	case 1:
	case 28:
		json_name(o, !llmnr ? "rdata" : rr->type == 1 ? "a" : "aaaa");
		at = (uint32_t)o->len;
		json_address(o, c);
		return at;
	case 16:
		json_name(o, "rdata");
		at = (uint32_t)o->len;
		json_txt(o, c);
		return at;
	case 15:
		cur_skip(&c, 2);
		__attribute__((fallthrough));
	case 2:
	case 5:
	case 12:
	case 39:
		json_names(o, "rdata", m, &c, &at);
		return at;
	default:
		return 0;
	}
}

static void json_record(
	struct out *o, struct dns_message *m, const struct dns_rr *rr, bool answer, bool llmnr)
{
	uint32_t at;

	json_open(o, NULL, '{');
	json_text(o, "rrname", rr->name.text, rr->name.len);
	if (rr->name.cut)
		json_bool(o, "rrname_truncated", true);
	json_type(o, "rrtype", rr->type, llmnr);
	json_u64(o, "ttl", rr->ttl);
	at = json_value(o, m, rr, llmnr);
	if (at && answer && out_ok(o) && m->n_shown < DNS_RRS_MAX)
		m->shown[m->n_shown++] = (struct dns_shown){ rr->type, at, (uint32_t)o->len - at };
	json_close(o, '}');
}

/* What does not fit is left out as a whole. */
static void keep_or_undo(struct out *o, size_t len)
{
	if (out_ok(o) && o->len + 64 < o->size)
		return;
	o->len = len;
	o->at[len] = '\0';
	o->full = false;
}

static bool read_rr(struct dns_message *m, struct dns_rr *ret_rr)
{
	uint16_t len;

	if (!read_name(m, &m->cur, &ret_rr->name))
		return false;
	ret_rr->type = cur_be16(&m->cur);
	cur_skip(&m->cur, 2);
	ret_rr->ttl = cur_be32(&m->cur);
	len = cur_be16(&m->cur);
	ret_rr->data = cur_sub(&m->cur, len);
	return cur_ok(&m->cur);
}

static const struct section {
	const char *name, *llmnr_event, *event;
	enum proto_buffer_id buffer, llmnr;
} sections[4] = {
	{ "queries", NULL, NULL, BUFFER_DNS_QUERIES_RRNAME, BUFFER_LLMNR_QUERIES_RRNAME },
	{ "answers", NULL, NULL, BUFFER_DNS_ANSWERS_RRNAME, BUFFER_LLMNR_ANSWERS_RRNAME },
	{ "authorities", NULL, "dns.invalid_authorities", BUFFER_DNS_AUTHORITIES_RRNAME,
		BUFFER_NONE },
	{ "additionals", NULL, "dns.invalid_additionals", BUFFER_DNS_ADDITIONALS_RRNAME,
		BUFFER_NONE },
};

static void note_rr(struct dns_message *m, const struct dns_rr *rr, unsigned section, bool llmnr)
{
	enum proto_buffer_id buffer = llmnr ? sections[section].llmnr : sections[section].buffer;

	if (!m->fields)
		return;
	if (buffer != BUFFER_NONE)
		proto_fields_add(m->fields, buffer, rr->name.text, rr->name.len);
	if (llmnr)
		return;
	if (section == 0 && !(m->flags & 0x8000))
		proto_fields_add(m->fields, BUFFER_DNS_QUERY, rr->name.text, rr->name.len);
	if (m->flags & 0x8000)
		proto_fields_add(
			m->fields, BUFFER_DNS_RESPONSE_RRNAME, rr->name.text, rr->name.len);
	if (section < 2)
		proto_fields_add_number(m->fields, NUMBER_DNS_RRTYPE, rr->type);
}

/* Of a response, names that records hold are looked for too. */
static void note_target(struct dns_message *m, const struct dns_rr *rr)
{
	struct dns_name name;
	struct cur c = rr->data;

	if (!(m->flags & 0x8000) || !m->fields)
		return;
	if (rr->type == 15)
		cur_skip(&c, 2);
	else if (rr->type != 2 && rr->type != 5 && rr->type != 12 && rr->type != 6)
		return;
	if (read_name(m, &c, &name))
		proto_fields_add(m->fields, BUFFER_DNS_RESPONSE_RRNAME, name.text, name.len);
}

static bool read_question(struct dns_message *m, struct out *o, bool llmnr)
{
	struct dns_rr rr = { .ttl = 0 };

	if (!read_name(m, &m->cur, &rr.name))
		return false;
	rr.type = cur_be16(&m->cur);
	cur_skip(&m->cur, 2);
	if (!cur_ok(&m->cur))
		return false;
	note_rr(m, &rr, 0, llmnr);
	json_open(o, NULL, '{');
	json_text(o, "rrname", rr.name.text, rr.name.len);
	if (rr.name.cut)
		json_bool(o, "rrname_truncated", true);
	json_type(o, "rrtype", rr.type, llmnr);
	json_close(o, '}');
	return true;
}

static bool read_record(struct dns_message *m, struct out *o, unsigned section, bool llmnr)
{
	struct dns_rr rr;

	if (!read_rr(m, &rr))
		return false;
	note_rr(m, &rr, section, llmnr);
	note_target(m, &rr);
	json_record(o, m, &rr, section == 1, llmnr);
	return true;
}

static bool read_section(struct dns_message *m, struct out *o, unsigned section, bool llmnr)
{
	size_t before = o->len;
	bool fine = true;

	if (!m->count[section])
		return true;
	json_open(o, sections[section].name, '[');
	for (unsigned i = 0; fine && i < m->count[section] && m->n_rrs < DNS_RRS_MAX; i++) {
		size_t len = o->len;

		m->n_rrs++;
		fine = section ? read_record(m, o, section, llmnr) : read_question(m, o, llmnr);
		keep_or_undo(o, len);
	}
	if (o->at[o->len - 1] == '[') {
		o->len = before;
		o->at[before] = '\0';
	} else {
		json_close(o, ']');
	}
	return fine;
}

static bool seen_before(const struct dns_message *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (m->shown[i].type == m->shown[n].type)
			return true;
	return false;
}

static void json_group(struct out *o, const struct dns_message *m, unsigned first)
{
	char name[16];
	struct out type = out_make(name, sizeof(name));

	json_type(&type, NULL, m->shown[first].type, false);
	json_name(o, NULL);
	out_str(o, name);
	out_str(o, ":[");
	for (unsigned i = first; i < m->n_shown; i++)
		if (m->shown[i].type == m->shown[first].type) {
			json_name(o, NULL);
			out_bytes(o, o->at + m->shown[i].at, m->shown[i].len);
		}
	json_close(o, ']');
}

static void json_grouped(struct out *o, const struct dns_message *m)
{
	size_t before = o->len;
	unsigned groups = 0;

	if (!m->n_shown)
		return;
	json_open(o, "grouped", '{');
	for (unsigned i = 0; i < m->n_shown && groups < DNS_GROUPS; i++)
		if (!seen_before(m, i)) {
			json_group(o, m, i);
			groups++;
		}
	json_close(o, '}');
	keep_or_undo(o, before);
}

static void json_header(struct out *o, const struct dns_message *m, uint64_t tx_id, bool llmnr)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} bits[] = { { 0x8000, "qr" }, { 0x0400, "aa" }, { 0x0200, "tc" }, { 0x0100, "rd" },
		{ 0x0080, "ra" }, { 0x0040, "z" } };

	if (!llmnr)
		json_u64(o, "version", 3);
	json_str(o, "type", m->flags & 0x8000 ? "response" : "request");
	json_u64(o, "tx_id", tx_id);
	json_u64(o, "id", m->id);
	json_name(o, "flags");
	out_fmt(o, "\"%x\"", m->flags);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (m->flags & bits[i].bit)
			json_bool(o, bits[i].name, true);
	json_u64(o, "opcode", (m->flags >> 11) & 15);
	json_word(o, "rcode", rcodes, sizeof(rcodes) / sizeof(rcodes[0]), m->flags & 15);
}

static bool read_header(struct dns_message *m, const uint8_t *bytes, size_t len)
{
	m->bytes = bytes;
	m->len = len;
	m->n_events = m->n_shown = m->n_rrs = 0;
	m->fields = NULL;
	m->cur = cur_make(bytes, len);
	m->id = cur_be16(&m->cur);
	m->flags = cur_be16(&m->cur);
	for (unsigned i = 0; i < 4; i++)
		m->count[i] = cur_be16(&m->cur);
	return cur_ok(&m->cur);
}

static void read_sections(struct dns_message *m, struct out *o, bool llmnr)
{
	for (unsigned i = 0; i < 4; i++)
		if (!read_section(m, o, i, llmnr)) {
			event(m, llmnr               ? "llmnr.malformed_data"
				 : sections[i].event ? sections[i].event
						     : "dns.malformed_data");
			return;
		}
}

static void check_flags(struct dns_message *m, bool llmnr)
{
	unsigned opcode = (m->flags >> 11) & 15;

	if (llmnr && opcode)
		event(m, "llmnr.invalid_opcode");
	if (llmnr)
		return;
	if (m->flags & 0x0040)
		event(m, "dns.z_flag_set");
	if (opcode >= 7)
		event(m, "dns.invalid_opcode");
}

static void take_message(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len, bool llmnr)
{
	struct dns_message m;
	char text[FIELDS_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx = proto_fields_tx(conn, llmnr ? "llmnr" : "dns");
	bool fine;

	if (!tx)
		return;
	fine = read_header(&m, bytes, len);
	if (fine) {
		m.fields = tx->data;
		json_header(&o, &m, tx->state.id, llmnr);
		check_flags(&m, llmnr);
		read_sections(&m, &o, llmnr);
		if (!llmnr)
			json_grouped(&o, &m);
		proto_fields_say(m.fields, &o);
		proto_fields_add_number(m.fields, NUMBER_DNS_OPCODE, (m.flags >> 11) & 15);
		proto_fields_add_number(m.fields, NUMBER_DNS_RCODE, m.flags & 15);
	} else {
		m.n_events = 0;
		event(&m, llmnr ? "llmnr.malformed_data" : "dns.malformed_data");
	}
	for (unsigned i = 0; i < m.n_events; i++)
		proto_tx_add_event(tx, m.event[i]);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
}

/* A header that makes sense and, if all of it is there, a first question that can be read. */
static bool looks_right(struct cur c, bool any_opcode)
{
	struct dns_message m;
	struct dns_name name;

	if (!read_header(&m, c.at, cur_left(&c)) || (!any_opcode && ((m.flags >> 11) & 15) > 6) ||
		m.count[0] > 16 || m.count[1] + m.count[2] + m.count[3] > DNS_RRS_MAX ||
		(m.count[0] == 0 && !m.count[1]))
		return false;
	return m.count[0] == 0 || (read_name(&m, &m.cur, &name) && cur_left(&m.cur) >= 4);
}

/* NetBIOS asks like this, with a name of 32 letters for 16 bytes (RFC 1002, 4.1). */
static bool is_netbios(struct cur name)
{
	if (cur_u8(&name) != 32 || cur_ahead(name, 32) != 0)
		return false;
	for (unsigned i = 0; i < 32; i++) {
		uint8_t letter = cur_u8(&name);

		if (letter < 'A' || letter > 'Z') /* more than it uses, should one be wrong */
			return false;
	}
	return cur_ok(&name);
}

/* On any port: what a resolver asks or is told, with one question of the Internet, and nothing that contradicts it. */
static bool is_surely_one(struct cur c)
{
	struct dns_message m;
	struct dns_name name;
	struct cur at;
	uint16_t type;
	bool answer;

	if (!read_header(&m, c.at, cur_left(&c)) || m.count[0] != 1)
		return false;
	answer = m.flags & 0x8000;
	if (answer ? (m.flags & 0x7840) || m.count[1] + m.count[2] + m.count[3] > DNS_RRS_MAX
		   : (m.flags & ~0x0130u) || m.count[1] || m.count[2] || m.count[3] > 1)
		return false;
	at = m.cur;
	if (!read_name(&m, &m.cur, &name) || m.n_events)
		return false;
	type = cur_be16(&m.cur);
	if (!type || cur_be16(&m.cur) != 1 || !cur_ok(&m.cur) || is_netbios(at))
		return false;
	if (answer || !m.count[3])
		return answer || !cur_left(&m.cur);
	return cur_u8(&m.cur) == 0 && cur_be16(&m.cur) == 41; /* EDNS (RFC 6891) */
}

/* Over TCP, as far as it is here: its length, and how a question begins. */
static enum proto_guess guess_any_tcp(struct cur c)
{
	static const uint8_t mask[] = { 0xfe, 0, 0, 0, 0xfe, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xfe };
	static const uint8_t bits[sizeof(mask)] = { [7] = 1 };
	uint16_t stated;

	for (size_t i = 0; i < sizeof(mask) && i < cur_left(&c); i++)
		if ((cur_ahead(c, i) & mask[i]) != bits[i])
			return PROTO_IS_NOT;
	if (cur_left(&c) < 2)
		return PROTO_MAY_BE;
	stated = cur_be16(&c);
	if (stated <= DNS_HEADER + 4)
		return PROTO_IS_NOT;
	if (cur_left(&c) < stated)
		return PROTO_MAY_BE;
	cur_limit(&c, stated);
	return is_surely_one(c) ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess guess_any(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	static const uint16_t others[] = { 137, 138, 5353, 5355 }; /* speak alike */
	struct cur c = cur_make(bytes, len);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (info->port[0] == others[i] || info->port[1] == others[i])
			return PROTO_IS_NOT;
	if (info->ip_proto == IPPROTO_UDP)
		return is_surely_one(c) ? PROTO_IS : PROTO_IS_NOT;
	return side == 0 && info->ip_proto == IPPROTO_TCP ? guess_any_tcp(c) : PROTO_IS_NOT;
}

static enum proto_guess guess_of(
	const struct proto_flow_info *info, const uint8_t *bytes, size_t len, uint16_t port)
{
	bool ours = info->port[0] == port || info->port[1] == port;
	bool any = port != 53; /* LLMNR says what is wrong with it */
	struct cur c = cur_make(bytes, len);
	uint16_t stated;

	if (!ours)
		return PROTO_IS_NOT;
	if (info->ip_proto == IPPROTO_UDP)
		return looks_right(c, any) ? PROTO_IS : PROTO_IS_NOT;
	if (len < 2 + DNS_HEADER)
		return PROTO_MAY_BE;
	stated = cur_be16(&c);
	if (stated < DNS_HEADER)
		return PROTO_IS_NOT;
	if (cur_left(&c) < stated && len < 512)
		return PROTO_MAY_BE;
	cur_limit(&c, stated);
	return looks_right(c, any) ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess dns_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	if (info->port[0] != 53 && info->port[1] != 53)
		return guess_any(info, side, bytes, len);
	return guess_of(info, bytes, len, 53);
}

static enum proto_guess llmnr_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)side;
	return guess_of(info, bytes, len, 5355);
}

static size_t feed(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len, bool llmnr)
{
	struct cur c = cur_make(bytes, len);
	size_t used = 0;

	if (proto_conn_info(conn)->ip_proto == IPPROTO_UDP) {
		if (len)
			take_message(conn, side, bytes, len, llmnr);
		return len;
	}
	while (cur_left(&c) >= 2) {
		struct cur message = cur_sub(&c, cur_be16(&c));

		if (!cur_ok(&message))
			break;
		take_message(conn, side, message.at, cur_left(&message), llmnr);
		used = len - cur_left(&c);
	}
	return used;
}

static size_t dns_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	(void)state;
	(void)end;
	return feed(conn, side, bytes, len, false);
}

static size_t llmnr_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	(void)state;
	(void)end;
	return feed(conn, side, bytes, len, true);
}

const struct proto_parser proto_dns = { .id = PROTO_DNS,
	.guess = dns_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = dns_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };

const struct proto_parser proto_llmnr = { .id = PROTO_LLMNR,
	.guess = llmnr_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = llmnr_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
