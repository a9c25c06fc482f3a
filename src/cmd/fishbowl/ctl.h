/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl - run_dir/ctl.sock: SOCK_SEQPACKET, one request a connection: a verb of ctl.def as text; one
 * answer: a JSON object with "ok", and "error" in words when it is false. Who may connect is said by
 * the socket's mode: root, and the group fishbowl where it exists.
 */
#pragma once

#include <jansson.h>

struct conf;

#define CTL_REQUEST_MAX 64
#define CTL_ANSWER_MAX  65536
#define CTL_SOCKET      "ctl.sock"

/* Asks the gateway of that run_dir. 0 and the answer; -ENOENT or -ECONNREFUSED: none runs. */
int ctl_ask(const char *run_dir, const char *verb, json_t **ret_answer);
