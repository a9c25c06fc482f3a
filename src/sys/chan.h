/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chan - the channel between the supervisor and one child: SOCK_SEQPACKET, one message a packet, all
 * messages from messages.def, each of a fixed size.
 *
 * Neither side trusts the other. A message that is ill-formed, unknown, too early, a second one of a
 * kind that comes once, or with descriptors it may not carry, is -EBADMSG and the channel stays
 * broken: the sender is cut off. Descriptors of a refused message are closed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/port.h"

#define CHAN_CHILD_FD  3 /* where a child finds its end */
#define CHAN_FDS_MAX   80
#define CHAN_PORTS_MAX 17 /* the outside and 16 inside ports */
#define CHAN_NAME_MAX  32
#define CHAN_NIC_MAX   16 /* IFNAMSIZ */

enum chan_side { CHAN_SUPERVISOR, CHAN_CHILD };

/* Those that run all the time, and fb-rules, which ends when it has answered. */
enum chan_process {
	CHAN_GATE,
	CHAN_TAP,
	CHAN_STORE,
	CHAN_LENS,
	CHAN_VAULT,
	CHAN_PROCESSES,
	CHAN_RULES = CHAN_PROCESSES,
	CHAN_NAMES
};

enum chan_role {
#define ROLE(ID, text) ROLE_##ID,
#include "sys/roles.def"
#undef ROLE
	ROLE_COUNT
};

enum message_type {
	MESSAGE_NONE,
#define MESSAGE(ID, id, from, fds, once, after, text) MESSAGE_##ID,
#include "sys/messages.def"
#undef MESSAGE
	MESSAGE_COUNT
};

struct chan_fd {
	uint16_t role;
	uint16_t index;
};

struct message_start {
	uint32_t process;   /* enum chan_process: a child refuses another one's START */
	uint32_t n_ports;   /* names below; port 0 is the outside */
	uint64_t boot;      /* identity of this run of the gateway */
	uint32_t seccomp;   /* enum jail_mode */
	uint32_t same_boot; /* 1: CLOCK_BOOTTIME goes on from what the files hold */
	uint32_t restarts;  /* how often this process was started before in this run */
	uint32_t n_fds;
	char honeynet[CHAN_NAME_MAX];
	char port[CHAN_PORTS_MAX][CHAN_NIC_MAX];
	struct port_info
		port_info[CHAN_PORTS_MAX]; /* to fb-gate; ifindex 0: that NIC is not there */
	struct chan_fd fd[CHAN_FDS_MAX];   /* of the descriptors, in their order */
};

struct message_ready {
	int32_t landlock_abi; /* 0: the kernel has none */
	uint32_t spare;
};

struct message_alive {
	uint64_t beat;
};

struct message_audit {
	uint64_t id; /* comes back in the markers */
};

/* The gate's counts, since its memory was fresh, at one point of both its rings. This is also the
 * payload of a marker entry (RECORD_KIND_MARKER) in record-gate.ring. */
struct audit_marker {
	uint64_t id;
	uint64_t received; /* taken from the NICs */
	uint64_t missed;   /* the kernel had no room for them in the socket's ring */
	uint64_t unseen;   /* dropped because they could not be captured */
	uint64_t captured; /* packet entries committed to frame.ring */
	uint64_t in_flows; /* accounted to flows */
	uint64_t other_frames;
	uint64_t open_frames; /* of in_flows, those of flows still open */
	uint64_t passed;
	uint64_t dropped;
	uint64_t bytes;
	uint64_t flows_active;
	uint64_t flows_total;
	uint64_t kernel; /* what NICs counted as well: super-frames once, with those missed */
	uint64_t made;   /* packet entries in frame.ring of frames that the gate made */
};

/* Answer to AUDIT. From fb-gate when it has put the markers in (or ok = 0: no room now), from fb-tap
 * and fb-store when everything before the marker is on its way to the disk. */
struct message_audited {
	uint64_t id;
	uint64_t ok;
	/* fb-tap: packet blocks written; fb-store: frames in the flow records of the journal; both
	 * since the counts file was fresh. */
	uint64_t frames;
	struct audit_marker gate; /* from fb-gate only */
};

