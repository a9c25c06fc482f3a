/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/convert.h"

#include <inttypes.h>

#include "proto/proto.h"
#include "rules/reader.h"

/* ---- what is inbound ---- */

static bool is_one_of(struct span s, const char *const *names)
{
	for (; *names; names++)
		if (span_is(s, *names))
			return true;
	return false;
}

/* Ours: $HOME_NET, servers in it, and lists of these. */
static bool is_protected(struct span s)
{
	static const char *const names[] = { "$HOME_NET", "$HONEYNET", "$HTTP_SERVERS",
		"$SMTP_SERVERS", "$SQL_SERVERS", "$DNS_SERVERS", "$TELNET_SERVERS", "$SSH_SERVERS",
		"$FTP_SERVERS", "$SIP_SERVERS", "$DC_SERVERS", "$SNMP_SERVERS", NULL };
	struct span piece;

	if (s.len > 2 && s.at[0] == '[' && s.at[s.len - 1] == ']')
		s = span_make(s.at + 1, s.len - 2);
	while (span_next(&s, ',', &piece))
		if (!is_one_of(piece, names))
			return false;
	return true;
}

static bool is_listed(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == '$' || s.at[i] == '!')
			return false;
	return s.len > 0 && (s.at[0] == '[' || isdigit((unsigned char)s.at[0]));
}

/* ---- what is to be done ---- */

enum policy { DISARM, DROP, LET_PASS };

static const struct {
	const char *class;
	enum policy policy;
} classes[] = {
	{ "suspicious-login", DROP },
	{ "suspicious-filename-detect", DROP },
	{ "web-application-attack", DROP },
	{ "default-login-attempt", DROP },
	{ "successful-admin", DROP },
	{ "trojan-activity", LET_PASS },
	{ "attempted-recon", LET_PASS },
	{ "network-scan", LET_PASS },
	{ "not-suspicious", LET_PASS },
	{ "unknown", LET_PASS },
	{ "policy-violation", LET_PASS },
	{ "misc-activity", LET_PASS },
	{ "icmp-event", LET_PASS },
	{ "tcp-connection", LET_PASS },
	{ "protocol-command-decode", LET_PASS },
	{ "inappropriate-content", LET_PASS },
	{ "web-application-activity", LET_PASS },
	{ "external-ip-check", LET_PASS },
};

/* The intruder's tools come by these. */
static bool fetches_tools(const struct rule *rule)
{
	return rule->gid == 1 && (rule->sid == 1289 || (rule->sid >= 1441 && rule->sid <= 1444) ||
					 (rule->sid >= 518 && rule->sid <= 520));
}

static bool is_of_file(const struct rule *rule, const char *name)
{
	const char *slash = strrchr(rule->file, '/');

	return strstr(slash ? slash : rule->file, name) != NULL;
}

static enum policy policy_of(const struct rule *rule)
{
	if (fetches_tools(rule) || is_of_file(rule, "tftp.rules"))
		return LET_PASS;
	if (is_of_file(rule, "attack-responses.rules"))
		return DROP;
	for (size_t i = 0; rule->classtype && i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcmp(rule->classtype, classes[i].class) == 0)
			return classes[i].policy;
	return DISARM;
}

/* ---- what is replaced ---- */

static char next_in(const char *kind, char c)
{
	const char *at = strchr(kind, c);

	return at[1] ? at[1] : kind[0];
}

/* Another one of the kind of `c`; of no kind: 0. */
static char other_of_kind(char c)
{
	static const char *const kinds[] = { "aeiou", "AEIOU", "bcdfghjklmnpqrstvwxyz",
		"BCDFGHJKLMNPQRSTVWXYZ", "0123456789" };

	for (size_t i = 0; c && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strchr(kinds[i], c))
			return next_in(kinds[i], c);
	return 0;
}

static bool is_binary(uint8_t c)
{
	return c != 0 && c != '\r' && c != '\n' && c != ' ' && c != '\t' && c != 0x90 && c != 0xff;
}

