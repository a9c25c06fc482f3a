/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fishbowl rules propose - from captured conversations to a rule: what the chosen ones have in
 * common and the others have not, held against all of them as the engine would. Captured bytes are
 * read in a process without rights, as in replay.
 */
#include "cmd/fishbowl/rules_propose.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/out.h"
#include "capture/pcapng.h"
#include "capture/reader.h"
#include "capture/segment.h"
#include "capture/zfile.h"
#include "cmd/fishbowl/payloads.h"
#include "cmd/fishbowl/replay.h"
#include "cmd/fishbowl/replay_child.h"
#include "conf/conf.h"
#include "control/policy.h"
#include "rules/compile.h"
#include "rules/rules.h"

enum { EXIT_NOTHING = 1, EXIT_USAGE = 2, EXIT_CANNOT = 4, RULE_MAX = 4096, NUMBER_MAX = 65535 };
enum { KEY_SERVER = 256, KEY_SID, KEY_MSG, FLOWS_AT_ONCE = 1 << 16, SID_DEFAULT = 1000001 };

struct request {
	const char *config;
	const char **path;
	size_t n_paths;
	uint64_t flow;
	bool has_host;
	struct ip_prefix host;
	int32_t port; /* -1: any */
	bool server;  /* what the server said */
	uint32_t sid;
	const char *msg;
	struct conf *conf;
	struct policy *image;
	struct zfile **file;
	size_t n_files;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Look into the capture of this gateway, instead of files", 0 },
	{ "flow", 'F', "ID", 0,
		"Choose this conversation: its number in the records, or 0x and hex", 0 },
	{ "host", 'H', "ADDRESS", 0, "Choose the conversations of this address or network", 0 },
	{ "port", 'p', "NUMBER", 0, "... with this port of the server", 0 },
	{ "server", KEY_SERVER, NULL, 0, "Look at what the server said, not the client", 0 },
	{ "sid", KEY_SID, "NUMBER", 0, "Number of the rule (default: 1000001)", 0 },
	{ "msg", KEY_MSG, "TEXT", 0, "Its message", 0 },
	{ 0 },
};

static const char doc[] = "Finds what the chosen conversations have in common and others have not, "
			  "writes a rule of it, and "
			  "holds it against all that was captured."
			  "\vThe rule goes to standard output, what it matched to standard error. "
			  "Exit status: 0 it matches all that were "
			  "chosen and nothing else; 1 there is no such rule, or it matches others "
			  "too (it is printed all the "
			  "same); 2 wrong arguments; 4 something could not be read.";

static bool parse_number(const char *text, int base, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, base);
	if (errno || *text < '0' || *text > '9' || *end || n > max)
		return false;
	*ret_number = n;
	return true;
}

static bool take_option(struct request *q, int key, char *text)
{
	uint64_t n = 0;

	switch (key) {
	case 'F':
		return parse_number(
			       text, strncmp(text, "0x", 2) == 0 ? 16 : 10, UINT64_MAX, &q->flow) &&
		       q->flow;
	case 'H':
		q->has_host = true;
		return ip_prefix_parse(text, &q->host) == 0;
	case 'p':
		if (!parse_number(text, 10, NUMBER_MAX, &n))
			return false;
		q->port = (int32_t)n;
		return true;
	default: /* KEY_SID */
		if (!parse_number(text, 10, UINT32_MAX, &n) || n == 0)
			return false;
		q->sid = (uint32_t)n;
		return true;
	}
}

