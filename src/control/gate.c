/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "control/rows.h"

enum { MAGIC = 0x46474246, VERSION = 5, EXPIRE_MAX = 4096, RECORDS_A_FRAME = 8 };

static uint32_t slots_of(const struct conf *conf)
{
	uint64_t max = conf->flow.max;

	return max < 1 ? 1 : max > FLOW_MAX ? FLOW_MAX : (uint32_t)max;
}

size_t gate_flow_memory_size(const struct conf *conf)
{
	return sizeof(struct shared) + flow_table_size(slots_of(conf));
}

size_t gate_budget_memory_size(const struct conf *conf)
{
	(void)conf;
	return budget_memory_size();
}

/* Number of a honeypot of this name in the configuration of now. */
static uint16_t find_name(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_honeypots; i++)
		if (strncmp(conf->honeypot[i].name, name, CONF_NAME_MAX) == 0)
			return (uint16_t)i;
	return NO_HONEYPOT;
}

static bool same_names(const struct shared *s, const struct conf *conf)
{
	if (s->n_names != conf->n_honeypots)
		return false;
	for (size_t i = 0; i < conf->n_honeypots; i++)
		if (strncmp(s->name[i], conf->honeypot[i].name, CONF_NAME_MAX) != 0)
			return false;
	return true;
}

static void store_names(struct shared *s, const struct conf *conf)
{
	memset(s->name, 0, sizeof(s->name));
	memset(s->learnt, 0, sizeof(s->learnt));
	s->n_names = (uint32_t)conf->n_honeypots;
	for (size_t i = 0; i < conf->n_honeypots; i++)
		memcpy(s->name[i], conf->honeypot[i].name, CONF_NAME_MAX);
}

/* The honeypots of the flows get their new numbers; what was learnt is learnt again. */
static void renumber(struct gate *gate)
{
	struct shared *s = gate->shared;

	for (uint32_t i = 0; i < flow_reached(gate->table); i++) {
		struct flow *flow = flow_get(gate->table, i);

		if (flow->tally.status == FLOW_FREE)
			continue;
		flow->honeypot = flow->honeypot < s->n_names && s->n_names <= CONF_HONEYPOTS_MAX
					 ? find_name(gate->conf, s->name[flow->honeypot])
					 : NO_HONEYPOT;
	}
	store_names(s, gate->conf);
}

static uint64_t make_secret(void)
{
	uint64_t secret;

	randombytes_buf(&secret, sizeof(secret));
	return secret;
}

static void start_afresh(struct shared *s, const struct conf *conf)
{
	memset(s, 0, sizeof(*s));
	flow_memory_clear(s->flow_memory);
	s->magic = MAGIC;
	s->version = VERSION;
	s->slots = slots_of(conf);
	s->secret = make_secret();
	store_names(s, conf);
	s->whole = 1;
}

/* A NIC that is not the one the last gate had: a virtual honeypot's comes back with another MAC. */
static void note_nics(struct shared *s, const int32_t nic[static GATE_PORTS_MAX])
{
	for (unsigned port = 0; port < GATE_PORTS_MAX; port++) {
		if (nic[port] == 0 || nic[port] == s->nic[port])
			continue;
		for (size_t i = 0; port > 0 && s->nic[port] && i < CONF_HONEYPOTS_MAX; i++)
			if (s->learnt[i].port == port)
				memset(&s->learnt[i], 0, sizeof(s->learnt[i]));
		s->nic[port] = nic[port];
	}
}

static void take_over(struct gate *gate)
{
	struct shared *s = gate->shared;

	if (s->magic != MAGIC || s->version != VERSION || s->whole != 1 ||
		s->slots != slots_of(gate->conf)) {
		start_afresh(s, gate->conf);
		return;
	}
	account_undo(gate);
	if (s->boot != gate->boot) /* somebody may have put another machine there meanwhile */
		memset(s->learnt, 0, sizeof(s->learnt));
}

