/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule does to what leaves: it is stopped, or some of its bytes are others. */
#include <string.h>

#include "base/inet_sum.h"
#include "inspect/inside.h"
#include "rules/rule.h"

/* Of a stream or of the payload of one packet: [from, to) becomes `bytes`. */
struct range {
	uint64_t from, to;
	const uint8_t *bytes;
};

/* The first one to say so decides. */
static void stop(
	struct inspect *in, enum inspect_verdict verdict, enum reason reason, uint32_t rule)
{
	if (in->now.answer.verdict != INSPECT_DROP && in->now.answer.verdict != INSPECT_REJECT)
		in->now.answer = (struct inspect_answer){
			.verdict = verdict, .reason = reason, .rule = rule
		};
}

/* The edits that are within [first, last). */
static unsigned ranges_of(const struct rules_hit *hit, uint64_t base, uint64_t first, uint64_t last,
	struct range ret_ranges[static RULES_EDITS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < hit->n_edits; i++) {
		struct range r = { base + hit->edit[i].at,
			base + hit->edit[i].at + hit->edit[i].len, hit->edit[i].bytes };

		if (r.from >= first && r.to <= last && r.to > r.from)
			ret_ranges[n++] = r;
	}
	return n;
}

static struct range span_of(const struct range *range, unsigned n)
{
	struct range span = { range[0].from, range[0].to, NULL };

	for (unsigned i = 1; i < n; i++) {
		span.from = range[i].from < span.from ? range[i].from : span.from;
		span.to = range[i].to > span.to ? range[i].to : span.to;
	}
	if (span.to - span.from > INSPECT_CHANGE_MAX)
		span.to = span.from + INSPECT_CHANGE_MAX;
	return span;
}

static bool differs(const struct stream *s, const struct range *r, uint64_t from)
{
	return from < r->to &&
	       memcmp(stream_bytes(s, from), r->bytes + (from - r->from), r->to - from) != 0;
}

/* Those of a range that have not left. */
static bool apply(struct stream *s, const struct range *r, uint64_t left)
{
	uint64_t from = r->from < left ? left : r->from;

	if (!differs(s, r, from))
		return false;
	stream_change(s, from, r->bytes + (from - r->from), r->to - from);
	return true;
}

/* Nothing that the rule says is left to be changed: any other byte of what it looked for will
 * do. */
static bool spoil(struct stream *s, const struct range *range, unsigned n, uint64_t left)
{
	for (unsigned i = n; i > 0; i--) {
		uint64_t last = range[i - 1].to - 1;
		uint8_t byte;

		if (last < left)
			continue;
		byte = *stream_bytes(s, last) ^ 1;
		stream_change(s, last, &byte, 1);
		return true;
	}
	return false;
}

/* False: all that was to be changed has left. */
static bool change(
	struct stream *s, const struct range *range, unsigned n, uint64_t left, bool *ret_changed)
{
	bool wanted = false;

	*ret_changed = false;
	for (unsigned i = 0; i < n; i++)
		wanted |= differs(s, &range[i], range[i].from);
	for (unsigned i = 0; i < n; i++)
		*ret_changed |= apply(s, &range[i], left);
	if (wanted && !*ret_changed)
		*ret_changed = spoil(s, range, n, left);
	return !wanted || *ret_changed;
}

static void tell_change(struct inspect *in, struct inspect_hit *told, const struct range *span,
	const uint8_t *after)
{
	told->before = in->change;
	told->after = after;
	told->changed_at = span->from;
	told->changed_len = (uint32_t)(span->to - span->from);
}

static void change_stream(
	struct inspect *in, uint64_t base, const struct rules_hit *hit, struct inspect_hit *told)
{
	struct side *side = &in->now.talk->side[in->now.side];
	struct stream *s = side->stream;
	struct range range[RULES_EDITS_MAX], span;
	unsigned n = ranges_of(hit, base, stream_kept(s), stream_end(s), range);
	bool changed = false;

