/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "capture/pcapng.h"
#include "capture/reader.h"
#include "capture/zfile.h"
#include "frame/frame.h"

enum { INTERFACES_MAX = 64, HEAD_READ = 4096, EPB_FIXED = 28 };

/* An interface description that is in the output. */
struct interface {
	uint8_t *block;
	uint32_t len;
};

struct cut {
	const struct cut_query *query;
	struct cut_plan *plan;
	FILE *out;
	struct interface interface[INTERFACES_MAX];
	uint32_t n_interfaces;
	uint32_t map[RING_INTERFACES_MAX]; /* of the current segment */
	uint32_t n_mapped;
	int error;    /* -errno of the output */
	uint8_t *buf; /* of one block */
	struct cut_segment *now;
};

int cut_plan_add(void **array, size_t *n, size_t *room, const void *element, size_t size)
{
	if (*n == *room) {
		size_t more = *room ? 2 * *room : 256;
		void *grown = reallocarray(*array, more, size);

		if (!grown)
			return -ENOMEM;
		*array = grown;
		*room = more;
	}
	memcpy((char *)*array + *n * size, element, size);
	++*n;
	return 0;
}

void cut_plan_done(struct cut_plan *plan)
{
	free(plan->place);
	free(plan->indexed);
	free(plan->outside);
	free(plan->flow);
	*plan = (struct cut_plan){ 0 };
}

static int compare_numbers(const void *a_, const void *b_)
{
	const uint64_t *a = a_, *b = b_;

	return *a < *b ? -1 : *a > *b;
}

static int compare_places(const void *a_, const void *b_)
{
	const struct cut_place *a = a_, *b = b_;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool has_number(const uint64_t *array, size_t n, uint64_t number)
{
	return n > 0 && bsearch(&number, array, n, sizeof(*array), compare_numbers);
}

/* ---- the output ---- */

static void put(struct cut *c, const void *bytes, size_t len)
{
	if (c->error == 0 && fwrite(bytes, 1, len, c->out) != len)
		c->error = errno ? -errno : -EIO;
}

/* Number in the output of this interface; written when it is new. */
static int add_interface(struct cut *c, const uint8_t *block, uint32_t len)
{
	struct interface *new;

	for (uint32_t i = 0; i < c->n_interfaces; i++)
		if (c->interface[i].len == len && memcmp(c->interface[i].block, block, len) == 0)
			return (int)i;
	if (c->n_interfaces == INTERFACES_MAX)
		return -E2BIG;
	new = &c->interface[c->n_interfaces];
	new->block = malloc(len);
	if (!new->block)
		return -ENOMEM;
	memcpy(new->block, block, len);
	new->len = len;
	put(c, block, len);
	return (int)c->n_interfaces++;
}

static void on_block(void *context, const struct capture_block *block)
{
	struct cut *c = context;
	int number;

	if (block->type != PCAPNG_IDB || block->swapped || c->n_mapped == RING_INTERFACES_MAX)
		return;
	number = add_interface(c, block->block, block->block_len);
	if (number < 0)
		c->error = number;
	else
		c->map[c->n_mapped++] = (uint32_t)number;
}

/* Copies a block with the interface's number in the output. */
static void put_packet(struct cut *c, const uint8_t *block, uint32_t len, uint32_t interface)
{
	uint32_t number;

	if (interface >= c->n_mapped || len < EPB_FIXED)
		return;
	number = c->map[interface];
	put(c, block, 8);
	put(c, &number, sizeof(number));
	put(c, block + 12, len - 12);
	c->now->packets++;
}

/* ---- choosing by the frame ---- */

static bool in(bool asked, const struct ip_prefix *prefix, const struct ip *ip)
{
	return !asked || ip_in_prefix(ip, prefix);
}

/* Host on one side and peer on the other, either way round. */
static bool addresses_match(const struct cut_query *q, const struct ip *a, const struct ip *b)
{
	if (!q->has_host && !q->has_peer)
		return true;
	return (in(q->has_host, &q->host, a) && in(q->has_peer, &q->peer, b)) ||
	       (in(q->has_host, &q->host, b) && in(q->has_peer, &q->peer, a));
}

static bool packet_matches(const struct cut_query *q, const struct frame_packet *p)
{
	if (!addresses_match(q, &p->src, &p->dst) || (q->proto >= 0 && p->proto != q->proto))
		return false;
	return q->port < 0 || (p->has_transport && (p->sport == q->port || p->dport == q->port));
}

static bool frame_matches(const struct cut_query *q, const uint8_t *data, uint32_t len)
{
	struct frame frame;

	if (q->flow)
		return false; /* the comment would have told */
	frame_parse(data, len, FRAME_LINK_ETHERNET, &frame);
	for (unsigned i = 0; i < frame.n_packets; i++)
		if (packet_matches(q, &frame.packet[i]))
			return true;
	if (frame.has_quoted && packet_matches(q, &frame.quoted))
		return true;
	return frame.is_arp && q->port < 0 && q->proto < 0 &&
	       addresses_match(q, &frame.arp_sender, &frame.arp_target);
}

static bool time_matches(const struct cut_query *q, int64_t time_ns)
{
	return time_ns >= q->from_ns && time_ns < q->to_ns;
}

static bool is_wanted(const struct cut *c, const struct capture_packet *packet)
{
	uint64_t flow = pcapng_comment_flow(packet->comment.at, packet->comment.len);

	if (!time_matches(c->query, packet->time_ns))
		return false;
	if (cut_query_is_time_only(c->query))
		return true;
	return (flow && has_number(c->plan->flow, c->plan->n_flows, flow)) ||
	       frame_matches(c->query, packet->data, packet->len);
}

/* ---- segments ---- */

static int open_segment(
	struct cut *c, int dir_fd, struct zfile **ret_file, struct capture_reader **ret_reader)
{
	int result = zfile_open(dir_fd, c->now->name, ret_file);

	if (result == 0) {
		result = capture_reader_new_source(zfile_read, *ret_file, ret_reader);
		if (result < 0)
			zfile_close(*ret_file);
	}
	if (result < 0) {
		snprintf(c->now->error, sizeof(c->now->error), "%s", strerror(-result));
		return result;
	}
	c->n_mapped = 0;
	capture_reader_on_block(*ret_reader, on_block, c);
	return 0;
}

/* The last segment may be growing: a block that is not there yet is no fault. */
static void scan(struct cut *c, int dir_fd, bool newest)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	struct zfile *file;
	int result;

	c->now->scanned = true;
	if (open_segment(c, dir_fd, &file, &reader) < 0)
		return;
	while ((result = capture_reader_next(reader, &packet)) == 1 && c->error == 0)
		if (is_wanted(c, &packet))
			put_packet(c, packet.block, packet.block_len, packet.interface);
	if (result < 0 && !newest)
		snprintf(c->now->error, sizeof(c->now->error), "%s", capture_reader_error(reader));
	capture_reader_free(reader);
	zfile_close(file);
}

