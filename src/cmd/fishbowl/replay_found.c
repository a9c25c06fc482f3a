/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_found.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/ip.h"
#include "base/out.h"
#include "cmd/fishbowl/replay_top.h"

#define NAME_KEPT      96 /* bytes of a file's name, of its type */
#define WHO_KEPT       (2 * IP_TEXT_MAX + 8)
#define INCIDENT_LINES (2 + FOUND_STORY_SHOWN)
#define INCIDENT_TEXT  (INCIDENT_LINES * (FOUND_COLUMNS + 1) + 1)

enum table { HOST_BYTES, HOST_TALKS, LOGINS, LET_IN, CHATS, FILES, DECODED, ALERTS, TABLES };

/* Of a host: conversations it began, conversations others began with it, where it is, bytes. */
enum { BEGAN, CALLED, PLACE, BYTES };
enum place { PLACE_UNKNOWN, PLACE_OUTSIDE, PLACE_INSIDE, PLACE_HONEYPOT };
/* Of a file. */
enum { TIMES, SIZE };

struct incident {
	uint64_t order; /* of its last record; 0: free */
	unsigned grave; /* the greater the graver */
	char id[64];
	char text[INCIDENT_TEXT];
};

struct replay_found {
	bool viewer;
	struct top *table[TABLES];
	uint64_t files, chats, decoded, incidents;
	struct incident incident[FOUND_INCIDENTS_MAX];
	char json[RECORD_JSON_MAX];
};

int replay_found_new(bool viewer, struct replay_found **ret_found)
{
	struct replay_found *found = calloc(1, sizeof(*found));
	int r = found ? 0 : -ENOMEM;

	for (unsigned i = 0; i < TABLES && r == 0; i++)
		r = top_new(i <= HOST_TALKS ? FOUND_HOSTS_MAX : FOUND_THINGS_MAX, &found->table[i]);
	if (r < 0) {
		replay_found_free(found);
		return r;
	}
	found->viewer = viewer;
	*ret_found = found;
	return 0;
}

struct replay_found *replay_found_free(struct replay_found *found)
{
	for (unsigned i = 0; found && i < TABLES; i++)
		top_free(found->table[i]);
	free(found);
	return NULL;
}

/* ---- taking ---- */

static struct text text_of_json(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		return (struct text){ 0 };
	return (struct text){ json_string_value(value), (uint32_t)json_string_length(value) };
}

/* The record as JSON: what its protocol says is in its members. */
static json_t *json_of(struct replay_found *found, const struct record *record)
{
	struct out o = out_make(found->json, sizeof(found->json));

	record_json(&o, record, NULL);
	return out_ok(&o) ? json_loadb(o.at, o.len, JSON_ALLOW_NUL, NULL) : NULL;
}

static void add_host(struct replay_found *found, const struct ip *ip, uint64_t bytes, unsigned role,
	enum place place)
{
	const uint64_t weight[] = { [HOST_BYTES] = bytes, [HOST_TALKS] = 1 };

	for (unsigned i = HOST_BYTES; i <= HOST_TALKS; i++) {
		struct top_entry *e = top_add(found->table[i], ip, sizeof(*ip), weight[i]);

		e->n[role]++;
		e->n[BYTES] += bytes;
		if (place > e->n[PLACE])
			e->n[PLACE] = place;
	}
}

static void take_flow(struct replay_found *found, const struct record *record)
{
	const struct record_head *h = &record->head;
	uint64_t bytes = record->flow.bytes_toserver + record->flow.bytes_toclient;
	enum place inside = h->honeypot.len ? PLACE_HONEYPOT : PLACE_INSIDE;
	bool from = h->direction == DIRECTION_OUTBOUND || h->direction == DIRECTION_INTERNAL;
	bool to = h->direction == DIRECTION_INBOUND || h->direction == DIRECTION_INTERNAL;

	if (record->flow.parent_id)
		return; /* its bytes are the tunnel's */
	add_host(found, &h->src, bytes, BEGAN, from ? inside : to ? PLACE_OUTSIDE : PLACE_UNKNOWN);
	add_host(found, &h->dst, bytes, CALLED, to ? inside : from ? PLACE_OUTSIDE : PLACE_UNKNOWN);
}