static bool is_one_byte(struct span bytes)
{
	for (size_t i = 1; i < bytes.len; i++)
		if (bytes.at[i] != bytes.at[0])
			return false;
	return true;
}

/* The byte to be changed: the last letter or digit, or the last one that is no padding. */
static bool choose(struct span bytes, size_t *ret_at, char *ret_new)
{
	for (size_t i = bytes.len; i-- > 0;) {
		char other = other_of_kind(bytes.at[i]);

		if (other) {
			*ret_at = i;
			*ret_new = other;
			return true;
		}
	}
	for (size_t i = bytes.len; i-- > 0;)
		if (is_binary((uint8_t)bytes.at[i])) {
			*ret_at = i;
			*ret_new = ispunct((unsigned char)bytes.at[i])
					   ? (bytes.at[i] == '_' ? '-' : '_')
					   : (char)(bytes.at[i] ^ 1);
			return true;
		}
	return false;
}

static struct span bytes_of(const struct rule_content *content)
{
	return span_make((const char *)content->bytes, content->len);
}

static bool can_replace(const struct rule_option *option)
{
	struct span bytes;
	size_t at;
	char other;

	if (option->keyword != RULE_CONTENT || option->negated ||
		option->buffer != BUFFER_PAYLOAD || option->n_transforms > 0)
		return false;
	bytes = bytes_of(&option->content);
	return bytes.len > 1 && !is_one_byte(bytes) && choose(bytes, &at, &other);
}

/* The longest; of equal ones the last. */
static const struct rule_option *find_content(const struct rule *rule)
{
	const struct rule_option *best = NULL;

	if (rule->proto == RULE_PROTO_IP || rule->proto == RULE_PROTO_ICMP ||
		rule->proto == RULE_PROTO_SCTP || rule->proto == RULE_PROTO_ETHER)
		return NULL;
	for (unsigned i = 0; i < rule->n_options; i++)
		if (can_replace(&rule->option[i]) &&
			(!best || rule->option[i].content.len >= best->content.len))
			best = &rule->option[i];
	return best;
}

static bool replaces_already(const struct rule *rule)
{
	for (unsigned i = 0; i < rule->n_options; i++)
		if (rule->option[i].keyword == RULE_CONTENT && rule->option[i].content.replace)
			return true;
	return false;
}

/* ---- text ---- */

static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || (c && strchr(" !#$%&'()*+,-./<=>?@[]^_`{}~", c));
}

static void write_content(struct out *o, struct span bytes, size_t at, char other)
{
	bool hex = false;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = i == at ? other : bytes.at[i];

		if (is_plain(c) == hex) {
			out_char(o, '|');
			hex = !hex;
		} else if (hex) {
			out_char(o, ' ');
		}
		if (hex)
			out_fmt(o, "%02X", (uint8_t)c);
		else
			out_char(o, c);
	}
	if (hex)
		out_char(o, '|');
}

static void write_replace(struct out *o, const struct rule_content *content)
{
	struct span bytes = bytes_of(content);
	size_t at;
	char other;

	if (!choose(bytes, &at, &other))
		return;
	out_str(o, " replace:\"");
	write_content(o, bytes, at, other);
	out_str(o, "\";");
}

static uint32_t new_sid(uint32_t sid)
{
	return sid <= UINT32_MAX - RULE_CONVERT_SIDS ? sid + RULE_CONVERT_SIDS : sid;
}

/* The options, with another sid, and `replace` behind the content that is replaced. */
static void write_options(struct out *o, const struct rule *rule, struct span rest,
	const struct rule_option *replaced)
{
	while (rest.len > 0) {
		size_t len = rule_option_len(rest);
		struct span option = span_make(rest.at, len);
		size_t column = (size_t)(rest.at - rule->text) + 1;

		if (len > 4 && memcmp(option.at, "sid", 3) == 0 &&
			(option.at[3] == ':' || span_is_space(option.at[3])))
			out_fmt(o, "sid:%" PRIu32, new_sid(rule->sid));
		else
			out_bytes(o, option.at, len - (option.at[len - 1] == ';'));
		out_char(o, ';');
		if (replaced && column == replaced->column)
			write_replace(o, &replaced->content);
		rest = span_skip_space(span_from(rest, len));
		if (rest.len > 0)
			out_char(o, ' ');
	}
}

