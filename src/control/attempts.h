/* SPDX-License-Identifier: Apache-2.0 */
/* attempts - a honeypot's outbound TCP connections that have no answer yet. Kept by slot of the flow table;
 * those that got their answer, or ended, are forgotten when somebody asks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow/flow.h"

#define ATTEMPTS_MAX 256 /* limit half_open at most */

struct attempts {
	uint32_t n;
	struct attempt {
		uint32_t slot;
		uint64_t flow_id;
	} * attempt; /* ATTEMPTS_MAX of them, the gate's */
};

/* Whether `n` more may begin. */
bool attempts_allow(
	struct attempts *attempts, struct flow_table *table, unsigned n, uint64_t limit);
void attempts_note(struct attempts *attempts, uint32_t slot, uint64_t flow_id);
