/* SPDX-License-Identifier: Apache-2.0 */
/* files - directories, locks, shared files and small texts, by directory descriptor. 0 or -errno.
 * (Not sys/file.h: that is a header of libc.) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct jail_user;

/* Makes the directory and its parents where missing (mode 0755) and opens it. */
int file_dir_open(const char *path, int *ret_fd);
/* Makes `name` in `dir` where missing, gives it to `owner` with `mode`, and opens it. */
int file_subdir_open(
	int dir, const char *name, const struct jail_user *owner, mode_t mode, int *ret_fd);

/* An exclusive flock on `name`, held as long as any duplicate of the descriptor is open, in whatever
 * process. -EWOULDBLOCK when somebody holds it. */
int file_lock(int dir, const char *name, int *ret_fd);

/* Opens `name`; when it is missing or not of `size` bytes it is made anew, all zero, and *ret_fresh.
 * Its blocks are allocated, so that a full disk shows here and not as SIGBUS. */
int file_shared_open(int dir, const char *name, size_t size, int *ret_fd, bool *ret_fresh);

/* A whole small text file, NUL-terminated and without its last newline; -E2BIG when it does not fit. */
int file_text_read(int dir, const char *name, char *buf, size_t size);
/* The same replaced atomically. */
int file_text_write(int dir, const char *name, const char *text);

/* Memory with these bytes that nobody can change any more, whoever gets its descriptor. */
int file_sealed_make(const char *name, const void *bytes, size_t size, int *ret_fd);
/* The same of memory that was made with MFD_ALLOW_SEALING. */
int file_seal(int fd);

/* The kernel's boot id, 36 characters. */
int file_boot_id(char ret_id[static 40]);
/* True when `fd` is on a tmpfs or ramfs. */
bool file_is_tmpfs(int fd);
