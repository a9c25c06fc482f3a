/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMB over TCP ([MS-SMB], [MS-SMB2], RFC 1001 for the frame): each request and its answer are a
 * transaction, the contents of a file are one of their own. Data of a long read or write goes to
 * the file as it comes. Behind a gap the next message is looked for. Encrypted messages (SMB3) are not read.
 */
#include "proto/smb.h"

#include "proto/krb5.h"

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

void smb_tree_new(struct smb *smb, uint32_t id, const struct text_name *name, bool pipe)
{
	struct smb_tree *tree = smb_tree_find(smb, id);

	if (!tree)
		tree = &smb->tree[smb->next_tree++ % SMB_TREES_MAX];
	*tree = (struct smb_tree){ .used = true, .pipe = pipe, .id = id, .name = *name };
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

void smb_session_answered(struct smb *smb, struct cur c, uint32_t status, uint16_t flags)
{
	if (status != STATUS_MORE_PROCESSING_REQUIRED) {
		if (!status && flags & SMB_SESSION_GUEST && smb->login.user.len)
			smb->login.method = "guest";
		proto_login_end(
			smb->conn, &smb->login, status ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
		return;
	}
	ntlm_challenged(&smb->ntlm, c);
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
	struct ntlm_who who;

	krb5_say_ticket(o, c);
	if (!ntlm_authenticate(smb->conn, &smb->login, &smb->ntlm, c, &who))
		return;
	proto_fields_add(f, BUFFER_SMB_NTLMSSP_DOMAIN, who.domain.text, who.domain.len);
	proto_fields_add(f, BUFFER_SMB_NTLMSSP_USER, who.user.text, who.user.len);
	json_open(o, "ntlmssp", '{');
	json_text(o, "domain", who.domain.text, who.domain.len);
	json_text(o, "user", who.user.text, who.user.len);
	json_text(o, "host", who.host.text, who.host.len);
	if (who.has_version)
		say_version(cur_make(who.version, sizeof(who.version)), o);
	json_close(o, '}');
}

void smb_say_entries(struct out *o, struct cur c, bool wide, size_t len_at, size_t name_at)
{
	struct text_name name;

	json_open(o, "entries", '[');
	for (unsigned n = 0; n < SMB_LIST_MAX && cur_left(&c) > name_at; n++) {
		struct cur entry = c, at = c;
		uint32_t next = cur_le32(&entry);

		cur_skip(&entry, len_at - 4);
		cur_skip(&at, name_at);
		text_name_read(cur_sub(&at, cur_le32(&entry)), wide, &name);
		json_item(o, cur_make(name.text, name.len));
		if (!next)
			break;
		cur_skip(&c, next);
	}
	json_close(o, ']');
}

void smb_say_rename(struct out *o, const struct text_name *from, const struct text_name *to)
{
	json_text(o, "filename", from->text, from->len);
	json_open(o, "rename", '{');
	json_text(o, "from", from->text, from->len);
	json_text(o, "to", to->text, to->len);
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

/* The rest of a long message: data of the file first, then what nobody reads, up to the next message of the chain. */
static void take_rest(struct smb *smb, unsigned side, struct cur *c)
{
	struct smb_rest *rest = &smb->rest[side];
	uint32_t left = rest->follows ? rest->chained : rest->left;
	size_t n = cur_left(c) < left ? cur_left(c) : left;
	size_t data = n < rest->data ? n : rest->data;
	struct cur here = cur_sub(c, n);

	rest->left -= (uint32_t)n;
	cur_limit(&here, data);
	if (data)
		smb_file_more(smb, side, here);
	if (rest->follows)
		rest->chained -= (uint32_t)n;
}

static void take_message(struct smb *smb, unsigned side, struct cur here, uint32_t len, bool more)
{
	static const uint8_t smb2[4] = { 0xfe, 'S', 'M', 'B' }, smb1[4] = { 0xff, 'S', 'M', 'B' };

	smb->rest[side] = (struct smb_rest){ .left = len - (uint32_t)cur_left(&here) };
	if (cur_left(&here) < 4)
		return;
	if (memcmp(here.at, smb2, 4) == 0)
		smb2_take(smb, side, here, len, more);
	else if (memcmp(here.at, smb1, 4) == 0)
		smb1_take(smb, side, here, len);
}

/* One of another kind. */
static void skip_frame(struct smb *smb, unsigned side, struct cur here, uint32_t len)
{
	smb->rest[side] = (struct smb_rest){ .left = len - (uint32_t)cur_left(&here) };
}

/* How many bytes of a message of `len` are taken; 0: more are waited for. */
static size_t enough(uint32_t len, size_t here)
{
	if (here >= len)
		return len;
	return len > SMB_WHOLE_MAX && here >= SMB_BEGIN ? here : 0;
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
	here = enough(len, cur_left(&at));
	if (!here && len)
		return false;
	if (type == 0)
		take_message(smb, side, cur_sub(&at, here), len, false);
	else
		skip_frame(smb, side, cur_sub(&at, here), len);
	*c = at;
	return true;
}

/* The next message of a chain whose beginning was taken before. */
static bool take_chained(struct smb *smb, unsigned side, struct cur *c)
{
	uint32_t len = smb->rest[side].left;
	size_t here = enough(len, cur_left(c));

	if (!here)
		return false;
	take_message(smb, side, cur_sub(c, here), len, true);
	return true;
}

/* Behind what was not seen: the next frame is where its message's beginning is. */
#define FRAME_BEGIN 8u
static bool find_frame(struct smb *smb, unsigned side, struct cur *c)
{
	while (cur_left(c) >= FRAME_BEGIN) {
		const uint8_t *at = memmem(c->at + 5, cur_left(c) - 5, "SMB", 3);

		if (!at) {
			cur_skip(c, cur_left(c) - (FRAME_BEGIN - 1));
			return false;
		}
		cur_skip(c, (size_t)(at - c->at) - 5);
		if (c->at[0] == 0 && c->at[4] >= 0xfd) {
			smb->lost[side] = false;
			return true;
		}
		cur_skip(c, 1);
	}
	return false;
}

static bool take_next(struct smb *smb, unsigned side, struct cur *c)
{
	struct smb_rest *rest = &smb->rest[side];

	if (smb->lost[side] && !find_frame(smb, side, c))
		return false;
	if (rest->follows ? rest->chained : rest->left)
		take_rest(smb, side, c);
	if (!cur_left(c))
		return false;
	return rest->follows ? take_chained(smb, side, c) : take_frame(smb, side, c);
}

static size_t smb_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct smb *smb = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (take_next(smb, side, &c))
		;
	if (end)
		smb_files_end(smb, side);
	return len - cur_left(&c);
}

/* A gap inside of a long message leaves a hole in the file; elsewhere the next frame has to be found. */
static void smb_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct smb *smb = state;
	struct smb_rest *rest = &smb->rest[side];
	uint32_t n = len < rest->data ? (uint32_t)len : rest->data;

	(void)conn;
	if (len <= (rest->follows ? rest->chained : rest->left)) {
		rest->left -= (uint32_t)len;
		rest->chained -= rest->follows ? (uint32_t)len : 0;
		rest->data -= n;
		rest->offset += n;
		if (n && !rest->data && rest->file && rest->file->data[side])
			rest->file->data[side]->cut = true;
		return;
	}
	*rest = (struct smb_rest){ .left = 0 };
	smb->lost[side] = true;
	smb_files_missed(smb, side);
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
	proto_login_end(smb->conn, &smb->share_login, PROTO_LOGIN_UNKNOWN);
	smb_files_free(smb);
	proto_free(smb->conn, smb, sizeof(*smb));
}

static void smb_free_tx(void *data)
{
	struct smb *smb = proto_conn_state(((struct proto_fields *)data)->conn);

	for (unsigned i = 0; i < SMB_CALLS_MAX; i++)
		if (smb->call[i].tx && smb->call[i].tx->data == data)
			smb->call[i].tx = NULL;
	smb_files_forget(smb, data);
	proto_fields_free(data);
}

static enum proto_guess smb_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint8_t type = cur_u8(&c);

	(void)side;
	if (len < 8)
		return type == 0 || type == 0x82 ? PROTO_MAY_BE : PROTO_IS_NOT;
	if (type == 0x82 && info->port[1] == 139) /* whose request was not seen (netbios.c) */
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
