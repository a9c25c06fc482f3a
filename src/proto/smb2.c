/* SPDX-License-Identifier: Apache-2.0 */
/* SMB 2 and 3 ([MS-SMB2] chapter 2.2). */
#include "proto/smb.h"

#include <strings.h>

enum {
	NEGOTIATE,
	SESSION_SETUP,
	LOGOFF,
	TREE_CONNECT,
	TREE_DISCONNECT,
	CREATE,
	CLOSE,
	FLUSH,
	READ,
	WRITE,
	LOCK,
	IOCTL,
	CANCEL,
	ECHO,
	QUERY_DIRECTORY,
	CHANGE_NOTIFY,
	QUERY_INFO,
	SET_INFO,
	BREAK
};

#define HEADER          64
#define PIPE_TRANSCEIVE 0x0011c017u

static const char *const commands[] = { "SMB2_COMMAND_NEGOTIATE_PROTOCOL",
	"SMB2_COMMAND_SESSION_SETUP", "SMB2_COMMAND_SESSION_LOGOFF", "SMB2_COMMAND_TREE_CONNECT",
	"SMB2_COMMAND_TREE_DISCONNECT", "SMB2_COMMAND_CREATE", "SMB2_COMMAND_CLOSE",
	"SMB2_COMMAND_FLUSH", "SMB2_COMMAND_READ", "SMB2_COMMAND_WRITE", "SMB2_COMMAND_LOCK",
	"SMB2_COMMAND_IOCTL", "SMB2_COMMAND_CANCEL", "SMB2_COMMAND_KEEPALIVE", "SMB2_COMMAND_FIND",
	"SMB2_COMMAND_CHANGE_NOTIFY", "SMB2_COMMAND_GET_INFO", "SMB2_COMMAND_SET_INFO",
	"SMB2_COMMAND_OPLOCK_BREAK" };
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct smb2 {
	struct smb *smb;
	unsigned side;
	uint16_t command;
	uint32_t status, flags, next, tree;
	uint64_t id, session;
	struct cur message, body; /* the whole; behind the header */
	uint32_t cut;             /* bytes of it still to come */
	struct smb_call *call;
	struct out *o;
};

static const char *command_name(uint16_t command)
{
	return command < COMMANDS ? commands[command] : "SMB2_COMMAND_UNKNOWN";
}

/* Bytes at an offset from the header. */
static struct cur at(const struct smb2 *m, uint32_t offset, uint32_t len)
{
	struct cur c = m->message;

	cur_skip(&c, offset);
	return cur_sub(&c, len);
}

static void set_dialect(struct smb *smb, uint16_t dialect)
{
	struct out o = out_make(smb->dialect, sizeof(smb->dialect));

	if (dialect == 0x02ff)
		out_str(&o, "2.??");
	else if (dialect == 0x0202 || dialect == 0x0210)
		out_fmt(&o, "2.%02x", dialect & 255);
	else
		out_fmt(&o, "%x.%02x", dialect >> 8, dialect & 255);
}

static void negotiate(struct smb2 *m)
{
	struct cur c = m->body;

	if (m->side) {
		cur_skip(&c, 4);
		set_dialect(m->smb, cur_le16(&c));
	}
}

static void session_setup(struct smb2 *m)
{
	struct cur c = m->body;

	cur_skip(&c, 2);
	if (m->side == 0)
		smb_ntlmssp(m->smb, m->call->tx->data, m->body, m->o);
	else
		smb_session_answered(m->smb, m->body, m->status, cur_le16(&c));
}

static void tree_connect(struct smb2 *m)
{
	struct cur c = m->body;
	uint16_t offset, len;
	bool pipe;

	if (m->side == 0) {
		cur_skip(&c, 4);
		offset = cur_le16(&c);
		len = cur_le16(&c);
		text_name_read(at(m, offset, len), true, &m->call->name);
		pipe = m->call->name.len >= 4 &&
		       strncasecmp(m->call->name.text + m->call->name.len - 4, "IPC$", 4) == 0;
		proto_fields_add(m->call->tx->data, pipe ? BUFFER_SMB_NAMED_PIPE : BUFFER_SMB_SHARE,
			m->call->name.text, m->call->name.len);
		json_text(m->o, "path", m->call->name.text, m->call->name.len);
		return;
	}
	cur_skip(&c, 2);
	pipe = cur_u8(&c) == 2;
	if (!cur_ok(&c) || m->status)
		return;
	smb_tree_new(m->smb, m->tree, &m->call->name, pipe);
	json_text(m->o, pipe ? "named_pipe" : "share", m->call->name.text, m->call->name.len);
}

