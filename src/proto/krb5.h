/* SPDX-License-Identifier: Apache-2.0 */
/* krb5 - tickets that are shown to other servers than a KDC. Private to src/proto. */
#pragma once

#include "proto/fields.h"

/* The ticket of a GSS-API token (RFC 4121, 4.1) anywhere in `c`, in SPNEGO or alone, as a member: its realm, and whom it
 * is for. What is in it about the client is encrypted. */
void krb5_say_ticket(struct out *o, struct cur c);
