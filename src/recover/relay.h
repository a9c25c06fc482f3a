/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - what a honeypot only passes on: conversations through it as a proxy (HTTP, SOCKS), a mail relay, or a chat
 * server between others. Those who speak there are third parties, and what they say is not the honeypot's.
 *
 * A relay has two conversations: one comes to the honeypot, the other one it begins. They are found to belong together
 * by who was asked for and when, and both are marked. All is bounded: what is forgotten is not marked. The
 * last 256 of each kind are remembered, in sixteen shares by honeypot, so that one pushes out few others'; of what it
 * begins those that were answered apart and first, so that a scan does not push them out.
 */
#pragma once

#include "inspect/inspect.h"

struct relay;

int relay_new(struct relay **ret_relay); /* -ENOMEM */
struct relay *relay_free(struct relay *relay);

/* Every frame, before it is inspected. */
void relay_frame(struct relay *relay, const struct inspect_frame *frame);
/* What was found in it. */
void relay_tunnel(
	struct relay *relay, const struct inspect_frame *frame, const struct proto_tunnel *tunnel);
void relay_tx(struct relay *relay, const struct inspect_frame *frame, struct proto_tx *tx);
/* "proxy", "mail", "chat"; empty: the conversation is the honeypot's own. */
struct text relay_of(const struct relay *relay, uint64_t flow_id);
