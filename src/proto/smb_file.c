/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and what is read and written of them. A file's contents are told in order as far as possible: what comes
 * too early waits for what belongs in front of it (SMB_HELD_MAX), what is read again is left out. A file that is both
 * read and written is two, one of each side.
 */
#include "proto/smb.h"

#define HELD_ROOM_MIN 4096u

struct smb_file *smb_file_find(struct smb *smb, const uint8_t *handle, size_t len)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].used && !smb->file[i].opening &&
			memcmp(smb->file[i].id, handle, len) == 0) {
			smb->file[i].used_at = ++smb->clock;
			return &smb->file[i];
		}
	return NULL;
}

/* ---- pieces in order ---- */

static void tell(struct smb_data *d, unsigned side, uint64_t offset, struct cur c)
{
	size_t len = cur_left(&c);

	if (!d->tx || !len || offset > UINT64_MAX - len)
		return;
	if (offset < d->next && side == 0)
		proto_tx_add_event(d->tx, "smb.file_overlap");
	d->holes |= offset > d->next;
	proto_fields_file_put(d->tx, d->file, offset, c.at, len);
	if (d->next < offset + len)
		d->next = offset + len;
}

/* The first of those that wait: its memory is the caller's. */
static struct smb_held pop(struct smb *smb, struct smb_data *d)
{
	struct smb_held first = d->held[0];

	memmove(d->held, d->held + 1, --d->n_held * sizeof(d->held[0]));
	smb->held -= first.room;
	return first;
}

/* What waits, up to `upto`, is told. */
static void release(struct smb *smb, struct smb_data *d, unsigned side, uint64_t upto)
{
	while (d->n_held && d->held[0].offset <= upto) {
		struct smb_held first = pop(smb, d);
		struct cur c = cur_make(first.bytes, first.len);
		uint64_t again = first.offset < d->next ? d->next - first.offset : 0;

		if (side == 1 && !d->holes) {
			cur_skip(&c, again < first.len ? again : first.len);
			first.offset += again;
		}
		tell(d, side, first.offset, c);
		proto_free(smb->conn, first.bytes, first.room);
		if (upto != UINT64_MAX)
			upto = d->next;
	}
}

/* False: there is no room. */
static bool grow(struct smb *smb, struct smb_held *held, size_t len)
{
	uint32_t room = held->room ? held->room : HELD_ROOM_MIN;
	uint8_t *more;

	if (held->len + len <= held->room)
		return true;
	if (held->len + len > SMB_HELD_MAX)
		return false;
	while (room < held->len + len)
		room *= 2;
	/* Others need some of the connection's memory, too. */
	if (smb->held + room > SMB_HELD_MAX ||
		proto_conn_bytes(smb->conn) + room > PROTO_CONN_BYTES_MAX / 4 * 3)
		return false;
	more = proto_alloc(smb->conn, room);
	if (!more)
		return false;
	if (held->len)
		memcpy(more, held->bytes, held->len);
	proto_free(smb->conn, held->bytes, held->room);
	smb->held += room - held->room;
	held->bytes = more;
	held->room = room;
	return true;
}

/* Where a piece goes that does not touch another one; NULL: it does, or there is no place. */
static struct smb_held *make_place(struct smb_data *d, uint64_t offset, size_t len)
{
	unsigned i = d->n_held;

	while (i && d->held[i - 1].offset >= offset)
		i--;
	if (d->n_held == SMB_HELD_RANGES || (i < d->n_held && d->held[i].offset - offset < len) ||
		(i && offset - d->held[i - 1].offset < d->held[i - 1].len))
		return NULL;
	memmove(d->held + i + 1, d->held + i, (d->n_held - i) * sizeof(d->held[0]));
	d->held[i] = (struct smb_held){ .offset = offset };
	d->n_held++;
	return &d->held[i];
}

static bool hold(struct smb *smb, struct smb_data *d, uint64_t offset, struct cur c)
{
	struct smb_held *held = NULL;
	size_t len = cur_left(&c);
	bool is_new;

	for (unsigned i = 0; i < d->n_held && !held; i++)
		if (d->held[i].offset + d->held[i].len == offset &&
			(i + 1 == d->n_held || d->held[i + 1].offset - offset >= len))
			held = &d->held[i];
	is_new = !held;
	if (is_new)
		held = make_place(d, offset, len);
	if (!held)
		return false;
	if (!grow(smb, held, len)) {
		if (is_new)
			memmove(held, held + 1,
				(size_t)(d->held + d->n_held-- - held - 1) * sizeof(*held));
		return false;
	}
	cur_copy(&c, held->bytes + held->len, len);
	held->len += (uint32_t)len;
	return true;
}

