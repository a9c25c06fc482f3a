/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl decode - what an unreadable payload says. Its bytes are read in a process without rights, as in replay. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cur.h"
#include "base/out.h"
#include "capture/pcapng.h"
#include "capture/reader.h"
#include "capture/segment.h"
#include "capture/zfile.h"
#include "cmd/fishbowl/payloads.h"
#include "cmd/fishbowl/replay_child.h"
#include "cmd/fishbowl/verbs.h"
#include "conf/conf.h"
#include "decode/decode.h"
#include "frame/frame.h"

enum {
	EXIT_NOTHING = 1,
	EXIT_USAGE = 2,
	EXIT_CANNOT = 4,
	KEY_HEX = 256,
	KEY_JSON,
	FLAG_DIRECTION = 3,
	FLAG_OUTBOUND = 2,
	SAID_MAX = 6 * DECODE_MAX + 1024, /* a byte takes up to six in JSON */
};

struct request {
	const char *config, *hex, *path;
	enum decode_method_id method; /* DECODE_METHODS: all */
	int key;
	bool all, json;
	uint64_t flow;
	struct conf *conf;
	int fd;
	struct zfile **file;
	size_t n_files;
	/* In the process without rights. */
	struct decode *decode;
	bool found;
};

static const struct argp_option options[] = {
	{ "method", 'm', "NAME", 0, "Undo this one, and show all that comes of it", 0 },
	{ "key", 'k', "NUMBER", 0, "... with this key: 0 to 255, or 0x and hex; else the best", 0 },
	{ "all", 'a', NULL, 0, "Show the best sixteen results, likely or not", 0 },
	{ "json", KEY_JSON, NULL, 0, "One JSON object a line", 0 },
	{ "hex", KEY_HEX, "STRING", 0, "The payload itself in hex, in place of a file", 0 },
	{ "flow", 'F', "ID", 0,
		"What both sides of a conversation in the capture of the gateway said: its number "
		"in the "
		"records, or 0x and hex",
		0 },
	{ "config", 'c', "FILE", 0, "Configuration that names state_dir", 0 },
	{ 0 },
};

static const char doc[] =
	"Tries all methods with all keys, also two of them, and shows the result that is text, "
	"commands or a program."
	"\vThe score is how many bits likelier the result is as text than as chance. Methods:\n"
#define METHOD(ID, name, first, last, text) "  " name ": " text "\n"
#include "decode/method.def"
#undef METHOD
	"Exit status: 0 it was decoded; 1 nothing clear comes of it; 2 wrong arguments; 4 it "
	"could not be read.";

static bool parse_number(const char *text, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno || *text < '0' || *text > '9' || *end || n > max)
		return false;
	*ret_number = n;
	return true;
}

static bool take_option(struct request *q, int key, const char *text)
{
	uint64_t n = 0;

	switch (key) {
	case 'm':
		q->method = decode_method_find(text);
		return q->method != DECODE_METHODS;
	case 'k':
		if (!parse_number(text, UINT8_MAX, &n))
			return false;
		q->key = (int)n;
		return true;
	default: /* 'F' */
		return parse_number(text, UINT64_MAX, &q->flow) && q->flow;
	}
}

static void check(const struct request *q, struct argp_state *state)
{
	if (!!q->path + !!q->hex + !!q->flow != 1)
		argp_error(state, "name a file (or -), or give --hex or --flow");
	if (q->key != DECODE_ANY_KEY && q->method == DECODE_METHODS)
		argp_error(state, "of which method is the key? Give --method");
}

