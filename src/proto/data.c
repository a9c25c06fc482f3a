/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that were announced in others and carry one file: FTP's data (RFC 959), and DCC
 * between two who chat. All that its sender says is the file; what DCC's receiver says, how much
 * it has, is left alone. */
#include "proto/fields.h"

struct data {
	struct proto_conn *conn;
	struct proto_tx *tx;
	struct proto_fields_file *file;
	bool over;
	bool cut;       /* its beginning is too far away to be a hole */
	uint8_t sender; /* side of this connection */
};

/* Side 0 is who connects, not who listens. */
static uint8_t sender_of(const struct proto_expect *expected)
{
	return expected->sender == expected->listens;
}

/* Who gets the file is silent until there is some of it: one who is not speaks something else. */
static bool is_sender(const struct proto_flow_info *info, enum proto_id proto, unsigned side)
{
	return info->expected && info->expected->proto == proto && !proto_expects_chat(info) &&
	       side == sender_of(info->expected);
}

static enum proto_guess ftp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
	return is_sender(info, PROTO_FTP_DATA, side) && !info->doubted ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess dcc_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
	return is_sender(info, PROTO_DCC, side) && !info->doubted ? PROTO_IS : PROTO_IS_NOT;
}

/* What the sender says is of nobody else, and the other one says nothing. */
static enum proto_guess claim(
	const struct proto_flow_info *info, enum proto_id proto, struct proto_unclaimed *unclaimed)
{
	for (unsigned side = 0; side < 2; side++)
		if (is_sender(info, proto, side) && cur_left(&unclaimed->said[side]) &&
			!cur_left(&unclaimed->said[!side]))
			return PROTO_IS;
	return PROTO_IS_NOT;
}

static enum proto_guess ftp_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	return claim(info, PROTO_FTP_DATA, unclaimed);
}

static enum proto_guess dcc_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	return claim(info, PROTO_DCC, unclaimed);
}

static void *data_open(struct proto_conn *conn)
{
	const struct proto_expect *e = proto_conn_info(conn)->expected;
	struct data *data = proto_alloc(conn, sizeof(*data));

	if (data)
		*data = (struct data){ .conn = conn, .sender = sender_of(e) };
	return data;
}

static void data_close(void *state)
{
	struct data *data = state;

	proto_free(data->conn, data, sizeof(*data));
}

static bool data_begin(struct data *data)
{
	const struct proto_expect *e = proto_conn_info(data->conn)->expected;
	char text[1024];
	struct out o = out_make(text, sizeof(text));

	if (data->tx || data->over)
		return data->tx;
	data->tx = proto_fields_tx(data->conn, e->proto == PROTO_DCC ? "dcc" : "ftp_data");
	if (!data->tx)
		return false;
	if (e->name_len)
		json_text(&o, "filename", e->name, e->name_len);
	json_str(&o, "command", e->command);
	proto_fields_say(data->tx->data, &o);
	if (e->proto == PROTO_FTP_DATA)
		proto_fields_add_text(data->tx->data, BUFFER_FTP_DATA_COMMAND, e->command);
	data->file = proto_fields_file(data->tx, data->sender, e->name, e->name_len);
	data->cut = e->offset > FIELDS_HOLE_MAX;
	if (!data->cut)
		proto_fields_file_skip(data->file, e->offset);
	return true;
}

static size_t data_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct data *data = state;

	(void)conn;
	if (side != data->sender || !data_begin(data))
		return SIZE_MAX;
	proto_fields_file_add(data->tx, data->file, bytes, len);
	if (end) {
		proto_fields_file_end(data->tx, data->file, data->cut);
		data->tx->state.done[!side] = true;
		proto_tx_done(data->tx, side);
	}
	return len;
}

static void data_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct data *data = state;

	(void)conn;
	if (side != data->sender || !data->tx)
		return;
	if (len <= FIELDS_HOLE_MAX) {
		proto_fields_file_skip(data->file, len);
		return;
	}
	proto_fields_file_end(data->tx, data->file, true);
	proto_tx_news(data->tx, side);
}

static void data_free_tx(void *fields)
{
	struct data *data = proto_conn_state(((struct proto_fields *)fields)->conn);

	data->tx = NULL;
	data->over = true;
	proto_fields_free(fields);
}

const struct proto_parser proto_ftp_data = { .id = PROTO_FTP_DATA,
	.ip_proto = IPPROTO_TCP,
	.guess = ftp_guess,
	.claim = ftp_claim,
	.open = data_open,
	.close = data_close,
	.feed = data_feed,
	.gap = data_gap,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = data_free_tx };

const struct proto_parser proto_dcc = { .id = PROTO_DCC,
	.ip_proto = IPPROTO_TCP,
	.guess = dcc_guess,
	.claim = dcc_claim,
	.open = data_open,
	.close = data_close,
	.feed = data_feed,
	.gap = data_gap,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = data_free_tx };
