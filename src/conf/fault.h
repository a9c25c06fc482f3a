/* SPDX-License-Identifier: Apache-2.0 */
/* fault - what is wrong with a configuration, collected and shown in the order of its lines.
 * Private to conf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* More are counted, not kept. */
#define CONF_FAULTS_MAX 64

struct conf_fault {
	unsigned line;
	char *text;
};

struct conf_faults {
	struct conf_fault fault[CONF_FAULTS_MAX];
	size_t n;
	size_t more;
};

/* Text: "what is wrong; what to do about it". A second fault of the same line and text is not kept.
 */
void conf_fault_add(struct conf_faults *faults, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool conf_fault_any(const struct conf_faults *faults);
/* "name:line: text" lines, to be freed by the caller; NULL without memory. */
char *conf_fault_text(struct conf_faults *faults, const char *name);
void conf_fault_done(struct conf_faults *faults);
