/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an image: everything that is an offset or a number in it is checked once, here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "rules/engine.h"

struct check {
	const uint8_t *base;
	uint64_t size;
	const struct image_head *head;
	bool bad;
};

static bool holds(const struct check *c, uint32_t at, uint64_t n, uint64_t size)
{
	return at <= c->size && n * size <= c->size - at;
}

/* The array, or NULL (and bad). */
static const void *array_of(struct check *c, struct image_list list, size_t size)
{
	if (list.at % 8 || !holds(c, list.at, list.n, size)) {
		c->bad = true;
		return NULL;
	}
	return c->base + list.at;
}

static void check_text(struct check *c, struct image_text text)
{
	c->bad |= !holds(c, text.at, text.len, 1);
}

static void check_string(struct check *c, uint32_t at)
{
	c->bad |= at >= c->size; /* the last byte of an image is NUL */
}

static void check_number(struct check *c, uint32_t number, uint32_t n)
{
	c->bad |= number >= n;
}

/* Part of another array: `list` counts entries. */
static void check_part(struct check *c, struct image_list list, uint32_t n)
{
	c->bad |= list.at > n || list.n > n - list.at;
}

static void check_rule_numbers(struct check *c, struct image_list list)
{
	const uint32_t *number = array_of(c, (struct image_list){ list.at & ~7u, 0 }, 4);

	if (list.at % 4 || !holds(c, list.at, list.n, 4)) {
		c->bad = true;
		return;
	}
	number = (const uint32_t *)(const void *)(c->base + list.at);
	for (uint32_t i = 0; i < list.n; i++)
		check_number(c, number[i], c->head->rules.n);
}

/* A bool that is neither is undefined when it is read. */
static void check_bool(struct check *c, const bool *value)
{
	uint8_t byte;

	memcpy(&byte, value, 1);
	c->bad |= byte > 1;
}

static void check_value(struct check *c, const struct rule_value *value)
{
	check_bool(c, &value->is_var);
	c->bad |= value->var >= RULE_VARS_MAX;
}

static void check_compare(struct check *c, const struct rule_compare *compare)
{
	check_value(c, &compare->a);
	check_value(c, &compare->b);
}

static void check_content(struct check *c, const struct image_content *content)
{
	check_text(c, content->bytes);
	check_text(c, content->replace);
	c->bad |= content->replace.at && content->replace.len != content->bytes.len;
	check_value(c, &content->offset);
	check_value(c, &content->depth);
	check_value(c, &content->distance);
	check_value(c, &content->within);
}

static void check_bytes(struct check *c, const struct rule_bytes *bytes)
{
	check_value(c, &bytes->count);
	check_value(c, &bytes->offset);
	check_value(c, &bytes->value);
	check_value(c, &bytes->post_offset);
	check_bool(c, &bytes->relative);
	check_bool(c, &bytes->string);
	check_bool(c, &bytes->align);
	check_bool(c, &bytes->from_beginning);
	check_bool(c, &bytes->from_end);
	c->bad |= bytes->result >= RULE_VARS_MAX;
}

static void check_pcre(struct check *c, const struct image_pcre *pcre)
{
	check_text(c, pcre->pattern);
	check_number(c, pcre->number, c->head->n_pcres);
}

static void check_word(struct check *c, const struct image_word *word)
{
	check_text(c, word->text);
	array_of(c, word->numbers, sizeof(uint32_t));
}

