/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/out.h"
#include "capture/manifest.h"
#include "event/event.h"
#include "store/journal_files.h"

struct journal {
	int dir_fd;
	int fd; /* of the newest file; -1: none yet, or it has to be begun */
	uint64_t budget;
	uint64_t older_bytes; /* of all files but the newest */
	struct journal_place end;
	uint64_t last_seq;
	uint64_t committed_seq;
	uint8_t link[JOURNAL_LINK_SIZE]; /* of the last line, the buffer's included */
	const struct manifest_key *key;
	struct journal_head head; /* as of the last commit */
	uint64_t missing;
	bool dirty;
	uint32_t buffer_day;
	size_t used; /* bytes in the buffer ... */
	size_t done; /* ... of these written by a commit that failed half way */
	char *buffer;
};

uint32_t journal_day(int64_t time_ns)
{
	time_t s = (time_t)(time_ns / 1000000000 - (time_ns % 1000000000 < 0));
	struct tm tm;

	gmtime_r(&s, &tm);
	return (uint32_t)(tm.tm_year + 1900) * 10000 + (uint32_t)(tm.tm_mon + 1) * 100 +
	       (uint32_t)tm.tm_mday;
}

bool journal_line_number(const char *json, const char *name, uint64_t *ret_number)
{
	char key[40];
	struct out o = out_make(key, sizeof(key));
	const char *at;
	char *end;

	out_fmt(&o, ",\"%s\":", name);
	at = strstr(json, key); /* quotes in texts are escaped, so this is no text */
	if (!at)
		return false;
	at += o.len;
	if (*at < '0' || *at > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(at, &end, 10);
	return errno == 0 && (*end == ',' || *end == '}');
}

static int recover_file(
	struct journal *j, const struct journal_place *place, bool newest, bool *ret_found)
{
	struct journal_place end = *place;
	char name[JOURNAL_NAME_MAX];
	char *bytes;
	size_t len;
	int error = journal_file_load(j->dir_fd, place, &bytes, &len);

	if (error)
		return error;
	end.offset = journal_last_line(bytes, len, &j->last_seq, j->link);
	free(bytes);
	*ret_found = end.offset > 0;
	if (!newest)
		return 0;
	journal_file_name(place, name);
	j->fd = openat(j->dir_fd, name, O_WRONLY | O_CLOEXEC);
	if (j->fd < 0 || (end.offset < len && ftruncate(j->fd, (off_t)end.offset) < 0))
		error = -errno;
	j->end = end;
	return error;
}

/* What head knows of is not given out again, even when it is gone. */
static void follow_head(struct journal *j)
{
	struct journal_head head;

	if (journal_head_read(j->dir_fd, j->key ? j->key->public : NULL, &head) == 0) {
		j->head = head;
		if (head.seq > j->last_seq) {
			j->missing = head.seq - j->last_seq;
			j->last_seq = head.seq;
			memcpy(j->link, head.link, sizeof(j->link));
		}
	}
	j->head.seq = j->last_seq;
	memcpy(j->head.link, j->link, sizeof(j->head.link));
}

static int recover(struct journal *j)
{
	struct journal_place *places;
	bool found = false;
	size_t n;
	int error = journal_files_list(j->dir_fd, &places, &n);

	if (error)
		return error;
	for (size_t i = n; i-- > 0 && !found && !error;)
		error = recover_file(j, &places[i], i == n - 1, &found);
	for (size_t i = 0; i + 1 < n; i++)
		j->older_bytes += places[i].offset;
	free(places);
	if (!error)
		follow_head(j);
	j->committed_seq = j->last_seq;
	j->dirty = true;
	return error;
}

int journal_open(
	int dir_fd, uint64_t budget, const struct manifest_key *key, struct journal **ret_journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int error;

	if (!j)
		return -ENOMEM;
	j->dir_fd = dir_fd;
	j->fd = -1;
	j->budget = budget;
	j->key = key;
	j->buffer = malloc(JOURNAL_BUFFER_SIZE);
	error = !j->buffer ? -ENOMEM : sodium_init() < 0 ? -EIO : recover(j);
	if (error) {
		journal_close(j);
		return error;
	}
	/* Before the first line there is a head; on a full disk it comes with the next sync. */
	(void)journal_sync(j);
	*ret_journal = j;
	return 0;
}

struct journal *journal_close(struct journal *j)
{
	if (!j)
		return NULL;
	if (j->fd >= 0)
		close(j->fd);
	free(j->buffer);
	free(j);
	return NULL;
}

uint64_t journal_missing(const struct journal *j)
{
	return j->missing;
}

uint64_t journal_last_seq(const struct journal *j)
{
	return j->last_seq;
}

uint64_t journal_committed_seq(const struct journal *j)
{
	return j->committed_seq;
}

struct journal_place journal_end(const struct journal *j)
{
	return j->end;
}

uint64_t journal_bytes(const struct journal *j)
{
	return j->older_bytes + j->end.offset;
}

bool journal_has_room(const struct journal *j)
{
	return j->done == 0 &&
	       JOURNAL_BUFFER_SIZE - j->used >= RECORD_JSON_MAX + JOURNAL_SUFFIX_SIZE + 1;
}

int journal_add(struct journal *j, int64_t time_ns, const char *json, size_t len)
{
	char *at = j->buffer + j->used;

	if (!journal_has_room(j) || len > RECORD_JSON_MAX)
		return -ENOSPC;
	if (j->used == 0)
		j->buffer_day = journal_day(time_ns);
	journal_line_link(j->link, json, len, j->link);
	memcpy(at, json, len - 1);
	at += len - 1;
	memcpy(at, ",\"link\":\"", 9);
	sodium_bin2hex(at + 9, 2 * JOURNAL_LINK_SIZE + 1, j->link, JOURNAL_LINK_SIZE);
	memcpy(at + JOURNAL_SUFFIX_SIZE - 2, "\"}\n", 3);
	j->used += len - 1 + JOURNAL_SUFFIX_SIZE + 1;
	j->last_seq++;
	return 0;
}

/* The next file: same day and one more, or a later day. */
static int begin_file(struct journal *j)
{
	struct journal_place next = { .day = j->buffer_day };
	char name[JOURNAL_NAME_MAX];
	int fd;

	if (next.day <= j->end.day) {
		next.day = j->end.day;
		next.number = j->end.number + 1;
	}
	journal_file_name(&next, name);
	fd = openat(j->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (j->fd >= 0) {
		fdatasync(j->fd);
		fchmod(j->fd, 0440);
		close(j->fd);
	}
	j->fd = fd;
	j->older_bytes += j->end.offset;
	j->end = next;
	fsync(j->dir_fd);
	return 0;
}

static bool wants_new_file(const struct journal *j)
{
	return j->fd < 0 || (j->end.offset > 0 && (j->end.offset + j->used > JOURNAL_FILE_SIZE ||
							  j->buffer_day > j->end.day));
}

int journal_commit(struct journal *j)
{
	if (j->used == 0)
		return 0;
	if (j->done == 0 && wants_new_file(j)) {
		int error = begin_file(j);

		if (error)
			return error;
	}
	while (j->done < j->used) {
		ssize_t n = pwrite(j->fd, j->buffer + j->done, j->used - j->done,
			(off_t)(j->end.offset + j->done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		j->done += (size_t)n;
	}
	j->end.offset += j->used;
	j->used = j->done = 0;
	j->dirty = true;
	j->committed_seq = j->last_seq;
	j->head.seq = j->last_seq;
	memcpy(j->head.link, j->link, sizeof(j->head.link));
	return 0;
}

int journal_sync(struct journal *j)
{
	int error = 0;

	if (!j->dirty)
		return 0;
	if (j->fd >= 0 && fdatasync(j->fd) < 0)
		error = -errno;
	else
		error = journal_head_write(j->dir_fd, j->key, &j->head);
	j->dirty = error != 0;
	return error;
}

/* Notes what is about to go, then removes it: a crash between the two is finished by the next call. */
static int remove_file(struct journal *j, const struct journal_place *place)
{
	uint8_t link[JOURNAL_LINK_SIZE];
	uint64_t seq;
	char name[JOURNAL_NAME_MAX];
	char *bytes;
	size_t len;
	int error = journal_file_load(j->dir_fd, place, &bytes, &len);

	if (error)
		return error;
	if (journal_last_line(bytes, len, &seq, link) > 0) {
		j->head.removed_seq = seq;
		memcpy(j->head.removed_link, link, sizeof(link));
		j->dirty = true;
		error = journal_sync(j);
	}
	free(bytes);
	journal_file_name(place, name);
	if (!error && unlinkat(j->dir_fd, name, 0) < 0)
		error = -errno;
	return error;
}

int journal_retain(struct journal *j)
{
	struct journal_place *places;
	int removed = 0, error;
	size_t n;

	if (journal_bytes(j) <= j->budget)
		return 0;
	error = journal_files_list(j->dir_fd, &places, &n);
	if (error)
		return error;
	for (size_t i = 0; i + 1 < n && journal_bytes(j) > j->budget && !error; i++) {
		error = remove_file(j, &places[i]);
		if (error)
			break;
		j->older_bytes -=
			places[i].offset < j->older_bytes ? places[i].offset : j->older_bytes;
		removed++;
	}
	free(places);
	return error ? error : removed;
}

int journal_tail(int dir_fd, struct journal_place *ret_place)
{
	struct journal_place *places;
	size_t n;
	int error = journal_files_list(dir_fd, &places, &n);

	if (error)
		return error;
	*ret_place = n > 0 ? places[n > 2 ? n - 2 : 0] : (struct journal_place){ 0 };
	ret_place->offset = 0;
	free(places);
	return 0;
}

struct reading {
	struct journal_place *place;
	uint64_t left; /* lines; UINT64_MAX: all */
	journal_line_fn *fn;
	void *context;
};

/* Lines of one file from place->offset on. 0: its end, 1: enough, else the callback's answer. */
static int read_file(int dir_fd, struct reading *r)
{
	char *line = NULL, name[JOURNAL_NAME_MAX];
	size_t size = 0;
	ssize_t n;
	int fd, result = 0;
	FILE *file;

	journal_file_name(r->place, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return -errno;
	if (fseeko(file, (off_t)r->place->offset, SEEK_SET) < 0)
		result = -errno;
	while (result == 0 && (n = getline(&line, &size, file)) > 0 && line[n - 1] == '\n') {
		struct journal_line got = { .json = line, .next = *r->place };
		uint8_t link[JOURNAL_LINK_SIZE];

		got.next.offset += (uint64_t)n;
		line[n - 1] = '\0';
		if (journal_line_split(line, (size_t)n - 1, &got.len, link) &&
			journal_line_number(line, "seq", &got.seq))
			result = r->fn(r->context, &got);
		if (result == 0) {
			*r->place = got.next;
			if (r->left != UINT64_MAX && --r->left == 0)
				result = 1;
		}
	}
	if (result == 0 && ferror(file))
		result = -EIO;
	free(line);
	fclose(file);
	return result;
}

int journal_read(
	int dir_fd, struct journal_place *place, uint64_t max, journal_line_fn *fn, void *context)
{
	struct reading r = {
		.place = place, .left = max ? max : UINT64_MAX, .fn = fn, .context = context
	};
	struct journal_place *places;
	size_t n;
	int result = journal_files_list(dir_fd, &places, &n);

	for (size_t i = 0; result == 0 && i < n; i++) {
		int order = journal_place_compare(&places[i], place);

		if (order < 0)
			continue;
		if (order > 0) {
			*place = places[i];
			place->offset = 0;
		}
		result = read_file(dir_fd, &r);
		if (result == -ENOENT)
			result = 0;
	}
	free(places);
	return result;
}
