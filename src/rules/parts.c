/* SPDX-License-Identifier: Apache-2.0 */
/* A rule's options: what is asked of headers and marks, what of bytes (in sections), what is
 * done at the end. */
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "rules/build.h"

enum part { PART_CHECK, PART_SECTION, PART_ACTION, PART_NOTHING };

static enum part part_of(const struct rule_option *option)
{
	switch (option->keyword) {
	case RULE_CONTENT:
	case RULE_PCRE:
	case RULE_BYTE_TEST:
	case RULE_BYTE_JUMP:
	case RULE_BYTE_EXTRACT:
	case RULE_BYTE_MATH:
	case RULE_ISDATAAT:
	case RULE_BASE64_DECODE:
	case RULE_ASN1:
	case RULE_RPC:
	case RULE_FTPBOUNCE:
	case RULE_BSIZE:
	case RULE_URILEN:
	case RULE_ABSENT:
		return PART_SECTION;
	case RULE_FLOWBITS:
	case RULE_XBITS:
		return option->bits.command == RULE_BIT_ISSET ||
				       option->bits.command == RULE_BIT_ISNOTSET
			       ? PART_CHECK
			       : PART_ACTION;
	case RULE_FLOWINT:
		return option->integer.is_set || option->integer.is_not_set ||
				       option->integer.action == RULE_INT_COMPARE
			       ? PART_CHECK
			       : PART_ACTION;
	case RULE_STREAM_REASSEMBLE:
	case RULE_TAG:
		return PART_NOTHING;
	default:
		return PART_CHECK;
	}
}

static uint16_t buffer_of(const struct rule_option *option)
{
	if (option->keyword == RULE_URILEN && option->buffer == BUFFER_NONE)
		return BUFFER_HTTP_URI;
	return option->buffer == BUFFER_NONE ? BUFFER_PAYLOAD : option->buffer;
}

static struct image_content content_of(struct build *b, const struct rule_content *content)
{
	struct image_content out = {
		.nocase = content->nocase,
		.startswith = content->startswith,
		.endswith = content->endswith,
		.fast_only = content->fast_only,
		.has_offset = content->has_offset,
		.has_depth = content->has_depth,
		.has_distance = content->has_distance,
		.has_within = content->has_within,
		.offset = content->offset,
		.depth = content->depth,
		.distance = content->distance,
		.within = content->within,
		.fast = content->fast,
		.fast_at = content->fast_at,
		.fast_len = content->fast_len,
	};

	out.bytes = build_text(b, content->bytes, content->len);
	if (content->nocase)
		out.bytes = build_lower(b, out.bytes);
	if (content->replace)
		out.replace = build_text(b, content->replace, content->len);
	return out;
}

static struct image_pcre pcre_of(struct build *b, const struct rule_pcre *pcre)
{
	struct image_pcre out = {
		.pattern = build_text(b, pcre->pattern, pcre->len),
		.flags = pcre->pcre2_flags,
		.number = b->n_pcres++,
		.relative = pcre->relative,
		.n_captures = pcre->n_captures,
	};

	memcpy(out.capture_var, pcre->capture_var, sizeof(out.capture_var));
	return out;
}

static struct image_word word_of(struct build *b, const struct rule_option *option)
{
	return (struct image_word){
		.text = build_text(b, option->word.text ? option->word.text : "",
			option->word.text ? strlen(option->word.text) : 0),
		.value = option->word.value,
		.numbers = { heap_add(&b->heap, option->word.numbers,
				     option->word.n * sizeof(*option->word.numbers)),
			option->word.n },
	};
}

static void copy_arguments(
	struct build *b, const struct rule_option *option, struct image_option *out)
{
	static const uint8_t form[RULE_KEYWORDS] = {
#define KEYWORD(ID, name, form, text) [RULE_##ID] = RULE_FORM_##form,
#include "rules/option.def"
#undef KEYWORD
	};

