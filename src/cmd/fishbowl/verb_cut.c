/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl cut - evidence: the packets of a question, and a signed statement of where they are from. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "capture/manifest.h"
#include "cmd/fishbowl/cut.h"
#include "cmd/fishbowl/time_arg.h"
#include "cmd/fishbowl/verbs.h"
#include "conf/conf.h"

enum { KEY_SCAN = 256, KEY_PIN, PATH_SIZE = 4096, EXIT_CANNOT = 2 };

#define NS_PER_S 1000000000LL

struct cut_arguments {
	const char *conf;
	const char *out;
	bool scan;
	bool pin;
	struct cut_query query;
	json_t *asked; /* the query as it was typed */
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "configuration that names state_dir", 0 },
	{ "from", 'f', "TIME", 0, TIME_ARG_FORMS, 0 },
	{ "to", 't', "TIME", 0, "up to this time", 0 },
	{ "host", 'H', "ADDRESS", 0, "one side is in this address or network", 0 },
	{ "peer", 'P', "ADDRESS", 0, "... and the other side in this one", 0 },
	{ "port", 'p', "NUMBER", 0, "source or destination port", 0 },
	{ "proto", 'r', "PROTO", 0, "tcp, udp, icmp, icmp6, sctp or a number", 0 },
	{ "flow", 'F', "ID", 0,
		"flow id: decimal as in the records, or 0x and hex as in the comments", 0 },
	{ "output", 'o', "FILE", 0,
		"write here, and FILE.manifest.json (or - for the packets only)", 0 },
	{ "scan", KEY_SCAN, NULL, 0, "do not use the index", 0 },
	{ "pin", KEY_PIN, NULL, 0, "keep the segments used: retention passes them over", 0 },
	{ 0 },
};

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool parse_whole(const char *text, int base, uint64_t max, uint64_t *ret_n)
{
	char *end;
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, base);
	if (errno || *end || n > max)
		return false;
	*ret_n = n;
	return true;
}

static bool parse_proto(const char *text, int16_t *ret_proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} names[] = { { "tcp", 6 }, { "udp", 17 }, { "icmp", 1 }, { "icmp6", 58 },
		{ "ipv6-icmp", 58 }, { "sctp", 132 } };
	uint64_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(text, names[i].name) == 0) {
			*ret_proto = names[i].proto;
			return true;
		}
	if (!parse_whole(text, 10, 255, &n))
		return false;
	*ret_proto = (int16_t)n;
	return true;
}

static bool parse_port(const char *text, int32_t *ret_port)
{
	uint64_t n;

	if (!parse_whole(text, 10, 65535, &n))
		return false;
	*ret_port = (int32_t)n;
	return true;
}

