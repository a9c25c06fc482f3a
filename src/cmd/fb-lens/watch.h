/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - what fb-lens does with a captured frame: who sent it to whom by the gate's own notes
 * (interface, verdict, conversation), then the rules and the protocols (inspect/inspect.h), and
 * what was found as records.
 *
 * Rules alert on what comes in and on what goes between honeypots. What leaves the gate has held
 * against them already; here it is looked at so that streams and transactions are whole, and for
 * the records of application protocols. Frames that were stopped reached nobody, and copies of
 * frames that were changed say nothing new: neither is looked at.
 */
#pragma once

#include <stddef.h>

#include "capture/reader.h"
#include "event/event.h"
#include "sys/counts.h"

struct conf;
struct geo;
struct piece;
struct signatures;
struct watch;

struct watch_setup {
	const struct conf *conf; /* outlives it */
	struct counts_lens *counts;
	const struct signatures *signatures; /* see recover.h, as `geo` */
	const struct geo *geo;
	void (*emit)(void *context, const struct record *record);
	/* NULL: files are not kept. */
	void (*keep)(void *context, const struct piece *piece);
	void *context;
};

int watch_new(const struct watch_setup *setup, struct watch **ret_watch); /* -ENOMEM */
struct watch *watch_free(struct watch *watch);
/* From the next frame on, these rules; the memory is the watch's if they could be taken up.
 * `image` NULL: none. -EBADMSG, -ENOMEM. */
int watch_use_rules(struct watch *watch, const void *image, size_t size);
void watch_packet(struct watch *watch, const struct capture_packet *packet,
	const struct capture_interface *interface);
