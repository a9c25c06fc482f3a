/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a rule: action, protocol, addresses, ports, direction; sets with variables in
 * them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/reader.h"

/* ---- sets ---- */

static int set_fault(
	struct rule_set_reader *reader, struct span at, const char *reason, const char *why)
{
	if (!reader->reason) {
		reader->at = at;
		reader->reason = reason;
		reader->why = why;
	}
	return -EINVAL;
}

static int read_port(struct rule_set_reader *reader, struct span s, int64_t missing, int64_t *ret)
{
	if (s.len == 0) {
		*ret = missing;
		return 0;
	}
	if (!span_number(s, ret) || *ret < 0 || *ret > UINT16_MAX)
		return set_fault(reader, s, "bad-port", "not a port from 0 to 65535");
	return 0;
}

static int read_ports(struct rule_set_reader *reader, struct span s, struct rule_set *set)
{
	struct span last = s, first;
	int64_t low, high;
	bool range = memchr(s.at, ':', s.len) != NULL;
	int r;

	span_next(&last, ':', &first);
	r = read_port(reader, first, 0, &low);
	if (r < 0)
		return r;
	high = low;
	if (range)
		r = read_port(reader, span_trim(last), UINT16_MAX, &high);
	if (r < 0)
		return r;
	if (s.len == 1 && range)
		return set_fault(reader, s, "bad-port", "a range wants a port at one end at least");
	if (low > high)
		return set_fault(reader, s, "bad-port", "write the lower port first");
	return rule_set_add(set, (rule_point)low, (rule_point)high);
}

static int read_ip(struct rule_set_reader *reader, struct span s, struct ip *ret_ip)
{
	char text[IP_TEXT_MAX];

	s = span_trim(s);
	if (s.len >= sizeof(text))
		return set_fault(reader, s, "bad-address", "not an address");
	if (s.len)
		memcpy(text, s.at, s.len);
	text[s.len] = 0;
	if (strlen(text) != s.len || ip_parse(text, ret_ip) < 0)
		return set_fault(reader, s, "bad-address", "not an address");
	return 0;
}

/* 24, or 255.255.255.0: in bits of an IPv6 address. */
static int read_bits(
	struct rule_set_reader *reader, struct span s, const struct ip *ip, int64_t *ret_bits)
{
	struct ip mask;
	rule_point hosts;

	if (span_number(s, ret_bits)) {
		if (ip_is_v4(ip))
			*ret_bits += 96;
		if (*ret_bits >= (ip_is_v4(ip) ? 96 : 0) && *ret_bits <= 128)
			return 0;
		return set_fault(reader, s, "bad-address", "not the length of a prefix");
	}
	if (!ip_is_v4(ip) || read_ip(reader, s, &mask) < 0)
		return set_fault(reader, s, "bad-address", "not the length of a prefix");
	hosts = ~rule_point_of(&mask) & UINT32_MAX;
	if ((hosts & (hosts + 1)) != 0)
		return set_fault(reader, s, "bad-address", "a network mask with holes");
	*ret_bits = 128 - (hosts ? 64 - __builtin_clzll((unsigned long long)hosts) : 0);
	return 0;
}

static int read_prefix(struct rule_set_reader *reader, struct span s, struct rule_set *set)
{
	struct span rest = s, address;
	struct ip ip = { 0 };
	int64_t bits = 128;
	rule_point hosts, first;
	int r;

	span_next(&rest, '/', &address);
	r = read_ip(reader, address, &ip);
	if (r == 0 && rest.at)
		r = read_bits(reader, span_trim(rest), &ip, &bits);
	if (r < 0)
		return r;
	hosts = bits == 0 ? ~(rule_point)0 : ((rule_point)1 << (128 - bits)) - 1;
	first = rule_point_of(&ip) & ~hosts;
	return rule_set_add(set, first, first | hosts);
}

static int read_nets(struct rule_set_reader *reader, struct span s, struct rule_set *set)
{
	struct span rest = s, first;
	struct ip low, high;
	int r;

	span_next(&rest, '-', &first);
	if (!rest.at)
		return read_prefix(reader, s, set);
	r = read_ip(reader, first, &low);
	if (r == 0)
		r = read_ip(reader, rest, &high);
	if (r < 0)
		return r;
	if (rule_point_of(&low) > rule_point_of(&high))
		return set_fault(reader, s, "bad-address", "write the lower address first");
	return rule_set_add(set, rule_point_of(&low), rule_point_of(&high));
}

