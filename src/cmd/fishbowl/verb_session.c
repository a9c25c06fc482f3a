/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fishbowl session - transcripts of what was typed and shown, out of captures or out of the gateway's own. The
 * captured bytes are read by a process without rights, which sends pieces of transcripts through a pipe; what they
 * are called, and where they are written, is decided here.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "capture/reader.h"
#include "cmd/fishbowl/cut.h"
#include "cmd/fishbowl/replay.h"
#include "cmd/fishbowl/replay_child.h"
#include "cmd/fishbowl/session.h"
#include "cmd/fishbowl/time_arg.h"
#include "cmd/fishbowl/verbs.h"
#include "conf/conf.h"
#include "control/policy.h"

enum { EXIT_NOTHING = 1, EXIT_USAGE = 2, EXIT_NO_OUTPUT = 3, EXIT_NO_START = 4 };
enum { OPT_MIDSTREAM = 256, OPT_CHECKSUMS, OPT_IGNORE_CHECKSUMS, OPT_ECHO };
enum { FLAG_DIRECTION = 3, FLAG_OUTBOUND = 2 }; /* epb_flags of pcapng */
enum { FLOWS_MAX = 1 << 20, NAME_SIZE = 64 };

struct request {
	const char *conf_path, *output;
	struct cut_query query; /* of the gateway's capture */
	bool asks_store;
	enum session_format format;
	bool all, echo, midstream;
	bool right, any; /* checksums, as asked for */
	char **path;
	size_t n_paths;
	int *fd; /* of the captures that could be opened */
	size_t n_fds;
	bool part; /* something could not be read */
	struct conf *conf;
	struct policy *policy;
	int dir_fd; /* of -o DIR; -1: standard output */
};

static const struct argp_option options[] = {
	{ "flow", 'F', "ID", 0, "Only this conversation, whatever protocol it is", 0 },
	{ "all", 'a', NULL, 0,
		"Conversations of every protocol, if they are text; without it those of Telnet, "
		"rlogin, rsh and shells",
		0 },
	{ "format", 'm', "asciicast|text", 0, "asciicast v2 (default), or lines with times", 0 },
	{ "echo", OPT_ECHO, NULL, 0,
		"asciicast: show what is typed, too, for shells that do not echo it", 0 },
	{ "output", 'o', "DIR", 0,
		"One file for each conversation; DIR is made if it is missing. Without it the "
		"conversation of --flow goes to standard output",
		0 },
	{ "config", 'c', "FILE", 0,
		"Without CAPTURE: the gateway's capture, where this configuration says", 0 },
	{ "from", 'f', "TIME", 0, "... " TIME_ARG_FORMS, 0 },
	{ "to", 't', "TIME", 0, "... up to this time", 0 },
	{ "midstream", OPT_MIDSTREAM, "true|false", OPTION_ARG_OPTIONAL,
		"TCP conversations whose beginning is not in the capture, too (default: true)", 0 },
	{ "checksums", OPT_CHECKSUMS, "right|any", 0,
		"As for fishbowl replay (default: any; of the gateway's capture: right)", 0 },
	{ "ignore-checksums", OPT_IGNORE_CHECKSUMS, NULL, 0, "The same as --checksums=any", 0 },
	{ 0 },
};

static const char doc[] =
	"Writes what was typed and shown in conversations of terminals, with times: as asciicast, "
	"which can be played like a film, or as text."
	"\vIDs of conversations are those of fishbowl replay over the same captures in the same "
	"order, or those of the gateway's records where its own capture is read. Passwords that "
	"were typed are in the transcript.\n\n"
	"Exit status: 0 there are transcripts; 1 there are none, or a capture could not be read "
	"to its end; 2 wrong arguments; 3 they could not be written; 4 nothing could be begun.";

/* ---- arguments ---- */

static bool parse_flow(const char *text, uint64_t *ret_flow)
{
	int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_flow = strtoull(text, &end, base);
	return !errno && !*end && *ret_flow;
}

