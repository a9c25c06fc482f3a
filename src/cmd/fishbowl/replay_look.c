/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "control/whole.h"
#include "frame/frame.h"
#include "recover/recover.h"

enum {
	FRAME_MAX = 80 << 10,
	HOLD_NS = 30000000,
	EVENTS_MAX = 15,
	BLOCKS_MAX = 64,
	DATAGRAM_MAX = 1 << 16
};

/* What rides with a held frame. */
struct tag {
	int64_t wall_ns;
	uint64_t packet, flow_id;
	uint8_t direction, side;
};

/* Which 8-byte blocks of a datagram in fragments came. */
struct blocks {
	struct ip src, dst;
	uint32_t id;
	uint64_t bit[DATAGRAM_MAX / 8 / 64];
};

struct replay_look {
	struct replay_look_setup setup;
	struct recover *recover;
	struct whole *whole;
	struct blocks blocks[BLOCKS_MAX]; /* of the last datagrams in fragments */
	unsigned next_blocks;
	uint8_t bytes[FRAME_MAX];
};

static void emit(struct replay_look *look, const struct record *record)
{
	look->setup.emit(look->setup.context, record);
}

int replay_look_new(const struct replay_look_setup *setup, struct replay_look **ret_look)
{
	struct replay_look *look = calloc(1, sizeof(*look));
	struct recover_setup recover = { .inspect = { .rules = setup->rules,
						 .is_inline = setup->is_inline,
						 .when_acked = !setup->is_inline,
						 .midstream = setup->midstream,
						 .flows_max = setup->flows_max,
						 .hold_ns = HOLD_NS },
		.records = true,
		.signatures = setup->signatures,
		.geo = setup->geo,
		.emit = setup->emit,
		.on_text = setup->on_text,
		.keep = setup->keep,
		.context = setup->context };
	int r = -ENOMEM;

	if (!look)
		return -ENOMEM;
	look->setup = *setup;
	r = whole_new(&look->whole);
	if (r == 0)
		r = recover_new(&recover, &look->recover);
	if (r < 0) {
		replay_look_free(look);
		return r;
	}
	*ret_look = look;
	return 0;
}

struct replay_look *replay_look_free(struct replay_look *look)
{
	if (look) {
		recover_free(look->recover);
		whole_free(look->whole);
		free(look);
	}
	return NULL;
}

/* ---- what is stopped ---- */

static void fill_head(const struct tag *tag, const struct frame *f, struct record_head *h)
{
	h->time_ns = tag->wall_ns;
	h->flow_id = tag->flow_id;
	h->packet = tag->packet;
	h->direction = tag->direction;
	h->verdict = VERDICT_DROP;
	if (f->n_packets == 0)
		return;
	h->src = f->packet[0].src;
	h->dst = f->packet[0].dst;
	h->proto = f->packet[0].proto;
	h->sport = f->packet[0].sport;
	h->dport = f->packet[0].dport;
}

static void tell_drop(struct replay_look *look, const struct tag *tag, const struct frame *f,
	const struct inspect_answer *answer)
{
	struct record record = { .type = EVENT_DROP };

	fill_head(tag, f, &record.head);
	record.head.reason = (uint16_t)answer->reason;
	record.drop.reason = (uint16_t)answer->reason;
	record.drop.len = f->wire_len;
	record.drop.count = 1;
	record.drop.src_mac = f->src_mac;
	if (f->n_packets > 0) {
		record.drop.ttl = f->packet[0].ttl;
		record.drop.tcp_flags = f->packet[0].tcp_flags;
	}
	emit(look, &record);
}

static bool is_stopped(const struct inspect_answer *answer)
{
	return answer->verdict == INSPECT_DROP || answer->verdict == INSPECT_REJECT;
}

static void take_released(struct replay_look *look, int64_t steady_ns)
{
	struct inspect_released released;

	while (inspect_next(recover_inspect(look->recover), steady_ns, &released)) {
		struct frame frame;
		struct tag tag;

		if (!is_stopped(&released.answer))
			continue;
		memcpy(&tag, released.tag, sizeof(tag));
		frame_parse(released.bytes, released.len, FRAME_LINK_ETHERNET, &frame);
		tell_drop(look, &tag, &frame, &released.answer);
	}
}

/* ---- frames ---- */