/* Parts, each ended by a NUL; those that a text has are spaces. */
static void put_part(struct out *o, struct text text, size_t max)
{
	for (size_t i = 0; i < text.len && i < max; i++)
		out_char(o, text.at[i] ? text.at[i] : ' ');
	out_char(o, '\0');
}

static void put_who(struct out *o, const struct record_head *h)
{
	char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];

	out_fmt(o, "%s > %s", ip_text(&h->src, src), ip_text(&h->dst, dst));
}

static void note_who(struct top_entry *e, const struct record_head *h)
{
	char text[WHO_KEPT];
	struct out o = out_make(text, sizeof(text));

	put_who(&o, h);
	top_note(e, text, o.len);
}

static void take_login(struct replay_found *found, const struct record *record)
{
	const struct event_login *login = &record->login;
	char key[TOP_KEY_MAX];
	struct out o = out_make(key, sizeof(key));
	struct top_entry *e;
	bool good = text_is_word(login->result, "success");

	if (login->action.len)
		return; /* nobody tried it */
	put_part(&o, record->head.app_proto, 16);
	put_part(&o, login->user, 128);
	out_bytes(&o, login->password.len ? login->password.at : login->hash.at,
		login->password.len     ? login->password.len
		: login->hash.len < 128 ? login->hash.len
					: 128);
	e = top_add(found->table[LOGINS], key, o.len, 1);
	e->n[0] += good;
	if (good)
		note_who(top_add(found->table[LET_IN], key, o.len, 1), &record->head);
}

static void take_chat(struct replay_found *found, const struct record *record)
{
	const struct event_chat *chat = &record->chat;
	char key[TOP_KEY_MAX], note[TOP_NOTE_MAX];
	struct out o = out_make(key, sizeof(key)), said = out_make(note, sizeof(note));
	struct top_entry *e;

	if (!text_is_word(chat->kind, "message") && !text_is_word(chat->kind, "topic"))
		return;
	found->chats++;
	put_part(&o, record->head.app_proto, 16);
	put_part(&o, chat->channel.len ? chat->channel : chat->to, 200);
	e = top_add(found->table[CHATS], key, o.len, 1);
	out_bytes(&said, chat->nick.at, chat->nick.len < 64 ? chat->nick.len : 64);
	out_str(&said, ": ");
	out_bytes(&said, chat->text.at, chat->text.len < 128 ? chat->text.len : 128);
	top_note(e, note, said.len);
}

static struct text type_of_file(const json_t *json, const json_t *file, const struct record *record)
{
	struct text type = text_of_json(file, "magic");

	if (!type.len)
		type = text_of_json(json_object_get(json, "http"), "http_content_type");
	return type.len ? type : record->head.app_proto;
}

static void take_file(struct replay_found *found, const struct record *record)
{
	json_t *json = json_of(found, record), *file = json_object_get(json, "fileinfo");
	struct text sha256 = text_of_json(file, "sha256"), name = text_of_json(file, "filename");
	struct text key = sha256.len ? sha256 : name;
	uint64_t size = (uint64_t)json_integer_value(json_object_get(file, "size"));
	char note[TOP_NOTE_MAX];
	struct out o = out_make(note, sizeof(note));
	struct top_entry *e;

	found->files++;
	e = top_add(found->table[FILES], key.at, key.len, 0);
	e->n[TIMES]++;
	e->n[SIZE] = size > e->n[SIZE] ? size : e->n[SIZE];
	e->weight = e->n[SIZE]; /* it is shown by size */
	if (e->n[TIMES] == 1) {
		put_part(&o, found->viewer ? text_of("-") : name, NAME_KEPT - 1);
		put_part(&o, type_of_file(json, file, record), 48);
		put_who(&o, &record->head);
		top_note(e, note, o.len);
	}
	json_decref(json);
}

static void take_decoded(struct replay_found *found, const struct record *record)
{
	struct top_entry *e;

	found->decoded++;
	e = top_add(found->table[DECODED], record->decoded.text.at, record->decoded.text.len, 1);
	top_note(e, record->decoded.method.at, record->decoded.method.len);
}

