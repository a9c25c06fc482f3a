/* SPDX-License-Identifier: Apache-2.0 */
/* The orders in force: what they mean together, when they end, and that a damaged file is never taken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/fishbowl/orders.h"
#include "sys/files.h"

static const int64_t noon_ns = 1769860800000000000, hour_ns = INT64_C(3600) * 1000000000;

static uint64_t give(struct orders *orders, enum order_verb verb, const char *honeypot,
	const char *args, int64_t until_ns)
{
	struct order order = { .verb = verb, .since_ns = noon_ns, .until_ns = until_ns };
	char why[ORDERS_WHY_MAX];
	uint64_t id;

	snprintf(order.honeypot, sizeof(order.honeypot), "%s", honeypot);
	snprintf(order.args, sizeof(order.args), "%s", args);
	snprintf(order.operator, sizeof(order.operator), "root (alice)");
	snprintf(order.reason, sizeof(order.reason), "because \"it\" sc\xc3\xa4nnt");
	if (order_check(&order, why) < 0)
		fail_msg("%s", why);
	assert_int_equal(orders_add(orders, &order, &id), 0);
	return id;
}

static struct conf *two_honeypots(void)
{
	static const char text[] =
		"outside = eth0 inside = eth1\nhoneypot a { address = 10.0.0.1 }\n"
		"honeypot b { address = 10.0.0.2 limit { tcp = 7/h } }\n";
	struct conf *conf;
	char *faults;

	assert_int_equal(conf_load_text(text, sizeof(text) - 1, "test", &conf, &faults), 0);
	return conf;
}

static void apply(const struct orders *orders, const struct conf *conf, struct policy_pot pot[2])
{
	for (size_t i = 0; i < 2; i++) {
		pot[i] = (struct policy_pot){ .limit = conf->honeypot[i].limit };
		orders_apply(orders, conf->honeypot[i].name, &pot[i]);
	}
}

/* The latest wins, for one honeypot or for all; when it ends, what was before it holds again. */
static void test_latest_wins(void **state)
{
	struct conf *conf = two_honeypots();
	struct orders orders = { 0 };
	struct policy_pot pot[2];
	uint64_t id;

	(void)state;
	give(&orders, ORDER_LIMIT, "", "tcp=5/h udp=1/m", 0);
	id = give(&orders, ORDER_LIMIT, "a", "tcp=3/h", noon_ns + hour_ns);
	apply(&orders, conf, pot);
	assert_int_equal(pot[0].limit.tcp.count, 3);
	assert_int_equal(pot[0].limit.udp.count, 1);
	assert_int_equal(pot[1].limit.tcp.count, 5);
	assert_int_equal(orders_deciding(&orders, ORDER_LIMIT, "a", "tcp")->id, id);
	assert_int_equal(orders_deciding(&orders, ORDER_LIMIT, "b", "tcp")->id, id - 1);
	assert_null(orders_deciding(&orders, ORDER_LIMIT, "b", "icmp"));
	give(&orders, ORDER_PRESET, "a", "quiet", noon_ns + hour_ns);
	give(&orders, ORDER_ISOLATE, "b", "", 0);
	give(&orders, ORDER_ROACH_MOTEL, "gone", "", 0);
	apply(&orders, conf, pot);
	assert_int_equal(orders_deciding(&orders, ORDER_LIMIT, "a", "tcp")->verb, ORDER_PRESET);
	assert_int_equal(pot[0].limit.tcp.count, 2);
	assert_int_equal(pot[0].limit.half_open, 2);
	assert_false(pot[0].isolate || pot[0].roach_motel || pot[1].roach_motel);
	assert_true(pot[1].isolate);
	assert_int_equal(orders.n, 4); /* the preset replaced the limit of a: it ends no earlier */
	orders_done(&orders);
	conf_free(conf);
}

