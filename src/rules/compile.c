/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/compile.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "rules/build.h"

/* ------------------------------------------------------------------ order */

struct place {
	const struct rule *rule;
	uint32_t source; /* where it stood */
	uint32_t level;  /* above all that set what it asks for */
	uint8_t rank;
};

#define LEVELS_MAX 16 /* of flowbits that depend on flowbits; a circle ends here */

static uint8_t rank_of(enum rule_action action)
{
	static const uint8_t rank[] = {
		[RULE_PASS] = 0,
		[RULE_DROP] = 1,
		[RULE_SDROP] = 1,
		[RULE_REJECT] = 2,
		[RULE_ALERT] = 3,
		[RULE_LOG] = 4,
	};

	return rank[action];
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return x->source < y->source ? -1 : x->source > y->source;
}

static bool asks(const struct rule_option *option)
{
	return option->bits.command == RULE_BIT_ISSET || option->bits.command == RULE_BIT_ISNOTSET;
}

static bool is_bits(const struct rule_option *option)
{
	return option->keyword == RULE_FLOWBITS || option->keyword == RULE_XBITS;
}

/* Raises `level[name]` to that of the rules that set it; true if that changed something. */
static bool raise_names(const struct place *place, uint32_t (*level)[UINT16_MAX + 1])
{
	bool changed = false;

	for (unsigned i = 0; i < place->rule->n_options; i++) {
		const struct rule_option *option = &place->rule->option[i];

		for (unsigned n = 0; is_bits(option) && !asks(option) && n < option->bits.n; n++) {
			uint32_t *at = &level[option->keyword == RULE_XBITS][option->bits.name[n]];

			if (*at < place->level + 1 && place->level < LEVELS_MAX) {
				*at = place->level + 1;
				changed = true;
			}
		}
	}
	return changed;
}

static void raise_rule(struct place *place, uint32_t (*level)[UINT16_MAX + 1])
{
	for (unsigned i = 0; i < place->rule->n_options; i++) {
		const struct rule_option *option = &place->rule->option[i];

		for (unsigned n = 0; is_bits(option) && asks(option) && n < option->bits.n; n++) {
			uint32_t of = level[option->keyword == RULE_XBITS][option->bits.name[n]];

			place->level = of > place->level ? of : place->level;
		}
	}
}

static void find_levels(struct place *place, uint32_t n, uint32_t (*level)[UINT16_MAX + 1])
{
	bool changed = true;

	for (unsigned round = 0; changed && round < LEVELS_MAX; round++) {
		changed = false;
		for (uint32_t i = 0; i < n; i++)
			changed |= raise_names(&place[i], level);
		for (uint32_t i = 0; i < n; i++)
			raise_rule(&place[i], level);
	}
}

static bool put_in_order(struct build *b)
{
	uint32_t n = b->source->n_rules;
	struct place *place = calloc(n + 1, sizeof(*place));
	uint32_t(*level)[UINT16_MAX + 1] = calloc(2, sizeof(*level)); /* of flowbits, xbits */

	b->order = calloc(n + 1, sizeof(const struct rule *));
	if (place && level && b->order) {
		for (uint32_t i = 0; i < n; i++)
			place[i] = (struct place){ b->source->rule[i], i, 0,
				rank_of(b->source->rule[i]->action) };
		find_levels(place, n, level);
		qsort(place, n, sizeof(*place), by_place);
		for (uint32_t i = 0; i < n; i++)
			b->order[i] = place[i].rule;
	} else {
		b->heap.failed = true;
	}
	free(place);
	free(level);
	return !b->heap.failed;
}

/* ------------------------------------------------------------------ where a rule is looked for */

static bool has_keyword(const struct rule *rule, enum rule_keyword keyword)
{
	for (unsigned i = 0; i < rule->n_options; i++)
		if (rule->option[i].keyword == keyword)
			return true;
	return false;
}

/* What is asked about a packet's headers cannot be asked about a stream. */
static bool about_packet(const struct rule_option *option)
{
	switch (option->keyword) {
	case RULE_FLAGS: /* A+ is true of all that a stream is made of */
		return option->flags.how != RULE_FLAGS_ALL || option->flags.bits != TH_ACK ||
		       option->negated;
	case RULE_DSIZE:
	case RULE_FRAGBITS:
	case RULE_FRAGOFFSET:
	case RULE_TTL:
	case RULE_TOS:
	case RULE_ID:
	case RULE_IPOPTS:
	case RULE_SAMEIP:
	case RULE_SEQ:
	case RULE_ACK:
	case RULE_WINDOW:
	case RULE_TCP_MSS:
	case RULE_TCP_WSCALE:
	case RULE_ITYPE:
	case RULE_ICODE:
	case RULE_ICMP_ID:
	case RULE_ICMP_SEQ:
	case RULE_DECODE_EVENT:
	case RULE_STREAM_EVENT:
		return true;
	default:
		return option->buffer > BUFFER_BASE64_DATA && option->keyword != RULE_NUMBER &&
		       (proto_buffer_info((enum proto_buffer_id)option->buffer)->flags &
			       BUFFER_PACKET);
	}
}

