/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule is looked for by one literal, which stands in one kind of bytes: a database for each kind. Rules without
 * one are listed, those with long lists of addresses by address.
 */
#include <hs/hs.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "rules/build.h"

#define LITERAL_MIN     2  /* bytes: a shorter one is in everything, and looking for it is dear */
#define LITERAL_RUN_MIN 4  /* the same, of one that repeats one byte */
#define PORT_GROUP_MIN  40 /* literals with the same ports that are worth a database of their own */
#define NEAR_MAX        256 /* bytes: what can only be in them is not looked for behind */

/* One rule in one group. */
struct member {
	uint8_t where, carrier, side;
	uint8_t way;               /* enum image_way */
	uint16_t buffer;           /* of a group */
	uint16_t app;              /* of a plain list */
	bool syn;                  /* without a literal: about segments with SYN only */
	bool acts;                 /* of a group: of rules with IMAGE_ACTS only */
	bool near;                 /* of a group: it reaches no further than NEAR_MAX */
	uint32_t reach;            /* of the literal */
	uint32_t ports;            /* number of the set, IMAGE_NONE: any */
	struct image_text literal; /* lowercase; len 0: none */
	uint32_t rule;
	const uint8_t *bytes; /* of the literal, while sorting */
};

struct members {
	struct array array;
	struct build *b;
	bool *meets[2]; /* by set: has it addresses in the pivot, has it others; NULL: no pivot */
};

static struct member *member_at(const struct array *array, uint32_t i)
{
	return (struct member *)(void *)array->at + i;
}

/* ------------------------------------------------------------------ which literal */

static bool is_packet_buffer(uint16_t buffer)
{
	return proto_buffer_info((enum proto_buffer_id)buffer)->flags & BUFFER_PACKET;
}

static bool may_prefilter(
	const struct build *b, const struct image_rule *rule, const struct image_section *section)
{
	if (section->nested || section->transforms.n)
		return false;
	if (rule->where == IMAGE_TX ? is_packet_buffer(section->buffer)
				    : section->buffer != BUFFER_PAYLOAD)
		return false;
	for (uint32_t i = 0; i < section->n; i++)
		if (build_option(b, section->first + i)->keyword == RULE_ABSENT)
			return false;
	return true;
}

/* Hyperscan knows a literal by its last bytes. If these are zeros, as of many, every byte of a run of zeros may be the
 * end of one. */
static struct image_text without_last_zeros(const struct build *b, struct image_text text)
{
	while (text.len > LITERAL_RUN_MIN && b->heap.at[text.at + text.len - 1] == 0)
		text.len--;
	return text;
}

static struct image_text literal_of(const struct build *b, const struct image_content *content)
{
	struct image_text text = content->bytes;

	if (content->fast_len && content->fast_at + content->fast_len <= text.len) {
		text.at += content->fast_at;
		text.len = content->fast_len;
	}
	text = without_last_zeros(b, text);
	if (text.len > IMAGE_LITERAL_MAX) {
		text.at += text.len - IMAGE_LITERAL_MAX;
		text.len = IMAGE_LITERAL_MAX;
	}
	return text;
}

/* How rare it is likely to be: the more different bytes the better; words that are in every transaction are bad. */
static unsigned score_of(
	const struct build *b, uint16_t buffer, const struct image_content *content)
{
	struct image_text text = literal_of(b, content);
	bool seen[256] = { false };
	unsigned score = text.len;

	for (uint32_t i = 0; i < text.len; i++) {
		uint8_t byte = b->heap.at[text.at + i];

		score += seen[byte] ? 0 : byte == 0 || byte == ' ' || byte == 0xff ? 1 : 3;
		seen[byte] = true;
	}
	if (buffer == BUFFER_HTTP_METHOD || buffer == BUFFER_HTTP_STAT_CODE ||
		buffer == BUFFER_HTTP_PROTOCOL || buffer == BUFFER_HTTP_STAT_MSG)
		score /= 4;
	return content->fast ? score + 1000 : score;
}

