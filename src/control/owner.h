/* SPDX-License-Identifier: Apache-2.0 */
/* owner - whose a record is that was made outside the gate, of what a conversation carried. */
#pragma once

struct conf;
struct record_head;

/* Name of the honeypot, and which way it goes from its source, which need not be who sent the frame. Between
 * honeypots it is the source's; of none it stays as it is. The name lives as long as `conf`. */
void owner_name(const struct conf *conf, struct record_head *head);
