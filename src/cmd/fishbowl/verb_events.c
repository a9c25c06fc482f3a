/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl events - what happened: records out of the day databases, as a table or as EVE lines. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "cmd/fishbowl/time_arg.h"
#include "conf/conf.h"
#include "store/line.h"
#include "store/query.h"
#include "store/redact.h"

enum {
	KEY_HOST = 256,
	KEY_PEER,
	KEY_PORT,
	KEY_PROTO,
	KEY_HONEYPOT,
	KEY_REASON,
	KEY_SEVERITY,
	KEY_FROM,
	KEY_TO,
	KEY_FLOW,
	KEY_JSON,
	KEY_STATE_DIR,
	KEY_ROLE,
};

enum { LINE_MAX_SIZE = 4096, TERMINAL_ROWS = 100, POLL_MS = 300 };

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "the configuration", 0 },
	{ "state-dir", KEY_STATE_DIR, "DIR", 0, "the records in DIR, without a configuration", 0 },
	{ "type", 't', "TYPE", 0,
		"flow, drop, incident, source, login, alert, control, ...: see fishbowl-events(7)",
		1 },
	{ "host", KEY_HOST, "ADDRESS", 0, "source or destination; an address or a network", 1 },
	{ "peer", KEY_PEER, "ADDRESS", 0, "the other side of --host", 1 },
	{ "port", KEY_PORT, "NUMBER", 0, "source or destination port", 1 },
	{ "proto", KEY_PROTO, "PROTOCOL", 0, "IP protocol: tcp, udp, icmp, ... or its number", 1 },
	{ "honeypot", KEY_HONEYPOT, "NAME", 0, "its name in the configuration", 1 },
	{ "reason", KEY_REASON, "REASON", 0, "why: see fishbowl-events(7)", 1 },
	{ "severity", KEY_SEVERITY, "LEVEL", 0,
		"debug, info, notice, warning, alert: at least this", 1 },
	{ "from", KEY_FROM, "TIME", 0,
		"not before: 2026-01-31T12:00:00Z, '2026-01-31 12:00', -1h, today. Times without "
		"an "
		"offset are UTC",
		1 },
	{ "to", KEY_TO, "TIME", 0, "before", 1 },
	{ "flow", KEY_FLOW, "ID", 0,
		"one conversation: a number as in records, or 0x... as in packet comments", 1 },
	{ "number", 'n', "COUNT", 0, "the last COUNT records; 0: all (100 on a terminal, else all)",
		2 },
	{ "follow", 'f', NULL, 0, "go on with new records", 2 },
	{ "json", KEY_JSON, NULL, 0, "EVE JSON, one record a line", 2 },
	{ "role", KEY_ROLE, "ROLE", 0,
		"for whom: analyst (default), or viewer: no passwords, words, payloads; other "
		"names "
		"for persons",
		2 },
	{ 0 },
};

struct kept {
	char *json;
	size_t len;
	enum severity severity;
};

struct events {
	const char *conf_path;
	const char *state_dir;
	struct store_filter filter;
	bool has_number;
	bool follow;
	bool json;
	bool colour;
	enum role role;
	struct redact *redact;
	uint64_t last_seq; /* shown */
	struct kept *kept; /* the last ones, newest first */
	size_t n_kept;
};

static bool parse_number(const char *text, uint64_t max, int base, uint64_t *ret_number)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, base);
	if (*text == '-' || *text == '\0' || *end != '\0' || errno != 0 || number > max)
		return false;
	*ret_number = number;
	return true;
}

static bool parse_network(const char *text, struct ip_prefix *ret_prefix)
{
	struct ip_prefix prefix = { .bits = 128 };

	if (ip_parse(text, &prefix.ip) < 0 && ip_prefix_parse(text, &prefix) < 0)
		return false;
	*ret_prefix = prefix;
	return true;
}

