/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/rules_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "rules/rule.h"
#include "rules/rules.h"

enum { TEXT_MAX = 8 * RULE_TEXT_MAX }; /* message and file, escaped */

struct row {
	uint32_t rule;
	struct rules_cost cost;
};

struct table {
	struct row *row; /* of the rules that were looked at, the dearest first */
	uint32_t n;
	struct rules_cost sum;
};

/* Those as dear as each other stay in the order of the rule set. */
static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->cost.ns != y->cost.ns)
		return x->cost.ns < y->cost.ns ? 1 : -1;
	if (x->cost.checks != y->cost.checks)
		return x->cost.checks < y->cost.checks ? 1 : -1;
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static int fill(const struct rules *rules, struct table *t)
{
	uint32_t n = rules_count(rules);

	t->row = calloc((size_t)n + 1, sizeof(*t->row));
	if (!t->row)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct rules_cost cost = rules_cost(rules, i);

		if (cost.checks == 0)
			continue;
		t->row[t->n++] = (struct row){ i, cost };
		t->sum.checks += cost.checks;
		t->sum.matches += cost.matches;
		t->sum.ns += cost.ns;
	}
	qsort(t->row, t->n, sizeof(*t->row), compare);
	return 0;
}

static void print_row(const struct table *t, const struct row *row, const struct rules *rules)
{
	struct rules_info info = rules_info(rules, row->rule);
	static char text[TEXT_MAX];
	struct out o = out_make(text, sizeof(text));

	out_quoted(&o, info.msg, strlen(info.msg));
	out_str(&o, "  ");
	out_quoted(&o, info.file, strlen(info.file));
	out_fmt(&o, ":%u", info.line);
	printf("%10.3f %5.1f %10" PRIu64 " %9" PRIu64 " %10u  %s\n", (double)row->cost.ns / 1e6,
		t->sum.ns > 0 ? 100.0 * (double)row->cost.ns / (double)t->sum.ns : 0.0,
		row->cost.checks, row->cost.matches, info.sid, text);
}

static void print_row_json(const struct row *row, const struct rules *rules, bool first)
{
	struct rules_info info = rules_info(rules, row->rule);
	static char text[TEXT_MAX];
	struct out o = out_make(text, sizeof(text));

	out_fmt(&o, "%s{\"gid\":%u,\"sid\":%u,\"rev\":%u,\"checks\":%" PRIu64, first ? "" : ",",
		info.gid, info.sid, info.rev, row->cost.checks);
	out_fmt(&o, ",\"matches\":%" PRIu64 ",\"ns\":%" PRIu64 ",\"line\":%u,\"file\":",
		row->cost.matches, row->cost.ns, info.line);
	out_json_text(&o, info.file, strlen(info.file));
	out_str(&o, ",\"signature\":");
	out_json_text(&o, info.msg, strlen(info.msg));
	out_char(&o, '}');
	fputs(text, stdout);
}

static void print_text(const struct table *t, uint32_t shown, const struct rules *rules)
{
	puts("        ms     %     checks   matches        sid  rule");
	for (uint32_t i = 0; i < shown; i++)
		print_row(t, &t->row[i], rules);
	printf("%10.3f 100.0 %10" PRIu64 " %9" PRIu64
	       "             %u of %u rules were looked at\n",
		(double)t->sum.ns / 1e6, t->sum.checks, t->sum.matches, t->n, rules_count(rules));
}

static void print_json(const struct table *t, uint32_t shown, const struct rules *rules)
{
	printf("{\"loaded\":%u,\"checked\":%u,\"checks\":%" PRIu64 ",\"matches\":%" PRIu64
	       ",\"ns\":%" PRIu64 ",\"rules\":[",
		rules_count(rules), t->n, t->sum.checks, t->sum.matches, t->sum.ns);
	for (uint32_t i = 0; i < shown; i++)
		print_row_json(&t->row[i], rules, i == 0);
	puts("]}");
}

int rules_profile_print(const struct rules_profile *profile, const struct rules *rules)
{
	struct table t = { 0 };
	int r = fill(rules, &t);
	uint32_t shown = t.n < profile->count ? t.n : profile->count;

	if (r == 0 && profile->json)
		print_json(&t, shown, rules);
	else if (r == 0)
		print_text(&t, shown, rules);
	free(t.row);
	if (r == 0 && fflush(stdout) == EOF)
		r = -errno;
	return r;
}
