/* SPDX-License-Identifier: Apache-2.0 */
/* threshold.conf: what is told of rules, said apart from them. */
#include <errno.h>
#include <stdlib.h>

#include "rules/text.h"

enum kind { EVENT_FILTER, RATE_FILTER, SUPPRESS };
enum {
	HAS_GID = 1,
	HAS_SID = 2,
	HAS_TYPE = 4,
	HAS_TRACK = 8,
	HAS_COUNT = 16,
	HAS_SECONDS = 32,
	HAS_ACTION = 64,
	HAS_TIMEOUT = 128,
	HAS_IP = 256
};

struct order {
	enum kind kind;
	unsigned has;
	uint32_t gid, sid;
	struct rule_threshold filter;
	struct rules_suppress suppress;
};

static int read_type(struct rule_reader *reader, struct span s, struct order *order)
{
	if (span_is(s, "limit"))
		order->filter.type = RULE_FILTER_LIMIT;
	else if (span_is(s, "threshold"))
		order->filter.type = RULE_FILTER_THRESHOLD;
	else if (span_is(s, "both"))
		order->filter.type = RULE_FILTER_BOTH;
	else
		return reader_bad_value(reader, s, "limit, threshold or both");
	return 0;
}

static int read_suppress_track(struct rule_reader *reader, struct span s, struct order *order)
{
	if (span_is(s, "by_src"))
		order->suppress.by = RULES_SUPPRESS_SRC;
	else if (span_is(s, "by_dst"))
		order->suppress.by = RULES_SUPPRESS_DST;
	else if (span_is(s, "by_either"))
		order->suppress.by = RULES_SUPPRESS_EITHER;
	else
		return reader_bad_value(reader, s, "by_src, by_dst or by_either");
	return 0;
}

static int read_ip(struct rule_reader *reader, struct span s, struct order *order)
{
	struct rule_set_reader inner = { .text = reader->text };
	struct rule_set set;
	int r = rule_set_read(&inner, s, &set);

	if (r == -EINVAL)
		return reader_refuse(reader, inner.at, inner.reason, "%s", inner.why);
	if (r < 0)
		return r;
	free(order->suppress.nets.in);
	free(order->suppress.nets.out);
	order->suppress.nets = (struct rule_nets){ 0 };
	r = rule_set_nets(&set, &order->suppress.nets);
	rule_set_done(&set);
	return r == -ENOENT ? reader_refuse(reader, s, "matches-nothing", "no address is in this")
			    : r;
}

static int read_number(struct rule_reader *reader, struct span s, uint32_t least, uint32_t *ret)
{
	int64_t number;
	int r = reader_number(reader, s, least, UINT32_MAX, &number);

	if (r == 0)
		*ret = (uint32_t)number;
	return r;
}

static int read_action(struct rule_reader *reader, struct span s, struct order *order)
{
	enum rule_reject reject;

	if (reader_action(s, &order->filter.action, &reject) < 0)
		return reader_bad_value(reader, s, "an action: alert, drop, reject, pass");
	return 0;
}

static const struct {
	const char *name;
	unsigned has, kinds;
} order_words[] = {
	{ "gen_id", HAS_GID, 7 },
	{ "sig_id", HAS_SID, 7 },
	{ "type", HAS_TYPE, 1 << EVENT_FILTER },
	{ "track", HAS_TRACK, 7 },
	{ "count", HAS_COUNT, 1 << EVENT_FILTER | 1 << RATE_FILTER },
	{ "seconds", HAS_SECONDS, 1 << EVENT_FILTER | 1 << RATE_FILTER },
	{ "new_action", HAS_ACTION, 1 << RATE_FILTER },
	{ "timeout", HAS_TIMEOUT, 1 << RATE_FILTER },
	{ "ip", HAS_IP, 1 << SUPPRESS },
};

