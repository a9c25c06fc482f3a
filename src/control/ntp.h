/* SPDX-License-Identifier: Apache-2.0 */
/* ntp - what a honeypot sends to a time server: a client's request (RFC 5905), or something else? */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTP_EXTENSIONS_MAX 400 /* bytes of extension fields (RFC 7822) */

/* Version 1..4, mode 3, well-formed extension fields, a MAC of 20 or 24 bytes or none, nothing else.
 * Data hidden in the times of such a request cannot be told from times: only the budget bounds it. */
bool ntp_request_fine(const uint8_t *payload, size_t len);
