/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl check-config - is the configuration right, and what does it mean? */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ip.h"
#include "base/out.h"
#include "conf/conf.h"

enum { KEY_SETTINGS = 256, KEY_MANUAL, TEXT_SIZE = 1 << 18 };

struct options {
	const char *path;
	void (*print)(struct out *o);
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "the configuration", 0 },
	{ "settings", KEY_SETTINGS, NULL, 0, "print every setting as an example file and stop", 0 },
	{ "manual", KEY_MANUAL, NULL, OPTION_HIDDEN, "print the settings for fishbowl.conf(5)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	if (key == 'c')
		options->path = value;
	else if (key == KEY_SETTINGS)
		options->print = conf_print_example;
	else if (key == KEY_MANUAL)
		options->print = conf_print_manual;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "give the file as -c %s", value);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int print_text(void (*print)(struct out *o))
{
	char *buf = malloc(TEXT_SIZE);
	struct out o = out_make(buf, TEXT_SIZE);

	if (!buf)
		return 1;
	print(&o);
	fputs(buf, stdout);
	free(buf);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- what it means ---- */

static const char *period_text(uint32_t seconds, char buf[static 32])
{
	static const struct {
		uint32_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	if (seconds == units[i].seconds)
		snprintf(buf, 32, "%s", units[i].name);
	else
		snprintf(buf, 32, "%u %ss", seconds / units[i].seconds, units[i].name);
	return buf;
}

static void print_limits(const struct conf_limit *limit)
{
	const struct {
		const char *name;
		struct conf_rate rate;
	} rates[] = { { "TCP", limit->tcp }, { "UDP", limit->udp }, { "ICMP", limit->icmp },
		{ "other", limit->other }, { "DNS", limit->dns } };
	char buf[32];

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		printf("%s%s %" PRIu32 " per %s", i ? ", " : "", rates[i].name, rates[i].rate.count,
			period_text(rates[i].rate.period_s, buf));
}

static void print_honeypot(const struct conf *conf, const struct conf_a_honeypot *honeypot)
{
	char buf[IP_TEXT_MAX], mac[MAC_TEXT_MAX];

	printf("honeypot %s:", honeypot->name);
	for (size_t i = 0; i < honeypot->n_addresses; i++)
		printf(" %s", ip_text(&honeypot->address[i], buf));
	printf("\n  MAC %s, ",
		honeypot->has_mac ? mac_text(&honeypot->mac, mac) : "learnt from its first frame");
	if (honeypot->inside < 0)
		printf("behind any inside NIC\n");
	else
		printf("behind %s\n", conf->top.inside.text[honeypot->inside]);
	if (conf->top.isolate || honeypot->set.isolate) {
		printf("  isolated: nothing of it leaves, not even answers\n");
	} else if (conf->top.roach_motel || honeypot->set.roach_motel) {
		printf("  roach motel: it answers, but begins nothing to the outside\n");
	} else {
		printf("  may begin to the outside: ");
		print_limits(&honeypot->limit);
		printf("\n");
	}
}

static void print_names(const char *head, const struct conf_texts *texts)
{
	if (texts->n == 0)
		return;
	printf("%s", head);
	for (size_t i = 0; i < texts->n; i++)
		printf(" %s", texts->text[i]);
	printf("\n");
}

static void print_summary(const struct conf *conf)
{
	printf("outside: %s\n", conf->top.outside);
	print_names("inside:", &conf->top.inside);
	print_names("resolvers:", &conf->top.resolvers);
	print_names("never reached from a honeypot:", &conf->top.fence);
	for (size_t i = 0; i < conf->n_honeypots; i++)
		print_honeypot(conf, &conf->honeypot[i]);
	printf("capture: %s/capture, at most %" PRIu64 " MiB, %" PRIu64 " MiB stay free\n",
		conf->top.state_dir, conf->capture.budget >> 20, conf->capture.keep_free >> 20);
	printf("records: %s/db, at most %" PRIu64 " MiB and a journal of %" PRIu64 " MiB\n",
		conf->top.state_dir, conf->store.database_budget >> 20,
		conf->store.journal_budget >> 20);
}

int verb_check_config(int argc, char **argv)
{
	static const struct argp argp = { option_table, parse_option, NULL,
		"Reads the configuration. Prints what it means, or each fault with its line and "
		"what to "
		"do about it.",
		NULL, NULL, NULL };
	struct options options = { .path = CONF_PATH_DEFAULT };
	struct conf *conf;
	char *faults = NULL;

	argv[0] = (char[]){ "fishbowl check-config" };
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return 2;
	if (options.print)
		return print_text(options.print);
	if (conf_load(options.path, &conf, &faults) < 0) {
		fprintf(stderr, "%s\n", faults ? faults : "out of memory");
		free(faults);
		return 1;
	}
	printf("%s: fine\n", options.path);
	print_summary(conf);
	conf_free(conf);
	return 0;
}
