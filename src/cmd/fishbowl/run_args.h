/* SPDX-License-Identifier: Apache-2.0 */
/* run_args - what run, status and ctl have in common on their command line. */
#pragma once

#include <stdbool.h>

#include "conf/conf.h"

struct run_args {
	const char *conf; /* -c FILE, or the default place */
	const char *verb; /* the argument, where one is wanted */
	bool json;        /* --json */
};

/* Exits on a wrong command line. `wants` names the one argument that must be there, or NULL. */
void run_args_parse(
	int argc, char **argv, const char *doc, const char *wants, struct run_args *ret_args);
/* NULL after its faults were printed. */
struct conf *run_conf_load(const char *path);

struct run_dirs {
	char run[CONF_PATH_MAX], state[CONF_PATH_MAX];
};

/* Where the gateway of this configuration runs, also when the file has faults by now: then what its lines
 * say, with a warning. False: there is no such file, and that was said. */
bool run_dirs_find(const char *conf, struct run_dirs *ret_dirs);
/* Why ctl_ask did not work, in words. */
void run_args_complain(const struct run_dirs *dirs, int error);
