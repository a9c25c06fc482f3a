/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - the table of conversations, in the caller's memory.
 *
 * The slots are all there is to keep: the memory may be a file shared over restarts, and its user may
 * die at any instruction. A frame changes only a slot's struct flow_tally; whoever must not lose or
 * half-count a frame copies the tally before (see control/gate.c). Index, free list and timers are
 * private and made again from the slots by flow_table_open(). Nothing is allocated after that.
 *
 * A slot is FLOW_FREE, FLOW_LIVE (found by its key) or FLOW_ENDED (not found any more; waits until
 * its record has been written). Slots are named by their index.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "event/event.h"

struct frame;
struct frame_packet;

#define FLOW_NONE UINT32_MAX
#define FLOW_MAX  (1u << 24) /* slots of a table */

#define FLOW_IN_FLIGHT_MAX (16u << 20) /* bytes beyond the peer's highest acknowledgement */
#define FLOW_SYN_MAX       8  /* more SYNs, or SYN-ACKs, than the first and what asked for them */
#define FLOW_CLOSED_MAX    8  /* more frames after the end than came from the peer */
#define FLOW_RST_MAX       4  /* more RSTs than frames came from the peer */
#define FLOW_EARNED_MAX    64 /* of the peer's frames count ahead for the three above */
#define FLOW_CREDIT_START  (1 << 18) /* bytes of TCP, before anything was heard */
#define FLOW_CREDIT_MAX    (16 << 20)
#define FLOW_CREDIT_FACTOR 2000 /* bytes that a byte heard is worth */
#define FLOW_ANSWER_WORTH  4    /* packets that a packet heard is worth, not TCP */

enum flow_status { FLOW_FREE, FLOW_LIVE, FLOW_ENDED };
enum flow_state { FLOW_NEW, FLOW_ESTABLISHED, FLOW_CLOSED };
enum flow_end {
	FLOW_END_NONE,
	FLOW_END_TIMEOUT,
	FLOW_END_CLOSED,
	FLOW_END_REUSED,
	FLOW_END_FORCED,
	FLOW_END_SHUTDOWN
};

/* Which timeout applies. */
enum flow_timeout {
	FLOW_TIMEOUT_TCP_NEW,
	FLOW_TIMEOUT_TCP_ESTABLISHED,
	FLOW_TIMEOUT_TCP_CLOSED,
	FLOW_TIMEOUT_UDP,
	FLOW_TIMEOUT_ICMP,
	FLOW_TIMEOUT_OTHER,
	FLOW_TIMEOUTS
};

/* Both ends in a fixed order, so that the two directions have one key. No padding: it is hashed. */
struct flow_key {
	struct ip ip[2];
	uint64_t parent; /* flow id of the tunnel, 0 for outer packets */
	uint16_t port[2];
	uint16_t vlan[2];
	uint8_t version; /* 4 or 6 */
	uint8_t proto;
	uint8_t icmp_kind; /* request type of those with an identifier, else the type */
	uint8_t zero[5];
};

/* What a frame may change. [0]: from the side that began, [1]: from the other. */
struct flow_tally {
	int64_t last_wall_ns, last_steady_ns;
	uint64_t last_packet;
	uint64_t frames[2], bytes[2]; /* bytes of whole frames */
	uint32_t dropped;             /* of these frames */
	uint32_t errors;              /* ICMP errors about it, not among these frames */
	uint32_t isn[2];
	uint32_t seq_end[2]; /* behind the highest byte sent */
	uint32_t seq_max[2]; /* behind the highest that the other side let it send */
	int32_t debt;        /* see flow_credit_allows() */
	uint32_t cleared[2]; /* policy whose lists its frames were last held against: out, in */
	uint16_t window[2];  /* largest one announced, KiB, rounded up */
	uint16_t reason;
	uint8_t status, state, end; /* enum flow_status, flow_state, flow_end */
	uint8_t verdict;
	uint8_t tcp_flags[2];
	uint8_t errors_sent; /* ICMP errors let out by the gate */
	/* Bit 0, 1: the side. syn_acked: the other has answered it, so it may send data. */
	uint8_t isn_known : 2, syn_acked : 2, fin_seen : 2, fin_acked : 2;
	uint8_t wscale; /* one more than a side's shift in 4 bits; 0: not offered */
	uint8_t loose;  /* numbers are not certain, see tcp.c */
	int8_t syns;    /* sent by the honeypot, less those that the peer's frames call for */
	int8_t rsts, strays;
	uint8_t listed[2]; /* bit n: on list n of that policy: out, in */
};

struct flow {
	struct flow_key key;
	uint64_t id;
	int64_t first_wall_ns;
	uint64_t first_packet;
	uint16_t honeypot; /* the gate's number of it */
	uint8_t direction; /* enum direction */
	uint8_t starter;   /* which end of the key began */
	uint8_t in_port;
	uint8_t icmp_type, icmp_code; /* of the first frame */
	uint8_t zero;
	struct flow_tally tally;
};

struct flow_table;

size_t flow_table_size(uint32_t slots);
/* For who repairs such memory, aligned to 8, before a table is opened: its slots; none of them was ever used. */
struct flow *flow_memory_slots(void *memory);
void flow_memory_clear(void *memory);

/* `memory`: flow_table_size(slots) bytes, zeroed, cleared or left by a table before. Slots that make no sense are
 * freed and counted in *ret_lost. `timeout_ns`: FLOW_TIMEOUTS of them. -EINVAL, -ENOMEM. */
