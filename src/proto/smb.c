/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMB over TCP ([MS-SMB], [MS-SMB2], RFC 1001 for the frame): each request and its answer are a
 * transaction, the contents of a file are one of their own. Data of a long read or write goes to
 * the file as it comes. Encrypted messages (SMB3) are not read.
 */
#include "proto/smb.h"

#define NTLM1_LEN                       24u /* of an answer ([MS-NLMP] 2.2.2.6) */
#define NTLM_PROOF_LEN                  16u /* of a longer one (2.2.2.8); then comes the blob */
#define STATUS_MORE_PROCESSING_REQUIRED 0xc0000016u

struct smb_call *smb_call_find(struct smb *smb, uint64_t id)
{
	for (unsigned i = 0; i < SMB_CALLS_MAX; i++)
		if (smb->call[i].used && smb->call[i].id == id)
			return &smb->call[i];
	return NULL;
}

void smb_call_done(struct smb *smb, struct smb_call *call)
{
	(void)smb;
	call->used = false;
	if (call->waits && call->tx && call->file) {
		smb_pipe_answered(call->file);
		call->file->asked = call->tx;
		proto_tx_news(call->tx, 1);
	} else if (call->tx)
		proto_tx_done(call->tx, 1);
	call->tx = NULL;
}

struct smb_call *smb_call_new(struct smb *smb, uint64_t id, uint16_t command, bool record)
{
	struct smb_call *call = smb_call_find(smb, id);

	for (unsigned i = 0; !call && i < SMB_CALLS_MAX; i++)
		if (!smb->call[i].used)
			call = &smb->call[i];
	if (!call)
		call = &smb->call[smb->next_call++ % SMB_CALLS_MAX];
	if (call->used)
		smb_call_done(smb, call);
	*call = (struct smb_call){ .used = true, .id = id, .command = command };
	if (record)
		call->tx = proto_fields_tx(smb->conn, "smb");
	return call;
}

struct smb_tree *smb_tree_find(struct smb *smb, uint32_t id)
{
	for (unsigned i = 0; i < SMB_TREES_MAX; i++)
		if (smb->tree[i].used && smb->tree[i].id == id)
			return &smb->tree[i];
	return NULL;
}

void smb_tree_new(struct smb *smb, uint32_t id, const struct smb_name *name, bool pipe)
{
	struct smb_tree *tree = smb_tree_find(smb, id);

	if (!tree)
		tree = &smb->tree[smb->next_tree++ % SMB_TREES_MAX];
	*tree = (struct smb_tree){ .used = true, .pipe = pipe, .id = id, .name = *name };
}

struct smb_file *smb_file_find(struct smb *smb, const uint8_t *handle, size_t len)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].used && memcmp(smb->file[i].id, handle, len) == 0)
			return &smb->file[i];
	return NULL;
}

static void end_data(struct smb_file *file, bool cut)
{
	if (!file->tx)
		return;
	proto_fields_file_end(file->tx, file->data, cut);
	file->tx->state.done[!file->side] = true;
	proto_tx_done(file->tx, file->side);
	file->tx = NULL;
	file->data = NULL;
}

void smb_pipe_answered(struct smb_file *file)
{
	if (file->asked)
		proto_tx_done(file->asked, 1);
	file->asked = NULL;
}

void smb_file_close(struct smb *smb, struct smb_file *file)
{
	end_data(file, false);
	smb_pipe_answered(file);
	if (file->dce)
		proto_free(smb->conn, file->dce, sizeof(*file->dce));
	for (unsigned i = 0; i < 2; i++)
		if (smb->rest[i].file == file)
			smb->rest[i].file = NULL;
	for (unsigned i = 0; i < SMB_CALLS_MAX; i++)
		if (smb->call[i].file == file)
			smb->call[i].file = NULL;
	*file = (struct smb_file){ .used = false };
}

struct smb_file *smb_file_new(
	struct smb *smb, const uint8_t *handle, size_t len, const struct smb_name *name, bool pipe)
{
	struct smb_file *file = smb_file_find(smb, handle, len);

	for (unsigned i = 0; !file && i < SMB_FILES_MAX; i++)
		if (!smb->file[i].used)
			file = &smb->file[i];
	if (!file)
		file = &smb->file[smb->next_file++ % SMB_FILES_MAX];
	if (file->used)
		smb_file_close(smb, file);
	*file = (struct smb_file){ .used = true, .pipe = pipe, .name = *name };
	memcpy(file->id, handle, len);
	file->has_guid = len == sizeof(file->id);
	return file;
}