static bool about_tx(const struct rule_option *option)
{
	switch (option->keyword) {
	case RULE_APP_EVENT:
	case RULE_NUMBER:
	case RULE_SSL_VERSION:
	case RULE_SSL_STATE:
	case RULE_DCE_IFACE:
	case RULE_URILEN:
		return true;
	default:
		return option->buffer != BUFFER_NONE &&
		       !(proto_buffer_info((enum proto_buffer_id)option->buffer)->flags &
			       BUFFER_PACKET);
	}
}

/* A place from the start of the payload: Suricata looks for it in each packet too. */
static bool is_placed(const struct rule_option *option)
{
	return option->keyword == RULE_STREAM_SIZE ||
	       (option->keyword == RULE_CONTENT &&
		       (option->content.has_offset || option->content.has_depth ||
			       option->content.startswith));
}

/* Does something to frames. */
static bool acts(const struct rule *rule)
{
	for (unsigned i = 0; i < rule->n_options; i++)
		if (rule->option[i].keyword == RULE_CONTENT && rule->option[i].content.replace)
			return true;
	return rule->action == RULE_DROP || rule->action == RULE_SDROP ||
	       rule->action == RULE_REJECT;
}

static uint8_t where_of(const struct rule *rule, const struct image_rule *out)
{
	bool packet = rule->proto == RULE_PROTO_TCP_PACKET || rule->flow & RULE_FLOW_NO_STREAM;
	bool stream = rule->proto == RULE_PROTO_TCP_STREAM || rule->flow & RULE_FLOW_ONLY_STREAM;
	bool placed = false, flags = has_keyword(rule, RULE_FLAGS) && !acts(rule);

	for (unsigned i = 0; i < rule->n_options; i++) {
		if (about_tx(&rule->option[i]))
			return IMAGE_TX;
		packet |= about_packet(&rule->option[i]);
		placed |= is_placed(&rule->option[i]);
	}
	if (packet || flags)
		return IMAGE_PACKET;
	if (stream)
		return IMAGE_STREAM;
	if (out->sections.n == 0)
		return IMAGE_PACKET;
	/* Flags of a rule that acts are those of the packet that completes it: else a split content would pass. */
	return placed || has_keyword(rule, RULE_FLAGS) ? IMAGE_PACKET | IMAGE_STREAM : IMAGE_STREAM;
}

static bool names_one_proto(const struct rule_option *option)
{
	const struct rule_compare *compare = &option->compare;

	return option->keyword == RULE_IP_PROTO && !option->negated && compare->op == RULE_EQ &&
	       !compare->a.is_var && compare->a.number >= 0 && compare->a.number <= UINT8_MAX;
}

static uint8_t carriers_of(const struct rule *rule)
{
	switch (rule->proto) {
	case RULE_PROTO_TCP:
	case RULE_PROTO_TCP_PACKET:
	case RULE_PROTO_TCP_STREAM:
		return 1 << IMAGE_TCP;
	case RULE_PROTO_UDP:
		return 1 << IMAGE_UDP;
	case RULE_PROTO_ICMP:
		return 1 << IMAGE_ICMP;
	case RULE_PROTO_SCTP:
		return 1 << IMAGE_OTHER;
	case RULE_PROTO_ETHER:
		return 1 << IMAGE_NO_IP;
	case RULE_PROTO_APP:
		return 1 << IMAGE_TCP | 1 << IMAGE_UDP;
	case RULE_PROTO_IP:
		break;
	}
	for (unsigned i = 0; i < rule->n_options; i++)
		if (names_one_proto(&rule->option[i]))
			return (uint8_t)(1 << image_carrier(
						 (uint8_t)rule->option[i].compare.a.number));
	/* An anomaly of the headers may be just that they cannot be read. */
	return has_keyword(rule, RULE_DECODE_EVENT)
		       ? (1 << IMAGE_CARRIERS) - 1
		       : 1 << IMAGE_TCP | 1 << IMAGE_UDP | 1 << IMAGE_ICMP | 1 << IMAGE_OTHER;
}

