/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <magic.h>
#include <openssl/evp.h>
#include <yara.h>

#include "base/entropy.h"
#include "base/out.h"
#include "conf/conf.h"

enum { SUM_STEP = 1 << 20, SUMS = 3 };

struct look {
	struct look_setup setup;
	EVP_MD_CTX *sum[SUMS];
	magic_t magic;
	char type[LOOK_MAGIC_MAX];
	bool yara;
	YR_RULES *rules[CONF_YARA_FILES_MAX]; /* NULL: they could not be compiled */
};

static void beat(const struct look *look)
{
	if (look->setup.beat)
		look->setup.beat(look->setup.context);
}

static void fault(const struct look *look, const char *what, const char *why)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: %s", what, why);
	look->setup.fault(look->setup.context, text);
}

/* ---- rules of YARA ---- */

struct first_error {
	const char *name;
	char text[400];
};

static void on_error(int level, const char *file, int line, const YR_RULE *rule,
	const char *message, void *context)
{
	struct first_error *first = context;

	(void)file;
	(void)rule;
	if (level == YARA_ERROR_LEVEL_ERROR && !*first->text)
		snprintf(first->text, sizeof(first->text), "line %d: %s", line, message);
}

/* A file of rules says all itself: it does not open others. */
static const char *no_include(
	const char *name, const char *from, const char *namespace, void *context)
{
	(void)name;
	(void)from;
	(void)namespace;
	(void)context;
	return NULL;
}

static YR_RULES *compile(struct look *look, size_t n)
{
	struct first_error first = { .name = look->setup.yara_name[n] };
	YR_COMPILER *compiler;
	YR_RULES *rules = NULL;

	if (yr_compiler_create(&compiler) != ERROR_SUCCESS) {
		fault(look, first.name, "out of memory");
		return NULL;
	}
	yr_compiler_set_callback(compiler, on_error, &first);
	yr_compiler_set_include_callback(compiler, no_include, NULL, NULL);
	if (yr_compiler_add_fd(compiler, look->setup.yara_fd[n], NULL, NULL) != 0 ||
		yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS) {
		fault(look, first.name, *first.text ? first.text : "these rules cannot be used");
		rules = NULL;
	}
	yr_compiler_destroy(compiler);
	return rules;
}

static void load_rules(struct look *look)
{
	if (look->setup.n_yara == 0)
		return;
	look->yara = yr_initialize() == ERROR_SUCCESS;
	if (!look->yara)
		fault(look, "YARA", "out of memory");
	for (size_t i = 0; look->yara && i < look->setup.n_yara && i < CONF_YARA_FILES_MAX; i++)
		look->rules[i] = compile(look, i);
}

struct matches {
	struct out *o;
	unsigned n;
};

static int on_match(YR_SCAN_CONTEXT *scan, int message, void *data, void *context)
{
	struct matches *m = context;
	const YR_RULE *rule = data;

	(void)scan;
	if (message != CALLBACK_MSG_RULE_MATCHING || m->n == LOOK_YARA_MAX)
		return CALLBACK_CONTINUE;
	if (m->n++ > 0)
		out_char(m->o, ',');
	out_json_text(m->o, rule->identifier, strlen(rule->identifier));
	return CALLBACK_CONTINUE;
}

static void put_rules(struct look *look, const uint8_t *bytes, size_t len, struct out *o)
{
	struct matches m = { .o = o };
	bool late = false;

	if (!look->yara)
		return;
	out_str(o, "\"yara\":[");
	for (size_t i = 0; i < CONF_YARA_FILES_MAX; i++) {
		if (!look->rules[i])
			continue;
		beat(look);
		late |= yr_rules_scan_mem(look->rules[i], bytes, len,
				SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING, on_match,
				&m, LOOK_YARA_S) != ERROR_SUCCESS;
	}
	out_str(o, "],");
	if (late)
		out_str(o, "\"yara_incomplete\":true,");
}

