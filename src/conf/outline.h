/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outline - finds what is wrong with the form of a configuration, all of it, and where sections
 * begin. libConfuse, which reads the values, stops at the first fault and forgets lines.
 * Private to conf.
 */
#pragma once

#include "conf/fault.h"
#include "conf/table.h"

struct conf_opening {
	enum conf_section section;
	char title[CONF_NAME_MAX * 2]; /* cut if longer */
	unsigned line;
};

struct conf_outline {
	struct conf_opening *opening;
	size_t n;
	bool well_formed; /* no fault of form: libConfuse will read it */
};

/* `text` is NUL-terminated. -ENOMEM. */
int conf_outline_read(char *text, struct conf_faults *faults, struct conf_outline *ret_outline);
void conf_outline_done(struct conf_outline *outline);
/* Where the section `title` begins; 1 when it is not known. */
unsigned conf_outline_line(
	const struct conf_outline *outline, enum conf_section section, const char *title);