/* Anomalies by the names that rules have for them. */
static const char *event_of(enum frame_anomaly anomaly)
{
	static const char *const names[FRAME_ANOMALY_COUNT] = {
		[FRAME_ANOMALY_ETHERNET_SHORT] = "ethernet.pkt_too_small",
		[FRAME_ANOMALY_TAG_SHORT] = "vlan.header_too_small",
		[FRAME_ANOMALY_TAG_DEPTH] = "vlan.too_many_layers",
		[FRAME_ANOMALY_IP4_SHORT] = "ipv4.pkt_too_small",
		[FRAME_ANOMALY_IP4_VERSION] = "ipv4.wrong_ip_version",
		[FRAME_ANOMALY_IP4_HEADER] = "ipv4.hlen_too_small",
		[FRAME_ANOMALY_IP4_TOTAL] = "ipv4.iplen_smaller_than_hlen",
		[FRAME_ANOMALY_IP4_CUT] = "ipv4.trunc_pkt",
		[FRAME_ANOMALY_IP4_OPTION] = "ipv4.opt_invalid_len",
		[FRAME_ANOMALY_IP6_SHORT] = "ipv6.pkt_too_small",
		[FRAME_ANOMALY_IP6_VERSION] = "ipv6.wrong_ip_version",
		[FRAME_ANOMALY_IP6_CUT] = "ipv6.trunc_pkt",
		[FRAME_ANOMALY_IP6_EXTENSION] = "ipv6.trunc_exthdr",
		[FRAME_ANOMALY_FRAGMENT_RANGE] = "ipv6.frag_pkt_too_large",
		[FRAME_ANOMALY_FRAGMENT_LENGTH] = "ipv6.frag_invalid_length",
		[FRAME_ANOMALY_TCP_SHORT] = "tcp.pkt_too_small",
		[FRAME_ANOMALY_TCP_OFFSET] = "tcp.hlen_too_small",
		[FRAME_ANOMALY_UDP_SHORT] = "udp.pkt_too_small",
		[FRAME_ANOMALY_UDP_LENGTH] = "udp.hlen_invalid",
		[FRAME_ANOMALY_SCTP_SHORT] = "sctp.pkt_too_small",
		[FRAME_ANOMALY_ICMP_SHORT] = "icmpv4.pkt_too_small",
		[FRAME_ANOMALY_GRE_SHORT] = "gre.pkt_too_small",
		[FRAME_ANOMALY_GRE_VERSION] = "gre.wrong_version",
		[FRAME_ANOMALY_PPPOE_SHORT] = "pppoe.pkt_too_small",
		[FRAME_ANOMALY_MPLS_STACK] = "mpls.header_too_small",
	};

	return names[anomaly];
}

/* Of fragments the names are by IP version, of which those of version 6 are in the table. */
static const char *version_of(const char *name, const struct frame *frame)
{
	if (frame->n_packets == 0 || frame->packet[0].version != 4)
		return name;
	if (strcmp(name, "ipv6.frag_pkt_too_large") == 0)
		return "ipv4.frag_pkt_too_large";
	return strcmp(name, "ipv6.frag_invalid_length") == 0 ? NULL : name;
}

/* A fragment header on what is no fragment (RFC 6946). */
static bool has_atomic(const struct frame *frame, const struct frame_packet *p)
{
	enum { FRAGMENT = 44, HEADER = 40 };
	struct cur c = cur_make(frame->data, frame->len);
	uint8_t next;

	if (p->version != 6 || p->is_fragment)
		return false;
	cur_limit(&c, p->l4_at);
	cur_skip(&c, p->l3_at + 6);
	next = cur_u8(&c);
	cur_skip(&c, HEADER - 7);
	while (cur_left(&c) > 0 && next != FRAGMENT) {
		uint8_t len;

		next = cur_u8(&c);
		len = cur_u8(&c);
		cur_skip(&c, 6 + (size_t)len * 8);
	}
	return next == FRAGMENT && cur_ok(&c);
}

static struct blocks *blocks_of(struct replay_look *look, const struct frame_packet *p)
{
	struct blocks *blocks;

	for (unsigned i = 0; i < BLOCKS_MAX; i++) {
		blocks = &look->blocks[i];
		if (blocks->id == p->fragment_id && ip_equal(&blocks->src, &p->src) &&
			ip_equal(&blocks->dst, &p->dst))
			return blocks;
	}
	blocks = &look->blocks[look->next_blocks++ % BLOCKS_MAX];
	*blocks = (struct blocks){ .src = p->src, .dst = p->dst, .id = p->fragment_id };
	return blocks;
}

