/* SPDX-License-Identifier: Apache-2.0 */
/* What a record means: who did what to which honeypot. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <jansson.h>

#include "base/out.h"
#include "incident/inside.h"

enum { PLAIN_SIZE = 72, SHORT_SIZE = 28, LAST_GRAVE = 2, SAID_MIN = 8 };

static const int64_t second_us = 1000000;
static const int64_t day_us = INT64_C(86400) * 1000000;

/* Texts are hostile: what is shown of them is printable ASCII, and cut. */
static const char *plain(char *buf, size_t size, const char *at, size_t len)
{
	struct out o = out_make(buf, size);

	out_quoted(&o, at ? at : "", at ? len : 0);
	return buf;
}

static const char *plain_text(char *buf, size_t size, struct text text)
{
	return plain(buf, size, text.at, text.len);
}

static int64_t us_of(int64_t time_ns)
{
	return time_ns / 1000;
}

/* ---- what stands in a record's members ---- */

static json_t *read_json(const struct view *v)
{
	return v->json.len > 0 ? json_loadb(v->json.at, v->json.len, JSON_ALLOW_NUL, NULL) : NULL;
}

static const json_t *member(const json_t *root, const char *object, const char *name)
{
	return json_object_get(json_object_get(root, object), name);
}

/* Into `buf`, as plain() does; "": there is none, or it is no string. */
static const char *plain_member(char *buf, size_t size, const json_t *value)
{
	return plain(buf, size, json_string_value(value), json_string_length(value));
}

static uint64_t hash_member(uint64_t hash, const json_t *value)
{
	const char *text = json_string_value(value);

	return text ? hash_bytes(hash, text, json_string_length(value) + 1) : hash;
}

/* ---- whose it is ---- */

