/* SPDX-License-Identifier: Apache-2.0 */
/* From files to rules: lines, rules, options. What each option means is in read_*.c. */
#include "rules/parse.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/text.h"

/* ---- faults ---- */

static void place(const struct rules_line *line, const char *at, struct rules_fault *fault)
{
	size_t offset = 0, i = line->n_joints;

	if (at && at >= line->text.at && at <= line->text.at + line->text.len)
		offset = (size_t)(at - line->text.at);
	while (i > 1 && line->joint[i - 1].at > offset)
		i--;
	fault->line = line->joint[i - 1].line;
	fault->column = (uint32_t)(offset - line->joint[i - 1].at) + line->joint[i - 1].column;
}

int rules_text_add_fault(struct rules_text *text, const struct rules_line *line, const char *at,
	uint32_t sid, const char *reason, const char *why)
{
	struct rules_fault fault = { .file = line->file, .sid = sid, .reason = reason };

	if (text->n_faults == text->state->room_faults) {
		uint32_t room = text->n_faults ? 2 * text->n_faults : 16;
		struct rules_fault *more = reallocarray(text->fault, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		text->fault = more;
		text->state->room_faults = room;
	}
	place(line, at, &fault);
	fault.text = strdup(why);
	if (!fault.text)
		return -ENOMEM;
	text->fault[text->n_faults++] = fault;
	return 0;
}

/* ---- options ---- */

/* The value that begins here: its length, up to the semicolon that ends it. A value in quotes
 * may contain some. */
static size_t value_len(struct span s)
{
	size_t i = 0;
	bool quoted = false;

	while (i < s.len && (span_is_space(s.at[i]) || s.at[i] == '!'))
		i++;
	if (i < s.len && s.at[i] == '"') {
		quoted = true;
		i++;
	}
	for (; i < s.len; i++) {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"')
			quoted = false;
		else if (s.at[i] == ';' && !quoted)
			return i;
	}
	return s.len;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

size_t rule_option_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.at[n] != ':' && s.at[n] != ';')
		n++;
	if (n < s.len && s.at[n] == ':') {
		n++;
		n += value_len(span_from(s, n));
	}
	return n < s.len ? n + 1 : n;
}

static int unknown_word(struct rule_reader *reader)
{
	struct span name = reader->name, rest = name, protocol;
	int shown = name.len > 60 ? 60 : (int)name.len;

	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.at[i] != '.' && name.at[i] != '_')
			continue;
		protocol = span_make(name.at, i);
		if (i < name.len && rule_unsupported_protocol(protocol))
			return reader_refuse(reader, rest, "unsupported-keyword",
				"%.*s: this part of %.*s is not read here", shown, name.at, (int)i,
				name.at);
	}
	return reader_refuse(reader, name, "unknown-keyword",
		"%.*s is not a word of the rule language", shown, name.at);
}

static int read_option(struct rule_reader *reader, struct span *rest)
{
	const struct rule_word *word;
	size_t n = 0;

	while (n < rest->len && is_word_char(rest->at[n]))
		n++;
	reader->name = span_make(rest->at, n);
	reader->value = span_make(NULL, 0);
	if (n == 0)
		return reader_refuse(reader, *rest, "bad-syntax",
			"here stands an option, like `content:\"...\";`, or the last parenthesis");
	*rest = span_skip_space(span_from(*rest, n));
	if (span_take(rest, ':')) {
		n = value_len(*rest);
		reader->value = span_trim(span_make(rest->at, n));
		*rest = span_from(*rest, n);
	}
	if (rest->len > 0 && !span_take(rest, ';'))
		return reader_refuse(
			reader, *rest, "bad-syntax", "an option ends with a semicolon");
	*rest = span_skip_space(*rest);
	word = rule_word_find(reader->name);
	return word ? word->read(reader, word) : unknown_word(reader);
}

/* ---- what can be said only when all is read ---- */

