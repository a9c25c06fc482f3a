/* SPDX-License-Identifier: Apache-2.0 */
/* SMB 1 ([MS-CIFS], [MS-SMB]; what is older is in [MS-CIFS] 2.2.4, too). Each of chained commands (AndX) is taken
 * as if it had come alone. */
#include "proto/smb.h"

#include <strings.h>

enum {
	CREATE_DIRECTORY,
	DELETE_DIRECTORY,
	OPEN,
	CREATE_FILE,
	CLOSE,
	DELETE = 0x06,
	RENAME,
	QUERY_INFO,
	SET_INFO,
	READ,
	WRITE,
	CREATE_TEMPORARY = 0x0e,
	CREATE_NEW,
	CHECK_DIRECTORY,
	LOCK_AND_READ = 0x13,
	WRITE_AND_UNLOCK,
	TRANSACTION = 0x25,
	WRITE_AND_CLOSE = 0x2c,
	OPEN_ANDX,
	READ_ANDX,
	WRITE_ANDX,
	TRANS2 = 0x32,
	TREE_CONNECT_OLD = 0x70,
	TREE_DISCONNECT,
	NEGOTIATE,
	SESSION_SETUP,
	LOGOFF,
	TREE_CONNECT,
	SEARCH = 0x81,
	FIND,
	FIND_UNIQUE,
	CREATE = 0xa2
};

#define HEADER         32
#define SMB1_CHAIN_BIT 48          /* of a call's number: its place in the chain */
#define SMB1_LM_LEN    24u         /* of what is said in place of a password */
#define SMB1_JSON_MAX  (14u << 10) /* of a message: seven names, six bytes for each of theirs */

/* Flags of a command. */
#define ANDX   1u /* another one may follow */
#define READS  2u /* carries a file's bytes; has no record of its own, but for a pipe's */
#define WRITES 4u

static const struct {
	uint8_t command, flags;
	const char *name;
} names[] = { { CREATE_DIRECTORY, 0, "CREATE_DIRECTORY" },
	{ DELETE_DIRECTORY, 0, "DELETE_DIRECTORY" }, { OPEN, 0, "OPEN" },
	{ CREATE_FILE, 0, "CREATE" }, { CLOSE, 0, "CLOSE" }, { 0x05, 0, "FLUSH" },
	{ DELETE, 0, "DELETE" }, { RENAME, 0, "RENAME" }, { QUERY_INFO, 0, "QUERY_INFO" },
	{ SET_INFO, 0, "SET_INFO" }, { READ, READS, "READ" }, { WRITE, WRITES, "WRITE" },
	{ CREATE_TEMPORARY, 0, "CREATE_TEMPORARY" }, { CREATE_NEW, 0, "CREATE_NEW" },
	{ CHECK_DIRECTORY, 0, "CHECK_DIRECTORY" }, { LOCK_AND_READ, READS, "LOCK_AND_READ" },
	{ WRITE_AND_UNLOCK, WRITES, "WRITE_AND_UNLOCK" }, { 0x24, ANDX, "LOCKING_ANDX" },
	{ TRANSACTION, 0, "TRANS" }, { 0x2b, 0, "ECHO" },
	{ WRITE_AND_CLOSE, WRITES, "WRITE_AND_CLOSE" }, { OPEN_ANDX, ANDX, "OPEN_ANDX" },
	{ READ_ANDX, ANDX | READS, "READ_ANDX" }, { WRITE_ANDX, ANDX | WRITES, "WRITE_ANDX" },
	{ TRANS2, 0, "TRANS2" }, { 0x34, 0, "FIND_CLOSE2" },
	{ TREE_CONNECT_OLD, 0, "TREE_CONNECT" }, { TREE_DISCONNECT, 0, "TREE_DISCONNECT" },
	{ NEGOTIATE, 0, "NEGOTIATE_PROTOCOL" }, { SESSION_SETUP, ANDX, "SESSION_SETUP_ANDX" },
	{ LOGOFF, ANDX, "LOGOFF_ANDX" }, { TREE_CONNECT, ANDX, "TREE_CONNECT_ANDX" },
	{ 0x80, 0, "QUERY_INFO_DISK" }, { SEARCH, 0, "SEARCH" }, { FIND, 0, "FIND" },
	{ FIND_UNIQUE, 0, "FIND_UNIQUE" }, { 0xa0, 0, "NT_TRANS" },
	{ CREATE, ANDX, "NT_CREATE_ANDX" }, { 0xa4, 0, "NT_CANCEL" } };

