/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a record: EVE, in the order that event_layout() gives. */
#include "event/event.h"

#include <endian.h>
#include <string.h>

#include "base/out.h"

/* Objects are opened when their first member is written, so that no empty one appears. */
struct printer {
	struct out *o;
	const struct layout *pending[LAYOUT_DEPTH_MAX];
	unsigned n_pending;
	bool comma;
};

static bool bytes_unset(const void *bytes, size_t n)
{
	static const uint8_t zero[16];

	return memcmp(bytes, zero, n) == 0;
}

static uint64_t number_of(enum field_kind kind, const void *at)
{
	union {
		uint64_t u64;
		uint32_t u32;
		uint16_t u16;
		uint8_t u8;
		struct text text;
	} v;

	switch (kind) {
	case KIND_U64:
	case KIND_TIME:
		memcpy(&v.u64, at, sizeof(v.u64));
		return v.u64;
	case KIND_U32:
		memcpy(&v.u32, at, sizeof(v.u32));
		return v.u32;
	case KIND_U16:
	case KIND_REASON:
		memcpy(&v.u16, at, sizeof(v.u16));
		return v.u16;
	case KIND_TEXT:
	case KIND_MEMBERS:
		memcpy(&v.text, at, sizeof(v.text));
		return v.text.len;
	case KIND_IP:
		return !bytes_unset(at, sizeof(struct ip));
	case KIND_MAC:
		return !bytes_unset(at, sizeof(struct mac));
	case KIND_U8:
	case KIND_BOOL:
	case KIND_PROTO:
	case KIND_VERDICT:
	case KIND_DIRECTION:
	case KIND_FLAGS:
		break;
	}
	memcpy(&v.u8, at, sizeof(v.u8));
	return v.u8;
}

static void put_plain(struct out *o, const char *str)
{
	out_char(o, '"');
	out_str(o, str);
	out_char(o, '"');
}

static void put_text(struct out *o, const void *at)
{
	struct text text;

	memcpy(&text, at, sizeof(text));
	out_json_text(o, text.at ? text.at : "", text.len);
}

static void put_value(struct out *o, enum field_kind kind, const void *at)
{
	uint64_t number = number_of(kind, at);
	char buf[IP_TEXT_MAX];
	struct text text;
	struct ip ip;
	struct mac mac;

	switch (kind) {
	case KIND_U64:
	case KIND_U32:
	case KIND_U16:
	case KIND_U8:
		out_u64(o, number);
		break;
	case KIND_BOOL:
		out_str(o, number ? "true" : "false");
		break;
	case KIND_TIME:
		out_char(o, '"');
		out_time_eve(o, (int64_t)number);
		out_char(o, '"');
		break;
	case KIND_IP:
		memcpy(&ip, at, sizeof(ip));
		put_plain(o, ip_text(&ip, buf));
		break;
	case KIND_MAC:
		memcpy(&mac, at, sizeof(mac));
		put_plain(o, mac_text(&mac, buf));
		break;
	case KIND_TEXT:
		put_text(o, at);
		break;
	case KIND_FLAGS:
		out_fmt(o, "\"%02x\"", (unsigned)number);
		break;
	case KIND_MEMBERS:
		memcpy(&text, at, sizeof(text));
		out_bytes(o, text.at, text.len);
		break;
	case KIND_PROTO:
		put_plain(o, ip_proto_name((uint8_t)number, buf));
		break;
	case KIND_VERDICT:
		put_plain(o, verdict_name((enum verdict)number));
		break;
	case KIND_REASON:
		put_plain(o, reason_name((enum reason)number));
		break;
	case KIND_DIRECTION:
		put_plain(o, direction_name((enum direction)number));
		break;
	}
}

static bool is_shown(const struct record *record, const struct layout *l, const void *at)
{
	uint8_t proto = record->head.proto;

	switch ((enum layout_rule)l->rule) {
	case RULE_ALWAYS:
		break;
	case RULE_OPT:
		return number_of(l->field->kind, at) != 0;
	case RULE_PORT:
		/* Of many conversations there is no one port. */
		if ((record->type == EVENT_INCIDENT || record->type == EVENT_SOURCE) &&
			number_of(l->field->kind, at) == 0)
			return false;
		return proto == 6 || proto == 17 || proto == 132;
	case RULE_ICMP:
		return proto == 1 || proto == 58;
	case RULE_ADDRESS:
		return !bytes_unset(&record->head.src, sizeof(struct ip)) ||
		       !bytes_unset(&record->head.dst, sizeof(struct ip));
	case RULE_VERDICT:
		return record->head.reason != REASON_NONE;
	}
	return true;
}

static void put_key(struct printer *p, const char *key)
{
	for (unsigned i = 0; i < p->n_pending; i++) {
		if (p->comma)
			out_char(p->o, ',');
		out_str(p->o, p->pending[i]->key);
		out_char(p->o, '{');
		p->comma = false;
	}
	p->n_pending = 0;
	if (p->comma)
		out_char(p->o, ',');
	out_str(p->o, key);
	p->comma = true;
}

static void put_identity(struct printer *p, const struct record_identity *identity)
{
	uint64_t boot = htobe64(identity->boot);

	put_key(p, "\"honeynet\":");
	out_json_text(p->o, identity->honeynet, strlen(identity->honeynet));
	out_str(p->o, ",\"boot\":\"");
	out_hex(p->o, (const uint8_t *)&boot, sizeof(boot));
	out_str(p->o, "\",\"seq\":");
	out_u64(p->o, identity->seq);
	out_str(p->o, ",\"origin\":\"");
	out_str(p->o, identity->origin);
	out_str(p->o, "\",\"origin_seq\":");
	out_u64(p->o, identity->origin_seq);
}

/* One of the two may be unset, which is version 6. */
static void put_version(struct printer *p, const char *key, const struct record_head *h)
{
	if (ip_is_unset(&h->src) && ip_is_unset(&h->dst))
		return;
	put_key(p, key);
	out_char(p->o, ip_is_v4(&h->src) || ip_is_v4(&h->dst) ? '4' : '6');
}

static void close_object(struct printer *p)
{
	if (p->n_pending > 0) {
		p->n_pending--;
		return;
	}
	out_char(p->o, '}');
	p->comma = true;
}

void record_json(struct out *o, const struct record *record, const struct record_identity *identity)
{
	struct printer p = { .o = o };

	out_char(o, '{');
	for (const struct layout *l = event_layout(record->type); l->step != LAYOUT_END; l++) {
		const char *at = (const char *)record + (l->field ? l->field->offset : 0);

		switch ((enum layout_step)l->step) {
		case LAYOUT_FIELD:
			if (!is_shown(record, l, at))
				break;
			put_key(&p, l->key);
			put_value(o, l->field->kind, at);
			break;
		case LAYOUT_TYPE:
			put_key(&p, l->key);
			put_plain(o, event_type_name(record->type));
			break;
		case LAYOUT_VERSION:
			put_version(&p, l->key, &record->head);
			break;
		case LAYOUT_IDENTITY:
			if (identity)
				put_identity(&p, identity);
			break;
		case LAYOUT_MEMBERS:
			if (number_of(KIND_MEMBERS, at) > 0) {
				put_key(&p, "");
				put_value(o, KIND_MEMBERS, at);
			}
			break;
		case LAYOUT_OPEN:
			p.pending[p.n_pending++] = l;
			break;
		case LAYOUT_CLOSE:
			close_object(&p);
			break;
		case LAYOUT_END:
			break;
		}
	}
	out_char(o, '}');
}
