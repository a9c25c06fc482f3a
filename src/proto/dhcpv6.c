/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCPv6 (RFC 8415). A message is a transaction; what a relay has wrapped is shown as the message
 * itself, with the relay's addresses. Of an option that comes more than once the first counts,
 * except addresses and prefixes.
 */
#include "proto/fields.h"

#define DHCPV6_CLIENT_PORT 546
#define DHCPV6_SERVER_PORT 547
#define DHCPV6_RELAYS_MAX  8  /* around each other (RFC 8415, 7.6: HOP_COUNT_LIMIT) */
#define DHCPV6_LIST_MAX    32 /* members of a list that are shown */
#define DHCPV6_TEXT_MAX    255
#define DHCPV6_DUID_MAX    130 /* RFC 8415, 11.1 */
#define DHCPV6_JSON_MAX    16384
#define DHCPV6_JSON_ROOM   2048

enum { RELAY_FORWARD = 12, RELAY_REPLY, LAST_TYPE = RELAY_REPLY };

enum {
	CLIENT_ID = 1,
	SERVER_ID,
	IA_NA,
	IA_TA,
	IA_ADDRESS,
	REQUESTED = 6,
	RELAYED = 9,
	STATUS = 13,
	VENDOR_CLASS = 16,
	DNS_SERVERS = 23,
	DOMAINS = 24,
	IA_PD = 25,
	IA_PREFIX = 26,
	FQDN = 39
};

static const char *const types[LAST_TYPE + 1] = { NULL, "solicit", "advertise", "request",
	"confirm", "renew", "rebind", "reply", "release", "decline", "reconfigure",
	"information_request", "relay_forward", "relay_reply" };

static struct cur head_of(struct cur *c, uint8_t *ret_type)
{
	*ret_type = cur_u8(c);
	return cur_sub(c, *ret_type == RELAY_FORWARD || *ret_type == RELAY_REPLY ? 33 : 3);
}

static bool next_option(struct cur *c, uint16_t *ret_code, struct cur *ret_value)
{
	*ret_code = cur_be16(c);
	*ret_value = cur_sub(c, cur_be16(c));
	return cur_ok(c) && cur_ok(ret_value);
}

static bool find_option(struct cur c, uint16_t code, struct cur *ret_value)
{
	uint16_t found;

	while (cur_left(&c) && next_option(&c, &found, ret_value))
		if (found == code)
			return true;
	return false;
}

/* RFC 8415, 11. */
static bool is_duid(struct cur c)
{
	size_t len = cur_left(&c);
	uint16_t type = cur_be16(&c);

	return type >= 1 && type <= 4 && len >= 8 && len <= DHCPV6_DUID_MAX;
}

/* Every option is whole, and elsewhere than on its ports one says who asks. */
static bool is_message(struct cur c, bool port)
{
	uint8_t type;
	struct cur head = head_of(&c, &type), value, options = c;
	uint16_t code, wanted = type >= RELAY_FORWARD ? RELAYED : CLIENT_ID;
	bool has;

	if (type < 1 || type > LAST_TYPE || !cur_ok(&head))
		return false;
	while (cur_left(&c))
		if (!next_option(&c, &code, &value))
			return false;
	has = find_option(options, wanted, &value);
	if (wanted == CLIENT_ID)
		return has ? is_duid(value) : port && cur_left(&options);
	return has && cur_left(&value) >= 4;
}

static void say_text(struct out *o, const char *name, struct cur text)
{
	cur_limit(&text, DHCPV6_TEXT_MAX);
	json_text(o, name, text.at, cur_left(&text));
}

/* A domain name in the form of DNS (RFC 1035, 3.1), without pointers. */
static void say_domain(struct out *o, const char *name, struct cur *c)
{
	char text[DHCPV6_TEXT_MAX + 1];
	struct out dotted = out_make(text, sizeof(text));
	uint8_t len;

	while ((len = cur_u8(c)) != 0 && len < 64) {
		struct cur label = cur_sub(c, len);

		out_str(&dotted, dotted.len ? "." : "");
		out_bytes(&dotted, (const char *)label.at, cur_left(&label));
	}
	if (len)
		cur_fail(c);
	json_text(o, name, dotted.at, dotted.len);
}

