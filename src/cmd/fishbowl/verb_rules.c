/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl rules - are rules understood, and what do they mean? */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "cmd/fishbowl/rules_files.h"
#include "cmd/fishbowl/rules_profile.h"
#include "cmd/fishbowl/rules_propose.h"
#include "conf/conf.h"
#include "rules/convert.h"
#include "rules/explain.h"
#include "rules/files.h"
#include "rules/parse.h"

enum { KEY_MANUAL = 256, KEY_ENABLED };
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, SETTINGS_MAX = 256, FAULT_TEXT_MAX = 1 << 16 };

struct options {
	const char *config, *classes, *thresholds;
	struct conf *conf;                 /* what `config` says; names of its files are borrowed */
	const char *setting[SETTINGS_MAX]; /* NAME=VALUE */
	size_t n_settings;
	bool json, manual, enabled;
	char **argument; /* what are no options */
	int n_arguments;
};

static const struct argp_option common_options[] = {
	{ "config", 'c', "FILE", 0,
		"variables of this configuration; and its rules, if no FILE is given", 0 },
	{ "set", 'S', "NAME=VALUE", 0, "set a variable; networks are any if nothing is said", 0 },
	{ "classes", 'C', "FILE", 0, "classification.config: classes and their priorities", 0 },
	{ "thresholds", 'T', "FILE", 0, "threshold.conf: what is told of which rules", 0 },
	{ "manual", KEY_MANUAL, NULL, OPTION_HIDDEN, "words as in the manual page", 0 },
	{ "enabled", KEY_ENABLED, NULL, 0, "convert: without rules that are switched off", 0 },
	{ "json", 'j', NULL, 0, "as one JSON object", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config = value;
		break;
	case 'C':
		options->classes = value;
		break;
	case 'T':
		options->thresholds = value;
		break;
	case KEY_ENABLED:
		options->enabled = true;
		break;
	case KEY_MANUAL:
		options->manual = true;
		break;
	case 'j':
		options->json = true;
		break;
	case 'S':
		if (!strchr(value, '=') || options->n_settings == SETTINGS_MAX)
			argp_error(state, "give a variable as -S NAME=VALUE");
		options->setting[options->n_settings++] = value;
		break;
	case ARGP_KEY_ARGS:
		options->argument = state->argv + state->next;
		options->n_arguments = state->argc - state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- variables and files ---- */

static int set_variable(struct rules_text *text, const char *setting)
{
	const char *equals = strchr(setting, '=');
	char *name = strndup(setting, (size_t)(equals - setting));
	int r = name ? rules_text_set(text, name, equals + 1) : -1;

	free(name);
	if (r == 0)
		return 0;
	fprintf(stderr, "fishbowl rules: %s: not a variable; write -S HOME_NET=10.0.0.0/8\n",
		setting);
	return EXIT_USAGE;
}

/* The variables of the configuration; its files, too, when none are named. */
static int load_conf(struct rules_text *text, struct options *options)
{
	char *faults = NULL;
	const struct conf_top *top;

	if (conf_load(options->config, &options->conf, &faults) < 0) {
		fprintf(stderr, "%s\n", faults ? faults : "out of memory");
		free(faults);
		return EXIT_USAGE;
	}
	top = &options->conf->top;
	if (!options->classes && *top->classification_file)
		options->classes = top->classification_file;
	if (!options->thresholds && *top->threshold_file)
		options->thresholds = top->threshold_file;
	if (rules_files_set_variables(options->conf, text) == 0)
		return 0;
	fputs("fishbowl rules: out of memory\n", stderr);
	return EXIT_USAGE;
}

static int load_rules(struct rules_text *text, const struct options *options, int first)
{
	int status = 0;

	for (int i = first; i < options->n_arguments && status == 0; i++)
		status = rules_file_read(text, options->argument[i], rules_text_read);
	if (options->conf && options->n_arguments <= first)
		for (size_t i = 0; i < options->conf->top.rules.n && status == 0; i++)
			status = rules_file_read(
				text, options->conf->top.rules.text[i], rules_text_read);
	return status;
}

static int load_all(struct rules_text *text, struct options *options, int first)
{
	int status = options->config ? load_conf(text, options) : 0;

	for (size_t i = 0; i < options->n_settings && status == 0; i++)
		status = set_variable(text, options->setting[i]);
	if (status == 0 && options->classes)
		status = rules_file_read(text, options->classes, rules_text_read_classes);
	if (status == 0)
		status = load_rules(text, options, first);
	if (status == 0 && options->thresholds)
		status = rules_file_read(text, options->thresholds, rules_text_read_thresholds);
	return status;
}

/* ---- reasons, counted ---- */

struct count {
	const char *reason;
	uint32_t n;
};

static int compare_counts(const void *a, const void *b)
{
	const struct count *left = a, *right = b;

	if (left->n != right->n)
		return left->n < right->n ? 1 : -1;
	return strcmp(left->reason, right->reason);
}

enum { REASONS_MAX = 64 };

static size_t count_reasons(const struct rules_text *text, struct count count[static REASONS_MAX])
{
	size_t n = 0;

	for (uint32_t i = 0; i < text->n_faults; i++) {
		size_t j = 0;

		while (j < n && strcmp(count[j].reason, text->fault[i].reason) != 0)
			j++;
		if (j == REASONS_MAX)
			continue;
		if (j == n)
			count[n++] = (struct count){ text->fault[i].reason, 0 };
		count[j].n++;
	}
	qsort(count, n, sizeof(*count), compare_counts);
	return n;
}

/* ---- check ---- */

static void print_fault(const struct rules_fault *fault)
{
	char buf[FAULT_TEXT_MAX];
	struct out o = out_make(buf, sizeof(buf));

	out_quoted(&o, fault->file, strlen(fault->file));
	out_fmt(&o, ":%u:%u: ", fault->line, fault->column);
	if (fault->sid)
		out_fmt(&o, "sid %u: ", fault->sid);
	out_fmt(&o, "%s: ", fault->reason);
	out_quoted(&o, fault->text, strlen(fault->text));
	puts(buf);
}

static void print_text(const struct rules_text *text)
{
	struct count count[REASONS_MAX];
	size_t n = count_reasons(text, count);

	for (uint32_t i = 0; i < text->n_faults; i++)
		print_fault(&text->fault[i]);
	printf("%u rules loaded, %u refused, %u switched off", text->n_loaded, text->n_faults,
		text->n_disabled);
	if (text->n_superseded)
		printf("; %u of the loaded give way to another with their sid", text->n_superseded);
	putchar('\n');
	for (size_t i = 0; i < n; i++)
		printf("%8u %s\n", count[i].n, count[i].reason);
}

static void print_fault_json(const struct rules_fault *fault, bool first)
{
	char buf[FAULT_TEXT_MAX];
	struct out o = out_make(buf, sizeof(buf));

	out_str(&o, first ? "{\"file\":" : ",{\"file\":");
	out_json_text(&o, fault->file, strlen(fault->file));
	out_fmt(&o,
		",\"line\":%u,\"column\":%u,\"sid\":%u,\"reason\":\"%s\",\"text\":", fault->line,
		fault->column, fault->sid, fault->reason);
	out_json_text(&o, fault->text, strlen(fault->text));
	out_char(&o, '}');
	fputs(buf, stdout);
}

static void print_json(const struct rules_text *text)
{
	struct count count[REASONS_MAX];
	size_t n = count_reasons(text, count);

	printf("{\"loaded\":%u,\"refused\":%u,\"disabled\":%u,\"superseded\":%u,\"reasons\":{",
		text->n_loaded, text->n_faults, text->n_disabled, text->n_superseded);
	for (size_t i = 0; i < n; i++)
		printf("%s\"%s\":%u", i ? "," : "", count[i].reason, count[i].n);
	fputs("},\"refusals\":[", stdout);
	for (uint32_t i = 0; i < text->n_faults; i++)
		print_fault_json(&text->fault[i], i == 0);
	puts("]}");
}

static int check(struct rules_text *text, struct options *options)
{
	int status = load_all(text, options, 0);

	if (status != 0)
		return status;
	if (options->json)
		print_json(text);
	else
		print_text(text);
	if (fflush(stdout) != 0)
		return EXIT_USAGE;
	return text->n_faults > 0 ? EXIT_REFUSED : 0;
}

/* ---- explain ---- */

static int print_rule(const struct rules_text *text, const struct rule *rule)
{
	char *buf = malloc(RULES_EXPLAIN_MAX);
	struct out o = out_make(buf, buf ? RULES_EXPLAIN_MAX : 0);

	if (!buf)
		return EXIT_USAGE;
	rule_explain(text, rule, &o);
	fputs(buf, stdout);
	free(buf);
	return 0;
}

static int explain(struct rules_text *text, struct options *options)
{
	char *end;
	unsigned long sid = strtoul(options->argument[0], &end, 10);
	unsigned found = 0;
	int status;

	if (*end || sid == 0 || sid > UINT32_MAX) {
		fprintf(stderr, "fishbowl rules explain: %s is not the number of a rule\n",
			options->argument[0]);
		return EXIT_USAGE;
	}
	status = load_all(text, options, 1);
	for (uint32_t i = 0; i < text->n_rules && status == 0; i++)
		if (text->rule[i]->sid == sid) {
			if (found++)
				putchar('\n');
			status = print_rule(text, text->rule[i]);
		}
	for (uint32_t i = 0; i < text->n_faults && status == 0; i++)
		if (text->fault[i].sid == sid) {
			print_fault(&text->fault[i]);
			found++;
		}
	if (status == 0 && found == 0) {
		fprintf(stderr, "fishbowl rules explain: there is no rule %lu in these files\n",
			sid);
		return EXIT_REFUSED;
	}
	return status;
}

/* ---- convert ---- */

static bool wants_mark(const struct rule *rule, bool *wanted, enum rule_bit_command command)
{
	bool some = false;

	for (unsigned i = 0; i < rule->n_options; i++) {
		const struct rule_option *option = &rule->option[i];

		for (unsigned j = 0; option->keyword == RULE_FLOWBITS && j < option->bits.n; j++) {
			if (option->bits.command != command)
				continue;
			some |= wanted[option->bits.name[j]];
			if (command == RULE_BIT_ISSET)
				wanted[option->bits.name[j]] = true;
		}
	}
	return some;
}

static void convert_rules(
	const struct rules_text *text, struct out *o, bool *wanted, uint32_t count[static 4])
{
	for (uint32_t i = 0; i < text->n_rules; i++) {
		enum rule_conversion how;

		o->len = 0;
		o->full = false;
		how = rule_convert(text->rule[i], o);
		if (!out_ok(o))
			how = RULE_CONVERT_NOT;
		count[how]++;
		if (how == RULE_CONVERT_NOT)
			continue;
		wants_mark(text->rule[i], wanted, RULE_BIT_ISSET);
		fputs(o->at, stdout);
	}
}

/* Rules that set the marks which converted ones wait for. */
static uint32_t convert_marks(const struct rules_text *text, struct out *o, bool *wanted)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < text->n_rules; i++) {
		o->len = 0;
		o->full = false;
		if (!wants_mark(text->rule[i], wanted, RULE_BIT_SET) ||
			!rule_convert_mark(text->rule[i], o) || !out_ok(o))
			continue;
		fputs(o->at, stdout);
		n++;
	}
	return n;
}

