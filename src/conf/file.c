/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static ssize_t read_whole(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = pread(fd, buf + len, size - len, (off_t)len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int conf_file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	char *text = malloc(max + 1);
	ssize_t len;

	if (!text)
		return -ENOMEM;
	len = read_whole(fd, text, max + 1);
	if (len < 0 || (size_t)len > max) {
		free(text);
		return len < 0 ? (int)len : -EFBIG;
	}
	*ret_text = text;
	*ret_len = (size_t)len;
	return 0;
}

int conf_file_read(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = conf_file_read_fd(fd, max, ret_text, ret_len);
	close(fd);
	return r;
}