/* One packet at its offset; false when no packet is there. */
static bool copy_at(struct cut *c, struct zfile *file, uint64_t offset)
{
	ssize_t got = zfile_read_at(file, offset, c->buf, HEAD_READ);
	struct cur head = cur_make(c->buf, got > 0 ? (size_t)got : 0);
	uint32_t type = cur_le32(&head), len = cur_le32(&head), interface = cur_le32(&head);
	uint64_t ticks = (uint64_t)cur_le32(&head) << 32;

	ticks |= cur_le32(&head);
	if (!cur_ok(&head) || type != PCAPNG_EPB || len < EPB_FIXED || len % 4 ||
		len > CAPTURE_PACKET_MAX + PCAPNG_BLOCK_MAX)
		return false;
	if (len > (size_t)got && zfile_read_at(file, offset, c->buf, len) != (ssize_t)len)
		return false;
	head = cur_make(c->buf, len);
	cur_skip(&head, len - 4);
	if (cur_le32(&head) != len)
		return false;
	if (time_matches(c->query, (int64_t)ticks))
		put_packet(c, c->buf, len, interface);
	return true;
}

static void copy(struct cut *c, int dir_fd, const struct cut_place *place, size_t n)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	struct zfile *file;

	if (open_segment(c, dir_fd, &file, &reader) < 0)
		return;
	(void)capture_reader_next(reader, &packet); /* the interfaces come before it */
	for (size_t i = 0; i < n && c->error == 0; i++)
		if ((i == 0 || place[i].offset != place[i - 1].offset) &&
			!copy_at(c, file, place[i].offset) && c->now->error[0] == '\0')
			snprintf(c->now->error, sizeof(c->now->error),
				"no packet where the index says (byte %llu)",
				(unsigned long long)place[i].offset);
	capture_reader_free(reader);
	zfile_close(file);
}

static const struct cut_place *find_places(
	const struct cut_plan *plan, uint64_t number, size_t *ret_n)
{
	size_t low = 0, high = plan->n_places, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plan->place[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < plan->n_places && plan->place[end].number == number;)
		end++;
	*ret_n = end - low;
	return plan->n_places ? plan->place + low : NULL;
}

static void cut_segment(struct cut *c, int dir_fd, const struct segment *segment, bool newest)
{
	bool indexed = has_number(c->plan->indexed, c->plan->n_indexed, segment->number);
	const struct cut_place *place;
	size_t n;

	if (has_number(c->plan->outside, c->plan->n_outside, segment->number))
		return;
	memcpy(c->now->name, segment->name, sizeof(c->now->name));
	if (!indexed) {
		scan(c, dir_fd, newest);
		return;
	}
	place = find_places(c->plan, segment->number, &n);
	if (n > 0)
		copy(c, dir_fd, place, n);
}

