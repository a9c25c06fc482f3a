/* SPDX-License-Identifier: Apache-2.0 */
#include "control/whole.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cur.h"
#include "base/inet_sum.h"
#include "frame/frame.h"

enum {
	WAYS = 64, /* keys of a set */
	SETS = WHOLE_KEYS_MAX / WAYS,
	IP6_HEADER = 40,
	IP6_NEXT = 6,
	FRAGMENT_HEADER = 8,
	EXT_FRAGMENT = 44,
	EXT_AH = 51,
	LINK_MAX = 14 + 4 * FRAME_TAGS_MAX,
	LENGTH_MAX = 65535, /* IPv4: with the header; IPv6: behind the fixed header */
	DATAGRAM_MAX = LINK_MAX + IP6_HEADER + LENGTH_MAX,
};
static const int64_t ns_per_s = 1000000000;

/* No padding: it is hashed. */
struct key {
	struct ip src, dst;
	uint32_t id;
	struct mac mac;
	uint16_t in_port;
	uint8_t version, proto;
	uint8_t zero[2];
};
static_assert(sizeof(struct key) == 48, "no padding");

/* A key that waits or must not be used. Free: no datagram, and the time is over. */
struct known {
	struct key key;
	int64_t until_ns; /* steady */
	struct datagram *datagram;
	enum whole_fault fault; /* of later parts, when there is no datagram any more */
};

/* Where a part has what. Offsets from the start of the frame, but for at and end: of the datagram. */
struct piece {
	uint32_t l3_at, head_end, data_at;
	uint32_t next_at; /* IPv6: the byte that says that a fragment header follows */
	uint32_t at, end;
	bool last;
};

struct datagram {
	struct known *known; /* NULL: free */
	uint32_t bytes;      /* of frames kept */
	uint32_t sum;        /* of the datagram */
	uint32_t reach, end; /* highest end of a part; the datagram's, 0: not known */
	uint32_t link_len;
	uint8_t link[LINK_MAX]; /* Ethernet header of the whole */
	unsigned n, first;
	struct piece piece[WHOLE_PARTS_MAX + 1]; /* one more: the part that is too many */
	struct whole_part part[WHOLE_PARTS_MAX + 1];
};

struct whole {
	unsigned char hash_key[crypto_shorthash_KEYBYTES];
	struct whole_held held;
	struct whole_set set;
	struct whole_part refused;
	struct datagram datagram[WHOLE_DATAGRAMS_MAX];
	struct known known[SETS][WAYS];
	uint8_t made[DATAGRAM_MAX];
	uint8_t bytes[WHOLE_DATAGRAMS_MAX][WHOLE_BYTES_MAX];
};

int whole_new(struct whole **ret_whole)
{
	struct whole *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	crypto_shorthash_keygen(w->hash_key);
	*ret_whole = w;
	return 0;
}

struct whole *whole_free(struct whole *w)
{
	free(w);
	return NULL;
}

struct whole_held whole_held(const struct whole *w)
{
	return w->held;
}

/* ---- keys ---- */

static struct key key_of(unsigned in_port, const struct frame *f)
{
	const struct frame_packet *p = &f->packet[0];

	return (struct key){ .src = p->src,
		.dst = p->dst,
		.id = p->fragment_id,
		.mac = f->src_mac,
		.in_port = (uint16_t)in_port,
		.version = p->version,
		.proto = p->version == 4 ? p->proto : 0 };
}

static bool is_free(const struct known *k, int64_t steady_ns)
{
	return !k->datagram && k->until_ns <= steady_ns;
}

/* The key's row, or a free one for it; NULL: no room. The share is counted in the set, so that
 * nothing has to be counted elsewhere, and counted down when time passes. */
static struct known *find_known(struct whole *w, const struct key *key, int64_t steady_ns)
{
	struct known *set, *found = NULL;
	unsigned own = 0;
	uint64_t hash;

	crypto_shorthash(
		(unsigned char *)&hash, (const unsigned char *)key, sizeof(*key), w->hash_key);
	set = w->known[hash % SETS];
	for (unsigned i = 0; i < WAYS; i++) {
		if (is_free(&set[i], steady_ns))
			found = &set[i];
		else if (memcmp(&set[i].key, key, sizeof(*key)) == 0)
			return &set[i];
		else
			own += mac_equal(&set[i].key.mac, &key->mac);
	}
	return own < WAYS / WHOLE_SHARE ? found : NULL;
}

