/* SPDX-License-Identifier: Apache-2.0 */
/* Random records of every type, with hostile texts, from random(). */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "event/event.h"

static char random_text_pool[4096];

static inline uint64_t random_u64(void)
{
	uint64_t bits = (uint64_t)random() << 32 ^ (uint64_t)random();

	return random() % 4 == 0 ? 0 : (bits & RECORD_U64_MAX) >> (random() % 63);
}

static inline struct text random_text(void)
{
	static const char *const hostile[] = { "", "eth0", "\"},{\"a\":\"", "\\u0000",
		"\xff\xfe\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x1b[2J\x07",
		"a\nb\r\n\t", "\xe2\x82", "caf\xc3\xa9 \xf0\x9f\x90\x9f", "<script>", "\x7f\x01" };
	size_t n = (size_t)random() % 300, at = (size_t)random() % (sizeof(random_text_pool) - 300);

	if (random() % 3)
		return text_of(hostile[(size_t)random() % (sizeof(hostile) / sizeof(hostile[0]))]);
	if (random_text_pool[at] == 0)
		for (size_t i = 0; i < sizeof(random_text_pool); i++)
			random_text_pool[i] = (char)random();
	return (struct text){ .at = random_text_pool + at, .len = (uint32_t)n };
}

static inline struct text random_members(void)
{
	static const char *const members[] = { "", "\"http\":{\"url\":\"/\",\"status\":200}",
		"\"tx_id\":0,\"dns\":{\"answers\":[{\"ttl\":-1.5e+3},true,false,null,[]]}",
		"\"seq\":7,\"words\":\"\\u2028 \\\\ \\\" caf\xc3\xa9\"" };

	return text_of(members[(size_t)random() % (sizeof(members) / sizeof(members[0]))]);
}

static inline void random_field(struct record *record, const struct field_info *field)
{
	char *at = (char *)record + field->offset;
	uint64_t number = random_u64();
	struct text text = random_text();
	uint8_t protos[] = { 0, 1, 6, 17, 58, 132, 11, 255 };
	int64_t time_ns = (int64_t)(random_u64() % 2000000000000000000u);

	switch ((enum field_kind)field->kind) {
	case KIND_U64:
		memcpy(at, &number, 8);
		break;
	case KIND_TIME:
		memcpy(at, &time_ns, 8);
		break;
	case KIND_U32:
		memcpy(at, &number, 4);
		break;
	case KIND_U16:
		memcpy(at, &number, 2);
		break;
	case KIND_U8:
	case KIND_FLAGS:
		memcpy(at, &number, 1);
		break;
	case KIND_BOOL:
	case KIND_VERDICT:
		*at = (char)(random() % 2);
		break;
	case KIND_DIRECTION:
		*at = (char)(random() % 4);
		break;
	case KIND_PROTO:
		*at = (char)protos[random() % 8];
		break;
	case KIND_REASON: {
		uint16_t reason = (uint16_t)(random() % REASON_COUNT);

		memcpy(at, &reason, 2);
		break;
	}
	case KIND_TEXT:
		memcpy(at, &text, sizeof(text));
		break;
	case KIND_MEMBERS:
		text = random_members();
		memcpy(at, &text, sizeof(text));
		break;
	case KIND_IP:
		for (size_t i = 0; i < 16; i++)
			at[i] = (char)(random() % 3 ? random() : 0);
		if (random() % 2) {
			memset(at, 0, 10);
			memset(at + 10, 0xff, 2);
		}
		break;
	case KIND_MAC:
		for (size_t i = 0; i < 6; i++)
			at[i] = (char)random();
		break;
	}
}

static inline void random_record(struct record *ret_record)
{
	struct event_info info;
	size_t n_head;
	const struct field_info *head = event_head_fields(&n_head);

	memset(ret_record, 0, sizeof(*ret_record));
	ret_record->type = EVENT_NONE + 1 + (enum event_type)(random() % (EVENT_COUNT - 1));
	info = event_info(ret_record->type);
	for (size_t i = 0; i < n_head; i++)
		random_field(ret_record, &head[i]);
	for (size_t i = 0; i < info.n_fields; i++)
		if (random() % 5)
			random_field(ret_record, &info.fields[i]);
}
