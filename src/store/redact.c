/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redact.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <sodium.h>

#include "base/out.h"
#include "event/event.h"

#define HIDDEN_TEXT "(hidden)"

struct redact {
	enum role role;
	unsigned char key[crypto_shorthash_KEYBYTES];
	char *line; /* of the last call */
};

enum kind { KIND_HIDDEN, KIND_PERSON, KIND_URL };

static const struct row {
	enum kind kind;
	const char *path, *when, *values;
} rows[] = {
#define HIDDEN(path, when, values) { KIND_HIDDEN, path, when, values },
#define PERSON(path)               { KIND_PERSON, path, NULL, "" },
#define URL(path)                  { KIND_URL, path, NULL, "" },
#include "store/redact.def"
#undef HIDDEN
#undef PERSON
#undef URL
};

static const char *const names[ROLES] = { "analyst", "viewer" };

const char *role_name(enum role role)
{
	return names[role];
}

bool role_find(const char *name, enum role *ret_role)
{
	for (unsigned i = 0; i < ROLES; i++)
		if (strcmp(names[i], name) == 0) {
			*ret_role = (enum role)i;
			return true;
		}
	return false;
}

int redact_new(enum role role, struct redact **ret_redact)
{
	struct redact *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->role = role;
	crypto_shorthash_keygen(r->key);
	*ret_redact = r;
	return 0;
}

struct redact *redact_free(struct redact *r)
{
	if (r)
		free(r->line);
	free(r);
	return NULL;
}

/* ---- what takes the place of a value ---- */

static json_t *pseudonym(const struct redact *r, const json_t *value)
{
	unsigned char hash[crypto_shorthash_BYTES];
	const char *text = json_string_value(value);
	char name[32];
	uint32_t number;

	if (!text)
		return json_string(HIDDEN_TEXT);
	crypto_shorthash(hash, (const unsigned char *)text, json_string_length(value), r->key);
	memcpy(&number, hash, sizeof(number));
	snprintf(name, sizeof(name), "person-%08" PRIx32, number);
	return json_string(name);
}

static int hex(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* As all do that a login is looked for in (proto/http_form.c), and some more. */
static bool is_secret_name(const char *name, size_t len)
{
	char plain[256];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (n == sizeof(plain) - 1)
			return true; /* whatever it is */
		if (c == '%' && len - i > 2 && hex(name[i + 1]) >= 0 && hex(name[i + 2]) >= 0) {
			c = (char)(hex(name[i + 1]) << 4 | hex(name[i + 2]));
			i += 2;
		}
		plain[n++] = c ? c : ' ';
	}
	plain[n] = '\0';
	return strcasestr(plain, "pass") || strcasestr(plain, "pwd") || strcasestr(plain, "psw");
}

static void put_field(struct out *o, const char *field, size_t len)
{
	size_t name = 0;

	while (name < len && field[name] != '=')
		name++;
	if (name == len || !is_secret_name(field, name)) {
		out_bytes(o, field, len);
		return;
	}
	out_bytes(o, field, name);
	out_str(o, "=" HIDDEN_TEXT);
}

static json_t *url(const json_t *value)
{
	const char *at = json_string_value(value), *end, *field, *stop;
	size_t size;
	char *text;
	struct out o;
	json_t *shown;

	if (!at)
		return json_string(HIDDEN_TEXT);
	end = at + json_string_length(value);
	field = memchr(at, '?', (size_t)(end - at));
	if (!field)
		return json_stringn(at, (size_t)(end - at));
	size = 4 * (size_t)(end - at) + 1; /* what is hidden had four bytes at least: "&psw" */
	text = malloc(size);
	if (!text)
		return NULL;
	o = out_make(text, size);
	out_bytes(&o, at, (size_t)(field - at));
	for (; field < end; field = stop) {
		out_char(&o, *field++);
		stop = memchr(field, '&', (size_t)(end - field));
		stop = stop ? stop : end;
		put_field(&o, field, (size_t)(stop - field));
	}
	shown = out_ok(&o) ? json_stringn(text, o.len) : json_string(HIDDEN_TEXT);
	free(text);
	return shown;
}

static json_t *instead(const struct redact *r, enum kind kind, const json_t *value)
{
	json_t *list, *item;
	size_t i;

	if (kind == KIND_HIDDEN)
		return json_string(HIDDEN_TEXT);
	if (kind == KIND_URL)
		return url(value);
	if (!json_is_array(value))
		return pseudonym(r, value);
	list = json_array();
	json_array_foreach(value, i, item)
	{
		json_array_append_new(list, pseudonym(r, item));
	}
	return list;
}

/* ---- where it stands ---- */

static json_t *member(const json_t *object, const char *name, size_t len)
{
	char key[64];

	if (len >= sizeof(key))
		return NULL;
	memcpy(key, name, len);
	key[len] = '\0';
	return json_object_get(object, key);
}

/* Puts something else where the path leads, in each item of lists on its way. 0 or -1: no memory. */
static int replace(const struct redact *r, enum kind kind, json_t *at, const char *path)
{
	size_t len = strcspn(path, ".");
	json_t *value, *item;
	size_t i;
	int result = 0;

	if (json_is_array(at)) {
		json_array_foreach(at, i, item)
		{
			result |= replace(r, kind, item, path);
		}
		return result;
	}
	value = member(at, path, len);
	if (!value)
		return 0;
	if (path[len])
		return replace(r, kind, value, path + len + 1);
	return json_object_set_new(at, path, instead(r, kind, value));
}

static const json_t *find(const json_t *at, const char *path)
{
	for (; at; path += strcspn(path, ".") + 1) {
		size_t len = strcspn(path, ".");

		at = member(at, path, len);
		if (!path[len])
			return at;
	}
	return NULL;
}

static bool is_one_of(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *at = words; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == len && strncasecmp(at, word, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static bool holds(const json_t *record, const struct row *row)
{
	const char *value = row->when ? json_string_value(find(record, row->when)) : NULL;

	return !row->when || (value && is_one_of(value, row->values));
}

static int replace_secrets(const struct redact *r, json_t *record, enum event_type type)
{
	struct event_info info = event_info(type);
	int result = 0;

	for (size_t i = 0; i < info.n_fields; i++)
		if (info.fields[i].flags & SECRET)
			result |= replace(r, KIND_HIDDEN, record, info.fields[i].path);
	return result;
}

static int replace_all(const struct redact *r, json_t *record)
{
	const char *type = json_string_value(json_object_get(record, "event_type"));
	int result = 0;

	/* Of another version: nobody knows what it holds. */
	if (!type || event_type_find(type) == EVENT_NONE)
		return -EBADMSG;
	result |= replace_secrets(r, record, event_type_find(type));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (holds(record, &rows[i]))
			result |= replace(r, rows[i].kind, record, rows[i].path);
	return result ? -ENOMEM : 0;
}

int redact_line(
	struct redact *r, const char *line, size_t len, const char **ret_line, size_t *ret_len)
{
	json_t *record;
	int result;

	if (r->role == ROLE_ANALYST) {
		*ret_line = line;
		*ret_len = len;
		return 0;
	}
	record = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	result = record ? replace_all(r, record) : -EBADMSG;
	if (result == 0) {
		free(r->line);
		r->line = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(17));
		result = r->line ? 0 : -ENOMEM;
	}
	json_decref(record);
	if (result < 0)
		return result;
	*ret_line = r->line;
	*ret_len = strlen(r->line);
	return 0;
}
