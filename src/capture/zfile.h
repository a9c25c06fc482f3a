/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zfile - a segment, plain or compressed, read at any place.
 *
 * Compressed form: independent zstd frames of 1 MiB each and the seek table of zstd's "seekable
 * format" in a skippable frame at the end, so `zstd -d` reads it and one packet costs one frame.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ZFILE_FRAME (1024 * 1024)

/* Compresses all of `from` (read from its start) into `to`. `stop` as in manifest_describe. */
int zfile_compress(int from, int to, bool (*stop)(void *), void *context);

struct zfile;

/* Opens NAME, or NAME.zst when that is missing. -EBADMSG: a compressed file without a seek table
 * that makes sense. */
int zfile_open(int dir_fd, const char *name, struct zfile **ret_file);
/* Opens exactly that descriptor (which it closes); `compressed` tells what it is. */
int zfile_open_fd(int fd, bool compressed, struct zfile **ret_file);
struct zfile *zfile_close(struct zfile *file);
uint64_t zfile_size(const struct zfile *file); /* uncompressed */

/* Up to n bytes at `offset`; fewer only at the end; -EBADMSG: damaged. */
ssize_t zfile_read_at(struct zfile *file, uint64_t offset, void *buf, size_t n);
/* As read(2), from a place of its own that begins at 0: fits capture_read_fn, manifest_read_fn. */
ssize_t zfile_read(void *file, void *buf, size_t n);
void zfile_rewind(struct zfile *file);
