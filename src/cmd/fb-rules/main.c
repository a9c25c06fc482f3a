/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fb-rules - reads the files of rules, which come from elsewhere, and hands back one image of them
 * in sealed memory. It is started for that, owns nothing, sees no name of the file system, and ends
 * when it has answered.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"
#include "rules/compile.h"
#include "rules/files.h"
#include "rules/parse.h"
#include "sys/child.h"
#include "sys/files.h"

enum { FAULTS_SHOWN = 5 };

/* Beside what every process may: memory for all rules and their databases, the files, and the
 * image. */
static const struct jail_call calls[] = {
	{ SCMP_SYS(mmap), JAIL_NO_EXEC },
	{ SCMP_SYS(munmap), JAIL_FREE },
	{ SCMP_SYS(mremap), JAIL_FREE }, /* realloc() of large arrays */
	{ SCMP_SYS(brk), JAIL_FREE },
	{ SCMP_SYS(madvise), JAIL_FREE }, /* its heap in huge pages */
	{ SCMP_SYS(fstat), JAIL_FREE },
	{ SCMP_SYS(newfstatat), JAIL_FREE }, /* fstat() of newer C libraries */
	{ SCMP_SYS(pread64), JAIL_FREE },
	{ SCMP_SYS(futex), JAIL_FREE },   /* things that are made once, here and in Hyperscan */
	{ SCMP_SYS(sysinfo), JAIL_FREE }, /* qsort() asks how much memory there is */
	{ SCMP_SYS(memfd_create), JAIL_FREE },
	{ SCMP_SYS(fcntl), JAIL_FREE },
	{ SCMP_SYS(close), JAIL_FREE },
};

static struct conf *load_conf(const struct child *child)
{
	struct conf *conf;
	char *faults = NULL;

	if (conf_load_fd(child_fd(child, ROLE_CONF, 0), "fishbowl.conf", &conf, &faults) == 0)
		return conf;
	fprintf(stderr, "fb-rules: %s\n", faults ? faults : "out of memory");
	free(faults);
	return NULL;
}

static struct rules_files files_of(const struct child *child)
{
	struct rules_files files = { .thresholds = child_fd(child, ROLE_THRESHOLD_FILE, 0),
		.classes = child_fd(child, ROLE_CLASSIFICATION_FILE, 0) };

	for (unsigned i = 0; i < CONF_RULE_FILES_MAX; i++)
		files.rules[i] = child_fd(child, ROLE_RULE_FILE, i);
	return files;
}

static int compile(const struct rules_text *text, struct message_compiled *answer)
{
	size_t size;
	void *image;
	int fd = -1, r = rules_compile(text, &image, &size);

	if (r < 0)
		return r;
	r = file_sealed_make("rules", image, size, &fd);
	free(image);
	answer->size = size;
	return r < 0 ? r : fd;
}

/* The image's descriptor, or -errno. Files without a single rule that could be read are not what
 * anybody wants to be in force. */
static int make_image(
	const struct conf *conf, const struct rules_files *files, struct message_compiled *answer)
{
	struct out o = out_make(answer->refusals, sizeof(answer->refusals));
	struct rules_text *text;
	const char *file = NULL;
	int r = rules_files_read(conf, files, &text, &file);

	if (r < 0) {
		out_str(&o, file ? file : "");
		return r;
	}
	answer->loaded = text->n_loaded;
	answer->refused = text->n_faults;
	for (size_t i = 0; i < text->n_faults && i < FAULTS_SHOWN; i++)
		rules_files_print_fault(&o, &text->fault[i]);
	r = text->n_rules == 0 && text->n_faults > 0 ? -EBADMSG : compile(text, answer);
	rules_text_free(text);
	return r;
}

int main(void)
{
	const struct jail jail = { .calls = calls, .n_calls = sizeof(calls) / sizeof(calls[0]) };
	static struct message_compiled answer;
	static struct child child;
	struct rules_files files;
	struct conf *conf;
	int r;

	if (child_start(CHAN_RULES, &child) < 0)
		return 1;
	conf = load_conf(&child);
	r = conf ? child_ready(&child, &jail) : -EINVAL;
	if (r < 0) {
		fprintf(stderr, "fb-rules: sandbox: %s\n", strerror(-r));
		return 1;
	}
	files = files_of(&child);
	r = make_image(conf, &files, &answer);
	answer.result = r < 0 ? r : 0;
	r = child_compiled(&child, &answer, r);
	_exit(r < 0); /* nothing to tidy */
}
