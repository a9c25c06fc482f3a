/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the language, found by name. */
#include "rules/reader.h"

#include <pthread.h>
#include <stdlib.h>

static const struct rule_word words[] = {
#define WORD(name, handler, argument, text) { name, rule_read_##handler, argument, text },
#include "rules/word.def"
#undef WORD
#define BUFFER(ID, name, snort, proto, sides, flags, text) \
	{ name, rule_read_sticky, BUFFER_##ID, text },
#include "proto/buffer.def"
#define BUFFER(ID, name, snort, proto, sides, flags, text) \
	{ snort, rule_read_sticky, BUFFER_##ID, text },
#include "proto/buffer.def"
#define NUMBER(ID, name, proto, sides, text) { name, rule_read_number, NUMBER_##ID, text },
#include "proto/number.def"
#undef NUMBER
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

static const struct rule_word *sorted[WORDS];
static size_t n_sorted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int compare_spans(struct span a, struct span b)
{
	int r = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

static struct span name_of(const struct rule_word *word)
{
	return span_make(word->name, strlen(word->name));
}

static int compare_words(const void *a, const void *b)
{
	const struct rule_word *left = *(const struct rule_word *const *)a;
	const struct rule_word *right = *(const struct rule_word *const *)b;
	int r = compare_spans(name_of(left), name_of(right));

	return r ? r : (left > right) - (left < right);
}

/* Of two with one name the first stands: word.def before the tables of protocols. */
static void sort_words(void)
{
	size_t n = 0;

	for (size_t i = 0; i < WORDS; i++)
		if (words[i].name)
			sorted[n++] = &words[i];
	qsort(sorted, n, sizeof(sorted[0]), compare_words);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(sorted[i]->name, sorted[n_sorted - 1]->name) != 0)
			sorted[n_sorted++] = sorted[i];
}

static int compare_name(const void *key, const void *element)
{
	return compare_spans(
		*(const struct span *)key, name_of(*(const struct rule_word *const *)element));
}

const struct rule_word *rule_word_find(struct span name)
{
	const struct rule_word *const *found;

	pthread_once(&once, sort_words);
	found = bsearch(&name, sorted, n_sorted, sizeof(sorted[0]), compare_name);
	return found ? *found : NULL;
}

bool rules_word(size_t number, const char **ret_name, const char **ret_text)
{
	pthread_once(&once, sort_words);
	for (size_t i = 0; i < n_sorted; i++) {
		if (sorted[i]->read == rule_read_unsupported || number-- > 0)
			continue;
		*ret_name = sorted[i]->name;
		*ret_text = sorted[i]->text;
		return true;
	}
	return false;
}

/* Protocols that rules elsewhere name and nobody reads here. */
const char *rule_unsupported_protocol(struct span name)
{
	static const char *const known[] = { "doh2", "mqtt", "sip", "ntp", "ike", "ikev2", "snmp",
		"rfb", "ldap", "dhcp", "enip", "cip", "websocket", "template", "template-rust",
		"nfs", "rdp", "tftp", "modbus", "dnp3", "bittorrent-dht", "telnet", "pgsql", "mdns",
		"pop3", "imap", "irc", "mime", "email", "smtp", "ftp", "ftp-data", "ftpdata", "smb",
		"dcerpc", "nfs_version", "msn", "jabber", "bfd", "sctp", "file", "mysql", "gre",
		"igmp", "can", "s7comm", "ja4", "websockets", "netflow", "vxlan", "stream", "http",
		"http2", "tls", "quic", "krb5", "ssh", "dns", "arp", "llmnr" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_is_any_case(name, known[i]))
			return known[i];
	return NULL;
}
