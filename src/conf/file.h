/* SPDX-License-Identifier: Apache-2.0 */
/* file - whole files, of bounded size. Private to conf. */
#pragma once

#include <stddef.h>

/* The bytes of an open file from its start, to be freed by the caller. -EFBIG: more than `max`;
 * -ENOMEM, -ESPIPE, -EISDIR and others of pread(2). */
int conf_file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_len);
/* The same from a path. A named pipe is refused, not waited for. */
int conf_file_read(const char *path, size_t max, char **ret_text, size_t *ret_len);
