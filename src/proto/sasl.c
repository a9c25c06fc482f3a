/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sasl.h"

#include "proto/mime.h"

static const struct {
	const char *name, *method;
	enum sasl_mechanism mechanism;
} mechanisms[] = {
	{ "PLAIN", "plain", SASL_PLAIN },
	{ "LOGIN", "login", SASL_LOGIN },
	{ "CRAM-MD5", "cram-md5", SASL_CRAM_MD5 },
};

/* False: it is not Base64. */
static bool decode(struct cur line, uint8_t ret_bytes[static SASL_BYTES_MAX], size_t *ret_len)
{
	uint32_t bits = 0, n_bits = 0;
	size_t len = 0;

	while (cur_left(&line) && line.at[0] != '=' && len < SASL_BYTES_MAX) {
		int value = mime_base64_value(cur_u8(&line));

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		ret_bytes[len++] = (uint8_t)(bits >> n_bits);
	}
	*ret_len = len;
	return true;
}

void sasl_plain(struct proto_login *login, struct cur c)
{
	struct cur first = text_until(&c, 0), user = text_until(&c, 0);

	if (c.at == user.end) {
		c = user;
		user = first;
	}
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_password(login, c.at, cur_left(&c));
}

void sasl_asked(struct sasl *s, struct cur challenge)
{
	challenge = text_trim(challenge);
	s->challenge_len = 0;
	if (s->mechanism != SASL_CRAM_MD5 || cur_left(&challenge) > sizeof(s->challenge))
		return;
	s->challenge_len = (uint16_t)cur_left(&challenge);
	cur_copy(&challenge, s->challenge, s->challenge_len);
}

/* user SP digest; a user may have spaces. */
static void take_cram(struct sasl *s, struct proto_login *login, struct cur c, struct cur line)
{
	char text[PROTO_LOGIN_HASH_MAX];
	struct out o = out_make(text, sizeof(text));
	const uint8_t *space = cur_left(&c) ? memrchr(c.at, ' ', cur_left(&c)) : NULL;
	struct cur user = cur_sub(&c, space ? (size_t)(space - c.at) : 0);

	cur_skip(&c, space ? 1 : 0);
	proto_login_user(login, user.at, cur_left(&user));
	out_str(&o, "$cram_md5$");
	out_bytes(&o, (const char *)s->challenge, s->challenge_len);
	out_char(&o, '$');
	out_bytes(&o, (const char *)line.at, cur_left(&line));
	if (s->challenge_len && out_ok(&o))
		proto_login_hash(login, (const uint8_t *)text, o.len);
	else
		proto_login_hash(login, c.at, cur_left(&c));
}

/* `line`: the same, as it was sent. */
static void take_bytes(struct sasl *s, struct proto_login *login, struct cur c, struct cur line)
{
	if (s->mechanism == SASL_PLAIN) {
		sasl_plain(login, c);
	} else if (s->mechanism == SASL_CRAM_MD5) {
		take_cram(s, login, c, line);
	} else if (s->has_user) {
		proto_login_password(login, c.at, cur_left(&c));
	} else {
		proto_login_user(login, c.at, cur_left(&c));
		s->has_user = s->expects = true;
	}
}

void sasl_line(struct sasl *s, struct proto_login *login, struct cur line)
{
	uint8_t bytes[SASL_BYTES_MAX];
	size_t len;

	s->expects = false;
	if (s->mechanism == SASL_OTHER || text_is(line, "*")) /* it gives up */
		return;
	line = text_trim(line);
	if (decode(line, bytes, &len))
		take_bytes(s, login, cur_make(bytes, len), line);
	else
		proto_login_hash(login, line.at, cur_left(&line));
}

void sasl_begin(struct proto_conn *conn, struct sasl *s, struct proto_login *login, struct cur args)
{
	struct cur name = text_until(&args, ' ');
	const char *method = NULL;

	*s = (struct sasl){ .expects = cur_left(&name) };
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (text_is(name, mechanisms[i].name)) {
			s->mechanism = mechanisms[i].mechanism;
			method = mechanisms[i].method;
		}
	proto_login_begin(conn, login, method);
	args = text_trim(args);
	if (cur_left(&args))
		sasl_line(s, login, args);
}
