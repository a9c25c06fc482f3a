/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incidents: a step is six bytes and a text - what, who and where to, time, port or reason, more, length of the text -
 * and becomes a record. What follows must be records that can be packed, and the same when the state was saved and
 * loaded in between; a state with changed bytes is refused or harmless.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "base/out.h"
#include "event/event.h"
#include "incident/incident.h"

enum { SAVES_MAX = 2, STEPS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct both {
	struct incidents *one, *other; /* the other was saved and loaded; NULL: not yet */
	struct incidents *spare;
	int64_t time_ns;
	uint64_t n;
	unsigned saves;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static size_t print(struct incidents *in, char *line, size_t size)
{
	static uint8_t packed[RECORD_PACKED_MAX];
	struct out o = out_make(line, size);
	struct record record;

	if (!incidents_next(in, &record))
		return 0;
	record_json(&o, &record, NULL);
	check(out_ok(&o) && record_pack(&record, packed, sizeof(packed)) > 0);
	return o.len;
}

static void follow(struct both *b)
{
	static char line[RECORD_JSON_MAX], other[RECORD_JSON_MAX];
	size_t len;

	do {
		len = print(b->one, line, sizeof(line));
		if (b->other)
			check(print(b->other, other, sizeof(other)) == len &&
				memcmp(line, other, len) == 0);
	} while (len > 0);
}

static struct ip somebody(unsigned n)
{
	return n == 7 ? (struct ip){ .byte = { 0x20, 1, 13, 0xb8, [15] = 9 } }
		      : ip_from_v4((uint8_t[]){ 203, 0, 113, (uint8_t)n });
}

static struct ip pot(unsigned n)
{
	return ip_from_v4((uint8_t[]){ 10, 0, 0, (uint8_t)n });
}

static void fill_head(struct both *b, const uint8_t step[6], struct record_head *head)
{
	static const uint16_t ports[] = { 22, 23, 53, 80, 445, 6112, 6667, 40000 };
	static const uint8_t protos[] = { 6, 17, 1, 11 };
	static const char *const apps[] = { "ssh", "ftp", "http", "", "irc", "smtp", "ftp-data",
		"x" };
	struct ip outside = somebody(step[1] >> 2 & 7), inside = pot(step[1] >> 5);

	b->time_ns += (int64_t)(step[2] & 0x3f) * 10000000 << (step[2] >> 6) * 6;
	head->time_ns = b->time_ns;
	head->direction = step[1] & 3;
	head->src = head->direction == DIRECTION_INBOUND ? outside : inside;
	head->dst = head->direction == DIRECTION_INBOUND    ? inside
		    : head->direction == DIRECTION_OUTBOUND ? outside
							    : pot(step[4] & 7);
	head->sport = ports[step[4] & 7];
	head->dport = ports[step[3] & 7];
	head->proto = protos[step[3] >> 3 & 3];
	head->app_proto = text_of(apps[step[4] >> 3 & 7]);
	head->reason = (uint16_t)(step[3] % REASON_COUNT);
	head->flow_id = step[4] & 0x1f;
	head->packet = ++b->n;
	if (step[4] & 0x40)
		head->honeypot = text_of(step[1] & 0x20 ? "web" : "mail");
}

static void fill_body(const uint8_t step[6], struct text text, struct record *r)
{
	static const char *const results[] = { "success", "failure", "unknown", "" };

	switch (r->type) {
	case EVENT_FLOW:
		r->flow.start_ns = r->head.time_ns - (int64_t)step[4] * 100000000;
		r->flow.end_ns = r->head.time_ns;
		r->flow.pkts_toclient = step[4] >> 6;
		r->flow.pkts_toserver = step[4] & 0xf;
		r->flow.tcp_flags_ts = step[0] >> 4;
		break;
	case EVENT_DROP:
		r->drop.reason = r->head.reason;
		r->drop.count = (uint64_t)step[4] << (step[0] >> 4) * 3;
		break;
	case EVENT_ALERT:
		r->alert.severity = step[4] & 3;
		r->alert.sid = step[4];
		r->alert.action = text_of(step[4] & 4 ? "blocked" : "allowed");
		r->alert.signature = text;
		r->alert.before = step[4] & 8 ? text : (struct text){ 0 };
		break;
	case EVENT_LOGIN:
		r->login.user = text;
		r->login.password = text_of(step[4] & 0x80 ? "a" : "b");
		r->login.result = text_of(results[step[3] & 3]);
		r->login.action = text_of(step[4] & 0x40 ? "set" : "");
		break;
	case EVENT_FINGERPRINT:
		r->fingerprint.subject = r->head.src;
		r->fingerprint.country = text_of(step[4] & 1 ? "NL" : "");
		r->fingerprint.as_number = step[4] >> 1;
		r->fingerprint.as_name = text;
		break;
	case EVENT_CHAT:
		r->chat.kind = text_of(step[4] & 0x80 ? "join" : "message");
		r->chat.nick = r->chat.text = text;
		break;
	case EVENT_DECODED:
		r->decoded.text = text;
		break;
	default: /* the rest is in the JSON */
		break;
	}
}

static void save_and_load(struct both *b, const uint8_t step[6])
{
	size_t size = incidents_save_size(b->one);
	uint8_t *bytes = malloc(size);

	check(bytes && incidents_save(b->one, bytes, size) == size);
	b->other = b->spare;
	check(incidents_load(b->other, bytes, size) == 0);
	if (step[1] & 1) {
		/* What was changed may be another state as well: both go on from there. */
		uint8_t *at = &bytes[(step[2] * 257u + step[3] * 65537u + step[4]) % size];

		*at ^= step[1];
		if (incidents_load(b->one, bytes, size) < 0) {
			*at ^= step[1];
			check(incidents_load(b->one, bytes, size) == 0);
		}
		check(incidents_load(b->other, bytes, size) == 0);
	}
	free(bytes);
}

static void take(struct both *b, const uint8_t step[6], struct text text)
{
	static const enum event_type types[] = { EVENT_FLOW, EVENT_DROP, EVENT_ALERT, EVENT_LOGIN,
		EVENT_CHAT, EVENT_DECODED, EVENT_FILEINFO, EVENT_TELNET, EVENT_HTTP, EVENT_DNS,
		EVENT_INCIDENT, EVENT_SMTP, EVENT_STATS, EVENT_TLS, EVENT_FINGERPRINT };
	struct record record = { 0 }, same;

	if (step[0] % 16 == 15) {
		if (b->saves++ < SAVES_MAX)
			save_and_load(b, step);
		return;
	}
	record.type = types[step[0] % 16];
	fill_head(b, step, &record.head);
	fill_body(step, text, &record);
	same = record;
	(void)incidents_take(b->one, &record, text);
	if (b->other)
		(void)incidents_take(b->other, &same, text);
	follow(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct incidents *one, *other;
	struct both b = { .time_ns = INT64_C(1769860800000000000) };
	struct cur c = cur_make(data, size);

	/* Emptied each time: as large as they are, they are made once. */
	if (!one)
		check(incidents_new(&one) == 0 && incidents_new(&other) == 0);
	check(incidents_load(one, "", 0) < 0);
	b.one = one;
	b.spare = other;
	for (unsigned i = 0; i < STEPS_MAX && cur_left(&c) >= 6; i++) {
		const uint8_t *step = cur_take(&c, 6);
		size_t len = step[5] <= cur_left(&c) ? step[5] : cur_left(&c);

		take(&b, step, (struct text){ (const char *)cur_take(&c, len), (uint32_t)len });
	}
	incidents_finish(b.one);
	if (b.other)
		incidents_finish(b.other);
	follow(&b);
	check(incidents_counts(b.one).open == 0 && incidents_counts(b.one).following == 0);
	return 0;
}
