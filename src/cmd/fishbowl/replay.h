/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay - captured packets through the gate, offline: the same verdicts and flow log as live, with
 * the packets' own time. Pure: no I/O, no clock, no randomness, so the same packets give the same
 * records. Memory is bounded by the configuration (flow.max).
 *
 * With a policy (a configuration file with honeypots), a frame is inside when the capture says so
 * (interfaces described as "outside" and "inside", as Fishbowl writes them), or else when it comes
 * from a honeypot: by source address, ARP or neighbour discovery, configured MAC address, or an
 * address in `home` when that is given. All other frames come from outside.
 * Without a policy nothing is judged: every frame passes, and records carry no verdict, only the
 * direction that follows from `home` and `external`.
 * What the gate lets pass is read: there are records of application protocols, logins and files, unless the
 * configuration wants none. With rules it is held against them, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/reader.h"
#include "proto/proto.h"
#include "control/gate.h"
#include "frame/frame.h"

struct conf;
struct geo;
struct inspect_frame;
struct piece;
struct policy;
struct replay;
struct replay_found;
struct replay_nets;

struct replay_setup {
	const struct conf *conf;            /* must outlive the replay */
	const struct policy *image;         /* of `conf`; must outlive the replay */
	bool policy;                        /* judge with it */
	const struct replay_nets *home;     /* NULL with a policy: honeypots only */
	const struct replay_nets *external; /* NULL: what is not home */
	struct rules *rules;                /* held against every frame; NULL: none are */
	bool is_inline;                     /* rules stop and change frames */
	bool viewer;                        /* what is found is for one: see replay_found.h */
	bool midstream, ignore_checksums;   /* see replay_look.h, as signatures and geo */
	const struct signatures *signatures;
	const struct geo *geo;
	/* Takes each record, in order. The record is the callback's to read until it returns. */
	void (*emit)(void *context, const struct record *record);
	/* What was typed and shown, where application records are wanted; NULL: nobody asks. */
	void (*on_text)(
		void *context, const struct inspect_frame *frame, const struct proto_text *text);
	/* Takes pieces of files that are carried (vault/piece.h). NULL: they are not kept. */
	void (*keep)(void *context, const struct piece *piece);
	void *emit_context; /* of all three */
};

/* What was seen, for the summary. */
struct replay_counts {
	uint64_t frames;       /* all that were read */
	uint64_t bytes;        /* captured bytes of them */
	uint64_t cut;          /* frames of which the capture has only a part */
	uint64_t copies;       /* outbound copies in a gateway's capture: not judged twice */
	uint64_t unknown_link; /* frames whose framing replay does not know: not judged */
	uint64_t other_l2;     /* neither IP nor ARP */
	uint64_t arp;
	uint64_t ip_proto[256];   /* frames by IP protocol of the outermost packet */
	uint64_t inner;           /* frames with a tunnelled packet */
	uint64_t flow_proto[256]; /* flow records */
	uint64_t no_flow;         /* IP frames that passed and found the flow table full */
	uint64_t records, alerts, files;
	uint64_t logins, logins_good;
	uint64_t application[PROTO_COUNT]; /* flows, by protocol; PROTO_NONE: not known */
	uint64_t anomaly[64];              /* frames by anomaly, enum frame_anomaly */
	int64_t first_ns, last_ns;         /* earliest and latest time; valid when frames > 0 */
	/* Verdicts recorded in the capture (packet comments), against those given now. */
	uint64_t same_verdict, other_verdict;
	uint64_t not_comparable; /* the gateway itself failed then: ring full, NIC gone, ... */
};

/* How frames of that kind are parsed; false: not at all. */
bool replay_link_of(enum capture_link link, enum frame_link *ret_link);

/* -ENOMEM, -EINVAL. */
int replay_new(const struct replay_setup *setup, struct replay **ret_replay);
struct replay *replay_free(struct replay *replay);

/* One packet of a capture, with its interface (may be NULL). Packets of several captures are one
 * stream in the order given. The answer is only set where the packet was judged (true). */
bool replay_packet(struct replay *replay, const struct capture_packet *packet,
	const struct capture_interface *interface, struct gate_answer *ret_answer);

/* A record that somebody made of such pieces: it is counted and goes to `emit`. */
void replay_tell(struct replay *replay, const struct record *record);

/* Ends all flows. */
void replay_finish(struct replay *replay);

const struct replay_counts *replay_counts(const struct replay *replay);
struct replay_found *replay_found(
	struct replay *replay); /* what the records told (replay_found.h) */
void replay_gate_counts(const struct replay *replay, struct gate_counts *ret_counts);
