/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/record.h"

#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include <sodium.h>

#include "base/entropy.h"
#include "base/out.h"
#include "frame/frame.h"

enum { SIGNATURE_TOLD = 1024, CATEGORY_TOLD = 256, KEYS_MAX = 32 };

static struct text cut(const char *text, size_t max)
{
	return text ? (struct text){ text, (uint32_t)strnlen(text, max) } : (struct text){ 0 };
}

static struct text written(const struct out *o)
{
	return (struct text){ o->at, (uint32_t)o->len };
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static void fill_packet(const struct frame_packet *p, struct record_head *h)
{
	h->src = p->src;
	h->dst = p->dst;
	h->proto = p->proto;
	if (is_icmp(p->proto)) {
		h->icmp_type = p->icmp_type;
		h->icmp_code = p->icmp_code;
	} else {
		h->sport = p->sport;
		h->dport = p->dport;
	}
}

static struct text app_name(enum proto_id app)
{
	if (app == PROTO_FAILED)
		return text_of("failed");
	return app == PROTO_NONE ? (struct text){ 0 } : text_of(proto_name(app));
}

static struct record new_record(
	enum event_type type, const struct inspect_frame *frame, enum proto_id app)
{
	struct record record = { .type = type };

	record.head.time_ns = frame->wall_ns;
	record.head.flow_id = frame->flow_id;
	record.head.direction = (uint8_t)frame->direction;
	record.head.packet = frame->packet;
	record.head.app_proto = app_name(app);
	return record;
}

/* ---- members ---- */

/* What did not fit is left out. */
static void keep_if_whole(struct out *o, size_t len)
{
	if (out_ok(o))
		return;
	o->full = false;
	o->len = len;
	o->at[len] = '\0';
}

static void put_name(struct out *o, const char *name)
{
	out_fmt(o, "%s\"%s\":", o->len > 0 ? "," : "", name);
}

static void put_json(struct out *o, struct proto_tx *tx)
{
	size_t len = o->len;

	out_char(o, ',');
	if (!proto_tx_json(tx, o))
		o->full = true;
	keep_if_whole(o, len);
}

static void put_tx(struct out *o, struct proto_tx *tx)
{
	put_name(o, "tx_id");
	out_u64(o, proto_tx_state(tx).id);
	put_json(o, tx);
}

static void put_vlan(struct out *o, const struct frame *f)
{
	if (f->n_tags == 0)
		return;
	put_name(o, "vlan");
	for (unsigned i = 0; i < f->n_tags; i++)
		out_fmt(o, "%c%u", i ? ',' : '[', f->tag[i] & 0xfffu);
	out_char(o, ']');
}

/* As EVE has it, of what has no other addresses. */
static void put_ether(struct out *o, const struct frame *f)
{
	char source[MAC_TEXT_MAX], destination[MAC_TEXT_MAX];

	if (f->n_packets > 0)
		return;
	put_name(o, "ether");
	out_fmt(o, "{\"src_mac\":\"%s\",\"dest_mac\":\"%s\"}", mac_text(&f->src_mac, source),
		mac_text(&f->dst_mac, destination));
}

static void put_flow(struct out *o, const struct rules_unit *unit)
{
	put_name(o, "flow");
	out_fmt(o,
		"{\"pkts_toserver\":%llu,\"pkts_toclient\":%llu,\"bytes_toserver\":%llu,"
		"\"bytes_toclient\":%llu,\"start\":\"",
		(unsigned long long)unit->flow_packets[0],
		(unsigned long long)unit->flow_packets[1], (unsigned long long)unit->flow_bytes[0],
		(unsigned long long)unit->flow_bytes[1]);
	out_time_eve(o, unit->flow_start_ns);
	out_str(o, "\"}");
}

static void put_printable(struct out *o, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = bytes[i];

		if (c == '\n' || c == '\r')
			out_str(o, c == '\n' ? "\\n" : "\\r");
		else if (c == '"' || c == '\\')
			out_fmt(o, "\\%c", c);
		else
			out_char(o, c < 0x20 || c >= 0x7f ? '.' : (char)c);
	}
}

