/* SPDX-License-Identifier: Apache-2.0 */
/* What `fishbowl status` shows. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"
#include "base/ring.h"
#include "cmd/fishbowl/supervisor_ctl.h"

enum { LATE_S = 3, LENS_LATE_S = 60 };

static const char *state_name(const struct sup_child *child)
{
	static const char *const names[] = { "down", "starting", "up", "stopping" };

	return names[child->state];
}

static json_t *describe_process(const struct sup_child *child, int64_t now)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:i}", "name",
		process_name(child->process), "state", state_name(child), "pid", (int)child->pid,
		"uid", (int)child->user.uid, "restarts",
		child->starts > 0 ? (int)child->starts - 1 : 0, "since",
		(double)(now - child->since_ns) / 1e9, "heartbeat",
		(double)(now - child->alive_ns) / 1e9, "landlock", child->landlock_abi);
}

/* What the gate counts for a NIC, beside what the NIC counts itself. */
static json_t *describe_gate_port(const struct counts_port *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "received", (json_int_t)counts->received,
		"captured", (json_int_t)counts->captured, "unseen", (json_int_t)counts->unseen,
		"missed", (json_int_t)counts->missed, "sent", (json_int_t)counts->sent, "made",
		(json_int_t)counts->made);
}

static json_t *describe_nic(
	const struct sup_port *port, const struct counts_port *counts, unsigned i)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o}", "name", port->name,
		"side", i == 0 ? "outside" : "inside", "present", port->present, "link", port->link,
		"rx_packets", (json_int_t)port->rx_packets, "rx_bytes", (json_int_t)port->rx_bytes,
		"tx_packets", (json_int_t)port->tx_packets, "tx_bytes", (json_int_t)port->tx_bytes,
		"gate", describe_gate_port(counts));
}

static json_t *describe_frames(const struct supervisor *s)
{
	const struct counts_gate *counts = sup_gate_counts(s);
	json_t *reasons = json_object();

	for (enum reason reason = 0; reason < REASON_COUNT; reason++)
		if (counts->by_reason[reason])
			json_object_set_new(reasons, reason_name(reason),
				json_integer((json_int_t)counts->by_reason[reason]));
	uint64_t missed = 0, captured = 0;

	for (unsigned i = 0; i < s->n_ports; i++) {
		missed += counts->port[i].missed;
		captured += counts->port[i].captured;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "received",
		(json_int_t)counts->received, "bytes", (json_int_t)counts->bytes, "passed",
		(json_int_t)counts->passed, "dropped", (json_int_t)counts->dropped, "missed",
		(json_int_t)missed, "captured", (json_int_t)captured, "flows_active",
		(json_int_t)counts->flows_active, "flows_total", (json_int_t)counts->flows_total,
		"by_reason", reasons);
}

static json_t *describe_capture(const struct supervisor *s)
{
	const struct counts_tap *tap = s->counts[CHAN_TAP];
	char segment[COUNTS_SEGMENT_MAX];

	memcpy(segment, tap->segment, sizeof(segment));
	segment[sizeof(segment) - 1] = 0;
	for (char *at = segment; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "segment", segment,
		"frames", (json_int_t)tap->frames, "bytes", (json_int_t)tap->bytes, "stored",
		(json_int_t)tap->stored, "budget", (json_int_t)s->conf->capture.budget, "removed",
		(json_int_t)tap->removed, "error", (json_int_t)tap->write_errno, "ring_used",
		(json_int_t)ring_used(s->frames), "ring_size", (json_int_t)s->conf->capture.ring);
}

static json_t *describe_records(const struct supervisor *s)
{
	const struct counts_store *store = s->counts[CHAN_STORE];

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "records", (json_int_t)store->records,
		"journal", (json_int_t)store->journal_bytes, "database",
		(json_int_t)store->database_bytes, "error", (json_int_t)store->write_errno,
		"refused", (json_int_t)store->refused, "lost_by_supervisor",
		(json_int_t)s->records_lost);
}

/* How far behind the capture it is. 0: at its last look it had read everything. */
static int64_t lens_lag_ns(const struct supervisor *s)
{
	const struct counts_lens *lens = s->counts[CHAN_LENS];
	bool at_end = !lens->behind && lens->segment >= sup_open_segment(s);

	if (lens->last_ns == 0 || (at_end && s->child[CHAN_LENS].state == SUP_UP))
		return 0;
	return sup_wall() - (int64_t)lens->last_ns;
}

