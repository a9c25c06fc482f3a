/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - how much (packets, bytes) in a sliding window, in constant memory that survives its user's
 * death. The window is cut into slices; one that lies only partly in it counts whole. So no window ever
 * holds more than the limit, and the limit may be reached up to a slice's content early.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { VOLUME_SLICES = 32 };

struct volume_limit {
	uint64_t amount; /* UINT64_MAX: no limit */
	int64_t period_ns;
};

/* Zeroed memory is fresh. */
struct volume {
	int64_t period_ns; /* of the window that `used` was counted for */
	int64_t slice;     /* number of the newest slice: time / (period / VOLUME_SLICES) */
	int64_t end_ns;    /* of that slice */
	uint64_t total;    /* of `used` */
	uint64_t used[VOLUME_SLICES + 1];
};

/* Whether `amount` more may be sent at `now_ns`, which never goes back. */
bool volume_allows(
	struct volume *volume, const struct volume_limit *limit, uint64_t amount, int64_t now_ns);
/* After volume_allows() for the same time. */
void volume_take(struct volume *volume, const struct volume_limit *limit, uint64_t amount);
/* Memory of before that makes no sense becomes used up by UINT64_MAX / 2. */
void volume_mend(struct volume *volume, int64_t now_ns);
