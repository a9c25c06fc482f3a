/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - what the files that read a rule share: the rule that is being made, the place in its
 * text, what its options have said so far. Private to src/rules.
 *
 * Functions return 0, -EINVAL (the reader holds the fault) or -ENOMEM.
 */
#pragma once

#include "proto/proto.h"
#include "rules/parse.h"
#include "rules/rule.h"
#include "rules/set.h"
#include "rules/span.h"

#define READER_WHY_MAX 256

struct rule_reader;

/* A word of the language: a row of word.def. */
struct rule_word {
	const char *name;
	int (*read)(struct rule_reader *reader, const struct rule_word *word);
	int argument; /* what `read` wants to know */
	const char *text;
};

struct rule_reader {
	struct rules_text *text;
	struct rule *rule;
	struct span all;   /* the whole rule */
	struct span name;  /* of the option being read */
	struct span value; /* trimmed; `at` NULL: there is no colon */
	/* Where contents are looked for from here on. */
	uint16_t buffer, list, lists;
	bool buffer_idle; /* nothing has looked into it yet */
	struct span buffer_word;
	uint8_t n_transforms;
	struct rule_transform transform[RULE_TRANSFORMS_MAX];
	uint16_t room;       /* of rule->option */
	int last_content;    /* number of the option that modifiers modify; -1: none */
	struct span replace; /* the last `replace` */
	struct span var[RULE_VARS_MAX];
	bool has_priority, has_sid;
	/* fault */
	const char *at; /* in `all` */
	const char *reason;
	char why[READER_WHY_MAX];
};

/* -EINVAL. `reason` is a literal. */
int reader_refuse(struct rule_reader *reader, struct span at, const char *reason, const char *why,
	...) __attribute__((format(printf, 4, 5)));
int reader_bad_value(struct rule_reader *reader, struct span at, const char *wanted);

/* A new option of the rule, zeroed, with the buffer and its transforms if it `looks` into one. */
int reader_add(struct rule_reader *reader, enum rule_keyword keyword, bool looks,
	struct rule_option **ret_option);
struct rule_option *reader_content(struct rule_reader *reader); /* the last one, or NULL */

/* A number within limits; or a number or variable. */
int reader_number(
	struct rule_reader *reader, struct span s, int64_t low, int64_t high, int64_t *ret_number);
int reader_value(struct rule_reader *reader, struct span s, struct rule_value *ret_value);
int reader_variable(struct rule_reader *reader, struct span name, bool make, uint8_t *ret_var);
int reader_compare(struct rule_reader *reader, struct span s, bool inclusive,
	struct rule_compare *ret_compare);
/* "text", with or without the quotes: without. */
struct span reader_unquote(struct span s);
int reader_track(struct rule_reader *reader, struct span s, enum rule_track *ret_track);
int reader_text(struct span s, char **ret_text); /* replaces; escapes resolved */

/* Words. */
const struct rule_word *rule_word_find(struct span name);
/* Why a protocol, or a word of it, is not read: NULL for what is simply not known. */
const char *rule_unsupported_protocol(struct span name);

/* A rule of one line. `ret_rule` is set on success only. */
int reader_read_rule(struct rule_reader *reader, struct span line);

/* Header. */
struct rule_set_reader {
	struct rules_text *text;
	bool ports;
	unsigned depth;
	struct span at; /* of the fault */
	const char *reason;
	const char *why;
};
int rule_set_read(struct rule_set_reader *reader, struct span s, struct rule_set *ret_set);
/* The next field of a header; an option's length with its semicolon. */
struct span rule_next_field(struct span *rest);
size_t rule_option_len(struct span s);
int reader_read_header(struct rule_reader *reader, struct span header);
int reader_action(struct span s, enum rule_action *ret_action, enum rule_reject *ret_reject);

/* Variables, names, classes. */
struct rules_variable {
	char *name, *value;
	bool busy;
	bool ready[2]; /* as addresses, as ports */
	struct rule_set set[2];
};
struct rules_variable *rules_text_variable(struct rules_text *text, struct span name);
int rules_names_number(struct rules_names *names, struct span name, uint16_t *ret_number);
struct rules_class {
	char *name, *text;
	uint8_t priority;
};
const struct rules_class *rules_text_class(const struct rules_text *text, struct span name);
int rules_text_add_class(
	struct rules_text *text, struct span name, struct span words, uint8_t priority);

#define WORD(name, handler, argument, text) \
	int rule_read_##handler(struct rule_reader *reader, const struct rule_word *word);
#include "rules/word.def"
#undef WORD
int rule_read_number(struct rule_reader *reader, const struct rule_word *word);
