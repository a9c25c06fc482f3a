/* SPDX-License-Identifier: Apache-2.0 */
/* Names of NetBIOS, and the name service: DNS' messages with records of its own. */
#include "proto/netbios.h"

#define NAME_HEADER        12
#define NAME_RECORDS_MAX   32                     /* of a part of a message that are shown */
#define NAME_ADDRESSES_MAX 16                     /* of a record */
#define NAME_STATUS_MAX    64                     /* names of a host */
#define HALF_NAME          (2 * NETBIOS_NAME_LEN) /* a letter for each four bits */
#define NAME_POINTER       0xc0
#define CLASS_IN           1

enum { TYPE_A = 1, TYPE_NS = 2, TYPE_NULL = 10, TYPE_NB = 32, TYPE_NBSTAT = 33 };

struct header {
	uint16_t id, flags;
	uint16_t count[4]; /* questions, answers, authorities, additional */
};

void netbios_name_make(const uint8_t bytes[static NETBIOS_NAME_LEN], struct netbios_name *ret_name)
{
	struct out o = out_make(ret_name->text, sizeof(ret_name->text));
	unsigned len = NETBIOS_NAME_LEN - 1;

	while (len && (bytes[len - 1] == ' ' || bytes[len - 1] == '\0'))
		len--;
	for (unsigned i = 0; i < len; i++)
		if (bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '<')
			out_char(&o, (char)bytes[i]);
		else
			out_fmt(&o, "<%02x>", bytes[i]);
	out_fmt(&o, "<%02x>", bytes[NETBIOS_NAME_LEN - 1]);
	ret_name->len = (uint32_t)o.len;
	ret_name->scope_len = 0;
}

