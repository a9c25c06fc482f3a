/* SPDX-License-Identifier: Apache-2.0 */
/* What is of no protocol that we know may be made unreadable: each side is tried to decode, once.
 * Worms and scanners send the same to everybody, so what came of the payloads tried last is kept. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/cur.h"
#include "decode/decode.h"
#include "inspect/inside.h"

/* Packets of a side, of other IP protocols: there each may be a message of its own. */
#define PACKETS_MAX 8
/* Bytes that are tried in a second, by the packets' clock: each takes some microseconds. */
#define TRIED_MAX  (32u << 10)
#define NS_PER_S   1000000000
#define TRIALS_LOG 10 /* log2 of how many are kept */

struct trial {
	uint64_t hash; /* of the payload; 0: none */
	bool is_clear;
	struct decode_result result; /* valid when it is clear */
};

struct unveil {
	struct decode *decode;
	int64_t second; /* in which `tried` bytes were tried */
	size_t tried;
	struct trial trial[1 << TRIALS_LOG];
};

int unveil_new(struct unveil **ret_unveil)
{
	struct unveil *u = calloc(1, sizeof(*u));
	int r = u ? decode_new(&u->decode) : -ENOMEM;

	if (r < 0)
		free(u);
	else
		*ret_unveil = u;
	return r;
}

struct unveil *unveil_free(struct unveil *u)
{
	if (u)
		decode_free(u->decode);
	free(u);
	return NULL;
}

static bool may_try(struct inspect *in, size_t len)
{
	struct unveil *u = in->unveil;
	int64_t second = in->now.frame->steady_ns / NS_PER_S;

	if (second != u->second) {
		u->second = second;
		u->tried = 0;
	}
	if (u->tried + len > TRIED_MAX) {
		in->counts.untried++;
		return false;
	}
	u->tried += len;
	return true;
}

/* What comes of the payload; NULL: there was too much to try. */
static const struct trial *try_once(struct inspect *in, const uint8_t *bytes, size_t len)
{
	struct trial *trial;
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, bytes, len, in->hash_key);
	hash = hash ? hash : 1;
	trial = &in->unveil->trial[hash >> (64 - TRIALS_LOG)];
	if (trial->hash == hash)
		return trial;
	if (!may_try(in, len))
		return NULL;
	trial->hash = hash;
	trial->is_clear = decode_try(in->unveil->decode, bytes, len, 1, &trial->result) > 0 &&
			  trial->result.is_clear;
	return trial;
}

static void tell(struct inspect *in, unsigned side, const struct decode_result *result,
	const uint8_t *bytes, size_t len)
{
	char name[DECODE_NAME_MAX];
	size_t decoded_len;
	const uint8_t *decoded = decode_bytes(in->unveil->decode, result, bytes, len, &decoded_len);
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

static void tell_unknown(struct inspect *in, unsigned side, const uint8_t *bytes, size_t len)
{
	const struct inspect_unknown unknown = { .side = side, .bytes = bytes, .len = len };

	if (in->setup.on_unknown)
		in->setup.on_unknown(in->setup.context, in->now.frame, &unknown);
}

/* True: something was found. */
static bool try_bytes(struct inspect *in, unsigned side, const uint8_t *bytes, size_t len)
{
	const struct trial *trial;

	tell_unknown(in, side, bytes, len);

	if (len > DECODE_TRY_BYTES)
		len = DECODE_TRY_BYTES;
	trial = try_once(in, bytes, len);
	if (!trial || !trial->is_clear)
		return false;
	tell(in, side, &trial->result, bytes, len);
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

	if (!in->unveil || !now->talk || now->packet->is_fragment || payload.len < DECODE_MIN)
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

	if (!in->unveil || s->tried > 0 || !s->stream || !is_unknown(t, side))
		return;
	if (stream_kept(s->stream) > 0 || stream_read(s->stream) < DECODE_MIN)
		return;
	s->tried = 1;
	try_bytes(in, side, stream_bytes(s->stream, 0), stream_read(s->stream));
}
