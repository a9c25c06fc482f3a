/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/orders.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/files.h"

enum { VERSION = 1, SETTING_MAX = 128 };

static const struct {
	const char *name;
	enum order_scope scope;
} verbs[ORDER_VERBS] = {
#define ORDER(ID, name, scope, text) { name, scope },
#include "cmd/fishbowl/orders.def"
#undef ORDER
};

const char *order_verb_name(enum order_verb verb)
{
	return verb < ORDER_VERBS ? verbs[verb].name : "?";
}

enum order_verb order_verb_find(const char *name)
{
	enum order_verb verb = 0;

	while (verb < ORDER_VERBS && strcmp(verbs[verb].name, name) != 0)
		verb++;
	return verb;
}

enum order_scope order_verb_scope(enum order_verb verb)
{
	return verbs[verb].scope;
}

bool order_verb_list(enum order_verb verb, enum list_kind *ret_kind)
{
	if (verb < ORDER_FENCE || verb > ORDER_WHITE)
		return false;
	*ret_kind = verb == ORDER_FENCE   ? LIST_FENCE
		    : verb == ORDER_BLACK ? LIST_BLACK
					  : LIST_WHITE;
	return true;
}

/* Of C1 (U+0080 to U+009F) too: terminals obey them. */
bool order_text_is_plain(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	for (; *at; at++)
		if (*at < ' ' || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0))
			return false;
	return true;
}

/* ---- arguments ---- */

/* The next "name=value" of a limit order; false at the end, and for one without a value. */
static bool take_setting(const char **at, char name[static SETTING_MAX], const char **ret_value)
{
	size_t len = strcspn(*at, " ");
	char *equals;

	if (len == 0 || len >= SETTING_MAX)
		return false;
	memcpy(name, *at, len);
	name[len] = '\0';
	*at += len + ((*at)[len] == ' ');
	equals = strchr(name, '=');
	if (!equals)
		return false;
	*equals = '\0';
	*ret_value = equals + 1;
	return true;
}

static int set_limits(const char *args, struct conf_limit *limit, char why[static ORDERS_WHY_MAX])
{
	char name[SETTING_MAX];
	const char *value;

	if (!*args) {
		snprintf(why, ORDERS_WHY_MAX,
			"no limit is named; write NAME=VALUE, such as tcp=5/h");
		return -EINVAL;
	}
	while (*args) {
		const char *setting = args;

		if (!take_setting(&args, name, &value)) {
			snprintf(why, ORDERS_WHY_MAX,
				"\"%.*s\" is no setting; write NAME=VALUE, such as tcp=5/h",
				(int)strcspn(setting, " "), setting);
			return -EINVAL;
		}
		if (conf_limit_set(limit, name, value, why) < 0)
			return -EINVAL;
	}
	return 0;
}

static bool sets_limit(const char *args, const char *limit)
{
	char name[SETTING_MAX];
	const char *value;

	while (take_setting(&args, name, &value))
		if (strcmp(name, limit) == 0)
			return true;
	return false;
}

/* Every limit that `older` sets is set by `newer` as well. */
static bool sets_all_of(const char *newer, const char *older)
{
	char name[SETTING_MAX];
	const char *value;

	while (take_setting(&older, name, &value))
		if (!sets_limit(newer, name))
			return false;
	return true;
}

int order_check(const struct order *order, char why[static ORDERS_WHY_MAX])
{
	struct conf_limit limit;
	enum conf_preset preset;
	struct list_rule rule;
	enum list_kind kind;

	if (order->verb == ORDER_LIMIT) {
		conf_preset_limit(0, &limit);
		return set_limits(order->args, &limit, why);
	}
	if (order->verb == ORDER_PRESET)
		return conf_preset_find(order->args, &preset, why);
	if (order_verb_list(order->verb, &kind))
		return list_rule_parse(order->args, &rule, why);
	if (!order->args[0])
		return 0;
	snprintf(why, ORDERS_WHY_MAX, "%s takes no further arguments", verbs[order->verb].name);
	return -EINVAL;
}

/* ---- the table ---- */

/* Nothing of `older` would be left if both were in force. */
static bool replaces(const struct order *newer, const struct order *older)
{
	if (newer->honeypot[0] && strcmp(newer->honeypot, older->honeypot) != 0)
		return false;
	if (newer->until_ns != 0 && (older->until_ns == 0 || older->until_ns > newer->until_ns))
		return false;
	if (newer->verb == ORDER_PRESET)
		return older->verb == ORDER_PRESET || older->verb == ORDER_LIMIT;
	if (newer->verb != older->verb)
		return false;
	return newer->verb == ORDER_LIMIT ? sets_all_of(newer->args, older->args)
					  : strcmp(newer->args, older->args) == 0;
}

void orders_remove(struct orders *orders, size_t n)
{
	orders->n--;
	memmove(&orders->order[n], &orders->order[n + 1],
		(orders->n - n) * sizeof(orders->order[0]));
}