static int convert(struct rules_text *text, struct options *options)
{
	bool *wanted = calloc(RULES_NAMES_MAX, sizeof(*wanted));
	char *buf = malloc(RULE_CONVERT_MAX);
	struct out o = out_make(buf, buf ? RULE_CONVERT_MAX : 0);
	uint32_t count[4] = { 0 }, marks;
	int status;

	text->take_disabled = !options->enabled;
	status = wanted && buf ? load_all(text, options, 0) : EXIT_USAGE;
	if (status == 0) {
		convert_rules(text, &o, wanted, count);
		marks = convert_marks(text, &o, wanted);
		fprintf(stderr,
			"%u rules converted: %u replace, %u drop, %u alert; %u more set marks for "
			"them; %u are not about what comes from outside\n",
			count[RULE_CONVERT_REPLACE] + count[RULE_CONVERT_DROP] +
				count[RULE_CONVERT_ALERT],
			count[RULE_CONVERT_REPLACE], count[RULE_CONVERT_DROP],
			count[RULE_CONVERT_ALERT], marks, count[RULE_CONVERT_NOT]);
	}
	free(wanted);
	free(buf);
	return status == 0 && fflush(stdout) != 0 ? EXIT_USAGE : status;
}

/* ---- words ---- */

static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\_*#[]~<>`", *text))
			putchar('\\');
		putchar(*text);
	}
}

