/* SPDX-License-Identifier: Apache-2.0 */
/* NetBIOS without IP (NetBEUI): names and datagrams in unnumbered frames of 802.2. What sessions
 * say is not read: they are numbered frames, which nobody puts in order. */
#include "proto/netbios.h"

#define LLC_NETBIOS      0xf0 /* access point; the lowest bit of the source's says answer */
#define LLC_UNNUMBERED   0x03
#define LLC_POLL         0x10
#define FRAME_LEN        44 /* of the header of what is in such frames */
#define FRAME_DELIMITER  0xefff
#define FRAME_NAME_FIRST 12 /* the first name stands behind so many bytes */

enum {
	ADD_GROUP,
	ADD_NAME,
	IN_CONFLICT,
	STATUS_QUERY,
	DATAGRAM = 8,
	BROADCAST,
	NAME_QUERY,
	ADD_RESPONSE = 13,
	RECOGNIZED,
	STATUS_RESPONSE
};

/* Whose names the two fields hold: the others have numbers of network cards, or nothing. */
static const struct kind {
	const char *name;
	bool destination, source;
} kinds[] = { [ADD_GROUP] = { "add_group_name_query", false, true },
	[ADD_NAME] = { "add_name_query", false, true },
	[IN_CONFLICT] = { "name_in_conflict", true, false },
	[STATUS_QUERY] = { "status_query", true, false },
	[DATAGRAM] = { "datagram", true, true },
	[BROADCAST] = { "datagram_broadcast", false, true },
	[NAME_QUERY] = { "name_query", true, true },
	[ADD_RESPONSE] = { "add_name_response", true, false },
	[RECOGNIZED] = { "name_recognized", true, true },
	[STATUS_RESPONSE] = { "status_response", false, true } };

struct frame {
	uint8_t command;
	struct cur destination, source, data;
};

static bool read_frame(struct cur c, struct frame *ret_frame)
{
	struct cur head;
	uint8_t to = cur_u8(&c), from = cur_u8(&c), control = cur_u8(&c);

	head = cur_sub(&c, FRAME_LEN);
	if (to != LLC_NETBIOS || (from & 0xfe) != LLC_NETBIOS ||
		(control & ~LLC_POLL) != LLC_UNNUMBERED || cur_le16(&head) != FRAME_LEN ||
		cur_le16(&head) != FRAME_DELIMITER)
		return false;
	ret_frame->command = cur_u8(&head);
	cur_skip(&head, FRAME_NAME_FIRST - 5);
	ret_frame->destination = cur_sub(&head, NETBIOS_NAME_LEN);
	ret_frame->source = cur_sub(&head, NETBIOS_NAME_LEN);
	ret_frame->data = c;
	return cur_ok(&head) && ret_frame->command < sizeof(kinds) / sizeof(kinds[0]) &&
	       kinds[ret_frame->command].name;
}

bool netbios_is_frame(struct cur message)
{
	struct frame f;

	return read_frame(message, &f);
}

static void say_name(struct out *o, const char *member, struct cur bytes)
{
	struct netbios_name name;

	netbios_name_make(bytes.at, &name);
	netbios_name_say(o, member, &name);
}

void netbios_say_frame(struct cur message, struct out *o)
{
	const struct kind *kind;
	struct frame f;
	bool datagram;

	if (!read_frame(message, &f))
		return;
	kind = &kinds[f.command];
	datagram = f.command == DATAGRAM || f.command == BROADCAST;
	json_str(o, "service", datagram ? "datagram" : "name");
	json_str(o, "type", kind->name);
	json_str(o, "link", "llc");
	if (kind->source)
		say_name(o, "source", f.source);
	if (kind->destination)
		say_name(o, "destination", f.destination);
	if (datagram)
		netbios_say_mailslot(f.data, o);
}