	if (n > 0) {
		span = span_of(range, n);
		memcpy(in->change, stream_bytes(s, span.from), span.to - span.from);
	}
	if (n < hit->n_edits || !change(s, range, n, side->left, &changed))
		stop(in, INSPECT_DROP, REASON_RULE_DROP, hit->rule);
	if (!changed)
		return;
	in->now.edited = true;
	side->rule = hit->rule;
	tell_change(in, told, &span, stream_bytes(s, span.from));
}

/* A packet that is no part of a stream. */
static void change_packet(struct inspect *in, const struct rules_hit *hit, struct inspect_hit *told)
{
	const struct now *now = &in->now;
	struct now_bytes payload = look_payload(now);
	struct range range[RULES_EDITS_MAX], span;
	unsigned n = ranges_of(hit, 0, 0, payload.len, range);
	uint8_t *at = now->frame->bytes + now->packet->payload_at;
	uint32_t before;

	if (n < hit->n_edits || now->frame->len > INSPECT_FRAME_MAX) {
		stop(in, INSPECT_DROP, REASON_RULE_DROP, hit->rule);
		return;
	}
	guard_touch(in);
	span = span_of(range, n);
	memcpy(in->change, at + span.from, span.to - span.from);
	before = inet_sum(at, payload.len);
	for (unsigned i = 0; i < n; i++)
		memcpy(at + range[i].from, range[i].bytes, range[i].to - range[i].from);
	sum_update(now->frame->bytes, now->packet, before, inet_sum(at, payload.len));
	tell_change(in, told, &span, at + span.from);
	if (in->now.answer.verdict == INSPECT_PASS)
		in->now.answer = (struct inspect_answer){ .verdict = INSPECT_CHANGED,
			.before = now->before,
			.reason = REASON_RULE_REPLACED,
			.rule = hit->rule };
}

/* Inside a tunnel nothing is changed: the packets around it have checksums too. */
static void replace(struct inspect *in, const struct rules_unit *unit, const struct rules_hit *hit,
	struct inspect_hit *told)
{
	const struct now *now = &in->now;
	struct side *side = now->talk ? &now->talk->side[now->side] : NULL;

	if (now->inner > 0 || !now->packet || !sum_known(now->packet) || unit->side != now->side)
		stop(in, INSPECT_DROP, REASON_RULE_DROP, hit->rule);
	else if (now->packet->proto != IPPROTO_TCP)
		change_packet(in, hit, told);
	else if (!side || !side->guarded)
		stop(in, INSPECT_DROP, REASON_RULE_DROP, hit->rule);
	else if (unit->kind != RULES_PACKET)
		change_stream(in, unit->offset, hit, told);
	else if (stream_offset(side->stream, tcp_data_seq(now->packet)) >= 0)
		change_stream(in, (uint64_t)stream_offset(side->stream, tcp_data_seq(now->packet)),
			hit, told);
	else
		stop(in, INSPECT_DROP, REASON_RULE_DROP, hit->rule);
}

void change_undecided(struct inspect *in)
{
	in->counts.undecided++;
	stop(in, INSPECT_DROP, REASON_RULE_UNDECIDED, UINT32_MAX);
}

void change_by_hit(struct inspect *in, const struct rules_unit *unit, const struct rules_hit *hit,
	struct inspect_hit *told)
{
	bool drops =
		hit->action == RULE_DROP || hit->action == RULE_SDROP || hit->action == RULE_REJECT;

	if (hit->tired && (drops || hit->n_edits > 0))
		stop(in, INSPECT_DROP, REASON_RULE_UNDECIDED, hit->rule);
	else if (drops)
		stop(in, hit->action == RULE_REJECT ? INSPECT_REJECT : INSPECT_DROP,
			hit->action == RULE_REJECT ? REASON_RULE_REJECT : REASON_RULE_DROP,
			hit->rule);
	else if (hit->n_edits > 0)
		replace(in, unit, hit, told);
	if (in->now.answer.verdict == INSPECT_REJECT && in->now.answer.rule == hit->rule)
		in->now.answer.reject = told->info.reject;
	told->dropped =
		in->now.answer.verdict == INSPECT_DROP || in->now.answer.verdict == INSPECT_REJECT;
}
