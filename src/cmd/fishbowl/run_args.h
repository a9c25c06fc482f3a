/* SPDX-License-Identifier: Apache-2.0 */
/* run_args - what run, status and ctl have in common on their command line. */
#pragma once

#include <stdbool.h>

struct conf;

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
/* Why ctl_ask did not work, in words. */
void run_args_complain(const struct conf *conf, int error);
