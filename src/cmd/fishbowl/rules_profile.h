/* SPDX-License-Identifier: Apache-2.0 */
/* rules_profile - `fishbowl rules profile`: which rules take most time. The command is in verb_replay.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rules;

struct rules_profile {
	uint32_t count; /* print so many */
	bool json;
};

int rules_profile(int argc, char **argv);

/* What rules_cost() says, the dearest first, to standard output. 0 or -errno. */
int rules_profile_print(const struct rules_profile *profile, const struct rules *rules);
