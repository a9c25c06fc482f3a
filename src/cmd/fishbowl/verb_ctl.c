/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl ctl - asks something of the running gateway. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/run_args.h"
#include "conf/conf.h"

static const char *const doc = "Asks the running gateway to do something.\v"
#define CTL(id, verb, text) "  " verb "\t" text "\n"
#include "cmd/fishbowl/ctl.def"
#undef CTL
	;

int verb_ctl(int argc, char **argv)
{
	struct run_args args;
	struct conf *conf;
	json_t *answer;
	bool ok;
	int r;

	run_args_parse(argc, argv, doc, "VERB", &args);
	conf = run_conf_load(args.conf);
	if (!conf)
		return 1;
	r = ctl_ask(conf->top.run_dir, args.verb, &answer);
	if (r < 0) {
		run_args_complain(conf, r);
		conf_free(conf);
		return 1;
	}
	conf_free(conf);
	ok = json_is_true(json_object_get(answer, "ok"));
	json_dumpf(answer, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(answer);
	return ok ? 0 : 1;
}
