/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thresholds, filters and marks of addresses: a table of what has been counted. Who is asked about
 * is hashed with a secret key, so that nobody can choose what falls together; when a row is full,
 * what is oldest in it goes.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frame/frame.h"
#include "rules/engine.h"
#include "rules/parse.h"

#define TRACK_WAYS 8
#define TRACK_ROWS (RULES_TRACKED_MAX / TRACK_WAYS)
#define SECOND     INT64_C(1000000000)

enum track_kind { TRACK_FREE, TRACK_THRESHOLD, TRACK_FILTER, TRACK_RATE, TRACK_XBIT };

struct track_key {
	struct ip a, b;  /* zero: not asked about */
	int64_t flow;    /* of a conversation: when it began */
	uint32_t number; /* of the rule or the mark */
	uint8_t kind;
	uint8_t track;
	uint8_t pad[2];
};

struct track_entry {
	struct track_key key;
	uint32_t count, next; /* next: backoff, rate_filter */
	int64_t since_ns, until_ns;
	int64_t used_ns;
};

struct track {
	uint8_t secret[crypto_shorthash_KEYBYTES];
	struct track_entry entry[TRACK_ROWS][TRACK_WAYS];
};

struct track *track_new(void)
{
	/* Zero where it is first used: megabytes that calloc() would fill at once in a heap that had them before. */
	struct track *track = mmap(
		NULL, sizeof(*track), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (track == MAP_FAILED)
		return NULL;
	randombytes_buf(track->secret, sizeof(track->secret));
	return track;
}

struct track *track_free(struct track *track)
{
	if (track)
		munmap(track, sizeof(*track));
	return NULL;
}

static struct track_key key_of(
	const struct rules_unit *unit, enum track_kind kind, uint32_t number, enum rule_track track)
{
	const struct frame_packet *packet = unit->packet;
	struct track_key key = { .number = number, .kind = (uint8_t)kind, .track = (uint8_t)track };

	if (!packet)
		return key;
	switch (track) {
	case RULE_TRACK_SRC:
		key.a = packet->src;
		break;
	case RULE_TRACK_DST:
		key.a = packet->dst;
		break;
	case RULE_TRACK_FLOW:
	case RULE_TRACK_TX:
		key.flow = unit->flow_start_ns;
		__attribute__((fallthrough));
	case RULE_TRACK_PAIR: /* both ways are one */
		key.a = memcmp(&packet->src, &packet->dst, sizeof(struct ip)) < 0 ? packet->src
										  : packet->dst;
		key.b = ip_equal(&key.a, &packet->src) ? packet->dst : packet->src;
		break;
	default:
		break;
	}
	return key;
}

static struct track_entry *row_of(struct track *track, const struct track_key *key)
{
	union {
		uint8_t byte[crypto_shorthash_BYTES];
		uint64_t number;
	} hash;

	crypto_shorthash(hash.byte, (const uint8_t *)key, sizeof(*key), track->secret);
	return track->entry[hash.number % TRACK_ROWS];
}

static struct track_entry *find(struct track *track, const struct track_key *key)
{
	struct track_entry *row = row_of(track, key);

	for (unsigned i = 0; i < TRACK_WAYS; i++)
		if (memcmp(&row[i].key, key, sizeof(*key)) == 0)
			return &row[i];
	return NULL;
}

static struct track_entry *find_or_add(
	struct track *track, const struct track_key *key, int64_t now_ns)
{
	struct track_entry *entry = find(track, key), *row = row_of(track, key);

	if (!entry) {
		entry = row;
		for (unsigned i = 1; i < TRACK_WAYS && entry->key.kind != TRACK_FREE; i++)
			if (row[i].key.kind == TRACK_FREE || row[i].used_ns < entry->used_ns)
				entry = &row[i];
		*entry = (struct track_entry){ .key = *key, .since_ns = now_ns };
	}
	entry->used_ns = now_ns;
	return entry;
}

/* ------------------------------------------------------------------ xbits */

bool track_check_bits(
	struct rules *rules, const struct rules_unit *unit, const struct rule_bits *bits)
{
	bool want = bits->command == RULE_BIT_ISSET;