static void test_replaced(void **state)
{
	struct orders orders = { 0 };

	(void)state;
	give(&orders, ORDER_LIMIT, "a", "tcp=5/h", 0);
	give(&orders, ORDER_LIMIT, "a", "tcp=6/h", noon_ns); /* ends first: the other one waits */
	assert_int_equal(orders.n, 2);
	give(&orders, ORDER_LIMIT, "a", "udp=5/h tcp=4/h", 0);
	assert_int_equal(orders.n, 1);
	give(&orders, ORDER_LIMIT, "b", "tcp=4/h", 0);
	assert_int_equal(orders.n, 2);
	give(&orders, ORDER_LIMIT, "", "tcp=4/h", 0); /* a keeps its udp */
	assert_int_equal(orders.n, 2);
	assert_string_equal(orders.order[0].honeypot, "a");
	for (unsigned i = 0; i < 5; i++) {
		give(&orders, ORDER_BLACK, "", "192.0.2.0/24 tcp/25", 0);
		give(&orders, ORDER_BLACK, "", "192.0.2.0/24", 0);
		give(&orders, ORDER_LOCKDOWN, "", "", 0);
		give(&orders, ORDER_ISOLATE, "", "", 0);
	}
	assert_int_equal(orders.n, 6);
	assert_int_equal(orders.last_id, 25);
	orders_done(&orders);
}

static void test_times(void **state)
{
	struct orders orders = { 0 };
	uint64_t first, second;

	(void)state;
	give(&orders, ORDER_ISOLATE, "a", "", 0);
	first = give(&orders, ORDER_ISOLATE, "b", "", noon_ns + 2 * hour_ns);
	second = give(&orders, ORDER_ISOLATE, "c", "", noon_ns + hour_ns);
	orders_set_deadlines(&orders, noon_ns, 5);
	assert_null(orders_expired(&orders, noon_ns + hour_ns - 1, hour_ns));
	assert_int_equal(orders_expired(&orders, noon_ns + hour_ns, 6)->id, second);
	/* The clock was set back: the other one goes on. */
	assert_int_equal(orders_expired(&orders, 0, hour_ns + 5)->id, second);
	orders_remove(&orders, 2);
	assert_int_equal(orders_expired(&orders, noon_ns + 2 * hour_ns, 6)->id, first);
	assert_null(orders_find(&orders, second));
	assert_non_null(orders_find(&orders, first));
	orders_done(&orders);
}

