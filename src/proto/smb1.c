/* SPDX-License-Identifier: Apache-2.0 */
/* SMB 1 ([MS-CIFS], [MS-SMB]). Of chained commands (AndX) the first one, and a tree connect
 * behind a session setup. */
#include "proto/smb.h"

#include <strings.h>

enum {
	WRITE = 0x0b,
	CLOSE = 0x04,
	TRANSACTION = 0x25,
	READ_ANDX = 0x2e,
	WRITE_ANDX = 0x2f,
	NEGOTIATE = 0x72,
	SESSION_SETUP = 0x73,
	LOGOFF = 0x74,
	TREE_CONNECT = 0x75,
	CREATE = 0xa2
};

#define HEADER 32

static const struct {
	uint8_t command;
	const char *name;
} names[] = { { 0x00, "CREATE_DIRECTORY" }, { 0x01, "DELETE_DIRECTORY" }, { CLOSE, "CLOSE" },
	{ 0x05, "FLUSH" }, { 0x06, "DELETE" }, { 0x07, "RENAME" }, { 0x08, "QUERY_INFO" },
	{ 0x09, "SET_INFO" }, { 0x0a, "READ" }, { WRITE, "WRITE" }, { 0x10, "CHECK_DIRECTORY" },
	{ 0x24, "LOCKING_ANDX" }, { TRANSACTION, "TRANS" }, { 0x2b, "ECHO" },
	{ READ_ANDX, "READ_ANDX" }, { WRITE_ANDX, "WRITE_ANDX" }, { 0x32, "TRANS2" },
	{ 0x34, "FIND_CLOSE2" }, { 0x71, "TREE_DISCONNECT" }, { NEGOTIATE, "NEGOTIATE_PROTOCOL" },
	{ SESSION_SETUP, "SESSION_SETUP_ANDX" }, { LOGOFF, "LOGOFF_ANDX" },
	{ TREE_CONNECT, "TREE_CONNECT_ANDX" }, { 0x80, "QUERY_INFO_DISK" }, { 0xa0, "NT_TRANS" },
	{ CREATE, "NT_CREATE_ANDX" }, { 0xa4, "NT_CANCEL" } };

struct smb1 {
	struct smb *smb;
	unsigned side;
	uint8_t command, flags;
	uint16_t flags2, tree, user;
	uint32_t status;
	uint64_t id;
	struct cur message, words, data; /* the whole; parameters; bytes behind them */
	uint32_t cut;
	struct smb_call *call;
	struct out *o;
};

static bool is_wide(const struct smb1 *m)
{
	return m->flags2 & 0x8000;
}

static void command_name(uint8_t command, char ret_name[static 64])
{
	struct out o = out_make(ret_name, 64);

	out_str(&o, "SMB1_COMMAND_");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].command == command) {
			out_str(&o, names[i].name);
			return;
		}
	out_fmt(&o, "UNKNOWN_%02X", command);
}

/* Wide text begins at an even offset of the message. */
static void align(const struct smb1 *m, struct cur *c)
{
	if (is_wide(m) && (c->at - m->message.at) & 1)
		cur_skip(c, 1);
}

static void next_text(const struct smb1 *m, struct cur *c, struct smb_name *ret_name)
{
	struct cur text = *c;

	smb_name_read(text, is_wide(m), ret_name);
	while (cur_left(c) && (is_wide(m) ? cur_le16(c) : cur_u8(c)))
		;
}

static void negotiate(struct smb1 *m)
{
	struct cur c = m->words;
	struct cur list = m->data;

	if (m->side == 0) {
		unsigned n = 0;

		json_open(m->o, "client_dialects", '[');
		while (cur_left(&list) && n++ < 16) {
			struct smb_name name;

			cur_skip(&list, 1);
			smb_name_read(list, false, &name);
			cur_skip(&list, name.len + 1);
			json_text(m->o, NULL, name.text, name.len);
		}
		json_close(m->o, ']');
		return;
	}
	if (cur_le16(&c) != 0xffff && cur_ok(&c)) {
		struct out o = out_make(m->smb->dialect, sizeof(m->smb->dialect));

		out_str(&o, "NT LM 0.12");
	}
}

/* Behind the security blob: what the machine calls itself. */
static void session_setup(struct smb1 *m)
{
	struct cur c = m->words, blob = m->data, text = m->data;
	struct smb_name os, lm;
	uint16_t len;

	if (m->side)
		smb_session_answered(m->smb, blob, m->status);
	cur_skip(&c, m->side ? 6 : 14);
	len = cur_le16(&c);
	if (!cur_ok(&c))
		return;
	cur_limit(&blob, len);
	cur_skip(&text, len);
	if (m->side == 0)
		smb_ntlmssp(m->smb, m->call->tx->data, blob, m->o);
	align(m, &text);
	next_text(m, &text, &os);
	next_text(m, &text, &lm);
	json_open(m->o, m->side ? "response" : "request", '{');
	json_text(m->o, "native_os", os.text, os.len);
	json_text(m->o, "native_lm", lm.text, lm.len);
	json_close(m->o, '}');
}

