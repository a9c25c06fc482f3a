/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP (RFC 2131, options: RFC 2132). A message is a transaction. Of an option that comes more
 * than once the first counts. BOOTP without options is not looked at. */
#include "proto/fields.h"

#define DHCP_HEAD       236 /* RFC 2131, 2: up to the options */
#define DHCP_COOKIE     0x63825363u
#define DHCP_CHADDR     16
#define DHCP_SNAME      64
#define DHCP_FILE       128
#define DHCP_LIST_MAX   64 /* addresses of an option that are shown */
#define DHCP_JSON_MAX   16384
#define OPTION_PAD      0
#define OPTION_OVERLOAD 52
#define OPTION_END      255

enum kind { TYPE, TEXT, ADDRESS, ADDRESSES, SECONDS, CLIENT_ID, PARAMETERS };

static const struct option {
	uint8_t code, kind;
	uint16_t number; /* enum proto_number_id */
	const char *name;
} options[] = {
	{ 53, TYPE, NUMBER_NONE, "dhcp_type" },
	{ 61, CLIENT_ID, NUMBER_NONE, "client_id" },
	{ 12, TEXT, NUMBER_NONE, "hostname" },
	{ 50, ADDRESS, NUMBER_NONE, "requested_ip" },
	{ 55, PARAMETERS, NUMBER_NONE, "params" },
	{ 51, SECONDS, NUMBER_DHCP_LEASE_TIME, "lease_time" },
	{ 58, SECONDS, NUMBER_DHCP_RENEWAL_TIME, "renewal_time" },
	{ 59, SECONDS, NUMBER_DHCP_REBINDING_TIME, "rebinding_time" },
	{ 1, ADDRESS, NUMBER_NONE, "subnet_mask" },
	{ 3, ADDRESSES, NUMBER_NONE, "routers" },
	{ 6, ADDRESSES, NUMBER_NONE, "dns_servers" },
	{ 60, TEXT, NUMBER_NONE, "vendor_class_identifier" },
};

/* What can be asked for: those that have names in EVE. All have a number in param_codes. */
static const struct {
	uint8_t code;
	const char *name;
} parameters[] = { { 1, "subnet_mask" }, { 3, "router" }, { 6, "dns_server" }, { 15, "domain" },
	{ 35, "arp_timeout" }, { 42, "ntp_server" }, { 66, "tftp_server_name" },
	{ 150, "tftp_server_ip" } };

struct message {
	struct proto_tx *tx;
	struct proto_fields *f;
	struct out *o;
	uint8_t overload; /* 1: file, 2: sname have options, too (RFC 2132, 9.3) */
	bool seen[256];
};

static bool say_type(struct out *o, const char *name, struct cur c)
{
	static const char *const types[] = { "discover", "offer", "request", "decline", "ack",
		"nak", "release", "inform" };
	uint8_t type = cur_u8(&c);

	if (cur_left(&c) || type < 1 || type > sizeof(types) / sizeof(types[0]))
		return false;
	json_str(o, name, types[type - 1]);
	return true;
}

static bool say_addresses(struct out *o, const char *name, struct cur c)
{
	if (!cur_left(&c) || cur_left(&c) % 4)
		return false;
	json_open(o, name, '[');
	for (unsigned n = 0; cur_left(&c) && n < DHCP_LIST_MAX; n++)
		json_ip(o, NULL, &c, 4);
	json_close(o, ']');
	return true;
}

static void say_parameter(struct out *o, uint8_t code)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (parameters[i].code == code)
			json_str(o, NULL, parameters[i].name);
}

static void say_parameters(struct out *o, const char *name, struct cur c)
{
	struct cur again = c;

	json_open(o, name, '[');
	while (cur_left(&c))
		say_parameter(o, cur_u8(&c));
	json_close(o, ']');
	json_open(o, "param_codes", '[');
	while (cur_left(&again))
		json_u64(o, NULL, cur_u8(&again));
	json_close(o, ']');
}

