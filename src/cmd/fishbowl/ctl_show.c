/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/ctl_show.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static long long number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void show_orders(const json_t *orders)
{
	const json_t *order;
	size_t i;

	if (json_array_size(orders) == 0)
		printf("no orders are in force\n");
	else
		printf("%5s  %-12s %-16s %-30s %-21s %-16s %s\n", "order", "verb", "honeypot",
			"arguments", "until", "operator", "reason");
	json_array_foreach(orders, i, order)
	{
		const char *until = text(order, "until");

		printf("%5lld  %-12s %-16s %-30s %-21.19s %-16s %s\n", number(order, "id"),
			text(order, "verb"), text(order, "honeypot"), text(order, "args"),
			*until ? until : "released", text(order, "operator"),
			text(order, "reason"));
	}
}

static void show_entries(const json_t *answer)
{
	const json_t *entries = json_object_get(answer, "entries"), *entry;
	long long all = number(answer, "number");
	size_t i, shown = json_array_size(entries);

	json_array_foreach(entries, i, entry)
	{
		printf("%-50s %s\n", text(entry, "entry"), text(entry, "from"));
	}
	if (all == 0)
		printf("no such entry\n");
	else if (all > (long long)shown)
		printf("and %lld more; --match ADDRESS shows those that have it\n",
			all - (long long)shown);
}

static void show_flag(const json_t *pot, const char *key, const char *what)
{
	const json_t *flag = json_object_get(pot, key);

	if (json_is_true(json_object_get(flag, "value")))
		printf("  %s (%s)\n", what, text(flag, "from"));
}

static void show_limits(json_t *limits)
{
	const char *name;
	json_t *limit;

	json_object_foreach(limits, name, limit)
	{
		printf("  %-16s %-14s %s\n", name, text(limit, "value"), text(limit, "from"));
	}
}

/* Those that orders have changed, those of one order together. */
static void show_ordered_limits(json_t *limits)
{
	const char *name, *last = "";
	json_t *limit;

	json_object_foreach(limits, name, limit)
	{
		const char *from = text(limit, "from");

		if (strncmp(from, "order", 5) != 0)
			continue;
		if (strcmp(from, last) != 0)
			printf("%s  limits of %s:", *last ? "\n" : "", from);
		printf(" %s=%s", name, text(limit, "value"));
		last = from;
	}
	if (*last)
		putchar('\n');
}

static void show_honeypot(json_t *pot, bool all)
{
	printf("%s\n", text(pot, "name"));
	show_flag(pot, "isolate", "isolated: nothing leaves");
	show_flag(pot, "roach_motel", "roach motel: nothing new leaves");
	if (all)
		show_limits(json_object_get(pot, "limits"));
	else
		show_ordered_limits(json_object_get(pot, "limits"));
}

static void show_privacy(const json_t *privacy)
{
	const char *purpose = text(privacy, "purpose");

	printf("privacy: %s%s%s\n", text(privacy, "policy"), *purpose ? "; " : "", purpose);
}

static void show_policy(const json_t *answer)
{
	const json_t *honeypots = json_object_get(answer, "honeypots");
	const char *name;
	json_t *pot, *list;
	size_t i;

	printf("generation %lld, %s\n", number(answer, "generation"),
		json_is_true(json_object_get(answer, "applied")) ? "in force"
								 : "not taken up by fb-gate yet");
	if (json_is_true(json_object_get(answer, "lockdown")))
		printf("LOCKDOWN: nothing passes\n");
	json_object_foreach(json_object_get(answer, "lists"), name, list)
	{
		printf("%s: %lld entries of the configuration, %lld ordered\n", name,
			number(list, "configured"), number(list, "ordered"));
	}
	show_privacy(json_object_get(answer, "privacy"));
	json_array_foreach(honeypots, i, pot)
	{
		show_honeypot(pot, json_array_size(honeypots) == 1);
	}
}

void ctl_show(const json_t *answer)
{
	const char *said = text(answer, "said"), *error = text(answer, "error");

	if (*said)
		printf("%s\n", said);
	if (*error)
		fprintf(stderr, "fishbowl: %s\n", error);
	if (!json_is_true(json_object_get(answer, "ok")))
		return;
	if (json_object_get(answer, "orders"))
		show_orders(json_object_get(answer, "orders"));
	else if (json_object_get(answer, "entries"))
		show_entries(answer);
	else if (json_object_get(answer, "honeypots"))
		show_policy(answer);
}
