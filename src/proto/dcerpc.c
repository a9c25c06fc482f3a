/* SPDX-License-Identifier: Apache-2.0 */
/* DCE/RPC over TCP. A call and its answer are a transaction; so are a bind and its answer. */
#include "proto/dce.h"

#define CALLS_MAX 64 /* without an answer */

struct dcerpc {
	struct proto_conn *conn;
	struct dce dce;
	struct {
		struct proto_tx *tx;
		uint32_t call_id;
	} call[CALLS_MAX];
};

static struct proto_tx *find_call(struct dcerpc *d, uint32_t call_id)
{
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (d->call[i].tx && d->call[i].call_id == call_id)
			return d->call[i].tx;
	return NULL;
}

static void forget_call(struct dcerpc *d, const void *data)
{
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (d->call[i].tx && d->call[i].tx->data == data)
			d->call[i].tx = NULL;
}

/* The transaction of a PDU: a client's first fragment begins one, whatever had the number
 * before. */
static struct proto_tx *tx_of(struct dcerpc *d, unsigned side, const struct dce_header *h)
{
	struct proto_tx *tx = find_call(d, h->call_id);
	unsigned i = 0;

	if (tx && (side == 1 || !tx->state.done[0]))
		return tx;
	if (tx) {
		forget_call(d, tx->data);
		proto_tx_done(tx, 1);
	}
	tx = proto_fields_tx(d->conn, "dcerpc");
	if (!tx)
		return NULL;
	while (i < CALLS_MAX - 1 && d->call[i].tx)
		i++;
	if (d->call[i].tx)
		proto_tx_done(d->call[i].tx, 1);
	d->call[i].tx = tx;
	d->call[i].call_id = h->call_id;
	if (side)
		tx->state.done[0] = true;
	return tx;
}

static void take_pdu(struct dcerpc *d, unsigned side, const struct dce_header *h, struct cur pdu)
{
	struct proto_tx *tx = tx_of(d, side, h);

	if (!tx)
		return;
	if (!dce_take(&d->dce, tx->data, side, h, pdu)) {
		proto_tx_news(tx, side);
		return;
	}
	if (side)
		forget_call(d, tx->data);
	proto_tx_done(tx, side);
}

static size_t dcerpc_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct cur c = cur_make(bytes, len);

	(void)conn;
	(void)end;
	while (cur_left(&c) >= DCE_HEADER) {
		struct dce_header h;

		if (!dce_header_read(c, &h))
			return SIZE_MAX;
		if (cur_left(&c) < h.len)
			break;
		take_pdu(state, side, &h, cur_sub(&c, h.len));
	}
	return len - cur_left(&c);
}

static void *dcerpc_open(struct proto_conn *conn)
{
	struct dcerpc *d = proto_alloc(conn, sizeof(*d));

	if (d)
		d->conn = conn;
	return d;
}

static void dcerpc_close(void *state)
{
	struct dcerpc *d = state;

	proto_free(d->conn, d, sizeof(*d));
}

static void dcerpc_free_tx(void *data)
{
	forget_call(proto_conn_state(((struct proto_fields *)data)->conn), data);
	proto_fields_free(data);
}

static enum proto_guess dcerpc_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	struct dce_header h;

	(void)info;
	if ((len > 0 && cur_ahead(c, 0) != 5) || cur_ahead(c, 1) > 1 || cur_ahead(c, 2) > 20)
		return PROTO_IS_NOT;
	if (side && (cur_ahead(c, 6) || cur_ahead(c, 7))) /* reserved: SOCKS answers alike */
		return PROTO_IS_NOT;
	if (len < DCE_HEADER)
		return PROTO_MAY_BE;
	if (!dce_header_read(c, &h) || dce_is_request(h.type) != (side == 0))
		return PROTO_IS_NOT;
	return PROTO_IS;
}

const struct proto_parser proto_dcerpc = { .id = PROTO_DCERPC,
	.ip_proto = IPPROTO_TCP,
	.guess = dcerpc_guess,
	.open = dcerpc_open,
	.close = dcerpc_close,
	.feed = dcerpc_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = dcerpc_free_tx };
