/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what the files of src/inspect share. Private to it. */
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "flow/flow.h"
#include "frame/frame.h"
#include "inspect/inspect.h"
#include "stream/stream.h"

#define TALK_NONE UINT32_MAX
#define INSPECT_FRAME_MAX \
	(80u << 10) /* longer ones cannot be changed, and do not leave if they might have to be */
#define INSPECT_CHANGE_MAX (8u << 10) /* bytes of a change that are told */

/* guard.c's. */
struct held;
struct held_list {
	struct held *first, *last;
};
enum held_kind { HELD_QUEUE, HELD_EARLY, HELD_KINDS, HELD_NOT = HELD_KINDS };

/* One side of a conversation: what it sends. */
struct side {
	struct stream *stream;    /* TCP; NULL: not followed */
	struct frame_packet last; /* headers of its last packet; version 0: none came */
	uint64_t packets, bytes;  /* bytes of whole frames */
	uint32_t isn, seq_end;    /* behind the highest number that it used */
	uint64_t fin_at;          /* offset; UINT64_MAX: no FIN was seen */
	bool fin_early;           /* bytes before it were missing */
	uint32_t ack_seq;         /* the highest that the other side acknowledged */
	bool ack_seen;
	uint64_t shown;  /* offset: bytes before it are looked at, acknowledged or not */
	uint8_t outside; /* segments in a row that were too far ahead */
	bool syn, ended; /* ended: the protocol has been told */
	uint8_t tried;   /* payloads that were tried to decode */
	/* Of a side that leaves. */
	bool guarded, closed;
	uint16_t closed_by; /* enum reason */
	uint32_t rule;      /* that closed it, or was the last to change it */
	uint32_t n_held;
	struct held_list queue, early;
	uint64_t left; /* bytes before it have left */
	uint64_t safe; /* bytes before it need not be held */
};

/* A conversation. */
struct talk {
	uint64_t id;
	uint32_t next_in_bucket, newer, older;
	uint64_t
		flow_id; /* that is told: of one inside a tunnel the outer one, over which it began */
	uint64_t number;    /* of one inside a tunnel, from 1: its files are told apart by it */
	struct talk *outer; /* NULL: it is not inside a tunnel, or that one has gone */
	struct talk *inner; /* first of those inside it */
	struct talk *before, *after; /* of those inside the same one */
	uint8_t first_end;           /* of one inside a tunnel: which end of its key began */
	bool seen, established, followed, midstream;
	uint8_t reset_by; /* side + 1 whose RST has ended it */
	bool goes_on;     /* behind one that had ended it; before it was: */
	enum proto_id app_before;
	bool asked, may_stop; /* the rules: whether one of them may stop what leaves of it */
	bool asked_unread, must_read;         /* the same of those about what its protocol says */
	enum direction direction;             /* of what side 0 sends */
	int64_t start_ns, wall_ns, steady_ns; /* of the first, of the last frame */
	uint64_t packet;
	struct rules_flow *marks;
	struct inspect_flow_facts facts;
	struct proto_conn *conn;
	struct side side[2];
};

/* A connection that was announced in another one. */
#define EXPECTED_MAX         256 /* at a time; the oldest goes first */
#define EXPECTED_OF_TALK_MAX 16  /* of them, by one conversation: its own oldest goes first */
#define EXPECTED_NS          60000000000
struct expected {
	uint64_t by;               /* the conversation */
	uint64_t number;           /* in the order of the announcements */
	struct ip listener, other; /* unset: any */
	struct proto_expect what;  /* proto PROTO_NONE: it came, or there was none */
	int64_t until_ns;
};

/* What is being looked at. */
struct now {
	const struct inspect_frame *frame;
	const struct frame *parsed;
	const struct frame_packet *packet; /* NULL: not IP */
	unsigned inner, side;
	struct talk *talk; /* NULL: no conversation */
	/* Inline, of frames that leave. */
	bool may_stop;
	bool edited;           /* a rule changed bytes of the stream */
	bool changed;          /* the frame's bytes were written to */
	const uint8_t *before; /* as it came, once written to */
	struct inspect_answer answer;
};

struct inspect {
	struct inspect_setup setup;
	struct now now;
	struct pool *pool;
	struct talk *talk; /* flows_max of them */
	uint32_t *bucket;  /* first talk of each */
	uint32_t bucket_mask, n_talks, newest, oldest, n_free;
	uint32_t *free;   /* stack of talks not in use */
	uint32_t trimmed; /* the last one that had to give back memory */
	unsigned char hash_key[16];
	struct inspect_counts counts;
	uint64_t n_inner; /* conversations inside of tunnels until now */
	struct expected expected[EXPECTED_MAX];
	uint64_t n_announced;
	uint32_t n_expected;
	struct proto_expect taken;
	struct unveil *unveil; /* NULL: nothing is decoded */
	/* Inline. */
	struct pool *held_pool;
	struct held_list due[HELD_KINDS], ready; /* in the order of time */
	struct held *returned;                   /* by inspect_next() */
	const void *tag;                         /* of the frame that is being taken */
	size_t tag_len;
	uint8_t original[INSPECT_FRAME_MAX];
	uint8_t change[INSPECT_CHANGE_MAX]; /* bytes before a change */
};