/* ---- members of an archive ---- */

/* Formats and filters that are read in this process: others start programs. */
static struct archive *open_archive(const uint8_t *bytes, size_t len)
{
	static int (*const kinds[])(struct archive *) = { archive_read_support_filter_gzip,
		archive_read_support_filter_bzip2, archive_read_support_filter_compress,
		archive_read_support_filter_lzma, archive_read_support_filter_xz,
		archive_read_support_filter_lz4, archive_read_support_filter_zstd,
		archive_read_support_filter_rpm, archive_read_support_format_tar,
		archive_read_support_format_zip, archive_read_support_format_7zip,
		archive_read_support_format_rar, archive_read_support_format_rar5,
		archive_read_support_format_cab, archive_read_support_format_ar,
		archive_read_support_format_cpio, archive_read_support_format_iso9660,
		archive_read_support_format_lha, archive_read_support_format_xar };
	struct archive *a = archive_read_new();

	for (size_t i = 0; a && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		(void)kinds[i](a); /* one that this library was built without is not read */
	if (a && archive_read_open_memory(a, bytes, len) == ARCHIVE_OK)
		return a;
	archive_read_free(a);
	return NULL;
}

/* What is unpacked to get to the next member counts, too. */
static bool skip_data(const struct look *look, struct archive *a, uint64_t *unpacked)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(a, &block, &len, &offset)) == ARCHIVE_OK ||
		r == ARCHIVE_WARN) {
		*unpacked += len ? len : 1;
		if (*unpacked / SUM_STEP != (*unpacked - len) / SUM_STEP)
			beat(look);
		if (*unpacked > LOOK_UNPACKED_MAX)
			return false;
	}
	/* Damaged or encrypted data: the headers may go on. */
	return r != ARCHIVE_FATAL;
}

static void put_member(struct out *o, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname_utf8(entry);

	if (!name)
		name = archive_entry_pathname(entry);
	out_str(o, "{\"name\":");
	out_json_text(o, name ? name : "", name ? strnlen(name, LOOK_MEMBER_NAME_MAX) : 0);
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0)
		out_fmt(o, ",\"size\":%lld", (long long)archive_entry_size(entry));
	if (archive_entry_is_encrypted(entry))
		out_str(o, ",\"encrypted\":true");
	out_char(o, '}');
}

static void take_back(struct out *o, const struct out *before)
{
	*o = *before;
	o->at[o->len] = '\0';
}

/* How many members were listed; *ret_all: that there are no more. */
static unsigned put_members(const struct look *look, struct archive *a, struct out *o,
	const char **ret_format, bool *ret_all)
{
	struct archive_entry *entry;
	uint64_t unpacked = 0;
	unsigned n = 0;
	int r;

	*ret_all = false;
	while (n < LOOK_MEMBERS_MAX) {
		struct out before = *o;

		r = archive_read_next_header(a, &entry);
		*ret_all = r == ARCHIVE_EOF;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			break;
		*ret_format = archive_format_name(a);
		out_str(o, n > 0 ? "," : "");
		put_member(o, entry);
		if (!out_ok(o)) {
			take_back(o, &before);
			break;
		}
		n++;
		if (!skip_data(look, a, &unpacked))
			break;
	}
	return n;
}

static void put_archive(struct look *look, const uint8_t *bytes, size_t len, struct out *o)
{
	/* Room for what comes behind the list. */
	enum { BEHIND = 160 };
	struct archive *a = len > 0 ? open_archive(bytes, len) : NULL;
	struct out before = *o, list = *o;
	const char *format = "";
	unsigned n;
	bool all = false;

	if (!a)
		return;
	beat(look);
	list.size = o->size > BEHIND ? o->size - BEHIND : 0;
	out_str(&list, "\"archive\":{\"members\":[");
	n = out_ok(&list) ? put_members(look, a, &list, &format, &all) : 0;
	if (n > 0) {
		list.size = o->size;
		*o = list;
		out_str(o, "],\"format\":");
		out_json_text(o, format, strnlen(format, 64));
		out_str(o, all ? "}," : ",\"more\":true},");
	}
	if (n == 0 || !out_ok(o))
		take_back(o, &before);
	archive_read_free(a);
}