static bool is_somebody(const struct ip *ip)
{
	static const struct ip broadcast = { .byte = {
						     [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

	return !ip_is_unset(ip) && !ip_is_multicast(ip) && !ip_equal(ip, &broadcast);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static bool is_spoofed(const struct record_head *head)
{
	return head->reason == REASON_SPOOF_IP || head->reason == REASON_SPOOF_MAC;
}

static struct view view_of(const struct record *record, struct text json)
{
	const struct record_head *head = &record->head;

	return (struct view){ .record = record,
		.json = json,
		.us = us_of(head->time_ns),
		.port = has_ports(head->proto) ? head->dport : 0 };
}

/* Of what came from outside, or from another honeypot, to a honeypot. False: of no one. */
static bool look_inbound(struct incidents *in, struct view *v)
{
	const struct record_head *head = &v->record->head;
	/* Between honeypots the record names the sender. */
	struct text name =
		head->direction == DIRECTION_INBOUND ? head->honeypot : (struct text){ 0 };

	if (!is_somebody(&head->dst) || !is_somebody(&head->src))
		return false;
	v->pot_ip = head->dst;
	v->remote = head->src;
	v->pot = pot_get(in, &v->pot_ip, name, false);
	v->source = source_get(in, &v->remote);
	if (ip_is_unset(&v->source->pot)) {
		v->source->pot = v->pot_ip;
		v->source->port = v->port;
		v->source->proto = head->proto;
		v->source->first_us = v->source->last_us = v->us;
	}
	if (v->us < v->source->first_us)
		v->source->first_us = v->us;
	if (v->us > v->source->last_us)
		v->source->last_us = v->us;
	v->incident = incident_of_remote(in, v->pot, &v->remote);
	return true;
}

static bool look_outbound(struct incidents *in, struct view *v)
{
	const struct record_head *head = &v->record->head;

	if (!is_somebody(&head->src))
		return false;
	v->outbound = true;
	v->pot_ip = head->src;
	v->remote = head->dst;
	v->pot = pot_get(in, &v->pot_ip, head->honeypot, is_spoofed(head));
	v->incident = incident_current(in, v->pot);
	/* Between honeypots there is much that nobody caused. */
	return head->direction == DIRECTION_OUTBOUND || v->incident;
}

static bool is_inbound(const struct record *record)
{
	return record->head.direction == DIRECTION_INBOUND ||
	       record->head.direction == DIRECTION_INTERNAL;
}

static bool is_outbound(const struct record *record)
{
	return record->head.direction == DIRECTION_OUTBOUND ||
	       record->head.direction == DIRECTION_INTERNAL;
}

/* Those whose habits a record adds to. */
static unsigned habits_of(const struct view *v, struct habits *ret_habits[static 2])
{
	unsigned n = 0;

	if (v->source)
		ret_habits[n++] = &v->source->habits;
	if (v->incident)
		ret_habits[n++] = &v->incident->habits;
	return n;
}

static void count(const struct view *v, enum measure measure, uint64_t n)
{
	struct habits *h[2];

	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_add(h[i], measure, n);
}

/* A payload, or a file, of this hash; true: the first of its kind. */
static bool count_payload(struct incidents *in, const struct view *v, uint64_t hash)
{
	bool is_new = known_add(in, hash);
	struct habits *h[2];

	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_payload(h[i], hash, &v->pot_ip);
	count(v, MEASURE_NEW_PAYLOAD, is_new);
	return is_new;
}

static const char *told_new(bool is_new)
{
	return is_new ? ", new" : "";
}

/* "198.51.100.7:80/TCP" */
static const char *whom(const struct view *v, char buf[static 96])
{
	struct out o = out_make(buf, 96);
	char ip[IP_TEXT_MAX], proto[8];

	out_str(&o, ip_text(&v->remote, ip));
	if (v->port)
		out_fmt(&o, ip_is_v4(&v->remote) ? ":%u" : " port %u", v->port);
	out_fmt(&o, "/%s", ip_proto_name(v->record->head.proto, proto));
	return buf;
}

static struct pot_event event_of(const struct view *v)
{
	const struct record_head *head = &v->record->head;

	return (struct pot_event){ .ip = v->remote,
		.us = v->us,
		.until_us = v->us,
		.flow = head->flow_id,
		.packet = packet_of(v->record),
		.port = v->port,
		.proto = head->proto };
}

/* Something was said to the honeypot: this may be how somebody gets in. */
static void note_contact(struct incidents *in, const struct view *v)
{
	struct pot *pot = &in->pot[v->pot];
	struct pot_event e = event_of(v);

	pot_flow_add(pot->flow_in, &pot->next_flow_in, e.flow);
	for (unsigned i = 0; i < POT_EVENTS_MAX; i++)
		if (ip_equal(&pot->contact[i].ip, &e.ip)) {
			if (e.us > pot->contact[i].until_us)
				pot->contact[i].until_us = e.us;
			return;
		}
	pot_event_add(pot->contact, &pot->next_contact, &e);
}

/* ---- what a honeypot begins ---- */

/* What any system does by itself, as far as addresses and ports tell. */
static bool is_housekeeping(const struct record *record)
{
	static const uint16_t ports[] = { 53, 67, 68, 123, 137, 138, 546, 547, 1900, 5353, 5355 };
	const struct record_head *head = &record->head;

	if (!is_somebody(&head->dst) || ip_is_link_local(&head->dst))
		return true;
	if (head->proto == IPPROTO_IGMP)
		return true;
	if (head->proto == IPPROTO_ICMP)
		return head->icmp_type == 3 || head->icmp_type == 11 || head->icmp_type == 0;
	if (head->proto == IPPROTO_ICMPV6)
		return head->icmp_type != 128;
	for (size_t i = 0; has_ports(head->proto) && i < sizeof(ports) / sizeof(ports[0]); i++)
		if (head->dport == ports[i])
			return head->proto == IPPROTO_UDP || head->dport == 53;
	return false;
}

static enum level level_of_blocked(enum reason reason)
{
	switch (reason) {
#define BLOCKED(ID, LEVEL) \
	case REASON_##ID:  \
		return LEVEL_##LEVEL;
#include "incident/blocked.def"
#undef BLOCKED
	default:
		return LEVEL_NONE;
	}
}

/* Without a policy there are no reasons, and who began is known only by a SYN. */
static bool began_by_itself(const struct record *record)
{
	switch ((enum reason)record->head.reason) {
	case REASON_WITHIN_BUDGET:
	case REASON_WHITE_LIST:
	case REASON_ESTABLISHED:
		return true;
	case REASON_INTERNAL:
	case REASON_NONE:
		return !is_housekeeping(record) &&
		       (record->type != EVENT_FLOW || record->head.proto != IPPROTO_TCP ||
			       record->flow.tcp_flags_ts & TH_SYN);
	default:
		return false;
	}
}

/* A packet that nobody answered, and then it acts: a back door that listens on no port. Background noise knocks
 * on ports all the time, so an ordinary SYN tells only when the answer goes to who sent it. */
static bool is_backdoor(const struct pot_event *quiet, const struct pot_event *began)
{
	bool odd = quiet->proto != IPPROTO_TCP;

	return !ip_is_unset(&quiet->ip) && !ip_is_unset(&began->ip) && began->us >= quiet->us &&
	       began->us - quiet->until_us <= BACKDOOR_S * second_us &&
	       (odd || ip_equal(&quiet->ip, &began->ip));
}

static void note_began(struct incidents *in, struct view *v)
{
	struct pot *pot = &in->pot[v->pot];
	struct pot_event began = event_of(v);

	for (unsigned i = 0; i < POT_EVENTS_MAX; i++)
		if (began.flow != 0 && pot->began[i].flow == began.flow)
			return;
	pot_event_add(pot->began, &pot->next_began, &began);
	for (unsigned i = 0; i < POT_EVENTS_MAX; i++)
		if (is_backdoor(&pot->quiet[i], &began))
			incident_backdoor(in, v, &pot->quiet[i], &began);
}

static void note_quiet(struct incidents *in, struct view *v, const struct pot_event *quiet)
{
	struct pot *pot = &in->pot[v->pot];

	pot_event_add(pot->quiet, &pot->next_quiet, quiet);
	for (unsigned i = 0; i < POT_EVENTS_MAX; i++)
		if (is_backdoor(quiet, &pot->began[i]))
			incident_backdoor(in, v, quiet, &pot->began[i]);
}

/* It began a conversation, as of v. */
static void begin_outside(struct incidents *in, struct view *v)
{
	struct pot *pot = &in->pot[v->pot];
	char to[96];
	struct sentence s = sentence_make(v, STORY_OUTBOUND, "began to speak to %s", whom(v, to));

	pot_flow_add(pot->flow_out, &pot->next_flow_out, v->record->head.flow_id);
	incident_act(in, v, LEVEL_HIGH, &s);
	note_began(in, v);
}

/* ---- the records ---- */

static void take_inbound_flow(struct incidents *in, struct view *v)
{
	const struct event_flow *flow = &v->record->flow;
	struct habits *h[2];
	struct pot_event e;
	bool said;

	v->us = us_of(flow->start_ns);
	if (!look_inbound(in, v))
		return;
	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_conversation(h[i], &v->pot_ip, v->port, v->record->head.proto);
	e = event_of(v);
	e.until_us = us_of(flow->end_ns);
	if (e.until_us > v->source->last_us)
		v->source->last_us = e.until_us;
	if (flow->pkts_toclient == 0) {
		count(v, MEASURE_UNANSWERED, 1);
		note_quiet(in, v, &e);
		return;
	}
	said = v->record->head.proto == IPPROTO_TCP ? flow->psh || flow->pkts_toserver > SAID_MIN
						    : flow->pkts_toserver > 0;
	count(v, MEASURE_MUTE, !said);
	if (said) {
		char from[96];
		struct sentence s = sentence_make(
			v, STORY_ENTRY, "%s spoke to port %u", ip_text(&v->remote, from), v->port);

		note_contact(in, v);
		incident_contact(in, v, &e, &s);
	}
	if (v->incident)
		incident_touch(in, v->incident, v);
}

static void take_outbound_flow(struct incidents *in, struct view *v)
{
	enum level level = level_of_blocked((enum reason)v->record->head.reason);

	v->us = us_of(v->record->flow.start_ns);
	if (level == LEVEL_NONE && !began_by_itself(v->record))
		return;
	if (!look_outbound(in, v))
		return;
	if (level == LEVEL_NONE)
		begin_outside(in, v);
	if (!v->incident)
		return;
	/* Of what was stopped the drop records tell. */
	count(v, MEASURE_OUT_FLOWS, 1);
	habit_out(&v->incident->habits, &v->remote, v->port, v->record->head.proto);
}

static void take_flow(struct incidents *in, struct view *v)
{
	if (v->record->head.direction == DIRECTION_INBOUND)
		take_inbound_flow(in, v);
	else
		take_outbound_flow(in, v);
}

static void take_drop(struct incidents *in, struct view *v)
{
	const struct event_drop *drop = &v->record->drop;
	enum level level = level_of_blocked((enum reason)drop->reason);
	char to[96];
	struct sentence s;

	if (level == LEVEL_NONE || !is_outbound(v->record) || !look_outbound(in, v))
		return;
	s = sentence_make(v, STORY_BLOCKED, "stopped (%s) on the way to port %u, first to %s",
		reason_name((enum reason)drop->reason), v->port, whom(v, to));
	/* The same reason and port is the same sentence, whoever it was for. */
	for (uint32_t i = 0; v->incident && i < v->incident->n_story; i++) {
		size_t len = (size_t)(strstr(s.text, ", first") - s.text);

		if (v->incident->story[i].kind == STORY_BLOCKED &&
			strncmp(v->incident->story[i].text, s.text, len) == 0)
			memcpy(s.text, v->incident->story[i].text, sizeof(s.text));
	}
	s.times = drop->count;
	incident_act(in, v, level, &s);
	count(v, MEASURE_STOPPED, drop->count);
	habit_out(&v->incident->habits, &v->remote, v->port, v->record->head.proto);
	note_began(in, v);
}

static void take_alert_in(struct incidents *in, struct view *v, const char *signature)
{
	const struct event_alert *alert = &v->record->alert;
	uint64_t hash = hash_bytes(0, &alert->sid, sizeof(alert->sid));
	struct habits *h[2];
	struct sentence s;

	if (!look_inbound(in, v))
		return;
	count(v, MEASURE_WARNED, 1);
	count(v, MEASURE_EXPLOITS, alert->severity == 1);
	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_payload(h[i], hash_bytes(hash, &alert->gid, sizeof(alert->gid)), &v->pot_ip);
	s = sentence_make(v, STORY_ALERT, "rule %u: %s", alert->sid, signature);
	note_contact(in, v);
	incident_notice(in, v, &s);
}

static void take_alert_out(struct incidents *in, struct view *v, const char *signature)
{
	const struct event_alert *alert = &v->record->alert;
	bool rewritten = alert->before.len > 0;
	bool blocked = text_is_word(alert->action, "blocked");
	enum level level = blocked ? LEVEL_CRITICAL : LEVEL_HIGH;
	struct sentence s;

	if (!look_outbound(in, v))
		return;
	/* What only informs opens nothing. */
	if (!v->incident && !blocked && alert->severity > LAST_GRAVE)
		return;
	s = sentence_make(v,
		rewritten ? STORY_REWRITTEN
		: blocked ? STORY_BLOCKED
			  : STORY_ALERT,
		"%srule %u: %s",
		rewritten ? "rewritten by "
		: blocked ? "stopped by "
			  : "",
		alert->sid, signature);
	if (!v->incident || blocked || alert->severity <= LAST_GRAVE)
		incident_act(in, v, level, &s);
	else
		story_add(v->incident, &s);
	count(v, MEASURE_ATTACKS_OUT, 1);
	count(v, MEASURE_DISARMED, blocked);
}

static void take_alert(struct incidents *in, struct view *v)
{
	char signature[PLAIN_SIZE + 24];

	plain_text(signature, sizeof(signature), v->record->alert.signature);
	if (v->record->head.direction == DIRECTION_OUTBOUND)
		take_alert_out(in, v, signature);
	else if (is_inbound(v->record))
		take_alert_in(in, v, signature);
}

/* Doors that are open to everybody are no break-in. */
static bool is_public(const struct record *record)
{
	const struct event_login *login = &record->login;
	struct text proto = record->head.app_proto;

	if (login->user.len + login->password.len + login->hash.len == 0 ||
		text_is_word(login->method, "guest"))
		return true;
	if (text_is_word(proto, "ftp"))
		return text_is_word(login->user, "anonymous") || text_is_word(login->user, "ftp");
	return text_is_word(proto, "snmp") || text_is_word(proto, "irc");
}

static uint64_t credential_of(const struct event_login *login)
{
	struct text secret = login->password.len > 0 ? login->password : login->hash;

	if (secret.len == 0)
		return 0;
	return hash_bytes(hash_bytes(hash_bytes(0, login->user.at, login->user.len), "", 1),
		secret.at, secret.len);
}

static void take_login_in(struct incidents *in, struct view *v)
{
	const struct event_login *login = &v->record->login;
	bool good = text_is_word(login->result, "success");
	char user[SHORT_SIZE], app[SHORT_SIZE], from[IP_TEXT_MAX];
	struct habits *h[2];
	struct sentence s;

	if (!look_inbound(in, v))
		return;
	plain_text(app, sizeof(app), v->record->head.app_proto);
	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_login(h[i], v->us, good && !is_public(v->record));
	v->source->failed_flow = good ? 0 : v->record->head.flow_id;
	tried_add(in, credential_of(login), &v->remote);
	note_contact(in, v);
	if (good && !is_public(v->record)) {
		s = sentence_make(v, STORY_LOGIN, "%s logged in over %s as '%s'",
			ip_text(&v->remote, from), app,
			plain_text(user, sizeof(user), login->user));
		incident_enter(in, v, &s, credential_of(login), 0);
		return;
	}
	s = sentence_make(v, STORY_LOGIN, "%s %s over %s", ip_text(&v->remote, from),
		good ? "came in where everybody may" : "tried to log in", app);
	incident_notice(in, v, &s);
}

static void take_login_out(struct incidents *in, struct view *v)
{
	char user[SHORT_SIZE], app[SHORT_SIZE], to[IP_TEXT_MAX];
	struct sentence s;

	if (!look_outbound(in, v))
		return;
	s = sentence_make(v, STORY_LOGIN, "the honeypot logged in at %s over %s as '%s'",
		ip_text(&v->remote, to), plain_text(app, sizeof(app), v->record->head.app_proto),
		plain_text(user, sizeof(user), v->record->login.user));
	begin_outside(in, v);
	story_add(v->incident, &s);
}

/* Whoever comes with a password that an intruder has set knows it from him. */
static void take_set_password(struct incidents *in, struct view *v)
{
	const struct event_login *login = &v->record->login;

	if (is_inbound(v->record) && look_inbound(in, v) && v->incident && login->user.len > 0 &&
		!text_is_word(login->result, "failure"))
		incident_learn(v->incident, credential_of(login));
}

static void take_login(struct incidents *in, struct view *v)
{
	if (v->record->login.action.len > 0)
		take_set_password(in, v);
	else if (v->record->head.direction == DIRECTION_OUTBOUND)
		take_login_out(in, v);
	else if (is_inbound(v->record))
		take_login_in(in, v);
}

static void take_chat(struct incidents *in, struct view *v)
{
	const struct event_chat *chat = &v->record->chat;
	char nick[SHORT_SIZE], channel[SHORT_SIZE], text[PLAIN_SIZE];
	struct sentence s;

	if (v->record->head.direction != DIRECTION_OUTBOUND || !look_outbound(in, v))
		return;
	begin_outside(in, v);
	plain_text(nick, sizeof(nick), chat->nick);
	plain_text(channel, sizeof(channel), chat->channel.len ? chat->channel : chat->to);
	plain_text(text, sizeof(text), chat->text);
	if (text_is_word(chat->kind, "message")) {
		habit_chat(&v->incident->habits, hash_bytes(0, chat->text.at, chat->text.len));
		s = sentence_make(v, STORY_CHAT, "%s in %s: %s", nick, channel, text);
		story_add(v->incident, &s);
	} else if (text_is_word(chat->kind, "join")) {
		s = sentence_make(v, STORY_CHAT, "%s joined %s", nick, channel);
		story_add(v->incident, &s);
	}
}

/* The sender of a file is who was asked for it, or who brought it: known of conversations that were seen, else
 * guessed from the ports: whoever is asked has the lower one. */
static bool was_fetched(const struct incidents *in, const struct view *v, bool to_honeypot)
{
	const struct record_head *head = &v->record->head;
	const struct pot *pot = &in->pot[v->pot];

	if (pot_flow_has(pot->flow_out, head->flow_id))
		return true;
	if (pot_flow_has(pot->flow_in, head->flow_id))
		return false;
	return to_honeypot ? head->sport < head->dport : head->dport < head->sport;
}

/* A file in a request is part of what one asks a web server; to put one there is not. */
static bool brings(const struct view *v, const json_t *root)
{
	struct text app = v->record->head.app_proto;
	const char *method = json_string_value(member(root, "http", "http_method"));

	if (text_is_word(app, "http"))
		return method && strcmp(method, "PUT") == 0;
	return !text_is_word(app, "smtp") && !text_is_word(app, "pop3") &&
	       !text_is_word(app, "imap");
}

static struct sentence file_sentence(const struct view *v, enum story_kind kind, const char *verb,
	const json_t *root, bool is_new)
{
	char name[SHORT_SIZE], sum[65];

	plain_member(name, sizeof(name), member(root, "fileinfo", "filename"));
	plain_member(sum, sizeof(sum), member(root, "fileinfo", "sha256"));
	return sentence_make(v, kind, "%s '%s', %lld bytes%s, sha256 %s", verb, name,
		(long long)json_integer_value(member(root, "fileinfo", "size")), told_new(is_new),
		sum);
}

static bool take_file_in(struct incidents *in, struct view *v, const json_t *root, uint64_t hash)
{
	struct sentence s;
	bool is_new;

	if (!look_inbound(in, v))
		return false;
	if (was_fetched(in, v, true)) {
		/* The server that it was fetched from is no intruder. */
		if (v->source->habits.n[MEASURE_FLOWS] == 0 && v->source->n_notes == 0)
			v->source->entered = true;
		v->source = NULL;
		v->incident = incident_current(in, v->pot);
		is_new = count_payload(in, v, hash);
		if (v->incident) {
			s = file_sentence(v, STORY_FETCHED, "fetched", root, is_new);
			count(v, MEASURE_OUT_FILES, 1);
			incident_act(in, v, LEVEL_NONE, &s);
		}
		return is_new;
	}
	is_new = count_payload(in, v, hash);
	if (!brings(v, root))
		return is_new;
	count(v, MEASURE_FILES, 1);
	note_contact(in, v);
	s = file_sentence(v, STORY_FILE, "brought", root, is_new);
	incident_enter(in, v, &s, 0, hash);
	return is_new;
}

static bool take_file_out(struct incidents *in, struct view *v, const json_t *root, uint64_t hash)
{
	struct sentence s;
	bool is_new;

	(void)look_outbound(in, v);
	is_new = count_payload(in, v, hash);
	if (!v->incident || !was_fetched(in, v, false))
		return is_new;
	s = file_sentence(v, STORY_FILE, "the honeypot sent", root, is_new);
	count(v, MEASURE_OUT_FILES, 1);
	incident_act(in, v, LEVEL_NONE, &s);
	return is_new;
}

static bool take_file(struct incidents *in, struct view *v, struct record *record)
{
	json_t *root = read_json(v);
	uint64_t hash = hash_member(0, member(root, "fileinfo", "sha256"));
	bool is_new = false;

	if (hash != 0 && record->head.direction == DIRECTION_OUTBOUND)
		is_new = take_file_out(in, v, root, hash);
	else if (hash != 0 && is_inbound(record))
		is_new = take_file_in(in, v, root, hash);
	json_decref(root);
	if (is_new)
		record->app_FILEINFO.is_new = true;
	return is_new;
}

static void take_typed(struct incidents *in, struct view *v)
{
	const char *object = event_type_name(v->record->type);
	char line[PLAIN_SIZE + 24];
	struct habits *h[2];
	json_t *root;
	struct sentence s;
	uint64_t hash;
	bool is_new;

	if (!is_inbound(v->record) || !look_inbound(in, v))
		return;
	root = read_json(v);
	plain_member(line, sizeof(line), member(root, object, "command"));
	hash = hash_member(0, member(root, object, "command"));
	json_decref(root);
	for (unsigned i = habits_of(v, h); i-- > 0;)
		habit_typed(h[i], v->us, v->record->head.flow_id);
	is_new = hash != 0 && count_payload(in, v, hash);
	note_contact(in, v);
	s = sentence_make(v, STORY_TYPED, "typed: %s%s", line, told_new(is_new));
	/* What is typed after a refusal is typed into nothing. */
	if (v->source->failed_flow != 0 && v->source->failed_flow == v->record->head.flow_id)
		incident_notice(in, v, &s);
	else
		incident_enter(in, v, &s, 0, 0);
}

static void take_decoded(struct incidents *in, struct view *v)
{
	const struct event_decoded *decoded = &v->record->decoded;
	uint64_t hash = hash_bytes(0, decoded->text.at, decoded->text.len);
	char method[SHORT_SIZE], text[PLAIN_SIZE];
	struct sentence s;
	bool is_new, outbound = v->record->head.direction == DIRECTION_OUTBOUND;

	if (outbound ? !look_outbound(in, v) : !is_inbound(v->record) || !look_inbound(in, v))
		return;
	count(v, MEASURE_DISGUISED, 1);
	is_new = count_payload(in, v, hash);
	s = sentence_make(v, STORY_DECODED, "%s, undone by %s%s: %s",
		outbound ? "sent bytes" : "got bytes",
		plain_text(method, sizeof(method), decoded->method), told_new(is_new),
		plain_text(text, sizeof(text), decoded->text));
	if (!outbound) {
		note_contact(in, v);
		incident_enter(in, v, &s, 0, 0);
		return;
	}
	if (!v->incident)
		begin_outside(in, v);
	story_add(v->incident, &s);
}

static void take_http(struct incidents *in, struct view *v)
{
	json_t *root = read_json(v);
	const json_t *url = member(root, "http", "url"), *host = member(root, "http", "hostname"),
		     *method = member(root, "http", "http_method");
	char u[PLAIN_SIZE], h[SHORT_SIZE + 16], m[SHORT_SIZE];
	struct sentence s;

	plain_member(u, sizeof(u), url);
	plain_member(h, sizeof(h), host);
	plain_member(m, sizeof(m), method);
	if (is_inbound(v->record) && look_inbound(in, v)) {
		bool is_new = count_payload(in, v, hash_member(hash_member(1, method), url));

		s = sentence_make(v, STORY_ENTRY, "asked for %s %s%s", m, u, told_new(is_new));
		note_contact(in, v);
		incident_notice(in, v, &s);
	} else if (is_outbound(v->record) && look_outbound(in, v)) {
		begin_outside(in, v);
		s = sentence_make(v, STORY_FETCHED, "asked for %s http://%s%s", m, h, u);
		story_add(v->incident, &s);
	}
	json_decref(root);
}

/* Questions alone are what any system has; after a break-in they tell where it turns. */
static void take_question(struct incidents *in, struct view *v)
{
	char text[PLAIN_SIZE];
	const json_t *name;
	json_t *root;

	if (v->record->head.direction != DIRECTION_OUTBOUND || !look_outbound(in, v) ||
		!v->incident)
		return;
	root = read_json(v);
	name = v->record->type == EVENT_TLS
		       ? member(root, "tls", "sni")
		       : json_object_get(
				 json_array_get(member(root, "dns", "queries"), 0), "rrname");
	plain_member(text, sizeof(text), name);
	json_decref(root);
	if (text[0]) {
		struct sentence s = sentence_make(v, STORY_ASKED, "asked for %s", text);

		story_add(v->incident, &s);
		incident_touch(in, v->incident, v);
	}
}

/* Any other protocol that is no housekeeping. */
static void take_spoken(struct incidents *in, struct view *v)
{
	if (v->record->head.direction == DIRECTION_OUTBOUND) {
		if (!is_housekeeping(v->record) && look_outbound(in, v))
			begin_outside(in, v);
	} else if (is_inbound(v->record) && look_inbound(in, v)) {
		note_contact(in, v);
		if (v->incident)
			incident_touch(in, v->incident, v);
	}
}

static void take_application(struct incidents *in, struct view *v)
{
	take_spoken(in, v);
	if (v->record->type == EVENT_SMTP && v->outbound && v->incident)
		count(v, MEASURE_MAILS, 1);
	if (v->record->type == EVENT_TLS)
		take_question(in, v);
}

/* The gate's own word that a honeypot began its first conversation. */
static bool take_first(struct incidents *in, struct view *v, struct record *record)
{
	if (record->head.direction != DIRECTION_OUTBOUND || !look_outbound(in, v))
		return false;
	begin_outside(in, v);
	incident_adopt(in, v->incident, record);
	return true;
}

static void advance(struct incidents *in, int64_t us)
{
	/* Back by so much: the clock was set. */
	if (!in->started || us > in->now_us || in->now_us - us > day_us)
		in->now_us = us;
	in->started = true;
}

bool incidents_take(struct incidents *in, struct record *record, struct text json)
{
	struct view v = view_of(record, json);

	if (record->type == EVENT_CONTROL || record->type == EVENT_SOURCE)
		return false;
	advance(in, v.us);
	place_learn(in, record);
	switch (record->type) {
	case EVENT_FLOW:
		take_flow(in, &v);
		break;
	case EVENT_DROP:
		take_drop(in, &v);
		break;
	case EVENT_ALERT:
		take_alert(in, &v);
		break;
	case EVENT_LOGIN:
		take_login(in, &v);
		break;
	case EVENT_CHAT:
		take_chat(in, &v);
		break;
	case EVENT_FILEINFO:
		return take_file(in, &v, record);
	case EVENT_TELNET:
	case EVENT_RLOGIN:
	case EVENT_RSH:
		take_typed(in, &v);
		break;
	case EVENT_DECODED:
		take_decoded(in, &v);
		break;
	case EVENT_HTTP:
		take_http(in, &v);
		break;
	case EVENT_DNS:
		take_question(in, &v);
		break;
	case EVENT_INCIDENT:
		return take_first(in, &v, record);
	case EVENT_TLS:
	case EVENT_SSH:
	case EVENT_SMTP:
	case EVENT_FTP:
	case EVENT_SMB:
	case EVENT_DCERPC:
	case EVENT_LDAP:
	case EVENT_SIP:
	case EVENT_TFTP:
	case EVENT_POP3:
	case EVENT_IMAP:
	case EVENT_MYSQL:
	case EVENT_PGSQL:
	case EVENT_MSSQL:
	case EVENT_REDIS:
	case EVENT_RFB:
	case EVENT_RDP:
	case EVENT_SOCKS:
	case EVENT_DCC:
		take_application(in, &v);
		break;
	default: /* they tell the time */
		break;
	}
	return false;
}