/* talks.c */
int talks_new(struct inspect *in);
void talks_free(struct inspect *in);
struct talk *talk_find(const struct inspect *in, uint64_t id);
/* Found, or begun with what is known of it; the newest from now on. NULL: id is 0. */
struct talk *talk_get(struct inspect *in, uint64_t id, bool *ret_is_new);
void talk_drop(struct inspect *in, struct talk *talk);
/* `inner` is new, and ends at the latest with `outer`. */
void talk_put_inside(struct talk *outer, struct talk *inner);
/* Of a packet inside a tunnel. */
uint64_t talk_inner_id(const struct inspect *in, const struct flow_key *key);

/* inspect.c: what waits is decided; before a talk is dropped. */
void inspect_end_talk(struct inspect *in, struct talk *talk);

/* look.c: in->now is what is looked at. */
struct now_bytes {
	const uint8_t *at;
	uint32_t len;
};
struct now_bytes look_payload(const struct now *now);
void look_packet(struct inspect *in);
/* What a frame without IP says by itself, for records. */
void look_link(struct inspect *in);
/* The bytes of the side's stream that were not read, the next ones to the protocol and then to the rules. */
void look_feed(struct inspect *in, const uint8_t *bytes, size_t len);
/* `packet`: look_packet() was called just before. */
void look_stream(struct inspect *in, bool packet);
void look_end(struct inspect *in);
proto_on_tx look_on_tx;
proto_on_file look_on_file;
proto_on_login look_on_login;
proto_on_text look_on_text;
proto_on_tunnel look_on_tunnel;

/* expect.c */
proto_on_expect expect_on_told;
/* Whether the conversation at hand was announced; NULL, or what was said, until the next call. `ret_doubted`: by somebody
 * who may lie. */
const struct proto_expect *expect_take(struct inspect *in, bool *ret_doubted);

/* unveil.c: tries to decode what is of no known protocol: a packet that is not TCP, the beginning of a side. */
int unveil_new(struct unveil **ret_unveil); /* -ENOMEM */
struct unveil *unveil_free(struct unveil *unveil);
void unveil_packet(struct inspect *in);
void unveil_side(struct inspect *in, unsigned side);

/* Whether a rule may drop or change what leaves of the conversation. */
bool look_may_stop(struct inspect *in);

/* How many of the last bytes of the side's stream may be the beginning of what is to be replaced. */
uint32_t look_tail(struct inspect *in);

/* change.c: what a hit does to what leaves; fills in *told. */
void change_by_hit(struct inspect *in, const struct rules_unit *unit, const struct rules_hit *hit,
	struct inspect_hit *told);

/* Whether a rule matches what leaves cannot be known. */
void change_undecided(struct inspect *in);

/* tcp.c */
uint32_t tcp_data_seq(const struct frame_packet *packet);
void tcp_take(struct inspect *in);
enum stream_result tcp_take_bytes(
	struct inspect *in, struct stream *stream, uint32_t seq, struct now_bytes payload);
/* Looks at bytes in order that were not read; `packet`: and at the packet that brought them. */
void tcp_look_new(struct inspect *in, struct stream *stream, bool packet);
/* Where what may be looked at ends: for `when_acked`, bytes that the peer has. */
uint64_t tcp_shown_end(const struct inspect *in, const struct side *side);
void tcp_see_end(
	struct inspect *in, unsigned side, const struct frame_packet *packet, uint32_t len);
void tcp_give_up_gap(struct inspect *in, struct stream *stream);
/* What came behind gaps, at the end. */
void tcp_finish(struct inspect *in, unsigned side);

/* guard.c */
void guard_take(struct inspect *in);
/* Before the first change of the frame's bytes. */
void guard_touch(struct inspect *in);
/* What is held of the side leaves, but for what came too early. */
void guard_flush(struct inspect *in, struct side *side);
void guard_expire(struct inspect *in, int64_t steady_ns);
int64_t guard_due_ns(const struct inspect *in);
bool guard_next(struct inspect *in, struct inspect_released *ret_released);
void guard_forget(struct inspect *in); /* the frame that was returned last */

/* sums.c */
bool sum_known(const struct frame_packet *packet);
/* The sum (base/inet_sum.h) of some bytes, at an even offset of what is covered, was `before` and is `after`. */
void sum_update(uint8_t *frame, const struct frame_packet *packet, uint32_t before, uint32_t after);
