/* SPDX-License-Identifier: Apache-2.0 */
/* `fishbowl ctl policy`: what is in force, and from where. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/fishbowl/supervisor_ctl.h"

static json_t *value_from(json_t *value, const struct order *order, const char *else_from)
{
	char from[48];

	snprintf(from, sizeof(from), "order %" PRIu64, order ? order->id : 0);
	return json_pack("{s:o, s:s}", "value", value, "from", order ? from : else_from);
}

static enum conf_preset preset_of(const struct supervisor *s, const struct conf_a_honeypot *pot)
{
	int preset = pot->set.preset > 0 ? pot->set.preset - 1 : s->conf->top.preset;

	return (enum conf_preset)preset;
}

/* The file does not keep what it said itself: a value as the preset has it is the preset's. */
static json_t *describe_limits(const struct supervisor *s, const struct conf_a_honeypot *pot,
	const struct conf_limit *limit)
{
	char value[CONF_VALUE_TEXT_MAX], by_preset[CONF_VALUE_TEXT_MAX], preset_name[48];
	struct conf_limit preset;
	json_t *limits = json_object();
	const char *name;

	conf_preset_limit(preset_of(s, pot), &preset);
	snprintf(
		preset_name, sizeof(preset_name), "preset %s", conf_preset_name(preset_of(s, pot)));
	for (size_t n = 0; (name = conf_limit_name(n)); n++) {
		bool same;

		conf_limit_text(limit, n, value);
		same = strcmp(conf_limit_text(&preset, n, by_preset), value) == 0;
		json_object_set_new(limits, name,
			value_from(json_string(value),
				orders_deciding(&s->policy.orders, ORDER_LIMIT, pot->name, name),
				same ? preset_name : "configuration"));
	}
	return limits;
}

static json_t *describe_flag(const struct supervisor *s, const struct conf_a_honeypot *pot,
	enum order_verb verb, bool holds, bool configured)
{
	return value_from(json_boolean(holds),
		orders_deciding(&s->policy.orders, verb, pot->name, ""),
		holds && !configured ? "attendance" : "configuration");
}

static json_t *describe_honeypot(const struct supervisor *s, size_t n)
{
	const struct conf_a_honeypot *pot = &s->conf->honeypot[n];
	struct policy_pot configured = policy_pot_of(s->conf, n), now = sup_policy_pot(s, n);

	return json_pack("{s:s, s:o, s:o, s:o}", "name", pot->name, "isolate",
		describe_flag(s, pot, ORDER_ISOLATE, now.isolate, configured.isolate),
		"roach_motel",
		describe_flag(s, pot, ORDER_ROACH_MOTEL, now.roach_motel, configured.roach_motel),
		"limits", describe_limits(s, pot, &now.limit));
}

static json_t *describe_lists(const struct supervisor *s)
{
	json_t *lists = json_object();

	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++) {
		json_int_t ordered = 0;
		enum list_kind of;

		for (size_t i = 0; i < s->policy.orders.n; i++)
			ordered +=
				order_verb_list(s->policy.orders.order[i].verb, &of) && of == kind;
		json_object_set_new(lists, list_names[kind],
			json_pack("{s:I, s:I}", "configured", (json_int_t)s->policy.list[kind].n,
				"ordered", ordered));
	}
	return lists;
}

void ctl_policy(struct supervisor *s, const struct sup_request *q, json_t *answer)
{
	json_t *honeypots;
	const char *only = "";

	if ((q->n_args > 0 && !sup_arg_honeypot(s, q, 0, &only, answer)) ||
		!sup_no_more_args(q, 1, answer) || !sup_no_time(q, answer))
		return;
	honeypots = json_array();
	for (size_t i = 0; i < s->conf->n_honeypots; i++)
		if (!*only || strcmp(only, s->conf->honeypot[i].name) == 0)
			json_array_append_new(honeypots, describe_honeypot(s, i));
	json_object_set_new(answer, "generation", json_integer((json_int_t)s->policy.image));
	json_object_set_new(answer, "applied", json_boolean(s->policy.applied == s->policy.image));
	json_object_set_new(answer, "lockdown", json_boolean(orders_lockdown(&s->policy.orders)));
	json_object_set_new(answer, "honeypots", honeypots);
	json_object_set_new(answer, "lists", describe_lists(s));
	json_object_set_new(answer, "privacy",
		json_pack("{s:s, s:I, s:s}", "policy", conf_privacy_name(s->conf->privacy.policy),
			"bannered", (json_int_t)s->conf->privacy.bannered.n, "purpose",
			s->conf->privacy.purpose));
}
