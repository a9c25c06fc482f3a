/* SPDX-License-Identifier: Apache-2.0 */
/* The intrusions: what opens one, what belongs to it, when it is told of and when it is over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "incident/inside.h"

static const int64_t second_us = 1000000;

int incidents_new(struct incidents **ret_incidents)
{
	struct incidents *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	source_reset(in);
	*ret_incidents = in;
	return 0;
}

struct incidents *incidents_free(struct incidents *in)
{
	free(in);
	return NULL;
}

struct incidents_counts incidents_counts(const struct incidents *in)
{
	return in->counts;
}

uint64_t incidents_told(const struct incidents *in)
{
	return in->told;
}

void incidents_renumber(struct incidents *in, uint64_t told)
{
	in->told = told;
}

void incidents_finish(struct incidents *in)
{
	in->finishing = true;
}

/* ---- which one ---- */

static bool has_remote(const struct incident *inc, const struct ip *ip)
{
	for (uint32_t i = 0; i < inc->n_remotes; i++)
		if (ip_equal(&inc->remote[i].ip, ip))
			return true;
	return false;
}

static bool has_peer(const struct incident *inc, const struct ip *ip)
{
	for (uint32_t i = 0; i < inc->n_peers; i++)
		if (ip_equal(&inc->peer[i], ip))
			return true;
	return false;
}

static bool has_hash(const uint64_t *hashes, uint32_t n, uint64_t hash)
{
	for (uint32_t i = 0; i < n && hash != 0; i++)
		if (hashes[i] == hash)
			return true;
	return false;
}

struct incident *incident_of_remote(struct incidents *in, uint16_t pot, const struct ip *remote)
{
	for (unsigned i = 0; i < INCIDENTS_MAX; i++) {
		struct incident *inc = &in->incident[i];

		if (inc->used && inc->pot == pot && has_remote(inc, remote))
			return inc;
	}
	return NULL;
}

struct incident *incident_current(struct incidents *in, uint16_t pot)
{
	struct incident *found = NULL;

	for (unsigned i = 0; i < INCIDENTS_MAX; i++) {
		struct incident *inc = &in->incident[i];

		if (inc->used && inc->pot == pot &&
			(!found || inc->touched_us > found->touched_us ||
				(inc->touched_us == found->touched_us &&
					inc->last_us > found->last_us)))
			found = inc;
	}
	return found;
}

const struct remote *incident_intruder(const struct incident *inc)
{
	for (uint32_t i = 0; i < inc->n_remotes; i++)
		if (inc->remote[i].joint != JOINT_BEFORE)
			return &inc->remote[i];
	return inc->n_remotes > 0 ? &inc->remote[0] : NULL;
}

/* How the intruder got in is not known, or guessed. */
static bool seeks_entry(const struct incident *inc)
{
	const struct remote *intruder = incident_intruder(inc);

	return !intruder || intruder->joint == JOINT_BEFORE;
}

/* He has not guessed it, nor does everybody: who used it before has told it to him, or is he. What guessers find
 * each for himself makes them no company. */
static bool credential_tells(const struct incidents *in, const struct view *v, uint64_t credential)
{
	const uint32_t *n = v->source ? v->source->habits.n : NULL;

	return n && n[MEASURE_LOGINS] == n[MEASURE_LOGINS_GOOD] &&
	       tried_by(in, credential) <= TRIED_FEW;
}

/* The open one of this honeypot that somebody new belongs to, and why. */
static struct incident *find_joint(struct incidents *in, const struct view *v, uint64_t credential,
	uint64_t file, enum joint *ret_joint)
{
	for (unsigned i = 0; i < INCIDENTS_MAX; i++) {
		struct incident *inc = &in->incident[i];

		if (!inc->used || inc->pot != v->pot)
			continue;
		if (has_hash(inc->credential, inc->n_credentials, credential) &&
			credential_tells(in, v, credential))
			*ret_joint = JOINT_CREDENTIAL;
		else if (has_hash(inc->file, inc->n_files, file))
			*ret_joint = JOINT_FILE;
		else if (has_peer(inc, &v->remote))
			*ret_joint = JOINT_PEER;
		else if (seeks_entry(inc) && v->us <= inc->opened_us + second_us &&
			 inc->opened_us - v->us <= ENTRY_S * second_us)
			*ret_joint = JOINT_BEFORE;
		else
			continue;
		return inc;
	}
	return NULL;
}

