/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: NICs, gate, frame ring, capture files and flow log count the same frames. The gate's
 * markers make its comparison with tap and store exact; the NICs' counters are read before and after
 * the marker and must enclose what the gate counted (doc/design/gateway.md).
 */
#include "cmd/fishbowl/supervisor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/out.h"

static const int64_t answer_ns = 20 * SUP_NS_PER_S;

/* A NIC's counter and the socket's are moved a moment apart, per NIC and burst of the driver. */
enum { SLACK = 256, PERIOD_S = 60 };

static int64_t period_ns(void)
{
	const char *set = getenv("FISHBOWL_AUDIT_SECONDS"); /* for tests */
	long s = set ? strtol(set, NULL, 10) : PERIOD_S;

	return (s > 0 ? s : PERIOD_S) * SUP_NS_PER_S;
}

static void differ(
	struct out *o, const char *fmt, const char *a, uint64_t na, const char *b, uint64_t nb)
{
	if (o->len > 0)
		out_str(o, "; ");
	out_fmt(o, "%s %" PRIu64 ", %s %" PRIu64 " (%s%" PRIu64 ")%s", a, na, b, nb,
		na > nb ? "-" : "+", na > nb ? na - nb : nb - na, fmt);
}

static void check_equal(
	struct out *o, const char *a, uint64_t na, const char *b, uint64_t nb, uint64_t allowed)
{
	if ((na > nb ? na - nb : nb - na) > allowed)
		differ(o, "", a, na, b, nb);
}

/* Not judged frames: the gate cuts super-frames of virtual NICs into what a wire would have carried. */
static void check_nics(
	struct out *o, const struct sup_audit *audit, const struct audit_marker *gate)
{
	if (gate->kernel > audit->nic_after + SLACK)
		differ(o, ": more than there were", "NICs", audit->nic_after, "sockets",
			gate->kernel);
	else if (gate->kernel + SLACK < audit->nic_before)
		differ(o, ": frames the gate never saw", "NICs", audit->nic_before, "sockets",
			gate->kernel);
}

/* Each restart of the gate may have counted one frame that was not captured (a kill between the two). */
static void compare(const struct supervisor *s, struct out *o)
{
	const struct sup_audit *audit = &s->audit;
	const struct audit_marker *gate = &audit->answer[CHAN_GATE].gate;
	uint64_t starts = sup_gate_counts(s)->starts, kills = starts > 1 ? starts - 1 : 0;

	check_nics(o, audit, gate);
	check_equal(o, "gate received", gate->received, "captured and unseen",
		gate->captured + gate->unseen, kills);
	check_equal(o, "gate received", gate->received, "in flows and without flow",
		gate->in_flows + gate->other_frames, kills);
	if (audit->answered[CHAN_TAP])
		check_equal(o, "gate captured", gate->captured + gate->made, "capture files hold",
			audit->answer[CHAN_TAP].frames, kills);
	if (audit->answered[CHAN_STORE])
		check_equal(o, "frames in flows", gate->in_flows, "flow log and open flows",
			audit->answer[CHAN_STORE].frames + gate->open_frames, kills);
}

static void write_record(struct supervisor *s, bool agree, const char *detail)
{
	const struct audit_marker *gate = &s->audit.answer[CHAN_GATE].gate;
	struct record record = { .type = EVENT_AUDIT };

	record.head.reason = agree ? REASON_AUDIT_EQUAL : REASON_AUDIT_DIFFERS;
	record.audit.agree = agree;
	record.audit.nic = s->audit.nic_after;
	record.audit.received = gate->received;
	record.audit.missed = gate->missed;
	record.audit.unseen = gate->unseen;
	record.audit.captured = gate->captured;
	record.audit.written = s->audit.answer[CHAN_TAP].frames;
	record.audit.in_flows = gate->in_flows;
	record.audit.other_frames = gate->other_frames;
	record.audit.logged = s->audit.answer[CHAN_STORE].frames + gate->open_frames;
	record.audit.detail = text_of(detail);
	sup_record(s, &record);
	if (!agree)
		sup_say("audit: the layers differ: %s", detail);
}

static void finish(struct supervisor *s, const char *missing)
{
	struct sup_audit *audit = &s->audit;
	char detail[sizeof(audit->last_detail)];
	struct out o = out_make(detail, sizeof(detail));
	bool agree;

	if (audit->answered[CHAN_GATE])
		compare(s, &o);
	agree = o.len == 0;
	if (missing) {
		if (o.len > 0)
			out_str(&o, "; ");
		out_str(&o, missing);
		/* A process that runs and cannot answer is a difference: nobody knows its count. */
		agree = agree && !audit->undisturbed;
	}
	audit->state = SUP_AUDIT_IDLE;
	audit->last_wall_ns = sup_wall();
	audit->last_agree = agree;
	snprintf(audit->last_detail, sizeof(audit->last_detail), "%s", detail);
	write_record(s, agree, detail);
}

void sup_audit_begin(struct supervisor *s)
{
	struct sup_audit *audit = &s->audit;
	struct message_audit message = { .id = audit->id + 1 };
	uint64_t most;

	if (audit->state != SUP_AUDIT_IDLE || s->child[CHAN_GATE].state != SUP_UP)
		return;
	memset(audit->answered, 0, sizeof(audit->answered));
	memset(audit->answer, 0, sizeof(audit->answer));
	audit->undisturbed = true;
	audit->id = message.id;
	sup_nics_count(s);
	sup_nics_received(s, &audit->nic_before, &most);
	if (chan_send(&s->child[CHAN_GATE].chan, MESSAGE_AUDIT, &message, NULL, 0) < 0)
		return;
	audit->state = SUP_AUDIT_WAITS;
	audit->since_ns = sup_now();
}

void sup_audit_answer(
	struct supervisor *s, enum chan_process process, const struct message_audited *answer)
{
	struct sup_audit *audit = &s->audit;
	uint64_t least;

	if (audit->state != SUP_AUDIT_WAITS || answer->id != audit->id || audit->answered[process])
		return;
	audit->answered[process] = true;
	audit->answer[process] = *answer;
	if (process == CHAN_GATE) {
		sup_nics_count(s);
		sup_nics_received(s, &least, &audit->nic_after);
		if (!answer->ok) {
			finish(s, "not compared with files and log: a ring is full");
			return;
		}
	}
	if (audit->answered[CHAN_GATE] && audit->answered[CHAN_TAP] && audit->answered[CHAN_STORE])
		finish(s, NULL);
}

void sup_audit_tick(struct supervisor *s)
{
	struct sup_audit *audit = &s->audit;
	int64_t now = sup_now();

	if (audit->state == SUP_AUDIT_WAITS && now - audit->since_ns > answer_ns)
		finish(s, !audit->answered[CHAN_GATE]  ? "fb-gate did not answer"
			  : !audit->answered[CHAN_TAP] ? "fb-tap did not answer"
						       : "fb-store did not answer");
	if (now < audit->next_ns)
		return;
	if (audit->next_ns != 0) {
		sup_stats(s);
		sup_audit_begin(s);
	}
	audit->next_ns = now + period_ns();
}