int flow_table_open(void *memory, uint32_t slots, const int64_t *timeout_ns,
	struct flow_table **ret_table, uint32_t *ret_lost);
struct flow_table *flow_table_close(struct flow_table *table);

/* The key of a packet and which of its ends is the source. False for what is not IP. */
bool flow_key_make(const struct frame *frame, const struct frame_packet *packet, uint64_t parent,
	struct flow_key *ret_key, uint8_t *ret_source);
/* Which of its ends began, as the first packet that is seen shows it: an answer to a SYN comes from the other one, and
 * what was under way before comes from a server if its port is one of theirs (RFC 6335, 6: below 1024). Anybody may send one, so this is for reading and no permission may follow from it. */
uint8_t flow_starter(const struct frame_packet *packet, uint8_t source);

struct flow *flow_get(struct flow_table *table, uint32_t slot);
uint32_t flow_find(const struct flow_table *table, const struct flow_key *key);
uint32_t flow_slots(const struct flow_table *table);
uint32_t flow_used(const struct flow_table *table); /* live and ended slots */
/* Slots from this one on were never used: all that is to be found is before it. */
uint32_t flow_reached(const struct flow_table *table);

/* A free slot, zeroed but for its key, still FLOW_FREE; FLOW_NONE when there is none. The caller fills it
 * and calls flow_begin(), which makes it live and findable. */
uint32_t flow_reserve(struct flow_table *table, const struct flow_key *key);
void flow_begin(struct flow_table *table, uint32_t slot);
/* Makes a live flow ended: it goes to the end of the queue of flows to be recorded. */
void flow_end(struct flow_table *table, uint32_t slot, enum flow_end end);
/* First of that queue or FLOW_NONE; flow_free_ended() takes it off and frees the slot. */
uint32_t flow_first_ended(const struct flow_table *table);
void flow_free_ended(struct flow_table *table);

/* Idle for longer than its timeout at `steady_ns`. */
bool flow_timed_out(const struct flow_table *table, const struct flow *flow, int64_t steady_ns);
/* Ends flows that timed out, at most `max` looked at. */
void flow_expire(struct flow_table *table, int64_t steady_ns, uint32_t max);
/* After a change of state: the timeout may have become shorter. */
void flow_reschedule(struct flow_table *table, uint32_t slot);

/*
 * TCP truth, as in van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000): kept is what each
 * side has sent and what the other lets it send, by acknowledgement and window. What a packet says counts only
 * if its own numbers fit. A connection that was there before us is learnt from its next frames, with
 * FLOW_IN_FLIGHT_MAX for every window.
 *
 * Side 0 is who began. The honeypot's side is 0 of an outbound flow, 1 of an inbound one.
 */

/* Whether a packet begins a new connection on a known 5-tuple, asked before all below: a SYN with
 * another initial sequence number, or on a connection that had been established and is closed. If `strict`,
 * any SYN from side 1 and any after a whole handshake. If not, a SYN from side 1 on an established connection
 * begins nothing: only somebody else sends that (RFC 5961, 4). */
bool flow_tcp_begins(
	const struct flow *flow, const struct frame_packet *packet, unsigned side, bool strict);

enum flow_fit {
	FLOW_FITS,
	FLOW_FITS_NOT,     /* no stack would send that here */
	FLOW_FIT_TOO_MANY, /* of what a stack sends a few times: SYN, RST, frames after the end */
};

/* Whether a TCP packet that the honeypot sends from its `side` belongs to a flow that is let through.
 * What every stack does fits: simultaneous open, fast open (RFC 7413), keep-alives, window probes,
 * half-close, challenge ACKs, RST from a closed port, an ACK out of a connection that was there before
 * (RFC 9293, 3.5.1). */
enum flow_fit flow_tcp_fits(
	const struct flow *flow, const struct frame_packet *packet, unsigned side);

/* Who began has acknowledged a SYN that only who answered it has seen: he is where he says he is. */
bool flow_tcp_is_proven(const struct flow *flow);

/* One packet that passed. True when the flow's timeout may have become another. */
bool flow_tcp_step(struct flow *flow, const struct frame_packet *packet, unsigned side);
/* The same for other protocols: answered is established. */
bool flow_answer_step(struct flow *flow, unsigned side);

/* What the caller's policy allows. */
struct flow_credit {
	uint32_t unanswered; /* packets of a conversation that is not TCP */
};

/*
 * Whether a honeypot may send `bytes` more (of `frames` whole frames) without hearing from its peer. `side` is the
 * honeypot's. The flow's debt is
 *   TCP: bytes sent, less FLOW_CREDIT_FACTOR times the bytes that came; it stays at or below
 *   FLOW_CREDIT_START, and counts down to that less FLOW_CREDIT_MAX;
 *   else: packets sent, less FLOW_ANSWER_WORTH times those that came; it stays at or below `unanswered`.
 *   Each fragment is a packet. Answers to a conversation that began outside are not counted here.
 */
bool flow_credit_allows(const struct flow *flow, unsigned side, uint32_t frames, uint32_t bytes,
	const struct flow_credit *limits);
/* A frame of `bytes` from `side` that passed. */
void flow_credit_step(struct flow *flow, unsigned side, uint32_t bytes);

const char *flow_state_name(enum flow_state state);
const char *flow_end_name(enum flow_end end);
