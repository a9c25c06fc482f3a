/* SPDX-License-Identifier: Apache-2.0 */
/* Options about the conversation: flow, marks, numbers, how often; and about protocols and
 * events. */
#include <errno.h>
#include <stdlib.h>

#include "rules/reader.h"

static int shown(struct span s)
{
	return s.len > 60 ? 60 : (int)s.len;
}

/* ---- flow ---- */

static const struct {
	const char *name;
	uint16_t bit, excludes;
} flow_words[] = {
	{ "to_server", RULE_FLOW_TO_SERVER, RULE_FLOW_TO_CLIENT },
	{ "from_client", RULE_FLOW_TO_SERVER, RULE_FLOW_TO_CLIENT },
	{ "to_client", RULE_FLOW_TO_CLIENT, RULE_FLOW_TO_SERVER },
	{ "from_server", RULE_FLOW_TO_CLIENT, RULE_FLOW_TO_SERVER },
	{ "established", RULE_FLOW_ESTABLISHED, RULE_FLOW_NOT_ESTABLISHED | RULE_FLOW_STATELESS },
	{ "not_established", RULE_FLOW_NOT_ESTABLISHED,
		RULE_FLOW_ESTABLISHED | RULE_FLOW_STATELESS },
	{ "stateless", RULE_FLOW_STATELESS, RULE_FLOW_ESTABLISHED | RULE_FLOW_NOT_ESTABLISHED },
	{ "only_stream", RULE_FLOW_ONLY_STREAM, RULE_FLOW_NO_STREAM },
	{ "no_stream", RULE_FLOW_NO_STREAM, RULE_FLOW_ONLY_STREAM },
	{ "only_frag", RULE_FLOW_ONLY_FRAG, RULE_FLOW_NO_FRAG },
	{ "no_frag", RULE_FLOW_NO_FRAG, RULE_FLOW_ONLY_FRAG },
};

static int read_flow_word(struct rule_reader *reader, struct span piece)
{
	struct rule *rule = reader->rule;

	for (size_t i = 0; i < sizeof(flow_words) / sizeof(flow_words[0]); i++) {
		if (!span_is_any_case(piece, flow_words[i].name))
			continue;
		if (rule->flow & flow_words[i].excludes)
			return reader_refuse(reader, piece, "bad-combination",
				"%.*s excludes what was said before", shown(piece), piece.at);
		rule->flow |= flow_words[i].bit;
		return 0;
	}
	return reader_bad_value(reader, piece,
		"to_server, to_client, established, not_established, stateless, only_stream or "
		"no_stream");
}

int rule_read_flow(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), piece;
	int r = 0;

	(void)word;
	if (!reader->value.at)
		return reader_bad_value(reader, reader->value, "words with commas");
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_flow_word(reader, piece);
	return r;
}

/* ---- marks ---- */

static const struct {
	const char *name;
	enum rule_bit_command command;
} bit_commands[] = { { "set", RULE_BIT_SET }, { "setx", RULE_BIT_SET }, { "unset", RULE_BIT_UNSET },
	{ "toggle", RULE_BIT_TOGGLE }, { "isset", RULE_BIT_ISSET },
	{ "isnotset", RULE_BIT_ISNOTSET } };

static int read_bit_command(
	struct rule_reader *reader, struct span s, enum rule_bit_command *ret_command)
{
	for (size_t i = 0; i < sizeof(bit_commands) / sizeof(bit_commands[0]); i++)
		if (span_is(s, bit_commands[i].name)) {
			*ret_command = bit_commands[i].command;
			return 0;
		}
	return reader_bad_value(reader, s, "set, unset, toggle, isset, isnotset or noalert");
}

static int name_number(struct rule_reader *reader, enum rules_names_kind kind, struct span name,
	uint16_t *ret_number)
{
	int r;

	if (name.len == 0 || name.len > 255)
		return reader_bad_value(reader, name, "a name");
	r = rules_names_number(&reader->text->names[kind], name, ret_number);
	if (r == -E2BIG)
		return reader_refuse(reader, name, "too-long", "more than %d names in all rules",
			RULES_NAMES_MAX);
	return r;
}

