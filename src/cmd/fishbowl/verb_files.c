/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl files - the files that were carried: what there is, one of them in detail or in a zip file with a
 * password, and orders about them, which go to the running gateway. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/out.h"
#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/ctl_show.h"
#include "cmd/fishbowl/files_zip.h"
#include "cmd/fishbowl/run_args.h"
#include "cmd/fishbowl/time_arg.h"
#include "vault/ledger.h"
#include "vault/vault.h"

enum {
	KEY_SINCE = 256,
	KEY_HONEYPOT,
	KEY_SHA256,
	KEY_RAW,
	KEY_PASSWORD,
	KEY_REASON,
	SHA = 32,
	SEEN_MAX = 1000,
	PATH_SIZE = 4096,
	LINE_SIZE = 8192,
	EXIT_USAGE = 2
};

enum work { WORK_LIST, WORK_SHOW, WORK_GET, WORK_PIN, WORK_UNPIN, WORK_PURGE, WORKS };

static const char *const works[WORKS] = { "list", "show", "get", "pin", "unpin", "purge" };

struct options {
	const char *conf, *dir;
	enum work work;
	bool has_work, json, raw;
	const char *sha; /* of the one that is meant */
	const char *output, *password, *reason;
	struct ledger_filter filter;
	uint8_t filter_sha256[SHA];
	int dir_fd;
	char run_dir[CONF_PATH_MAX];
	char own_password[256];
	struct ledger *ledger;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration that names state_dir (" CONF_PATH_DEFAULT ")",
		0 },
	{ "dir", 'd', "DIR", 0,
		"Look at this directory of files instead, as fishbowl replay --files makes it", 0 },
	{ "since", KEY_SINCE, "TIME", 0,
		"list: only what was seen since then: -1h, today, '2026-01-31 12:00'", 0 },
	{ "honeypot", KEY_HONEYPOT, "NAME", 0,
		"list: only what was carried to or from this honeypot", 0 },
	{ "sha256", KEY_SHA256, "HEX", 0, "list: only those whose SHA-256 begins so", 0 },
	{ "json", 'j', NULL, 0, "list, show: a JSON object a line", 0 },
	{ "output", 'o', "FILE", 0, "get: the zip file to be made", 0 },
	{ "password", KEY_PASSWORD, "TEXT", 0,
		"get: its password (default: the setting files password, or infected)", 0 },
	{ "raw", KEY_RAW, NULL, 0, "get: the content as it is, which can do harm", 0 },
	{ "reason", KEY_REASON, "TEXT", 0, "pin, unpin, purge: why, for the records", 0 },
	{ 0 },
};

static const char doc[] =
	"Shows the files that were carried, gets one of them, or gives orders about it."
	"\vlist is meant if nothing is named. SHA256 may be its beginning, if that is the only "
	"one; pin, unpin and "
	"purge want all of it.\n\nExit status: 0 done; 1 not; 2 wrong arguments.";

static void take_word(struct options *o, const char *word, struct argp_state *state)
{
	if (o->has_work) {
		if (o->work == WORK_LIST || o->sha)
			argp_error(state, "'%s' is too much", word);
		o->sha = word;
		return;
	}
	o->has_work = true;
	for (o->work = 0; o->work < WORKS; o->work++)
		if (strcmp(word, works[o->work]) == 0)
			return;
	argp_error(state, "'%s': write list, show, get, pin, unpin or purge", word);
}

static void take_sha(struct options *o, const char *text, struct argp_state *state)
{
	o->filter.sha256 = o->filter_sha256;
	o->filter.sha256_len = vault_sha256_read(text, o->filter_sha256);
	if (o->filter.sha256_len == 0)
		argp_error(state,
			"'%s' is no SHA-256, or the beginning of one, in an even number of digits",
			text);
}

