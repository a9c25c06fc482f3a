/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk - what protocols of requests and answers share: the transactions that wait for their
 * answers, which come in the order of the requests; bytes of a message that nobody reads.
 */
#pragma once

#include "proto/fields.h"

#define TALK_QUEUE_MAX 64   /* requests without an answer; the answers to more are left out */
#define TALK_KEEP_MAX  4096 /* bytes of a message that are looked at */
#define TALK_JSON_MAX  (28u << 10) /* what they come to in JSON: six each, and names */

struct talk_queue {
	struct proto_tx *tx[TALK_QUEUE_MAX];
	unsigned first, n;
	uint64_t beyond; /* requests after these that are not kept */
};

/* An answer to it will come. Before proto_tx_done(tx, 0). */
void talk_queue_add(struct talk_queue *queue, struct proto_tx *tx);
/* Whose answer comes; NULL: nobody's that we kept. */
struct proto_tx *talk_queue_first(const struct talk_queue *queue);
/* Its answer is whole. */
void talk_queue_next(struct talk_queue *queue);
/* For free_tx(): the transaction with these fields was ended from outside. */
void talk_queue_forget(struct talk_queue *queue, const void *data);

/* Skips up to *left bytes, and takes them off. */
void talk_skip(uint64_t *left, struct cur *c);
/* Members for the JSON text are written into talk_out(), which has the comma if one is needed, and
 * added by talk_say(), if there are any. */
struct out talk_out(const struct proto_fields *fields, char *text, size_t size);
void talk_say(struct proto_fields *fields, const struct out *o);
/* A member of hostile text. */
void talk_text(struct out *o, const char *name, struct cur text);