static bool parse_query(struct cut_query *q, int key, const char *text)
{
	switch (key) {
	case 'f':
		return time_arg_parse(text, &q->from_ns);
	case 't':
		return time_arg_parse(text, &q->to_ns);
	case 'H':
		q->has_host = true;
		return ip_prefix_parse(text, &q->host) == 0;
	case 'P':
		q->has_peer = true;
		return ip_prefix_parse(text, &q->peer) == 0;
	case 'p':
		return parse_port(text, &q->port);
	case 'r':
		return parse_proto(text, &q->proto);
	default: /* 'F' */
		return parse_whole(
			       text, strncmp(text, "0x", 2) == 0 ? 16 : 10, UINT64_MAX, &q->flow) &&
		       q->flow;
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct cut_arguments *a = state->input;

	switch (key) {
	case 'c':
		a->conf = text;
		return 0;
	case 'o':
		a->out = text;
		return 0;
	case KEY_SCAN:
		a->scan = true;
		return 0;
	case KEY_PIN:
		a->pin = true;
		return 0;
	case 'f':
	case 't':
	case 'H':
	case 'P':
	case 'p':
	case 'r':
	case 'F':
		for (const struct argp_option *o = options; o->name; o++)
			if (o->key == key) {
				json_object_set_new(a->asked, o->name, json_string(text));
				if (!parse_query(&a->query, key, text))
					argp_error(state, "--%s %s: not understood; it is %s",
						o->name, text, o->doc);
			}
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' belongs to no option", text);
		return 0;
	case ARGP_KEY_END:
		if (!a->out)
			argp_error(state, "where to? Give -o FILE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the statement ---- */

static json_t *time_json(int64_t time_ns)
{
	char buf[64];
	struct out o = out_make(buf, sizeof(buf));

	out_time_rfc3339(&o, time_ns);
	return json_string(buf);
}

static json_t *hash_json(const uint8_t hash[static MANIFEST_HASH])
{
	char hex[2 * MANIFEST_HASH + 1];

	return json_string(sodium_bin2hex(hex, sizeof(hex), hash, MANIFEST_HASH));
}

/* How far the clock that stamped the packets is to be trusted, as the kernel sees it now. */
static json_t *clock_json(void)
{
	struct timex timex = { 0 };
	int state = adjtimex(&timex);

	return json_pack("{s:b, s:I, s:I}", "synchronised",
		state >= 0 && state != TIME_ERROR && !(timex.status & STA_UNSYNC), "max_error_us",
		(json_int_t)timex.maxerror, "estimated_error_us", (json_int_t)timex.esterror);
}

struct lines {
	const struct cut_arguments *a;
	json_t *segments; /* of the result, in its order */
	json_t *gaps;
	json_t *sealed; /* segments sealed in the time asked for: name -> true */
};

/* Adds the sealed hash to the segments used, and what retention took away. */
static int add_line(void *context, const char *text, size_t len, bool whole)
{
	struct lines *l = context;
	struct manifest_line line;
	json_t *segment;
	size_t i;

	if (!whole || manifest_line_parse(text, len, &line) < 0)
		return 0;
	if (line.kind == MANIFEST_SEALED) {
		json_array_foreach(l->segments, i,
			segment) if (strcmp(json_string_value(json_object_get(segment, "name")),
					     line.name) == 0)
			json_object_set_new(segment, "sha256", hash_json(line.sha256));
		if (line.packets && line.last_ns >= l->a->query.from_ns &&
			line.first_ns < l->a->query.to_ns)
			json_object_set_new(l->sealed, line.name, json_true());
	} else if (line.kind == MANIFEST_REMOVED &&
		   (!line.was_sealed || json_object_get(l->sealed, line.name))) {
		json_array_append_new(
			l->gaps, json_pack("{s:s, s:s}", "segment", line.name, "why",
					 "removed for the byte budget before this cut"));
	}
	manifest_line_done(&line);
	return 0;
}

static void add_manifest(const struct cut_arguments *a, int dir_fd, json_t *segments, json_t *gaps)
{
	int fd = openat(dir_fd, MANIFEST_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct lines lines = {
		.a = a, .segments = segments, .gaps = gaps, .sealed = json_object()
	};

	if (fd >= 0) {
		(void)manifest_walk(fd, add_line, &lines);
		close(fd);
	}
	json_decref(lines.sealed);
}

static ssize_t read_fd(void *context, void *buf, size_t n)
{
	ssize_t got = read(*(int *)context, buf, n);

	return got < 0 ? -errno : got;
}

static int add_output(const struct cut_arguments *a, json_t *statement)
{
	int fd = open(a->out, O_RDONLY | O_CLOEXEC), result;
	struct manifest_line line;

	if (fd < 0)
		return -errno;
	result = manifest_describe(read_fd, &fd, NULL, NULL, &line);
	close(fd);
	if (result < 0)
		return result;
	json_object_set_new(statement, "bytes", json_integer((json_int_t)line.bytes));
	json_object_set_new(statement, "sha256", hash_json(line.sha256));
	manifest_line_done(&line);
	return 0;
}

static json_t *make_statement(const struct cut_arguments *a, int dir_fd, const struct cut_result *r)
{
	json_t *segments = json_array(), *gaps = json_array();

	for (size_t i = 0; i < r->n_segments; i++) {
		const struct cut_segment *s = &r->segment[i];

		json_array_append_new(
			segments, json_pack("{s:s, s:I, s:n}", "name", s->name, "packets",
					  (json_int_t)s->packets, "sha256"));
		if (s->error[0])
			json_array_append_new(
				gaps, json_pack("{s:s, s:s}", "segment", s->name, "why", s->error));
	}
	add_manifest(a, dir_fd, segments, gaps);
	return json_pack("{s:i, s:o, s:s, s:O, s:I, s:o, s:o, s:o}", "v", 1, "made",
		time_json(wall_ns()), "program", "Fishbowl " FISHBOWL_VERSION, "query", a->asked,
		"packets", (json_int_t)r->packets, "segments", segments, "gaps", gaps, "clock",
		clock_json());
}

static bool read_key(const char *state_dir, struct manifest_key *ret_key)
{
	char path[PATH_SIZE];
	int fd, result;

	snprintf(path, sizeof(path), "%s/" MANIFEST_SECRET, state_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	result = manifest_key_read(fd, ret_key);
	close(fd);
	return result == 0;
}

static int write_text(const char *path, const struct out *o)
{
	FILE *file = fopen(path, "we");
	bool good = file && fwrite(o->at, 1, o->len, file) == o->len && fputc('\n', file) != EOF;

	if (file && fclose(file) != 0)
		good = false;
	return good ? 0 : errno ? -errno : -EIO;
}

/* FILE.manifest.json: one line like those of the segments' manifest, signed over all before "sig". */
static int write_statement(const struct cut_arguments *a, const char *state_dir, int dir_fd,
	const struct cut_result *r)
{
	json_t *statement = make_statement(a, dir_fd, r);
	struct manifest_key key;
	char path[PATH_SIZE], *text, *buf;
	int result = statement ? add_output(a, statement) : -ENOMEM;
	struct out o;
	size_t len;

	text = result == 0 ? json_dumps(statement, JSON_COMPACT) : NULL;
	json_decref(statement);
	if (!text)
		return result < 0 ? result : -ENOMEM;
	len = strlen(text);
	buf = malloc(len + 1024);
	if (buf) {
		bool signing = read_key(state_dir, &key);

		o = out_make(buf, len + 1024);
		out_bytes(&o, text, len - 1);
		manifest_put_signature(&o, signing ? &key : NULL);
		snprintf(path, sizeof(path), "%s.manifest.json", a->out);
		result = out_ok(&o) ? write_text(path, &o) : -EMSGSIZE;
		if (!signing)
			fprintf(stderr,
				"fishbowl cut: the signing key cannot be read: %s is not "
				"signed\n",
				path);
	}
	free(text);
	free(buf);
	return buf ? result : -ENOMEM;
}

/* ---- the work ---- */

static void pin_segments(int dir_fd, const struct cut_result *r)
{
	for (size_t i = 0; i < r->n_segments; i++) {
		char pin[SEGMENT_NAME_MAX + sizeof(SEGMENT_PIN)];
		int fd;

		snprintf(pin, sizeof(pin), "%s" SEGMENT_PIN, r->segment[i].name);
		fd = openat(dir_fd, pin, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			fprintf(stderr, "fishbowl cut: %s: %s\n", pin, strerror(errno));
		else
			close(fd);
	}
}

static int run(const struct cut_arguments *a, const char *state_dir, int dir_fd, FILE *out,
	struct cut_result *ret_result)
{
	struct cut_plan plan = { 0 };
	int result = a->scan ? 0 : cut_plan_from_store(state_dir, dir_fd, &a->query, &plan);

	if (result < 0)
		fprintf(stderr, "fishbowl cut: the index cannot be used (%s); reading everything\n",
			strerror(-result));
	if (result < 0 || a->scan) {
		cut_plan_done(&plan);
		result = cut_plan_by_scan(dir_fd, &a->query, &plan);
		if (result < 0)
			return result;
	}
	result = cut_run(dir_fd, &a->query, &plan, out, ret_result);
	cut_plan_done(&plan);
	return result;
}

static int cut_to_file(const struct cut_arguments *a, const char *state_dir, int dir_fd)
{
	bool to_stdout = strcmp(a->out, "-") == 0;
	FILE *out = to_stdout ? stdout : fopen(a->out, "we");
	struct cut_result r;
	int result = out ? run(a, state_dir, dir_fd, out, &r) : -errno;

	if (out && !to_stdout && fclose(out) != 0 && result == 0)
		result = -errno;
	if (result < 0)
		return result;
	if (!to_stdout) {
		result = write_statement(a, state_dir, dir_fd, &r);
		printf("%llu packets from %zu segments in %s\n", (unsigned long long)r.packets,
			r.n_segments, a->out);
	}
	for (size_t i = 0; i < r.n_segments; i++)
		if (r.segment[i].error[0])
			fprintf(stderr, "fishbowl cut: %s: %s\n", r.segment[i].name,
				r.segment[i].error);
	if (a->pin)
		pin_segments(dir_fd, &r);
	cut_result_done(&r);
	return result;
}

static int cut_with_conf(const struct cut_arguments *a)
{
	char path[PATH_SIZE], *faults = NULL;
	struct conf *conf;
	int dir_fd, result;

	if (conf_load(a->conf, &conf, &faults) < 0) {
		fprintf(stderr, "%s\n", faults ? faults : a->conf);
		free(faults);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%s/capture", conf->top.state_dir);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = dir_fd < 0 ? -errno : cut_to_file(a, conf->top.state_dir, dir_fd);
	if (result < 0)
		fprintf(stderr, "fishbowl cut: %s: %s\n", dir_fd < 0 ? path : a->out,
			strerror(-result));
	if (dir_fd >= 0)
		close(dir_fd);
	conf_free(conf);
	return result;
}

int verb_cut(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "",
		"Copies packets out of the capture into one pcapng file. All that is given must "
		"hold.\v"
		"Frames that belong to no conversation (ARP, STP, ...) are chosen by time alone, "
		"or in "
		"segments that are not indexed yet by their addresses.",
		NULL, NULL, NULL };
	struct cut_arguments a = { .conf = CONF_PATH_DEFAULT,
		.query = { .from_ns = INT64_MIN, .to_ns = INT64_MAX, .port = -1, .proto = -1 },
		.asked = json_object() };
	int result;

	argv[0] = (char[]){ "fishbowl cut" }; /* for argp's messages */
	result = argp_parse(&argp, argc, argv, 0, NULL, &a) == 0 && sodium_init() >= 0
			 ? cut_with_conf(&a)
			 : -EINVAL;

	json_decref(a.asked);
	return result < 0 ? EXIT_CANNOT : 0;
}