void smb_fuid(struct out *o, const uint8_t id[static 16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13, 14, 15 };

	json_name(o, "fuid");
	out_char(o, '"');
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out_char(o, '-');
		out_hex(o, id + order[i], 1);
	}
	out_char(o, '"');
}

static void file_begin(struct smb *smb, unsigned side, struct smb_file *file, const char *command)
{
	char text[2048];
	struct out o = out_make(text, sizeof(text));

	file->tx = proto_fields_tx(smb->conn, "smb");
	if (!file->tx)
		return;
	file->side = (uint8_t)side;
	file->next = 0;
	smb_say_head(smb, &o, file->tx, command);
	json_str(&o, "status", "STATUS_SUCCESS");
	json_str(&o, "status_code", "0x0");
	json_u64(&o, "session_id", file->session);
	json_u64(&o, "tree_id", file->tree);
	json_text(&o, "filename", file->name.text, file->name.len);
	if (file->has_guid)
		smb_fuid(&o, file->id);
	proto_fields_say(file->tx->data, &o);
	file->data = proto_fields_file(file->tx, side, file->name.text, file->name.len);
}

/* What was read or written before, or leaves a hole, is not part of the file. */
void smb_file_data(struct smb *smb, unsigned side, struct smb_file *file, uint64_t offset,
	struct cur here, uint32_t len, const char *command)
{
	if (file->pipe || !len)
		return;
	if (file->tx && file->side != side)
		end_data(file, false);
	if (!file->tx)
		file_begin(smb, side, file, command);
	if (!file->tx)
		return;
	if (offset != file->next) {
		proto_tx_add_event(file->tx, "smb.file_overlap");
		proto_tx_news(file->tx, side);
		return;
	}
	cur_limit(&here, len);
	file->next += len;
	proto_fields_file_add(file->tx, file->data, here.at, cur_left(&here));
	smb->rest[side].file = file;
	smb->rest[side].data = len - (uint32_t)cur_left(&here);
}

void smb_pipe(
	struct smb *smb, unsigned side, struct smb_file *file, struct proto_tx *tx, struct cur data)
{
	struct proto_fields *f = tx ? tx->data : NULL;
	struct dce_header h;

	if (!f || !dce_header_read(data, &h))
		return;
	if (!file->dce) {
		file->dce = proto_alloc(smb->conn, sizeof(*file->dce));
		if (!file->dce)
			return;
		*file->dce = (struct dce){ .n = 0 };
	}
	if (cur_left(&data) < h.len)
		h.len = (uint16_t)cur_left(&data);
	cur_limit(&data, h.len);
	f->sub_name = "dcerpc";
	f->in_sub = true;
	dce_take(file->dce, f, side, &h, data);
	f->in_sub = false;
}

void smb_name_read(struct cur c, bool wide, struct smb_name *ret_name)
{
	struct out o = out_make(ret_name->text, sizeof(ret_name->text));

	text_wide(&o, c, wide);
	ret_name->len = (uint32_t)o.len;
}

/* Bytes of the message: length, room, offset. */
static struct cur ntlm_bytes(struct cur *c, const struct cur *message)
{
	uint16_t len = cur_le16(c);
	struct cur at = *message;

	cur_skip(c, 2);
	cur_skip(&at, cur_le32(c));
	return cur_sub(&at, len);
}

/* The message of that type; an empty cursor: there is none. */
static struct cur ntlm_message(struct cur c, uint8_t type)
{
	const uint8_t begin[12] = { 'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, type };
	const uint8_t *found = memmem(c.at, cur_left(&c), begin, sizeof(begin));

	cur_skip(&c, found ? (size_t)(found - c.at) : cur_left(&c));
	return c;
}

/* As it is usually written: user::domain:challenge:proof:blob, of NTLMv1 user::domain:LM:NT:challenge. */
static void ntlm_hash(struct smb *smb, const struct smb_name *user, const struct smb_name *domain,
	struct cur lm, struct cur nt)
{
	const struct cur challenge = cur_make(smb->challenge, sizeof(smb->challenge));
	const bool old = cur_left(&nt) == NTLM1_LEN;
	struct cur proof = cur_sub(&nt, old ? NTLM1_LEN : NTLM_PROOF_LEN);
	struct cur parts[3] = { challenge, proof, nt };
	char text[2 * SMB_NAME_MAX + 5 * PROTO_LOGIN_MAX];
	struct out o = out_make(text, sizeof(text));

