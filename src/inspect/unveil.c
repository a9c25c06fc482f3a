/* SPDX-License-Identifier: Apache-2.0 */
/* What is of no protocol that we know may be made unreadable: each side is tried to decode, once. */
#include "base/cur.h"
#include "decode/decode.h"
#include "inspect/inside.h"

/* Packets of a side, of other IP protocols: there each may be a message of its own. */
#define PACKETS_MAX 8
/* A second, by the packets' clock: a trial takes up to some milliseconds. */
#define TRIALS_MAX 50
#define NS_PER_S   1000000000

static bool may_try(struct inspect *in)
{
	int64_t second = in->now.frame->steady_ns / NS_PER_S;

	if (second != in->decode_second) {
		in->decode_second = second;
		in->decode_trials = 0;
	}
	if (in->decode_trials == TRIALS_MAX) {
		in->counts.untried++;
		return false;
	}
	in->decode_trials++;
	return true;
}

static void tell(struct inspect *in, unsigned side, const struct decode_result *result,
	const uint8_t *bytes, size_t len)
{
	char name[DECODE_NAME_MAX];
	size_t decoded_len;
	const uint8_t *decoded = decode_bytes(in->decode, result, bytes, len, &decoded_len);
	struct cur text = cur_make(decoded, decoded_len);
	struct inspect_decoded told = {
		.side = side, .method = name, .score = (uint32_t)result->score
	};

	cur_skip(&text, result->at);
	cur_limit(&text, result->len < INSPECT_DECODED_TOLD ? result->len : INSPECT_DECODED_TOLD);
	told.text = text.at;
	told.len = (uint32_t)cur_left(&text);
	decode_name(result, name);
	in->setup.on_decoded(in->setup.context, in->now.frame, &told);
}

/* True: something was found. */
static bool try_bytes(struct inspect *in, unsigned side, const uint8_t *bytes, size_t len)
{
	struct decode_result result;

	if (len > DECODE_TRY_BYTES)
		len = DECODE_TRY_BYTES;
	if (!may_try(in) || decode_try(in->decode, bytes, len, 1, &result) == 0 || !result.is_clear)
		return false;
	tell(in, side, &result, bytes, len);
	return true;
}

/* The side was given up, and the other one does not speak what we know. */
static bool is_unknown(const struct talk *t, unsigned side)
{
	enum proto_id other;

	if (!t->conn || proto_conn_id(t->conn, side) != PROTO_FAILED)
		return false;
	other = proto_conn_id(t->conn, !side);
	return other == PROTO_NONE || other == PROTO_FAILED;
}

/* TCP goes by its stream; others are no payload, or have been looked into. */
static bool is_tried(const struct now *now)
{
	switch (now->packet->proto) {
	case IPPROTO_UDP:
		return now->packet->has_transport && is_unknown(now->talk, now->side);
	case IPPROTO_TCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_IGMP:
		return false;
	default:
		return now->parsed->n_packets == now->inner + 1;
	}
}

void unveil_packet(struct inspect *in)
{
	const struct now *now = &in->now;
	struct now_bytes payload = look_payload(now);
	unsigned max = now->packet->proto == IPPROTO_UDP ? 1 : PACKETS_MAX;
	struct side *s;

	if (!in->decode || !now->talk || now->packet->is_fragment || payload.len < DECODE_MIN)
		return;
	s = &now->talk->side[now->side];
	if (s->tried >= max || !is_tried(now))
		return;
	s->tried++;
	if (try_bytes(in, now->side, payload.at, payload.len))
		s->tried = PACKETS_MAX;
}

void unveil_side(struct inspect *in, unsigned side)
{
	struct talk *t = in->now.talk;
	struct side *s = &t->side[side];

	if (!in->decode || s->tried > 0 || !s->stream || !is_unknown(t, side))
		return;
	if (stream_kept(s->stream) > 0 || stream_read(s->stream) < DECODE_MIN)
		return;
	s->tried = 1;
	try_bytes(in, side, stream_bytes(s->stream, 0), stream_read(s->stream));
}
