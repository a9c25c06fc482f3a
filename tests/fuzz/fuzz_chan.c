/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of messages between processes: a conversation of packets, each a length byte pair, a
 * number of descriptors, and bytes. */
#include <stdlib.h>

#include "base/cur.h"
#include "sys/chan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	enum chan_side from = cur_u8(&c) & 1 ? CHAN_CHILD : CHAN_SUPERVISOR;
	uint32_t passed = 0;

	while (cur_left(&c) > 0) {
		uint16_t len = cur_le16(&c);
		uint8_t n_fds = cur_u8(&c);
		struct cur packet = cur_sub(&c, len);
		uint32_t before = passed;
		struct message m = { 0 };
		int r;

		if (packet.bad)
			break;
		r = message_check(from, &passed, packet.at, cur_left(&packet), n_fds, &m);
		if (r == 0 ? !(passed >> m.type & 1) || n_fds > CHAN_FDS_MAX : passed != before)
			abort();
	}
	return 0;
}
