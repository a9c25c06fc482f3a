/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ntlm.h"

#define NTLM1_LEN      24u /* of an answer ([MS-NLMP] 2.2.2.6) */
#define NTLM_PROOF_LEN 16u /* of a longer one (2.2.2.8); then comes the blob */

/* The message of that type; an empty cursor: there is none. */
static struct cur find_message(struct cur c, uint8_t type)
{
	const uint8_t begin[12] = { 'N', 'T', 'L', 'M', 'S', 'S', 'P', 0, type };
	const uint8_t *found =
		cur_left(&c) ? memmem(c.at, cur_left(&c), begin, sizeof(begin)) : NULL;

	cur_skip(&c, found ? (size_t)(found - c.at) : cur_left(&c));
	return c;
}

bool ntlm_challenged(struct ntlm *ntlm, struct cur c)
{
	c = find_message(c, 2);
	cur_skip(&c, 24);
	if (cur_left(&c) < sizeof(ntlm->challenge))
		return false;
	cur_copy(&c, ntlm->challenge, sizeof(ntlm->challenge));
	return true;
}

/* Bytes of the message: length, room, offset. */
static struct cur bytes_of(struct cur *c, const struct cur *message)
{
	uint16_t len = cur_le16(c);
	struct cur at = *message;

	cur_skip(c, 2);
	cur_skip(&at, cur_le32(c));
	return cur_sub(&at, len);
}

static void put_part(struct out *o, struct cur part)
{
	out_char(o, ':');
	cur_limit(&part, PROTO_LOGIN_HASH_MAX / 2);
	out_hex(o, part.at, cur_left(&part));
}

/* user::domain:challenge:proof:blob, of NTLMv1 user::domain:LM:NT:challenge; with LM's answer alone
 * $NETLM$challenge$LM. */
static void put_hash(struct out *o, const struct ntlm *ntlm, const struct text_name *user,
	const struct text_name *domain, struct cur lm, struct cur nt)
{
	const struct cur challenge = cur_make(ntlm->challenge, sizeof(ntlm->challenge));

	if (!cur_left(&nt)) {
		out_str(o, "$NETLM$");
		out_hex(o, ntlm->challenge, sizeof(ntlm->challenge));
		out_char(o, '$');
		out_hex(o, lm.at, cur_left(&lm) < NTLM1_LEN ? cur_left(&lm) : NTLM1_LEN);
		return;
	}
	out_bytes(o, user->text, user->len);
	out_str(o, "::");
	out_bytes(o, domain->text, domain->len);
	if (cur_left(&nt) == NTLM1_LEN) {
		put_part(o, lm);
		put_part(o, nt);
		put_part(o, challenge);
	} else {
		put_part(o, challenge);
		put_part(o, cur_sub(&nt, NTLM_PROOF_LEN));
		put_part(o, nt);
	}
}

/* DOMAIN\user */
static void put_user(struct out *o, const struct text_name *user, const struct text_name *domain)
{
	out_bytes(o, domain->text, domain->len);
	out_str(o, domain->len ? "\\" : "");
	out_bytes(o, user->text, user->len);
}

void ntlm_answered(struct proto_login *login, const struct ntlm *ntlm, const struct text_name *user,
	const struct text_name *domain, struct cur lm, struct cur nt)
{
	char text[2 * TEXT_NAME_MAX + 2 * PROTO_LOGIN_HASH_MAX];
	struct out o = out_make(text, sizeof(text));

	login->method = "ntlm";
	put_user(&o, user, domain);
	proto_login_user(login, (const uint8_t *)text, o.len);
	if (cur_left(&nt) ? cur_left(&nt) < NTLM_PROOF_LEN : cur_left(&lm) < NTLM1_LEN)
		return;
	o = out_make(text, sizeof(text));
	put_hash(&o, ntlm, user, domain, lm, nt);
	proto_login_hash(login, (const uint8_t *)text, o.len);
}

/* False: it is not whole. */
static bool read_who(struct cur message, struct ntlm_who *ret_who)
{
	struct cur at = message;
	uint32_t flags;
	bool wide;

	cur_skip(&at, 12 + 16 + 24 + 8);
	flags = cur_le32(&at);
	wide = flags & 1;
	if (!cur_ok(&at))
		return false;
	ret_who->has_version = flags & 0x02000000 && cur_left(&at) >= sizeof(ret_who->version);
	if (ret_who->has_version)
		cur_copy(&at, ret_who->version, sizeof(ret_who->version));
	at = message;
	cur_skip(&at, 12 + 16);
	text_name_read(bytes_of(&at, &message), wide, &ret_who->domain);
	text_name_read(bytes_of(&at, &message), wide, &ret_who->user);
	text_name_read(bytes_of(&at, &message), wide, &ret_who->host);
	return true;
}

bool ntlm_authenticate(struct proto_conn *conn, struct proto_login *login, const struct ntlm *ntlm,
	struct cur c, struct ntlm_who *ret_who)
{
	struct cur message = find_message(c, 3), at = message, lm, nt;

	if (!read_who(message, ret_who))
		return false;
	proto_login_end(conn, login, PROTO_LOGIN_UNKNOWN);
	if (!ret_who->user.len)
		return true;
	cur_skip(&at, 12);
	lm = bytes_of(&at, &message);
	nt = bytes_of(&at, &message);
	ntlm_answered(login, ntlm, &ret_who->user, &ret_who->domain, lm, nt);
	return true;
}