static void take_alert(struct replay_found *found, const struct record *record)
{
	char key[32];
	struct out o = out_make(key, sizeof(key));

	out_fmt(&o, "%u:%u", record->alert.gid, record->alert.sid);
	top_note(top_add(found->table[ALERTS], key, o.len, 1), record->alert.signature.at,
		record->alert.signature.len);
}

/* ---- lines ---- */

static size_t escaped_len(char byte)
{
	char text[8];
	struct out o = out_make(text, sizeof(text));

	out_quoted(&o, &byte, 1);
	return o.len;
}

/* Escaped, and cut to so many columns. */
static void put_cut(struct out *o, const char *bytes, size_t len, size_t columns)
{
	static const char dots[] = "...";
	size_t all = 0, used = 0, n = 0;

	for (size_t i = 0; i < len && all <= columns; i++)
		all += escaped_len(bytes[i]);
	if (all <= columns) {
		out_quoted(o, bytes, len);
		return;
	}
	while (used + escaped_len(bytes[n]) + strlen(dots) <= columns)
		used += escaped_len(bytes[n++]);
	out_quoted(o, bytes, n);
	out_str(o, dots);
}

static void put_padded(struct out *o, const char *bytes, size_t len, size_t columns)
{
	size_t end = o->len + columns;

	put_cut(o, bytes, len, columns);
	while (o->len < end)
		out_char(o, ' ');
}

/* The part at *at, which moves behind it. */
static struct text next_part(const void *bytes, size_t len, size_t *at)
{
	const char *from = (const char *)bytes + *at;
	const char *nul = len > *at ? memchr(from, '\0', len - *at) : NULL;
	struct text part = { from, (uint32_t)(nul ? (size_t)(nul - from) : len - *at) };

	*at += part.len + (nul != NULL);
	return part;
}

/* ---- incidents ---- */

static const char *const severities[] = { "", "low", "medium", "high", "critical" };

static unsigned gravity(struct text severity)
{
	for (unsigned i = 1; i < sizeof(severities) / sizeof(severities[0]); i++)
		if (text_is_word(severity, severities[i]))
			return i;
	return 0;
}

/* Its own place, else a free one, else that of the least grave of which nothing was heard longest. */
static struct incident *place_of(struct replay_found *found, struct text id)
{
	struct incident *best = &found->incident[0];

	for (unsigned i = 0; i < FOUND_INCIDENTS_MAX; i++) {
		struct incident *one = &found->incident[i];

		if (one->order && text_is_word(id, one->id))
			return one;
		if (one->grave < best->grave ||
			(one->grave == best->grave && one->order < best->order))
			best = one;
	}
	*best = (struct incident){ 0 };
	memcpy(best->id, id.at, id.len);
	return best;
}

static void put_words(struct out *o, struct text text)
{
	size_t line = o->len;

	while (line > 0 && o->at[line - 1] != '\n')
		line--;
	put_cut(o, text.at, text.len, FOUND_COLUMNS - (o->len - line));
	out_char(o, '\n');
}

/* One line for each step: when, what, in words. */
static void put_story(struct out *o, const json_t *story)
{
	size_t n = json_array_size(story);

	for (size_t i = 0; i < n && i < FOUND_STORY_SHOWN; i++) {
		const json_t *step = json_array_get(story, i);
		struct text time = text_of_json(step, "time"), what = text_of_json(step, "what");

		out_str(o, "    ");
		put_padded(o, time.at, time.len < 19 ? time.len : 19, 20);
		put_cut(o, what.at, what.len, 16);
		out_str(o, ": ");
		put_words(o, text_of_json(step, "text"));
	}
	if (n > FOUND_STORY_SHOWN)
		out_fmt(o, "    and %zu more\n", n - FOUND_STORY_SHOWN);
}

static void put_incident(struct out *o, const struct record *record, const json_t *json)
{
	static const char *const words[] = { "severity", "class", "actor" };
	const json_t *incident = json_object_get(json, "incident");

	out_str(o, "  ");
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct text word = text_of_json(incident, words[i]);

		if (word.len) {
			put_cut(o, word.at, word.len, 12);
			out_str(o, i == 2 ? "" : " ");
		}
	}
	if (o->len > 2)
		out_str(o, ": ");
	put_words(o, record->incident.title);
	put_story(o, json_object_get(incident, "story"));
}

