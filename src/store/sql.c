/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql.h"

#include <errno.h>
#include <stdio.h>

/* SQLite makes paths absolute, which needs search rights on every directory above. A path through
 * /proc/self/fd needs none: it stays as it is. */
static int keep_path(sqlite3_vfs *vfs, const char *name, int size, char *ret_name)
{
	(void)vfs;
	return snprintf(ret_name, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static const char *own_vfs(void)
{
	static sqlite3_vfs vfs;

	if (!vfs.zName) {
		vfs = *sqlite3_vfs_find(NULL);
		vfs.zName = "fishbowl";
		vfs.xFullPathname = keep_path;
		sqlite3_vfs_register(&vfs, 0);
	}
	return vfs.zName;
}

int sql_error(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT:
	case SQLITE_ERROR: /* a table is missing */
		return -EBADMSG;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

int sql_open(int dir_fd, const char *name, int flags, sqlite3 **ret_sqlite)
{
	char path[128];

	if (snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return sql_error(sqlite3_open_v2(path, ret_sqlite, flags | SQLITE_OPEN_NOMUTEX, own_vfs()));
}
