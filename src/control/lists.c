/* SPDX-License-Identifier: Apache-2.0 */
/* The three lists, asked about a frame. A look-up costs little, but most frames belong to a conversation
 * that was held against these lists already: its flow remembers what came out. */
#include "control/inside.h"

static bool has_ports(const struct frame_packet *p)
{
	return p->has_transport &&
	       (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP || p->proto == IPPROTO_SCTP ||
		       p->proto == IPPROTO_DCCP || p->proto == IPPROTO_UDPLITE);
}

/* An address, and those inside it that a relay or translator would forward to. */
static bool has_address(const struct judge *j, enum list_kind kind, const struct ip *ip,
	uint8_t proto, uint16_t port)
{
	struct ip inner[IP_EMBEDDED_MAX];
	unsigned n = ip_is_v4(ip) ? 0 : ip_embedded_v4(ip, inner);

	if (policy_listed(j->gate->policy, kind, ip, proto, port))
		return true;
	while (n-- > 0)
		if (policy_listed(j->gate->policy, kind, &inner[n], proto, port))
			return true;
	return false;
}

static bool has_packet(const struct judge *j, enum list_kind kind, unsigned i)
{
	const struct frame_packet *p = &j->frame->packet[i];
	bool ports = has_ports(p), inbound = j->in_port == GATE_OUTSIDE;
	uint16_t port = ports ? p->dport : 0;

	/* Inbound it is the sender who is listed, for his own port or the honeypot's. */
	if (inbound)
		return has_address(j, kind, &p->src, p->proto, port) ||
		       (ports && has_address(j, kind, &p->src, p->proto, p->sport));
	if (has_address(j, kind, &p->dst, p->proto, port))
		return true;
	return kind == LIST_BLACK && i > 0 && has_address(j, kind, &p->src, p->proto, port);
}

/* The white list must hold for everything in the frame, the others for anything. */
static bool look_up(const struct judge *j, enum list_kind kind)
{
	bool all = kind == LIST_WHITE;

	if (j->gate->policy->list[kind].n_rules == 0 || j->frame->n_packets == 0)
		return false;
	for (unsigned i = 0; i < j->frame->n_packets; i++)
		if (has_packet(j, kind, i) != all)
			return !all;
	return all;
}

/* What is inside a tunnel may change from frame to frame. */
static struct flow_tally *memory_of(const struct judge *j, uint32_t slot)
{
	if (slot == FLOW_NONE || j->frame->n_packets != 1)
		return NULL;
	return &flow_get(j->gate->table, slot)->tally;
}

bool lists_have(struct judge *j, enum list_kind kind)
{
	unsigned way = j->in_port == GATE_OUTSIDE, bit = 1u << kind;
	const struct flow_tally *t;

	if (j->listed_known & bit)
		return j->listed & bit;
	t = memory_of(j, j->slot);
	if (t && t->cleared[way] == (uint32_t)j->gate->policy->generation) {
		j->listed = t->listed[way];
		j->listed_known = (1u << LIST_COUNT) - 1;
		return j->listed & bit;
	}
	j->listed_known |= bit;
	if (look_up(j, kind))
		j->listed |= bit;
	return j->listed & bit;
}

void lists_note(struct judge *j, uint32_t slot)
{
	struct flow_tally *t = memory_of(j, slot);
	unsigned way = j->in_port == GATE_OUTSIDE;

	if (!t || t->cleared[way] == (uint32_t)j->gate->policy->generation)
		return;
	for (unsigned kind = 0; kind < LIST_COUNT; kind++)
		(void)lists_have(j, kind);
	t->listed[way] = (uint8_t)j->listed;
	t->cleared[way] = (uint32_t)j->gate->policy->generation;
}
