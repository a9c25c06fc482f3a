/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* The order of stores is what the next process relies on. */
static void barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

const struct spool_file *spool_file(const struct spool *spool, unsigned n)
{
	const struct spool_slot *slot = &spool->table->slot[n];

	return &slot->file[slot->current & 1];
}

static void drop_bytes(struct spool *spool, unsigned n)
{
	char name[8];

	spool_name(n, name);
	unlinkat(spool->dir_fd, name, 0);
}

static uint64_t bytes_of(const struct spool_file *file)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; file->lost == SPOOL_WHOLE && i < file->n_ranges; i++)
		bytes += file->range[i].to - file->range[i].from;
	return bytes;
}

static void remember(struct spool *spool, unsigned n)
{
	const struct spool_file *file = spool_file(spool, n);
	struct spool_key *key = &spool->key[n];

	spool->n_used += (file->used != 0) - key->used;
	spool->bytes -= key->bytes;
	*key = (struct spool_key){ .flow_id = file->flow_id,
		.file_id = file->file_id,
		.touched = file->touched,
		.bytes = file->used ? bytes_of(file) : 0,
		.used = file->used,
		.side = (uint8_t)file->side };
	spool->bytes += key->bytes;
}

static void change(struct spool *spool, unsigned n, const struct spool_file *file)
{
	struct spool_slot *slot = &spool->table->slot[n];
	uint64_t other = !(slot->current & 1);

	slot->file[other] = *file;
	barrier();
	slot->current = other;
	barrier();
	remember(spool, n);
}

void spool_name(unsigned n, char ret_name[static 8])
{
	snprintf(ret_name, 8, "%04x", n & 0xffff);
}

static bool is_sane(const struct spool_file *file)
{
	uint64_t at = 0;

	if (file->n_ranges > SPOOL_RANGES_MAX || file->packed_len > PIECE_RECORD_MAX ||
		file->lost > SPOOL_NO_ROOM || file->ended > 2 || file->side > 1)
		return false;
	for (uint32_t i = 0; i < file->n_ranges; i++) {
		if (file->range[i].from >= file->range[i].to || file->range[i].from < at)
			return false;
		at = file->range[i].to;
	}
	return at <= file->size && file->size <= RECORD_U64_MAX;
}

void spool_open(struct spool *ret_spool, struct spool_table *table, int dir_fd, uint64_t largest,
	uint64_t budget)
{
	memset(ret_spool, 0, sizeof(*ret_spool));
	ret_spool->table = table;
	ret_spool->dir_fd = dir_fd;
	ret_spool->largest = largest;
	ret_spool->budget = budget;
	for (unsigned i = 0; i < SPOOL_FILES_MAX; i++) {
		const struct spool_file *file = spool_file(ret_spool, i);

		if (!file->used)
			drop_bytes(ret_spool, i);
		else if (!is_sane(file))
			spool_free(ret_spool, i);
		else
			remember(ret_spool, i);
	}
}

int spool_find(const struct spool *spool, uint64_t flow_id, uint64_t file_id, unsigned side)
{
	for (unsigned i = 0; i < SPOOL_FILES_MAX; i++) {
		const struct spool_key *key = &spool->key[i];

		if (key->used && key->flow_id == flow_id && key->file_id == file_id &&
			key->side == side)
			return (int)i;
	}
	return -1;
}

int spool_full(const struct spool *spool)
{
	unsigned oldest = 0;

	if (spool->n_used < SPOOL_FILES_MAX)
		return -1;
	for (unsigned i = 0; i < SPOOL_FILES_MAX; i++)
		if (spool->key[i].touched < spool->key[oldest].touched)
			oldest = i;
	return (int)oldest;
}

int spool_idle(const struct spool *spool, int64_t now_ns)
{
	for (unsigned i = 0; i < SPOOL_FILES_MAX; i++)
		if (spool->key[i].used && now_ns - spool_file(spool, i)->last_ns > SPOOL_IDLE_NS)
			return (int)i;
	return -1;
}

/* ---- which parts there are ---- */

static void remove_range(struct spool_file *file, uint32_t at)
{
	file->n_ranges--;
	memmove(&file->range[at], &file->range[at + 1],
		(file->n_ranges - at) * sizeof(file->range[0]));
}

/* The two with the smallest hole between become one. */
static void merge_closest(struct spool_file *file)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i + 1 < file->n_ranges; i++)
		if (file->range[i + 1].from - file->range[i].to <
			file->range[best + 1].from - file->range[best].to)
			best = i;
	file->range[best].to = file->range[best + 1].to;
	remove_range(file, best + 1);
	file->merged = 1;
}

