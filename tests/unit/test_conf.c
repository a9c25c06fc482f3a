/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration becomes. Wrong ones: tests/golden/test_conf.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/out.h"
#include "conf/change.h"
#include "conf/conf.h"

static const char text[] = "outside = eth0\n"
			   "inside = {\"eth1\", eth2}\n"
			   "resolvers = {\"192.0.2.53\"}\n"
			   "fence = {\"10.0.0.0/8\", \"fd00::/8\"}\n"
			   "limit { tcp = \"5/30m\" udp = 0/h }\n"
			   "honeypot \"web\" {\n"
			   "	address = {\"203.0.113.5\", \"2001:db8::5\"}\n"
			   "	mac = \"52:54:00:12:34:56\" nic = \"eth2\"\n"
			   "	limit { udp = \"7/d\" } roach_motel = yes }\n"
			   "honeypot ssh { address = {203.0.113.6} }\n"
			   "capture { ring = 4M segment_time = 2h compress = on }\n";

static struct conf *load(const char *from)
{
	struct conf *conf = NULL;
	char *faults = NULL;

	if (conf_load_text(from, strlen(from), "test", &conf, &faults) < 0)
		fail_msg("%s", faults ? faults : "out of memory");
	return conf;
}

static void assert_rate(struct conf_rate rate, uint32_t count, uint32_t period_s)
{
	assert_int_equal(rate.count, count);
	assert_int_equal(rate.period_s, period_s);
}

static void assert_ip(const struct ip *ip, const char *expected)
{
	char buf[IP_TEXT_MAX];

	assert_string_equal(ip_text(ip, buf), expected);
}

static void test_top(void **state)
{
	struct conf *conf = load(text);

	(void)state;
	assert_string_equal(conf->path, "test");
	assert_string_equal(conf->top.outside, "eth0");
	assert_int_equal(conf->top.inside.n, 2);
	assert_string_equal(conf->top.inside.text[1], "eth2");
	assert_int_equal(conf->n_resolvers, 1);
	assert_ip(&conf->resolver[0], "192.0.2.53");
	assert_int_equal(conf->top.fence.n, 2);
	assert_string_equal(conf->top.fence.text[1], "fd00::/8");
	assert_int_equal(conf->capture.ring, 4 << 20);
	assert_int_equal(conf->capture.segment_time, 7200);
	assert_true(conf->capture.compress);
	conf_free(conf);
}

static void test_honeypots(void **state)
{
	struct conf *conf = load(text);
	const struct conf_a_honeypot *web = &conf->honeypot[0], *ssh = &conf->honeypot[1];
	char buf[MAC_TEXT_MAX];

	(void)state;
	assert_int_equal(conf->n_honeypots, 2);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->n_addresses, 2);
	assert_ip(&web->address[0], "203.0.113.5");
	assert_ip(&web->address[1], "2001:db8::5");
	assert_true(web->has_mac);
	assert_string_equal(mac_text(&web->mac, buf), "52:54:00:12:34:56");
	assert_int_equal(web->inside, 1);
	assert_true(web->set.roach_motel);
	assert_string_equal(ssh->name, "ssh");
	assert_false(ssh->has_mac);
	assert_int_equal(ssh->inside, -1);
	assert_false(ssh->set.roach_motel);
	conf_free(conf);
}

/* A honeypot's own limit, else the general one, else the default. */
static void test_limits(void **state)
{
	struct conf *conf = load(text);

	(void)state;
	assert_rate(conf->honeypot[0].limit.tcp, 5, 1800);
	assert_rate(conf->honeypot[0].limit.udp, 7, 86400);
	assert_rate(conf->honeypot[0].limit.icmp, 20, 3600);
	assert_rate(conf->honeypot[1].limit.tcp, 5, 1800);
	assert_rate(conf->honeypot[1].limit.udp, 0, 3600);
	assert_rate(conf->honeypot[1].limit.dns, 200, 3600);
	conf_free(conf);
}

static void assert_volume(struct conf_volume volume, uint64_t amount, uint32_t period_s)
{
	assert_int_equal(volume.amount, amount);
	assert_int_equal(volume.period_s, period_s);
}

/* K is 1000 packets, and 1024 bytes. */
static void test_volumes(void **state)
{
	struct conf *conf =
		load("outside = eth0 inside = eth1\n"
		     "limit { all = unlimited packets = 3K/10s bytes = 3K/m }\n"
		     "honeynet_limit { bytes_sum = 1T/7d }\n"
		     "honeypot web { address = 10.0.0.5 limit { bytes = unlimited } }\n");

	(void)state;
	assert_rate(conf->limit.all, CONF_RATE_UNLIMITED, 1);
	assert_volume(conf->limit.packets, 3000, 10);
	assert_volume(conf->limit.packets_sum, 1000000, 3600);
	assert_volume(conf->limit.bytes, 3 << 10, 60);
	assert_volume(conf->honeypot[0].limit.packets, 3000, 10);
	assert_volume(conf->honeypot[0].limit.bytes, CONF_VOLUME_UNLIMITED, 1);
	assert_volume(conf->honeynet.bytes_sum, UINT64_C(1) << 40, 604800);
	assert_volume(conf->honeynet.bytes, CONF_VOLUME_UNLIMITED, 1);
	conf_free(conf);
}

