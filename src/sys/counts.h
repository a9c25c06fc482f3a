/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts - the files gate.counts, tap.counts, store.counts, lens.counts, vault.counts in run_dir: one writer each, read by the
 * supervisor (status, stats, audit). They live as long as the rings, so counts go on over a restart.
 * Words are written one by one; a reader takes each for itself.
 */
#pragma once

#include <stdint.h>

#define COUNTS_REASONS_MAX 128 /* at least REASON_COUNT */
#define COUNTS_SIZE        4096
#define COUNTS_SEGMENT_MAX 64

/* state_dir/lens.state is fb-lens's own (cmd/fb-lens/lens.h); here only its size. */
#define COUNTS_LENS_STATE_SIZE 8192
#define COUNTS_PORTS_MAX       17

struct counts_port {
	uint64_t received; /* frames the gate took */
	uint64_t captured; /* of them, into the frame ring */
	uint64_t unseen;   /* of them, not: dropped because they could not be captured */
	uint64_t missed;   /* frames the kernel could not hand over */
	uint64_t kernel;   /* frames as NICs count them, a super-frame once; missed ones as well */
	uint64_t sent;
	uint64_t made; /* frames of the gate's own that are in the frame ring too: refusals */
};

/* The gate's work with rules, since it was started. */
struct counts_rules {
	uint64_t flows, pool_used, held; /* now */
	uint64_t hits, changed, dropped, undecided, no_room;
	uint64_t lost;      /* hits that could not be recorded */
	uint64_t loaded_ns; /* that taking up the image took */
};

struct counts_gate {
	uint64_t received;
	uint64_t bytes;
	uint64_t passed;
	uint64_t dropped;
	uint64_t starts; /* of a gate on these files */
	uint64_t in_flows;
	uint64_t other_frames;
	uint64_t open_frames;
	uint64_t flows_active;
	uint64_t flows_total;
	uint64_t by_reason[COUNTS_REASONS_MAX];
	struct counts_rules rules;
	struct counts_port port[COUNTS_PORTS_MAX]; /* all gates of this run_dir */
};

struct counts_tap {
	uint64_t frames; /* packet blocks written */
	uint64_t
		last_packet; /* ... up to this packet id: with the file's tail this survives a crash */
	uint64_t bytes;      /* written */
	uint64_t segments;    /* opened */
	uint64_t stored;      /* bytes of all segments on the disk */
	uint64_t removed;     /* segments removed for the budget */
	uint64_t write_errno; /* of the last failed write while it still fails, else 0 */
	char segment[COUNTS_SEGMENT_MAX]; /* the open one */
};

struct counts_store {
	uint64_t records;        /* written to the journal */
	uint64_t flow_frames;    /* frames in flow records of the journal */
	uint64_t last_seq_gate;  /* origin_seq up to which flow_frames is complete */
	uint64_t journal_bytes;  /* on the disk */
	uint64_t database_bytes; /* on the disk */
	uint64_t write_errno;    /* as above */
	uint64_t refused;        /* ill-formed records */
	uint64_t since_seq; /* journal number of the first record out of these rings; 0: fresh */
	/* What flow_frames and last_seq_gate become next: a crash between the two is made good. */
	uint64_t next_flow_frames;
	uint64_t next_seq_gate;
};

struct counts_lens {
	uint64_t packets;     /* read, each once */
	uint64_t bytes;       /* of their blocks */
	uint64_t last_packet; /* id of the last one */
	uint64_t last_ns;     /* its time, by the wall clock */
	uint64_t segment;     /* number of the one it is in */
	uint64_t behind;      /* 0: at the last look there was nothing more to read */
	uint64_t damaged;     /* number of the segment that cannot be read on; 0: none */
	uint64_t records;     /* put into the ring */
	uint64_t refused;     /* records too large for one */
	uint64_t unread;      /* segments that were gone before they were read */
	uint64_t poison;      /* packets that are not looked at any more */
	uint64_t looked;      /* frames held against the rules */
	uint64_t not_looked;  /* frames that did not arrive, and copies of those that left */
	uint64_t alerts;
	uint64_t pieces; /* of files, put into the ring */
};

struct counts_vault {
	uint64_t pieces;      /* taken */
	uint64_t refused;     /* ill-formed pieces */
	uint64_t open;        /* files being carried now */
	uint64_t files;       /* kept now */
	uint64_t bytes;       /* of them */
	uint64_t seen;        /* files that ended */
	uint64_t fresh;       /* of them, content that came for the first time */
	uint64_t unstored;    /* of them, not kept: a budget, or the disk */
	uint64_t removed;     /* kept once, and gone for a budget */
	uint64_t records;     /* put into the ring */
	uint64_t poison;      /* files that are not examined any more */
	uint64_t write_errno; /* of the last failed write while it still fails, else 0 */
};
