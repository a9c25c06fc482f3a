/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/pcapng.h"
#include "capture/reader.h"

static const char prefix[] = "fb-", suffix[] = ".pcapng", suffix_zst[] = ".zst";

void segment_name(uint64_t boot, uint64_t number, char ret_name[static SEGMENT_NAME_MAX])
{
	snprintf(ret_name, SEGMENT_NAME_MAX, "fb-%" PRIx64 "-%08" PRIu64 ".pcapng", boot, number);
}

bool segment_parse(const char *file, struct segment *ret_segment)
{
	struct segment segment = { .plain = true };
	char again[SEGMENT_NAME_MAX], *end;
	size_t len = strlen(file);

	if (len >= SEGMENT_NAME_MAX || strncmp(file, prefix, sizeof(prefix) - 1) != 0)
		return false;
	segment.boot = strtoull(file + sizeof(prefix) - 1, &end, 16);
	if (*end != '-')
		return false;
	segment.number = strtoull(end + 1, &end, 10);
	if (strncmp(end, suffix, sizeof(suffix) - 1) != 0)
		return false;
	end += sizeof(suffix) - 1;
	if (strcmp(end, suffix_zst) == 0) {
		segment.plain = false;
		segment.compressed = true;
	} else if (*end) {
		return false;
	}
	/* Signs, spaces, other spellings of the same numbers are other files. */
	segment_name(segment.boot, segment.number, segment.name);
	snprintf(again, sizeof(again), "%s", file);
	again[strlen(file) - (segment.compressed ? sizeof(suffix_zst) - 1 : 0)] = '\0';
	if (strcmp(again, segment.name) != 0)
		return false;
	*ret_segment = segment;
	return true;
}

static int compare_segments(const void *a_, const void *b_)
{
	const struct segment *a = a_, *b = b_;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->boot < b->boot ? -1 : a->boot > b->boot;
}

struct list {
	struct segment *segment;
	size_t n, room;
};

static int add_segment(struct list *list, const struct segment *segment)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct segment *grown = realloc(list->segment, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->segment = grown;
		list->room = room;
	}
	list->segment[list->n++] = *segment;
	return 0;
}

/* A segment that is there plain and compressed (a crash between the two) is one. */
static size_t merge_twins(struct segment *segment, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && strcmp(segment[kept - 1].name, segment[i].name) == 0) {
			segment[kept - 1].plain |= segment[i].plain;
			segment[kept - 1].compressed |= segment[i].compressed;
			segment[kept - 1].bytes += segment[i].bytes;
		} else {
			segment[kept++] = segment[i];
		}
	}
	return kept;
}

static int read_entries(DIR *dir, struct list *list)
{
	const struct dirent *entry;
	int result = 0;

	while (result == 0 && (errno = 0, entry = readdir(dir))) {
		struct segment segment;
		char pin[SEGMENT_NAME_MAX + sizeof(SEGMENT_PIN)];
		struct stat st;

		if (!segment_parse(entry->d_name, &segment) ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		segment.bytes = (uint64_t)st.st_size;
		snprintf(pin, sizeof(pin), "%s" SEGMENT_PIN, segment.name);
		segment.pinned = fstatat(dirfd(dir), pin, &st, AT_SYMLINK_NOFOLLOW) == 0;
		result = add_segment(list, &segment);
	}
	return result;
}

int segment_list(int dir_fd, struct segment **ret_segments, size_t *ret_n)
{
	struct list list = { 0 };
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		result = -errno;
		close(fd);
		return result;
	}
	result = read_entries(dir, &list);
	closedir(dir);
	if (result < 0) {
		free(list.segment);
		return result;
	}
	if (list.n)
		qsort(list.segment, list.n, sizeof(*list.segment), compare_segments);
	*ret_n = merge_twins(list.segment, list.n);
	*ret_segments = list.segment;
	return 0;
}

int segment_to_remove(const struct segment *segments, size_t n, uint64_t budget,
	uint64_t free_bytes, uint64_t keep_free)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += segments[i].bytes;
	if (total <= budget && free_bytes >= keep_free)
		return -1;
	for (size_t i = 0; i + 1 < n; i++)
		if (!segments[i].pinned)
			return (int)i;
	return -1;
}

void segment_comment(const char *what, uint64_t frames, uint64_t bytes,
	const struct segment_place *place, char ret_comment[static SEGMENT_COMMENT_MAX])
{
	int len = snprintf(ret_comment, SEGMENT_COMMENT_MAX,
		"fishbowl %s frames %" PRIu64 " bytes %" PRIu64, what, frames, bytes);

	if (place->known)
		snprintf(ret_comment + len, (size_t)(SEGMENT_COMMENT_MAX - len),
			" seq %" PRIu64 " time %" PRId64, place->seq, place->time_ns);
}

struct scanning {
	struct segment_scan scan;
	uint64_t opened; /* "open" blocks seen */
};

struct comment {
	char what[8];
	uint64_t frames, bytes;
	struct segment_place place;
};

static bool read_comment(const struct text *text, struct comment *ret)
{
	char comment[SEGMENT_COMMENT_MAX];
	int n;

	if (!text->at || text->len >= sizeof(comment))
		return false;
	memcpy(comment, text->at, text->len);
	comment[text->len] = '\0';
	n = sscanf(comment,
		"fishbowl %7s frames %" SCNu64 " bytes %" SCNu64 " seq %" SCNu64 " time %" SCNd64,
		ret->what, &ret->frames, &ret->bytes, &ret->place.seq, &ret->place.time_ns);
	ret->place.known = n == 5;
	return n == 3 || n == 5;
}

static void scan_block(void *context, const struct capture_block *block)
{
	struct scanning *s = context;
	struct comment comment;

	s->scan.closed = false;
	if (block->type == PCAPNG_IDB)
		s->scan.n_interfaces++;
	if (block->type != PCAPNG_ISB || block->interface >= RING_INTERFACES_MAX ||
		!read_comment(&block->comment, &comment))
		return;
	if (strcmp(comment.what, "open") == 0) {
		s->scan.account.frames[block->interface] = comment.frames;
		s->scan.account.bytes[block->interface] = comment.bytes;
		s->opened++;
	}
	if (comment.place.known)
		s->scan.place = comment.place;
	s->scan.closed =
		strcmp(comment.what, "close") == 0 && block->interface + 1 == s->scan.n_interfaces;
}

static void scan_packet(struct segment_scan *scan, const struct capture_packet *packet)
{
	if (scan->packets++ == 0) {
		scan->first_id = packet->id;
		scan->first_ns = packet->time_ns;
	}
	scan->closed = false;
	scan->last_id = packet->id;
	scan->last_ns = packet->time_ns;
	scan->place = (struct segment_place){ packet->id, packet->time_ns, true };
	if (packet->interface < RING_INTERFACES_MAX) {
		scan->account.frames[packet->interface]++;
		scan->account.bytes[packet->interface] += packet->block_len;
	}
}

int segment_scan(struct capture_reader *reader, struct segment_scan *ret_scan)
{
	struct scanning s = { 0 };
	struct capture_packet packet;
	int result;

	capture_reader_on_block(reader, scan_block, &s);
	while ((result = capture_reader_next(reader, &packet)) == 1)
		scan_packet(&s.scan, &packet);
	if (result < 0 && result != -EBADMSG)
		return result;
	s.scan.good_end = capture_reader_good_end(reader);
	s.scan.usable = s.scan.n_interfaces > 0 && s.opened == s.scan.n_interfaces;
	*ret_scan = s.scan;
	return 0;
}