static const char *const dispositions[] = { "FILE_SUPERSEDE", "FILE_OPEN", "FILE_CREATE",
	"FILE_OPEN_IF", "FILE_OVERWRITE", "FILE_OVERWRITE_IF" };

static bool is_pipe_tree(struct smb2 *m)
{
	struct smb_tree *tree = smb_tree_find(m->smb, m->tree);

	return tree && tree->pipe;
}

/* What follows in the chain may use the file before it is known whether it could be opened. */
static void create_request(struct smb2 *m)
{
	struct smb_chain *chain = &m->smb->chain[m->side];
	struct cur c = m->body;
	uint32_t disposition, options;
	uint16_t offset, len;

	cur_skip(&c, 36);
	disposition = cur_le32(&c);
	options = cur_le32(&c);
	offset = cur_le16(&c);
	len = cur_le16(&c);
	text_name_read(at(m, offset, len), true, &m->call->name);
	json_text(m->o, "filename", m->call->name.text, m->call->name.len);
	json_str(m->o, "disposition", disposition < 6 ? dispositions[disposition] : "UNKNOWN");
	json_str(m->o, "access", options & 0x1000 ? "delete on close" : "normal");
	if (!m->next)
		return;
	chain->file = smb_file_new(m->smb, NULL, 0, &m->call->name, is_pipe_tree(m));
	chain->file->session = m->session;
	chain->file->tree = m->tree;
	m->call->file = chain->file;
}

static void create(struct smb2 *m)
{
	struct cur c = m->body;
	uint64_t size;
	uint8_t id[16];
	struct smb_file *file = m->call->file;

	if (m->side == 0) {
		create_request(m);
		return;
	}
	cur_skip(&c, 48);
	size = cur_le64(&c);
	cur_skip(&c, 8);
	cur_copy(&c, id, sizeof(id));
	if (!cur_ok(&c) || m->status) {
		if (file && m->status)
			smb_file_close(m->smb, file, true);
		return;
	}
	if (file)
		smb_file_opened(m->smb, file, id, sizeof(id));
	else
		file = smb_file_named(m->smb, id, sizeof(id), &m->call->name, is_pipe_tree(m));
	file->session = m->session;
	file->tree = m->tree;
	file->size = size;
	smb_fuid(m->o, id);
}

/* The file of a number; in a chain, all ones are the one before. */
static struct smb_file *file_at(struct smb2 *m, uint32_t offset)
{
	static const uint8_t same[16] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255 };
	struct smb_chain *chain = &m->smb->chain[m->side];
	struct cur c = at(m, offset, 16);

	if (!cur_ok(&c))
		return NULL;
	if (memcmp(c.at, same, sizeof(same)) != 0)
		chain->file = smb_file_find(m->smb, c.at, 16);
	return chain->file;
}

/* The same of one that was opened before all that was seen. */
static struct smb_file *file_of_data(struct smb2 *m, struct cur data)
{
	struct cur c = at(m, HEADER + 16, 16);

	if (m->call->file || !cur_ok(&c))
		return m->call->file;
	m->call->file = smb_file_unknown(m->smb, c.at, 16, data);
	m->call->file->session = m->session;
	m->call->file->tree = m->tree;
	return m->call->file;
}

static void close_file(struct smb2 *m)
{
	if (m->side == 0)
		m->call->file = file_at(m, HEADER + 8);
	else if (m->call->file && !m->status)
		smb_file_close(m->smb, m->call->file, false);
}

static void tree_disconnect(struct smb2 *m)
{
	if (m->side && !m->status)
		smb_files_close(m->smb, m->tree, m->session);
}

static void logoff(struct smb2 *m)
{
	if (m->side && !m->status)
		smb_files_close(m->smb, SMB_ANY, m->session);
}