static bool parse_proto(const char *text, int16_t *ret_proto)
{
	uint64_t number;
	char buf[8];

	if (parse_number(text, 255, 10, &number)) {
		*ret_proto = (int16_t)number;
		return true;
	}
	if (strcasecmp(text, "icmp6") == 0 || strcasecmp(text, "icmpv6") == 0)
		text = "IPv6-ICMP";
	for (int16_t proto = 0; proto < 256; proto++)
		if (strcasecmp(ip_proto_name((uint8_t)proto, buf), text) == 0) {
			*ret_proto = proto;
			return true;
		}
	return false;
}

static bool parse_severity(const char *text, enum severity *ret_severity)
{
	for (enum severity s = SEVERITY_DEBUG; s <= SEVERITY_ALERT; s++)
		if (strcasecmp(severity_name(s), text) == 0) {
			*ret_severity = s;
			return true;
		}
	return false;
}

static void require(struct argp_state *state, bool good, const char *what, const char *value)
{
	if (!good)
		argp_error(state, "'%s' is no %s", value, what);
}

static bool parse_filter(int key, char *value, struct argp_state *state, struct store_filter *f)
{
	uint64_t number = 0;

	switch (key) {
	case 't':
		f->type = event_type_find(value);
		require(state, f->type != EVENT_NONE,
			"type of record; fishbowl-events(7) lists them", value);
		return true;
	case KEY_HOST:
		require(state, f->has_host = parse_network(value, &f->host), "address or network",
			value);
		return true;
	case KEY_PEER:
		require(state, f->has_peer = parse_network(value, &f->peer), "address or network",
			value);
		return true;
	case KEY_PORT:
		require(state, parse_number(value, 65535, 10, &number), "port (0 to 65535)", value);
		f->port = (int32_t)number;
		return true;
	case KEY_PROTO:
		require(state, parse_proto(value, &f->proto), "IP protocol", value);
		return true;
	case KEY_HONEYPOT:
		f->honeypot = value;
		return true;
	case KEY_REASON:
		f->reason = reason_find(value);
		require(state, f->reason >= 0, "reason; fishbowl-events(7) lists them", value);
		return true;
	case KEY_SEVERITY:
		require(state, parse_severity(value, &f->min_severity),
			"severity: debug, info, notice, warning or alert", value);
		return true;
	case KEY_FROM:
		require(state, time_arg_parse(value, &f->from_ns), TIME_ARG_FORMS, value);
		return true;
	case KEY_TO:
		require(state, time_arg_parse(value, &f->to_ns), TIME_ARG_FORMS, value);
		return true;
	case KEY_FLOW:
		require(state, parse_number(value, RECORD_U64_MAX, 0, &f->flow) && f->flow != 0,
			"flow id", value);
		return true;
	default:
		return false;
	}
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct events *events = state->input;

	if (parse_filter(key, value, state, &events->filter))
		return 0;
	switch (key) {
	case 'c':
		events->conf_path = value;
		return 0;
	case KEY_STATE_DIR:
		events->state_dir = value;
		return 0;
	case 'n':
		require(state, parse_number(value, INT64_MAX, 10, &events->filter.limit), "count",
			value);
		events->has_number = true;
		return 0;
	case 'f':
		events->follow = true;
		return 0;
	case KEY_JSON:
		events->json = true;
		return 0;
	case KEY_ROLE:
		require(state, role_find(value, &events->role), "role: analyst or viewer", value);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': give filters as options, for example --host %s", value,
			value);
		return 0;
	case ARGP_KEY_END:
		if (events->filter.from_ns > events->filter.to_ns)
			argp_error(state, "--from is later than --to");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- the table --- */

static void put_side(struct out *o, const struct ip *ip, uint16_t port, bool has_port)
{
	char text[IP_TEXT_MAX];

	if (has_port)
		out_fmt(o, ip_is_v4(ip) ? "%s:%u" : "[%s]:%u", ip_text(ip, text), port);
	else
		out_str(o, ip_text(ip, text));
}

static void put_who(struct out *o, const struct record_head *head)
{
	bool ports = head->proto == 6 || head->proto == 17 || head->proto == 132;
	char proto[8];

	if (ip_is_unset(&head->src) && ip_is_unset(&head->dst))
		return;
	put_side(o, &head->src, head->sport, ports);
	out_str(o, " -> ");
	put_side(o, &head->dst, head->dport, ports);
	out_fmt(o, " %s", ip_proto_name(head->proto, proto));
}

static const char *colour_of(const struct record *record, enum severity severity)
{
	if (severity >= SEVERITY_ALERT)
		return "\033[1;31m";
	if (severity >= SEVERITY_WARNING)
		return "\033[33m";
	if (record->type == EVENT_DROP)
		return "\033[36m";
	return "";
}

static void put_table_line(struct out *o, const struct record *record)
{
	char who[160];
	struct out w = out_make(who, sizeof(who));
	char stamp[40];
	struct out t = out_make(stamp, sizeof(stamp));

	out_time_rfc3339(&t, record->head.time_ns);
	put_who(&w, &record->head);
	out_fmt(o, "%.10s %.12s  %-8s ", stamp, stamp + 11, event_type_name(record->type));
	if (record->head.honeypot.len > 0)
		out_quoted(o, record->head.honeypot.at, record->head.honeypot.len);
	else
		out_char(o, '-');
	out_fmt(o, "  %s%s", who, *who ? "  " : "");
	if (record->head.reason != REASON_NONE)
		out_fmt(o, "%s %s  ", verdict_name((enum verdict)record->head.verdict),
			reason_name((enum reason)record->head.reason));
	record_story(o, record);
}

static void print_table_line(
	const struct events *events, const char *json, size_t len, enum severity severity)
{
	char text[LINE_MAX_SIZE * 5];
	struct out o = out_make(text, sizeof(text));
	struct record record;
	const char *colour;
	struct line *line;

	if (line_parse(json, len, &line, &record) < 0) {
		puts("a record of another version; --json shows it");
		return;
	}
	put_table_line(&o, &record);
	colour = events->colour ? colour_of(&record, severity) : "";
	printf("%s%s%s\n", colour, text, *colour ? "\033[0m" : "");
	line_free(line);
}

static int print_event(
	const struct events *events, const char *json, size_t len, enum severity severity)
{
	int r = redact_line(events->redact, json, len, &json, &len);

	if (r == -EBADMSG) /* of another version, perhaps: not for a viewer */
		return 0;
	if (r < 0)
		return r;
	if (events->json) {
		fwrite(json, 1, len, stdout);
		putchar('\n');
	} else {
		print_table_line(events, json, len, severity);
	}
	return ferror(stdout) ? -EPIPE : 0;
}

static int show(void *context, const struct store_event *event)
{
	struct events *events = context;

	if (event->seq > events->last_seq)
		events->last_seq = event->seq;
	return print_event(events, event->json, event->json_len, event->severity);
}

static int keep(void *context, const struct store_event *event)
{
	struct events *events = context;
	struct kept *more = realloc(events->kept, (events->n_kept + 1) * sizeof(*more));
	struct kept *kept;

	if (!more)
		return -ENOMEM;
	events->kept = more;
	kept = &more[events->n_kept];
	kept->json = strndup(event->json, event->json_len);
	if (!kept->json)
		return -ENOMEM;
	kept->len = event->json_len;
	kept->severity = event->severity;
	events->n_kept++;
	if (event->seq > events->last_seq)
		events->last_seq = event->seq;
	return 0;
}

/* The newest ones are asked for, and shown in the order of time. */
static int show_last(struct events *events, struct store_query *query)
{
	int error;

	events->filter.newest_first = true;
	error = store_query_events(query, &events->filter, keep, events);
	while (events->n_kept > 0) {
		struct kept *kept = &events->kept[--events->n_kept];

		if (!error || error == -EIO)
			(void)print_event(events, kept->json, kept->len, kept->severity);
		free(kept->json);
	}
	free(events->kept);
	return error;
}

static int follow(struct events *events, struct store_query *query)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	struct store_filter filter = events->filter;
	int error = 0;

	filter.limit = 0;
	filter.newest_first = false;
	while (error == 0 || error == -EIO) { /* a day that is just being closed: next time */
		struct timespec now;

		if (fflush(stdout) != 0)
			return -EPIPE;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME, &now);
		/* New records are in the newest files; a day for clocks that were set. */
		filter.from_ns = (now.tv_sec - 86400) * INT64_C(1000000000);
		if (events->filter.from_ns > filter.from_ns)
			filter.from_ns = events->filter.from_ns;
		filter.after_seq = events->last_seq;
		error = store_query_events(query, &filter, show, events);
	}
	return error;
}

