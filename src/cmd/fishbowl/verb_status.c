/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl status - what the running gateway does, for people; --json gives all of it. */
#include "cmd/fishbowl/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/out.h"
#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/incident_summary.h"
#include "cmd/fishbowl/place_text.h"
#include "cmd/fishbowl/run_args.h"

enum { EXIT_NOT_RUNNING = 3 }; /* as init scripts have it */
enum { NAMES_MAX = 20, LINE_SIZE = 1024 };

static const char *const doc =
	"Shows what the running gateway does. Exit status 0: it runs without a warning; 1: with "
	"warnings; 3: it does not run.";

static long long number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static bool is(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static const char *bytes(long long n, char buf[static 32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)n;
	size_t unit = 0;

	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	snprintf(buf, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

static void print_head(const json_t *status)
{
	long long up = number(status, "uptime");

	printf("fishbowl %s, honeynet %s: running for %lld d %02lld:%02lld:%02lld, pid %lld\n",
		text(status, "version"), text(status, "honeynet"), up / 86400, up / 3600 % 24,
		up / 60 % 60, up % 60, number(status, "pid"));
}

static void print_processes(const json_t *processes)
{
	const json_t *process;
	size_t i;

	printf("\n%-10s %-9s %8s %9s %10s\n", "process", "state", "pid", "restarts", "heartbeat");
	json_array_foreach(processes, i, process)
	{
		printf("%-10s %-9s %8lld %9lld %8.1f s\n", text(process, "name"),
			text(process, "state"), number(process, "pid"), number(process, "restarts"),
			json_real_value(json_object_get(process, "heartbeat")));
	}
}

static void print_nics(const json_t *nics)
{
	const json_t *nic;
	size_t i;

	printf("\n%-15s %-8s %-5s %14s %14s\n", "NIC", "side", "link", "received", "sent");
	json_array_foreach(nics, i, nic)
	{
		printf("%-15s %-8s %-5s %14lld %14lld\n", text(nic, "name"), text(nic, "side"),
			!is(nic, "present") ? "gone"
			: is(nic, "link")   ? "up"
					    : "down",
			number(nic, "rx_packets"), number(nic, "tx_packets"));
	}
}

static void print_frames(json_t *frames)
{
	const char *reason;
	json_t *count;

	printf("\nframes: %lld received, %lld passed, %lld dropped, %lld missed by the kernel\n",
		number(frames, "received"), number(frames, "passed"), number(frames, "dropped"),
		number(frames, "missed"));
	json_object_foreach(json_object_get(frames, "by_reason"), reason, count)
	{
		printf("  %-22s %lld\n", reason, (long long)json_integer_value(count));
	}
	printf("conversations: %lld open, %lld in all\n", number(frames, "flows_active"),
		number(frames, "flows_total"));
}

static void print_lens(const json_t *lens)
{
	double lag = json_real_value(json_object_get(lens, "lag_seconds"));

	if (!json_is_object(lens))
		return;
	printf("lens: %lld packets read, ", number(lens, "packets"));
	if (lag > 0)
		printf("%lld packets (%.1f s) behind; ", number(lens, "lag_packets"), lag);
	else
		printf("up to date; ");
	printf("%lld records, %lld alerts\n", number(lens, "records"), number(lens, "alerts"));
}

static void print_files(const json_t *files)
{
	char a[32], b[32];

	if (!json_is_object(files))
		return;
	printf("files: %lld kept, %s of %s; %lld seen, %lld of them new, %lld not kept; %lld being "
	       "carried\n",
		number(files, "kept"), bytes(number(files, "bytes"), a),
		bytes(number(files, "budget"), b), number(files, "seen"), number(files, "new"),
		number(files, "not_stored"), number(files, "open"));
}

static void print_stores(const json_t *status)
{
	const json_t *capture = json_object_get(status, "capture");
	const json_t *records = json_object_get(status, "records");
	const json_t *audit = json_object_get(status, "audit");
	char a[32], b[32], c[32];
	long long size = number(capture, "ring_size");

	printf("capture: %s, %lld frames; %s of %s; ring %lld %% full\n", text(capture, "segment"),
		number(capture, "frames"), bytes(number(capture, "stored"), a),
		bytes(number(capture, "budget"), b),
		size ? number(capture, "ring_used") * 100 / size : 0);
	printf("records: %lld; journal %s, databases %s\n", number(records, "records"),
		bytes(number(records, "journal"), a), bytes(number(records, "database"), c));
	print_lens(json_object_get(status, "lens"));
	print_files(json_object_get(status, "files"));
	if (json_is_object(audit))
		printf("audit: %s at %s%s%s\n",
			is(audit, "agree") ? "all layers agree" : "DIFFERENCE", text(audit, "time"),
			text(audit, "detail")[0] ? ": " : "", text(audit, "detail"));
	else
		printf("audit: none yet\n");
}

static void print_incident(const json_t *incident)
{
	char line[LINE_SIZE];
	struct out o = out_make(line, sizeof(line));

	out_fmt(&o, "  %-8s  %-6s  %s  %.10s %.8s  ", text(incident, "severity"),
		is(incident, "open") ? "open" : "closed", text(incident, "id"),
		text(incident, "last"),
		strlen(text(incident, "last")) > 11 ? text(incident, "last") + 11 : "");
	out_quoted(&o, text(incident, "title"), strlen(text(incident, "title")));
	place_text_of(&o, json_object_get(incident, "geo"));
	puts(line);
}

static void print_levels(const json_t *incidents)
{
	static const char *const levels[] = { "critical", "high", "medium" };
	const char *before = ": ";

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (number(incidents, levels[i]) > 0) {
			printf("%s%lld %s", before, number(incidents, levels[i]), levels[i]);
			before = ", ";
		}
}

static void print_incidents(const json_t *incidents)
{
	const json_t *incident;
	size_t i;

	printf("incidents: %lld open, %s%lld in the last 24 hours", number(incidents, "open"),
		is(incidents, "complete") ? "" : "at least ", number(incidents, "told"));
	print_levels(incidents);
	puts(number(incidents, "told") ? " (`fishbowl incidents`)" : "");
	if (text(incidents, "error")[0])
		printf("  not all of them could be read: %s\n", text(incidents, "error"));
	json_array_foreach(json_object_get(incidents, "most_severe"), i, incident)
		print_incident(incident);
}

static void print_names(const char *head, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (i < NAMES_MAX)
			printf("%s%s", i == 0 ? head : ", ", json_string_value(name));
	}
	if (json_array_size(names) > NAMES_MAX)
		printf(" and %zu more", json_array_size(names) - NAMES_MAX);
	if (json_array_size(names) > 0)
		putchar('\n');
}

static void print_policy(const json_t *policy)
{
	const json_t *attendance = json_object_get(policy, "attendance");
	long long orders = number(policy, "orders"), left;

	printf("policy: generation %lld, %s; ", number(policy, "generation"),
		is(policy, "applied") ? "in force" : "NOT taken up by fb-gate yet");
	printf(orders ? "%lld order%s in force (`fishbowl ctl orders`)\n" : "no orders\n", orders,
		orders == 1 ? "" : "s");
	print_names("  isolated: ", json_object_get(policy, "isolated"));
	print_names("  roach motel: ", json_object_get(policy, "roach_motel"));
	if (!json_is_object(attendance))
		return;
	left = number(attendance, "limit") - number(attendance, "absent");
	printf("attendance: last acknowledged %lld min ago; ", number(attendance, "absent") / 60);
	printf(left > 0 ? "roach motel in %lld min\n" : "roach motel for all\n", (left + 59) / 60);
}

static void print_rules(const json_t *rules)
{
	if (!json_is_object(rules))
		return;
	printf("rules: %lld loaded, %lld refused, %s\n", number(rules, "loaded"),
		number(rules, "refused"), is(rules, "in_force") ? "in force" : "NOT in force");
	printf("  hits %lld; frames changed %lld, dropped %lld, undecided %lld, held now %lld\n",
		number(rules, "hits"), number(rules, "changed"), number(rules, "dropped"),
		number(rules, "undecided"), number(rules, "held"));
}

static void print_warnings(const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		printf("%sWARNING: %s\n", i == 0 ? "\n" : "", json_string_value(warning));
	}
}

static int show(const json_t *status, bool json)
{
	const json_t *warnings = json_object_get(status, "warnings");

	if (json) {
		json_dumpf(status, stdout, JSON_INDENT(1));
		putchar('\n');
	} else if (!is(status, "ok")) {
		printf("%s\n", text(status, "error"));
	} else {
		print_head(status);
		print_processes(json_object_get(status, "processes"));
		print_nics(json_object_get(status, "nics"));
		print_frames(json_object_get(status, "frames"));
		print_stores(status);
		print_incidents(json_object_get(status, "incidents"));
		print_policy(json_object_get(status, "policy"));
		print_rules(json_object_get(status, "rules"));
		print_warnings(warnings);
	}
	return is(status, "ok") && json_array_size(warnings) == 0 ? 0 : 1;
}

int verb_status(int argc, char **argv)
{
	struct run_args args;
	struct run_dirs dirs;
	json_t *status;
	int r;

	run_args_parse(argc, argv, doc, NULL, &args);
	if (!run_dirs_find(args.conf, &dirs))
		return 1;
	r = ctl_ask(dirs.run, "status", CTL_PATIENCE_S, &status);
	if (r < 0) {
		run_args_complain(&dirs, r);
		return r == -EACCES ? 1 : EXIT_NOT_RUNNING;
	}
	json_object_set_new(status, "incidents",
		incident_summary(dirs.state, INT64_C(1000000000) * time(NULL)));
	r = show(status, args.json);
	json_decref(status);
	return r;
}