static int print_words(struct rules_text *text, struct options *options)
{
	const char *name, *meaning;

	(void)text;
	for (size_t i = 0; rules_word(i, &name, &meaning); i++) {
		if (!options->manual) {
			printf("%-24s %s\n", name, meaning);
			continue;
		}
		putchar('*');
		print_escaped(name);
		fputs("*\n\t", stdout);
		print_escaped(meaning);
		fputs("\n\n", stdout);
	}
	return fflush(stdout) == 0 ? 0 : EXIT_USAGE;
}

/* ---- the verb ---- */

static const struct sub_verb {
	const char *name, *arguments, *text;
	int least; /* arguments */
	int (*run)(struct rules_text *text, struct options *options);
	int (*main)(int argc, char **argv); /* of a verb with options of its own */
} sub_verbs[] = {
	{ "check", "FILE...",
		"Reads rules and says which are refused, and why.\vExit status: 0 all are "
		"loaded, 1 some were refused, 2 a file cannot be read.",
		1, check, NULL },
	{ "explain", "SID FILE...", "Says what a rule looks at.", 2, explain, NULL },
	{ "convert", "FILE...",
		"Turns rules against attacks on us into rules that disarm attacks of ours.", 1,
		convert, NULL },
	{ "propose", "[CAPTURE...]", "Writes a rule from captured conversations.", 0, NULL,
		rules_propose },
	{ "profile", "CAPTURE...", "Says which rules take most time.", 0, NULL, rules_profile },
	{ "words", "", "Prints the words of the rule language.", 0, print_words, NULL },
};
enum { SUB_VERBS = sizeof(sub_verbs) / sizeof(sub_verbs[0]) };

