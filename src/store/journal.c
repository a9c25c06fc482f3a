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
#include "event/event.h"
#include "store/journal_files.h"

enum { SUFFIX_SIZE = 9 + 2 * JOURNAL_LINK_SIZE + 2 }; /* ,"link":"HEX"} */

struct journal {
	int dir_fd;
	int fd; /* of the newest file; -1: none yet, or it has to be begun */
	uint64_t budget;
	uint64_t older_bytes; /* of all files but the newest */
	struct journal_place end;
	uint64_t last_seq;
	uint64_t committed_seq;
	uint8_t link[JOURNAL_LINK_SIZE]; /* of the last line, the buffer's included */
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

static void make_link(const uint8_t before[static JOURNAL_LINK_SIZE], const char *json, size_t len,
	uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, JOURNAL_LINK_SIZE);
	crypto_generichash_update(&state, before, JOURNAL_LINK_SIZE);
	crypto_generichash_update(&state, (const unsigned char *)json, len);
	crypto_generichash_final(&state, ret_link, JOURNAL_LINK_SIZE);
}

/* Cuts the link member off a line without newline, in place. */
static bool split_link(char *line, size_t len, size_t *ret_len,
	uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	char *at, again[2 * JOURNAL_LINK_SIZE + 1];
	size_t n;

	if (len < SUFFIX_SIZE + 2)
		return false;
	at = line + len - SUFFIX_SIZE;
	if (line[0] != '{' || memcmp(at, ",\"link\":\"", 9) != 0 ||
		memcmp(line + len - 2, "\"}", 2) != 0 || memchr(line, '\0', len) ||
		sodium_hex2bin(ret_link, JOURNAL_LINK_SIZE, at + 9, 2 * JOURNAL_LINK_SIZE, NULL, &n,
			NULL) != 0 ||
		n != JOURNAL_LINK_SIZE)
		return false;
	/* One way to write it only: no capital letters. */
	sodium_bin2hex(again, sizeof(again), ret_link, JOURNAL_LINK_SIZE);
	if (memcmp(again, at + 9, 2 * JOURNAL_LINK_SIZE) != 0)
		return false;
	memcpy(at, "}", 2);
	*ret_len = (size_t)(at - line) + 1;
	return true;
}

