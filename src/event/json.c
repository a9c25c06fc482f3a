/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a record: EVE. The paths of event.def become nested objects: first every top-level
 * value of head and body, then each object once, with the fields of head and body that lie in it. */
#include "event/event.h"

#include <string.h>

#include "base/out.h"

static const char own_object[] = "fishbowl";

struct value {
	uint64_t number;
	struct text text;
	const char *at;
};

static struct value load(const struct record *record, const struct field_info *field)
{
	struct value v = { .at = (const char *)record + field->offset };

	switch ((enum field_kind)field->kind) {
	case KIND_U64:
	case KIND_TIME:
		memcpy(&v.number, v.at, 8);
		break;
	case KIND_U32: {
		uint32_t n;

		memcpy(&n, v.at, sizeof(n));
		v.number = n;
		break;
	}
	case KIND_U16:
	case KIND_REASON: {
		uint16_t n;

		memcpy(&n, v.at, sizeof(n));
		v.number = n;
		break;
	}
	case KIND_U8:
	case KIND_BOOL:
	case KIND_PROTO:
	case KIND_VERDICT:
	case KIND_DIRECTION:
		v.number = (uint8_t)*v.at;
		break;
	case KIND_TEXT:
		memcpy(&v.text, v.at, sizeof(v.text));
		v.number = v.text.len;
		break;
	case KIND_IP:
		for (size_t i = 0; i < sizeof(struct ip); i++)
			v.number |= (uint8_t)v.at[i];
		break;
	case KIND_MAC:
		for (size_t i = 0; i < sizeof(struct mac); i++)
			v.number |= (uint8_t)v.at[i];
		break;
	}
	return v;
}

static void put_value(struct out *o, const struct field_info *field, const struct value *v)
{
	char buf[IP_TEXT_MAX];
	struct ip ip;
	struct mac mac;

	switch ((enum field_kind)field->kind) {
	case KIND_U64:
	case KIND_U32:
	case KIND_U16:
	case KIND_U8:
		out_u64(o, v->number);
		break;
	case KIND_BOOL:
		out_str(o, v->number ? "true" : "false");
		break;
	case KIND_TIME:
		out_char(o, '"');
		out_time_eve(o, (int64_t)v->number);
		out_char(o, '"');
		break;
	case KIND_IP:
		memcpy(&ip, v->at, sizeof(ip));
		out_fmt(o, "\"%s\"", ip_text(&ip, buf));
		break;
	case KIND_MAC:
		memcpy(&mac, v->at, sizeof(mac));
		out_fmt(o, "\"%s\"", mac_text(&mac, buf));
		break;
	case KIND_TEXT:
		out_json_text(o, v->text.at ? v->text.at : "", v->text.len);
		break;
	case KIND_PROTO:
		out_fmt(o, "\"%s\"", ip_proto_name((uint8_t)v->number, buf));
		break;
	case KIND_VERDICT:
		out_fmt(o, "\"%s\"", verdict_name((enum verdict)v->number));
		break;
	case KIND_REASON:
		out_fmt(o, "\"%s\"", reason_name((enum reason)v->number));
		break;
	case KIND_DIRECTION:
		out_fmt(o, "\"%s\"", direction_name((enum direction)v->number));
		break;
	}
}

/* What the rules of EVE leave out, beyond OPT: ports only where the protocol has them, the type and
 * code of ICMP always there, a verdict and an IP protocol only together with what they speak of. */
static bool left_out(const struct record *record, const struct field_info *field,
	const struct value *v)
{
	uint8_t proto = record->head.proto;
	bool has_addresses = !ip_is_unset(&record->head.src) || !ip_is_unset(&record->head.dst);
	bool has_ports = proto == 6 || proto == 17 || proto == 132;

	if (field->offset == offsetof(struct record, head.sport) ||
		field->offset == offsetof(struct record, head.dport))
		return !has_ports;
	if (field->offset == offsetof(struct record, head.icmp_type) ||
		field->offset == offsetof(struct record, head.icmp_code))
		return proto != 1 && proto != 58;
	if (field->offset == offsetof(struct record, head.src) ||
		field->offset == offsetof(struct record, head.dst) ||
		field->offset == offsetof(struct record, head.proto))
		return !has_addresses;
	if (field->kind == KIND_VERDICT)
		return record->head.reason == REASON_NONE;
	return (field->flags & OPT) && v->number == 0;
}

