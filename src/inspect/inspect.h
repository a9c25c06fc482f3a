/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect - one frame after another, held against the rules: streams, protocols, marks of each conversation,
 * and what follows from a match. The gate uses it inline for what leaves the honeynet; replay and fb-lens
 * passively for everything. It does no I/O, asks no clock, and its memory is bounded by its setup.
 *
 * Inline, a frame may be changed, held or dropped (doc/design/rules.md). Only frames with `leaves` are; the
 * others are looked at so that both directions of a conversation are known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "proto/proto.h"
#include "rules/rules.h"

struct frame;
struct inspect;

#define INSPECT_TAG_MAX    96          /* bytes of the caller's that ride with a held frame */
#define INSPECT_HELD_MAX   4096        /* frames held, all conversations */
#define INSPECT_HELD_SIDE  256         /* of one direction of a conversation */
#define INSPECT_HELD_BYTES (16u << 20) /* all conversations; a frame needs twice its size */
#define INSPECT_GAP_NS \
	1000000000 /* how long a segment that came too early is held; then it is dropped */
#define INSPECT_POOL_BYTES (64u << 20) /* default for `pool_bytes` */
#define INSPECT_SKIP_BYTES \
	(256u << 10) /* passive: so many bytes behind a gap, and it is given up */

struct inspect_frame {
	const struct frame
		*frame; /* parsed from `bytes`; a reassembled datagram, or a whole frame */
	uint8_t *bytes; /* inline: may be written to */
	uint32_t len;
	uint64_t flow_id;         /* 0: no conversation */
	uint64_t parent_of_inner; /* 0; else flow ids of inner packets are made from it */
	unsigned side;            /* 0: from who began */
	bool midstream;           /* the conversation was under way when it was first seen */
	bool reassembled;         /* from fragments */
	bool leaves;              /* inline: may be changed, held, dropped */
	bool quiet;               /* hits need not be told (rules_unit.quiet) */
	bool is_private;          /* hits are told without its payload */
	enum direction direction;
	int64_t wall_ns, steady_ns;
	uint64_t packet; /* the caller's number of it */
	/* Names of what is odd about it, for decode-event; ends with NULL. May be NULL. */
	const char *const *events;
};

enum inspect_verdict {
	INSPECT_PASS,
	INSPECT_CHANGED, /* `bytes` have been changed, checksums with them */
	INSPECT_HELD,    /* copied; comes back through inspect_next() */
	INSPECT_DROP,    /* by a rule, or because something cannot be decided */
	INSPECT_REJECT,  /* the same, and the sender (and the receiver) is to be told */
};

struct inspect_answer {
	enum inspect_verdict verdict;
	enum reason reason; /* of what is dropped or changed */
	uint8_t reject;     /* enum rule_reject */
	uint32_t rule;      /* that decided; UINT32_MAX: none */
	const uint8_t *
		before; /* INSPECT_CHANGED: the frame as it came, until the next call of any kind */
};

/* A match, or what could not be decided (hit->tired). Pointers are valid during the call. What is decided at a
 * conversation's end comes with a frame that holds no bytes, only headers as its last one had. */
struct inspect_hit {
	const struct inspect_frame *frame; /* that completed it */
	const struct frame *parsed;
	unsigned inner; /* which of its packets */
	const struct rules_hit *hit;
	const struct rules_unit *unit; /* in which it was found */
	struct rules_info info;
	struct proto_tx *tx; /* NULL: not in a transaction */
	enum proto_id app;
	const uint8_t *before, *after; /* of what was changed; NULL: nothing was */
	uint32_t changed_len;
	uint64_t changed_at;    /* offset in the stream or the payload */
	const uint8_t *payload; /* what the rule looked at, its last bytes */
	uint32_t payload_len;
	bool dropped; /* what the frame's verdict became by it */
};

/* What a payload of no known protocol says, once undone. Pointers are valid during the call. */
#define INSPECT_DECODED_TOLD 1024 /* bytes of the text, the first ones */
struct inspect_decoded {
	unsigned side;      /* whose it is */
	const char *method; /* "rolling difference 0x17" */
	uint32_t score;
	const uint8_t *text;
	uint32_t len;
};

/* What is of no protocol that we know: the beginning of one side of a conversation, or a frame that holds none. */
struct inspect_unknown {
	unsigned side;
	const uint8_t *bytes;
	size_t len;
};