static int read_set(struct rule_set_reader *reader, struct span s, struct rule_set *set);

static int read_variable(struct rule_set_reader *reader, struct span name, struct rule_set *set)
{
	struct rules_variable *variable = rules_text_variable(reader->text, span_from(name, 1));
	unsigned kind = reader->ports;
	int r = 0;

	if (!variable)
		return set_fault(reader, name, "undefined-variable",
			"this variable has no value: give it one in the configuration or with -S");
	if (variable->busy)
		return set_fault(reader, name, "bad-variable", "this variable contains itself");
	if (!variable->ready[kind]) {
		variable->busy = true;
		r = read_set(reader, span_make(variable->value, strlen(variable->value)),
			&variable->set[kind]);
		variable->busy = false;
		variable->ready[kind] = r == 0;
	}
	if (r < 0) {
		rule_set_done(&variable->set[kind]);
		if (r == -EINVAL) { /* the place in the value is no place in the rule */
			reader->at = name;
			reader->reason = "bad-variable";
		}
		return r;
	}
	return rule_set_unite(set, &variable->set[kind]);
}

/* Where the item that begins here ends: at a comma outside brackets. */
static size_t item_len(struct span s)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; i < s.len && (s.at[i] != ',' || depth > 0); i++) {
		if (s.at[i] == '[')
			depth++;
		else if (s.at[i] == ']' && depth > 0)
			depth--;
	}
	return i;
}

struct list {
	struct rule_set in, out;
	bool positive;
};

static int read_items(struct rule_set_reader *reader, struct span s, struct list *list)
{
	int r = 0;

	do {
		size_t n = item_len(s);
		struct span item = span_trim(span_make(s.at, n));
		bool not = item.len > 0 && item.at[0] == '!';

		if (not )
			item = span_skip_space(span_from(item, 1));
		if (item.len == 0)
			return set_fault(reader, s, "bad-list", "nothing between two commas");
		list->positive |= !not ;
		r = read_set(reader, item, not ? &list->out : &list->in);
		if (n == s.len)
			break;
		s = span_from(s, n + 1);
	} while (r == 0);
	return r;
}

/* What is in one that is not negated, and in none that is; if all are negated, everything else. */
static int read_list(struct rule_set_reader *reader, struct span s, struct rule_set *set)
{
	struct list list = { 0 };
	int r;

	if (++reader->depth > RULES_NESTING_MAX)
		return set_fault(reader, s, "too-long", "lists are nested too deep");
	r = read_items(reader, s, &list);
	reader->depth--;
	if (r == 0 && !list.positive)
		rule_set_invert(&list.in);
	if (r == 0)
		r = rule_set_subtract(&list.in, &list.out);
	if (r == 0)
		r = rule_set_unite(set, &list.in);
	rule_set_done(&list.in);
	rule_set_done(&list.out);
	return r;
}

static int read_all(struct rule_set *set)
{
	const struct rule_set all = { .inverted = true };

	return rule_set_unite(set, &all);
}

/* Adds what `s` says to `set`. */
static int read_set(struct rule_set_reader *reader, struct span s, struct rule_set *set)
{
	s = span_trim(s);
	if (s.len == 0)
		return set_fault(reader, s, "bad-list", "an address or port is missing");
	if (item_len(s) < s.len || s.at[0] == '!')
		return read_list(reader, s, set);
	if (s.at[0] == '[') {
		if (s.at[s.len - 1] != ']')
			return set_fault(reader, s, "bad-list", "a list ends with ]");
		return read_list(reader, span_make(s.at + 1, s.len - 2), set);
	}
	if (s.at[0] == '$')
		return read_variable(reader, s, set);
	if (span_is_any_case(s, "any"))
		return read_all(set);
	return reader->ports ? read_ports(reader, s, set) : read_nets(reader, s, set);
}

int rule_set_read(struct rule_set_reader *reader, struct span s, struct rule_set *ret_set)
{
	struct rule_set set = { 0 };
	int r = read_set(reader, s, &set);

	if (r < 0)
		rule_set_done(&set);
	else
		*ret_set = set;
	return r;
}

