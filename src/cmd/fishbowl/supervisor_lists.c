/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of `fishbowl ctl` about fence, black and white list. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/supervisor_ctl.h"

enum { SHOWN_MAX = 1000, V4_BITS = 96 };

static const enum order_verb verb_of[LIST_COUNT] = { ORDER_FENCE, ORDER_BLACK, ORDER_WHITE };

static bool same_rule(const struct list_rule *a, const struct list_rule *b)
{
	return a->net.bits == b->net.bits && ip_equal(&a->net.ip, &b->net.ip) &&
	       a->proto == b->proto && a->port_low == b->port_low && a->port_high == b->port_high;
}

static bool list_has(const struct list *list, const struct list_rule *rule)
{
	for (size_t i = 0; i < list->n; i++)
		if (same_rule(&list->rule[i], rule))
			return true;
	return false;
}

/* The file of the configuration that has this rule; NULL. */
static const char *file_of(
	const struct supervisor *s, enum list_kind kind, const struct list_rule *rule)
{
	const struct conf_texts *entries = list_entries(s->conf, kind);
	const struct conf_texts *files = list_files(s->conf, kind);
	char why[LIST_WHY_MAX];
	struct list_rule entry;

	if (!list_has(&s->policy.list[kind], rule))
		return NULL;
	for (size_t i = 0; i < entries->n; i++)
		if (list_rule_parse(entries->text[i], &entry, why) == 0 && same_rule(&entry, rule))
			return s->conf->path;
	for (size_t i = 0; i < files->n; i++) {
		struct list list = { 0 };
		char *faults = NULL;
		bool has;

		(void)list_file_load(files->text[i], LIST_RULES_MAX, &list, &faults);
		has = list_has(&list, rule);
		list_done(&list);
		free(faults);
		if (has)
			return files->text[i];
	}
	return "a file that has changed since";
}

/* The rest of the arguments as an entry, in the order's arguments as it is always written. Its own "until" is
 * the order's. */
static bool take_rule(const struct sup_request *q, struct order *order, struct list_rule *ret_rule,
	json_t *answer)
{
	char text[ORDER_ARGS_MAX], why[LIST_WHY_MAX], canonical[LIST_RULE_TEXT_MAX];
	struct out o = out_make(text, sizeof(text));

	for (size_t i = 1; i < q->n_args; i++)
		out_fmt(&o, "%s%s", i > 1 ? " " : "", q->arg[i]);
	if (!out_ok(&o) || list_rule_parse(text, ret_rule, why) < 0) {
		sup_answer_error(answer, "%s", out_ok(&o) ? why : "the entry is too long");
		return false;
	}
	if (ret_rule->until_ns && (q->until_ns || ret_rule->until_ns <= sup_wall())) {
		sup_answer_error(answer, q->until_ns
						 ? "the entry has an end of its own; leave one out"
						 : "the end of this entry is over");
		return false;
	}
	order->until_ns = ret_rule->until_ns;
	ret_rule->until_ns = 0;
	snprintf(order->args, sizeof(order->args), "%s", list_rule_text(ret_rule, canonical));
	return true;
}

static void add_rule(
	struct supervisor *s, const struct sup_request *q, enum list_kind kind, json_t *answer)
{
	struct order order = { .verb = verb_of[kind] };
	char said[SUP_SAID_MAX];
	struct list_rule rule;
	const char *file;

	if (!take_rule(q, &order, &rule, answer))
		return;
	file = file_of(s, kind, &rule);
	snprintf(said, sizeof(said), "%s: %s added%s%s", list_names[kind], order.args,
		file ? "; it is also in " : "", file ? file : "");
	sup_order_give(s, q, &order, said, answer);
}

static size_t remove_orders(struct orders *orders, enum order_verb verb, const char *args)
{
	size_t n = 0;

	for (size_t i = orders->n; i-- > 0;)
		if (orders->order[i].verb == verb && strcmp(orders->order[i].args, args) == 0) {
			orders_remove(orders, i);
			n++;
		}
	return n;
}

static void remove_rule(
	struct supervisor *s, const struct sup_request *q, enum list_kind kind, json_t *answer)
{
	struct order order = { .verb = verb_of[kind] };
	struct orders before;
	char said[SUP_SAID_MAX];
	struct list_rule rule;
	const char *file;

