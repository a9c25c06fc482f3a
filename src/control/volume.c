/* SPDX-License-Identifier: Apache-2.0 */
#include "control/volume.h"

#include <stdatomic.h>
#include <string.h>

enum { N = VOLUME_SLICES + 1 };
static const uint64_t most = UINT64_MAX / 2; /* sums must not wrap */

static int64_t slice_ns(int64_t period_ns)
{
	int64_t ns = period_ns / VOLUME_SLICES;

	return ns > 0 ? ns : 1;
}

/* The process may be killed between any two stores; only the compiler must not reorder them. */
static void order_stores(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* Another window: what was used counts as used just now. Killed in here, it makes no sense. */
static void start(struct volume *v, int64_t period_ns, int64_t now_ns)
{
	uint64_t total = v->total;

	v->period_ns = total > 0 ? -1 : 0;
	order_stores();
	memset(v->used, 0, sizeof(v->used));
	v->slice = now_ns / slice_ns(period_ns);
	v->end_ns = (v->slice + 1) * slice_ns(period_ns);
	v->used[v->slice % N] = total;
	order_stores();
	v->period_ns = period_ns;
}

static void advance(struct volume *v, int64_t now_ns)
{
	int64_t slice = now_ns / slice_ns(v->period_ns);
	int64_t steps = slice - v->slice;

	for (int64_t i = 1; i <= steps && i <= N; i++) {
		uint64_t *used = &v->used[(v->slice + i) % N];

		v->total -= *used;
		*used = 0;
	}
	v->slice = slice;
	v->end_ns = (slice + 1) * slice_ns(v->period_ns);
}

bool volume_allows(
	struct volume *v, const struct volume_limit *limit, uint64_t amount, int64_t now_ns)
{
	if (limit->amount == UINT64_MAX)
		return true;
	if (v->period_ns != limit->period_ns)
		start(v, limit->period_ns, now_ns);
	else if (now_ns >= v->end_ns)
		advance(v, now_ns);
	return amount <= limit->amount && v->total <= limit->amount - amount;
}

void volume_take(struct volume *v, const struct volume_limit *limit, uint64_t amount)
{
	uint64_t *used = &v->used[v->slice % N];

	if (limit->amount == UINT64_MAX || v->total > most || amount > most)
		return;
	*used += amount;
	v->total += amount;
}

static bool makes_sense(const struct volume *v, int64_t now_ns)
{
	if (v->period_ns == 0)
		return v->total == 0;
	return v->period_ns > 0 && v->slice >= 0 && v->slice <= now_ns / slice_ns(v->period_ns);
}

/* Killed in the middle of volume_take(), the total may lack what its slice has, and in that of advance()
 * the slice its end. */
void volume_mend(struct volume *v, int64_t now_ns)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < N; i++)
		total += v->used[i] < most / N ? v->used[i] : most / N;
	if (makes_sense(v, now_ns)) {
		v->total = total;
		v->end_ns = v->period_ns ? (v->slice + 1) * slice_ns(v->period_ns) : 0;
		return;
	}
	*v = (struct volume){ .total = most };
	start(v, 1, now_ns);
}
