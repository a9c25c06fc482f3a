/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl - the one command a person types: finds the verb and hands over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/fishbowl/verbs.h"

struct verb {
	const char *name;
	const char *arguments;
	const char *text;
	int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
#define VERB(id, name, arguments, text) { name, arguments, text, verb_##id },
#include "cmd/fishbowl/verbs.def"
#undef VERB
};

enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]), EXIT_USAGE = 2 };

static void print_help(FILE *to)
{
	fprintf(to, "Usage: fishbowl VERB [ARGUMENTS]\n"
		    "A contained network in which intruders can be watched.\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-14s %s\n", verbs[i].name, verbs[i].text);
	fprintf(to, "\n`fishbowl VERB --help` tells more; so does fishbowl(8).\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		puts("fishbowl " FISHBOWL_VERSION);
		return 0;
	}
	verb = find_verb(argv[1]);
	if (!verb) {
		fprintf(stderr, "fishbowl: no verb '%s'; `fishbowl --help` lists them\n", argv[1]);
		return EXIT_USAGE;
	}
	return verb->run(argc - 1, argv + 1);
}