static int open_table(struct gate *gate)
{
	const struct conf_flow *f = &gate->conf->flow;
	const int64_t timeout_ns[FLOW_TIMEOUTS] = {
		[FLOW_TIMEOUT_TCP_NEW] = (int64_t)f->tcp_new * NS_PER_S,
		[FLOW_TIMEOUT_TCP_ESTABLISHED] = (int64_t)f->tcp_established * NS_PER_S,
		[FLOW_TIMEOUT_TCP_CLOSED] = (int64_t)f->tcp_closed * NS_PER_S,
		[FLOW_TIMEOUT_UDP] = (int64_t)f->udp * NS_PER_S,
		[FLOW_TIMEOUT_ICMP] = (int64_t)f->icmp * NS_PER_S,
		[FLOW_TIMEOUT_OTHER] = (int64_t)f->other * NS_PER_S,
	};
	uint32_t lost;

	return flow_table_open(
		gate->shared->flow_memory, gate->shared->slots, timeout_ns, &gate->table, &lost);
}

/* What the flows in the table add up to; flows of before a reboot have ended. */
static void sum_up(struct gate *gate, bool same_boot)
{
	for (uint32_t i = 0; i < flow_reached(gate->table); i++) {
		struct flow *flow = flow_get(gate->table, i);

		if (flow->tally.status == FLOW_FREE)
			continue;
		if (flow->honeypot >= gate->conf->n_honeypots)
			flow->honeypot = NO_HONEYPOT;
		flow->tally.cleared[0] = flow->tally.cleared[1] =
			0; /* by whatever policy was then */
		if (!flow->key.parent)
			gate->open_frames +=
				flow->tally.frames[0] + flow->tally.frames[1] + flow->tally.errors;
		if (flow->tally.verdict == VERDICT_DROP && flow->honeypot != NO_HONEYPOT)
			gate->pot[flow->honeypot].refused++;
		if (flow->direction == DIRECTION_INTERNAL && flow->honeypot != NO_HONEYPOT)
			gate->pot[flow->honeypot].internal++;
		if (flow->key.proto == IPPROTO_TCP && flow->tally.state == FLOW_NEW &&
			flow->tally.verdict == VERDICT_PASS &&
			flow->tally.reason != REASON_WHITE_LIST &&
			flow->direction == DIRECTION_OUTBOUND && flow->honeypot != NO_HONEYPOT)
			attempts_note(&gate->pot[flow->honeypot].attempts, i, flow->id);
		if (!same_boot && flow->tally.status == FLOW_LIVE)
			flow_end(gate->table, i, FLOW_END_FORCED);
	}
}

static int allocate(struct gate *gate)
{
	size_t n = gate->conf->n_honeypots + 1;

	gate->n_series = (uint32_t)(n * SERIES_PER_POT + FRAME_ANOMALY_COUNT);
	gate->series = calloc(gate->n_series, sizeof(*gate->series));
	gate->series_open = calloc(gate->n_series, sizeof(*gate->series_open));
	gate->fragment = calloc((size_t)FRAGMENT_SETS * FRAGMENT_WAYS, sizeof(*gate->fragment));
	return gate->series && gate->series_open && gate->fragment ? 0 : -ENOMEM;
}

/* A capture file may state any time; sums with timeouts must not overflow. */
static struct gate_time sane_time(const struct gate_time *now)
{
	static const int64_t max = INT64_MAX / 4;

	return (struct gate_time){
		.wall_ns = now->wall_ns < 0     ? 0
			   : now->wall_ns > max ? max
						: now->wall_ns,
		.steady_ns = now->steady_ns < 0     ? 0
			     : now->steady_ns > max ? max
						    : now->steady_ns,
	};
}

static int open_all(struct gate *gate, const struct gate_setup *setup)
{
	int result = allocate(gate);

	if (result == 0)
		result = budget_open(setup->budget_memory, setup->conf, setup->policy,
			sane_time(&setup->now).steady_ns, setup->same_boot, &gate->budget);
	if (result < 0)
		return result;
	take_over(gate);
	note_nics(gate->shared, setup->nic);
	gate->shared->boot = gate->boot;
	report_settle(gate);
	result = open_table(gate);
	if (result == 0 && !same_names(gate->shared, gate->conf))
		renumber(gate);
	if (result == 0)
		result = pots_init(gate);
	if (result == 0)
		sum_up(gate, setup->same_boot);
	return result;
}