static int check_content(struct rule_reader *reader, const struct rule_option *option)
{
	const struct rule_content *content = &option->content;
	struct span at = span_make(reader->all.at + option->column - 1, 1);

	if (content->replace && option->buffer != BUFFER_PAYLOAD)
		return reader_refuse(reader, reader->replace.at ? reader->replace : at,
			"replace-on-buffer",
			"only what is sent can be replaced, not %s, which is made from it",
			proto_buffer_info((enum proto_buffer_id)option->buffer)->name);
	if (content->replace && option->n_transforms > 0)
		return reader_refuse(reader, reader->replace, "replace-on-buffer",
			"only what is sent can be replaced, not what a transform made");
	if (content->startswith && (content->has_offset || content->has_depth ||
					   content->has_distance || content->has_within))
		return reader_refuse(reader, at, "bad-combination",
			"startswith says the place already: no offset, depth, distance or within");
	return 0;
}

static int check_rule(struct rule_reader *reader)
{
	struct rule *rule = reader->rule;
	int r = 0;

	if (reader->buffer_idle)
		return reader_refuse(reader, reader->buffer_word, "unused-buffer",
			"nothing looks into %.*s: write content behind it",
			(int)reader->buffer_word.len, reader->buffer_word.at);
	for (unsigned i = 0; i < rule->n_options && r == 0; i++)
		if (rule->option[i].keyword == RULE_CONTENT)
			r = check_content(reader, &rule->option[i]);
	return r;
}

/* ---- a rule ---- */

static int split_rule(struct rule_reader *reader, struct span line, struct span *ret_header,
	struct span *ret_options)
{
	const char *open = memchr(line.at, '(', line.len);
	struct span options;

	if (!open) {
		*ret_header = line;
		*ret_options = span_make(line.at, 0);
		return 0;
	}
	*ret_header = span_make(line.at, (size_t)(open - line.at));
	options = span_trim(span_from(line, ret_header->len + 1));
	if (options.len == 0 || options.at[options.len - 1] != ')')
		return reader_refuse(reader, span_from(line, line.len ? line.len - 1 : 0),
			"bad-syntax", "a rule ends with a closing parenthesis");
	options.len--;
	*ret_options = options;
	return 0;
}

static int read_rule(struct rule_reader *reader)
{
	struct span header, options = { 0 }, all = reader->all;
	const char *nul = memchr(all.at, 0, all.len);
	int r;

	if (nul)
		return reader_refuse(reader, span_from(all, (size_t)(nul - all.at)), "bad-syntax",
			"a NUL byte: write it as |00|");
	r = split_rule(reader, all, &header, &options);

	if (r == 0)
		r = reader_read_header(reader, header);
	options = span_skip_space(options);
	while (r == 0 && options.len > 0)
		r = read_option(reader, &options);
	return r < 0 ? r : check_rule(reader);
}

static int finish(struct rule_reader *reader)
{
	struct rule *rule = reader->rule;

	if (!rule->msg)
		rule->msg = strdup("");
	rule->text = span_copy(reader->all);
	return rule->msg && rule->text ? 0 : -ENOMEM;
}

static void forget_transforms(struct rule_reader *reader)
{
	for (unsigned i = 0; i < reader->n_transforms; i++)
		free(reader->transform[i].pattern);
	reader->n_transforms = 0;
}

/* The sid of a rule that was refused before it was read. */
static uint32_t look_for_sid(struct span line)
{
	int64_t sid = 0;

	for (; line.len > 4; line = span_from(line, 1)) {
		struct span rest = line, number;

		if (memcmp(line.at, "sid:", 4) != 0)
			continue;
		rest = span_from(line, 4);
		span_next(&rest, ';', &number);
		if (span_number(number, &sid) && sid > 0 && sid <= UINT32_MAX)
			return (uint32_t)sid;
	}
	return 0;
}

/* ---- sets of rules ---- */

/* Rules that stand in the tree are boxed, so that one can take another's place. */
struct boxed {
	struct rule *rule;
	uint32_t at;
};

