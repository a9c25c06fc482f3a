/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident_summary - what the day databases say of the incidents of one day, in short: for `fishbowl status`.
 *
 * They are asked as `fishbowl incidents` asks them. At most INCIDENT_SUMMARY_RECORDS records are read, the newest
 * first; where there are more, or a day cannot be read, it is not `complete`.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#define INCIDENT_SUMMARY_S       86400 /* told of within so long */
#define INCIDENT_SUMMARY_RECORDS 5000
#define INCIDENT_SUMMARY_MOST    5 /* in `most_severe` */

/* {"open", "told", "critical", "high", "medium": how many incidents, "complete": true or false, "most_severe": [{"id",
 * "open", "severity", "class", "title", "first", "last", "geo"}, ...]}: graver ones first, of these those told of last.
 * "error" says what could not be read. */
json_t *incident_summary(const char *state_dir, int64_t now_ns);
