/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed, but hardly meant. */
#include <netinet/in.h>
#include <stdbool.h>

#include "base/out.h"
#include "conf/conf.h"
#include "conf/list.h"

enum { DNS_PORT = 53, NTP_PORT = 123, WIDE_V4 = 96 + 8, WIDE_V6 = 32, SHOWN_MAX = 20 };

static void warn_dns(struct out *o, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_honeypots && conf->n_resolvers == 0; i++) {
		const struct conf_limit *limit = &conf->honeypot[i].limit;

		if (limit->dns.count == 0 || limit->dns_anywhere)
			continue;
		out_fmt(o,
			"warning: honeypot %s cannot ask DNS, for there are no resolvers; list "
			"them "
			"in resolvers, or set dns_anywhere\n",
			conf->honeypot[i].name);
		return;
	}
}

static bool is_over(const struct list_rule *rule, int64_t wall_ns)
{
	return rule->until_ns && rule->until_ns <= wall_ns;
}

/* Whether UDP to this port of `ip` is in the list. */
static bool have_server(
	const struct list *list, const struct ip *ip, uint16_t port, int64_t wall_ns)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct list_rule *rule = &list->rule[i];

		if (!is_over(rule, wall_ns) && ip_in_prefix(ip, &rule->net) &&
			(!rule->proto || rule->proto == IPPROTO_UDP) && rule->port_low <= port &&
			port <= rule->port_high)
			return true;
	}
	return false;
}

static void warn_server(struct out *o, const char *what, const struct ip *ip, uint16_t port,
	const struct list *list, int64_t wall_ns)
{
	char buf[IP_TEXT_MAX];

	for (unsigned kind = LIST_FENCE; kind <= LIST_BLACK; kind++)
		if (have_server(&list[kind], ip, port, wall_ns))
			out_fmt(o,
				"warning: no honeypot reaches %s %s, for it is in %s; take it out "
				"of one of the two\n",
				what, ip_text(ip, buf), list_names[kind]);
}

static void warn_wide(struct out *o, const struct list *white, int64_t wall_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < white->n; i++) {
		const struct list_rule *rule = &white->rule[i];
		bool v4 = ip_is_v4(&rule->net.ip) && rule->net.bits >= 96;
		char buf[LIST_RULE_TEXT_MAX];

		if (is_over(rule, wall_ns) || rule->net.bits >= (v4 ? WIDE_V4 : WIDE_V6))
			continue;
		if (n++ < SHOWN_MAX)
			out_fmt(o,
				"warning: white has %s, a large part of the Internet, without "
				"limits; write smaller networks\n",
				list_rule_text(rule, buf));
	}
	if (n > SHOWN_MAX)
		out_fmt(o, "warning: white has %zu more such networks\n", n - SHOWN_MAX);
}

static void warn_over(struct out *o, const struct list *list, const char *name, int64_t wall_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += is_over(&list->rule[i], wall_ns);
	if (n)
		out_fmt(o, "warning: %zu %s of %s ended in the past; remove %s\n", n,
			n == 1 ? "entry" : "entries", name, n == 1 ? "it" : "them");
}

void conf_print_warnings(struct out *o, const struct conf *conf,
	const struct list list[static LIST_COUNT], int64_t wall_ns)
{
	if (list[LIST_FENCE].n == 0)
		out_str(o, "warning: nothing is fenced; list your own networks in fence, so that "
			   "no honeypot ever reaches them\n");
	warn_dns(o, conf);
	for (size_t i = 0; i < conf->n_resolvers; i++)
		warn_server(o, "resolver", &conf->resolver[i], DNS_PORT, list, wall_ns);
	for (size_t i = 0; i < conf->n_ntp_servers; i++)
		warn_server(o, "NTP server", &conf->ntp_server[i], NTP_PORT, list, wall_ns);
	warn_wide(o, &list[LIST_WHITE], wall_ns);
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		warn_over(o, &list[kind], list_names[kind], wall_ns);
}
