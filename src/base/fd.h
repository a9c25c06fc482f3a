/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd - all of it read from and written to a descriptor, through interruptions and in as many parts as the
 * kernel likes. Each may have read or written a part of it when it fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0 or -errno; -ENOSPC when nothing goes in any more. */
int fd_write(int fd, const void *bytes, size_t len);
int fd_write_at(int fd, uint64_t offset, const void *bytes, size_t len);
/* How much there was, `len` at most, or -errno. */
ssize_t fd_read_at(int fd, uint64_t offset, void *buf, size_t len);
