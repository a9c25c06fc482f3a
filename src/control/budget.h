/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - how many new conversations each honeypot began, as exact sliding logs in memory that
 * survives its user's death at any instruction, and a reboot.
 *
 * A log keeps the times of the last `count` conversations let out; another is let out only when the
 * oldest of them left the window. A crash in the middle of budget_take() can only cost the honeypot.
 * Times in the memory are of its own clock, which never goes back: steady time plus an offset; after
 * a reboot it goes on where it stood when the memory was last used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct budget;

enum budget_class { BUDGET_TCP, BUDGET_UDP, BUDGET_ICMP, BUDGET_OTHER, BUDGET_DNS, BUDGET_CLASSES };

/* Where a honeypot stands as to the "probably compromised" incident. */
enum budget_mark { BUDGET_MARK_NONE, BUDGET_MARK_PENDING, BUDGET_MARK_DONE };

size_t budget_memory_size(void);

/* -ENOMEM; -E2BIG: more than GATE_BUDGET_TIMES_MAX conversations in all limits. Zeroed memory is fresh.
 * Memory that makes no sense becomes used-up budgets. With other limits or honeypots than before, what
 * was used is kept by the honeypot's name. */
int budget_open(void *memory, const struct conf *conf, int64_t steady_ns, bool same_boot,
	struct budget **ret_budget);
struct budget *budget_close(struct budget *budget);

/* Whether another conversation of this class may be let out now; takes nothing. */
bool budget_allows(
	struct budget *budget, unsigned honeypot, enum budget_class class, int64_t steady_ns);
void budget_take(
	struct budget *budget, unsigned honeypot, enum budget_class class, int64_t steady_ns);

enum budget_mark budget_mark(const struct budget *budget, unsigned honeypot);
void budget_set_mark(struct budget *budget, unsigned honeypot, enum budget_mark mark);
