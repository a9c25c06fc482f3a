/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/place_text.h"

#include "base/out.h"

void place_text(struct out *o, struct text country, uint32_t as_number, struct text as_name)
{
	bool has_as = as_number > 0 || as_name.len > 0;

	if (country.len == 0 && !has_as)
		return;
	out_str(o, " (");
	out_quoted(o, country.at ? country.at : "", country.len);
	if (country.len > 0 && has_as)
		out_str(o, ", ");
	if (as_number > 0)
		out_fmt(o, "AS%u%s", as_number, as_name.len > 0 ? " " : "");
	out_quoted(o, as_name.at ? as_name.at : "", as_name.len);
	out_char(o, ')');
}

static struct text text_in(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct text){ json_string_value(value), (uint32_t)json_string_length(value) };
}

void place_text_of(struct out *o, const json_t *place)
{
	json_int_t as_number = json_integer_value(json_object_get(place, "as_number"));

	place_text(o, text_in(place, "country"), (uint32_t)as_number, text_in(place, "as_name"));
}
