/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - the rules that a configuration names, from open files: its variables, classes, rules,
 * thresholds, in the order in which they depend on each other.
 */
#pragma once

#include <stddef.h>

#include "conf/conf.h"

struct out;
struct rules_fault;
struct rules_text;

struct rules_files {
	int rules[CONF_RULE_FILES_MAX]; /* as many as conf->top.rules */
	int thresholds, classes;        /* -1: none */
};

/* Opens them by name. -EINVAL: *ret_why, to be freed, says which file and why. */
int rules_files_open(const struct conf *conf, struct rules_files *ret_files, char **ret_why);
void rules_files_close(const struct conf *conf, struct rules_files *files);

/* A file, whole, unpacked if it is gzip; the caller frees. -EFBIG: more than RULES_TEXT_MAX bytes; -EILSEQ: gzip,
 * but damaged or cut; -ENOMEM; -errno of reading. */
int rules_file_load(int fd, char **ret_bytes, size_t *ret_len);
/* What to tell of an error of reading rules. */
const char *rules_file_reason(int error);

/* `conf` must outlive the text, which has the names of its files. Faulty rules are no failure:
 * they are in the text. -E2BIG: too many rules; what rules_file_load() says: *ret_file, of `conf`, is then the file
 * that it says it of, or NULL. */
int rules_files_read(const struct conf *conf, const struct rules_files *files,
	struct rules_text **ret_text, const char **ret_file);

/* The variables of a configuration, and those that it has by itself: HONEYNET, HOME_NET,
 * EXTERNAL_NET. -ENOMEM. */
int rules_files_set_variables(const struct conf *conf, struct rules_text *text);

/* "FILE:LINE:COLUMN: what", a line. */
void rules_files_print_fault(struct out *o, const struct rules_fault *fault);
