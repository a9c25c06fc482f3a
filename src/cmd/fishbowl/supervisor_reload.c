/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration is read again (SIGHUP, `fishbowl ctl reload`). With faults nothing changes. What only the
 * policy is made from becomes a new image; what fb-gate lays its memory out by, a new fb-gate; what the
 * rings, files and NICs of this run are made from needs a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "cmd/fishbowl/supervisor_ctl.h"
#include "sys/notify.h"

enum { READY_S = 15, SERVE_MS = 20 };

enum effect {
	EFFECT_NONE = 0, /* looked at when the gateway starts, and by nobody else */
	EFFECT_POLICY = 1,
	EFFECT_GATE = 2,
	EFFECT_TAP = 4,
	EFFECT_STORE = 8,
	EFFECT_RESTART = 16,
	EFFECT_LENS = 32,
	EFFECT_VAULT = 64,
	EFFECT_KEEPING = EFFECT_LENS | EFFECT_VAULT, /* whether files are kept at all */
};

/* What a change of a setting asks for; "*": of the others in that section. What is not here needs a
 * restart. */
static const struct {
	const char *section, *setting;
	enum effect effect;
} effects[] = {
	{ "", "resolvers", EFFECT_POLICY },
	{ "", "ntp_servers", EFFECT_POLICY },
	{ "", "preset", EFFECT_POLICY },
	{ "", "fence", EFFECT_POLICY },
	{ "", "black", EFFECT_POLICY },
	{ "", "white", EFFECT_POLICY },
	{ "", "fence_files", EFFECT_POLICY },
	{ "", "black_files", EFFECT_POLICY },
	{ "", "white_files", EFFECT_POLICY },
	{ "", "rules", EFFECT_POLICY }, /* they are read again in any case */
	{ "", "rule_vars", EFFECT_POLICY },
	{ "", "threshold_file", EFFECT_POLICY },
	{ "", "classification_file", EFFECT_POLICY },
	{ "", "attendance", EFFECT_POLICY },
	{ "", "roach_motel", EFFECT_POLICY },
	{ "", "isolate", EFFECT_POLICY },
	{ "", "lens", EFFECT_KEEPING },
	{ "", "application_records", EFFECT_KEEPING },
	{ "fingerprint", "*", EFFECT_LENS },
	{ "geo", "*", EFFECT_LENS },
	{ "", "management", EFFECT_NONE },
	{ "", "self_test", EFFECT_NONE },
	{ "limit", "*", EFFECT_POLICY },
	{ "honeynet_limit", "*", EFFECT_POLICY },
	{ "refuse", "*", EFFECT_POLICY },
	{ "dns", "*", EFFECT_POLICY },
	{ "privacy", "*", EFFECT_POLICY },
	{ "rules_limit", "*", EFFECT_GATE },
	{ "honeypot", "roach_motel", EFFECT_POLICY },
	{ "honeypot", "isolate", EFFECT_POLICY },
	{ "honeypot", "preset", EFFECT_POLICY },
	{ "honeypot", "*", EFFECT_GATE },
	{ "capture", "ring", EFFECT_RESTART },
	{ "capture", "*", EFFECT_TAP },
	{ "store", "*", EFFECT_STORE },
	{ "files", "keep", EFFECT_KEEPING },
	{ "files", "password", EFFECT_NONE },
	{ "files", "*", EFFECT_VAULT },
	{ "flow", "max", EFFECT_RESTART }, /* the table is shared by all gates of a run */
	{ "flow", "*", EFFECT_GATE },
};

/* What a configuration comes with. */
struct settings {
	struct conf *conf;
	struct list list[LIST_COUNT];
	struct sup_rule_set rules;
	int snapshot;
};

struct reload {
	unsigned effects;
	size_t changed;
	struct out changes, restart; /* texts */
};

/* ---- what differs ---- */

static enum effect effect_of(const struct conf_difference *d)
{
	for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++)
		if (strcmp(effects[i].section, d->section) == 0 &&
			(strcmp(effects[i].setting, "*") == 0 ||
				strcmp(effects[i].setting, d->setting) == 0))
			return effects[i].effect;
	return EFFECT_RESTART;
}