static void check(struct options *o, struct argp_state *state)
{
	if (o->work != WORK_LIST && !o->sha)
		argp_error(state, "which file? Write its SHA-256, as in `fishbowl files`");
	if (o->sha)
		take_sha(o, o->sha, state);
	if (o->work >= WORK_PIN && o->filter.sha256_len != SHA)
		argp_error(state, "%s wants the SHA-256 in full", works[o->work]);
	if (o->work == WORK_GET && !o->output)
		argp_error(state, "say where it goes: -o FILE");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->conf = arg;
		break;
	case 'd':
		o->dir = arg;
		break;
	case 'j':
		o->json = true;
		break;
	case 'o':
		o->output = arg;
		break;
	case KEY_SINCE:
		if (!time_arg_parse(arg, &o->filter.from_ns))
			argp_error(state, "--since '%s' is no " TIME_ARG_FORMS, arg);
		break;
	case KEY_HONEYPOT:
		o->filter.honeypot = arg;
		break;
	case KEY_SHA256:
		take_sha(o, arg, state);
		break;
	case KEY_RAW:
		o->raw = true;
		break;
	case KEY_PASSWORD:
		o->password = arg;
		break;
	case KEY_REASON:
		o->reason = arg;
		break;
	case ARGP_KEY_ARG:
		take_word(o, arg, state);
		break;
	case ARGP_KEY_END:
		check(o, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- where they are ---- */

static void read_password(struct options *o, const char *path)
{
	struct conf *conf = NULL;
	char *faults = NULL;

	snprintf(o->own_password, sizeof(o->own_password), "infected");
	if (path && conf_load(path, &conf, &faults) == 0)
		snprintf(o->own_password, sizeof(o->own_password), "%s", conf->files.password);
	free(faults);
	conf_free(conf);
	if (!o->password || !*o->password)
		o->password = o->own_password;
}

static bool open_dir(struct options *o)
{
	struct run_dirs dirs;
	char path[PATH_SIZE];

	read_password(o, o->dir ? NULL : o->conf);
	if (!o->dir && !run_dirs_find(o->conf, &dirs))
		return false;
	if (!o->dir) {
		snprintf(path, sizeof(path), "%s/files", dirs.state);
		snprintf(o->run_dir, sizeof(o->run_dir), "%s", dirs.run);
	} else {
		snprintf(path, sizeof(path), "%s", o->dir);
	}
	o->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir_fd < 0)
		fprintf(stderr, "fishbowl: %s: %s\n", path,
			errno == ENOENT ? "no files were kept there" : strerror(errno));
	return o->dir_fd >= 0;
}

static bool open_ledger(struct options *o)
{
	int r = ledger_open_read(o->dir_fd, &o->ledger);

	if (r < 0)
		fprintf(stderr, "fishbowl: %s: %s\n", LEDGER_NAME,
			r == -ENOENT ? "no files were kept there" : strerror(-r));
	return r == 0;
}

/* ---- list ---- */

static void put_sha(struct out *o, const uint8_t *bytes, size_t len)
{
	out_char(o, '"');
	out_hex(o, bytes, len);
	out_char(o, '"');
}

static void put_time(struct out *o, const char *name, int64_t time_ns)
{
	out_fmt(o, ",\"%s\":\"", name);
	out_time_rfc3339(o, time_ns);
	out_char(o, '"');
}

static void put_text(struct out *o, const char *name, struct text text)
{
	if (text.len == 0)
		return;
	out_fmt(o, ",\"%s\":", name);
	out_json_text(o, text.at, text.len);
}

static void print_json(const struct ledger_answer *a)
{
	const struct ledger_file *f = &a->file;
	char line[LINE_SIZE];
	struct out o = out_make(line, sizeof(line));

	out_str(&o, "{\"sha256\":");
	put_sha(&o, f->sha256, sizeof(f->sha256));
	out_str(&o, ",\"sha1\":");
	put_sha(&o, f->sha1, sizeof(f->sha1));
	out_str(&o, ",\"md5\":");
	put_sha(&o, f->md5, sizeof(f->md5));
	out_fmt(&o, ",\"size\":%" PRIu64 ",\"entropy\":%" PRIu32, f->size, f->entropy);
	put_text(&o, "magic", text_of(f->magic));
	put_text(&o, "name", a->name);
	put_text(&o, "from", text_of(a->source));
	put_text(&o, "to", text_of(a->destination));
	put_text(&o, "honeypot", text_of(a->honeypot));
	put_text(&o, "app_proto", text_of(a->app_proto));
	put_time(&o, "first_seen", f->first_ns);
	put_time(&o, "last_seen", f->last_ns);
	out_fmt(&o, ",\"times\":%" PRIu64 ",\"stored\":%s,\"pinned\":%s}", f->times,
		f->stored ? "true" : "false", f->pinned ? "true" : "false");
	puts(line);
}

static void print_row(const struct ledger_answer *a)
{
	const struct ledger_file *f = &a->file;
	char line[LINE_SIZE];
	struct out o = out_make(line, sizeof(line));

	out_hex(&o, f->sha256, sizeof(f->sha256));
	out_fmt(&o, " %10" PRIu64 " %s%s ", f->size, f->stored ? "kept" : "gone",
		f->pinned ? ",pinned" : "");
	out_time_rfc3339(&o, f->last_ns);
	out_fmt(&o, " %" PRIu64 "x %s -> %s  ", f->times, a->source, a->destination);
	out_quoted(&o, a->name.at, a->name.len);
	out_str(&o, "  ");
	out_quoted(&o, f->magic, strnlen(f->magic, 100));
	puts(line);
}

static int on_answer(void *context, const struct ledger_answer *answer)
{
	const struct options *o = context;

	if (o->json)
		print_json(answer);
	else
		print_row(answer);
	return 0;
}

static int complain(int r)
{
	if (r < 0)
		fprintf(stderr, "fishbowl: %s: %s\n", LEDGER_NAME, strerror(-r));
	return r < 0;
}

/* ---- one of them ---- */

struct one {
	struct ledger_file file;
	unsigned n;
};

static int on_one(void *context, const struct ledger_answer *answer)
{
	struct one *one = context;

	one->file = answer->file;
	one->n++;
	return 0;
}

static bool find_one(const struct options *o, struct one *ret_one)
{
	const struct ledger_filter filter = {
		.from_ns = INT64_MIN, .sha256 = o->filter.sha256, .sha256_len = o->filter.sha256_len
	};

	*ret_one = (struct one){ .n = 0 };
	if (complain(ledger_ask(o->ledger, &filter, on_one, ret_one)))
		return false;
	if (ret_one->n != 1)
		fprintf(stderr, "fishbowl: %s: %s\n", o->sha,
			ret_one->n == 0 ? "no such file was seen"
					: "several begin so; write more of it");
	return ret_one->n == 1;
}

static int on_seen(void *context, const struct ledger_seen *seen)
{
	const struct options *o = context;
	char line[LINE_SIZE];
	struct out out = out_make(line, sizeof(line));

	if (o->json) {
		out_fmt(&out, "{\"flow_id\":%" PRIu64, seen->flow_id);
		put_time(&out, "time", seen->time_ns);
		put_text(&out, "name", seen->name);
		put_text(&out, "from", text_of(seen->source));
		put_text(&out, "to", text_of(seen->destination));
		put_text(&out, "honeypot", text_of(seen->honeypot));
		put_text(&out, "app_proto", text_of(seen->app_proto));
		out_fmt(&out, ",\"from_port\":%u,\"to_port\":%u}", seen->sport, seen->dport);
	} else {
		out_str(&out, "  ");
		out_time_rfc3339(&out, seen->time_ns);
		out_fmt(&out, " %s:%u -> %s:%u %s flow %" PRIu64 "  ", seen->source, seen->sport,
			seen->destination, seen->dport, seen->app_proto, seen->flow_id);
		out_quoted(&out, seen->name.at, seen->name.len);
	}
	puts(line);
	return 0;
}

static int show(struct options *o)
{
	const struct ledger_filter filter = {
		.from_ns = INT64_MIN, .sha256 = o->filter.sha256, .sha256_len = o->filter.sha256_len
	};
	struct one one;

	if (!find_one(o, &one) || complain(ledger_ask(o->ledger, &filter, on_answer, o)))
		return 1;
	return complain(ledger_sightings(o->ledger, one.file.sha256, SEEN_MAX, on_seen, o));
}

/* ---- get ---- */

static int copy(int from, int to)
{
	char buffer[1 << 16];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(from, buffer, sizeof(buffer))) != 0)
		r = n < 0 ? -errno : fd_write(to, buffer, (size_t)n);
	return r;
}