enum stop_how {
	STOP_END,     /* of the run: the gate writes its flow records, tap and store drain */
	STOP_RESTART, /* the gate only: end at once, flows stay in the table for the next one */
};

struct message_stop {
	uint32_t how;
	uint32_t spare;
};

/* Its descriptor is a sealed memfd of `size` bytes with a struct policy (control/policy.h). */
struct message_policy {
	uint64_t generation;
	uint64_t size;
};

struct message_kill_flow {
	uint64_t flow_id;
};

/* The one that fb-lens reads is that number less one, so it comes when that one does not grow any more. */
struct message_want {
	uint64_t number; /* the first of that number or above; 0: the first of this run */
};

/* Its descriptor is the segment's file, opened for reading. */
struct message_segment {
	uint64_t number; /* below what was wanted: numbers have begun anew */
	uint64_t compressed;
};

/* Its descriptor is a sealed memfd of `size` bytes with a rules image; size 0, and no descriptor: no rules. */
struct message_rules {
	uint64_t generation;
	uint64_t size;
};

/* One of these three is not 0: it tells what was answered. */
struct message_applied {
	uint64_t generation; /* of the policy */
	uint64_t flow_id;
	uint64_t rules; /* generation of the rules */
	int64_t result; /* 0 or -errno: -EBADMSG: no such image, the old one holds; -ENOENT: no such flow */
};

#define CHAN_REFUSALS_MAX 768

/* fb-rules: its descriptor is a memfd of `size` bytes with the image. */
struct message_compiled {
	uint64_t size;
	int64_t result; /* 0 or -errno: then there is no descriptor */
	uint64_t loaded, refused;
	char refusals
		[CHAN_REFUSALS_MAX]; /* the first ones, a line each; text of foreign files, escaped */
};

/* `kind` of entries in the record rings. (The frame ring: capture/ring_kind.h.) */
enum record_kind {
	RECORD_KIND_PADDING, /* never seen */
	RECORD_KIND_DATA,    /* a packed record (event/event.h) */
	RECORD_KIND_MARKER,  /* struct audit_marker; record-gate.ring only */
};

enum file_order { FILE_PIN, FILE_UNPIN, FILE_PURGE };

struct message_file_order {
	uint64_t number; /* comes back in the answer */
	uint32_t what;   /* enum file_order */
	uint32_t spare;
	uint8_t sha256[32];
};

struct message_file_done {
	uint64_t number;
	int64_t result; /* 1: done, 0: no such file is kept, or -errno; -EAGAIN: not now */
};

struct message {
	enum message_type type;
	union {
#define MESSAGE(ID, id, from, fds, once, after, text) struct message_##id id;
#include "sys/messages.def"
#undef MESSAGE
	};
	size_t n_fds;
	int fd[CHAN_FDS_MAX]; /* the receiver's, close-on-exec; -1 when taken */
};

struct chan {
	int fd;
	enum chan_side side; /* mine */
	uint32_t passed;     /* bit n: a message of type n went over it */
	bool broken;
};

/* A connected pair, close-on-exec and non-blocking. */
int chan_pair(int ret_fd[static 2]);
void chan_init(struct chan *chan, int fd, enum chan_side side);
void chan_close(struct chan *chan); /* idempotent */

/* 0, -EAGAIN when the peer does not read, -EPIPE when it is gone, -EBADMSG for what the table does not
 * allow. Descriptors stay the caller's. `payload` is the struct message_<id> of that type. */
int chan_send(struct chan *chan, enum message_type type, const void *payload, const int *fds,
	size_t n_fds);

/* 1 and a message, 0 when none waits, -EPIPE at end of file, -EBADMSG (see above), or -errno. */
int chan_receive(struct chan *chan, struct message *ret_message);

/* What chan_receive accepts, as a pure function: `passed` is updated when the message is good. */
int message_check(enum chan_side from, uint32_t *passed, const void *bytes, size_t len,
	size_t n_fds, struct message *ret_message);

void message_close_fds(struct message *message);
const char *message_name(enum message_type type);
const char *process_name(enum chan_process process); /* "fb-gate" */
