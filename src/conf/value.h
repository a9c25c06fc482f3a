/* SPDX-License-Identifier: Apache-2.0 */
/* value - one setting's text as its value, and back. Private to conf. */
#pragma once

#include "conf/table.h"

#define CONF_FAULT_MAX 512

/* Reads `text` into the member at `at`. A TEXT replaces and frees the one before, a TEXTS appends.
 * 0; -ENOMEM; -EINVAL with "what is wrong; remedy" in `why`. */
int conf_value_set(
	const struct conf_row *row, void *at, const char *text, char why[static CONF_FAULT_MAX]);
void conf_value_free(const struct conf_row *row, void *at);

/* A value of any kind but TEXT and TEXTS as it may stand in the file. */
void conf_value_print(struct out *o, const struct conf_row *row, const void *at);

/* 128M, 10m: the shortest exact spelling. */
const char *conf_size_text(uint64_t bytes, char buf[static 32]);
const char *conf_time_text(uint64_t seconds, char buf[static 32]);
