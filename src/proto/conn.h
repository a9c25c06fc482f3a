/* SPDX-License-Identifier: Apache-2.0 */
/* conn - what a connection is made of. Private to proto.c, tx.c, body.c and takeover.c: parsers see
 * inside.h. */
#pragma once

#include "proto/inside.h"

struct conn_side {
	enum proto_id id;
	bool ended;  /* sends nothing more */
	bool lost;   /* is not looked at any more */
	bool waits;  /* for the other side to say more */
	bool may_be; /* while it is not known: it may be of a parser that does not yield */
	uint8_t *pending;
	size_t len, room; /* of it */
};

/* A piece of what was said while nobody knew what it is. */
#define CONN_TURNS_MAX 512 /* then pieces of a side that follow each other become one */
struct conn_turn {
	int64_t time_ns;
	uint32_t len;
	uint8_t side;
	bool told; /* as text: another parser has had it */
};

/* Turns after which it is not tried any more whether the sides are the other way round. */
#define CONN_TURNED_MAX 16u

#define CONN_DATAGRAMS_BYTES 4096u /* of datagrams that nobody knows, until another one is known */

/* Claims look at all that was said. Once all of them have looked at so many bytes together, it is looked at again only
 * when it has grown by a fourth, or a side has ended. */
#define CONN_CLAIMS_BYTES (32u << 10)
#define CONN_CLAIMS_PART  4

struct proto_conn {
	struct proto_setup setup;
	struct proto_flow_info info;
	struct proto_expect expected;
	int64_t time_ns;
	const struct proto_parser *parser; /* NULL: not known */
	void *state;                       /* the parser's */
	enum proto_id before;              /* what it was before it started over */
	enum proto_id next;                /* what it starts over as; PROTO_NONE: a guess */
	uint8_t role;                      /* for the parser that claimed it */
	bool overrun, start_over;
	bool limited; /* a limit was reached: something is not read */
	bool gapped; /* bytes are missing from before it was known: only for that is it midstream */
	bool swap;   /* when it starts over, the sides change places */
	bool swapped; /* they have: side 0 of the parsers is side 1 of the caller */
	struct conn_side side[2];
	struct conn_turn *turn; /* what is pending, as it came, while nothing is known */
	uint32_t n_turns, turns_room;
	uint32_t claims_bytes,
		claimed_bytes;           /* of that, looked at by all claims, by the last one */
	struct proto_tx *txs, **last_tx; /* the oldest first */
	unsigned n_txs;
	uint64_t next_id;
	size_t bytes;
	struct proto_body legacy; /* of the parser before */
	uint8_t *typed;           /* by the client, and not answered (takeover.c); NULL: nothing */
	uint16_t typed_len;
};

void conn_txs_done(struct proto_conn *conn, unsigned side); /* all of them */
void conn_tell(struct proto_conn *conn);                    /* the news, and frees what is done */
void conn_txs_free(struct proto_conn *conn);

/* Whose the connection is from these bytes on, behind the lines in `typed`; NULL: nothing has changed. */
const struct proto_parser *takeover_see(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len);
/* The same, when both sides have ended. */
const struct proto_parser *takeover_end(struct proto_conn *conn);
void takeover_forget(struct proto_conn *conn); /* what was typed */
