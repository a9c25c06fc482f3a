/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/payloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "frame/frame.h"
#include "stream/stream.h"

enum { POOL_BYTES = 64 << 20, SLOTS = 1 << 16 };

struct talk {
	struct payload payload; /* first: payloads_all() gives these */
	uint8_t *bytes[2];
	size_t room[2];
	struct stream *stream[2]; /* TCP, until there is enough */
};

struct payloads {
	struct pool *pool;
	struct payload *all; /* made by payloads_all() */
	struct talk *talk;
	size_t n, room;
	uint32_t slot[SLOTS]; /* one more than a number of a talk; 0: free */
	uint64_t left_out;
};

int payloads_new(struct payloads **ret_payloads)
{
	struct payloads *p = calloc(1, sizeof(*p));
	int r = p ? pool_new(POOL_BYTES, &p->pool) : -ENOMEM;

	if (r < 0) {
		free(p);
		return r;
	}
	*ret_payloads = p;
	return 0;
}

struct payloads *payloads_free(struct payloads *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->n; i++)
		for (unsigned side = 0; side < 2; side++) {
			stream_free(p->talk[i].stream[side]);
			free(p->talk[i].bytes[side]);
		}
	free(p->talk);
	free(p->all);
	pool_free(p->pool);
	free(p);
	return NULL;
}

static struct talk *find(struct payloads *p, uint64_t flow, uint32_t **ret_slot)
{
	uint32_t at = (uint32_t)((flow * UINT64_C(0x9e3779b97f4a7c15)) >> 48);

	while (p->slot[at % SLOTS] != 0) {
		struct talk *talk = &p->talk[p->slot[at % SLOTS] - 1];

		if (talk->payload.flow == flow)
			return talk;
		at++;
	}
	*ret_slot = &p->slot[at % SLOTS];
	return NULL;
}

static int begin(
	struct payloads *p, uint32_t *slot, const struct payload *as, struct talk **ret_talk)
{
	size_t room = p->room ? 2 * p->room : 64;
	struct talk *talk = p->talk;

	if (p->n == p->room) {
		talk = reallocarray(talk, room, sizeof(*talk));
		if (!talk)
			return -ENOMEM;
		p->talk = talk;
		p->room = room;
	}
	talk += p->n++;
	*talk = (struct talk){ .payload = *as };
	*slot = (uint32_t)p->n;
	*ret_talk = talk;
	return 0;
}

static int keep(struct talk *talk, unsigned side, const uint8_t *bytes, size_t len)
{
	struct propose_sample *said = &talk->payload.said[side];
	size_t left = PROPOSE_SAMPLE_MAX - said->len, need;

	len = len < left ? len : left;
	need = said->len + len;
	if (need > talk->room[side]) {
		size_t room = need < PROPOSE_SAMPLE_MAX / 2 ? 2 * need : PROPOSE_SAMPLE_MAX;
		uint8_t *more = realloc(talk->bytes[side], room);

		if (!more)
			return -ENOMEM;
		talk->bytes[side] = more;
		talk->room[side] = room;
	}
	if (len > 0)
		memcpy(talk->bytes[side] + said->len, bytes, len);
	said->bytes = talk->bytes[side];
	said->len = need;
	return 0;
}

static int keep_tcp(struct payloads *p, struct talk *talk, unsigned side,
	const struct frame_packet *packet, const uint8_t *bytes, uint32_t len)
{
	struct stream **stream = &talk->stream[side];
	bool syn = packet->tcp_flags & TH_SYN;
	size_t fresh;
	int r = 0;

	if (!*stream && (r = stream_new(p->pool, stream)) < 0)
		return r;
	if (!stream_started(*stream) && (syn || len > 0))
		stream_start(*stream, packet->tcp_seq + syn);
	if (len == 0 || stream_take(*stream, packet->tcp_seq + syn, bytes, len) != STREAM_TAKEN)
		return 0;
	fresh = (size_t)(stream_end(*stream) - stream_read(*stream));
	r = keep(talk, side, stream_bytes(*stream, stream_read(*stream)), fresh);
	stream_read_all(*stream);
	return r;
}

/* Of the protocols without ports all behind the IP header is payload. */
static bool has_payload(const struct frame_packet *packet)
{
	return !packet->is_fragment &&
	       (packet->has_transport ||
		       (packet->proto != IPPROTO_TCP && packet->proto != IPPROTO_UDP));
}

int payloads_add(struct payloads *p, uint64_t flow, uint64_t written, unsigned side,
	const struct frame *frame)
{
	const struct frame_packet *packet = &frame->packet[0];
	uint32_t end, *slot;
	struct talk *talk;
	int r;

	if (flow == 0 || frame->n_packets == 0 || !has_payload(packet))
		return 0;
	end = packet->end_at < frame->len ? packet->end_at : frame->len;
	if (packet->payload_at > end)
		return 0;
	talk = find(p, flow, &slot);
	if (!talk) {
		struct payload as = { .flow = flow, .written = written, .proto = packet->proto };

		if (p->n == PAYLOADS_MAX) {
			p->left_out++;
			return 0;
		}
		as.ip[side] = packet->src;
		as.ip[!side] = packet->dst;
		as.port[side] = packet->sport;
		as.port[!side] = packet->dport;
		r = begin(p, slot, &as, &talk);
		if (r < 0)
			return r;
	}
	if (talk->payload.said[side].len == PROPOSE_SAMPLE_MAX) {
		talk->stream[side] = stream_free(talk->stream[side]);
		return 0;
	}
	return packet->proto == IPPROTO_TCP
		       ? keep_tcp(p, talk, side, packet, frame->data + packet->payload_at,
				 end - packet->payload_at)
		       : keep(talk, side, frame->data + packet->payload_at,
				 end - packet->payload_at);
}

const struct payload *payloads_all(struct payloads *p, size_t *ret_n)
{
	struct payload *all = reallocarray(p->all, p->n + 1, sizeof(*all));

	*ret_n = all ? p->n : 0;
	if (!all)
		return NULL;
	p->all = all;
	for (size_t i = 0; i < p->n; i++)
		all[i] = p->talk[i].payload;
	return all;
}

uint64_t payloads_left_out(const struct payloads *p)
{
	return p->left_out;
}
