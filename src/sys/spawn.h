/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - starting the programs of libexec under their own uid, with the channel at descriptor 3.
 *
 * Where they are: $FISHBOWL_LIBEXEC; else relative to the running binary, so that a build tree
 * (build/src/cmd/fishbowl/fishbowl -> build/src/cmd/fb-gate/fb-gate) and any prefix
 * (PREFIX/bin/fishbowl -> PREFIX/libexec/fishbowl/fb-gate) work; else the configured path.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct jail_user;

#define SPAWN_PATH_MAX 4096

/* 0 and the path of an executable file, or -ENOENT. */
int spawn_find(const char *program, char ret_path[static SPAWN_PATH_MAX]);

struct spawn {
	const char *program; /* "fb-gate" */
	int chan_fd; /* the child's end; it becomes descriptor 3, nothing else is inherited */
	const struct jail_user *user; /* NULL: as this process */
	unsigned max_files;
	int nice;        /* added to this process's */
	bool huge_pages; /* it needs much memory: its heap in huge pages where the kernel has them */
};

/* Waits until the exec has happened or failed: 0, or the -errno of whatever step failed. The program
 * is opened before privileges are dropped, so its directory need not be open to its user. Signals are
 * back at their defaults, and so is malloc. */
int spawn_start(const struct spawn *spawn, pid_t *ret_pid);