static void tree_connect(struct smb1 *m)
{
	struct cur c = m->words, text = m->data;
	uint16_t len;
	bool pipe;

	if (m->side == 0) {
		cur_skip(&c, 6);
		len = cur_le16(&c);
		cur_skip(&text, len);
		align(m, &text);
		next_text(m, &text, &m->call->name);
		pipe = m->call->name.len >= 4 &&
		       strncasecmp(m->call->name.text + m->call->name.len - 4, "IPC$", 4) == 0;
		proto_fields_add(m->call->tx->data, pipe ? BUFFER_SMB_NAMED_PIPE : BUFFER_SMB_SHARE,
			m->call->name.text, m->call->name.len);
		return;
	}
	if (m->status)
		return;
	pipe = cur_left(&text) >= 3 && memcmp(text.at, "IPC", 3) == 0;
	smb_tree_new(m->smb, m->tree, &m->call->name, pipe);
	json_text(m->o, pipe ? "named_pipe" : "share", m->call->name.text, m->call->name.len);
}

static void create(struct smb1 *m)
{
	struct cur c = m->words, text = m->data;
	uint8_t id[2];
	struct smb_tree *tree;
	struct smb_file *file;

	if (m->side == 0) {
		align(m, &text);
		next_text(m, &text, &m->call->name);
		json_text(m->o, "filename", m->call->name.text, m->call->name.len);
		return;
	}
	cur_skip(&c, 5);
	cur_copy(&c, id, sizeof(id));
	if (m->status || !cur_ok(&c))
		return;
	tree = smb_tree_find(m->smb, m->tree);
	file = smb_file_new(m->smb, id, sizeof(id), &m->call->name, tree && tree->pipe);
	file->tree = m->tree;
	file->session = m->user;
}

static struct smb_file *file_at(struct smb1 *m, size_t offset)
{
	struct cur c = m->words;

	cur_skip(&c, offset);
	return cur_left(&c) >= 2 ? smb_file_find(m->smb, c.at, 2) : NULL;
}

static struct cur bytes_at(const struct smb1 *m, uint32_t offset)
{
	struct cur c = m->message;

	cur_skip(&c, offset);
	return c;
}

static void close_file(struct smb1 *m)
{
	if (m->side == 0)
		m->call->file = file_at(m, 0);
	else if (m->call->file)
		smb_file_close(m->smb, m->call->file);
}