static int compare_boxes(const void *a, const void *b)
{
	const struct rule *left = ((const struct boxed *)a)->rule;
	const struct rule *right = ((const struct boxed *)b)->rule;

	if (left->gid != right->gid)
		return left->gid < right->gid ? -1 : 1;
	return left->sid < right->sid ? -1 : left->sid > right->sid;
}

static int add_rule(struct rules_text *text, struct rule *rule)
{
	struct rules_text_state *state = text->state;

	if (text->n_rules == state->room_rules) {
		uint32_t room = text->n_rules ? 2 * text->n_rules : 256;
		struct rule **more = reallocarray(text->rule, room, sizeof(struct rule *));

		if (!more)
			return -ENOMEM;
		text->rule = more;
		state->room_rules = room;
	}
	text->rule[text->n_rules++] = rule;
	return 0;
}

static int keep_rule(struct rules_text *text, struct rule *rule)
{
	struct boxed *box, **found;
	struct boxed key = { .rule = rule };
	int r;

	found = rule->sid ? tfind(&key, &text->state->rules, compare_boxes) : NULL;
	if (found) {
		box = *found;
		text->n_superseded++;
		if (rule->rev <= box->rule->rev) {
			rule_free(rule);
			return 0;
		}
		rule_free(box->rule);
		box->rule = text->rule[box->at] = rule;
		return 0;
	}
	box = malloc(sizeof(*box));
	if (!box)
		return -ENOMEM;
	*box = (struct boxed){ rule, text->n_rules };
	r = add_rule(text, rule);
	if (r < 0 || rule->sid == 0) {
		free(box);
		return r;
	}
	if (tsearch(box, &text->state->rules, compare_boxes))
		return 0;
	text->n_rules--;
	free(box);
	return -ENOMEM;
}

static int take_rule(struct rules_text *text, const struct rules_line *line)
{
	struct rule_reader reader = { .text = text,
		.all = span_trim(line->text),
		.buffer = BUFFER_PAYLOAD,
		.last_content = -1 };
	int r;

	reader.rule = calloc(1, sizeof(*reader.rule));
	if (!reader.rule)
		return -ENOMEM;
	*reader.rule = (struct rule){
		.gid = 1, .priority = 3, .file = line->file, .line = line->joint[0].line
	};
	reader.name = reader.all;
	r = reader.all.len > RULE_TEXT_MAX - 1
		    ? reader_refuse(&reader, reader.all, "too-long", "a rule has at most %d bytes",
			      RULE_TEXT_MAX - 1)
		    : read_rule(&reader);
	if (r == 0)
		r = finish(&reader);
	if (r == -EINVAL) {
		uint32_t sid = reader.rule->sid;

		r = rules_text_add_fault(text, line, reader.at,
			sid ? sid : look_for_sid(reader.all), reader.reason, reader.why);
		reader.rule = rule_free(reader.rule);
	} else if (r == 0) {
		r = keep_rule(text, reader.rule);
		text->n_loaded += r == 0;
	}
	forget_transforms(&reader);
	if (r < 0)
		rule_free(reader.rule);
	return r;
}

/* `#alert ...(`: a rule that somebody switched off, and not a sentence. */
static bool is_disabled_rule(struct span line)
{
	struct span word;
	enum rule_action action;
	enum rule_reject reject;

	while (span_take(&line, '#') || (line.len > 0 && span_is_space(line.at[0])))
		line = span_skip_space(line);
	if (line.len == 0 || !memchr(line.at, '(', line.len))
		return false;
	return span_next_word(&line, &word) && reader_action(word, &action, &reject) == 0 &&
	       memmem(line.at, line.len, "->", 2);
}

/* var, ipvar, portvar NAME VALUE */
static int take_variable(struct rules_text *text, const struct rules_line *line, struct span rest)
{
	struct span name;
	char *name_text, *value;
	int r = -ENOMEM;

	if (++text->state->n_orders > RULES_ORDERS_MAX)
		return -E2BIG;
	span_next_word(&rest, &name);
	name_text = span_copy(name);
	value = span_copy(span_trim(rest));
	if (name_text && value)
		r = rules_text_set(text, name_text, value);
	free(name_text);
	free(value);
	if (r == -EINVAL)
		r = rules_text_add_fault(text, line, name.at, 0, "bad-variable",
			"a variable is set by `var NAME VALUE`");
	return r;
}

