/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/incident_summary.h"

#include <errno.h>
#include <string.h>

#include "store/query.h"

enum level { LEVEL_MEDIUM, LEVEL_HIGH, LEVEL_CRITICAL, LEVELS };

static const char *const level_words[LEVELS] = { "medium", "high", "critical" };

struct summary {
	json_t *seen; /* by number: an older record of the same one says nothing more */
	uint64_t records, open, of_level[LEVELS];
	json_t *first[LEVELS]; /* INCIDENT_SUMMARY_MOST of each */
};

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

/* One that has no known word counts for the least. */
static enum level level_of(const json_t *incident)
{
	enum level level = LEVEL_CRITICAL;

	while (level > LEVEL_MEDIUM && strcmp(text(incident, "severity"), level_words[level]) != 0)
		level--;
	return level;
}

static json_t *describe(const json_t *line, bool open)
{
	static const char *const names[] = { "id", "severity", "class", "first", "last" };
	const json_t *incident = json_object_get(line, "incident");
	json_t *one = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set(one, names[i], json_object_get(incident, names[i]));
	json_object_set_new(one, "open", json_boolean(open));
	json_object_set(one, "title", json_object_get(json_object_get(line, "fishbowl"), "title"));
	json_object_set(one, "geo", json_object_get(line, "geo"));
	return one;
}

static void add(struct summary *s, const json_t *line)
{
	const json_t *incident = json_object_get(line, "incident");
	bool open = strcmp(text(incident, "stage"), "closed") != 0;
	enum level level = level_of(incident);

	s->open += open;
	s->of_level[level]++;
	if (json_array_size(s->first[level]) < INCIDENT_SUMMARY_MOST)
		json_array_append_new(s->first[level], describe(line, open));
}

/* What has no number is none of ours. */
static int take(void *context, const struct store_event *event)
{
	struct summary *s = context;
	json_t *line = json_loadb(event->json, event->json_len, JSON_ALLOW_NUL, NULL);
	const char *id = text(json_object_get(line, "incident"), "id");

	s->records++;
	if (id[0] && !json_object_get(s->seen, id)) {
		json_object_set_new(s->seen, id, json_true());
		add(s, line);
	}
	json_decref(line);
	return 0;
}

static int ask(struct summary *s, const char *state_dir, int64_t now_ns)
{
	struct store_query *query;
	struct store_filter filter;
	int r = store_query_open(state_dir, &query);

	if (r < 0)
		return r;
	store_filter_init(&filter);
	filter.type = EVENT_INCIDENT;
	filter.from_ns = now_ns - INT64_C(1000000000) * INCIDENT_SUMMARY_S;
	filter.newest_first = true;
	filter.limit = INCIDENT_SUMMARY_RECORDS;
	r = store_query_events(query, &filter, take, s);
	store_query_close(query);
	return r;
}

static json_t *most_severe(const struct summary *s)
{
	json_t *all = json_array(), *one;
	size_t n;

	for (enum level level = LEVELS; level-- > LEVEL_MEDIUM;)
		json_array_foreach(s->first[level], n, one)
		{
			if (json_array_size(all) < INCIDENT_SUMMARY_MOST)
				json_array_append(all, one);
		}
	return all;
}

json_t *incident_summary(const char *state_dir, int64_t now_ns)
{
	struct summary s = { .seen = json_object() };
	json_t *answer = json_object();
	uint64_t told = 0;
	int r;

	for (enum level level = 0; level < LEVELS; level++)
		s.first[level] = json_array();
	r = ask(&s, state_dir, now_ns);
	for (enum level level = LEVELS; level-- > 0;) {
		told += s.of_level[level];
		json_object_set_new(
			answer, level_words[level], json_integer((json_int_t)s.of_level[level]));
	}
	json_object_set_new(answer, "open", json_integer((json_int_t)s.open));
	json_object_set_new(answer, "told", json_integer((json_int_t)told));
	json_object_set_new(
		answer, "complete", json_boolean(r == 0 && s.records < INCIDENT_SUMMARY_RECORDS));
	json_object_set_new(answer, "most_severe", most_severe(&s));
	if (r < 0)
		json_object_set_new(answer, "error", json_string(strerror(-r)));
	for (enum level level = 0; level < LEVELS; level++)
		json_decref(s.first[level]);
	json_decref(s.seen);
	return answer;
}
