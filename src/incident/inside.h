/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what the files of this directory share. All of it is plain data without pointers, so that it can be saved
 * as it is; times are microseconds since 1970. */
#pragma once

#include <sodium.h>

#include "incident/incident.h"

enum measure {
#define MEASURE(ID, text) MEASURE_##ID,
#include "incident/measure.def"
#undef MEASURE
	MEASURE_COUNT
};

enum nature {
#define CLASS(ID, word, text) CLASS_##ID,
#include "incident/class.def"
	CLASS_COUNT
};

enum actor { ACTOR_UNKNOWN, ACTOR_AUTOMATED, ACTOR_HUMAN };

enum story_kind {
#define STORY(ID, word, most) STORY_##ID,
#include "incident/story.def"
#undef STORY
	STORY_COUNT
};

enum {
#define STORY(ID, word, most) +(most)
	STORY_MAX = 0
#include "incident/story.def"
#undef STORY
};

/* How grave: a rise is told at once. */
enum level {
	LEVEL_NONE,
	LEVEL_MEDIUM,   /* somebody got in */
	LEVEL_HIGH,     /* the honeypot speaks to the outside */
	LEVEL_CRITICAL, /* it attacks, or more than it may was stopped */
};

enum {
	TEXT_SIZE = 144, /* of a sentence, with its NUL: printable ASCII */
	NAME_SIZE = 64,  /* of a honeypot's name, cut */
	REMOTES_MAX = 12,
	PEERS_MAX = 8,
	CREDENTIALS_MAX = 8,
	HASHES_MAX = 8,
	PAYLOADS_MAX = 4,
	SPREADS_MAX = 4,
	CHAT_LINES_MAX = 8,
	NOTES_MAX = 3,
	POT_ADDRESSES_MAX = 4,
	POT_EVENTS_MAX = 6,
	POT_FLOWS_MAX = 16,
	KNOWN_WAYS = 4,
	TRIED_WAYS = 4,
	TRIED_FEW = 3, /* addresses that tried what not everybody guesses */
	PLACE_WAYS = 8,
	PLACE_NAME_MAX = 128,
	CLASS_MIN = 2,
	WHY_SIZE = 320,
};

/* Bits by hash: how many different ones, at least. */
struct different {
	uint64_t bit;
};

struct spread { /* who got the same: a payload, a port */
	uint64_t what;
	struct different who;
};

/* What somebody does, or a honeypot after he got in. */
struct habits {
	uint32_t n[MEASURE_COUNT];
	struct different targets, ports, peers;
	struct spread payload[PAYLOADS_MAX], out_port[SPREADS_MAX];
	int64_t run_us; /* the first login of the run */
	uint32_t run;
	uint64_t typed_flow;
	int64_t typed_us, gap_us;
	uint64_t chat[CHAT_LINES_MAX];
	uint32_t next_payload, next_out_port, next_chat;
};

struct sentence {
	int64_t us;
	uint64_t flow;
	uint64_t packet;
	uint64_t times; /* so often */
	uint8_t kind;
	char text[TEXT_SIZE];
};

enum joint { /* why an address belongs to it */
	JOINT_ENTRY,
	JOINT_CREDENTIAL,
	JOINT_FILE,
	JOINT_PEER,
	JOINT_BEFORE,
	JOINT_COUNT
};

struct remote {
	struct ip ip;
	uint8_t joint;
};

struct incident {
	uint8_t used;
	uint8_t place; /* number of its row */
	uint8_t dirty; /* grew since it was told */
	uint8_t level, told_level;
	uint16_t pot;
	uint64_t id;
	uint64_t flow, packet; /* of what opened it */
	uint8_t proto;
	int64_t opened_us; /* what opened it */
	int64_t first_us, last_us;
	int64_t touched_us, told_us; /* by the newest record's time */
	struct remote remote[REMOTES_MAX];
	struct ip peer[PEERS_MAX]; /* whom the honeypot spoke to */
	uint64_t credential[CREDENTIALS_MAX], file[HASHES_MAX];
	struct different more_remotes; /* for whom there was no room */
	uint32_t n_remotes, n_peers, n_credentials, n_files, n_story;
	uint64_t omitted; /* sentences */
	struct habits habits;
	char headline[TEXT_SIZE];
	struct sentence story[STORY_MAX];
};