static bool is_of_packet(const struct inspect_hit *hit)
{
	const struct frame *f = hit->parsed;

	return !hit->tx && (!hit->payload || (f->data && hit->payload >= f->data &&
						     hit->payload <= f->data + f->len));
}

static void put_payload(struct out *o, const struct inspect_hit *hit)
{
	uint32_t n =
		hit->payload_len < INSPECT_PAYLOAD_TOLD ? hit->payload_len : INSPECT_PAYLOAD_TOLD;
	const uint8_t *at = hit->payload + hit->payload_len - n;
	size_t len = o->len;

	put_name(o, "stream");
	out_char(o, is_of_packet(hit) ? '0' : '1');
	if (n == 0 || hit->frame->is_private)
		return;
	put_name(o, "payload");
	out_char(o, '"');
	out_base64(o, at, n);
	out_char(o, '"');
	put_name(o, "payload_printable");
	out_char(o, '"');
	put_printable(o, at, n);
	out_char(o, '"');
	keep_if_whole(o, len);
}

/* ---- metadata and references ---- */

struct pair {
	const char *key, *value;
	size_t key_len, value_len;
};

/* "key value, key value": the next one. */
static bool next_pair(const char **at, struct pair *ret_pair)
{
	const char *p = *at + strspn(*at, ", ");
	size_t len = strcspn(p, ",");

	if (*p == '\0')
		return false;
	*at = p + len;
	while (len > 0 && p[len - 1] == ' ')
		len--;
	ret_pair->key = p;
	ret_pair->key_len = strcspn(p, " ") < len ? strcspn(p, " ") : len;
	ret_pair->value = p + ret_pair->key_len;
	ret_pair->value_len = len - ret_pair->key_len;
	while (ret_pair->value_len > 0 && *ret_pair->value == ' ') {
		ret_pair->value++;
		ret_pair->value_len--;
	}
	return true;
}

