/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH (RFC 4253): the banners, and the key exchange's lists for HASSH (github salesforce/hassh). A
 * connection is one transaction; nothing is read behind SSH_MSG_NEWKEYS.
 */
#include "proto/x509.h"

#define SSH_BANNER_MAX 255u     /* RFC 4253, 4.2 */
#define SSH_LINE_MAX   4096u    /* of what a server may say before its banner */
#define SSH_PACKET_MAX (35000u) /* RFC 4253, 6.1 */

enum { SSH_KEXINIT = 20, SSH_NEWKEYS = 21 };

struct ssh_side {
	bool banner; /* seen */
	bool kex;
	bool done;
	uint32_t skip;
};

struct ssh {
	struct proto_conn *conn;
	struct proto_tx *tx;
	bool over; /* the transaction was, and is not any more */
	struct ssh_side side[2];
};

/* One of the ten name lists of SSH_MSG_KEXINIT. */
static struct cur next_list(struct cur *c)
{
	return cur_sub(c, cur_be32(c));
}

/* Key exchange; encryption, MAC and compression of the direction: 0 to the server, 1 to the
 * client. */
static bool hassh(struct cur c, unsigned side, struct out *ret_text)
{
	struct cur list[10];
	static const unsigned wanted[4] = { 0, 2, 4, 6 };

	cur_skip(&c, 16);
	for (unsigned i = 0; i < 10; i++)
		list[i] = next_list(&c);
	if (!cur_ok(&c))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		const struct cur *l = &list[wanted[i] + (i ? side : 0)];

		if (i)
			out_char(ret_text, ';');
		out_bytes(ret_text, (const char *)l->at, cur_left(l));
	}
	return true;
}

static void take_kex(struct ssh *ssh, unsigned side, struct cur c)
{
	struct proto_fields *f = ssh->tx->data;
	char text[8192], hash[40];
	struct out o = out_make(text, sizeof(text)), hex = out_make(hash, sizeof(hash));

	if (ssh->side[side].kex)
		return;
	ssh->side[side].kex = true;
	if (!hassh(c, side, &o)) {
		proto_tx_add_event(ssh->tx, "ssh.long_kex_record");
		return;
	}
	proto_fields_add(
		f, side ? BUFFER_SSH_HASSH_SERVER_STRING : BUFFER_SSH_HASSH_STRING, text, o.len);
	if (hash_hex(HASH_MD5, text, o.len, 0, &hex))
		proto_fields_add(
			f, side ? BUFFER_SSH_HASSH_SERVER : BUFFER_SSH_HASSH, hash, hex.len);
}

/* SSH-2.0-OpenSSH_9.2 comments */
static bool take_banner(struct ssh *ssh, unsigned side, struct cur c)
{
	struct cur version = c, software, end;

	cur_skip(&version, 4);
	software = version;
	while (cur_left(&software) && software.at[0] != '-')
		cur_skip(&software, 1);
	version.end = software.at;
	cur_skip(&software, 1);
	end = software;
	if (!cur_ok(&software) || !cur_left(&version)) {
		proto_tx_add_event(ssh->tx, "ssh.invalid_banner");
		return false;
	}
	ssh->side[side].banner = true;
	while (cur_left(&end) && end.at[0] > ' ')
		cur_skip(&end, 1);
	software.end = end.at;
	proto_fields_add(ssh->tx->data, BUFFER_SSH_PROTO, version.at, cur_left(&version));
	proto_fields_add(ssh->tx->data, BUFFER_SSH_SOFTWARE, software.at, cur_left(&software));
	end = text_trim(end);
	if (cur_left(&end))
		proto_fields_add(ssh->tx->data, BUFFER_SSH_COMMENTS, end.at, cur_left(&end));
	return true;
}

/* How many bytes the line used; 0: it is not whole yet; SIZE_MAX: it cannot be read. */
static size_t read_line(struct ssh *ssh, unsigned side, struct cur c, bool end)
{
	const uint8_t *stop = memchr(c.at, '\n', cur_left(&c));
	size_t used = stop ? (size_t)(stop - c.at) + 1 : cur_left(&c);
	bool banner = cur_left(&c) >= 4 && memcmp(c.at, "SSH-", 4) == 0;

	if (!stop && !end && used <= (banner ? SSH_BANNER_MAX : SSH_LINE_MAX))
		return 0;
	if (!banner)
		return used;
	if (used > SSH_BANNER_MAX + 2)
		proto_tx_add_event(ssh->tx, "ssh.long_banner");
	cur_limit(&c, used);
	c = text_trim(c);
	cur_limit(&c, SSH_BANNER_MAX);
	return take_banner(ssh, side, c) ? used : SIZE_MAX;
}

static void now_encrypted(struct ssh *ssh, unsigned side)
{
	ssh->side[side].done = true;
	if (!ssh->tx->state.done[side])
		proto_tx_done(ssh->tx, side);
}