static int run(const struct sub_verb *verb, int argc, char **argv)
{
	const struct argp argp = { common_options, parse_option, verb->arguments, verb->text, NULL,
		NULL, NULL };
	struct options options = { 0 };
	struct rules_text *text;
	char name[40];
	int status;

	snprintf(name, sizeof(name), "fishbowl rules %s", verb->name);
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return EXIT_USAGE;
	if (options.n_arguments < verb->least - (options.config != NULL)) {
		fprintf(stderr, "Usage: %s [OPTION...] %s\n", name, verb->arguments);
		return EXIT_USAGE;
	}
	if (rules_text_new(&text) < 0) {
		fputs("fishbowl rules: out of memory\n", stderr);
		return EXIT_USAGE;
	}
	status = verb->run(text, &options);
	rules_text_free(text);
	conf_free(options.conf);
	return status;
}

static void print_help(FILE *to)
{
	fputs("Usage: fishbowl rules VERB [OPTION...] ARGUMENTS\n\nVerbs:\n", to);
	for (size_t i = 0; i < SUB_VERBS; i++)
		fprintf(to, "  %-10s %-14s %.*s\n", sub_verbs[i].name, sub_verbs[i].arguments,
			(int)strcspn(sub_verbs[i].text, "\v"), sub_verbs[i].text);
	fputs("\nfishbowl-rules(1) tells of the language.\n", to);
}

int verb_rules(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < SUB_VERBS; i++)
		if (strcmp(argv[1], sub_verbs[i].name) == 0)
			return sub_verbs[i].run ? run(&sub_verbs[i], argc - 1, argv + 1)
						: sub_verbs[i].main(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_help(stdout);
		return 0;
	}
	print_help(stderr);
	return EXIT_USAGE;
}