struct smb1 {
	struct smb *smb;
	unsigned side;
	uint8_t command, flags;
	uint16_t flags2, tree, user;
	uint32_t status;
	uint64_t id;
	struct cur message, words, data; /* the whole; parameters; bytes behind them */
	uint32_t cut;
	uint8_t kind;            /* flags of the command */
	unsigned place;          /* in the chain */
	struct smb_file *opened; /* in it */
	struct smb_call *call;
	struct out *o;
};

static bool is_wide(const struct smb1 *m)
{
	return m->flags2 & 0x8000;
}

/* Its name and what kind it is. */
static uint8_t command_name(uint8_t command, char ret_name[static 64])
{
	struct out o = out_make(ret_name, 64);

	out_str(&o, "SMB1_COMMAND_");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].command == command) {
			out_str(&o, names[i].name);
			return names[i].flags;
		}
	out_fmt(&o, "UNKNOWN_%02X", command);
	return 0;
}

/* Wide text begins at an even offset of the message. */
static void align(const struct smb1 *m, struct cur *c)
{
	if (is_wide(m) && (c->at - m->message.at) & 1)
		cur_skip(c, 1);
}

static void next_text(const struct smb1 *m, struct cur *c, struct text_name *ret_name)
{
	struct cur text = *c;

	text_name_read(text, is_wide(m), ret_name);
	while (cur_left(c) && (is_wide(m) ? cur_le16(c) : cur_u8(c)))
		;
}

/* The same behind a byte that says that it is text. */
static void next_name(const struct smb1 *m, struct cur *c, struct text_name *ret_name)
{
	cur_skip(c, 1);
	align(m, c);
	next_text(m, c, ret_name);
}

/* What the server wants passwords to be: as they are, or answers to this challenge. */
static void negotiated(struct smb1 *m)
{
	struct cur c = m->words, key = m->data;
	bool lan_manager = cur_left(&c) == 26;
	uint32_t len;

	cur_skip(&c, 2);
	m->smb->clear = !(cur_ahead(c, 0) & 2);
	if (lan_manager) {
		cur_skip(&c, 20);
		len = cur_le16(&c);
		if (!len) /* Windows 98 does not say */
			len = (uint32_t)cur_left(&key);
	} else {
		cur_skip(&c, 17);
		if (cur_le32(&c) & 0x80000000) { /* extended security: NTLMSSP has one of its own */
			m->smb->clear = false;
			return;
		}
		cur_skip(&c, 10);
		len = cur_u8(&c);
	}
	if (cur_ok(&c) && len == NTLM_CHALLENGE_LEN && cur_left(&key) >= len)
		cur_copy(&key, m->smb->ntlm.challenge, len);
}

static void negotiate(struct smb1 *m)
{
	struct cur c = m->words;
	struct cur list = m->data;

	if (m->side == 0) {
		unsigned n = 0;

		json_open(m->o, "client_dialects", '[');
		while (cur_left(&list) && n++ < 16) {
			struct text_name name;

			cur_skip(&list, 1);
			text_name_read(list, false, &name);
			cur_skip(&list, name.len + 1);
			json_item(m->o, cur_make(name.text, name.len));
		}
		json_close(m->o, ']');
		return;
	}
	if (cur_le16(&c) != 0xffff && cur_ok(&c)) {
		struct out o = out_make(m->smb->dialect, sizeof(m->smb->dialect));

		out_str(&o, "NT LM 0.12");
	}
	if (cur_left(&m->words) >= 26)
		negotiated(m);
}

static void say_system(struct smb1 *m, struct cur text)
{
	struct text_name os, lm;

	next_text(m, &text, &os);
	next_text(m, &text, &lm);
	json_open(m->o, m->side ? "response" : "request", '{');
	json_text(m->o, "native_os", os.text, os.len);
	json_text(m->o, "native_lm", lm.text, lm.len);
	json_close(m->o, '}');
}