static int read_value(struct rule_reader *reader, unsigned what, struct span s, struct order *order)
{
	switch (what) {
	case HAS_GID:
		return read_number(reader, s, 0, &order->gid);
	case HAS_SID:
		return read_number(reader, s, 0, &order->sid);
	case HAS_TYPE:
		return read_type(reader, s, order);
	case HAS_TRACK:
		return order->kind == SUPPRESS ? read_suppress_track(reader, s, order)
					       : reader_track(reader, s, &order->filter.track);
	case HAS_COUNT:
		return read_number(reader, s, 1, &order->filter.count);
	case HAS_SECONDS:
		return read_number(reader, s, 1, &order->filter.seconds);
	case HAS_ACTION:
		return read_action(reader, s, order);
	case HAS_TIMEOUT:
		return read_number(reader, s, 0, &order->filter.timeout_s);
	default:
		return read_ip(reader, s, order);
	}
}

static int read_word(struct rule_reader *reader, struct span piece, struct order *order)
{
	struct span rest = span_trim(piece), name;

	span_next_word(&rest, &name);
	for (size_t i = 0; i < sizeof(order_words) / sizeof(order_words[0]); i++) {
		if (!span_is(name, order_words[i].name) ||
			!(order_words[i].kinds & 1u << order->kind))
			continue;
		if (order->has & order_words[i].has)
			return reader_refuse(reader, name, "bad-combination", "%s is said twice",
				order_words[i].name);
		order->has |= order_words[i].has;
		return read_value(reader, order_words[i].has, span_trim(rest), order);
	}
	return reader_refuse(reader, piece, "unknown-keyword", "%.*s is not known here",
		name.len > 60 ? 60 : (int)name.len, name.at);
}

/* Commas inside brackets do not part. */
static struct span next_piece(struct span *rest)
{
	unsigned depth = 0;
	struct span piece;
	size_t i = 0;

	for (; i < rest->len && (rest->at[i] != ',' || depth > 0); i++) {
		if (rest->at[i] == '[')
			depth++;
		else if (rest->at[i] == ']' && depth > 0)
			depth--;
	}
	piece = span_make(rest->at, i);
	*rest = span_from(*rest, i + 1);
	return piece;
}

static int check_order(struct rule_reader *reader, const struct order *order)
{
	static const unsigned wanted[] = {
		[EVENT_FILTER] = HAS_GID | HAS_SID | HAS_TYPE | HAS_TRACK | HAS_COUNT | HAS_SECONDS,
		[RATE_FILTER] = HAS_GID | HAS_SID | HAS_TRACK | HAS_COUNT | HAS_SECONDS |
				HAS_ACTION | HAS_TIMEOUT,
		[SUPPRESS] = HAS_GID | HAS_SID,
	};
	unsigned missing = wanted[order->kind] & ~order->has;

	if (order->kind == SUPPRESS && (order->has & HAS_TRACK) != 0)
		missing |= HAS_IP & ~order->has;
	if (order->kind == SUPPRESS && (order->has & HAS_IP) != 0)
		missing |= HAS_TRACK & ~order->has;
	for (size_t i = 0; i < sizeof(order_words) / sizeof(order_words[0]); i++)
		if (missing & order_words[i].has)
			return reader_refuse(reader, reader->name, "missing-value", "%s is missing",
				order_words[i].name);
	return 0;
}

static int read_order(struct rule_reader *reader, struct order *order)
{
	struct span rest = reader->all;
	int r = 0;

	span_next_word(&rest, &reader->name);
	if (span_is(reader->name, "threshold") || span_is(reader->name, "event_filter"))
		order->kind = EVENT_FILTER;
	else if (span_is(reader->name, "rate_filter"))
		order->kind = RATE_FILTER;
	else if (span_is(reader->name, "suppress"))
		order->kind = SUPPRESS;
	else
		return reader_refuse(reader, reader->name, "unknown-keyword",
			"a line begins with threshold, event_filter, rate_filter or suppress");
	while (r == 0 && rest.len > 0)
		r = read_word(reader, next_piece(&rest), order);
	return r < 0 ? r : check_order(reader, order);
}

