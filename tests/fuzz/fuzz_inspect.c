/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender who does anything, and a rule that replaces: neither receiver of
 * tests/unit/inspect_receiver.h may ever have the text. Each step is a byte of what to do, and
 * where and how much, as far as it needs them.
 */
#include "inspect_fake.h"
#include "inspect_receiver.h"

#include "base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ORIGINAL "ATTACK"
#define REPLACED "ATXACK"
enum { REACH = 96 };
static const char text[] = "some ATTACK ATTATTACK some ATTACKATTACK more ATTACK";

static void begin(void)
{
	static struct inspect_setup setup = { .is_inline = true, .flows_max = 4 };

	rules = (struct rules){ .text = ORIGINAL, .replace = REPLACED };
	plan.text = text;
	plan.len = sizeof(text) - 1;
	plan.never = ORIGINAL;
	plan.never_len = sizeof(ORIGINAL) - 1;
	setup.rules = &rules;
	memset(&b, 0, sizeof(b));
	setup.pool_bytes = 64 << 10;
	bench_open(&b, &setup);
	start_flow(1, 0xffffffd0);
}

static void send_own(struct cur *c, unsigned flags)
{
	uint32_t offset = cur_u8(c) % REACH, len = cur_u8(c) % 32;
	struct cur bytes = cur_sub(c, len < cur_left(c) ? len : cur_left(c));

	send_data(offset, flags, (const char *)bytes.at, (uint32_t)cur_left(&bytes));
}

static void send_urgent(uint32_t from, uint32_t to)
{
	tcp_of(&b, &f, 0, from, ACK | URG, text + from, to - from);
	f.at[14 + 20 + 19] = (uint8_t)(to - from);
	sums_fix(f.at, f.len);
	give_now(0);
}

static void step(struct cur *c)
{
	static const uint8_t flags[] = { SYN, SYN | ACK, FIN | ACK, RST, RST | ACK, ACK | URG };
	uint8_t what = cur_u8(c);
	uint32_t from = cur_u8(c) % plan.len, to = from + 1 + cur_u8(c) % 16;

	to = to < plan.len ? to : plan.len;
	switch (what % 16) {
	case 0:
		send_own(c, ACK);
		break;
	case 1:
		send_own(c, flags[cur_u8(c) % sizeof(flags)]);
		break;
	case 2:
		acknowledge();
		break;
	case 3:
		later((int64_t)from * 2 * MS);
		break;
	case 4:
		later((int64_t)to * 50 * MS);
		break;
	case 5:
		send_data(from, ACK, "", 0);
		break;
	case 6:
		send_urgent(from, to);
		break;
	case 7:
		if (to % 4 == 0)
			send_data(from, ACK | FIN, text + from, to - from);
		break;
	case 8:
		tcp_of(&b, &f, 1, from, ACK, text, to - from);
		give_now(1);
		break;
	default:
		send_part(from, to);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);

	begin();
	if (cur_u8(&c) % 4) {
		send_data(0, SYN, "", 0);
		tcp_of(&b, &f, 1, 0, SYN | ACK, "", 0);
		give_now(1);
	}
	while (cur_left(&c) > 0)
		step(&c);
	later(2 * SECOND);
	stop();
	return 0;
}
