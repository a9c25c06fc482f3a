/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/explain.h"

#include <inttypes.h>

#include "proto/proto.h"

static void print_value(struct out *o, const struct rule_value *value)
{
	if (value->is_var)
		out_fmt(o, "variable %u", value->var + 1);
	else
		out_i64(o, value->number);
}

static void print_compare(struct out *o, const struct rule_compare *compare)
{
	static const char *const words[] = { "", "not ", "less than ", "at most ", "more than ",
		"at least " };

	if (compare->op < RULE_RANGE) {
		out_str(o, words[compare->op]);
		print_value(o, &compare->a);
		return;
	}
	out_str(o, compare->op == RULE_OUTSIDE ? "not from " : "from ");
	print_value(o, &compare->a);
	out_str(o, " to ");
	print_value(o, &compare->b);
	if (compare->op == RULE_RANGE)
		out_str(o, ", without both ends");
}

/* ---- header ---- */

static void print_prefixes(struct out *o, const struct ip_prefix *prefix, uint32_t n)
{
	char buf[IP_TEXT_MAX];

	for (uint32_t i = 0; i < n && i < 8; i++)
		out_fmt(o, "%s%s", i ? ", " : "", ip_prefix_text(&prefix[i], buf));
	if (n > 8)
		out_fmt(o, " and %u more", n - 8);
}

static void print_nets(struct out *o, const struct rule_nets *nets)
{
	if (nets->any && nets->n_out == 0) {
		out_str(o, "any address");
	} else if (nets->any) {
		out_str(o, "any address but ");
		print_prefixes(o, nets->out, nets->n_out);
	} else if (nets->n_in == 0) {
		out_str(o, "no address at all");
	} else {
		print_prefixes(o, nets->in, nets->n_in);
	}
}

static void print_ports(struct out *o, const struct rule_ports *ports)
{
	if (ports->any) {
		out_str(o, "any port");
		return;
	}
	out_str(o, ports->n == 0 ? "no port at all" : "port ");
	for (uint32_t i = 0; i < ports->n && i < 16; i++) {
		const struct rule_port_range *range = &ports->range[i];

		out_fmt(o, "%s%u", i ? ", " : "", range->first);
		if (range->last != range->first)
			out_fmt(o, "-%u", range->last);
	}
	if (ports->n > 16)
		out_fmt(o, " and %u more", ports->n - 16);
}

static const char *what_of(const struct rule *rule)
{
	static const char *const words[] = { [RULE_PROTO_IP] = "any packet",
		[RULE_PROTO_TCP] = "TCP",
		[RULE_PROTO_TCP_PACKET] = "single TCP packets",
		[RULE_PROTO_TCP_STREAM] = "TCP streams",
		[RULE_PROTO_UDP] = "UDP",
		[RULE_PROTO_ICMP] = "ICMP",
		[RULE_PROTO_SCTP] = "SCTP",
		[RULE_PROTO_ETHER] = "frames that are not IP" };

	return rule->proto == RULE_PROTO_APP
		       ? proto_name((enum proto_id)(rule->app & ~RULE_APP_ALONE))
		       : words[rule->proto];
}

static void print_header(struct out *o, const struct rule *rule)
{
	static const char *const actions[] = { [RULE_ALERT] = "Tells of",
		[RULE_LOG] = "Writes down",
		[RULE_PASS] = "Lets pass, whatever other rules say,",
		[RULE_DROP] = "Drops",
		[RULE_SDROP] = "Drops, and says nothing of,",
		[RULE_REJECT] = "Drops, and answers with a refusal to," };

	out_fmt(o, "%s %s%s from ", actions[rule->action], what_of(rule),
		rule->only_version == 4   ? " (IPv4 only)"
		: rule->only_version == 6 ? " (IPv6 only)"
					  : "");
	print_nets(o, &rule->src);
	out_str(o, ", ");
	print_ports(o, &rule->sport);
	out_str(o, rule->both_ways ? ", to or from " : ", to ");
	print_nets(o, &rule->dst);
	out_str(o, ", ");
	print_ports(o, &rule->dport);
	out_str(o, ".\n");
}

static void print_flow(struct out *o, uint16_t flow)
{
	static const struct {
		uint16_t bit;
		const char *text;
	} words[] = { { RULE_FLOW_TO_SERVER, "what the client says" },
		{ RULE_FLOW_TO_CLIENT, "what the server says" },
		{ RULE_FLOW_ESTABLISHED, "only when both have spoken" },
		{ RULE_FLOW_NOT_ESTABLISHED, "only before both have spoken" },
		{ RULE_FLOW_STATELESS, "whatever the state" },
		{ RULE_FLOW_ONLY_STREAM, "only in the stream" },
		{ RULE_FLOW_NO_STREAM, "only in single packets" },
		{ RULE_FLOW_ONLY_FRAG, "only what came in fragments" },
		{ RULE_FLOW_NO_FRAG, "only what came whole" } };
	bool first = true;

	if (flow == 0)
		return;
	out_str(o, "Of a conversation: ");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (flow & words[i].bit) {
			out_fmt(o, "%s%s", first ? "" : ", ", words[i].text);
			first = false;
		}
	out_str(o, ".\n");
}

