/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/out.h"
#include "rules/parse.h"

enum { PIECE = 1 << 20, GZIP_ONLY = 16 + MAX_WBITS };

/* ---- opening ---- */

static int open_one(const char *path, int *ret_fd, char **ret_why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *what = fd < 0 ? strerror(errno) : "it is not a regular file";
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return asprintf(ret_why, "%s: %s", path, what) < 0 ? -ENOMEM : -EINVAL;
}

static int open_named(const char *path, int *ret_fd, char **ret_why)
{
	*ret_fd = -1;
	return *path ? open_one(path, ret_fd, ret_why) : 0;
}

int rules_files_open(const struct conf *conf, struct rules_files *ret_files, char **ret_why)
{
	const struct conf_top *top = &conf->top;
	int r = 0;

	for (size_t i = 0; i < CONF_RULE_FILES_MAX; i++)
		ret_files->rules[i] = -1;
	ret_files->thresholds = ret_files->classes = -1;
	for (size_t i = 0; i < top->rules.n && r == 0; i++)
		r = open_one(top->rules.text[i], &ret_files->rules[i], ret_why);
	if (r == 0)
		r = open_named(top->threshold_file, &ret_files->thresholds, ret_why);
	if (r == 0)
		r = open_named(top->classification_file, &ret_files->classes, ret_why);
	if (r < 0)
		rules_files_close(conf, ret_files);
	return r;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void rules_files_close(const struct conf *conf, struct rules_files *files)
{
	for (size_t i = 0; i < conf->top.rules.n; i++)
		close_one(&files->rules[i]);
	close_one(&files->thresholds);
	close_one(&files->classes);
}

/* ---- variables ---- */

/* "[10.0.0.5,2001:db8::5]": all honeypots. */
static char *honeynet_of(const struct conf *conf)
{
	size_t size = 3;
	struct out o;
	char *text;

	for (size_t h = 0; h < conf->n_honeypots; h++)
		size += conf->honeypot[h].n_addresses * IP_TEXT_MAX;
	text = malloc(size);
	if (!text)
		return NULL;
	o = out_make(text, size);
	out_char(&o, '[');
	for (size_t h = 0; h < conf->n_honeypots; h++)
		for (size_t i = 0; i < conf->honeypot[h].n_addresses; i++) {
			char buf[IP_TEXT_MAX];

			out_fmt(&o, "%s%s", o.len > 1 ? "," : "",
				ip_text(&conf->honeypot[h].address[i], buf));
		}
	out_char(&o, ']');
	return text;
}

/* Without honeypots (a replay of foreign captures) whoever is at home is the honeynet. */
static int set_defaults(const struct conf *conf, struct rules_text *text)
{
	char *honeynet = honeynet_of(conf);
	bool none = conf->n_honeypots == 0;
	int r = honeynet ? rules_text_set(text, "HONEYNET", none ? "$HOME_NET" : honeynet)
			 : -ENOMEM;

	if (r == 0 && !none)
		r = rules_text_set(text, "HOME_NET", honeynet);
	if (r == 0)
		r = rules_text_set(text, "EXTERNAL_NET", "!$HOME_NET");
	free(honeynet);
	return r;
}

/* "NAME=VALUE"; conf/check.c has looked at its form. */
static int set_var(struct rules_text *text, const char *entry)
{
	size_t len = strcspn(entry, "=");
	char *name = strndup(entry, len);
	int r = name ? rules_text_set(text, name, entry + len + 1) : -ENOMEM;

	free(name);
	return r;
}

int rules_files_set_variables(const struct conf *conf, struct rules_text *text)
{
	const struct conf_texts *vars = &conf->top.rule_vars;
	int r = set_defaults(conf, text);

	for (size_t i = 0; i < vars->n && r == 0; i++)
		r = set_var(text, vars->text[i]);
	return r;
}

/* ---- reading ---- */

typedef int read_text(struct rules_text *text, const char *file, const char *bytes, size_t len);

/* Room for one piece more than `len` bytes. */
static int grow(char **bytes, size_t len)
{
	char *more = len > RULES_TEXT_MAX ? NULL : realloc(*bytes, len + PIECE);

	if (!more)
		return len > RULES_TEXT_MAX ? -EFBIG : -ENOMEM;
	*bytes = more;
	return 0;
}

static int read_whole(int fd, char **ret_bytes, size_t *ret_len)
{
	ssize_t n;
	int r;

	do {
		r = grow(ret_bytes, *ret_len);
		if (r < 0)
			return r;
		n = read(fd, *ret_bytes + *ret_len, PIECE);
		if (n < 0 && errno != EINTR)
			return -errno;
		*ret_len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	return *ret_len > RULES_TEXT_MAX ? -EFBIG : 0;
}

static bool is_gzip(const char *bytes, size_t len)
{
	return len > 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

/* Members one behind another are one file (RFC 1952, 2.2); what follows the last one is left out. */
static int inflate_all(z_stream *z, char **ret_bytes, size_t *ret_len)
{
	int r, state = Z_OK;

	while (state != Z_STREAM_END) {
		r = grow(ret_bytes, *ret_len);
		if (r < 0)
			return r;
		z->next_out = (uint8_t *)*ret_bytes + *ret_len;
		z->avail_out = PIECE;
		state = inflate(z, Z_NO_FLUSH);
		*ret_len += PIECE - z->avail_out;
		if (state != Z_OK && state != Z_STREAM_END)
			return state == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
		if (state == Z_STREAM_END && is_gzip((const char *)z->next_in, z->avail_in))
			state = inflateReset(z);
	}
	return *ret_len > RULES_TEXT_MAX ? -EFBIG : 0;
}

static int unpack(char **bytes, size_t *len)
{
	char *packed = *bytes;
	z_stream z = { .next_in = (uint8_t *)packed, .avail_in = (uInt)*len };
	int r = inflateInit2(&z, GZIP_ONLY) == Z_OK ? 0 : -ENOMEM;

	*bytes = NULL;
	*len = 0;
	if (r == 0) {
		r = inflate_all(&z, bytes, len);
		inflateEnd(&z);
	}
	free(packed);
	return r;
}

int rules_file_load(int fd, char **ret_bytes, size_t *ret_len)
{
	char *bytes = NULL;
	size_t len = 0;
	int r = read_whole(fd, &bytes, &len);

	if (r == 0 && is_gzip(bytes, len))
		r = unpack(&bytes, &len);
	if (r < 0) {
		free(bytes);
		return r;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

const char *rules_file_reason(int error)
{
	switch (-error) {
	case EILSEQ:
		return "not a whole gzip file: get it again";
	case EFBIG:
	case E2BIG:
		return "more rules than fit: split the file, or leave some out";
	default:
		return strerror(-error);
	}
}

static int read_file(struct rules_text *text, const char *name, int fd, read_text *reads)
{
	size_t len = 0;
	char *bytes = NULL;
	int r = rules_file_load(fd, &bytes, &len);

	if (r < 0)
		return r;
	r = reads(text, name, bytes, len);
	free(bytes);
	return r;
}

static int read_files(const struct conf *conf, const struct rules_files *files,
	struct rules_text *text, const char **ret_file)
{
	const struct conf_top *top = &conf->top;
	int r = rules_files_set_variables(conf, text);

	*ret_file = NULL;
	if (r == 0 && files->classes >= 0) {
		*ret_file = top->classification_file;
		r = read_file(text, *ret_file, files->classes, rules_text_read_classes);
	}
	for (size_t i = 0; i < top->rules.n && r == 0; i++) {
		*ret_file = top->rules.text[i];
		r = read_file(text, *ret_file, files->rules[i], rules_text_read);
	}
	if (r == 0 && files->thresholds >= 0) {
		*ret_file = top->threshold_file;
		r = read_file(text, *ret_file, files->thresholds, rules_text_read_thresholds);
	}
	return r;
}

int rules_files_read(const struct conf *conf, const struct rules_files *files,
	struct rules_text **ret_text, const char **ret_file)
{
	struct rules_text *text;
	int r = rules_text_new(&text);

	if (r < 0)
		return r;
	r = read_files(conf, files, text, ret_file);
	if (r < 0)
		rules_text_free(text);
	else
		*ret_text = text;
	return r;
}

void rules_files_print_fault(struct out *o, const struct rules_fault *fault)
{
	out_quoted(o, fault->file, strlen(fault->file));
	out_fmt(o, ":%u:%u: ", fault->line, fault->column);
	out_quoted(o, fault->text, strlen(fault->text));
	out_char(o, '\n');
}
