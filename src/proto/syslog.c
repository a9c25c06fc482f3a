/* SPDX-License-Identifier: Apache-2.0 */
/* syslog over UDP (RFC 5426): a priority in angle brackets, and text (RFC 3164, 5424). A datagram
 * is a transaction. */
#include "proto/fields.h"

#include <ctype.h>

#define SYSLOG_PORT     514
#define SYSLOG_PRI_MAX  191  /* RFC 5424, 6.2.1 */
#define SYSLOG_TEXT_MAX 2048 /* that is shown */

static const char *const facilities[] = { "kern", "user", "mail", "daemon", "auth", "syslog", "lpr",
	"news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0",
	"local1", "local2", "local3", "local4", "local5", "local6", "local7" };
static const char *const severities[] = { "emerg", "alert", "crit", "err", "warning", "notice",
	"info", "debug" };

/* <N>, without zeros in front; the text stays in `c`. */
static bool read_priority(struct cur *c, unsigned *ret_priority)
{
	unsigned n = 0, digits = 0;
	bool zero;

	if (cur_u8(c) != '<')
		return false;
	zero = cur_ahead(*c, 0) == '0';
	while (cur_left(c) && isdigit(c->at[0]) && digits++ < 3)
		n = n * 10 + cur_u8(c) - '0';
	*ret_priority = n;
	return digits && digits <= 3 && !(zero && digits > 1) && n <= SYSLOG_PRI_MAX &&
	       cur_u8(c) == '>';
}

/* What stands at the beginning: a letter for a..z, 0 for a digit or space, others as they are. */
static bool looks_like(struct cur c, const char *form)
{
	for (; *form; form++) {
		uint8_t byte = cur_u8(&c);

		if (*form == 'a'       ? !isalpha(byte)
			: *form == '0' ? !isdigit(byte) && byte != ' '
				       : byte != *form)
			return false;
	}
	return true;
}

static size_t syslog_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[SYSLOG_TEXT_MAX * 6 + 128];
	struct out o = out_make(text, sizeof(text));
	struct cur c = cur_make(bytes, len);
	struct proto_tx *tx;
	unsigned priority;

	(void)state;
	(void)end;
	if (!read_priority(&c, &priority))
		return len;
	tx = proto_fields_tx(conn, "syslog");
	if (!tx)
		return len;
	c = text_trim(c);
	cur_limit(&c, SYSLOG_TEXT_MAX);
	json_u64(&o, "priority", priority);
	json_str(&o, "facility", facilities[priority / 8]);
	json_str(&o, "severity", severities[priority % 8]);
	json_text(&o, "text", c.at, cur_left(&c));
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

/* Elsewhere than on its port a date must follow. */
static enum proto_guess syslog_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	unsigned priority;

	(void)side;
	if (!read_priority(&c, &priority))
		return PROTO_IS_NOT;
	return info->port[1] == SYSLOG_PORT || looks_like(c, "aaa 00 00:00:00 ") ||
			       looks_like(c, "1 0000-00-00T00:00:00") || looks_like(c, "1 - ")
		       ? PROTO_IS
		       : PROTO_IS_NOT;
}

const struct proto_parser proto_syslog = { .id = PROTO_SYSLOG,
	.ip_proto = 17,
	.guess = syslog_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = syslog_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
