/* SPDX-License-Identifier: Apache-2.0 */
/* smb - what SMB1 and SMB2 share: messages of a connection, its trees, open files and pipes.
 * Private to smb*.c. */
#pragma once

#include "proto/dce.h"
#include "proto/ntlm.h"

#define SMB_WHOLE_MAX \
	(48u << 10) /* a message up to this is waited for; of a longer one the beginning */
#define SMB_BEGIN         512u /* bytes of a long message that are waited for */
#define SMB_CALLS_MAX     64   /* without an answer */
#define SMB_TREES_MAX     16
#define SMB_SESSION_GUEST 1  /* whoever it is, he is let in as a guest */
#define SMB_FILES_MAX     32 /* open at a time; the one idle longest is taken for closed */
#define SMB_LIST_MAX      64 /* names of a directory's answer that are shown */
#define SMB_ANY           UINT32_MAX
#define BUFFER_OVERFLOW   0x80000005u /* a status: of a pipe there is more to read */

/* Pieces of a file that come before those that belong in front of them wait, so that readers in order see them in
 * order: of one file, of a connection. What has no room is told at once, and leaves a hole. */
#define SMB_HELD_RANGES 16
#define SMB_HELD_MAX    (256u << 10)

#define SMB1_NEGOTIATE UINT64_MAX /* number of a call: SMB2 may answer it */

struct smb_tree {
	bool used, pipe;
	uint32_t id;
	struct text_name name;
};

/* What one side sends of a file. */
struct smb_data {
	struct proto_tx *tx; /* NULL: it was ended from outside */
	struct proto_fields_file *file;
	uint64_t next; /* offset behind what was told */
	bool holes;    /* were told */
	bool cut;      /* some of it may not have been seen */
	unsigned n_held;
	struct smb_held {
		uint64_t offset;
		uint32_t len, room;
		uint8_t *bytes;
	} held[SMB_HELD_RANGES]; /* in order, none touches another */
};

struct smb_file {
	bool used, pipe, has_guid;
	bool opening;   /* asked for in a chain that goes on to use it; `id` is not known yet */
	uint8_t id[16]; /* SMB2: GUID; SMB1: the two bytes of the FID */
	uint64_t session;
	uint32_t tree;
	struct text_name name;
	struct smb_data *data[2];
	uint64_t size;    /* that the server says it has; 0: not known */
	uint64_t used_at; /* in calls that found it */
	struct dce *dce;
	struct proto_tx *asked; /* of a pipe: written, and its answer not read yet */
};

struct smb_call {
	bool used;
	uint64_t id; /* SMB2: message; SMB1: multiplex, process, place in the chain */
	uint16_t command;
	uint16_t kind;       /* TRANS2: what is asked for */
	bool waits;          /* written to a pipe: the record waits for what will be read from it */
	struct proto_tx *tx; /* NULL: of a file's contents, no record of its own */
	struct smb_file *file;
	struct text_name name; /* of what is being opened or connected */
	uint64_t offset;
	uint32_t tree;
};

struct smb {
	struct proto_conn *conn;
	struct smb_tree tree[SMB_TREES_MAX];
	struct smb_file file[SMB_FILES_MAX];
	struct smb_call call[SMB_CALLS_MAX];
	unsigned next_tree, next_call;
	uint64_t clock;
	uint32_t held; /* bytes of memory for pieces that wait */
	char dialect[16];
	struct ntlm ntlm;
	bool clear; /* SMB1: passwords are sent as they are */
	struct proto_login login, share_login;
	/* Of a chain of messages (SMB2): what those mean that name no file. */
	struct smb_chain {
		struct smb_file *file;
		uint32_t tree;
		uint64_t session;
	} chain[2];
	/* Of a message whose rest is still to come. */
	struct smb_rest {
		uint32_t left, data; /* bytes of it; of them, for the file */
		bool follows;        /* another message of the chain ... */
		uint32_t chained;    /* ... after so many bytes */
		struct smb_file *file;
		uint64_t offset; /* in the file */
	} rest[2];
	bool lost[2]; /* the next message is looked for */
};

