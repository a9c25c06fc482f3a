/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/zfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cur.h"
#include "base/fd.h"

/* zstd's contrib/seekable_format: skippable frame, entries of 8 bytes, 9 bytes of footer. */
#define SKIPPABLE_MAGIC 0x184d2a5eu
#define SEEKABLE_MAGIC  0x8f92eab1u

enum {
	LEVEL = 3,
	SKIPPABLE_HEAD = 8,
	ENTRY = 8,
	FOOTER = 9,
	FRAMES_MAX = 1 << 20, /* a TiB; more is no segment */
};

struct zframe {
	uint64_t at; /* in the file */
	uint32_t size;
	uint32_t content;
};

struct zfile {
	int fd;
	bool compressed;
	uint64_t size;
	uint64_t position;
	struct zframe *frame;
	size_t n_frames;
	uint8_t *packed, *content; /* of the frame that is unpacked */
	size_t current;            /* its number; SIZE_MAX: none */
	ZSTD_DCtx *context;
};

/* ---- writing ---- */

struct table {
	uint8_t *bytes;
	size_t len, room;
};

static int put_le32(struct table *t, uint32_t n)
{
	uint8_t le[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };

	if (t->len + sizeof(le) > t->room) {
		size_t room = t->room ? 2 * t->room : 4096;
		uint8_t *grown = realloc(t->bytes, room);

		if (!grown)
			return -ENOMEM;
		t->bytes = grown;
		t->room = room;
	}
	memcpy(t->bytes + t->len, le, sizeof(le));
	t->len += sizeof(le);
	return 0;
}

static int write_table(int to, const struct table *entries)
{
	struct table t = { 0 };
	uint8_t descriptor = 0;
	int result = put_le32(&t, SKIPPABLE_MAGIC);

	if (result == 0)
		result = put_le32(&t, (uint32_t)entries->len + FOOTER);
	if (result == 0)
		result = fd_write(to, t.bytes, t.len);
	if (result == 0)
		result = fd_write(to, entries->bytes, entries->len);
	t.len = 0;
	if (result == 0)
		result = put_le32(&t, (uint32_t)(entries->len / ENTRY));
	if (result == 0)
		result = fd_write(to, t.bytes, t.len);
	if (result == 0)
		result = fd_write(to, &descriptor, 1);
	t.len = 0;
	if (result == 0)
		result = put_le32(&t, SEEKABLE_MAGIC);
	if (result == 0)
		result = fd_write(to, t.bytes, t.len);
	free(t.bytes);
	return result;
}

struct packing {
	ZSTD_CCtx *context;
	uint8_t *from, *to;
	size_t to_size;
	struct table table;
};

/* One frame: 1, 0 at the end of the input, -errno. */
static int pack_frame(struct packing *p, int from, uint64_t offset, int to)
{
	ssize_t n = fd_read_at(from, offset, p->from, ZFILE_FRAME);
	size_t len;
	int result;

	if (n <= 0)
		return (int)n;
	len = ZSTD_compress2(p->context, p->to, p->to_size, p->from, (size_t)n);
	if (ZSTD_isError(len))
		return -EIO;
	result = fd_write(to, p->to, len);
	if (result == 0)
		result = put_le32(&p->table, (uint32_t)len);
	if (result == 0)
		result = put_le32(&p->table, (uint32_t)n);
	return result < 0 ? result : 1;
}

