/* SPDX-License-Identifier: Apache-2.0 */
/* time_arg - times as people type them on the command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIME_ARG_FORMS "time; write 2026-01-31T12:00:00Z, '2026-01-31 12:00', -1h, today or now"

/* RFC 3339; `YYYY-MM-DD[ HH:MM[:SS]]` in UTC; `-90s`, `-15m`, `-1h`, `-2d` before now; today,
 * yesterday, now. */
bool time_arg_parse(const char *text, int64_t *ret_ns);
