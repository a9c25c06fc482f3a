/* SPDX-License-Identifier: Apache-2.0 */
/* record - what was found, as records (event/event.h). They point into a struct inspect_text and into what they
 * were made from. */
#pragma once

#include "inspect/inspect.h"

#define INSPECT_PAYLOAD_TOLD 4096 /* bytes of the payload in an alert, the last ones */
#define INSPECT_CHANGE_TOLD  256  /* of what was changed, the first ones */
#define INSPECT_UNKNOWN_TOLD 64   /* bytes of a payload that nobody could read */
/* Payloads whose first bytes are the same are one group: how much of them comes at a time may differ. */
#define INSPECT_GROUP_BYTES 16

struct inspect_text {
	char more[RECORD_MEMBERS_MAX / 4];
	char members[RECORD_MEMBERS_MAX - RECORD_MEMBERS_MAX / 4];
	char rule[512];
	char before[2 * INSPECT_CHANGE_TOLD + 1], after[2 * INSPECT_CHANGE_TOLD + 1];
};

/* hit->hit->alert must be set. */
void inspect_record_hit(
	const struct inspect_hit *hit, struct inspect_text *text, struct record *ret_record);
/* What the protocol says about a transaction. False: it has no record. */
bool inspect_record_tx(const struct inspect_frame *frame, struct proto_tx *tx,
	struct inspect_text *text, struct record *ret_record);
/* The n-th of a transaction's events. False: there are no more. */
bool inspect_record_event(const struct inspect_frame *frame, struct proto_tx *tx, unsigned n,
	struct inspect_text *text, struct record *ret_record);
struct inspect_sums {
	uint8_t sha256[32], md5[16];
	bool has_md5;
};
/* What is known of a file's contents. */
#define INSPECT_HOLES_MAX 16 /* that are remembered; of what is missing behind them, how much */
struct inspect_contents {
	struct inspect_sums sums;
	bool has_sums; /* and they are of the whole file, its bytes in order */
	bool odd;      /* its bytes did not come in order, each once */
	uint32_t n_holes;
	struct inspect_hole {
		uint64_t at, end;
	} hole[INSPECT_HOLES_MAX]; /* in order */
	uint64_t beyond;           /* bytes in holes for which there was no place */
};
/* A file that has ended; `contents` may be NULL: nothing is known of them. */
void inspect_record_file(const struct inspect_frame *frame, const struct proto_file *file,
	const struct inspect_contents *contents, struct inspect_text *text,
	struct record *ret_record);
/* What is known of a file that is carried, with a piece of it: head and name; the rest is another's to say. */
#define INSPECT_FILE_NAME_TOLD 255 /* bytes of its name */
void inspect_record_piece(const struct inspect_frame *frame, const struct proto_file *file,
	struct record *ret_record);
/* An attempt to log in: from who tried. */
void inspect_record_login(const struct inspect_frame *frame, enum proto_id proto,
	const struct proto_login *login, struct record *ret_record);
/* What a payload says: from who sent it. */
void inspect_record_decoded(const struct inspect_frame *frame,
	const struct inspect_decoded *decoded, struct record *ret_record);
/* What nobody could read: from who sent it. */
void inspect_record_unknown(const struct inspect_frame *frame,
	const struct inspect_unknown *unknown, struct inspect_text *text,
	struct record *ret_record);
/* What was found in a conversation, into its flow record. */
void inspect_record_flow(const struct inspect_flow_facts *facts, struct record *record);
