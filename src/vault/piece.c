/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/piece.h"

#include <errno.h>
#include <string.h>

#include "base/cur.h"

enum { FLAG_END = 1, FLAG_CUT = 2, FLAGS = FLAG_END | FLAG_CUT };

/* As it is in the ring, before record and bytes. */
struct head {
	uint64_t file_id, offset;
	uint32_t packed_len, len;
	uint8_t side, flags, spare[6];
};

_Static_assert(sizeof(struct head) == PIECE_HEAD, "no padding");

int piece_pack(struct piece *piece, uint8_t *packed)
{
	int size = record_pack(&piece->record, packed, PIECE_RECORD_MAX);

	if (size < 0)
		return size == -ENOSPC ? -E2BIG : size;
	piece->packed = packed;
	piece->packed_len = (uint32_t)size;
	return 0;
}

int piece_cut(const struct piece *whole, void (*take)(void *context, const struct piece *piece),
	void *context)
{
	uint8_t packed[PIECE_RECORD_MAX];
	struct piece piece = *whole;
	struct cur c = cur_make(whole->bytes, whole->len);
	int r = piece_pack(&piece, packed);

	if (r < 0)
		return r;
	do {
		size_t left = cur_left(&c);

		piece.len = left < PIECE_BYTES_MAX ? (uint32_t)left : PIECE_BYTES_MAX;
		piece.bytes = cur_take(&c, piece.len);
		piece.end = whole->end && piece.len == left;
		take(context, &piece);
		piece.offset += piece.len;
	} while (cur_left(&c) > 0);
	return 0;
}

size_t piece_size(const struct piece *piece)
{
	return PIECE_HEAD + (size_t)piece->packed_len + piece->len;
}

void piece_write(const struct piece *piece, void *to)
{
	struct head head = { .file_id = piece->file_id,
		.offset = piece->offset,
		.packed_len = piece->packed_len,
		.len = piece->len,
		.side = piece->side,
		.flags = (uint8_t)((piece->end ? FLAG_END : 0) | (piece->cut ? FLAG_CUT : 0)) };
	uint8_t *at = to;

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), piece->packed, piece->packed_len);
	if (piece->len > 0)
		memcpy(at + sizeof(head) + piece->packed_len, piece->bytes, piece->len);
}

static bool is_sane(const struct head *head)
{
	static const uint8_t none[sizeof(head->spare)];

	return head->packed_len <= PIECE_RECORD_MAX && head->len <= PIECE_BYTES_MAX &&
	       head->offset <= RECORD_U64_MAX - PIECE_BYTES_MAX && head->side <= 1 &&
	       (head->flags & ~FLAGS) == 0 && memcmp(head->spare, none, sizeof(none)) == 0;
}

int piece_read(const void *from, size_t size, struct piece *ret_piece)
{
	struct cur c = cur_make(from, size);
	struct piece piece;
	struct head head;
	const uint8_t *at = cur_take(&c, sizeof(head));

	if (!at)
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	if (!is_sane(&head))
		return -EBADMSG;
	piece = (struct piece){ .file_id = head.file_id,
		.offset = head.offset,
		.side = head.side,
		.end = head.flags & FLAG_END,
		.cut = head.flags & FLAG_CUT,
		.packed = cur_take(&c, head.packed_len),
		.packed_len = head.packed_len,
		.len = head.len };
	piece.bytes = cur_take(&c, head.len);
	if (!cur_ok(&c) || cur_left(&c) != 0 ||
		record_unpack(piece.packed, piece.packed_len, &piece.record) < 0 ||
		piece.record.type != EVENT_FILE || piece.record.file.name.len > PIECE_NAME_MAX)
		return -EBADMSG;
	*ret_piece = piece;
	return 0;
}

bool piece_clock_due(int64_t before_ns, int64_t now_ns)
{
	return now_ns / PIECE_CLOCK_NS > before_ns / PIECE_CLOCK_NS;
}
