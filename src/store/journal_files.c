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

static const char removed_name[] = "removed", removed_new[] = "removed.new";

void journal_file_name(const struct journal_place *place, char ret_name[static JOURNAL_NAME_MAX])
{
	snprintf(ret_name, JOURNAL_NAME_MAX, "journal-%08" PRIu32 "-%03" PRIu32 ".jsonl", place->day,
		place->number);
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

int journal_removed_read(int dir_fd, uint64_t *ret_seq, uint8_t ret_link[static JOURNAL_LINK_SIZE])
{
	char text[128] = "", hex[2 * JOURNAL_LINK_SIZE + 1] = "";
	uint8_t link[JOURNAL_LINK_SIZE];
	int fd = openat(dir_fd, removed_name, O_RDONLY | O_CLOEXEC);
	uint64_t seq;
	ssize_t n;
	size_t len;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || sscanf(text, "%" SCNu64 " %64[0-9a-f]", &seq, hex) != 2 ||
		sodium_hex2bin(link, sizeof(link), hex, strlen(hex), NULL, &len, NULL) != 0 ||
		len != sizeof(link))
		return -EBADMSG;
	*ret_seq = seq;
	memcpy(ret_link, link, sizeof(link));
	return 0;
}

int journal_removed_write(int dir_fd, uint64_t seq, const uint8_t link[static JOURNAL_LINK_SIZE])
{
	char text[128], hex[2 * JOURNAL_LINK_SIZE + 1];
	int fd = openat(dir_fd, removed_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int n, error = 0;

	if (fd < 0)
		return -errno;
	sodium_bin2hex(hex, sizeof(hex), link, JOURNAL_LINK_SIZE);
	n = snprintf(text, sizeof(text), "%" PRIu64 " %s\n", seq, hex);
	if (write(fd, text, (size_t)n) != n || fdatasync(fd) < 0)
		error = errno ? -errno : -EIO;
	close(fd);
	if (!error && renameat(dir_fd, removed_new, dir_fd, removed_name) < 0)
		error = -errno;
	return error;
}