static void say_duid(struct out *o, const char *name, struct cur c)
{
	cur_limit(&c, DHCPV6_DUID_MAX);
	json_hex(o, name, c.at, cur_left(&c), ':');
}

/* Of a network card: with the time of its making, or without (RFC 8415, 11.2, 11.4). */
static void say_mac(struct out *o, struct cur duid)
{
	uint16_t type = cur_be16(&duid), hardware = cur_be16(&duid);

	cur_skip(&duid, type == 1 ? 4 : 0);
	if ((type == 1 || type == 3) && hardware == 1 && cur_left(&duid) == 6)
		json_hex(o, "client_mac", duid.at, 6, ':');
}

static void say_requested(struct out *o, struct cur c)
{
	json_open(o, "requested_options", '[');
	for (unsigned n = 0; n < DHCPV6_LIST_MAX && cur_left(&c) >= 2; n++)
		json_u64(o, NULL, cur_be16(&c));
	json_close(o, ']');
}

static void say_servers(struct out *o, struct cur c)
{
	json_open(o, "dns_servers", '[');
	for (unsigned n = 0; n < DHCPV6_LIST_MAX && cur_left(&c) >= 16; n++)
		json_ip(o, NULL, &c, 16);
	json_close(o, ']');
}

static void say_domains(struct out *o, struct cur c)
{
	json_open(o, "domains", '[');
	while (cur_left(&c) && o->len < DHCPV6_JSON_MAX - DHCPV6_JSON_ROOM)
		say_domain(o, NULL, &c);
	json_close(o, ']');
}

static void say_status(struct out *o, struct cur c)
{
	static const char *const codes[] = { "success", "unspecified_failure",
		"no_addresses_available", "no_binding", "not_on_link", "use_multicast",
		"no_prefix_available" };
	uint16_t code = cur_be16(&c);

	if (code < sizeof(codes) / sizeof(codes[0]))
		json_str(o, "status", codes[code]);
	else
		json_u64(o, "status", code);
	if (cur_left(&c))
		say_text(o, "status_message", c);
}

static void say_option(struct out *o, uint16_t code, struct cur c)
{
	switch (code) {
	case CLIENT_ID:
		say_duid(o, "client_id", c);
		say_mac(o, c);
		break;
	case SERVER_ID:
		say_duid(o, "server_id", c);
		break;
	case REQUESTED:
		say_requested(o, c);
		break;
	case STATUS:
		say_status(o, c);
		break;
	case VENDOR_CLASS: /* behind the enterprise's number */
		json_u64(o, "vendor", cur_be32(&c));
		c = cur_sub(&c, cur_be16(&c));
		say_text(o, "vendor_class", c);
		break;
	case DNS_SERVERS:
		say_servers(o, c);
		break;
	case DOMAINS:
		say_domains(o, c);
		break;
	case FQDN: /* RFC 4704, 4.1 */
		cur_skip(&c, 1);
		say_domain(o, "fqdn", &c);
		break;
	}
}

/* RFC 8415, 21.6, 21.22: an address, or a prefix with its length; how long it may be used. */
static void say_lease(struct out *o, uint16_t code, struct cur c)
{
	bool prefix = code == IA_PREFIX;
	uint32_t preferred_s = prefix ? cur_be32(&c) : 0, valid_s = prefix ? cur_be32(&c) : 0;
	uint8_t bits = prefix ? cur_u8(&c) : 0;
	struct cur address = cur_sub(&c, 16);

	if (!prefix) {
		preferred_s = cur_be32(&c);
		valid_s = cur_be32(&c);
	}
	if (!cur_ok(&c) || !cur_ok(&address))
		return;
	json_open(o, NULL, '{');
	json_ip(o, prefix ? "prefix" : "address", &address, 16);
	if (prefix)
		json_u64(o, "prefix_length", bits);
	json_u64(o, "preferred_lifetime", preferred_s);
	json_u64(o, "valid_lifetime", valid_s);
	json_close(o, '}');
}

