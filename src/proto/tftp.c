/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TFTP (RFC 1350, options: 2347, block size: 2348). A request is a transaction with a record. Who
 * is asked answers from a port of its own, which is another conversation: that one is announced,
 * by the port that asked, and its file is a transaction without a record. The file is told as it
 * was sent, in netascii too. Blocks are taken in order, and those that come again once; what
 * comes too early is taken when it comes again (RFC 7440). What is acknowledged and was not seen
 * is lost, and ends the file.
 */
#include "proto/fields.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>

#define TFTP_BLOCK_SIZE     512   /* RFC 1350, 5 */
#define TFTP_BLOCK_SIZE_MAX 65464 /* RFC 2348 */
#define TFTP_NAME_MAX       1024  /* of a request */

enum { READ_REQUEST = 1, WRITE_REQUEST, DATA, ACKNOWLEDGEMENT, ERROR, OPTIONS };

struct request {
	bool write;
	struct cur file, mode, options;
};

struct tftp {
	struct proto_conn *conn;
	struct proto_tx *tx; /* of the file, while it comes */
	struct proto_fields_file *file;
	bool known;     /* a file is going to come */
	uint8_t sender; /* the side it comes from */
	uint16_t next;  /* number of the block that comes */
	uint32_t block; /* size of one, and of all but the last */
	uint32_t name_len;
	char name[FIELDS_NAME_MAX];
};

static bool read_request(struct cur c, struct request *ret_request)
{
	struct request r;
	uint16_t code = cur_be16(&c);

	r.file = text_zero(&c);
	r.mode = text_zero(&c);
	if ((code != READ_REQUEST && code != WRITE_REQUEST) || !cur_ok(&c))
		return false;
	if (cur_left(&r.file) == 0 || cur_left(&r.file) > TFTP_NAME_MAX)
		return false;
	if (!text_is(r.mode, "octet") && !text_is(r.mode, "netascii") && !text_is(r.mode, "mail"))
		return false;
	r.write = code == WRITE_REQUEST;
	r.options = c;
	*ret_request = r;
	return true;
}

static void file_end(struct tftp *t, bool cut)
{
	t->known = false;
	if (!t->tx)
		return;
	proto_fields_file_end(t->tx, t->file, cut);
	t->tx->state.done[!t->sender] = true;
	proto_tx_done(t->tx, t->sender);
	t->tx = NULL;
	t->file = NULL;
}

static void file_expect(struct tftp *t, const void *name, size_t len, uint8_t sender)
{
	file_end(t, true);
	t->known = true;
	t->sender = sender;
	t->next = 1;
	t->block = TFTP_BLOCK_SIZE;
	t->name_len = len < sizeof(t->name) ? (uint32_t)len : (uint32_t)sizeof(t->name);
	if (t->name_len)
		memcpy(t->name, name, t->name_len);
}

static void announce(struct tftp *t, unsigned side, const struct request *r)
{
	struct proto_expect e = { .proto = PROTO_TFTP,
		.ip_proto = IPPROTO_UDP,
		.port = proto_conn_info(t->conn)->port[side],
		.listens = (uint8_t)side,
		.sender = (uint8_t)(r->write ? side : !side),
		.name_len = t->name_len };

	snprintf(e.command, sizeof(e.command), "%s", r->write ? "WRQ" : "RRQ");
	memcpy(e.name, t->name, t->name_len);
	proto_conn_expect(t->conn, &e);
}

static void take_request(struct tftp *t, unsigned side, const struct request *r)
{
	char text[TFTP_NAME_MAX * 6 + 256];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx = proto_fields_tx(t->conn, "tftp");

	if (!tx)
		return;
	json_str(&o, "packet", r->write ? "write" : "read");
	json_text(&o, "file", r->file.at, cur_left(&r->file));
	json_text(&o, "mode", r->mode.at, cur_left(&r->mode));
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	file_expect(t, r->file.at, cur_left(&r->file), (uint8_t)(r->write ? side : !side));
	announce(t, side, r);
}

static void file_begin(struct tftp *t)
{
	t->tx = proto_fields_tx(t->conn, NULL);
	if (t->tx)
		t->file = proto_fields_file(t->tx, t->sender, t->name, t->name_len);
	else
		t->known = false;
}

static void take_data(struct tftp *t, unsigned side, struct cur c)
{
	uint16_t number = cur_be16(&c);
	size_t len = cur_left(&c);

	if (!cur_ok(&c) || !t->known || side != t->sender || number != t->next)
		return;
	if (!t->tx)
		file_begin(t);
	if (!t->tx)
		return;
	if (number == 1 && len > t->block)
		t->block = (uint32_t)len; /* the answer with the options was not seen */
	t->next++;
	proto_fields_file_add(t->tx, t->file, c.at, len);
	if (len < t->block)
		file_end(t, false);
}

static void take_acknowledgement(struct tftp *t, unsigned side, struct cur c)
{
	uint16_t number = cur_be16(&c);
	uint16_t ahead = (uint16_t)(number - t->next);

	if (cur_ok(&c) && t->tx && side != t->sender && ahead < 0x8000)
		file_end(t, true);
}

/* RFC 2347: the options that the server takes. */
static void take_options(struct tftp *t, struct cur c)
{
	while (cur_left(&c)) {
		struct cur name = text_zero(&c), value = text_zero(&c);
		uint32_t n = 0;

		if (!cur_ok(&c))
			return;
		while (cur_left(&value) && isdigit(value.at[0]) && n <= TFTP_BLOCK_SIZE_MAX)
			n = n * 10 + cur_u8(&value) - '0';
		if (text_is(name, "blksize") && n > 0 && n <= TFTP_BLOCK_SIZE_MAX)
			t->block = n;
	}
}

static size_t tftp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct tftp *t = state;
	struct cur c = cur_make(bytes, len);
	struct request r;

	(void)conn;
	if (end && side == t->sender)
		file_end(t, true);
	if (read_request(c, &r)) {
		take_request(t, side, &r);
		return len;
	}
	switch (cur_be16(&c)) {
	case DATA:
		take_data(t, side, c);
		break;
	case ACKNOWLEDGEMENT:
		take_acknowledgement(t, side, c);
		break;
	case OPTIONS:
		if (!t->tx)
			take_options(t, c);
		break;
	case ERROR:
		file_end(t, true);
		break;
	}
	return len;
}

static void *tftp_open(struct proto_conn *conn)
{
	const struct proto_expect *e = proto_conn_info(conn)->expected;
	struct tftp *t = proto_alloc(conn, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct tftp){ .conn = conn };
	if (e && e->proto == PROTO_TFTP) /* side 0 is who answers, not who listens */
		file_expect(t, e->name, e->name_len, e->sender == e->listens);
	return t;
}

static void tftp_close(void *state)
{
	struct tftp *t = state;

	proto_free(t->conn, t, sizeof(*t));
}

static void tftp_free_tx(void *fields)
{
	struct tftp *t = proto_conn_state(((struct proto_fields *)fields)->conn);

	if (t->tx && t->tx->data == fields) {
		t->tx = NULL;
		t->file = NULL;
		t->known = false;
	}
	proto_fields_free(fields);
}

static enum proto_guess tftp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct request r;

	(void)side;
	if (info->expected && info->expected->proto == PROTO_TFTP)
		return PROTO_IS;
	return read_request(cur_make(bytes, len), &r) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_tftp = { .id = PROTO_TFTP,
	.ip_proto = IPPROTO_UDP,
	.guess = tftp_guess,
	.open = tftp_open,
	.close = tftp_close,
	.feed = tftp_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = tftp_free_tx };