static error_t on_option(int key, char *text, struct argp_state *state)
{
	struct request *q = state->input;

	switch (key) {
	case 'c':
		q->config = text;
		return 0;
	case KEY_SERVER:
		q->server = true;
		return 0;
	case KEY_MSG:
		q->msg = text;
		return 0;
	case 'F':
	case 'H':
	case 'p':
	case KEY_SID:
		if (!take_option(q, key, text))
			argp_error(state, "'%s' is not what this option takes", text);
		return 0;
	case ARGP_KEY_ARG:
		q->path[q->n_paths++] = text;
		return 0;
	case ARGP_KEY_END:
		if (!q->flow && !q->has_host)
			argp_error(state, "choose conversations: --flow ID or --host ADDRESS");
		if (!q->config == (q->n_paths == 0))
			argp_error(state, "name captures, or a configuration with -c");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- files ---- */

static int add_file(struct request *q, struct zfile *file)
{
	struct zfile **more = reallocarray(q->file, q->n_files + 1, sizeof(*more));

	if (!more) {
		zfile_close(file);
		return -ENOMEM;
	}
	q->file = more;
	q->file[q->n_files++] = file;
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static int open_path(struct request *q, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = fd < 0 ? -errno : 0;
	struct zfile *file;

	if (r == 0)
		r = zfile_open_fd(fd, ends_with(path, ".zst"), &file);
	if (r < 0)
		fprintf(stderr,
			"fishbowl rules propose: cannot open '%s': %s; check the name and its "
			"permissions\n",
			path, strerror(-r));
	return r < 0 ? r : add_file(q, file);
}

/* All segments of the gateway. One that retention removes meanwhile is left out. */
static int open_segments(struct request *q, const char *directory)
{
	int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    r = dir_fd < 0 ? -errno : 0;
	struct segment *segment = NULL;
	struct zfile *file;
	size_t n = 0;

	if (r == 0)
		r = segment_list(dir_fd, &segment, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = zfile_open(dir_fd, segment[i].name, &file);
		r = r == 0 ? add_file(q, file) : r == -ENOENT ? 0 : r;
	}
	if (r < 0)
		fprintf(stderr, "fishbowl rules propose: cannot read the capture in '%s': %s\n",
			directory, strerror(-r));
	free(segment);
	if (dir_fd >= 0)
		close(dir_fd);
	return r;
}

static int open_all(struct request *q)
{
	char *directory;
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->n_paths; i++)
		r = open_path(q, q->path[i]);
	if (!q->config || r < 0)
		return r;
	if (asprintf(&directory, "%s/capture", q->conf->top.state_dir) < 0)
		return -ENOMEM;
	r = open_segments(q, directory);
	free(directory);
	return r;
}

static int load_settings(struct request *q)
{
	struct list lists[LIST_COUNT] = { 0 };
	const struct policy_source source = { .list = lists, .generation = 1 };
	struct policy_source with_conf = source;
	char *faults = NULL;
	int r = q->config ? conf_load(q->config, &q->conf, &faults) : conf_default(&q->conf);

	if (r == 0) {
		q->conf->flow.max = FLOWS_AT_ONCE;
		with_conf.conf = q->conf;
		r = policy_build(&with_conf, &q->image);
	}
	if (r < 0)
		fprintf(stderr, "fishbowl rules propose: %s\n", faults ? faults : strerror(-r));
	free(faults);
	return r;
}

/* ---- one pass over all packets ---- */

struct pass {
	const struct request *q;
	struct payloads *payloads; /* first pass; NULL */
	uint64_t *hit;             /* second pass: conversations that the rule matched */
	size_t n_hits;
};

static void on_record(void *context, const struct record *record)
{
	struct pass *pass = context;
	uint64_t *more;

	if (record->type != EVENT_ALERT)
		return;
	more = reallocarray(pass->hit, pass->n_hits + 1, sizeof(*more));
	if (!more)
		return;
	pass->hit = more;
	pass->hit[pass->n_hits++] = record->head.flow_id;
}

static int take_packet(struct pass *pass, struct replay *replay,
	const struct capture_packet *packet, const struct capture_interface *interface)
{
	struct gate_answer answer;
	struct frame frame;
	enum frame_link link;

	if (!replay_packet(replay, packet, interface, &answer) || !pass->payloads ||
		!replay_link_of(packet->link, &link))
		return 0;
	frame_parse(packet->data, packet->len, link, &frame);
	return payloads_add(pass->payloads, answer.flow_id,
		pcapng_comment_flow(packet->comment.at, packet->comment.len), answer.side, &frame);
}

/* What came before a fault of a file counts. */
static int read_file(struct pass *pass, struct replay *replay, struct zfile *file)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	int r = capture_reader_new_source(zfile_read, file, &reader), taken = 0;

	if (r < 0)
		return r;
	while (taken == 0 && (r = capture_reader_next(reader, &packet)) == 1)
		taken = take_packet(
			pass, replay, &packet, capture_reader_interface(reader, packet.interface));
	if (r < 0 && pass->payloads)
		fprintf(stderr, "fishbowl rules propose: %s; what was before it is used\n",
			capture_reader_error(reader));
	capture_reader_free(reader);
	return taken;
}

static int run_pass(struct pass *pass, struct rules *rules)
{
	const struct request *q = pass->q;
	const struct replay_setup setup = { .conf = q->conf,
		.image = q->image,
		.rules = rules,
		.midstream = true,
		.ignore_checksums = true,
		.emit = on_record,
		.emit_context = pass };
	struct replay *replay;
	int r = replay_new(&setup, &replay);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < q->n_files; i++) {
		zfile_rewind(q->file[i]);
		r = read_file(pass, replay, q->file[i]);
	}
	replay_finish(replay);
	replay_free(replay);
	return r;
}