/* ---- opening and growing ---- */

/* Who was taken for somebody who may have got in, and then does what shows that he did, has. */
static void add_remote(struct incident *inc, const struct ip *ip, enum joint joint)
{
	for (uint32_t i = 0; i < inc->n_remotes; i++)
		if (ip_equal(&inc->remote[i].ip, ip)) {
			if (inc->remote[i].joint == JOINT_BEFORE)
				inc->remote[i].joint = (uint8_t)joint;
			return;
		}
	if (inc->n_remotes == REMOTES_MAX)
		(void)different_add(&inc->more_remotes, hash_ip(ip));
	else
		inc->remote[inc->n_remotes++] =
			(struct remote){ .ip = *ip, .joint = (uint8_t)joint };
}

static void add_hash(uint64_t *hashes, uint32_t *n, uint32_t max, uint64_t hash)
{
	if (hash != 0 && *n < max && !has_hash(hashes, *n, hash))
		hashes[(*n)++] = hash;
}

void incident_touch(struct incidents *in, struct incident *inc, const struct view *v)
{
	if (v->us < inc->first_us)
		inc->first_us = v->us;
	if (v->us > inc->last_us)
		inc->last_us = v->us;
	inc->touched_us = in->now_us;
	inc->dirty = true;
}

static uint64_t make_id(const struct view *v)
{
	uint64_t hash = hash_bytes(0, v->pot_ip.byte, sizeof(v->pot_ip.byte));
	uint64_t flow = v->record->head.flow_id;

	hash = hash_bytes(hash, &v->us, sizeof(v->us));
	return hash_bytes(hash, &flow, sizeof(flow));
}

/* incidents_next() sees to it that there is a place. */
static struct incident *free_place(struct incidents *in)
{
	struct incident *oldest = &in->incident[0];

	for (unsigned i = 0; i < INCIDENTS_MAX; i++) {
		if (!in->incident[i].used)
			return &in->incident[i];
		if (in->incident[i].touched_us < oldest->touched_us)
			oldest = &in->incident[i];
	}
	return oldest;
}

static struct incident *open_incident(struct incidents *in, const struct view *v)
{
	struct incident *inc = free_place(in);

	memset(inc, 0, sizeof(*inc));
	inc->used = true;
	inc->place = (uint8_t)(inc - in->incident);
	inc->pot = v->pot;
	inc->id = make_id(v);
	inc->flow = v->record->head.flow_id;
	inc->packet = packet_of(v->record);
	inc->proto = v->record->head.proto;
	inc->opened_us = inc->first_us = inc->last_us = v->us;
	in->counts.opened++;
	in->counts.open++;
	return inc;
}

/* What he did before he got in belongs to the story. */
static void bring_source(struct incident *inc, struct source *source, enum joint joint)
{
	if (!source || has_remote(inc, &source->ip))
		return;
	add_remote(inc, &source->ip, joint);
	habit_merge(&inc->habits, &source->habits);
	for (unsigned i = 0; i < source->n_notes; i++)
		story_add(inc, &source->note[i]);
	if (source->first_us < inc->first_us &&
		inc->first_us - source->first_us <= ENTRY_S * second_us)
		inc->first_us = source->first_us;
	source->entered = true;
}

static void rise_to(struct incident *inc, enum level level, const char *headline)
{
	if (level <= inc->level)
		return;
	inc->level = (uint8_t)level;
	snprintf(inc->headline, sizeof(inc->headline), "%s", headline);
}

void incident_learn(struct incident *inc, uint64_t credential)
{
	add_hash(inc->credential, &inc->n_credentials, CREDENTIALS_MAX, credential);
}

