/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query - the named questions to the day databases, read-only, also while fb-store writes.
 *
 * A question fans out over the day files that can hold answers, in the order of time asked for, and
 * stops early: at the limit, or when the callback returns non-zero. What a callback gets is borrowed
 * and valid until it returns. Writes nothing, needs no more than read access to the files.
 * A day file that cannot be read is left out; the others are answered, and the result is -EIO.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "event/event.h"

struct store_query;

/* All that is set must hold. store_filter_init() gives one that lets everything through. */
struct store_filter {
	int64_t from_ns; /* records: from <= timestamp < to; flows: that overlap with [from, to) */
	int64_t to_ns;
	enum event_type type; /* EVENT_NONE: any */
	bool has_host;        /* source or destination is in `host` ... */
	struct ip_prefix host;
	bool has_peer; /* ... and the other side in `peer` (without has_host: either side) */
	struct ip_prefix peer;
	int32_t port;         /* source or destination port; -1: any */
	int16_t proto;        /* IP protocol; -1: any */
	const char *honeypot; /* borrowed; NULL: any */
	int32_t reason;       /* enum reason; -1: any */
	uint64_t flow;        /* flow id; 0: any */
	enum severity min_severity;
	uint64_t after_seq; /* only records with a greater sequence number */
	uint64_t limit;     /* answers at most; 0: no limit */
	bool newest_first;
};

void store_filter_init(struct store_filter *ret_filter);

/* `state_dir` as in the configuration; a directory without databases is fine and has no answers. */
int store_query_open(const char *state_dir, struct store_query **ret_query);
/* The same for an open directory of databases, which stays the caller's. */
int store_query_open_at(int db_dir_fd, struct store_query **ret_query);
struct store_query *store_query_close(struct store_query *query);

/* One record: its EVE line without newline. record_from_json() of store/line.h reads it back. */
struct store_event {
	uint64_t seq;
	int64_t time_ns; /* whole microseconds */
	enum event_type type;
	enum severity severity;
	const char *json;
	size_t json_len;
};
typedef int store_event_fn(void *context, const struct store_event *event);

/* 0, what the callback returned, or -errno. In the order of (day, timestamp, sequence number). */
int store_query_events(struct store_query *query, const struct store_filter *filter,
	store_event_fn *fn, void *context);

/* One flow record. `type` and `min_severity` of the filter are not looked at. */
struct store_flow {
	uint64_t id;
	uint64_t seq;
	int64_t start_ns;
	int64_t end_ns;
	struct ip src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	enum direction direction;
	enum verdict verdict;
	enum reason reason;
	uint64_t packets;
	uint64_t bytes;
	const char *honeypot; /* "" when none */
};
typedef int store_flow_fn(void *context, const struct store_flow *flow);

int store_query_flows(struct store_query *query, const struct store_filter *filter,
	store_flow_fn *fn, void *context);

/* Where the packets of a flow are in one segment. */
struct store_packets {
	const char *segment; /* file name as it was when indexed (without .zst) */
	const uint64_t
		*offset; /* of each block from the start of the uncompressed file, ascending */
	size_t n;
};
typedef int store_packets_fn(void *context, const struct store_packets *packets);

/* Flow 0 asks for the packets that belong to no flow. Segments in the order of their names. */
int store_query_packets(
	struct store_query *query, uint64_t flow, store_packets_fn *fn, void *context);

/* The segments that are indexed; the others have to be scanned. first_ns..last_ns: their packets. */
struct store_segment {
	const char *name;
	int64_t first_ns;
	int64_t last_ns;
	uint64_t packets;
};
typedef int store_segment_fn(void *context, const struct store_segment *segment);

int store_query_segments(struct store_query *query, store_segment_fn *fn, void *context);

/* The hourly sums (from the rollups, not from the records). Port -1: any other, or none. */
struct store_hour {
	int64_t hour_ns; /* begin of the hour */
	enum event_type type;
	enum direction direction;
	int32_t port;
	uint64_t records;
	uint64_t packets;
	uint64_t bytes;
};
typedef int store_hour_fn(void *context, const struct store_hour *hour);

int store_query_hours(struct store_query *query, int64_t from_ns, int64_t to_ns, store_hour_fn *fn,
	void *context);

/* Records that the filter lets through, without reading them. */
int store_query_count(
	struct store_query *query, const struct store_filter *filter, uint64_t *ret_n);

/* Greatest sequence number in the databases; 0: none. */
int store_query_last_seq(struct store_query *query, uint64_t *ret_seq);