static void test_lists(void **state)
{
	struct orders orders = { 0 };
	struct list list = { 0 };
	char text[LIST_RULE_TEXT_MAX];

	(void)state;
	give(&orders, ORDER_BLACK, "", "192.0.2.0/24 tcp/25", 0);
	give(&orders, ORDER_WHITE, "", "fd00::/8", 0);
	give(&orders, ORDER_BLACK, "", "192.0.2.7", 0);
	assert_int_equal(orders_add_rules(&orders, LIST_FENCE, &list), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(orders_add_rules(&orders, LIST_BLACK, &list), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list_rule_text(&list.rule[0], text), "192.0.2.0/24 tcp/25");
	list_done(&list);
	assert_false(orders_lockdown(&orders));
	give(&orders, ORDER_LOCKDOWN, "", "", 0);
	assert_true(orders_lockdown(&orders));
	orders_done(&orders);
}

static void test_faults(void **state)
{
	static const struct {
		enum order_verb verb;
		const char *args, *says;
	} wrong[] = {
		{ ORDER_LIMIT, "", "no limit is named; write" },
		{ ORDER_LIMIT, "tcp", "\"tcp\" is no setting; write" },
		{ ORDER_LIMIT, "tcp=5/h fast", "\"fast\" is no setting; write" },
		{ ORDER_LIMIT, "tcp=5/h udp=5", "is not a rate; write" },
		{ ORDER_LIMIT, "tpc=5/h", "there is no limit \"tpc\"; the limits are tcp" },
		{ ORDER_PRESET, "loud", "the presets are standard" },
		{ ORDER_PRESET, "", "the presets are standard" },
		{ ORDER_FENCE, "10.0.0.1/8", "write the network" },
		{ ORDER_WHITE, "", "is not a network; write" },
		{ ORDER_ISOLATE, "much", "no further arguments" },
		{ ORDER_LOCKDOWN, "a", "no further arguments" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct order order = { .verb = wrong[i].verb };
		char why[ORDERS_WHY_MAX] = "";

		snprintf(order.args, sizeof(order.args), "%s", wrong[i].args);
		assert_int_equal(order_check(&order, why), -EINVAL);
		if (!strstr(why, wrong[i].says))
			fail_msg("%s", why);
	}
	assert_true(order_text_is_plain("sc\xc3\xa4nnt"));
	assert_false(order_text_is_plain("\x1b[2J"));
	assert_false(order_text_is_plain("\xc2\x9b"
					 "2J"));
	for (enum order_verb v = 0; v < ORDER_VERBS; v++)
		assert_int_equal(order_verb_find(order_verb_name(v)), v);
	assert_int_equal(order_verb_find("kill"), ORDER_VERBS);
}

static void test_limit_of_orders(void **state)
{
	struct orders orders = { 0 };
	struct order order = { .verb = ORDER_BLACK };
	uint64_t id = 7;

	(void)state;
	for (unsigned i = 0; i < ORDERS_MAX; i++) {
		snprintf(order.args, sizeof(order.args), "10.%u.%u.0/24", i >> 8, i & 255);
		assert_int_equal(orders_add(&orders, &order, &id), 0);
	}
	snprintf(order.args, sizeof(order.args), "192.0.2.0/24");
	assert_int_equal(orders_add(&orders, &order, &id), -ENOSPC);
	assert_int_equal(id, ORDERS_MAX);
	order = (struct order){ .verb = ORDER_LOCKDOWN }; /* for which there is always room */
	assert_int_equal(orders_add(&orders, &order, &id), 0);
	orders_remove(&orders, ORDERS_MAX);
	order.verb = ORDER_BLACK;
	snprintf(order.args, sizeof(order.args), "10.0.7.0/24");
	assert_int_equal(orders_add(&orders, &order, &id), 0); /* in the place of its like */
	assert_int_equal(orders.n, ORDERS_MAX);
	orders_done(&orders);
}

/* ---- the file ---- */

static struct orders some(void)
{
	struct orders orders = { .generation = 12, .attended_ns = noon_ns, .absent_ns = 7 };

	give(&orders, ORDER_LIMIT, "a", "tcp=5/h bytes=4M/s dns_anywhere=true", noon_ns);
	give(&orders, ORDER_ISOLATE, "", "", 0);
	give(&orders, ORDER_BLACK, "", "192.0.2.0/24 tcp/25 until 2030-01-01T00:00:00Z", 0);
	return orders;
}

static void assert_same(const struct orders *a, const struct orders *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->last_id, b->last_id);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->attended_ns, b->attended_ns);
	assert_int_equal(a->absent_ns, b->absent_ns);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->order[i].id, b->order[i].id);
		assert_int_equal(a->order[i].verb, b->order[i].verb);
		assert_string_equal(a->order[i].honeypot, b->order[i].honeypot);
		assert_string_equal(a->order[i].args, b->order[i].args);
		assert_string_equal(a->order[i].operator, b->order[i].operator);
		assert_string_equal(a->order[i].reason, b->order[i].reason);
		assert_int_equal(a->order[i].since_ns, b->order[i].since_ns);
		assert_int_equal(a->order[i].until_ns, b->order[i].until_ns);
	}
}

static void test_there_and_back(void **state)
{
	char path[] = "/tmp/fishbowl-orders-XXXXXX", why[ORDERS_WHY_MAX];
	struct orders orders = some(), back = { 0 };
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(file_dir_open(path, &dir), 0);
	assert_int_equal(orders_load(dir, &back, why), -ENOENT);
	assert_int_equal(orders_save(&orders, dir), 0);
	assert_int_equal(orders_load(dir, &back, why), 0);
	assert_same(&orders, &back);
	orders_done(&back);
	assert_int_equal(unlinkat(dir, ORDERS_NAME, 0), 0);
	assert_int_equal(mkdirat(dir, ORDERS_NAME, 0700), 0);
	assert_true(orders_load(dir, &back, why) < 0);
	assert_int_equal(unlinkat(dir, ORDERS_NAME, AT_REMOVEDIR), 0);
	close(dir);
	rmdir(path);
	orders_done(&orders);
}