	for (unsigned i = 0; i < bits->n; i++) {
		struct track_key key = key_of(unit, TRACK_XBIT, bits->name[i], bits->track);
		const struct track_entry *entry = find(rules->track, &key);
		bool set = entry && (!entry->until_ns || unit->wall_ns < entry->until_ns);

		if ((set == want) != bits->all)
			return set == want;
	}
	return bits->all;
}

static void change_bit(struct rules *rules, const struct rules_unit *unit,
	const struct rule_bits *bits, const struct track_key *key)
{
	struct track_entry *entry = find(rules->track, key);
	bool set = entry && (!entry->until_ns || unit->wall_ns < entry->until_ns);

	if (bits->command == RULE_BIT_UNSET || (bits->command == RULE_BIT_TOGGLE && set)) {
		if (entry)
			memset(entry, 0, sizeof(*entry));
		return;
	}
	entry = find_or_add(rules->track, key, unit->wall_ns);
	entry->until_ns = bits->expire_s ? unit->wall_ns + bits->expire_s * SECOND : 0;
}

void track_change_bits(
	struct rules *rules, const struct rules_unit *unit, const struct rule_bits *bits)
{
	for (unsigned i = 0; i < bits->n; i++) {
		struct track_key key = key_of(unit, TRACK_XBIT, bits->name[i], bits->track);

		change_bit(rules, unit, bits, &key);
	}
}

/* ------------------------------------------------------------------ thresholds */

static struct track_entry *entry_of(
	struct look *look, enum track_kind kind, const struct rule_threshold *threshold)
{
	const struct rules_unit *unit = look->unit;
	struct track_key key = key_of(unit, kind, look->number, threshold->track);

	return find_or_add(look->rules->track, &key, unit->wall_ns);
}

/* Counts one; a window that has passed begins anew. True: it did, or is the first. */
static bool count(struct track_entry *entry, const struct rule_threshold *threshold, int64_t now_ns)
{
	bool fresh = entry->count == 0 && entry->next == 0;

	if (fresh || now_ns - entry->since_ns >= threshold->seconds * SECOND) {
		entry->since_ns = now_ns;
		entry->count = 1;
		return true;
	}
	entry->count++;
	return false;
}

bool track_filter(struct look *look, const struct rule_threshold *filter)
{
	struct track_entry *entry = entry_of(look, TRACK_FILTER, filter);

	count(entry, filter, look->unit->wall_ns);
	return entry->count > filter->count;
}

/* Beyond so many in so many seconds the action is another one, for a time. */
static void filter_rate(struct look *look, const struct rule_threshold *threshold, uint8_t *action)
{
	struct track_entry *entry = entry_of(look, TRACK_RATE, threshold);
	int64_t now = look->unit->wall_ns;

	if (entry->until_ns > now) {
		*action = (uint8_t)threshold->action;
		return;
	}
	count(entry, threshold, now);
	if (entry->count > threshold->count) {
		entry->until_ns = now + threshold->timeout_s * SECOND;
		*action = (uint8_t)threshold->action;
		entry->count = 0;
	}
}

/* Told at `count`, then each time when `multiplier` times as many have come. */
static bool backs_off(struct track_entry *entry, const struct rule_threshold *threshold)
{
	if (!entry->next)
		entry->next = threshold->count ? threshold->count : 1;
	entry->count++;
	if (entry->count != entry->next)
		return false;
	if (threshold->multiplier > 1 && entry->next <= UINT32_MAX / threshold->multiplier)
		entry->next *= threshold->multiplier;
	else
		entry->next += threshold->count ? threshold->count : 1;
	return true;
}

static bool within_threshold(struct look *look, const struct rule_threshold *threshold)
{
	struct track_entry *entry = entry_of(look, TRACK_THRESHOLD, threshold);

	if (threshold->type == RULE_FILTER_BACKOFF)
		return backs_off(entry, threshold);
	count(entry, threshold, look->unit->wall_ns);
	switch (threshold->type) {
	case RULE_FILTER_LIMIT:
		return entry->count <= threshold->count;
	case RULE_FILTER_BOTH:
		return entry->count == threshold->count;
	case RULE_FILTER_THRESHOLD:
		if (entry->count < threshold->count)
			return false;
		entry->count = 0;
		return true;
	default:
		return true;
	}
}

static bool is_suppressed(struct look *look)
{
	const struct frame_packet *packet = look->unit->packet;
	struct rules *rules = look->rules;

	for (uint32_t i = 0; i < rules->head->suppress.n; i++) {
		const struct image_suppress *entry = &rules->suppress[i];
		bool src, dst;

		if ((entry->gid && entry->gid != look->rule->gid) ||
			(entry->sid && entry->sid != look->rule->sid))
			continue;
		src = packet && entry->by != RULES_SUPPRESS_DST &&
		      head_in_nets(rules, entry->nets, &packet->src);
		dst = packet && entry->by != RULES_SUPPRESS_SRC &&
		      head_in_nets(rules, entry->nets, &packet->dst);
		if (entry->by == RULES_SUPPRESS_ALL || src || dst)
			return true;
	}
	return false;
}

bool track_tells(struct look *look, uint8_t *action)
{
	const struct rule_threshold *threshold = &look->rule->threshold;

	if (look->rule->flags & IMAGE_RATE)
		filter_rate(look, &look->rule->rate_filter, action);
	if (is_suppressed(look))
		return false;
	/* A detection_filter was a condition. */
	return !(look->rule->flags & IMAGE_THRESHOLD) ||
	       threshold->type == RULE_FILTER_DETECTION_FILTER || within_threshold(look, threshold);
}