	if (!cur_ok(&proof) || !cur_ok(&lm))
		return;
	if (old) {
		parts[0] = lm;
		parts[2] = challenge;
	}
	out_bytes(&o, user->text, user->len);
	out_str(&o, "::");
	out_bytes(&o, domain->text, domain->len);
	for (unsigned i = 0; i < 3; i++) {
		cur_limit(&parts[i], PROTO_LOGIN_MAX / 2);
		out_char(&o, ':');
		out_hex(&o, parts[i].at, cur_left(&parts[i]));
	}
	proto_login_hash(&smb->login, (const uint8_t *)text, o.len);
}

/* DOMAIN\user; nobody is none. */
static void ntlm_login(struct smb *smb, const struct smb_name *user, const struct smb_name *domain,
	struct cur message)
{
	char text[2 * SMB_NAME_MAX + 2];
	struct out o = out_make(text, sizeof(text));
	struct cur lm, nt, at = message;

	proto_login_end(smb->conn, &smb->login, PROTO_LOGIN_UNKNOWN);
	if (!user->len)
		return;
	out_bytes(&o, domain->text, domain->len);
	out_str(&o, domain->len ? "\\" : "");
	out_bytes(&o, user->text, user->len);
	smb->login.method = "ntlm";
	proto_login_user(&smb->login, (const uint8_t *)text, o.len);
	cur_skip(&at, 12);
	lm = ntlm_bytes(&at, &message);
	nt = ntlm_bytes(&at, &message);
	ntlm_hash(smb, user, domain, lm, nt);
}

void smb_session_answered(struct smb *smb, struct cur c, uint32_t status)
{
	if (status != STATUS_MORE_PROCESSING_REQUIRED) {
		proto_login_end(
			smb->conn, &smb->login, status ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
		return;
	}
	c = ntlm_message(c, 2);
	cur_skip(&c, 24);
	if (cur_left(&c) >= sizeof(smb->challenge))
		cur_copy(&c, smb->challenge, sizeof(smb->challenge));
}

static void say_version(struct cur at, struct out *o)
{
	uint8_t major = cur_u8(&at), minor = cur_u8(&at);
	uint16_t build = cur_le16(&at);

	cur_skip(&at, 3);
	json_name(o, "version");
	out_fmt(o, "\"%u.%u build %u rev %u\"", major, minor, build, cur_u8(&at));
}

void smb_ntlmssp(struct smb *smb, struct proto_fields *f, struct cur c, struct out *o)
{
	struct cur message = ntlm_message(c, 3), at = message;
	struct smb_name domain, user, host;
	uint32_t flags;
	bool wide;

	cur_skip(&at, 12 + 16 + 24 + 8);
	flags = cur_le32(&at);
	wide = flags & 1;
	if (!cur_ok(&at))
		return;
	at = message;
	cur_skip(&at, 12 + 16);
	smb_name_read(ntlm_bytes(&at, &message), wide, &domain);
	smb_name_read(ntlm_bytes(&at, &message), wide, &user);
	smb_name_read(ntlm_bytes(&at, &message), wide, &host);
	ntlm_login(smb, &user, &domain, message);
	proto_fields_add(f, BUFFER_SMB_NTLMSSP_DOMAIN, domain.text, domain.len);
	proto_fields_add(f, BUFFER_SMB_NTLMSSP_USER, user.text, user.len);
	json_open(o, "ntlmssp", '{');
	json_text(o, "domain", domain.text, domain.len);
	json_text(o, "user", user.text, user.len);
	json_text(o, "host", host.text, host.len);
	cur_skip(&at, 8 + 4);
	if (flags & 0x02000000 && cur_left(&at) >= 8)
		say_version(at, o);
	json_close(o, '}');
}

void smb_status(struct out *o, uint32_t status)
{
	static const struct {
		uint32_t status;
		const char *name;
	} names[] = {
#define SMB_STATUS(number, name) { number, name },
#include "proto/smb_status.def"
#undef SMB_STATUS
	};

	json_name(o, "status");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status) {
			out_fmt(o, "\"%s\"", names[i].name);
			break;
		}
	if (o->at[o->len - 1] == ':')
		out_fmt(o, "\"0x%08x\"", status);
	json_name(o, "status_code");
	out_fmt(o, "\"0x%x\"", status);
}

void smb_say_head(struct smb *smb, struct out *o, struct proto_tx *tx, const char *command)
{
	json_u64(o, "id", tx->state.id + 1);
	json_str(o, "dialect", smb->dialect[0] ? smb->dialect : "unknown");
	json_str(o, "command", command);
}

/* The rest of a long message: data of the file first, then what nobody reads. */
static void take_rest(struct smb *smb, unsigned side, struct cur *c)
{
	struct smb_rest *rest = &smb->rest[side];
	size_t n = cur_left(c) < rest->left ? cur_left(c) : rest->left;
	size_t data = n < rest->data ? n : rest->data;
	struct cur here = cur_sub(c, n);

	rest->left -= (uint32_t)n;
	rest->data -= (uint32_t)data;
	if (rest->file && rest->file->tx && data)
		proto_fields_file_add(rest->file->tx, rest->file->data, here.at, data);
}

static void take_message(struct smb *smb, unsigned side, struct cur here, uint32_t len)
{
	static const uint8_t smb2[4] = { 0xfe, 'S', 'M', 'B' }, smb1[4] = { 0xff, 'S', 'M', 'B' };

	smb->rest[side] = (struct smb_rest){ .left = len - (uint32_t)cur_left(&here) };
	if (cur_left(&here) < 4)
		return;
	if (memcmp(here.at, smb2, 4) == 0)
		smb2_take(smb, side, here, len);
	else if (memcmp(here.at, smb1, 4) == 0)
		smb1_take(smb, side, here, len);
}

/* A frame: type, length; a message in it. */
static bool take_frame(struct smb *smb, unsigned side, struct cur *c)
{
	struct cur at = *c;
	uint8_t type = cur_u8(&at);
	uint32_t len = (uint32_t)cur_u8(&at) << 16;
	size_t here;

	len |= cur_be16(&at);
	if (!cur_ok(&at))
		return false;
	here = len <= SMB_WHOLE_MAX ? len : SMB_BEGIN;
	if (cur_left(&at) < here)
		return false;
	if (len > SMB_WHOLE_MAX && cur_left(&at) < len)
		here = cur_left(&at);
	else
		here = len;
	if (type == 0)
		take_message(smb, side, cur_sub(&at, here), len);
	else
		cur_skip(&at, here);
	*c = at;
	return true;
}

static size_t smb_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct smb *smb = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	(void)end;
	do
		take_rest(smb, side, &c);
	while (cur_left(&c) && take_frame(smb, side, &c));
	return len - cur_left(&c);
}

