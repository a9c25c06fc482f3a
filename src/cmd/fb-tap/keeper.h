/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper - the thread that looks after closed segments, at idle priority so that it never takes the
 * frame path's time: seals them in order, compresses them, removes the oldest for the budget. It
 * alone writes the manifest. It tells what it did through a small queue.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/segment.h"
#include "cmd/fb-tap/tap.h"

struct keeper_news {
	const char *action; /* "sealed", "compressed", "removed" */
	char segment[SEGMENT_NAME_MAX + 8];
	uint64_t bytes;
	uint64_t first_packet, last_packet;
	int error; /* -errno: could not be done */
};

struct keeper;

/* Reads the manifest; the thread starts with keeper_start (after the sandbox is entered). */
int keeper_new(const struct tap_setup *setup, struct keeper **ret_keeper);
uint64_t keeper_last_number(const struct keeper *keeper);
int keeper_start(struct keeper *keeper);
/* Segments with smaller numbers are closed. */
void keeper_set_open(struct keeper *keeper, uint64_t number);
/* The disk is full: free space before anything else. */
void keeper_set_urgent(struct keeper *keeper, bool urgent);
/* Much is being written: sealing and compressing wait, half a minute at most. */
void keeper_set_busy(struct keeper *keeper, bool busy);
/* Next piece of news; false when there is none (or the keeper is just writing one). */
bool keeper_news(struct keeper *keeper, struct keeper_news *ret_news);
/* Bytes of all segments, and how many were removed. */
uint64_t keeper_stored(const struct keeper *keeper);
uint64_t keeper_removed(const struct keeper *keeper);
/* Seals what is closed, for at most a few seconds, and ends. */
void keeper_stop(struct keeper *keeper);
struct keeper *keeper_free(struct keeper *keeper);
