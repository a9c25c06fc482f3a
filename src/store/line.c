/* SPDX-License-Identifier: Apache-2.0 */
#include "store/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

/* struct line is the JSON document itself. */
static json_t *document(const struct line *line)
{
	return (json_t *)(void *)(uintptr_t)line;
}

struct line *line_free(struct line *line)
{
	json_decref(document(line));
	return NULL;
}

static const json_t *identity_of(const struct line *line, const char *name)
{
	return json_object_get(json_object_get(document(line), "fishbowl"), name);
}

uint64_t line_seq(const struct line *line)
{
	return (uint64_t)json_integer_value(identity_of(line, "seq"));
}

uint64_t line_origin_seq(const struct line *line)
{
	return (uint64_t)json_integer_value(identity_of(line, "origin_seq"));
}

const char *line_origin(const struct line *line)
{
	const char *origin = json_string_value(identity_of(line, "origin"));

	return origin ? origin : "";
}

/* 2026-01-31T12:00:00.123456+0000 */
static bool parse_time(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S.", &tm);
	char *end;
	long us;

	if (!rest || strlen(rest) != strlen("123456+0000"))
		return false;
	us = strtol(rest, &end, 10);
	if (end != rest + 6 || us < 0 || strcmp(end, "+0000") != 0)
		return false;
	*ret_ns = (int64_t)timegm(&tm) * 1000000000 + us * 1000;
	return true;
}

static bool parse_proto(const char *text, uint8_t *ret_proto)
{
	char buf[8];

	for (unsigned proto = 0; proto < 256; proto++)
		if (strcmp(ip_proto_name((uint8_t)proto, buf), text) == 0) {
			*ret_proto = (uint8_t)proto;
			return true;
		}
	return false;
}

static bool take_integer(enum field_kind kind, json_int_t number, char *at)
{
	uint64_t u64 = (uint64_t)number;
	uint64_t max = kind == KIND_U64   ? RECORD_U64_MAX
		       : kind == KIND_U32 ? UINT32_MAX
		       : kind == KIND_U16 ? UINT16_MAX
					  : UINT8_MAX;

	if (number < 0 || u64 > max)
		return false;
	memcpy(at, &u64, kind == KIND_U64 ? 8 : kind == KIND_U32 ? 4 : kind == KIND_U16 ? 2 : 1);
	return true;
}

static bool take_string(enum field_kind kind, const json_t *value, char *at)
{
	const char *text = json_string_value(value);
	struct text bytes = { .at = text, .len = (uint32_t)json_string_length(value) };
	struct ip ip;
	struct mac mac;
	int64_t time_ns;
	uint16_t reason;
	int number;

	switch (kind) {
	case KIND_TEXT:
		memcpy(at, &bytes, sizeof(bytes));
		return true;
	case KIND_TIME:
		if (!parse_time(text, &time_ns))
			return false;
		memcpy(at, &time_ns, sizeof(time_ns));
		return true;
	case KIND_IP:
		if (ip_parse(text, &ip) < 0)
			return false;
		memcpy(at, &ip, sizeof(ip));
		return true;
	case KIND_MAC:
		if (mac_parse(text, &mac) < 0)
			return false;
		memcpy(at, &mac, sizeof(mac));
		return true;
	case KIND_PROTO:
		return parse_proto(text, (uint8_t *)at);
	case KIND_VERDICT:
		*at = strcmp(text, "drop") == 0 ? VERDICT_DROP : VERDICT_PASS;
		return true;
	case KIND_REASON:
		number = reason_find(text);
		if (number < 0)
			return false;
		reason = (uint16_t)number;
		memcpy(at, &reason, sizeof(reason));
		return true;
	case KIND_FLAGS:
		*at = (char)strtoul(text, NULL, 16);
		return true;
	case KIND_DIRECTION:
		*at = strcmp(text, "inbound") == 0    ? DIRECTION_INBOUND
		      : strcmp(text, "outbound") == 0 ? DIRECTION_OUTBOUND
						      : DIRECTION_INTERNAL;
		return true;
	default:
		return false;
	}
}

static bool take_value(const struct field_info *field, const json_t *value, struct record *record)
{
	char *at = (char *)record + field->offset;

	if (json_is_integer(value))
		return field->kind <= KIND_U8 &&
		       take_integer(field->kind, json_integer_value(value), at);
	if (json_is_boolean(value)) {
		*at = (char)json_is_true(value);
		return field->kind == KIND_BOOL;
	}
	return json_is_string(value) && take_string(field->kind, value, at);
}

static bool fill(const json_t *root, struct record *record)
{
	const json_t *object[LAYOUT_DEPTH_MAX + 1] = { root };
	unsigned depth = 0;

	for (const struct layout *l = event_layout(record->type); l->step != LAYOUT_END; l++) {
		char name[sizeof(l->key)];
		const json_t *value;

		if (l->step == LAYOUT_CLOSE) {
			depth--;
			continue;
		}
		if (l->step != LAYOUT_OPEN && l->step != LAYOUT_FIELD)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strlen(l->key) - 3, l->key + 1);
		value = json_object_get(object[depth], name);
		if (l->step == LAYOUT_OPEN)
			object[++depth] = value;
		else if (value && !take_value(l->field, value, record))
			return false;
	}
	return true;
}

int line_parse(const char *json, size_t len, struct line **ret_line, struct record *ret_record)
{
	json_t *root = json_loadb(json, len, JSON_ALLOW_NUL, NULL);
	const char *type = json_string_value(json_object_get(root, "event_type"));
	struct record record = { .type = type ? event_type_find(type) : EVENT_NONE };

	if (record.type == EVENT_NONE || !fill(root, &record)) {
		json_decref(root);
		return -EBADMSG;
	}
	*ret_line = (struct line *)(void *)root;
	*ret_record = record;
	return 0;
}
