/* SPDX-License-Identifier: Apache-2.0 */
/* smb - what SMB1 and SMB2 share: messages of a connection, its trees, open files and pipes.
 * Private to smb*.c. */
#pragma once

#include "proto/dce.h"

#define SMB_WHOLE_MAX \
	(48u << 10)         /* a message up to this is waited for; of a longer one the beginning */
#define SMB_BEGIN      512u /* bytes of a long message that are waited for */
#define SMB_CALLS_MAX  64   /* without an answer */
#define SMB_TREES_MAX  16
#define SMB_FILES_MAX  16
#define SMB_NAME_MAX   255        /* of a file or share, UTF-8 */
#define SMB1_NEGOTIATE UINT64_MAX /* number of a call: SMB2 may answer it */

struct smb_name {
	uint32_t len;
	char text[SMB_NAME_MAX];
};

struct smb_tree {
	bool used, pipe;
	uint32_t id;
	struct smb_name name;
};

struct smb_file {
	bool used, pipe, has_guid;
	uint8_t id[16]; /* SMB2: GUID; SMB1: the two bytes of the FID */
	uint64_t session;
	uint32_t tree;
	struct smb_name name;
	struct proto_tx *tx; /* its contents */
	struct proto_fields_file *data;
	uint64_t next; /* offset of the byte that follows */
	uint8_t side;  /* who sends it */
	struct dce *dce;
	struct proto_tx *asked; /* of a pipe: written, and its answer not read yet */
};

struct smb_call {
	bool used;
	uint64_t id; /* SMB2: message; SMB1: multiplex and process */
	uint16_t command;
	bool waits;          /* written to a pipe: the record waits for what will be read from it */
	struct proto_tx *tx; /* NULL: of a file's contents, no record of its own */
	struct smb_file *file;
	struct smb_name name; /* of what is being opened or connected */
	uint64_t offset;
};

struct smb {
	struct proto_conn *conn;
	struct smb_tree tree[SMB_TREES_MAX];
	struct smb_file file[SMB_FILES_MAX];
	struct smb_call call[SMB_CALLS_MAX];
	unsigned next_tree, next_file, next_call;
	char dialect[16];
	uint8_t challenge[8]; /* of the server (NTLMSSP) */
	struct proto_login login;
	struct smb_name created; /* what was opened last: chained messages mean it */
	/* Of a message whose rest is still to come. */
	struct smb_rest {
		uint32_t left, data; /* bytes of it; of them, for the file */
		struct smb_file *file;
	} rest[2];
};

struct smb_call *smb_call_new(struct smb *smb, uint64_t id, uint16_t command, bool record);
struct smb_call *smb_call_find(struct smb *smb, uint64_t id);
void smb_call_done(struct smb *smb, struct smb_call *call);
struct smb_tree *smb_tree_find(struct smb *smb, uint32_t id);
void smb_tree_new(struct smb *smb, uint32_t id, const struct smb_name *name, bool pipe);
struct smb_file *smb_file_find(struct smb *smb, const uint8_t *handle, size_t len);
struct smb_file *smb_file_new(
	struct smb *smb, const uint8_t *handle, size_t len, const struct smb_name *name, bool pipe);
void smb_pipe_answered(struct smb_file *file); /* the record of what was written is complete */
void smb_file_close(struct smb *smb, struct smb_file *file);
/* `here`: bytes of a file at `offset`, the first of `len`; the rest follows. */
void smb_file_data(struct smb *smb, unsigned side, struct smb_file *file, uint64_t offset,
	struct cur here, uint32_t len, const char *command);
/* DCE/RPC in a pipe becomes part of a record. */
void smb_pipe(struct smb *smb, unsigned side, struct smb_file *file, struct proto_tx *tx,
	struct cur data);
/* `name`: UTF-16LE, or bytes. */
void smb_name_read(struct cur c, bool wide, struct smb_name *ret_name);
/* User, domain, host and version of an NTLMSSP authentication anywhere in `c`; it begins a login. */
void smb_ntlmssp(struct smb *smb, struct proto_fields *fields, struct cur c, struct out *o);
/* What a session setup was answered: a challenge anywhere in `c`, or the end of the login. */
void smb_session_answered(struct smb *smb, struct cur c, uint32_t status);
void smb_fuid(struct out *o, const uint8_t id[static 16]); /* SMB2's number of a file */
void smb_status(struct out *o, uint32_t status);
void smb_say_head(struct smb *smb, struct out *o, struct proto_tx *tx, const char *command);

/* A whole message, or the beginning of a long one of `len` bytes. */
void smb2_take(struct smb *smb, unsigned side, struct cur message, uint32_t len);
void smb1_take(struct smb *smb, unsigned side, struct cur message, uint32_t len);