/* A password, or LM's and NT's answers to the challenge. */
static void say_password(struct smb1 *m, struct proto_login *login, const struct text_name *user,
	const struct text_name *domain, struct cur lm, struct cur nt)
{
	bool answers = cur_left(&lm) >= SMB1_LM_LEN || cur_left(&nt) >= SMB1_LM_LEN;
	struct text_name text;
	struct cur password = cur_left(&lm) > 1 ? lm : nt;

	if (!m->smb->clear && answers) {
		ntlm_answered(login, &m->smb->ntlm, user, domain, lm, nt);
		return;
	}
	ntlm_answered(login, &m->smb->ntlm, user, domain, cur_make(NULL, 0), cur_make(NULL, 0));
	login->method = "password";
	text_name_read(password, cur_left(&lm) <= 1 && is_wide(m), &text);
	proto_login_password(login, (const uint8_t *)text.text, text.len);
}

/* Without extended security: who it is comes in the message itself. `old`: with one password. */
static void account(struct smb1 *m, bool old)
{
	struct cur c = m->words, text = m->data, lm, nt = cur_make(NULL, 0);
	struct text_name user, domain;
	uint16_t lm_len, nt_len;

	cur_skip(&c, 14);
	lm_len = cur_le16(&c);
	nt_len = old ? 0 : cur_le16(&c);
	lm = cur_sub(&text, lm_len);
	if (nt_len)
		nt = cur_sub(&text, nt_len);
	align(m, &text);
	next_text(m, &text, &user);
	next_text(m, &text, &domain);
	proto_login_end(m->smb->conn, &m->smb->login, PROTO_LOGIN_UNKNOWN);
	if (user.len && cur_ok(&text)) {
		say_password(m, &m->smb->login, &user, &domain, lm, nt);
		json_text(m->o, "account", user.text, user.len);
		json_text(m->o, "domain", domain.text, domain.len);
	}
	say_system(m, text);
}

/* Behind the security blob: what the machine calls itself. */
static void session_setup(struct smb1 *m)
{
	struct cur c = m->words, blob = m->data, text = m->data;
	size_t words = cur_left(&c) / 2;
	struct cur action = c;
	uint16_t len;

	cur_skip(&action, 4);
	if (m->side)
		smb_session_answered(m->smb, blob, m->status, cur_le16(&action));
	else if (words == 10 || words == 13)
		account(m, words == 10);
	if (words == 3 && m->side) {
		align(m, &text);
		say_system(m, text);
	}
	if (words != (m->side ? 4 : 12))
		return;
	cur_skip(&c, m->side ? 6 : 14);
	len = cur_le16(&c);
	cur_limit(&blob, len);
	cur_skip(&text, len);
	if (m->side == 0)
		smb_ntlmssp(m->smb, m->call->tx->data, blob, m->o);
	align(m, &text);
	say_system(m, text);
}

/* A share with a password of its own. */
static void share_password(struct smb1 *m, struct cur password)
{
	static const struct text_name none;
	struct proto_login *login = &m->smb->share_login;

	proto_login_end(m->smb->conn, login, PROTO_LOGIN_UNKNOWN);
	if (cur_left(&password) <= 1)
		return;
	say_password(m, login, &m->call->name, &none, password, cur_make(NULL, 0));
	login->method = "share";
}

static void connect_request(struct smb1 *m)
{
	struct cur c = m->words, text = m->data, password;
	uint16_t len;
	bool pipe;

	if (m->command == TREE_CONNECT_OLD) {
		next_name(m, &text, &m->call->name);
		cur_skip(&text, 1);
		password = text_until(&text, 0);
	} else {
		cur_skip(&c, 6);
		len = cur_le16(&c);
		password = cur_sub(&text, len);
		align(m, &text);
		next_text(m, &text, &m->call->name);
	}
	share_password(m, password);
	pipe = m->call->name.len >= 4 &&
	       strncasecmp(m->call->name.text + m->call->name.len - 4, "IPC$", 4) == 0;
	proto_fields_add(m->call->tx->data, pipe ? BUFFER_SMB_NAMED_PIPE : BUFFER_SMB_SHARE,
		m->call->name.text, m->call->name.len);
	json_text(m->o, "path", m->call->name.text, m->call->name.len);
}

