/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl lab - hands over to libexec/fishbowl/fb-lab, which finds this binary in $FISHBOWL. */
#include "cmd/fishbowl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/spawn.h"

int verb_lab(int argc, char **argv)
{
	char program[SPAWN_PATH_MAX];
	char self[SPAWN_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)argc;
	if (n > 0) {
		self[n] = 0;
		setenv("FISHBOWL", self, 1);
	}
	if (spawn_find("fb-lab", program) == 0) {
		argv[0] = program;
		execv(program, argv);
	}
	perror("fishbowl lab: cannot start fb-lab");
	return 1;
}