/* A short run of one byte is in every other frame, and where there are long runs of it, everywhere. */
static bool is_worth(const struct build *b, struct image_text literal)
{
	const uint8_t *bytes = b->heap.at + literal.at;

	if (literal.len < LITERAL_MIN)
		return false;
	return literal.len >= LITERAL_RUN_MIN || memcmp(bytes, bytes + 1, literal.len - 1) != 0;
}

/* Sets buffer and literal of the member; those stay empty if the rule has no content that will do. */
static void choose(const struct build *b, const struct image_rule *rule, struct member *member)
{
	const struct image_option *best = NULL;
	unsigned best_score = 0;

	for (uint32_t s = 0; s < rule->sections.n; s++) {
		const struct image_section *section = build_section(b, rule->sections.at + s);

		for (uint32_t i = 0; may_prefilter(b, rule, section) && i < section->n; i++) {
			const struct image_option *option = build_option(b, section->first + i);
			unsigned score;

			if (option->keyword != RULE_CONTENT || option->negated ||
				!is_worth(b, literal_of(b, &option->content)))
				continue;
			score = score_of(b, section->buffer, &option->content);
			if (score > best_score) {
				best = option;
				best_score = score;
				member->buffer = section->buffer;
				member->reach = build_reach(b, rule, section, section->first + i);
			}
		}
	}
	if (best)
		member->literal = literal_of(b, &best->content);
}

/* ------------------------------------------------------------------ members */

static uint32_t server_ports(const struct build *b, const struct image_rule *rule, unsigned side)
{
	const struct image_ports *ports = (const struct image_ports *)(const void *)b->ports.at;
	uint32_t set = side == 0 ? rule->dport : rule->sport;

	if (rule->flags & IMAGE_BOTH_WAYS || ports[set].any)
		return IMAGE_NONE;
	return set;
}

/* `outside`: whether the source is outside the pivot; then the destination is not. */
static bool may_go(const struct members *m, uint32_t src, uint32_t dst, bool outside)
{
	return m->meets[outside][src] && m->meets[!outside][dst];
}

/* Bits by enum image_way: what is about neither way is found where both are searched. */
static unsigned ways_of(const struct members *m, const struct image_rule *rule)
{
	unsigned ways = 0;

	for (unsigned way = 0; way < IMAGE_WAYS && m->meets[0]; way++) {
		bool outside = way == IMAGE_INTO;

		if (may_go(m, rule->src, rule->dst, outside) ||
			(rule->flags & IMAGE_BOTH_WAYS && may_go(m, rule->dst, rule->src, outside)))
			ways |= 1u << way;
	}
	return ways ? ways : 1u << IMAGE_OUT_OF;
}

static void add_each_way(struct members *m, const struct image_rule *rule, struct member member)
{
	unsigned ways = member.where == IMAGE_TX ? 1u << IMAGE_OUT_OF : ways_of(m, rule);

	for (unsigned way = 0; way < IMAGE_WAYS; way++) {
		member.way = (uint8_t)way;
		if (ways >> way & 1)
			array_add(m->b, &m->array, &member, sizeof(member));
	}
}

static void add_member(
	struct members *m, const struct image_rule *rule, struct member member, uint8_t sides)
{
	for (unsigned side = 0; side < 2; side++) {
		if (!(sides >> side & 1))
			continue;
		member.side = (uint8_t)side;
		member.ports = IMAGE_NONE;
		if (member.where != IMAGE_TX && rule->sides != 3 && member.literal.len)
			member.ports = server_ports(m->b, rule, side);
		member.acts = false;
		add_each_way(m, rule, member);
		member.acts = member.where != IMAGE_TX && member.literal.len;
		if (member.acts && rule->flags & IMAGE_ACTS)
			add_each_way(m, rule, member);
	}
}

static uint16_t app_of(const struct build *b, const struct image_rule *rule)
{
	if (rule->app)
		return rule->app;
	for (uint32_t s = 0; s < rule->sections.n; s++) {
		const struct image_section *section = build_section(b, rule->sections.at + s);
		uint8_t proto = proto_buffer_info((enum proto_buffer_id)section->buffer)->proto;

		if (proto)
			return proto;
	}
	return PROTO_NONE;
}