/* RFC 1001, 14.1: A is 0, P is 15. */
static bool read_halves(struct cur *c, struct netbios_name *ret_name)
{
	uint8_t bytes[NETBIOS_NAME_LEN];

	if (cur_u8(c) != HALF_NAME || cur_left(c) < HALF_NAME)
		return false;
	for (unsigned i = 0; i < NETBIOS_NAME_LEN; i++) {
		uint8_t high = (uint8_t)(cur_u8(c) - 'A'), low = (uint8_t)(cur_u8(c) - 'A');

		if (high > 15 || low > 15)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	netbios_name_make(bytes, ret_name);
	return true;
}

static bool read_scope(struct cur *c, struct netbios_name *name)
{
	for (uint8_t len; (len = cur_u8(c)) != 0;) {
		struct cur label = cur_sub(c, len);

		if (len > 63 || !cur_ok(&label) || name->scope_len + 1 + len > NETBIOS_SCOPE_MAX)
			return false;
		if (name->scope_len)
			name->scope[name->scope_len++] = '.';
		cur_copy(&label, name->scope + name->scope_len, len);
		name->scope_len += len;
	}
	return cur_ok(c);
}

bool netbios_name_read(struct cur message, struct cur *c, struct netbios_name *ret_name)
{
	if ((cur_ahead(*c, 0) & NAME_POINTER) != NAME_POINTER)
		return read_halves(c, ret_name) && read_scope(c, ret_name);
	cur_skip(&message, cur_be16(c) & 0x3fff);
	return read_halves(&message, ret_name) && read_scope(&message, ret_name);
}

void netbios_name_say(struct out *o, const char *member, const struct netbios_name *name)
{
	json_text(o, member, name->text, name->len);
}

void netbios_scope_say(struct out *o, const struct netbios_name *name)
{
	if (name->scope_len)
		json_text(o, "scope", name->scope, name->scope_len);
}

const char *netbios_node(unsigned type)
{
	static const char *const types[] = { "B", "P", "M", "H" };

	return types[type & 3];
}

static struct header read_header(struct cur *c)
{
	struct header h = { .id = cur_be16(c) };

	h.flags = cur_be16(c);
	for (unsigned i = 0; i < 4; i++)
		h.count[i] = cur_be16(c);
	return h;
}

/* RFC 1002, 4.2.1.1; the last is Microsoft's, for hosts with several addresses. NULL: none. */
static const char *opcode_of(uint16_t flags)
{
	static const char *const opcodes[16] = { [0] = "query",
		[5] = "registration",
		[6] = "release",
		[7] = "wait",
		[8] = "refresh",
		[9] = "refresh",
		[15] = "multihomed_registration" };

	return opcodes[flags >> 11 & 15];
}

static bool is_type(uint16_t type)
{
	return type == TYPE_NB || type == TYPE_NBSTAT || type == TYPE_NULL;
}

bool netbios_is_name_message(struct cur message)
{
	struct cur c = message;
	struct header h = read_header(&c);
	struct netbios_name name;
	uint16_t type;

	if (!opcode_of(h.flags) || h.count[0] > 1 || h.count[0] + h.count[1] + h.count[2] == 0 ||
		!netbios_name_read(message, &c, &name))
		return false;
	type = cur_be16(&c);
	return is_type(type) && cur_be16(&c) == CLASS_IN && cur_ok(&c);
}

static void say_type(struct out *o, uint16_t type)
{
	static const char *const types[] = { [TYPE_A] = "A",
		[TYPE_NS] = "NS",
		[TYPE_NULL] = "NULL",
		[TYPE_NB] = "NB",
		[TYPE_NBSTAT] = "NBSTAT" };

	if (type < sizeof(types) / sizeof(types[0]) && types[type])
		json_str(o, "type", types[type]);
	else
		json_u64(o, "type", type);
}

/* RFC 1002, 4.2.1.3: whether the name is a group's, of what kind of node, at which address. */
static void say_addresses(struct out *o, struct cur data)
{
	json_open(o, "addresses", '[');
	for (unsigned n = 0; n < NAME_ADDRESSES_MAX && cur_left(&data) >= 6; n++) {
		uint16_t flags = cur_be16(&data);

		json_open(o, NULL, '{');
		json_ip(o, "address", &data, 4);
		json_bool(o, "group", flags & 0x8000);
		json_str(o, "node", netbios_node(flags >> 13));
		json_close(o, '}');
	}
	json_close(o, ']');
}

/* RFC 1002, 4.2.18: the names of a host, and its hardware address. */
static void say_status(struct out *o, struct cur data)
{
	struct netbios_name name;
	unsigned n = cur_u8(&data);

	json_open(o, "names", '[');
	for (unsigned i = 0; i < n && cur_left(&data) >= NETBIOS_NAME_LEN + 2; i++) {
		uint16_t flags;

		netbios_name_make(cur_take(&data, NETBIOS_NAME_LEN), &name);
		flags = cur_be16(&data);
		if (i >= NAME_STATUS_MAX || o->len > NETBIOS_JSON_MAX - NETBIOS_JSON_ROOM)
			continue;
		json_open(o, NULL, '{');
		netbios_name_say(o, "name", &name);
		json_bool(o, "group", flags & 0x8000);
		json_bool(o, "active", flags & 0x0400);
		json_bool(o, "conflict", flags & 0x0800);
		json_close(o, '}');
	}
	json_close(o, ']');
	if (cur_left(&data) >= 6)
		json_hex(o, "mac", data.at, 6, ':');
}

static bool say_question(struct cur message, struct cur *c, struct out *o)
{
	struct netbios_name name;
	uint16_t type;

	if (!netbios_name_read(message, c, &name))
		return false;
	type = cur_be16(c);
	cur_skip(c, 2);
	if (!cur_ok(c))
		return false;
	json_open(o, NULL, '{');
	netbios_name_say(o, "name", &name);
	netbios_scope_say(o, &name);
	say_type(o, type);
	json_close(o, '}');
	return true;
}

static bool say_record(struct cur message, struct cur *c, struct out *o)
{
	struct netbios_name name;
	struct cur data;
	uint16_t type;
	uint32_t ttl_s;

	if (!netbios_name_read(message, c, &name))
		return false;
	type = cur_be16(c);
	cur_skip(c, 2);
	ttl_s = cur_be32(c);
	data = cur_sub(c, cur_be16(c));
	if (!cur_ok(&data))
		return false;
	json_open(o, NULL, '{');
	netbios_name_say(o, "name", &name);
	netbios_scope_say(o, &name);
	say_type(o, type);
	json_u64(o, "ttl", ttl_s);
	if (type == TYPE_NB)
		say_addresses(o, data);
	else if (type == TYPE_NBSTAT)
		say_status(o, data);
	json_close(o, '}');
	return true;
}

static void say_part(
	struct cur message, struct cur *c, struct out *o, const char *member, unsigned count)
{
	bool (*say)(struct cur, struct cur *, struct out *) =
		strcmp(member, "queries") == 0 ? say_question : say_record;

	if (!count)
		return;
	json_open(o, member, '[');
	for (unsigned i = 0;
		i < count && i < NAME_RECORDS_MAX &&
		o->len < NETBIOS_JSON_MAX - 2 * NETBIOS_JSON_ROOM && say(message, c, o);
		i++)
		;
	json_close(o, ']');
}

/* RFC 1002, 4.2.6, 4.2.11, 4.2.14. */
static void say_rcode(struct out *o, unsigned rcode)
{
	static const char *const rcodes[] = { "NO_ERR", "FMT_ERR", "SRV_ERR", "NAM_ERR", "IMP_ERR",
		"RFS_ERR", "ACT_ERR", "CFT_ERR" };

	if (rcode < sizeof(rcodes) / sizeof(rcodes[0]))
		json_str(o, "rcode", rcodes[rcode]);
	else
		json_u64(o, "rcode", rcode);
}

void netbios_say_name_message(struct cur message, struct out *o)
{
	static const char *const parts[] = { "queries", "answers", "authorities", "additionals" };
	struct cur c = message;
	struct header h = read_header(&c);
	bool response = h.flags & 0x8000;

	json_str(o, "service", "name");
	json_str(o, "type", response ? "response" : "request");
	json_u64(o, "id", h.id);
	json_str(o, "opcode", opcode_of(h.flags));
	json_bool(o, "broadcast", h.flags & 0x0010);
	if (response)
		say_rcode(o, h.flags & 15);
	for (unsigned i = 0; i < 4; i++)
		say_part(message, &c, o, parts[i], h.count[i]);
}
