/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "conf/list.h"
#include "conf/value.h"

struct check {
	struct conf *conf;
	const struct conf_lines *lines;
	struct conf_faults *faults;
};

#define FAULT(c, line, ...) conf_fault_add((c)->faults, line, __VA_ARGS__)

static unsigned line_top(const struct check *c, const char *name, size_t n)
{
	return conf_line(c->lines, CONF_SECTION_top, 0, name, n);
}

/* ---- names, NICs, paths ---- */

static bool name_fine(const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len == 0 || len >= max || name[0] == '.' || name[0] == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

void conf_check_name(struct conf_faults *faults, unsigned line, const char *what, const char *name)
{
	if (name_fine(name, CONF_NAME_MAX))
		return;
	conf_fault_add(faults, line,
		"%s \"%.40s\" cannot be a name; use 1 to %d letters, digits, dots, dashes or "
		"underscores, beginning with a letter or digit",
		what, name, CONF_NAME_MAX - 1);
}

static void check_nic(struct check *c, unsigned line, const char *what, const char *nic)
{
	bool fine = *nic && strlen(nic) < CONF_NIC_MAX && strcmp(nic, ".") != 0 &&
		    strcmp(nic, "..") != 0;

	for (const char *at = nic; *at; at++)
		fine &= isgraph((unsigned char)*at) && !strchr("/:;,\"'", *at);
	if (!fine)
		FAULT(c, line,
			"%s \"%.40s\" cannot be the name of a NIC (1 to %d characters without "
			"spaces, quotes and / : , ;); `ip link` lists the names",
			what, nic, CONF_NIC_MAX - 1);
	else if (strcmp(nic, "lo") == 0)
		FAULT(c, line, "%s \"lo\" is the loopback device; name an Ethernet NIC", what);
}

static void check_path(struct check *c, const char *name, const char *path, bool needed)
{
	unsigned line = line_top(c, name, 0);

	if (!*path && !needed)
		return;
	if (path[0] != '/')
		FAULT(c, line, "%s \"%.60s\" is not an absolute path; begin it with /", name, path);
	else if (strlen(path) >= CONF_PATH_MAX)
		FAULT(c, line, "%s is longer than %d characters; choose a shorter path", name,
			CONF_PATH_MAX - 1);
	else if (strcmp(path, "/") == 0)
		FAULT(c, line, "%s is the root directory; give it a directory of its own", name);
}

static bool in_texts(const struct conf_texts *texts, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(texts->text[i], text) == 0)
			return true;
	return false;
}

static void check_nics(struct check *c)
{
	const struct conf_top *top = &c->conf->top;

	if (!*top->outside)
		FAULT(c, line_top(c, "outside", 0),
			"outside is not set; name the NIC towards the outside: outside = \"eth0\"");
	else
		check_nic(c, line_top(c, "outside", 0), "outside", top->outside);
	if (top->inside.n == 0)
		FAULT(c, line_top(c, "inside", 0),
			"inside is not set; name the NICs towards the honeypots: inside = "
			"{\"eth1\"}");
	if (top->inside.n > CONF_INSIDE_MAX)
		FAULT(c, line_top(c, "inside", CONF_INSIDE_MAX),
			"inside has %zu NICs; there is room for %d, put a switch behind some of "
			"them",
			top->inside.n, CONF_INSIDE_MAX);
	for (size_t i = 0; i < top->inside.n; i++) {
		const char *nic = top->inside.text[i];
		unsigned line = line_top(c, "inside", i);

		check_nic(c, line, "inside", nic);
		if (*nic && strcmp(nic, top->outside) == 0)
			FAULT(c, line,
				"\"%s\" is the outside NIC as well; the two sides need a NIC each",
				nic);
		if (in_texts(&top->inside, i, nic))
			FAULT(c, line, "inside names \"%s\" twice; remove one", nic);
	}
	if (!*top->management)
		return;
	check_nic(c, line_top(c, "management", 0), "management", top->management);
	if (strcmp(top->management, top->outside) == 0 ||
		in_texts(&top->inside, top->inside.n, top->management))
		FAULT(c, line_top(c, "management", 0),
			"management \"%s\" is a data NIC; management needs a NIC of its own, or "
			"leave the "
			"setting out",
			top->management);
}

