/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_look - the frames of a replay held against rules (inspect/inspect.h), and what was found
 * as records. Frames that the gate stops are not looked at.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/gate.h"

struct frame;
struct geo;
struct inspect_frame;
struct proto_text;
struct replay_look;
struct recover_piece;
struct rules;
struct signatures;

struct replay_look_setup {
	/* NULL: files are not kept. */
	void (*keep)(void *context, const struct recover_piece *piece);
	struct rules *rules;   /* borrowed; NULL: protocols only */
	bool is_inline;        /* rules stop and change frames; else they only alert */
	bool midstream;        /* follow TCP conversations whose beginning was not seen */
	bool ignore_checksums; /* else packets with wrong ones are not looked at */
	const struct signatures *signatures; /* see recover.h, as `geo` */
	const struct geo *geo;
	uint32_t flows_max;
	void (*emit)(void *context, const struct record *record);
	/* NULL: nobody asks what was typed and shown. */
	void (*on_text)(
		void *context, const struct inspect_frame *frame, const struct proto_text *text);
	void *context;
};

int replay_look_new(const struct replay_look_setup *setup, struct replay_look **ret_look);
struct replay_look *replay_look_free(struct replay_look *look);

/* A frame that the gate has judged. */
void replay_look_frame(struct replay_look *look, const struct frame *frame,
	const struct gate_answer *answer, const struct gate_time *now, uint64_t packet);
/* A flow's record, before it is written: adds what was found, and ends the flow here. */
void replay_look_flow(struct replay_look *look, struct record *record);
/* What waits is decided. */
void replay_look_finish(struct replay_look *look);