static void put_difference(struct out *o, const struct conf_difference *d)
{
	out_str(o, o->len ? ", " : "");
	if (d->honeypot)
		out_fmt(o, "honeypot %s%s", d->honeypot, *d->setting ? " " : "");
	else if (*d->section)
		out_fmt(o, "%s ", d->section);
	if (!*d->setting)
		out_str(o, *d->to ? " is new" : " is gone");
	else
		out_fmt(o, "%s%s%s %s -> %s", strcmp(d->section, "limit") ? "" : "limit ",
			d->setting, "", *d->from ? d->from : "none", *d->to ? d->to : "none");
}

static void on_difference(void *context, const struct conf_difference *d)
{
	struct reload *reload = context;
	enum effect effect = effect_of(d);

	reload->effects |= effect;
	reload->changed++;
	put_difference(&reload->changes, d);
	if (effect == EFFECT_RESTART)
		put_difference(&reload->restart, d);
}

/* fb-gate numbers honeypots as the file does. */
static bool same_honeypots(const struct conf *a, const struct conf *b)
{
	if (a->n_honeypots != b->n_honeypots)
		return false;
	for (size_t i = 0; i < a->n_honeypots; i++)
		if (strcmp(a->honeypot[i].name, b->honeypot[i].name) != 0)
			return false;
	return true;
}

static void compare(const struct supervisor *s, const struct settings *new, struct reload *reload)
{
	conf_compare(s->conf, new->conf, on_difference, reload);
	if (!same_honeypots(s->conf, new->conf))
		reload->effects |= EFFECT_GATE;
	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++)
		if (s->policy.list[kind].n != new->list[kind].n)
			out_fmt(&reload->changes, "%s%s: %zu -> %zu entries",
				reload->changes.len ? ", " : "", list_names[kind],
				s->policy.list[kind].n, new->list[kind].n);
}

/* ---- reading ---- */

static void settings_done(struct settings *settings)
{
	conf_free(settings->conf);
	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++)
		list_done(&settings->list[kind]);
	if (settings->snapshot >= 0)
		close(settings->snapshot);
	if (settings->rules.fd >= 0)
		close(settings->rules.fd);
}

/* What is checked is what the processes get, whatever happens to the file. */
static int read_settings(const struct supervisor *s, struct settings *new, char **ret_faults)
{
	int r = sup_conf_copy(s->conf->path, &new->snapshot);

	if (r < 0) {
		if (asprintf(ret_faults, "%s: %s", s->conf->path, strerror(-r)) < 0)
			return -ENOMEM;
		return r;
	}
	r = conf_load_fd(new->snapshot, s->conf->path, &new->conf, ret_faults);
	return r < 0 ? r : conf_lists_load(new->conf, new->list, ret_faults);
}

/* ---- taking over ---- */

/* Twice is as before. */
static void swap_settings(struct supervisor *s, struct settings *other)
{
	struct settings mine = {
		.conf = s->own_conf, .rules = s->rules.set, .snapshot = s->fd[ROLE_CONF]
	};
	const struct conf *conf = other->conf;

	memcpy(mine.list, s->policy.list, sizeof(mine.list));
	memcpy(s->policy.list, other->list, sizeof(mine.list));
	s->own_conf = other->conf;
	s->conf = conf ? conf : s->first_conf;
	s->fd[ROLE_CONF] = other->snapshot;
	sup_rules_use(s, &other->rules);
	*other = mine;
}

/* 0 when a gate with this configuration is ready: another than the `starts` before. One that ends by itself
 * would do so again. */
static int wait_for_gate(struct supervisor *s, unsigned starts)
{
	const struct sup_child *gate = &s->child[CHAN_GATE];
	int64_t until = sup_now() + READY_S * SUP_NS_PER_S;

	while (sup_now() < until && !s->stopping && !s->fault) {
		if (gate->state == SUP_UP && gate->starts > starts)
			return 0;
		if (gate->failed_start)
			return -ECHILD;
		sup_serve(s, SERVE_MS, false);
	}
	return -ETIMEDOUT;
}

static int replace_gate(struct supervisor *s)
{
	struct sup_child *gate = &s->child[CHAN_GATE];
	unsigned starts = gate->starts;
	int r = sup_policy_make(s);

	if (r < 0)
		return r;
	gate->failed_start = false;
	sup_gate_replace(s);
	return wait_for_gate(s, starts);
}

/* A gate that is not there yet, or that is slow, gets it later. */
static int or_later(int r)
{
	return r == -ENOTCONN || r == -ETIMEDOUT ? 0 : r;
}

