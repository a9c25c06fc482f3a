/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl verify - has anybody changed the capture or the journal? */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"
#include "capture/verify.h"
#include "cmd/fishbowl/verbs.h"
#include "conf/conf.h"
#include "store/journal.h"

enum {
	KEY_JOURNAL = 256,
	PATH_SIZE = 4096,
	STEP_BYTES = 32 << 20,
	EXIT_FOUND = 1,
	EXIT_CANNOT = 2
};

struct verify_arguments {
	const char *conf;
	const char *dir;
	const char *key;
	const char *journal_key;
	bool json;
};

struct report {
	bool json;
	bool progress;
	uint64_t next;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "configuration that names state_dir", 0 },
	{ "dir", 'd', "DIR", 0,
		"look at this capture directory, and the journal beside it, instead", 0 },
	{ "key", 'k', "FILE", 0, "public key; else capture.pub beside or in the directory", 0 },
	{ "journal-key", KEY_JOURNAL, "FILE", 0, "public key; else journal.pub beside the journal",
		0 },
	{ "json", 'j', NULL, 0, "one JSON object a finding, and one for the sum", 0 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct verify_arguments *a = state->input;

	switch (key) {
	case 'c':
		a->conf = text;
		return 0;
	case 'd':
		a->dir = text;
		return 0;
	case 'k':
		a->key = text;
		return 0;
	case KEY_JOURNAL:
		a->journal_key = text;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void clear_progress(const struct report *r)
{
	if (r->progress)
		fputs("\r\033[K", stderr);
}

static void print_json(const struct verify_finding *f)
{
	char buf[2048];
	struct out o = out_make(buf, sizeof(buf));

	out_fmt(&o, "{\"finding\":\"%s\",\"fault\":%s,\"file\":", verify_kind_name(f->kind),
		f->fault ? "true" : "false");
	out_json_text(&o, f->file, strlen(f->file));
	if (f->line)
		out_fmt(&o, ",\"line\":%" PRIu64, f->line);
	if (f->to >= f->from)
		out_fmt(&o, ",\"from\":%" PRIu64 ",\"to\":%" PRIu64, f->from, f->to);
	if (f->has_packets)
		out_fmt(&o, ",\"first_packet\":%" PRIu64 ",\"last_packet\":%" PRIu64,
			f->first_packet, f->last_packet);
	out_str(&o, ",\"text\":");
	out_json_text(&o, f->text, strlen(f->text));
	out_char(&o, '}');
	puts(buf);
}

static void print_text(const struct verify_finding *f)
{
	char buf[1024];
	struct out o = out_make(buf, sizeof(buf));

	out_fmt(&o, "%-10s ", verify_kind_name(f->kind));
	out_quoted(&o, f->file, strlen(f->file));
	if (f->line)
		out_fmt(&o, " line %" PRIu64, f->line);
	if (f->to >= f->from)
		out_fmt(&o, " bytes %" PRIu64 "-%" PRIu64, f->from, f->to);
	if (f->has_packets)
		out_fmt(&o, " packets %" PRIu64 "-%" PRIu64, f->first_packet, f->last_packet);
	out_fmt(&o, ": %s", f->text);
	puts(buf);
}

static void on_finding(void *context, const struct verify_finding *finding)
{
	const struct report *r = context;

	clear_progress(r);
	if (r->json)
		print_json(finding);
	else
		print_text(finding);
}

static void on_progress(void *context, uint64_t done, uint64_t all)
{
	struct report *r = context;

	if (!r->progress || done < r->next)
		return;
	r->next = done + STEP_BYTES;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB", done >> 20, all >> 20);
}

/* A fault of the journal in the same words. Missing lines have numbers, as records have. */
static void on_journal_fault(void *context, const struct journal_fault *fault)
{
	char file[JOURNAL_NAME_MAX + 16], text[320];
	struct out o = out_make(text, sizeof(text));

	snprintf(file, sizeof(file), "journal/%s", fault->file);
	out_str(&o, fault->what);
	if (fault->to)
		out_fmt(&o, "; records %" PRIu64 "-%" PRIu64 " are missing", fault->from,
			fault->to);
	on_finding(context, &(struct verify_finding){ .kind = VERIFY_LINE,
				    .fault = true,
				    .file = file,
				    .line = fault->line,
				    .from = 1,
				    .text = text });
}

static void print_json_totals(const struct verify_totals *t, const struct journal_verdict *j)
{
	printf("{\"segments\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"manifest_lines\":%" PRIu64
	       ",\"removed\":%" PRIu64 ",\"unsealed\":%" PRIu64 ",\"journal_files\":%" PRIu64
	       ",\"journal_lines\":%" PRIu64 ",\"journal_unsigned\":%" PRIu64 ",\"faults\":%" PRIu64
	       "}\n",
		t->segments, t->packets, t->lines, t->removed, t->unsealed, j->files, j->lines,
		j->unsigned_lines, t->faults + j->faults);
}

static int print_totals(
	const struct report *r, const struct verify_totals *t, const struct journal_verdict *j)
{
	bool found = t->faults + j->faults > 0;

	clear_progress(r);
	if (r->json) {
		print_json_totals(t, j);
		return found ? EXIT_FOUND : 0;
	}
	printf("%" PRIu64 " segments with %" PRIu64 " packets compared, %" PRIu64
	       " removed for the budget, %" PRIu64 " not sealed yet\n",
		t->segments, t->packets, t->removed, t->unsealed);
	printf("%" PRIu64 " journal lines in %" PRIu64 " files compared, the last %" PRIu64
	       " not signed yet\n",
		j->lines, j->files, j->unsigned_lines);
	puts(found ? "FAULTS FOUND" : "nothing was changed");
	return found ? EXIT_FOUND : 0;
}

static int read_key(const char *path, uint8_t *public)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = manifest_key_read_public(fd, public);
	close(fd);
	if (result < 0)
		fprintf(stderr, "fishbowl verify: %s: not a public key\n", path);
	return result;
}

/* The journal of the same state directory. With --dir it may have been left behind. */
static int verify_journal(const struct verify_arguments *a, const char *dir, struct report *report,
	struct journal_verdict *ret_verdict)
{
	static const struct journal_fault gone = { .file = "",
		.what = "the whole journal is gone" };
	uint8_t public[MANIFEST_PUBLIC_LEN];
	char path[PATH_SIZE + 32];
	int fd, result;

	snprintf(path, sizeof(path), "%s/../journal", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		ret_verdict->faults = !a->dir;
		if (!a->dir)
			on_journal_fault(report, &gone);
		return 0;
	}
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/../" JOURNAL_PUBLIC, dir);
	result = read_key(a->journal_key ? a->journal_key : path, public);
	if (result == -ENOENT)
		fprintf(stderr,
			"fishbowl verify: no public key %s; name it with --journal-key FILE\n",
			a->journal_key ? a->journal_key : path);
	if (result == 0)
		result = journal_verify(fd, public, on_journal_fault, report, ret_verdict);
	close(fd);
	return result;
}

static int find_key(const struct verify_arguments *a, const char *dir, uint8_t *public)
{
	char path[PATH_SIZE + 32];
	int result;

	if (a->key) {
		result = read_key(a->key, public);
		if (result < 0)
			fprintf(stderr, "fishbowl verify: %s: %s\n", a->key, strerror(-result));
		return result;
	}
	snprintf(path, sizeof(path), "%s/../" MANIFEST_PUBLIC, dir);
	result = read_key(path, public);
	if (result == -ENOENT) {
		snprintf(path, sizeof(path), "%s/" MANIFEST_PUBLIC, dir);
		result = read_key(path, public);
	}
	if (result == -ENOENT)
		fprintf(stderr,
			"fishbowl verify: no public key beside %s; name it with --key FILE\n", dir);
	return result;
}

/* The capture directory, by --dir or by the configuration. */
static int find_dir(const struct verify_arguments *a, char path[static PATH_SIZE])
{
	struct conf *conf;
	char *faults = NULL;

	if (a->dir) {
		snprintf(path, PATH_SIZE, "%s", a->dir);
		return 0;
	}
	if (conf_load(a->conf, &conf, &faults) < 0) {
		fprintf(stderr, "%s\n", faults ? faults : a->conf);
		free(faults);
		return -EINVAL;
	}
	snprintf(path, PATH_SIZE, "%s/capture", conf->top.state_dir);
	conf_free(conf);
	return 0;
}

int verb_verify(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "",
		"Compares every sealed segment with the signed manifest, and every line of the "
		"journal with "
		"the one before and the signed head, and names what was changed.\v"
		"Exit status: 0 nothing was changed, 1 something was, 2 it could not be looked at.",
		NULL, NULL, NULL };
	struct verify_arguments a = { .conf = CONF_PATH_DEFAULT };
	struct report report = { 0 };
	struct verify_setup setup = {
		.finding = on_finding, .progress = on_progress, .context = &report
	};
	struct verify_totals totals;
	struct journal_verdict journal = { 0 };
	char dir[PATH_SIZE];
	int result;

	argv[0] = (char[]){ "fishbowl verify" }; /* for argp's messages */
	if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0 || find_dir(&a, dir) < 0)
		return EXIT_CANNOT;
	report.json = a.json;
	report.progress = isatty(STDERR_FILENO);
	setup.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (setup.dir_fd < 0) {
		fprintf(stderr, "fishbowl verify: %s: %s\n", dir, strerror(errno));
		return EXIT_CANNOT;
	}
	result = find_key(&a, dir, setup.public);
	if (result == 0) {
		result = verify_run(&setup, &totals);
		if (result < 0)
			fprintf(stderr, "fishbowl verify: %s: %s\n", dir, strerror(-result));
	}
	close(setup.dir_fd);
	if (result == 0) {
		result = verify_journal(&a, dir, &report, &journal);
		if (result < 0)
			fprintf(stderr, "fishbowl verify: journal: %s\n", strerror(-result));
	}
	return result < 0 ? EXIT_CANNOT : print_totals(&report, &totals, &journal);
}
