/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line - an EVE line back into a struct record: the inverse of record_json(), by the same table.
 *
 * What JSON does not hold is not there: times are whole microseconds, hostile bytes that were no
 * UTF-8 are U+FFFD. MEMBERS are not taken back: who wants them reads the line.
 */
#pragma once

#include <stdint.h>

#include "event/event.h"

struct line; /* owns the texts of the record */

/* -EBADMSG: not a record of ours. Members that the table does not know are ignored. *ret_record lives
 * until line_free(). */
int line_parse(const char *json, size_t len, struct line **ret_line, struct record *ret_record);
struct line *line_free(struct line *line);

uint64_t line_seq(const struct line *line);        /* 0: none */
uint64_t line_origin_seq(const struct line *line); /* 0: none */
const char *line_origin(const struct line *line);  /* "" when none */