static error_t on_option(int key, char *text, struct argp_state *state)
{
	struct request *q = state->input;

	switch (key) {
	case 'c':
		q->config = text;
		return 0;
	case 'a':
		q->all = true;
		return 0;
	case KEY_JSON:
		q->json = true;
		return 0;
	case KEY_HEX:
		q->hex = text;
		return 0;
	case 'm':
	case 'k':
	case 'F':
		if (!take_option(q, key, text))
			argp_error(state, "'%s' is not what this option takes", text);
		return 0;
	case ARGP_KEY_ARG:
		if (q->path)
			argp_error(state, "one file at a time");
		q->path = text;
		return 0;
	case ARGP_KEY_END:
		check(q, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- what is opened before the rights are given up ---- */

static int add_segment(struct request *q, int dir_fd, const char *name)
{
	struct zfile **more = reallocarray(q->file, q->n_files + 1, sizeof(*more));
	int r;

	if (!more)
		return -ENOMEM;
	q->file = more;
	r = zfile_open(dir_fd, name, &q->file[q->n_files]);
	q->n_files += r == 0;
	return r == -ENOENT ? 0 : r; /* retention has removed it meanwhile */
}

static int open_segments(struct request *q)
{
	struct segment *segment = NULL;
	char *directory;
	size_t n = 0;
	int dir_fd, r;

	if (asprintf(&directory, "%s/capture", q->conf->top.state_dir) < 0)
		return -ENOMEM;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir_fd < 0 ? -errno : segment_list(dir_fd, &segment, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_segment(q, dir_fd, segment[i].name);
	if (r < 0)
		fprintf(stderr, "fishbowl decode: cannot read the capture in '%s': %s\n", directory,
			strerror(-r));
	free(segment);
	free(directory);
	if (dir_fd >= 0)
		close(dir_fd);
	return r;
}

static int open_file(struct request *q)
{
	if (strcmp(q->path, "-") == 0)
		return 0;
	q->fd = open(q->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (q->fd >= 0)
		return 0;
	fprintf(stderr, "fishbowl decode: cannot open '%s': %s\n", q->path, strerror(errno));
	return -errno;
}

static int load_settings(struct request *q)
{
	char *faults = NULL;
	int r = q->flow ? conf_load(q->config, &q->conf, &faults) : conf_default(&q->conf);

	if (r < 0)
		fprintf(stderr, "fishbowl decode: %s\n", faults ? faults : strerror(-r));
	free(faults);
	return r;
}

/* ---- what is said of it ---- */

struct payload_text {
	const uint8_t *at;
	size_t len;
	const char *who; /* sends it; NULL: unknown */
};

/* Of a payload that is longer than what was tried the text may go on. */
static struct cur text_of_result(
	const struct request *q, const struct decode_result *r, const uint8_t *bytes, size_t len)
{
	struct cur text = cur_make(bytes, len), rest;
	size_t n = r->len;

	if (q->method != DECODE_METHODS)
		return text;
	cur_skip(&text, r->at);
	rest = text;
	cur_skip(&rest, n);
	for (; cur_left(&rest) > 0; n++) {
		uint8_t c = cur_u8(&rest);

		if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c > '~')
			break;
	}
	cur_limit(&text, n);
	return text;
}

static void put_json(struct out *o, const struct request *q, const struct payload_text *p,
	const char *method, const struct decode_result *r, struct cur text)
{
	out_char(o, '{');
	if (p->who)
		out_fmt(o, "\"from\":\"%s\",", p->who);
	out_fmt(o, "\"method\":\"%s\",\"score\":%d,\"clear\":%s,\"at\":%u,\"text\":", method,
		r->score, r->is_clear ? "true" : "false", q->method == DECODE_METHODS ? r->at : 0u);
	out_json_text(o, (const char *)text.at, cur_left(&text));
	out_str(o, "}\n");
}

static void put_result(struct out *o, const struct request *q, const struct payload_text *p,
	const struct decode_result *r)
{
	char method[DECODE_NAME_MAX];
	size_t len;
	const uint8_t *bytes = decode_bytes(q->decode, r, p->at, p->len, &len);
	struct cur text = text_of_result(q, r, bytes, len);

	decode_name(r, method);
	if (q->json) {
		put_json(o, q, p, method, r, text);
		return;
	}
	out_fmt(o, "%s%s%s, score %d%s:\n", p->who ? p->who : "", p->who ? ": " : "", method,
		r->score, r->is_clear ? "" : " (may be chance)");
	out_quoted(o, (const char *)text.at, cur_left(&text));
	out_char(o, '\n');
}

static int show(
	const struct request *q, const struct payload_text *p, const struct decode_result *r)
{
	static char said[SAID_MAX];
	struct out o = out_make(said, sizeof(said));

	put_result(&o, q, p, r);
	return fwrite(said, 1, o.len, stdout) == o.len ? 0 : -EIO;
}

static int decode_payload(struct request *q, const struct payload_text *p)
{
	struct decode_result result[DECODE_RESULTS_MAX];
	size_t n;
	int r = 0;

	if (q->method == DECODE_METHODS)
		n = decode_try(q->decode, p->at, p->len, q->all ? DECODE_RESULTS_MAX : 1, result);
	else
		n = decode_with(q->decode, q->method, q->key, p->at, p->len, &result[0]);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!q->all && q->method == DECODE_METHODS && !result[i].is_clear)
			continue;
		q->found = true;
		r = show(q, p, &result[i]);
	}
	return r;
}

/* ---- from where it comes ---- */

static int decode_file(struct request *q)
{
	static uint8_t bytes[DECODE_MAX];
	size_t len = 0;
	ssize_t n = 1;

	while (n != 0 && len < sizeof(bytes)) {
		n = read(q->fd, bytes + len, sizeof(bytes) - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	if (len == sizeof(bytes))
		fprintf(stderr, "fishbowl decode: only the first %zu bytes are looked at\n", len);
	return decode_payload(q, &(struct payload_text){ .at = bytes, .len = len });
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits in pairs; spaces and colons between them. */
static int decode_hex(struct request *q)
{
	static uint8_t bytes[DECODE_MAX];
	size_t len = 0, digits = 0;

	for (const char *c = q->hex; *c && len < sizeof(bytes); c++) {
		int digit = hex_digit(*c);

		if (strchr(" :\n\r\t", *c) && digits % 2 == 0)
			continue;
		if (digit < 0)
			return -EINVAL;
		bytes[len] = (uint8_t)(bytes[len] << 4 | digit);
		len += digits++ % 2;
	}
	if (digits % 2 != 0)
		return -EINVAL;
	return decode_payload(q, &(struct payload_text){ .at = bytes, .len = len });
}

static int decode_side(struct request *q, const struct payload *p, unsigned side)
{
	char who[IP_TEXT_MAX];
	const struct payload_text text = { p->said[side].bytes, p->said[side].len,
		ip_text(&p->ip[side], who) };

	return text.len > 0 ? decode_payload(q, &text) : 0;
}

/* Who began. */
struct first {
	bool seen;
	struct ip ip;
};

/* A frame that was forwarded is captured twice; what arrived counts. */
static int take_packet(const struct request *q, struct payloads *payloads, struct first *first,
	const struct capture_packet *packet)
{
	struct frame frame;

	if (packet->link != CAPTURE_LINK_ETHERNET ||
		(packet->flags & FLAG_DIRECTION) == FLAG_OUTBOUND ||
		pcapng_comment_flow(packet->comment.at, packet->comment.len) != q->flow)
		return 0;
	frame_parse(packet->data, packet->len, FRAME_LINK_ETHERNET, &frame);
	if (frame.n_packets == 0)
		return 0;
	if (!first->seen)
		*first = (struct first){ .seen = true, .ip = frame.packet[0].src };
	return payloads_add(
		payloads, q->flow, q->flow, !ip_equal(&first->ip, &frame.packet[0].src), &frame);
}

static int read_segment(
	const struct request *q, struct zfile *file, struct payloads *payloads, struct first *first)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	int r = capture_reader_new_source(zfile_read, file, &reader), taken = 0;

	if (r < 0)
		return r;
	while (taken == 0 && (r = capture_reader_next(reader, &packet)) == 1)
		taken = take_packet(q, payloads, first, &packet);
	if (r < 0)
		fprintf(stderr, "fishbowl decode: %s; what was before it is used\n",
			capture_reader_error(reader));
	capture_reader_free(reader);
	return taken;
}

static int decode_flow(struct request *q)
{
	struct payloads *payloads;
	struct first first = { 0 };
	const struct payload *all;
	int r = payloads_new(&payloads);
	size_t n = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < q->n_files; i++)
		r = read_segment(q, q->file[i], payloads, &first);
	all = r == 0 ? payloads_all(payloads, &n) : NULL;
	if (r == 0 && n == 0)
		fputs("fishbowl decode: the capture has no payload of that conversation\n", stderr);
	for (unsigned side = 0; r == 0 && n > 0 && side < 2; side++)
		r = decode_side(q, all, side);
	payloads_free(payloads);
	return r;
}

/* ---- the work ---- */

static int work(struct request *q)
{
	int r = decode_new(&q->decode);

	if (r == 0)
		r = q->flow ? decode_flow(q) : q->hex ? decode_hex(q) : decode_file(q);
	if (r == 0 && fflush(stdout) == EOF)
		r = -EIO;
	decode_free(q->decode);
	if (r == -EINVAL && q->hex)
		fputs("fishbowl decode: --hex takes pairs of hex digits\n", stderr);
	else if (r < 0)
		fprintf(stderr, "fishbowl decode: %s\n", strerror(-r));
	if (r < 0)
		return r == -EINVAL ? EXIT_USAGE : EXIT_CANNOT;
	if (!q->found && !q->all && q->method == DECODE_METHODS)
		fputs("Nothing clear comes of it; --all shows what comes closest\n", stderr);
	return q->found ? 0 : EXIT_NOTHING;
}

/* In a process without rights. */
static int work_jailed(struct request *q)
{
	pid_t pid = fork();
	int status, r;

	if (pid == 0) {
		r = replay_give_up_rights(q->conf);
		if (r < 0)
			fprintf(stderr, "fishbowl decode: no sandbox: %s\n", strerror(-r));
		_exit(r < 0 ? EXIT_CANNOT : work(q));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		fprintf(stderr, "fishbowl decode: cannot start a process: %s\n", strerror(errno));
		return EXIT_CANNOT;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "fishbowl decode: the process that read the payload was stopped (%s)\n",
		strsignal(WTERMSIG(status)));
	return EXIT_CANNOT;
}

int verb_decode(int argc, char **argv)
{
	static const struct argp argp = { options, on_option, "[FILE]", doc, NULL, NULL, NULL };
	static char name[] = "fishbowl decode";
	struct request q = { .config = CONF_PATH_DEFAULT,
		.method = DECODE_METHODS,
		.key = DECODE_ANY_KEY,
		.fd = STDIN_FILENO };
	int status = EXIT_CANNOT;

	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &q) != 0)
		return EXIT_USAGE;
	if (load_settings(&q) < 0)
		status = EXIT_USAGE;
	else if ((q.path ? open_file(&q) : q.flow ? open_segments(&q) : 0) == 0)
		status = work_jailed(&q);
	for (size_t i = 0; i < q.n_files; i++)
		zfile_close(q.file[i]);
	free(q.file);
	conf_free(q.conf);
	return status;
}