static void add_range(struct spool_file *file, uint64_t from, uint64_t to)
{
	uint32_t at = 0;

	if (from == to)
		return;
	while (at < file->n_ranges && file->range[at].to < from)
		at++;
	while (at < file->n_ranges && file->range[at].from <= to) {
		from = from < file->range[at].from ? from : file->range[at].from;
		to = to > file->range[at].to ? to : file->range[at].to;
		remove_range(file, at);
	}
	if (file->n_ranges == SPOOL_RANGES_MAX) {
		merge_closest(file);
		add_range(file, from, to);
		return;
	}
	memmove(&file->range[at + 1], &file->range[at],
		(file->n_ranges - at) * sizeof(file->range[0]));
	file->range[at] = (struct spool_range){ from, to };
	file->n_ranges++;
}

bool spool_hole(const struct spool_file *file, unsigned n, struct spool_range *ret_hole)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i <= file->n_ranges; i++) {
		uint64_t next = i < file->n_ranges ? file->range[i].from : file->size;

		if (at < next && n-- == 0) {
			*ret_hole = (struct spool_range){ at, next };
			return true;
		}
		at = i < file->n_ranges ? file->range[i].to : at;
	}
	return false;
}

/* ---- pieces ---- */

static int put_bytes(struct spool *spool, unsigned n, bool fresh, const struct piece *piece)
{
	char name[8];
	int fd, r;

	spool_name(n, name);
	fd = openat(spool->dir_fd, name,
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (fresh ? O_TRUNC : 0), 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_at(fd, piece->offset, piece->bytes, piece->len);
	close(fd);
	return r;
}

/* Its slot, or a free one. */
static int find_place(const struct spool *spool, const struct piece *piece)
{
	int n = spool_find(spool, piece->record.head.flow_id, piece->file_id, piece->side);

	for (unsigned i = 0; n < 0 && i < SPOOL_FILES_MAX; i++)
		if (!spool->key[i].used)
			n = (int)i;
	return n;
}

static void begin(struct spool_file *file, const struct piece *piece)
{
	*file = (struct spool_file){ .used = 1,
		.flow_id = piece->record.head.flow_id,
		.file_id = piece->file_id,
		.side = piece->side,
		.begun_ns = piece->record.head.time_ns };
}

static void note(struct spool_file *file, const struct piece *piece)
{
	uint64_t to = piece->offset + piece->len;

	file->last_ns = piece->record.head.time_ns;
	file->size = to > file->size ? to : file->size;
	file->packed_len = piece->packed_len;
	memcpy(file->packed, piece->packed, piece->packed_len);
	if (piece->end)
		file->ended = piece->cut ? 2 : 1;
}

static enum spool_lost keep_bytes(
	struct spool *spool, unsigned n, bool fresh, uint64_t size, const struct piece *piece)
{
	if (size > spool->largest)
		return SPOOL_TOO_LARGE;
	if (spool->bytes + piece->len > spool->budget)
		return SPOOL_NO_ROOM;
	return put_bytes(spool, n, fresh, piece) < 0 ? SPOOL_NO_DISK : SPOOL_WHOLE;
}

int spool_take(struct spool *spool, const struct piece *piece)
{
	int n = find_place(spool, piece);
	struct spool_file file;
	bool fresh;

	assert(n >= 0);
	file = *spool_file(spool, (unsigned)n);
	fresh = !file.used;
	if (fresh)
		begin(&file, piece);
	note(&file, piece);
	if (file.lost == SPOOL_WHOLE) {
		file.lost = keep_bytes(spool, (unsigned)n, fresh, file.size, piece);
		if (file.lost != SPOOL_WHOLE)
			drop_bytes(spool, (unsigned)n);
	}
	add_range(&file, piece->offset, piece->offset + piece->len);
	file.touched = spool->table->touches + 1;
	change(spool, (unsigned)n, &file);
	spool->table->touches = file.touched;
	return n;
}

void spool_end(struct spool *spool, unsigned n)
{
	struct spool_file file = *spool_file(spool, n);

	if (file.ended)
		return;
	file.ended = 2;
	change(spool, n, &file);
}

void spool_free(struct spool *spool, unsigned n)
{
	static const struct spool_file none;

	drop_bytes(spool, n);
	change(spool, n, &none);
}
