/* SPDX-License-Identifier: Apache-2.0 */
/* sides - who began each conversation. The gate's notes name the conversation of a frame, not
 * its side. A table of fixed size; where it is full the one that was idle longest of a few is
 * forgotten. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame;
struct sides;

struct sides_answer {
	unsigned side;  /* 0: the sender of the frame began */
	bool midstream; /* TCP that was under way when it was first seen */
};

int sides_new(size_t conversations, struct sides **ret_sides); /* -ENOMEM */
struct sides *sides_free(struct sides *sides);
/* `answers`: the gate says that the sender did not begin. */
struct sides_answer sides_of(
	struct sides *sides, uint64_t flow_id, const struct frame *frame, bool answers);
