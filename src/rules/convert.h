/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - from rules against attacks on us to rules that disarm attacks of our honeypots: an
 * inbound rule (from $EXTERNAL_NET, any, or listed addresses, to $HOME_NET or its servers) becomes
 * one about what $HONEYNET sends there.
 *
 * What it does then follows what the attack is (its class, file, sid), as the Honeynet Project's
 * own conversion did: `replace` for what would break in, `drop` where nothing can be replaced or
 * the class says so, `alert` for what the intruder must be able to do: look around, fetch tools,
 * talk to his masters.
 *
 * `replace` changes one byte of the rule's longest content, the last one that means something, into
 * another of its kind, so that the failure looks like one. A rule always comes out the same. A
 * content of one repeated byte (padding, a sled) is not disarmed by that; nor is a buffer: such
 * rules drop.
 */
#pragma once

#include "base/out.h"
#include "rules/rule.h"

#define RULE_CONVERT_MAX  (2 * RULE_TEXT_MAX)
#define RULE_CONVERT_SIDS 1000000000u /* added to sid, so that both can be used together */

enum rule_conversion {
	RULE_CONVERT_NOT, /* not inbound: nothing is written */
	RULE_CONVERT_REPLACE,
	RULE_CONVERT_DROP,
	RULE_CONVERT_ALERT
};
/* Writes the rule in one line, with its newline. `o` wants room for RULE_CONVERT_MAX. */
enum rule_conversion rule_convert(const struct rule *rule, struct out *o);
/* A rule the other way round, about what $EXTERNAL_NET sends: for marks that a converted rule
 * waits for. It says nothing. False: it is not about what our networks send. */
bool rule_convert_mark(const struct rule *rule, struct out *o);
