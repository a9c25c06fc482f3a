/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy in force: made from configuration, lists and orders, handed to fb-gate as a sealed memfd, and
 * again whenever one of them changes or ends (doc/design/control.md).
 *
 * An order is on the disk before the gate has it. What cannot be written holds all the same until the next
 * start, and status warns: refusing to isolate a honeypot because a disk is full helps nobody.
 */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"
#include "sys/files.h"
#include "sys/nic.h"

enum { ANSWER_MS = 500 };
static const int64_t again_ns = 2 * SUP_NS_PER_S, save_absence_ns = 60 * SUP_NS_PER_S;

/* ---- orders.json ---- */

static void note_file(struct supervisor *s)
{
	if (fstatat(s->state_dir, ORDERS_NAME, &s->policy.file, AT_SYMLINK_NOFOLLOW) < 0)
		memset(&s->policy.file, 0, sizeof(s->policy.file));
}

static bool file_changed(const struct supervisor *s)
{
	const struct stat *old = &s->policy.file;
	struct stat now;

	if (fstatat(s->state_dir, ORDERS_NAME, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return now.st_ino != old->st_ino || now.st_size != old->st_size ||
	       now.st_mtim.tv_sec != old->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != old->st_mtim.tv_nsec;
}

static void save(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;
	int r;

	p->orders.absent_ns = sup_absent_ns(s);
	p->absence_saved_ns = sup_steady();
	r = orders_save(&p->orders, s->state_dir);
	if (r < 0 && p->save_error == 0)
		sup_say("%s/" ORDERS_NAME
			" cannot be written: %s; orders hold, but not after a restart",
			s->conf->top.state_dir, strerror(-r));
	p->save_error = -r;
	p->again_ns = sup_now() + again_ns;
	note_file(s);
}

/* Fail closed: an order may be lost, and nobody knows which. What was there is kept beside it. */
static void lock_for_damage(struct supervisor *s)
{
	struct order order = { .verb = ORDER_LOCKDOWN, .since_ns = sup_wall() };
	uint64_t id;

	unlinkat(s->state_dir, ORDERS_DAMAGED, 0);
	(void)!linkat(s->state_dir, ORDERS_NAME, s->state_dir, ORDERS_DAMAGED, 0);
	snprintf(order.operator, sizeof(order.operator), "fishbowl");
	snprintf(order.reason, sizeof(order.reason), ORDERS_NAME " was damaged");
	(void)orders_add(&s->policy.orders, &order, &id);
	fprintf(stderr,
		"fishbowl: WARNING: %s/" ORDERS_NAME " is damaged: %s\n"
		"fishbowl: WARNING: an order may be lost, so the gateway starts in LOCKDOWN: "
		"nothing passes. The file is kept as " ORDERS_DAMAGED
		"; give the orders again, then `fishbowl ctl unlock`\n",
		s->conf->top.state_dir, s->policy.damage);
}

/* Conversations in the flow table remember generations, so none comes again: without a file they go on from
 * the clock, unless nothing ever ran here. */
static uint64_t first_generation(const struct supervisor *s)
{
	bool fresh = faccessat(s->state_dir, "boot", F_OK, 0) < 0;

	return fresh ? 0 : (uint64_t)(sup_wall() / SUP_NS_PER_S);
}

static void read_orders(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;
	int64_t wall = sup_wall(), steady = sup_steady();
	int r = orders_load(s->state_dir, &p->orders, p->damage);

	if (r < 0)
		p->orders.generation = first_generation(s);
	if (r == -ENOENT)
		p->damage[0] = '\0';
	else if (r < 0)
		lock_for_damage(s);
	orders_set_deadlines(&p->orders, wall, steady);
	p->absent_from_ns = steady;
	p->absent_base_ns = p->orders.absent_ns;
	if (p->orders.attended_ns && wall - p->orders.attended_ns > p->absent_base_ns)
		p->absent_base_ns = wall - p->orders.attended_ns;
	note_file(s);
}

/* ---- who is there ---- */

const char *sup_age_text(int64_t ns, char buf[static 32])
{
	int64_t t = (ns + SUP_NS_PER_S / 2) / SUP_NS_PER_S;

	if (t < 100)
		snprintf(buf, 32, "%" PRId64 " s", t);
	else if (t < 100 * 60)
		snprintf(buf, 32, "%" PRId64 " min", t / 60);
	else
		snprintf(buf, 32, "%" PRId64 " h %02" PRId64 " min", t / 3600, t / 60 % 60);
	return buf;
}

int64_t sup_absent_ns(const struct supervisor *s)
{
	const struct sup_policy *p = &s->policy;

	return p->orders.attended_ns ? p->absent_base_ns + (sup_steady() - p->absent_from_ns) : 0;
}

static int64_t attendance_ns(const struct supervisor *s)
{
	return (int64_t)s->conf->top.attendance * SUP_NS_PER_S;
}

static enum sup_absence absence(const struct supervisor *s)
{
	int64_t limit = attendance_ns(s), absent = sup_absent_ns(s);

	if (limit == 0 || absent < limit / 4 * 3)
		return SUP_PRESENT;
	return absent < limit ? SUP_LATE : SUP_ABSENT;
}

void sup_attended(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;

	p->orders.attended_ns = attendance_ns(s) ? sup_wall() : 0;
	p->absent_base_ns = 0;
	p->absent_from_ns = sup_steady();
	p->absence = SUP_PRESENT;
}

static void tell_absence(struct supervisor *s)
{
	char absent[32], left[32];

	sup_age_text(sup_absent_ns(s), absent);
	sup_age_text(attendance_ns(s) - sup_absent_ns(s), left);
	if (s->policy.absence == SUP_LATE)
		sup_control(s, REASON_ATTENDANCE, "attendance",
			"nobody has acknowledged for %s: roach motel for all in %s unless "
			"`fishbowl ctl ack`",
			absent, left);
	else
		sup_control(s, REASON_ATTENDANCE, "attendance",
			"nobody has acknowledged for %s: roach motel for all until `fishbowl ctl "
			"ack`",
			absent);
}

/* True when the policy has changed by it. */
static bool tick_attendance(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;
	enum sup_absence now, before = p->absence;
	int64_t often = attendance_ns(s) / 8;

	if ((attendance_ns(s) != 0) != (p->orders.attended_ns != 0)) {
		sup_attended(s);
		save(s);
	}
	now = p->absence = absence(s);
	if (now > before)
		tell_absence(s);
	if (often > save_absence_ns)
		often = save_absence_ns;
	if (attendance_ns(s) != 0 && sup_steady() - p->absence_saved_ns > often)
		save(s);
	return (now == SUP_ABSENT) != (before == SUP_ABSENT);
}

/* ---- the image ---- */

struct policy_pot sup_policy_pot(const struct supervisor *s, size_t n)
{
	struct policy_pot pot = policy_pot_of(s->conf, n);

	orders_apply(&s->policy.orders, s->conf->honeypot[n].name, &pot);
	if (absence(s) == SUP_ABSENT)
		pot.roach_motel = 1;
	return pot;
}

static int make_pots(const struct supervisor *s, struct policy_pot **ret_pot)
{
	struct policy_pot *pot = calloc(s->conf->n_honeypots + 1, sizeof(*pot));

	if (!pot)
		return -ENOMEM;
	for (size_t i = 0; i < s->conf->n_honeypots; i++)
		pot[i] = sup_policy_pot(s, i);
	*ret_pot = pot;
	return 0;
}

/* Those of the configuration and those of the orders. */
static int join_lists(const struct supervisor *s, struct list joined[static LIST_COUNT])
{
	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++) {
		const struct list *from = &s->policy.list[kind];
		int r;

		joined[kind].rule = calloc(from->n + 1, sizeof(*from->rule));
		if (!joined[kind].rule)
			return -ENOMEM;
		if (from->n)
			memcpy(joined[kind].rule, from->rule, from->n * sizeof(*from->rule));
		joined[kind].n = from->n;
		r = orders_add_rules(&s->policy.orders, kind, &joined[kind]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int build(const struct supervisor *s, struct policy **ret_policy)
{
	struct list joined[LIST_COUNT] = { 0 };
	struct policy_source source = { .conf = s->conf,
		.list = joined,
		.lockdown = orders_lockdown(&s->policy.orders),
		.generation = s->policy.orders.generation,
		.now_ns = sup_wall() };
	struct policy_pot *pot = NULL;
	int r = make_pots(s, &pot);

	if (r == 0)
		r = join_lists(s, joined);
	source.pot = pot;
	if (r == 0)
		r = policy_build(&source, ret_policy);
	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++)
		list_done(&joined[kind]);
	free(pot);
	return r;
}

static void note_rules_end(struct supervisor *s)
{
	int64_t now = sup_wall(), next = 0;

	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++)
		for (size_t i = 0; i < s->policy.list[kind].n; i++) {
			int64_t until = s->policy.list[kind].rule[i].until_ns;

			if (until > now && (next == 0 || until < next))
				next = until;
		}
	s->policy.rules_end_ns = next;
}

static int make_image(struct supervisor *s)
{
	struct policy *policy;
	int fd, r = build(s, &policy);

	if (r < 0)
		return r;
	r = file_sealed_make("policy", policy, policy->size, &fd);
	free(policy);
	if (r < 0)
		return r;
	if (s->fd[ROLE_POLICY] >= 0)
		close(s->fd[ROLE_POLICY]);
	s->fd[ROLE_POLICY] = fd;
	s->policy.image = s->policy.orders.generation;
	note_rules_end(s);
	return 0;
}

/* ---- the NICs ---- */

/* The NICs' table does not trust the gate. */
static void lock_nics(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;
	bool locked = orders_lockdown(&p->orders);
	struct nic_error error;

	if (!s->nics || (locked == p->nics_locked && !p->nic_error[0]))
		return;
	if (nic_lock(s->nics, locked, &error) == 0) {
		p->nics_locked = locked;
		p->nic_error[0] = '\0';
		return;
	}
	snprintf(p->nic_error, sizeof(p->nic_error), "%s", error.text);
	p->again_ns = sup_now() + again_ns;
	sup_say("data NICs: the table that %s cannot be set: %s",
		locked ? "drops everything" : "lets the gate's frames pass", error.text);
}

int sup_policy_make(struct supervisor *s)
{
	if (orders_lockdown(&s->policy.orders))
		lock_nics(s);
	s->policy.orders.generation++;
	save(s);
	return make_image(s);
}

/* ---- to the gate ---- */

static bool gate_runs(const struct supervisor *s)
{
	const struct sup_child *gate = &s->child[CHAN_GATE];

	return gate->chan.fd >= 0 && (gate->state == SUP_STARTING || gate->state == SUP_UP);
}

/* A gate that takes no message any more must not go on with the old policy. */
static void send_policy(struct supervisor *s)
{
	struct sup_child *gate = &s->child[CHAN_GATE];
	struct message_policy policy = { .generation = s->policy.image };
	struct stat st;
	int r;

	if (!gate_runs(s) || fstat(s->fd[ROLE_POLICY], &st) < 0)
		return;
	policy.size = (uint64_t)st.st_size;
	r = chan_send(&gate->chan, MESSAGE_POLICY, &policy, &s->fd[ROLE_POLICY], 1);
	if (r < 0)
		sup_child_kill(gate, "it takes no messages");
	s->policy.sent = policy.generation;
	s->policy.refused = 0;
}

void sup_policy_applied(struct supervisor *s, const struct message_applied *applied)
{
	struct sup_policy *p = &s->policy;

	if (applied->flow_id != 0) {
		p->killed = *applied;
		return;
	}
	if (applied->generation == p->sent && applied->result < 0)
		p->refused = applied->result;
	if (applied->result == 0 && applied->generation <= p->sent)
		p->applied = applied->generation;
}

static void serve_children(struct supervisor *s, int64_t wait_ns)
{
	struct pollfd wait[CHAN_PROCESSES];

	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		wait[i] = (struct pollfd){ .fd = s->child[i].chan.fd, .events = POLLIN };
	if (poll(wait, CHAN_PROCESSES, (int)(wait_ns / 1000000) + 1) <= 0)
		return;
	for (size_t i = 0; i < CHAN_PROCESSES; i++)
		if (wait[i].revents && s->child[i].chan.fd >= 0)
			sup_child_message(s, &s->child[i]);
}

static int wait_applied(struct supervisor *s)
{
	const struct sup_policy *p = &s->policy;
	int64_t now, until = sup_now() + (int64_t)ANSWER_MS * 1000000;

	while (gate_runs(s) && p->applied != p->sent && p->refused == 0 &&
		(now = sup_now()) < until)
		serve_children(s, until - now);
	if (p->refused != 0)
		return p->refused < -4095 ? -EBADMSG : (int)p->refused;
	if (!gate_runs(s))
		return -ENOTCONN;
	return p->applied == p->sent ? 0 : -ETIMEDOUT;
}

int sup_policy_change(struct supervisor *s)
{
	int r = sup_policy_make(s);

	if (r < 0)
		return r;
	send_policy(s);
	lock_nics(s);
	return wait_applied(s);
}

int sup_policy_kill_flow(struct supervisor *s, uint64_t flow_id)
{
	struct message_kill_flow kill = { .flow_id = flow_id };
	struct sup_policy *p = &s->policy;
	int64_t now, until = sup_now() + (int64_t)ANSWER_MS * 1000000;

	if (!gate_runs(s) || s->child[CHAN_GATE].state != SUP_UP)
		return -ENOTCONN;
	p->killed = (struct message_applied){ 0 };
	if (chan_send(&s->child[CHAN_GATE].chan, MESSAGE_KILL_FLOW, &kill, NULL, 0) < 0)
		return -ETIMEDOUT;
	while (gate_runs(s) && p->killed.flow_id != flow_id && (now = sup_now()) < until)
		serve_children(s, until - now);
	if (p->killed.flow_id != flow_id)
		return gate_runs(s) ? -ETIMEDOUT : -ENOTCONN;
	return p->killed.result == 0 ? 0 : -ENOENT;
}

int sup_file_order(struct supervisor *s, uint32_t what, const uint8_t sha256[static 32])
{
	struct message_file_order order = { .number = ++s->file_orders, .what = what };
	const struct sup_child *vault = &s->child[CHAN_VAULT];
	int64_t now, until = sup_now() + (int64_t)ANSWER_MS * 1000000;

	if (vault->state != SUP_UP)
		return -ENOTCONN;
	memcpy(order.sha256, sha256, sizeof(order.sha256));
	if (chan_send(&s->child[CHAN_VAULT].chan, MESSAGE_FILE_ORDER, &order, NULL, 0) < 0)
		return -ETIMEDOUT;
	while (vault->chan.fd >= 0 && s->file_done.number != order.number &&
		(now = sup_now()) < until)
		serve_children(s, until - now);
	if (s->file_done.number != order.number)
		return vault->chan.fd >= 0 ? -ETIMEDOUT : -ENOTCONN;
	if (s->file_done.result == 0)
		return -ENOENT;
	return s->file_done.result > -4096 && s->file_done.result < 0 ? (int)s->file_done.result
								      : 0;
}

/* ---- start, end, and by itself ---- */

int sup_policy_open(struct supervisor *s)
{
	char *faults = NULL;
	int r = conf_lists_load(s->conf, s->policy.list, &faults);

	if (r < 0) {
		fprintf(stderr, "%s\n", faults ? faults : strerror(-r));
		free(faults);
		return r;
	}
	read_orders(s);
	if (orders_lockdown(&s->policy.orders))
		sup_say("LOCKDOWN is in force: nothing passes until `fishbowl ctl unlock`");
	return 0;
}

void sup_policy_close(struct supervisor *s)
{
	for (enum list_kind kind = 0; kind < LIST_COUNT; kind++)
		list_done(&s->policy.list[kind]);
	orders_done(&s->policy.orders);
}

/* Somebody wrote a lockdown there while this process did not answer. */
static void take_over_orders(struct supervisor *s)
{
	struct orders old = s->policy.orders;

	s->policy.orders = (struct orders){ 0 };
	read_orders(s);
	if (s->policy.orders.generation < old.generation)
		s->policy.orders.generation = old.generation;
	orders_done(&old);
	sup_say(ORDERS_NAME " was written by somebody else: its %zu orders are in force",
		s->policy.orders.n);
}

static bool end_orders(struct supervisor *s)
{
	struct orders *orders = &s->policy.orders;
	struct order *order;
	bool ended = false;

	while ((order = orders_expired(orders, sup_wall(), sup_steady()))) {
		char detail[ORDER_ARGS_MAX + 128];

		snprintf(detail, sizeof(detail), "order %" PRIu64 " ended by itself: %s%s%s%s%s",
			order->id, order_verb_name(order->verb),
			order_verb_scope(order->verb) == ORDER_NET ? ""
			: order->honeypot[0]                       ? " "
								   : " all",
			order->honeypot, order->args[0] ? " " : "", order->args);
		sup_control_by(
			s, REASON_POLICY, order->operator, order->honeypot, "policy", detail);
		orders_remove(orders, (size_t)(order - orders->order));
		ended = true;
	}
	return ended;
}

int sup_policy_for_gate(struct supervisor *s)
{
	bool changed = file_changed(s);
	int r = 0;

	if (changed)
		take_over_orders(s);
	changed |= end_orders(s);
	if (changed || s->fd[ROLE_POLICY] < 0)
		r = sup_policy_make(s);
	lock_nics(s);
	s->policy.sent = s->policy.image;
	s->policy.refused = 0;
	return s->fd[ROLE_POLICY] < 0 ? r : 0;
}

/* What failed is tried again from time to time. */
static void try_again(struct supervisor *s)
{
	if ((s->policy.save_error == 0 && !s->policy.nic_error[0]) ||
		sup_now() < s->policy.again_ns)
		return;
	if (s->policy.save_error)
		save(s);
	if (s->policy.nic_error[0])
		lock_nics(s);
}

void sup_policy_tick(struct supervisor *s)
{
	struct sup_policy *p = &s->policy;
	bool changed = end_orders(s);

	if (p->rules_end_ns && sup_wall() >= p->rules_end_ns) {
		sup_control(s, REASON_POLICY, "policy", "%s",
			"the time of entries of the lists is over");
		changed = true;
	}
	changed |= tick_attendance(s);
	if (changed && sup_policy_make(s) == 0) {
		send_policy(s);
		lock_nics(s);
	}
	try_again(s);
}

int sup_lockdown(struct supervisor *s, const char *operator, const char * reason, uint64_t *ret_id)
{
	struct order order = { .verb = ORDER_LOCKDOWN, .since_ns = sup_wall() };
	int r;

	snprintf(order.operator, sizeof(order.operator), "%s", operator);
	snprintf(order.reason, sizeof(order.reason), "%s", reason);
	r = orders_add(&s->policy.orders, &order, ret_id);
	if (r < 0 && s->nics) { /* out of memory: the NICs at least */
		struct nic_error error;

		s->policy.nics_locked = nic_lock(s->nics, true, &error) == 0;
		return r;
	}
	return r < 0 ? r : sup_policy_change(s);
}
