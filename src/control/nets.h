/* SPDX-License-Identifier: Apache-2.0 */
/* nets - a set of networks with a fast question: sorted, merged ranges and a binary search. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"

struct nets_range {
	struct ip low, high;
};

struct nets {
	struct nets_range *range;
	size_t n;
};

/* -ENOMEM. */
int nets_init(struct nets *nets, const struct ip_prefix *prefix, size_t n);
void nets_done(struct nets *nets);
bool nets_have(const struct nets *nets, const struct ip *ip);
