/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl incidents - the intrusions, each as its last record says; one of them with its story. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/out.h"
#include "cmd/fishbowl/place_text.h"
#include "cmd/fishbowl/time_arg.h"
#include "conf/conf.h"
#include "event/event.h"
#include "store/line.h"
#include "store/query.h"
#include "store/redact.h"

enum {
	KEY_STATE_DIR = 256,
	KEY_FROM,
	KEY_TO,
	KEY_ROLE,
	KEY_JSON,
	EXIT_USAGE = 2,
	LINE_MAX_SIZE = 4096
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "configuration (default: " CONF_PATH_DEFAULT ")", 0 },
	{ "state-dir", KEY_STATE_DIR, "DIR", 0, "the records in DIR, without a configuration", 0 },
	{ "honeypot", 'H', "NAME", 0, "its name in the configuration", 1 },
	{ "open", 'o', NULL, 0, "only those that go on", 1 },
	{ "from", KEY_FROM, "TIME", 0, "told of not before: see fishbowl events", 1 },
	{ "to", KEY_TO, "TIME", 0, "told of before", 1 },
	{ "role", KEY_ROLE, "ROLE", 0, "analyst: all; viewer: without what was typed and said", 2 },
	{ "json", KEY_JSON, NULL, 0, "EVE JSON, the last record of each in a line", 2 },
	{ 0 },
};

/* Lasts as long as the list. */
struct incident {
	char *json; /* its last record */
	size_t len;
	struct line *line;
	struct record record;
};

struct incidents {
	const char *conf_path;
	const char *state_dir;
	const char *id;
	struct store_filter filter;
	bool open;
	bool json;
	enum role role;
	struct redact *redact;
	struct incident *list; /* in the order in which they were first told of */
	size_t n, room;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct incidents *in = state->input;

