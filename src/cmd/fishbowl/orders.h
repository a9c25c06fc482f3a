/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders - what operators ordered and what is still in force: beside the configuration, over restarts.
 *
 * They are in state_dir/orders.json, written anew (rename) with each change. A file that cannot be
 * understood, down to the last argument, is damaged: an order may be lost, so its reader locks down.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/change.h"
#include "conf/list.h"
#include "control/policy.h"

/* Named limits. */
#define ORDERS_MAX         4096       /* orders in force, beside a lockdown */
#define ORDERS_FILE_MAX    (16 << 20) /* bytes of the file */
#define ORDERS_NAME        "orders.json"
#define ORDERS_DAMAGED     "orders.json.damaged"
#define ORDER_ARGS_MAX     1024            /* arguments, with NUL */
#define ORDER_WHO_MAX      64              /* operator, with NUL */
#define ORDER_WHY_MAX      256             /* the reason, with NUL */
#define ORDERS_WHY_MAX     640             /* faults */
#define ORDER_UNTIL_MAX_NS (INT64_MAX / 2) /* the year 2116 */

enum order_verb {
#define ORDER(ID, name, scope, text) ORDER_##ID,
#include "cmd/fishbowl/orders.def"
#undef ORDER
	ORDER_VERBS
};

enum order_scope {
	ORDER_POT, /* for a honeypot, or all */
	ORDER_NET, /* for the whole honeynet */
};

struct order {
	uint64_t id;
	enum order_verb verb;
	char honeypot[CONF_NAME_MAX]; /* "": all of them */
	char args[ORDER_ARGS_MAX]; /* limit: name=value ...; preset: its name; a list: the entry */
	char operator[ORDER_WHO_MAX];
	char reason[ORDER_WHY_MAX];
	int64_t since_ns; /* wall time */
	int64_t until_ns; /* wall time; 0: until it is released */
	/* The same by the clock that is never set, so that a clock set back prolongs nothing; not in the
	 * file. */
	int64_t deadline_ns;
};

/* { 0 } has none. */
struct orders {
	struct order *order; /* the latest last */
	size_t n, room;
	uint64_t last_id;
	uint64_t generation; /* of the last policy made */
	/* When somebody was last there, and how long ago that was when this was written: the clock may be
	 * set meanwhile. 0: nobody asks. */
	int64_t attended_ns, absent_ns;
};

const char *order_verb_name(enum order_verb verb);
/* ORDER_VERBS when there is none of that name. */
enum order_verb order_verb_find(const char *name);
enum order_scope order_verb_scope(enum order_verb verb);
/* Whether it is an order about a list, and which. */
bool order_verb_list(enum order_verb verb, enum list_kind *ret_kind);
/* Without control characters; it may be shown anywhere. */
bool order_text_is_plain(const char *text);

/* -EINVAL with "what is wrong; remedy" when the arguments cannot be understood. */
int order_check(const struct order *order, char why[static ORDERS_WHY_MAX]);

/* Appends it and gives it the next number. An older one goes when this one says as much, for as long.
 * -ENOSPC, -ENOMEM. */
int orders_add(struct orders *orders, const struct order *order, uint64_t *ret_id);
void orders_remove(struct orders *orders, size_t n);
struct order *orders_find(const struct orders *orders, uint64_t id);
/* The first whose time is over; NULL. */
struct order *orders_expired(const struct orders *orders, int64_t wall_ns, int64_t steady_ns);
/* Sets what is not in the file; after loading. */
void orders_set_deadlines(struct orders *orders, int64_t wall_ns, int64_t steady_ns);
bool orders_lockdown(const struct orders *orders);
void orders_done(struct orders *orders);

/* What they make of `pot`, which is as the configuration says (policy_pot_of). Orders for a honeypot that
 * there is none of are kept and mean nothing. */
void orders_apply(const struct orders *orders, const char *honeypot, struct policy_pot *pot);
/* Appends the rules that orders give. -ENOMEM. */
int orders_add_rules(const struct orders *orders, enum list_kind kind, struct list *list);
/* The order that decides about that honeypot: of ORDER_LIMIT and ORDER_PRESET the last that sets `limit`;
 * of others the last. NULL: none, the configuration does. */
const struct order *orders_deciding(
	const struct orders *orders, enum order_verb verb, const char *honeypot, const char *limit);

/* The file's text, to be freed by the caller; NULL without memory. */
char *orders_text(const struct orders *orders);
/* -EBADMSG with what is wrong; -ENOMEM. */
int orders_parse(
	const char *text, size_t len, struct orders *ret_orders, char why[static ORDERS_WHY_MAX]);
/* The same from state_dir; -ENOENT: there is none. */
int orders_load(int dir, struct orders *ret_orders, char why[static ORDERS_WHY_MAX]);
/* After a crash at any moment the file is the old or the new one. */
int orders_save(const struct orders *orders, int dir);
