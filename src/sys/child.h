/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - how every program of the gateway begins and keeps in touch:
 *
 *   child_start    waits for START at descriptor 3 and takes over the descriptors
 *   child_map      maps a ring or counts file
 *   child_ready    enters the jail and says READY
 *   child_poll     takes messages, sends the heartbeat; call it some times a second
 *
 * End of file on descriptor 3 shows as CHILD_ORPHAN: the supervisor is gone.
 */
#pragma once

#include "sys/chan.h"
#include "sys/jail.h"

#define CHILD_EXIT_BAD_RING 3 /* exit status: a ring makes no sense, a restart does not help */

struct child {
	struct chan chan;
	struct message_start start;
	int fd[CHAN_FDS_MAX]; /* as start.fd tells */
	int64_t next_beat_ns;
	uint64_t beat;
};

enum child_event {
	CHILD_NOTHING,
	CHILD_AUDIT, /* fb-gate: *ret_message has the id */
	/* *ret_message tells how. STOP_RESTART: the channel is closed; with that the supervisor knows that
	 * this process touches nothing shared any more, and starts the next one. */
	CHILD_STOP,
	CHILD_POLICY, /* fb-gate: *ret_message has the image's descriptor, to be taken or closed */
	CHILD_RULES,  /* fb-gate: the same with a rules image, or none */
	CHILD_KILL_FLOW,  /* fb-gate */
	CHILD_SEGMENT,    /* fb-lens: *ret_message has the file, to be taken or closed */
	CHILD_FILE_ORDER, /* fb-vault: *ret_message has it; the answer is child_file_done() */
	CHILD_ORPHAN,     /* no supervisor any more (or it spoke nonsense) */
};

/* 0, or -errno with a line on stderr. */
int child_start(enum chan_process process, struct child *ret_child);
/* The descriptor of that role, -1 when START had none. It stays the child's. */
int child_fd(const struct child *child, enum chan_role role, unsigned index);
/* The whole file of that role, shared and writable, once. The descriptor is closed: with it a process
 * that was taken over could shorten the file, and the others would die of the pages that are gone.
 * NULL: errno tells. */
void *child_map(struct child *child, enum chan_role role, size_t *ret_size);
/* The same, readable only. */
const void *child_map_read(struct child *child, enum chan_role role, size_t *ret_size);
/* jail_enter with the mode from START, then READY. */
int child_ready(struct child *child, const struct jail *jail);
/* Never waits. `now_ns` is CLOCK_MONOTONIC. */
enum child_event child_poll(struct child *child, int64_t now_ns, struct message *ret_message);
int child_applied(struct child *child, const struct message_applied *applied);
/* fb-rules: what it was started for. `fd`: the image, or -1. */
int child_compiled(struct child *child, const struct message_compiled *compiled, int fd);
int child_file_done(struct child *child, const struct message_file_done *done);
int child_audited(struct child *child, const struct message_audited *audited);
/* fb-lens: asks for a segment; it comes as CHILD_SEGMENT. */
int child_want(struct child *child, const struct message_want *want);
