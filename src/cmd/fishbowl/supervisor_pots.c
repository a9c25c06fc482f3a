/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of `fishbowl ctl` about honeypots. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/supervisor_ctl.h"

static const char *called(const char *honeypot)
{
	return honeypot[0] ? honeypot : "all honeypots";
}

/* ---- limits ---- */

/* False when it does not fit. */
static bool join_args(const struct sup_request *q, size_t first, char to[static ORDER_ARGS_MAX])
{
	struct out o = out_make(to, ORDER_ARGS_MAX);

	for (size_t i = first; i < q->n_args; i++)
		out_fmt(&o, "%s%s", i > first ? " " : "", q->arg[i]);
	return out_ok(&o);
}

/* The value of a limit for the honeypots of an order, "various" when they differ. */
static void limit_of(const struct supervisor *s, const char *honeypot, const struct order *with,
	size_t limit, char to[static CONF_VALUE_TEXT_MAX])
{
	const struct orders only = { .order = (struct order *)(uintptr_t)with, .n = 1 };
	char text[CONF_VALUE_TEXT_MAX];

	to[0] = '\0';
	for (size_t i = 0; i < s->conf->n_honeypots; i++) {
		const char *name = s->conf->honeypot[i].name;
		struct policy_pot pot;

		if (honeypot[0] && strcmp(honeypot, name) != 0)
			continue;
		pot = sup_policy_pot(s, i);
		if (with)
			orders_apply(&only, name, &pot);
		conf_limit_text(&pot.limit, limit, text);
		if (to[0] && strcmp(to, text) != 0)
			snprintf(text, sizeof(text), "various");
		memcpy(to, text, sizeof(text));
	}
}

/* "pot0: tcp 10/h -> 5/h, udp 20/h -> 1/h" */
static void say_limits(
	const struct supervisor *s, const struct order *order, char said[static SUP_SAID_MAX])
{
	struct out o = out_make(said, SUP_SAID_MAX / 2);
	char from[CONF_VALUE_TEXT_MAX], to[CONF_VALUE_TEXT_MAX];
	const char *name;
	bool first = true;

	out_fmt(&o, "%s:", called(order->honeypot));
	if (order->verb == ORDER_PRESET)
		out_fmt(&o, " preset %s:", order->args);
	for (size_t n = 0; (name = conf_limit_name(n)); n++) {
		limit_of(s, order->honeypot, NULL, n, from);
		limit_of(s, order->honeypot, order, n, to);
		if (strcmp(from, to) == 0)
			continue;
		out_fmt(&o, "%s %s %s -> %s", first ? "" : ",", name, from, to);
		first = false;
	}
	if (first)
		out_str(&o, " the same limits as before");
}

static void order_limits(
	struct supervisor *s, const struct sup_request *q, enum order_verb verb, json_t *answer)
{
	struct order order = { .verb = verb };
	char said[SUP_SAID_MAX], why[ORDERS_WHY_MAX];
	const char *honeypot;

	if (!sup_arg_honeypot(s, q, 0, &honeypot, answer))
		return;
	snprintf(order.honeypot, sizeof(order.honeypot), "%s", honeypot);
	if (!join_args(q, 1, order.args))
		sup_answer_error(answer, "the arguments are longer than %d", ORDER_ARGS_MAX - 1);
	else if (order_check(&order, why) < 0)
		sup_answer_error(answer, "%s", why);
	else {
		say_limits(s, &order, said);
		sup_order_give(s, q, &order, said, answer);
	}
}

void ctl_limit(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	order_limits(s, q, ORDER_LIMIT, answer);
}

void ctl_preset(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	order_limits(s, q, ORDER_PRESET, answer);
}

/* ---- isolation ---- */

static bool held_already(const struct supervisor *s, const char *honeypot, enum order_verb verb)
{
	for (size_t i = 0; i < s->conf->n_honeypots; i++) {
		struct policy_pot pot = sup_policy_pot(s, i);

		if ((!honeypot[0] || strcmp(honeypot, s->conf->honeypot[i].name) == 0) &&
			!(verb == ORDER_ISOLATE ? pot.isolate : pot.roach_motel))
			return false;
	}
	return true;
}

static void order_quarantine(struct supervisor *s, const struct sup_request *q,
	enum order_verb verb, const char *what, json_t *answer)
{
	struct order order = { .verb = verb };
	char said[SUP_SAID_MAX];
	const char *honeypot;

	if (!sup_arg_honeypot(s, q, 0, &honeypot, answer) || !sup_no_more_args(q, 1, answer))
		return;
	snprintf(order.honeypot, sizeof(order.honeypot), "%s", honeypot);
	snprintf(said, sizeof(said), "%s: %s%s", called(honeypot), what,
		held_already(s, honeypot, verb) ? ", as before" : "");
	sup_order_give(s, q, &order, said, answer);
}

void ctl_isolate(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	order_quarantine(s, q, ORDER_ISOLATE, "isolated, nothing leaves, not even answers", answer);
}