static int read_bit_names(struct rule_reader *reader, enum rules_names_kind kind, struct span s,
	struct rule_bits *bits)
{
	struct span name;
	int r = 0;

	bits->all = s.len && memchr(s.at, '&', s.len);
	if (bits->all && memchr(s.at, '|', s.len))
		return reader_bad_value(reader, s, "names with | or with &, not both");
	if (s.len == 0)
		return reader_bad_value(reader, s, "a name");
	while (r == 0 && span_next(&s, bits->all ? '&' : '|', &name)) {
		if (bits->n >= RULE_BITS_MAX)
			return reader_refuse(
				reader, name, "too-long", "at most %d names", RULE_BITS_MAX);
		r = name_number(reader, kind, name, &bits->name[bits->n]);
		bits->n++;
	}
	if (r == 0 && bits->n > 1 && bits->command != RULE_BIT_ISSET &&
		bits->command != RULE_BIT_ISNOTSET && !bits->all)
		return reader_bad_value(
			reader, s.at ? s : reader->value, "one name, or names with &");
	return r;
}

/* COMMAND,NAME[,...]; `rest` keeps what follows. */
static int read_bits(struct rule_reader *reader, struct span *rest, enum rules_names_kind kind,
	const char *wanted, struct rule_bits *bits)
{
	struct span command, name;
	int r;

	span_next(rest, ',', &command);
	r = read_bit_command(reader, command, &bits->command);
	if (r < 0)
		return r;
	if (!span_next(rest, ',', &name))
		return reader_bad_value(reader, reader->value, wanted);
	return read_bit_names(reader, kind, name, bits);
}

static int add_bits(
	struct rule_reader *reader, enum rule_keyword keyword, const struct rule_bits *bits)
{
	struct rule_option *option;
	int r = reader_add(reader, keyword, false, &option);

	if (r == 0)
		option->bits = *bits;
	return r;
}

/* Alone; then it is done. */
static bool take_noalert(struct rule_reader *reader, struct span value)
{
	if (!span_is(span_trim(value), "noalert"))
		return false;
	reader->rule->noalert = true;
	return true;
}

int rule_read_flowbits(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value);
	struct rule_bits bits = { .track = RULE_TRACK_FLOW };
	int r;

	(void)word;
	if (take_noalert(reader, rest))
		return 0;
	r = read_bits(reader, &rest, RULES_NAMES_FLOWBITS, "COMMAND,NAME", &bits);
	return r < 0 ? r : add_bits(reader, RULE_FLOWBITS, &bits);
}

static int read_xbits_word(struct rule_reader *reader, struct span piece, struct rule_bits *bits)
{
	struct span rest = piece, name;
	int64_t number;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "track"))
		return reader_track(reader, rest, &bits->track);
	if (!span_is(name, "expire"))
		return reader_bad_value(reader, piece, "track or expire");
	r = reader_number(reader, rest, 1, UINT32_MAX, &number);
	if (r == 0)
		bits->expire_s = (uint32_t)number;
	return r;
}

int rule_read_xbits(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), piece;
	struct rule_bits bits = { .track = RULE_TRACK_RULE };
	int r;

	(void)word;
	if (take_noalert(reader, rest))
		return 0;
	r = read_bits(reader, &rest, RULES_NAMES_XBITS, "COMMAND,NAME,track ip_src|ip_dst|ip_pair",
		&bits);
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_xbits_word(reader, piece, &bits);
	if (r == 0 && bits.track == RULE_TRACK_RULE)
		r = reader_bad_value(reader, reader->value, "track ip_src, ip_dst, ip_pair or tx");
	return r < 0 ? r : add_bits(reader, RULE_XBITS, &bits);
}

