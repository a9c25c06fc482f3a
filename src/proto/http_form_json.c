/* SPDX-License-Identifier: Apache-2.0 */
/* What a JSON text gave to be let in: members of its object, and of the objects in that. */
#include <jansson.h>
#include <stdio.h>

#include "proto/http.h"

#define FORM_JSON_MAX \
	8192u /* bytes of the text: it is built in memory that no connection is charged with */
#define FORM_JSON_DEPTH 16u /* of lists and objects in it */

/* Before anything is built of it. What looks like a string but is none makes it no JSON at all. */
static bool is_deep(struct cur c)
{
	unsigned depth = 0;
	bool quoted = false;

	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte == '"')
			quoted = !quoted;
		else if (quoted && byte == '\\')
			cur_skip(&c, cur_left(&c) > 0);
		else if (!quoted && (byte == '{' || byte == '['))
			depth++;
		else if (!quoted && (byte == '}' || byte == ']') && depth)
			depth--;
		if (depth > FORM_JSON_DEPTH)
			return true;
	}
	return false;
}

static void read_value(struct http_form *form, const char *name, const json_t *value)
{
	struct proto_login_text *text;
	char number[24];
	int len = 0;

	if (!json_is_string(value) && !json_is_integer(value))
		return;
	text = http_form_field(form, cur_make(name, strlen(name)));
	if (!text)
		return;
	if (json_is_integer(value))
		len = snprintf(
			number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	http_form_add(text, json_is_integer(value) ? cur_make(number, (size_t)len)
						   : cur_make(json_string_value(value),
							     json_string_length(value)));
}

static void read_members(struct http_form *form, json_t *object, bool inner)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (inner && json_is_object(value))
			read_members(form, value, false);
		else
			read_value(form, name, value);
	}
}

void http_form_read_json(struct http_form *form, struct cur body)
{
	json_t *root;

	if (!cur_left(&body) || cur_left(&body) > FORM_JSON_MAX || is_deep(body))
		return;
	root = json_loadb((const char *)body.at, cur_left(&body), JSON_ALLOW_NUL, NULL);
	if (json_is_object(root))
		read_members(form, root, true);
	json_decref(root);
}