void ctl_roach_motel(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	order_quarantine(s, q, ORDER_ROACH_MOTEL, "roach motel, nothing new leaves", answer);
}

/* ---- release ---- */

static void put_order(struct out *o, const struct order *order)
{
	const char *honeypot = order_verb_scope(order->verb) == ORDER_NET ? ""
			       : order->honeypot[0]                       ? order->honeypot
									  : "all";

	out_fmt(o, "order %" PRIu64 " (%s%s%s%s%.100s)", order->id, order_verb_name(order->verb),
		*honeypot ? " " : "", honeypot, order->args[0] ? " " : "", order->args);
}

static void release_number(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	char said[SUP_SAID_MAX], honeypot[CONF_NAME_MAX], *end;
	struct out o = out_make(said, sizeof(said));
	unsigned long long id = strtoull(q->arg[1], &end, 10);
	struct order *order = *end ? NULL : orders_find(&s->policy.orders, id);
	struct orders before;

	if (!sup_no_more_args(q, 2, answer))
		return;
	if (!order) {
		sup_answer_error(answer,
			"there is no order %.30s in force; `fishbowl ctl orders` lists them",
			q->arg[1]);
		return;
	}
	if (!sup_change_begin(s, &before, answer))
		return;
	put_order(&o, order);
	out_str(&o, " released");
	memcpy(honeypot, order->honeypot, sizeof(honeypot));
	orders_remove(&s->policy.orders, (size_t)(order - s->policy.orders.order));
	sup_change_end(s, q, &before, honeypot, said, answer);
}

/* Takes out what was ordered for exactly this honeypot (or all of them). */
static size_t release_all(
	struct orders *orders, const char *honeypot, enum order_verb verb, struct out *said)
{
	size_t n = 0;

	for (size_t i = 0; i < orders->n;) {
		const struct order *order = &orders->order[i];

		if (order_verb_scope(order->verb) != ORDER_POT ||
			(honeypot[0] && strcmp(order->honeypot, honeypot) != 0) ||
			(verb != ORDER_VERBS && order->verb != verb)) {
			i++;
			continue;
		}
		if (n++ < 8) {
			out_str(said, n > 1 ? ", " : " ");
			put_order(said, order);
		}
		orders_remove(orders, i);
	}
	if (n > 8)
		out_fmt(said, " and %zu more", n - 8);
	return n;
}

/* Orders for all hold for one as well. */
static void put_orders_for_all(const struct orders *orders, struct out *o)
{
	for (size_t i = 0; i < orders->n; i++)
		if (order_verb_scope(orders->order[i].verb) == ORDER_POT &&
			!orders->order[i].honeypot[0]) {
			out_str(o, "; ");
			put_order(o, &orders->order[i]);
			out_str(o, " is for it too");
		}
}

/* What still holds for it, and why. */
static void put_rest(const struct supervisor *s, const char *honeypot, struct out *o)
{
	if (honeypot[0])
		put_orders_for_all(&s->policy.orders, o);
	for (size_t i = 0; honeypot[0] && i < s->conf->n_honeypots; i++) {
		const struct conf_a_honeypot *pot = &s->conf->honeypot[i];

		if (strcmp(pot->name, honeypot) != 0)
			continue;
		if (pot->set.isolate || s->conf->top.isolate)
			out_str(o, "; the configuration isolates it");
		if (pot->set.roach_motel || s->conf->top.roach_motel)
			out_str(o, "; the configuration makes it a roach motel");
	}
}

void ctl_release(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	enum order_verb verb = q->n_args > 1 ? order_verb_find(q->arg[1]) : ORDER_VERBS;
	char said[SUP_SAID_MAX];
	struct out o = out_make(said, sizeof(said));
	struct orders before;
	const char *honeypot;

	if (!sup_no_time(q, answer))
		return;
	if (q->n_args == 2 && strcmp(q->arg[0], "order") == 0) {
		release_number(s, q, answer);
		return;
	}
	if (!sup_arg_honeypot(s, q, 0, &honeypot, answer) || !sup_no_more_args(q, 2, answer))
		return;
	if (q->n_args > 1 && (verb == ORDER_VERBS || order_verb_scope(verb) != ORDER_POT)) {
		sup_answer_error(answer,
			"\"%.40s\" is no order for a honeypot; write limit, preset, isolate or "
			"roach-motel",
			q->arg[1]);
		return;
	}
	if (!sup_change_begin(s, &before, answer))
		return;
	out_fmt(&o, "%s: released", called(honeypot));
	if (release_all(&s->policy.orders, honeypot, verb, &o) == 0) {
		o = out_make(said, sizeof(said));
		put_rest(s, honeypot, &o);
		sup_answer_error(answer, "no such order is in force for %s%s%s", called(honeypot),
			said, "; `fishbowl ctl policy` shows what is");
		orders_done(&before);
		return;
	}
	put_rest(s, honeypot, &o);
	sup_change_end(s, q, &before, honeypot, said, answer);
}
