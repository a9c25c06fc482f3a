/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set - sets of addresses or ports as ranges of numbers: what lists, negation and variables of a
 * rule's header come to. A set is its ranges or, `inverted`, all but them; so "not our networks"
 * stays small.
 */
#pragma once

#include "rules/rule.h"

__extension__ typedef unsigned __int128 rule_point;

struct rule_range {
	rule_point first, last;
};

struct rule_set {
	bool inverted;
	bool sorted; /* ranges are sorted and do not touch */
	uint32_t n, room;
	struct rule_range *range;
};

/* A zeroed set is empty. All of these: 0 or -ENOMEM. */
int rule_set_add(struct rule_set *set, rule_point first, rule_point last);
int rule_set_unite(struct rule_set *set, const struct rule_set *other); /* other is unchanged */
int rule_set_subtract(struct rule_set *set, const struct rule_set *other);
void rule_set_invert(struct rule_set *set);
int rule_set_copy(const struct rule_set *set, struct rule_set *ret_set);
void rule_set_done(struct rule_set *set);

/* -ENOENT: nothing is in it. */
int rule_set_nets(const struct rule_set *set, struct rule_nets *ret_nets);
int rule_set_ports(const struct rule_set *set, struct rule_ports *ret_ports);

rule_point rule_point_of(const struct ip *ip);
