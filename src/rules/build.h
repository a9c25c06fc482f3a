/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build - what rules/compile.c is made of: a heap that becomes the image, arrays that are laid
 * behind it, and the parts that fill them. Private to src/rules. Running out of memory makes the
 * heap `failed`; what follows is then harmless and the compiler asks once, at its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "rules/image.h"

struct heap {
	uint8_t *at;
	size_t len, room;
	bool failed;
};

/* Offset of the copy, aligned to 8; 0 when failed. */
uint32_t heap_add(struct heap *heap, const void *bytes, size_t len);

/* Entries of one size. */
struct array {
	uint8_t *at;
	uint32_t n, room;
};

struct build {
	const struct rules_text *source;
	struct heap heap;
	struct array rules, options, sections, transforms, nets, ports, groups, plains, indexes,
		tails, suppress;
	const struct rule **order; /* the source's rules as they are evaluated */
	/* Blobs that are in the heap already, by hash. */
	uint32_t *known;
	uint32_t known_room, n_known;
	uint32_t n_pcres;
	uint32_t pivot; /* as in struct image_head */
};

/* The number of the new entry; its place is array_at(). Failing makes the heap failed. */
uint32_t array_add(struct build *b, struct array *array, const void *entry, size_t size);
void array_sort(struct array *array, size_t size, int (*order)(const void *, const void *));
struct image_list array_lay(struct build *b, const struct array *array, size_t size);

/* Bytes that are only once in the heap, with a NUL behind them. */
struct image_text build_text(struct build *b, const void *bytes, size_t len);
struct image_text build_lower(struct build *b, struct image_text text); /* of a text in the heap */
uint32_t build_string(struct build *b, const char *string);             /* NULL or empty: 0 */

/* Sets, shared by all that are equal (sets.c). */
uint32_t build_nets(struct build *b, const struct rule_nets *nets);
uint32_t build_ports(struct build *b, const struct rule_ports *ports);
/* Sort key for how few addresses a set has: bits of their number; IMAGE_NONE: many, an index
 * does not help. */
uint32_t build_nets_size(const struct build *b, uint32_t set);
/* Whether an address of `set` is in the set `other`, or `outside` it. */
bool build_nets_meet(const struct build *b, uint32_t set, uint32_t other, bool outside);
/* Fills and adds an index of rules by address (sets.c). */
void build_index(
	struct build *b, struct image_index *index, const uint32_t *rule, uint32_t n_rules);

/* Sections, checks and actions of a rule (parts.c). */
void build_options(struct build *b, const struct rule *rule, struct image_rule *out);

/* Bytes of the payload that a content of the section lies within; IMAGE_NONE: anywhere (reach.c). */
uint32_t build_reach(const struct build *b, const struct image_rule *rule,
	const struct image_section *section, uint32_t option);

/* What is cheap to ask before a rule is evaluated: sets `probe` and `most_payload` (reach.c). */
void build_probe(const struct build *b, struct image_rule *rule);

bool build_is_relative(const struct rule_option *option);

/* Where each rule is looked for, and by which literal (groups.c). */
void build_groups(struct build *b);
/* What rules_tail() needs (groups.c): returns how many bytes make a frame wait. */
uint32_t build_tails(struct build *b);

static inline const struct image_rule *build_rule(const struct build *b, uint32_t n)
{
	return (const struct image_rule *)(const void *)b->rules.at + n;
}
static inline struct image_option *build_option(const struct build *b, uint32_t n)
{
	return (struct image_option *)(void *)b->options.at + n;
}
static inline const struct image_section *build_section(const struct build *b, uint32_t n)
{
	return (const struct image_section *)(const void *)b->sections.at + n;
}
