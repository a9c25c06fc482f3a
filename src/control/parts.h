/* SPDX-License-Identifier: Apache-2.0 */
/* parts - the verdicts on the frames of a datagram that arrived in parts (control/whole.h). */
#pragma once

#include "control/gate.h"
#include "control/whole.h"
#include "frame/frame.h"

struct parts {
	struct frame whole; /* private */
	struct frame frame; /* the part that was judged last */
	struct gate_answer answer;
};

/* Judges part `i`, in turn from 0: all together if the set is complete, else each as a fragment that must
 * not leave. `packet`: as for gate_judge(). */
void parts_judge(struct parts *parts, struct gate *gate, const struct whole_set *set, unsigned i,
	const struct gate_time *now, uint64_t packet);