static void take(struct smb *smb, struct smb_data *d, unsigned side, uint64_t offset, struct cur c)
{
	uint64_t again = offset < d->next ? d->next - offset : 0;

	if (side == 1 && !d->holes && again) { /* read again */
		size_t skip = again < cur_left(&c) ? (size_t)again : cur_left(&c);

		cur_skip(&c, skip);
		offset += skip;
	}
	if (!cur_left(&c) || offset > UINT64_MAX - cur_left(&c))
		return;
	if (offset > d->next && !d->holes) {
		if (hold(smb, d, offset, c))
			return;
		release(smb, d, side, UINT64_MAX);
	}
	tell(d, side, offset, c);
	release(smb, d, side, d->next);
}

/* ---- what one side sends ---- */

static void begin_data(struct smb *smb, unsigned side, struct smb_file *file, const char *command)
{
	char text[2048];
	struct out o = out_make(text, sizeof(text));
	struct smb_data *d = proto_alloc(smb->conn, sizeof(*d));

	if (!d)
		return;
	d->tx = proto_fields_tx(smb->conn, "smb");
	if (!d->tx) {
		proto_free(smb->conn, d, sizeof(*d));
		return;
	}
	smb_say_head(smb, &o, d->tx, command);
	json_str(&o, "status", "STATUS_SUCCESS");
	json_str(&o, "status_code", "0x0");
	json_u64(&o, "session_id", file->session);
	json_u64(&o, "tree_id", file->tree);
	json_text(&o, "filename", file->name.text, file->name.len);
	if (file->has_guid && !file->opening)
		smb_fuid(&o, file->id);
	proto_fields_say(d->tx->data, &o);
	d->file = proto_fields_file(d->tx, side, file->name.text, file->name.len);
	file->data[side] = d;
}

static void free_data(struct smb *smb, struct smb_file *file, unsigned side)
{
	struct smb_data *d = file->data[side];

	while (d && d->n_held) {
		struct smb_held first = pop(smb, d);

		proto_free(smb->conn, first.bytes, first.room);
	}
	proto_free(smb->conn, d, sizeof(*d));
	file->data[side] = NULL;
}

/* What is read of a file is not all of it if the server said that it is longer. */
static bool is_cut(const struct smb *smb, const struct smb_file *file, unsigned side)
{
	const struct smb_data *d = file->data[side];
	const struct smb_rest *rest = &smb->rest[side];

	return d->cut || (side == 1 && d->next < file->size) || (rest->file == file && rest->data);
}

static void end_data(struct smb *smb, struct smb_file *file, unsigned side, bool cut)
{
	struct smb_data *d = file->data[side];

	if (!d)
		return;
	release(smb, d, side, UINT64_MAX);
	if (d->tx) {
		proto_fields_file_end(d->tx, d->file, cut || is_cut(smb, file, side));
		d->tx->state.done[!side] = true;
		proto_tx_done(d->tx, side);
	}
	free_data(smb, file, side);
}

void smb_file_data(struct smb *smb, unsigned side, struct smb_file *file, uint64_t offset,
	struct cur here, uint32_t len, const char *command)
{
	if (file->pipe || !len)
		return;
	if (!file->data[side])
		begin_data(smb, side, file, command);
	if (!file->data[side])
		return;
	cur_limit(&here, len);
	smb->rest[side].file = file;
	smb->rest[side].data = len;
	smb->rest[side].offset = offset;
	smb_file_more(smb, side, here);
}

void smb_file_more(struct smb *smb, unsigned side, struct cur here)
{
	struct smb_rest *rest = &smb->rest[side];
	uint64_t offset = rest->offset;

	cur_limit(&here, rest->data);
	rest->data -= (uint32_t)cur_left(&here);
	rest->offset += cur_left(&here);
	if (rest->file && rest->file->data[side])
		take(smb, rest->file->data[side], side, offset, here);
}

/* ---- files ---- */

void smb_pipe_answered(struct smb_file *file)
{
	if (file->asked)
		proto_tx_done(file->asked, 1);
	file->asked = NULL;
}

