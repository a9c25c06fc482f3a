/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/list.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/out.h"
#include "conf/conf.h"
#include "conf/fault.h"
#include "conf/file.h"

#define FORM "write NET [[PROTOCOL/]PORT[-PORT]] [until TIME]"

enum { WORDS_MAX = 5 };

/* Ends lie in the years 1971 to 2199, of UTC. */
static const int64_t until_min_s = 31536000, until_max_s = 7258118399;

const char *const list_names[LIST_COUNT] = { "fence", "black", "white" };

struct protocol {
	const char *name;
	uint8_t v4, v6;
	bool ports;
};

static const struct protocol protocols[] = {
	{ "tcp", IPPROTO_TCP, IPPROTO_TCP, true },
	{ "udp", IPPROTO_UDP, IPPROTO_UDP, true },
	{ "sctp", IPPROTO_SCTP, IPPROTO_SCTP, true },
	{ "dccp", IPPROTO_DCCP, IPPROTO_DCCP, true },
	{ "icmp", IPPROTO_ICMP, IPPROTO_ICMPV6, false },
	{ "gre", IPPROTO_GRE, IPPROTO_GRE, false },
	{ "esp", IPPROTO_ESP, IPPROTO_ESP, false },
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

struct words {
	char buf[LIST_LINE_MAX + 1];
	char *word[WORDS_MAX];
	size_t n; /* at most WORDS_MAX: what is behind is not looked at */
};

#define WHY(why, ...) (snprintf(why, LIST_WHY_MAX, __VA_ARGS__), -EINVAL)

/* ---- words ---- */

static int split(const char *text, struct words *ret_words, char *why)
{
	size_t len = strnlen(text, LIST_LINE_MAX + 1);
	char *save = NULL;

	if (len > LIST_LINE_MAX)
		return WHY(why, "the entry is longer than %d characters; " FORM, LIST_LINE_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && !strchr("\t\r\n", c)) || c > '~')
			return WHY(why, "byte 0x%02x is not text of a list; " FORM, c);
	}
	memcpy(ret_words->buf, text, len + 1);
	ret_words->n = 0;
	for (char *word = strtok_r(ret_words->buf, " \t\r\n", &save);
		word && ret_words->n < WORDS_MAX; word = strtok_r(NULL, " \t\r\n", &save))
		ret_words->word[ret_words->n++] = word;
	return 0;
}

/* Digits at *text, which moves behind them; at most `digits` of them. */
static bool take_number(const char **text, unsigned digits, int min, int max, int *ret_n)
{
	int n = 0;
	const char *at = *text;

	for (; digits && *at >= '0' && *at <= '9'; at++, digits--)
		n = n * 10 + (*at - '0');
	if (at == *text || n < min || n > max)
		return false;
	*text = at;
	*ret_n = n;
	return true;
}

static bool take_char(const char **text, const char *chars)
{
	if (!**text || !strchr(chars, **text))
		return false;
	(*text)++;
	return true;
}

/* Exactly two digits. */
static bool take_two(const char **text, int min, int max, int *ret_n)
{
	const char *at = *text;

	return take_number(text, 2, min, max, ret_n) && *text == at + 2;
}

/* ---- networks ---- */

