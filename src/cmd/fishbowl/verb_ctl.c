/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl ctl - asks something of the running gateway, or orders it. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/ctl_lockdown.h"
#include "cmd/fishbowl/ctl_show.h"
#include "cmd/fishbowl/run_args.h"

enum { ARGS_MAX = 64, KEY_FOR = 256, KEY_UNTIL, KEY_REASON, KEY_MATCH };
enum { LOCKDOWN_PATIENCE_S = 2, RELOAD_PATIENCE_S = 80 }; /* rules take their time */
enum { EXIT_USAGE = 2 };

struct options {
	const char *conf;
	const char *arg[ARGS_MAX]; /* the first is the verb */
	size_t n;
	double for_s;
	const char *until, *reason, *match;
	bool json;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" CONF_PATH_DEFAULT ")", 0 },
	{ "for", KEY_FOR, "TIME", 0, "The order holds so long: 90s, 15m, 2h, 1d", 0 },
	{ "until", KEY_UNTIL, "TIME", 0,
		"It holds until then: 2026-01-31T12:00:00Z, '2026-01-31 12:00'", 0 },
	{ "reason", KEY_REASON, "TEXT", 0, "Why, for the records", 0 },
	{ "match", KEY_MATCH, "ADDRESS", 0, "Only entries of a list that have this address", 0 },
	{ "json", 'j', NULL, 0, "The whole answer as JSON", 0 },
	{ 0 },
};

static const char *const doc =
	"Asks the running gateway something, or gives it an order.\v"
	"Verbs:\n"
#define CTL(id, verb, args, early, text) "  " verb " " args "\n      " text "\n"
#include "cmd/fishbowl/ctl.def"
#undef CTL
	"\nHONEYPOT is a name of the configuration, or all. ENTRY is NET [[PROTOCOL/]PORT[-PORT]]. "
	"Orders hold until they are released, or as --for and --until say, over restarts too; the "
	"latest wins.\n"
	"\nExamples:\n"
	"  fishbowl ctl isolate pot3 --for 2h --reason 'worm'\n"
	"  fishbowl ctl limit pot3 tcp=2/h udp=0/h\n"
	"  fishbowl ctl black add 192.0.2.0/24 tcp/25 --until 2026-01-31T12:00:00Z\n"
	"  fishbowl ctl release pot3\n"
	"  fishbowl ctl release order 17\n"
	"  fishbowl ctl policy pot3\n"
	"  fishbowl ctl lockdown\n"
	"\nExit status: 0 it was done, or noted; 1 not; 2 the command line was not understood.";

static bool parse_for(const char *text, double *ret_s)
{
	static const char units[] = "smhd";
	static const double seconds[] = { 1, 60, 3600, 86400 };
	const char *unit;
	char *end;

	*ret_s = strtod(text, &end);
	if (*text < '0' || *text > '9' || (*end && end[1]))
		return false;
	unit = *end ? strchr(units, *end) : units;
	if (unit)
		*ret_s *= seconds[unit - units];
	return unit && *ret_s > 0;
}

static bool is_verb(const char *name)
{
	static const char *const verbs[] = {
#define CTL(id, verb, args, early, text) verb,
#include "cmd/fishbowl/ctl.def"
#undef CTL
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i], name) == 0)
			return true;
	return false;
}

static void take_argument(struct options *o, const char *value, struct argp_state *state)
{
	if (o->n == 0 && !is_verb(value))
		argp_error(state, "there is no verb '%s'; --help lists them", value);
	if (o->n == ARGS_MAX)
		argp_error(state, "too many arguments");
	o->arg[o->n++] = value;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->conf = value;
		break;
	case 'j':
		o->json = true;
		break;
	case KEY_FOR:
		if (!parse_for(value, &o->for_s))
			argp_error(
				state, "--for '%s' is not a time; write 90s, 15m, 2h or 1d", value);
		break;
	case KEY_UNTIL:
		o->until = value;
		break;
	case KEY_REASON:
		o->reason = value;
		break;
	case KEY_MATCH:
		o->match = value;
		break;
	case ARGP_KEY_ARG:
		take_argument(o, value, state);
		break;
	case ARGP_KEY_END:
		if (o->n == 0)
			argp_error(state, "VERB is missing; --help lists them");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static char *make_request(const struct options *o)
{
	json_t *args = json_array(), *request;
	char *text = NULL;

	for (size_t i = 1; i < o->n; i++)
		json_array_append_new(args, json_string(o->arg[i]));
	request = json_pack("{s:s, s:o, s:o, s:s?, s:s?, s:s?}", "verb", o->arg[0], "args", args,
		"for", o->for_s > 0 ? json_real(o->for_s) : json_null(), "until", o->until,
		"reason", o->reason, "match", o->match);
	if (request)
		text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return text;
}

/* These were JSON before others had sentences. */
static bool is_json_verb(const char *verb)
{
	return strcmp(verb, "status") == 0 || strcmp(verb, "audit") == 0 ||
	       strcmp(verb, "stop") == 0;
}

static int show(const struct options *o, const json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));

	if (o->json || is_json_verb(o->arg[0])) {
		json_dumpf(answer, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		ctl_show(answer);
	}
	return ok ? 0 : 1;
}

static int no_answer(const struct options *o, const struct run_dirs *dirs, int error)
{
	if (strcmp(o->arg[0], "lockdown") != 0 || error == -EACCES || error == -E2BIG) {
		run_args_complain(dirs, error);
		return 1;
	}
	printf("The supervisor does not answer (%s); this is done without it:\n", strerror(-error));
	return ctl_lockdown_alone(dirs->run, dirs->state, o->reason ? o->reason : "") < 0;
}

static int patience_of(const char *verb)
{
	if (strcmp(verb, "lockdown") == 0)
		return LOCKDOWN_PATIENCE_S;
	return strcmp(verb, "reload") == 0 ? RELOAD_PATIENCE_S : CTL_PATIENCE_S;
}

int verb_ctl(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, "VERB [ARGUMENT...]", NULL,
		NULL, NULL, NULL };
	struct argp mine = argp;
	struct options o = { .conf = CONF_PATH_DEFAULT };
	struct run_dirs dirs;
	json_t *answer = NULL;
	char *request;
	int r;

	mine.doc = doc;
	argv[0] = (char[]){ "fishbowl ctl" };
	if (argp_parse(&mine, argc, argv, 0, NULL, &o) != 0)
		return EXIT_USAGE;
	if (!run_dirs_find(o.conf, &dirs))
		return 1;
	request = make_request(&o);
	if (!request) {
		fprintf(stderr, "fishbowl: an argument is no text (UTF-8)\n");
		return EXIT_USAGE;
	}
	r = ctl_ask(dirs.run, request, patience_of(o.arg[0]), &answer);
	free(request);
	r = r < 0 ? no_answer(&o, &dirs, r) : show(&o, answer);
	if (r != 0 && answer && json_is_false(json_object_get(answer, "nics_locked")))
		r = ctl_lockdown_alone(dirs.run, dirs.state, o.reason ? o.reason : "") < 0;
	json_decref(answer);
	return r;
}
