/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents and sources as records. */
#include <stdio.h>
#include <string.h>

#include "base/out.h"
#include "incident/inside.h"

static const char *const stage_words[] = { "opened", "raised", "grew", "closed" };
static const char *const level_words[] = { "", "medium", "high", "critical" };
static const char *const joint_words[JOINT_COUNT] = { [JOINT_ENTRY] = "got in",
	[JOINT_CREDENTIAL] = "the same login worked",
	[JOINT_FILE] = "the same file",
	[JOINT_PEER] = "the honeypot spoke to it",
	[JOINT_BEFORE] = "in touch shortly before" };

static const char *pot_text(const struct incidents *in, uint16_t pot, char buf[static IP_TEXT_MAX])
{
	const struct pot *p = &in->pot[pot];

	return p->name[0] ? p->name : ip_text(&p->ip[0], buf);
}

static void put_title(struct incidents *in, const struct incident *inc, enum stage stage)
{
	struct out o = out_make(in->text.title, sizeof(in->text.title));
	const struct remote *intruder = incident_intruder(inc);
	char ip[IP_TEXT_MAX];

	out_fmt(&o, "%s: %s", pot_text(in, inc->pot, ip), inc->headline);
	if (inc->level > LEVEL_MEDIUM && intruder)
		out_fmt(&o, ", after %s %s", ip_text(&intruder->ip, ip),
			intruder->joint == JOINT_BEFORE ? "was in touch" : "got in");
	if (stage == STAGE_CLOSED)
		out_str(&o, "; it is over");
}

