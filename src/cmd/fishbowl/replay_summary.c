/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_summary.h"

#include "base/out.h"
#include "cmd/fishbowl/replay.h"

/* A line of "name count" parts; the head is written with the first part. */
struct line {
	struct out *o;
	const char *head;
	bool begun;
	size_t at; /* where its last row begins */
};

static void put_part(struct line *line, const char *name, uint64_t n)
{
	char text[128];
	struct out part = out_make(text, sizeof(text));

	if (n == 0)
		return;
	out_fmt(&part, "%s %llu", name, (unsigned long long)n);
	if (line->begun)
		out_char(line->o, ',');
	if (line->begun && line->o->len - line->at + 2 + part.len <= FOUND_COLUMNS) {
		out_char(line->o, ' ');
	} else {
		if (line->begun)
			out_char(line->o, '\n');
		line->at = line->o->len;
		out_fmt(line->o, "%-11s ", line->begun ? "" : line->head);
	}
	line->begun = true;
	out_bytes(line->o, part.at, part.len);
}

static void end_line(struct line *line)
{
	if (line->begun)
		out_char(line->o, '\n');
}

static void put_protocols(struct out *o, const char *head, const uint64_t by_proto[256],
	const struct replay_counts *others)
{
	struct line line = { .o = o, .head = head };

	for (unsigned proto = 0; proto < 256; proto++) {
		char buf[8];

		put_part(&line, ip_proto_name((uint8_t)proto, buf), by_proto[proto]);
	}
	if (others) {
		put_part(&line, "ARP", others->arp);
		put_part(&line, "neither IP nor ARP", others->other_l2);
		put_part(&line, "with a tunnelled packet", others->inner);
	}
	end_line(&line);
}

static void put_time(struct out *o, const struct replay_counts *c)
{
	int64_t ms = (c->last_ns - c->first_ns) / 1000000;

	if (c->frames == 0)
		return;
	out_str(o, "time        ");
	out_time_rfc3339(o, c->first_ns);
	out_str(o, " to\n            ");
	out_time_rfc3339(o, c->last_ns);
	out_fmt(o, " (%lld.%03lld s)\n", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void put_verdicts(struct out *o, const struct replay *replay, bool policy)
{
	struct line line = { .o = o, .head = "dropped" };
	struct gate_counts gate;

	if (!policy) {
		out_str(o,
			"policy      none: observed only; -c FILE judges as the gateway would\n");
		return;
	}
	replay_gate_counts(replay, &gate);
	out_fmt(o, "verdicts    %llu passed, %llu dropped\n", (unsigned long long)gate.passed,
		(unsigned long long)gate.dropped);
	for (int i = 0; i < REASON_COUNT; i++)
		if (reason_verdict((enum reason)i) == VERDICT_DROP)
			put_part(&line, reason_name((enum reason)i), gate.by_reason[i]);
	end_line(&line);
}

static void put_recorded_verdicts(struct out *o, const struct replay_counts *c)
{
	struct line line = { .o = o, .head = "recorded" };

	put_part(&line, "verdicts in the capture that are the same now", c->same_verdict);
	put_part(&line, "that are not", c->other_verdict);
	put_part(&line, "of the gateway's own trouble, not comparable", c->not_comparable);
	end_line(&line);
}

static void put_no_flow(struct out *o, const struct replay_counts *c)
{
	if (c->no_flow > 0)
		out_fmt(o, "no flow     %llu frames: the flow table was full (setting flow.max)\n",
			(unsigned long long)c->no_flow);
}

static void put_not_judged(struct out *o, const struct replay_counts *c)
{
	struct line line = { .o = o, .head = "not judged" };

	put_part(&line, "of an unknown link type", c->unknown_link);
	put_part(&line, "outbound copies", c->copies);
	end_line(&line);
}

static void put_anomalies(struct out *o, const struct replay_counts *c)
{
	struct line line = { .o = o, .head = "anomalies" };

	for (int i = 1; i < FRAME_ANOMALY_COUNT; i++)
		put_part(&line, frame_anomaly_name((enum frame_anomaly)i), c->anomaly[i]);
	put_part(&line, "cut short by the capture", c->cut);
	end_line(&line);
}

static void put_applications(struct out *o, const struct replay_counts *c)
{
	struct line line = { .o = o, .head = "spoken" };

	for (unsigned app = PROTO_NONE + 1; app < PROTO_COUNT; app++)
		put_part(&line, proto_name((enum proto_id)app), c->application[app]);
	end_line(&line);
}

static void put_found(struct out *o, const struct replay_counts *c)
{
	struct line line = { .o = o, .head = "found" };

	put_part(&line, "alerts", c->alerts);
	put_part(&line, "logins", c->logins);
	put_part(&line, "of them let in", c->logins_good);
	put_part(&line, "files", c->files);
	end_line(&line);
}

void replay_summary(struct out *o, struct replay *replay, bool policy)
{
	const struct replay_counts *c = replay_counts(replay);

	out_fmt(o, "frames      %llu (%llu bytes)\n", (unsigned long long)c->frames,
		(unsigned long long)c->bytes);
	put_time(o, c);
	put_protocols(o, "protocols", c->ip_proto, c);
	put_protocols(o, "flows", c->flow_proto, NULL);
	put_no_flow(o, c);
	put_verdicts(o, replay, policy);
	put_recorded_verdicts(o, c);
	put_anomalies(o, c);
	put_not_judged(o, c);
	put_applications(o, c);
	put_found(o, c);
	out_fmt(o, "records     %llu\n", (unsigned long long)c->records);
	replay_found_print(o, replay_found(replay));
}