int zfile_compress(int from, int to, bool (*stop)(void *), void *context)
{
	struct packing p = { .context = ZSTD_createCCtx(),
		.from = malloc(ZFILE_FRAME),
		.to_size = ZSTD_compressBound(ZFILE_FRAME) };
	int result = -ENOMEM;

	p.to = malloc(p.to_size);
	if (p.context && p.from && p.to) {
		ZSTD_CCtx_setParameter(p.context, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(p.context, ZSTD_c_checksumFlag, 1);
		result = 1;
	}
	for (uint64_t offset = 0; result == 1; offset += ZFILE_FRAME)
		result = stop && stop(context) ? -ECANCELED : pack_frame(&p, from, offset, to);
	if (result == 0)
		result = write_table(to, &p.table);
	ZSTD_freeCCtx(p.context);
	free(p.from);
	free(p.to);
	free(p.table.bytes);
	return result;
}

/* ---- reading ---- */

static int read_entries(struct zfile *f, struct cur c, uint64_t file_size)
{
	uint64_t at = 0, offset = 0;

	for (size_t i = 0; i < f->n_frames; i++) {
		struct zframe frame = { .at = at };

		frame.size = cur_le32(&c);
		frame.content = cur_le32(&c);
		at += frame.size;
		offset += frame.content;
		/* All frames but the last are full: an offset tells its frame by a division. */
		if (frame.content > ZFILE_FRAME || frame.size > ZSTD_compressBound(ZFILE_FRAME) ||
			(i + 1 < f->n_frames && frame.content != ZFILE_FRAME))
			return -EBADMSG;
		f->frame[i] = frame;
	}
	f->size = offset;
	return at + SKIPPABLE_HEAD + f->n_frames * ENTRY + FOOTER == file_size ? 0 : -EBADMSG;
}

static int read_table(struct zfile *f)
{
	uint8_t footer[FOOTER], *bytes;
	struct stat st;
	struct cur c;
	size_t len;
	int result;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (st.st_size < FOOTER + SKIPPABLE_HEAD ||
		fd_read_at(f->fd, (uint64_t)st.st_size - FOOTER, footer, FOOTER) != FOOTER)
		return -EBADMSG;
	c = cur_make(footer, sizeof(footer));
	f->n_frames = cur_le32(&c);
	if (cur_u8(&c) != 0 || cur_le32(&c) != SEEKABLE_MAGIC || f->n_frames > FRAMES_MAX)
		return -EBADMSG;
	len = f->n_frames * ENTRY;
	if ((uint64_t)st.st_size < len + FOOTER + SKIPPABLE_HEAD)
		return -EBADMSG;
	bytes = malloc(len + 1);
	f->frame = calloc(f->n_frames + 1, sizeof(*f->frame));
	if (!bytes || !f->frame) {
		free(bytes);
		return -ENOMEM;
	}
	result = fd_read_at(f->fd, (uint64_t)st.st_size - FOOTER - len, bytes, len) == (ssize_t)len
			 ? read_entries(f, cur_make(bytes, len), (uint64_t)st.st_size)
			 : -EBADMSG;
	free(bytes);
	return result;
}

int zfile_open_fd(int fd, bool compressed, struct zfile **ret_file)
{
	struct zfile *f = calloc(1, sizeof(*f));
	struct stat st;
	int result = 0;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->fd = fd;
	f->compressed = compressed;
	f->current = SIZE_MAX;
	if (compressed) {
		f->context = ZSTD_createDCtx();
		f->packed = malloc(ZSTD_compressBound(ZFILE_FRAME));
		f->content = malloc(ZFILE_FRAME);
		result = f->context && f->packed && f->content ? read_table(f) : -ENOMEM;
	} else if (fstat(fd, &st) == 0) {
		f->size = (uint64_t)st.st_size;
	} else {
		result = -errno;
	}
	if (result < 0) {
		zfile_close(f);
		return result;
	}
	*ret_file = f;
	return 0;
}

int zfile_open(int dir_fd, const char *name, struct zfile **ret_file)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char packed[256];

	if (fd >= 0)
		return zfile_open_fd(fd, false, ret_file);
	if (errno != ENOENT)
		return -errno;
	snprintf(packed, sizeof(packed), "%s.zst", name);
	fd = openat(dir_fd, packed, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : zfile_open_fd(fd, true, ret_file);
}

struct zfile *zfile_close(struct zfile *f)
{
	if (f) {
		close(f->fd);
		ZSTD_freeDCtx(f->context);
		free(f->frame);
		free(f->packed);
		free(f->content);
		free(f);
	}
	return NULL;
}

uint64_t zfile_size(const struct zfile *f)
{
	return f->size;
}

static int unpack(struct zfile *f, size_t number)
{
	const struct zframe *frame = &f->frame[number];
	ssize_t n;
	size_t len;

	if (f->current == number)
		return 0;
	f->current = SIZE_MAX;
	n = fd_read_at(f->fd, frame->at, f->packed, frame->size);
	if (n != (ssize_t)frame->size)
		return n < 0 ? (int)n : -EBADMSG;
	len = ZSTD_decompressDCtx(f->context, f->content, ZFILE_FRAME, f->packed, frame->size);
	if (ZSTD_isError(len) || len != frame->content)
		return -EBADMSG;
	f->current = number;
	return 0;
}

ssize_t zfile_read_at(struct zfile *f, uint64_t offset, void *buf, size_t n)
{
	size_t done = 0;

	if (!f->compressed)
		return fd_read_at(f->fd, offset, buf, n);
	while (done < n && offset + done < f->size) {
		size_t number = (size_t)((offset + done) / ZFILE_FRAME);
		size_t at = (size_t)((offset + done) % ZFILE_FRAME), part;
		int result = unpack(f, number);

		if (result < 0)
			return result;
		part = f->frame[number].content - at;
		part = part < n - done ? part : n - done;
		memcpy((uint8_t *)buf + done, f->content + at, part);
		done += part;
	}
	return (ssize_t)done;
}

ssize_t zfile_read(void *file, void *buf, size_t n)
{
	struct zfile *f = file;
	ssize_t got = zfile_read_at(f, f->position, buf, n);

	if (got > 0)
		f->position += (uint64_t)got;
	return got;
}

void zfile_rewind(struct zfile *file)
{
	file->position = 0;
}
