/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_files - the files of signatures that a configuration names, or if it names none those that are there by
 * themselves, opened for who may not open any.
 */
#pragma once

#include <stddef.h>

#include "conf/conf.h"

struct signature_files {
	size_t n;
	int fd[CONF_SIGNATURES_MAX];
	const char *name[CONF_SIGNATURES_MAX]; /* of the configuration, or a literal */
};

/* -EINVAL: *ret_why, to be freed, says which file and why; -ENOMEM. Nothing is open then. */
int signature_files_open(
	const struct conf *conf, struct signature_files *ret_files, char **ret_why);
void signature_files_close(struct signature_files *files);
