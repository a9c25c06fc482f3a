/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - which rules match. A rule set is compiled once, elsewhere (rules/compile.h), into one flat image
 * that processes map read-only; here it is opened and held against packets, pieces of streams and
 * transactions. No I/O, no clock; work and memory a call are bounded by the limits below.
 *
 * What a caller looks at is a `unit`. The prefilter finds the rules whose rarest content is in a unit's new
 * bytes; those are evaluated exactly. Rules without a content that can be looked for are evaluated on every
 * unit of their kind that their header fits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "proto/proto.h"

struct frame;
struct frame_packet;
struct rules;

/* Named limits. */
#define RULES_HITS_MAX       32    /* of one unit */
#define RULES_STEPS_MAX      20000 /* of an evaluation of one rule: places tried; then it is `tired` */
#define RULES_PCRE_MATCH_MAX 10000  /* PCRE2's match limit: of each place where a match may begin */
#define RULES_PCRE_STEPS_MAX 500000 /* items of expressions tried, of an evaluation of one rule */
#define RULES_PCRE_UNIT_MAX  2000000 /* of all evaluations of one unit */
#define RULES_PCRE_DEPTH_MAX 1000    /* PCRE2's depth limit */
#define RULES_CANDIDATES_MAX 256     /* rules waiting for more of one transaction or stream */
#define RULES_TRACKED_MAX    65536   /* addresses with thresholds and xbits, all rules together */

enum rules_kind {
	RULES_PACKET,  /* one packet and its payload */
	RULES_STREAM,  /* new bytes of a TCP stream, with those before */
	RULES_TX,      /* news of a transaction */
	RULES_FLOW_END /* nothing more comes: what waits is decided */
};

/* What the engine keeps for one conversation: marks, numbers, what waits, what has been said. */
struct rules_flow;
struct rules_flow *rules_flow_new(void); /* NULL: no memory */
struct rules_flow *rules_flow_free(struct rules_flow *flow);

struct rules_unit {
	enum rules_kind kind;
	const struct frame *frame; /* that brought the news; a reassembled datagram is one */
	const struct frame_packet *packet; /* of it; NULL: not IP */
	int64_t wall_ns, steady_ns;
	unsigned side;    /* who sent it: 0 client, 1 server; of packets without a flow 0 */
	bool established; /* both have spoken (TCP: after the handshake, or picked up midstream) */
	bool reassembled; /* from fragments */
	bool streamed;    /* RULES_PACKET of TCP: its bytes are told as RULES_STREAM too */
	/* Nobody wants to hear of hits: but for RULES_TX only rules that stop, change, pass, leave marks or count are
	 * looked at. */
	bool quiet;
	struct rules_flow *flow; /* NULL: no conversation */
	uint64_t flow_packets[2], flow_bytes[2];
	int64_t flow_start_ns;
	enum proto_id app;        /* of the flow: PROTO_NONE while not known */
	uint64_t stream_bytes[2]; /* by sequence numbers */
	uint16_t stream_events, decode_events_unused;
	const char *const *
		events; /* names for decode-event and stream-event of this packet; ends with NULL */
	/* RULES_PACKET: payload of the packet. RULES_STREAM: the bytes kept and the new ones behind them. RULES_TX: the
	 * same as the packet or stream unit that brought the news (rules that look at both need them).
	 * RULES_FLOW_END: what is kept of the side. */
	const uint8_t *bytes;
	uint32_t len;
	uint32_t fresh; /* where in `bytes` the new ones begin */
	bool repeats; /* RULES_STREAM: the new ones are all that the RULES_PACKET had that was looked at last */
	uint64_t offset;     /* of bytes[0] in the stream */
	struct proto_tx *tx; /* RULES_TX */
};

/* A place in `bytes` of a packet or stream unit that the rule wants changed. */
struct rules_edit {
	uint32_t at, len;
	const uint8_t *bytes; /* of the image */
};
#define RULES_EDITS_MAX 8

struct rules_hit {
	uint32_t rule;  /* number in the rule set, see rules_info() */
	uint8_t action; /* enum rule_action, after thresholds and rate filters */
	bool alert;     /* false: noalert, or thinned out; the action still holds */
	/* Not decided within the limits: not a match, the caller's policy decides. n_edits is 0, or 1 if it is a rule that
	 * replaces; edit is empty. */
	bool tired;
	uint8_t n_edits;
	struct rules_edit edit[RULES_EDITS_MAX];
};

/* `image` must outlive it. -EBADMSG: not an image of this version; -ENOMEM. */
int rules_open(const void *image, size_t size, struct rules **ret_rules);
/* The same in pieces of a few milliseconds, for who has other things to do: rules_open_begin(), then
 * rules_open_more() while it says 1. 0: they can be used. Errors as above; rules_close() is all that may follow. */
int rules_open_begin(const void *image, size_t size, struct rules **ret_rules);
int rules_open_more(struct rules *rules);
struct rules *rules_close(struct rules *rules);

/* Hits, in the order of their actions (pass first) and then of the rule set; at most RULES_HITS_MAX. */
size_t rules_look(struct rules *rules, const struct rules_unit *unit,
	struct rules_hit ret_hits[static RULES_HITS_MAX]);

/* Whether a rule that drops, rejects or replaces may ever match in the conversation of the unit's packet, whichever
 * side sends. False is certain: only headers are asked about. */
bool rules_may_stop(struct rules *rules, const struct rules_unit *unit);

/* The same of rules that look at transactions of the protocol that the unit's flow is of. */
bool rules_may_stop_tx(struct rules *rules, const struct rules_unit *unit);

/* Whether the last bytes of a stream may be the beginning of a content that a rule would replace: returns how
 * many of the last bytes, 0: none. Asked about streams only that such a rule's header fits. */
uint32_t rules_tail(struct rules *rules, const struct rules_unit *unit);

/* For records and people. Texts are of the image. */
struct rules_info {
	uint32_t sid, gid, rev;
	uint8_t action, reject, priority, target; /* reject: enum rule_reject */
	const char *msg, *category, *metadata, *references;
	const char *file;
	uint32_t line;
};
struct rules_info rules_info(const struct rules *rules, uint32_t rule);
uint32_t rules_count(const struct rules *rules);

/* `fishbowl rules profile`: what a rule has cost since the rules were opened. */
struct rules_cost {
	uint64_t checks, matches, ns;
};
struct rules_cost rules_cost(const struct rules *rules, uint32_t rule);
void rules_take_time(struct rules *rules, bool take); /* `ns` is counted: false at first */
/* For tests: without it every rule is evaluated on every unit. The hits are the same. */
void rules_set_prefilter(struct rules *rules, bool on);
