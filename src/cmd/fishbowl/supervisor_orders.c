/* SPDX-License-Identifier: Apache-2.0 */
/* What all orders of `fishbowl ctl` have in common: arguments, and how one comes to hold. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/supervisor_ctl.h"

/* ---- honeypots ---- */

/* Edit distance of two short names (Wagner and Fischer, 1974). */
static size_t distance(const char *a, const char *b)
{
	size_t row[CONF_NAME_MAX + 1], len = strnlen(b, CONF_NAME_MAX);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] && i < CONF_NAME_MAX; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= len; j++) {
			size_t swap = corner + (a[i] != b[j - 1]);

			corner = row[j];
			if (row[j - 1] + 1 < swap)
				swap = row[j - 1] + 1;
			row[j] = row[j] + 1 < swap ? row[j] + 1 : swap;
		}
	}
	return row[len];
}

struct near {
	const char *name;
	size_t distance;
};

static int compare_near(const void *a, const void *b)
{
	const struct near *left = a, *right = b;

	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* Those that are meant most likely come first. */
static void answer_names(const struct supervisor *s, const char *wrong, json_t *answer)
{
	enum { SHOWN = 20 };
	struct near *near = calloc(s->conf->n_honeypots + 1, sizeof(*near));
	char text[SHOWN * (CONF_NAME_MAX + 2) + 64];
	struct out o = out_make(text, sizeof(text));
	size_t n = s->conf->n_honeypots;

	for (size_t i = 0; near && i < n; i++)
		near[i] = (struct near){ s->conf->honeypot[i].name,
			distance(wrong, s->conf->honeypot[i].name) };
	if (near)
		qsort(near, n, sizeof(*near), compare_near);
	for (size_t i = 0; near && i < n && i < SHOWN; i++)
		out_fmt(&o, "%s%s", i ? ", " : "", near[i].name);
	if (n > SHOWN)
		out_fmt(&o, " and %zu more", n - SHOWN);
	free(near);
	sup_answer_error(
		answer, "there is no honeypot \"%.60s\"; write all, or one of: %s", wrong, text);
}

bool sup_arg_honeypot(const struct supervisor *s, const struct sup_request *q, size_t n,
	const char **ret_name, json_t *answer)
{
	if (n >= q->n_args) {
		sup_answer_error(answer, "which honeypot? Write its name, or all");
		return false;
	}
	if (strcmp(q->arg[n], "all") == 0) {
		*ret_name = "";
		return true;
	}
	for (size_t i = 0; i < s->conf->n_honeypots; i++)
		if (strcmp(s->conf->honeypot[i].name, q->arg[n]) == 0) {
			*ret_name = s->conf->honeypot[i].name;
			return true;
		}
	answer_names(s, q->arg[n], answer);
	return false;
}

bool sup_no_more_args(const struct sup_request *q, size_t n, json_t *answer)
{
	if (q->n_args <= n)
		return true;
	sup_answer_error(
		answer, "\"%.60s\" is too much; `fishbowl ctl --help` shows the form", q->arg[n]);
	return false;
}

/* Verbs that happen once. */
bool sup_no_time(const struct sup_request *q, json_t *answer)
{
	if (q->until_ns == 0)
		return true;
	sup_answer_error(answer, "%s has no end; leave --for and --until out", q->verb);
	return false;
}

/* ---- an order comes to hold ---- */

json_t *sup_order_describe(const struct order *order)
{
	char since[40], until[40] = "";
	struct out o = out_make(since, sizeof(since));

	out_time_rfc3339(&o, order->since_ns);
	o = out_make(until, sizeof(until));
	if (order->until_ns)
		out_time_rfc3339(&o, order->until_ns);
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)order->id,
		"verb", order_verb_name(order->verb), "honeypot",
		order_verb_scope(order->verb) == ORDER_NET ? ""
		: order->honeypot[0]                       ? order->honeypot
							   : "all",
		"args", order->args, "operator", order->operator, "reason", order->reason, "since",
		since, "until", until);
}

/* Whether it holds now; what is refused is an error. */
bool sup_order_outcome(struct supervisor *s, const struct sup_request *q, int r, json_t *answer)
{
	json_object_set_new(answer, "generation", json_integer((json_int_t)s->policy.image));
	json_object_set_new(answer, "applied", json_boolean(r == 0));
	if (r == 0)
		json_object_set_new(
			answer, "applied_ms", json_real((double)(sup_now() - q->since_ns) / 1e6));
	if (s->policy.save_error)
		json_object_set_new(
			answer, "not_saved", json_string(strerror(s->policy.save_error)));
	return r == 0 || r == -ENOTCONN || r == -ETIMEDOUT;
}

/* "what; in force after 3 ms" */
void sup_order_say(
	struct supervisor *s, const struct sup_request *q, int r, const char *said, json_t *answer)
{
	char when[96], saved[128] = "";