static struct datagram *find_free(struct whole *w, const struct mac *mac)
{
	struct datagram *found = NULL;
	unsigned own = 0;

	for (unsigned i = 0; i < WHOLE_DATAGRAMS_MAX; i++) {
		struct datagram *d = &w->datagram[i];

		if (!d->known)
			found = d;
		else
			own += mac_equal(&d->known->key.mac, mac);
	}
	return own < WHOLE_DATAGRAMS_MAX / WHOLE_SHARE ? found : NULL;
}

/* ---- one part ---- */

/* IPv6: finds the one fragment header; false when there are more. The frame has no anomaly, so the chain is
 * known to be readable up to l4_at: the transport, or what follows the fragment header. */
static bool find_header(const struct frame *f, struct piece *piece)
{
	struct cur c = cur_make(f->data, f->packet[0].l4_at);
	uint32_t next_at = piece->l3_at + IP6_NEXT;
	uint8_t next;

	cur_skip(&c, next_at);
	next = cur_u8(&c);
	cur_skip(&c, IP6_HEADER - IP6_NEXT - 1);
	while (cur_left(&c) > 0) {
		uint32_t at = f->packet[0].l4_at - (uint32_t)cur_left(&c);
		uint8_t kind = next, len;

		if (kind == EXT_FRAGMENT && piece->next_at != 0)
			return false;
		if (kind == EXT_FRAGMENT)
			piece->next_at = next_at;
		next_at = at;
		next = cur_u8(&c);
		len = cur_u8(&c);
		cur_skip(&c, kind == EXT_FRAGMENT ? FRAGMENT_HEADER - 2u
			     : kind == EXT_AH     ? len * 4u + 6
						  : len * 8u + 6);
	}
	return next != EXT_FRAGMENT;
}

static enum whole_fault read_piece(const struct frame *f, struct piece *piece)
{
	const struct frame_packet *p = &f->packet[0];

	*piece = (struct piece){
		.l3_at = p->l3_at,
		.head_end = p->end_at - p->fragment_len,
		.data_at = p->end_at - p->fragment_len,
		.at = p->fragment_offset,
		.end = (uint32_t)p->fragment_offset + p->fragment_len,
		.last = p->last_fragment,
	};
	if (f->wire_len > f->len)
		return WHOLE_CUT;
	if (f->l3_at != p->l3_at)
		return WHOLE_LINK;
	if (frame_has_anomaly(f, FRAME_ANOMALY_FRAGMENT_TINY) || p->fragment_len == 0)
		return WHOLE_TINY;
	if (frame_has_anomaly(f, FRAME_ANOMALY_FRAGMENT_RANGE))
		return WHOLE_LONG;
	if (f->anomalies)
		return WHOLE_MALFORMED;
	if (p->first_fragment && !p->has_transport)
		return WHOLE_TINY;
	if (p->version == 6) {
		piece->head_end -= FRAGMENT_HEADER;
		return find_header(f, piece) ? WHOLE_COMPLETE : WHOLE_MALFORMED;
	}
	return WHOLE_COMPLETE;
}

static struct cur bytes_of(const struct whole_part *part, uint32_t at, uint32_t end)
{
	struct cur c = cur_make(part->data, part->len);

	cur_skip(&c, at);
	return cur_sub(&c, end - at);
}

static bool same(const struct datagram *d, uint32_t at, uint32_t end)
{
	struct cur old = bytes_of(&d->part[0], at, end),
		   new = bytes_of(&d->part[d->n - 1], at, end);

	return cur_ok(&old) && cur_ok(&new) && memcmp(old.at, new.at, end - at) == 0;
}

