/* SPDX-License-Identifier: Apache-2.0 */
/* text - the inside of struct rules_text. Private to src/rules. */
#pragma once

#include "rules/reader.h"

#define RULES_CLASSES_MAX 1024

struct rules_text_state {
	struct rules_variable **variable;
	uint32_t n_variables;
	struct rules_class *class;
	uint32_t n_classes;
	void *rules; /* tree of rules by gid and sid */
	uint32_t room_rules, room_faults, room_suppress;
	uint32_t n_orders; /* lines that cost more than one rule's time */
};

int rules_text_usual_classes(struct rules_text *text);
void rules_names_done(struct rules_names *names);

/* One line, continuation lines joined. */
struct rules_line {
	const char *file;
	struct span text;
	struct rules_joint { /* where the line's pieces come from */
		size_t at;
		uint32_t line, column;
	} * joint;
	size_t n_joints;
};
/* Calls `take` for each line that is not empty; `#` lines too. 0, -ENOMEM, or what `take`
 * returned. */
int rules_lines(const char *file, struct span bytes,
	int (*take)(void *context, const struct rules_line *line), void *context);
/* `at` is in line->text. -ENOMEM. */
int rules_text_add_fault(struct rules_text *text, const struct rules_line *line, const char *at,
	uint32_t sid, const char *reason, const char *why);
