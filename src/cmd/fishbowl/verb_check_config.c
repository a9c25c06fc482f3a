/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl check-config - is the configuration right, and what does it mean? */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "base/ip.h"
#include "base/out.h"
#include "rules/files.h"
#include "conf/conf.h"
#include "conf/list.h"
#include "control/policy.h"
#include "rules/parse.h"

enum { REFUSALS_MAX = 20, REFUSAL_SIZE = 1 << 13 };
enum { KEY_SETTINGS = 256, KEY_PRESETS, KEY_MANUAL, TEXT_SIZE = 1 << 18, HONEYPOT_SIZE = 1 << 12 };

struct options {
	const char *path;
	void (*print)(struct out *o);
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "the configuration", 0 },
	{ "settings", KEY_SETTINGS, NULL, 0, "print every setting as an example file and stop", 0 },
	{ "presets", KEY_PRESETS, NULL, 0, "print the presets of limits and stop", 0 },
	{ "manual", KEY_MANUAL, NULL, OPTION_HIDDEN, "print the settings for fishbowl.conf(5)", 0 },
	{ 0 },
};

/* Rules that are not installed would be a fault. */
static void print_example(struct out *o)
{
	conf_print_example(o, access(RULES_PATH_SHIPPED, R_OK) == 0 ? RULES_PATH_SHIPPED : NULL);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	if (key == 'c')
		options->path = value;
	else if (key == KEY_SETTINGS)
		options->print = print_example;
	else if (key == KEY_PRESETS)
		options->print = conf_print_presets;
	else if (key == KEY_MANUAL)
		options->print = conf_print_manual;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "give the file as -c %s", value);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

/* ---- what it means ---- */

static void print_sends(
	struct out *o, const struct conf *conf, const struct conf_a_honeypot *honeypot)
{
	if (conf->top.isolate || honeypot->set.isolate) {
		out_str(o, "  isolated: nothing of it leaves, not even answers\n");
	} else if (conf->top.roach_motel || honeypot->set.roach_motel) {
		out_str(o, "  roach motel: it answers, but begins nothing to the outside\n");
	} else {
		out_str(o, "  may send to the outside");
		if (honeypot->set.preset > 0)
			out_fmt(o, ", preset %s", conf_preset_name(honeypot->set.preset - 1));
		out_str(o, ":\n");
		conf_print_limit(o, &honeypot->limit, "    ");
	}
}

static void print_honeypot(
	struct out *o, const struct conf *conf, const struct conf_a_honeypot *honeypot)
{
	char buf[IP_TEXT_MAX], mac[MAC_TEXT_MAX];

	out_fmt(o, "honeypot %s:", honeypot->name);
	for (size_t i = 0; i < honeypot->n_addresses; i++)
		out_fmt(o, " %s", ip_text(&honeypot->address[i], buf));
	out_fmt(o, "\n  MAC %s, ",
		honeypot->has_mac ? mac_text(&honeypot->mac, mac) : "learnt from its first frame");
	if (honeypot->inside < 0)
		out_str(o, "behind any inside NIC\n");
	else
		out_fmt(o, "behind %s\n", conf->top.inside.text[honeypot->inside]);
	print_sends(o, conf, honeypot);
}

static void print_names(struct out *o, const char *head, const struct conf_texts *texts)
{
	if (texts->n == 0)
		return;
	out_str(o, head);
	for (size_t i = 0; i < texts->n; i++)
		out_fmt(o, " %s", texts->text[i]);
	out_char(o, '\n');
}

/* Of the ends that lie ahead. */
static int64_t soonest_end(const struct list *list, int64_t wall_ns)
{
	int64_t soonest = INT64_MAX;

	for (size_t i = 0; i < list->n; i++)
		if (list->rule[i].until_ns > wall_ns && list->rule[i].until_ns < soonest)
			soonest = list->rule[i].until_ns;
	return soonest;
}

static void print_list(struct out *o, const struct conf *conf, enum list_kind kind,
	const struct list *list, int64_t wall_ns)
{
	static const char *const meaning[LIST_COUNT] = { "never reached from a honeypot",
		"dropped in both directions", "reached without limits" };
	size_t files = list_files(conf, kind)->n;
	int64_t end = soonest_end(list, wall_ns);

	if (list->n == 0 && files == 0)
		return;
	out_fmt(o, "%s, %s: %zu %s", list_names[kind], meaning[kind], list->n,
		list->n == 1 ? "entry" : "entries");
	if (files)
		out_fmt(o, ", %zu of them from %zu %s", list->n - list_entries(conf, kind)->n,
			files, files == 1 ? "file" : "files");
	if (end != INT64_MAX) {
		out_str(o, "; the next ends ");
		out_time_rfc3339(o, end);
	}
	out_char(o, '\n');
}

static void print_nets(
	struct out *o, const struct conf *conf, const struct list *list, int64_t wall_ns)
{
	out_fmt(o, "outside: %s\n", conf->top.outside);
	print_names(o, "inside:", &conf->top.inside);
	print_names(o, "resolvers:", &conf->top.resolvers);
	print_names(o, "NTP servers:", &conf->top.ntp_servers);
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		print_list(o, conf, kind, &list[kind], wall_ns);
}

static void print_privacy(struct out *o, const struct conf_privacy *privacy)
{
	out_fmt(o, "privacy: %s", conf_privacy_name(privacy->policy));
	if (privacy->bannered.n > 0)
		out_fmt(o, ", %zu services with a banner", privacy->bannered.n);
	if (*privacy->purpose) {
		out_str(o, "; ");
		out_quoted(o, privacy->purpose, strlen(privacy->purpose));
	}
	out_char(o, '\n');
}

