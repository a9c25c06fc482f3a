/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - what was typed and shown in conversations, as transcripts with times: asciicast v2
 * (docs.asciinema.org/manual/asciicast/v2) or text for people. Bytes come as inspect_setup.on_text tells them, a
 * transcript leaves in pieces, each of which is whole characters of JSON, or whole lines. No I/O.
 *
 * Memory is bounded: SESSION_MAX conversations at a time, of each at most SESSION_HEAD_MAX bytes, which wait for
 * the terminal's size and type, and for what shows whether all of it is text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "proto/proto.h"

struct inspect_frame;
struct sessions;

#define SESSION_MAX       4096 /* at a time; the one idle longest is ended, and goes on as another part */
#define SESSION_HEAD_MAX  8192  /* bytes of a transcript that are kept back */
#define SESSION_PIECE_MAX 65536 /* bytes that are told at a time */
#define SESSION_LINE_MAX  512   /* bytes of a line of text */

enum session_format { SESSION_ASCIICAST, SESSION_TEXT };

/* Of whom a piece is. */
struct session_name {
	uint64_t flow_id;
	uint32_t part;  /* 0: of a conversation that was never put off */
	uint32_t proto; /* enum proto_id */
};

struct session_setup {
	enum session_format format;
	uint64_t flow_id; /* only this conversation, whatever it is; 0: all */
	bool all; /* of any protocol, if it is text; else of terminals: Telnet, rlogin, rsh, shells */
	bool echo; /* what is typed is shown, too: of shells that do not echo it */
	/* `begins`: the first piece. */
	void (*write)(void *context, const struct session_name *name, bool begins,
		const char *bytes, size_t len);
	void *context;
};

int sessions_new(const struct session_setup *setup, struct sessions **ret_sessions); /* -ENOMEM */
struct sessions *sessions_free(struct sessions *sessions);

void sessions_take(struct sessions *sessions, const struct inspect_frame *frame,
	const struct proto_text *text);
/* The conversation is over. */
void sessions_end(struct sessions *sessions, uint64_t flow_id);
void sessions_end_all(struct sessions *sessions);
uint64_t sessions_parted(const struct sessions *sessions); /* that made room for others */
