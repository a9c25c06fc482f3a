/* SPDX-License-Identifier: Apache-2.0 */
#include "control/nets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_ip(const struct ip *a, const struct ip *b)
{
	return memcmp(a, b, sizeof(*a));
}

static int compare_range(const void *a, const void *b)
{
	const struct nets_range *left = a, *right = b;

	return compare_ip(&left->low, &right->low);
}

static struct nets_range range_of(const struct ip_prefix *prefix)
{
	struct nets_range range = { .low = prefix->ip, .high = prefix->ip };

	for (unsigned i = prefix->bits; i < 128; i++)
		range.high.byte[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return range;
}

int nets_init(struct nets *nets, const struct ip_prefix *prefix, size_t n)
{
	size_t kept = 0;

	*nets = (struct nets){ 0 };
	if (n == 0)
		return 0;
	nets->range = calloc(n, sizeof(*nets->range));
	if (!nets->range)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		nets->range[i] = range_of(&prefix[i]);
	qsort(nets->range, n, sizeof(*nets->range), compare_range);
	for (size_t i = 1; i < n; i++) {
		struct nets_range *last = &nets->range[kept], *next = &nets->range[i];

		if (compare_ip(&next->low, &last->high) > 0)
			nets->range[++kept] = *next;
		else if (compare_ip(&next->high, &last->high) > 0)
			last->high = next->high;
	}
	nets->n = kept + 1;
	return 0;
}

void nets_done(struct nets *nets)
{
	free(nets->range);
	*nets = (struct nets){ 0 };
}

bool nets_have(const struct nets *nets, const struct ip *ip)
{
	size_t low = 0, high = nets->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ip(ip, &nets->range[middle].low) < 0)
			high = middle;
		else if (compare_ip(ip, &nets->range[middle].high) > 0)
			low = middle + 1;
		else
			return true;
	}
	return false;
}