static int read_side(struct rule_reader *reader, struct span s, bool ports, void *ret)
{
	struct rule_set_reader inner = { .text = reader->text, .ports = ports };
	struct rule_set set;
	int r = rule_set_read(&inner, s, &set);

	if (r == -EINVAL)
		return reader_refuse(reader, inner.at, inner.reason, "%.*s: %s",
			inner.at.len > 60 ? 60 : (int)inner.at.len, inner.at.at, inner.why);
	if (r < 0)
		return r;
	r = ports ? rule_set_ports(&set, ret) : rule_set_nets(&set, ret);
	rule_set_done(&set);
	if (r == -ENOENT && s.len && memchr(s.at, '$', s.len))
		return 0; /* "not our servers" where all are ours: not so with other variables */
	if (r == -ENOENT)
		return reader_refuse(reader, s, "matches-nothing",
			"nothing is left of this: the rule can never match");
	return r;
}

/* ---- words ---- */

int reader_action(struct span s, enum rule_action *ret_action, enum rule_reject *ret_reject)
{
	static const struct {
		const char *name;
		enum rule_action action;
		enum rule_reject reject;
	} actions[] = { { "alert", RULE_ALERT, 0 }, { "log", RULE_LOG, 0 },
		{ "pass", RULE_PASS, 0 }, { "drop", RULE_DROP, 0 }, { "block", RULE_DROP, 0 },
		{ "sdrop", RULE_SDROP, 0 }, { "reject", RULE_REJECT, RULE_REJECT_SOURCE },
		{ "rejectsrc", RULE_REJECT, RULE_REJECT_SOURCE },
		{ "rejectdst", RULE_REJECT, RULE_REJECT_DESTINATION },
		{ "rejectboth", RULE_REJECT, RULE_REJECT_BOTH } };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (span_is(s, actions[i].name)) {
			*ret_action = actions[i].action;
			*ret_reject = actions[i].reject;
			return 0;
		}
	return -EINVAL;
}

static const struct {
	const char *name;
	enum rule_proto proto;
	uint8_t version;
} protos[] = { { "ip", RULE_PROTO_IP, 0 }, { "pkthdr", RULE_PROTO_IP, 0 },
	{ "ip4", RULE_PROTO_IP, 4 }, { "ipv4", RULE_PROTO_IP, 4 }, { "ip6", RULE_PROTO_IP, 6 },
	{ "ipv6", RULE_PROTO_IP, 6 }, { "tcp", RULE_PROTO_TCP, 0 },
	{ "tcp-pkt", RULE_PROTO_TCP_PACKET, 0 }, { "tcp-stream", RULE_PROTO_TCP_STREAM, 0 },
	{ "udp", RULE_PROTO_UDP, 0 }, { "icmp", RULE_PROTO_ICMP, 0 },
	{ "icmpv4", RULE_PROTO_ICMP, 4 }, { "icmpv6", RULE_PROTO_ICMP, 6 },
	{ "sctp", RULE_PROTO_SCTP, 0 }, { "ether", RULE_PROTO_ETHER, 0 },
	{ "arp", RULE_PROTO_ETHER, 0 } };

static uint16_t find_app(struct span s)
{
	static const struct {
		const char *name, *means;
	} others[] = { { "ssl", "tls" }, { "dce", "dcerpc" }, { "ftpdata", "ftp-data" } };
	char name[32];

	if (s.len >= sizeof(name))
		return PROTO_NONE;
	for (size_t i = 0; i < s.len; i++)
		name[i] = (char)tolower((unsigned char)s.at[i]);
	if (span_is(span_make(name, s.len), "http1"))
		return PROTO_HTTP | RULE_APP_ALONE;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (span_is(span_make(name, s.len), others[i].name))
			return (uint16_t)proto_find(others[i].means, strlen(others[i].means));
	return (uint16_t)proto_find(name, s.len);
}

static int read_proto(struct rule_reader *reader, struct span s)
{
	struct rule *rule = reader->rule;
	int shown = s.len > 40 ? 40 : (int)s.len;

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (span_is_any_case(s, protos[i].name)) {
			rule->proto = protos[i].proto;
			rule->only_version = protos[i].version;
			return 0;
		}
	rule->app = find_app(s);
	if (rule->app != PROTO_NONE) {
		rule->proto = RULE_PROTO_APP;
		return 0;
	}
	if (s.len && memchr(s.at, ':', s.len))
		return reader_refuse(reader, s, "unsupported-hook",
			"%.*s: rules are not tied to stages of a protocol here; write the protocol "
			"alone",
			shown, s.at);
	if (rule_unsupported_protocol(s))
		return reader_refuse(reader, s, "unsupported-protocol",
			"%.*s is not read here: write tcp or udp and look into the payload", shown,
			s.at);
	return reader_refuse(reader, s, "unknown-protocol", "%.*s is not a protocol", shown, s.at);
}

