/* SPDX-License-Identifier: Apache-2.0 */
/* Names that become numbers: of marks, by kind. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include "rules/text.h"

struct known_name {
	struct span name;
	uint16_t number;
};

static int compare_entries(const void *a, const void *b)
{
	const struct known_name *left = a, *right = b;

	if (left->name.len != right->name.len)
		return left->name.len < right->name.len ? -1 : 1;
	return memcmp(left->name.at, right->name.at, left->name.len);
}

static int add_name(struct rules_names *names, struct span name)
{
	struct known_name *entry;
	char *copy;

	if (names->n == names->room) {
		uint32_t room = names->room ? 2 * names->room : 64;
		char **more = reallocarray(names->name, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		names->name = more;
		names->room = room;
	}
	copy = span_copy(name);
	entry = malloc(sizeof(*entry));
	if (!copy || !entry)
		goto fail;
	*entry = (struct known_name){ span_make(copy, name.len), (uint16_t)names->n };
	if (!tsearch(entry, &names->tree, compare_entries))
		goto fail;
	names->name[names->n++] = copy;
	return 0;
fail:
	free(copy);
	free(entry);
	return -ENOMEM;
}

int rules_names_number(struct rules_names *names, struct span name, uint16_t *ret_number)
{
	const struct known_name key = { name, 0 };
	const struct known_name *const *found = tfind(&key, &names->tree, compare_entries);

	if (found) {
		*ret_number = (*found)->number;
		return 0;
	}
	if (names->n >= RULES_NAMES_MAX)
		return -E2BIG;
	*ret_number = (uint16_t)names->n;
	return add_name(names, name);
}

void rules_names_done(struct rules_names *names)
{
	tdestroy(names->tree, free);
	for (uint32_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct rules_names){ 0 };
}