/* Packet ids of this run: of what an earlier one has left only the segments are known. */
static uint64_t lens_lag_packets(const struct supervisor *s)
{
	const struct counts_lens *lens = s->counts[CHAN_LENS];
	const struct counts_tap *tap = s->counts[CHAN_TAP];

	if (lens_lag_ns(s) == 0 || tap->last_packet < lens->last_packet)
		return 0;
	return tap->last_packet - lens->last_packet;
}

static json_t *describe_lens(const struct supervisor *s)
{
	const struct counts_lens *lens = s->counts[CHAN_LENS];
	uint64_t open = sup_open_segment(s);

	if (!sup_child_wanted(s, CHAN_LENS))
		return json_null();
	return json_pack("{s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packets",
		(json_int_t)lens->packets, "lag_packets", (json_int_t)lens_lag_packets(s),
		"lag_seconds", (double)lens_lag_ns(s) / 1e9, "lag_segments",
		(json_int_t)(lens->segment && open > lens->segment ? open - lens->segment : 0),
		"looked", (json_int_t)lens->looked, "not_looked", (json_int_t)lens->not_looked,
		"records", (json_int_t)lens->records, "refused", (json_int_t)lens->refused,
		"alerts", (json_int_t)lens->alerts, "unread", (json_int_t)lens->unread, "poison",
		(json_int_t)lens->poison);
}

static json_t *describe_files(const struct supervisor *s)
{
	const struct counts_vault *vault = s->counts[CHAN_VAULT];

	if (!sup_child_wanted(s, CHAN_VAULT))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kept",
		(json_int_t)vault->files, "bytes", (json_int_t)vault->bytes, "budget",
		(json_int_t)s->conf->files.budget, "open", (json_int_t)vault->open, "seen",
		(json_int_t)vault->seen, "new", (json_int_t)vault->fresh, "not_stored",
		(json_int_t)vault->unstored, "removed", (json_int_t)vault->removed, "refused",
		(json_int_t)vault->refused);
}

static json_t *describe_audit(const struct supervisor *s)
{
	char time[40];
	struct out o = out_make(time, sizeof(time));

	if (s->audit.last_wall_ns == 0)
		return json_null();
	out_time_rfc3339(&o, s->audit.last_wall_ns);
	return json_pack("{s:s, s:b, s:s, s:I}", "time", time, "agree", s->audit.last_agree,
		"detail", s->audit.last_detail, "number", (json_int_t)s->audit.id);
}