static int answer(struct events *events, struct store_query *query)
{
	int error = 0;

	if (events->follow)
		error = store_query_last_seq(query, &events->last_seq);
	if (error && error != -EIO)
		return error;
	error = events->filter.limit > 0 ? show_last(events, query)
					 : store_query_events(query, &events->filter, show, events);
	if ((!error || error == -EIO) && events->follow)
		return follow(events, query);
	return error;
}

static int find_state_dir(struct events *events, struct conf **ret_conf)
{
	char *faults = NULL;
	int error;

	if (events->state_dir)
		return 0;
	error = conf_load(events->conf_path, ret_conf, &faults);
	if (error)
		fprintf(stderr, "%s\n", faults ? faults : strerror(-error));
	else
		events->state_dir = (*ret_conf)->top.state_dir;
	free(faults);
	return error;
}

static int report(const struct events *events, int error)
{
	if (error == -EPIPE)
		return 0; /* whoever read us has had enough */
	if (error == -EIO)
		fprintf(stderr,
			"fishbowl events: a day in %s/db could not be read; what the others "
			"hold is shown\n",
			events->state_dir);
	else if (error)
		fprintf(stderr, "fishbowl events: %s/db: %s\n", events->state_dir,
			strerror(-error));
	return error ? 1 : 0;
}