/* ---- options ---- */

static void print_bytes(struct out *o, const uint8_t *bytes, size_t len)
{
	out_char(o, '"');
	/* cast: text and bytes are the same to it */
	out_quoted(o, (const char *)bytes, len);
	out_char(o, '"');
}

static void print_place(struct out *o, const char *word, bool has, const struct rule_value *value)
{
	if (!has)
		return;
	out_fmt(o, ", %s ", word);
	print_value(o, value);
}

static void print_content(struct out *o, const struct rule_content *content)
{
	print_bytes(o, content->bytes, content->len);
	out_str(o, content->nocase ? ", small or capital" : "");
	out_str(o, content->startswith ? ", at the beginning" : "");
	out_str(o, content->endswith ? ", at the end" : "");
	print_place(o, "from byte", content->has_offset, &content->offset);
	print_place(o, "within so many bytes from there:", content->has_depth, &content->depth);
	print_place(
		o, "this far behind the match before:", content->has_distance, &content->distance);
	print_place(o, "ending within so many bytes of it:", content->has_within, &content->within);
	out_str(o, content->fast_only ? ", anywhere" : "");
	if (content->replace) {
		out_str(o, ", which becomes ");
		print_bytes(o, content->replace, content->len);
	}
}

/* Backslashes stay as they are: they are what the expression is made of. */
static void print_pattern(struct out *o, const char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pattern[i] == '\\')
			out_char(o, '\\');
		else
			out_quoted(o, &pattern[i], 1);
}

static void print_pcre(struct out *o, const struct rule_pcre *pcre)
{
	out_str(o, "what matches /");
	print_pattern(o, pcre->pattern, pcre->len);
	out_char(o, '/');
	out_str(o, pcre->relative ? ", behind the match before" : "");
}

static void print_number(struct out *o, const struct rule_bytes *bytes)
{
	out_str(o, "a number of ");
	print_value(o, &bytes->count);
	out_fmt(o, " bytes%s at ", bytes->string ? " of text" : "");
	print_value(o, &bytes->offset);
	out_str(o, bytes->relative ? " behind the match before" : "");
	if (bytes->bitmask)
		out_fmt(o, ", masked with 0x%" PRIx64, bytes->bitmask);
}

static void print_test(struct out *o, const struct rule_bytes *bytes)
{
	static const char *const tests[] = { "less than", "more than", "equal to", "at most",
		"at least", "and-ed not 0 with", "xor-ed not 0 with" };

	print_number(o, bytes);
	out_fmt(o, ", %s ", tests[bytes->test]);
	print_value(o, &bytes->value);
}

static void print_kept(struct out *o, const struct rule_bytes *bytes)
{
	print_number(o, bytes);
	out_fmt(o, ", kept as variable %u", bytes->result + 1);
}

static void print_math(struct out *o, const struct rule_bytes *bytes)
{
	static const char *const signs[] = { "+", "-", "*", "/", "<<", ">>" };

	print_number(o, bytes);
	out_fmt(o, " %s ", signs[bytes->math]);
	print_value(o, &bytes->value);
	out_fmt(o, ", kept as variable %u", bytes->result + 1);
}

static void print_isdataat(struct out *o, const struct rule_isdataat *isdataat)
{
	out_str(o, isdataat->relative ? "bytes behind the match before, as many as "
				      : "more bytes than ");
	print_value(o, &isdataat->at);
}

static void print_bits(struct out *o, const struct rules_text *text, enum rules_names_kind kind,
	const struct rule_bits *bits)
{
	static const char *const words[] = { "sets", "takes away", "turns over",
		"is there:", "is not there:" };

	out_fmt(o, "mark %s ", words[bits->command]);
	for (unsigned i = 0; i < bits->n; i++) {
		const char *name = text->names[kind].name[bits->name[i]];

		out_str(o, i == 0 ? "" : bits->all ? " and " : " or ");
		out_quoted(o, name, strlen(name));
	}
}

static void print_filter(struct out *o, const struct rule_threshold *filter)
{
	static const char *const tracks[] = { "conversation", "source", "destination",
		"pair of addresses", "rule", "transaction" };

	out_fmt(o, "%u in %u seconds, for each %s", filter->count, filter->seconds,
		tracks[filter->track]);
}

