/* SPDX-License-Identifier: Apache-2.0 */
/* What people and other programs read about the records, printed from the tables. */
#include "event/event.h"

#include <string.h>

#include "base/out.h"

static void schema_names(struct out *o, const char *name, unsigned first, unsigned n,
	const char *(*name_of)(unsigned))
{
	out_fmt(o, "\"%s\":{\"enum\":[", name);
	for (unsigned i = first; i < n; i++)
		out_fmt(o, "%s\"%s\"", i > first ? "," : "", name_of(i));
	out_str(o, "]}");
}

static const char *nth_reason(unsigned i)
{
	return reason_name((enum reason)i);
}

static const char *nth_verdict(unsigned i)
{
	return verdict_name((enum verdict)i);
}

static const char *nth_direction(unsigned i)
{
	return direction_name((enum direction)i);
}

static const char *schema_of_kind(enum field_kind kind)
{
	switch (kind) {
	case KIND_U64:
		return "\"type\":\"integer\",\"minimum\":0,\"maximum\":9223372036854775807";
	case KIND_U32:
		return "\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295";
	case KIND_U16:
		return "\"type\":\"integer\",\"minimum\":0,\"maximum\":65535";
	case KIND_U8:
		return "\"type\":\"integer\",\"minimum\":0,\"maximum\":255";
	case KIND_BOOL:
		return "\"type\":\"boolean\"";
	case KIND_TIME:
		return "\"type\":\"string\",\"pattern\":"
		       "\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
		       "\\\\.[0-9]{6}[+]0000$\"";
	case KIND_IP:
		return "\"type\":\"string\",\"anyOf\":[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}"
		       "]";
	case KIND_TEXT:
		return "\"type\":\"string\"";
	case KIND_MAC:
		return "\"type\":\"string\",\"pattern\":\"^([0-9a-f]{2}:){5}[0-9a-f]{2}$\"";
	case KIND_PROTO:
		return "\"type\":\"string\",\"pattern\":\"^[0-9A-Za-z-]+$\"";
	case KIND_VERDICT:
		return "\"$ref\":\"#/$defs/verdict\"";
	case KIND_REASON:
		return "\"$ref\":\"#/$defs/reason\"";
	case KIND_DIRECTION:
		return "\"$ref\":\"#/$defs/direction\"";
	case KIND_FLAGS:
		return "\"type\":\"string\",\"pattern\":\"^[0-9a-f]{2}$\"";
	case KIND_MEMBERS:
		break;
	}
	return "";
}

static const char identity_schema[] =
	"\"honeynet\":{\"type\":\"string\",\"description\":\"name of the honeynet\"},"
	"\"boot\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{16}$\","
	"\"description\":\"the gateway's run\"},"
	"\"seq\":{\"type\":\"integer\",\"minimum\":1,"
	"\"description\":\"number of the record in the journal, without gaps\"},"
	"\"origin\":{\"type\":\"string\",\"description\":\"process that wrote it\"},"
	"\"origin_seq\":{\"type\":\"integer\",\"minimum\":0,"
	"\"description\":\"its number there\"}";

static const char link_schema[] =
	"\"link\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\",\"description\":"
	"\"journal only: BLAKE2b-256 of the previous line's link and this line without its link\"}";

/* Behind LAYOUT_OPEN at `l`: the step behind its LAYOUT_CLOSE. */
static const struct layout *skip_object(const struct layout *l)
{
	for (unsigned depth = 1; depth > 0; l++)
		depth += (l->step == LAYOUT_OPEN) - (l->step == LAYOUT_CLOSE);
	return l;
}

/* Has the object that begins at `l` a member that is always there? */
static bool object_required(const struct layout *l)
{
	const struct layout *end = skip_object(l);

	for (; l < end; l++)
		if (l->step == LAYOUT_FIELD && l->rule == RULE_ALWAYS)
			return true;
	return false;
}

static void schema_required(struct out *o, const struct layout *l)
{
	bool comma = false, more = false;

	out_str(o, "},\"required\":[");
	while (l->step != LAYOUT_END && l->step != LAYOUT_CLOSE) {
		bool required = (l->step == LAYOUT_FIELD && l->rule == RULE_ALWAYS) ||
				l->step == LAYOUT_TYPE ||
				(l->step == LAYOUT_OPEN && object_required(l + 1));

		more = more || l->step == LAYOUT_MEMBERS;
		if (required) {
			out_str(o, comma ? "," : "");
			out_bytes(o, l->key, strlen(l->key) - 1);
			comma = true;
		}
		l = l->step == LAYOUT_OPEN ? skip_object(l + 1) : l + 1;
	}
	out_fmt(o, "],\"additionalProperties\":%s}", more ? "true" : "false");
}

