/* SPDX-License-Identifier: Apache-2.0 */
/* Logins in the headers of a request: Basic (RFC 7617), Digest (RFC 7616), and NTLM, alone or in Negotiate (RFC 4559),
 * to a server or a proxy; in its body: forms and JSON; and in its URL. */
#include <ctype.h>
#include <htp/htp_base64.h>
#include <strings.h>

#include "proto/conn.h"
#include "proto/fields.h"
#include "proto/http.h"

#define HTTP_BASIC_MAX 1024u /* bytes of the encoded user and password that are read */
#define HTTP_TOKEN_MAX 4096u /* of NTLM's messages */
#define HTTP_WAYS_MAX  16u   /* to log in that a server offers */

static bool take_scheme(struct cur *c, const char *scheme)
{
	size_t len = strlen(scheme);

	if (cur_left(c) <= len || strncasecmp((const char *)c->at, scheme, len) != 0 ||
		!isspace(cur_ahead(*c, len)))
		return false;
	cur_skip(c, len + 1);
	*c = text_trim(*c);
	return true;
}

static struct cur decode(struct cur c, uint8_t *ret_text, size_t size)
{
	htp_base64_decoder decoder;
	int n;

	cur_limit(&c, size);
	htp_base64_decoder_init(&decoder);
	n = htp_base64_decode(&decoder, c.at, (int)cur_left(&c), ret_text, (int)size);
	return cur_make(ret_text, n > 0 ? (size_t)n : 0);
}

static void basic(struct proto_login *login, struct cur c)
{
	uint8_t text[HTTP_BASIC_MAX];
	const uint8_t *colon;
	struct cur user;

	c = decode(c, text, sizeof(text));
	colon = memchr(text, ':', cur_left(&c));
	if (!colon)
		return;
	login->method = "basic";
	user = cur_sub(&c, (size_t)(colon - c.at));
	cur_skip(&c, 1);
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_password(login, c.at, cur_left(&c));
}

static bool take_token(struct cur *c)
{
	return take_scheme(c, "NTLM") || take_scheme(c, "Negotiate");
}

static void read_header(struct http *http, struct proto_login *login, struct cur c)
{
	uint8_t token[HTTP_TOKEN_MAX];
	struct ntlm_who who;

	c = text_trim(c);
	if (take_token(&c))
		ntlm_authenticate(
			http->conn, login, &http->ntlm, decode(c, token, sizeof(token)), &who);
	else if (take_scheme(&c, "Basic"))
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
			read_header(tx->http, &login, cur_make(value.at, value.len));
	proto_login_end(tx->http->conn, &login, result);
}

/* What the server wants to be answered: one of its ways to log in. */
static void read_challenge(struct http_tx *tx)
{
	static const char *const names[] = { "www-authenticate", "proxy-authenticate" };
	uint8_t token[HTTP_TOKEN_MAX];
	struct proto_bytes value;

	for (unsigned i = 0; i < 2; i++) {
		struct cur ways = { .at = NULL };

		if (http_header(tx, 1, names[i], &value))
			ways = cur_make(value.at, value.len);
		for (unsigned n = 0; cur_left(&ways) && n < HTTP_WAYS_MAX; n++) {
			struct cur way = text_trim(text_until(&ways, ','));

			if (take_token(&way))
				ntlm_challenged(&tx->http->ntlm, decode(way, token, sizeof(token)));
		}
	}
}

/* Of 1xx another answer follows. */
void http_login_answered(struct http_tx *tx)
{
	int status = tx->htp->response_status_number;
	bool refused = status == 401 || status == 403 || status == 407;

	if (refused)
		read_challenge(tx);
	if (status >= 200)
		http_login(tx, refused ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
	http_login_form(tx, false);
}

static bool posts(const struct http_tx *tx, const char *type)
{
	struct proto_bytes value;

	return tx->htp->request_method_number == HTP_M_POST &&
	       http_header(tx, 0, "content-type", &value) &&
	       text_begins(cur_make(value.at, value.len), type);
}

/* What is posted, in each of its forms. */
static bool read_form(const struct http_tx *tx, struct proto_login *login)
{
	const struct http_side *s = &tx->side[0];
	struct cur body = cur_make(s->body.at, s->body.len);
	bool whole = s->body.complete && !s->cut;
	struct http_form form = { .best_user = 0 };

	if (tx->multipart)
		return http_form_login(http_multipart_form(tx->multipart), login, "form");
	if (s->body.offset || s->gap || s->hole)
		return false;
	if (posts(tx, "application/x-www-form-urlencoded")) {
		http_form_read(&form, body, whole);
		return http_form_login(&form, login, "form");
	}
	if (whole && posts(tx, "application/json"))
		http_form_read_json(&form, body);
	return http_form_login(&form, login, "json");
}

/* Fields behind the `?` of the URL, whatever the method. */
static bool read_query(const struct http_tx *tx, struct proto_login *login)
{
	struct proto_bytes uri = http_bytes(tx->htp->request_uri);
	struct cur query = cur_make(uri.at, uri.len);
	struct http_form form = { .best_user = 0 };

	/* What is cut off in its first line looks like HTTP/0.9. */
	if (!tx->side[0].headers || !tx->htp->request_line || tx->htp->is_protocol_0_9)
		return false;
	text_until(&query, '?');
	http_form_read(&form, query, true);
	return http_form_login(&form, login, "query");
}

/* A page that says no comes with 200 as well as one that says yes, and both may be behind a redirect. */
void http_login_form(struct http_tx *tx, bool last)
{
	int status = tx->side[1].headers ? tx->htp->response_status_number : 0;
	struct proto_login login = { .method = NULL };

	if (tx->form_told || !(last || (tx->side[0].body.complete && status >= 200)))
		return;
	tx->form_told = true;
	if (!tx->http->conn->setup.on_login) /* nothing is built for nobody */
		return;
	if (read_form(tx, &login) || read_query(tx, &login))
		proto_login_end(tx->http->conn, &login,
			status == 401 || status == 403 ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_UNKNOWN);
}
