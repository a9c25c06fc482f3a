/* SPDX-License-Identifier: Apache-2.0 */
/* chat - something that was said in a chat, as a transaction of one side: what IRC and DCC CHAT have in common. Its
 * functions are the parser's `json`, `chat` and `free_tx`. */
#pragma once

#include "proto/fields.h"

#define CHAT_NAME_MAX 256u  /* bytes of a name that are told */
#define CHAT_TEXT_MAX 2560u /* of what is said: it fits into a record */

struct chat_parts {
	struct cur nick, channel, to,
		text; /* as in struct proto_chat; what there is none of is empty */
};

/* `kind`: a literal. `cut`: what came was longer. */
void chat_say(struct proto_conn *conn, unsigned side, const char *kind, struct chat_parts parts,
	bool cut);
/* A line that said nothing, and was too long. */
void chat_too_long(struct proto_conn *conn, unsigned side);

bool chat_of_tx(const struct proto_tx *tx, struct proto_chat *ret_chat);
bool chat_json(struct proto_tx *tx, struct out *o);
void chat_free_tx(void *data);