/* Somebody outside. */
struct source {
	struct ip ip;
	struct ip pot; /* the first that he spoke to */
	uint16_t port; /* there */
	uint8_t proto;
	uint8_t entered; /* has an incident */
	uint8_t n_notes;
	uint64_t failed_flow; /* his last login there failed */
	int64_t first_us, last_us, touched_us;
	struct habits habits;
	struct sentence note[NOTES_MAX]; /* for the story, should he get in */
};

struct source_link {
	int32_t next; /* in its bucket, or of the free ones */
	int32_t newer, older;
};

struct pot_event {
	struct ip ip; /* the other side; unset: none */
	int64_t us, until_us;
	uint64_t flow, packet;
	uint16_t port;
	uint8_t proto;
};

/* What is remembered of a honeypot beside its incidents, the newest of each. */
struct pot {
	struct ip ip[POT_ADDRESSES_MAX];
	char name[NAME_SIZE];
	uint32_t n_ips;
	int64_t touched_us;
	struct pot_event quiet[POT_EVENTS_MAX];   /* what nobody answered */
	struct pot_event began[POT_EVENTS_MAX];   /* what it began */
	struct pot_event contact[POT_EVENTS_MAX]; /* who spoke with it */
	uint64_t flow_in[POT_FLOWS_MAX], flow_out[POT_FLOWS_MAX];
	uint32_t next_quiet, next_began, next_contact, next_flow_in, next_flow_out;
};

struct tried {
	uint64_t credential; /* 0: free */
	struct different who;
};

/* Where somebody is. */
struct place {
	struct ip ip; /* unset: free */
	uint32_t as_number;
	uint8_t country_len, as_name_len;
	char country[2], as_name[PLACE_NAME_MAX]; /* hostile, without a NUL behind it */
};

struct incidents_text {
	char id[17];
	char title[TEXT_SIZE + NAME_SIZE + IP_TEXT_MAX + 32];
	char why[WHY_SIZE];
	char story[STORY_MAX * (2 * TEXT_SIZE + 192) +
		   REMOTES_MAX * (IP_TEXT_MAX + 128 + 6 * (PLACE_NAME_MAX + 2)) + 128];
	struct place place; /* of whom the record is about */
};

struct incidents {
	int64_t now_us;
	bool started, finishing;
	uint64_t told;
	uint64_t unlisted; /* since the last source record */
	struct incidents_counts counts;
	struct incident incident[INCIDENTS_MAX];
	uint32_t n_pots;
	struct pot pot[POTS_MAX];
	uint64_t known[KNOWN_MAX / KNOWN_WAYS][KNOWN_WAYS];
	struct tried tried[TRIED_MAX / TRIED_WAYS][TRIED_WAYS]; /* the newest of a set first */
	struct place place[PLACES_MAX]; /* sets of PLACE_WAYS, each in the order of their use */
	struct source source[SOURCES_MAX];
	struct source_link link[SOURCES_MAX];
	unsigned char hash_key
		[crypto_shorthash_KEYBYTES]; /* of the buckets: who sends chooses addresses */
	int32_t bucket[SOURCES_MAX];
	int32_t free, newest, oldest; /* -1: none */
	struct incidents_text text;
};

/* A record as it is looked at: whose, and between whom. */
struct view {
	const struct record *record;
	struct text json;
	int64_t us;
	bool outbound; /* the honeypot is the one who sent, or began */
	struct ip pot_ip, remote;
	uint16_t pot;          /* number */
	uint16_t port;         /* that was asked */
	struct source *source; /* inbound */
	struct incident *incident;
};

/* ---- class.c ---- */

struct judgement {
	enum nature class;
	enum actor actor;
};

/* Among the classes from `least` on: who got in does not only scan. `why` gets the words, at most WHY_SIZE bytes with
 * the NUL. */
struct judgement class_judge(
	const struct habits *habits, enum nature least, char why[static WHY_SIZE]);
const char *class_word(enum nature class);
const char *actor_word(enum actor actor);

/* ---- source.c ---- */

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len); /* FNV-1a; 0: begin */
uint64_t hash_ip(const struct ip *ip);
/* One more; how many different ones there are now, at least. */
uint32_t different_add(struct different *d, uint64_t hash);
uint32_t different_count(const struct different *d);
void habit_add(struct habits *h, enum measure measure, uint64_t n);
void habit_conversation(struct habits *h, const struct ip *target, uint16_t port, uint8_t proto);
void habit_login(struct habits *h, int64_t us, bool good);
void habit_payload(struct habits *h, uint64_t payload, const struct ip *target);
void habit_typed(struct habits *h, int64_t us, uint64_t flow);
void habit_out(struct habits *h, const struct ip *peer, uint16_t port, uint8_t proto);
void habit_chat(struct habits *h, uint64_t line);
void habit_merge(struct habits *h, const struct habits *more);