int rule_read_hostbits(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), side;
	struct rule_bits bits = { .track = RULE_TRACK_SRC };
	int r;

	(void)word;
	r = read_bits(reader, &rest, RULES_NAMES_XBITS, "COMMAND,NAME", &bits);
	if (r == 0 && span_next(&rest, ',', &side)) {
		if (span_is(side, "dst"))
			bits.track = RULE_TRACK_DST;
		else if (span_is(side, "both"))
			bits.track = RULE_TRACK_PAIR;
		else if (!span_is(side, "src"))
			r = reader_bad_value(reader, side, "src, dst or both");
	}
	return r < 0 ? r : add_bits(reader, RULE_XBITS, &bits);
}

/* ---- numbers ---- */

static int read_int_action(struct rule_reader *reader, struct span s, struct rule_int *integer)
{
	static const struct {
		const char *text;
		enum rule_op op;
	} compares[] = { { "==", RULE_EQ }, { "!=", RULE_NE }, { "<", RULE_LT }, { "<=", RULE_LE },
		{ ">", RULE_GT }, { ">=", RULE_GE } };

	if (span_is(s, "="))
		integer->action = RULE_INT_ASSIGN;
	else if (span_is(s, "+"))
		integer->action = RULE_INT_ADD;
	else if (span_is(s, "-"))
		integer->action = RULE_INT_SUB;
	else {
		integer->action = RULE_INT_COMPARE;
		for (size_t i = 0; i < sizeof(compares) / sizeof(compares[0]); i++)
			if (span_is(s, compares[i].text)) {
				integer->compare.op = compares[i].op;
				return 0;
			}
		return reader_bad_value(
			reader, s, "isset, notset, or one of = + - == != < <= > >=");
	}
	return 0;
}

static int read_int_value(struct rule_reader *reader, struct span s, struct rule_int *integer)
{
	int r;

	if (span_number(s, &integer->number)) {
		integer->compare.a.number = integer->number;
		return 0;
	}
	r = name_number(reader, RULES_NAMES_FLOWINT, s, &integer->other);
	integer->by_name = r == 0;
	return r;
}

int rule_read_flowint(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), name = { 0 }, action, value;
	struct rule_int integer = { 0 };
	struct rule_option *option;
	int r;

	(void)word;
	span_next(&rest, ',', &name);
	r = name_number(reader, RULES_NAMES_FLOWINT, name, &integer.name);
	if (r < 0)
		return r;
	if (!span_next(&rest, ',', &action))
		return reader_bad_value(reader, reader->value, "NAME,OPERATOR,VALUE");
	if (span_is(action, "isset"))
		integer.is_set = true;
	else if (span_is(action, "notset") || span_is(action, "isnotset"))
		integer.is_not_set = true;
	else {
		r = read_int_action(reader, action, &integer);
		if (r == 0 && !span_next(&rest, ',', &value))
			r = reader_bad_value(reader, reader->value, "NAME,OPERATOR,VALUE");
		if (r == 0)
			r = read_int_value(reader, value, &integer);
	}
	if (r == 0)
		r = reader_add(reader, RULE_FLOWINT, false, &option);
	if (r == 0)
		option->integer = integer;
	return r;
}

int rule_read_stream_size(struct rule_reader *reader, const struct rule_word *word)
{
	static const char *const sides[] = { "client", "server", "both", "either" };
	struct span rest = reader_unquote(reader->value), side = { 0 }, operator, value;
	struct rule_option *option;
	uint8_t which = 0;
	char text[32];
	int r;

	(void)word;
	span_next(&rest, ',', &side);
	while (which < 4 && !span_is(side, sides[which]))
		which++;
	if (which == 4)
		return reader_bad_value(reader, side, "client, server, both or either");
	if (!span_next(&rest, ',', &operator) ||
		!span_next(&rest, ',', &value) ||
		operator.len == 0 || operator.len + value.len> sizeof(text))
		return reader_bad_value(reader, reader->value, "SIDE,OPERATOR,NUMBER");
	r = reader_add(reader, RULE_STREAM_SIZE, false, &option);
	if (r < 0)
		return r;
	option->stream_size.side = which;
	r = reader_compare(reader, value, false, &option->stream_size.compare);
	if (r == 0 && option->stream_size.compare.op != RULE_EQ)
		r = reader_bad_value(reader, value, "a number");
	if (r == 0) {
		struct rule_compare compare;

		memcpy(text, operator.at, operator.len);
		text[operator.len] = '0';

		r = reader_compare(reader, span_make(text, operator.len + 1), false, &compare);
		if (r == 0)
			option->stream_size.compare.op = compare.op;
	}
	if (r == -EINVAL)
		return reader_bad_value(reader, reader->value, "SIDE,OPERATOR,NUMBER");
	return r;
}

