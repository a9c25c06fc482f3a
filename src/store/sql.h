/* SPDX-License-Identifier: Apache-2.0 */
/* sql - SQLite files by directory descriptor, and its errors as ours. */
#pragma once

#include <sqlite3.h>

/* Opens `name` in `dir_fd`, with SQLITE_OPEN_... `flags`. 0 or -errno; *ret_sqlite is to be closed in any case.
 * The descriptor must stay open as long. */
int sql_open(int dir_fd, const char *name, int flags, sqlite3 **ret_sqlite);
/* 0 or -errno for a result code. -EBADMSG: the file is damaged, or not what it should be. */
int sql_error(int code);