static int append(struct orders *orders, const struct order *order)
{
	if (orders->n >= ORDERS_MAX + (order->verb == ORDER_LOCKDOWN))
		return -ENOSPC;
	if (orders->n == orders->room) {
		size_t room = orders->room ? 2 * orders->room : 1;
		struct order *more = reallocarray(orders->order, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		orders->order = more;
		orders->room = room;
	}
	orders->order[orders->n++] = *order;
	return 0;
}

int orders_add(struct orders *orders, const struct order *order, uint64_t *ret_id)
{
	struct order copy = *order;
	int r;

	for (size_t i = orders->n; i-- > 0;)
		if (replaces(order, &orders->order[i]))
			orders_remove(orders, i);
	copy.id = orders->last_id + 1;
	r = append(orders, &copy);
	if (r == 0)
		*ret_id = ++orders->last_id;
	return r;
}

struct order *orders_find(const struct orders *orders, uint64_t id)
{
	for (size_t i = 0; i < orders->n; i++)
		if (orders->order[i].id == id)
			return &orders->order[i];
	return NULL;
}

struct order *orders_expired(const struct orders *orders, int64_t wall_ns, int64_t steady_ns)
{
	for (size_t i = 0; i < orders->n; i++) {
		struct order *order = &orders->order[i];

		if (order->until_ns != 0 &&
			(order->until_ns <= wall_ns || order->deadline_ns <= steady_ns))
			return order;
	}
	return NULL;
}

void orders_set_deadlines(struct orders *orders, int64_t wall_ns, int64_t steady_ns)
{
	for (size_t i = 0; i < orders->n; i++)
		if (orders->order[i].until_ns != 0)
			orders->order[i].deadline_ns =
				steady_ns + (orders->order[i].until_ns - wall_ns);
}

bool orders_lockdown(const struct orders *orders)
{
	for (size_t i = 0; i < orders->n; i++)
		if (orders->order[i].verb == ORDER_LOCKDOWN)
			return true;
	return false;
}

void orders_done(struct orders *orders)
{
	free(orders->order);
	*orders = (struct orders){ 0 };
}

/* ---- what they mean ---- */

static bool is_for(const struct order *order, const char *honeypot)
{
	return !order->honeypot[0] || strcmp(order->honeypot, honeypot) == 0;
}

static void apply(const struct order *order, struct policy_pot *pot)
{
	char why[ORDERS_WHY_MAX];
	enum conf_preset preset;

	switch (order->verb) {
	case ORDER_LIMIT:
		(void)set_limits(order->args, &pot->limit, why); /* it was checked */
		break;
	case ORDER_PRESET:
		if (conf_preset_find(order->args, &preset, why) == 0)
			conf_preset_limit(preset, &pot->limit);
		break;
	case ORDER_ISOLATE:
		pot->isolate = 1;
		break;
	case ORDER_ROACH_MOTEL:
		pot->roach_motel = 1;
		break;
	default:
		break;
	}
}

void orders_apply(const struct orders *orders, const char *honeypot, struct policy_pot *pot)
{
	for (size_t i = 0; i < orders->n; i++)
		if (is_for(&orders->order[i], honeypot))
			apply(&orders->order[i], pot);
}

int orders_add_rules(const struct orders *orders, enum list_kind kind, struct list *list)
{
	char why[ORDERS_WHY_MAX];
	enum list_kind of;

	for (size_t i = 0; i < orders->n; i++) {
		const struct order *order = &orders->order[i];
		struct list_rule *more;

		if (!order_verb_list(order->verb, &of) || of != kind)
			continue;
		more = reallocarray(list->rule, list->n + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->rule = more;
		if (list_rule_parse(order->args, &more[list->n], why) == 0)
			list->n++;
	}
	return 0;
}

const struct order *orders_deciding(
	const struct orders *orders, enum order_verb verb, const char *honeypot, const char *limit)
{
	for (size_t i = orders->n; i-- > 0;) {
		const struct order *order = &orders->order[i];
		bool says = order->verb == verb;

		if (verb == ORDER_LIMIT)
			says = order->verb == ORDER_PRESET ||
			       (says && sets_limit(order->args, limit));
		if (says && is_for(order, honeypot))
			return order;
	}
	return NULL;
}

/* ---- the file ---- */

static json_t *describe(const struct order *order)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "id", (json_int_t)order->id,
		"verb", order_verb_name(order->verb), "honeypot", order->honeypot, "args",
		order->args, "operator", order->operator, "reason", order->reason, "since_ns",
		(json_int_t)order->since_ns, "until_ns", (json_int_t)order->until_ns);
}

