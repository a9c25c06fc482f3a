/* SPDX-License-Identifier: Apache-2.0 */
/* explain - a rule in sentences: what it looks at, for people. */
#pragma once

#include "base/out.h"
#include "rules/parse.h"

/* `text` knows the names of marks. Needs at most RULES_EXPLAIN_MAX bytes of `o`. */
#define RULES_EXPLAIN_MAX (1u << 20)
void rule_explain(const struct rules_text *text, const struct rule *rule, struct out *o);
