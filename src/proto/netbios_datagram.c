/* SPDX-License-Identifier: Apache-2.0 */
/* NetBIOS' datagram service, and what is said through it in mailslots: who is there ([MS-BRWS]),
 * and messages to people (WinPopup). */
#include "proto/netbios.h"

#define SMB_HEADER        32
#define SMB_TRANSACTION   0x25
#define MAILSLOT_WORDS    17   /* [MS-MAIL] 2.2.1 */
#define MAILSLOT_NAME_MAX 255  /* that is shown */
#define MESSAGE_MAX       1024 /* of a text to people that is shown */
#define BROWSER_NAME_LEN  16
#define BROWSER_NAMES_MAX 16
#define NAME_SHOWN_MAX    64

enum { DATAGRAM_UNIQUE = 0x10, DATAGRAM_BROADCAST = 0x12, DATAGRAM_ERROR, DATAGRAM_QUERY };

struct datagram {
	uint8_t type, flags;
	uint16_t id, port, offset;
	struct cur address, data;
	bool has_source, has_destination;
	struct netbios_name source, destination;
	uint8_t error;
};

/* RFC 1002, 4.4.1. NULL: there is no such type. */
static const char *type_of(uint8_t type)
{
	static const char *const types[] = { "direct_unique", "direct_group", "broadcast", "error",
		"query", "positive_query_response", "negative_query_response" };
	unsigned n = type - DATAGRAM_UNIQUE;

	return type >= DATAGRAM_UNIQUE && n < sizeof(types) / sizeof(types[0]) ? types[n] : NULL;
}

static bool read_datagram(struct cur message, struct datagram *ret)
{
	struct cur c = message;

	ret->type = cur_u8(&c);
	ret->flags = cur_u8(&c);
	ret->id = cur_be16(&c);
	ret->address = cur_sub(&c, 4);
	ret->port = cur_be16(&c);
	ret->has_source = ret->type <= DATAGRAM_BROADCAST;
	ret->has_destination = ret->type != DATAGRAM_ERROR;
	if (!type_of(ret->type) || ret->flags & 0xf0)
		return false;
	if (ret->has_source) {
		cur_skip(&c, 2);
		ret->offset = cur_be16(&c);
		if (!netbios_name_read(message, &c, &ret->source))
			return false;
	}
	if (ret->has_destination && !netbios_name_read(message, &c, &ret->destination))
		return false;
	ret->error = ret->has_destination ? 0 : cur_u8(&c);
	ret->data = c;
	return cur_ok(&c);
}

bool netbios_is_datagram(struct cur message)
{
	struct datagram d = { 0 };

	return read_datagram(message, &d) && d.has_destination;
}

/* ---- mailslots ---- */

static void say_text(struct out *o, const char *member, struct cur text, size_t max)
{
	text = text_until(&text, '\0');
	cur_limit(&text, max);
	json_text(o, member, text.at, cur_left(&text));
}

/* [MS-BRWS] 2.2.1: what the host is. */
static void say_server_type(struct out *o, uint32_t type)
{
	static const char *const bits[32] = { [0] = "workstation",
		[1] = "server",
		[2] = "sql_server",
		[3] = "domain_controller",
		[4] = "backup_domain_controller",
		[5] = "time_source",
		[6] = "apple",
		[7] = "novell",
		[8] = "domain_member",
		[9] = "print_server",
		[10] = "dial_in_server",
		[11] = "unix",
		[12] = "nt_workstation",
		[13] = "windows_for_workgroups",
		[14] = "netware_file_and_print",
		[15] = "nt_server",
		[16] = "potential_browser",
		[17] = "backup_browser",
		[18] = "master_browser",
		[19] = "domain_master_browser",
		[20] = "osf",
		[21] = "vms",
		[22] = "windows_95",
		[23] = "dfs_server",
		[24] = "cluster",
		[25] = "terminal_server",
		[26] = "cluster_virtual_server",
		[28] = "dce_server",
		[29] = "alternate_transport",
		[30] = "local_list_only",
		[31] = "domain_list_only" };

	json_open(o, "server_type", '[');
	for (unsigned i = 0; i < 32; i++)
		if (type >> i & 1 && bits[i])
			json_str(o, NULL, bits[i]);
	json_close(o, ']');
}

static void say_version(struct out *o, const char *member, struct cur *c)
{
	unsigned major = cur_u8(c);

	json_name(o, member);
	out_fmt(o, "\"%u.%u\"", major, cur_u8(c));
}

/* [MS-BRWS] 2.2.1, 2.2.6, 2.2.10: a host, or a domain and its master. */
static void say_announcement(struct out *o, struct cur c, bool domain)
{
	uint32_t period_ms;
	struct cur name;

	cur_skip(&c, 1);
	period_ms = cur_le32(&c);
	name = cur_sub(&c, BROWSER_NAME_LEN);
	if (cur_left(&c) < 10)
		return;
	say_text(o, "server", name, BROWSER_NAME_LEN);
	json_u64(o, "period_ms", period_ms);
	say_version(o, "os_version", &c);
	say_server_type(o, cur_le32(&c));
	say_version(o, "browser_version", &c);
	cur_skip(&c, 2);
	say_text(o, domain ? "master" : "comment", c, NAME_SHOWN_MAX);
}