	if (!sup_no_time(q, answer) || !take_rule(q, &order, &rule, answer) ||
		!sup_change_begin(s, &before, answer))
		return;
	file = file_of(s, kind, &rule);
	if (remove_orders(&s->policy.orders, order.verb, order.args) > 0) {
		snprintf(said, sizeof(said), "%s: %s removed%s%s%s", list_names[kind], order.args,
			file ? "; it still holds, because it is in " : "", file ? file : "",
			file ? ": take it out there, then `fishbowl ctl reload`" : "");
		sup_change_end(s, q, &before, NULL, said, answer);
		return;
	}
	orders_done(&before);
	if (file)
		sup_answer_error(answer,
			"%s: %s was not ordered, it is in %s: take it out there, then `fishbowl "
			"ctl "
			"reload`",
			list_names[kind], order.args, file);
	else
		sup_answer_error(answer, "%s has no entry %s; `fishbowl ctl %s list` shows them",
			list_names[kind], order.args, list_names[kind]);
}

/* ---- what is there ---- */

/* An IPv4 address is in IPv4 networks only, as the gate sees it. */
static bool rule_has(const struct list_rule *rule, const struct ip *ip)
{
	return ip_in_prefix(ip, &rule->net) && (rule->net.bits >= V4_BITS || !ip_is_v4(ip));
}

static void show_rule(json_t *entries, size_t *n, const char *text, const char *from)
{
	if ((*n)++ < SHOWN_MAX)
		json_array_append_new(
			entries, json_pack("{s:s, s:s}", "entry", text, "from", from));
}

static void show_configured(const struct supervisor *s, enum list_kind kind, const struct ip *match,
	json_t *entries, size_t *n)
{
	const struct list *list = &s->policy.list[kind];
	const struct conf_texts *files = list_files(s->conf, kind);
	char text[LIST_RULE_TEXT_MAX];

	for (size_t i = 0; i < list->n; i++) {
		const struct list_rule *rule = &list->rule[i];
		const char *from = i < list_entries(s->conf, kind)->n ? s->conf->path
				   : files->n == 1                    ? files->text[0]
								      : "the list files";

		if ((!match || rule_has(rule, match)) &&
			(rule->until_ns == 0 || rule->until_ns > sup_wall()))
			show_rule(entries, n, list_rule_text(rule, text), from);
	}
}

static void show_ordered(const struct supervisor *s, enum list_kind kind, const struct ip *match,
	json_t *entries, size_t *n)
{
	for (size_t i = 0; i < s->policy.orders.n; i++) {
		const struct order *order = &s->policy.orders.order[i];
		char why[LIST_WHY_MAX], from[48];
		struct list_rule rule;

		if (order->verb != verb_of[kind] || list_rule_parse(order->args, &rule, why) < 0 ||
			(match && !rule_has(&rule, match)))
			continue;
		snprintf(from, sizeof(from), "order %" PRIu64, order->id);
		show_rule(entries, n, order->args, from);
	}
}

static void show_list(
	struct supervisor *s, const struct sup_request *q, enum list_kind kind, json_t *answer)
{
	json_t *entries;
	struct ip match;
	size_t n = 0;

	if (!sup_no_more_args(q, 1, answer) || !sup_no_time(q, answer))
		return;
	if (q->match && ip_parse(q->match, &match) < 0) {
		sup_answer_error(answer, "--match \"%.60s\" is not an address", q->match);
		return;
	}
	entries = json_array();
	show_ordered(s, kind, q->match ? &match : NULL, entries, &n);
	show_configured(s, kind, q->match ? &match : NULL, entries, &n);
	json_object_set_new(answer, "list", json_string(list_names[kind]));
	json_object_set_new(answer, "entries", entries);
	json_object_set_new(answer, "number", json_integer((json_int_t)n));
}

static void do_list(
	struct supervisor *s, const struct sup_request *q, enum list_kind kind, json_t *answer)
{
	static const struct {
		const char *name;
		void (*run)(struct supervisor *s, const struct sup_request *q, enum list_kind kind,
			json_t *answer);
	} does[] = { { "add", add_rule }, { "remove", remove_rule }, { "list", show_list } };

	for (size_t i = 0; i < sizeof(does) / sizeof(does[0]) && q->n_args > 0; i++)
		if (strcmp(does[i].name, q->arg[0]) == 0) {
			does[i].run(s, q, kind, answer);
			return;
		}
	sup_answer_error(answer, "write %s add ENTRY, %s remove ENTRY or %s list", list_names[kind],
		list_names[kind], list_names[kind]);
}

void ctl_fence(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	do_list(s, q, LIST_FENCE, answer);
}

void ctl_black(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	do_list(s, q, LIST_BLACK, answer);
}

void ctl_white(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	do_list(s, q, LIST_WHITE, answer);
}