static bool same_key(const struct pair *a, const struct pair *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

/* A key's values together, where it occurs first. */
static void put_metadata(struct out *o, const char *metadata)
{
	struct pair seen[KEYS_MAX], pair, other;
	const char *at = metadata;
	unsigned n = 0, i;

	while (n < KEYS_MAX && next_pair(&at, &pair)) {
		const char *rest = at;

		for (i = 0; i < n && !same_key(&seen[i], &pair); i++)
			;
		if (i < n || pair.value_len == 0)
			continue;
		seen[n++] = pair;
		out_str(o, n > 1 ? "," : "");
		out_json_text(o, pair.key, pair.key_len);
		out_str(o, ":[");
		out_json_text(o, pair.value, pair.value_len);
		while (next_pair(&rest, &other))
			if (same_key(&other, &pair)) {
				out_char(o, ',');
				out_json_text(o, other.value, other.value_len);
			}
		out_char(o, ']');
	}
}

/* Where a system's numbers are looked up. */
static const char *address_of(const char *system, size_t len)
{
	static const struct {
		const char *system, *address;
	} row[] = {
		{ "url", "https://" },
		{ "cve", "https://cve.mitre.org/cgi-bin/cvename.cgi?name=" },
		{ "bugtraq", "http://www.securityfocus.com/bid/" },
		{ "nessus", "http://cgi.nessus.org/plugins/dump.php3?id=" },
		{ "msb", "http://technet.microsoft.com/security/bulletin/" },
		{ "osvdb", "http://osvdb.org/show/osvdb/" },
		{ "arachnids", "http://www.whitehats.com/info/IDS" },
		{ "mcafee", "http://vil.nai.com/vil/content/v_" },
		{ "md5", "http://www.threatexpert.com/report.aspx?md5=" },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (strlen(row[i].system) == len && strncasecmp(row[i].system, system, len) == 0)
			return row[i].address;
	return NULL;
}

static void put_reference(struct out *o, const char *at, size_t len)
{
	size_t system = strcspn(at, ",");
	const char *address = system < len ? address_of(at, system) : NULL;
	char text[1024];
	struct out whole = out_make(text, sizeof(text));

	if (address) {
		out_str(&whole, address);
		at += system + 1;
		len -= system + 1;
	}
	out_bytes(&whole, at, len);
	out_json_text(o, text, whole.len);
}

/* "system,id system,id" */
static void put_references(struct out *o, const char *references)
{
	const char *at = references;

	for (bool first = true; *at; first = false) {
		size_t len = strcspn(at, " ");

		out_str(o, first ? "" : ",");
		put_reference(o, at, len);
		at += len + (at[len] != '\0');
	}
}

static void put_more(struct out *o, const struct rules_info *info)
{
	size_t len = 0;

	if (info->metadata && *info->metadata) {
		put_name(o, "metadata");
		out_char(o, '{');
		put_metadata(o, info->metadata);
		out_char(o, '}');
		keep_if_whole(o, len);
	}
	len = o->len;
	if (info->references && *info->references) {
		put_name(o, "references");
		out_char(o, '[');
		put_references(o, info->references);
		out_char(o, ']');
		keep_if_whole(o, len);
	}
}

/* ---- records ---- */

static struct text hex(char *at, size_t size, const uint8_t *bytes, uint32_t len)
{
	struct out o = out_make(at, size);

	out_hex(&o, bytes, len < INSPECT_CHANGE_TOLD ? len : INSPECT_CHANGE_TOLD);
	return written(&o);
}

static void fill_change(
	const struct inspect_hit *hit, struct inspect_text *text, struct event_alert *alert)
{
	if (!hit->before || !hit->after)
		return;
	alert->changed_at = hit->changed_at;
	alert->before = hex(text->before, sizeof(text->before), hit->before, hit->changed_len);
	alert->after = hex(text->after, sizeof(text->after), hit->after, hit->changed_len);
}

static struct text members_of(const struct inspect_hit *hit, struct inspect_text *text)
{
	struct out o = out_make(text->members, sizeof(text->members));

	put_vlan(&o, hit->parsed);
	put_name(&o, "direction");
	out_str(&o, hit->unit->side ? "\"to_client\"" : "\"to_server\"");
	if (hit->tx && !hit->frame->is_private) /* what it says is payload, too */
		put_tx(&o, hit->tx);
	if (hit->unit->flow)
		put_flow(&o, hit->unit);
	put_payload(&o, hit);
	return written(&o);
}

void inspect_record_hit(
	const struct inspect_hit *hit, struct inspect_text *text, struct record *ret_record)
{
	struct record record = new_record(EVENT_ALERT, hit->frame, hit->app);
	struct event_alert *alert = &record.alert;
	struct out more = out_make(text->more, sizeof(text->more));
	struct out rule = out_make(text->rule, sizeof(text->rule));

	if (hit->unit->packet)
		fill_packet(hit->unit->packet, &record.head);
	alert->action = text_of(hit->dropped || hit->before ? "blocked" : "allowed");
	alert->gid = hit->info.gid;
	alert->sid = hit->info.sid;
	alert->rev = hit->info.rev;
	alert->signature = cut(hit->info.msg, SIGNATURE_TOLD);
	alert->category = cut(hit->info.category, CATEGORY_TOLD);
	alert->severity = hit->info.priority;
	put_more(&more, &hit->info);
	alert->more = written(&more);
	if (hit->info.file)
		out_fmt(&rule, "%s:%u", hit->info.file, hit->info.line);
	if (out_ok(&rule))
		alert->rule = written(&rule);
	fill_change(hit, text, alert);
	alert->members = members_of(hit, text);
	*ret_record = record;
}

/* Addresses of a conversation, as of what `side` sends. */
static void fill_sides(const struct inspect_frame *frame, unsigned side, struct record_head *h)
{
	const struct frame *f = frame->frame;

	if (f->n_packets == 0)
		return;
	fill_packet(&f->packet[f->n_packets - 1], h);
	if (frame->side != side) {
		struct record_head other = *h;

		h->src = other.dst;
		h->sport = other.dport;
		h->dst = other.src;
		h->dport = other.sport;
	}
}

static enum event_type type_of(enum proto_id proto)
{
	char name[32];
	size_t i;

	if (proto == PROTO_HTTP2)
		return EVENT_HTTP;
	for (i = 0; i + 1 < sizeof(name) && proto_name(proto)[i]; i++)
		name[i] = proto_name(proto)[i] == '-' ? '_' : proto_name(proto)[i];
	name[i] = '\0';
	return event_type_find(name);
}

/* Whose transactions are messages of one side, with its addresses. */
static bool is_message(const struct inspect_frame *frame, enum proto_id proto)
{
	const struct frame *f = frame->frame;

	if (proto == PROTO_NETBIOS)
		return f->n_packets > 0 && f->packet[f->n_packets - 1].proto == IPPROTO_UDP;
	return proto == PROTO_DNS || proto == PROTO_LLMNR || proto == PROTO_SNMP ||
	       proto == PROTO_DHCP || proto == PROTO_NTP || proto == PROTO_SYSLOG ||
	       proto == PROTO_KRB5 || proto == PROTO_BACKORIFICE || proto == PROTO_BITTORRENT_DHT ||
	       proto == PROTO_DHCPV6 || proto == PROTO_QUIC;
}

static struct text text_of_bytes(struct proto_bytes bytes)
{
	return (struct text){ (const char *)bytes.at, bytes.len };
}

/* In other encodings nothing may get lost. */
static void put_bytes(struct out *o, const char *name, struct proto_bytes bytes)
{
	if (out_is_utf8((const char *)bytes.at, bytes.len))
		return;
	put_name(o, name);
	out_char(o, '"');
	out_base64(o, bytes.at, bytes.len);
	out_char(o, '"');
}

static void record_chat(const struct inspect_frame *frame, enum proto_id proto,
	const struct proto_chat *chat, struct inspect_text *text, struct record *ret_record)
{
	struct out o = out_make(text->members, sizeof(text->members));
	struct record record = new_record(EVENT_CHAT, frame, proto);

	fill_sides(frame, 0, &record.head);
	record.chat.kind = text_of(chat->kind);
	record.chat.nick = text_of_bytes(chat->nick);
	record.chat.channel = text_of_bytes(chat->channel);
	record.chat.to = text_of_bytes(chat->to);
	record.chat.text = text_of_bytes(chat->text);
	record.chat.cut = chat->cut;
	put_bytes(&o, "text_base64", chat->text);
	put_bytes(&o, "nick_base64", chat->nick);
	put_bytes(&o, "channel_base64", chat->channel);
	put_bytes(&o, "to_base64", chat->to);
	record.chat.more = written(&o);
	*ret_record = record;
}

bool inspect_record_tx(const struct inspect_frame *frame, struct proto_tx *tx,
	struct inspect_text *text, struct record *ret_record)
{
	enum proto_id proto = proto_tx_state(tx).proto;
	struct record record = new_record(type_of(proto), frame, proto);
	struct out o = out_make(text->members, sizeof(text->members));
	struct proto_chat chat;
	size_t before;

	if (proto_tx_chat(tx, &chat)) {
		record_chat(frame, proto, &chat, text, ret_record);
		return true;
	}
	if (record.type == EVENT_NONE)
		return false;
	put_vlan(&o, frame->frame);
	put_ether(&o, frame->frame);
	put_name(&o, "tx_id");
	out_u64(&o, proto_tx_state(tx).id);
	out_char(&o, ',');
	before = o.len;
	if (!proto_tx_json(tx, &o))
		return false;
	if (!out_ok(&o)) { /* that there is something is told at least */
		keep_if_whole(&o, before);
		out_fmt(&o, "\"%s\":{\"cut\":true}", event_type_name(record.type));
	}
	if (o.len == before)
		return false;
	fill_sides(frame, is_message(frame, proto) ? frame->side : proto_tx_state(tx).client,
		&record.head);
	*record_members(&record) = written(&o);
	*ret_record = record;
	return true;
}

/* EVE writes the events of some protocols in capitals. */
static struct text event_name(struct inspect_text *text, enum proto_id proto, const char *name)
{
	struct out o = out_make(text->rule, sizeof(text->rule));

	for (; *name; name++)
		out_char(&o, proto == PROTO_HTTP || proto == PROTO_SMTP
				     ? (char)toupper((unsigned char)*name)
				     : *name);
	return written(&o);
}

bool inspect_record_event(const struct inspect_frame *frame, struct proto_tx *tx, unsigned n,
	struct inspect_text *text, struct record *ret_record)
{
	const char *name = proto_tx_event(tx, n);
	enum proto_id proto = proto_tx_state(tx).proto;
	struct record record = new_record(EVENT_ANOMALY, frame, proto);
	struct out o = out_make(text->members, sizeof(text->members));
	const char *dot = name ? strchr(name, '.') : NULL;

	if (!name)
		return false;
	if (frame->frame->n_packets > 0)
		fill_packet(&frame->frame->packet[frame->frame->n_packets - 1], &record.head);
	put_name(&o, "tx_id");
	out_u64(&o, proto_tx_state(tx).id);
	record.anomaly.kind = event_name(text, proto, dot ? dot + 1 : name);
	record.anomaly.type = text_of("applayer");
	record.anomaly.count = 1;
	record.anomaly.app_proto = text_of(proto_name(proto));
	record.anomaly.layer = text_of("proto_parser");
	record.anomaly.members = written(&o);
	*ret_record = record;
	return true;
}

static void put_sums(struct out *o, const struct inspect_sums *sums)
{
	out_str(o, ",\"sha256\":\"");
	out_hex(o, sums->sha256, sizeof(sums->sha256));
	if (sums->has_md5) {
		out_str(o, "\",\"md5\":\"");
		out_hex(o, sums->md5, sizeof(sums->md5));
	}
	out_char(o, '"');
}

static void put_holes(struct out *o, const struct inspect_contents *contents)
{
	out_str(o, ",\"holes\":[");
	for (uint32_t i = 0; i < contents->n_holes; i++)
		out_fmt(o, "%s{\"offset\":%llu,\"length\":%llu}", i ? "," : "",
			(unsigned long long)contents->hole[i].at,
			(unsigned long long)(contents->hole[i].end - contents->hole[i].at));
	out_char(o, ']');
	if (contents->beyond)
		out_fmt(o, ",\"more_holes\":%llu", (unsigned long long)contents->beyond);
}

void inspect_record_file(const struct inspect_frame *frame, const struct proto_file *file,
	const struct inspect_contents *contents, struct inspect_text *text,
	struct record *ret_record)
{
	static const struct inspect_contents unknown;
	const struct inspect_contents *c = contents ? contents : &unknown;
	bool gaps = c->n_holes || c->beyond;
	struct record record = new_record(EVENT_FILEINFO, frame, file->proto);
	struct out o = out_make(text->members, sizeof(text->members));

	fill_sides(frame, file->side, &record.head);
	put_name(&o, "fileinfo");
	out_str(&o, "{\"filename\":");
	out_json_text(&o, file->name, file->name_len);
	out_fmt(&o, ",\"gaps\":%s,\"state\":\"%s\"", gaps ? "true" : "false",
		file->cut || gaps || c->odd ? "TRUNCATED" : "CLOSED");
	if (c->has_sums)
		put_sums(&o, &c->sums);
	if (gaps)
		put_holes(&o, c);
	if (c->odd)
		out_str(&o, ",\"out_of_order\":true");
	out_fmt(&o, ",\"stored\":false,\"size\":%llu", (unsigned long long)file->size);
	if (file->tx)
		out_fmt(&o, ",\"tx_id\":%llu", (unsigned long long)proto_tx_state(file->tx).id);
	out_char(&o, '}');
	if (file->tx)
		put_json(&o, file->tx);
	*record_members(&record) = written(&o);
	*ret_record = record;
}

void inspect_record_piece(
	const struct inspect_frame *frame, const struct proto_file *file, struct record *ret_record)
{
	uint32_t len =
		file->name_len < INSPECT_FILE_NAME_TOLD ? file->name_len : INSPECT_FILE_NAME_TOLD;

	*ret_record = new_record(EVENT_FILE, frame, file->proto);
	fill_sides(frame, file->side, &ret_record->head);
	ret_record->file.name = (struct text){ file->name, len };
}

static struct text login_text(const struct proto_login_text *text)
{
	return (struct text){ (const char *)text->text, text->len };
}

void inspect_record_login(const struct inspect_frame *frame, enum proto_id proto,
	const struct proto_login *login, struct record *ret_record)
{
	static const char *const results[] = { "unknown", "success", "failure" };
	struct record record = new_record(EVENT_LOGIN, frame, proto);

	fill_sides(frame, login->side, &record.head);
	record.login.method = text_of(login->method ? login->method : "");
	record.login.user = login_text(&login->user);
	record.login.password = login_text(&login->password);
	record.login.hash = (struct text){ (const char *)login->hash.bytes, login->hash.len };
	record.login.result = text_of(results[login->result]);
	record.login.action = text_of(login->sets ? "set" : "");
	*ret_record = record;
}

void inspect_record_decoded(const struct inspect_frame *frame,
	const struct inspect_decoded *decoded, struct record *ret_record)
{
	struct record record = new_record(EVENT_DECODED, frame, PROTO_NONE);

	fill_sides(frame, decoded->side, &record.head);
	record.decoded.method = text_of(decoded->method);
	record.decoded.text = (struct text){ (const char *)decoded->text, decoded->len };
	record.decoded.score = decoded->score;
	*ret_record = record;
}

static uint8_t printable_percent(const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (bytes[i] >= ' ' && bytes[i] < 0x7f) || isspace(bytes[i]);
	return (uint8_t)(n * 100 / len);
}

static struct text group_of(const uint8_t *bytes, size_t len, char *at, size_t size)
{
	uint8_t sum[crypto_hash_sha256_BYTES];
	struct out o = out_make(at, size);

	crypto_hash_sha256(sum, bytes, len < INSPECT_GROUP_BYTES ? len : INSPECT_GROUP_BYTES);
	out_hex(&o, sum, 8);
	return written(&o);
}

void inspect_record_unknown(const struct inspect_frame *frame,
	const struct inspect_unknown *unknown, struct inspect_text *text, struct record *ret_record)
{
	struct record record = new_record(EVENT_UNKNOWN, frame, PROTO_NONE);
	struct event_unknown *body = &record.unknown;
	uint32_t told =
		unknown->len < INSPECT_UNKNOWN_TOLD ? (uint32_t)unknown->len : INSPECT_UNKNOWN_TOLD;

	fill_sides(frame, unknown->side, &record.head);
	if (frame->frame->n_packets == 0) {
		body->ethertype = frame->frame->ethertype;
		body->src_mac = frame->frame->src_mac;
	}
	body->len = (uint32_t)unknown->len;
	if (unknown->len > 0) {
		body->entropy = entropy_of_bytes(unknown->bytes, unknown->len);
		body->printable = printable_percent(unknown->bytes, unknown->len);
	}
	body->group = group_of(unknown->bytes, unknown->len, text->after, sizeof(text->after));
	body->first = hex(text->before, sizeof(text->before), unknown->bytes, told);
	body->text = (struct text){ (const char *)unknown->bytes, told };
	*ret_record = record;
}

void inspect_record_flow(const struct inspect_flow_facts *facts, struct record *record)
{
	record->head.app_proto = app_name(facts->app);
	if (facts->side_app[0] != facts->side_app[1] && facts->side_app[0] && facts->side_app[1]) {
		record->flow.app_proto_ts = app_name(facts->side_app[0]);
		record->flow.app_proto_tc = app_name(facts->side_app[1]);
	}
	record->flow.alerted = facts->alerted;
	record->flow.tx_cnt = facts->transactions;
	if (facts->dropped)
		record->flow.action = text_of("drop");
	else if (facts->passed)
		record->flow.action = text_of("pass");
}
