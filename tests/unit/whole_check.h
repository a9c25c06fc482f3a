/* SPDX-License-Identifier: Apache-2.0 */
/* whole_check - what must hold of any set of fragments, asked slowly: a map of every byte of the datagram. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/whole.h"
#include "frame/frame.h"

struct whole_map {
	bool there[65536];
	uint8_t byte[65536];
	uint32_t reach, end; /* end 0: no last part */
	bool bad;
};

static inline void whole_map_add(struct whole_map *map, const struct whole_part *part)
{
	struct frame f;
	const struct frame_packet *p = &f.packet[0];

	frame_parse(part->data, part->len, FRAME_LINK_ETHERNET, &f);
	if (f.n_packets != 1 || !p->is_fragment || f.anomalies || part->wire_len != part->len ||
		p->fragment_offset + p->fragment_len > 65535) {
		map->bad = true;
		return;
	}
	for (uint32_t i = 0; i < p->fragment_len; i++) {
		map->bad |= map->there[p->fragment_offset + i];
		map->there[p->fragment_offset + i] = true;
		map->byte[p->fragment_offset + i] = part->data[p->end_at - p->fragment_len + i];
	}
	if (map->reach < (uint32_t)p->fragment_offset + p->fragment_len)
		map->reach = (uint32_t)p->fragment_offset + p->fragment_len;
	map->bad |= p->last_fragment && map->end != 0;
	if (p->last_fragment)
		map->end = (uint32_t)p->fragment_offset + p->fragment_len;
}

/* Whether there is one way only to put it together. */
static inline bool whole_map_is_whole(const struct whole_map *map)
{
	for (uint32_t i = 0; i < map->reach; i++)
		if (!map->there[i])
			return false;
	return map->end > 0 && map->end == map->reach && !map->bad;
}

static inline bool whole_sum_is_right(const uint8_t *header, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The whole against one of its parts and all of its bytes. */
static inline bool whole_datagram_fits(const struct whole_set *set, const struct whole_map *map)
{
	struct frame whole, part;
	const struct frame_packet *w = &whole.packet[0], *p = &part.packet[0];
	uint32_t data_at = set->datagram_len - map->end;

	frame_parse(set->datagram, set->datagram_len, FRAME_LINK_ETHERNET, &whole);
	frame_parse(set->part[0].data, set->part[0].len, FRAME_LINK_ETHERNET, &part);
	if (whole.n_packets == 0 || w->is_fragment || w->end_at != whole.len ||
		data_at > whole.len || data_at <= w->l3_at)
		return false;
	if (memcmp(&whole.src_mac, &part.src_mac, 6) != 0 ||
		memcmp(&whole.dst_mac, &part.dst_mac, 6) != 0 || whole.n_tags != part.n_tags ||
		memcmp(whole.tag, part.tag, sizeof(whole.tag)) != 0)
		return false;
	if (w->version != p->version || !ip_equal(&w->src, &p->src) || !ip_equal(&w->dst, &p->dst))
		return false;
	if (w->version == 4 && (w->l4_at != data_at || !whole_sum_is_right(whole.data + w->l3_at,
							       data_at - w->l3_at)))
		return false;
	return memcmp(whole.data + data_at, map->byte, map->end) == 0;
}

static inline bool whole_set_holds(const struct whole_set *set)
{
	static struct whole_map map;

	if (set->n == 0 || (set->fault == WHOLE_COMPLETE) != (set->datagram != NULL))
		return false;
	if (set->fault != WHOLE_COMPLETE)
		return set->n <= WHOLE_PARTS_MAX + 1;
	memset(map.there, 0, sizeof(map.there));
	map.reach = map.end = 0;
	map.bad = false;
	for (unsigned i = 0; i < set->n; i++)
		whole_map_add(&map, &set->part[i]);
	return set->n <= WHOLE_PARTS_MAX && whole_map_is_whole(&map) &&
	       whole_datagram_fits(set, &map);
}
