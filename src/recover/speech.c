/* SPDX-License-Identifier: Apache-2.0 */
#include "recover/speech.h"

#include <string.h>

#include "fingerprint/fingerprint.h"
#include "frame/frame.h"
#include "inspect/inspect.h"
#include "proto/proto.h"

static bool is_one_of(const struct proto_bytes *bytes, const char *a, const char *b)
{
	return (bytes->len == strlen(a) && memcmp(bytes->at, a, bytes->len) == 0) ||
	       (bytes->len == strlen(b) && memcmp(bytes->at, b, bytes->len) == 0);
}

/* Signatures are of what is sent for these; of the others little is known. */
static bool is_usual(struct proto_tx *tx)
{
	struct proto_bytes method;

	return proto_tx_buffer(tx, BUFFER_HTTP_METHOD, 0, &method) &&
	       is_one_of(&method, "GET", "HEAD");
}

static bool read_version(struct proto_tx *tx, unsigned side, int8_t *ret_version)
{
	struct proto_bytes version;

	if (!proto_tx_buffer(tx, BUFFER_HTTP_PROTOCOL, side, &version) ||
		!is_one_of(&version, "HTTP/1.0", "HTTP/1.1"))
		return false;
	*ret_version = is_one_of(&version, "HTTP/1.1", "HTTP/1.1");
	return true;
}

static void tell_side(struct fingerprint *fingerprint, const struct fingerprint_frame *seen,
	struct fingerprint_message *message, struct proto_tx *tx, unsigned side)
{
	struct proto_bytes headers;

	message->response = side == 1;
	if (!read_version(tx, side, &message->version) ||
		!proto_tx_buffer(tx, BUFFER_HTTP_RAW_HEADER, side, &headers))
		return;
	message->headers = headers.at;
	message->len = headers.len;
	fingerprint_http(fingerprint, seen, message);
}

void recover_speech(
	struct fingerprint *fingerprint, const struct inspect_frame *frame, struct proto_tx *tx)
{
	const struct frame *f = frame->frame;
	const struct frame_packet *p = f->n_packets > 0 ? &f->packet[f->n_packets - 1] : NULL;
	bool answer = frame->side == 1;
	struct fingerprint_message message;
	const struct fingerprint_frame seen = { .frame = f,
		.flow_id = frame->flow_id,
		.wall_ns = frame->wall_ns,
		.packet = frame->packet,
		.direction = frame->direction };

	if (!p || proto_tx_state(tx).proto != PROTO_HTTP || !is_usual(tx))
		return;
	message = (struct fingerprint_message){ .client = answer ? p->dst : p->src,
		.server = answer ? p->src : p->dst,
		.client_port = answer ? p->dport : p->sport,
		.server_port = answer ? p->sport : p->dport };
	tell_side(fingerprint, &seen, &message, tx, 0);
	tell_side(fingerprint, &seen, &message, tx, 1);
}
