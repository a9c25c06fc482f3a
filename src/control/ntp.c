/* SPDX-License-Identifier: Apache-2.0 */
#include "control/ntp.h"

#include "base/cur.h"

enum {
	HEADER = 48,
	MODE_CLIENT = 3,
	STRATUM_MAX = 16,
	MAC_MAX = 24,       /* longer is an extension field (RFC 7822, 7.5.1.4) */
	EXTENSION_MIN = 16, /* with its own type and length */
};

/* What is left behind them is a MAC or nothing. */
static bool skip_extensions(struct cur *c)
{
	size_t start = cur_left(c);

	while (cur_left(c) > MAC_MAX) {
		uint16_t len;

		cur_skip(c, 2);
		len = cur_be16(c);
		if (len < EXTENSION_MIN || len % 4)
			return false;
		cur_skip(c, len - 4u);
	}
	return cur_ok(c) && start - cur_left(c) <= NTP_EXTENSIONS_MAX;
}

bool ntp_request_fine(const uint8_t *payload, size_t len)
{
	struct cur c = cur_make(payload, len), head = cur_sub(&c, HEADER);
	uint8_t first = cur_u8(&head), version = first >> 3 & 7;
	size_t left;

	if (version < 1 || version > 4 || (first & 7) != MODE_CLIENT ||
		cur_u8(&head) > STRATUM_MAX || !cur_ok(&head) || !skip_extensions(&c))
		return false;
	left = cur_left(&c);
	return left == 0 || left == 20 || left == 24;
}