int gate_new(const struct gate_setup *setup, struct gate **ret_gate)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	size_t inside = setup->conf->top.inside.n;
	int result;

	if (!gate)
		return -ENOMEM;
	if (setup->conf->n_honeypots > CONF_HONEYPOTS_MAX || inside >= GATE_PORTS_MAX ||
		setup->policy->n_pots != setup->conf->n_honeypots) {
		free(gate);
		return -EINVAL;
	}
	gate->conf = setup->conf;
	gate->policy = setup->policy;
	gate->shared = setup->flow_memory;
	gate->emit = setup->emit;
	gate->emitted = setup->emitted;
	gate->emit_context = setup->emit_context;
	gate->boot = setup->boot;
	gate->observe = setup->observe;
	gate->n_ports = (unsigned)(inside < 1 ? 2 : inside + 1);
	gate->inside_mask = ((1u << gate->n_ports) - 1) & ~(1u << GATE_OUTSIDE);
	result = open_all(gate, setup);
	if (result < 0) {
		gate_free(gate);
		return result;
	}
	*ret_gate = gate;
	return 0;
}

struct gate *gate_free(struct gate *gate)
{
	if (!gate)
		return NULL;
	flow_table_close(gate->table);
	budget_close(gate->budget);
	pots_done(gate);
	free(gate->series);
	free(gate->series_open);
	free(gate->fragment);
	free(gate);
	return NULL;
}

static void init_judge(struct judge *j, struct gate *gate, unsigned in_port,
	const struct frame *frame, const struct gate_time *now, uint64_t packet)
{
	memset(j, 0, offsetof(struct judge, item));
	j->gate = gate;
	j->frame = frame;
	j->wire_len = j->bytes = frame->wire_len;
	j->frames = 1;
	j->now = sane_time(now);
	j->packet_id = packet;
	j->in_port = in_port < gate->n_ports ? in_port : gate->n_ports - 1;
	j->packet = frame->n_packets ? &frame->packet[0] : NULL;
	j->honeypot = NO_HONEYPOT;
}

enum reason gate_observed_reason(enum direction direction)
{
	return direction == DIRECTION_INBOUND    ? REASON_INBOUND
	       : direction == DIRECTION_INTERNAL ? REASON_INTERNAL
						 : REASON_NONE;
}

/* Nothing is controlled. */
static void judge_observed(struct judge *j)
{
	bool inbound = j->in_port == GATE_OUTSIDE;
	const struct frame_packet *p = j->packet;

	j->answer.verdict = VERDICT_PASS;
	j->answer.reason = gate_observed_reason(j->answer.direction);
	if (p)
		j->honeypot = pots_find_ip(j->gate, inbound ? &p->dst : &p->src);
}

static void judge_inbound(struct judge *j)
{
	if (j->packet)
		j->honeypot = pots_find_ip(j->gate, &j->packet->dst);
	chain_judge_inbound(j);
	pots_hear(j);
}

static void judge_locked(struct judge *j)
{
	if (j->in_port != GATE_OUTSIDE)
		pots_identify(j);
	else if (j->packet)
		j->honeypot = pots_find_ip(j->gate, &j->packet->dst);
	j->answer.reason = REASON_LOCKDOWN;
	j->answer.verdict = VERDICT_DROP;
}

static void judge(struct judge *j)
{
	if (j->gate->observe) {
		judge_observed(j);
	} else if (j->gate->policy->lockdown) {
		judge_locked(j);
	} else if (j->in_port == GATE_OUTSIDE) {
		judge_inbound(j);
	} else {
		pots_identify(j);
		chain_judge(j);
	}
}

/* Which setting of `refuse` a reason falls under; POLICY_REFUSALS: none, the honeypot hears nothing. */
static enum policy_refusal refusal_of(enum reason reason, enum budget_class class)
{
	static const enum policy_refusal by_class[BUDGET_CLASSES] = {
		[BUDGET_TCP] = POLICY_REFUSAL_TCP,
		[BUDGET_UDP] = POLICY_REFUSAL_UDP,
		[BUDGET_ICMP] = POLICY_REFUSAL_ICMP,
		[BUDGET_OTHER] = POLICY_REFUSAL_OTHER,
		[BUDGET_DNS] = POLICY_REFUSAL_DNS,
		[BUDGET_NTP] = POLICY_REFUSAL_UDP,
		[BUDGET_DHCP] = POLICY_REFUSALS,
		[BUDGET_NEIGHBOUR] = POLICY_REFUSALS,
	};

