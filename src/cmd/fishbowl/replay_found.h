/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_found - what a replay's summary says of the records: the hosts with most traffic and most conversations,
 * what was tried to log in and what worked, who spoke where, files, payloads that were decoded, alerts, incidents.
 * Of each a bounded number is remembered (replay_top.h) and a few are shown, in lines of at most FOUND_COLUMNS
 * characters of printable ASCII, whatever the text. Depends on the records and their order only.
 */
#pragma once

#include <stdbool.h>

#include "event/event.h"

#define FOUND_COLUMNS       80
#define FOUND_HOSTS_MAX     8192 /* remembered; of each of the two orders */
#define FOUND_THINGS_MAX    2048 /* remembered: credentials, chats, files, alerts, ... */
#define FOUND_INCIDENTS_MAX 256  /* remembered, the latest ones */
#define FOUND_SHOWN         10   /* of each */
#define FOUND_STORY_SHOWN   8    /* lines of an incident's story */
#define FOUND_TEXT_MAX      (48u << 10)

struct out;
struct replay_found;

/* `viewer`: for one who may not see passwords, words and names of persons (store/redact.h): these are left out.
 * -ENOMEM. */
int replay_found_new(bool viewer, struct replay_found **ret_found);
struct replay_found *replay_found_free(struct replay_found *found);
void replay_found_take(struct replay_found *found, const struct record *record);
/* At most FOUND_TEXT_MAX bytes. */
void replay_found_print(struct out *o, struct replay_found *found);