static void put_member(struct out *o, const char *name, size_t len, bool *first)
{
	if (!*first)
		out_char(o, ',');
	*first = false;
	out_char(o, '"');
	out_bytes(o, name, len);
	out_str(o, "\":");
}

struct field_list {
	const struct field_info *field;
	size_t n;
};

/* Length of the first part of a path below `depth` bytes; 0 when the path ends there. */
static size_t part_len(const char *path)
{
	const char *dot = strchr(path, '.');

	return dot ? (size_t)(dot - path) : 0;
}

static void put_object(struct out *o, const struct record *record,
	const struct record_identity *identity, const struct field_list lists[static 2],
	const char *prefix, size_t prefix_len);

static bool in_object(const struct field_info *field, const char *prefix, size_t prefix_len)
{
	return strncmp(field->path, prefix, prefix_len) == 0;
}

/* Is this field the first one (over both lists) of its next-level object below `prefix`? */
static bool opens_object(const struct field_list lists[static 2], const struct field_info *field,
	size_t len)
{
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].n; i++) {
			const struct field_info *other = &lists[l].field[i];

			if (other == field)
				return true;
			if (strncmp(other->path, field->path, len) == 0)
				return false;
		}
	return true;
}

static void put_identity(struct out *o, const struct record_identity *identity, bool *first)
{
	if (!identity)
		return;
	if (!*first)
		out_char(o, ',');
	*first = false;
	out_str(o, "\"honeynet\":");
	out_json_text(o, identity->honeynet, strlen(identity->honeynet));
	out_fmt(o, ",\"boot\":\"%016llx\",\"seq\":", (unsigned long long)identity->boot);
	out_u64(o, identity->seq);
	out_fmt(o, ",\"origin\":\"%s\",\"origin_seq\":", identity->origin);
	out_u64(o, identity->origin_seq);
}

/* True when the object at `prefix` would have no member. */
static bool object_empty(const struct record *record, const struct field_list lists[static 2],
	const char *prefix, size_t prefix_len)
{
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].n; i++) {
			const struct field_info *field = &lists[l].field[i];
			struct value v = load(record, field);

			if (in_object(field, prefix, prefix_len) && !left_out(record, field, &v))
				return false;
		}
	return true;
}

static void put_members(struct out *o, const struct record *record,
	const struct record_identity *identity, const struct field_list lists[static 2],
	const char *prefix, size_t prefix_len, bool first)
{
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].n; i++) {
			const struct field_info *field = &lists[l].field[i];
			const char *rest = field->path + prefix_len;
			struct value v = load(record, field);

			if (!in_object(field, prefix, prefix_len) || part_len(rest) > 0 ||
				left_out(record, field, &v))
				continue;
			put_member(o, rest, strlen(rest), &first);
			put_value(o, field, &v);
			/* EVE has event_type right behind the timestamp. */
			if (field->offset == offsetof(struct record, head.time_ns))
				out_fmt(o, ",\"event_type\":\"%s\"", event_type_name(record->type));
		}
	if (prefix_len == sizeof(own_object) && strncmp(prefix, own_object, prefix_len - 1) == 0)
		put_identity(o, identity, &first);
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].n; i++) {
			const struct field_info *field = &lists[l].field[i];
			size_t part, len;
			bool own;

			if (!in_object(field, prefix, prefix_len))
				continue;
			part = part_len(field->path + prefix_len);
			len = prefix_len + part + 1;
			if (part == 0 || !opens_object(lists, field, len))
				continue;
			own = identity && len == sizeof(own_object) &&
			      strncmp(field->path, own_object, len - 1) == 0;
			if (!own && object_empty(record, lists, field->path, len))
				continue;
			put_member(o, field->path + prefix_len, part, &first);
			put_object(o, record, identity, lists, field->path, len);
		}
}

static void put_object(struct out *o, const struct record *record,
	const struct record_identity *identity, const struct field_list lists[static 2],
	const char *prefix, size_t prefix_len)
{
	out_char(o, '{');
	put_members(o, record, identity, lists, prefix, prefix_len, true);
	out_char(o, '}');
}

void record_json(struct out *o, const struct record *record, const struct record_identity *identity)
{
	struct event_info info = event_info(record->type);
	struct field_list lists[2] = { { 0 }, { info.fields, info.n_fields } };

	lists[0].field = event_head_fields(&lists[0].n);
	put_object(o, record, identity, lists, "", 0);
}
