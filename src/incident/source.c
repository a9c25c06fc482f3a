/* SPDX-License-Identifier: Apache-2.0 */
/* Sources, honeypots and payloads that are remembered, and what is counted about them. */
#include <assert.h>
#include <string.h>

#include "incident/inside.h"

enum { RUN_US = 10000000, FAST_US = 300000, REST_US = 600000000, EVEN_PART = 8 };

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	if (hash == 0)
		hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

/* FNV's lower bits alone depend on the last bytes too little. */
static uint64_t mix(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

uint64_t hash_ip(const struct ip *ip)
{
	return mix(hash_bytes(0, ip->byte, sizeof(ip->byte)));
}

/* ---- habits ---- */

uint32_t different_count(const struct different *d)
{
	return (uint32_t)__builtin_popcountll(d->bit);
}

uint32_t different_add(struct different *d, uint64_t hash)
{
	d->bit |= UINT64_C(1) << (mix(hash) & 63);
	return different_count(d);
}

void habit_add(struct habits *h, enum measure measure, uint64_t n)
{
	uint64_t sum = h->n[measure] + n;

	h->n[measure] = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static void at_least(struct habits *h, enum measure measure, uint32_t n)
{
	if (h->n[measure] < n)
		h->n[measure] = n;
}

void habit_conversation(struct habits *h, const struct ip *target, uint16_t port, uint8_t proto)
{
	habit_add(h, MEASURE_FLOWS, 1);
	at_least(h, MEASURE_TARGETS, different_add(&h->targets, hash_ip(target)));
	at_least(h, MEASURE_PORTS,
		different_add(&h->ports, (uint64_t)proto << 16 | (uint64_t)port | 1u << 24));
}

void habit_login(struct habits *h, int64_t us, bool good)
{
	habit_add(h, MEASURE_LOGINS, 1);
	habit_add(h, MEASURE_LOGINS_GOOD, good);
	if (h->run == 0 || us - h->run_us > RUN_US || us < h->run_us) {
		h->run_us = us;
		h->run = 0;
	}
	h->run++;
	at_least(h, MEASURE_LOGIN_RUN, h->run);
}

/* The place of `what`; the oldest one goes for a new one. */
static struct spread *find_spread(struct spread *spread, uint32_t n, uint32_t *next, uint64_t what)
{
	struct spread *s;

	for (uint32_t i = 0; i < n; i++)
		if (spread[i].what == what)
			return &spread[i];
	s = &spread[*next % n];
	*next = (*next + 1) % n;
	*s = (struct spread){ .what = what };
	return s;
}

void habit_payload(struct habits *h, uint64_t payload, const struct ip *target)
{
	struct spread *s = find_spread(h->payload, PAYLOADS_MAX, &h->next_payload, payload);

	at_least(h, MEASURE_SAME_PAYLOAD, different_add(&s->who, hash_ip(target)));
}

/* A program's lines come at once, or each after the same pause; a person's neither. */
void habit_typed(struct habits *h, int64_t us, uint64_t flow)
{
	int64_t gap = us - h->typed_us, before = h->gap_us, off = gap - before;

	habit_add(h, MEASURE_LINES, 1);
	if (h->typed_flow != flow || gap < 0 || gap > REST_US) {
		h->typed_flow = flow;
		h->typed_us = us;
		h->gap_us = 0;
		return;
	}
	h->typed_us = us;
	h->gap_us = gap;
	if (gap < FAST_US || (before > 0 && (off < 0 ? -off : off) < gap / EVEN_PART))
		habit_add(h, MEASURE_EVEN, 1);
	else if (before > 0)
		habit_add(h, MEASURE_UNEVEN, 1);
}

void habit_out(struct habits *h, const struct ip *peer, uint16_t port, uint8_t proto)
{
	uint64_t what = (uint64_t)proto << 16 | port | UINT64_C(1) << 24;
	struct spread *s = find_spread(h->out_port, SPREADS_MAX, &h->next_out_port, what);

	at_least(h, MEASURE_OUT_PEERS, different_add(&h->peers, hash_ip(peer)));
	at_least(h, MEASURE_OUT_SPREAD, different_add(&s->who, hash_ip(peer)));
}

void habit_chat(struct habits *h, uint64_t line)
{
	habit_add(h, MEASURE_CHATS, 1);
	for (unsigned i = 0; i < CHAT_LINES_MAX; i++)
		if (h->chat[i] == line) {
			habit_add(h, MEASURE_CHATS_REPEATED, 1);
			return;
		}
	h->chat[h->next_chat % CHAT_LINES_MAX] = line;
	h->next_chat = (h->next_chat + 1) % CHAT_LINES_MAX;
}

static bool is_maximum(enum measure m)
{
	return m == MEASURE_TARGETS || m == MEASURE_PORTS || m == MEASURE_LOGIN_RUN ||
	       m == MEASURE_SAME_PAYLOAD || m == MEASURE_OUT_PEERS || m == MEASURE_OUT_SPREAD;
}

void habit_merge(struct habits *h, const struct habits *more)
{
	for (enum measure m = 0; m < MEASURE_COUNT; m++) {
		if (is_maximum(m))
			at_least(h, m, more->n[m]);
		else
			habit_add(h, m, more->n[m]);
	}
	h->targets.bit |= more->targets.bit;
	h->ports.bit |= more->ports.bit;
	h->peers.bit |= more->peers.bit;
	if (h->next_payload == 0 && h->payload[0].what == 0) {
		memcpy(h->payload, more->payload, sizeof(h->payload));
		h->next_payload = more->next_payload;
	}
	if (more->run > 0) {
		h->run = more->run;
		h->run_us = more->run_us;
	}
	if (more->typed_flow != 0) {
		h->typed_flow = more->typed_flow;
		h->typed_us = more->typed_us;
		h->gap_us = more->gap_us;
	}
}

/* ---- sources: buckets by address, and a list in the order in which they were last heard of ---- */

void source_reset(struct incidents *in)
{
	crypto_shorthash_keygen(in->hash_key);
	in->newest = in->oldest = -1;
	in->free = 0;
	for (int32_t i = 0; i < SOURCES_MAX; i++) {
		in->bucket[i] = -1;
		in->link[i].next = i + 1 < SOURCES_MAX ? i + 1 : -1;
	}
	in->counts.following = 0;
}

uint32_t source_bucket(const struct incidents *in, const struct ip *ip)
{
	uint64_t hash;

	static_assert(sizeof(hash) == crypto_shorthash_BYTES, "one hash");
	crypto_shorthash((unsigned char *)&hash, ip->byte, sizeof(ip->byte), in->hash_key);
	return (uint32_t)(hash % SOURCES_MAX);
}

static int32_t *bucket_of(struct incidents *in, const struct ip *ip)
{
	return &in->bucket[source_bucket(in, ip)];
}

static int32_t number_of(const struct incidents *in, const struct source *source)
{
	return (int32_t)(source - in->source);
}

static void take_out(struct incidents *in, int32_t i)
{
	struct source_link *l = &in->link[i];

	*(l->older >= 0 ? &in->link[l->older].newer : &in->oldest) = l->newer;
	*(l->newer >= 0 ? &in->link[l->newer].older : &in->newest) = l->older;
}

static void put_newest(struct incidents *in, int32_t i)
{
	in->link[i].older = in->newest;
	in->link[i].newer = -1;
	*(in->newest >= 0 ? &in->link[in->newest].newer : &in->oldest) = i;
	in->newest = i;
}

struct source *source_find(struct incidents *in, const struct ip *ip)
{
	for (int32_t i = *bucket_of(in, ip); i >= 0; i = in->link[i].next)
		if (ip_equal(&in->source[i].ip, ip))
			return &in->source[i];
	return NULL;
}

struct source *source_oldest(struct incidents *in)
{
	return in->oldest >= 0 ? &in->source[in->oldest] : NULL;
}

bool source_is_full(const struct incidents *in)
{
	return in->free < 0;
}

void source_drop(struct incidents *in, struct source *source)
{
	int32_t number = number_of(in, source), *at = bucket_of(in, &source->ip);

	while (*at != number)
		at = &in->link[*at].next;
	*at = in->link[number].next;
	take_out(in, number);
	in->link[number].next = in->free;
	in->free = number;
	memset(source, 0, sizeof(*source));
	in->counts.following--;
}

struct source *source_get(struct incidents *in, const struct ip *ip)
{
	struct source *source = source_find(in, ip);
	int32_t number, *bucket;

	if (!source) {
		if (source_is_full(in)) /* incidents_next() sees to it that this is not so */
			source_drop(in, source_oldest(in));
		number = in->free;
		in->free = in->link[number].next;
		bucket = bucket_of(in, ip);
		in->link[number].next = *bucket;
		*bucket = number;
		put_newest(in, number);
		source = &in->source[number];
		source->ip = *ip;
		in->counts.following++;
	}
	number = number_of(in, source);
	take_out(in, number);
	put_newest(in, number);
	source->touched_us = in->now_us;
	return source;
}

/* The first ones; the last place is the newest one's. */
void source_note(struct source *source, const struct sentence *sentence)
{
	for (unsigned i = 0; i < source->n_notes; i++)
		if (strcmp(source->note[i].text, sentence->text) == 0) {
			source->note[i].times++;
			return;
		}
	if (source->n_notes < NOTES_MAX)
		source->n_notes++;
	source->note[source->n_notes - 1] = *sentence;
}

/* ---- payloads ---- */

bool known_add(struct incidents *in, uint64_t hash)
{
	uint64_t *way = in->known[mix(hash) % (KNOWN_MAX / KNOWN_WAYS)];

	for (unsigned i = 0; i < KNOWN_WAYS; i++)
		if (way[i] == hash)
			return false;
	memmove(way + 1, way, (KNOWN_WAYS - 1) * sizeof(*way));
	way[0] = hash;
	return true;
}

/* ---- credentials ---- */

/* Its place; or the one of the credential that fewest have tried, so that many guesses of one do not push out what
 * everybody guesses; of several of these the oldest. */
static unsigned tried_way(const struct tried *set, uint64_t credential)
{
	unsigned way = TRIED_WAYS - 1;

	for (unsigned i = 0; i < TRIED_WAYS; i++)
		if (set[i].credential == credential)
			return i;
	for (unsigned i = TRIED_WAYS - 1; i-- > 0;)
		if (different_count(&set[i].who) < different_count(&set[way].who))
			way = i;
	return way;
}

void tried_add(struct incidents *in, uint64_t credential, const struct ip *ip)
{
	struct tried *set = in->tried[mix(credential) % (TRIED_MAX / TRIED_WAYS)], tried;
	unsigned way;

	if (credential == 0)
		return;
	way = tried_way(set, credential);
	tried = set[way].credential == credential ? set[way]
						  : (struct tried){ .credential = credential };
	(void)different_add(&tried.who, hash_ip(ip));
	memmove(set + 1, set, way * sizeof(*set));
	set[0] = tried;
}

uint32_t tried_by(const struct incidents *in, uint64_t credential)
{
	const struct tried *set = in->tried[mix(credential) % (TRIED_MAX / TRIED_WAYS)];
	unsigned way = tried_way(set, credential);

	return credential != 0 && set[way].credential == credential ? different_count(&set[way].who)
								    : 0;
}

/* ---- honeypots ---- */

static bool has_incident(const struct incidents *in, uint16_t pot)
{
	for (unsigned i = 0; i < INCIDENTS_MAX; i++)
		if (in->incident[i].used && in->incident[i].pot == pot)
			return true;
	return false;
}

static bool pot_has_ip(const struct pot *pot, const struct ip *ip)
{
	for (uint32_t i = 0; i < pot->n_ips; i++)
		if (ip_equal(&pot->ip[i], ip))
			return true;
	return false;
}

static bool pot_has_name(const struct pot *pot, struct text name)
{
	size_t len = name.len < NAME_SIZE - 1 ? name.len : NAME_SIZE - 1;

	return len > 0 && strlen(pot->name) == len && memcmp(pot->name, name.at, len) == 0;
}

/* To make room: an address that somebody has tried and that is nobody's, before a honeypot. */
static bool goes_before(const struct pot *a, const struct pot *b)
{
	bool a_named = a->name[0] != '\0', b_named = b->name[0] != '\0';

	return a_named != b_named ? b_named : a->touched_us < b->touched_us;
}

static uint16_t new_pot(struct incidents *in)
{
	uint16_t oldest = 0;
	bool found = false;

	if (in->n_pots < POTS_MAX)
		return (uint16_t)in->n_pots++;
	/* There are more places than incidents. */
	for (uint16_t i = 0; i < POTS_MAX; i++)
		if ((!found || goes_before(&in->pot[i], &in->pot[oldest])) &&
			!has_incident(in, i)) {
			oldest = i;
			found = true;
		}
	return oldest;
}

static uint16_t find_pot(const struct incidents *in, const struct ip *ip, struct text name)
{
	for (uint32_t i = 0; i < in->n_pots; i++)
		if (pot_has_name(&in->pot[i], name))
			return (uint16_t)i;
	for (uint32_t i = 0; i < in->n_pots; i++)
		if (pot_has_ip(&in->pot[i], ip) && (name.len == 0 || in->pot[i].name[0] == '\0'))
			return (uint16_t)i;
	return POTS_MAX;
}

uint16_t pot_get(struct incidents *in, const struct ip *ip, struct text name, bool spoofed)
{
	uint16_t number = find_pot(in, ip, name);
	size_t len = name.len < NAME_SIZE - 1 ? name.len : NAME_SIZE - 1;
	struct pot *pot;

	if (number == POTS_MAX) {
		number = new_pot(in);
		memset(&in->pot[number], 0, sizeof(*pot));
	}
	pot = &in->pot[number];
	if (spoofed && name.len > 0 && pot->n_ips == 0)
		pot->ip[0] = *ip; /* until it uses one of its own; its name is how it is found */
	else if (pot->n_ips == 0 ||
		 (!spoofed && pot->n_ips < POT_ADDRESSES_MAX && !pot_has_ip(pot, ip)))
		pot->ip[pot->n_ips++] = *ip;
	if (pot->name[0] == '\0' && len > 0)
		memcpy(pot->name, name.at, len);
	pot->touched_us = in->now_us;
	return number;
}

void pot_event_add(struct pot_event *events, uint32_t *next, const struct pot_event *event)
{
	events[*next % POT_EVENTS_MAX] = *event;
	*next = (*next + 1) % POT_EVENTS_MAX;
}

void pot_flow_add(uint64_t *flows, uint32_t *next, uint64_t flow)
{
	if (flow == 0 || pot_flow_has(flows, flow))
		return;
	flows[*next % POT_FLOWS_MAX] = flow;
	*next = (*next + 1) % POT_FLOWS_MAX;
}

bool pot_flow_has(const uint64_t *flows, uint64_t flow)
{
	for (unsigned i = 0; i < POT_FLOWS_MAX && flow != 0; i++)
		if (flows[i] == flow)
			return true;
	return false;
}