static void tell_rule(struct rule *rule, const struct order *order)
{
	if ((order->gid && order->gid != rule->gid) || (order->sid && order->sid != rule->sid))
		return;
	if (order->kind == RATE_FILTER) {
		rule->has_rate_filter = true;
		rule->rate_filter = order->filter;
		rule->rate_filter.type = RULE_FILTER_RATE_FILTER;
		return;
	}
	/* What names one rule is not taken back by what is about all. */
	if (rule->has_threshold && !order->sid)
		return;
	rule->has_threshold = true;
	rule->threshold = order->filter;
}

static int add_suppress(struct rules_text *text, const struct order *order)
{
	struct rules_suppress *more = text->suppress;

	if (text->n_suppress == text->state->room_suppress) {
		uint32_t room = text->n_suppress ? 2 * text->n_suppress : 16;

		more = reallocarray(text->suppress, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		text->suppress = more;
		text->state->room_suppress = room;
	}
	more[text->n_suppress] = order->suppress;
	more[text->n_suppress].gid = order->gid;
	more[text->n_suppress].sid = order->sid;
	text->n_suppress++;
	return 0;
}

static int take_line(void *context, const struct rules_line *line)
{
	struct rules_text *text = context;
	struct rule_reader reader = { .text = text, .all = span_trim(line->text) };
	struct order order = { 0 };
	int r;

	if (reader.all.at[0] == '#')
		return 0;
	if (++text->state->n_orders > RULES_ORDERS_MAX)
		return -E2BIG;
	r = read_order(&reader, &order);
	if (r == 0 && order.kind == SUPPRESS)
		r = add_suppress(text, &order);
	else if (r == 0)
		for (uint32_t i = 0; i < text->n_rules; i++)
			tell_rule(text->rule[i], &order);
	if (r == 0)
		return 0;
	free(order.suppress.nets.in);
	free(order.suppress.nets.out);
	return r == -EINVAL ? rules_text_add_fault(
				      text, line, reader.at, order.sid, reader.reason, reader.why)
			    : r;
}

int rules_text_read_thresholds(
	struct rules_text *text, const char *file, const char *bytes, size_t len)
{
	if (len > RULES_TEXT_MAX)
		return -E2BIG;
	return rules_lines(file, span_make(bytes, len), take_line, text);
}

/* ---- classification.config ---- */

static int read_class(struct rule_reader *reader)
{
	struct span rest = reader->all, word, name, words, number;
	int64_t priority;
	int r;

	span_next_word(&rest, &reader->name);
	span_next_word(&rest, &word);
	if (!span_is(reader->name, "config") || !span_is(word, "classification:"))
		return reader_refuse(reader, reader->name, "bad-syntax",
			"a line is `config classification: NAME,TEXT,PRIORITY`");
	if (!span_next(&rest, ',', &name) || !span_next(&rest, ',', &words) ||
		!span_next(&rest, ',', &number) || name.len == 0)
		return reader_bad_value(reader, word, "NAME,TEXT,PRIORITY");
	r = reader_number(reader, number, 1, 255, &priority);
	if (r == 0)
		r = rules_text_add_class(reader->text, name, words, (uint8_t)priority);
	return r == -E2BIG ? reader_refuse(reader, name, "too-long", "too many classes") : r;
}

static int take_class(void *context, const struct rules_line *line)
{
	struct rules_text *text = context;
	struct rule_reader reader = { .text = text, .all = span_trim(line->text) };
	int r;

	if (reader.all.at[0] == '#')
		return 0;
	if (++text->state->n_orders > RULES_ORDERS_MAX)
		return -E2BIG;
	r = read_class(&reader);
	return r == -EINVAL
		       ? rules_text_add_fault(text, line, reader.at, 0, reader.reason, reader.why)
		       : r;
}

int rules_text_read_classes(
	struct rules_text *text, const char *file, const char *bytes, size_t len)
{
	if (len > RULES_TEXT_MAX)
		return -E2BIG;
	return rules_lines(file, span_make(bytes, len), take_class, text);
}
