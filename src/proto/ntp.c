/* SPDX-License-Identifier: Apache-2.0 */
/* NTP (RFC 5905; control messages: RFC 9327; mode 7 is ntpd's own). A datagram is a transaction. */
#include "proto/fields.h"

#define NTP_PORT         123
#define NTP_SIZE         48 /* RFC 5905, 7.3: without extensions */
#define NTP_CONTROL_SIZE 12
#define NTP_PRIVATE_SIZE 8

enum { MODE_CLIENT = 3, MODE_CONTROL = 6, MODE_PRIVATE };

struct message {
	uint8_t version, mode, stratum;
	struct cur reference;
	bool has_time;
};

static bool read_message(struct cur c, struct message *ret_message)
{
	size_t len = cur_left(&c);
	struct message m = { .version = cur_ahead(c, 0) >> 3 & 7, .mode = cur_ahead(c, 0) & 7 };

	if (m.version < 1 || m.version > 4 || m.mode == 0)
		return false;
	m.has_time = m.mode < MODE_CONTROL;
	if (len < (m.has_time                      ? NTP_SIZE
			  : m.mode == MODE_CONTROL ? NTP_CONTROL_SIZE
						   : NTP_PRIVATE_SIZE))
		return false;
	m.stratum = cur_ahead(c, 1);
	cur_skip(&c, 12);
	if (m.has_time)
		m.reference = cur_sub(&c, 4);
	*ret_message = m;
	return true;
}

static size_t ntp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[128];
	struct out o = out_make(text, sizeof(text));
	struct message m;
	struct proto_tx *tx;

	(void)state;
	(void)end;
	if (!read_message(cur_make(bytes, len), &m))
		return len;
	tx = proto_fields_tx(conn, "ntp");
	if (!tx)
		return len;
	((struct proto_fields *)tx->data)->sides = (uint8_t)(1u << side);
	json_u64(&o, "version", m.version);
	json_u64(&o, "mode", m.mode);
	proto_fields_add_number(tx->data, NUMBER_NTP_VERSION, m.version);
	proto_fields_add_number(tx->data, NUMBER_NTP_MODE, m.mode);
	if (m.has_time) {
		json_u64(&o, "stratum", m.stratum);
		json_hex(&o, "reference_id", m.reference.at, 4, ':');
		proto_fields_add_number(tx->data, NUMBER_NTP_STRATUM, m.stratum);
		proto_fields_add(tx->data, BUFFER_NTP_REFERENCE_ID, m.reference.at, 4);
	}
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

/* A client that knows nothing of the time yet says little else: zeros, and its own time. */
static bool is_plain_client(struct cur c, const struct message *m)
{
	if (cur_left(&c) != NTP_SIZE || m->mode != MODE_CLIENT || m->version < 3)
		return false;
	cur_skip(&c, 4);
	while (cur_left(&c) > 8)
		if (cur_u8(&c))
			return false;
	return cur_be64(&c) != 0;
}

/* Few bytes are always the same: elsewhere than on its port only what is likely. */
static enum proto_guess ntp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	bool port = info->port[0] == NTP_PORT || info->port[1] == NTP_PORT;
	struct cur c = cur_make(bytes, len);
	struct message m;

	(void)side;
	if (!read_message(c, &m))
		return PROTO_IS_NOT;
	return port || is_plain_client(c, &m) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_ntp = { .id = PROTO_NTP,
	.ip_proto = 17,
	.guess = ntp_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = ntp_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