/* A packet: its length, padding's length, message. */
static size_t read_packet(struct ssh *ssh, unsigned side, struct cur c)
{
	struct cur body;
	uint32_t len = cur_be32(&c);
	uint8_t padding, type;

	if (!cur_ok(&c))
		return 0;
	if (len < 2 || len > SSH_PACKET_MAX) {
		proto_tx_add_event(ssh->tx, "ssh.invalid_record");
		now_encrypted(ssh, side);
		return SIZE_MAX;
	}
	if (cur_left(&c) < len)
		return 0;
	body = cur_sub(&c, len);
	padding = cur_u8(&body);
	type = cur_u8(&body);
	if (padding < cur_left(&body))
		cur_limit(&body, cur_left(&body) - padding);
	if (type == SSH_KEXINIT)
		take_kex(ssh, side, body);
	else if (type == SSH_NEWKEYS)
		now_encrypted(ssh, side);
	return (size_t)len + 4;
}

static bool has_tx(struct ssh *ssh)
{
	if (!ssh->tx && !ssh->over)
		ssh->tx = proto_fields_tx(ssh->conn, NULL);
	return ssh->tx;
}

static size_t ssh_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct ssh *ssh = state;
	struct ssh_side *s = &ssh->side[side];
	struct cur c = cur_make(bytes, len);

	(void)conn;
	if (!has_tx(ssh))
		return SIZE_MAX;
	((struct proto_fields *)ssh->tx->data)->sides = (uint8_t)(1u << side);
	while (cur_left(&c) && !s->done) {
		size_t used = s->banner ? read_packet(ssh, side, c) : read_line(ssh, side, c, end);

		if (used == SIZE_MAX) {
			proto_tx_news(ssh->tx, side);
			return SIZE_MAX;
		}
		if (!used)
			break;
		cur_skip(&c, used);
		proto_tx_news(ssh->tx, side);
	}
	return s->done ? SIZE_MAX : len - cur_left(&c);
}

static void *ssh_open(struct proto_conn *conn)
{
	struct ssh *ssh = proto_alloc(conn, sizeof(*ssh));

	if (ssh)
		ssh->conn = conn;
	return ssh;
}

static void ssh_close(void *state)
{
	struct ssh *ssh = state;

	proto_free(ssh->conn, ssh, sizeof(*ssh));
}

static void ssh_free_tx(void *data)
{
	struct ssh *ssh = proto_conn_state(((struct proto_fields *)data)->conn);

	ssh->tx = NULL;
	ssh->over = true;
	proto_fields_free(data);
}

static enum proto_guess ssh_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	size_t n = len < 4 ? len : 4;

	(void)info;
	(void)side;
	if (n && memcmp(bytes, "SSH-", n) != 0)
		return PROTO_IS_NOT;
	return n == 4 ? PROTO_IS : PROTO_MAY_BE;
}

static void json_side(struct out *o, const struct proto_fields *f, unsigned side)
{
	static const enum proto_buffer_id hash[2] = { BUFFER_SSH_HASSH, BUFFER_SSH_HASSH_SERVER };
	static const enum proto_buffer_id string[2] = { BUFFER_SSH_HASSH_STRING,
		BUFFER_SSH_HASSH_SERVER_STRING };
	struct proto_bytes version, software;

	if (!proto_fields_get_side(f, BUFFER_SSH_PROTO, 0, (uint8_t)(1u << side), &version) ||
		!proto_fields_get_side(f, BUFFER_SSH_SOFTWARE, 0, (uint8_t)(1u << side), &software))
		return;
	json_open(o, side ? "server" : "client", '{');
	json_text(o, "proto_version", version.at, version.len);
	json_text(o, "software_version", software.at, software.len);
	if (proto_fields_get_side(f, BUFFER_SSH_COMMENTS, 0, (uint8_t)(1u << side), &software))
		json_text(o, "comments", software.at, software.len);
	if (proto_fields_get(f, hash[side], 0, &version)) {
		json_open(o, "hassh", '{');
		json_field(o, "hash", f, hash[side]);
		json_field(o, "string", f, string[side]);
		json_close(o, '}');
	}
	json_close(o, '}');
}

static bool ssh_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	struct proto_bytes any;

	if (!proto_fields_get(f, BUFFER_SSH_PROTO, 0, &any))
		return false;
	out_str(o, "\"ssh\":{");
	json_side(o, f, 0);
	json_side(o, f, 1);
	json_close(o, '}');
	return true;
}

const struct proto_parser proto_ssh = { .id = PROTO_SSH,
	.ip_proto = IPPROTO_TCP,
	.guess = ssh_guess,
	.open = ssh_open,
	.close = ssh_close,
	.feed = ssh_feed,
	.buffer = proto_fields_buffer,
	.json = ssh_json,
	.free_tx = ssh_free_tx };
