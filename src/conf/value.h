/* SPDX-License-Identifier: Apache-2.0 */
/* value - one setting's text as its value, and back. Private to conf. */
#pragma once

#include "conf/table.h"

#define CONF_FAULT_MAX 512

/* Reads `text` into the member at `at`. A TEXT replaces and frees the one before, a TEXTS appends.
 * 0; -ENOMEM; -EINVAL with "what is wrong; remedy" in `why`. */
int conf_value_set(
	const struct conf_row *row, void *at, const char *text, char why[static CONF_FAULT_MAX]);
/* The value at `at` as it is written in the file, without quotes; of a list with commas between. */
void conf_value_text(const struct conf_row *row, const void *at, struct out *o);
bool conf_value_equal(const struct conf_row *row, const void *a, const void *b);
void conf_value_free(const struct conf_row *row, void *at);

/* 128M, 10m: the shortest exact spelling. */
const char *conf_size_text(uint64_t bytes, char buf[static 32]);
const char *conf_time_text(uint64_t seconds, char buf[static 32]);