/* Most rules that look at no bytes are about what begins a conversation. */
static bool needs_syn(const struct build *b, const struct image_rule *rule)
{
	for (uint32_t i = 0; i < rule->checks.n; i++) {
		const struct image_option *option = build_option(b, rule->checks.at + i);

		if (option->keyword == RULE_FLAGS && !option->negated &&
			option->flags.bits & TH_SYN &&
			(option->flags.how == RULE_FLAGS_EXACT ||
				option->flags.how == RULE_FLAGS_ALL))
			return true;
	}
	return false;
}

static void add_rule(struct members *m, uint32_t number)
{
	struct image_rule *rule = (struct image_rule *)(void *)m->b->rules.at + number;
	struct member member = { .rule = number, .reach = IMAGE_NONE };

	choose(m->b, rule, &member);
	if (member.literal.len)
		member.literal = build_lower(m->b, member.literal);
	else
		rule->flags |= IMAGE_PLAIN;
	if (rule->where == IMAGE_TX) {
		uint8_t sides =
			member.literal.len
				? proto_buffer_info((enum proto_buffer_id)member.buffer)->sides
				: 3;

		member.where = IMAGE_TX;
		member.reach = IMAGE_NONE;
		member.app = app_of(m->b, rule);
		add_member(m, rule, member, sides == 3 && member.literal.len ? rule->sides : sides);
		return;
	}
	member.syn = !member.literal.len && needs_syn(m->b, rule);
	member.near = member.literal.len && member.reach <= NEAR_MAX;
	for (unsigned carrier = 0; carrier < IMAGE_CARRIERS; carrier++) {
		if (!(rule->carriers >> carrier & 1))
			continue;
		member.carrier = (uint8_t)carrier;
		for (unsigned where = IMAGE_PACKET; where <= IMAGE_STREAM; where <<= 1) {
			uint8_t wanted = carrier == IMAGE_TCP ? rule->where : IMAGE_PACKET;

			member.where = (uint8_t)where;
			if (wanted & where)
				add_member(m, rule, member, rule->sides);
		}
	}
}

/* ------------------------------------------------------------------ databases */

static bool is_tx(const struct member *member)
{
	return member->where == IMAGE_TX;
}

static int by_group(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	uint32_t common = x->literal.len < y->literal.len ? x->literal.len : y->literal.len;
	int order;

#define ORDER(field)              \
	if (x->field != y->field) \
	return x->field < y->field ? -1 : 1
	if (is_tx(x) != is_tx(y))
		return is_tx(y) ? -1 : 1;
	ORDER(carrier);
	ORDER(side);
	ORDER(acts);
	ORDER(way);
	ORDER(near);
	ORDER(buffer);
	ORDER(ports);
	order = memcmp(x->bytes, y->bytes, common);
	if (order)
		return order;
	ORDER(literal.len);
	ORDER(where);
	ORDER(rule);
	return 0;
}

static bool same_group(const struct member *x, const struct member *y)
{
	return is_tx(x) == is_tx(y) && x->carrier == y->carrier && x->side == y->side &&
	       x->acts == y->acts && x->way == y->way && x->near == y->near &&
	       x->buffer == y->buffer && x->ports == y->ports;
}

static bool same_literal(const struct member *member, struct image_text literal)
{
	return member->literal.at == literal.at && member->literal.len == literal.len;
}

static void sort_members(struct build *b, struct array *array)
{
	for (uint32_t i = 0; i < array->n; i++)
		member_at(array, i)->bytes = b->heap.at + member_at(array, i)->literal.at;
	array_sort(array, sizeof(struct member), by_group);
}

/* The rules of one reader that have the literal: those from `i` on. Where the others begin. */
static uint32_t add_readers(struct build *b, const struct array *members, uint32_t i, uint32_t last,
	enum image_reader reader, uint32_t *rules, struct image_literal *literal)
{
	uint32_t n = 0, reach = 0;

	for (; i < last; i++) {
		const struct member *at = member_at(members, i);

		if (!same_literal(at, literal->bytes) ||
			(at->where == IMAGE_STREAM) != (reader == IMAGE_OF_STREAM))
			break;
		rules[n++] = at->rule;
		if (reach < at->reach)
			reach = at->reach;
	}
	literal->rules[reader] =
		(struct image_list){ heap_add(&b->heap, rules, n * sizeof(*rules)), n };
	literal->reach[reader] = reach;
	return i;
}

