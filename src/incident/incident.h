/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident - what records mean together: who is outside and what he is, and the intrusions.
 *
 * Whoever has records gives them all, in the order in which he has them (times may go back by INCIDENT_IDLE_S less
 * what a conversation takes), and takes out after each one what follows from it: `incident` records, one intrusion
 * each with a story that grows, and `source` records about those who did not get in. What comes out depends on
 * what was given and on nothing else, not on a clock: the same records give the same again.
 *
 * An intrusion is of one honeypot. It is opened by what only somebody has done who got in (a login that worked, lines
 * typed, a file brought, a disguised payload), or by what a honeypot does not do by itself (begin a conversation
 * with the outside, allowed or stopped). All that the honeypot does then belongs to it, and what the intruder's
 * addresses do; INCIDENT_IDLE_S without anything end it. Scans, and attempts that fail, open nothing. That somebody
 * else gets in with the same password joins him to it only if he seems to have been told the password.
 *
 * Where somebody is (country, autonomous system) is said as the records about him said it last.
 *
 * Bounds: INCIDENTS_MAX open at a time, SOURCES_MAX sources, POTS_MAX honeypots; where one more is to come the one
 * goes that was idle longest (an incident is closed, and says so), of honeypots one without a name if there is any.
 * Allocates only in incidents_new.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

#define INCIDENTS_MAX   128
#define SOURCES_MAX     8192
#define POTS_MAX        256
#define KNOWN_MAX       8192 /* payloads and files that are remembered as seen */
#define TRIED_MAX       4096 /* credentials of which it is remembered how many addresses tried them */
#define PLACES_MAX      8192 /* addresses of which it is remembered where they are */
#define INCIDENT_IDLE_S (6 * 3600)
#define INCIDENT_TELL_S 60   /* a growing one is told this often at most */
#define SOURCE_IDLE_S   1800 /* then a source is told */
#define ENTRY_S         600 /* who was in touch so long before a honeypot began to speak came in so */
#define BACKDOOR_S      10 /* a honeypot that acts upon a packet does so within this */

/* Times within a record count in whole microseconds, so that a record read back from its JSON form gives the same. */

struct incidents;

struct incidents_counts {
	uint64_t opened, closed;
	uint64_t crowded_out; /* incidents closed for one more */
	uint64_t sources;     /* source records */
	uint64_t
		unlisted; /* sources that went for one more and had no record: a single packet or conversation */
	uint32_t open, following; /* incidents, sources at the moment */
};

/* 0 or -ENOMEM. */
int incidents_new(struct incidents **ret_incidents);
struct incidents *incidents_free(struct incidents *incidents);

/*
 * Takes one record, after incidents_next() has said false. `json`: the record as a JSON object, or NULL with length 0
 * where it has no MEMBERS (they are looked for in there, not in the record). The record may be changed: an `incident` of
 * the gate becomes one of the intrusion's (its body's texts are ours then, and live until the next call), a file never
 * seen before is marked. True: it was changed.
 */
bool incidents_take(struct incidents *incidents, struct record *record, struct text json);

/* The next record that follows; it lives until the next call. False: none. */
bool incidents_next(struct incidents *incidents, struct record *ret_record);

/* Nothing more will come: incidents_next() then closes everything. */
void incidents_finish(struct incidents *incidents);

/* How many records incidents_next() has given, ever; incidents_renumber() sets it. */
uint64_t incidents_told(const struct incidents *incidents);
void incidents_renumber(struct incidents *incidents, uint64_t told);

struct incidents_counts incidents_counts(const struct incidents *incidents);

/* All of it in bytes, and back. Only between records (incidents_next() has said false). Bytes of another version
 * or that make no sense: -EBADMSG, and it is as after incidents_new(). */
size_t incidents_save_size(const struct incidents *incidents);
size_t incidents_save(
	const struct incidents *incidents, void *buf, size_t size); /* bytes; 0: too small */
int incidents_load(struct incidents *incidents, const void *buf, size_t size);