static void check_netns(struct check *c)
{
	const char *name = c->conf->top.data_netns;

	if (!name_fine(name, 64))
		FAULT(c, line_top(c, "data_netns", 0),
			"data_netns \"%.60s\" cannot be the name of a namespace; write auto, no or "
			"a name "
			"without / and spaces",
			name);
}

static void check_top(struct check *c)
{
	const struct conf_top *top = &c->conf->top;

	check_nics(c);
	check_netns(c);
	if (*top->honeynet)
		conf_check_name(c->faults, line_top(c, "honeynet", 0), "honeynet", top->honeynet);
	check_path(c, "state_dir", top->state_dir, true);
	check_path(c, "run_dir", top->run_dir, true);
	check_path(c, "eve_file", top->eve_file, false);
	check_path(c, "eve_socket", top->eve_socket, false);
	if (strcmp(top->state_dir, top->run_dir) == 0)
		FAULT(c, line_top(c, "run_dir", 0),
			"run_dir is state_dir as well; run_dir is for what a reboot may lose, "
			"choose "
			"another such as /run/fishbowl");
}

/* ---- addresses ---- */

/* One address of a machine; false when it is none. */
static bool check_address(
	struct check *c, const char *what, const char *text, unsigned line, struct ip *at)
{
	if (ip_parse(text, at) < 0) {
		FAULT(c, line,
			strchr(text, '/') ? "%s \"%.50s\" is a network; write the address alone, "
					    "without the length"
					  : "%s \"%.50s\" is not an IP address; write one such as "
					    "\"10.0.0.5\" or "
					    "\"2001:db8::5\"",
			what, text);
		return false;
	}
	if (ip_is_unset(at) || ip_is_multicast(at) || (ip_is_v4(at) && at->byte[12] == 0) ||
		(ip_is_v4(at) && (at->byte[12] == 127 || at->byte[12] >= 240))) {
		FAULT(c, line,
			"%s \"%.50s\" is no address of a single machine; write the machine's own",
			what, text);
		return false;
	}
	return true;
}

static int check_addresses_of(struct check *c, const char *name, const char *what,
	const struct conf_texts *texts, struct ip **ret_ip, size_t *ret_n)
{
	struct ip *ip = calloc(texts->n + 1, sizeof(*ip));

	if (!ip)
		return -ENOMEM;
	for (size_t i = 0; i < texts->n; i++)
		check_address(c, what, texts->text[i], line_top(c, name, i), &ip[i]);
	*ret_ip = ip;
	*ret_n = texts->n;
	return 0;
}

static int check_servers(struct check *c)
{
	struct conf *conf = c->conf;
	int r = check_addresses_of(c, "resolvers", "resolver", &conf->top.resolvers,
		&conf->resolver, &conf->n_resolvers);

	if (r == 0)
		r = check_addresses_of(c, "ntp_servers", "NTP server", &conf->top.ntp_servers,
			&conf->ntp_server, &conf->n_ntp_servers);
	if (*conf->refuse.router)
		check_address(c, "router", conf->refuse.router,
			conf_line(c->lines, CONF_SECTION_refuse, 0, "router", 0), &conf->router);
	return r;
}

/* ---- lists ---- */

static void check_entry(struct check *c, enum list_kind kind, size_t n)
{
	const char *name = list_names[kind];
	char why[LIST_WHY_MAX];
	struct list_rule rule;

	if (list_rule_parse(list_entries(c->conf, kind)->text[n], &rule, why) < 0)
		FAULT(c, line_top(c, name, n), "%s %s", name, why);
}

static void check_files(struct check *c, enum list_kind kind)
{
	const struct conf_texts *files = list_files(c->conf, kind);
	char name[16];

	snprintf(name, sizeof(name), "%s_files", list_names[kind]);
	for (size_t i = 0; i < files->n; i++) {
		const char *path = files->text[i];

		if (path[0] != '/')
			FAULT(c, line_top(c, name, i),
				"%s \"%.60s\" is not an absolute path; begin it with /", name,
				path);
		if (in_texts(files, i, path))
			FAULT(c, line_top(c, name, i), "%s names \"%.60s\" twice; remove one", name,
				path);
	}
}