/* The distinct literals of members [first, last), with their rules. */
static void add_literals(struct build *b, const struct array *members, uint32_t first,
	uint32_t last, struct array *ret_literals)
{
	uint32_t *rules = calloc(last - first, sizeof(*rules));

	b->heap.failed |= !rules;
	for (uint32_t i = first; rules && i < last;) {
		const struct member *member = member_at(members, i);
		struct image_literal literal = { .bytes = member->literal };

		i = add_readers(b, members, i, last, IMAGE_OF_PACKET, rules, &literal);
		i = add_readers(b, members, i, last, IMAGE_OF_STREAM, rules, &literal);
		array_add(b, ret_literals, &literal, sizeof(literal));
	}
	free(rules);
}

static struct image_text lay_database(struct build *b, hs_database_t *database)
{
	struct image_text text = { 0 };
	char *bytes = NULL;
	size_t len = 0;

	if (hs_serialize_database(database, &bytes, &len) == HS_SUCCESS) {
		text.at = heap_add(&b->heap, bytes, len);
		text.len = (uint32_t)len;
		free(bytes);
	} else {
		b->heap.failed = true;
	}
	hs_free_database(database);
	return text;
}

static struct image_text compile_literals(struct build *b, const struct array *literals)
{
	const struct image_literal *literal = (const struct image_literal *)(void *)literals->at;
	uint32_t n = literals->n;
	const char **text = calloc(n, sizeof(*text));
	unsigned *flags = calloc(n, sizeof(*flags)), *ids = calloc(n, sizeof(*ids));
	size_t *lens = calloc(n, sizeof(*lens));
	hs_compile_error_t *error = NULL;
	hs_database_t *database = NULL;

