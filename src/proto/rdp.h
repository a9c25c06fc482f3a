/* SPDX-License-Identifier: Apache-2.0 */
/* rdp - private to rdp*.c. */
#pragma once

#include "proto/fields.h"

#define RDP_CONNECT_MAX 4096u /* bytes of a client's MCS Connect Initial */

/* rdp_connect.c: the members of what the client says of itself; `c`: behind the header of X.224. False: it is none. */
bool rdp_say_connect(struct out *o, struct cur c);
