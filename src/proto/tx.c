/* SPDX-License-Identifier: Apache-2.0 */
/* The transactions of a connection. */
#include <stdlib.h>

#include "proto/conn.h"

static void free_tx(struct proto_tx *tx)
{
	if (tx->user && tx->free_user)
		tx->free_user(tx->user);
	tx->user = NULL;
	if (tx->data && tx->parser->free_tx)
		tx->parser->free_tx(tx->data);
	proto_free(tx->conn, tx, sizeof(*tx));
}

static void tell_side(struct proto_tx *tx, unsigned side)
{
	const struct proto_setup *setup = &tx->conn->setup;

	if (!(tx->news & 1u << side))
		return;
	tx->news &= (uint8_t) ~(1u << side);
	tx->state.change++;
	tx->state.done[side] = tx->finished & 1u << side;
	if (setup->on_tx)
		setup->on_tx(setup->context, tx, side ^ tx->state.client);
}

void proto_tx_tell(struct proto_tx *tx)
{
	unsigned first = tx->state.done[1]; /* so that only the last call sees both done */

	tell_side(tx, first);
	tell_side(tx, !first);
}

void conn_tell(struct proto_conn *conn)
{
	struct proto_tx **at = &conn->txs;

	while (*at) {
		struct proto_tx *tx = *at;

		proto_tx_tell(tx);
		if (tx->state.done[0] && tx->state.done[1]) {
			*at = tx->next;
			conn->n_txs--;
			free_tx(tx);
		} else {
			at = &tx->next;
		}
	}
	conn->last_tx = at;
}

void conn_txs_done(struct proto_conn *conn, unsigned side)
{
	for (struct proto_tx *tx = conn->txs; tx; tx = tx->next)
		if (!tx->state.done[side] && !(tx->finished & 1u << side))
			proto_tx_done(tx, side);
}

void conn_txs_free(struct proto_conn *conn)
{
	while (conn->txs) {
		struct proto_tx *tx = conn->txs;

		conn->txs = tx->next;
		free_tx(tx);
	}
}

struct proto_tx *proto_tx_new(struct proto_conn *conn, void *data)
{
	struct proto_tx *tx;

	if (conn->n_txs == PROTO_TX_MAX)
		conn_tell(conn);
	if (conn->n_txs == PROTO_TX_MAX) {
		conn->overrun = true;
		return NULL;
	}
	tx = proto_alloc(conn, sizeof(*tx));
	if (!tx)
		return NULL;
	*tx = (struct proto_tx){ .conn = conn, .parser = conn->parser, .data = data };
	tx->state.id = conn->next_id++;
	tx->state.proto = conn->parser->id;
	tx->state.client = conn->swapped;
	if (!conn->txs)
		conn->last_tx = &conn->txs;
	*conn->last_tx = tx;
	conn->last_tx = &tx->next;
	conn->n_txs++;
	return tx;
}

void proto_tx_news(struct proto_tx *tx, unsigned side)
{
	tx->news |= (uint8_t)(1u << side);
}

void proto_tx_done(struct proto_tx *tx, unsigned side)
{
	tx->finished |= (uint8_t)(1u << side);
	proto_tx_news(tx, side);
}

void proto_tx_add_event(struct proto_tx *tx, const char *name)
{
	for (unsigned i = 0; i < tx->state.events; i++)
		if (strcmp(tx->event[i], name) == 0)
			return;
	if (tx->state.events < PROTO_TX_EVENTS_MAX)
		tx->event[tx->state.events++] = name;
}

void proto_tx_file(
	struct proto_tx *tx, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct proto_file told = *file;

	told.side ^= tx->state.client;
	told.proto = tx->state.proto;
	if (tx->conn->setup.on_file)
		tx->conn->setup.on_file(tx->conn->setup.context, &told, bytes, len);
}

void proto_conn_file(
	struct proto_conn *conn, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct proto_file told = *file;

	told.side ^= conn->swapped;
	told.proto = conn->parser->id;
	if (conn->setup.on_file)
		conn->setup.on_file(conn->setup.context, &told, bytes, len);
}

struct proto_tx_state proto_tx_state(const struct proto_tx *tx)
{
	return tx->state;
}

bool proto_tx_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes)
{
	unsigned sides = proto_buffer_info(id)->sides;

	if (!tx->parser->buffer)
		return false;
	tx->side = (uint8_t)(sides == 3 ? n & 1 : sides == 2);
	return tx->parser->buffer(tx, id, sides == 3 ? n / 2 : n, ret_bytes);
}

bool proto_tx_number(struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number)
{
	return tx->parser->number && tx->parser->number(tx, id, n, ret_number);
}

const char *proto_tx_event(const struct proto_tx *tx, unsigned n)
{
	return n < tx->state.events ? tx->event[n] : NULL;
}

bool proto_tx_chat(const struct proto_tx *tx, struct proto_chat *ret_chat)
{
	return tx->parser->chat && tx->parser->chat(tx, ret_chat);
}

bool proto_tx_json(struct proto_tx *tx, struct out *o)
{
	return tx->parser->json && tx->parser->json(tx, o);
}

void **proto_tx_user(struct proto_tx *tx, void (*free_it)(void *))
{
	tx->free_user = free_it;
	return &tx->user;
}
