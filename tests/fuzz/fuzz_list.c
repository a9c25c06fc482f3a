/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of entries: a list, or a text of faults that is safe to show. Each entry read is
 * the same after it was written and read again. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct list_rule *a, const struct list_rule *b)
{
	return ip_equal(&a->net.ip, &b->net.ip) && a->net.bits == b->net.bits &&
	       a->until_ns == b->until_ns && a->port_low == b->port_low &&
	       a->port_high == b->port_high && a->proto == b->proto;
}

static void check_rule(const struct list_rule *rule)
{
	char text[LIST_RULE_TEXT_MAX], why[LIST_WHY_MAX];
	struct list_rule again;

	if (rule->net.bits > 128 || rule->port_low > rule->port_high || rule->until_ns < 0)
		abort();
	if (list_rule_parse(list_rule_text(rule, text), &again, why) < 0 || !same(rule, &again))
		abort();
}

static void check_faults(const char *faults)
{
	for (; *faults; faults++)
		if ((*faults < ' ' && *faults != '\n') || *faults > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list list = { 0 };
	char *faults = NULL;
	int r = list_text_load((const char *)data, size, "fuzz", 100, &list, &faults);

	if ((r == -EINVAL) != (faults != NULL) || (r < 0 && r != -EINVAL))
		abort();
	if (faults)
		check_faults(faults);
	for (size_t i = 0; i < list.n; i++)
		check_rule(&list.rule[i]);
	list_done(&list);
	free(faults);
	return 0;
}
