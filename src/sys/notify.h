/* SPDX-License-Identifier: Apache-2.0 */
/* notify - the sd_notify protocol: a text such as "READY=1" to $NOTIFY_SOCKET, if there is one. */
#pragma once

#include <stdint.h>

/* 0 (also without a socket) or -errno. */
int notify_send(const char *text);
/* Half of WATCHDOG_USEC in nanoseconds: how often to send WATCHDOG=1. 0: nobody asks for it. */
int64_t notify_watchdog_ns(void);