static uint8_t sides_of(const struct rule *rule)
{
	uint16_t which = rule->flow & (RULE_FLOW_TO_SERVER | RULE_FLOW_TO_CLIENT);

	return which == RULE_FLOW_TO_SERVER ? 1 : which == RULE_FLOW_TO_CLIENT ? 2 : 3;
}

static bool about_conversation(const struct rule *rule, const struct image_rule *out)
{
	if (out->app == PROTO_NONE || out->where != IMAGE_PACKET || out->sections.n)
		return false;
	for (unsigned i = 0; i < rule->n_options; i++)
		if (rule->option[i].keyword != RULE_APP_PROTOCOL)
			return false;
	return true;
}

/* An interface and an operation are those of a request and of its answer. */
static bool told_of_each_side(const struct rule *rule, const struct rule_option *option)
{
	return !(rule->flow & (RULE_FLOW_TO_SERVER | RULE_FLOW_TO_CLIENT)) &&
	       (option->keyword == RULE_DCE_IFACE ||
		       (option->keyword == RULE_NUMBER && option->buffer == NUMBER_DCE_OPNUM));
}

/* A match changes what later ones mean: of other rules, or of this one in the other direction. */
static bool leaves_traces(const struct rule *rule, const struct image_rule *out)
{
	bool counts = rule->has_threshold || has_keyword(rule, RULE_DETECTION_FILTER);

	return rule->action == RULE_PASS || rule->has_rate_filter || out->actions.n > 0 ||
	       (counts && out->sides == 3);
}

static uint16_t flags_of(const struct rule *rule, const struct image_rule *out)
{
	uint16_t flags = 0;

	flags |= rule->both_ways ? IMAGE_BOTH_WAYS : 0;
	if (rule->noalert || (rule->action == RULE_PASS && !rule->alert))
		flags |= IMAGE_NOALERT;
	flags |= rule->has_threshold ? IMAGE_THRESHOLD : 0;
	flags |= rule->has_rate_filter ? IMAGE_RATE : 0;
	flags |= about_conversation(rule, out) ? IMAGE_ONCE : 0;
	for (unsigned i = 0; i < rule->n_options; i++) {
		const struct rule_option *option = &rule->option[i];

		if (option->keyword == RULE_CONTENT && option->content.replace)
			flags |= IMAGE_REPLACES;
		if (told_of_each_side(rule, option))
			flags |= IMAGE_EACH_SIDE;
	}
	return flags;
}

/* The option that is looked for anew behind the last match: a content that is sure to be in the payload. */
static uint32_t anchor_of(const struct build *b, const struct image_rule *out)
{
	for (uint32_t s = 0; s < out->sections.n; s++) {
		const struct image_section *section = build_section(b, out->sections.at + s);

		for (uint32_t i = 0; section->buffer == BUFFER_PAYLOAD && i < section->n; i++) {
			const struct image_option *option = build_option(b, section->first + i);

			if ((option->keyword == RULE_CONTENT || option->keyword == RULE_PCRE) &&
				!option->negated)
				return section->first + i;
		}
	}
	return IMAGE_NONE;
}

/* ------------------------------------------------------------------ rules */