static int write_out(const struct options *o, const struct one *one, int from, int to)
{
	char name[2 * SHA + 1];
	struct out out = out_make(name, sizeof(name));
	const char *why = NULL;
	int r;

	out_hex(&out, one->file.sha256, SHA);
	if (o->raw) {
		fprintf(stderr,
			"fishbowl: WARNING: %s is what an intruder brought along, as it is: do not "
			"run "
			"or open it on a machine that matters\n",
			o->output);
		r = copy(from, to);
	} else {
		r = files_zip_write(from, one->file.size, name, o->password, to, &why);
	}
	if (r == 0 && fsync(to) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	if (r < 0)
		fprintf(stderr, "fishbowl: %s: %s\n", o->output, why ? why : strerror(-r));
	return r;
}

static int get(struct options *o)
{
	char path[VAULT_PATH_MAX];
	struct one one;
	int from, to, r = -1;

	if (!find_one(o, &one))
		return 1;
	vault_path(one.file.sha256, path);
	from = openat(o->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0) {
		fprintf(stderr, "fishbowl: %s: %s\n", path,
			errno == ENOENT ? "it was seen, and is not kept (any more)"
					: strerror(errno));
		return 1;
	}
	to = open(o->output, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		fprintf(stderr, "fishbowl: %s: %s\n", o->output, strerror(errno));
	else
		r = write_out(o, &one, from, to);
	close(from);
	if (to >= 0)
		close(to);
	if (to >= 0 && r < 0)
		unlink(o->output); /* half a file is none */
	return r < 0;
}

/* ---- orders ---- */

static int order_gateway(const struct options *o)
{
	json_t *request = json_pack("{s:s, s:[s, s], s:s?}", "verb", "file", "args", works[o->work],
		o->sha, "reason", o->reason);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	struct run_dirs dirs = { "", "" };
	json_t *answer = NULL;
	int r;

	json_decref(request);
	if (!text) {
		fprintf(stderr, "fishbowl: an argument is no text (UTF-8)\n");
		return EXIT_USAGE;
	}
	snprintf(dirs.run, sizeof(dirs.run), "%s", o->run_dir);
	r = ctl_ask(o->run_dir, text, CTL_PATIENCE_S, &answer);
	free(text);
	if (r < 0) {
		run_args_complain(&dirs, r);
		return 1;
	}
	ctl_show(answer);
	r = !json_is_true(json_object_get(answer, "ok"));
	json_decref(answer);
	return r;
}

static int order_directory(struct options *o)
{
	char path[VAULT_PATH_MAX];
	int r = ledger_open(o->dir_fd, &o->ledger);

	if (r == 0 && o->work != WORK_PURGE)
		r = ledger_set_pinned(o->ledger, o->filter.sha256, o->work == WORK_PIN);
	else if (r == 0) {
		vault_path(o->filter.sha256, path);
		r = unlinkat(o->dir_fd, path, 0) < 0 ? -errno : 1;
		if (r == 1 && ledger_set_stored(o->ledger, o->filter.sha256, false) < 0)
			r = -EIO;
	}
	if (r <= 0)
		fprintf(stderr, "fishbowl: %s: %s\n", o->sha,
			r == 0 || r == -ENOENT ? "no such file is kept" : strerror(-r));
	return r <= 0;
}

static int do_work(struct options *o)
{
	if (!open_dir(o))
		return 1;
	if (o->work >= WORK_PIN)
		return o->dir ? order_directory(o) : order_gateway(o);
	if (!open_ledger(o))
		return 1;
	if (o->work == WORK_SHOW)
		return show(o);
	if (o->work == WORK_GET)
		return get(o);
	return complain(ledger_ask(o->ledger, &o->filter, on_answer, o));
}

int verb_files(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse,
		"[list]\nshow SHA256\nget SHA256 -o FILE\npin|unpin|purge SHA256", doc, NULL, NULL,
		NULL };
	static char name[] = "fishbowl files";
	struct options o = {
		.conf = CONF_PATH_DEFAULT, .filter = { .from_ns = INT64_MIN }, .dir_fd = -1
	};
	int status;

	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = do_work(&o);
	ledger_close(o.ledger);
	if (o.dir_fd >= 0)
		close(o.dir_fd);
	return status;
}