/* Whether a fragment has bytes that another one of its datagram had. */
static bool overlaps(struct replay_look *look, const struct frame_packet *p)
{
	struct blocks *blocks;
	bool again = false;

	if (!p->is_fragment)
		return false;
	blocks = blocks_of(look, p);
	for (uint32_t at = p->fragment_offset; at < (uint32_t)p->fragment_offset + p->fragment_len;
		at += 8) {
		uint64_t *word = &blocks->bit[at % DATAGRAM_MAX / 8 / 64];
		uint64_t bit = UINT64_C(1) << (at / 8 % 64);

		again |= *word & bit;
		*word |= bit;
	}
	return again;
}

static void name_events(struct replay_look *look, const struct frame *frame,
	const char *ret_events[static EVENTS_MAX + 1])
{
	const struct frame_packet *p = frame->n_packets > 0 ? &frame->packet[0] : NULL;
	unsigned n = 0;

	for (uint64_t left = frame->anomalies; left && n < EVENTS_MAX; left &= left - 1) {
		const char *name = event_of((enum frame_anomaly)__builtin_ctzll(left));

		name = name ? version_of(name, frame) : NULL;
		if (name)
			ret_events[n++] = name;
	}
	if (p && overlaps(look, p) && n < EVENTS_MAX)
		ret_events[n++] = p->version == 6 ? "ipv6.frag_overlap" : "ipv4.frag_overlap";
	if (p && n < EVENTS_MAX && has_atomic(frame, p))
		ret_events[n++] = "ipv6.exthdr_useless_fh";
	ret_events[n] = NULL;
}

static bool is_wrong(const struct replay_look *look, const struct frame *frame)
{
	for (unsigned i = 0; i < frame->n_packets && !look->setup.ignore_checksums; i++)
		if (!frame_sums_right(frame, &frame->packet[i]))
			return true;
	return false;
}

static void look_at(struct replay_look *look, const struct frame *frame,
	const struct gate_answer *answer, const struct gate_time *now, uint64_t packet,
	bool reassembled)
{
	struct frame own = *frame;
	struct tag tag = { .wall_ns = now->wall_ns,
		.packet = packet,
		.flow_id = answer->flow_id,
		.direction = (uint8_t)answer->direction,
		.side = answer->side };
	struct inspect_frame f = { .frame = &own,
		.len = frame->len,
		.bytes = look->bytes,
		.flow_id = answer->flow_id,
		.parent_of_inner = answer->flow_id,
		.side = answer->side,
		.midstream = answer->midstream,
		.reassembled = reassembled,
		.direction = answer->direction,
		.wall_ns = now->wall_ns,
		.steady_ns = now->steady_ns,
		.packet = packet };
	struct inspect_answer said;
	const char *events[EVENTS_MAX + 1];

	name_events(look, frame, events);
	f.events = events;
	if (look->setup.is_inline && frame->len <= FRAME_MAX) {
		memcpy(look->bytes, frame->data, frame->len);
		own.data = look->bytes;
		f.leaves = !frame->packet[0].is_fragment;
	}
	said = recover_take(look->recover, &f, &tag, sizeof(tag));
	if (is_stopped(&said))
		tell_drop(look, &tag, &own, &said);
	take_released(look, now->steady_ns);
}

static void look_at_part(struct replay_look *look, const struct frame *frame,
	const struct gate_answer *answer, const struct gate_time *now, uint64_t packet)
{
	const struct whole_set *set;
	struct frame datagram;

	while (whole_expired(look->whole, now->steady_ns))
		;
	if (whole_take(look->whole, 0, frame, now, packet, &set) != WHOLE_SET || !set->datagram)
		return;
	frame_parse(set->datagram, set->datagram_len, FRAME_LINK_ETHERNET, &datagram);
	look_at(look, &datagram, answer, now, packet, true);
}

void replay_look_frame(struct replay_look *look, const struct frame *frame,
	const struct gate_answer *answer, const struct gate_time *now, uint64_t packet)
{
	if (answer->verdict != VERDICT_PASS || is_wrong(look, frame))
		return;
	look_at(look, frame, answer, now, packet, false);
	if (frame->n_packets > 0 && frame->packet[0].is_fragment)
		look_at_part(look, frame, answer, now, packet);
}

void replay_look_flow(struct replay_look *look, struct record *record)
{
	recover_end_flow(look->recover, record);
}

void replay_look_finish(struct replay_look *look)
{
	take_released(look, INT64_MAX);
}