void look_members(struct look *look, const uint8_t *bytes, size_t len, struct out *o)
{
	/* Rules first: who makes the archive decides how long its list is. */
	put_rules(look, bytes, len, o);
	put_archive(look, bytes, len, o);
}

/* ---- sums and type ---- */

static int start_sums(struct look *look)
{
	const EVP_MD *const kinds[SUMS] = { EVP_sha256(), EVP_sha1(), EVP_md5() };

	for (unsigned i = 0; i < SUMS; i++)
		if (EVP_DigestInit_ex(look->sum[i], kinds[i], NULL) != 1)
			return -EIO;
	return 0;
}

int look_sums(struct look *look, const uint8_t *bytes, size_t len, struct look_sums *ret_sums)
{
	uint64_t count[256] = { 0 };
	uint8_t *const results[SUMS] = { ret_sums->sha256, ret_sums->sha1, ret_sums->md5 };

	if (start_sums(look) < 0)
		return -EIO;
	for (size_t at = 0; at < len; at += SUM_STEP) {
		size_t n = len - at < SUM_STEP ? len - at : SUM_STEP;

		for (unsigned i = 0; i < SUMS; i++)
			EVP_DigestUpdate(look->sum[i], bytes + at, n);
		for (size_t i = 0; i < n; i++)
			count[bytes[at + i]]++;
		beat(look);
	}
	for (unsigned i = 0; i < SUMS; i++)
		if (EVP_DigestFinal_ex(look->sum[i], results[i], NULL) != 1)
			return -EIO;
	ret_sums->entropy = entropy_of_counts(count, len);
	return 0;
}

const char *look_magic(struct look *look, const uint8_t *bytes, size_t len)
{
	const char *said = NULL;

	if (look->magic && len > 0)
		said = magic_buffer(
			look->magic, bytes, len < LOOK_MAGIC_BYTES ? len : LOOK_MAGIC_BYTES);
	else if (look->magic)
		said = "empty";
	snprintf(look->type, sizeof(look->type), "%s", said ? said : "");
	return look->type;
}

static void load_magic(struct look *look)
{
	/* What is packed is not unpacked here, and no file beside the bytes is looked at. */
	look->magic = magic_open(MAGIC_NO_CHECK_COMPRESS | MAGIC_RAW);
	if (look->magic && magic_load(look->magic, NULL) == 0)
		return;
	fault(look, "types of files (libmagic)",
		look->magic && magic_error(look->magic) ? magic_error(look->magic)
							: "out of memory");
	if (look->magic)
		magic_close(look->magic);
	look->magic = NULL;
}

int look_new(const struct look_setup *setup, struct look **ret_look)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	look->setup = *setup;
	for (unsigned i = 0; i < SUMS; i++)
		look->sum[i] = EVP_MD_CTX_new();
	if (!look->sum[0] || !look->sum[1] || !look->sum[2]) {
		look_free(look);
		return -ENOMEM;
	}
	/* OpenSSL loads what it needs with the first sum. */
	if (start_sums(look) < 0) {
		look_free(look);
		return -EIO;
	}
	if (setup->magic)
		load_magic(look);
	load_rules(look);
	*ret_look = look;
	return 0;
}

struct look *look_free(struct look *look)
{
	if (!look)
		return NULL;
	for (unsigned i = 0; i < SUMS; i++)
		EVP_MD_CTX_free(look->sum[i]);
	if (look->magic)
		magic_close(look->magic);
	for (size_t i = 0; i < CONF_YARA_FILES_MAX; i++)
		if (look->rules[i])
			yr_rules_destroy(look->rules[i]);
	if (look->yara)
		yr_finalize();
	free(look);
	return NULL;
}
