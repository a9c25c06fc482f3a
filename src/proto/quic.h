/* SPDX-License-Identifier: Apache-2.0 */
/* quic - what the parts of QUIC's parser share. Private to quic*.c. */
#pragma once

#include "proto/fields.h"

/* quic_google.c: QUIC as Google had it before the RFC, whose first message can be read by all. */
bool quic_google_is(struct cur packet);
/* What the client's first message says, as fields; false: the packet has none. */
bool quic_google_read(struct cur packet, struct proto_fields *fields);