	for (uint32_t i = 0; text && flags && ids && lens && i < n; i++) {
		text[i] = (const char *)b->heap.at + literal[i].bytes.at;
		lens[i] = literal[i].bytes.len;
		flags[i] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	if (text && flags && ids && lens)
		hs_compile_lit_multi(
			text, flags, ids, lens, n, HS_MODE_BLOCK, NULL, &database, &error);
	hs_free_compile_error(error);
	free(text);
	free(flags);
	free(ids);
	free(lens);
	if (!database) {
		b->heap.failed = true;
		return (struct image_text){ 0 };
	}
	return lay_database(b, database);
}

static void add_group(struct build *b, const struct array *members, uint32_t first, uint32_t last)
{
	const struct member *member = member_at(members, first);
	struct array literals = { 0 };
	struct image_group group;

	memset(&group, 0, sizeof(group));
	group.tx = is_tx(member);
	group.carrier = member->carrier;
	group.side = member->side;
	group.acts = member->acts;
	group.way = member->way;
	group.reach = member->near ? NEAR_MAX : IMAGE_NONE;
	group.buffer = member->buffer;
	if (member->ports != IMAGE_NONE)
		group.ports = ((const struct image_ports *)(const void *)b->ports.at)[member->ports]
				      .ranges;
	add_literals(b, members, first, last, &literals);
	if (!b->heap.failed)
		group.database = compile_literals(b, &literals);
	group.literals = array_lay(b, &literals, sizeof(struct image_literal));
	array_add(b, &b->groups, &group, sizeof(group));
	free(literals.at);
}

/* Few rules with the same ports go to the group of any port. */
static void join_small(struct array *members)
{
	for (uint32_t first = 0, last; first < members->n; first = last) {
		const struct member *member = member_at(members, first);

		last = first;
		while (last < members->n && same_group(member, member_at(members, last)))
			last++;
		for (uint32_t i = first; last - first < PORT_GROUP_MIN && i < last; i++)
			member_at(members, i)->where |= 0x80;
	}
	for (uint32_t i = 0; i < members->n; i++) {
		struct member *member = member_at(members, i);

		if (member->where & 0x80)
			member->ports = IMAGE_NONE;
		member->where &= 0x7f;
	}
}

static void add_groups(struct build *b, struct array *members)
{
	sort_members(b, members);
	join_small(members);
	sort_members(b, members);
	for (uint32_t first = 0, last; first < members->n && !b->heap.failed; first = last) {
		last = first;
		while (last < members->n &&
			same_group(member_at(members, first), member_at(members, last)))
			last++;
		add_group(b, members, first, last);
	}
}

/* ------------------------------------------------------------------ rules without a literal */

static int by_plain(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	ORDER(where);
	ORDER(carrier);
	ORDER(side);
	ORDER(way);
	ORDER(app);
	ORDER(syn);
	ORDER(rule);
	return 0;
}

static void add_plains(struct build *b, struct array *members)
{
	uint32_t *rules = calloc(members->n + 1, sizeof(*rules));

	b->heap.failed |= !rules;
	array_sort(members, sizeof(struct member), by_plain);
	for (uint32_t i = 0; rules && i < members->n;) {
		const struct member *head = member_at(members, i), *at = head;
		struct image_plain plain;
		uint32_t n = 0;

		memset(&plain, 0, sizeof(plain));
		plain.where = head->where;
		plain.carrier = head->carrier;
		plain.side = head->side;
		plain.way = head->way;
		plain.app = head->app;
		plain.syn = head->syn;
		for (; i < members->n; i++, n++) {
			at = member_at(members, i);
			if (at->where != head->where || at->carrier != head->carrier ||
				at->side != head->side || at->way != head->way ||
				at->app != head->app || at->syn != head->syn)
				break;
			rules[n] = at->rule;
		}
		plain.rules =
			(struct image_list){ heap_add(&b->heap, rules, n * sizeof(*rules)), n };
		array_add(b, &b->plains, &plain, sizeof(plain));
	}
	free(rules);
}

/* How many rules name each set of addresses; NULL: no memory. */
static uint32_t *count_uses(struct build *b)
{
	uint32_t *uses = calloc(b->nets.n + 1, sizeof(*uses));

	b->heap.failed |= !uses;
	for (uint32_t i = 0; uses && i < b->rules.n; i++) {
		uses[build_rule(b, i)->src]++;
		uses[build_rule(b, i)->dst]++;
	}
	return uses;
}

/*
 * Rules whose header names few addresses are found by address. Of two such sets the one that fewer rules name is
 * better: the honeypots' own are few addresses too, but all rules have them, and every frame.
 */
static bool is_by_address(
	const struct build *b, const struct member *member, const uint32_t *uses, bool *ret_source)
{
	const struct image_rule *rule = build_rule(b, member->rule);
	uint32_t best = IMAGE_NONE;

	if (member->where != IMAGE_PACKET || rule->flags & IMAGE_BOTH_WAYS ||
		member->carrier == IMAGE_NO_IP)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t set = i == 0 ? rule->src : rule->dst;

		if (build_nets_size(b, set) != IMAGE_NONE && uses[set] < best) {
			best = uses[set];
			*ret_source = i == 0;
		}
	}
	return best != IMAGE_NONE;
}

/* Rules by what carries them, by whether the source is asked for, and by whether SYN must be set. */
struct addressed {
	struct array rules[IMAGE_CARRIERS][2][2];
};

static void add_indexes(struct build *b, struct addressed *all)
{
	for (unsigned i = 0; i < 4 * IMAGE_CARRIERS; i++) {
		struct array *rules = &all->rules[i / 4][i / 2 % 2][i % 2];
		struct image_index index;

		memset(&index, 0, sizeof(index));
		index.carrier = (uint8_t)(i / 4);
		index.source = i / 2 % 2;
		index.syn = i % 2;
		if (rules->n && !b->heap.failed)
			build_index(b, &index, (const uint32_t *)(void *)rules->at, rules->n);
		free(rules->at);
	}
}

/* The one that most rules name, but for sets of all addresses. */
static uint32_t pivot_of(const struct build *b, const uint32_t *uses)
{
	const struct image_nets *nets = (const struct image_nets *)(const void *)b->nets.at;
	uint32_t best = IMAGE_NONE;

	for (uint32_t i = 0; uses && i < b->nets.n; i++)
		if (!nets[i].any && (best == IMAGE_NONE || uses[i] > uses[best]))
			best = i;
	return best;
}

