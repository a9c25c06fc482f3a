/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"
#include "cmd/fishbowl/incident_summary.h"
#include "event/event.h"
#include "store/day.h"

static const int64_t second_ns = 1000000000;
static const int64_t noon_ns = 1769860800000000000; /* 2026-01-31 12:00 */

static char dir[] = "/tmp/incident_summary.XXXXXX";
static uint64_t seq;

static int set_up(void **state)
{
	char db[64];

	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(db, sizeof(db), "%s/db", dir);
	assert_int_equal(mkdir(db, 0700), 0);
	seq = 0;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct told {
	int64_t s; /* after noon */
	const char *id, *stage, *severity;
};

static void keep(const struct told *told, size_t n)
{
	const struct journal_place nowhere = { 0 };
	struct day *day = NULL;
	static char line[RECORD_JSON_MAX];
	char db[64];
	int fd;

	snprintf(db, sizeof(db), "%s/db", dir);
	fd = open(db, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++) {
		int64_t time_ns = noon_ns + told[i].s * second_ns;
		struct record record = { .type = EVENT_INCIDENT,
			.head = { .time_ns = time_ns },
			.incident = { .title = text_of("somebody got in"),
				.incident_id = text_of(told[i].id),
				.stage = text_of(told[i].stage),
				.severity = text_of(told[i].severity),
				.country = text_of("NL") } };
		struct out o = out_make(line, sizeof(line));

		record_json(&o, &record, NULL);
		if (!day || day_date(day) != journal_day(time_ns)) {
			if (day)
				assert_int_equal(day_commit(day, &nowhere, seq), 0);
			day_close(day, true);
			assert_int_equal(day_open(fd, journal_day(time_ns), &day), 0);
		}
		assert_int_equal(day_add(day, ++seq, &record, line, o.len), 1);
	}
	assert_int_equal(day_commit(day, &nowhere, seq), 0);
	day_close(day, true);
	close(fd);
}

static int64_t number(const json_t *answer, const char *name)
{
	assert_true(json_is_integer(json_object_get(answer, name)));
	return json_integer_value(json_object_get(answer, name));
}

static void check(const json_t *answer, int open, int critical, int high, int medium, bool complete)
{
	assert_int_equal(number(answer, "open"), open);
	assert_int_equal(number(answer, "critical"), critical);
	assert_int_equal(number(answer, "high"), high);
	assert_int_equal(number(answer, "medium"), medium);
	assert_int_equal(number(answer, "told"), critical + high + medium);
	assert_int_equal(json_is_true(json_object_get(answer, "complete")), complete);
}

/* The ids of those that are shown. */
static void check_shown(const json_t *answer, const char *expected)
{
	const json_t *shown = json_object_get(answer, "most_severe"), *one;
	char ids[256];
	struct out o = out_make(ids, sizeof(ids));
	size_t i;

	json_array_foreach(shown, i, one)
		out_fmt(&o, "%s%s", i ? " " : "", json_string_value(json_object_get(one, "id")));
	assert_string_equal(ids, expected);
}

/* Nothing was told, or there is not even a place for it: that is no error. */
static void test_none(void **state)
{
	json_t *answer = incident_summary(dir, noon_ns);

	(void)state;
	check(answer, 0, 0, 0, 0, true);
	check_shown(answer, "");
	assert_null(json_object_get(answer, "error"));
	json_decref(answer);
	answer = incident_summary("/nonexistent", noon_ns);
	check(answer, 0, 0, 0, 0, true);
	json_decref(answer);
}

static void test_cannot_be_read(void **state)
{
	json_t *answer = incident_summary("/dev/null", noon_ns);

	(void)state;
	check(answer, 0, 0, 0, 0, false);
	assert_string_equal(json_string_value(json_object_get(answer, "error")), strerror(ENOTDIR));
	json_decref(answer);
}

/* The last record of each counts, over midnight too; what was told of a day ago does not. */
static void test_some(void **state)
{
	static const struct told told[] = {
		{ -90000, "old", "opened", "critical" },
		{ -80000, "a", "opened", "medium" },
		{ -79000, "b", "opened", "medium" },
		{ -78000, "b", "closed", "medium" },
		{ -10, "c", "opened", "high" },
		{ -9, "", "opened", "critical" }, /* has no number */
		{ -8, "a", "raised", "critical" },
		{ -7, "d", "grew", "high" },
		{ -6, "d", "closed", "high" },
		{ -5, "e", "opened", "grave" },
	};
	json_t *answer;
	const json_t *one;

	(void)state;
	keep(told, sizeof(told) / sizeof(told[0]));
	answer = incident_summary(dir, noon_ns);
	check(answer, 3, 1, 2, 2, true);
	check_shown(answer, "a d c e b");
	one = json_array_get(json_object_get(answer, "most_severe"), 1);
	assert_true(json_is_false(json_object_get(one, "open")));
	assert_string_equal(json_string_value(json_object_get(one, "severity")), "high");
	assert_string_equal(json_string_value(json_object_get(one, "title")), "somebody got in");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(one, "geo"), "country")), "NL");
	json_decref(answer);
}

/* Few are shown; and of very many records only the newest are read. */
static void test_bounds(void **state)
{
	struct told *told = calloc(INCIDENT_SUMMARY_RECORDS + 1, sizeof(*told));
	char id[8][4];
	json_t *answer;

	(void)state;
	assert_non_null(told);
	for (size_t i = 0; i < 8; i++)
		snprintf(id[i], sizeof(id[i]), "%zu", i);
	for (size_t i = 0; i <= INCIDENT_SUMMARY_RECORDS; i++)
		told[i] = (struct told){ (int64_t)i - INCIDENT_SUMMARY_RECORDS, id[1 + i % 7],
			"grew", "high" };
	told[0].id = id[0]; /* too long ago by one */
	keep(told + 1, 70);
	answer = incident_summary(dir, noon_ns);
	check(answer, 7, 0, 7, 0, true);
	assert_int_equal(
		json_array_size(json_object_get(answer, "most_severe")), INCIDENT_SUMMARY_MOST);
	json_decref(answer);
	assert_int_equal(tear_down(state), 0);
	set_up(state);
	keep(told, INCIDENT_SUMMARY_RECORDS + 1);
	answer = incident_summary(dir, noon_ns);
	check(answer, 7, 0, 7, 0, false);
	json_decref(answer);
	free(told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_none),
		TEST(test_cannot_be_read),
		TEST(test_some),
		TEST(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