/* The network that `text` lies in when its host bits are cleared. */
static bool clear_host_bits(const char *text, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	struct ip_prefix prefix;
	char address[IP_TEXT_MAX];
	int bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	slash++;
	if (ip_parse(address, &prefix.ip) < 0 ||
		!take_number(&slash, 3, 0, strchr(address, ':') ? 128 : 32, &bits) || *slash)
		return false;
	prefix.bits = (uint8_t)(strchr(address, ':') ? bits : bits + 96);
	for (unsigned i = prefix.bits; i < 128; i++)
		prefix.ip.byte[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
	*ret_prefix = prefix;
	return true;
}

static int parse_net(const char *text, struct list_rule *rule, char *why)
{
	struct ip_prefix wide;
	char buf[IP_TEXT_MAX];

	if (ip_prefix_parse(text, &rule->net) == 0)
		return 0;
	if (clear_host_bits(text, &wide))
		return WHY(why,
			"\"%.50s\" is an address inside a network; write the network, \"%s\"", text,
			ip_prefix_text(&wide, buf));
	return WHY(why,
		"\"%.50s\" is not a network; write address/length, such as \"192.168.0.0/16\" or "
		"\"fd00::/8\"",
		text);
}

/* ---- protocols and ports ---- */

static bool has_all_ports(const struct list_rule *rule)
{
	return rule->port_low == 0 && rule->port_high == UINT16_MAX;
}

static bool is_v4(const struct list_rule *rule)
{
	return ip_is_v4(&rule->net.ip) && rule->net.bits >= 96;
}

static int parse_ports(const char *text, struct list_rule *rule, char *why)
{
	const char *at = text;
	int low = 0, high;

	if (!take_number(&at, 5, 1, UINT16_MAX, &low))
		at = "?";
	high = low;
	if (*at == '-' && (at++, !take_number(&at, 5, 1, UINT16_MAX, &high)))
		at = "?";
	if (*at)
		return WHY(why,
			"\"%.40s\" is not a port; write PORT, PORT-PORT or tcp/PORT, with ports of "
			"1 to 65535",
			text);
	if (low > high)
		return WHY(why, "\"%.11s\" runs backwards; write %d-%d", text, high, low);
	rule->port_low = (uint16_t)low;
	rule->port_high = (uint16_t)high;
	return 0;
}

/* "25", "tcp/25", "udp/1000-2000", "icmp" */
static int parse_service(const char *text, struct list_rule *rule, char *why)
{
	size_t len = strcspn(text, "/");
	const struct protocol *protocol = protocols, *end = protocols + PROTOCOLS;

	if (text[len] != '/' && *text >= '0' && *text <= '9')
		return parse_ports(text, rule, why);
	while (protocol < end &&
		(strlen(protocol->name) != len || memcmp(protocol->name, text, len) != 0))
		protocol++;
	if (protocol == end)
		return WHY(why,
			"\"%.*s\" is not a protocol; write tcp, udp, sctp, dccp, icmp, gre or esp",
			len < 40 ? (int)len : 40, text);
	rule->proto = is_v4(rule) ? protocol->v4 : protocol->v6;
	if (!text[len])
		return 0;
	if (!protocol->ports)
		return WHY(why, "\"%.40s\" names a port, but %s has none; write %s alone", text,
			protocol->name, protocol->name);
	return parse_ports(text + len + 1, rule, why);
}

/* ---- times ---- */

static bool take_fraction(const char **text, int64_t *ret_ns)
{
	int64_t digit = 100000000;
	const char *at = *text;

	*ret_ns = 0;
	if (*at != '.')
		return true;
	for (at++; *at >= '0' && *at <= '9'; at++, digit /= 10)
		*ret_ns += (*at - '0') * digit;
	if (at == *text + 1)
		return false;
	*text = at;
	return true;
}

/* Z, +02:00 */
static bool take_offset(const char **text, int *ret_s)
{
	bool west = **text == '-';
	int hours, minutes;

	*ret_s = 0;
	if (take_char(text, "Zz"))
		return true;
	if (!take_char(text, "+-") || !take_two(text, 0, 23, &hours) || !take_char(text, ":") ||
		!take_two(text, 0, 59, &minutes))
		return false;
	*ret_s = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

static bool take_date(const char **text, struct tm *tm)
{
	if (!take_number(text, 4, 1970, 2200, &tm->tm_year) || !take_char(text, "-") ||
		!take_two(text, 1, 12, &tm->tm_mon) || !take_char(text, "-") ||
		!take_two(text, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return true;
}

static bool take_clock(const char **text, struct tm *tm)
{
	return take_two(text, 0, 23, &tm->tm_hour) && take_char(text, ":") &&
	       take_two(text, 0, 59, &tm->tm_min) && take_char(text, ":") &&
	       take_two(text, 0, 59, &tm->tm_sec);
}

static int parse_until(const char *text, struct list_rule *rule, char *why)
{
	struct tm tm = { 0 };
	const char *at = text;
	int64_t ns, s;
	int day, offset_s;

	if (take_date(&at, &tm) && take_char(&at, "Tt") && take_clock(&at, &tm) &&
		take_fraction(&at, &ns) && take_offset(&at, &offset_s) && !*at) {
		day = tm.tm_mday;
		s = timegm(&tm) - offset_s; /* makes February 30 a day of March */
		rule->until_ns = s * 1000000000 + ns;
		if (tm.tm_mday == day && s >= until_min_s && s <= until_max_s)
			return 0;
	}
	return WHY(
		why, "\"%.40s\" is not a time; write one such as \"2026-01-31T12:00:00Z\"", text);
}

/* ---- entries ---- */

static int parse_words(const struct words *words, struct list_rule *rule, char *why)
{
	size_t at = 1;
	int r = parse_net(words->n ? words->word[0] : "", rule, why);

	if (r == 0 && at < words->n && strcmp(words->word[at], "until") != 0)
		r = parse_service(words->word[at++], rule, why);
	if (r == 0 && at < words->n && strcmp(words->word[at], "until") == 0) {
		at++;
		r = parse_until(at < words->n ? words->word[at] : "", rule, why);
		at++;
	}
	if (r == 0 && at < words->n)
		return WHY(why, "\"%.40s\" is too much; " FORM, words->word[at]);
	return r;
}

int list_rule_parse(const char *text, struct list_rule *ret_rule, char why[static LIST_WHY_MAX])
{
	struct list_rule rule = { .port_high = UINT16_MAX };
	struct words words;
	int r = split(text, &words, why);

	if (r == 0)
		r = parse_words(&words, &rule, why);
	if (r == 0)
		*ret_rule = rule;
	return r;
}

static void print_service(struct out *o, const struct list_rule *rule)
{
	bool any = has_all_ports(rule);

	if (any && !rule->proto)
		return;
	out_char(o, ' ');
	for (size_t i = 0; i < PROTOCOLS && rule->proto; i++)
		if ((is_v4(rule) ? protocols[i].v4 : protocols[i].v6) == rule->proto)
			out_fmt(o, "%s%s", protocols[i].name, any ? "" : "/");
	if (!any)
		out_u64(o, rule->port_low);
	if (!any && rule->port_low != rule->port_high)
		out_fmt(o, "-%u", rule->port_high);
}

const char *list_rule_text(const struct list_rule *rule, char buf[static LIST_RULE_TEXT_MAX])
{
	struct out o = out_make(buf, LIST_RULE_TEXT_MAX);
	char net[IP_TEXT_MAX];

	out_str(&o, ip_prefix_text(&rule->net, net));
	print_service(&o, rule);
	if (rule->until_ns) {
		out_str(&o, " until ");
		out_time_rfc3339(&o, rule->until_ns);
	}
	return buf;
}

/* ---- lists ---- */

/* Room for one more, when n is a power of two: there is room for the next power. */
static int append(struct list *list, const struct list_rule *rule)
{
	if ((list->n & (list->n - 1)) == 0) {
		struct list_rule *more =
			reallocarray(list->rule, list->n ? list->n * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->rule = more;
	}
	list->rule[list->n++] = *rule;
	return 0;
}

/* One line without its end and comment. */
static int load_line(const char *line, size_t len, unsigned number, struct list *list,
	struct conf_faults *faults)
{
	char text[LIST_LINE_MAX + 2], why[LIST_WHY_MAX];
	struct list_rule rule;

	while (len && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	for (; len && (*line == ' ' || *line == '\t'); len--)
		line++;
	if (len == 0)
		return 0;
	if (memchr(line, '\0', len)) {
		conf_fault_add(faults, number, "byte 0x00 is not text of a list; " FORM);
		return 0;
	}
	if (len > LIST_LINE_MAX + 1)
		len = LIST_LINE_MAX + 1; /* still too long */
	memcpy(text, line, len);
	text[len] = '\0';
	if (list_rule_parse(text, &rule, why) == 0)
		return append(list, &rule);
	conf_fault_add(faults, number, "%s", why);
	return 0;
}

static int load_lines(const char *text, const char *end, size_t max, struct list *list,
	struct conf_faults *faults)
{
	int r = 0;

	for (unsigned number = 1; text < end && r == 0; number++) {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = next ? next : end;
		const char *comment = memchr(text, '#', (size_t)(line_end - text));

		r = load_line(text, (size_t)((comment ? comment : line_end) - text), number, list,
			faults);
		if (list->n > max) {
			conf_fault_add(faults, number,
				"there are more than %d entries in all lists; remove some, or "
				"write larger networks",
				LIST_RULES_MAX);
			return 0;
		}
		text = line_end + 1;
	}
	return r;
}

int list_text_load(const char *text, size_t len, const char *name, size_t max, struct list *list,
	char **ret_faults)
{
	struct conf_faults faults = { 0 };
	int r = load_lines(text, text + len, max, list, &faults);

	if (r == 0 && conf_fault_any(&faults)) {
		*ret_faults = conf_fault_text(&faults, name);
		r = *ret_faults ? -EINVAL : -ENOMEM;
	}
	conf_fault_done(&faults);
	return r;
}

static int refuse_file(const char *path, int error, char **ret_faults)
{
	static const struct {
		int error;
		const char *text;
	} remedies[] = {
		{ ENOENT, "there is no such file; create it, or take it out of the configuration" },
		{ EACCES, "it may not be read by this user; run as root, or change its mode" },
		{ EISDIR, "it is a directory; name the files in it" },
		{ EFBIG, "it is larger than 64 MiB; split it, or write larger networks" },
		{ ESPIPE, "it is not a regular file; name a file" },
	};
	const char *text = strerror(-error);

	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].error == -error)
			text = remedies[i].text;
	if (error == -ENOMEM || asprintf(ret_faults, "%s: %s", path, text) < 0)
		return -ENOMEM;
	return -EINVAL;
}

int list_file_load(const char *path, size_t max, struct list *list, char **ret_faults)
{
	char *text;
	size_t len;
	int r = conf_file_read(path, LIST_FILE_MAX, &text, &len);

	if (r < 0)
		return refuse_file(path, r, ret_faults);
	r = list_text_load(text, len, path, max, list, ret_faults);
	free(text);
	return r;
}

void list_done(struct list *list)
{
	free(list->rule);
	*list = (struct list){ 0 };
}

/* ---- all lists ---- */

const struct conf_texts *list_entries(const struct conf *conf, enum list_kind kind)
{
	const struct conf_texts *const of[LIST_COUNT] = { &conf->top.fence, &conf->top.black,
		&conf->top.white };

	return of[kind];
}

const struct conf_texts *list_files(const struct conf *conf, enum list_kind kind)
{
	const struct conf_texts *const of[LIST_COUNT] = { &conf->top.fence_files,
		&conf->top.black_files, &conf->top.white_files };

	return of[kind];
}

/* More faults, of another file. */
static int join(char **faults, char *more)
{
	char *both;

	if (!*faults) {
		*faults = more;
		return 0;
	}
	if (asprintf(&both, "%s\n%s", *faults, more) < 0)
		both = NULL;
	free(more);
	free(*faults);
	*faults = both;
	return both ? 0 : -ENOMEM;
}

static int load_entries(const struct conf *conf, enum list_kind kind, struct list *list)
{
	const struct conf_texts *entries = list_entries(conf, kind);
	char why[LIST_WHY_MAX];
	struct list_rule rule;
	int r = 0;

	for (size_t i = 0; i < entries->n && r == 0; i++) {
		r = list_rule_parse(entries->text[i], &rule, why);
		if (r == 0) /* conf_load() looked at them */
			r = append(list, &rule);
	}
	return r;
}

static int load_files(
	const struct conf *conf, enum list_kind kind, size_t max, struct list *list, char **faults)
{
	const struct conf_texts *files = list_files(conf, kind);

	for (size_t i = 0; i < files->n; i++) {
		char *more = NULL;
		int r = list_file_load(files->text[i], max, list, &more);

		if (r == -EINVAL)
			r = join(faults, more);
		if (r < 0)
			return r;
	}
	return 0;
}

int conf_lists_load(
	const struct conf *conf, struct list ret_list[static LIST_COUNT], char **ret_faults)
{
	struct list list[LIST_COUNT] = { 0 };
	char *faults = NULL;
	size_t n = 0;
	int r = 0;

	for (unsigned kind = 0; kind < LIST_COUNT && r == 0; kind++) {
		r = load_entries(conf, kind, &list[kind]);
		if (r == 0)
			r = load_files(conf, kind, n < LIST_RULES_MAX ? LIST_RULES_MAX - n : 0,
				&list[kind], &faults);
		n += list[kind].n;
	}
	if (r == 0 && faults)
		r = -EINVAL;
	for (unsigned kind = 0; kind < LIST_COUNT; kind++) {
		if (r == 0)
			ret_list[kind] = list[kind];
		else
			list_done(&list[kind]);
	}
	if (r == -EINVAL)
		*ret_faults = faults;
	else
		free(faults);
	return r;
}
