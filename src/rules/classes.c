/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of what rules find, and their priorities: those in common use, and
 * classification.config. */
#include <errno.h>
#include <stdlib.h>

#include "rules/text.h"

static const struct {
	const char *name, *text;
	uint8_t priority;
} usual[] = {
#define CLASS(name, text, priority) { name, text, priority },
#include "rules/class.def"
#undef CLASS
};

int rules_text_usual_classes(struct rules_text *text)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]) && r == 0; i++)
		r = rules_text_add_class(text, span_make(usual[i].name, strlen(usual[i].name)),
			span_make(usual[i].text, strlen(usual[i].text)), usual[i].priority);
	return r;
}

/* The last one of a name stands. */
const struct rules_class *rules_text_class(const struct rules_text *text, struct span name)
{
	const struct rules_text_state *state = text->state;

	for (uint32_t i = state->n_classes; i-- > 0;)
		if (span_is_any_case(name, state->class[i].name))
			return &state->class[i];
	return NULL;
}

int rules_text_add_class(
	struct rules_text *text, struct span name, struct span words, uint8_t priority)
{
	struct rules_text_state *state = text->state;
	struct rules_class *more, class = { .priority = priority };

	if (state->n_classes >= RULES_CLASSES_MAX)
		return -E2BIG;
	more = reallocarray(state->class, state->n_classes + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	state->class = more;
	class.name = span_copy(name);
	class.text = span_copy(words);
	if (!class.name || !class.text) {
		free(class.name);
		free(class.text);
		return -ENOMEM;
	}
	more[state->n_classes++] = class;
	return 0;
}
