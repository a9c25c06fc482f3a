/* SPDX-License-Identifier: Apache-2.0 */
/* replay_summary - what a replay saw, for people: in lines of at most 80 columns. The text depends on the packets
 * only. */
#pragma once

#include <stdbool.h>

#include "cmd/fishbowl/replay_found.h"

struct out;
struct replay;

#define REPLAY_SUMMARY_MAX (16384 + FOUND_TEXT_MAX)

void replay_summary(struct out *o, struct replay *replay, bool policy);