/* Against the pivot each set is held once: many rules have the same. */
static void read_meets(struct members *m)
{
	const struct build *b = m->b;

	for (unsigned outside = 0; b->pivot != IMAGE_NONE && outside < 2; outside++) {
		bool *meets = m->meets[outside] = calloc(b->nets.n, sizeof(*meets));

		m->b->heap.failed |= !meets;
		for (uint32_t i = 0; meets && i < b->nets.n; i++)
			meets[i] = build_nets_meet(b, i, b->pivot, outside);
	}
}

void build_groups(struct build *b)
{
	struct members all = { .b = b };
	struct array with = { 0 }, without = { 0 };
	struct addressed addressed = { 0 };
	uint32_t *uses = count_uses(b);

	b->pivot = pivot_of(b, uses);
	read_meets(&all);
	for (uint32_t i = 0; i < b->rules.n && !b->heap.failed; i++)
		add_rule(&all, i);
	for (uint32_t i = 0; i < all.array.n && !b->heap.failed; i++) {
		const struct member *member = member_at(&all.array, i);
		bool source = false;

		if (member->literal.len)
			array_add(b, &with, member, sizeof(*member));
		else if (!is_by_address(b, member, uses, &source))
			array_add(b, &without, member, sizeof(*member));
		else if (member->side == 0 || build_rule(b, member->rule)->sides == 2)
			array_add(b, &addressed.rules[member->carrier][source][member->syn],
				&member->rule, sizeof(member->rule));
	}
	if (!b->heap.failed) {
		add_groups(b, &with);
		add_plains(b, &without);
	}
	add_indexes(b, &addressed);
	free(uses);
	free(all.array.at);
	free(all.meets[0]);
	free(all.meets[1]);
	free(with.at);
	free(without.at);
}

/* ------------------------------------------------------------------ tails */

static int by_tail(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	uint32_t common = x->literal.len < y->literal.len ? x->literal.len : y->literal.len;
	int order = memcmp(x->bytes, y->bytes, common);

	if (order)
		return order;
	ORDER(literal.len);
	ORDER(rule);
	return 0;
}
#undef ORDER

static void add_rule_tails(struct build *b, uint32_t number, struct array *members)
{
	const struct image_rule *rule = build_rule(b, number);

	for (uint32_t s = 0; s < rule->sections.n; s++) {
		const struct image_section *section = build_section(b, rule->sections.at + s);

		for (uint32_t i = 0; i < section->n; i++) {
			const struct image_option *option = build_option(b, section->first + i);
			struct member member = { .rule = number, .ports = section->first + i };

			if (option->keyword != RULE_CONTENT || !option->content.replace.at)
				continue;
			member.literal = build_lower(b, option->content.bytes);
			array_add(b, members, &member, sizeof(member));
		}
	}
}

/* Enough bytes that a frame which ends at random has them with a chance below one in a hundred. */
static uint32_t enough(uint32_t distinct)
{
	uint32_t min = 1;

	for (uint64_t of = 256; (uint64_t)distinct * 100 > of && min < 4; of *= 256)
		min++;
	return distinct <= 1 ? 1 : min;
}

uint32_t build_tails(struct build *b)
{
	struct array members = { 0 };
	uint32_t distinct = 0;

	for (uint32_t i = 0; i < b->rules.n && !b->heap.failed; i++)
		if (build_rule(b, i)->flags & IMAGE_REPLACES)
			add_rule_tails(b, i, &members);
	for (uint32_t i = 0; i < members.n; i++)
		member_at(&members, i)->bytes = b->heap.at + member_at(&members, i)->literal.at;
	array_sort(&members, sizeof(struct member), by_tail);
	for (uint32_t i = 0; i < members.n && !b->heap.failed; i++) {
		const struct member *member = member_at(&members, i);
		struct image_tail tail = { member->literal, member->rule, member->ports };

		distinct += i == 0 || !same_literal(member, member_at(&members, i - 1)->literal);
		array_add(b, &b->tails, &tail, sizeof(tail));
	}
	free(members.at);
	return enough(distinct);
}
