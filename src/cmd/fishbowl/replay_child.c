/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_child.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/out.h"
#include "capture/reader.h"
#include "cmd/fishbowl/replay.h"
#include "cmd/fishbowl/replay_files.h"
#include "cmd/fishbowl/replay_summary.h"
#include "cmd/fishbowl/rules_profile.h"
#include "cmd/fishbowl/signature_files.h"
#include "conf/conf.h"
#include "event/event.h"
#include "fingerprint/geo.h"
#include "fingerprint/signatures.h"
#include "rules/compile.h"
#include "proto/proto.h"
#include "rules/files.h"
#include "rules/parse.h"
#include "rules/rules.h"
#include "sys/jail.h"

enum {
	BUFFER_SIZE = 1 << 20,
	NOBODY = 65534,
	FILES_MAX = 16,          /* descriptors beside the open ones, for the sandbox itself */
	PROGRESS_PACKETS = 4096, /* look at the clock so often */
	PROGRESS_MS = 250,
	DAY_S = 24 * 3600,    /* more is not told */
	DIFFERENCES_MAX = 20, /* shown one by one */
};

/* Beside the jail's own: memory, and the end of the output. */
static const struct jail_call calls[] = {
	{ SCMP_SYS(brk), JAIL_FREE },
	{ SCMP_SYS(mmap), JAIL_NO_EXEC },
	{ SCMP_SYS(mremap), JAIL_FREE },
	{ SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(madvise), JAIL_FREE },
	{ SCMP_SYS(futex), JAIL_FREE },
	{ SCMP_SYS(fsync), JAIL_FREE },
	/* Rules, and isatty(). */
	{ SCMP_SYS(fstat), JAIL_FREE },
	{ SCMP_SYS(newfstatat), JAIL_FREE },
	{ SCMP_SYS(getrandom), JAIL_FREE }, /* keys of hash tables */
	{ SCMP_SYS(pread64), JAIL_FREE },
	{ SCMP_SYS(sysinfo), JAIL_FREE }, /* qsort() of large arrays */
	{ SCMP_SYS(ioctl), JAIL_FREE },
};

struct child {
	const struct replay_job *job;
	struct replay *replay;
	struct rules *rules;
	struct redact *redact;
	struct signatures *signatures;
	struct geo *geo; /* NULL: no databases */
	void *image;
	char *buffer; /* records on their way out */
	size_t used;
	int write_error; /* sticky -errno */
	bool part;       /* something could not be read, or is not as recorded */
	uint64_t total_size, done_size;
	bool progress; /* standard error is a terminal */
	int64_t began_ms, shown_ms;
};

static void flush(struct child *c)
{
	if (c->write_error == 0 && c->used > 0)
		c->write_error = fd_write(c->job->output_fd, c->buffer, c->used);
	c->used = 0;
}

static void on_record(void *context, const struct record *record)
{
	struct child *c = context;
	const char *line;
	struct out o;
	size_t len;

	if (c->job->profile || c->job->output_fd < 0)
		return;
	if (BUFFER_SIZE - c->used < RECORD_JSON_MAX)
		flush(c);
	o = out_make(c->buffer + c->used, BUFFER_SIZE - c->used);
	record_json(&o, record, NULL);
	if (redact_line(c->redact, o.at, o.len, &line, &len) < 0 || len >= BUFFER_SIZE)
		return; /* what cannot be redacted is not for other eyes */
	if (BUFFER_SIZE - c->used <= len)
		flush(c);
	memmove(c->buffer + c->used, line, len);
	c->buffer[c->used + len] = '\n';
	c->used += len + 1;
}

static void on_piece(void *context, const struct piece *piece)
{
	struct child *c = context;

	replay_files_keep(c->job->files, piece);
}