void incident_enter(struct incidents *in, struct view *v, const struct sentence *sentence,
	uint64_t credential, uint64_t file)
{
	enum joint joint = JOINT_BEFORE;
	char headline[TEXT_SIZE], remote[IP_TEXT_MAX];

	if (!v->incident) {
		v->incident = find_joint(in, v, credential, file, &joint);
		if (!v->incident)
			v->incident = open_incident(in, v);
		bring_source(v->incident, v->source, joint);
	}
	add_remote(v->incident, &v->remote, joint == JOINT_BEFORE ? JOINT_ENTRY : joint);
	incident_learn(v->incident, credential);
	add_hash(v->incident->file, &v->incident->n_files, HASHES_MAX, file);
	story_add(v->incident, sentence);
	incident_touch(in, v->incident, v);
	snprintf(headline, sizeof(headline), "%s got in (%s)", ip_text(&v->remote, remote),
		story_word((enum story_kind)sentence->kind));
	rise_to(v->incident, LEVEL_MEDIUM, headline);
}

/* Who was in touch with it last before it began to act: whoever did something notable comes first. */
static void find_entry(struct incidents *in, struct incident *inc, const struct view *v)
{
	const struct pot *pot = &in->pot[inc->pot];
	const struct pot_event *best = NULL;
	struct source *source;
	bool best_notable = false;

	for (unsigned i = 0; i < POT_EVENTS_MAX; i++) {
		const struct pot_event *e = &pot->contact[i];
		bool notable;

		if (ip_is_unset(&e->ip) || e->us > v->us ||
			v->us - e->until_us > ENTRY_S * second_us)
			continue;
		source = source_find(in, &e->ip);
		notable = source && source->n_notes > 0;
		if (!best || (notable && !best_notable) ||
			(notable == best_notable && e->us > best->us)) {
			best = e;
			best_notable = notable;
		}
	}
	if (!best)
		return;
	source = source_find(in, &best->ip);
	if (source)
		bring_source(inc, source, JOINT_BEFORE);
	add_remote(inc, &best->ip, JOINT_BEFORE);
}

static void add_peer(struct incident *inc, const struct ip *ip)
{
	if (inc->n_peers < PEERS_MAX && !has_peer(inc, ip))
		inc->peer[inc->n_peers++] = *ip;
}

static const char *deed_of(const struct view *v, enum level level, const struct sentence *sentence)
{
	if (sentence->kind == STORY_REWRITTEN)
		return "what it sends out was rewritten";
	if (level == LEVEL_CRITICAL || sentence->kind == STORY_BLOCKED)
		return "what it sends out was stopped";
	return v->record->head.direction == DIRECTION_INTERNAL
		       ? "it began a conversation with another honeypot"
		       : "it began a conversation with the outside";
}

void incident_act(
	struct incidents *in, struct view *v, enum level level, const struct sentence *sentence)
{
	char headline[TEXT_SIZE], remote[IP_TEXT_MAX];

	if (!v->incident) {
		v->incident = open_incident(in, v);
		find_entry(in, v->incident, v);
	}
	if (v->outbound)
		add_peer(v->incident, &v->remote);
	if (sentence)
		story_add(v->incident, sentence);
	incident_touch(in, v->incident, v);
	if (sentence) {
		snprintf(headline, sizeof(headline), "%s (%s)", deed_of(v, level, sentence),
			ip_text(&v->remote, remote));
		rise_to(v->incident, level, headline);
	}
}

void incident_notice(struct incidents *in, struct view *v, const struct sentence *sentence)
{
	enum joint joint;

	source_note(v->source, sentence);
	if (!v->incident) {
		struct incident *inc = find_joint(in, v, 0, 0, &joint);

		if (!inc)
			return;
		bring_source(inc, v->source, joint);
		v->incident = inc;
		incident_touch(in, inc, v);
		return;
	}
	story_add(v->incident, sentence);
	incident_touch(in, v->incident, v);
}

void incident_backdoor(struct incidents *in, struct view *v, const struct pot_event *quiet,
	const struct pot_event *began)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX], proto[8];
	struct sentence s = { .us = quiet->us,
		.flow = quiet->flow,
		.packet = quiet->packet,
		.times = 1,
		.kind = STORY_BACKDOOR };
	struct source *source = source_find(in, &quiet->ip);
	struct incident *inc = incident_current(in, v->pot);

	if (!inc)
		return; /* what it began has opened one */
	snprintf(s.text, sizeof(s.text), "%s from %s, unanswered; %lld s later it began with %s",
		ip_proto_name(quiet->proto, proto), ip_text(&quiet->ip, from),
		(long long)((began->us - quiet->us) / second_us), ip_text(&began->ip, to));
	bring_source(inc, source, JOINT_BEFORE);
	add_remote(inc, &quiet->ip, JOINT_BEFORE);
	habit_add(&inc->habits, MEASURE_BACKDOORS, 1);
	story_add(inc, &s);
	incident_touch(in, inc, v);
}

