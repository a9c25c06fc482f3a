/* SPDX-License-Identifier: Apache-2.0 */
/* The binary form of a record: one byte of type, then every field of head and body in the order of
 * event.def; integers little endian, texts and members as a 16-bit length and bytes. */
#include "event/event.h"

#include <errno.h>
#include <string.h>

#include "base/cur.h"

struct packer {
	uint8_t *at;
	size_t left;
	size_t members; /* bytes of members so far */
	int error;
};

static void put(struct packer *p, const void *bytes, size_t len)
{
	if (len > p->left) {
		p->error = p->error ? p->error : -ENOSPC;
		return;
	}
	memcpy(p->at, bytes, len);
	p->at += len;
	p->left -= len;
}

static size_t kind_size(enum field_kind kind)
{
	switch (kind) {
	case KIND_U64:
	case KIND_TIME:
		return 8;
	case KIND_U32:
		return 4;
	case KIND_U16:
	case KIND_REASON:
		return 2;
	case KIND_IP:
		return sizeof(struct ip);
	case KIND_MAC:
		return sizeof(struct mac);
	case KIND_U8:
	case KIND_BOOL:
	case KIND_PROTO:
	case KIND_VERDICT:
	case KIND_DIRECTION:
	case KIND_FLAGS:
		return 1;
	case KIND_TEXT:
	case KIND_MEMBERS:
		break;
	}
	return 0;
}

/* Enums are in range, bools 0 or 1, numbers such that every reader can hold them: nobody behind this
 * has to check again. */
static bool value_ok(enum field_kind kind, const void *at)
{
	uint64_t number;
	uint16_t reason;
	uint8_t byte;

	memcpy(&byte, at, 1);
	switch (kind) {
	case KIND_U64:
		memcpy(&number, at, sizeof(number));
		return number <= RECORD_U64_MAX;
	case KIND_BOOL:
	case KIND_VERDICT:
		return byte <= 1;
	case KIND_DIRECTION:
		return byte <= DIRECTION_INTERNAL;
	case KIND_REASON:
		memcpy(&reason, at, sizeof(reason));
		return reason < REASON_COUNT;
	default:
		return true;
	}
}

static bool is_text(const struct field_info *field)
{
	return field->kind == KIND_TEXT || field->kind == KIND_MEMBERS;
}

static void put_text(struct packer *p, const struct text *text, size_t max)
{
	uint16_t len = (uint16_t)text->len;

	if (text->len > max)
		p->error = -E2BIG;
	put(p, &len, sizeof(len));
	put(p, text->at ? text->at : "", len);
}

static void put_fields(
	struct packer *p, const struct record *record, const struct field_info *field, size_t n)
{
	for (; n > 0; n--, field++) {
		const char *at = (const char *)record + field->offset;

		if (is_text(field)) {
			bool members = field->kind == KIND_MEMBERS;
			struct text text;

			memcpy(&text, at, sizeof(text));
			put_text(p, &text, members ? RECORD_MEMBERS_MAX : RECORD_PLAIN_MAX);
			p->members += members ? text.len : 0;
			if (members && !p->error &&
				!record_members_ok(record->type, field, text.at, text.len))
				p->error = -EINVAL;
		} else {
			if (!value_ok(field->kind, at))
				p->error = -ERANGE;
			put(p, at, kind_size(field->kind));
		}
	}
}

static bool fits(size_t size, size_t members)
{
	return members <= RECORD_MEMBERS_MAX && size - members <= RECORD_PLAIN_MAX;
}

int record_pack(const struct record *record, void *buf, size_t size)
{
	struct packer p = { .at = buf, .left = size };
	struct event_info info = event_info(record->type);
	uint8_t type = (uint8_t)record->type;
	size_t n_head;
	const struct field_info *head = event_head_fields(&n_head);

	if (!info.fields)
		return -EINVAL;
	put(&p, &type, 1);
	put_fields(&p, record, head, n_head);
	put_fields(&p, record, info.fields, info.n_fields);
	if (p.error)
		return p.error == -ENOSPC && size >= RECORD_PACKED_MAX ? -E2BIG : p.error;
	size -= p.left;
	return fits(size, p.members) ? (int)size : -E2BIG;
}

static size_t members_of(const struct record *record, const struct field_info *field, size_t n)
{
	size_t sum = 0;

	for (; n > 0; n--, field++)
		if (field->kind == KIND_MEMBERS)
			sum += ((const struct text *)(const void *)((const char *)record +
								    field->offset))
				       ->len;
	return sum;
}

size_t record_room(const struct record *record)
{
	struct event_info info = event_info(record->type);
	size_t n_head, members;
	const struct field_info *head = event_head_fields(&n_head);

	members = members_of(record, head, n_head) + members_of(record, info.fields, info.n_fields);
	return RECORD_PLAIN_MAX + (members < RECORD_MEMBERS_MAX ? members : RECORD_MEMBERS_MAX);
}

static bool get_fields(struct cur *c, struct record *record, const struct field_info *field,
	size_t n, size_t *members)
{
	for (; n > 0; n--, field++) {
		char *at = (char *)record + field->offset;

		if (is_text(field)) {
			struct text text = { .len = cur_le16(c) };

			text.at = (const char *)cur_take(c, text.len);
			if (c->bad)
				return false;
			if (field->kind == KIND_MEMBERS) {
				*members += text.len;
				if (!record_members_ok(record->type, field, text.at, text.len))
					return false;
			}
			memcpy(at, &text, sizeof(text));
		} else {
			const uint8_t *bytes = cur_take(c, kind_size(field->kind));

			if (!bytes || !value_ok(field->kind, bytes))
				return false;
			memcpy(at, bytes, kind_size(field->kind));
		}
	}
	return true;
}

int record_unpack(const void *buf, size_t size, struct record *ret_record)
{
	struct cur c = cur_make(buf, size <= RECORD_PACKED_MAX ? size : 0);
	struct record record = { .type = cur_u8(&c) };
	struct event_info info = event_info(record.type);
	size_t n_head, members = 0;
	const struct field_info *head = event_head_fields(&n_head);

	if (c.bad || !info.fields)
		return -EBADMSG;
	if (!get_fields(&c, &record, head, n_head, &members) ||
		!get_fields(&c, &record, info.fields, info.n_fields, &members) ||
		cur_left(&c) != 0 || !fits(size, members))
		return -EBADMSG;
	*ret_record = record;
	return 0;
}