static void print_default(struct out *o, const struct rule_option *option)
{
	static const struct {
		const char *name, *form, *text;
	} keywords[] = {
#define KEYWORD(ID, name, form, text) { name, #form, text },
#include "rules/option.def"
#undef KEYWORD
	};
	const char *form = keywords[option->keyword].form;

	if (option->keyword == RULE_NUMBER) {
		out_str(o, proto_number_info((enum proto_number_id)option->buffer)->text);
	} else {
		out_fmt(o, "%s: %s", keywords[option->keyword].name,
			keywords[option->keyword].text);
	}
	if (strcmp(form, "COMPARE") == 0) {
		out_str(o, ": ");
		print_compare(o, &option->compare);
	} else if (strcmp(form, "WORD") == 0 && option->word.text) {
		out_str(o, ": ");
		out_quoted(o, option->word.text, strlen(option->word.text));
	}
}

static void print_option(
	struct out *o, const struct rules_text *text, const struct rule_option *option)
{
	switch (option->keyword) {
	case RULE_CONTENT:
		print_content(o, &option->content);
		break;
	case RULE_PCRE:
		print_pcre(o, &option->pcre);
		break;
	case RULE_BYTE_TEST:
		print_test(o, &option->bytes);
		break;
	case RULE_BYTE_JUMP:
		print_number(o, &option->bytes);
		out_str(o, ", which is how far to go on");
		break;
	case RULE_BYTE_EXTRACT:
		print_kept(o, &option->bytes);
		break;
	case RULE_BYTE_MATH:
		print_math(o, &option->bytes);
		break;
	case RULE_ISDATAAT:
		print_isdataat(o, &option->isdataat);
		break;
	case RULE_FLOWBITS:
		print_bits(o, text, RULES_NAMES_FLOWBITS, &option->bits);
		break;
	case RULE_XBITS:
		print_bits(o, text, RULES_NAMES_XBITS, &option->bits);
		break;
	case RULE_DETECTION_FILTER:
		out_str(o, "seen before: ");
		print_filter(o, &option->filter);
		break;
	default:
		print_default(o, option);
	}
}

static bool looks(const struct rule_option *option)
{
	return option->buffer != BUFFER_NONE && option->keyword != RULE_NUMBER;
}

static void print_options(struct out *o, const struct rules_text *text, const struct rule *rule)
{
	unsigned buffer = BUFFER_NONE;

	for (unsigned i = 0; i < rule->n_options; i++) {
		const struct rule_option *option = &rule->option[i];

		if (looks(option) && option->buffer != buffer) {
			const struct proto_buffer_info *info;

			buffer = option->buffer;
			info = proto_buffer_info((enum proto_buffer_id)buffer);
			out_fmt(o, "In %s (%s):\n", info->name, info->text);
		}
		out_fmt(o, "  %s", looks(option) ? "  " : "");
		out_str(o, option->negated ? "not: " : "");
		print_option(o, text, option);
		out_char(o, '\n');
	}
}

/* ---- the rule ---- */

static void print_threshold(struct out *o, const struct rule *rule)
{
	static const char *const types[] = { "Told of at most ", "Told of every ",
		"Told of once, after ", "", "", "Told of less and less, from " };

	if (!rule->has_threshold)
		return;
	out_str(o, types[rule->threshold.type]);
	print_filter(o, &rule->threshold);
	out_str(o, ".\n");
}

static void print_about(struct out *o, const struct rule *rule)
{
	out_fmt(o, "Rule %u:%u, revision %u, priority %u: ", rule->gid, rule->sid, rule->rev,
		rule->priority);
	out_quoted(o, rule->msg, strlen(rule->msg));
	out_fmt(o, "\n%s:%u\n", rule->file, rule->line);
	if (rule->category) {
		out_str(o, "Class: ");
		out_quoted(o, rule->category, strlen(rule->category));
		out_char(o, '\n');
	}
}

void rule_explain(const struct rules_text *text, const struct rule *rule, struct out *o)
{
	print_about(o, rule);
	print_header(o, rule);
	print_flow(o, rule->flow);
	print_options(o, text, rule);
	print_threshold(o, rule);
	if (rule->noalert)
		out_str(o, "Says nothing when it matches; only its marks remain.\n");
	for (unsigned i = 0; i < rule->n_references; i++) {
		out_str(o, "See ");
		out_quoted(o, rule->reference[i].system, strlen(rule->reference[i].system));
		out_char(o, ' ');
		out_quoted(o, rule->reference[i].id, strlen(rule->reference[i].id));
		out_char(o, '\n');
	}
}
