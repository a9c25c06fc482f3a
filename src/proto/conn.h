/* SPDX-License-Identifier: Apache-2.0 */
/* conn - what a connection is made of. Private to proto.c, tx.c and body.c: parsers see
 * inside.h. */
#pragma once

#include "proto/inside.h"

struct conn_side {
	enum proto_id id;
	bool ended; /* sends nothing more */
	bool lost;  /* is not looked at any more */
	bool waits; /* for the other side to say more */
	uint8_t *pending;
	size_t len, room; /* of it */
};

struct proto_conn {
	struct proto_setup setup;
	struct proto_flow_info info;
	struct proto_expect expected;
	int64_t time_ns;
	const struct proto_parser *parser; /* NULL: not known */
	void *state;                       /* the parser's */
	enum proto_id before;              /* what it was before it started over */
	enum proto_id next;                /* what it starts over as; PROTO_NONE: a guess */
	uint8_t first;                     /* the side that began, while nothing is known */
	bool overrun, start_over;
	struct conn_side side[2];
	struct proto_tx *txs, **last_tx; /* the oldest first */
	unsigned n_txs;
	uint64_t next_id;
	size_t bytes;
	struct proto_body legacy; /* of the parser before */
};

void conn_txs_done(struct proto_conn *conn, unsigned side); /* all of them */
void conn_tell(struct proto_conn *conn);                    /* the news, and frees what is done */
void conn_txs_free(struct proto_conn *conn);
