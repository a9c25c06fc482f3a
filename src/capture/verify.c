/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "capture/zfile.h"

/* What the manifest says about one segment. */
struct entry {
	uint64_t number;
	char name[SEGMENT_NAME_MAX];
	bool removed;
	struct manifest_line sealed, compressed; /* kind 0: no such line */
};

struct verify {
	const struct verify_setup *setup;
	struct verify_totals totals;
	struct entry *entry;
	size_t n, room;
	uint64_t last_number; /* greatest one sealed */
	uint64_t offset;      /* in the manifest */
	uint8_t prev[MANIFEST_HASH];
	bool prev_good;
	bool gap;           /* lines are missing, and that was told */
	bool again;         /* the manifest is read once more: nothing is told, nothing counted */
	uint64_t size;      /* of the manifest when it was read */
	uint64_t all_bytes; /* to read */
	uint8_t *buf;       /* of one piece */
};

const char *verify_kind_name(enum verify_kind kind)
{
	static const char *const names[] = { "changed", "missing", "extra", "unreadable", "line",
		"chain", "unsealed", "leftover" };

	return names[kind];
}

static void tell(struct verify *v, struct verify_finding finding)
{
	if (v->again)
		return;
	finding.fault = finding.kind != VERIFY_UNSEALED && finding.kind != VERIFY_LEFTOVER;
	v->totals.faults += finding.fault;
	v->setup->finding(v->setup->context, &finding);
}

static void tell_file(struct verify *v, enum verify_kind kind, const char *file, const char *text)
{
	tell(v, (struct verify_finding){ .kind = kind, .file = file, .from = 1, .text = text });
}

/* ---- the manifest ---- */

static struct entry *find(struct verify *v, const struct segment *segment)
{
	/* Lines come in the order of numbers, except for removals: search from the end. */
	for (size_t i = v->n; i-- > 0;)
		if (strcmp(v->entry[i].name, segment->name) == 0)
			return &v->entry[i];
	return NULL;
}

static struct entry *find_or_add(struct verify *v, const struct segment *segment)
{
	struct entry *entry = find(v, segment);

	if (entry)
		return entry;
	if (v->n == v->room) {
		size_t room = v->room ? 2 * v->room : 256;
		struct entry *grown = realloc(v->entry, room * sizeof(*grown));

		if (!grown)
			return NULL;
		v->entry = grown;
		v->room = room;
	}
	entry = &v->entry[v->n++];
	*entry = (struct entry){ .number = segment->number };
	memcpy(entry->name, segment->name, sizeof(entry->name));
	return entry;
}

static void take(struct manifest_line *target, struct manifest_line *line)
{
	manifest_line_done(target);
	*target = *line;
}

static int take_line(struct verify *v, struct manifest_line *line)
{
	struct segment segment;
	struct entry *entry;

	if (!segment_parse(line->name, &segment))
		return -EBADMSG;
	entry = find_or_add(v, &segment);
	if (!entry) {
		manifest_line_done(line);
		return -ENOMEM;
	}
	if (segment.number > v->last_number)
		v->last_number = segment.number;
	switch (line->kind) {
	case MANIFEST_SEALED:
		take(&entry->sealed, line);
		break;
	case MANIFEST_COMPRESSED:
		take(&entry->compressed, line);
		break;
	case MANIFEST_REMOVED:
		entry->removed = true;
		manifest_line_done(&entry->sealed);
		manifest_line_done(&entry->compressed);
		manifest_line_done(line);
		break;
	}
	return 0;
}

static void tell_line(struct verify *v, enum verify_kind kind, size_t len, const char *text)
{
	tell(v, (struct verify_finding){ .kind = kind,
			.file = MANIFEST_FILE,
			.line = v->totals.lines,
			.from = v->offset,
			.to = v->offset + len,
			.text = text });
}