static void check(struct request *q, const struct argp_state *state)
{
	if (q->n_paths > 0 && q->asks_store)
		argp_error(
			state, "--from and --to choose from the gateway's capture: name no file");
	if (!q->output && !q->query.flow)
		argp_error(state, "name a conversation with --flow, or a directory with -o");
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct request *q = state->input;

	switch (key) {
	case 'F':
		if (!parse_flow(arg, &q->query.flow))
			argp_error(state, "--flow '%s': not the number of a conversation", arg);
		break;
	case 'a':
		q->all = true;
		break;
	case 'm':
		if (strcmp(arg, "asciicast") != 0 && strcmp(arg, "text") != 0)
			argp_error(state, "--format '%s': asciicast or text", arg);
		q->format = strcmp(arg, "text") == 0 ? SESSION_TEXT : SESSION_ASCIICAST;
		break;
	case 'o':
		q->output = arg;
		break;
	case 'c':
		q->conf_path = arg;
		break;
	case 'f':
	case 't':
		q->asks_store = true;
		if (!time_arg_parse(arg, key == 'f' ? &q->query.from_ns : &q->query.to_ns))
			argp_error(state, "'%s': not understood; it is %s", arg, TIME_ARG_FORMS);
		break;
	case OPT_MIDSTREAM:
		if (arg && strcmp(arg, "true") != 0 && strcmp(arg, "false") != 0)
			argp_error(state, "--midstream '%s': true or false", arg);
		q->midstream = !arg || strcmp(arg, "true") == 0;
		break;
	case OPT_IGNORE_CHECKSUMS:
		q->any = true;
		break;
	case OPT_CHECKSUMS:
		if (strcmp(arg, "right") != 0 && strcmp(arg, "any") != 0)
			argp_error(state, "--checksums '%s': right or any", arg);
		q->right = strcmp(arg, "right") == 0;
		q->any = !q->right;
		break;
	case OPT_ECHO:
		q->echo = true;
		break;
	case ARGP_KEY_ARG:
		q->path[q->n_paths++] = arg;
		break;
	case ARGP_KEY_END:
		check(q, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- what is opened before captured bytes are read ---- */

static int load_settings(struct request *q)
{
	int r = conf_default(&q->conf);

	if (r == 0) {
		struct policy_source source = { .conf = q->conf, .generation = 1 };

		q->conf->flow.max = FLOWS_MAX;
		r = policy_build(&source, &q->policy);
	}
	if (r < 0)
		fprintf(stderr, "fishbowl session: %s\n", strerror(-r));
	return r;
}

static void open_captures(struct request *q)
{
	for (size_t i = 0; i < q->n_paths; i++) {
		bool is_stdin = strcmp(q->path[i], "-") == 0;
		int fd =
			is_stdin ? STDIN_FILENO : open(q->path[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);

		if (fd < 0) {
			fprintf(stderr, "fishbowl session: cannot open '%s': %s\n", q->path[i],
				strerror(errno));
			q->part = true;
			continue;
		}
		q->fd[q->n_fds++] = fd;
	}
}

static int cut_store(struct request *q, const struct conf *conf, int dir_fd, FILE *file)
{
	struct cut_plan plan = { 0 };
	struct cut_result result = { 0 };
	int r = cut_plan_from_store(conf->top.state_dir, dir_fd, &q->query, &plan);

	if (r < 0) {
		cut_plan_done(&plan);
		r = cut_plan_by_scan(dir_fd, &q->query, &plan);
	}
	if (r == 0)
		r = cut_run(dir_fd, &q->query, &plan, file, &result);
	cut_plan_done(&plan);
	for (size_t i = 0; r == 0 && i < result.n_segments; i++)
		if (result.segment[i].error[0]) {
			fprintf(stderr, "fishbowl session: %s: %s\n", result.segment[i].name,
				result.segment[i].error);
			q->part = true;
		}
	cut_result_done(&result);
	return r;
}

/* The packets that are asked for, as a capture of their own that has no name. */
static int open_store(struct request *q)
{
	char *faults = NULL, *directory = NULL;
	struct conf *conf = NULL;
	FILE *file = NULL;
	int dir_fd = -1, r = conf_load(q->conf_path, &conf, &faults);

	if (r < 0) {
		fprintf(stderr, "fishbowl session: %s\n", faults ? faults : strerror(-r));
		free(faults);
		return r;
	}
	if (asprintf(&directory, "%s/capture", conf->top.state_dir) < 0)
		directory = NULL;
	if (directory)
		dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = dir_fd >= 0 ? tmpfile() : NULL;
	r = file ? cut_store(q, conf, dir_fd, file) : -errno;
	if (r == 0 && (fflush(file) == EOF || fseek(file, 0, SEEK_SET) < 0))
		r = -errno;
	if (r == 0) {
		q->fd[0] = dup(fileno(file));
		q->n_fds = q->fd[0] >= 0;
	}
	if (r < 0)
		fprintf(stderr, "fishbowl session: cannot read the capture in '%s': %s\n",
			directory ? directory : "", strerror(-r));
	if (file)
		fclose(file);
	if (dir_fd >= 0)
		close(dir_fd);
	free(directory);
	conf_free(conf);
	return r;
}

static int open_output(struct request *q)
{
	q->dir_fd = -1;
	if (!q->output)
		return 0;
	if (mkdir(q->output, 0755) < 0 && errno != EEXIST)
		q->dir_fd = -1;
	else
		q->dir_fd = open(q->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->dir_fd >= 0)
		return 0;
	fprintf(stderr, "fishbowl session: cannot write to '%s': %s\n", q->output, strerror(errno));
	return -errno;
}

/* ---- the process that reads captured bytes ---- */

/* In front of each piece in the pipe. */
struct piece_head {
	struct session_name name;
	uint32_t begins, len;
};

struct child {
	const struct request *q;
	struct replay *replay;
	struct sessions *sessions;
	int pipe_fd;
	bool part;
};

static void on_piece(
	void *context, const struct session_name *name, bool begins, const char *bytes, size_t len)
{
	const struct child *c = context;
	struct piece_head head;

	memset(&head, 0, sizeof(head));
	head.name = *name;
	head.begins = begins;
	head.len = (uint32_t)len;
	if (fd_write(c->pipe_fd, &head, sizeof(head)) < 0 || fd_write(c->pipe_fd, bytes, len) < 0)
		_exit(EXIT_NO_OUTPUT); /* who reads it has gone, and says why */
}

static void on_text(void *context, const struct inspect_frame *frame, const struct proto_text *text)
{
	sessions_take(((struct child *)context)->sessions, frame, text);
}

static void on_record(void *context, const struct record *record)
{
	if (record->type == EVENT_FLOW)
		sessions_end(((struct child *)context)->sessions, record->head.flow_id);
}

static int start(struct child *c)
{
	const struct request *q = c->q;
	const struct session_setup sessions = { .format = q->format,
		.flow_id = q->n_paths > 0 ? q->query.flow : 0, /* else there is no other */
		.all = q->all || (q->n_paths == 0 && q->query.flow),
		.echo = q->echo,
		.write = on_piece,
		.context = c };
	const struct replay_setup replay = { .conf = q->conf,
		.image = q->policy,
		.midstream = q->midstream,
		.ignore_checksums = q->any || (!q->right && q->n_paths > 0),
		.emit = on_record,
		.on_text = on_text,
		.emit_context = c };
	int r = sessions_new(&sessions, &c->sessions);

	return r < 0 ? r : replay_new(&replay, &c->replay);
}

/* The gateway captures what it forwards twice: what arrived counts. */
static bool is_copy(const struct request *q, const struct capture_packet *packet)
{
	return q->n_paths == 0 && (packet->flags & FLAG_DIRECTION) == FLAG_OUTBOUND;
}

static void read_capture(struct child *c, int fd)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	struct gate_answer answer;
	int r = capture_reader_new(fd, &reader);

	if (r < 0) {
		fprintf(stderr, "fishbowl session: a capture was not read: %s\n", strerror(-r));
		c->part = true;
		return;
	}
	while ((r = capture_reader_next(reader, &packet)) == 1)
		if (!is_copy(c->q, &packet))
			replay_packet(c->replay, &packet,
				capture_reader_interface(reader, packet.interface), &answer);
	if (r < 0) {
		fprintf(stderr, "fishbowl session: %s; what was before it is used\n",
			capture_reader_error(reader));
		c->part = true;
	}
	capture_reader_free(reader);
}

static _Noreturn void run_child(const struct request *q, int pipe_fd)
{
	struct child c = { .q = q, .pipe_fd = pipe_fd };
	int r;

	proto_prepare();
	r = replay_give_up_rights(q->conf);
	if (r == 0)
		r = start(&c);
	if (r < 0) {
		fprintf(stderr, "fishbowl session: cannot begin: %s\n", strerror(-r));
		_exit(EXIT_NO_START);
	}
	for (size_t i = 0; i < q->n_fds; i++)
		read_capture(&c, q->fd[i]);
	replay_finish(c.replay);
	sessions_end_all(c.sessions);
	if (sessions_parted(c.sessions) > 0)
		fprintf(stderr,
			"fishbowl session: more than %d conversations at a time; some are in "
			"parts\n",
			SESSION_MAX);
	_exit(c.part ? EXIT_NOTHING : 0);
}

/* ---- what becomes of the pieces ---- */

struct files {
	const struct request *q;
	char name[NAME_SIZE]; /* of the open one; "": none is */
	int fd;
	uint64_t n; /* that were begun */
};

static bool read_all(int fd, void *bytes, size_t len)
{
	char *at = bytes;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void file_name(
	const struct request *q, const struct session_name *name, char ret_name[static NAME_SIZE])
{
	const char *proto = name->proto < PROTO_COUNT && name->proto != PROTO_NONE
				    ? proto_name((enum proto_id)name->proto)
				    : "text";
	const char *ending = q->format == SESSION_TEXT ? "txt" : "cast";
	unsigned long long flow = name->flow_id;

	if (name->part)
		snprintf(ret_name, NAME_SIZE, "%.20s-%llu-%u.%s", proto, flow, name->part, ending);
	else
		snprintf(ret_name, NAME_SIZE, "%.20s-%llu.%s", proto, flow, ending);
}

static int choose_file(struct files *f, const struct piece_head *head)
{
	char name[NAME_SIZE];

	f->n += head->begins;
	if (f->q->dir_fd < 0) {
		f->fd = STDOUT_FILENO;
		return 0;
	}
	file_name(f->q, &head->name, name);
	if (strcmp(name, f->name) == 0 && !head->begins)
		return 0;
	if (f->name[0])
		close(f->fd);
	f->name[0] = '\0';
	f->fd = openat(f->q->dir_fd, name,
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (head->begins ? O_TRUNC : O_APPEND),
		0644);
	if (f->fd < 0)
		return -errno;
	memcpy(f->name, name, sizeof(name));
	return 0;
}

/* Until the other process has no more, or says what cannot be. */
static int take_pieces(struct files *f, int pipe_fd)
{
	static char bytes[SESSION_PIECE_MAX];
	struct piece_head head;
	int r = 0;

	while (r == 0 && read_all(pipe_fd, &head, sizeof(head))) {
		if (head.len > sizeof(bytes) || !read_all(pipe_fd, bytes, head.len))
			return -EBADMSG;
		r = choose_file(f, &head);
		if (r == 0)
			r = fd_write(f->fd, bytes, head.len);
	}
	return r;
}

static int end_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_NO_START;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr,
		"fishbowl session: the process that read the captures was stopped (%s); the "
		"transcripts are incomplete\n",
		strsignal(WTERMSIG(status)));
	return EXIT_NO_OUTPUT;
}

static int run(const struct request *q)
{
	struct files files = { .q = q, .fd = -1 };
	int ends[2], r, status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "fishbowl session: cannot start a process: %s\n", strerror(errno));
		return EXIT_NO_START;
	}
	if (pid == 0) {
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		run_child(q, ends[1]);
	}
	close(ends[1]);
	r = take_pieces(&files, ends[0]);
	close(ends[0]);
	status = end_of(pid);
	if (files.name[0] && close(files.fd) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		fprintf(stderr, "fishbowl session: cannot write the transcripts: %s\n",
			strerror(-r));
		return EXIT_NO_OUTPUT;
	}
	if (status > EXIT_NOTHING)
		return status;
	if (files.n == 0)
		fputs("fishbowl session: no conversation to write down\n", stderr);
	else if (q->dir_fd >= 0)
		fprintf(stderr, "%llu conversations in %s\n", (unsigned long long)files.n,
			q->output);
	return files.n == 0 || q->part ? EXIT_NOTHING : status;
}