	switch (key) {
	case 'c':
		in->conf_path = value;
		return 0;
	case KEY_STATE_DIR:
		in->state_dir = value;
		return 0;
	case 'H':
		in->filter.honeypot = value;
		return 0;
	case 'o':
		in->open = true;
		return 0;
	case KEY_FROM:
		if (!time_arg_parse(value, &in->filter.from_ns))
			argp_error(state, "'%s' is no %s", value, TIME_ARG_FORMS);
		return 0;
	case KEY_TO:
		if (!time_arg_parse(value, &in->filter.to_ns))
			argp_error(state, "'%s' is no %s", value, TIME_ARG_FORMS);
		return 0;
	case KEY_ROLE:
		if (!role_find(value, &in->role))
			argp_error(state, "'%s' is no role: analyst or viewer", value);
		return 0;
	case KEY_JSON:
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (in->id)
			argp_error(state, "'%s': one incident at a time", value);
		in->id = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool same(struct text a, struct text b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* The place of this one in the list; NULL: no memory. */
static struct incident *find(struct incidents *in, struct text id)
{
	for (size_t i = in->n; i-- > 0;)
		if (same(in->list[i].record.incident.incident_id, id))
			return &in->list[i];
	if (in->n == in->room) {
		size_t room = in->room * 2 + 64;
		struct incident *more = reallocarray(in->list, room, sizeof(*more));

		if (!more)
			return NULL;
		in->list = more;
		in->room = room;
	}
	in->list[in->n] = (struct incident){ 0 };
	return &in->list[in->n++];
}

static void forget(struct incident *incident)
{
	line_free(incident->line);
	free(incident->json);
	*incident = (struct incident){ 0 };
}

/* Records come in the order of their times; what was told later is the later one. */
static int take(void *context, const struct store_event *event)
{
	struct incidents *in = context;
	struct incident *place;
	struct record record;
	struct line *line;
	const char *json;
	size_t len;
	int error = redact_line(in->redact, event->json, event->json_len, &json, &len);

	if (error)
		return error == -EBADMSG ? 0 : error;
	if (line_parse(json, len, &line, &record) < 0)
		return 0;
	if (record.incident.incident_id.len == 0 ||
		(in->id && !text_is_word(record.incident.incident_id, in->id))) {
		line_free(line);
		return 0;
	}
	place = find(in, record.incident.incident_id);
	if (!place || (place->line && line_seq(place->line) > event->seq)) {
		line_free(line);
		return place ? 0 : -ENOMEM;
	}
	forget(place);
	place->json = strndup(json, len);
	place->len = len;
	place->line = line;
	place->record = record;
	return place->json ? 0 : -ENOMEM;
}

static bool is_open(const struct incident *incident)
{
	return !text_is_word(incident->record.incident.stage, "closed");
}

static void put_stamp(struct out *o, int64_t time_ns)
{
	char stamp[40];
	struct out t = out_make(stamp, sizeof(stamp));

	out_time_rfc3339(&t, time_ns);
	out_fmt(o, "%.10s %.8s", stamp, stamp + 11);
}

static void print_line(const struct incident *incident)
{
	const struct event_incident *body = &incident->record.incident;
	char text[LINE_MAX_SIZE];
	struct out o = out_make(text, sizeof(text));

	put_stamp(&o, body->first_ns);
	out_fmt(&o, "  %.*s  %-6s  %-8.*s  %-11.*s  ", (int)body->incident_id.len,
		body->incident_id.at, is_open(incident) ? "open" : "closed",
		(int)body->severity.len, body->severity.at, (int)body->class.len, body->class.at);
	out_quoted(&o, body->title.at, body->title.len);
	place_text(&o, body->country, body->as_number, body->as_name);
	puts(text);
}

static void print_sentence(const json_t *sentence)
{
	const char *time = json_string_value(json_object_get(sentence, "time"));
	const char *what = json_string_value(json_object_get(sentence, "what"));
	const json_t *said = json_object_get(sentence, "text");
	json_int_t flow = json_integer_value(json_object_get(sentence, "flow_id"));
	json_int_t times = json_integer_value(json_object_get(sentence, "times"));
	char text[LINE_MAX_SIZE];
	struct out o = out_make(text, sizeof(text));

	out_fmt(&o, "  %.10s %.12s  %-9s  ", time ? time : "",
		time && strlen(time) > 11 ? time + 11 : "", what ? what : "");
	if (json_is_string(said))
		out_quoted(&o, json_string_value(said), json_string_length(said));
	if (times > 1)
		out_fmt(&o, " (%lld times)", (long long)times);
	if (flow > 0)
		out_fmt(&o, "  [flow %lld]", (long long)flow);
	puts(text);
}

static void print_remote(const json_t *remote)
{
	const char *ip = json_string_value(json_object_get(remote, "ip"));
	const char *why = json_string_value(json_object_get(remote, "why"));
	char text[LINE_MAX_SIZE];
	struct out o = out_make(text, sizeof(text));

	out_fmt(&o, "  %s", ip ? ip : "");
	place_text_of(&o, remote);
	out_fmt(&o, ": %s", why ? why : "");
	puts(text);
}

static void print_counts(const struct event_incident *body)
{
	const struct {
		const char *what;
		uint64_t n;
	} count[] = { { "logins tried", body->logins }, { "worked", body->logins_good },
		{ "lines typed", body->typed }, { "files", body->files },
		{ "conversations begun", body->outbound }, { "frames stopped", body->stopped },
		{ "attacks disarmed", body->disarmed } };
	const char *before = "  ";

	for (size_t i = 0; i < sizeof(count) / sizeof(count[0]); i++)
		if (count[i].n > 0) {
			printf("%s%s %llu", before, count[i].what, (unsigned long long)count[i].n);
			before = ", ";
		}
	if (before[0] == ',')
		putchar('\n');
}

/* `fishbowl cut --flow` and `fishbowl events --flow` take the numbers of the conversations. */
static void print_story(const struct incident *incident)
{
	const struct event_incident *body = &incident->record.incident;
	json_t *root = json_loadb(incident->json, incident->len, JSON_ALLOW_NUL, NULL);
	const json_t *members = json_object_get(root, "incident"), *one;
	size_t i;

	print_line(incident);
	if (body->why.len > 0)
		printf("  %.*s%s%.*s: %.*s\n", (int)body->class.len, body->class.at,
			body->actor.len > 0 ? ", " : "", (int)body->actor.len, body->actor.at,
			(int)body->why.len, body->why.at);
	print_counts(body);
	json_array_foreach(json_object_get(members, "remotes"), i, one) print_remote(one);
	json_array_foreach(json_object_get(members, "story"), i, one) print_sentence(one);
	json_decref(root);
}

static void print_all(const struct incidents *in)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct incident *incident = &in->list[i];

		if (in->open && !is_open(incident))
			continue;
		if (in->json)
			printf("%.*s\n", (int)incident->len, incident->json);
		else if (in->id)
			print_story(incident);
		else
			print_line(incident);
	}
}

static int find_state_dir(struct incidents *in, struct conf **ret_conf)
{
	char *faults = NULL;
	int error;

	if (in->state_dir)
		return 0;
	error = conf_load(in->conf_path, ret_conf, &faults);
	if (error)
		fprintf(stderr, "%s\n", faults ? faults : strerror(-error));
	else
		in->state_dir = (*ret_conf)->top.state_dir;
	free(faults);
	return error;
}

static int answer(struct incidents *in)
{
	struct store_query *query = NULL;
	int error = redact_new(in->role, &in->redact);

	if (!error)
		error = store_query_open(in->state_dir, &query);
	if (!error)
		error = store_query_events(query, &in->filter, take, in);
	if (error)
		fprintf(stderr, "fishbowl incidents: %s/db: %s%s\n", in->state_dir,
			strerror(-error),
			error == -EIO ? "; what the other days hold is shown" : "");
	if (!error || error == -EIO)
		print_all(in);
	store_query_close(query);
	redact_free(in->redact);
	if (in->id && in->n == 0 && !error) {
		fprintf(stderr, "fishbowl incidents: there is none of that number: %s\n", in->id);
		return 1;
	}
	return error ? 1 : 0;
}

int verb_incidents(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, "[ID]",
		"Shows the intrusions, open and past; with ID one of them and what happened.", NULL,
		NULL, NULL };
	struct incidents in = { .conf_path = CONF_PATH_DEFAULT };
	struct conf *conf = NULL;
	int status = EXIT_USAGE;

	store_filter_init(&in.filter);
	in.filter.type = EVENT_INCIDENT;
	argv[0] = (char[]){ "fishbowl incidents" }; /* for argp's messages */
	argp_parse(&argp, argc, argv, 0, NULL, &in);
	if (find_state_dir(&in, &conf) == 0)
		status = answer(&in);
	for (size_t i = 0; i < in.n; i++)
		forget(&in.list[i]);
	free(in.list);
	conf_free(conf);
	return fflush(stdout) == 0 ? status : 1;
}