static int check_line(void *context, const char *text, size_t len, bool whole)
{
	struct verify *v = context;
	struct manifest_line line = { 0 };
	bool good = manifest_line_signed(text, len, v->setup->public);
	int result = 0;

	v->totals.lines++;
	if (!good)
		tell_line(v, VERIFY_LINE, len,
			"this line was changed, or was not signed with this key");
	else if (!whole)
		tell_line(v, VERIFY_LINE, len, "the newline behind this line is gone");
	if (good && manifest_line_parse(text, len, &line) < 0) {
		tell_line(v, VERIFY_LINE, len, "signed, but not a line this version can read");
		good = false;
	}
	/* Behind a changed line the chain is broken anyway; that is one fault, not two. */
	if (good && v->prev_good && memcmp(line.prev, v->prev, MANIFEST_HASH) != 0) {
		v->gap = true;
		tell_line(v, VERIFY_CHAIN, len,
			"a line before this one was taken out, put in or moved");
	}
	if (good)
		result = take_line(v, &line);
	manifest_sha256(text, len, v->prev);
	v->prev_good = good;
	v->offset += len + 1;
	return result;
}

/* Lines cut off the end, or all of them: the note beside names the last one there was. */
static void check_end(struct verify *v, int result, const struct manifest_head *head)
{
	if (result == -ENOENT && v->totals.lines > 0)
		tell_file(v, VERIFY_MISSING, MANIFEST_HEAD,
			"it tells how many lines the manifest has, and is not there");
	else if (result == -EBADMSG)
		tell_file(v, VERIFY_LINE, MANIFEST_HEAD,
			"it was changed, or was not signed with this key");
	else if (result < 0 && result != -ENOENT)
		tell_file(v, VERIFY_UNREADABLE, MANIFEST_HEAD, strerror(-result));
	else if (result == 0 && v->totals.lines < head->lines && !v->gap)
		tell(v, (struct verify_finding){ .kind = VERIFY_CHAIN,
				.file = MANIFEST_FILE,
				.line = v->totals.lines + 1,
				.from = 1,
				.text = v->totals.lines
						? "the lines from here to the end were cut off"
						: "the whole manifest is gone" });
}

/* A running gateway compresses and removes while we look: have lines been added since? */
static void read_again(struct verify *v)
{
	int fd = openat(v->setup->dir_fd, MANIFEST_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t lines = v->totals.lines;
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size != v->size) {
		v->size = (uint64_t)st.st_size;
		v->again = true;
		(void)manifest_walk(fd, check_line, v);
		v->again = false;
		v->totals.lines = lines;
	}
	close(fd);
}