void incident_contact(struct incidents *in, struct view *v, const struct pot_event *contact,
	const struct sentence *sentence)
{
	struct incident *inc = v->incident ? v->incident : incident_current(in, v->pot);

	if (!inc || (inc != v->incident &&
			    (inc->n_remotes > 0 || contact->us > inc->opened_us ||
				    inc->opened_us - contact->until_us > ENTRY_S * second_us)))
		return;
	bring_source(inc, v->source, JOINT_BEFORE);
	story_add(inc, sentence);
	incident_touch(in, inc, v);
}

/* ---- what is told ---- */

static void was_told(const struct incidents *in, struct incident *inc)
{
	inc->told_level = inc->level;
	inc->told_us = in->now_us;
	inc->dirty = false;
}

void incident_adopt(struct incidents *in, struct incident *inc, struct record *record)
{
	enum stage stage = inc->told_level == LEVEL_NONE  ? STAGE_OPENED
			   : inc->level > inc->told_level ? STAGE_RAISED
							  : STAGE_GREW;

	record_fill(in, inc, stage, &record->incident);
	was_told(in, inc);
}

static void tell(
	struct incidents *in, struct incident *inc, enum stage stage, struct record *record)
{
	record_of_incident(in, inc, stage, record);
	was_told(in, inc);
	if (stage == STAGE_CLOSED) {
		inc->used = false;
		in->counts.closed++;
		in->counts.open--;
	}
}

static bool is_idle(const struct incidents *in, const struct incident *inc)
{
	return in->finishing || in->now_us - inc->touched_us > INCIDENT_IDLE_S * second_us;
}

static bool tell_of_one(struct incidents *in, struct incident *inc, struct record *record)
{
	if (inc->told_level == LEVEL_NONE)
		tell(in, inc, STAGE_OPENED, record);
	else if (inc->level > inc->told_level)
		tell(in, inc, STAGE_RAISED, record);
	else if (is_idle(in, inc))
		tell(in, inc, STAGE_CLOSED, record);
	else if (inc->dirty && in->now_us - inc->told_us >= INCIDENT_TELL_S * second_us)
		tell(in, inc, STAGE_GREW, record);
	else
		return false;
	return true;
}

/* One place is kept free for the next. */
static bool close_oldest(struct incidents *in, struct record *record)
{
	if (in->counts.open < INCIDENTS_MAX)
		return false;
	in->counts.crowded_out++;
	tell(in, free_place(in), STAGE_CLOSED, record);
	return true;
}

/* One that was seen once, a spoofed one perhaps, has no record of its own when there is no room. */
static bool is_fleeting(const struct source *source)
{
	return source->habits.n[MEASURE_FLOWS] <= 1 && source->n_notes == 0;
}

static bool tell_of_source(struct incidents *in, struct record *record)
{
	struct source *source;

	while ((source = source_oldest(in)) != NULL) {
		bool idle = in->finishing ||
			    in->now_us - source->touched_us > SOURCE_IDLE_S * second_us;
		bool full = source_is_full(in);
		bool tells = !source->entered && source->habits.n[MEASURE_FLOWS] > 0;

		if (!idle && !full)
			return false;
		if (tells && !idle && is_fleeting(source)) {
			in->counts.unlisted++;
			in->unlisted++;
			tells = false;
		}
		if (tells)
			record_of_source(in, source, record);
		source_drop(in, source);
		if (tells) {
			in->counts.sources++;
			return true;
		}
	}
	return false;
}

bool incidents_next(struct incidents *in, struct record *ret_record)
{
	bool found = false;

	if (!in->started)
		return false;
	for (unsigned i = 0; i < INCIDENTS_MAX && !found && in->counts.open > 0; i++)
		found = in->incident[i].used && tell_of_one(in, &in->incident[i], ret_record);
	if (!found)
		found = close_oldest(in, ret_record) || tell_of_source(in, ret_record);
	in->told += found;
	return found;
}