static void sort_plan(struct cut_plan *plan)
{
	if (plan->n_places)
		qsort(plan->place, plan->n_places, sizeof(*plan->place), compare_places);
	if (plan->n_indexed)
		qsort(plan->indexed, plan->n_indexed, sizeof(*plan->indexed), compare_numbers);
	if (plan->n_outside)
		qsort(plan->outside, plan->n_outside, sizeof(*plan->outside), compare_numbers);
	if (plan->n_flows)
		qsort(plan->flow, plan->n_flows, sizeof(*plan->flow), compare_numbers);
}

static void put_section(struct cut *c)
{
	struct pcapng_section section = { .program = "Fishbowl " FISHBOWL_VERSION,
		.comment = "cut from a Fishbowl capture" };

	put(c, c->buf, pcapng_put_section(c->buf, &section));
}

static int add_live_flows(
	int dir_fd, const char *name, const struct cut_query *query, struct cut_plan *plan)
{
	struct capture_reader *reader;
	struct capture_packet packet;
	struct zfile *file;
	uint64_t last = 0;
	int result = zfile_open(dir_fd, name, &file);

	if (result < 0)
		return 0; /* cut_run will say so */
	result = capture_reader_new_source(zfile_read, file, &reader);
	while (result == 0 && capture_reader_next(reader, &packet) == 1) {
		uint64_t flow = pcapng_comment_flow(packet.comment.at, packet.comment.len);

		if (flow == 0 || flow == last || !time_matches(query, packet.time_ns) ||
			!frame_matches(query, packet.data, packet.len))
			continue;
		last = flow;
		result = cut_plan_add((void **)&plan->flow, &plan->n_flows, &plan->flows_room,
			&flow, sizeof(flow));
	}
	if (result == 0 || result == -ENOMEM)
		capture_reader_free(reader);
	zfile_close(file);
	return result;
}

/* Sorts, and takes out what is there twice. */
static void sort_flows(struct cut_plan *plan)
{
	size_t kept = 0;

	if (plan->n_flows)
		qsort(plan->flow, plan->n_flows, sizeof(*plan->flow), compare_numbers);
	for (size_t i = 0; i < plan->n_flows; i++)
		if (kept == 0 || plan->flow[kept - 1] != plan->flow[i])
			plan->flow[kept++] = plan->flow[i];
	plan->n_flows = kept;
}

int cut_plan_live_flows(int dir_fd, const struct cut_query *query, struct cut_plan *plan)
{
	struct segment *segment;
	size_t n;
	int result = segment_list(dir_fd, &segment, &n);

	if (result < 0)
		return result;
	sort_plan(plan);
	for (size_t i = 0; i < n && result == 0; i++)
		if (!has_number(plan->indexed, plan->n_indexed, segment[i].number))
			result = add_live_flows(dir_fd, segment[i].name, query, plan);
	free(segment);
	sort_flows(plan);
	return result;
}

int cut_plan_by_scan(int dir_fd, const struct cut_query *query, struct cut_plan *plan)
{
	if (cut_query_is_time_only(query))
		return 0;
	if (query->flow)
		return cut_plan_add((void **)&plan->flow, &plan->n_flows, &plan->flows_room,
			&query->flow, sizeof(query->flow));
	return cut_plan_live_flows(dir_fd, query, plan);
}

int cut_run(int dir_fd, const struct cut_query *query, struct cut_plan *plan, FILE *out,
	struct cut_result *ret_result)
{
	struct cut c = { .query = query,
		.plan = plan,
		.out = out,
		.buf = malloc(CAPTURE_PACKET_MAX + PCAPNG_BLOCK_MAX) };
	struct cut_result result = { 0 };
	struct segment *segment = NULL;
	size_t n = 0;

	c.error = c.buf ? segment_list(dir_fd, &segment, &n) : -ENOMEM;
	result.segment = calloc(n + 1, sizeof(*result.segment));
	if (!result.segment)
		c.error = -ENOMEM;
	if (c.error == 0)
		put_section(&c);
	sort_plan(plan);
	for (size_t i = 0; i < n && c.error == 0; i++) {
		c.now = &result.segment[result.n_segments];
		cut_segment(&c, dir_fd, &segment[i], i + 1 == n);
		result.packets += c.now->packets;
		if (c.now->packets || c.now->error[0])
			result.n_segments++;
		else
			*c.now = (struct cut_segment){ 0 };
	}
	free(segment);
	free(c.buf);
	for (uint32_t i = 0; i < c.n_interfaces; i++)
		free(c.interface[i].block);
	if (c.error == 0 && fflush(out) != 0)
		c.error = -errno;
	if (c.error == 0)
		*ret_result = result;
	else
		cut_result_done(&result);
	return c.error;
}

void cut_result_done(struct cut_result *result)
{
	free(result->segment);
	*result = (struct cut_result){ 0 };
}
