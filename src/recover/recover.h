/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover - from frames to records of what was said, typed and brought along. fb-lens (live) and
 * `fishbowl replay` both do it with this, so that they find the same. It does no I/O and asks no clock.
 *
 * It owns the struct inspect that looks at the frames, and makes records of what that finds.
 */
#pragma once

#include "inspect/inspect.h"

struct geo;
struct record;
struct recover;
struct signatures;

/* A piece of a file that is carried. Pointers are valid during the call. */
struct recover_piece {
	const struct record *record; /* EVENT_FILE: head and name of the file */
	uint64_t id;                 /* of the file in its conversation, of that side */
	unsigned side;
	uint64_t offset; /* of the bytes in the file */
	const uint8_t *bytes;
	size_t len;
	bool end, cut; /* nothing more will come; and the end was not seen */
};

struct recover_setup {
	struct inspect_setup inspect; /* how to look; callbacks and context are set here */
	bool records; /* of protocols, logins, files, payloads; else of the rules' hits only */
	bool gate_tells; /* hits in what leaves have been told by the gate, which had the frame before */
	const struct signatures *signatures; /* NULL: hosts get no fingerprints; outlives it */
	const struct geo *geo;               /* NULL: addresses get no place; outlives it */
	void (*emit)(void *context, const struct record *record);
	/* NULL: contents are not kept. */
	void (*keep)(void *context, const struct recover_piece *piece);
	/* What was typed and shown (proto/proto.h). NULL: nobody asks. */
	void (*on_text)(
		void *context, const struct inspect_frame *frame, const struct proto_text *text);
	void *context;
};

int recover_new(const struct recover_setup *setup, struct recover **ret_recover); /* -ENOMEM */
struct recover *recover_free(struct recover *recover);

/* See inspect_take(). Every frame that reached its receiver, in order. */
struct inspect_answer recover_take(
	struct recover *recover, struct inspect_frame *frame, const void *tag, size_t tag_len);
/* The conversation of a flow record is over: what was found in it goes into the record. */
void recover_end_flow(struct recover *recover, struct record *record);
/* For what has no place here: rules, frames that are held, counts. */
struct inspect *recover_inspect(struct recover *recover);
