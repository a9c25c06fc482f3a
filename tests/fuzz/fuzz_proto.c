/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First byte: which port (and transport) the connection has, or that it was announced; then pieces: a byte with the side and
 * what happens (bytes, a gap, the end, frames of QUIC that are sealed), a length, bytes. Every buffer, number, event and JSON text
 * of each news is read.
 */
#include <stdlib.h>

#include "../unit/quic_kit.h"

#include "base/cur.h"
#include "base/out.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	uint8_t ip_proto;
	uint16_t port;
	bool announced;
} kinds[] = { { 6, 443 }, { 6, 22 }, { 6, 25 }, { 6, 21 }, { 6, 445 }, { 6, 135 }, { 6, 53 },
	{ 17, 53 }, { 17, 5355 }, { 6, 80 }, { 6, 389 }, { 17, 69 }, { 17, 161 }, { 6, 5060 },
	{ 17, 123 }, { 6, 1883 }, { 17, 137 }, { 6, 139 }, { 6, 79 }, { 17, 547 }, { 0, 0 },
	{ 17, 443 }, { 6, 5050, true } };

static char text[128 << 10];
static volatile unsigned sum;

static void read_bytes(const struct proto_bytes *b)
{
	for (uint32_t i = 0; i < b->len; i += 1 + b->len / 64)
		sum += b->at[i];
	if (b->len)
		sum += b->at[b->len - 1];
}

static void on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct out o = out_make(text, sizeof(text));
	struct proto_bytes b;
	uint64_t number;

	(void)context;
	(void)side;
	for (unsigned id = 1; id < BUFFER_COUNT; id++)
		for (unsigned n = 0; n < 8; n++)
			if (proto_tx_buffer(tx, id, n, &b))
				read_bytes(&b);
	for (unsigned id = 1; id < NUMBER_COUNT; id++)
		for (unsigned n = 0; n < 4 && proto_tx_number(tx, id, n, &number); n++)
			sum += (unsigned)number;
	for (unsigned n = 0; proto_tx_event(tx, n); n++)
		sum += (unsigned)proto_tx_event(tx, n)[0];
	if (proto_tx_json(tx, &o) && out_ok(&o) && text[0] != '"')
		abort(); /* members: a name comes first */
}

static void on_file(void *context, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	const struct proto_bytes b = { .at = bytes, .len = (uint32_t)len };

	(void)context;
	if (file->size < file->offset || file->size - file->offset < len || file->carried < len)
		abort();
	read_bytes(&b);
}

static void on_login(void *context, enum proto_id proto, const struct proto_login *login)
{
	(void)context;
	(void)proto;
	sum += login->user.text[login->user.len / 2] +
	       login->password.text[login->password.len / 2] +
	       (login->hash.len ? login->hash.bytes[login->hash.len - 1] : 0) +
	       (unsigned)login->result;
}

/* As an Initial of QUIC: nobody would find bytes that can be opened by trying. */
static void feed_sealed(struct proto_conn *conn, unsigned side, const uint8_t *at, size_t len)
{
	static struct bytes frames, packet;

	frames.len = packet.len = 0;
	put(&frames, at, len < 1500 ? len : 1500);
	put_zero(&frames, frames.len < 60 ? 60 - frames.len : 0);
	put_initial(&packet, 1, QUIC_ID, side, (unsigned)len, &frames);
	proto_feed(conn, side, packet.at, packet.len, 1000);
}

static void on_text(void *context, const struct proto_text *said)
{
	const struct proto_bytes b = { .at = said->bytes, .len = (uint32_t)said->len };

	(void)context;
	read_bytes(&b);
	sum += said->columns;
}

static void piece(struct proto_conn *conn, struct cur *c)
{
	uint8_t what = cur_u8(c);
	unsigned side = what & 1;
	uint16_t len = cur_le16(c);
	size_t here = len < cur_left(c) ? len : cur_left(c);
	const uint8_t *bytes = cur_take(c, here);
	uint8_t *copy;

	switch (what >> 1 & 15) {
	case 15:
		proto_gap(conn, side, len);
		break;
	case 14:
		proto_end(conn, side);
		break;
	case 13:
		feed_sealed(conn, side, bytes, here);
		break;
	default:
		copy = malloc(here ? here : 1); /* of its own size */
		if (!copy)
			abort();
		if (here)
			memcpy(copy, bytes, here);
		proto_feed(conn, side, copy, here, 1000);
		free(copy);
	}
	if (proto_conn_bytes(conn) > PROTO_CONN_BYTES_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct proto_setup setup = {
		.on_tx = on_tx, .on_file = on_file, .on_login = on_login, .on_text = on_text
	};
	static const struct proto_expect chat = {
		.proto = PROTO_DCC, .ip_proto = 6, .command = "CHAT", .name_len = 3, .name = "eve"
	};
	struct cur c = cur_make(data, size);
	unsigned kind = cur_u8(&c) % (sizeof(kinds) / sizeof(kinds[0]));
	struct proto_flow_info info = { .ip_proto = kinds[kind].ip_proto,
		.port = { 40000, kinds[kind].port },
		.expected = kinds[kind].announced ? &chat : NULL };
	struct proto_conn *conn;

	if (proto_conn_new(&setup, &info, &conn))
		abort();
	while (cur_left(&c) >= 3)
		piece(conn, &c);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	return 0;
}