/* Whether the last part came has the headers of the one that came first. */
static bool same_headers(const struct datagram *d)
{
	const struct piece *old = &d->piece[0], *new = &d->piece[d->n - 1];
	uint32_t l3_at = old->l3_at;

	if (l3_at != new->l3_at || !same(d, 0, l3_at))
		return false;
	if (d->known->key.version == 4) /* TOS; TTL and protocol */
		return same(d, l3_at + 1, l3_at + 2) && same(d, l3_at + 8, l3_at + 10);
	/* All but the length, up to the next header field of the fragment header. */
	return old->head_end == new->head_end &&same(d, l3_at, l3_at + 4) &&
	       same(d, l3_at + IP6_NEXT, old->head_end + 1);
}

/* Whether the last part came fits in among the others. */
static enum whole_fault fit(const struct datagram *d)
{
	const struct piece *new = &d->piece[d->n - 1];

	if (d->n > WHOLE_PARTS_MAX)
		return WHOLE_MANY;
	if (d->bytes + d->part[d->n - 1].len > WHOLE_BYTES_MAX)
		return WHOLE_LONG;
	if (!same_headers(d))
		return WHOLE_DIFFERS;
	for (unsigned i = 0; i + 1 < d->n; i++)
		if (new->at < d->piece[i].end && d->piece[i].at < new->end)
			return WHOLE_OVERLAP;
	if (new->last ? d->end != 0 || d->reach > new->end : d->end != 0 && new->end > d->end)
		return WHOLE_END;
	return WHOLE_COMPLETE;
}

/* Adds a part, which still points to the caller's frame. */
static enum whole_fault add(
	struct datagram *d, const struct frame *f, const struct whole_part *part, int64_t steady_ns)
{
	unsigned i = d->n++;
	struct piece *piece = &d->piece[i];
	enum whole_fault fault;

	d->part[i] = *part;
	if (d->known->until_ns <= steady_ns)
		return WHOLE_LATE;
	fault = read_piece(f, piece);
	if (fault == WHOLE_COMPLETE)
		fault = fit(d);
	if (fault != WHOLE_COMPLETE)
		return fault;
	if (piece->at == 0)
		d->first = i;
	if (piece->last)
		d->end = piece->end;
	if (piece->end > d->reach)
		d->reach = piece->end;
	d->sum += piece->end - piece->at;
	return WHOLE_COMPLETE;
}

static void keep(struct whole *w, struct datagram *d)
{
	struct whole_part *part = &d->part[d->n - 1];
	uint8_t *copy = w->bytes[d - w->datagram] + d->bytes;

	memcpy(copy, part->data, part->len);
	part->data = copy;
	d->bytes += part->len;
	w->held.frames++;
}

/* ---- the whole ---- */

static void put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* Other kinds of tags (802.1ad) become 802.1Q here: nothing asks. */
static void put_link(struct datagram *d, const struct frame *f)
{
	uint8_t *to = d->link;

	memcpy(to, &f->dst_mac, 6);
	memcpy(to + 6, &f->src_mac, 6);
	to += 12;
	for (unsigned i = 0; i < f->n_tags; i++, to += 4) {
		put16(to, 0x8100);
		put16(to + 2, f->tag[i]);
	}
	put16(to, f->packet[0].version == 4 ? 0x0800 : 0x86dd);
	d->link_len = (uint32_t)(to + 2 - d->link);
}

static void finish_ip4(uint8_t *header, uint32_t header_len, uint32_t data_len)
{
	put16(header + 2, header_len + data_len);
	put16(header + 6, 0);
	put16(header + 10, 0);
	put16(header + 10, (uint16_t)~inet_sum(header, header_len));
}

static void finish_ip6(uint8_t *header, uint32_t header_len, uint32_t data_len,
	const struct piece *first, const struct whole_part *part)
{
	struct cur next = bytes_of(part, first->head_end, first->head_end + 1);

	put16(header + 4, header_len - IP6_HEADER + data_len);
	header[first->next_at - first->l3_at] = cur_u8(&next);
}

static enum whole_fault make(struct whole *w, const struct datagram *d)
{
	const struct piece *first = &d->piece[d->first];
	struct cur head = bytes_of(&d->part[d->first], first->l3_at, first->head_end);
	uint32_t head_len = first->head_end - first->l3_at;
	uint8_t *header = w->made + d->link_len, *data = header + head_len;
	bool v4 = d->known->key.version == 4;

