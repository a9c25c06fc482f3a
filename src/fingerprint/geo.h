/* SPDX-License-Identifier: Apache-2.0 */
/*
 * geo - in which country and autonomous system an address is, by databases in the MMDB format (libmaxminddb).
 *
 * It is said where records are made, and stands in them: who reads them needs no database, and gets what was so at
 * that time, not what addresses have become since. Live it is said in a process that owns nothing, which is where a
 * database written by others belongs; `fishbowl replay` opens it before it gives up its rights.
 */
#pragma once

#include "event/event.h"

#define GEO_FILES_MAX 4
#define GEO_NAME_MAX  128 /* bytes of the name of an autonomous system; the rest is cut */

struct geo;

struct geo_place {
	struct text country; /* two letters; empty: not known */
	uint32_t as_number;  /* 0: not known */
	struct text as_name; /* both borrowed from the database */
};

int geo_new(struct geo **ret_geo); /* -ENOMEM */
struct geo *geo_free(struct geo *geo);

/* Adds a database, which must be a file. What an earlier one knows counts. -E2BIG: there are GEO_FILES_MAX; -ENOENT
 * or -EIO: it cannot be read; -EBADMSG: it is none. */
int geo_open(struct geo *geo, const char *path);

/* False: nothing is known of it. */
bool geo_find(const struct geo *geo, const struct ip *ip, struct geo_place *ret_place);

/* Into a record that has a place: of its subject, or of who began, or else of the other side. */
void geo_place_record(const struct geo *geo, struct record *record);
