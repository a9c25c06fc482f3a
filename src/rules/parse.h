/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse - from the text of rule files to struct rule: the language of Snort 2.9 and of Suricata,
 * read by one table of words (rules/word.def). A faulty rule is refused, alone, with its place and
 * reason; the rest loads.
 *
 * Where the two dialects give the same words different meanings, Suricata's is taken (ranges of
 * urilen exclude their ends and count the normalised URI; isdataat), but for dsize, whose ranges
 * include their ends.
 *
 * A rule whose gid and sid are those of an earlier one takes its place if its rev is higher, and is
 * left aside otherwise; both are counted as loaded, and as superseded.
 *
 * No I/O, no clock. Memory is linear in the text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rules/rule.h"

/* Named limits. */
#define RULES_TEXT_MAX      (256u << 20) /* bytes of one file */
#define RULES_RULES_MAX     200000
#define RULES_NAMES_MAX     65535 /* of one kind */
#define RULES_VARIABLES_MAX 1024
#define RULES_ORDERS_MAX    20000 /* lines that set variables, lines of threshold.conf */
#define RULES_NESTING_MAX   16    /* lists in lists, variables in variables */

/* A rule, or a line, that was not taken. `reason` is one of a fixed set of words, for counting. */
struct rules_fault {
	const char *file; /* borrowed, as given */
	uint32_t line, column;
	uint32_t sid; /* 0: not known */
	const char *reason;
	char *text; /* a sentence */
};

enum rules_names_kind {
	RULES_NAMES_FLOWBITS,
	RULES_NAMES_XBITS,
	RULES_NAMES_FLOWINT,
	RULES_NAMES_KINDS
};
struct rules_names {
	char **name; /* by number */
	uint32_t n, room;
	void *tree; /* private */
};

/* suppress: a rule's alerts are not told for these addresses. sid 0: all rules of gid; gid 0:
 * all rules. */
struct rules_suppress {
	uint32_t gid, sid;
	enum {
		RULES_SUPPRESS_ALL,
		RULES_SUPPRESS_SRC,
		RULES_SUPPRESS_DST,
		RULES_SUPPRESS_EITHER
	} by;
	struct rule_nets nets;
};

struct rules_text {
	struct rule **rule; /* owned; without those superseded */
	uint32_t n_rules;
	uint32_t n_loaded, n_disabled, n_superseded;
	struct rules_fault *fault;
	uint32_t n_faults;
	struct rules_names names[RULES_NAMES_KINDS];
	struct rules_suppress *suppress;
	uint32_t n_suppress;
	/* set by the caller: rules that are switched off are read as the others */
	bool take_disabled;
	struct rules_text_state *state; /* private */
};

/* Variables of common use (HOME_NET, HONEYNET, EXTERNAL_NET, HTTP_PORTS, ...) are there from the
 * beginning: networks are any, EXTERNAL_NET any, HONEYNET and the servers HOME_NET. -ENOMEM. */
int rules_text_new(struct rules_text **ret_text);
struct rules_text *rules_text_free(struct rules_text *text);

/* NAME without `$`. The value is read when a rule uses it. -EINVAL: not a name, or too many;
 * -ENOMEM. */
int rules_text_set(struct rules_text *text, const char *name, const char *value);

typedef int rules_text_reader(
	struct rules_text *text, const char *file, const char *bytes, size_t len);
/* `file` is borrowed for as long as `text` lives. 0 even if rules were refused: see `fault`.
 * -E2BIG: too many bytes or rules; what fitted is there; -ENOMEM. */
rules_text_reader rules_text_read;
/* classification.config: `config classification: NAME,TEXT,PRIORITY`. Before the rules that use
 * it. */
rules_text_reader rules_text_read_classes;
/* threshold.conf: threshold, event_filter, rate_filter, suppress. After the rules that it is
 * about. */
rules_text_reader rules_text_read_thresholds;

/* The words of the language, one after the other, with what they mean: false beyond the last. */
bool rules_word(size_t number, const char **ret_name, const char **ret_text);