static void check_lists(struct check *c)
{
	for (unsigned kind = 0; kind < LIST_COUNT; kind++) {
		for (size_t n = 0; n < list_entries(c->conf, kind)->n; n++)
			check_entry(c, kind, n);
		check_files(c, kind);
	}
}

/* ---- rules ---- */

static void check_rule_path(struct check *c, const char *name, size_t n, const char *path)
{
	if (*path && path[0] != '/')
		FAULT(c, line_top(c, name, n),
			"%s \"%.60s\" is not an absolute path; begin it with /", name, path);
}

static void check_rule_paths(struct check *c)
{
	const struct conf_texts *files = &c->conf->top.rules;

	if (files->n > CONF_RULE_FILES_MAX)
		FAULT(c, line_top(c, "rules", CONF_RULE_FILES_MAX),
			"rules has %zu files; there is room for %d, put some of them together",
			files->n, CONF_RULE_FILES_MAX);
	for (size_t i = 0; i < files->n; i++) {
		const char *path = files->text[i];

		check_rule_path(c, "rules", i, *path ? path : "?");
		if (in_texts(files, i, path))
			FAULT(c, line_top(c, "rules", i), "rules names \"%.60s\" twice; remove one",
				path);
	}
}

static void check_rule_vars(struct check *c)
{
	const struct conf_texts *vars = &c->conf->top.rule_vars;

	if (vars->n > CONF_RULE_VARS_MAX)
		FAULT(c, line_top(c, "rule_vars", CONF_RULE_VARS_MAX),
			"rule_vars has %zu entries; there is room for %d", vars->n,
			CONF_RULE_VARS_MAX);
	for (size_t i = 0; i < vars->n; i++) {
		const char *text = vars->text[i];
		size_t name = 0;

		while (isalnum((unsigned char)text[name]) || text[name] == '_')
			name++;
		if (name == 0 || text[name] != '=' || !text[name + 1])
			FAULT(c, line_top(c, "rule_vars", i),
				"rule_vars \"%.60s\" sets no variable; write \"NAME=VALUE\", such "
				"as "
				"\"HTTP_PORTS=[80,8080]\"",
				text);
	}
}

static void check_rules(struct check *c)
{
	check_rule_paths(c);
	check_rule_vars(c);
	check_rule_path(c, "threshold_file", 0, c->conf->top.threshold_file);
	check_rule_path(c, "classification_file", 0, c->conf->top.classification_file);
}

/* A service that a banner stands before is one protocol's port. */
static void check_privacy(struct check *c)
{
	const struct conf_texts *bannered = &c->conf->privacy.bannered;

	if (bannered->n > CONF_BANNERED_MAX)
		FAULT(c,
			conf_line(c->lines, CONF_SECTION_privacy, 0, "bannered", CONF_BANNERED_MAX),
			"bannered has %zu entries; there is room for %d: one may name a network "
			"and a "
			"range of ports",
			bannered->n, CONF_BANNERED_MAX);
	for (size_t i = 0; i < bannered->n; i++) {
		unsigned line = conf_line(c->lines, CONF_SECTION_privacy, 0, "bannered", i);
		char why[LIST_WHY_MAX];
		struct list_rule rule;

		if (list_rule_parse(bannered->text[i], &rule, why) < 0)
			FAULT(c, line, "bannered %s", why);
		else if (rule.proto == 0 || rule.port_low == 0 || rule.until_ns != 0)
			FAULT(c, line,
				"bannered \"%.60s\" names no service; write a honeypot's address "
				"or "
				"network, protocol and port, without a time: \"10.0.0.5 tcp/22\"",
				bannered->text[i]);
	}
	if (c->conf->privacy.policy == CONF_PRIVACY_BANNER_ONLY && bannered->n == 0)
		FAULT(c, conf_line(c->lines, CONF_SECTION_privacy, 0, "policy", 0),
			"policy banner-only keeps nothing that is said while bannered is empty; "
			"list "
			"the services that show a banner there");
}

/* ---- fingerprints, places ---- */