/* As if its `#` were not there. What is wrong in a rule that is switched off is no fault. */
static int take_disabled(struct rules_text *text, const struct rules_line *line)
{
	struct rules_line rule = *line;
	uint32_t n_faults = text->n_faults;
	int r;

	rule.text = span_trim(rule.text);
	while (rule.text.len > 0 && (rule.text.at[0] == '#' || span_is_space(rule.text.at[0])))
		rule.text = span_from(rule.text, 1);
	r = take_rule(text, &rule);
	while (text->n_faults > n_faults)
		free(text->fault[--text->n_faults].text);
	return r;
}

static int take_line(void *context, const struct rules_line *line)
{
	struct rules_text *text = context;
	struct span trimmed = span_trim(line->text), rest = trimmed, word;

	if (trimmed.at[0] == '#') {
		if (!is_disabled_rule(trimmed))
			return 0;
		text->n_disabled++;
		return text->take_disabled ? take_disabled(text, line) : 0;
	}
	if (text->n_loaded + text->n_faults >= RULES_RULES_MAX)
		return -E2BIG;
	span_next_word(&rest, &word);
	if (span_is(word, "var") || span_is(word, "ipvar") || span_is(word, "portvar"))
		return take_variable(text, line, rest);
	return take_rule(text, line);
}

int rules_text_read(struct rules_text *text, const char *file, const char *bytes, size_t len)
{
	if (len > RULES_TEXT_MAX)
		return -E2BIG;
	return rules_lines(file, span_make(bytes, len), take_line, text);
}

/* ---- variables ---- */

struct rules_variable *rules_text_variable(struct rules_text *text, struct span name)
{
	struct rules_text_state *state = text->state;

	for (uint32_t i = 0; i < state->n_variables; i++)
		if (span_is(name, state->variable[i]->name))
			return state->variable[i];
	return NULL;
}

static bool is_variable_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return n > 0 && n <= 64 && !isdigit((unsigned char)name[0]);
}

static int add_variable(struct rules_text *text, const char *name, struct rules_variable **ret)
{
	struct rules_text_state *state = text->state;
	struct rules_variable **more, *variable;

	if (state->n_variables >= RULES_VARIABLES_MAX)
		return -EINVAL;
	more = reallocarray(
		state->variable, state->n_variables + 1, sizeof(struct rules_variable *));
	if (!more)
		return -ENOMEM;
	state->variable = more;
	variable = calloc(1, sizeof(*variable));
	if (!variable)
		return -ENOMEM;
	variable->name = strdup(name);
	if (!variable->name) {
		free(variable);
		return -ENOMEM;
	}
	state->variable[state->n_variables++] = variable;
	*ret = variable;
	return 0;
}

static void forget_sets(struct rules_text *text)
{
	for (uint32_t i = 0; i < text->state->n_variables; i++)
		for (unsigned kind = 0; kind < 2; kind++) {
			rule_set_done(&text->state->variable[i]->set[kind]);
			text->state->variable[i]->ready[kind] = false;
		}
}

int rules_text_set(struct rules_text *text, const char *name, const char *value)
{
	struct rules_variable *variable;
	char *copy;
	int r;

	if (!is_variable_name(name))
		return -EINVAL;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	variable = rules_text_variable(text, span_make(name, strlen(name)));
	r = variable ? 0 : add_variable(text, name, &variable);
	if (r < 0) {
		free(copy);
		return r;
	}
	free(variable->value);
	variable->value = copy;
	forget_sets(text); /* others may be made of it */
	return 0;
}

/* ---- all of it ---- */

