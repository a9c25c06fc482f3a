/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/signature_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first is that of Debian's package p0f, whose licence is not ours: it is not copied. */
static const char *const by_themselves[] = { "/etc/p0f/p0f.fp", SIGNATURES_PATH_SHIPPED };

static int open_file(struct signature_files *files, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	files->name[files->n] = path;
	files->fd[files->n++] = fd;
	return 0;
}

static int open_named(const struct conf_texts *paths, struct signature_files *files, char **ret_why)
{
	for (size_t i = 0; i < paths->n; i++) {
		int r = open_file(files, paths->text[i]);

		if (r == 0)
			continue;
		signature_files_close(files);
		return asprintf(ret_why, "%s: %s", paths->text[i],
			       r == -EINVAL ? "it is not a regular file" : strerror(-r)) < 0
			       ? -ENOMEM
			       : -EINVAL;
	}
	return 0;
}

int signature_files_open(const struct conf *conf, struct signature_files *ret_files, char **ret_why)
{
	ret_files->n = 0;
	if (conf->fingerprint.signatures.n > 0)
		return open_named(&conf->fingerprint.signatures, ret_files, ret_why);
	for (size_t i = 0; i < sizeof(by_themselves) / sizeof(by_themselves[0]); i++)
		(void)open_file(ret_files, by_themselves[i]);
	return 0;
}

void signature_files_close(struct signature_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		close(files->fd[i]);
	files->n = 0;
}
