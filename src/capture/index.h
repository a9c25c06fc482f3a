/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - where the packets of each flow are in a closed segment.
 *
 * capture_index_segment() reads block heads and comments once (never a frame) and calls `fn` once a
 * flow and run of CAPTURE_INDEX_RUN packets: memory stays small however many flows there are, and
 * only a segment of more packets than that has two entries for one flow. Flow 0: packets that belong
 * to none. The index is a function of the segment: made again, it is the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct capture_reader;

#define CAPTURE_INDEX_RUN (128 * 1024) /* packets; takes about 7 MB while it works */

struct capture_index_entry {
	uint64_t flow;
	int64_t first_ns, last_ns; /* of its packets in this entry */
	uint64_t first_id, last_id;
	uint64_t n_packets;
	const uint8_t *blob; /* borrowed; see capture_index_decode */
	size_t blob_len;
};

/* Non-zero ends the reading. */
typedef int capture_index_fn(void *context, const struct capture_index_entry *entry);

/* What the whole segment holds. */
struct capture_index_total {
	uint64_t packets;
	int64_t first_ns, last_ns; /* smallest and largest time; 0 without packets */
	uint64_t first_id, last_id;
};

/* In steps, for those who have other work meanwhile. `reader` stays the caller's; `fn` answers with 0 or
 * a negative number. */
struct capture_index;
int capture_index_new(struct capture_reader *reader, capture_index_fn *fn, void *context,
	struct capture_index **ret_index);
struct capture_index *capture_index_free(struct capture_index *index);
/* Reads `max` packets: 1 when there are more, 0 at the end, else as capture_index_segment. */
int capture_index_step(struct capture_index *index, size_t max);
/* Of what was read so far. */
struct capture_index_total capture_index_sum(const struct capture_index *index);

/* `fd` is an uncompressed segment, read from where it stands. 0; what `fn` returned; -EBADMSG when
 * the segment is damaged (what came before was yielded); -errno. ret_total may be NULL; it is set on
 * -EBADMSG too. */
int capture_index_segment(
	int fd, capture_index_fn *fn, void *context, struct capture_index_total *ret_total);
/* The same from a reader (of a compressed segment, of memory). */
int capture_index_reader(struct capture_reader *reader, capture_index_fn *fn, void *context,
	struct capture_index_total *ret_total);

/* The blob: for each packet two LEB128 numbers, the distance of its block from the one before in
 * units of 4 bytes (of the first: from the file's start), and the distance of its packet id.
 * Each call moves to the next packet: 1, 0 at the end, -EBADMSG. Begin with blob and len set. */
struct capture_index_cursor {
	const uint8_t *blob;
	size_t len;
	uint64_t offset, id; /* of the last packet */
};
int capture_index_decode(struct capture_index_cursor *cursor);
