/* SPDX-License-Identifier: Apache-2.0 */
/* The state in bytes: what is used of each table as it lies in memory, for the same program on the same machine.
 * Who reads it back checks what it indexes by. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "incident/inside.h"

/* A change of the tables (*.def) or of what is kept is another one; sizes are compared besides. */
enum { SAVE_VERSION = 4 };

struct save_head {
	uint64_t version;
	uint32_t size_incident, size_source, size_pot, size_place, size_known, size_tried;
	uint32_t n_incidents, n_sources, n_pots, n_places;
	int64_t now_us;
	uint64_t told, unlisted;
	struct incidents_counts counts;
	uint64_t started;
};

static struct save_head head_of(const struct incidents *in)
{
	struct save_head head = { .version = SAVE_VERSION,
		.size_incident = sizeof(struct incident),
		.size_source = sizeof(struct source),
		.size_pot = sizeof(struct pot),
		.size_place = sizeof(struct place),
		.size_known = sizeof(in->known),
		.size_tried = sizeof(in->tried),
		.n_sources = in->counts.following,
		.n_pots = in->n_pots,
		.now_us = in->now_us,
		.told = in->told,
		.unlisted = in->unlisted,
		.counts = in->counts,
		.started = in->started };

	for (unsigned i = 0; i < INCIDENTS_MAX; i++)
		head.n_incidents += in->incident[i].used;
	for (unsigned i = 0; i < PLACES_MAX; i++)
		head.n_places += !ip_is_unset(&in->place[i].ip);
	return head;
}

static size_t size_of(const struct save_head *head)
{
	return sizeof(*head) + head->size_known + head->size_tried +
	       head->n_incidents * sizeof(struct incident) +
	       head->n_sources * sizeof(struct source) + head->n_pots * sizeof(struct pot) +
	       head->n_places * sizeof(struct place);
}

size_t incidents_save_size(const struct incidents *in)
{
	struct save_head head = head_of(in);

	return size_of(&head);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

size_t incidents_save(const struct incidents *in, void *buf, size_t size)
{
	struct save_head head = head_of(in);
	uint8_t *at = buf;

	if (size < size_of(&head))
		return 0;
	at = put(at, &head, sizeof(head));
	at = put(at, in->known, sizeof(in->known));
	at = put(at, in->tried, sizeof(in->tried));
	/* The one used last of a set comes last, as it was put in. */
	for (unsigned i = PLACES_MAX; i-- > 0;)
		if (!ip_is_unset(&in->place[i].ip))
			at = put(at, &in->place[i], sizeof(struct place));
	at = put(at, in->pot, head.n_pots * sizeof(struct pot));
	for (unsigned i = 0; i < INCIDENTS_MAX; i++)
		if (in->incident[i].used)
			at = put(at, &in->incident[i], sizeof(struct incident));
	for (int32_t i = in->oldest; i >= 0; i = in->link[i].newer)
		at = put(at, &in->source[i], sizeof(struct source));
	return size_of(&head);
}

/* ---- and back ---- */

static bool text_ok(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool sentence_ok(const struct sentence *s)
{
	return s->flow <= RECORD_U64_MAX && s->packet <= RECORD_U64_MAX &&
	       s->times <= RECORD_U64_MAX && s->kind < STORY_COUNT &&
	       text_ok(s->text, sizeof(s->text));
}

static bool times_ok(int64_t us)
{
	return us >= INT64_MIN / 1000 && us <= INT64_MAX / 1000;
}

static bool habits_ok(const struct habits *h)
{
	return times_ok(h->run_us) && times_ok(h->typed_us) && times_ok(h->gap_us);
}

static bool events_ok(const struct pot_event *events)
{
	for (unsigned i = 0; i < POT_EVENTS_MAX; i++)
		if (!times_ok(events[i].us) || !times_ok(events[i].until_us) ||
			events[i].flow > RECORD_U64_MAX || events[i].packet > RECORD_U64_MAX)
			return false;
	return true;
}

static bool incident_ok(const struct incident *inc, uint32_t n_pots)
{
	bool ok = inc->used == 1 && inc->place < INCIDENTS_MAX && inc->dirty <= 1 &&
		  habits_ok(&inc->habits) && inc->level > LEVEL_NONE &&
		  inc->level <= LEVEL_CRITICAL && inc->told_level <= LEVEL_CRITICAL &&
		  inc->pot < n_pots && inc->n_remotes <= REMOTES_MAX && inc->n_peers <= PEERS_MAX &&
		  inc->n_credentials <= CREDENTIALS_MAX && inc->n_files <= HASHES_MAX &&
		  inc->n_story <= STORY_MAX && times_ok(inc->opened_us) &&
		  times_ok(inc->first_us) && times_ok(inc->last_us) && times_ok(inc->touched_us) &&
		  times_ok(inc->told_us) && inc->flow <= RECORD_U64_MAX &&
		  inc->packet <= RECORD_U64_MAX && inc->omitted <= RECORD_U64_MAX &&
		  text_ok(inc->headline, sizeof(inc->headline));

	for (uint32_t i = 0; ok && i < inc->n_remotes; i++)
		ok = inc->remote[i].joint < JOINT_COUNT;
	for (uint32_t i = 0; ok && i < inc->n_story; i++)
		ok = sentence_ok(&inc->story[i]) && times_ok(inc->story[i].us);
	return ok;
}

static bool source_ok(const struct source *s)
{
	bool ok = s->n_notes <= NOTES_MAX && habits_ok(&s->habits) && s->entered <= 1 &&
		  times_ok(s->first_us) && times_ok(s->last_us) && times_ok(s->touched_us);

	for (unsigned i = 0; ok && i < s->n_notes; i++)
		ok = sentence_ok(&s->note[i]) && times_ok(s->note[i].us);
	return ok;
}

static bool pot_ok(const struct pot *p)
{
	return p->n_ips <= POT_ADDRESSES_MAX && (p->n_ips > 0 || p->name[0]) &&
	       text_ok(p->name, sizeof(p->name)) && times_ok(p->touched_us) &&
	       events_ok(p->quiet) && events_ok(p->began) && events_ok(p->contact);
}

static bool head_ok(const struct save_head *head, size_t size)
{
	const struct incidents *in = NULL;

	return head->version == SAVE_VERSION && head->size_incident == sizeof(struct incident) &&
	       head->size_source == sizeof(struct source) && head->size_pot == sizeof(struct pot) &&
	       head->size_known == sizeof(in->known) && head->size_tried == sizeof(in->tried) &&
	       head->n_incidents < INCIDENTS_MAX && head->n_sources < SOURCES_MAX &&
	       head->n_pots <= POTS_MAX && head->size_place == sizeof(struct place) &&
	       head->n_places <= PLACES_MAX && head->counts.open == head->n_incidents &&
	       head->counts.following == head->n_sources && times_ok(head->now_us) &&
	       head->started <= 1 && head->told <= RECORD_U64_MAX &&
	       head->unlisted <= RECORD_U64_MAX && size == size_of(head);
}

static bool load_sources(struct incidents *in, const uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct source)) {
		struct source source, *place;

		memcpy(&source, at, sizeof(source));
		if (!source_ok(&source) || source_find(in, &source.ip))
			return false;
		place = source_get(in, &source.ip);
		*place = source;
	}
	return true;
}

