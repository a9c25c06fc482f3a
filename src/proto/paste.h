/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paste - files that are typed into a shell: what `echo` and `printf` write into files, perhaps in many lines
 * (the loaders of bots), here documents, what is typed into cat(1); Base64, uuencode (POSIX, uuencode) and hex that
 * is undone on the other side; lines of Python, Perl and PHP. It knows as much of the shell's language as this takes:
 * words, quotes, pipes, redirections, `;`, `&&`, `||`, `&`, sh -c. What it does not understand writes no file.
 * Passwords that are set by the same means are told, too.
 *
 * A file is put together by its name as it was typed, and told when it is whole, or when the connection ends.
 */
#pragma once

#include "proto/fields.h"

#define PASTE_FILES_MAX 16   /* at a time; the oldest is told, and makes room */
#define PASTE_NAME_MAX  128u /* bytes of a name; the rest is cut */
#define PASTE_KEEP_MAX \
	(96u << 10) /* bytes of a file that are kept; a longer one is told piece by piece */
#define PASTE_ALL_MAX   (256u << 10) /* of all of them, and what is being typed */
#define PASTE_GROWN_MAX (128u << 10) /* of what gunzip makes of them */
#define PASTE_LINE_MAX  (64u << 10)  /* of lines that a quote holds together */
#define PASTE_WORDS_MAX 64           /* of one command */
#define PASTE_DEPTH_MAX 3            /* of lines in lines */
#define PASTE_MADE_MAX \
	(4u << 20) /* bytes that the commands of a connection read from files, copy, unpack: few bytes typed make many */

struct paste;

/* Who types. */
struct paste_setter {
	struct proto_conn *conn;
	unsigned side;
	struct cur who; /* his name; empty: not known */
};

/* A line that was typed as a command. *paste: NULL at first, and as long as there is nothing to do. */
void paste_line(struct paste **paste, const struct paste_setter *by, struct cur line);
/* ^C: what was being typed is given up. */
void paste_stop(struct paste *paste);
/* What is not told is told now. */
void paste_end(struct paste **paste, struct proto_conn *conn);

/* ---- words (paste_words.c) ---- */

enum paste_token {
	PASTE_WORD,
	PASTE_PIPE,
	PASTE_NEXT,      /* ; && || & ( ) */
	PASTE_OUT,       /* > */
	PASTE_APPEND,    /* >> */
	PASTE_IN,        /* < */
	PASTE_HERE,      /* << */
	PASTE_HERE_TABS, /* <<- */
	PASTE_HERE_TEXT, /* <<< */
	PASTE_END,
	PASTE_OPEN /* inside of a quote, or behind a backslash at the end */
};

#define PASTE_FD_NONE 99u /* >&1: no file */

/* The next token of *c. A word's bytes, without quotes, are written to `o`. *ret_fd: of a redirection. */
enum paste_token paste_next(struct cur *c, struct out *o, unsigned *ret_fd);
/* Whether a quote, or a backslash, holds this line and the next together. *quote: what began the one that is open
 * where the line begins, then where it ends; 0: none. */
bool paste_goes_on(struct cur line, uint8_t *quote);

/* ---- lines of other languages (paste_code.c) ---- */

struct paste_code {
	enum paste_language { PASTE_PYTHON, PASTE_PERL, PASTE_PHP } language;
	/* Into a file; without a name: it was hidden, and is run. */
	void (*write)(void *context, struct cur name, bool append, struct cur data);
	void *context;
};
/* What it says goes to `o`. */
void paste_code(const struct paste_code *code, struct cur text, struct out *o);

/* ---- commands that set a password, which is told as a login (paste_passwd.c) ---- */

bool paste_sets_password(struct cur name);
/* `words`: the command, its name without directories is `name`, and what stands behind it. `line`: from it or before
 * it on, as typed. `input`: what is piped into it; empty: nothing. */
void paste_passwd(const struct paste_setter *by, struct cur name, const struct cur *words,
	unsigned n, struct cur line, struct cur input);
/* Whose password the line asks to be typed; empty: his own, or it is no such line. */
struct cur paste_passwd_user(struct cur line);

/* ---- what hides bytes (paste_decode.c); each writes to `o`, as much as has room ---- */

/* Escapes of echo -e; false: output ends here (\c). */
bool paste_echo(struct cur text, struct out *o);
/* printf(1). */
void paste_printf(const struct cur *args, unsigned n, struct out *o);
/* False: it is none. */
bool paste_base64(struct cur text, struct out *o);
bool paste_hex(struct cur text, struct out *o);
bool paste_gunzip(struct cur text, struct out *o);
/* A line of a uuencoded block; *ret_last: the one that ends the data. False: it is none. */
bool paste_uu_line(struct cur line, struct out *o, bool *ret_last);
/* "begin 644 name", "begin-base64 644 name" */
bool paste_uu_begin(struct cur line, struct cur *ret_name, bool *ret_base64);
