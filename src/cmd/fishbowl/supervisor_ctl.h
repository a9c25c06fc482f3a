/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor_ctl - requests at ctl.sock, as the verbs of ctl.def see them. Private to the supervisor. */
#pragma once

#include <jansson.h>

#include "cmd/fishbowl/ctl.h"
#include "cmd/fishbowl/supervisor.h"

#define SUP_ARGS_MAX 64 /* arguments of a request */
#define SUP_SAID_MAX 2048

struct sup_request {
	const char *verb;
	const char *arg[SUP_ARGS_MAX];
	size_t n_args;
	int64_t until_ns;   /* wall time; 0: until it is released */
	const char *reason; /* "" */
	const char *match;  /* an address, or NULL */
	char operator[ORDER_WHO_MAX];
	int64_t since_ns; /* sup_now() when it came */
};

typedef void sup_verb(struct supervisor *s, const struct sup_request *q, json_t *answer);

#define CTL(id, verb, args, early, text) sup_verb ctl_##id;
#include "cmd/fishbowl/ctl.def"
#undef CTL

/* The answer is an error in words, "what is wrong; remedy". */
void sup_answer_error(json_t *answer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The answer is this sentence. */
void sup_answer_say(json_t *answer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A honeypot's name, or "all" as "". False: the answer says that there is none of that name. */
bool sup_arg_honeypot(const struct supervisor *s, const struct sup_request *q, size_t n,
	const char **ret_name, json_t *answer);

/* False: the answer says what is too much, or that this verb has no end. */
bool sup_no_more_args(const struct sup_request *q, size_t n, json_t *answer);
bool sup_no_time(const struct sup_request *q, json_t *answer);

/* Gives the order: adds it, makes it hold, records and answers. `said` is what holds now, in words. */
void sup_order_give(struct supervisor *s, const struct sup_request *q, struct order *order,
	const char *said, json_t *answer);
/* Around any other change of the table of orders: the second one makes it hold, or undoes it, records and
 * answers. False: the answer says why not. */
bool sup_change_begin(struct supervisor *s, struct orders *ret_before, json_t *answer);
void sup_change_end(struct supervisor *s, const struct sup_request *q, struct orders *before,
	const char *honeypot, const char *said, json_t *answer);
/* The steps of it, for what is no change of orders; `r` is sup_policy_change()'s. False: refused. */
bool sup_order_outcome(struct supervisor *s, const struct sup_request *q, int r, json_t *answer);
void sup_order_record(
	struct supervisor *s, const struct sup_request *q, const char *honeypot, const char *said);
void sup_order_say(
	struct supervisor *s, const struct sup_request *q, int r, const char *said, json_t *answer);
json_t *sup_order_describe(const struct order *order);

/* supervisor_status.c */
void sup_status(struct supervisor *s, json_t *answer);

/* supervisor_reload.c: reads the configuration again. 0 and what was changed; -EINVAL: nothing was changed, and
 * why, one fault a line. */
int sup_reload(struct supervisor *s, const char *operator, char * ret_said, size_t size);