	if (head_len + d->end > LENGTH_MAX + (v4 ? 0 : IP6_HEADER))
		return WHOLE_LONG;
	memcpy(w->made, d->link, d->link_len);
	cur_copy(&head, header, head_len);
	for (unsigned i = 0; i < d->n; i++) {
		uint32_t len = d->piece[i].end - d->piece[i].at, at = d->piece[i].data_at;
		struct cur c = bytes_of(&d->part[i], at, at + len);

		cur_copy(&c, data + d->piece[i].at, len);
	}
	if (v4)
		finish_ip4(header, head_len, d->end);
	else
		finish_ip6(header, head_len, d->end, first, &d->part[d->first]);
	w->set.datagram = w->made;
	w->set.datagram_len = d->link_len + head_len + d->end;
	return WHOLE_COMPLETE;
}

/* ---- coming and going ---- */

static struct datagram *begin(struct whole *w, struct known *k, const struct key *key,
	const struct frame *f, int64_t steady_ns)
{
	struct datagram *d = find_free(w, &key->mac);

	if (!d)
		return NULL;
	*k = (struct known){
		.key = *key,
		.until_ns = steady_ns + WHOLE_S * ns_per_s,
		.datagram = d,
	};
	d->known = k;
	d->bytes = d->sum = d->reach = d->end = 0;
	d->n = 0;
	put_link(d, f);
	w->held.datagrams++;
	return d;
}

/* Its parts go out into the set, whether good or bad. */
static void end(struct whole *w, struct datagram *d, enum whole_fault fault, int64_t steady_ns)
{
	struct known *k = d->known;

	w->set = (struct whole_set){ .in_port = k->key.in_port, .n = d->n, .part = d->part };
	w->set.fault = fault == WHOLE_COMPLETE ? make(w, d) : fault;
	k->fault = w->set.fault;
	if (w->set.fault == WHOLE_COMPLETE) {
		k->fault = WHOLE_REUSED;
		k->until_ns = steady_ns + WHOLE_REUSE_S * ns_per_s;
	}
	k->datagram = NULL;
	d->known = NULL;
	w->held.datagrams--;
}

static void refuse(
	struct whole *w, unsigned in_port, const struct whole_part *part, enum whole_fault fault)
{
	w->refused = *part;
	w->set = (struct whole_set){
		.fault = fault, .in_port = in_port, .n = 1, .part = &w->refused
	};
}

enum whole_result whole_take(struct whole *w, unsigned in_port, const struct frame *f,
	const struct gate_time *now, uint64_t packet, const struct whole_set **ret_set)
{
	struct whole_part part = { f->data, f->len, f->wire_len, now->wall_ns, packet };
	enum whole_fault fault = WHOLE_NO_ROOM;
	struct datagram *d = NULL;
	struct known *k;
	struct key key;

	if (f->n_packets == 0 || !f->packet[0].is_fragment)
		return WHOLE_NOT;
	*ret_set = &w->set;
	key = key_of(in_port, f);
	k = find_known(w, &key, now->steady_ns);
	if (k && is_free(k, now->steady_ns))
		d = begin(w, k, &key, f, now->steady_ns);
	else if (k && !(d = k->datagram))
		fault = k->fault;
	if (!d) {
		refuse(w, in_port, &part, fault);
		return WHOLE_SET;
	}
	fault = add(d, f, &part, now->steady_ns);
	if (fault == WHOLE_COMPLETE && (d->end == 0 || d->sum != d->end)) {
		keep(w, d);
		return WHOLE_HELD;
	}
	w->held.frames -= d->n - 1;
	end(w, d, fault, now->steady_ns);
	return WHOLE_SET;
}

const struct whole_set *whole_expired(struct whole *w, int64_t steady_ns)
{
	struct datagram *oldest = NULL;

	for (unsigned i = 0; i < WHOLE_DATAGRAMS_MAX; i++) {
		struct datagram *d = &w->datagram[i];

		if (d->known && d->known->until_ns <= steady_ns &&
			(!oldest || d->known->until_ns < oldest->known->until_ns))
			oldest = d;
	}
	if (!oldest)
		return NULL;
	w->held.frames -= oldest->n;
	end(w, oldest, WHOLE_LATE, steady_ns);
	return &w->set;
}