static int take_over(struct supervisor *s, const struct settings *before, unsigned what)
{
	int r;

	if (what & EFFECT_GATE)
		return or_later(replace_gate(s));
	r = or_later(sup_policy_change(s));
	if (r == 0 && (s->rules.set.wanted || before->rules.wanted))
		r = or_later(sup_rules_send(s));
	return r;
}

static int put_in_force(struct supervisor *s, struct settings *new, const struct reload *reload)
{
	int r;

	swap_settings(s, new);
	r = take_over(s, new, reload->effects);
	if (r < 0) {
		swap_settings(s, new);
		(void)take_over(s, new, reload->effects);
		return r;
	}
	s->rules.fault[0] = '\0';
	if (s->rules.set.wanted)
		sup_rules_tell(s);
	/* It knows honeypots and limits as the gate does. */
	if (reload->effects & (EFFECT_LENS | EFFECT_GATE))
		sup_child_stop(s, CHAN_LENS, STOP_END);
	else if (s->rules.set.wanted || new->rules.wanted)
		sup_lens_send_rules(s);
	if (reload->effects & EFFECT_VAULT)
		sup_child_stop(s, CHAN_VAULT, STOP_END);
	if (reload->effects & EFFECT_TAP)
		sup_child_stop(s, CHAN_TAP, STOP_END);
	if (reload->effects & EFFECT_STORE)
		sup_child_stop(s, CHAN_STORE, STOP_END);
	return 0;
}

static void say_done(struct supervisor *s, const struct reload *reload, int64_t since_ns,
	char *ret_said, size_t size)
{
	double ms = (double)(sup_now() - since_ns) / 1e6;

	if (reload->changed == 0 && reload->changes.len == 0)
		snprintf(ret_said, size, "read again, no setting differs; in force after %.1f ms",
			ms);
	else if (reload->effects & EFFECT_GATE)
		snprintf(ret_said, size,
			"read again: %s; with a new fb-gate after %.1f ms, between the two nothing "
			"was forwarded for %.1f ms",
			reload->changes.at, ms, (double)s->gate_gap_ns / 1e6);
	else
		snprintf(ret_said, size, "read again: %s; in force after %.1f ms",
			reload->changes.at, ms);
}

static int reload_settings(struct supervisor *s, struct settings *new, char *ret_said, size_t size)
{
	char changes[768] = "", restart[768] = "";
	struct reload reload = { .changes = out_make(changes, sizeof(changes) - 8),
		.restart = out_make(restart, sizeof(restart)) };
	int64_t since_ns = sup_now();
	char *faults = NULL;
	int r = read_settings(s, new, &faults);

	if (r < 0) {
		snprintf(ret_said, size, "%s", faults ? faults : strerror(-r));
		free(faults);
		return -EINVAL;
	}
	compare(s, new, &reload);
	if (reload.changes.full)
		memcpy(changes + reload.changes.len, ", ...", 6);
	if (reload.effects & EFFECT_RESTART) {
		snprintf(ret_said, size,
			"%s: this needs a restart of the gateway; nothing was changed", restart);
		return -EINVAL;
	}
	r = sup_rules_compile(s, new->conf, new->snapshot, &new->rules, ret_said, size);
	if (r < 0) {
		sup_control(s, REASON_RULES_REFUSED, "rules", "%.400s", ret_said);
		return -EINVAL;
	}
	since_ns = sup_now();
	r = put_in_force(s, new, &reload);
	if (r < 0)
		snprintf(ret_said, size,
			"the gateway cannot work with it (%s); it goes on with what was before",
			r == -E2BIG    ? "limits and lists are too large together"
			: r == -ECHILD ? "fb-gate ended while it started, the log says why"
				       : strerror(-r));
	else
		say_done(s, &reload, since_ns, ret_said, size);
	return r < 0 ? -EINVAL : 0;
}

static void tell_manager(bool done)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)(sup_now() / 1000));
	notify_send(done ? "READY=1" : text);
}

int sup_reload(struct supervisor *s, const char *operator, char * ret_said, size_t size)
{
	struct settings new = { .rules = { .fd = -1 }, .snapshot = -1 };
	char detail[1024];
	int r;

	tell_manager(false);
	r = reload_settings(s, &new, ret_said, size);
	settings_done(&new);
	snprintf(detail, sizeof(detail), "reload%s: %.900s", r < 0 ? " refused" : "", ret_said);
	sup_control_by(s, REASON_OPERATOR, operator, NULL, "configuration", detail);
	tell_manager(true);
	return r;
}