static const char *const defaults[][2] = { { "HOME_NET", "any" }, { "HONEYNET", "$HOME_NET" },
	{ "EXTERNAL_NET", "any" }, { "HTTP_SERVERS", "$HOME_NET" }, { "SMTP_SERVERS", "$HOME_NET" },
	{ "SQL_SERVERS", "$HOME_NET" }, { "DNS_SERVERS", "$HOME_NET" },
	{ "TELNET_SERVERS", "$HOME_NET" }, { "SSH_SERVERS", "$HOME_NET" },
	{ "FTP_SERVERS", "$HOME_NET" }, { "SIP_SERVERS", "$HOME_NET" },
	{ "DC_SERVERS", "$HOME_NET" }, { "SNMP_SERVERS", "$HOME_NET" },
	{ "MODBUS_CLIENT", "$HOME_NET" }, { "MODBUS_SERVER", "$HOME_NET" },
	{ "DNP3_CLIENT", "$HOME_NET" }, { "DNP3_SERVER", "$HOME_NET" },
	{ "ENIP_CLIENT", "$HOME_NET" }, { "ENIP_SERVER", "$HOME_NET" },
	{ "AIM_SERVERS", "[64.12.0.0/16,205.188.0.0/16]" },
	{ "HTTP_PORTS", "[80,81,311,591,593,901,1220,1414,1830,2301,2381,2809,3128,3702,4343,5250,"
			"7001,7145,7510,7777,7779,8000,8008,8014,8028,8080,8088,8118,8123,8180,"
			"8181,8243,8280,8800,8888,8899,9080,9090,9091,9443,9999,11371,55555]" },
	{ "SHELLCODE_PORTS", "!80" }, { "ORACLE_PORTS", "[1024:]" }, { "SSH_PORTS", "22" },
	{ "FTP_PORTS", "[21,2100,3535]" }, { "SIP_PORTS", "[5060,5061,5600]" },
	{ "SMTP_PORTS", "[25,465,587,691]" }, { "DNP3_PORTS", "20000" }, { "MODBUS_PORTS", "502" },
	{ "GENEVE_PORTS", "6081" }, { "VXLAN_PORTS", "4789" }, { "TEREDO_PORTS", "3544" },
	{ "FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]" } };

int rules_text_new(struct rules_text **ret_text)
{
	struct rules_text *text = calloc(1, sizeof(*text));
	int r = 0;

	if (!text)
		return -ENOMEM;
	text->state = calloc(1, sizeof(*text->state));
	if (!text->state) {
		free(text);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]) && r == 0; i++)
		r = rules_text_set(text, defaults[i][0], defaults[i][1]);
	if (r == 0)
		r = rules_text_usual_classes(text);
	if (r < 0)
		rules_text_free(text);
	else
		*ret_text = text;
	return r;
}

static void free_state(struct rules_text_state *state)
{
	for (uint32_t i = 0; i < state->n_variables; i++) {
		struct rules_variable *variable = state->variable[i];

		rule_set_done(&variable->set[0]);
		rule_set_done(&variable->set[1]);
		free(variable->name);
		free(variable->value);
		free(variable);
	}
	free(state->variable);
	for (uint32_t i = 0; i < state->n_classes; i++) {
		free(state->class[i].name);
		free(state->class[i].text);
	}
	free(state->class);
	tdestroy(state->rules, free);
	free(state);
}

struct rules_text *rules_text_free(struct rules_text *text)
{
	if (!text)
		return NULL;
	for (uint32_t i = 0; i < text->n_rules; i++)
		rule_free(text->rule[i]);
	free(text->rule);
	for (uint32_t i = 0; i < text->n_faults; i++)
		free(text->fault[i].text);
	free(text->fault);
	for (uint32_t i = 0; i < text->n_suppress; i++) {
		free(text->suppress[i].nets.in);
		free(text->suppress[i].nets.out);
	}
	free(text->suppress);
	for (unsigned i = 0; i < RULES_NAMES_KINDS; i++)
		rules_names_done(&text->names[i]);
	free_state(text->state);
	free(text);
	return NULL;
}