static void tree_connect(struct smb1 *m)
{
	struct cur c = m->words, text = m->data;
	bool pipe;

	if (m->side == 0) {
		connect_request(m);
		return;
	}
	proto_login_end(m->smb->conn, &m->smb->share_login,
		m->status ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
	if (m->status)
		return;
	pipe = cur_left(&text) >= 3 && memcmp(text.at, "IPC", 3) == 0;
	cur_skip(&c, 2);
	if (m->command == TREE_CONNECT_OLD)
		m->tree = cur_le16(&c);
	smb_tree_new(m->smb, m->tree, &m->call->name, pipe);
	json_text(m->o, pipe ? "named_pipe" : "share", m->call->name.text, m->call->name.len);
}

static void tree_disconnect(struct smb1 *m)
{
	if (m->side && !m->status)
		smb_files_close(m->smb, m->tree, SMB_ANY);
}

static void logoff(struct smb1 *m)
{
	if (m->side && !m->status)
		smb_files_close(m->smb, SMB_ANY, m->user);
}

/* ---- files ---- */

/* `id`, at the cursor, is the file that the call has opened. */
static void opened(struct smb1 *m, struct cur id, uint64_t size)
{
	struct smb_tree *tree = smb_tree_find(m->smb, m->tree);

	if (m->status || cur_left(&id) < 2)
		return;
	m->opened = smb_file_named(m->smb, id.at, 2, &m->call->name, tree && tree->pipe);
	m->opened->tree = m->tree;
	m->opened->session = m->user;
	m->opened->size = size;
	m->call->file = m->opened;
}

static void say_name(struct smb1 *m, struct cur *text, const char *member)
{
	next_text(m, text, &m->call->name);
	json_text(m->o, member, m->call->name.text, m->call->name.len);
}

/* NT_CREATE_ANDX */
static void create(struct smb1 *m)
{
	struct cur c = m->words, text = m->data, id;
	uint64_t size;

	if (m->side == 0) {
		align(m, &text);
		say_name(m, &text, "filename");
		return;
	}
	cur_skip(&c, 5);
	id = c;
	cur_skip(&c, 50);
	size = cur_le64(&c);
	opened(m, id, size);
}

static void open_andx(struct smb1 *m)
{
	struct cur c = m->words, text = m->data, id;

	if (m->side == 0) {
		align(m, &text);
		say_name(m, &text, "filename");
		return;
	}
	cur_skip(&c, 4);
	id = c;
	cur_skip(&c, 8);
	opened(m, id, cur_le32(&c));
}

/* OPEN, CREATE and its kind. */
static void open_file(struct smb1 *m)
{
	struct cur c = m->words, text = m->data;
	uint32_t size = 0;

	if (m->side == 0) {
		cur_skip(&text, 1);
		align(m, &text);
		say_name(m, &text, "filename");
		return;
	}
	if (m->command == CREATE_TEMPORARY && cur_left(&text))
		next_name(m, &text, &m->call->name);
	if (m->command == OPEN) {
		cur_skip(&c, 8);
		size = cur_le32(&c);
	}
	opened(m, m->words, size);
}

/* Whatever is done to a file or directory by its name. */
static void by_name(struct smb1 *m)
{
	struct cur text = m->data;

	if (m->side)
		return;
	cur_skip(&text, 1);
	align(m, &text);
	say_name(m, &text, "filename");
}

static void rename_file(struct smb1 *m)
{
	struct cur text = m->data;
	struct text_name to;

	if (m->side)
		return;
	next_name(m, &text, &m->call->name);
	next_name(m, &text, &to);
	smb_say_rename(m->o, &m->call->name, &to);
}

/* The DOS way: entries of 43 bytes, the name in the last 13. */
#define SEARCH_ENTRY 43u
#define SEARCH_NAME  30u
static void search(struct smb1 *m)
{
	struct cur text = m->data;
	struct text_name name;

	if (m->side == 0) {
		next_name(m, &text, &name);
		if (name.len)
			json_text(m->o, "pattern", name.text, name.len);
		return;
	}
	cur_skip(&text, 3);
	if (m->status || cur_left(&text) < SEARCH_ENTRY)
		return;
	json_open(m->o, "entries", '[');
	for (unsigned n = 0; n < SMB_LIST_MAX && cur_left(&text) >= SEARCH_ENTRY; n++) {
		struct cur entry = cur_sub(&text, SEARCH_ENTRY);

		cur_skip(&entry, SEARCH_NAME);
		text_name_read(entry, false, &name);
		json_item(m->o, cur_make(name.text, name.len));
	}
	json_close(m->o, ']');
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
	else if (m->call->file && !m->status)
		smb_file_close(m->smb, m->call->file, false);
}

static void name_of_command(const struct smb1 *m, char ret_name[static 64])
{
	(void)command_name(m->command, ret_name);
}

/* The file that a read or write is about, at this place among the parameters; opened before all that was seen, if
 * nobody knows it. */
static struct smb_file *file_of_data(struct smb1 *m, size_t offset, struct cur data)
{
	struct cur c = m->words;

	cur_skip(&c, offset);
	if (!m->call->file && cur_left(&c) >= 2) {
		m->call->file = smb_file_unknown(m->smb, c.at, 2, data);
		m->call->file->tree = m->tree;
		m->call->file->session = m->user;
	}
	return m->call->file;
}

static void written(struct smb1 *m, size_t id_at, uint64_t place, struct cur data, uint32_t len)
{
	struct smb_file *file;
	char name[64];

	if (!cur_ok(&data) || len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	file = file_of_data(m, id_at, data);
	if (!file)
		return;
	if (file->pipe) {
		m->call->waits = true;
		smb_pipe(m->smb, 0, file, m->call->tx, data);
		return;
	}
	name_of_command(m, name);
	smb_file_data(m->smb, 0, file, place, data, len, name);
}

static void was_read(struct smb1 *m, struct cur data, uint32_t len)
{
	struct smb_file *file = m->call->file;
	char name[64];

	if (!file && m->place) /* opened in the same chain */
		file = m->opened;
	if (!file || !cur_ok(&data) || len > cur_left(&data) + m->cut)
		return;
	cur_limit(&data, len);
	file->pipe |= smb_is_unknown_pipe(file, data);
	if (file->pipe) {
		smb_pipe(m->smb, 1, file, file->asked, data);
		smb_pipe_answered(file);
		return;
	}
	name_of_command(m, name);
	smb_file_data(m->smb, 1, file, m->call->offset, data, len, name);
}

static void write_andx(struct smb1 *m)
{
	struct cur c = m->words;
	uint64_t place;
	uint32_t len, offset;

	if (m->side)
		return;
	cur_skip(&c, 6);
	place = cur_le32(&c);
	cur_skip(&c, 8);
	len = (uint32_t)cur_le16(&c) << 16;
	len |= cur_le16(&c);
	offset = cur_le16(&c);
	if (cur_left(&c) >= 4)
		place |= (uint64_t)cur_le32(&c) << 32;
	if (cur_ok(&c))
		written(m, 4, place, bytes_at(m, offset), len);
}

/* WRITE and its kind; the bytes are behind their kind and number, of WRITE_AND_CLOSE behind a byte. */
static void write_file(struct smb1 *m)
{
	struct cur c = m->words, data = m->data;
	uint32_t place;
	uint16_t len;

	if (m->side) {
		if (m->command == WRITE_AND_CLOSE && m->call->file && !m->status)
			smb_file_close(m->smb, m->call->file, false);
		return;
	}
	cur_skip(&c, 2);
	len = cur_le16(&c);
	place = cur_le32(&c);
	cur_skip(&data, m->command == WRITE_AND_CLOSE ? 1 : 3);
	if (cur_ok(&c))
		written(m, 0, place, data, len);
}

static void read_andx(struct smb1 *m)
{
	struct cur c = m->words, data;
	uint32_t len;

	if (m->side == 0) {
		cur_skip(&c, 6);
		m->call->offset = cur_le32(&c);
		cur_skip(&c, 10);
		if (cur_left(&c) >= 4)
			m->call->offset |= (uint64_t)cur_le32(&c) << 32;
		if (cur_ok(&c) && !m->place)
			file_of_data(m, 4, cur_make(NULL, 0));
		return;
	}
	cur_skip(&c, 10);
	len = cur_le16(&c);
	data = bytes_at(m, cur_le16(&c));
	len |= (uint32_t)cur_le16(&c) << 16;
	if (cur_ok(&c) && (!m->status || m->status == BUFFER_OVERFLOW))
		was_read(m, data, len);
}

static void read_file(struct smb1 *m)
{
	struct cur c = m->words, data = m->data;
	uint16_t len;

	cur_skip(&c, 4);
	if (m->side == 0) {
		m->call->offset = cur_le32(&c);
		if (cur_ok(&c) && !m->place)
			file_of_data(m, 0, cur_make(NULL, 0));
		return;
	}
	cur_skip(&data, 1);
	len = cur_le16(&data);
	if (!m->status)
		was_read(m, data, len);
}

/* ---- transactions ---- */

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

enum {
	OPEN2,
	FIND_FIRST2,
	FIND_NEXT2,
	QUERY_PATH_INFO = 5,
	SET_PATH_INFO,
	QUERY_FILE_INFO,
	SET_FILE_INFO,
	CREATE_DIRECTORY2 = 13,
	NO_SUBCOMMAND = 0xffff
};

static const char *const subcommands[] = { "OPEN2", "FIND_FIRST2", "FIND_NEXT2", "QUERY_FS_INFO",
	"SET_FS_INFO", "QUERY_PATH_INFO", "SET_PATH_INFO", "QUERY_FILE_INFO", "SET_FILE_INFO",
	"FSCTL", "IOCTL2", "FIND_NOTIFY_FIRST", "FIND_NOTIFY_NEXT", "CREATE_DIRECTORY",
	"SESSION_SETUP" };

/* Some of the message by length and offset. */
static struct cur part_at(const struct smb1 *m, uint16_t len, uint16_t offset)
{
	struct cur c = bytes_at(m, offset);

	cur_limit(&c, len);
	return c;
}

static void trans2_request(struct smb1 *m)
{
	/* Where each has its name among the parameters; 0: nowhere. */
	static const uint8_t names_at[] = { [OPEN2] = 28,
		[FIND_FIRST2] = 12,
		[FIND_NEXT2] = 12,
		[QUERY_PATH_INFO] = 6,
		[SET_PATH_INFO] = 6,
		[CREATE_DIRECTORY2] = 4 };
	struct cur c = m->words, at;
	uint16_t len, offset, kind;

	cur_skip(&c, 18);
	len = cur_le16(&c);
	offset = cur_le16(&c);
	cur_skip(&c, 6);
	kind = cur_le16(&c);
	if (!cur_ok(&c))
		return;
	m->call->kind = kind;
	if (kind < sizeof(subcommands) / sizeof(subcommands[0]))
		json_str(m->o, "subcmd", subcommands[kind]);
	at = c = part_at(m, len, offset);
	if (kind == FIND_FIRST2 || kind == FIND_NEXT2) {
		cur_skip(&at, kind == FIND_FIRST2 ? 6 : 4);
		m->call->offset = cur_le16(&at); /* how its entries look */
	}
	if (kind >= sizeof(names_at) || !names_at[kind])
		return;
	cur_skip(&c, names_at[kind]);
	align(m, &c);
	if (cur_left(&c))
		say_name(m, &c, kind == FIND_FIRST2 || kind == FIND_NEXT2 ? "pattern" : "filename");
}

/* [MS-CIFS] 2.2.8.1 */
static void find_answer(struct smb1 *m, struct cur data)
{
	static const uint8_t names_at[] = { 64, 68, 12, 94, 80, 104 };
	uint64_t level = m->call->offset - 0x101;

	if (m->call->offset >= 0x101 && level < sizeof(names_at))
		smb_say_entries(
			m->o, data, is_wide(m), names_at[level] == 12 ? 8 : 60, names_at[level]);
}

static void trans2(struct smb1 *m)
{
	struct cur c = m->words, params;
	uint16_t len, offset;

	if (m->side == 0) {
		m->call->kind = NO_SUBCOMMAND;
		trans2_request(m);
		return;
	}
	cur_skip(&c, 6);
	len = cur_le16(&c);
	offset = cur_le16(&c);
	params = part_at(m, len, offset);
	cur_skip(&c, 2);
	len = cur_le16(&c);
	offset = cur_le16(&c);
	if (!cur_ok(&c) || m->status)
		return;
	if (m->call->kind == OPEN2) {
		c = params;
		cur_skip(&c, 8);
		opened(m, params, cur_le32(&c));
	} else if (m->call->kind == FIND_FIRST2 || m->call->kind == FIND_NEXT2) {
		find_answer(m, part_at(m, len, offset));
	}
}

static void handle(struct smb1 *m)
{
	static void (*const handlers[256])(struct smb1 *) = { [CREATE_DIRECTORY] = by_name,
		[DELETE_DIRECTORY] = by_name,
		[OPEN] = open_file,
		[CREATE_FILE] = open_file,
		[CLOSE] = close_file,
		[DELETE] = by_name,
		[RENAME] = rename_file,
		[QUERY_INFO] = by_name,
		[SET_INFO] = by_name,
		[READ] = read_file,
		[WRITE] = write_file,
		[CREATE_TEMPORARY] = open_file,
		[CREATE_NEW] = open_file,
		[CHECK_DIRECTORY] = by_name,
		[LOCK_AND_READ] = read_file,
		[WRITE_AND_UNLOCK] = write_file,
		[TRANSACTION] = transaction,
		[WRITE_AND_CLOSE] = write_file,
		[OPEN_ANDX] = open_andx,
		[READ_ANDX] = read_andx,
		[WRITE_ANDX] = write_andx,
		[TRANS2] = trans2,
		[TREE_CONNECT_OLD] = tree_connect,
		[TREE_DISCONNECT] = tree_disconnect,
		[NEGOTIATE] = negotiate,
		[SESSION_SETUP] = session_setup,
		[LOGOFF] = logoff,
		[TREE_CONNECT] = tree_connect,
		[SEARCH] = search,
		[FIND] = search,
		[FIND_UNIQUE] = search,
		[CREATE] = create };

	if (handlers[m->command] && (m->call->tx || m->kind & (READS | WRITES)))
		handlers[m->command](m);
}

/* The parameters and bytes of a command of the message. */
static bool read_body(struct smb1 *m, size_t at)
{
	struct cur c = bytes_at(m, (uint32_t)at);
	size_t words = (size_t)cur_u8(&c) * 2;
	uint16_t len;

	m->words = cur_sub(&c, words);
	len = cur_le16(&c);
	m->data = c;
	cur_limit(&m->data, len);
	return cur_ok(&c) && cur_ok(&m->words);
}

static bool read_header(struct smb1 *m)
{
	struct cur c = m->message;
	uint16_t high;

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
	return cur_ok(&c) && read_body(m, HEADER);
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
	bool data = m->kind & (READS | WRITES);
	struct smb_file *file = data ? file_at(m, m->kind & ANDX ? 4 : 0) : NULL;

	m->call = smb_call_new(
		m->smb, m->id, m->command, data ? file && file->pipe && m->kind & WRITES : true);
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
		m->call = smb_call_new(m->smb, m->id, m->command, !(m->kind & (READS | WRITES)));
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

static void take_one(struct smb1 *m)
{
	char text[SMB1_JSON_MAX], name[64];
	struct out o = out_make(text, sizeof(text));

	m->o = &o;
	m->kind = command_name(m->command, name);
	if (m->flags & 0x80)
		take_response(m, name);
	else
		take_request(m, name);
}

/* An answer ends where a command of its chain failed: those behind it get none. */
static void end_chain(struct smb *smb, uint64_t id, unsigned place)
{
	for (unsigned i = 0; i < SMB_CALLS_MAX; i++) {
		struct smb_call *call = &smb->call[i];

		if (call->used && call->id >> SMB1_CHAIN_BIT >= place &&
			(call->id & ((UINT64_C(1) << SMB1_CHAIN_BIT) - 1)) == id)
			smb_call_done(smb, call);
	}
}

/* Each chained command says which one follows it and where. Those that an answer leaves out were not done. */
void smb1_take(struct smb *smb, unsigned side, struct cur message, uint32_t len)
{
	struct smb1 m = { .smb = smb,
		.side = side,
		.message = message,
		.cut = len - (uint32_t)cur_left(&message) };
	size_t at = HEADER;
	uint64_t id;
	bool more;

	if (!read_header(&m))
		return;
	id = m.id;
	do {
		struct cur next;

		m.id = id + ((uint64_t)m.place << SMB1_CHAIN_BIT);
		take_one(&m);
		next = m.words;
		more = m.kind & ANDX && cur_left(&next) >= 4 && ++m.place;
		m.command = cur_u8(&next);
		cur_skip(&next, 1);
		more = more && m.command != 0xff && cur_ahead(next, 1) * 256u + next.at[0] > at;
		at = more ? cur_le16(&next) : 0;
	} while (more && read_body(&m, at));
	if (m.flags & 0x80 && m.place)
		end_chain(smb, id, m.place);
}
