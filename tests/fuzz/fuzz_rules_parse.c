/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as rules, threshold.conf and classification.config: rules, or faults with a place in
 * the text and words that are safe to show. What one rule says of itself in sentences fits its
 * limit; a rule's own text gives the rule again, and what it is converted to can be read. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rules/convert.h"
#include "rules/explain.h"
#include "rules/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct rules_fault *fault, size_t size)
{
	if (fault->line == 0 || fault->line > size + 1 || fault->column == 0 ||
		fault->column > size + 1 || !fault->text[0])
		abort();
	for (const char *c = fault->reason; *c; c++)
		if ((*c < 'a' || *c > 'z') && *c != '-')
			abort();
}

static void check_again(const struct rule *rule)
{
	struct rules_text *text;

	if (rules_text_new(&text) < 0)
		return;
	if (rules_text_read(text, "again", rule->text, strlen(rule->text)) < 0)
		abort();
	/* a variable may have been set before */
	if (text->n_rules == 1 && text->rule[0]->n_options != rule->n_options)
		abort();
	rules_text_free(text);
}

/* What was converted can be read, if its variables are there, and is not inbound any more. */
static void check_converted(const struct rule *rule)
{
	static char buf[RULE_CONVERT_MAX];
	struct out o = out_make(buf, sizeof(buf));
	struct rules_text *text;
	const char *reason;

	if (rule_convert(rule, &o) == RULE_CONVERT_NOT || rules_text_new(&text) < 0)
		return;
	if (!out_ok(&o) || rules_text_read(text, "converted", buf, o.len) < 0)
		abort();
	reason = text->n_faults ? text->fault[0].reason : "";
	if (*reason && strcmp(reason, "undefined-variable") != 0 &&
		strcmp(reason, "bad-variable") != 0 && strcmp(reason, "too-long") != 0)
		abort();
	if (text->n_rules == 1) {
		o = out_make(buf, sizeof(buf));
		if (rule_convert(text->rule[0], &o) != RULE_CONVERT_NOT)
			abort();
	}
	rules_text_free(text);
}

static void check_rule(const struct rules_text *text, const struct rule *rule)
{
	static char buf[RULES_EXPLAIN_MAX];
	struct out o = out_make(buf, sizeof(buf));

	rule_explain(text, rule, &o);
	if (!out_ok(&o) || rule->n_options > RULE_OPTIONS_MAX || rule->n_vars > RULE_VARS_MAX)
		abort();
	check_again(rule);
	check_converted(rule);
}

static void read_as(rules_text_reader *read, const char *bytes, size_t size)
{
	struct rules_text *text;

	if (rules_text_new(&text) < 0)
		return;
	if (read(text, "fuzz", bytes, size) < 0)
		abort();
	for (uint32_t i = 0; i < text->n_faults; i++)
		check_fault(&text->fault[i], size);
	for (uint32_t i = 0; i < text->n_rules; i++)
		check_rule(text, text->rule[i]);
	rules_text_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;

	read_as(rules_text_read, bytes, size);
	read_as(rules_text_read_thresholds, bytes, size);
	read_as(rules_text_read_classes, bytes, size);
	return 0;
}