static void warn(json_t *warnings, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void warn(json_t *warnings, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(warnings, json_string(text));
}

static void warn_processes(const struct supervisor *s, json_t *warnings, int64_t now)
{
	for (size_t i = 0; i < CHAN_PROCESSES; i++) {
		const struct sup_child *child = &s->child[i];
		const char *name = process_name(child->process);

		if (!sup_child_wanted(s, child->process))
			continue;
		if (child->state != SUP_UP)
			warn(warnings, "%s is %s%s", name, state_name(child),
				i == CHAN_GATE ? ": nothing passes" : "");
		else if (now - child->alive_ns > LATE_S * SUP_NS_PER_S)
			warn(warnings, "%s has not been heard of for %lld s", name,
				(long long)((now - child->alive_ns) / SUP_NS_PER_S));
		if (child->state == SUP_UP && child->landlock_abi == 0)
			warn(warnings, "%s runs without Landlock: this kernel has none", name);
	}
}

static void warn_lens(const struct supervisor *s, json_t *warnings)
{
	const struct counts_lens *lens = s->counts[CHAN_LENS];
	int64_t lag = lens_lag_ns(s);

	if (!sup_child_wanted(s, CHAN_LENS))
		return;
	if (lag > LENS_LATE_S * SUP_NS_PER_S)
		warn(warnings, "fb-lens is %" PRIu64 " packets and %lld s behind the capture",
			lens_lag_packets(s), (long long)(lag / SUP_NS_PER_S));
	if (lens->damaged)
		warn(warnings, "segment %" PRIu64 " cannot be read on by fb-lens", lens->damaged);
	if (lens->unread)
		warn(warnings,
			"%" PRIu64 " segments were removed before fb-lens had looked into them: "
			"make capture.budget larger",
			lens->unread);
	if (lens->poison)
		warn(warnings,
			"fb-lens does not look at %" PRIu64 " packets that have ended it: see "
			"`fishbowl events`",
			lens->poison);
}

static void warn_files(const struct supervisor *s, json_t *warnings)
{
	const struct counts_vault *vault = s->counts[CHAN_VAULT];

	if (!sup_child_wanted(s, CHAN_VAULT))
		return;
	if (vault->write_errno)
		warn(warnings, "files cannot be kept: %s", strerror((int)vault->write_errno));
	if (vault->poison)
		warn(warnings,
			"%" PRIu64 " files were not examined, since they have ended fb-vault again "
			"and again",
			vault->poison);
}

static void warn_attendance(const struct supervisor *s, json_t *warnings)
{
	int64_t limit = (int64_t)s->conf->top.attendance * SUP_NS_PER_S, absent = sup_absent_ns(s);
	char for_text[32], left_text[32];

	if (s->policy.absence == SUP_PRESENT)
		return;
	sup_age_text(absent, for_text);
	sup_age_text(limit - absent, left_text);
	if (s->policy.absence == SUP_LATE)
		warn(warnings,
			"nobody has acknowledged for %s: roach motel in %s unless `fishbowl ctl "
			"ack`",
			for_text, left_text);
	else
		warn(warnings,
			"nobody has acknowledged for %s: roach motel for all until `fishbowl ctl "
			"ack`",
			for_text);
}

static void warn_policy(const struct supervisor *s, json_t *warnings)
{
	const struct sup_policy *p = &s->policy;

	if (orders_lockdown(&p->orders))
		warn(warnings, "LOCKDOWN: nothing passes until `fishbowl ctl unlock`");
	if (p->damage[0])
		warn(warnings,
			ORDERS_NAME " was damaged when the gateway started, orders may be lost: "
				    "%.120s",
			p->damage);
	if (p->save_error)
		warn(warnings, "orders cannot be saved, a restart would forget them: %s",
			strerror(p->save_error));
	if (p->nic_error[0])
		warn(warnings, "the data NICs could not be %s: %s",
			orders_lockdown(&p->orders) ? "locked" : "unlocked", p->nic_error);
	if (p->refused)
		warn(warnings, "fb-gate refused the last policy: an earlier one is in force");
	else if (p->applied != p->sent && s->child[CHAN_GATE].state == SUP_UP)
		warn(warnings, "fb-gate has not taken up the last policy yet");
	warn_attendance(s, warnings);
}

/* Names of the honeypots for which `holds`. */
static json_t *names_of(const struct supervisor *s, bool (*holds)(const struct policy_pot *pot))
{
	json_t *names = json_array();

	for (size_t i = 0; i < s->conf->n_honeypots; i++) {
		struct policy_pot pot = sup_policy_pot(s, i);

		if (holds(&pot))
			json_array_append_new(names, json_string(s->conf->honeypot[i].name));
	}
	return names;
}

static bool is_isolated(const struct policy_pot *pot)
{
	return pot->isolate;
}

static bool is_roach_motel(const struct policy_pot *pot)
{
	return pot->roach_motel;
}

static json_t *describe_attendance(const struct supervisor *s)
{
	if (s->conf->top.attendance == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:b}", "limit", (json_int_t)s->conf->top.attendance, "absent",
		(json_int_t)(sup_absent_ns(s) / SUP_NS_PER_S), "roach_motel",
		s->policy.absence == SUP_ABSENT);
}

static json_t *describe_policy(const struct supervisor *s)
{
	return json_pack("{s:I, s:b, s:I, s:b, s:o, s:o, s:o}", "generation",
		(json_int_t)s->policy.image, "applied", s->policy.applied == s->policy.image,
		"orders", (json_int_t)s->policy.orders.n, "lockdown",
		orders_lockdown(&s->policy.orders), "isolated", names_of(s, is_isolated),
		"roach_motel", names_of(s, is_roach_motel), "attendance", describe_attendance(s));
}

static bool rules_hold(const struct supervisor *s)
{
	return s->rules.set.fd >= 0 && s->rules.applied == s->rules.image;
}

