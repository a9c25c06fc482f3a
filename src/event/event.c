/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct reason_row {
	const char *name;
	const char *text;
	enum verdict verdict;
	enum severity severity;
};

static const struct reason_row reasons[REASON_COUNT] = {
#define REASON(id, name, verdict, severity, text) \
	[REASON_##id] = { name, text, VERDICT_##verdict, SEVERITY_##severity },
#include "event/reason.def"
#undef REASON
};

static const struct field_info head_fields[] = {
#define HEAD(KIND, member, path, flags, text)                                           \
	{ #member, path, text, (uint32_t)offsetof(struct record, head.member), (flags), \
		KIND_##KIND },
#include "event/event.def"
};

static const struct field_info body_fields[] = {
#define FIELD(id, KIND, member, path, flags, text) \
	{ #member, path, text, (uint32_t)offsetof(struct record, id.member), (flags), KIND_##KIND },
#include "event/event.def"
};

/* FIRST_x = index in body_fields of the first field of event x. */
enum {
#define EVENT(ID, id, type, since, severity, text) FIRST_##ID, BEFORE_##ID = FIRST_##ID - 1,
#define FIELD(id, KIND, member, path, flags, text) FIELD_##id##_##member,
#include "event/event.def"
	FIELDS_TOTAL
};

static const size_t first_field[EVENT_COUNT + 1] = {
#define EVENT(ID, id, type, since, severity, text) [EVENT_##ID] = FIRST_##ID,
#include "event/event.def"
	[EVENT_COUNT] = FIELDS_TOTAL,
};

static const struct event_info events[EVENT_COUNT] = {
	[EVENT_NONE] = { .type = "none", .text = "" },
#define EVENT(ID, id, event_name, event_since, event_severity, event_text) \
	[EVENT_##ID] = { .type = event_name,                               \
		.text = event_text,                                        \
		.since = event_since,                                      \
		.severity = SEVERITY_##event_severity },
#include "event/event.def"
};

static_assert(
	sizeof(body_fields) / sizeof(body_fields[0]) == FIELDS_TOTAL, "every field has a row");

const struct field_info *event_head_fields(size_t *ret_n)
{
	*ret_n = sizeof(head_fields) / sizeof(head_fields[0]);
	return head_fields;
}

struct event_info event_info(enum event_type type)
{
	struct event_info info = events[type < EVENT_COUNT ? type : EVENT_NONE];

	if (type > EVENT_NONE && type < EVENT_COUNT) {
		info.fields = body_fields + first_field[type];
		info.n_fields = first_field[type + 1] - first_field[type];
	}
	return info;
}

static const struct reason_row *reason_row(enum reason reason)
{
	return &reasons[reason < REASON_COUNT ? reason : REASON_NONE];
}

const char *reason_name(enum reason reason)
{
	return reason_row(reason)->name;
}

int reason_find(const char *name)
{
	for (int reason = 0; reason < REASON_COUNT; reason++)
		if (strcmp(reason_name((enum reason)reason), name) == 0)
			return reason;
	return -1;
}

const char *reason_text(enum reason reason)
{
	return reason_row(reason)->text;
}

enum verdict reason_verdict(enum reason reason)
{
	return reason_row(reason)->verdict;
}

enum severity reason_severity(enum reason reason)
{
	return reason_row(reason)->severity;
}

const char *verdict_name(enum verdict verdict)
{
	return verdict == VERDICT_PASS ? "pass" : "drop";
}

const char *direction_name(enum direction direction)
{
	static const char *const names[] = { "none", "inbound", "outbound", "internal" };

	return names[direction <= DIRECTION_INTERNAL ? direction : DIRECTION_NONE];
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "debug", "info", "notice", "warning", "alert" };

	return names[severity <= SEVERITY_ALERT ? severity : SEVERITY_ALERT];
}

const char *event_type_name(enum event_type type)
{
	return event_info(type).type;
}

enum severity event_severity(enum event_type type)
{
	return event_info(type).severity;
}

/* An incident that only grew, or is over, has been told of. */
static bool is_told(const struct record *record)
{
	struct text stage = record->incident.stage;

	return record->type == EVENT_INCIDENT &&
	       (text_is_word(stage, "grew") || text_is_word(stage, "closed"));
}

enum severity record_severity(const struct record *record)
{
	enum severity type = event_severity(record->type);
	enum severity reason = reason_severity((enum reason)record->head.reason);

	if (is_told(record))
		return SEVERITY_INFO;
	return type > reason ? type : reason;
}

enum event_type event_type_find(const char *name)
{
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_COUNT; type++)
		if (strcmp(events[type].type, name) == 0)
			return type;
	return EVENT_NONE;
}

const char *ip_proto_name(uint8_t proto, char buf[static 8])
{
	switch (proto) {
	case 1:
		return "ICMP";
	case 2:
		return "IGMP";
	case 4:
		return "IP-ENCAP";
	case 6:
		return "TCP";
	case 17:
		return "UDP";
	case 41:
		return "IPv6";
	case 47:
		return "GRE";
	case 50:
		return "ESP";
	case 51:
		return "AH";
	case 58:
		return "IPv6-ICMP";
	case 132:
		return "SCTP";
	default:
		snprintf(buf, 8, "%03u", proto);
		return buf;
	}
}

struct text text_of(const char *str)
{
	return (struct text){ .at = str, .len = (uint32_t)strlen(str) };
}

bool text_is_word(struct text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}
