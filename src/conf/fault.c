/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_fault_add(struct conf_faults *faults, unsigned line, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0 || faults->n == CONF_FAULTS_MAX) {
		faults->more++;
		if (n >= 0)
			free(text);
		return;
	}
	for (size_t i = 0; i < faults->n; i++) {
		if (faults->fault[i].line == line && strcmp(faults->fault[i].text, text) == 0) {
			free(text);
			return;
		}
	}
	faults->fault[faults->n++] = (struct conf_fault){ line, text };
}

bool conf_fault_any(const struct conf_faults *faults)
{
	return faults->n || faults->more;
}

/* Stable, so that faults of one line keep the order in which they were found. */
static void sort(struct conf_faults *faults)
{
	for (size_t i = 1; i < faults->n; i++) {
		struct conf_fault fault = faults->fault[i];
		size_t at = i;

		for (; at > 0 && faults->fault[at - 1].line > fault.line; at--)
			faults->fault[at] = faults->fault[at - 1];
		faults->fault[at] = fault;
	}
}

char *conf_fault_text(struct conf_faults *faults, const char *name)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	sort(faults);
	for (size_t i = 0; i < faults->n; i++)
		fprintf(to, "%s%s:%u: %s", i ? "\n" : "", name, faults->fault[i].line,
			faults->fault[i].text);
	if (faults->more)
		fprintf(to, "%s%s: and %zu more faults", faults->n ? "\n" : "", name, faults->more);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void conf_fault_done(struct conf_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		free(faults->fault[i].text);
	*faults = (struct conf_faults){ 0 };
}