static void on_file_record(void *context, const struct record *record)
{
	struct child *c = context;

	replay_tell(c->replay, record);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What is left at the rate so far, as 1:02:03. */
static void show_left(uint64_t done, uint64_t total, int64_t spent_ms)
{
	double left_s = (double)(total - done) / (double)done * (double)spent_ms / 1000;
	uint64_t s = left_s < DAY_S ? (uint64_t)left_s : DAY_S;

	fprintf(stderr, ", %llu:%02llu:%02llu left", (unsigned long long)(s / 3600),
		(unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
}

static void show_progress(struct child *c, const struct capture_reader *reader)
{
	int64_t ms = now_ms(), spent_ms = ms - c->began_ms;
	uint64_t frames = replay_counts(c->replay)->frames;
	uint64_t done = c->done_size + capture_reader_position(reader);

	if (ms - c->shown_ms < PROGRESS_MS || spent_ms <= 0 || done == 0)
		return;
	c->shown_ms = ms;
	fputs("\r", stderr);
	if (c->total_size > 0)
		fprintf(stderr, "%3u %%, ",
			(unsigned)(done >= c->total_size ? 100 : done * 100 / c->total_size));
	fprintf(stderr, "%llu frames, %llu a second, %.1f MB/s", (unsigned long long)frames,
		(unsigned long long)((double)frames * 1000 / (double)spent_ms),
		(double)done / 1000 / (double)spent_ms);
	if (c->total_size > done)
		show_left(done, c->total_size, spent_ms);
	fputs("\033[K", stderr);
}

/* Names the packet whose verdict is not the recorded one. */
static void show_difference(const struct child *c, const struct replay_input *input,
	const struct capture_packet *packet, const struct gate_answer *answer)
{
	char buf[256];
	struct out o = out_make(buf, sizeof(buf));

	if (!c->job->check_verdicts || replay_counts(c->replay)->other_verdict > DIFFERENCES_MAX)
		return;
	out_quoted(&o, packet->comment.at, packet->comment.len < 100 ? packet->comment.len : 100);
	fprintf(stderr, "%s: frame %llu: recorded '%s', now '%s %s'\n", input->path,
		(unsigned long long)packet->number, buf, verdict_name(answer->verdict),
		reason_name(answer->reason));
}

static void replay_one_packet(struct child *c, const struct replay_input *input,
	const struct capture_reader *reader, const struct capture_packet *packet)
{
	uint64_t differed = replay_counts(c->replay)->other_verdict;
	struct gate_answer answer;

	if (c->job->files)
		replay_files_time(c->job->files, capture_sane_time(packet->time_ns));
	if (replay_packet(c->replay, packet, capture_reader_interface(reader, packet->interface),
		    &answer) &&
		replay_counts(c->replay)->other_verdict > differed)
		show_difference(c, input, packet, &answer);
	if (c->progress && packet->number % PROGRESS_PACKETS == 0)
		show_progress(c, reader);
}

static void replay_one_input(struct child *c, const struct replay_input *input)
{
	struct capture_packet packet;
	struct capture_reader *reader;
	uint64_t packets = 0;
	int r = capture_reader_new(input->fd, &reader);

	if (r < 0) {
		fprintf(stderr, "fishbowl: %s: not read: %s\n", input->path, strerror(-r));
		c->part = true;
		return;
	}
	while (c->write_error == 0 && (r = capture_reader_next(reader, &packet)) == 1) {
		replay_one_packet(c, input, reader, &packet);
		packets++;
	}
	if (c->progress)
		fputs("\r\033[K", stderr);
	if (r < 0) {
		fprintf(stderr, "fishbowl: %s: %s; kept the %llu packets before\n", input->path,
			capture_reader_error(reader), (unsigned long long)packets);
		c->part = true;
	}
	c->done_size += input->size;
	capture_reader_free(reader);
}

static int print_summary(const struct child *c)
{
	static char text[REPLAY_SUMMARY_MAX];
	struct out o = out_make(text, sizeof(text));

	replay_summary(&o, c->replay, c->job->policy);
	return fd_write(c->job->output_fd < 0 ? STDOUT_FILENO : STDERR_FILENO, text, strlen(text));
}

static void tell_faults(const struct rules_text *text)
{
	static char line[RULE_TEXT_MAX];

	for (uint32_t i = 0; i < text->n_faults; i++) {
		struct out o = out_make(line, sizeof(line));

		rules_files_print_fault(&o, &text->fault[i]);
		fputs(line, stderr);
	}
}

/* Rules come from elsewhere: they are read here, without rights. */
static int load_rules(struct child *c)
{
	struct rules_text *text;
	const char *file;
	size_t size;
	int r;

	if (!c->job->rules)
		return 0;
	r = rules_files_read(c->job->conf, c->job->rules, &text, &file);
	if (r < 0) {
		fprintf(stderr, "fishbowl: %s: %s\n", file ? file : "rules", rules_file_reason(r));
		return -ECANCELED;
	}
	tell_faults(text);
	r = rules_compile(text, &c->image, &size);
	rules_text_free(text);
	if (r == 0)
		r = rules_open(c->image, size, &c->rules);
	if (r == 0)
		rules_take_time(c->rules, c->job->profile != NULL);
	return r;
}

static void tell_signature_faults(const struct signatures *set)
{
	enum { FAULT_BYTES = 400 };
	size_t size = (SIGNATURES_FAULTS_MAX + 1) * FAULT_BYTES;
	char *text = malloc(size);
	struct out o;

	if (!text)
		return;
	o = out_make(text, size);
	signatures_print_faults(&o, set);
	fputs(text, stderr);
	free(text);
}

/* These too. */
static int load_signatures(struct child *c)
{
	const struct signature_files *files = c->job->signatures;
	int r = signatures_new(&c->signatures);

	for (size_t i = 0; r == 0 && i < files->n; i++) {
		r = signatures_load(c->signatures, files->name[i], files->fd[i]);
		if (r < 0 && r != -ENOMEM)
			fprintf(stderr, "fishbowl: %s: %s\n", files->name[i], strerror(-r));
	}
	if (r == 0)
		tell_signature_faults(c->signatures);
	return r < 0 && r != -ENOMEM ? -ECANCELED : r;
}

/* The library opens files by name, so before the rights are given up. */
static int open_geo(struct child *c)
{
	const struct conf_texts *paths = &c->job->conf->geo.database;
	int r = paths->n > 0 ? geo_new(&c->geo) : 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++) {
		r = geo_open(c->geo, paths->text[i]);
		if (r < 0)
			fprintf(stderr, "fishbowl: %s: %s\n", paths->text[i],
				r == -EBADMSG ? "it is no MMDB file" : strerror(-r));
	}
	return r < 0 && r != -ENOMEM ? -ECANCELED : r;
}

static int start(struct child *c)
{
	const struct replay_job *job = c->job;
	struct replay_setup setup = {
		.conf = job->conf,
		.image = job->image,
		.policy = job->policy,
		.home = job->home,
		.external = job->external,
		.rules = c->rules,
		.signatures = c->signatures,
		.geo = c->geo,
		.is_inline = job->is_inline,
		.viewer = job->role != ROLE_ANALYST,
		.midstream = job->midstream,
		.ignore_checksums = job->ignore_checksums,
		.emit = on_record,
		.keep = job->files ? on_piece : NULL,
		.emit_context = c,
	};

	for (size_t i = 0; i < job->n_inputs; i++) {
		if (job->input[i].size == 0) {
			c->total_size = 0;
			break;
		}
		c->total_size += job->input[i].size;
	}
	c->progress = isatty(STDERR_FILENO) == 1;
	c->began_ms = now_ms();
	c->buffer = malloc(BUFFER_SIZE);
	if (job->files)
		replay_files_use(job->files, on_file_record, c);
	if (redact_new(job->role, &c->redact) < 0)
		return -ENOMEM;
	return c->buffer ? replay_new(&setup, &c->replay) : -ENOMEM;
}

/* The captures are open, without a hole among their numbers. */
static unsigned open_files(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	close(fd);
	return (unsigned)fd;
}

int replay_give_up_rights(const struct conf *conf)
{
	const struct jail_user nobody = { .uid = NOBODY, .gid = NOBODY };
	struct jail jail = {
		.mode = (enum jail_mode)conf->top.seccomp,
		.calls = calls,
		.n_calls = sizeof(calls) / sizeof(calls[0]),
	};
	int r = 0, landlock;

	proto_prepare();
	json_object_seed(0); /* it opens a file for that */
	if (geteuid() == 0)
		r = jail_drop(&nobody, open_files() + FILES_MAX);
	else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	/* After the change of user, which clears it. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	return r < 0 ? r : jail_enter(&jail, &landlock);
}

static int result(struct child *c)
{
	int r;

	if (c->write_error == 0 && c->job->output_fd >= 0 && fsync(c->job->output_fd) < 0 &&
		errno != EINVAL && errno != EROFS)
		c->write_error = -errno;
	if (c->write_error < 0) {
		fprintf(stderr,
			"fishbowl: cannot write %s: %s; the records are incomplete. Make room or "
			"choose another place with -o, and run again\n",
			c->job->output_path, strerror(-c->write_error));
		return REPLAY_NO_OUTPUT;
	}
	r = print_summary(c);
	if (r < 0 && c->job->output_fd < 0) {
		fprintf(stderr, "fishbowl: cannot write the summary: %s\n", strerror(-r));
		return REPLAY_NO_OUTPUT;
	}
	if (c->job->check_verdicts && replay_counts(c->replay)->other_verdict > 0)
		c->part = true;
	return c->part ? REPLAY_PART : REPLAY_ALL;
}

_Noreturn void replay_child_run(const struct replay_job *job)
{
	struct child c = { .job = job };
	int r;

	r = open_geo(&c);
	if (r == 0)
		r = replay_give_up_rights(job->conf);
	if (r == 0)
		r = load_rules(&c);
	if (r == 0)
		r = load_signatures(&c);
	if (r == 0)
		r = start(&c);
	if (r < 0) {
		if (r != -ECANCELED) /* it has been told */
			fprintf(stderr, "fishbowl: cannot begin to replay: %s\n", strerror(-r));
		_exit(REPLAY_NO_START);
	}
	for (size_t i = 0; i < job->n_inputs && c.write_error == 0; i++)
		replay_one_input(&c, &job->input[i]);
	if (c.write_error == 0)
		replay_finish(c.replay);
	if (job->files && !replay_files_end(job->files)) {
		fprintf(stderr, "fishbowl: the files are incomplete\n");
		c.part = true;
	}
	flush(&c);
	if (job->profile)
		c.write_error = rules_profile_print(job->profile, c.rules);
	_exit(result(&c));
}