static uint32_t references_of(struct build *b, const struct rule *rule)
{
	char text[4096];
	size_t len = 0;

	for (unsigned i = 0; i < rule->n_references; i++) {
		const struct rule_reference *ref = &rule->reference[i];
		int n = snprintf(text + len, sizeof(text) - len, "%s%s,%s", len ? " " : "",
			ref->system ? ref->system : "", ref->id ? ref->id : "");

		if (n < 0 || (size_t)n >= sizeof(text) - len)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	return build_string(b, text);
}

/* With modifiers, what is relative and names no buffer looks where the content before it does. */
static void follow_buffers(struct rule_option *option, unsigned n)
{
	const struct rule_option *last = NULL;

	for (unsigned i = 0; i < n; i++) {
		bool content = option[i].keyword == RULE_CONTENT;

		if (last && !content && build_is_relative(&option[i]) && option[i].list == 0 &&
			last->list == 0 && option[i].buffer <= BUFFER_PAYLOAD &&
			last->buffer > BUFFER_BASE64_DATA)
			option[i].buffer = last->buffer;
		if (content || option[i].keyword == RULE_PCRE || build_is_relative(&option[i]))
			last = &option[i];
	}
}

static void add_rule(struct build *b, const struct rule *as_read)
{
	struct rule_option option[RULE_OPTIONS_MAX];
	struct rule copy = *as_read, *rule = &copy;
	struct image_rule out;

	if (rule->n_options > RULE_OPTIONS_MAX)
		rule->n_options = RULE_OPTIONS_MAX;
	if (rule->n_options)
		memcpy(option, rule->option, rule->n_options * sizeof(*option));
	rule->option = option;
	follow_buffers(option, rule->n_options);
	memset(&out, 0, sizeof(out));
	out.sid = rule->sid;
	out.gid = rule->gid;
	out.rev = rule->rev;
	out.line = rule->line;
	out.msg = build_string(b, rule->msg);
	out.category = build_string(b, rule->category);
	out.metadata = build_string(b, rule->metadata);
	out.references = references_of(b, rule);
	out.file = build_string(b, rule->file);
	out.src = build_nets(b, &rule->src);
	out.dst = build_nets(b, &rule->dst);
	out.sport = build_ports(b, &rule->sport);
	out.dport = build_ports(b, &rule->dport);
	out.app = rule->app;
	out.flow = rule->flow;
	out.action = (uint8_t)rule->action;
	out.reject = (uint8_t)rule->reject;
	out.priority = rule->priority;
	out.target = rule->target;
	out.proto = (uint8_t)rule->proto;
	out.only_version = rule->only_version;
	out.threshold = rule->threshold;
	out.rate_filter = rule->rate_filter;
	build_options(b, rule, &out);
	out.where = where_of(rule, &out);
	out.carriers = carriers_of(rule);
	out.sides = sides_of(rule);
	out.flags = flags_of(rule, &out);
	out.anchor = anchor_of(b, &out);
	out.flags |= acts(rule) || leaves_traces(rule, &out) ? IMAGE_ACTS : 0;
	if (out.where == IMAGE_TX && out.anchor != IMAGE_NONE)
		out.flags |= IMAGE_PAYLOAD_TX;
	build_probe(b, &out);
	array_add(b, &b->rules, &out, sizeof(out));
}

static void add_suppress(struct build *b)
{
	for (uint32_t i = 0; i < b->source->n_suppress; i++) {
		const struct rules_suppress *from = &b->source->suppress[i];
		struct image_suppress out;

		memset(&out, 0, sizeof(out));
		out.gid = from->gid;
		out.sid = from->sid;
		out.by = (uint8_t)from->by;
		out.nets = build_nets(b, &from->nets);
		array_add(b, &b->suppress, &out, sizeof(out));
	}
}

static void lay_all(struct build *b, struct image_head *head)
{
	head->rules = array_lay(b, &b->rules, sizeof(struct image_rule));
	head->options = array_lay(b, &b->options, sizeof(struct image_option));
	head->sections = array_lay(b, &b->sections, sizeof(struct image_section));
	head->transforms = array_lay(b, &b->transforms, sizeof(struct image_transform));
	head->nets = array_lay(b, &b->nets, sizeof(struct image_nets));
	head->ports = array_lay(b, &b->ports, sizeof(struct image_ports));
	head->groups = array_lay(b, &b->groups, sizeof(struct image_group));
	head->plains = array_lay(b, &b->plains, sizeof(struct image_plain));
	head->indexes = array_lay(b, &b->indexes, sizeof(struct image_index));
	head->tails = array_lay(b, &b->tails, sizeof(struct image_tail));
	head->suppress = array_lay(b, &b->suppress, sizeof(struct image_suppress));
}

static void build_image(struct build *b)
{
	struct image_head head = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION };

	heap_add(&b->heap, &head, sizeof(head));
	if (!put_in_order(b))
		return;
	for (uint32_t i = 0; i < b->source->n_rules && !b->heap.failed; i++)
		add_rule(b, b->order[i]);
	add_suppress(b);
	build_groups(b);
	head.tail_min = build_tails(b);
	head.n_pcres = b->n_pcres;
	head.pivot = b->pivot;
	lay_all(b, &head);
	heap_add(&b->heap, "", 1); /* the last byte is NUL: every string ends */
	head.size = b->heap.len;
	if (!b->heap.failed)
		memcpy(b->heap.at, &head, sizeof(head));
}

static void build_done(struct build *b)
{
	struct array *all[] = { &b->rules, &b->options, &b->sections, &b->transforms, &b->nets,
		&b->ports, &b->groups, &b->plains, &b->indexes, &b->tails, &b->suppress };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]->at);
	free(b->order);
	free(b->known);
}

int rules_compile(const struct rules_text *text, void **ret_image, size_t *ret_size)
{
	struct build b = { .source = text };

	build_image(&b);
	build_done(&b);
	if (b.heap.failed) {
		bool large = b.heap.len > UINT32_MAX / 2;

		free(b.heap.at);
		return large ? -E2BIG : -ENOMEM;
	}
	*ret_image = b.heap.at;
	*ret_size = b.heap.len;
	return 0;
}