static void check_files_named(struct check *c, enum conf_section section, const char *name,
	const struct conf_texts *files, size_t max)
{
	if (files->n > max)
		FAULT(c, conf_line(c->lines, section, 0, name, max),
			"%s has %zu files; there is room for %zu", name, files->n, max);
	for (size_t i = 0; i < files->n; i++) {
		const char *path = files->text[i];
		unsigned line = conf_line(c->lines, section, 0, name, i);

		if (path[0] != '/')
			FAULT(c, line, "%s \"%.60s\" is not an absolute path; begin it with /",
				name, path);
		if (in_texts(files, i, path))
			FAULT(c, line, "%s names \"%.60s\" twice; remove one", name, path);
	}
}

/* ---- honeypots ---- */

static unsigned line_of(const struct check *c, size_t honeypot, const char *name, size_t n)
{
	return conf_line(c->lines, CONF_SECTION_honeypot, honeypot, name, n);
}

/* The honeypot before this address that has it already. */
static const struct conf_a_honeypot *find_owner(const struct check *c, size_t h, size_t n)
{
	const struct conf_a_honeypot *all = c->conf->honeypot;

	for (size_t i = 0; i <= h; i++)
		for (size_t j = 0; j < (i == h ? n : all[i].n_addresses); j++)
			if (ip_equal(&all[i].address[j], &all[h].address[n]))
				return &all[i];
	return NULL;
}

static void check_one_address(struct check *c, size_t h, size_t n)
{
	struct conf_a_honeypot *honeypot = &c->conf->honeypot[h];
	const char *text = honeypot->set.address.text[n];
	unsigned line = line_of(c, h, "address", n);
	const struct ip *ip = &honeypot->address[n];
	const struct conf_a_honeypot *owner;

	if (!check_address(c, "address", text, line, &honeypot->address[n]))
		return;
	owner = find_owner(c, h, n);
	if (owner == honeypot)
		FAULT(c, line, "honeypot \"%s\" lists %s twice; remove one", honeypot->name, text);
	else if (owner)
		FAULT(c, line, "address %s belongs to honeypot \"%s\" already; give each its own",
			text, owner->name);
	for (size_t i = 0; i < c->conf->n_resolvers; i++)
		if (ip_equal(&c->conf->resolver[i], ip))
			FAULT(c, line,
				"address %s of honeypot \"%s\" is in resolvers as well; a resolver "
				"is a "
				"machine outside, remove it from one of the two",
				text, honeypot->name);
	for (size_t i = 0; i < c->conf->n_ntp_servers; i++)
		if (ip_equal(&c->conf->ntp_server[i], ip))
			FAULT(c, line,
				"address %s of honeypot \"%s\" is in ntp_servers as well; an NTP "
				"server is a machine outside, remove it from one of the two",
				text, honeypot->name);
}

static int check_addresses(struct check *c, size_t h)
{
	struct conf_a_honeypot *honeypot = &c->conf->honeypot[h];
	const struct conf_texts *texts = &honeypot->set.address;

	if (texts->n == 0)
		FAULT(c, line_of(c, h, "address", 0),
			"honeypot \"%s\" has no address; give it one: address = {\"10.0.0.5\"}",
			honeypot->name);
	if (texts->n > CONF_ADDRESSES_MAX) {
		FAULT(c, line_of(c, h, "address", CONF_ADDRESSES_MAX),
			"honeypot \"%s\" has %zu addresses; there is room for %d", honeypot->name,
			texts->n, CONF_ADDRESSES_MAX);
		return 0;
	}
	honeypot->address = calloc(texts->n + 1, sizeof(*honeypot->address));
	if (!honeypot->address)
		return -ENOMEM;
	for (; honeypot->n_addresses < texts->n; honeypot->n_addresses++)
		check_one_address(c, h, honeypot->n_addresses);
	return 0;
}