/* False: the value cannot be one of this option. */
static bool say_option(const struct message *m, const struct option *option, struct cur c)
{
	size_t len = cur_left(&c);
	uint32_t seconds;

	switch (option->kind) {
	case TYPE:
		return say_type(m->o, option->name, c);
	case TEXT:
		json_text(m->o, option->name, c.at, len);
		return true;
	case ADDRESS:
		if (len == 4)
			json_ip(m->o, option->name, &c, 4);
		return len == 4;
	case ADDRESSES:
		return say_addresses(m->o, option->name, c);
	case CLIENT_ID: /* behind the kind of hardware */
		cur_skip(&c, 1);
		json_hex(m->o, option->name, c.at, cur_left(&c), ':');
		return len > 1;
	case PARAMETERS:
		say_parameters(m->o, option->name, c);
		return true;
	}
	seconds = cur_be32(&c);
	if (len != 4)
		return false;
	json_u64(m->o, option->name, seconds);
	proto_fields_add_number(m->f, (enum proto_number_id)option->number, seconds);
	return true;
}

static void take_option(struct message *m, uint8_t code, struct cur c)
{
	if (m->seen[code])
		return;
	m->seen[code] = true;
	if (code == OPTION_OVERLOAD)
		m->overload = cur_u8(&c);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].code == code && !say_option(m, &options[i], c))
			proto_tx_add_event(m->tx, "dhcp.malformed_options");
}

static void take_options(struct message *m, struct cur c)
{
	while (cur_left(&c)) {
		uint8_t code = cur_u8(&c);
		struct cur value;

		if (code == OPTION_PAD)
			continue;
		if (code == OPTION_END)
			return;
		value = cur_sub(&c, cur_u8(&c));
		if (!cur_ok(&c)) {
			proto_tx_add_event(m->tx, "dhcp.truncated_options");
			return;
		}
		take_option(m, code, value);
	}
}

static void take_message(struct message *m, struct cur c)
{
	uint8_t op = cur_u8(&c), mac_len;
	struct cur client, mac, sname, file;

	cur_skip(&c, 1);
	mac_len = cur_u8(&c);
	cur_skip(&c, 1);
	json_str(m->o, "type", op == 1 ? "request" : "reply");
	json_u64(m->o, "id", cur_be32(&c));
	cur_skip(&c, 4); /* seconds, flags */
	client = c;
	cur_skip(&c, 4);
	mac = c;
	cur_skip(&mac, 12);
	cur_limit(&mac, mac_len < DHCP_CHADDR ? mac_len : DHCP_CHADDR);
	json_hex(m->o, "client_mac", mac.at, cur_left(&mac), ':');
	json_ip(m->o, "assigned_ip", &c, 4);
	json_ip(m->o, "client_ip", &client, 4);
	if (op != 1) {
		json_ip(m->o, "next_server_ip", &c, 4);
		json_ip(m->o, "relay_ip", &c, 4);
	} else {
		cur_skip(&c, 8);
	}
	cur_skip(&c, DHCP_CHADDR);
	sname = cur_sub(&c, DHCP_SNAME);
	file = cur_sub(&c, DHCP_FILE);
	cur_skip(&c, 4);
	take_options(m, c);
	if (m->overload & 1)
		take_options(m, file);
	if (m->overload & 2)
		take_options(m, sname);
}

static bool is_message(struct cur c)
{
	uint8_t op = cur_ahead(c, 0);

	cur_skip(&c, DHCP_HEAD);
	return cur_be32(&c) == DHCP_COOKIE && (op == 1 || op == 2);
}

static size_t dhcp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[DHCP_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct message m = { .o = &o };

	(void)state;
	(void)end;
	if (!is_message(cur_make(bytes, len)))
		return len;
	m.tx = proto_fields_tx(conn, "dhcp");
	if (!m.tx)
		return len;
	m.f = m.tx->data;
	take_message(&m, cur_make(bytes, len));
	proto_fields_say(m.f, &o);
	m.tx->state.done[!side] = true;
	proto_tx_done(m.tx, side);
	return len;
}

static enum proto_guess dhcp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)info;
	(void)side;
	return is_message(cur_make(bytes, len)) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_dhcp = { .id = PROTO_DHCP,
	.ip_proto = 17,
	.guess = dhcp_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = dhcp_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
