/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut - packets out of the capture directory into one new pcapng file.
 *
 * Segments that the day databases have indexed are read at the offsets of the flows wanted; the others
 * are scanned: by flow id in the comments, and by the addresses in the frames.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/ip.h"
#include "capture/segment.h"

/* All that is set must hold. */
struct cut_query {
	int64_t from_ns, to_ns; /* from <= time < to; INT64_MIN, INT64_MAX: open */
	bool has_host;
	struct ip_prefix host;
	bool has_peer;
	struct ip_prefix peer;
	int32_t port;  /* -1: any */
	int16_t proto; /* -1: any */
	uint64_t flow; /* 0: any */
};

/* Only times are given: every packet of that time, whatever flow, is wanted. */
static inline bool cut_query_is_time_only(const struct cut_query *q)
{
	return !q->has_host && !q->has_peer && q->port < 0 && q->proto < 0 && q->flow == 0;
}

struct cut_place {
	uint64_t number; /* of the segment */
	uint64_t offset;
};

/* What the databases know. */
struct cut_plan {
	struct cut_place *place; /* owned */
	size_t n_places, places_room;
	uint64_t *indexed; /* owned: numbers of the segments that need no scan, ascending */
	size_t n_indexed, indexed_room;
	uint64_t *outside; /* owned: numbers of the segments without a packet of the time wanted */
	size_t n_outside, outside_room;
	uint64_t *flow; /* owned: ids wanted */
	size_t n_flows, flows_room;
};
/* Fills the plan from the day databases below state_dir; leaves it empty when there are none.
 * Conversations that go on have no record yet: their ids come from the segments that are not
 * indexed. */
int cut_plan_from_store(const char *state_dir, int capture_fd, const struct cut_query *query,
	struct cut_plan *plan);
/* Adds the flow ids of the frames wanted in the segments that are not indexed. */
int cut_plan_live_flows(int capture_fd, const struct cut_query *query, struct cut_plan *plan);
/* The same question without any database: all segments are read. */
int cut_plan_by_scan(int capture_fd, const struct cut_query *query, struct cut_plan *plan);
int cut_plan_add(void **array, size_t *n, size_t *room, const void *element, size_t size);
void cut_plan_done(struct cut_plan *plan);

struct cut_segment {
	char name[SEGMENT_NAME_MAX];
	uint64_t packets; /* taken from it */
	bool scanned;
	char error[200]; /* why not all of it could be read; "" */
};

struct cut_result {
	uint64_t packets;
	struct cut_segment *segment; /* owned: those that were looked into */
	size_t n_segments;
	bool pinned;
};

/* Writes the packets to `out`. 0 or -errno (-E2BIG: too many different interfaces). Segments that
 * cannot be read are left out and named in the result. */
int cut_run(int dir_fd, const struct cut_query *query, struct cut_plan *plan, FILE *out,
	struct cut_result *ret_result);
void cut_result_done(struct cut_result *result);
