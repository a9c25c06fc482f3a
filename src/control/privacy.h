/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privacy - how much of a frame may be kept (settings.def, section privacy): the law of the place may let an owner
 * read only what is said to his honeypots, or only where who connects was told first.
 *
 *   full         everything
 *   minimise     what honeypots say to third parties, by headers only: relayed mail and chat is not the owner's.
 *                Resolvers and NTP servers of the configuration are the owner's.
 *   banner_only  whole conversations with the services in `bannered` only; of all others headers
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/policy.h"

struct flow;
struct frame;
struct gate_answer;

/* Bytes of the frame that may be captured: all of it, or up to where its payload begins. */
uint32_t privacy_keep(
	const struct policy *policy, const struct gate_answer *answer, const struct frame *frame);
/* What a conversation's record says of consent: NULL when no services are listed. */
const char *privacy_consent(const struct policy *policy, const struct flow *flow);