/* Members have no numbers of more digits (event/members.c); ours never do. */
static void put_number(struct out *o, const char *name, uint64_t n)
{
	if (n > 0 && n < UINT64_C(1000000000000000000))
		out_fmt(o, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_text(struct out *o, const char *name, const char *at, size_t len)
{
	if (len == 0)
		return;
	out_fmt(o, ",\"%s\":", name);
	out_json_text(o, at, len);
}

static void put_place(struct out *o, const struct place *place)
{
	if (!place)
		return;
	put_text(o, "country", place->country, place->country_len);
	put_number(o, "as_number", place->as_number);
	put_text(o, "as_name", place->as_name, place->as_name_len);
}

static void put_remotes(struct out *o, struct incidents *in, const struct incident *inc)
{
	char ip[IP_TEXT_MAX];

	out_str(o, "\"remotes\":[");
	for (uint32_t i = 0; i < inc->n_remotes; i++) {
		out_fmt(o, "%s{\"ip\":\"%s\",\"why\":\"%s\"", i ? "," : "",
			ip_text(&inc->remote[i].ip, ip), joint_words[inc->remote[i].joint]);
		put_place(o, place_find(in, &inc->remote[i].ip));
		out_char(o, '}');
	}
	out_char(o, ']');
	put_number(o, "more_remotes", different_count(&inc->more_remotes));
}

static void put_sentence(struct out *o, const struct sentence *s)
{
	out_str(o, "{\"time\":\"");
	out_time_eve(o, s->us * 1000);
	out_fmt(o, "\",\"what\":\"%s\",\"text\":", story_word((enum story_kind)s->kind));
	out_json_text(o, s->text, strlen(s->text));
	put_number(o, "flow_id", s->flow);
	put_number(o, "packet", s->packet);
	if (s->times > 1)
		put_number(o, "times", s->times);
	out_char(o, '}');
}

static struct text put_story(struct incidents *in, const struct incident *inc)
{
	struct out o = out_make(in->text.story, sizeof(in->text.story));

	put_remotes(&o, in, inc);
	out_str(&o, ",\"story\":[");
	for (uint32_t i = 0; i < inc->n_story; i++) {
		out_str(&o, i ? "," : "");
		put_sentence(&o, &inc->story[i]);
	}
	out_char(&o, ']');
	put_number(&o, "omitted", inc->omitted);
	return (struct text){ o.at, (uint32_t)o.len };
}

/* As long as the record lives; an empty one if it is not known. `ip` may be NULL. */
static const struct place *keep_place(struct incidents *in, const struct ip *ip)
{
	const struct place *found = ip ? place_find(in, ip) : NULL;

	in->text.place = found ? *found : (struct place){ 0 };
	return &in->text.place;
}

void record_fill(struct incidents *in, const struct incident *inc, enum stage stage,
	struct event_incident *ret_body)
{
	const uint32_t *n = inc->habits.n;
	struct judgement j = class_judge(&inc->habits, CLASS_WORM, in->text.why);
	const struct remote *intruder = incident_intruder(inc);
	const struct place *place = keep_place(in, intruder ? &intruder->ip : NULL);

	put_title(in, inc, stage);
	snprintf(in->text.id, sizeof(in->text.id), "%016llx", (unsigned long long)inc->id);
	*ret_body = (struct event_incident){ .title = text_of(in->text.title),
		.incident_id = text_of(in->text.id),
		.stage = text_of(stage_words[stage]),
		.severity = text_of(level_words[inc->level]),
		.class = text_of(class_word(j.class)),
		.actor = text_of(actor_word(j.actor)),
		.why = text_of(in->text.why),
		.first_ns = inc->first_us * 1000,
		.last_ns = inc->last_us * 1000,
		.logins = n[MEASURE_LOGINS],
		.logins_good = n[MEASURE_LOGINS_GOOD],
		.typed = n[MEASURE_LINES],
		.files = (uint64_t)n[MEASURE_FILES] + n[MEASURE_OUT_FILES],
		.outbound = n[MEASURE_OUT_FLOWS],
		.stopped = n[MEASURE_STOPPED],
		.disarmed = n[MEASURE_DISARMED],
		.story = put_story(in, inc),
		.country = { place->country, place->country_len },
		.as_number = place->as_number,
		.as_name = { place->as_name, place->as_name_len } };
}

void record_of_incident(struct incidents *in, const struct incident *inc, enum stage stage,
	struct record *ret_record)
{
	const struct pot *pot = &in->pot[inc->pot];
	const struct remote *intruder = incident_intruder(inc);
	struct record_head *head = &ret_record->head;

	*ret_record = (struct record){ .type = EVENT_INCIDENT };
	record_fill(in, inc, stage, &ret_record->incident);
	head->time_ns = (stage == STAGE_CLOSED ? in->now_us : inc->last_us) * 1000;
	head->flow_id = inc->flow;
	head->packet = inc->packet;
	head->proto = inc->proto;
	head->honeypot = text_of(pot->name);
	head->direction = DIRECTION_INBOUND;
	head->dst = pot->ip[0];
	if (intruder) {
		head->src = intruder->ip;
		return;
	}
	head->direction = DIRECTION_OUTBOUND;
	head->src = pot->ip[0];
	head->dst = inc->n_peers > 0 ? inc->peer[0] : (struct ip){ 0 };
}

void record_of_source(struct incidents *in, const struct source *source, struct record *ret_record)
{
	const uint32_t *n = source->habits.n;
	struct judgement j = class_judge(&source->habits, CLASS_SCAN, in->text.why);
	const struct place *place = keep_place(in, &source->ip);

	*ret_record = (struct record){ .type = EVENT_SOURCE,
		.head = { .time_ns = source->last_us * 1000,
			.src = source->ip,
			.dst = source->pot,
			.dport = source->port,
			.proto = source->proto,
			.direction = DIRECTION_INBOUND },
		.source = { .class = text_of(class_word(j.class)),
			.actor = text_of(actor_word(j.actor)),
			.why = text_of(in->text.why),
			.first_ns = source->first_us * 1000,
			.last_ns = source->last_us * 1000,
			.flows = n[MEASURE_FLOWS],
			.targets = n[MEASURE_TARGETS],
			.ports = n[MEASURE_PORTS],
			.logins = n[MEASURE_LOGINS],
			.alerts = n[MEASURE_WARNED],
			.fresh = n[MEASURE_NEW_PAYLOAD],
			.unlisted = in->unlisted,
			.country = { place->country, place->country_len },
			.as_number = place->as_number,
			.as_name = { place->as_name, place->as_name_len } } };
	in->unlisted = 0;
}
