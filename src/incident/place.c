/* SPDX-License-Identifier: Apache-2.0 */
/* Where addresses are, as records have said: an incident is told of long after its intruder's first packet. */
#include <string.h>

#include "incident/inside.h"

static struct place *set_of(struct incidents *in, const struct ip *ip)
{
	return &in->place[hash_ip(ip) % (PLACES_MAX / PLACE_WAYS) * PLACE_WAYS];
}

/* PLACE_WAYS: it is in none. */
static unsigned way_of(const struct place *set, const struct ip *ip)
{
	unsigned way = 0;

	while (way < PLACE_WAYS && !ip_equal(&set[way].ip, ip))
		way++;
	return way;
}

/* To the front of its set; the one of the last way goes for a new one. */
static struct place *bring_forward(struct place *set, unsigned way, const struct place *place)
{
	memmove(set + 1, set, (way < PLACE_WAYS ? way : PLACE_WAYS - 1) * sizeof(*set));
	set[0] = *place;
	return set;
}

const struct place *place_find(struct incidents *in, const struct ip *ip)
{
	struct place *set = set_of(in, ip), place;
	unsigned way = way_of(set, ip);

	if (way == PLACE_WAYS || ip_is_unset(ip))
		return NULL;
	place = set[way];
	return bring_forward(set, way, &place);
}

void place_put(struct incidents *in, const struct place *place)
{
	struct place *set = set_of(in, &place->ip);

	bring_forward(set, way_of(set, &place->ip), place);
}

static uint8_t copy_text(char *to, size_t size, struct text text)
{
	size_t len = text.len < size ? text.len : size;

	if (len > 0)
		memcpy(to, text.at, len);
	return (uint8_t)len;
}

static void learn(struct incidents *in, const struct ip *ip, struct text country,
	uint32_t as_number, struct text as_name)
{
	struct place place = { .ip = *ip, .as_number = as_number };

	if (ip_is_unset(ip) || (country.len == 0 && as_number == 0 && as_name.len == 0))
		return;
	place.country_len = copy_text(place.country, sizeof(place.country), country);
	place.as_name_len = copy_text(place.as_name, sizeof(place.as_name), as_name);
	place_put(in, &place);
}

void place_learn(struct incidents *in, const struct record *record)
{
	if (record->type == EVENT_FINGERPRINT)
		learn(in, &record->fingerprint.subject, record->fingerprint.country,
			record->fingerprint.as_number, record->fingerprint.as_name);
	else if (record->type == EVENT_LOGIN)
		learn(in, &record->login.placed, record->login.country, record->login.as_number,
			record->login.as_name);
}