static void test_rules(void **state)
{
	struct conf *conf = load("outside = eth0 inside = eth1\n"
				 "rules = {\"/etc/a.rules\", \"/etc/b.rules\"}\n"
				 "rule_vars = {\"HTTP_PORTS=[80,8080]\", \"X=!$HOME_NET\"}\n"
				 "rules_limit { hold = 50 streams = 8M undecided = pass }\n"
				 "honeypot web { address = 10.0.0.5 }\n");

	(void)state;
	assert_int_equal(conf->top.rules.n, 2);
	assert_string_equal(conf->top.rules.text[1], "/etc/b.rules");
	assert_string_equal(conf->top.rule_vars.text[0], "HTTP_PORTS=[80,8080]");
	assert_string_equal(conf->top.threshold_file, "");
	assert_int_equal(conf->rules.hold, 50);
	assert_int_equal(conf->rules.streams, 8 << 20);
	assert_int_equal(conf->rules.conversations, 16384);
	assert_int_equal(conf->rules.depth, 0);
	assert_int_equal(conf->rules.undecided, CONF_UNDECIDED_PASS);
	conf_free(conf);
}

/* A preset says all limits; what stands in the same section, or further in, comes after it. */
static void test_presets(void **state)
{
	struct conf *conf =
		load("outside = eth0 inside = eth1 preset = open-watch\n"
		     "limit { udp = 7/h }\n"
		     "honeypot a { address = 10.0.0.1 }\n"
		     "honeypot b { address = 10.0.0.2 preset = quiet limit { tcp = 1/h } }\n"
		     "honeypot c { address = 10.0.0.3 preset = standard }\n");

	(void)state;
	assert_int_equal(conf->top.preset, CONF_PRESET_open_watch);
	assert_rate(conf->honeypot[0].limit.tcp, 500, 3600);
	assert_rate(conf->honeypot[0].limit.udp, 7, 3600);
	assert_true(conf->honeypot[0].limit.dns_anywhere);
	assert_rate(conf->honeypot[1].limit.tcp, 1, 3600);
	assert_rate(conf->honeypot[1].limit.udp, 2, 3600);
	assert_false(conf->honeypot[1].limit.dns_anywhere);
	assert_rate(conf->honeypot[2].limit.udp, 20, 3600);
	conf_free(conf);
	assert_int_equal(conf_default(&conf), 0);
	for (unsigned p = 0; p < CONF_PRESETS; p++)
		conf_preset_limit(p, &conf->limit);
	conf_free(conf);
}

/* The words of both settings are the presets, in their order. */
static void test_preset_names(void **state)
{
	(void)state;
	for (int p = 0; p < CONF_PRESETS; p++) {
		struct conf *conf;
		char from[200];

		snprintf(from, sizeof(from),
			"outside = eth0 inside = eth1 preset = %s\n"
			"honeypot a { address = 10.0.0.1 preset = %s }\n",
			conf_preset_name(p), conf_preset_name(p));
		conf = load(from);
		assert_int_equal(conf->top.preset, p);
		assert_int_equal(conf->honeypot[0].set.preset, p + 1);
		conf_free(conf);
	}
}

static void test_defaults(void **state)
{
	struct conf *conf = NULL;

	(void)state;
	assert_int_equal(conf_default(&conf), 0);
	assert_string_equal(conf->top.outside, "");
	assert_string_equal(conf->top.state_dir, "/var/lib/fishbowl");
	assert_int_equal(conf->top.seccomp, CONF_SECCOMP_KILL);
	assert_true(conf->top.syslog);
	assert_rate(conf->limit.tcp, 10, 3600);
	assert_rate(conf->limit.other, 5, 3600);
	assert_int_equal(conf->capture.ring, 32 << 20);
	assert_int_equal(conf->flow.max, 65536);
	assert_int_equal(conf->flow.tcp_established, 7200);
	assert_int_equal(conf->n_honeypots, 0);
	assert_null(conf_free(conf));
	assert_null(conf_free(NULL));
}

/* A snapshot is read from its start, wherever its offset is, and again. */
static void test_snapshot(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct conf *conf = NULL;
	char *faults = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(conf_load_fd(fd, "snapshot", &conf, &faults), 0);
		assert_int_equal(conf->n_honeypots, 2);
		conf_free(conf);
	}
	close(fd);
}

