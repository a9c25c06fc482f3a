/* SPDX-License-Identifier: Apache-2.0 */
/* ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass */
#include <netinet/tcp.h>

#include "fingerprint/inside.h"
#include "proto/fields.h"

static const struct {
	const char *name;
	uint8_t kind;
} option_names[] = { { "nop", TCPOPT_NOP }, { "mss", TCPOPT_MAXSEG }, { "ws", TCPOPT_WINDOW },
	{ "sok", TCPOPT_SACK_PERMITTED }, { "sack", TCPOPT_SACK }, { "ts", TCPOPT_TIMESTAMP } };

static bool begins(struct cur *c, const char *word)
{
	struct cur rest = *c;
	size_t len = strlen(word);
	const uint8_t *at = cur_take(&rest, len);

	if (!at || memcmp(at, word, len) != 0)
		return false;
	*c = rest;
	return true;
}

static bool number8(struct cur c, uint32_t max, uint8_t *ret_number)
{
	uint32_t n;

	if (!text_number(c, max, &n))
		return false;
	*ret_number = (uint8_t)n;
	return true;
}

static bool number16(struct cur c, uint16_t *ret_number)
{
	uint32_t n;

	if (!text_number(c, UINT16_MAX, &n))
		return false;
	*ret_number = (uint16_t)n;
	return true;
}

/* A number, or "*", which is -1. */
static bool number_or_any(struct cur c, uint32_t max, int32_t *ret_number)
{
	uint32_t n = 0;

	if (!text_equals(c, "*") && !text_number(c, max, &n))
		return false;
	*ret_number = text_equals(c, "*") ? -1 : (int32_t)n;
	return true;
}

static bool read_version(struct cur c, struct signature_tcp *s)
{
	if (text_equals(c, "*"))
		return true;
	return number8(c, 6, &s->version) && (s->version == 4 || s->version == 6);
}

static bool read_ttl(struct cur c, struct signature_tcp *s)
{
	size_t len = cur_left(&c);

	s->ttl_random = len > 0 && cur_ahead(c, len - 1) == '-';
	if (s->ttl_random)
		cur_limit(&c, len - 1);
	return number8(c, UINT8_MAX, &s->ttl) && s->ttl > 0;
}

static bool read_window(struct cur c, struct signature_tcp *s)
{
	s->window_kind = WINDOW_IS;
	if (text_equals(c, "*"))
		s->window_kind = WINDOW_ANY;
	else if (begins(&c, "%"))
		s->window_kind = WINDOW_MULTIPLE;
	else if (begins(&c, "mss*"))
		s->window_kind = WINDOW_MSS;
	else if (begins(&c, "mtu*"))
		s->window_kind = WINDOW_MTU;
	if (s->window_kind == WINDOW_ANY)
		return true;
	return number16(c, &s->window) && (s->window_kind == WINDOW_IS || s->window > 0);
}

static bool read_option(struct cur c, struct signature_tcp *s, bool *ret_end)
{
	uint8_t *kind = &s->options[s->n_options++];

	*ret_end = begins(&c, "eol+");
	*kind = TCPOPT_EOL;
	if (*ret_end)
		return number8(c, UINT8_MAX, &s->eol_pad);
	if (begins(&c, "?"))
		return number8(c, UINT8_MAX, kind);
	for (size_t i = 0; i < sizeof(option_names) / sizeof(option_names[0]); i++)
		if (text_equals(c, option_names[i].name)) {
			*kind = option_names[i].kind;
			return true;
		}
	return false;
}

static const char *read_options(struct cur c, struct signature_tcp *s)
{
	bool end = false;

	while (cur_left(&c) > 0) {
		if (end)
			return "eol is not the last TCP option";
		if (s->n_options == SIGNATURES_OPTIONS_MAX)
			return "too many TCP options";
		if (!read_option(text_until(&c, ','), s, &end))
			return "a TCP option that is not known";
	}
	return NULL;
}

static bool read_quirk(struct cur c, struct signature_tcp *s)
{
	for (unsigned i = 0; i < TCP_QUIRKS; i++)
		if (text_equals(c, tcp_quirk_name(i))) {
			unsigned only = tcp_quirk_version(i);

			s->quirks |= 1u << i;
			return only == 0 || s->version == 0 || s->version == only;
		}
	return false;
}

static const char *read_quirks(struct cur c, struct signature_tcp *s)
{
	while (cur_left(&c) > 0)
		if (!read_quirk(text_until(&c, ','), s))
			return "a quirk that is not known, or not of that IP version";
	return NULL;
}

static bool read_payload(struct cur c, struct signature_tcp *s)
{
	s->payload = text_equals(c, "*") ? -1 : text_equals(c, "+");
	return s->payload != 0 || text_equals(c, "0");
}

const char *signature_read_tcp(struct cur line, struct signature_tcp *ret_signature)
{
	struct signature_tcp s = { 0 };
	const char *why;
	struct cur window;
	int32_t scale;

	if (!read_version(text_until(&line, ':'), &s))
		return "the IP version is not 4, 6 or *";
	if (!read_ttl(text_until(&line, ':'), &s))
		return "the TTL is not 1 to 255";
	if (!number8(text_until(&line, ':'), UINT8_MAX, &s.ip_options))
		return "the length of the IP options is not 0 to 255";
	if (!number_or_any(text_until(&line, ':'), UINT16_MAX, &s.mss))
		return "the MSS is not a number or *";
	window = text_until(&line, ':');
	if (!read_window(text_until(&window, ','), &s))
		return "the window is not a number, *, %N, mss*N or mtu*N";
	if (!number_or_any(window, UINT8_MAX, &scale))
		return "the window's scale is not a number or *";
	s.scale = (int16_t)scale;
	why = read_options(text_until(&line, ':'), &s);
	if (!why)
		why = read_quirks(text_until(&line, ':'), &s);
	if (!why && !read_payload(line, &s))
		why = "the payload is not 0, + or *";
	if (!why)
		*ret_signature = s;
	return why;
}