void source_reset(struct incidents *in); /* of zeroed memory */
uint32_t source_bucket(const struct incidents *in, const struct ip *ip);
/* Makes room where there is none; `ret_new` may be NULL. */
struct source *source_get(struct incidents *in, const struct ip *ip);
struct source *source_find(struct incidents *in, const struct ip *ip);
struct source *source_oldest(struct incidents *in);
void source_drop(struct incidents *in, struct source *source);
bool source_is_full(const struct incidents *in);
void source_note(struct source *source, const struct sentence *sentence);

/* True where it was not known; it is then. */
bool known_add(struct incidents *in, uint64_t hash);

/* `ip` tried to log in with it, wherever. */
void tried_add(struct incidents *in, uint64_t credential, const struct ip *ip);
/* How many addresses did, at least; 0: not known. */
uint32_t tried_by(const struct incidents *in, uint64_t credential);

/* Makes a place for it where there is none. `spoofed`: the address is none of its own. */
uint16_t pot_get(struct incidents *in, const struct ip *ip, struct text name, bool spoofed);
void pot_event_add(struct pot_event *events, uint32_t *next, const struct pot_event *event);
void pot_flow_add(uint64_t *flows, uint32_t *next, uint64_t flow);
bool pot_flow_has(const uint64_t *flows, uint64_t flow);

/* ---- place.c ---- */

/* What a record says about where somebody is. */
void place_learn(struct incidents *in, const struct record *record);
/* NULL: not known. Valid until the next call of these. */
const struct place *place_find(struct incidents *in, const struct ip *ip);
void place_put(
	struct incidents *in, const struct place *place); /* in place of the one of that address */

/* ---- story.c ---- */

struct sentence sentence_make(const struct view *v, enum story_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The packet that proves it; 0: none. */
uint64_t packet_of(const struct record *record);
/* The same text again only counts. */
void story_add(struct incident *inc, const struct sentence *sentence);
const char *story_word(enum story_kind kind);

/* ---- incident.c ---- */

struct incident *incident_of_remote(struct incidents *in, uint16_t pot, const struct ip *remote);
struct incident *incident_current(struct incidents *in, uint16_t pot);
/* What somebody does who got in: v->incident is set then. `credential`, `file`: hashes, 0: none. */
void incident_enter(struct incidents *in, struct view *v, const struct sentence *sentence,
	uint64_t credential, uint64_t file);
/* What others log in with makes them part of it. */
void incident_learn(struct incident *inc, uint64_t credential);
/* What a honeypot does by itself. */
void incident_act(
	struct incidents *in, struct view *v, enum level level, const struct sentence *sentence);
/* Something notable of a source that need not be in; it joins where an incident looks for its entry. */
void incident_notice(struct incidents *in, struct view *v, const struct sentence *sentence);
void incident_backdoor(struct incidents *in, struct view *v, const struct pot_event *quiet,
	const struct pot_event *began);
void incident_touch(struct incidents *in, struct incident *inc, const struct view *v);
/* A conversation that was going on, or over for ENTRY_S at most, when the honeypot began to act: how somebody
 * may have got in, where nothing better is known. */
void incident_contact(struct incidents *in, struct view *v, const struct pot_event *contact,
	const struct sentence *sentence);
/* The gate's own record of what v is becomes one of the incident's. */
void incident_adopt(struct incidents *in, struct incident *inc, struct record *record);
/* Who most likely got in; NULL: nobody is known. */
const struct remote *incident_intruder(const struct incident *inc);

/* ---- record.c ---- */

enum stage { STAGE_OPENED, STAGE_RAISED, STAGE_GREW, STAGE_CLOSED };

void record_fill(struct incidents *in, const struct incident *inc, enum stage stage,
	struct event_incident *ret_body);
void record_of_incident(struct incidents *in, const struct incident *inc, enum stage stage,
	struct record *ret_record);
void record_of_source(struct incidents *in, const struct source *source, struct record *ret_record);
