/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/flow.h"

#include <assert.h>
#include <netinet/tcp.h>

#include "frame/frame.h"

static_assert(sizeof(struct flow_key) == 56, "the key has no padding");
static_assert(sizeof(struct flow) <= 216, "RSS");

enum { VLAN_ID = 0x0fff, WELL_KNOWN_END = 1024 };

/* Request and reply of one exchange have one kind. */
static uint8_t icmp_kind(const struct frame_packet *p)
{
	if (p->version == 6)
		return p->icmp_type == 129 ? 128 : p->icmp_type;
	switch (p->icmp_type) {
	case 0:
		return 8;
	case 14:
	case 16:
	case 18:
		return (uint8_t)(p->icmp_type - 1);
	default:
		return p->icmp_type;
	}
}

bool flow_key_make(const struct frame *frame, const struct frame_packet *packet, uint64_t parent,
	struct flow_key *ret_key, uint8_t *ret_source)
{
	struct flow_key *k = ret_key;
	uint8_t source;
	int order;

	if (packet->version == 0)
		return false;
	order = memcmp(&packet->src, &packet->dst, sizeof(packet->src));
	source = order > 0 || (order == 0 && packet->sport > packet->dport);
	memset(k, 0, sizeof(*k));
	k->ip[source] = packet->src;
	k->ip[!source] = packet->dst;
	k->parent = parent;
	if (packet->has_transport) {
		k->port[source] = packet->sport;
		k->port[!source] = packet->dport;
		if (packet->proto == IPPROTO_ICMP || packet->proto == IPPROTO_ICMPV6)
			k->icmp_kind = icmp_kind(packet);
	}
	for (unsigned i = 0; i < 2 && i < frame->n_tags; i++)
		k->vlan[i] = frame->tag[i] & VLAN_ID;
	k->version = packet->version;
	k->proto = packet->proto;
	*ret_source = source;
	return true;
}

uint8_t flow_starter(const struct frame_packet *packet, uint8_t source)
{
	uint8_t flags = packet->tcp_flags & (TH_SYN | TH_ACK | TH_RST);
	bool under_way = flags == TH_ACK && packet->sport < WELL_KNOWN_END &&
			 packet->dport >= WELL_KNOWN_END;

	if (packet->proto != IPPROTO_TCP || !packet->has_transport)
		return source;
	return under_way || flags == (TH_SYN | TH_ACK) ? !source : source;
}

const char *flow_state_name(enum flow_state state)
{
	static const char *const names[] = { "new", "established", "closed" };

	return names[state <= FLOW_CLOSED ? state : FLOW_NEW];
}

const char *flow_end_name(enum flow_end end)
{
	static const char *const names[] = { "none", "timeout", "closed", "reused", "forced",
		"shutdown" };

	return names[end <= FLOW_END_SHUTDOWN ? end : FLOW_END_NONE];
}
