/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_files - `fishbowl replay --files`: the files that were carried, kept in a directory by a process of its own,
 * which may write there and nowhere else, and which does what fb-vault does live (vault/vault.h).
 *
 * Each file that has ended is waited for: so its record stands at the same place whenever the same captures are
 * replayed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"

struct conf;
struct piece;
struct replay_files;

/* Makes the directory and what is shared. 0, or -errno with a line on standard error. */
int replay_files_new(const struct conf *conf, const char *dir, struct replay_files **ret_files);
/* Starts the process. 0 or -errno, said. */
int replay_files_start(struct replay_files *files);
/* Waits for it; false: it did not end well, which was said. */
bool replay_files_wait(struct replay_files *files);
struct replay_files *replay_files_free(struct replay_files *files);

/* ---- of the process that reads the captures ---- */

/* Records of files go there. Call it first. */
void replay_files_use(struct replay_files *files,
	void (*emit)(void *context, const struct record *record), void *context);
void replay_files_keep(struct replay_files *files, const struct piece *piece);
/* Before each packet: the time goes on. */
void replay_files_time(struct replay_files *files, int64_t time_ns);
/* No more comes. False: the files are not complete. */
bool replay_files_end(struct replay_files *files);
