/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody gave to be let in, kept until the other side says whether it was good. */
#include <string.h>

#include "proto/conn.h"

static void keep(struct proto_login_text *to, const uint8_t *bytes, size_t len)
{
	to->len = (uint16_t)(len < sizeof(to->text) ? len : sizeof(to->text));
	if (to->len > 0)
		memcpy(to->text, bytes, to->len);
}

void proto_login_user(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	keep(&login->user, bytes, len);
	login->begun = true;
}

void proto_login_password(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	keep(&login->password, bytes, len);
	login->begun = true;
}

void proto_login_hash(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	keep(&login->hash, bytes, len);
	login->begun = true;
}

void proto_login_end(
	struct proto_conn *conn, struct proto_login *login, enum proto_login_result result)
{
	login->result = result;
	if (login->begun && conn->setup.on_login)
		conn->setup.on_login(
			conn->setup.context, conn->parser ? conn->parser->id : PROTO_NONE, login);
	memset(login, 0, sizeof(*login));
}
