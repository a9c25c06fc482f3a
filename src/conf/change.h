/* SPDX-License-Identifier: Apache-2.0 */
/* change - settings by their names, for orders that change limits while the gateway runs, and what two
 * configurations do not have in common. */
#pragma once

#include "conf/conf.h"

#define CONF_WHY_MAX        512
#define CONF_VALUE_TEXT_MAX 64

/* Sets one setting of section limit as the file would. -EINVAL and "what is wrong; remedy". */
int conf_limit_set(struct conf_limit *limit, const char *name, const char *value,
	char why[static CONF_WHY_MAX]);
/* Name of the n-th setting of that section, NULL behind the last. */
const char *conf_limit_name(size_t n);
/* Its value as it is written in the file. */
const char *conf_limit_text(
	const struct conf_limit *limit, size_t n, char buf[static CONF_VALUE_TEXT_MAX]);

/* -EINVAL and "what is wrong; remedy". */
int conf_preset_find(const char *name, enum conf_preset *ret_preset, char why[static CONF_WHY_MAX]);

struct conf_difference {
	const char *section, *setting; /* "" and its name at the top level */
	const char *honeypot;          /* NULL: it is not a honeypot's */
	/* Values as in the file, cut to that length; setting "" of a honeypot: it is there or not. */
	char from[CONF_VALUE_TEXT_MAX], to[CONF_VALUE_TEXT_MAX];
};

typedef void conf_difference_fn(void *context, const struct conf_difference *difference);

/* Calls `fn` for each difference: what a file says once is compared once; honeypots are compared by their
 * names, with the limits that hold for them. */
void conf_compare(
	const struct conf *from, const struct conf *to, conf_difference_fn *fn, void *context);
