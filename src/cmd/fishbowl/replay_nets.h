/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_nets - lists of networks as rule languages write them, for --home and --external:
 * "any", "10.0.0.0/8", "!10.0.0.5", "[192.168.0.0/16,10.0.0.0/8,!10.1.0.0/16]", "!$HOME_NET".
 *
 * An address is in a list when some plain member holds it (or there is none), and no negated one
 * does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"

#define REPLAY_NETS_MAX       1024 /* members of one list, those of inner lists included */
#define REPLAY_NETS_DEPTH_MAX 8    /* lists inside lists */

struct replay_nets;

/* `home` is what $HOME_NET stands for; NULL where it may not be used. Must outlive the result.
 * -EINVAL with a text in *ret_fault that says what is wrong and what would be right (static). */
int replay_nets_parse(const char *text, const struct replay_nets *home,
	struct replay_nets **ret_nets, const char **ret_fault);
struct replay_nets *replay_nets_free(struct replay_nets *nets);
bool replay_nets_hold(const struct replay_nets *nets, const struct ip *ip);
