/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list - the entries of fence, black and white, from the configuration and from files with one a line:
 *
 *     NET [[PROTOCOL/]PORT[-PORT] | PROTOCOL] [until TIME]
 *
 * NET is an address or a network, TIME is of RFC 3339. In a file '#' begins a comment. What is read is
 * foreign (a file may come from somewhere else): faults show nothing but printable ASCII of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

struct conf;
struct conf_texts;
struct out;

#define LIST_RULES_MAX     1000000     /* of all lists together */
#define LIST_FILE_MAX      (64u << 20) /* bytes of a file */
#define LIST_LINE_MAX      200         /* characters of an entry */
#define LIST_WHY_MAX       320
#define LIST_RULE_TEXT_MAX 160

/* A packet matches when its address is in `net`, `proto` is 0 or its protocol, and its destination
 * port, 0 if it has none, lies in port_low..port_high: 0..UINT16_MAX is all, ports given begin at 1. */
struct list_rule {
	struct ip_prefix net;
	int64_t until_ns; /* wall time at which it ends; 0: it does not */
	uint16_t port_low, port_high;
	uint8_t proto;
};

/* A list owns its rules; they keep the order of the file. { 0 } is empty. */
struct list {
	struct list_rule *rule;
	size_t n;
};

enum list_kind { LIST_FENCE, LIST_BLACK, LIST_WHITE, LIST_COUNT };

extern const char *const list_names[LIST_COUNT];

/* One entry. -EINVAL with "what is wrong; what to do about it" in `why`. */
int list_rule_parse(const char *text, struct list_rule *ret_rule, char why[static LIST_WHY_MAX]);
/* The entry again. */
const char *list_rule_text(const struct list_rule *rule, char buf[static LIST_RULE_TEXT_MAX]);

/* Appends the entries in `text`, of `len` bytes, until the list has `max`. -ENOMEM; -EINVAL with lines
 * "name:line: what; remedy" in *ret_faults, to be freed by the caller; then the list is as far as it came. */
int list_text_load(const char *text, size_t len, const char *name, size_t max, struct list *list,
	char **ret_faults);
/* The same from a file; also -EINVAL for one that cannot be read. */
int list_file_load(const char *path, size_t max, struct list *list, char **ret_faults);
void list_done(struct list *list);

/* What the configuration says. */
const struct conf_texts *list_entries(const struct conf *conf, enum list_kind kind);
const struct conf_texts *list_files(const struct conf *conf, enum list_kind kind);
/* All lists, from the configuration and the files. -ENOMEM; -EINVAL with *ret_faults as above. */
int conf_lists_load(
	const struct conf *conf, struct list ret_list[static LIST_COUNT], char **ret_faults);
/* Lines "warning: ..." about what is allowed but hardly meant. */
void conf_print_warnings(struct out *o, const struct conf *conf,
	const struct list list[static LIST_COUNT], int64_t wall_ns);