int verb_session(int argc, char **argv)
{
	static const struct argp argp = { options, on_option, "[CAPTURE...]", doc, NULL, NULL,
		NULL };
	static char name[] = "fishbowl session";
	struct request q = { .conf_path = CONF_PATH_DEFAULT,
		.midstream = true,
		.dir_fd = -1,
		.query = { .from_ns = INT64_MIN, .to_ns = INT64_MAX, .port = -1, .proto = -1 } };
	int status = EXIT_NO_START;

	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	q.path = calloc((size_t)argc, sizeof(*q.path));
	q.fd = calloc((size_t)argc, sizeof(*q.fd));
	if (q.path && q.fd && argp_parse(&argp, argc, argv, 0, NULL, &q) == 0 &&
		load_settings(&q) == 0) {
		status = EXIT_NOTHING;
		if (q.n_paths > 0)
			open_captures(&q);
		else if (open_store(&q) < 0)
			status = EXIT_USAGE;
		if (q.n_fds > 0)
			status = open_output(&q) < 0 ? EXIT_NO_OUTPUT : run(&q);
	}
	for (size_t i = 0; i < q.n_fds; i++)
		if (q.fd[i] != STDIN_FILENO)
			close(q.fd[i]);
	if (q.dir_fd >= 0)
		close(q.dir_fd);
	free(q.policy);
	conf_free(q.conf);
	free(q.path);
	free(q.fd);
	return status;
}
