/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later - frames that are to be sent at a later time: refusals and what a slow line holds back.
 *
 * All memory is allocated by later_new(): slots of three sizes, and a frame takes one of the
 * smallest that holds it. One honeypot gets at most a quarter of the slots of each size, so that it
 * cannot starve the others. Putting and taking cost O(log n). To forget all that waits (lockdown),
 * pop until later_next_ns() is INT64_MAX.
 */
#pragma once

#include <stdint.h>

#define LATER_BYTES_MAX  (8u << 20)
#define LATER_FRAMES_MAX 11552 /* slots of all sizes */
#define LATER_FRAME_MAX  16384 /* bytes of the longest frame */

struct later;

struct later_frame {
	int64_t due_ns;
	const uint8_t *data;
	uint32_t len;
	uint32_t out_ports;
	unsigned in_port;
	uint16_t honeypot;
};

/* -ENOMEM. */
int later_new(struct later **ret_later);
struct later *later_free(struct later *later);

/* Copies the frame. `honeypot`: the gate's number of it; all that are none share one share.
 * -ENOSPC: no slot, or none left of this honeypot's share; -EMSGSIZE: longer than
 * LATER_FRAME_MAX. */
int later_put(struct later *later, int64_t due_ns, uint32_t out_ports, unsigned in_port,
	uint16_t honeypot, const uint8_t *data, uint32_t len);

/* The frame that is due first, if its time has come, else NULL. What is due at the same time
 * comes in the order in which it was put. */
const struct later_frame *later_due(const struct later *later, int64_t now_ns);
/* Takes off the frame that is due first; there must be one. It and its bytes stay readable until
 * the next later_put(). */
void later_pop(struct later *later);
/* When the first frame is due; INT64_MAX: there is none. */
int64_t later_next_ns(const struct later *later);