	switch ((enum rule_form)form[option->keyword]) {
	case RULE_FORM_CONTENT:
		out->content = content_of(b, &option->content);
		break;
	case RULE_FORM_PCRE:
		out->pcre = pcre_of(b, &option->pcre);
		break;
	case RULE_FORM_BYTES:
		out->bytes = option->bytes;
		break;
	case RULE_FORM_ISDATAAT:
		out->isdataat = option->isdataat;
		break;
	case RULE_FORM_BITS:
		out->bits = option->bits;
		break;
	case RULE_FORM_INTEGER:
		out->integer = option->integer;
		break;
	case RULE_FORM_FLAGS:
		out->flags = option->flags;
		break;
	case RULE_FORM_COMPARE:
		out->compare = option->compare;
		break;
	case RULE_FORM_FILTER:
		out->filter = option->filter;
		break;
	case RULE_FORM_STREAM_SIZE:
		out->stream_size = option->stream_size;
		break;
	case RULE_FORM_BASE64:
		out->base64 = option->base64;
		break;
	case RULE_FORM_WORD:
		out->word = word_of(b, option);
		break;
	case RULE_FORM_ASN1:
		out->asn1 = option->asn1;
		break;
	case RULE_FORM_RPC:
		out->rpc = option->rpc;
		break;
	case RULE_FORM_TAG:
	case RULE_FORM_NOTHING:
		break;
	}
}

static uint32_t add_option(struct build *b, const struct rule_option *option)
{
	struct image_option out;

	memset(&out, 0, sizeof(out));
	out.keyword = (uint8_t)option->keyword;
	out.negated = option->negated;
	out.buffer = part_of(option) == PART_SECTION ? buffer_of(option) : option->buffer;
	out.list = option->list;
	out.nested = IMAGE_NONE;
	copy_arguments(b, option, &out);
	return array_add(b, &b->options, &out, sizeof(out));
}

/* ------------------------------------------------------------------ sections */

static bool same_transforms(const struct rule_option *a, const struct rule_option *b)
{
	if (a->n_transforms != b->n_transforms)
		return false;
	for (unsigned i = 0; i < a->n_transforms; i++) {
		const struct rule_transform *x = &a->transform[i], *y = &b->transform[i];

		if (x->how != y->how || x->key_len != y->key_len || x->bytes != y->bytes ||
			x->offset != y->offset || x->mode != y->mode ||
			memcmp(x->key, y->key, x->key_len) != 0 ||
			strcmp(x->pattern ? x->pattern : "", y->pattern ? y->pattern : "") != 0)
			return false;
	}
	return true;
}

static bool is_multi(uint16_t buffer)
{
	return proto_buffer_info((enum proto_buffer_id)buffer)->flags & BUFFER_MULTI;
}

static bool together(const struct rule_option *a, const struct rule_option *b)
{
	return buffer_of(a) == buffer_of(b) && same_transforms(a, b) &&
	       (!is_multi(buffer_of(a)) || a->list == b->list);
}

bool build_is_relative(const struct rule_option *option)
{
	switch (option->keyword) {
	case RULE_CONTENT:
		return option->content.has_distance || option->content.has_within;
	case RULE_PCRE:
		return option->pcre.relative;
	case RULE_BYTE_TEST:
	case RULE_BYTE_JUMP:
	case RULE_BYTE_EXTRACT:
	case RULE_BYTE_MATH:
		return option->bytes.relative;
	case RULE_ISDATAAT:
		return option->isdataat.relative;
	case RULE_BASE64_DECODE:
		return option->base64.relative;
	case RULE_ASN1:
		return option->asn1.relative;
	default:
		return false;
	}
}

/* May be found at more than one place, and what is relative begins there. */
static bool moves(const struct rule_option *option)
{
	return !option->negated &&
	       (option->keyword == RULE_PCRE ||
		       (option->keyword == RULE_CONTENT && !option->content.fast_only));
}

static struct image_list add_transforms(struct build *b, const struct rule_option *option)
{
	struct image_list list = { b->transforms.n, option->n_transforms };

