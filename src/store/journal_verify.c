/* SPDX-License-Identifier: Apache-2.0 */
/* journal_verify - each line against the one before, both ends against head. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/journal_files.h"

struct verifying {
	int dir_fd;
	const uint8_t *public;
	struct journal_verdict verdict;
	struct journal_head head;
	bool has_head;
	journal_fault_fn *fn;
	void *context;
	const char *file;
	uint64_t line;
	bool known; /* the links below are those of the line before */
	bool doubt; /* that line was changed: its link may be the one written or the one computed */
	uint8_t written[JOURNAL_LINK_SIZE];
	uint8_t computed[JOURNAL_LINK_SIZE];
};

static void tell(struct verifying *v, struct journal_fault fault)
{
	v->verdict.faults++;
	v->fn(v->context, &fault);
}

static void fault(struct verifying *v, const char *what)
{
	tell(v, (struct journal_fault){ .file = v->file, .line = v->line, .what = what });
}

static void fault_missing(struct verifying *v, uint64_t from, uint64_t to, const char *what)
{
	tell(v, (struct journal_fault){
			.file = v->file, .line = v->line, .from = from, .to = to, .what = what });
}

/* A line whose number is not the next one: what is between is gone. */
static void fault_gap(struct verifying *v, uint64_t seq)
{
	if (seq > v->verdict.last_seq + 1)
		fault_missing(v, v->verdict.last_seq + 1, seq - 1,
			"was changed, or lines before it were taken out");
	else
		fault(v, "is not the next number: it was changed or moved");
}

static void check_signed_line(struct verifying *v, uint64_t seq, const uint8_t *link)
{
	if (!v->has_head || seq < v->head.seq)
		return;
	if (seq == v->head.seq && memcmp(link, v->head.link, JOURNAL_LINK_SIZE) != 0)
		fault(v, "is not the line that was signed: it or one before it was written anew");
	v->verdict.unsigned_lines += seq > v->head.seq;
}

static void take_number(struct verifying *v, uint64_t seq)
{
	if (v->verdict.first_seq == 0)
		v->verdict.first_seq = seq;
	v->verdict.last_seq = seq;
}

static void verify_line(struct verifying *v, char *line, size_t len)
{
	uint8_t link[JOURNAL_LINK_SIZE], want[JOURNAL_LINK_SIZE] = { 0 };
	size_t json_len;
	uint64_t seq;
	bool good;

	v->line++;
	v->verdict.lines++;
	if (!journal_line_split(line, len, &json_len, link) ||
		!journal_line_number(line, "seq", &seq)) {
		fault(v, "is not a journal line any more");
		v->doubt = true;
		v->known = false; /* its link is lost with it */
		take_number(v, v->verdict.last_seq + 1);
		return;
	}
	journal_line_link(v->written, line, json_len, want);
	good = !v->known || memcmp(want, link, sizeof(link)) == 0;
	if (!good && v->doubt) {
		journal_line_link(v->computed, line, json_len, want);
		good = memcmp(want, link, sizeof(link)) == 0;
	}
	if (good && (seq == v->verdict.last_seq + 1 || v->doubt))
		check_signed_line(v, seq, link);
	else if (seq != v->verdict.last_seq + 1)
		fault_gap(v, seq);
	else
		fault(v, "was changed: it does not fit its link");
	take_number(v, good || seq > v->verdict.last_seq ? seq : v->verdict.last_seq + 1);
	v->doubt = !good;
	v->known = true;
	memcpy(v->written, link, sizeof(link));
	memcpy(v->computed, want, sizeof(want));
}

static void verify_bytes(struct verifying *v, char *bytes, size_t len, bool newest)
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

static void read_head(struct verifying *v)
{
	int result = journal_head_read(v->dir_fd, v->public, &v->head);

	v->has_head = result == 0;
	if (result == 0) {
		memcpy(v->written, v->head.removed_link, sizeof(v->written));
		v->verdict.last_seq = v->head.removed_seq;
	} else if (result != -ENOENT) {
		v->file = JOURNAL_HEAD;
		fault(v, result == -EBADMSG ? "was changed, or was not signed with this key"
					    : strerror(-result));
	}
	/* Without it the first line's link has nothing to be compared with. */
	v->known = v->has_head;
	v->doubt = !v->has_head;
}

/* Removed for the budget between the writing of head and the removal itself, or just now. */
static bool is_removed(const struct verifying *v, const struct journal_place *place)
{
	uint8_t link[JOURNAL_LINK_SIZE];
	uint64_t seq = UINT64_MAX;
	char *bytes;
	size_t len;

	if (!v->has_head || v->verdict.lines > 0 || v->head.removed_seq == 0 ||
		journal_file_load(v->dir_fd, place, &bytes, &len) < 0)
		return false;
	(void)journal_last_line(bytes, len, &seq, link);
	free(bytes);
	return seq <= v->head.removed_seq;
}

/* -ENOENT: gone since the list was made, by retention or not. */
static int verify_file(struct verifying *v, const struct journal_place *place, bool newest)
{
	char *bytes;
	size_t len;
	int error;

	if (is_removed(v, place))
		return 0;
	error = journal_file_load(v->dir_fd, place, &bytes, &len);
	if (error)
		return error;
	verify_bytes(v, bytes, len, newest);
	free(bytes);
	v->verdict.files++;
	return 0;
}

static void check_end(struct verifying *v)
{
	if (v->has_head && v->verdict.last_seq < v->head.seq)
		fault_missing(v, v->verdict.last_seq + 1, v->head.seq,
			"is the last one there is: lines behind it were taken away");
	if (!v->has_head && v->verdict.lines > 0 && v->verdict.faults == 0) {
		v->file = JOURNAL_HEAD;
		v->line = 0;
		fault(v, "tells how far the journal goes, and is not there");
	}
}

int journal_verify(int dir_fd, const uint8_t *public, journal_fault_fn *fn, void *context,
	struct journal_verdict *ret_verdict)
{
	struct verifying v = { .dir_fd = dir_fd, .public = public, .fn = fn, .context = context };
	struct journal_place *places;
	char name[JOURNAL_NAME_MAX] = JOURNAL_HEAD;
	size_t n;
	int error = sodium_init() < 0 ? -EIO : 0;

	if (error)
		return error;
	read_head(&v); /* before the list: what comes meanwhile is more, not less */
	error = journal_files_list(dir_fd, &places, &n);
	if (error)
		return error;
	v.file = name;
	for (size_t i = 0; i < n && !error; i++) {
		journal_file_name(&places[i], name);
		error = verify_file(&v, &places[i], i == n - 1);
		if (error == -ENOENT && v.verdict.lines == 0) {
			read_head(&v);
			v.file = name;
			error = 0;
		}
	}
	free(places);
	check_end(&v);
	if (!error)
		*ret_verdict = v.verdict;
	return error;
}
