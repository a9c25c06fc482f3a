/* SPDX-License-Identifier: Apache-2.0 */
/* Logins in the headers of a request: Basic (RFC 7617) and Digest (RFC 7616), to a server or a proxy. */
#include <htp/htp_base64.h>
#include <strings.h>

#include "proto/fields.h"
#include "proto/http.h"

#define HTTP_BASIC_MAX 1024u /* bytes of the encoded user and password that are read */

static bool take_scheme(struct cur *c, const char *scheme)
{
	size_t len = strlen(scheme);

	if (cur_left(c) <= len || strncasecmp((const char *)c->at, scheme, len) != 0 ||
		cur_ahead(*c, len) != ' ')
		return false;
	cur_skip(c, len + 1);
	*c = text_trim(*c);
	return true;
}

static void basic(struct proto_login *login, struct cur c)
{
	uint8_t text[HTTP_BASIC_MAX];
	htp_base64_decoder decoder;
	const uint8_t *colon;
	struct cur user;
	int n;

	cur_limit(&c, sizeof(text));
	htp_base64_decoder_init(&decoder);
	n = htp_base64_decode(&decoder, c.at, (int)cur_left(&c), text, sizeof(text));
	c = cur_make(text, n > 0 ? (size_t)n : 0);
	colon = memchr(text, ':', cur_left(&c));
	if (!colon)
		return;
	login->method = "basic";
	user = cur_sub(&c, (size_t)(colon - c.at));
	cur_skip(&c, 1);
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_password(login, c.at, cur_left(&c));
}

static void read_header(struct proto_login *login, struct cur c)
{
	c = text_trim(c);
	if (take_scheme(&c, "Basic"))
		basic(login, c);
	else if (take_scheme(&c, "Digest"))
		proto_login_digest(login, c);
}

void http_login(struct http_tx *tx, enum proto_login_result result)
{
	static const char *const names[] = { "authorization", "proxy-authorization" };
	struct proto_login login = { .method = NULL };
	struct proto_bytes value;

	if (tx->login_told)
		return;
	tx->login_told = true;
	for (unsigned i = 0; i < 2 && !login.begun; i++)
		if (http_header(tx, 0, names[i], &value))
			read_header(&login, cur_make(value.at, value.len));
	proto_login_end(tx->http->conn, &login, result);
}

/* Of 1xx another answer follows. */
void http_login_answered(struct http_tx *tx)
{
	int status = tx->htp->response_status_number;
	bool refused = status == 401 || status == 403 || status == 407;

	if (status >= 200)
		http_login(tx, refused ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
}