/* Into their rows: of several that are due the first row is told first. */
static bool load_incidents(struct incidents *in, const uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct incident)) {
		struct incident inc;

		memcpy(&inc, at, sizeof(inc));
		if (!incident_ok(&inc, in->n_pots) || in->incident[inc.place].used)
			return false;
		in->incident[inc.place] = inc;
	}
	return true;
}

static bool load_places(struct incidents *in, const uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct place)) {
		struct place place;

		memcpy(&place, at, sizeof(place));
		if (ip_is_unset(&place.ip) || place.country_len > sizeof(place.country) ||
			place.as_name_len > sizeof(place.as_name))
			return false;
		place_put(in, &place);
	}
	return true;
}

static bool load_pots(struct incidents *in, const uint8_t *at, uint32_t n)
{
	in->n_pots = n;
	memcpy(in->pot, at, n * sizeof(struct pot));
	for (uint32_t i = 0; i < n; i++)
		if (!pot_ok(&in->pot[i]))
			return false;
	return true;
}

static bool load(struct incidents *in, const uint8_t *at, size_t size)
{
	struct save_head head;

	if (size < sizeof(head))
		return false;
	memcpy(&head, at, sizeof(head));
	if (!head_ok(&head, size))
		return false;
	at += sizeof(head);
	memcpy(in->known, at, sizeof(in->known));
	at += sizeof(in->known);
	memcpy(in->tried, at, sizeof(in->tried));
	at += sizeof(in->tried);
	if (!load_places(in, at, head.n_places))
		return false;
	at += head.n_places * sizeof(struct place);
	if (!load_pots(in, at, head.n_pots))
		return false;
	at += head.n_pots * sizeof(struct pot);
	if (!load_incidents(in, at, head.n_incidents))
		return false;
	at += head.n_incidents * sizeof(struct incident);
	if (!load_sources(in, at, head.n_sources))
		return false;
	in->now_us = head.now_us;
	in->told = head.told;
	in->unlisted = head.unlisted;
	in->counts = head.counts;
	in->started = head.started;
	return true;
}

/* As incidents_new() makes it. */
static void clear(struct incidents *in)
{
	while (source_oldest(in))
		source_drop(in, source_oldest(in));
	for (unsigned i = 0; i < INCIDENTS_MAX; i++)
		in->incident[i].used = false;
	memset(in->known, 0, sizeof(in->known));
	memset(in->tried, 0, sizeof(in->tried));
	memset(in->place, 0, sizeof(in->place));
	in->n_pots = 0;
	in->now_us = 0;
	in->told = in->unlisted = 0;
	in->started = in->finishing = false;
	in->counts = (struct incidents_counts){ 0 };
}

int incidents_load(struct incidents *in, const void *buf, size_t size)
{
	clear(in);
	if (load(in, buf, size))
		return 0;
	clear(in);
	return -EBADMSG;
}