static void write_file(struct smb2 *m)
{
	struct cur c = m->body, data;
	struct smb_file *file;
	uint32_t len;
	uint16_t offset;
	uint64_t place;

	if (m->side)
		return;
	cur_skip(&c, 2);
	offset = cur_le16(&c);
	len = cur_le32(&c);
	place = cur_le64(&c);
	data = m->message;
	cur_skip(&data, offset);
	if (!cur_ok(&c) || !cur_ok(&data) || len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	file = file_of_data(m, data);
	if (!file)
		return;
	if (file->pipe) {
		m->call->waits = true;
		smb_pipe(m->smb, 0, file, m->call->tx, data);
	} else {
		smb_file_data(m->smb, 0, file, place, data, len, command_name(WRITE));
	}
}

static void read_file(struct smb2 *m)
{
	struct cur c = m->body, data;
	struct smb_file *file = m->call->file;
	uint32_t len;
	uint8_t offset;

	if (m->side == 0) {
		cur_skip(&c, 8);
		m->call->offset = cur_le64(&c);
		if (cur_ok(&c))
			file_of_data(m, cur_make(NULL, 0));
		return;
	}
	cur_skip(&c, 2);
	offset = cur_u8(&c);
	cur_skip(&c, 1);
	len = cur_le32(&c);
	data = m->message;
	cur_skip(&data, offset);
	if (!file || !cur_ok(&c) || !cur_ok(&data) || (m->status && m->status != BUFFER_OVERFLOW) ||
		len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	file->pipe |= smb_is_unknown_pipe(file, data);
	if (file->pipe) {
		smb_pipe(m->smb, 1, file, file->asked, data);
		smb_pipe_answered(file);
	} else {
		smb_file_data(m->smb, 1, file, m->call->offset, data, len, command_name(READ));
	}
}

static void control(struct smb2 *m)
{
	struct cur c = m->body;
	uint32_t function, offset, len;

	cur_skip(&c, 4);
	function = cur_le32(&c);
	if (m->side == 0)
		m->call->file = file_at(m, HEADER + 8);
	if (!m->call->file || function != PIPE_TRANSCEIVE)
		return;
	cur_skip(&c, m->side ? 24 : 16);
	offset = cur_le32(&c);
	len = cur_le32(&c);
	if (cur_ok(&c))
		smb_pipe(m->smb, m->side, m->call->file, m->call->tx, at(m, offset, len));
}

static const struct text_name *name_at(struct smb2 *m, uint32_t offset)
{
	struct smb_file *file = file_at(m, offset);

	return file ? &file->name : NULL;
}

/* What is looked for in a directory, and what is there ([MS-FSCC] 2.4). */
static void query_directory(struct smb2 *m)
{
	static const uint8_t names_at[256] = {
		[1] = 64, [2] = 68, [3] = 94, [12] = 12, [37] = 104, [38] = 80
	};
	struct cur c = m->body;
	struct text_name pattern;
	uint16_t offset;
	uint32_t len;
	uint8_t at_name;

	cur_skip(&c, 2);
	if (m->side == 0) {
		m->call->kind = cur_u8(&c);
		cur_skip(&c, 21);
		offset = cur_le16(&c);
		len = cur_le16(&c);
		text_name_read(at(m, offset, len), true, &pattern);
		json_text(m->o, "pattern", pattern.text, pattern.len);
		return;
	}
	offset = cur_le16(&c);
	len = cur_le32(&c);
	if (!cur_ok(&c))
		return;
	at_name = names_at[m->call->kind & 255];
	c = m->message;
	cur_skip(&c, offset);
	cur_limit(&c, len);
	if (!m->status && at_name)
		smb_say_entries(m->o, c, true, at_name == 12 ? 8 : 60, at_name);
}

/* SET_INFO: a rename, or deletion. */
static void set_info(struct smb2 *m)
{
	struct cur c = m->body, info;
	uint8_t kind, class;
	uint32_t len;
	uint16_t offset;
	const struct text_name *name = NULL;
	struct text_name to;

	if (m->side)
		return;
	cur_skip(&c, 2);
	kind = cur_u8(&c);
	class = cur_u8(&c);
	len = cur_le32(&c);
	offset = cur_le16(&c);
	name = name_at(m, HEADER + 16);
	info = at(m, offset, len);
	if (!name || kind != 1)
		return;
	if (class == 13 && cur_u8(&info) == 1) {
		json_text(m->o, "filename", name->text, name->len);
		json_str(m->o, "access", "delete on close");
	} else if (class == 10) {
		cur_skip(&info, 16);
		len = cur_le32(&info);
		text_name_read(cur_sub(&info, len), true, &to);
		smb_say_rename(m->o, name, &to);
	}
}

static void (*const handlers[COMMANDS])(struct smb2 *) = { [NEGOTIATE] = negotiate,
	[SESSION_SETUP] = session_setup,
	[LOGOFF] = logoff,
	[TREE_CONNECT] = tree_connect,
	[TREE_DISCONNECT] = tree_disconnect,
	[CREATE] = create,
	[CLOSE] = close_file,
	[READ] = read_file,
	[WRITE] = write_file,
	[IOCTL] = control,
	[QUERY_DIRECTORY] = query_directory,
	[SET_INFO] = set_info };

static bool read_header(struct smb2 *m)
{
	struct cur c = m->message;

	cur_skip(&c, 8);
	m->status = cur_le32(&c);
	m->command = cur_le16(&c);
	cur_skip(&c, 2);
	m->flags = cur_le32(&c);
	m->next = cur_le32(&c);
	m->id = cur_le64(&c);
	cur_skip(&c, 4);
	m->tree = cur_le32(&c);
	m->session = cur_le64(&c);
	cur_skip(&c, 16);
	m->body = c;
	return cur_ok(&c);
}

/* A message that goes on with what the one before it does may leave out tree and session. */
static void follow_chain(struct smb2 *m, bool first)
{
	struct smb_chain *chain = &m->smb->chain[m->side];
	bool related = m->flags & 4 && !first;

	if (!related)
		*chain = (struct smb_chain){ .file = NULL };
	if (related && m->tree == UINT32_MAX)
		m->tree = chain->tree;
	if (related && m->session == UINT64_MAX)
		m->session = chain->session;
	chain->tree = m->tree;
	chain->session = m->session;
}

static void handle(struct smb2 *m)
{
	if (m->command < COMMANDS && handlers[m->command] &&
		(m->call->tx || m->command == READ || m->command == WRITE))
		handlers[m->command](m);
}

/* SET_INFO of a rename or deletion. */
static bool changes_name(const struct smb2 *m)
{
	struct cur c = m->body;
	uint16_t kind;

	cur_skip(&c, 2);
	kind = cur_be16(&c); /* file, and which class */
	return kind == 0x010d || kind == 0x010a;
}

/* Reads and writes of files belong to the file and have no records of their own. */
static bool has_record(struct smb2 *m, struct smb_file **ret_file)
{
	bool data = m->side == 0 && (m->command == READ || m->command == WRITE);

	*ret_file = data ? file_at(m, HEADER + 16) : NULL;
	if (m->command == WRITE)
		return *ret_file && (*ret_file)->pipe;
	if (m->command == SET_INFO)
		return changes_name(m);
	return m->command != READ && m->command != QUERY_INFO;
}

static void take_request(struct smb2 *m)
{
	struct smb_file *file;
	bool record = has_record(m, &file);

	if (m->command == CANCEL) /* has the number of what is cancelled */
		return;
	m->call = smb_call_new(m->smb, m->id, m->command, record);
	m->call->file = file;
	m->call->tree = m->tree;
	if (m->call->tx) {
		smb_say_head(m->smb, m->o, m->call->tx, command_name(m->command));
		((struct proto_fields *)m->call->tx->data)->sides = 1;
	}
	handle(m);
	if (!m->call->tx)
		return;
	proto_fields_say(m->call->tx->data, m->o);
	proto_tx_done(m->call->tx, 0);
}

static void take_response(struct smb2 *m)
{
	m->call = smb_call_find(m->smb, m->id);
	if (m->status == 0x103)
		return; /* pending: the answer comes later */
	if (!m->call && m->command == NEGOTIATE)
		m->call = smb_call_find(m->smb, SMB1_NEGOTIATE);
	if (!m->call) {
		m->call = smb_call_new(m->smb, m->id, m->command,
			m->command != READ && m->command != WRITE && m->command != QUERY_INFO &&
				m->command != SET_INFO);
		if (m->call->tx) {
			smb_say_head(m->smb, m->o, m->call->tx, command_name(m->command));
			m->call->tx->state.done[0] = true;
		}
	} else {
		out_char(m->o, ',');
	}
	if (m->call->tx) {
		smb_status(m->o, m->status);
		json_u64(m->o, "session_id", m->session);
		json_u64(m->o, "tree_id", m->flags & 2 ? 0 : m->tree);
	}
	if (m->flags & 2)
		m->tree = m->call->tree;
	handle(m);
	if (m->call->tx)
		proto_fields_say(m->call->tx->data, m->o);
	smb_call_done(m->smb, m->call);
}

static void take_one(struct smb2 *m, bool first)
{
	char text[8192];
	struct out o = out_make(text, sizeof(text));

	if (!read_header(m))
		return;
	follow_chain(m, first);
	m->o = &o;
	if (m->flags & 1)
		take_response(m);
	else
		take_request(m);
}

/* Messages may be chained: each says where the next one begins. What follows data that is still to come is taken
 * once it is there. Each has a header at least, and so is some of the frame. */
void smb2_take(struct smb *smb, unsigned side, struct cur message, uint32_t len, bool more)
{
	struct smb2 m = { .smb = smb, .side = side };
	uint32_t here;

	for (unsigned n = 0; cur_left(&message) >= HEADER; n++) {
		here = (uint32_t)cur_left(&message);
		m.message = message;
		m.cut = len - here;
		m.next = 0;
		take_one(&m, n == 0 && !more);
		if (m.next < HEADER || m.next >= len)
			break;
		if (m.next >= here && here < len) {
			smb->rest[side].follows = true;
			smb->rest[side].chained = m.next - here;
			break;
		}
		cur_skip(&message, m.next);
		len -= m.next;
	}
}