	switch (reason) {
	case REASON_FENCE:
		return POLICY_REFUSAL_FENCE;
	case REASON_BLACK_LIST:
		return POLICY_REFUSAL_BLACK_LIST;
	case REASON_ROACH_MOTEL:
		return POLICY_REFUSAL_ROACH_MOTEL;
	case REASON_DNS_SERVER:
	case REASON_DNS_FORM:
		return POLICY_REFUSAL_DNS;
	case REASON_TCP_LIMIT:
	case REASON_UDP_LIMIT:
	case REASON_ICMP_LIMIT:
	case REASON_OTHER_LIMIT:
	case REASON_DNS_LIMIT:
	case REASON_NTP_LIMIT:
	case REASON_ALL_LIMIT:
	case REASON_NET_LIMIT:
	case REASON_DESTINATION_LIMIT:
	case REASON_PORT_LIMIT:
	case REASON_HONEYNET_LIMIT:
	case REASON_HALF_OPEN:
	case REASON_NTP_SERVER:
	case REASON_NTP_FORM:
		return by_class[class];
	default:
		return POLICY_REFUSALS;
	}
}

static void drop(struct judge *j)
{
	enum policy_refusal refusal = refusal_of(j->answer.reason, j->class);

	/* On one's own network nobody says so: an address that is not there just does not answer. */
	if (refusal < POLICY_REFUSALS && judge_leaves(j) && j->packet &&
		!pots_is_near(j->gate, j->honeypot, &j->packet->dst))
		j->answer.refusal = j->gate->policy->refusal[refusal];
	j->answer.out_ports = 0;
	j->answer.due_ns = 0;
	report_drop(j);
}

static struct gate_answer finish(struct judge *j)
{
	struct gate *gate = j->gate;

	j->first = !j->refused_new;
	account_frame(j);
	j->answer.honeypot = j->honeypot;
	if (j->answer.verdict == VERDICT_DROP)
		drop(j);
	if (j->frame->anomalies)
		report_anomalies(j);
	if (flow_first_ended(gate->table) != FLOW_NONE)
		report_ended_flows(gate, j->now.wall_ns, RECORDS_A_FRAME);
	gate->last_passed = j->answer.verdict == VERDICT_PASS;
	return j->answer;
}

struct gate_answer gate_judge(struct gate *gate, unsigned in_port, const struct frame *frame,
	const struct gate_time *now, uint64_t packet)
{
	struct judge j;

	init_judge(&j, gate, in_port, frame, now, packet);
	pots_route(&j);
	account_look_up(&j);
	judge(&j);
	return finish(&j);
}

struct gate_answer gate_judge_part(struct gate *gate, unsigned in_port,
	const struct gate_whole *whole, const struct frame *part, const struct gate_answer *before,
	const struct gate_time *now, uint64_t packet)
{
	struct judge j;

	init_judge(&j, gate, in_port, whole->frame, now, packet);
	j.whole = true;
	j.wire_len = part->wire_len;
	j.frames = whole->frames;
	j.bytes = whole->bytes;
	pots_route(&j);
	account_look_up(&j);
	if (before) {
		j.again = true;
		j.answer = *before;
		j.honeypot = before->honeypot;
	} else {
		judge(&j);
	}
	return finish(&j);
}

bool gate_wants_whole(struct gate *gate, unsigned in_port, const struct frame *frame)
{
	static const struct gate_time then = { 0 };
	struct judge j;

	if (gate->observe || in_port == GATE_OUTSIDE || frame->n_packets == 0 ||
		!frame->packet[0].is_fragment)
		return false;
	init_judge(&j, gate, in_port, frame, &then, 0);
	pots_route(&j);
	if (!judge_leaves(&j))
		return false;
	/* Whoever says he is somebody else gets no room to wait in: he could take that of the others. */
	pots_identify(&j);
	return !row_wrong_mac(&j) && !row_wrong_ip(&j) && !row_malformed(&j);
}

/* ---- policy ---- */