/* No beginning of the file is taken for the whole. */
static void test_every_prefix(void **state)
{
	struct orders orders = some(), back;
	char *text = orders_text(&orders), why[ORDERS_WHY_MAX];
	size_t len = strlen(text);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		char *part = malloc(n + 1); /* exactly: a reader beyond it shows */

		memcpy(part, text, n);
		assert_int_equal(orders_parse(part, n, &back, why), -EBADMSG);
		free(part);
	}
	assert_int_equal(orders_parse(text, len, &back, why), 0);
	assert_same(&orders, &back);
	orders_done(&back);
	orders_done(&orders);
	free(text);
}

/* One byte turned into another: refused, or understood as something whole. */
static void test_every_byte(void **state)
{
	static const char put[] = "\0\n\"}{,:0-z\x80";
	struct orders orders = some(), back;
	char *text = orders_text(&orders), why[ORDERS_WHY_MAX];
	size_t len = strlen(text);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		char was = text[n];

		for (size_t i = 0; i < sizeof(put) - 1; i++) {
			text[n] = put[i];
			if (orders_parse(text, len, &back, why) < 0)
				continue;
			for (size_t k = 0; k < back.n; k++)
				assert_int_equal(order_check(&back.order[k], why), 0);
			orders_done(&back);
		}
		text[n] = was;
	}
	orders_done(&orders);
	free(text);
}

#define HEAD                                                                               \
	"{\"version\":1,\"last_id\":9,\"generation\":1,\"attended_ns\":0,\"absent_ns\":0," \
	"\"orders\":"
#define ORDER_OF(id, verb, args, until)                                           \
	"{\"id\":" id ",\"verb\":\"" verb "\",\"honeypot\":\"\",\"args\":\"" args \
	"\",\"operator\":\"root\",\"reason\":\"\",\"since_ns\":1,\"until_ns\":" until "}"

static void test_damaged(void **state)
{
	static const char *const wrong[] = { "", "{}", "[]", "null", HEAD "[]", HEAD "{}}",
		HEAD "[1]}", HEAD "[{}]}", "{\"version\":2" /* and no more */,
		HEAD "[" ORDER_OF("1", "obey", "", "0") "]}",
		HEAD "[" ORDER_OF("1", "limit", "tcp=x", "0") "]}",
		HEAD "[" ORDER_OF("1", "preset", "loud", "0") "]}",
		HEAD "[" ORDER_OF("1", "fence", "10.0.0.1/8", "0") "]}",
		HEAD "[" ORDER_OF("1", "isolate", "x", "0") "]}",
		HEAD "[" ORDER_OF("1", "isolate", "", "-1") "]}",
		HEAD "[" ORDER_OF("1", "isolate", "", "9223372036854775807") "]}",
		HEAD "[" ORDER_OF("1", "isolate", "", "1.5") "]}",
		HEAD "[" ORDER_OF("0", "isolate", "", "0") "]}",
		HEAD "[" ORDER_OF("10", "isolate", "", "0") "]}",
		HEAD
		"[" ORDER_OF("2", "isolate", "", "0") "," ORDER_OF("2", "lockdown", "", "0") "]}",
		HEAD "[" ORDER_OF("1", "isolate", "\\u001b", "0") "]}", HEAD "[]}x",
		HEAD "[],\"more\":1}", HEAD "[],\"version\":1}" };
	static const char good[] = HEAD "[" ORDER_OF("1", "isolate", "", "5") "]}";
	struct orders orders = { .generation = 99 };
	char why[ORDERS_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why[0] = '\0';
		if (orders_parse(wrong[i], strlen(wrong[i]), &orders, why) != -EBADMSG || !why[0])
			fail_msg("%s", wrong[i]);
	}
	assert_int_equal(orders.generation, 99);
	assert_int_equal(orders_parse(good, sizeof(good) - 1, &orders, why), 0);
	assert_int_equal(orders.n, 1);
	orders_done(&orders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latest_wins),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_limit_of_orders),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