static void write_file(struct smb1 *m)
{
	struct cur c = m->words, data;
	uint64_t place;
	uint32_t len, offset;

	if (m->side || !m->call->file)
		return;
	cur_skip(&c, 6);
	place = cur_le32(&c);
	cur_skip(&c, 8);
	len = (uint32_t)cur_le16(&c) << 16;
	len |= cur_le16(&c);
	offset = cur_le16(&c);
	if (cur_left(&c) >= 4)
		place |= (uint64_t)cur_le32(&c) << 32;
	data = bytes_at(m, offset);
	if (!cur_ok(&c) || !cur_ok(&data) || len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	if (m->call->file->pipe) {
		m->call->waits = true;
		smb_pipe(m->smb, 0, m->call->file, m->call->tx, data);
	} else {
		smb_file_data(
			m->smb, 0, m->call->file, place, data, len, "SMB1_COMMAND_WRITE_ANDX");
	}
}

static void read_file(struct smb1 *m)
{
	struct cur c = m->words, data;
	uint32_t len;

	if (m->side == 0) {
		cur_skip(&c, 6);
		m->call->offset = cur_le32(&c);
		cur_skip(&c, 10);
		if (cur_left(&c) >= 4)
			m->call->offset |= (uint64_t)cur_le32(&c) << 32;
		return;
	}
	cur_skip(&c, 10);
	len = cur_le16(&c);
	data = bytes_at(m, cur_le16(&c));
	len |= (uint32_t)cur_le16(&c) << 16;
	if (m->status || !m->call->file || !cur_ok(&c) || !cur_ok(&data) ||
		len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	if (m->call->file->pipe) {
		smb_pipe(m->smb, 1, m->call->file, m->call->file->asked, data);
		smb_pipe_answered(m->call->file);
	} else {
		smb_file_data(m->smb, 1, m->call->file, m->call->offset, data, len,
			"SMB1_COMMAND_READ_ANDX");
	}
}

/* TransactNmPipe: DCE/RPC both ways. */
static void transaction(struct smb1 *m)
{
	struct cur c = m->words, data;
	uint16_t len, offset;

	cur_skip(&c, m->side ? 12 : 22);
	len = cur_le16(&c);
	offset = cur_le16(&c);
	if (m->side == 0) {
		cur_skip(&c, 2);
		if (cur_u8(&c) != 0x26 || cur_u8(&c) != 0)
			m->call->file = NULL;
		else
			m->call->file = cur_left(&c) >= 2 ? smb_file_find(m->smb, c.at, 2) : NULL;
	}
	data = bytes_at(m, offset);
	data = cur_sub(&data, len);
	if (m->call->file && cur_ok(&data))
		smb_pipe(m->smb, m->side, m->call->file, m->call->tx, data);
}

static void handle(struct smb1 *m)
{
	static void (*const handlers[256])(struct smb1 *) = { [CLOSE] = close_file,
		[TRANSACTION] = transaction,
		[READ_ANDX] = read_file,
		[WRITE_ANDX] = write_file,
		[NEGOTIATE] = negotiate,
		[SESSION_SETUP] = session_setup,
		[TREE_CONNECT] = tree_connect,
		[CREATE] = create };

	if (handlers[m->command] && (m->call->tx || m->call->file))
		handlers[m->command](m);
}

static bool read_header(struct smb1 *m)
{
	struct cur c = m->message;
	uint16_t high;
	size_t words;

	cur_skip(&c, 4);
	m->command = cur_u8(&c);
	m->status = cur_le32(&c);
	m->flags = cur_u8(&c);
	m->flags2 = cur_le16(&c);
	high = cur_le16(&c);
	cur_skip(&c, 10);
	m->tree = cur_le16(&c);
	m->id = (uint64_t)high << 32 | (uint64_t)cur_le16(&c) << 16;
	m->user = cur_le16(&c);
	m->id |= cur_le16(&c);
	if (m->command == NEGOTIATE)
		m->id = SMB1_NEGOTIATE;
	words = (size_t)cur_u8(&c) * 2;
	m->words = cur_sub(&c, words);
	cur_skip(&c, 2);
	m->data = c;
	return cur_ok(&c) && cur_ok(&m->words);
}

static void say_status(struct smb1 *m)
{
	static const char *const classes[] = { "", "DOS", "SRV", "HRD" };

	if (m->flags2 & 0x4000 || !m->status) {
		smb_status(m->o, m->status);
		return;
	}
	/* An error of old: class and number. */
	json_name(m->o, "status");
	if (m->status == 0x005b0002)
		out_str(m->o, "\"SRV_BADUID\"");
	else
		out_fmt(m->o, "\"%s_%u\"", classes[(m->status & 255) < 4 ? m->status & 255 : 0],
			m->status >> 16);
	json_name(m->o, "status_code");
	out_fmt(m->o, "\"0x%04x\"", m->status >> 16);
}

static void take_request(struct smb1 *m, const char *name)
{
	bool data = m->command == READ_ANDX || m->command == WRITE_ANDX;
	struct smb_file *file = data ? file_at(m, 4) : NULL;

	m->call = smb_call_new(m->smb, m->id, m->command,
		data ? file && file->pipe && m->command == WRITE_ANDX : true);
	m->call->file = file;
	if (m->call->tx) {
		smb_say_head(m->smb, m->o, m->call->tx, name);
		((struct proto_fields *)m->call->tx->data)->sides = 1;
	}
	handle(m);
	if (!m->call->tx)
		return;
	proto_fields_say(m->call->tx->data, m->o);
	proto_tx_done(m->call->tx, 0);
}

static void take_response(struct smb1 *m, const char *name)
{
	m->call = smb_call_find(m->smb, m->id);
	if (m->call && m->call->command != m->command)
		return;
	if (!m->call) {
		m->call = smb_call_new(m->smb, m->id, m->command,
			m->command != READ_ANDX && m->command != WRITE_ANDX);
		if (m->call->tx) {
			smb_say_head(m->smb, m->o, m->call->tx, name);
			m->call->tx->state.done[0] = true;
		}
	} else {
		out_char(m->o, ',');
	}
	if (m->call->tx) {
		say_status(m);
		json_u64(m->o, "session_id", m->user);
		json_u64(m->o, "tree_id", m->tree);
	}
	handle(m);
	if (m->call->tx)
		proto_fields_say(m->call->tx->data, m->o);
	smb_call_done(m->smb, m->call);
}

void smb1_take(struct smb *smb, unsigned side, struct cur message, uint32_t len)
{
	struct smb1 m = { .smb = smb,
		.side = side,
		.message = message,
		.cut = len - (uint32_t)cur_left(&message) };
	char text[8192], name[64];
	struct out o = out_make(text, sizeof(text));

	if (!read_header(&m))
		return;
	m.o = &o;
	command_name(m.command, name);
	if (m.flags & 0x80)
		take_response(&m, name);
	else
		take_request(&m, name);
}