enum { ACTION, PROTO, SOURCE, SOURCE_PORT, DIRECTION, DESTINATION, DESTINATION_PORT, FIELDS };

struct parts {
	struct span field[FIELDS];
	struct span options; /* between the parentheses */
};

static bool split(const struct rule *rule, struct parts *parts)
{
	struct span text = span_make(rule->text, strlen(rule->text)), header;
	const char *open = memchr(text.at, '(', text.len);

	header = open ? span_make(text.at, (size_t)(open - text.at)) : text;
	parts->options = span_make(text.at, 0);
	if (open && text.at[text.len - 1] == ')') {
		parts->options = span_from(text, header.len + 1);
		parts->options.len--;
		parts->options = span_trim(parts->options);
	}
	for (unsigned i = 0; i < FIELDS; i++)
		parts->field[i] = rule_next_field(&header);
	return parts->field[DESTINATION_PORT].len > 0;
}

static void write_field(struct out *o, struct span s)
{
	out_bytes(o, s.at, s.len);
	out_char(o, ' ');
}

static void write_rule(struct out *o, const struct rule *rule, const struct parts *parts,
	const char *action, struct span source, struct span destination,
	const struct rule_option *replaced)
{
	out_fmt(o, "%s ", action);
	write_field(o, parts->field[PROTO]);
	write_field(o, source);
	write_field(o, parts->field[SOURCE_PORT]);
	out_str(o, "-> ");
	write_field(o, destination);
	write_field(o, parts->field[DESTINATION_PORT]);
	out_char(o, '(');
	write_options(o, rule, parts->options, replaced);
}

static struct span word(const char *text)
{
	return span_make(text, strlen(text));
}

enum rule_conversion rule_convert(const struct rule *rule, struct out *o)
{
	static const char *const actions[] = { "", "alert", "drop", "alert" };
	const struct rule_option *replaced = NULL;
	enum rule_conversion how = RULE_CONVERT_ALERT;
	struct parts parts;
	struct span outside;
	bool listed;

	if (!split(rule, &parts) || !is_protected(parts.field[DESTINATION]) ||
		rule->action == RULE_PASS)
		return RULE_CONVERT_NOT;
	outside = parts.field[SOURCE];
	listed = is_listed(outside);
	if (!listed && !span_is(outside, "$EXTERNAL_NET") && !span_is_any_case(outside, "any"))
		return RULE_CONVERT_NOT;
	if (listed || rule->noalert || policy_of(rule) == LET_PASS) {
		how = RULE_CONVERT_ALERT;
	} else if (policy_of(rule) == DROP || replaces_already(rule)) {
		how = replaces_already(rule) ? RULE_CONVERT_REPLACE : RULE_CONVERT_DROP;
	} else {
		replaced = find_content(rule);
		how = replaced ? RULE_CONVERT_REPLACE : RULE_CONVERT_DROP;
	}
	write_rule(o, rule, &parts, actions[how], word("$HONEYNET"),
		listed ? outside : word("$EXTERNAL_NET"), replaced);
	out_str(o, ")\n");
	return how;
}

bool rule_convert_mark(const struct rule *rule, struct out *o)
{
	struct parts parts;

	if (!split(rule, &parts) || !is_protected(parts.field[SOURCE]) ||
		(!span_is(parts.field[DESTINATION], "$EXTERNAL_NET") &&
			!span_is_any_case(parts.field[DESTINATION], "any")))
		return false;
	write_rule(o, rule, &parts, "alert", word("$EXTERNAL_NET"), word("$HONEYNET"), NULL);
	out_str(o, " noalert;)\n");
	return true;
}