	if (r == 0)
		snprintf(when, sizeof(when), "in force after %.1f ms",
			(double)(sup_now() - q->since_ns) / 1e6);
	else if (r == -ENOTCONN)
		snprintf(when, sizeof(when),
			"noted; no gate is running now: holds as soon as it forwards");
	else
		snprintf(when, sizeof(when), "noted; fb-gate has not answered yet");
	if (s->policy.save_error)
		snprintf(saved, sizeof(saved), "; WARNING: not saved (%s), a restart forgets it",
			strerror(s->policy.save_error));
	sup_answer_say(answer, "%s; %s%s", said, when, saved);
}

void sup_order_record(
	struct supervisor *s, const struct sup_request *q, const char *honeypot, const char *said)
{
	char detail[SUP_SAID_MAX + ORDER_WHY_MAX + 64];

	snprintf(detail, sizeof(detail), "%s: %s%s%s", q->verb, said,
		q->reason[0] ? "; because: " : "", q->reason);
	sup_control_by(s, REASON_OPERATOR, q->operator, honeypot, "policy", detail);
}

static int copy_orders(const struct orders *from, struct orders *ret_copy)
{
	struct orders copy = *from;

	copy.room = from->n + 1;
	copy.order = calloc(copy.room, sizeof(*from->order));
	if (!copy.order)
		return -ENOMEM;
	if (from->n)
		memcpy(copy.order, from->order, from->n * sizeof(*from->order));
	*ret_copy = copy;
	return 0;
}

bool sup_change_begin(struct supervisor *s, struct orders *ret_before, json_t *answer)
{
	int r = copy_orders(&s->policy.orders, ret_before);

	if (r < 0)
		sup_answer_error(answer, "%s", strerror(-r));
	return r == 0;
}

/* Back to what was before a change that cannot hold. Numbers and generations go on. */
static void undo(struct supervisor *s, struct orders *before)
{
	struct orders *now = &s->policy.orders;
	struct orders back = *now;

	back.order = before->order;
	back.n = before->n;
	back.room = before->room;
	free(now->order);
	*now = back;
	before->order = NULL;
	(void)sup_policy_change(s);
}

void sup_change_end(struct supervisor *s, const struct sup_request *q, struct orders *before,
	const char *honeypot, const char *said, json_t *answer)
{
	int r;

	sup_attended(s);
	r = sup_policy_change(s);
	if (sup_order_outcome(s, q, r, answer)) {
		sup_order_record(s, q, honeypot, said);
		sup_order_say(s, q, r, said, answer);
	} else {
		undo(s, before);
		sup_answer_error(answer,
			"the gateway cannot do that: %s; what was in force before is in force "
			"again",
			r == -E2BIG ? "limits and lists are too large together" : strerror(-r));
	}
	orders_done(before);
}

static void put_until(struct out *o, const struct order *order)
{
	char left[32], until[40];
	struct out time = out_make(until, sizeof(until));

	if (order->until_ns == 0) {
		out_str(o, ", until it is released");
		return;
	}
	out_time_rfc3339(&time, order->until_ns);
	out_fmt(o, ", until %.19sZ (%s)", until, sup_age_text(order->until_ns - sup_wall(), left));
}

static int add_order(
	struct supervisor *s, const struct sup_request *q, struct order *order, json_t *answer)
{
	char why[ORDERS_WHY_MAX];
	int r;

	if (order->until_ns == 0)
		order->until_ns = q->until_ns;
	order->since_ns = sup_wall();
	order->deadline_ns = sup_steady() + (order->until_ns - order->since_ns);
	memcpy(order->operator, q->operator, sizeof(order->operator));
	snprintf(order->reason, sizeof(order->reason), "%s", q->reason);
	if (order_check(order, why) < 0) {
		sup_answer_error(answer, "%s", why);
		return -EINVAL;
	}
	r = orders_add(&s->policy.orders, order, &order->id);
	if (r < 0)
		sup_answer_error(answer, "%s; `fishbowl ctl orders` shows what can be released",
			r == -ENOSPC ? "there are too many orders" : strerror(-r));
	return r;
}

void sup_order_give(struct supervisor *s, const struct sup_request *q, struct order *order,
	const char *said, json_t *answer)
{
	char text[SUP_SAID_MAX];
	struct out o = out_make(text, sizeof(text));
	struct orders before;

	if (!sup_change_begin(s, &before, answer))
		return;
	if (add_order(s, q, order, answer) < 0) {
		orders_done(&before);
		return;
	}
	out_str(&o, said);
	put_until(&o, order);
	out_fmt(&o, " (order %" PRIu64 ")", order->id);
	json_object_set_new(answer, "order", json_integer((json_int_t)order->id));
	sup_change_end(s, q, &before, order->honeypot, text, answer);
}