static void check_option(struct check *c, const struct image_option *option)
{
	switch (option->keyword) {
	case RULE_CONTENT:
		check_content(c, &option->content);
		break;
	case RULE_PCRE:
		check_pcre(c, &option->pcre);
		break;
	case RULE_BYTE_TEST:
	case RULE_BYTE_JUMP:
	case RULE_BYTE_EXTRACT:
	case RULE_BYTE_MATH:
		check_bytes(c, &option->bytes);
		break;
	case RULE_ISDATAAT:
		check_value(c, &option->isdataat.at);
		check_bool(c, &option->isdataat.relative);
		break;
	case RULE_BASE64_DECODE:
		check_value(c, &option->base64.count);
		check_value(c, &option->base64.offset);
		check_bool(c, &option->base64.relative);
		if (option->nested != IMAGE_NONE)
			check_number(c, option->nested, c->head->sections.n);
		break;
	case RULE_FLOWBITS:
	case RULE_XBITS:
		check_bool(c, &option->bits.all);
		c->bad |= option->bits.n > RULE_BITS_MAX;
		break;
	case RULE_FLOWINT:
		check_bool(c, &option->integer.is_set);
		check_bool(c, &option->integer.is_not_set);
		check_bool(c, &option->integer.by_name);
		check_compare(c, &option->integer.compare);
		break;
	case RULE_STREAM_SIZE:
		check_compare(c, &option->stream_size.compare);
		break;
	case RULE_NUMBER:
		check_number(c, option->buffer, NUMBER_COUNT);
		check_compare(c, &option->compare);
		break;
	case RULE_ABSENT:
	case RULE_IPOPTS:
	case RULE_GEOIP:
	case RULE_APP_PROTOCOL:
	case RULE_APP_EVENT:
	case RULE_DECODE_EVENT:
	case RULE_STREAM_EVENT:
	case RULE_SSL_VERSION:
	case RULE_SSL_STATE:
	case RULE_DCE_IFACE:
	case RULE_LUA:
		check_word(c, &option->word);
		break;
	case RULE_ASN1:
		check_bool(c, &option->asn1.bitstring);
		check_bool(c, &option->asn1.overflow);
		check_bool(c, &option->asn1.has_offset);
		check_bool(c, &option->asn1.relative);
		break;
	case RULE_RPC:
		check_bool(c, &option->rpc.any_version);
		check_bool(c, &option->rpc.any_procedure);
		break;
	case RULE_FTPBOUNCE:
	case RULE_FLAGS:
	case RULE_FRAGBITS:
	case RULE_SAMEIP:
	case RULE_DETECTION_FILTER:
		break;
	default:
		check_number(c, option->keyword, RULE_KEYWORDS);
		check_compare(c, &option->compare);
	}
}

static void check_rule(struct check *c, const struct image_rule *rule)
{
	const struct image_head *head = c->head;

	check_string(c, rule->msg);
	check_string(c, rule->category);
	check_string(c, rule->metadata);
	check_string(c, rule->references);
	check_string(c, rule->file);
	check_number(c, rule->src, head->nets.n);
	check_number(c, rule->dst, head->nets.n);
	check_number(c, rule->sport, head->ports.n);
	check_number(c, rule->dport, head->ports.n);
	check_part(c, rule->checks, head->options.n);
	check_part(c, rule->sections, head->sections.n);
	check_part(c, rule->actions, head->options.n);
	if (rule->anchor != IMAGE_NONE)
		check_number(c, rule->anchor, head->options.n);
	check_number(c, rule->action, RULE_REJECT + 1);
}

static void check_section(struct check *c, const struct image_section *section)
{
	check_part(c, (struct image_list){ section->first, section->n }, c->head->options.n);
	check_part(c, section->transforms, c->head->transforms.n);
	check_number(c, section->buffer, BUFFER_COUNT);
	c->bad |= section->n > RULE_OPTIONS_MAX;
}

static void check_transform(struct check *c, const struct image_transform *transform)
{
	check_text(c, transform->pattern);
	c->bad |= transform->key_len > sizeof(transform->key);
}

static void check_group(struct check *c, const struct image_group *group)
{
	const struct image_literal *literal =
		array_of(c, group->literals, sizeof(struct image_literal));

	check_text(c, group->database);
	check_number(c, group->buffer, BUFFER_COUNT);
	check_number(c, group->way, IMAGE_WAYS);
	array_of(c, group->ports, sizeof(struct rule_port_range));
	for (uint32_t i = 0; !c->bad && i < group->literals.n; i++) {
		for (unsigned reader = 0; reader < IMAGE_READERS; reader++)
			check_rule_numbers(c, literal[i].rules[reader]);
		check_text(c, literal[i].bytes);
	}
}

static void check_index(struct check *c, const struct image_index *index)
{
	const struct image_list *span = array_of(c, index->spans, sizeof(struct image_list));

	array_of(c, index->bounds, sizeof(struct ip));
	c->bad |= index->spans.n != index->bounds.n;
	for (uint32_t i = 0; !c->bad && i < index->spans.n; i++)
		check_rule_numbers(c, span[i]);
}

#define EACH(list, array, function)                               \
	for (uint32_t i = 0; !c->bad && i < c->head->list.n; i++) \
	function(c, &(array)[i])

static void check_nets(struct check *c, const struct image_nets *nets)
{
	array_of(c, nets->ranges, sizeof(struct image_range));
}

static void check_ports(struct check *c, const struct image_ports *ports)
{
	array_of(c, ports->ranges, sizeof(struct rule_port_range));
}

static void check_plain(struct check *c, const struct image_plain *plain)
{
	check_rule_numbers(c, plain->rules);
	check_number(c, plain->way, IMAGE_WAYS);
}

static void check_tail(struct check *c, const struct image_tail *tail)
{
	check_text(c, tail->bytes);
	check_number(c, tail->rule, c->head->rules.n);
	check_number(c, tail->option, c->head->options.n);
}

static void check_suppress(struct check *c, const struct image_suppress *suppress)
{
	check_number(c, suppress->nets, c->head->nets.n);
}