void smb_file_close(struct smb *smb, struct smb_file *file, bool cut)
{
	end_data(smb, file, 0, cut);
	end_data(smb, file, 1, cut);
	smb_pipe_answered(file);
	if (file->dce)
		proto_free(smb->conn, file->dce, sizeof(*file->dce));
	for (unsigned i = 0; i < 2; i++) {
		if (smb->rest[i].file == file)
			smb->rest[i].file = NULL;
		if (smb->chain[i].file == file)
			smb->chain[i].file = NULL;
	}
	for (unsigned i = 0; i < SMB_CALLS_MAX; i++)
		if (smb->call[i].file == file)
			smb->call[i].file = NULL;
	*file = (struct smb_file){ .used = false };
}

/* A free place; else that of the file that was not used for longest. */
static struct smb_file *file_place(struct smb *smb)
{
	struct smb_file *idle = &smb->file[0];

	for (unsigned i = 0; i < SMB_FILES_MAX; i++) {
		if (!smb->file[i].used)
			return &smb->file[i];
		if (smb->file[i].used_at < idle->used_at)
			idle = &smb->file[i];
	}
	return idle;
}

struct smb_file *smb_file_new(
	struct smb *smb, const uint8_t *handle, size_t len, const struct text_name *name, bool pipe)
{
	struct smb_file *file = handle ? smb_file_find(smb, handle, len) : NULL;

	if (!file)
		file = file_place(smb);
	if (file->used)
		smb_file_close(smb, file, false);
	*file = (struct smb_file){ .used = true,
		.opening = !handle,
		.pipe = pipe,
		.name = *name,
		.used_at = ++smb->clock };
	if (handle)
		smb_file_opened(smb, file, handle, len);
	return file;
}

void smb_file_opened(struct smb *smb, struct smb_file *file, const uint8_t *handle, size_t len)
{
	struct smb_file *other = smb_file_find(smb, handle, len);

	if (other && other != file)
		smb_file_close(smb, other, false);
	memcpy(file->id, handle, len);
	file->has_guid = len == sizeof(file->id);
	file->opening = false;
}

struct smb_file *smb_file_unknown(
	struct smb *smb, const uint8_t *handle, size_t len, struct cur data)
{
	static const struct text_name none;
	struct dce_header h;

	return smb_file_new(smb, handle, len, &none, dce_header_read(data, &h));
}

struct smb_file *smb_file_named(
	struct smb *smb, const uint8_t *handle, size_t len, const struct text_name *name, bool pipe)
{
	struct smb_file *file = smb_file_find(smb, handle, len);

	if (!file || file->name.len || file->pipe)
		return smb_file_new(smb, handle, len, name, pipe);
	file->name = *name;
	for (unsigned side = 0; side < 2; side++)
		if (file->data[side] && file->data[side]->tx)
			proto_fields_file_name(file->data[side]->file, name->text, name->len);
	return file;
}

bool smb_is_unknown_pipe(const struct smb_file *file, struct cur data)
{
	struct dce_header h;

	return !file->name.len && !file->data[1] && dce_header_read(data, &h);
}

void smb_files_close(struct smb *smb, uint32_t tree, uint64_t session)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++) {
		struct smb_file *file = &smb->file[i];

		if (file->used && (tree == SMB_ANY || file->tree == tree) &&
			(session == SMB_ANY || file->session == session))
			smb_file_close(smb, file, false);
	}
}

void smb_files_end(struct smb *smb, unsigned side)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].used)
			end_data(smb, &smb->file[i], side, false);
}

void smb_files_missed(struct smb *smb, unsigned side)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++)
		if (smb->file[i].data[side])
			smb->file[i].data[side]->cut = true;
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

void smb_files_forget(struct smb *smb, const void *fields)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++) {
		struct smb_file *file = &smb->file[i];

		for (unsigned side = 0; side < 2; side++) {
			struct smb_data *d = file->data[side];

			if (!d || !d->tx || d->tx->data != fields)
				continue;
			release(smb, d, side, UINT64_MAX);
			proto_fields_file_end(d->tx, d->file, true);
			d->tx = NULL;
		}
		if (file->asked && file->asked->data == fields)
			file->asked = NULL;
	}
}

void smb_files_free(struct smb *smb)
{
	for (unsigned i = 0; i < SMB_FILES_MAX; i++) {
		struct smb_file *file = &smb->file[i];

		for (unsigned side = 0; side < 2; side++)
			free_data(smb, file, side);
		if (file->dce)
			proto_free(smb->conn, file->dce, sizeof(*file->dce));
	}
}
