/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/rules_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PIECE = 1 << 20 };

/* One piece more; 0 at the end. */
static int load_piece(gzFile file, char **bytes, size_t *len)
{
	char *more = realloc(*bytes, *len + PIECE);
	int n;

	if (!more)
		return -ENOMEM;
	*bytes = more;
	n = gzread(file, more + *len, PIECE);
	if (n < 0)
		return gzerror(file, &n) && n == Z_ERRNO ? -errno : -EBADMSG;
	*len += (size_t)n;
	return *len > RULES_TEXT_MAX ? -EFBIG : n;
}

int rules_file_load(const char *path, char **ret_bytes, size_t *ret_len)
{
	char *bytes = NULL;
	size_t len = 0;
	gzFile file;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return -errno;
	file = gzdopen(fd, "rb");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	do
		r = load_piece(file, &bytes, &len);
	while (r > 0);
	/* a gzip file that was cut is found out when it is closed */
	if (gzclose_r(file) != Z_OK && r == 0)
		r = -EBADMSG;
	if (r < 0) {
		free(bytes);
		return r;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

static const char *reason(int r)
{
	if (r == -EBADMSG)
		return "not a whole gzip file: get it again";
	if (r == -EFBIG || r == -E2BIG)
		return "more rules than fit: split the file, or leave some out";
	return strerror(-r);
}

int rules_file_read(struct rules_text *text, const char *path, rules_text_reader *read)
{
	char *bytes = NULL;
	size_t len = 0;
	int r = rules_file_load(path, &bytes, &len);

	if (r == 0)
		r = read(text, path, bytes, len);
	free(bytes);
	if (r == 0)
		return 0;
	fprintf(stderr, "fishbowl rules: %s: %s\n", path, reason(r));
	return 2;
}
