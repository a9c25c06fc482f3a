/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in fragments from outside, or between honeypots: which flow they belong to, told by the first
 * fragment. For the flow log only: what leaves is whole (control/whole.h). A small table, the oldest entry
 * of a set gives way. */
#include <string.h>

#include "control/inside.h"

static struct fragment_key key_of(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	return (struct fragment_key){ .src = p->src,
		.dst = p->dst,
		.id = p->fragment_id,
		.version = p->version,
		.proto = p->version == 4 ? p->proto : 0,
		.outbound = j->in_port != GATE_OUTSIDE };
}

/* Outbound and inbound do not share sets: a flood from outside evicts nothing of a honeypot's. */
static struct fragment *set_of(struct judge *j, const struct fragment_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t hash = 0x811c9dc5, set;

	for (size_t i = 0; i < sizeof(*key); i++)
		hash = (hash ^ bytes[i]) * 0x01000193;
	set = (hash ^ hash >> 16) % (FRAGMENT_SETS / 2) + (key->outbound ? FRAGMENT_SETS / 2 : 0);
	return &j->gate->fragment[(size_t)set * FRAGMENT_WAYS];
}

struct fragment *fragment_find(struct judge *j)
{
	struct fragment_key key = key_of(j);
	struct fragment *set = set_of(j, &key);

	for (unsigned i = 0; i < FRAGMENT_WAYS; i++)
		if (set[i].until_ns >= j->now.steady_ns && set[i].until_ns != 0 &&
			memcmp(&set[i].key, &key, sizeof(key)) == 0)
			return &set[i];
	return NULL;
}

void fragment_note(struct judge *j, uint32_t slot)
{
	struct fragment_key key = key_of(j);
	struct fragment *set = set_of(j, &key), *entry = &set[0];

	for (unsigned i = 0; i < FRAGMENT_WAYS; i++) {
		if (memcmp(&set[i].key, &key, sizeof(key)) == 0) {
			entry = &set[i];
			break;
		}
		if (set[i].until_ns < entry->until_ns)
			entry = &set[i];
	}
	*entry = (struct fragment){ .key = key,
		.until_ns = j->now.steady_ns + (int64_t)GATE_FRAGMENT_S * NS_PER_S,
		.slot = slot,
		.flow_id = flow_get(j->gate->table, slot)->id };
}
