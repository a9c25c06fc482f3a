/* SPDX-License-Identifier: Apache-2.0 */
/* A record in one line for people. Every text goes through out_quoted(): it may be hostile. */
#include "event/event.h"

#include "base/out.h"

static void put_text(struct out *o, const char *before, struct text text)
{
	if (text.len == 0)
		return;
	out_str(o, before);
	out_quoted(o, text.at, text.len);
}

static void flow_story(struct out *o, const struct event_flow *flow)
{
	out_fmt(o, "%llu packets to, %llu back, %llu bytes",
		(unsigned long long)flow->pkts_toserver, (unsigned long long)flow->pkts_toclient,
		(unsigned long long)(flow->bytes_toserver + flow->bytes_toclient));
	if (flow->age_s > 0)
		out_fmt(o, " in %llu s", (unsigned long long)flow->age_s);
	put_text(o, ", ", flow->state);
	if (flow->dropped > 0)
		out_fmt(o, ", %llu stopped", (unsigned long long)flow->dropped);
}

static void drop_story(struct out *o, const struct event_drop *drop)
{
	if (drop->count > 1)
		out_fmt(o, "%llu frames stopped", (unsigned long long)drop->count);
	else
		out_fmt(o, "a frame of %u bytes stopped", drop->len);
}

static void audit_story(struct out *o, const struct event_audit *audit)
{
	out_fmt(o, "%s: received %llu, captured %llu, written %llu, in flows %llu, logged %llu",
		audit->agree ? "all layers agree" : "LAYERS DIFFER",
		(unsigned long long)audit->received, (unsigned long long)audit->captured,
		(unsigned long long)audit->written, (unsigned long long)audit->in_flows,
		(unsigned long long)audit->logged);
	put_text(o, "; ", audit->detail);
}

static void alert_story(struct out *o, const struct event_alert *alert)
{
	out_fmt(o, "[%u:%u:%u]", alert->gid, alert->sid, alert->rev);
	put_text(o, " ", alert->signature);
	put_text(o, ", ", alert->action);
	put_text(o, ", changed from ", alert->before);
	put_text(o, " to ", alert->after);
}

static void fingerprint_story(struct out *o, const struct event_fingerprint *f)
{
	char subject[IP_TEXT_MAX];

	put_text(o, "", f->kind);
	out_fmt(o, " of %s", ip_text(&f->subject, subject));
	put_text(o, ": ", f->os);
	put_text(o, ": ", f->app);
	put_text(o, ": ", f->link);
	put_text(o, ", before ", f->os_before);
	if (f->uptime_min > 0)
		out_fmt(o, ": %u minutes", f->uptime_min);
	put_text(o, ", ", f->match);
	put_text(o, " by ", f->reason);
	put_text(o, ", from ", f->country);
	put_text(o, ", ", f->as_name);
}

static void put_class(struct out *o, const char *before, struct text class, struct text actor)
{
	put_text(o, before, class);
	put_text(o, ", ", actor);
}

static void incident_story(struct out *o, const struct event_incident *incident)
{
	put_text(o, "", incident->title);
	put_text(o, " [", incident->incident_id);
	put_text(o, " ", incident->stage);
	put_text(o, ", ", incident->severity);
	put_class(o, ", ", incident->class, incident->actor);
	out_str(o, incident->incident_id.len > 0 ? "]" : "");
}

static void source_story(struct out *o, const struct event_source *source)
{
	put_class(o, "", source->class, source->actor);
	out_fmt(o, ": %llu conversations with %llu honeypots on %llu ports",
		(unsigned long long)source->flows, (unsigned long long)source->targets,
		(unsigned long long)source->ports);
	put_text(o, "; ", source->why);
}

/* What the protocol's parser says is in the record; here is what it is. */
static void application_story(struct out *o, const struct record *record)
{
	out_str(o, event_info(record->type).text);
	put_text(o, " over ", record->head.app_proto);
}

void record_story(struct out *o, const struct record *record)
{
	switch (record->type) {
	case EVENT_FLOW:
		flow_story(o, &record->flow);
		break;
	case EVENT_DROP:
		drop_story(o, &record->drop);
		break;
	case EVENT_INCIDENT:
		incident_story(o, &record->incident);
		break;
	case EVENT_SOURCE:
		source_story(o, &record->source);
		break;
	case EVENT_CONTROL:
		put_text(o, "", record->control.process);
		out_fmt(o, " %s", reason_text((enum reason)record->head.reason));
		put_text(o, " by ", record->control.operator);
		put_text(o, ": ", record->control.detail);
		break;
	case EVENT_CAPTURE:
		put_text(o, "", record->capture.segment);
		put_text(o, " ", record->capture.action);
		out_fmt(o, ", %llu bytes", (unsigned long long)record->capture.bytes);
		put_text(o, ": ", record->capture.detail);
		break;
	case EVENT_AUDIT:
		audit_story(o, &record->audit);
		break;
	case EVENT_STATS:
		out_fmt(o, "%llu frames passed, %llu stopped, %llu conversations open",
			(unsigned long long)record->stats.passed,
			(unsigned long long)record->stats.dropped,
			(unsigned long long)record->stats.flows_active);
		break;
	case EVENT_ANOMALY:
		put_text(o, "", record->anomaly.kind);
		out_fmt(o, ", %llu frames", (unsigned long long)record->anomaly.count);
		break;
	case EVENT_ALERT:
		alert_story(o, &record->alert);
		break;
	case EVENT_DECODED:
		put_text(o, "", record->decoded.method);
		put_text(o, ": ", record->decoded.text);
		break;
	case EVENT_FINGERPRINT:
		fingerprint_story(o, &record->fingerprint);
		break;
	case EVENT_NONE:
	case EVENT_COUNT:
		break;
	default: /* those of application protocols */
		application_story(o, record);
		break;
	}
}