struct inspect_setup {
	struct rules *
		rules; /* may be replaced, see inspect_set_rules(); NULL: no rules, protocols only */
	bool is_inline;
	/* Passive: bytes of a TCP stream are looked at when the peer acknowledges them, as Suricata does: what refers to a
	 * packet refers to that one. Else at once. */
	bool when_acked;
	bool midstream;    /* follow TCP conversations whose beginning was not seen */
	size_t pool_bytes; /* for streams */
	/* Conversations followed at a time; the one idle longest goes first. Inline, as many as the caller can have:
	 * one that comes back is looked at from there on only. */
	uint32_t flows_max;
	int64_t hold_ns;
	uint64_t depth; /* bytes of a stream's side looked at; 0: all */
	void (*on_hit)(void *context, const struct inspect_hit *hit);
	/* News of a transaction that is done on both sides, or ends: for records. May be NULL. */
	void (*on_tx)(void *context, const struct inspect_frame *frame, struct proto_tx *tx);
	void (*on_file)(void *context, const struct inspect_frame *frame,
		const struct proto_file *file, const uint8_t *bytes, size_t len);
	void (*on_login)(void *context, const struct inspect_frame *frame, enum proto_id proto,
		const struct proto_login *login); /* may be NULL */
	void (*on_tunnel)(void *context, const struct inspect_frame *frame,
		const struct proto_tunnel *tunnel); /* may be NULL */
	void (*on_text)(void *context, const struct inspect_frame *frame,
		const struct proto_text *text); /* what was typed and shown; may be NULL */
	/* NULL: nothing is tried. Passive only: it takes its time. */
	void (*on_decoded)(void *context, const struct inspect_frame *frame,
		const struct inspect_decoded *decoded);
	/* May be NULL. Passive only. */
	void (*on_unknown)(void *context, const struct inspect_frame *frame,
		const struct inspect_unknown *unknown);
	void *context;
};

int inspect_new(const struct inspect_setup *setup, struct inspect **ret_inspect); /* -ENOMEM */
struct inspect *inspect_free(struct inspect *inspect);

/* From the next frame on; conversations keep their streams, and begin anew with marks that are rules'. */
void inspect_set_rules(struct inspect *inspect, struct rules *rules);

/* `tag`: `tag_len` bytes that come back if the frame is held. After each call, inspect_next() until false. */
struct inspect_answer inspect_take(
	struct inspect *inspect, struct inspect_frame *frame, const void *tag, size_t tag_len);

/* A frame that was held and is not any more. */
struct inspect_released {
	struct inspect_answer answer; /* INSPECT_PASS, CHANGED, DROP, REJECT */
	const uint8_t *before;        /* as it came */
	uint8_t *bytes;               /* to be sent */
	uint32_t len;
	const void *tag;
};
/* True: *ret_released is set, until the next call of any kind. */
bool inspect_next(
	struct inspect *inspect, int64_t steady_ns, struct inspect_released *ret_released);
/* When the next held frame is due; INT64_MAX: none is held. */
int64_t inspect_next_ns(const struct inspect *inspect);

/* What was found in a conversation, for its record. */
struct inspect_flow_facts {
	enum proto_id app, side_app[2];
	uint64_t transactions;
	bool alerted;         /* a rule's alert was told */
	bool dropped, passed; /* a rule's action was drop or reject, or pass */
};
/* The conversation is over: what waits is decided. `ret_facts` may be NULL; all zero if it was not followed. */
void inspect_end_flow(
	struct inspect *inspect, uint64_t flow_id, struct inspect_flow_facts *ret_facts);
/* The same so far, of one that goes on. */
struct inspect_flow_facts inspect_facts(const struct inspect *inspect, uint64_t flow_id);
/* The application protocol of a conversation, for its record. */
enum proto_id inspect_app(const struct inspect *inspect, uint64_t flow_id);

struct inspect_counts {
	uint64_t flows, flows_max, pool_used, held, held_bytes;
	uint64_t hits, changed, dropped, undecided, no_room, early_dropped;
	uint64_t evicted; /* conversations that made room for others */
	uint64_t missed;  /* bytes never seen */
	uint64_t untried; /* payloads that were not decoded: too many at a time */
};
void inspect_counts(const struct inspect *inspect, struct inspect_counts *ret_counts);
