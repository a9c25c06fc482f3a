/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/out.h"
#include "capture/note.h"

void journal_file_name(const struct journal_place *place, char ret_name[static JOURNAL_NAME_MAX])
{
	snprintf(ret_name, JOURNAL_NAME_MAX, "journal-%08" PRIu32 "-%03" PRIu32 ".jsonl",
		place->day, place->number);
}

/* Only the names that journal_file_name makes. */
static bool parse_name(const char *name, struct journal_place *ret_place)
{
	struct journal_place place = { 0 };
	char again[JOURNAL_NAME_MAX];

	if (sscanf(name, "journal-%8" SCNu32 "-%9" SCNu32 ".jsonl", &place.day, &place.number) != 2)
		return false;
	journal_file_name(&place, again);
	if (strcmp(name, again) != 0)
		return false;
	*ret_place = place;
	return true;
}

int journal_place_compare(const struct journal_place *a, const struct journal_place *b)
{
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_places(const void *a, const void *b)
{
	return journal_place_compare(a, b);
}

int journal_files_list(int dir_fd, struct journal_place **ret_places, size_t *ret_n)
{
	struct journal_place *places = NULL, place;
	size_t n = 0, room = 0;
	struct dirent *entry;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stat st;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!parse_name(entry->d_name, &place) ||
			fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n == room) {
			struct journal_place *more =
				realloc(places, (room = room * 2 + 16) * sizeof(*more));

			if (!more) {
				free(places);
				closedir(dir);
				return -ENOMEM;
			}
			places = more;
		}
		place.offset = (uint64_t)st.st_size;
		places[n++] = place;
	}
	closedir(dir);
	if (n > 1)
		qsort(places, n, sizeof(*places), compare_places);
	*ret_places = places;
	*ret_n = n;
	return 0;
}

void journal_line_link(const uint8_t before[static JOURNAL_LINK_SIZE], const char *json, size_t len,
	uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, JOURNAL_LINK_SIZE);
	crypto_generichash_update(&state, before, JOURNAL_LINK_SIZE);
	crypto_generichash_update(&state, (const unsigned char *)json, len);
	crypto_generichash_final(&state, ret_link, JOURNAL_LINK_SIZE);
}

bool journal_line_split(
	char *line, size_t len, size_t *ret_len, uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	char *at, again[2 * JOURNAL_LINK_SIZE + 1];
	size_t n;

	if (len < JOURNAL_SUFFIX_SIZE + 2)
		return false;
	at = line + len - JOURNAL_SUFFIX_SIZE;
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

int journal_file_load(
	int dir_fd, const struct journal_place *place, char **ret_bytes, size_t *ret_len)
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

size_t journal_last_line(
	char *bytes, size_t len, uint64_t *ret_seq, uint8_t ret_link[static JOURNAL_LINK_SIZE])
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
		if (journal_line_split(bytes + start, len - start, &json_len, link) &&
			journal_line_number(bytes + start, "seq", &seq)) {
			memcpy(ret_link, link, sizeof(link));
			*ret_seq = seq;
			return len + 1;
		}
		len = start;
	}
	return 0;
}

static struct out head_text(char text[static NOTE_MAX], const struct journal_head *head)
{
	struct out o = out_make(text, NOTE_MAX);

	out_fmt(&o, "{\"v\":1,\"kind\":\"journal\",\"seq\":%" PRIu64 ",\"link\":\"", head->seq);
	out_hex(&o, head->link, sizeof(head->link));
	out_fmt(&o, "\",\"removed_seq\":%" PRIu64 ",\"removed_link\":\"", head->removed_seq);
	out_hex(&o, head->removed_link, sizeof(head->removed_link));
	out_char(&o, '"');
	return o;
}

static bool get_link(const char *hex, uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	size_t len;

	return sodium_hex2bin(ret_link, JOURNAL_LINK_SIZE, hex, strlen(hex), NULL, &len, NULL) ==
		       0 &&
	       len == JOURNAL_LINK_SIZE;
}

int journal_head_read(int dir_fd, const uint8_t *public, struct journal_head *ret_head)
{
	char text[NOTE_MAX], again[NOTE_MAX], link[2 * JOURNAL_LINK_SIZE + 1],
		removed[2 * JOURNAL_LINK_SIZE + 1];
	struct journal_head head;
	struct out o;
	size_t len;
	int result = note_read(dir_fd, JOURNAL_HEAD, public, text, &len);

	if (result < 0)
		return result;
	if (sscanf(text,
		    "{\"v\":1,\"kind\":\"journal\",\"seq\":%" SCNu64 ",\"link\":\"%64[0-9a-f]\","
		    "\"removed_seq\":%" SCNu64 ",\"removed_link\":\"%64[0-9a-f]\"",
		    &head.seq, link, &head.removed_seq, removed) != 4 ||
		!get_link(link, head.link) || !get_link(removed, head.removed_link))
		return -EBADMSG;
	o = head_text(again, &head);
	if (strncmp(text, again, o.len) != 0)
		return -EBADMSG;
	*ret_head = head;
	return 0;
}

int journal_head_write(int dir_fd, const struct manifest_key *key, const struct journal_head *head)
{
	char text[NOTE_MAX];
	struct out o = head_text(text, head);

	return note_write(dir_fd, JOURNAL_HEAD, key, &o);
}
