/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/files_zip.h"

#include <errno.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BUFFER = 1 << 16, MEMBER_MODE = 0400 };

static int copy(struct archive *a, int fd)
{
	static char buffer[BUFFER];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (archive_write_data(a, buffer, (size_t)n) != n)
			return ARCHIVE_FATAL;
	return n < 0 ? ARCHIVE_FATAL : ARCHIVE_OK;
}

static int write_member(struct archive *a, int fd, uint64_t size, const char *name)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	if (!entry)
		return ARCHIVE_FATAL;
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, MEMBER_MODE);
	r = archive_write_header(a, entry);
	archive_entry_free(entry);
	return r == ARCHIVE_OK ? copy(a, fd) : r;
}

int files_zip_write(int fd, uint64_t size, const char *name, const char *password, int out_fd,
	const char **ret_why)
{
	struct archive *a = archive_write_new();
	int r;

	if (!a)
		return -ENOMEM;
	*ret_why = "this libarchive makes no zip files with a password";
	r = archive_write_set_format_zip(a);
	if (r == ARCHIVE_OK)
		r = archive_write_set_options(a, "zip:encryption=zipcrypt");
	if (r == ARCHIVE_OK)
		r = archive_write_set_passphrase(a, password);
	if (r == ARCHIVE_OK) {
		*ret_why = "it cannot be written";
		r = archive_write_open_fd(a, out_fd);
	}
	if (r == ARCHIVE_OK)
		r = write_member(a, fd, size, name);
	if (r == ARCHIVE_OK)
		r = archive_write_close(a);
	archive_write_free(a);
	return r == ARCHIVE_OK ? 0 : -EIO;
}