char *orders_text(const struct orders *orders)
{
	json_t *list = json_array(), *file;
	char *text = NULL;

	for (size_t i = 0; i < orders->n; i++)
		if (json_array_append_new(list, describe(&orders->order[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	file = json_pack("{s:i, s:I, s:I, s:I, s:I, s:o}", "version", VERSION, "last_id",
		(json_int_t)orders->last_id, "generation", (json_int_t)orders->generation,
		"attended_ns", (json_int_t)orders->attended_ns, "absent_ns",
		(json_int_t)orders->absent_ns, "orders", list);
	if (file)
		text = json_dumps(file, JSON_INDENT(1));
	json_decref(file);
	return text;
}

static int damaged(char why[static ORDERS_WHY_MAX], const char *what)
{
	snprintf(why, ORDERS_WHY_MAX, "%s", what);
	return -EBADMSG;
}

/* A text that fits and may be shown. */
static bool take_text(const json_t *object, const char *key, char *to, size_t size)
{
	const json_t *value = json_object_get(object, key);
	size_t len = json_string_length(value);

	if (!json_is_string(value) || len >= size || !order_text_is_plain(json_string_value(value)))
		return false;
	memcpy(to, json_string_value(value), len + 1);
	return true;
}

/* No time and no number is negative. */
static bool take_number(const json_t *object, const char *key, int64_t *ret_n)
{
	const json_t *value = json_object_get(object, key);

	*ret_n = json_integer_value(value);
	return json_is_integer(value) && *ret_n >= 0;
}

static int parse_order(const json_t *from, struct order *order, char why[static ORDERS_WHY_MAX])
{
	char verb[32], fault[ORDERS_WHY_MAX];
	int64_t id;

	if (!json_is_object(from) || json_object_size(from) != 8 || !take_number(from, "id", &id) ||
		!take_text(from, "verb", verb, sizeof(verb)) ||
		!take_text(from, "honeypot", order->honeypot, sizeof(order->honeypot)) ||
		!take_text(from, "args", order->args, sizeof(order->args)) ||
		!take_text(from, "operator", order->operator, sizeof(order->operator)) ||
		!take_text(from, "reason", order->reason, sizeof(order->reason)) ||
		!take_number(from, "since_ns", &order->since_ns) ||
		!take_number(from, "until_ns", &order->until_ns))
		return damaged(why, "an order lacks something, or has something else");
	if (order->until_ns > ORDER_UNTIL_MAX_NS)
		return damaged(why, "an order ends after the end of time");
	order->id = (uint64_t)id;
	order->verb = order_verb_find(verb);
	if (order->verb == ORDER_VERBS)
		return damaged(why, "there is an order of an unknown kind");
	if (order_check(order, fault) == 0)
		return 0;
	snprintf(why, ORDERS_WHY_MAX, "order %lld: %.600s", (long long)id, fault);
	return -EBADMSG;
}

static int parse_orders(const json_t *list, struct orders *orders, char why[static ORDERS_WHY_MAX])
{
	const json_t *from;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > ORDERS_MAX + 1)
		return damaged(why, "there is no list of orders, or one that is too long");
	json_array_foreach(list, i, from)
	{
		struct order order = { 0 };
		int r = parse_order(from, &order, why);

		if (r < 0)
			return r;
		if (order.id <= (i ? orders->order[i - 1].id : 0) || order.id > orders->last_id)
			return damaged(why, "the numbers of the orders make no sense");
		r = append(orders, &order);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_file(const json_t *file, struct orders *orders, char why[static ORDERS_WHY_MAX])
{
	int64_t version, last_id, generation;

	if (!json_is_object(file) || json_object_size(file) != 6 ||
		!take_number(file, "version", &version) || version != VERSION ||
		!take_number(file, "last_id", &last_id) ||
		!take_number(file, "generation", &generation) ||
		!take_number(file, "attended_ns", &orders->attended_ns) ||
		!take_number(file, "absent_ns", &orders->absent_ns))
		return damaged(why, "it lacks something, or is of another version");
	orders->last_id = (uint64_t)last_id;
	orders->generation = (uint64_t)generation;
	return parse_orders(json_object_get(file, "orders"), orders, why);
}

int orders_parse(
	const char *text, size_t len, struct orders *ret_orders, char why[static ORDERS_WHY_MAX])
{
	struct orders orders = { 0 };
	json_error_t error;
	json_t *file = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int r;

	if (!file) {
		snprintf(why, ORDERS_WHY_MAX, "line %d: %s", error.line, error.text);
		return -EBADMSG;
	}
	r = parse_file(file, &orders, why);
	json_decref(file);
	if (r < 0)
		orders_done(&orders);
	else
		*ret_orders = orders;
	return r;
}

int orders_load(int dir, struct orders *ret_orders, char why[static ORDERS_WHY_MAX])
{
	char *text = malloc(ORDERS_FILE_MAX);
	int r = text ? file_text_read(dir, ORDERS_NAME, text, ORDERS_FILE_MAX) : -ENOMEM;

	if (r == -E2BIG)
		r = damaged(why, "it is larger than any that was written");
	else if (r == 0)
		r = orders_parse(text, strlen(text), ret_orders, why);
	else
		snprintf(why, ORDERS_WHY_MAX, "%s", strerror(-r));
	free(text);
	return r;
}

int orders_save(const struct orders *orders, int dir)
{
	char *text = orders_text(orders);
	int r = text ? file_text_write(dir, ORDERS_NAME, text) : -ENOMEM;

	free(text);
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r;
}
