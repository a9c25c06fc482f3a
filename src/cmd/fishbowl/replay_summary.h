/* SPDX-License-Identifier: Apache-2.0 */
/* replay_summary - what a replay saw, for people. The text depends on the packets only. */
#pragma once

#include <stdbool.h>

struct out;
struct replay;

#define REPLAY_SUMMARY_MAX 16384

void replay_summary(struct out *o, const struct replay *replay, bool policy);
