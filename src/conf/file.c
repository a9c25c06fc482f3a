/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

int conf_file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	char *text = malloc(max + 1);
	ssize_t len;

	if (!text)
		return -ENOMEM;
	len = fd_read_at(fd, 0, text, max + 1);
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