static void check_all(struct check *c, const struct rules *r)
{
	if (c->head->pivot != IMAGE_NONE)
		check_number(c, c->head->pivot, c->head->nets.n);
	EACH(options, r->option, check_option);
	EACH(transforms, r->transform, check_transform);
	EACH(sections, r->section, check_section);
	EACH(nets, r->nets, check_nets);
	EACH(ports, r->ports, check_ports);
	EACH(rules, r->rule, check_rule);
	EACH(groups, r->group, check_group);
	EACH(plains, r->plain, check_plain);
	EACH(indexes, r->index, check_index);
	EACH(tails, r->tail, check_tail);
	EACH(suppress, r->suppress, check_suppress);
}

static int read_image(struct rules *r)
{
	const void *image = r->base;
	struct check c = { .base = image, .size = r->size, .head = image };

	if (r->size < sizeof(struct image_head) || (uintptr_t)image % 8 ||
		c.head->magic != IMAGE_MAGIC || c.head->version != IMAGE_VERSION ||
		c.head->size != r->size || c.base[r->size - 1] != 0)
		return -EBADMSG;
	r->head = image;
	r->rule = array_of(&c, r->head->rules, sizeof(*r->rule));
	r->option = array_of(&c, r->head->options, sizeof(*r->option));
	r->section = array_of(&c, r->head->sections, sizeof(*r->section));
	r->transform = array_of(&c, r->head->transforms, sizeof(*r->transform));
	r->nets = array_of(&c, r->head->nets, sizeof(*r->nets));
	r->ports = array_of(&c, r->head->ports, sizeof(*r->ports));
	r->group = array_of(&c, r->head->groups, sizeof(*r->group));
	r->plain = array_of(&c, r->head->plains, sizeof(*r->plain));
	r->index = array_of(&c, r->head->indexes, sizeof(*r->index));
	r->tail = array_of(&c, r->head->tails, sizeof(*r->tail));
	r->suppress = array_of(&c, r->head->suppress, sizeof(*r->suppress));
	check_all(&c, r);
	return c.bad || r->head->n_pcres > r->head->options.n ? -EBADMSG : 0;
}

static int open_database(struct rules *r, uint32_t group)
{
	struct image_text text = r->group[group].database;

	if (hs_deserialize_database((const char *)image_bytes(r, text), text.len,
		    &r->database[group]) != HS_SUCCESS)
		return -EBADMSG;
	return hs_alloc_scratch(r->database[group], &r->scratch) == HS_SUCCESS ? 0 : -ENOMEM;
}

static int open_pcre(struct rules *r)
{
	r->pcre = calloc(r->head->n_pcres + 1, sizeof(pcre2_code *));
	r->pcre_bad = calloc(r->head->n_pcres + 1, sizeof(bool));
	r->pcre_compile = pcre2_compile_context_create(NULL);
	r->pcre_match = pcre2_match_context_create(NULL);
	r->pcre_data = pcre2_match_data_create(16, NULL);
	if (!r->pcre || !r->pcre_bad || !r->pcre_compile || !r->pcre_match || !r->pcre_data)
		return -ENOMEM;
	pcre2_set_max_pattern_length(r->pcre_compile, RULE_PCRE_MAX);
	pcre_count_steps(r);
	pcre2_set_match_limit(r->pcre_match, RULES_PCRE_MATCH_MAX);
	pcre2_set_depth_limit(r->pcre_match, RULES_PCRE_DEPTH_MAX);
	return 0;
}

static int open_memory(struct rules *r)
{
	uint32_t n = r->head->rules.n + 1, n_nets = r->head->nets.n + 1;
	bool good = true;

	r->database = calloc(r->head->groups.n + 1, sizeof(*r->database));
	r->candidate = calloc(n, sizeof(*r->candidate));
	r->sorted = calloc(n, sizeof(*r->sorted));
	r->stopper = calloc(n, sizeof(*r->stopper));
	r->stamp = calloc(n, sizeof(*r->stamp));
	r->cost = calloc(n, sizeof(*r->cost));
	for (unsigned i = 0; i < 2; i++) {
		r->nets_stamp[i] = calloc(n_nets, sizeof(**r->nets_stamp));
		r->nets_answer[i] = calloc(n_nets, sizeof(**r->nets_answer));
		r->made[i] = malloc(LOOK_SCRATCH);
		good &= r->nets_stamp[i] && r->nets_answer[i] && r->made[i];
	}
	r->decoded = malloc(LOOK_SCRATCH);
	r->track = track_new();
	good &= r->database && r->candidate && r->sorted && r->stopper && r->stamp && r->cost &&
		r->decoded && r->track;
	return good ? 0 : -ENOMEM;
}

