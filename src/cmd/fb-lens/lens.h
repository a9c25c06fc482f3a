/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens - follows the segments that fb-tap writes, packet by packet, and remembers how far it got.
 *
 * It works on memory and descriptors that are handed to it, so a test drives it without a
 * supervisor. It owns no file: it asks for one segment ahead, and that the next one is there tells
 * it that the one it reads does not grow any more.
 *
 * Exactly once: what a step (a packet, the change to the next segment) has to say goes into the
 * record ring, then the place moves behind it. A place carries the number of the next record, so
 * after a death in between the ring tells how much of the step was said already, and that is not
 * said again. Pieces of files go into a ring of their own in the same way.
 *
 * What was known about conversations under way dies with the process. So the next one reads again
 * what came shortly before its place (LENS_WARM_BYTES, LENS_WARM_NS), in silence. A packet that
 * ended the process twice is not looked at, and recorded; when that happens with one that is read
 * again, nothing is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/reader.h"
#include "event/event.h"
#include "sys/counts.h"

#define LENS_STATE_MAGIC 0x32534e454c424600 /* "\0FBLENS2" */
#define LENS_MARKS       64
#define LENS_MARK_BYTES  (1 << 20)
#define LENS_MARK_NS     INT64_C(2000000000)
#define LENS_WARM_BYTES  (UINT64_C(48) << 20)
#define LENS_WARM_NS     INT64_C(120000000000)

/* Behind a packet. */
struct lens_place {
	uint64_t segment; /* its number; 0: nowhere yet */
	uint64_t offset;  /* in the segment; 0: its beginning */
	uint64_t packet;  /* id of the last packet */
	int64_t time_ns;  /* of it */
	uint64_t bytes;   /* of all blocks read */
	uint64_t record;  /* number that the next record gets */
	uint64_t piece;   /* the same of the next piece of a file */
};

/* state_dir/lens.state: outlives process, run and machine. Zeroed memory is a fresh one. */
struct lens_state {
	uint64_t magic;
	uint64_t run;       /* in whose record ring the numbers count */
	uint64_t current;   /* which of the two places holds */
	uint64_t trying;    /* 1: a step behind it has begun */
	uint64_t died;      /* so often in that step */
	uint64_t warming;   /* packet that is being read again; 0: none */
	uint64_t warm_died; /* packet with which that ended the process the last time; 0: none */
	struct lens_place place[2];
	uint64_t n_marks;
	struct lens_place mark[LENS_MARKS]; /* earlier places, in turn */
};

struct lens_segment {
	uint64_t number;
	bool compressed;
	int fd; /* the lens's from now on */
};

enum lens_order {
	LENS_GO,
	LENS_DRAIN, /* nothing is written any more: read to the end of what there is, then end */
	LENS_END,   /* at once */
};

struct lens_setup {
	struct lens_state *state;
	struct counts_lens *counts;
	void *records; /* record-lens.ring */
	size_t records_size;
	void *pieces; /* piece.ring; NULL: files are not kept */
	size_t pieces_size;
	uint64_t run;
	/* Asks for the first segment with that number or a larger one (0: the first of this
	 * run), once; the answer comes through lens_give(). */
	void (*want)(void *context, uint64_t number);
	/* Waits so long for orders and segments, or until there is one. */
	enum lens_order (*wait)(void *context, int ms);
	/* A packet. May call lens_emit(). */
	void (*look)(void *context, const struct capture_packet *packet,
		const struct capture_interface *interface);
	void *context;
};

struct lens;

/* -EBADMSG: the ring is none; -ENOMEM. */
int lens_new(const struct lens_setup *setup, struct lens **ret_lens);
struct lens *lens_free(struct lens *lens);
void lens_give(struct lens *lens, const struct lens_segment *segment);
/* Only from `look`. Waits while the ring is full: a slow store makes the lens wait, and nothing
 * is lost. */
void lens_emit(struct lens *lens, const struct record *record);
struct piece;
/* The same with a piece of a file, into the ring of pieces. */
void lens_keep(struct lens *lens, const struct piece *piece);
/* Until told to end; 0 or -ENOMEM. */
int lens_run(struct lens *lens);
