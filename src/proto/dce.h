/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dce - DCE/RPC PDUs (C706 chapter 12, [MS-RPCE]), wherever they come from: TCP, or a named pipe of
 * SMB. What they say becomes fields of the transaction they belong to. Private to src/proto.
 */
#pragma once

#include "proto/fields.h"

#define DCE_CONTEXTS_MAX 256 /* more than one PDU has; the oldest make room */
#define DCE_SHOWN_MAX    32  /* of a PDU */
#define DCE_HEADER       16
#define DCE_STUB_MAX     (256u << 10) /* of a call, fragments together; the rest is left out */

struct dce_context {
	uint16_t id, major, minor;
	uint16_t ack; /* result of the bind; 0: accepted */
	bool acked;
	uint8_t uuid[16]; /* as written in text, byte by byte */
};

/* What has been agreed on in a connection or pipe, and the call of each side that is under way. */
struct dce {
	struct dce_context context[DCE_CONTEXTS_MAX];
	unsigned n, first_new; /* of the last bind */
	struct dce_call {
		uint32_t call_id;
		unsigned fragments;
		uint32_t stub_len;
		uint16_t opnum, context;
	} call[2];
};

struct dce_header {
	uint8_t version, minor, type, flags;
	bool little;
	uint16_t len;
	uint32_t call_id;
};

bool dce_header_read(struct cur c, struct dce_header *ret_header); /* false: it is none */
bool dce_is_request(uint8_t type);                                 /* said by a client */
/* Takes a whole PDU; true: with it the call of that side is complete, and JSON members were
 * added for it. */
bool dce_take(struct dce *dce, struct proto_fields *fields, unsigned side,
	const struct dce_header *header, struct cur pdu);
