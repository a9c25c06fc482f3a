/* SPDX-License-Identifier: Apache-2.0 */
/* files_zip - content that can do harm, in a zip file with a password: so no mail gateway, virus scanner or careless
 * click opens it. The encryption is the one of the format's beginning (APPNOTE.TXT, 6.1), which every unpacker
 * reads; it keeps nothing secret. */
#pragma once

#include <stdint.h>

/* Writes `size` bytes of `fd` as the member `name` into the open file `out_fd`. 0; -errno; -EIO: why is in *ret_why,
 * a literal. */
int files_zip_write(int fd, uint64_t size, const char *name, const char *password, int out_fd,
	const char **ret_why);
