/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl - run_dir/ctl.sock: SOCK_SEQPACKET, one request a connection: a verb of ctl.def as text, or a JSON
 * object {"verb", "args": [...], "for": seconds, "until": time, "reason", "match"} of which only the verb is
 * needed. The answer: a JSON object in one or more packets up to the end of file, with "ok", "error" in
 * words when it is false, and "said" for people where there is a sentence to say.
 *
 * Who may connect may order, and is named in the records. That is said by the socket's mode: root, and
 * the group fishbowl where it exists.
 */
#pragma once

#include <jansson.h>

#define CTL_REQUEST_MAX 4096
#define CTL_ANSWER_MAX  (4 << 20)
#define CTL_PACKET_MAX  65536
#define CTL_SOCKET      "ctl.sock"
#define CTL_PATIENCE_S  10

/* Asks the gateway of that run_dir, and waits at most so long. 0 and the answer; -ENOENT or -ECONNREFUSED:
 * none runs; -EAGAIN: no answer. */
int ctl_ask(const char *run_dir, const char *request, int patience_s, json_t **ret_answer);
