/* SPDX-License-Identifier: Apache-2.0 */
/* check - does the configuration make sense as a whole? Fills in the parsed forms. Private to conf.
 */
#pragma once

#include "conf/fault.h"
#include "conf/table.h"

struct conf_lines;

/* The line of the n-th value of a setting, or of its section when it is not set. `honeypot` is the
 * number of the honeypot for its settings, else 0. */
unsigned conf_line(const struct conf_lines *lines, enum conf_section section, size_t honeypot,
	const char *name, size_t n);

/* Adds a fault if `name` cannot be the name of a honeypot or honeynet. */
void conf_check_name(struct conf_faults *faults, unsigned line, const char *what, const char *name);

/* Adds a fault for each thing that is wrong. -ENOMEM. */
int conf_check(struct conf *conf, const struct conf_lines *lines, struct conf_faults *faults);