static int check_manifest(struct verify *v)
{
	struct manifest_head head = { 0 };
	/* Before the lines: what is written meanwhile is more, not less. */
	int known = manifest_head_read(v->setup->dir_fd, v->setup->public, &head);
	int fd = openat(v->setup->dir_fd, MANIFEST_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int result;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	v->prev_good = true;
	/* Without the file nothing was sealed yet; then segments show as unsealed. */
	result = fd < 0 ? 0 : manifest_walk(fd, check_line, v);
	v->size = v->offset;
	if (fd >= 0)
		close(fd);
	if (result == 0)
		check_end(v, known, &head);
	return result;
}

/* ---- the files ---- */

/* The packets that lie in piece i, at least in part: from the last one that begins before it. */
static void add_packets(
	const struct manifest_line *sealed, size_t i, struct verify_finding *finding)
{
	const struct manifest_piece *piece = sealed->piece;
	uint64_t first = sealed->first_packet, last = sealed->last_packet;

	if (sealed->packets == 0 || i >= sealed->n_pieces)
		return;
	if (i > 0 && piece[i].has_packet)
		first = piece[i].first_packet - (piece[i].first_packet > sealed->first_packet);
	else
		for (size_t k = i; k-- > 0;)
			if (piece[k].has_packet) {
				first = piece[k].first_packet;
				break;
			}
	for (size_t k = i + 1; k < sealed->n_pieces; k++)
		if (piece[k].has_packet) {
			last = piece[k].first_packet - 1;
			break;
		}
	finding->has_packets = true;
	finding->first_packet = first;
	finding->last_packet = last;
}

/* One piece of `file` against its line. `content`: the bytes are those of the segment itself, so the
 * packets in it can be named. */
static void check_piece(struct verify *v, struct zfile *file, const struct manifest_line *line,
	const struct manifest_line *content, size_t i, const char *text)
{
	uint64_t from = (uint64_t)i * MANIFEST_PIECE;
	uint64_t want = line->bytes - from < MANIFEST_PIECE ? line->bytes - from : MANIFEST_PIECE;
	ssize_t got = zfile_read_at(file, from, v->buf, (size_t)want);
	struct verify_finding finding = { .kind = VERIFY_CHANGED,
		.file = line->name,
		.from = from,
		.to = from + want - 1,
		.text = text };
	uint8_t hash[MANIFEST_HASH];

	if (got < 0 && got != -EBADMSG) {
		finding.kind = VERIFY_UNREADABLE;
		finding.text = strerror((int)-got);
	} else if (got == (ssize_t)want) {
		manifest_sha256(v->buf, (size_t)want, hash);
		if (memcmp(hash, line->piece[i].sha256, MANIFEST_HASH) == 0)
			return;
	}
	if (content)
		add_packets(content, i, &finding);
	tell(v, finding);
}

static void check_pieces(struct verify *v, struct zfile *file, const struct manifest_line *line,
	const struct manifest_line *content, const char *text)
{
	for (size_t i = 0; i < line->n_pieces; i++) {
		check_piece(v, file, line, content, i, text);
		v->totals.bytes += MANIFEST_PIECE;
		if (v->setup->progress)
			v->setup->progress(v->setup->context, v->totals.bytes, v->all_bytes);
	}
	if (zfile_size(file) > line->bytes)
		tell(v, (struct verify_finding){ .kind = VERIFY_CHANGED,
				.file = line->name,
				.from = line->bytes,
				.to = zfile_size(file) - 1,
				.text = "bytes were added at the end" });
}

/* Opens the file of a line and compares its bytes as they are. -ENOENT: it is not there. */
static int check_file(
	struct verify *v, const struct manifest_line *line, const struct manifest_line *content)
{
	int fd = openat(v->setup->dir_fd, line->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct zfile *file;
	int result = fd < 0 ? -errno : zfile_open_fd(fd, false, &file);

	if (result < 0)
		return result;
	check_pieces(v, file, line, content, "not what was sealed");
	zfile_close(file);
	return 0;
}

/* A compressed segment: the file as it is, and what it holds. */
static int check_compressed(struct verify *v, const struct entry *entry)
{
	uint64_t faults = v->totals.faults;
	struct zfile *file;
	int result = check_file(v, &entry->compressed, NULL), fd;

	if (result < 0)
		return result;
	fd = openat(v->setup->dir_fd, entry->compressed.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	result = zfile_open_fd(fd, true, &file);
	if (result == -EBADMSG) {
		tell_file(v, VERIFY_CHANGED, entry->compressed.name,
			"its seek table makes no sense: it cannot be unpacked by pieces");
		return 0;
	}
	if (result < 0)
		return result;
	check_pieces(v, file, &entry->sealed, &entry->sealed,
		v->totals.faults > faults ? "cannot be unpacked as it was sealed"
					  : "unpacks to something else than was sealed");
	zfile_close(file);
	return 0;
}

static int check_content(struct verify *v, size_t i)
{
	const struct entry *entry = &v->entry[i];
	int result = -ENOENT;

	if (entry->removed || !entry->sealed.kind)
		return -ECANCELED;
	if (entry->compressed.kind)
		result = check_compressed(v, entry);
	if (result == -ENOENT)
		result = check_file(v, &entry->sealed, &entry->sealed);
	return result;
}

static void check_entry(struct verify *v, size_t i)
{
	int result = check_content(v, i);

	if (result == -ENOENT) {
		read_again(v);
		result = check_content(v, i);
	}
	if (result == -ENOENT)
		tell_file(v, VERIFY_MISSING, v->entry[i].name,
			"sealed, never removed, and not there");
	else if (result < 0 && result != -ECANCELED)
		tell_file(v, VERIFY_UNREADABLE, v->entry[i].name, strerror(-result));
	if (result < 0)
		return;
	v->totals.segments++;
	v->totals.packets += v->entry[i].sealed.packets;
}

/* ---- the directory ---- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && strcmp(name + len - n, suffix) == 0;
}

static bool is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       strcmp(name, MANIFEST_FILE) == 0 || strcmp(name, MANIFEST_HEAD) == 0 ||
	       strcmp(name, MANIFEST_HEAD ".new") == 0 || strcmp(name, MANIFEST_SECRET) == 0 ||
	       strcmp(name, MANIFEST_PUBLIC) == 0;
}

static bool is_beside_segment(const char *name, const char *suffix)
{
	char segment_file[MANIFEST_NAME_MAX];
	struct segment segment;

	if (!has_suffix(name, suffix) || strlen(name) - strlen(suffix) >= sizeof(segment_file))
		return false;
	snprintf(segment_file, sizeof(segment_file), "%.*s", (int)(strlen(name) - strlen(suffix)),
		name);
	return segment_parse(segment_file, &segment);
}

static bool is_extra(
	const struct verify *v, const struct entry *entry, const struct segment *segment)
{
	if (!entry)
		return segment->number <= v->last_number;
	return !entry->removed && entry->sealed.kind && segment->compressed &&
	       !entry->compressed.kind;
}

static void tell_unsealed(struct verify *v, const char *name)
{
	v->totals.unsealed++;
	tell_file(v, VERIFY_UNSEALED, name, "open or not sealed yet: nothing to compare with");
}

static void check_name(struct verify *v, const char *name)
{
	struct segment segment;
	const struct entry *entry;

	if (is_ours(name) || is_beside_segment(name, SEGMENT_PIN))
		return;
	if (is_beside_segment(name, ".part")) {
		tell_file(v, VERIFY_LEFTOVER, name, "being compressed, or left by a crash");
		return;
	}
	if (!segment_parse(name, &segment)) {
		tell_file(v, VERIFY_EXTRA, name, "no file of the capture");
		return;
	}
	entry = find(v, &segment);
	if (is_extra(v, entry, &segment)) {
		read_again(v);
		entry = find(v, &segment);
	}
	if (is_extra(v, entry, &segment))
		tell_file(v, VERIFY_EXTRA, name,
			entry ? "compressed, but the manifest does not say so"
			      : "later segments are sealed and this one is not");
	else if (entry && entry->removed)
		tell_file(v, VERIFY_LEFTOVER, name, "removed for the budget, and still there");
	else if (!entry || !entry->sealed.kind)
		tell_unsealed(v, name);
}

static int check_directory(struct verify *v)
{
	struct dirent **names;
	int n = scandirat(v->setup->dir_fd, ".", &names, NULL, alphasort);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		check_name(v, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return 0;
}

static void count_work(struct verify *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (!v->entry[i].removed)
			v->all_bytes +=
				MANIFEST_PIECE * (uint64_t)(v->entry[i].sealed.n_pieces +
							    v->entry[i].compressed.n_pieces);
}

int verify_run(const struct verify_setup *setup, struct verify_totals *ret_totals)
{
	struct verify v = { .setup = setup, .buf = malloc(MANIFEST_PIECE) };
	int result = v.buf ? 0 : -ENOMEM;

	if (result == 0 && sodium_init() < 0)
		result = -EIO;
	if (result == 0)
		result = check_manifest(&v);
	count_work(&v);
	for (size_t i = 0; i < v.n && result == 0; i++)
		check_entry(&v, i);
	if (result == 0)
		result = check_directory(&v);
	for (size_t i = 0; i < v.n; i++) {
		v.totals.removed += v.entry[i].removed;
		manifest_line_done(&v.entry[i].sealed);
		manifest_line_done(&v.entry[i].compressed);
	}
	free(v.entry);
	free(v.buf);
	if (result == 0)
		*ret_totals = v.totals;
	return result;
}