static void take_incident(struct replay_found *found, const struct record *record)
{
	json_t *json = json_of(found, record);
	const json_t *body = json_object_get(json, "incident");
	struct text id = text_of_json(body, "id");
	unsigned grave = gravity(text_of_json(body, "severity"));
	struct incident *incident;
	struct out o;

	if (!id.len)
		id = record->incident.title;
	if (id.len >= sizeof(incident->id))
		id.len = sizeof(incident->id) - 1;
	incident = place_of(found, id);
	o = out_make(incident->text, sizeof(incident->text));
	incident->order = ++found->incidents;
	if (grave > incident->grave)
		incident->grave = grave;
	put_incident(&o, record, json);
	json_decref(json);
}

/* Of words, passwords and who said them. */
static void take_words(struct replay_found *found, const struct record *record)
{
	switch (record->type) {
	case EVENT_LOGIN:
		take_login(found, record);
		break;
	case EVENT_CHAT:
		take_chat(found, record);
		break;
	case EVENT_DECODED:
		take_decoded(found, record);
		break;
	case EVENT_INCIDENT:
		take_incident(found, record);
		break;
	default:
		break;
	}
}

void replay_found_take(struct replay_found *found, const struct record *record)
{
	switch (record->type) {
	case EVENT_FLOW:
		take_flow(found, record);
		break;
	case EVENT_FILEINFO:
		take_file(found, record);
		break;
	case EVENT_ALERT:
		take_alert(found, record);
		break;
	default:
		if (!found->viewer)
			take_words(found, record);
	}
}

/* ---- printing ---- */

/* 12.3 MB; decimal. */
static void put_size(struct out *o, uint64_t bytes)
{
	static const char *const units[] = { "B ", "kB", "MB", "GB", "TB", "PB", "EB" };
	unsigned unit = 0;
	uint64_t tenths = 0;

	for (; bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++) {
		tenths = bytes % 1000 / 100;
		bytes /= 1000;
	}
	if (unit == 0)
		out_fmt(o, "%7llu B ", (unsigned long long)bytes);
	else
		out_fmt(o, "%5llu.%llu %s", (unsigned long long)bytes, (unsigned long long)tenths,
			units[unit]);
}

static void put_hosts(struct out *o, struct top *top, const char *head)
{
	static const char *const places[] = { "", "outside", "inside", "honeypot" };
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_fmt(o, "\n%-39s %12s %9s %7s\n", head, "bytes", "began", "called");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		char text[IP_TEXT_MAX];
		struct ip ip;

		memcpy(&ip, e->key, sizeof(ip));
		out_fmt(o, "  %-39s", ip_text(&ip, text));
		put_size(o, e->n[BYTES]);
		out_fmt(o, " %9llu %7llu %s\n", (unsigned long long)e->n[BEGAN],
			(unsigned long long)e->n[CALLED], places[e->n[PLACE]]);
	}
}

/* "ssh root / 123456" */
static void put_login(struct out *o, const struct top_entry *e, size_t columns)
{
	char text[TOP_KEY_MAX + 8];
	struct out whole = out_make(text, sizeof(text));
	size_t at = 0;
	struct text proto = next_part(e->key, e->key_len, &at);
	struct text user = next_part(e->key, e->key_len, &at);

	out_bytes(&whole, proto.at, proto.len);
	out_char(&whole, ' ');
	out_bytes(&whole, user.at, user.len);
	out_str(&whole, " / ");
	out_bytes(&whole, (const char *)e->key + at, e->key_len - at);
	put_padded(o, whole.at, whole.len, columns);
}

static void put_logins(struct out *o, struct top *top)
{
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_fmt(o, "\n%-56s %10s %10s\n", "logins", "tries", "let in");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		out_str(o, "  ");
		put_login(o, e, 54);
		out_fmt(o, " %10llu %10llu\n", (unsigned long long)e->weight,
			(unsigned long long)e->n[0]);
	}
}

static void put_let_in(struct out *o, struct top *top)
{
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_str(o, "\nlogins that worked, and where last\n");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		out_str(o, "  ");
		put_login(o, e, 42);
		out_char(o, ' ');
		put_words(o, (struct text){ e->note, e->note_len });
	}
}