/* Those in an association (RFC 8415, 21.4, 21.5, 21.21). */
static void say_leases_of(struct out *o, uint16_t code, struct cur c)
{
	struct cur value;

	cur_skip(&c, code == IA_TA ? 4 : 12);
	for (unsigned n = 0;
		n < DHCPV6_LIST_MAX && cur_left(&c) && next_option(&c, &code, &value) &&
		o->len < DHCPV6_JSON_MAX - DHCPV6_JSON_ROOM;
		n++)
		if (code == IA_ADDRESS || code == IA_PREFIX)
			say_lease(o, code, value);
}

static void say_leases(struct out *o, struct cur c)
{
	struct cur value;
	uint16_t code;

	json_open(o, "leases", '[');
	while (cur_left(&c) && next_option(&c, &code, &value))
		if (code == IA_NA || code == IA_TA || code == IA_PD)
			say_leases_of(o, code, value);
	json_close(o, ']');
}

static void say_options(struct out *o, struct cur c)
{
	struct cur all = c, value;
	bool seen[FQDN + 1] = { false };
	uint16_t code;

	while (cur_left(&c) && next_option(&c, &code, &value) &&
		o->len < DHCPV6_JSON_MAX - 2 * DHCPV6_JSON_ROOM) {
		if (code > FQDN || seen[code])
			continue;
		seen[code] = true;
		say_option(o, code, value);
	}
	say_leases(o, all);
}

static void say_relay(struct out *o, struct cur head)
{
	cur_skip(&head, 1); /* how many there are before it */
	json_open(o, NULL, '{');
	json_ip(o, "link", &head, 16);
	json_ip(o, "peer", &head, 16);
	json_close(o, '}');
}

/* The relays around a message, which is left in `c`. */
static void say_relays(struct out *o, struct cur *c)
{
	bool begun = false;

	for (unsigned n = 0; n < DHCPV6_RELAYS_MAX && cur_ahead(*c, 0) >= RELAY_FORWARD; n++) {
		struct cur at = *c, head, inner;
		uint8_t type;

		head = head_of(&at, &type);
		if (!find_option(at, RELAYED, &inner) || cur_left(&inner) < 4)
			break;
		if (!begun)
			json_open(o, "relays", '[');
		begun = true;
		say_relay(o, head);
		*c = inner;
	}
	if (begun)
		json_close(o, ']');
}

static void say_message(struct out *o, struct cur c)
{
	struct cur head;
	uint32_t id;
	uint8_t type;

	say_relays(o, &c);
	head = head_of(&c, &type);
	if (!cur_ok(&head) || type < 1 || type > LAST_TYPE)
		return;
	json_str(o, "type", types[type]);
	id = (uint32_t)cur_u8(&head) << 16;
	id |= cur_be16(&head);
	json_u64(o, "id", id);
	say_options(o, c);
}

static size_t dhcpv6_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[DHCPV6_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx;

	(void)state;
	(void)end;
	if (!is_message(cur_make(bytes, len), true))
		return len;
	tx = proto_fields_tx(conn, "dhcpv6");
	if (!tx)
		return len;
	say_message(&o, cur_make(bytes, len));
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

static enum proto_guess dhcpv6_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	bool port = info->port[1] == DHCPV6_SERVER_PORT || info->port[1] == DHCPV6_CLIENT_PORT;

	(void)side;
	return is_message(cur_make(bytes, len), port) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_dhcpv6 = { .id = PROTO_DHCPV6,
	.ip_proto = IPPROTO_UDP,
	.guess = dhcpv6_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = dhcpv6_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
