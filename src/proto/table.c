/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of proto.def, buffer.def and number.def, by number and by name. */
#include "proto/proto.h"

#include <string.h>

static const char *const names[PROTO_COUNT] = {
	[PROTO_NONE] = "unknown",
#define PROTO(ID, name, text) [PROTO_##ID] = name,
#include "proto/proto.def"
#undef PROTO
};

static const struct proto_buffer_info buffers[BUFFER_COUNT] = {
#define BUFFER(ID, name, snort, proto, sides, flags, text) \
	[BUFFER_##ID] = { name, snort, text, PROTO_##proto, sides, flags },
#include "proto/buffer.def"
};

static const struct proto_buffer_info numbers[NUMBER_COUNT] = {
#define NUMBER(ID, name, proto, sides, text) \
	[NUMBER_##ID] = { name, NULL, text, PROTO_##proto, sides, 0 },
#include "proto/number.def"
#undef NUMBER
};

static const struct {
	enum proto_number_id id;
	uint64_t value;
	const char *word;
} number_words[] = {
#define NUMBER_WORD(ID, value, word) { NUMBER_##ID, value, word },
#include "proto/number_word.def"
#undef NUMBER_WORD
};
#define NUMBER_WORDS (sizeof(number_words) / sizeof(number_words[0]))

static bool is_word(const char *word, const char *name, size_t len)
{
	return word && strlen(word) == len && memcmp(word, name, len) == 0;
}

const struct proto_buffer_info *proto_buffer_info(enum proto_buffer_id id)
{
	return &buffers[id];
}

enum proto_buffer_id proto_buffer_find(const char *name, size_t len)
{
	for (unsigned id = BUFFER_NONE + 1; id < BUFFER_COUNT; id++)
		if (is_word(buffers[id].name, name, len) || is_word(buffers[id].snort, name, len))
			return (enum proto_buffer_id)id;
	return BUFFER_NONE;
}

const struct proto_buffer_info *proto_number_info(enum proto_number_id id)
{
	return &numbers[id];
}

enum proto_number_id proto_number_find(const char *name, size_t len)
{
	for (unsigned id = NUMBER_NONE + 1; id < NUMBER_COUNT; id++)
		if (is_word(numbers[id].name, name, len))
			return (enum proto_number_id)id;
	return NUMBER_NONE;
}

const char *proto_number_word(enum proto_number_id id, uint64_t value)
{
	for (size_t i = 0; i < NUMBER_WORDS; i++)
		if (number_words[i].id == id && number_words[i].value == value)
			return number_words[i].word;
	return NULL;
}

bool proto_number_value(enum proto_number_id id, const char *word, size_t len, uint64_t *ret_value)
{
	for (size_t i = 0; i < NUMBER_WORDS; i++)
		if (number_words[i].id == id && is_word(number_words[i].word, word, len)) {
			*ret_value = number_words[i].value;
			return true;
		}
	return false;
}

const char *proto_name(enum proto_id id)
{
	return id < PROTO_COUNT ? names[id] : "failed";
}

enum proto_id proto_find(const char *name, size_t len)
{
	for (unsigned id = PROTO_NONE + 1; id < PROTO_COUNT; id++)
		if (is_word(names[id], name, len))
			return (enum proto_id)id;
	return PROTO_NONE;
}

bool proto_includes(enum proto_id proto, enum proto_id app)
{
	return proto == app || (proto == PROTO_DCERPC && app == PROTO_SMB) ||
	       (proto == PROTO_HTTP && app == PROTO_HTTP2);
}