/* A whole file in memory, NUL-terminated; to be freed. */
static int load_file(int dir_fd, const struct journal_place *place, char **ret_bytes, size_t *ret_len)
{
	char name[JOURNAL_NAME_MAX];
	struct stat st;
	char *bytes = NULL;
	size_t len = 0;
	int fd, error = 0;

	journal_file_name(place, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		error = -errno;
	else if (!(bytes = malloc((size_t)st.st_size + 1)))
		error = -ENOMEM;
	while (!error && len < (size_t)st.st_size) {
		ssize_t n = pread(fd, bytes + len, (size_t)st.st_size - len, (off_t)len);

		if (n == 0)
			break;
		if (n < 0)
			error = -errno;
		else
			len += (size_t)n;
	}
	close(fd);
	if (error) {
		free(bytes);
		return error;
	}
	bytes[len] = '\0';
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

/* Finds the last whole, well-formed line: its link and number, and where it ends (0: none). */
static size_t find_last_line(struct journal *j, char *bytes, size_t len)
{
	while (len > 0) {
		char *line, *newline = memrchr(bytes, '\n', len);
		size_t start, json_len;
		uint8_t link[JOURNAL_LINK_SIZE];
		uint64_t seq;

		if (!newline)
			return 0;
		len = (size_t)(newline - bytes);
		line = memrchr(bytes, '\n', len);
		start = line ? (size_t)(line - bytes) + 1 : 0;
		bytes[len] = '\0';
		if (split_link(bytes + start, len - start, &json_len, link) &&
			journal_line_number(bytes + start, "seq", &seq)) {
			memcpy(j->link, link, sizeof(link));
			j->last_seq = seq;
			return len + 1;
		}
		len = start;
	}
	return 0;
}

static int recover_file(struct journal *j, const struct journal_place *place, bool newest,
	bool *ret_found)
{
	struct journal_place end = *place;
	char name[JOURNAL_NAME_MAX];
	char *bytes;
	size_t len;
	int error = load_file(j->dir_fd, place, &bytes, &len);

	if (error)
		return error;
	end.offset = find_last_line(j, bytes, len);
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
	if (!found && !error)
		journal_removed_read(j->dir_fd, &j->last_seq, j->link);
	j->committed_seq = j->last_seq;
	return error;
}

int journal_open(int dir_fd, uint64_t budget, struct journal **ret_journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int error;

	if (!j)
		return -ENOMEM;
	j->dir_fd = dir_fd;
	j->fd = -1;
	j->budget = budget;
	j->buffer = malloc(JOURNAL_BUFFER_SIZE);
	error = !j->buffer ? -ENOMEM : sodium_init() < 0 ? -EIO : recover(j);
	if (error) {
		journal_close(j);
		return error;
	}
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
	return j->done == 0 && JOURNAL_BUFFER_SIZE - j->used >= RECORD_JSON_MAX + SUFFIX_SIZE + 1;
}

int journal_add(struct journal *j, int64_t time_ns, const char *json, size_t len)
{
	char *at = j->buffer + j->used;

	if (!journal_has_room(j) || len > RECORD_JSON_MAX)
		return -ENOSPC;
	if (j->used == 0)
		j->buffer_day = journal_day(time_ns);
	make_link(j->link, json, len, j->link);
	memcpy(at, json, len - 1);
	at += len - 1;
	memcpy(at, ",\"link\":\"", 9);
	sodium_bin2hex(at + 9, 2 * JOURNAL_LINK_SIZE + 1, j->link, JOURNAL_LINK_SIZE);
	memcpy(at + SUFFIX_SIZE - 2, "\"}\n", 3);
	j->used += len - 1 + SUFFIX_SIZE + 1;
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
	return 0;
}

int journal_sync(struct journal *j)
{
	if (!j->dirty)
		return 0;
	if (fdatasync(j->fd) < 0)
		return -errno;
	j->dirty = false;
	return 0;
}

/* Notes what is about to go, then removes it: a crash between the two is finished by the next call. */
static int remove_file(struct journal *j, const struct journal_place *place)
{
	struct journal last = { .dir_fd = j->dir_fd };
	char name[JOURNAL_NAME_MAX];
	char *bytes;
	size_t len;
	int error = load_file(j->dir_fd, place, &bytes, &len);

	if (error)
		return error;
	if (find_last_line(&last, bytes, len) > 0)
		error = journal_removed_write(j->dir_fd, last.last_seq, last.link);
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
		j->older_bytes -= places[i].offset < j->older_bytes ? places[i].offset :
								       j->older_bytes;
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
		if (split_link(line, (size_t)n - 1, &got.len, link) &&
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

int journal_read(int dir_fd, struct journal_place *place, uint64_t max, journal_line_fn *fn,
	void *context)
{
	struct reading r = { .place = place, .left = max ? max : UINT64_MAX, .fn = fn,
		.context = context };
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

struct verifying {
	struct journal_verdict verdict;
	journal_fault_fn *fn;
	void *context;
	const char *file;
	uint64_t line;
	bool known;   /* the links below are those of the line before */
	bool doubt;   /* that line was changed: its link may be the one written or the one computed */
	uint8_t written[JOURNAL_LINK_SIZE];
	uint8_t computed[JOURNAL_LINK_SIZE];
};

static void fault(struct verifying *v, const char *what)
{
	struct journal_fault f = { .file = v->file, .line = v->line, .what = what };

	v->verdict.faults++;
	v->fn(v->context, &f);
}

static void verify_number(struct verifying *v, const char *json)
{
	uint64_t seq;

	if (!journal_line_number(json, "seq", &seq)) {
		fault(v, "has no number");
		return;
	}
	if (v->verdict.last_seq != 0 && seq != v->verdict.last_seq + 1 && !v->doubt)
		fault(v, "is not the next number: lines are missing or moved before it");
	if (v->verdict.first_seq == 0)
		v->verdict.first_seq = seq;
	v->verdict.last_seq = seq;
}

static void verify_line(struct verifying *v, char *line, size_t len)
{
	uint8_t link[JOURNAL_LINK_SIZE], want[JOURNAL_LINK_SIZE] = { 0 };
	size_t json_len;
	bool good;

	v->line++;
	v->verdict.lines++;
	if (!split_link(line, len, &json_len, link)) {
		fault(v, "is not a journal line any more");
		v->doubt = true;
		v->known = false; /* its link is lost with it */
		return;
	}
	make_link(v->written, line, json_len, want);
	good = !v->known || memcmp(want, link, sizeof(link)) == 0;
	if (!good && v->doubt) {
		make_link(v->computed, line, json_len, want);
		good = memcmp(want, link, sizeof(link)) == 0;
	}
	if (good)
		verify_number(v, line);
	else if (v->verdict.lines == 1)
		fault(v, "does not follow what retention removed, or was changed");
	else
		fault(v, "was changed: it does not fit its link");
	v->doubt = !good;
	v->known = true;
	memcpy(v->written, link, sizeof(link));
	memcpy(v->computed, want, sizeof(want));
}

static void verify_file(struct verifying *v, char *bytes, size_t len, bool newest)
{
	v->line = 0;
	for (char *at = bytes, *end = bytes + len; at < end;) {
		char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline && newest) {
			v->verdict.partial = true;
			return;
		}
		if (newline)
			*newline = '\0';
		else
			newline = end;
		verify_line(v, at, (size_t)(newline - at));
		at = newline + 1;
	}
}

/* What the first line must follow: the last one removed, or nothing. */
static void verify_begin(struct verifying *v, int dir_fd)
{
	uint64_t seq = 0;

	v->known = true;
	if (journal_removed_read(dir_fd, &seq, v->written) == 0)
		v->verdict.last_seq = seq;
}

int journal_verify(int dir_fd, journal_fault_fn *fn, void *context,
	struct journal_verdict *ret_verdict)
{
	struct verifying v = { .fn = fn, .context = context };
	struct journal_place *places;
	char name[JOURNAL_NAME_MAX];
	size_t n;
	int error = journal_files_list(dir_fd, &places, &n);

	if (error)
		return error;
	verify_begin(&v, dir_fd);
	v.file = name;
	for (size_t i = 0; i < n && !error; i++) {
		char *bytes;
		size_t len;

		error = load_file(dir_fd, &places[i], &bytes, &len);
		if (error)
			break;
		journal_file_name(&places[i], name);
		verify_file(&v, bytes, len, i == n - 1);
		free(bytes);
		v.verdict.files++;
	}
	free(places);
	if (!error)
		*ret_verdict = v.verdict;
	return error;
}
