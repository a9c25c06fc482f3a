/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell - somebody types lines, a host answers: what Telnet, rlogin and shells over bare TCP have in common, once
 * their own bytes are taken out. A line and what is said until the next one is a transaction; what is
 * typed where a user name or a password is asked for is a login instead, and never a line. A new password is told
 * with what is said to it.
 *
 * What a byte means is decided when it is typed: by the line that was said last. What is typed
 * ahead of the question waits for it (SHELL_AHEAD_MAX).
 */
#pragma once

#include "proto/inside.h"

#define SHELL_LINE_MAX   1024u  /* bytes of a typed line that are told; the rest is left out */
#define SHELL_LONG_MAX   32768u /* of one that may hold a file (paste.h) */
#define SHELL_OUTPUT_MAX 4096u  /* bytes of what is said to a line; the rest is left out */
#define SHELL_PROMPT_MAX 128u   /* last bytes of the line that was said last */
#define SHELL_KEY_MAX    8u     /* bytes of a key behind ESC */
#define SHELL_TEXT_MAX   512u   /* bytes of text that are told at a time */
#define SHELL_AHEAD_MAX  512u   /* bytes that wait; with more, all of them go on */

enum shell_asked {
	SHELL_NOTHING,
	SHELL_COMMAND,
	SHELL_USER,
	SHELL_PASSWORD,
	SHELL_NEW_PASSWORD,
	SHELL_SAME_PASSWORD /* the new one again */
};

/* The line that was said last, without control sequences (ECMA-48, 5.4). Zero at first. */
struct shell_prompt {
	uint8_t at[SHELL_PROMPT_MAX];
	uint8_t len, escape;
	bool over; /* it was ended, and nothing has been said since */
};
void shell_prompt_add(struct shell_prompt *prompt, uint8_t byte);
bool shell_prompt_asks_user(const struct shell_prompt *prompt);
/* The same, as eggdrop does it, in a line that ends. */
bool shell_prompt_asks_nick(const struct shell_prompt *prompt);

struct shell {
	struct proto_conn *conn;
	uint8_t typist;          /* the side that types; the other one answers */
	const char *by_password; /* method of a login with a password */
	struct proto_login login;
	struct proto_login_text user; /* as given last, while it is not let in */
	struct proto_login_text who;  /* was let in; len 0: not known */
	struct proto_login_text whom; /* passwd(1) was told; len 0: it was not */
	struct proto_login fresh;     /* a password that is being set */
	struct proto_tx *tx;          /* of the last line; NULL: none */
	struct shell_prompt prompt;
	enum shell_asked asked, took; /* of the line that is being typed; of the one before */
	bool heard;                   /* something has been said */
	bool in_shell;                /* a command has been typed since a name was asked for */
	bool over;                    /* nothing will be said any more */
	bool typing, cr, line_cut, said_cut;
	bool edits;  /* the line is edited by keys, as shells with a terminal let it be */
	bool pastes; /* what comes is pasted (bracketed paste) */
	bool in_key;
	uint8_t n_key, key[SHELL_KEY_MAX]; /* behind its ESC */
	uint16_t line_at;                  /* where the next byte goes */
	uint16_t line_len, line_room, said_len, n_ahead;
	uint16_t said_text_len; /* of it, without white space at the end */
	uint8_t *line;
	struct paste *paste;            /* files that are being typed; NULL: none */
	uint8_t said[SHELL_OUTPUT_MAX]; /* since that line */
	uint8_t ahead[SHELL_AHEAD_MAX];
	/* Of what is being fed: told as text. */
	uint16_t text_len;
	uint8_t text[SHELL_TEXT_MAX];
};

void shell_init(
	struct shell *shell, struct proto_conn *conn, const char *by_password, unsigned typist);
void shell_close(struct shell *shell);
/* A name was given by the protocol itself; `asks`: a password may follow. Of no effect once
 * something was said. */
void shell_user(
	struct shell *shell, const uint8_t *bytes, size_t len, const char *method, bool asks);
void shell_typed(struct shell *shell, uint8_t byte);
void shell_said(struct shell *shell, uint8_t byte);
/* Behind what came together of a side. */
void shell_typed_all(struct shell *shell);
void shell_said_all(struct shell *shell);
void shell_said_end(struct shell *shell);
void shell_lost(struct shell *shell, unsigned side); /* bytes are missing */

/* Of the parser. */
bool shell_json(struct proto_tx *tx, struct out *o);
void shell_free_tx(void *data);