/* ---- who was chosen ---- */

static bool is_chosen(const struct request *q, const struct payload *p)
{
	if (q->flow && q->flow != p->flow && q->flow != p->written)
		return false;
	if (q->has_host && !ip_in_prefix(&p->ip[0], &q->host) && !ip_in_prefix(&p->ip[1], &q->host))
		return false;
	return q->port < 0 || p->port[1] == q->port;
}

struct samples {
	struct propose_sample *chosen, *other;
	uint64_t *chosen_flow;
	size_t n_chosen, n_other;
	uint8_t proto; /* of the chosen */
	uint16_t port; /* of their servers; 0: different ones */
};

static int sort_out(const struct request *q, struct payloads *payloads, struct samples *s)
{
	size_t n;
	const struct payload *all = payloads_all(payloads, &n);

	s->chosen = calloc(n + 1, sizeof(*s->chosen));
	s->other = calloc(n + 1, sizeof(*s->other));
	s->chosen_flow = calloc(n + 1, sizeof(*s->chosen_flow));
	if (!all || !s->chosen || !s->other || !s->chosen_flow)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct payload *p = &all[i];
		bool chosen = is_chosen(q, p) && (s->n_chosen == 0 || p->proto == s->proto);

		if (p->said[q->server].len == 0)
			continue;
		if (!chosen) {
			s->other[s->n_other++] = p->said[q->server];
			continue;
		}
		s->port = s->n_chosen == 0 || s->port == p->port[1] ? p->port[1] : 0;
		s->proto = p->proto;
		s->chosen_flow[s->n_chosen] = p->flow;
		s->chosen[s->n_chosen++] = p->said[q->server];
	}
	return 0;
}

/* ---- the rule, and what it matches ---- */

