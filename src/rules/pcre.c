/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions, compiled when first needed; never by JIT, which would need memory to write and execute.
 * PCRE2's match limit is one of each place where a match may begin, and there may be many: what all of them take is
 * counted by callouts.
 */
#include "rules/engine.h"

static int count_step(pcre2_callout_block *block, void *context)
{
	struct rules *rules = context;

	(void)block;
	if (rules->pcre_steps >= RULES_PCRE_STEPS_MAX || rules->pcre_unit >= RULES_PCRE_UNIT_MAX)
		return PCRE2_ERROR_CALLOUT;
	rules->pcre_steps++;
	rules->pcre_unit++;
	return 0;
}

void pcre_count_steps(struct rules *rules)
{
	pcre2_set_callout(rules->pcre_match, count_step, rules);
}

static pcre2_code *compiled(struct rules *rules, const struct image_pcre *pcre)
{
	pcre2_code **code = &rules->pcre[pcre->number];
	PCRE2_SIZE at;
	int error;

	if (!*code && !rules->pcre_bad[pcre->number]) {
		*code = pcre2_compile(image_bytes(rules, pcre->pattern), pcre->pattern.len,
			pcre->flags | PCRE2_AUTO_CALLOUT, &error, &at, rules->pcre_compile);
		rules->pcre_bad[pcre->number] = !*code;
	}
	return *code;
}

int pcre_run(struct rules *rules, const struct image_pcre *pcre, const uint8_t *subject,
	uint32_t len, uint32_t start, bool not_start, size_t *ret_start, size_t *ret_end)
{
	const pcre2_code *code = compiled(rules, pcre);
	const PCRE2_SIZE *place;
	int found;

	if (!code)
		return 0;
	found = pcre2_match(code, subject ? subject : (const uint8_t *)"", len, start,
		not_start ? PCRE2_NOTBOL : 0, rules->pcre_data, rules->pcre_match);
	if (found == PCRE2_ERROR_NOMATCH)
		return 0;
	if (found < 0)
		return -1;
	place = pcre2_get_ovector_pointer(rules->pcre_data);
	*ret_start = place[0];
	/* \K may put the start behind the end. */
	*ret_end = place[1] < place[0] ? place[0] : place[1];
	return 1;
}