int gate_set_policy(struct gate *gate, const struct policy *policy, const struct gate_time *now)
{
	int r;

	if (policy->n_pots != gate->conf->n_honeypots)
		return -EINVAL;
	r = budget_set_policy(gate->budget, policy, sane_time(now).steady_ns);
	if (r == 0)
		gate->policy = policy;
	return r;
}

const struct policy *gate_policy(const struct gate *gate)
{
	return gate->policy;
}

uint64_t gate_secret(const struct gate *gate)
{
	return gate->shared->secret;
}

int gate_kill_flow(struct gate *gate, uint64_t flow_id)
{
	for (uint32_t i = 0; i < flow_reached(gate->table); i++) {
		struct flow *flow = flow_get(gate->table, i);

		if (flow->tally.status != FLOW_LIVE || flow->id != flow_id)
			continue;
		if (flow->tally.verdict == VERDICT_PASS && flow->honeypot != NO_HONEYPOT)
			gate->pot[flow->honeypot].refused++;
		flow->tally.reason = REASON_KILLED;
		flow->tally.verdict = VERDICT_DROP;
		return 0;
	}
	return -ENOENT;
}

/* The NIC refuses frames some time after they were judged, one by one; all else is known at once, maybe
 * for several ports. No frame is to count as dropped twice. */
static bool counts_as_dropped(struct gate *gate, enum reason reason)
{
	const struct tallies *t = &gate->shared->tallies;
	bool counts = gate->last_passed;

	if (reason == REASON_TX_FAILED)
		return t->dropped < t->received;
	gate->last_passed = false;
	return counts;
}

static void count_failed(struct gate *gate, unsigned in_port, enum reason reason,
	const struct frame *frame, const struct gate_time *now, bool counts)
{
	struct tallies *t = &gate->shared->tallies;
	struct judge j;

	init_judge(&j, gate, in_port, frame, now, 0);
	pots_route(&j);
	account_look_up(&j);
	judge_observed(&j);
	if (j.slot != FLOW_NONE) {
		struct flow *flow = flow_get(gate->table, j.slot);

		j.answer.flow_id = flow->id;
		flow->tally.dropped++;
	}
	if (counts)
		t->dropped++;
	gate->shared->by_reason[reason]++;
	report_series(&j, reason);
}

void gate_failed(struct gate *gate, unsigned in_port, enum reason reason, const struct frame *frame,
	const struct gate_time *now)
{
	count_failed(gate, in_port, reason, frame, now, counts_as_dropped(gate, reason));
}

void gate_failed_late(struct gate *gate, unsigned in_port, enum reason reason,
	const struct frame *frame, const struct gate_time *now)
{
	const struct tallies *t = &gate->shared->tallies;

	count_failed(gate, in_port, reason, frame, now, t->dropped < t->received);
}

void gate_tick(struct gate *gate, const struct gate_time *now)
{
	struct gate_time t = sane_time(now);

	flow_expire(gate->table, t.steady_ns, EXPIRE_MAX);
	if (report_ended_flows(gate, t.wall_ns, EXPIRE_MAX))
		report_due_series(gate, &t, false);
}

bool gate_finish(struct gate *gate, const struct gate_time *now)
{
	struct gate_time t = sane_time(now);

	for (; gate->finish_slot < flow_reached(gate->table); gate->finish_slot++)
		if (flow_get(gate->table, gate->finish_slot)->tally.status == FLOW_LIVE)
			flow_end(gate->table, gate->finish_slot, FLOW_END_SHUTDOWN);
	if (!report_ended_flows(gate, t.wall_ns, UINT32_MAX))
		return false;
	return report_due_series(gate, &t, true);
}

void gate_counts(const struct gate *gate, struct gate_counts *ret_counts)
{
	const struct tallies *t = &gate->shared->tallies;

	*ret_counts = (struct gate_counts){ .received = t->received,
		.bytes = t->bytes,
		.passed = t->received - t->dropped,
		.dropped = t->dropped,
		.in_flows = t->in_flows,
		.other_frames = t->received - t->in_flows,
		.open_frames = gate->open_frames,
		.flows_active = flow_used(gate->table),
		.flows_total = t->flows_total };
	memcpy(ret_counts->by_reason, gate->shared->by_reason, sizeof(ret_counts->by_reason));
}
