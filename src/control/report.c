/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the gate: flow, drop, incident, anomaly. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/out.h"
#include "control/inside.h"
#include "control/privacy.h"

#define VLAN_TEXT_MAX 32 /* bytes of the ids of two tags as JSON */

static bool hand_over(struct gate *gate, const struct record *record)
{
	gate->records_full = gate->emit(gate->emit_context, record) < 0;
	return !gate->records_full;
}

/* Killed while it hands over a record that must not come twice, the next gate settles it. */
static void begin_handing(struct gate *gate, enum handing what, uint32_t which)
{
	gate->shared->handing_seq = gate->emitted ? gate->emitted(gate->emit_context) : 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	gate->shared->handing = (uint64_t)what << 32 | which;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void end_handing(struct gate *gate)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	gate->shared->handing = HANDING_NOTHING;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static struct text port_name(const struct gate *gate, unsigned port)
{
	const struct conf_top *top = &gate->conf->top;

	if (port == GATE_OUTSIDE)
		return text_of(top->outside);
	if (port - 1 < top->inside.n)
		return text_of(top->inside.text[port - 1]);
	return (struct text){ 0 };
}

static struct text pot_name(const struct gate *gate, uint16_t honeypot)
{
	if (honeypot >= gate->conf->n_honeypots)
		return (struct text){ 0 };
	return text_of(gate->conf->honeypot[honeypot].name);
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

void report_init_head(const struct judge *j, struct record *ret_record)
{
	const struct frame_packet *p = j->packet;
	struct record_head *h = &ret_record->head;

	*ret_record = (struct record){ 0 };
	h->time_ns = j->now.wall_ns;
	h->flow_id = j->answer.flow_id;
	h->in_iface = port_name(j->gate, j->in_port);
	h->honeypot = pot_name(j->gate, j->honeypot);
	h->direction = (uint8_t)j->answer.direction;
	h->verdict = (uint8_t)j->answer.verdict;
	h->reason = (uint16_t)j->answer.reason;
	h->packet = j->packet_id;
	if (j->frame->is_arp) {
		h->src = j->frame->arp_sender;
		h->dst = j->frame->arp_target;
	}
	if (!p)
		return;
	h->src = p->src;
	h->dst = p->dst;
	h->proto = p->proto;
	if (is_icmp(p->proto)) {
		h->icmp_type = p->icmp_type;
		h->icmp_code = p->icmp_code;
	} else if (p->has_transport) {
		h->sport = p->sport;
		h->dport = p->dport;
	}
}

/* DHCP, and DNS and NTP to the configured servers, are what any system does by itself. */
static bool tells_compromise(const struct judge *j)
{
	return j->class < BUDGET_DNS;
}

/* What the conversation that this frame begins, or would begin, is called. One that is let out and has the
 * addresses of something else that passed (between honeypots, say) is another one. */
static uint64_t flow_to_be(const struct judge *j)
{
	const struct flow *flow = j->slot != FLOW_NONE ? flow_get(j->gate->table, j->slot) : NULL;

	if (flow && (j->refused_new || flow->tally.verdict == VERDICT_DROP))
		return flow->id;
	return account_next_id(j->gate);
}

bool report_incident(struct judge *j)
{
	static const char title[] =
		"Honeypot probably compromised: it began a conversation with the "
		"outside";
	struct gate *gate = j->gate;
	struct record record;

	if (j->honeypot == NO_HONEYPOT || !tells_compromise(j) ||
		budget_mark(gate->budget, j->honeypot) == BUDGET_MARK_DONE)
		return true;
	report_init_head(j, &record);
	record.type = EVENT_INCIDENT;
	record.head.reason = REASON_FIRST_OUTBOUND;
	record.head.flow_id = flow_to_be(j);
	record.incident.title = text_of(title);
	begin_handing(gate, HANDING_INCIDENT, j->honeypot);
	if (hand_over(gate, &record))
		budget_set_mark(gate->budget, j->honeypot, BUDGET_MARK_DONE);
	end_handing(gate);
	return !gate->records_full;
}

static uint16_t last_pot(const struct gate *gate)
{
	return (uint16_t)gate->conf->n_honeypots;
}

static uint16_t pot_or_none(const struct gate *gate, uint16_t honeypot)
{
	return honeypot == NO_HONEYPOT ? last_pot(gate) : honeypot;
}

static void init_drop(const struct judge *j, enum reason reason, struct record *ret_record)
{
	const struct frame *f = j->frame;

	report_init_head(j, ret_record);
	ret_record->type = EVENT_DROP;
	ret_record->head.verdict = VERDICT_DROP;
	ret_record->head.reason = (uint16_t)reason;
	ret_record->drop.len = j->wire_len;
	ret_record->drop.reason = (uint16_t)reason;
	ret_record->drop.src_mac = f->src_mac;
	ret_record->drop.count = 1;
	if (!j->packet) {
		ret_record->drop.ethertype = f->ethertype;
		return;
	}
	ret_record->drop.ttl = j->packet->ttl;
	ret_record->drop.tcp_flags = j->packet->tcp_flags;
}

/* The series of this number; true when it begins with this frame, so that its record is to be filled. */
static bool count_series(struct gate *gate, uint32_t n, int64_t steady_ns)
{
	struct series *s = &gate->series[n];

	if (s->count++ > 0)
		return false;
	s->since_ns = steady_ns;
	gate->series_open[gate->n_series_open++] = n;
	return true;
}

void report_series(struct judge *j, enum reason reason)
{
	uint32_t n = (uint32_t)pot_or_none(j->gate, j->honeypot) * SERIES_PER_POT + reason;

	if (count_series(j->gate, n, j->now.steady_ns))
		init_drop(j, reason, &j->gate->series[n].record);
}

/* True while this honeypot's share of single records for this second lasts. */
static bool may_record_drop(struct judge *j)
{
	struct pot *pot = &j->gate->pot[pot_or_none(j->gate, j->honeypot)];
	int64_t second = j->now.steady_ns / NS_PER_S;

	if (pot->drops_s != second) {
		pot->drops_s = second;
		pot->drops_n = 0;
	}
	if (pot->drops_n >= GATE_DROPS_MAX)
		return false;
	pot->drops_n++;
	return true;
}

void report_drop(struct judge *j)
{
	struct record record;

	if (j->first && may_record_drop(j)) {
		init_drop(j, j->answer.reason, &record);
		if (hand_over(j->gate, &record))
			return;
	}
	report_series(j, j->answer.reason);
}

void report_anomalies(struct judge *j)
{
	uint64_t left = j->frame->anomalies;
	uint32_t first = (uint32_t)(last_pot(j->gate) + 1) * SERIES_PER_POT;

	while (left) {
		unsigned kind = (unsigned)__builtin_ctzll(left);
		struct record *record = &j->gate->series[first + kind].record;

		left &= left - 1;
		if (!count_series(j->gate, first + kind, j->now.steady_ns))
			continue;
		report_init_head(j, record);
		record->type = EVENT_ANOMALY;
		record->anomaly.kind = text_of(frame_anomaly_name(kind));
		record->anomaly.type = text_of("decode");
	}
}

static bool report_series_row(struct gate *gate, struct series *s)
{
	if (s->record.type == EVENT_ANOMALY)
		s->record.anomaly.count = s->count;
	else
		s->record.drop.count = s->count;
	if (!hand_over(gate, &s->record))
		return false;
	s->count = 0;
	return true;
}

/* They stand in the order in which they began, so the first that is not due ends the search. */
bool report_due_series(struct gate *gate, const struct gate_time *now, bool all)
{
	uint32_t done = 0;

	while (done < gate->n_series_open) {
		struct series *s = &gate->series[gate->series_open[done]];

		if (!all && now->steady_ns - s->since_ns < (int64_t)GATE_SERIES_S * NS_PER_S)
			break;
		if (!report_series_row(gate, s))
			break;
		done++;
	}
	gate->n_series_open -= done;
	memmove(gate->series_open, gate->series_open + done,
		gate->n_series_open * sizeof(gate->series_open[0]));
	return gate->n_series_open == 0;
}

static void fill_flow_head(
	const struct gate *gate, const struct flow *flow, int64_t wall_ns, struct record_head *h)
{
	h->time_ns = wall_ns;
	h->flow_id = flow->id;
	h->in_iface = port_name(gate, flow->in_port);
	h->honeypot = pot_name(gate, flow->honeypot);
	h->direction = flow->direction;
	h->verdict = flow->tally.verdict;
	h->reason = flow->tally.reason;
	h->proto = flow->key.proto;
	h->src = flow->key.ip[flow->starter];
	h->dst = flow->key.ip[!flow->starter];
	if (is_icmp(flow->key.proto)) {
		h->icmp_type = flow->icmp_type;
		h->icmp_code = flow->icmp_code;
		return;
	}
	h->sport = flow->key.port[flow->starter];
	h->dport = flow->key.port[!flow->starter];
}

/* EVE's names. */
static const char *tcp_state_name(const struct flow_tally *t)
{
	if (t->state == FLOW_CLOSED)
		return "closed";
	if (t->state == FLOW_ESTABLISHED)
		return "established";
	return t->tcp_flags[1] & TH_SYN ? "syn_recv" : "syn_sent";
}

static void fill_tcp(const struct flow_tally *t, struct event_flow *body)
{
	uint8_t flags = t->tcp_flags[0] | t->tcp_flags[1];

	body->tcp_flags_ts = t->tcp_flags[0];
	body->tcp_flags_tc = t->tcp_flags[1];
	body->tcp_flags = flags;
	body->tcp_state = text_of(tcp_state_name(t));
	body->syn = flags & TH_SYN;
	body->fin = flags & TH_FIN;
	body->rst = flags & TH_RST;
	body->psh = flags & TH_PUSH;
	body->ack = flags & TH_ACK;
	body->urg = flags & TH_URG;
}

/* As EVE has them; a tag with priority bits alone (VLAN 0) is none. */
static struct text vlan_of(const struct flow_key *key, char text[static VLAN_TEXT_MAX])
{
	struct out o = out_make(text, VLAN_TEXT_MAX);

	if (!key->vlan[0] && !key->vlan[1])
		return (struct text){ 0 };
	out_fmt(&o, "\"vlan\":[%u", key->vlan[0]);
	if (key->vlan[1])
		out_fmt(&o, ",%u", key->vlan[1]);
	out_char(&o, ']');
	return (struct text){ text, (uint32_t)o.len };
}

/* The record points into `vlan`. */
static void fill_flow(const struct gate *gate, const struct flow *flow, int64_t wall_ns,
	char vlan[static VLAN_TEXT_MAX], struct record *ret_record)
{
	const struct flow_tally *t = &flow->tally;
	struct event_flow *body = &ret_record->flow;

	*ret_record = (struct record){ .type = EVENT_FLOW };
	fill_flow_head(gate, flow, wall_ns, &ret_record->head);
	body->pkts_toserver = t->frames[0];
	body->pkts_toclient = t->frames[1];
	body->bytes_toserver = t->bytes[0];
	body->bytes_toclient = t->bytes[1];
	body->start_ns = flow->first_wall_ns;
	body->end_ns = t->last_wall_ns;
	if (t->last_wall_ns > flow->first_wall_ns)
		body->age_s = (uint64_t)(t->last_wall_ns - flow->first_wall_ns) / NS_PER_S;
	body->state = text_of(flow_state_name(t->state));
	body->end_reason = text_of(flow_end_name(t->end));
	body->dropped = t->dropped;
	body->parent_id = flow->key.parent;
	if (flow->key.proto == 6)
		fill_tcp(t, body);
	body->first_packet = flow->first_packet;
	body->last_packet = t->last_packet;
	body->icmp_errors = t->errors;
	if (privacy_consent(gate->policy, flow))
		body->consent = text_of(privacy_consent(gate->policy, flow));
	body->vlan = vlan_of(&flow->key, vlan);
}

static uint64_t frames_of(const struct flow *flow)
{
	if (flow->key.parent)
		return 0;
	return flow->tally.frames[0] + flow->tally.frames[1] + flow->tally.errors;
}

bool report_ended_flows(struct gate *gate, int64_t wall_ns, uint32_t max)
{
	for (; max > 0; max--) {
		uint32_t slot = flow_first_ended(gate->table);
		struct flow *flow;
		struct record record;
		char vlan[VLAN_TEXT_MAX];
		bool taken;

		if (slot == FLOW_NONE)
			return true;
		flow = flow_get(gate->table, slot);
		fill_flow(gate, flow, wall_ns, vlan, &record);
		begin_handing(gate, HANDING_FLOW, slot);
		taken = hand_over(gate, &record);
		if (taken) {
			gate->open_frames -= frames_of(flow);
			if (flow->tally.verdict == VERDICT_DROP && flow->honeypot != NO_HONEYPOT)
				gate->pot[flow->honeypot].refused--;
			if (flow->direction == DIRECTION_INTERNAL && flow->honeypot != NO_HONEYPOT)
				gate->pot[flow->honeypot].internal--;
			flow_free_ended(gate->table);
		}
		end_handing(gate);
		if (!taken)
			return false;
	}
	return flow_first_ended(gate->table) == FLOW_NONE;
}

void report_settle(struct gate *gate)
{
	struct shared *s = gate->shared;
	enum handing what = (enum handing)(s->handing >> 32);
	uint32_t which = (uint32_t)s->handing;
	struct flow *flow = flow_memory_slots(s->flow_memory);
	bool taken = !gate->emitted || gate->emitted(gate->emit_context) > s->handing_seq;

	if (what == HANDING_FLOW && taken && which < s->slots)
		flow[which].tally.status = FLOW_FREE;
	if (what == HANDING_INCIDENT && taken && which < gate->conf->n_honeypots)
		budget_set_mark(gate->budget, which, BUDGET_MARK_DONE);
	end_handing(gate);
}
