/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/geo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <maxminddb.h>
#include <stdlib.h>
#include <string.h>

struct geo {
	MMDB_s file[GEO_FILES_MAX];
	size_t n;
};

int geo_new(struct geo **ret_geo)
{
	struct geo *geo = calloc(1, sizeof(*geo));

	if (!geo)
		return -ENOMEM;
	*ret_geo = geo;
	return 0;
}

struct geo *geo_free(struct geo *geo)
{
	if (!geo)
		return NULL;
	for (size_t i = 0; i < geo->n; i++)
		MMDB_close(&geo->file[i]);
	free(geo);
	return NULL;
}

int geo_open(struct geo *geo, const char *path)
{
	if (geo->n == GEO_FILES_MAX)
		return -E2BIG;
	switch (MMDB_open(path, MMDB_MODE_MMAP, &geo->file[geo->n])) {
	case MMDB_SUCCESS:
		geo->n++;
		return 0;
	case MMDB_FILE_OPEN_ERROR:
		return -ENOENT;
	case MMDB_IO_ERROR:
		return -EIO;
	case MMDB_OUT_OF_MEMORY_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

static bool find_entry(const MMDB_s *file, const struct ip *ip, MMDB_entry_s *ret_entry)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	MMDB_lookup_result_s found;
	bool is_v4 = ip_is_v4(ip);
	int error;

	memcpy(&v6.sin6_addr, ip->byte, sizeof(v6.sin6_addr));
	memcpy(&v4.sin_addr, ip->byte + 12, sizeof(v4.sin_addr));
	found = MMDB_lookup_sockaddr(
		file, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6, &error);
	if (error != MMDB_SUCCESS || !found.found_entry)
		return false;
	*ret_entry = found.entry;
	return true;
}

static bool get(
	MMDB_entry_s *entry, const char *const *path, uint32_t type, MMDB_entry_data_s *ret_data)
{
	return MMDB_aget_value(entry, ret_data, path) == MMDB_SUCCESS && ret_data->has_data &&
	       ret_data->type == type;
}

static void get_text(MMDB_entry_s *entry, const char *const *path, uint32_t max, struct text *text)
{
	MMDB_entry_data_s data;

	if (text->len > 0 || !get(entry, path, MMDB_DATA_TYPE_UTF8_STRING, &data))
		return;
	text->at = data.utf8_string;
	text->len = data.data_size < max ? data.data_size : max;
}

/* As MaxMind's databases have them, and those that are made from the registries' data. */
static void read_entry(MMDB_entry_s *entry, struct geo_place *place)
{
	static const char *const iso[] = { "country", "iso_code", NULL };
	static const char *const code[] = { "country_code", NULL };
	static const char *const number[] = { "autonomous_system_number", NULL };
	static const char *const name[] = { "autonomous_system_organization", NULL };
	MMDB_entry_data_s data;

	get_text(entry, iso, 2, &place->country);
	get_text(entry, code, 2, &place->country);
	get_text(entry, name, GEO_NAME_MAX, &place->as_name);
	if (place->as_number == 0 && get(entry, number, MMDB_DATA_TYPE_UINT32, &data))
		place->as_number = data.uint32;
}

bool geo_find(const struct geo *geo, const struct ip *ip, struct geo_place *ret_place)
{
	struct geo_place place = { 0 };

	for (size_t i = 0; i < geo->n; i++) {
		MMDB_entry_s entry;

		if (find_entry(&geo->file[i], ip, &entry))
			read_entry(&entry, &place);
	}
	if (place.country.len == 0 && place.as_number == 0 && place.as_name.len == 0)
		return false;
	*ret_place = place;
	return true;
}

void geo_place_record(const struct geo *geo, struct record *record)
{
	const struct ip *ip = &record->head.src;
	struct geo_place place;

	if (record->type == EVENT_FINGERPRINT) {
		if (!geo_find(geo, &record->fingerprint.subject, &place))
			return;
		record->fingerprint.country = place.country;
		record->fingerprint.as_number = place.as_number;
		record->fingerprint.as_name = place.as_name;
	} else if (record->type == EVENT_LOGIN) {
		if (!geo_find(geo, ip, &place)) {
			ip = &record->head.dst;
			if (!geo_find(geo, ip, &place))
				return;
		}
		record->login.country = place.country;
		record->login.as_number = place.as_number;
		record->login.as_name = place.as_name;
		record->login.placed = *ip;
	}
}