/* [MS-BRWS] 2.2.3. */
static void say_election(struct out *o, struct cur c)
{
	unsigned version = cur_u8(&c);
	uint32_t criteria = cur_le32(&c), uptime_ms = cur_le32(&c);

	cur_skip(&c, 4);
	if (!cur_ok(&c))
		return;
	json_u64(o, "election_version", version);
	json_u64(o, "criteria", criteria);
	json_u64(o, "uptime_ms", uptime_ms);
	say_text(o, "server", c, NAME_SHOWN_MAX);
}

/* [MS-BRWS] 2.2.5. */
static void say_backups(struct out *o, struct cur c)
{
	unsigned n = cur_u8(&c);

	cur_skip(&c, 4);
	json_open(o, "backup_servers", '[');
	for (unsigned i = 0; i < n && i < BROWSER_NAMES_MAX && cur_left(&c); i++) {
		struct cur name = text_until(&c, '\0');

		say_text(o, NULL, name, NAME_SHOWN_MAX);
	}
	json_close(o, ']');
}

static void say_browser(struct out *o, struct cur c)
{
	enum {
		HOST = 1,
		ASKS = 2,
		ELECTION = 8,
		GET_BACKUPS,
		BACKUPS,
		BECOME,
		DOMAIN,
		MASTER,
		RESET,
		LOCAL_MASTER
	};
	static const char *const commands[] = { [HOST] = "host_announcement",
		[ASKS] = "announcement_request",
		[ELECTION] = "election_request",
		[GET_BACKUPS] = "get_backup_list_request",
		[BACKUPS] = "get_backup_list_response",
		[BECOME] = "become_backup",
		[DOMAIN] = "domain_announcement",
		[MASTER] = "master_announcement",
		[RESET] = "reset_state_request",
		[LOCAL_MASTER] = "local_master_announcement" };
	uint8_t command = cur_u8(&c);

	if (command >= sizeof(commands) / sizeof(commands[0]) || !commands[command])
		return;
	json_open(o, "browser", '{');
	json_str(o, "command", commands[command]);
	cur_skip(&c, command == ASKS && cur_left(&c)); /* unused */
	if (command == HOST || command == DOMAIN || command == LOCAL_MASTER)
		say_announcement(o, c, command == DOMAIN);
	else if (command == ELECTION)
		say_election(o, c);
	else if (command == BACKUPS)
		say_backups(o, c);
	else if (command == ASKS || command == BECOME || command == MASTER)
		say_text(o, "server", c, NAME_SHOWN_MAX);
	json_close(o, '}');
}

static void say_message(struct out *o, struct cur c)
{
	struct cur from = text_until(&c, '\0'), to = text_until(&c, '\0');

	json_open(o, "message", '{');
	say_text(o, "from", from, NAME_SHOWN_MAX);
	say_text(o, "to", to, NAME_SHOWN_MAX);
	say_text(o, "text", c, MESSAGE_MAX);
	json_close(o, '}');
}

void netbios_say_mailslot(struct cur smb, struct out *o)
{
	static const uint8_t magic[] = { 0xff, 'S', 'M', 'B', SMB_TRANSACTION };
	struct cur data = smb, head = cur_sub(&smb, SMB_HEADER), words, name;
	uint16_t len, offset;

	if (!cur_ok(&head) || memcmp(head.at, magic, sizeof(magic)) != 0 ||
		cur_u8(&smb) != MAILSLOT_WORDS)
		return;
	words = cur_sub(&smb, 2 * MAILSLOT_WORDS);
	cur_skip(&words, 22);
	len = cur_le16(&words);
	offset = cur_le16(&words);
	cur_skip(&smb, 2);
	cur_skip(&data, offset);
	cur_limit(&data, len);
	name = text_until(&smb, '\0');
	if (!cur_ok(&words) || !cur_left(&name))
		return;
	say_text(o, "mailslot", name, MAILSLOT_NAME_MAX);
	if (text_is(name, "\\MAILSLOT\\BROWSE"))
		say_browser(o, data);
	else if (text_is(name, "\\MAILSLOT\\MESSNGR"))
		say_message(o, data);
}

/* ---- datagrams ---- */

/* RFC 1002, 4.4.3. */
static void say_error(struct out *o, uint8_t error)
{
	static const char *const errors[] = { "destination name not present",
		"invalid source name format", "invalid destination name format" };
	unsigned n = error - 0x82u;

	if (n < sizeof(errors) / sizeof(errors[0]))
		json_str(o, "error", errors[n]);
	else
		json_u64(o, "error", error);
}

void netbios_say_datagram(struct cur message, struct out *o)
{
	struct datagram d = { 0 };

	if (!read_datagram(message, &d))
		return;
	json_str(o, "service", "datagram");
	json_str(o, "type", type_of(d.type));
	json_u64(o, "id", d.id);
	json_str(o, "node", netbios_node(d.flags >> 2));
	if (d.has_source) {
		netbios_name_say(o, "source", &d.source);
		netbios_scope_say(o, &d.source);
	}
	json_ip(o, "source_ip", &d.address, 4);
	json_u64(o, "source_port", d.port);
	if (d.has_destination)
		netbios_name_say(o, "destination", &d.destination);
	else
		say_error(o, d.error);
	if (d.offset)
		json_u64(o, "offset", d.offset); /* a later part: what is in it began before */
	else if (d.has_source)
		netbios_say_mailslot(d.data, o);
}
