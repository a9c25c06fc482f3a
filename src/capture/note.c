/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"

int note_write(int dir_fd, const char *name, const struct manifest_key *key, struct out *body)
{
	char fresh[64];
	int fd, result = 0;
	ssize_t n;

	manifest_put_signature(body, key);
	out_char(body, '\n');
	if (!out_ok(body) || snprintf(fresh, sizeof(fresh), "%s.new", name) >= (int)sizeof(fresh))
		return -EMSGSIZE;
	fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	n = pwrite(fd, body->at, body->len, 0);
	if (n != (ssize_t)body->len)
		result = n < 0 ? -errno : -ENOSPC;
	else if (fdatasync(fd) < 0)
		result = -errno;
	close(fd);
	if (result == 0 && renameat(dir_fd, fresh, dir_fd, name) < 0)
		result = -errno;
	if (result < 0)
		unlinkat(dir_fd, fresh, 0);
	return result;
}

int note_read(int dir_fd, const char *name, const uint8_t *public, char ret_text[static NOTE_MAX],
	size_t *ret_len)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[NOTE_MAX];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, text, sizeof(text), 0);
	close(fd);
	if (n < 0)
		return -errno;
	if (n == 0 || n == (ssize_t)sizeof(text) || text[n - 1] != '\n' ||
		memchr(text, '\0', (size_t)n) ||
		(public && !manifest_line_signed(text, (size_t)n - 1, public)))
		return -EBADMSG;
	text[n - 1] = '\0';
	memcpy(ret_text, text, (size_t)n);
	*ret_len = (size_t)n - 1;
	return 0;
}
