/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl run - the gateway, in the foreground. */
#include "cmd/fishbowl/verbs.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd/fishbowl/run_args.h"
#include "cmd/fishbowl/supervisor.h"
#include "conf/conf.h"

static const char *const doc = "Runs the gateway between the NICs of the configuration, in the "
			       "foreground, until SIGTERM or "
			       "^C. A second one hurries.";

int verb_run(int argc, char **argv)
{
	struct run_args args;
	struct conf *conf;
	int status;

	run_args_parse(argc, argv, doc, NULL, &args);
	conf = run_conf_load(args.conf);
	if (!conf)
		return 1;
	if (geteuid() != 0) {
		fprintf(stderr,
			"fishbowl: `fishbowl run` must be started as root: it opens the NICs "
			"and then gives each process a user of its own\n");
		conf_free(conf);
		return 1;
	}
	status = supervisor_run(conf);
	conf_free(conf);
	return status;
}
