/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LAST_POINT (~(rule_point)0)

rule_point rule_point_of(const struct ip *ip)
{
	rule_point point = 0;

	for (unsigned i = 0; i < sizeof(ip->byte); i++)
		point = point << 8 | ip->byte[i];
	return point;
}

static struct ip ip_of(rule_point point)
{
	struct ip ip;

	for (unsigned i = sizeof(ip.byte); i-- > 0; point >>= 8)
		ip.byte[i] = (uint8_t)point;
	return ip;
}

int rule_set_add(struct rule_set *set, rule_point first, rule_point last)
{
	if (set->n == set->room) {
		uint32_t room = set->room ? 2 * set->room : 4;
		struct rule_range *more = reallocarray(set->range, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		set->range = more;
		set->room = room;
	}
	set->range[set->n++] = (struct rule_range){ first, last };
	set->sorted = set->n == 1;
	return 0;
}

void rule_set_done(struct rule_set *set)
{
	free(set->range);
	*set = (struct rule_set){ 0 };
}

void rule_set_invert(struct rule_set *set)
{
	set->inverted = !set->inverted;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct rule_range *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

static void sort(struct rule_set *set)
{
	uint32_t n = 0;

	if (set->sorted || set->n < 2)
		return;
	qsort(set->range, set->n, sizeof(*set->range), compare_ranges);
	for (uint32_t i = 1; i < set->n; i++) {
		struct rule_range *last = &set->range[n];

		if (last->last == LAST_POINT || set->range[i].first <= last->last + 1) {
			if (set->range[i].last > last->last)
				last->last = set->range[i].last;
		} else {
			set->range[++n] = set->range[i];
		}
	}
	set->n = n + 1;
	set->sorted = true;
}

int rule_set_copy(const struct rule_set *set, struct rule_set *ret_set)
{
	struct rule_set copy = *set;

	copy.room = set->n;
	copy.range = NULL;
	if (set->n > 0) {
		copy.range = reallocarray(NULL, set->n, sizeof(*copy.range));
		if (!copy.range)
			return -ENOMEM;
		memcpy(copy.range, set->range, set->n * sizeof(*copy.range));
	}
	*ret_set = copy;
	return 0;
}

/* The ranges alone, as if nothing were inverted. */
static int add_all(struct rule_set *set, const struct rule_set *other)
{
	int r = 0;

	for (uint32_t i = 0; i < other->n && r == 0; i++)
		r = rule_set_add(set, other->range[i].first, other->range[i].last);
	return r;
}

/* What lies between the ranges of `set`; both are sorted. */
static int gaps(const struct rule_set *set, struct rule_set *ret_gaps)
{
	struct rule_set out = { 0 };
	rule_point at = 0;
	int r = 0;

	for (uint32_t i = 0; i < set->n && r == 0; i++) {
		if (set->range[i].first > at)
			r = rule_set_add(&out, at, set->range[i].first - 1);
		if (set->range[i].last == LAST_POINT)
			goto done;
		at = set->range[i].last + 1;
	}
	if (r == 0)
		r = rule_set_add(&out, at, LAST_POINT);
done:
	out.sorted = true;
	if (r < 0)
		rule_set_done(&out);
	else
		*ret_gaps = out;
	return r;
}

/* set's ranges become those that are in both; both are sorted. */
static int intersect(struct rule_set *set, const struct rule_set *other)
{
	struct rule_set out = { .inverted = set->inverted };
	uint32_t i = 0, j = 0;
	int r = 0;

	while (i < set->n && j < other->n && r == 0) {
		const struct rule_range *a = &set->range[i], *b = &other->range[j];
		rule_point first = a->first > b->first ? a->first : b->first;
		rule_point last = a->last < b->last ? a->last : b->last;

		if (first <= last)
			r = rule_set_add(&out, first, last);
		if (a->last < b->last)
			i++;
		else
			j++;
	}
	out.sorted = true;
	if (r < 0) {
		rule_set_done(&out);
		return r;
	}
	rule_set_done(set);
	*set = out;
	return 0;
}

/* set's ranges without other's; both are sorted. */
static int without(struct rule_set *set, const struct rule_set *other)
{
	struct rule_set rest;
	int r = gaps(other, &rest);

	if (r == 0) {
		r = intersect(set, &rest);
		rule_set_done(&rest);
	}
	return r;
}

/* all but A, and B: all but (A without B). B, and all but A: the same with the roles changed. */
static int unite_sorted(struct rule_set *set, struct rule_set *other)
{
	struct rule_set old;
	int r;

	if (set->inverted)
		return other->inverted ? intersect(set, other) : without(set, other);
	r = without(other, set);
	if (r == 0) {
		old = *set;
		*set = *other;
		*other = old;
	}
	return r;
}

int rule_set_unite(struct rule_set *set, const struct rule_set *other)
{
	struct rule_set copy;
	int r;

	if (!set->inverted && !other->inverted)
		return add_all(set, other);
	r = rule_set_copy(other, &copy);
	if (r < 0)
		return r;
	sort(set);
	sort(&copy);
	r = unite_sorted(set, &copy);
	rule_set_done(&copy);
	return r;
}

/* A without B is all but (all but A, and B). */
int rule_set_subtract(struct rule_set *set, const struct rule_set *other)
{
	int r;

	rule_set_invert(set);
	r = rule_set_unite(set, other);
	rule_set_invert(set);
	return r;
}

/* ---- as a rule has them ---- */

static unsigned free_bits(rule_point first, rule_point last)
{
	unsigned bits = 0;

	while (bits < 128) {
		rule_point size = bits == 127 ? LAST_POINT : ((rule_point)1 << (bits + 1)) - 1;

		if ((first & size) != 0 || last - first < size)
			break;
		bits++;
	}
	return bits;
}

static int split_range(
	struct rule_range range, struct ip_prefix **prefix, uint32_t *n, uint32_t *room)
{
	for (;;) {
		unsigned bits = free_bits(range.first, range.last);
		rule_point size = bits >= 128 ? LAST_POINT : ((rule_point)1 << bits) - 1;

		if (*n == *room) {
			uint32_t more = *room ? 2 * *room : 2;
			struct ip_prefix *grown = reallocarray(*prefix, more, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			*prefix = grown;
			*room = more;
		}
		(*prefix)[(*n)++] = (struct ip_prefix){ ip_of(range.first), (uint8_t)(128 - bits) };
		if (range.last - range.first == size)
			return 0;
		range.first += size + 1;
	}
}

static int prefixes_of(const struct rule_set *set, struct ip_prefix **ret_prefix, uint32_t *ret_n)
{
	struct ip_prefix *prefix = NULL;
	uint32_t n = 0, room = 0;
	int r = 0;

	for (uint32_t i = 0; i < set->n && r == 0; i++)
		r = split_range(set->range[i], &prefix, &n, &room);
	if (r < 0) {
		free(prefix);
		return r;
	}
	*ret_prefix = prefix;
	*ret_n = n;
	return 0;
}

int rule_set_nets(const struct rule_set *set, struct rule_nets *ret_nets)
{
	struct rule_nets nets = { .any = set->inverted };
	struct rule_set copy;
	int r;

	if (!set->inverted && set->n == 0)
		return -ENOENT;
	r = rule_set_copy(set, &copy);
	if (r < 0)
		return r;
	sort(&copy);
	r = set->inverted ? prefixes_of(&copy, &nets.out, &nets.n_out)
			  : prefixes_of(&copy, &nets.in, &nets.n_in);
	rule_set_done(&copy);
	if (r == 0)
		*ret_nets = nets;
	return r;
}

static int ports_of(const struct rule_set *set, struct rule_ports *ports)
{
	ports->range = calloc(set->n ? set->n : 1, sizeof(*ports->range));
	if (!ports->range)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n && set->range[i].first <= UINT16_MAX; i++) {
		rule_point last = set->range[i].last;

		ports->range[ports->n++] = (struct rule_port_range){ (uint16_t)set->range[i].first,
			last > UINT16_MAX ? UINT16_MAX : (uint16_t)last };
	}
	if (ports->n == 0) {
		free(ports->range);
		ports->range = NULL;
		return -ENOENT;
	}
	return 0;
}

int rule_set_ports(const struct rule_set *set, struct rule_ports *ret_ports)
{
	struct rule_ports ports = { 0 };
	struct rule_set copy;
	int r;

	if (set->inverted && set->n == 0) {
		*ret_ports = (struct rule_ports){ .any = true };
		return 0;
	}
	r = rule_set_copy(set, &copy);
	if (r < 0)
		return r;
	sort(&copy);
	if (copy.inverted) {
		struct rule_set rest;

		r = gaps(&copy, &rest);
		rule_set_done(&copy);
		copy = r == 0 ? rest : (struct rule_set){ 0 };
	}
	if (r == 0)
		r = ports_of(&copy, &ports);
	rule_set_done(&copy);
	if (r == 0)
		*ret_ports = ports;
	return r;
}