static void print_summary(
	struct out *o, const struct conf *conf, const struct list *list, int64_t wall_ns)
{
	print_nets(o, conf, list, wall_ns);
	out_fmt(o, "limits: preset %s\n", conf_preset_name(conf->top.preset));
	for (size_t i = 0; i < conf->n_honeypots; i++)
		print_honeypot(o, conf, &conf->honeypot[i]);
	conf_print_general(o, conf, "    ");
	print_privacy(o, &conf->privacy);
	out_fmt(o, "capture: %s/capture, at most %" PRIu64 " MiB, %" PRIu64 " MiB stay free\n",
		conf->top.state_dir, conf->capture.budget >> 20, conf->capture.keep_free >> 20);
	out_fmt(o, "records: %s/db, at most %" PRIu64 " MiB and a journal of %" PRIu64 " MiB\n",
		conf->top.state_dir, conf->store.database_budget >> 20,
		conf->store.journal_budget >> 20);
	conf_print_warnings(o, conf, list, wall_ns);
}

/* ---- the rules ---- */

static void print_rules(struct out *o, const struct rules_text *text)
{
	if (!text)
		return;
	out_fmt(o, "rules: %u loaded, %u refused\n", text->n_loaded, text->n_faults);
	for (size_t i = 0; i < text->n_faults && i < REFUSALS_MAX; i++) {
		const struct rules_fault *fault = &text->fault[i];

		out_str(o, "warning: ");
		rules_files_print_fault(o, fault);
	}
	if (text->n_faults > REFUSALS_MAX)
		out_fmt(o,
			"warning: %u more rules are refused; `fishbowl rules check` names them\n",
			text->n_faults - REFUSALS_MAX);
}

/* NULL: there are no files. */
static int read_rules(const struct conf *conf, struct rules_text **ret_text, char **ret_why)
{
	struct rules_files files;
	const char *file;
	int r;

	*ret_text = NULL;
	if (conf->top.rules.n == 0)
		return 0;
	r = rules_files_open(conf, &files, ret_why);
	if (r < 0)
		return r;
	r = rules_files_read(conf, &files, ret_text, &file);
	rules_files_close(conf, &files);
	if (r < 0 && asprintf(ret_why, "%s: %s", file ? file : "rules", rules_file_reason(r)) < 0)
		*ret_why = NULL;
	return r;
}

/* ---- the verb ---- */

static int show(char *text, bool fine)
{
	if (fine)
		fputs(text, stdout);
	free(text);
	return fine && fflush(stdout) == 0 ? 0 : 1;
}

static int print_text(void (*print)(struct out *o))
{
	char *text = malloc(TEXT_SIZE);
	struct out o = out_make(text, text ? TEXT_SIZE : 0);

	if (text)
		print(&o);
	return show(text, text && out_ok(&o));
}

static int print_meaning(const struct options *options, const struct conf *conf,
	const struct list *list, const struct rules_text *rules)
{
	size_t size = TEXT_SIZE + conf->n_honeypots * HONEYPOT_SIZE + CONF_FILE_MAX +
		      REFUSALS_MAX * REFUSAL_SIZE;
	char *text = malloc(size);
	struct out o = out_make(text, text ? size : 0);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (text) {
		out_fmt(&o, "%s: fine\n", options->path);
		print_summary(&o, conf, list, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
		print_rules(&o, rules);
	}
	return show(text, text && out_ok(&o));
}

static int refuse(char *faults)
{
	fprintf(stderr, "%s\n", faults ? faults : "out of memory");
	free(faults);
	return 1;
}

/* What the gate would refuse when it starts. */
static int check_size(const struct conf *conf, const struct list list[static LIST_COUNT])
{
	const struct policy_source source = { .conf = conf, .list = list, .generation = 1 };
	struct policy *policy;
	char *fault = NULL;
	int r = policy_build(&source, &policy);

	if (r == 0) {
		free(policy);
		return 0;
	}
	if (asprintf(&fault, "%s: %s", conf->path,
		    r == -E2BIG
			    ? "the limits of all honeypots together are more than the budgets can "
			      "remember; lower those that are thousands, or use fewer honeypots"
			    : strerror(-r)) < 0)
		fault = NULL;
	return refuse(fault);
}

static int check_rules(
	const struct options *options, const struct conf *conf, const struct list *list)
{
	struct rules_text *rules;
	char *why = NULL;
	int result;

	if (read_rules(conf, &rules, &why) < 0)
		return refuse(why);
	result = print_meaning(options, conf, list, rules);
	rules_text_free(rules);
	return result;
}

static int check(const struct options *options)
{
	struct list list[LIST_COUNT];
	struct conf *conf;
	char *faults = NULL;
	int result;

	if (conf_load(options->path, &conf, &faults) < 0)
		return refuse(faults);
	if (conf_lists_load(conf, list, &faults) < 0) {
		conf_free(conf);
		return refuse(faults);
	}
	result = check_size(conf, list);
	if (result == 0)
		result = check_rules(options, conf, list);
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		list_done(&list[kind]);
	conf_free(conf);
	return result;
}

int verb_check_config(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, NULL,
		"Reads the configuration. Prints what it means, or each fault with its line and "
		"what to "
		"do about it.",
		NULL, NULL, NULL };
	struct options options = { .path = CONF_PATH_DEFAULT };

	argv[0] = (char[]){ "fishbowl check-config" };
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return 2;
	return options.print ? print_text(options.print) : check(&options);
}
