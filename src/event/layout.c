/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of event.def as nested objects: first every plain member of head and body, then each
 * object once, with the fields of head and body that lie in it. */
#include "event/event.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

static const char own_object[] = "fishbowl.";

static struct layout layouts[EVENT_COUNT][LAYOUT_STEPS_MAX];
static once_flag layouts_made = ONCE_FLAG_INIT;

struct maker {
	struct layout *at;
	size_t n;
	const struct field_info *field[2]; /* head, body */
	size_t n_fields[2];
};

static struct layout *add(struct maker *m, enum layout_step step, const char *name, size_t len)
{
	struct layout *at = &m->at[m->n++];

	assert(m->n < LAYOUT_STEPS_MAX);
	*at = (struct layout){ .step = (uint8_t)step };
	if (len > 0) {
		assert(len + 4 <= sizeof(at->key));
		snprintf(at->key, sizeof(at->key), "\"%.*s\":", (int)len, name);
	}
	return at;
}

static enum layout_rule rule_of(const struct field_info *field)
{
	switch (field->offset) {
	case offsetof(struct record, head.sport):
	case offsetof(struct record, head.dport):
		return RULE_PORT;
	case offsetof(struct record, head.icmp_type):
	case offsetof(struct record, head.icmp_code):
		return RULE_ICMP;
	case offsetof(struct record, head.src):
	case offsetof(struct record, head.dst):
	case offsetof(struct record, head.proto):
		return RULE_ADDRESS;
	case offsetof(struct record, head.verdict):
		return RULE_VERDICT;
	default:
		return field->flags & OPT ? RULE_OPT : RULE_ALWAYS;
	}
}

static void add_field(struct maker *m, const struct field_info *field, const char *name)
{
	struct layout *at;

	if (field->offset == offsetof(struct record, head.src))
		add(m, LAYOUT_VERSION, "ip_v", strlen("ip_v"));
	at = add(m, LAYOUT_FIELD, name, strlen(name));
	at->field = field;
	at->rule = (uint8_t)rule_of(field);
	/* EVE has event_type right behind the timestamp. */
	if (field->offset == offsetof(struct record, head.time_ns))
		add(m, LAYOUT_TYPE, "event_type", strlen("event_type"));
}

static bool is_members(const struct field_info *field)
{
	return field->kind == KIND_MEMBERS;
}

/* Length of the first part of a path that goes on; 0 when it is the last. */
static size_t part_len(const char *path)
{
	const char *dot = strchr(path, '.');

	return dot ? (size_t)(dot - path) : 0;
}

/* The i-th field of head and body together. */
static const struct field_info *field_at(const struct maker *m, size_t i)
{
	return i < m->n_fields[0] ? &m->field[0][i] : &m->field[1][i - m->n_fields[0]];
}

/* Is the i-th field the first one whose path begins with these `len` bytes of its own? */
static bool opens_object(const struct maker *m, size_t i, size_t len)
{
	const char *path = field_at(m, i)->path;

	while (i-- > 0)
		if (strncmp(field_at(m, i)->path, path, len) == 0)
			return false;
	return true;
}

static void add_members(struct maker *m, const char *prefix, size_t prefix_len)
{
	size_t n = m->n_fields[0] + m->n_fields[1];

	for (size_t i = 0; i < n; i++) {
		const struct field_info *field = field_at(m, i);

		if (strncmp(field->path, prefix, prefix_len) == 0 &&
			part_len(field->path + prefix_len) == 0 && !is_members(field))
			add_field(m, field, field->path + prefix_len);
	}
	if (prefix_len == strlen(own_object) && strncmp(prefix, own_object, prefix_len) == 0)
		add(m, LAYOUT_IDENTITY, "", 0);
	for (size_t i = 0; i < n; i++) {
		const struct field_info *field = field_at(m, i);
		size_t part;

		if (strncmp(field->path, prefix, prefix_len) != 0)
			continue;
		part = part_len(field->path + prefix_len);
		if (part == 0 || !opens_object(m, i, prefix_len + part + 1))
			continue;
		add(m, LAYOUT_OPEN, field->path + prefix_len, part);
		add_members(m, field->path, prefix_len + part + 1);
		add(m, LAYOUT_CLOSE, "", 0);
	}
	/* Last, so that what finds a name of ours in a line by its text finds ours first. */
	for (size_t i = 0; i < n; i++) {
		const struct field_info *field = field_at(m, i);

		if (is_members(field) && strncmp(field->path, prefix, prefix_len) == 0 &&
			part_len(field->path + prefix_len) == 0)
			add(m, LAYOUT_MEMBERS, "", 0)->field = field;
	}
}

static void make_layouts(void)
{
	for (enum event_type type = EVENT_NONE + 1; type < EVENT_COUNT; type++) {
		struct event_info info = event_info(type);
		struct maker m = { .at = layouts[type],
			.field = { NULL, info.fields },
			.n_fields = { 0, info.n_fields } };

		m.field[0] = event_head_fields(&m.n_fields[0]);
		add_members(&m, "", 0);
		add(&m, LAYOUT_END, "", 0);
	}
}

const struct layout *event_layout(enum event_type type)
{
	call_once(&layouts_made, make_layouts);
	return layouts[type];
}
