/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/run_args.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

struct parse {
	struct run_args *args;
	const char *wants;
};

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case 'c':
		parse->args->conf = arg;
		return 0;
	case 'j':
		parse->args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!parse->wants || parse->args->verb)
			argp_error(state, "too many arguments");
		parse->args->verb = arg;
		return 0;
	case ARGP_KEY_END:
		if (parse->wants && !parse->args->verb)
			argp_error(state, "%s is missing", parse->wants);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void run_args_parse(
	int argc, char **argv, const char *doc, const char *wants, struct run_args *ret_args)
{
	static const struct argp_option options[] = {
		{ "config", 'c', "FILE", 0, "Configuration (" CONF_PATH_DEFAULT ")", 0 },
		{ "json", 'j', NULL, 0, "JSON, where there is something to print", 0 },
		{ 0 },
	};
	struct parse parse = { .args = ret_args, .wants = wants };
	const struct argp argp = {
		.options = options, .parser = parse_one, .args_doc = wants, .doc = doc
	};
	char name[64];

	*ret_args = (struct run_args){ .conf = CONF_PATH_DEFAULT };
	snprintf(name, sizeof(name), "fishbowl %s", argv[0]);
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &parse);
}

struct conf *run_conf_load(const char *path)
{
	struct conf *conf;
	char *faults = NULL;

	if (conf_load(path, &conf, &faults) == 0)
		return conf;
	fputs(faults ? faults : "out of memory", stderr);
	fputc('\n', stderr);
	free(faults);
	return NULL;
}

void run_args_complain(const struct conf *conf, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		fprintf(stderr,
			"fishbowl does not run with run_dir %s; `fishbowl run` or `systemctl "
			"start fishbowl` starts it\n",
			conf->top.run_dir);
	else if (error == -EACCES)
		fprintf(stderr, "fishbowl: not allowed to ask: be root or in the group fishbowl\n");
	else
		fprintf(stderr, "fishbowl: no answer from the gateway: %s\n", strerror(-error));
}