static void check_mac(struct check *c, size_t h)
{
	struct conf_a_honeypot *honeypot = &c->conf->honeypot[h];
	unsigned line = line_of(c, h, "mac", 0);
	const char *text = honeypot->set.mac;

	if (!*text)
		return;
	if (mac_parse(text, &honeypot->mac) < 0) {
		FAULT(c, line,
			"mac \"%.40s\" is not a MAC address; write six pairs of hexadecimal "
			"digits: "
			"\"52:54:00:12:34:56\"",
			text);
		return;
	}
	honeypot->has_mac = true;
	if (honeypot->mac.byte[0] & 1)
		FAULT(c, line, "mac %s is a group address; write the honeypot's own", text);
	else if (mac_equal(&honeypot->mac, &(struct mac){ 0 }))
		FAULT(c, line, "mac %s is nobody's; write the honeypot's own, or leave mac out",
			text);
	for (size_t i = 0; i < h; i++)
		if (c->conf->honeypot[i].has_mac &&
			mac_equal(&c->conf->honeypot[i].mac, &honeypot->mac))
			FAULT(c, line,
				"mac %s belongs to honeypot \"%s\" already; give each its own",
				text, c->conf->honeypot[i].name);
}

static void check_inside(struct check *c, size_t h)
{
	struct conf_a_honeypot *honeypot = &c->conf->honeypot[h];
	const struct conf_texts *inside = &c->conf->top.inside;
	const char *nic = honeypot->set.inside_nic;

	honeypot->inside = -1;
	for (size_t i = 0; i < inside->n; i++)
		if (strcmp(inside->text[i], nic) == 0)
			honeypot->inside = (int)i;
	if (*nic && honeypot->inside < 0)
		FAULT(c, line_of(c, h, "nic", 0),
			"nic \"%.40s\" is not among the inside NICs; add it to inside, or name one "
			"of "
			"them",
			nic);
}

static int check_honeypots(struct check *c)
{
	struct conf *conf = c->conf;

	if (conf->n_honeypots == 0)
		FAULT(c, 1,
			"there is no honeypot; add one: honeypot \"web\" { address = "
			"{\"10.0.0.5\"} }");
	if (conf->n_honeypots > CONF_HONEYPOTS_MAX)
		FAULT(c, line_of(c, CONF_HONEYPOTS_MAX, "", 0),
			"there are %zu honeypots; one gateway has room for %d", conf->n_honeypots,
			CONF_HONEYPOTS_MAX);
	for (size_t h = 0; h < conf->n_honeypots; h++) {
		check_mac(c, h);
		check_inside(c, h);
		if (check_addresses(c, h) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the rest ---- */

static void check_capture(struct check *c)
{
	const struct conf_capture *capture = &c->conf->capture;
	unsigned line = conf_line(c->lines, CONF_SECTION_capture, 0, "ring", 0);

	if (capture->ring & (capture->ring - 1)) {
		uint64_t power = UINT64_C(1) << (63 - __builtin_clzll(capture->ring));
		char down[32], up[32];

		FAULT(c, line, "ring is not a power of two; write %s or %s",
			conf_size_text(power, down), conf_size_text(power * 2, up));
	}
	if (capture->segment_size > capture->budget)
		FAULT(c, conf_line(c->lines, CONF_SECTION_capture, 0, "segment_size", 0),
			"segment_size is larger than the budget of all segments; make it smaller "
			"or "
			"budget larger");
}

static void check_kept_files(struct check *c)
{
	const struct conf_files *files = &c->conf->files;

	check_files_named(c, CONF_SECTION_files, "yara", &files->yara, CONF_YARA_FILES_MAX);
	if (!*files->password)
		FAULT(c, conf_line(c->lines, CONF_SECTION_files, 0, "password", 0),
			"password is empty; files that can do harm leave only with one, such as "
			"\"infected\"");
	if (files->largest > files->budget)
		FAULT(c, conf_line(c->lines, CONF_SECTION_files, 0, "largest", 0),
			"largest is more than budget; make it smaller, or budget larger");
}

int conf_check(struct conf *conf, const struct conf_lines *lines, struct conf_faults *faults)
{
	struct check c = { conf, lines, faults };

	check_top(&c);
	check_capture(&c);
	check_lists(&c);
	check_rules(&c);
	check_privacy(&c);
	check_files_named(&c, CONF_SECTION_fingerprint, "signatures", &conf->fingerprint.signatures,
		CONF_SIGNATURES_MAX);
	check_files_named(
		&c, CONF_SECTION_geo, "database", &conf->geo.database, CONF_GEO_FILES_MAX);
	check_kept_files(&c);
	if (check_servers(&c) < 0)
		return -ENOMEM;
	return check_honeypots(&c);
}