/* ---- how often ---- */

static int read_filter_type(
	struct rule_reader *reader, struct span s, struct rule_threshold *filter)
{
	if (span_is(s, "limit"))
		filter->type = RULE_FILTER_LIMIT;
	else if (span_is(s, "threshold"))
		filter->type = RULE_FILTER_THRESHOLD;
	else if (span_is(s, "both"))
		filter->type = RULE_FILTER_BOTH;
	else if (span_is(s, "backoff"))
		filter->type = RULE_FILTER_BACKOFF;
	else
		return reader_bad_value(reader, s, "limit, threshold, both or backoff");
	return 0;
}

enum { HAS_TYPE = 1, HAS_TRACK = 2, HAS_COUNT = 4, HAS_SECONDS = 8, HAS_MULTIPLIER = 16 };

static int read_filter_word(
	struct rule_reader *reader, struct span piece, struct rule_threshold *filter, unsigned *has)
{
	struct span rest = piece, name;
	int64_t number = 0;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "type")) {
		*has |= HAS_TYPE;
		return read_filter_type(reader, rest, filter);
	}
	if (span_is(name, "track")) {
		*has |= HAS_TRACK;
		return reader_track(reader, rest, &filter->track);
	}
	if (span_is(name, "unique_on"))
		return reader_refuse(reader, piece, "unsupported-value",
			"events are counted, not the different values in them");
	r = reader_number(reader, rest, 1, UINT32_MAX, &number);
	if (r < 0)
		return r;
	if (span_is(name, "count")) {
		*has |= HAS_COUNT;
		filter->count = (uint32_t)number;
	} else if (span_is(name, "seconds")) {
		*has |= HAS_SECONDS;
		filter->seconds = (uint32_t)number;
	} else if (span_is(name, "multiplier")) {
		*has |= HAS_MULTIPLIER;
		filter->multiplier = (uint32_t)number;
	} else
		return reader_bad_value(reader, piece, "type, track, count or seconds");
	return 0;
}

static int read_filter(struct rule_reader *reader, unsigned wanted, struct rule_threshold *filter)
{
	struct span rest = reader->value, piece;
	unsigned has = 0;
	int r = 0;

	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_filter_word(reader, piece, filter, &has);
	if (r < 0)
		return r;
	if (filter->type == RULE_FILTER_BACKOFF)
		wanted = (wanted & ~HAS_SECONDS) | HAS_MULTIPLIER;
	if ((has & wanted) != wanted)
		return reader_refuse(reader, reader->value, "missing-value",
			"%.*s wants %strack, count and seconds", shown(reader->name),
			reader->name.at, wanted & HAS_TYPE ? "type, " : "");
	return 0;
}

int rule_read_threshold(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule *rule = reader->rule;

	(void)word;
	if (rule->has_threshold)
		return reader_refuse(
			reader, reader->name, "bad-combination", "a rule has one threshold");
	rule->has_threshold = true;
	return read_filter(
		reader, HAS_TYPE | HAS_TRACK | HAS_COUNT | HAS_SECONDS, &rule->threshold);
}

int rule_read_detection_filter(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = reader_add(reader, RULE_DETECTION_FILTER, false, &option);

	(void)word;
	if (r < 0)
		return r;
	r = read_filter(reader, HAS_TRACK | HAS_COUNT | HAS_SECONDS, &option->filter);
	option->filter.type = RULE_FILTER_DETECTION_FILTER;
	return r;
}