/* They come sorted; if they do not, a run is longer than it need be. */
static void read_runs(struct rules *r)
{
	for (uint32_t i = 0; i < r->head->groups.n; i++) {
		const struct image_group *group = &r->group[i];
		struct image_list *run;

		if (group->tx || group->carrier >= IMAGE_CARRIERS || group->side > 1 ||
			group->acts > 1)
			continue;
		run = &r->group_run[group->carrier][group->side][group->acts];
		if (run->n == 0)
			run->at = i;
		run->n = i + 1 - run->at;
	}
}

static bool is_stop(uint8_t action)
{
	return action == RULE_DROP || action == RULE_SDROP || action == RULE_REJECT;
}

static void read_stoppers(struct rules *r)
{
	for (uint32_t i = 0; i < r->head->rules.n; i++) {
		const struct image_rule *rule = &r->rule[i];

		if (is_stop(rule->action) || rule->flags & IMAGE_REPLACES ||
			(rule->flags & IMAGE_RATE && is_stop((uint8_t)rule->rate_filter.action)))
			r->stopper[r->n_stoppers++] = i;
	}
}

static void read_tails(struct rules *r)
{
	for (uint32_t i = 0; i < r->head->tails.n; i++) {
		struct image_text text = r->tail[i].bytes;

		if (text.len > r->tail_longest)
			r->tail_longest = text.len;
		if (text.len)
			r->tail_first[image_bytes(r, text)[0]] = true;
	}
}

static int open_lists(struct rules *r)
{
	read_runs(r);
	read_tails(r);
	read_stoppers(r);
	return 0;
}

int rules_open_begin(const void *image, size_t size, struct rules **ret_rules)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->base = image;
	r->size = size;
	r->prefilter = true;
	*ret_rules = r;
	return 0;
}

/* Before the databases. */
static int (*const pieces[])(struct rules *r) = { read_image, open_memory, open_pcre, open_lists };

enum { N_PIECES = sizeof(pieces) / sizeof(pieces[0]) };

int rules_open_more(struct rules *r)
{
	uint32_t piece = r->opened++;
	int err;

	if (piece < N_PIECES)
		err = pieces[piece](r);
	else if (piece - N_PIECES < r->head->groups.n)
		err = open_database(r, piece - N_PIECES);
	else
		return 0;
	return err ? err : 1;
}

int rules_open(const void *image, size_t size, struct rules **ret_rules)
{
	struct rules *r = NULL;
	int err = rules_open_begin(image, size, &r);

	if (err)
		return err;
	while ((err = rules_open_more(r)) == 1)
		;
	if (err)
		rules_close(r);
	else
		*ret_rules = r;
	return err;
}

struct rules *rules_close(struct rules *r)
{
	if (!r)
		return NULL;
	for (uint32_t i = 0; r->database && i < r->head->groups.n; i++)
		hs_free_database(r->database[i]);
	hs_free_scratch(r->scratch);
	for (uint32_t i = 0; r->pcre && i < r->head->n_pcres; i++)
		pcre2_code_free(r->pcre[i]);
	pcre2_compile_context_free(r->pcre_compile);
	pcre2_match_context_free(r->pcre_match);
	pcre2_match_data_free(r->pcre_data);
	for (unsigned i = 0; i < 2; i++) {
		free(r->nets_stamp[i]);
		free(r->nets_answer[i]);
		free(r->made[i]);
	}
	free(r->database);
	free(r->pcre);
	free(r->pcre_bad);
	free(r->candidate);
	free(r->sorted);
	free(r->stopper);
	free(r->stamp);
	free(r->cost);
	free(r->decoded);
	track_free(r->track);
	free(r);
	return NULL;
}

static const char *string_of(const struct rules *r, uint32_t at)
{
	return at ? (const char *)r->base + at : NULL;
}

struct rules_info rules_info(const struct rules *r, uint32_t number)
{
	const struct image_rule *rule = &r->rule[number];

	return (struct rules_info){
		.sid = rule->sid,
		.gid = rule->gid,
		.rev = rule->rev,
		.action = rule->action,
		.reject = rule->reject,
		.priority = rule->priority,
		.target = rule->target,
		.msg = string_of(r, rule->msg),
		.category = string_of(r, rule->category),
		.metadata = string_of(r, rule->metadata),
		.references = string_of(r, rule->references),
		.file = string_of(r, rule->file),
		.line = rule->line,
	};
}

uint32_t rules_count(const struct rules *r)
{
	return r->head->rules.n;
}

struct rules_cost rules_cost(const struct rules *r, uint32_t rule)
{
	return r->cost[rule];
}

void rules_take_time(struct rules *r, bool take)
{
	r->take_time = take;
}

void rules_set_prefilter(struct rules *r, bool on)
{
	r->prefilter = on;
}
