/* SPDX-License-Identifier: Apache-2.0 */
/* make_days DIR - keeps records, EVE lines of the standard input in the order of their days, in DIR as fb-store
 * does: so that tests can ask for what the gateway once told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/day.h"
#include "store/line.h"

static void die(const char *what, int error)
{
	fprintf(stderr, "make_days: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void end_day(struct day *day, uint64_t seq)
{
	const struct journal_place nowhere = { 0 };
	int error = day ? day_commit(day, &nowhere, seq) : 0;

	if (error)
		die("end of a day", error);
	day_close(day, true);
}

int main(int argc, char **argv)
{
	int dir_fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct day *day = NULL;
	char *text = NULL;
	size_t room = 0;
	uint64_t seq = 0;
	ssize_t len;

	if (dir_fd < 0)
		die("DIR", -ENOENT);
	while ((len = getline(&text, &room, stdin)) > 0) {
		struct record record;
		struct line *line;
		uint32_t date;
		int error = line_parse(text, (size_t)--len, &line, &record);

		if (error)
			die(text, error);
		date = journal_day(record.head.time_ns);
		if (!day || day_date(day) != date) {
			end_day(day, seq);
			error = day_open(dir_fd, date, &day);
		}
		if (error == 0)
			error = day_add(day, ++seq, &record, text, (size_t)len);
		if (error < 0)
			die(text, error);
		line_free(line);
	}
	end_day(day, seq);
	free(text);
	close(dir_fd);
	return 0;
}