static int make_rules(const char *line, void **ret_image, struct rules **ret_rules)
{
	struct rules_text *text;
	size_t size;
	int r = rules_text_new(&text);

	if (r < 0)
		return r;
	r = rules_text_read(text, "proposed", line, strlen(line));
	if (r == 0 && text->n_rules != 1)
		r = -EBADMSG;
	if (r == 0)
		r = rules_compile(text, ret_image, &size);
	rules_text_free(text);
	return r < 0 ? r : rules_open(*ret_image, size, ret_rules);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Different conversations that were hit: of the chosen, and others. */
static void count_hits(struct pass *pass, struct samples *s, size_t *ret_chosen, size_t *ret_other)
{
	*ret_chosen = *ret_other = 0;
	qsort(s->chosen_flow, s->n_chosen, sizeof(*s->chosen_flow), compare);
	if (pass->n_hits > 0)
		qsort(pass->hit, pass->n_hits, sizeof(*pass->hit), compare);
	for (size_t i = 0; i < pass->n_hits; i++) {
		if (i > 0 && pass->hit[i] == pass->hit[i - 1])
			continue;
		if (bsearch(&pass->hit[i], s->chosen_flow, s->n_chosen, sizeof(*s->chosen_flow),
			    compare))
			++*ret_chosen;
		else
			++*ret_other;
	}
}

static void tell_tokens(const struct propose_token *token, size_t n, const struct samples *s)
{
	char text[4 * PROPOSE_TOKEN_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		struct out o = out_make(text, sizeof(text));

		out_quoted(&o, (const char *)token[i].bytes, token[i].len);
		fprintf(stderr, "  \"%s\": in %u of %zu others\n", text, token[i].foreign,
			s->n_other);
	}
}

static int try_rule(const struct request *q, struct samples *s, const char *line)
{
	struct pass pass = { .q = q };
	struct rules *rules = NULL;
	void *image = NULL;
	size_t chosen, other;
	int r = make_rules(line, &image, &rules);

	if (r == 0)
		r = run_pass(&pass, rules);
	if (r < 0) {
		fprintf(stderr, "fishbowl rules propose: cannot try the rule: %s\n", strerror(-r));
	} else {
		count_hits(&pass, s, &chosen, &other);
		fprintf(stderr,
			"It matches %zu of the %zu chosen conversations, and %zu of %zu others%s\n",
			chosen, s->n_chosen, other, s->n_other,
			other > 0 ? ": look at it before you use it; more chosen conversations "
				    "make it narrower"
				  : "");
		r = chosen == s->n_chosen && other == 0 ? 0 : EXIT_NOTHING;
	}
	rules_close(rules);
	free(image);
	free(pass.hit);
	return r < 0 ? EXIT_CANNOT : r;
}

static int propose(const struct request *q, struct samples *s)
{
	struct propose_token token[PROPOSE_TOKENS_MAX];
	const struct propose_rule rule = { .proto = s->proto == IPPROTO_TCP   ? "tcp"
						    : s->proto == IPPROTO_UDP ? "udp"
									      : "ip",
		.source = "any",
		.destination = "any",
		.port = s->port,
		.to_server = !q->server,
		.msg = q->msg ? q->msg : "LOCAL proposed from captured conversations",
		.sid = q->sid };
	char line[RULE_MAX];
	struct out o = out_make(line, sizeof(line));
	int n = propose_tokens(s->chosen, s->n_chosen, s->other, s->n_other, token);

	if (n < 0) {
		fprintf(stderr, "fishbowl rules propose: %s\n", strerror(-n));
		return EXIT_CANNOT;
	}
	if (n == 0) {
		fprintf(stderr,
			"The %zu chosen conversations have no %u bytes in common: choose those of "
			"one kind, with "
			"--port, or one alone with --flow\n",
			s->n_chosen, (unsigned)PROPOSE_TOKEN_MIN);
		return EXIT_NOTHING;
	}
	propose_write(&o, &rule, token, (size_t)n);
	if (!out_ok(&o) || puts(line) == EOF || fflush(stdout) == EOF)
		return EXIT_CANNOT;
	tell_tokens(token, (size_t)n, s);
	return try_rule(q, s, line);
}

static int look(const struct request *q)
{
	struct pass pass = { .q = q };
	struct samples s = { 0 };
	int r = payloads_new(&pass.payloads), status = EXIT_CANNOT;

	if (r == 0)
		r = run_pass(&pass, NULL);
	if (r == 0)
		r = sort_out(q, pass.payloads, &s);
	if (r < 0)
		fprintf(stderr, "fishbowl rules propose: %s\n", strerror(-r));
	else if (s.n_chosen == 0)
		fputs("No conversation with anything to look at was chosen; fishbowl events --type "
		      "flow lists them\n",
			stderr);
	else
		status = propose(q, &s);
	if (r == 0 && payloads_left_out(pass.payloads) > 0)
		fprintf(stderr,
			"%llu packets of later conversations were not looked at; name fewer "
			"captures\n",
			(unsigned long long)payloads_left_out(pass.payloads));
	free(s.chosen);
	free(s.other);
	free(s.chosen_flow);
	payloads_free(pass.payloads);
	return r == 0 && s.n_chosen == 0 ? EXIT_NOTHING : status;
}

/* In a process without rights. */
static int look_jailed(const struct request *q)
{
	pid_t pid = fork();
	int status, r;

	if (pid == 0) {
		r = replay_give_up_rights(q->conf);
		if (r < 0)
			fprintf(stderr, "fishbowl rules propose: no sandbox: %s\n", strerror(-r));
		r = r < 0 ? EXIT_CANNOT : look(q);
		_exit(r);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		fprintf(stderr, "fishbowl rules propose: cannot start a process: %s\n",
			strerror(errno));
		return EXIT_CANNOT;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr,
		"fishbowl rules propose: the process that read the captures was stopped (%s)\n",
		strsignal(WTERMSIG(status)));
	return EXIT_CANNOT;
}

int rules_propose(int argc, char **argv)
{
	static const struct argp argp = { options, on_option, "[CAPTURE...]", doc, NULL, NULL,
		NULL };
	static char name[] = "fishbowl rules propose";
	struct request q = { .port = -1, .sid = SID_DEFAULT };
	int status = EXIT_CANNOT;

	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	q.path = calloc((size_t)argc, sizeof(*q.path));
	if (!q.path || argp_parse(&argp, argc, argv, 0, NULL, &q) != 0) {
		free(q.path);
		return EXIT_USAGE;
	}
	if (load_settings(&q) < 0)
		status = EXIT_USAGE;
	else if (open_all(&q) == 0)
		status = look_jailed(&q);
	for (size_t i = 0; i < q.n_files; i++)
		zfile_close(q.file[i]);
	free(q.file);
	free(q.path);
	free(q.image);
	conf_free(q.conf);
	return status;
}