static const struct layout *schema_object(
	struct out *o, enum event_type type, const struct layout *first, const char *more)
{
	const struct layout *l = first;

	out_str(o, "{\"type\":\"object\",\"properties\":{");
	out_str(o, more);
	while (l->step != LAYOUT_END && l->step != LAYOUT_CLOSE) {
		if (l->step == LAYOUT_MEMBERS) {
			l++;
			continue;
		}
		if (l > first || *more)
			out_char(o, ',');
		out_str(o, l->key);
		if (l->step == LAYOUT_OPEN) {
			l = schema_object(o, type, l + 1, "");
			continue;
		}
		if (l->step == LAYOUT_FIELD) {
			out_fmt(o, "{%s,\"description\":", schema_of_kind(l->field->kind));
			out_json_text(o, l->field->text, strlen(l->field->text));
			out_char(o, '}');
		} else if (l->step == LAYOUT_TYPE) {
			out_fmt(o, "{\"const\":\"%s\"}", event_type_name(type));
		} else if (l->step == LAYOUT_VERSION) {
			out_str(o, "{\"enum\":[4,6],\"description\":\"IP version\"}");
		} else {
			out_str(o, identity_schema);
		}
		l++;
	}
	schema_required(o, first);
	return l + 1;
}

void event_print_schema(struct out *o)
{
	out_str(o, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
		   "\"title\":\"Fishbowl records (EVE)\",\"oneOf\":[");
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_COUNT; type++)
		out_fmt(o, "%s{\"$ref\":\"#/$defs/event-%s\"}", type > EVENT_NONE + 1 ? "," : "",
			event_type_name(type));
	out_str(o, "],\"$defs\":{");
	schema_names(o, "verdict", 0, VERDICT_DROP + 1, nth_verdict);
	out_char(o, ',');
	schema_names(o, "direction", DIRECTION_INBOUND, DIRECTION_INTERNAL + 1, nth_direction);
	out_char(o, ',');
	schema_names(o, "reason", 0, REASON_COUNT, nth_reason);
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_COUNT; type++) {
		out_fmt(o, ",\n\"event-%s\":", event_type_name(type));
		schema_object(o, type, event_layout(type), link_schema);
	}
	out_str(o, "}}");
}

/* scdoc: no character of a text may mean formatting. */
static void man_text(struct out *o, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\_*#~+|<[]", *text))
			out_char(o, '\\');
		out_char(o, *text);
	}
}

static const char *kind_name(enum field_kind kind)
{
	static const char *const names[] = {
		[KIND_U64] = "number",
		[KIND_U32] = "number",
		[KIND_U16] = "number",
		[KIND_U8] = "number",
		[KIND_BOOL] = "true or false",
		[KIND_TIME] = "time",
		[KIND_IP] = "address",
		[KIND_TEXT] = "text",
		[KIND_MAC] = "MAC address",
		[KIND_PROTO] = "protocol",
		[KIND_VERDICT] = "pass or drop",
		[KIND_REASON] = "reason",
		[KIND_DIRECTION] = "direction",
		[KIND_FLAGS] = "two hex digits",
		[KIND_MEMBERS] = "members",
	};

	return names[kind];
}

static void man_fields(struct out *o, const struct field_info *field, size_t n)
{
	for (; n > 0; n--, field++) {
		out_char(o, '*');
		man_text(o, field->path);
		out_fmt(o, "* (%s%s%s%s)\n\t", kind_name(field->kind),
			field->flags & OPT ? ", optional" : "",
			field->flags & HOSTILE ? ", written by an attacker" : "",
			field->flags & SECRET ? ", secret" : "");
		man_text(o, field->text);
		out_str(o, ".\n\n");
	}
}

static void man_reasons(struct out *o)
{
	for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
		out_fmt(o, "*%s* (%s, %s)\n\t", reason_name(reason),
			verdict_name(reason_verdict(reason)),
			severity_name(reason_severity(reason)));
		man_text(o, reason_text(reason));
		out_str(o, ".\n\n");
	}
}

void event_print_manual(struct out *o)
{
	size_t n;
	const struct field_info *head = event_head_fields(&n);

	out_str(o, "# FIELDS OF EVERY RECORD\n\n");
	man_fields(o, head, n);
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_COUNT; type++) {
		struct event_info info = event_info(type);

		out_fmt(o, "# RECORD: %s\n\n", info.type);
		man_text(o, info.text);
		out_fmt(o, ". Severity %s; since version %u of the format.\n\n",
			severity_name(info.severity), info.since);
		man_fields(o, info.fields, info.n_fields);
	}
	out_str(o, "# REASONS\n\n");
	man_reasons(o);
}
