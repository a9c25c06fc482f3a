/* SPDX-License-Identifier: Apache-2.0 */
/* cut, the part that asks the day databases. */
#include <errno.h>

#include "cmd/fishbowl/cut.h"
#include "store/query.h"

static int add_segment(void *context, const struct store_segment *indexed)
{
	struct cut_plan *plan = context;
	struct segment segment;

	if (!segment_parse(indexed->name, &segment))
		return 0;
	return cut_plan_add((void **)&plan->indexed, &plan->n_indexed, &plan->indexed_room,
		&segment.number, sizeof(segment.number));
}

struct outside {
	const struct cut_query *query;
	struct cut_plan *plan;
};

static int add_outside(void *context, const struct store_segment *indexed)
{
	const struct outside *o = context;
	struct cut_plan *plan = o->plan;
	struct segment segment;

	if (!segment_parse(indexed->name, &segment) ||
		(indexed->last_ns >= o->query->from_ns && indexed->first_ns < o->query->to_ns))
		return 0;
	return cut_plan_add((void **)&plan->outside, &plan->n_outside, &plan->outside_room,
		&segment.number, sizeof(segment.number));
}

static int add_flow(void *context, const struct store_flow *flow)
{
	struct cut_plan *plan = context;

	return cut_plan_add((void **)&plan->flow, &plan->n_flows, &plan->flows_room, &flow->id,
		sizeof(flow->id));
}

static int add_packets(void *context, const struct store_packets *packets)
{
	struct cut_plan *plan = context;
	struct segment segment;
	int result = 0;

	if (!segment_parse(packets->segment, &segment))
		return 0;
	for (size_t i = 0; i < packets->n && result == 0; i++) {
		struct cut_place place = { segment.number, packets->offset[i] };

		result = cut_plan_add((void **)&plan->place, &plan->n_places, &plan->places_room,
			&place, sizeof(place));
	}
	return result;
}

static int ask(struct store_query *store, int capture_fd, const struct cut_query *query,
	struct cut_plan *plan)
{
	struct store_filter filter;
	int result;

	/* All packets of a time: a scan of the segments that have any. */
	if (cut_query_is_time_only(query))
		return store_query_segments(
			store, add_outside, &(struct outside){ .query = query, .plan = plan });
	store_filter_init(&filter);
	filter.from_ns = query->from_ns;
	filter.to_ns = query->to_ns;
	filter.has_host = query->has_host;
	filter.host = query->host;
	filter.has_peer = query->has_peer;
	filter.peer = query->peer;
	filter.port = query->port;
	filter.proto = query->proto;
	filter.flow = query->flow;
	result = store_query_segments(store, add_segment, plan);
	if (result == 0 && query->flow)
		result = add_flow(plan, &(struct store_flow){ .id = query->flow });
	else if (result == 0)
		result = store_query_flows(store, &filter, add_flow, plan);
	if (result == 0 && !query->flow)
		result = cut_plan_live_flows(capture_fd, query, plan);
	for (size_t i = 0; i < plan->n_flows && result == 0; i++)
		result = store_query_packets(store, plan->flow[i], add_packets, plan);
	return result;
}

int cut_plan_from_store(
	const char *state_dir, int capture_fd, const struct cut_query *query, struct cut_plan *plan)
{
	struct store_query *store;
	int result = store_query_open(state_dir, &store);

	if (result < 0)
		return result;
	result = ask(store, capture_fd, query, plan);
	store_query_close(store);
	return result;
}