static void put_chats(struct out *o, struct top *top)
{
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_fmt(o, "\n%-30s %7s  %s\n", "chats", "lines", "the last one");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		size_t at = 0;
		struct text where;

		next_part(e->key, e->key_len, &at); /* the protocol */
		where = next_part(e->key, e->key_len, &at);
		out_str(o, "  ");
		put_padded(o, where.at, where.len, 28);
		out_fmt(o, " %7llu  ", (unsigned long long)e->weight);
		put_words(o, (struct text){ e->note, e->note_len });
	}
}

static void put_files(struct out *o, const struct replay_found *found)
{
	struct top *top = found->table[FILES];
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_fmt(o, "\nfiles, the largest of %llu\n", (unsigned long long)found->files);
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		size_t at = 0;
		struct text name = next_part(e->note, e->note_len, &at);
		struct text type = next_part(e->note, e->note_len, &at);

		out_str(o, "  ");
		put_padded(o, (const char *)e->key, e->key_len, 64);
		put_size(o, e->n[SIZE]);
		out_str(o, "\n    ");
		put_cut(o, name.at, name.len, 30);
		out_str(o, " (");
		put_cut(o, type.at, type.len, 24);
		out_fmt(o, ") %llu x ", (unsigned long long)e->n[TIMES]);
		put_words(o, next_part(e->note, e->note_len, &at));
	}
}

static void put_decoded(struct out *o, struct top *top)
{
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_str(o, "\npayloads that were unreadable, and what they say\n");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		out_fmt(o, "  %llu x ", (unsigned long long)e->weight);
		put_cut(o, e->note, e->note_len, 30);
		out_str(o, ": ");
		put_words(o, (struct text){ (const char *)e->key, e->key_len });
	}
}

static void put_alerts(struct out *o, struct top *top)
{
	const struct top_entry *e;

	if (top_count(top) == 0)
		return;
	out_str(o, "\nalerts\n");
	for (uint32_t i = 0; i < FOUND_SHOWN && (e = top_heaviest(top, i)); i++) {
		out_fmt(o, "  %9llu x ", (unsigned long long)e->weight);
		out_bytes(o, (const char *)e->key, e->key_len);
		out_char(o, ' ');
		put_words(o, (struct text){ e->note, e->note_len });
	}
}

/* The gravest first, of these the latest. */
static const struct incident *next_incident(
	const struct replay_found *found, const struct incident *last)
{
	const struct incident *best = NULL;

	for (unsigned i = 0; i < FOUND_INCIDENTS_MAX; i++) {
		const struct incident *one = &found->incident[i];

		if (one->order == 0 ||
			(last && (one->grave > last->grave ||
					 (one->grave == last->grave && one->order >= last->order))))
			continue;
		if (!best || one->grave > best->grave ||
			(one->grave == best->grave && one->order > best->order))
			best = one;
	}
	return best;
}

static void put_incidents(struct out *o, const struct replay_found *found)
{
	const struct incident *one = next_incident(found, NULL);

	if (one)
		out_str(o, "\nincidents\n");
	for (unsigned i = 0; i < FOUND_SHOWN && one; i++, one = next_incident(found, one))
		out_str(o, one->text);
}

static void put_gone(struct out *o, const struct replay_found *found)
{
	uint64_t gone = 0;

	for (unsigned i = 0; i < TABLES; i++)
		gone += top_gone(found->table[i]);
	if (gone)
		out_fmt(o,
			"\n%llu rare ones were forgotten on the way: more than is remembered at a "
			"time\n",
			(unsigned long long)gone);
}

void replay_found_print(struct out *o, struct replay_found *found)
{
	put_hosts(o, found->table[HOST_BYTES], "hosts, by bytes");
	if (top_count(found->table[HOST_TALKS]) > FOUND_SHOWN) /* else it is the same ones again */
		put_hosts(o, found->table[HOST_TALKS], "hosts, by conversations");
	put_logins(o, found->table[LOGINS]);
	put_let_in(o, found->table[LET_IN]);
	put_chats(o, found->table[CHATS]);
	put_files(o, found);
	put_decoded(o, found->table[DECODED]);
	put_alerts(o, found->table[ALERTS]);
	put_incidents(o, found);
	put_gone(o, found);
}
