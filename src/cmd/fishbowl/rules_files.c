/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/rules_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/files.h"

static int load(const char *path, char **ret_bytes, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return -errno;
	r = rules_file_load(fd, ret_bytes, ret_len);
	close(fd);
	return r;
}

int rules_file_read(struct rules_text *text, const char *path, rules_text_reader *read)
{
	char *bytes = NULL;
	size_t len = 0;
	int r = load(path, &bytes, &len);

	if (r == 0)
		r = read(text, path, bytes, len);
	free(bytes);
	if (r == 0)
		return 0;
	fprintf(stderr, "fishbowl rules: %s: %s\n", path, rules_file_reason(r));
	return 2;
}