	for (unsigned i = 0; i < option->n_transforms; i++) {
		const struct rule_transform *from = &option->transform[i];
		struct image_transform out;

		memset(&out, 0, sizeof(out));
		out.how = (uint8_t)from->how;
		out.mode = from->mode;
		out.key_len = from->key_len;
		memcpy(out.key, from->key, sizeof(out.key));
		out.bytes = from->bytes;
		out.offset = from->offset;
		out.pattern = build_text(b, from->pattern ? from->pattern : "",
			from->pattern ? strlen(from->pattern) : 0);
		array_add(b, &b->transforms, &out, sizeof(out));
	}
	return list;
}

/* The section that begins with option `at` of the rule; the options it takes are crossed off
 * `left`. */
static void add_section(struct build *b, const struct rule *rule, unsigned at, bool *left)
{
	const struct rule_option *head = &rule->option[at];
	struct image_section section;
	uint32_t mover = IMAGE_NONE;

	memset(&section, 0, sizeof(section));
	section.first = b->options.n;
	section.buffer = buffer_of(head);
	section.every = is_multi(section.buffer);
	section.nested = section.buffer == BUFFER_BASE64_DATA;
	section.transforms = add_transforms(b, head);
	for (unsigned i = at; i < rule->n_options && !b->heap.failed; i++) {
		const struct rule_option *option = &rule->option[i];

		if (!left[i] || !together(head, option))
			continue;
		left[i] = false;
		uint32_t added = add_option(b, option);

		if (mover != IMAGE_NONE && build_is_relative(option))
			build_option(b, mover)->leads = true;
		if (moves(option))
			mover = added;
	}
	section.n = b->options.n - section.first;
	array_add(b, &b->sections, &section, sizeof(section));
}

static void link_base64(struct build *b, const struct image_rule *out)
{
	for (uint32_t s = 0; s < out->sections.n; s++) {
		const struct image_section *inner = build_section(b, out->sections.at + s);
		uint32_t found = IMAGE_NONE;

		if (!inner->nested)
			continue;
		for (uint32_t t = 0; t < out->sections.n; t++) {
			const struct image_section *section =
				build_section(b, out->sections.at + t);

			for (uint32_t i = 0; i < section->n; i++)
				if (build_option(b, section->first + i)->keyword ==
					RULE_BASE64_DECODE)
					found = section->first + i;
		}
		if (found != IMAGE_NONE && build_option(b, found)->nested == IMAGE_NONE)
			build_option(b, found)->nested = out->sections.at + s;
	}
}

static struct image_list add_part(struct build *b, const struct rule *rule, enum part part)
{
	struct image_list list = { b->options.n, 0 };

	for (unsigned i = 0; i < rule->n_options; i++)
		if (part_of(&rule->option[i]) == part)
			add_option(b, &rule->option[i]);
	list.n = b->options.n - list.at;
	return list;
}

/* What is looked at first: the payload, since a transaction's buffers cost more. */
static bool in_payload(const struct rule_option *option)
{
	return proto_buffer_info((enum proto_buffer_id)buffer_of(option))->flags & BUFFER_PACKET;
}

void build_options(struct build *b, const struct rule *rule, struct image_rule *out)
{
	bool left[RULE_OPTIONS_MAX] = { false };

	out->checks = add_part(b, rule, PART_CHECK);
	out->sections.at = b->sections.n;
	for (unsigned i = 0; i < rule->n_options && i < RULE_OPTIONS_MAX; i++)
		left[i] = part_of(&rule->option[i]) == PART_SECTION;
	for (unsigned payload = 2; payload-- > 0;)
		for (unsigned i = 0; i < rule->n_options && i < RULE_OPTIONS_MAX; i++)
			if (left[i] && in_payload(&rule->option[i]) == payload)
				add_section(b, rule, i, left);
	out->sections.n = b->sections.n - out->sections.at;
	link_base64(b, out);
	out->actions = add_part(b, rule, PART_ACTION);
}