/* A gap inside of a long message leaves the file cut; elsewhere the next frame cannot be found. */
static void smb_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct smb *smb = state;
	struct smb_rest *rest = &smb->rest[side];

	(void)conn;
	if (rest->file && rest->file->tx)
		proto_fields_file_end(rest->file->tx, rest->file->data, true);
	rest->left = len < rest->left ? rest->left - (uint32_t)len : UINT32_MAX;
	rest->data = 0;
}

static void *smb_open(struct proto_conn *conn)
{
	struct smb *smb = proto_alloc(conn, sizeof(*smb));

	if (smb)
		smb->conn = conn;
	return smb;
}

static void smb_close(void *state)
{
	struct smb *smb = state;

	proto_login_end(smb->conn, &smb->login, PROTO_LOGIN_UNKNOWN);
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].dce)
			proto_free(smb->conn, smb->file[i].dce, sizeof(struct dce));
	proto_free(smb->conn, smb, sizeof(*smb));
}

static void smb_free_tx(void *data)
{
	struct smb *smb = proto_conn_state(((struct proto_fields *)data)->conn);

	for (unsigned i = 0; i < SMB_CALLS_MAX; i++)
		if (smb->call[i].tx && smb->call[i].tx->data == data)
			smb->call[i].tx = NULL;
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].tx && smb->file[i].tx->data == data)
			smb->file[i].tx = NULL;
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].asked && smb->file[i].asked->data == data)
			smb->file[i].asked = NULL;
	proto_fields_free(data);
}

static enum proto_guess smb_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint8_t type = cur_u8(&c);

	(void)side;
	if (len < 8)
		return type == 0 || type == 0x81 || type == 0x82 ? PROTO_MAY_BE : PROTO_IS_NOT;
	if (type >= 0x81 && type <= 0x82 && info->port[1] == 139)
		return PROTO_IS;
	cur_skip(&c, 3);
	if (type != 0 || cur_u8(&c) < 0xfd || memcmp(c.at, "SMB", 3) != 0)
		return PROTO_IS_NOT;
	return PROTO_IS;
}

const struct proto_parser proto_smb = { .id = PROTO_SMB,
	.ip_proto = IPPROTO_TCP,
	.guess = smb_guess,
	.open = smb_open,
	.close = smb_close,
	.feed = smb_feed,
	.gap = smb_gap,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = smb_free_tx };