/* A gateway that never ran is no empty store: the directory may be a wrong one. */
static int find_store(const struct events *events)
{
	char path[LINE_MAX_SIZE];

	snprintf(path, sizeof(path), "%s/db", events->state_dir);
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return 0; /* what else is wrong shows when it is opened */
	fprintf(stderr, "fishbowl events: there are no records in %s: no gateway has run with it\n",
		events->state_dir);
	return -ENOENT;
}

int verb_events(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, NULL,
		"Shows the records: conversations, drops, incidents, changes, alarms.", NULL, NULL,
		NULL };
	struct events events = { .conf_path = CONF_PATH_DEFAULT };
	bool terminal = isatty(STDOUT_FILENO);
	struct store_query *query = NULL;
	struct conf *conf = NULL;
	int error, status;

	store_filter_init(&events.filter);
	argv[0] = (char[]){ "fishbowl events" }; /* for argp's messages */
	argp_parse(&argp, argc, argv, 0, NULL, &events);
	events.colour = terminal && !events.json && !getenv("NO_COLOR");
	if (!events.has_number && terminal)
		events.filter.limit = TERMINAL_ROWS;
	if (find_state_dir(&events, &conf) < 0 || find_store(&events) < 0) {
		conf_free(conf);
		return 2;
	}
	error = store_query_open(events.state_dir, &query);
	if (!error)
		error = redact_new(events.role, &events.redact);
	if (!error)
		error = answer(&events, query);
	status = report(&events, error);
	store_query_close(query);
	redact_free(events.redact);
	conf_free(conf);
	return fflush(stdout) == 0 || error == -EPIPE ? status : 1;
}
