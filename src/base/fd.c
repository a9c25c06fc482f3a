/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

#define WHERE_IT_IS (-1)

static int write_all(int fd, int64_t offset, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = offset < 0 ? write(fd, at, len) : pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += n;
		len -= (size_t)n;
		offset += offset < 0 ? 0 : n;
	}
	return 0;
}

int fd_write(int fd, const void *bytes, size_t len)
{
	return write_all(fd, WHERE_IT_IS, bytes, len);
}

int fd_write_at(int fd, uint64_t offset, const void *bytes, size_t len)
{
	if (offset > INT64_MAX)
		return -EINVAL;
	return write_all(fd, (int64_t)offset, bytes, len);
}

ssize_t fd_read_at(int fd, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
