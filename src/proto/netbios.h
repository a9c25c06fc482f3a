/* SPDX-License-Identifier: Apache-2.0 */
/* netbios - names of NetBIOS (RFC 1001, 14; RFC 1002, 4.1), and the messages of its name service
 * (RFC 1002, 4.2) and datagram service (4.4), and of both without IP. Private to netbios*.c. */
#pragma once

#include "proto/fields.h"

#define NETBIOS_NAME_LEN  16  /* the last byte is the kind of name */
#define NETBIOS_SCOPE_MAX 255 /* of a scope: names are no longer (RFC 1001, 14.1) */
#define NETBIOS_JSON_MAX  16384
#define NETBIOS_JSON_ROOM 2048 /* that another name or list may need at most */

/* `text`: the name without what fills it up, then its kind: "SERVER<20>". Bytes that cannot be
 * shown are written as "<01>", and so is "<" itself. */
struct netbios_name {
	char text[NETBIOS_NAME_LEN * 4 + 1];
	uint32_t len, scope_len;
	uint8_t scope[NETBIOS_SCOPE_MAX];
};

/* From its 16 bytes, without scope. */
void netbios_name_make(const uint8_t bytes[static NETBIOS_NAME_LEN], struct netbios_name *ret_name);
/* In the form of the wire, which may point back into `message`; false: it is none. */
bool netbios_name_read(struct cur message, struct cur *c, struct netbios_name *ret_name);
void netbios_name_say(struct out *o, const char *member, const struct netbios_name *name);
void netbios_scope_say(struct out *o, const struct netbios_name *name); /* if it has one */

const char *netbios_node(unsigned type); /* two bits: "B", "P", "M", "H" */

/* Whether a datagram is a message of that service. */
bool netbios_is_name_message(struct cur message);
bool netbios_is_datagram(struct cur message);
bool netbios_is_frame(struct cur message); /* an 802.2 frame, from its access points on */
/* The members of its record. What cannot be read is left out. */
void netbios_say_name_message(struct cur message, struct out *o);
void netbios_say_datagram(struct cur message, struct out *o);
void netbios_say_frame(struct cur message, struct out *o);
/* What was written to a mailslot ([MS-MAIL] 2.2.1, [MS-BRWS] 2.2): an SMB message. */
void netbios_say_mailslot(struct cur smb, struct out *o);
