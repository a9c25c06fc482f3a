/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fingerprint - what hosts are, by the way they speak: from frames and HTTP messages to records (EVENT_FINGERPRINT).
 * No I/O, no clock: time is that of the packets.
 *
 * What a host looks like is told once for each kind and look, not for each packet; a host that was not seen for
 * FINGERPRINT_FORGET_NS, or had to make room, is told of anew. Limits: FINGERPRINT_HOSTS hosts and
 * FINGERPRINT_FLOWS conversations (the one used longest ago of a few goes), FINGERPRINT_LOOKS looks of one kind for a
 * host, FINGERPRINT_RECORDS records a second; what is not told for one of the last two is counted.
 */
#pragma once

#include "event/event.h"

struct fingerprint;
struct frame;
struct signatures;

#define FINGERPRINT_HOSTS     8192
#define FINGERPRINT_FLOWS     16384
#define FINGERPRINT_LOOKS     8
#define FINGERPRINT_RECORDS   500
#define FINGERPRINT_FORGET_NS (INT64_C(7200) * 1000000000)

struct fingerprint_setup {
	const struct signatures *signatures; /* outlives it */
	size_t hosts, flows;                 /* 0: FINGERPRINT_HOSTS, _FLOWS; multiples of 8 */
	void (*emit)(void *context, const struct record *record);
	void *context;
};

int fingerprint_new(
	const struct fingerprint_setup *setup, struct fingerprint **ret_fingerprint); /* -ENOMEM */
struct fingerprint *fingerprint_free(struct fingerprint *fingerprint);

struct fingerprint_frame {
	const struct frame *frame;
	uint64_t flow_id; /* of its outermost packet; 0: none */
	int64_t wall_ns;
	uint64_t packet; /* for the record */
	enum direction direction;
};
/* Every frame that reached its receiver, in order; whole ones, no fragments. */
void fingerprint_take(struct fingerprint *fingerprint, const struct fingerprint_frame *frame);

/* The first request of a connection, or the response to it. */
struct fingerprint_message {
	bool response;
	int8_t version; /* of HTTP/1 */
	struct ip client, server;
	uint16_t client_port, server_port;
	const void *headers; /* the lines behind the first one */
	size_t len;
};
void fingerprint_http(struct fingerprint *fingerprint, const struct fingerprint_frame *frame,
	const struct fingerprint_message *message);

struct fingerprint_counts {
	uint64_t told, untold; /* records; those that a limit kept back */
};
struct fingerprint_counts fingerprint_counts(const struct fingerprint *fingerprint);
