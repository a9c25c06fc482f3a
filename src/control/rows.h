/* SPDX-License-Identifier: Apache-2.0 */
/* rows - what the chain asks about a frame that leaves (control/chain.c has the table). A guard says whether
 * it stops the frame; a decision gives the reason, REASON_NONE: no opinion. Private to src/control. */
#pragma once

#include "control/inside.h"

/* 255.255.255.255 */
static const struct ip ip_broadcast4 = {
	.byte = { [10] = 0xff, [11] = 0xff, 0xff, 0xff, 0xff, 0xff }
};

/* `p` may be NULL: not IP. */
static inline bool frame_is_udp(const struct frame_packet *p, uint16_t sport, uint16_t dport)
{
	return p && p->has_transport && p->proto == IPPROTO_UDP && p->sport == sport &&
	       p->dport == dport;
}

/* guards.c: the frame alone. */
bool row_wrong_mac(struct judge *j);
bool row_wrong_ip(struct judge *j);
bool row_wrong_arp(struct judge *j);
bool row_wrong_nd(struct judge *j);
bool row_unhygienic(struct judge *j);
bool row_foreign_ethertype(struct judge *j);
bool row_nested_tag(struct judge *j);
bool row_malformed(struct judge *j);
bool row_fragment(struct judge *j);
bool frame_is_group_report(const struct judge *j);

/* limits.c: what was sent before. */
bool row_no_flow(struct judge *j);
enum reason row_tcp_misfit(struct judge *j);
bool row_unanswered(struct judge *j);
bool row_flow_volume(struct judge *j);
bool row_reflection(struct judge *j);
enum reason row_question(struct judge *j);
bool row_table_full(struct judge *j);
enum reason row_budget(struct judge *j);
bool row_half_open(struct judge *j);
enum reason row_volume(struct judge *j);
bool row_line_full(struct judge *j);
/* After all rows: what the frame begins is taken from the budgets. False: another part of the same frame took
 * the last of it. */
bool limits_take(struct judge *j);

/* A frame that came in and passes: what its sender earned by it. */
void limits_hear(struct judge *j);

/* The class of the outer packet. */
enum budget_class limits_class(const struct judge *j);
/* Conversations inside the frame that are not known yet, and the frame's own if it `begins` one, become
 * j->item. */
void limits_collect(struct judge *j, bool begins);