/* On failure there is a text, and the configuration is untouched. */
static void test_failure(void **state)
{
	struct conf *conf = NULL;
	char *faults = NULL;

	(void)state;
	assert_int_equal(conf_load("/nonexistent/fishbowl.conf", &conf, &faults), -ENOENT);
	assert_non_null(strstr(faults, "there is no such file"));
	free(faults);
	faults = NULL;
	assert_int_equal(conf_load_text("x", 1, "test", &conf, &faults), -EINVAL);
	assert_non_null(strstr(faults, "test:1: "));
	free(faults);
	assert_null(conf);
}

/* Every limit of every preset, as text and back. */
static void test_limit_texts(void **state)
{
	struct conf_limit limit, back;
	char why[CONF_WHY_MAX], first[CONF_VALUE_TEXT_MAX], again[CONF_VALUE_TEXT_MAX];
	const char *name;
	enum conf_preset preset;

	(void)state;
	for (enum conf_preset p = 0; p < CONF_PRESETS; p++) {
		assert_int_equal(conf_preset_find(conf_preset_name(p), &preset, why), 0);
		assert_int_equal(preset, p);
		conf_preset_limit(p, &limit);
		conf_preset_limit(!p, &back);
		for (size_t n = 0; (name = conf_limit_name(n)); n++) {
			conf_limit_text(&limit, n, first);
			assert_int_equal(conf_limit_set(&back, name, first, why), 0);
			assert_string_equal(conf_limit_text(&back, n, again), first);
		}
	}
	assert_int_equal(conf_preset_find("loud", &preset, why), -EINVAL);
	assert_non_null(strstr(why, "standard, article"));
	assert_int_equal(conf_limit_set(&limit, "tpc", "1/h", why), -EINVAL);
	assert_non_null(strstr(why, "the limits are tcp, udp"));
	assert_int_equal(conf_limit_set(&limit, "tcp", "1/x", why), -EINVAL);
	assert_non_null(strstr(why, "is not a rate; write"));
	assert_int_equal(conf_limit_set(&limit, "udp", "90/90m", why), 0);
	assert_string_equal(conf_limit_text(&limit, 1, first), "90/90m");
}

static void note_difference(void *context, const struct conf_difference *d)
{
	out_fmt(context, "%s/%s/%s:%s>%s ", d->honeypot ? d->honeypot : "", d->section, d->setting,
		d->from, d->to);
}

static void test_compare(void **state)
{
	char buf[1024];
	struct out o = out_make(buf, sizeof(buf));
	struct conf *from =
		load("outside = eth0 inside = eth1 resolvers = {10.0.0.9}\n"
		     "honeypot a { address = 10.0.0.1 }\nhoneypot b { address = 10.0.0.2 }\n");
	struct conf *to =
		load("outside = eth0 inside = eth1 resolvers = {10.0.0.8, 10.0.0.9}\n"
		     "limit { tcp = 1/h }\nflow { udp = 2m }\nhoneypot c { address = 10.0.0.3 }\n"
		     "honeypot a { address = 10.0.0.7 limit { tcp = 10/h } isolate = true }\n");

	(void)state;
	conf_compare(from, from, note_difference, &o);
	assert_string_equal(buf, "");
	conf_compare(from, to, note_difference, &o);
	assert_string_equal(buf, "//resolvers:10.0.0.9>10.0.0.8, 10.0.0.9 /flow/udp:3m>2m "
				 "a/honeypot/address:10.0.0.1>10.0.0.7 "
				 "a/honeypot/isolate:false>true b/honeypot/:there> "
				 "c/honeypot/:>there ");
	conf_free(from);
	conf_free(to);
}

static void test_printed(void **state)
{
	static char buf[1 << 18];
	struct out o = out_make(buf, sizeof(buf));
	struct conf *conf;

	(void)state;
	conf_print_manual(&o);
	assert_true(out_ok(&o));
	assert_non_null(strstr(buf, "*roach_motel*"));
	o = out_make(buf, sizeof(buf));
	conf_print_example(&o, NULL);
	assert_true(out_ok(&o));
	conf = load(buf);
	assert_int_equal(conf->n_honeypots, 1);
	assert_int_equal(conf->top.rules.n, 0);
	conf_free(conf);
	o = out_make(buf, sizeof(buf));
	conf_print_example(&o, "/usr/share/outbound.rules");
	conf = load(buf);
	assert_int_equal(conf->top.rules.n, 1);
	assert_string_equal(conf->top.rules.text[0], "/usr/share/outbound.rules");
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_honeypots),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_preset_names),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_limit_texts),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