struct smb_call *smb_call_new(struct smb *smb, uint64_t id, uint16_t command, bool record);
struct smb_call *smb_call_find(struct smb *smb, uint64_t id);
void smb_call_done(struct smb *smb, struct smb_call *call);
struct smb_tree *smb_tree_find(struct smb *smb, uint32_t id);
void smb_tree_new(struct smb *smb, uint32_t id, const struct text_name *name, bool pipe);

/* smb_file.c */
struct smb_file *smb_file_find(struct smb *smb, const uint8_t *handle, size_t len);
/* `handle` NULL: it is not known yet. */
struct smb_file *smb_file_new(struct smb *smb, const uint8_t *handle, size_t len,
	const struct text_name *name, bool pipe);
/* One that was opened before all that was seen; what is sent first tells whether it is a pipe. */
struct smb_file *smb_file_unknown(
	struct smb *smb, const uint8_t *handle, size_t len, struct cur data);
/* The same of what is read of it first. */
bool smb_is_unknown_pipe(const struct smb_file *file, struct cur data);
/* A file that was just opened by that name: one that was used before the answer was seen is it. */
struct smb_file *smb_file_named(struct smb *smb, const uint8_t *handle, size_t len,
	const struct text_name *name, bool pipe);
void smb_file_opened(struct smb *smb, struct smb_file *file, const uint8_t *handle, size_t len);
void smb_pipe_answered(struct smb_file *file); /* the record of what was written is complete */
/* `cut`: what was sent of it is not good. */
void smb_file_close(struct smb *smb, struct smb_file *file, bool cut);
/* Those of a tree and session, each of them SMB_ANY: all. */
void smb_files_close(struct smb *smb, uint32_t tree, uint64_t session);
/* The side sends nothing more. */
void smb_files_end(struct smb *smb, unsigned side);
/* Some of what the side sent was not seen. */
void smb_files_missed(struct smb *smb, unsigned side);
/* `here`: bytes of a file at `offset`, the first of `len`; the rest follows. */
void smb_file_data(struct smb *smb, unsigned side, struct smb_file *file, uint64_t offset,
	struct cur here, uint32_t len, const char *command);
/* Of the rest. */
void smb_file_more(struct smb *smb, unsigned side, struct cur here);
/* DCE/RPC in a pipe becomes part of a record. */
void smb_pipe(struct smb *smb, unsigned side, struct smb_file *file, struct proto_tx *tx,
	struct cur data);
/* For free_tx(). */
void smb_files_forget(struct smb *smb, const void *fields);
void smb_files_free(struct smb *smb);

/* User, domain, host and version of an NTLMSSP authentication anywhere in `c`, which begins a login; or a ticket. */
void smb_ntlmssp(struct smb *smb, struct proto_fields *fields, struct cur c, struct out *o);
/* What a session setup was answered: a challenge anywhere in `c`, or the end of the login. */
/* `flags`: Action of SMB1, SessionFlags of SMB2. */
void smb_session_answered(struct smb *smb, struct cur c, uint32_t status, uint16_t flags);
void smb_fuid(struct out *o, const uint8_t id[static 16]); /* SMB2's number of a file */
void smb_status(struct out *o, uint32_t status);
void smb_say_head(struct smb *smb, struct out *o, struct proto_tx *tx, const char *command);
/* Names in a directory's answer ([MS-FSCC] 2.4): each entry says where the next one begins, and has its name's length
 * and its name at these places. */
void smb_say_entries(struct out *o, struct cur c, bool wide, size_t len_at, size_t name_at);
void smb_say_rename(struct out *o, const struct text_name *from, const struct text_name *to);

/* A whole message, or the beginning of a long one of `len` bytes. `more`: it goes on a chain. */
void smb2_take(struct smb *smb, unsigned side, struct cur message, uint32_t len, bool more);
void smb1_take(struct smb *smb, unsigned side, struct cur message, uint32_t len);