static int read_direction(struct rule_reader *reader, struct span s)
{
	if (span_is(s, "<>"))
		reader->rule->both_ways = true;
	else if (span_is(s, "=>"))
		return reader_refuse(reader, s, "unsupported-direction",
			"requests and their answers are not looked at together: write -> or <>");
	else if (!span_is(s, "->"))
		return reader_refuse(reader, s, "bad-direction",
			"the direction is -> or <>, not \"%.*s\"; exchange the sides for <-",
			s.len > 20 ? 20 : (int)s.len, s.at);
	return 0;
}

/* The next field: up to white space outside brackets; `!` may stand apart. */
struct span rule_next_field(struct span *rest)
{
	size_t i = 0;
	unsigned depth = 0;
	struct span field;

	*rest = span_skip_space(*rest);
	while (i < rest->len && (rest->at[i] == '!' || span_is_space(rest->at[i])) &&
		rest->at[0] == '!')
		i++;
	for (; i < rest->len && (depth > 0 || !span_is_space(rest->at[i])); i++) {
		if (rest->at[i] == '[')
			depth++;
		else if (rest->at[i] == ']' && depth > 0)
			depth--;
	}
	field = span_make(rest->at, i);
	*rest = span_from(*rest, i);
	return field;
}

enum { ACTION, PROTO, SOURCE, SOURCE_PORT, DIRECTION, DESTINATION, DESTINATION_PORT, FIELDS };

static int read_action(struct rule_reader *reader, struct span s)
{
	struct rule *rule = reader->rule;

	if (span_is(s, "config"))
		return reader_refuse(reader, s, "unsupported-action",
			"rules do not switch protocol parsers on and off here");
	if (reader_action(s, &rule->action, &rule->reject) < 0)
		return reader_refuse(reader, s, "unknown-action",
			"%.*s is not an action: alert, drop, reject, pass, log, sdrop",
			s.len > 40 ? 40 : (int)s.len, s.at);
	return 0;
}

static int split_header(struct rule_reader *reader, struct span header, struct span field[FIELDS])
{
	static const char *const names[FIELDS] = { "action", "protocol", "source", "source port",
		"direction", "destination", "destination port" };

	for (unsigned i = ACTION + 1; i < FIELDS; i++) {
		field[i] = rule_next_field(&header);
		if (field[i].len == 0)
			return reader_refuse(reader, field[i], "bad-header",
				"the %s is missing: ACTION PROTOCOL SOURCE PORT -> DESTINATION "
				"PORT",
				names[i]);
		if (item_len(field[i]) == field[i].len && field[i].at[field[i].len - 1] != ']' &&
			memchr(field[i].at, '[', field[i].len))
			return reader_refuse(reader, field[i], "bad-list",
				"a list ends with ], and there is none");
	}
	header = span_trim(header);
	if (header.len > 0)
		return reader_refuse(reader, header, "bad-header",
			"there is more than ACTION PROTOCOL SOURCE PORT -> DESTINATION PORT");
	return 0;
}

int reader_read_header(struct rule_reader *reader, struct span header)
{
	struct rule *rule = reader->rule;
	struct span field[FIELDS] = { rule_next_field(&header) };
	int r = read_action(reader, field[ACTION]);

	if (r == 0)
		r = split_header(reader, header, field);
	if (r == 0)
		r = read_proto(reader, field[PROTO]);
	if (r == 0)
		r = read_direction(reader, field[DIRECTION]);
	if (r == 0)
		r = read_side(reader, field[SOURCE], false, &rule->src);
	if (r == 0)
		r = read_side(reader, field[SOURCE_PORT], true, &rule->sport);
	if (r == 0)
		r = read_side(reader, field[DESTINATION], false, &rule->dst);
	if (r == 0)
		r = read_side(reader, field[DESTINATION_PORT], true, &rule->dport);
	return r;
}