static json_t *describe_rules(const struct supervisor *s)
{
	const struct counts_rules *c = &sup_gate_counts(s)->rules;
	const struct sup_rule_set *set = &s->rules.set;

	if (!set->wanted)
		return json_null();
	return json_pack("{s:I, s:I, s:b, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"loaded", (json_int_t)set->loaded, "refused", (json_int_t)set->refused, "in_force",
		rules_hold(s), "compile_seconds", (double)set->ns / 1e9, "open_seconds",
		(double)c->loaded_ns / 1e9, "hits", (json_int_t)c->hits, "changed",
		(json_int_t)c->changed, "dropped", (json_int_t)c->dropped, "undecided",
		(json_int_t)c->undecided, "no_room", (json_int_t)c->no_room, "not_recorded",
		(json_int_t)c->lost, "held", (json_int_t)c->held, "conversations",
		(json_int_t)c->flows, "streams", (json_int_t)c->pool_used);
}

static void warn_rules(const struct supervisor *s, json_t *warnings)
{
	const struct sup_rules *rules = &s->rules;

	if (!rules->set.wanted)
		return;
	if (rules->set.fd < 0)
		warn(warnings, "no rules are in force, so %s: %.150s",
			s->conf->rules.undecided == CONF_UNDECIDED_DROP
				? "no conversation leaves"
				: "conversations leave unseen",
			rules->fault);
	else if (!rules_hold(s) && s->child[CHAN_GATE].state == SUP_UP)
		warn(warnings, "fb-gate has not taken up the last rules yet");
}

static json_t *describe_warnings(const struct supervisor *s, int64_t now)
{
	const struct counts_gate *gate = sup_gate_counts(s);
	const struct counts_tap *tap = s->counts[CHAN_TAP];
	const struct counts_store *store = s->counts[CHAN_STORE];
	json_t *warnings = json_array();

	warn_processes(s, warnings, now);
	for (unsigned i = 0; i < s->n_ports; i++)
		if (!s->port[i].present)
			warn(warnings, "NIC %s is gone; it is taken up again when it is back",
				s->port[i].name);
		else if (!s->port[i].link)
			warn(warnings, "NIC %s has no link", s->port[i].name);
	if (ring_used(s->frames) > s->conf->capture.ring / 2)
		warn(warnings,
			"the frame ring is more than half full: when it is full, nothing passes");
	if (gate->by_reason[REASON_RING_FULL])
		warn(warnings,
			"%" PRIu64 " frames were not forwarded because they could not be "
			"captured",
			gate->by_reason[REASON_RING_FULL]);
	if (tap->write_errno)
		warn(warnings, "the capture cannot be written: %s",
			strerror((int)tap->write_errno));
	if (store->write_errno)
		warn(warnings, "records cannot be written: %s", strerror((int)store->write_errno));
	if (s->audit.last_wall_ns && !s->audit.last_agree)
		warn(warnings, "the last audit found a difference: %s", s->audit.last_detail);
	warn_lens(s, warnings);
	warn_files(s, warnings);
	warn_policy(s, warnings);
	warn_rules(s, warnings);
	return warnings;
}

void sup_status(struct supervisor *s, json_t *answer)
{
	json_t *processes = json_array(), *nics = json_array();
	int64_t now = sup_now();

	sup_nics_count(s);
	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		if (sup_child_wanted(s, s->child[i].process))
			json_array_append_new(processes, describe_process(&s->child[i], now));
	for (unsigned i = 0; i < s->n_ports; i++)
		json_array_append_new(
			nics, describe_nic(&s->port[i], &sup_gate_counts(s)->port[i], i));
	json_object_set_new(answer, "version", json_string(FISHBOWL_VERSION));
	json_object_set_new(answer, "honeynet", json_string(s->honeynet));
	json_object_set_new(answer, "boot", json_integer((json_int_t)s->boot));
	json_object_set_new(answer, "pid", json_integer(getpid()));
	json_object_set_new(answer, "uptime", json_integer((now - s->started_ns) / SUP_NS_PER_S));
	json_object_set_new(answer, "processes", processes);
	json_object_set_new(answer, "nics", nics);
	json_object_set_new(answer, "frames", describe_frames(s));
	json_object_set_new(answer, "capture", describe_capture(s));
	json_object_set_new(answer, "records", describe_records(s));
	json_object_set_new(answer, "lens", describe_lens(s));
	json_object_set_new(answer, "files", describe_files(s));
	json_object_set_new(answer, "audit", describe_audit(s));
	json_object_set_new(answer, "policy", describe_policy(s));
	json_object_set_new(answer, "rules", describe_rules(s));
	json_object_set_new(answer, "warnings", describe_warnings(s, now));
}
