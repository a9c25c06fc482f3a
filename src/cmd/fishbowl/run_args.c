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

/* `key = "value"` on a line of its own, as it is always written. */
static void find_line(FILE *file, const char *key, char value[static CONF_PATH_MAX])
{
	char line[512], name[32], text[CONF_PATH_MAX];

	rewind(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %31[a-z_] = %*[\"']%79[^\"'\n]", name, text) == 2 &&
			strcmp(name, key) == 0)
			memcpy(value, text, sizeof(text));
}

static bool find_lines(const char *path, struct run_dirs *dirs)
{
	FILE *file = fopen(path, "re");
	struct conf *defaults;

	if (!file || conf_default(&defaults) < 0) {
		fprintf(stderr, "fishbowl: %s: %s; -c names another file\n", path, strerror(errno));
		if (file)
			fclose(file);
		return false;
	}
	snprintf(dirs->run, sizeof(dirs->run), "%s", defaults->top.run_dir);
	snprintf(dirs->state, sizeof(dirs->state), "%s", defaults->top.state_dir);
	conf_free(defaults);
	find_line(file, "run_dir", dirs->run);
	find_line(file, "state_dir", dirs->state);
	fclose(file);
	return true;
}

bool run_dirs_find(const char *path, struct run_dirs *ret_dirs)
{
	struct conf *conf;
	char *faults = NULL;

	if (conf_load(path, &conf, &faults) == 0) {
		snprintf(ret_dirs->run, sizeof(ret_dirs->run), "%s", conf->top.run_dir);
		snprintf(ret_dirs->state, sizeof(ret_dirs->state), "%s", conf->top.state_dir);
		conf_free(conf);
		return true;
	}
	free(faults);
	if (!find_lines(path, ret_dirs))
		return false;
	fprintf(stderr,
		"fishbowl: %s has faults (`fishbowl check-config` shows them); the gateway in %s "
		"is "
		"asked\n",
		path, ret_dirs->run);
	return true;
}

void run_args_complain(const struct run_dirs *dirs, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		fprintf(stderr,
			"fishbowl does not run with run_dir %s; `fishbowl run` or `systemctl "
			"start fishbowl` starts it\n",
			dirs->run);
	else if (error == -EACCES)
		fprintf(stderr, "fishbowl: not allowed to ask: be root or in the group fishbowl\n");
	else
		fprintf(stderr, "fishbowl: no answer from the gateway: %s\n", strerror(-error));
}