static int read_tag_count(struct rule_reader *reader, struct span *rest, struct rule_option *option)
{
	static const char *const units[] = { "packets", "seconds", "bytes" };
	struct span number, unit, direction;
	int64_t count;
	int r;

	if (!span_next(rest, ',', &number))
		return 0;
	r = reader_number(reader, number, 0, UINT32_MAX, &count);
	if (r < 0)
		return r;
	option->tag.count = (uint32_t)count;
	if (!span_next(rest, ',', &unit))
		return reader_bad_value(
			reader, reader->value, "packets, seconds or bytes behind the number");
	while (option->tag.unit < 3 && !span_is(unit, units[option->tag.unit]))
		option->tag.unit++;
	if (option->tag.unit == 3)
		return reader_bad_value(reader, unit, "packets, seconds or bytes");
	if (span_next(rest, ',', &direction)) {
		if (!span_is(direction, "src") && !span_is(direction, "dst"))
			return reader_bad_value(reader, direction, "src or dst");
		option->tag.direction = span_is(direction, "src") ? 1 : 2;
	}
	return 0;
}

int rule_read_tag(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), what = { 0 };
	struct rule_option *option;
	int r = reader_add(reader, RULE_TAG, false, &option);

	(void)word;
	if (r < 0)
		return r;
	span_next(&rest, ',', &what);
	if (!span_is(what, "session") && !span_is(what, "host"))
		return reader_bad_value(reader, what, "session or host");
	option->tag.session = span_is(what, "session");
	return read_tag_count(reader, &rest, option);
}

/* ---- protocols, events ---- */

static int word_option(struct rule_reader *reader, enum rule_keyword keyword, struct span text,
	struct rule_option **ret_option)
{
	int r = reader_add(reader, keyword, false, ret_option);

	if (r < 0)
		return r;
	(*ret_option)->word.text = span_copy(text);
	return (*ret_option)->word.text ? 0 : -ENOMEM;
}

int rule_read_stream_reassemble(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;

	(void)word;
	if (!reader->value.at)
		return reader_bad_value(reader, reader->value, "enable|disable,SIDE");
	return word_option(reader, RULE_STREAM_REASSEMBLE, reader->value, &option);
}

static int find_protocol(struct rule_reader *reader, struct span name, uint64_t *ret_value)
{
	*ret_value = proto_find(name.at, name.len);
	if (*ret_value != PROTO_NONE || span_is(name, "unknown"))
		return 0;
	if (span_is(name, "failed"))
		*ret_value = PROTO_FAILED;
	else if (span_is(name, "ssl"))
		*ret_value = PROTO_TLS;
	else if (span_is(name, "http1"))
		*ret_value = PROTO_HTTP;
	else if (rule_unsupported_protocol(name))
		return reader_refuse(reader, name, "unsupported-protocol",
			"%.*s is not recognised here", shown(name), name.at);
	else
		return reader_refuse(reader, name, "unknown-protocol", "%.*s is not a protocol",
			shown(name), name.at);
	return 0;
}

int rule_read_app_protocol(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), name = { 0 }, mode = { "", 0 };
	struct rule_option *option;
	uint64_t value;
	bool negated;
	int r;

	(void)word;
	span_next(&rest, ',', &name);
	negated = span_take(&name, '!');
	if (name.len == 0)
		return reader_bad_value(reader, name, "the name of a protocol");
	r = find_protocol(reader, name, &value);
	if (r < 0)
		return r;
	if (span_next(&rest, ',', &mode) && !span_is(mode, "final") && !span_is(mode, "original") &&
		!span_is(mode, "either") && !span_is(mode, "exact") &&
		!span_is(mode, "to_server") && !span_is(mode, "to_client") &&
		!span_is(mode, "toserver") && !span_is(mode, "toclient"))
		return reader_bad_value(
			reader, mode, "final, original, either, exact, to_server or to_client");
	r = word_option(reader, RULE_APP_PROTOCOL, mode, &option);
	if (r < 0)
		return r;
	option->negated = negated;
	option->word.value = value;
	return 0;
}

static bool is_event(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.at[i]) && !strchr("._-", s.at[i]))
			return false;
	return s.len > 0;
}

static int check_event_protocol(struct rule_reader *reader, struct span name)
{
	struct span rest = name, protocol;
	uint64_t value;

	span_next(&rest, '.', &protocol);
	if (!rest.at)
		return 0;
	return find_protocol(reader, protocol, &value);
}

int rule_read_event(struct rule_reader *reader, const struct rule_word *word)
{
	struct span name = reader_unquote(reader->value);
	struct rule_option *option;
	int r = 0;

	if (!is_event(name))
		return reader_bad_value(reader, name, "the name of an event");
	if (word->argument == RULE_APP_EVENT)
		r = check_event_protocol(reader, name);
	return r < 0 ? r : word_option(reader, (enum rule_keyword)word->argument, name, &option);
}

static int read_bit_set(struct rule_reader *reader, struct span s, const char *const *names,
	unsigned n, struct rule_option *option)
{
	struct span name;
	bool first = true;

	while (span_next(&s, ',', &name)) {
		bool negated = span_take(&name, '!');
		unsigned i = 0;

		while (i < n && !span_is_any_case(name, names[i]))
			i++;
		if (i == n)
			return reader_bad_value(
				reader, name, "one of its names, see fishbowl-rules(1)");
		if (!first && negated != option->negated)
			return reader_bad_value(reader, name, "all of them with ! or none");
		first = false;
		option->negated = negated;
		option->word.value |= 1u << i;
	}
	return 0;
}

int rule_read_ssl_version(struct rule_reader *reader, const struct rule_word *word)
{
	/* in the order of RULE_SSL2 ... */
	static const char *const names[] = { "sslv2", "sslv3", "tls1.0", "tls1.1", "tls1.2",
		"tls1.3" };
	struct rule_option *option;
	int r = reader_add(reader, RULE_SSL_VERSION, false, &option);

	(void)word;
	return r < 0 ? r : read_bit_set(reader, reader_unquote(reader->value), names, 6, option);
}

int rule_read_ssl_state(struct rule_reader *reader, const struct rule_word *word)
{
	/* in the order of RULE_SSL_CLIENT_HELLO ... */
	static const char *const names[] = { "client_hello", "server_hello", "client_keyx",
		"server_keyx", "unknown" };
	struct span rest = reader_unquote(reader->value), piece;
	struct rule_option *option;
	int r = reader_add(reader, RULE_SSL_STATE, false, &option);

	(void)word;
	if (r == 0 && !rest.at)
		return reader_bad_value(reader, rest, "a state of the handshake");
	while (r == 0 && span_next(&rest, '|', &piece))
		r = read_bit_set(reader, piece, names, 5, option);
	return r;
}

static bool is_uuid(struct span s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s.at[i] != '-' : !isxdigit((unsigned char)s.at[i]))
			return false;
	}
	return true;
}

static int read_dce_version(struct rule_reader *reader, struct span s, struct rule_option *option)
{
	struct rule_compare compare;
	int r = reader_compare(reader, s, false, &compare);

	if (r < 0)
		return r;
	if (compare.op > RULE_GE || compare.a.number < 0 || compare.a.number > UINT16_MAX)
		return reader_bad_value(reader, s, "=N, !N, <N or >N");
	option->word.numbers = calloc(2, sizeof(*option->word.numbers));
	if (!option->word.numbers)
		return -ENOMEM;
	option->word.n = 2;
	option->word.numbers[0] = compare.op;
	option->word.numbers[1] = (uint32_t)compare.a.number;
	return 0;
}

int rule_read_dce_iface(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), uuid = { 0 }, piece;
	struct rule_option *option;
	int r;

	(void)word;
	span_next(&rest, ',', &uuid);
	if (!is_uuid(uuid))
		return reader_bad_value(reader, uuid, "a UUID");
	r = word_option(reader, RULE_DCE_IFACE, uuid, &option);
	for (char *c = r == 0 ? option->word.text : NULL; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	while (r == 0 && span_next(&rest, ',', &piece)) {
		if (span_is(piece, "any_frag"))
			option->word.value = 1;
		else if (option->word.n > 0)
			r = reader_bad_value(reader, piece, "one version");
		else
			r = read_dce_version(reader, piece, option);
	}
	return r;
}
