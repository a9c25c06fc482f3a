/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the chain that look at one frame alone: whose it says it is, and whether a honeypot may send its
 * kind at all. */
#include "control/rows.h"

#define BIT(id) ((uint64_t)1 << FRAME_ANOMALY_##id)

enum {
	ETHERTYPE_MIN = 0x600,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_LLDP = 0x88cc
};
enum { ARP_LEN = 28, PADDED_MAX = 68 }; /* 60 bytes and two tags */
enum { ICMP6_RA = 134, ICMP6_REDIRECT = 137, ICMP4_REDIRECT = 5, ICMP4_RA = 9 };
enum {
	IGMP_QUERY = 0x11,
	IGMP1_REPORT = 0x12,
	IGMP2_REPORT = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP3_REPORT = 0x22
};
enum { MLD_QUERY = 130, MLD_REPORT = 131, MLD_DONE = 132, MLD2_REPORT = 143, NEVER = 255 };
static const struct ip any4 = { .byte = { [10] = 0xff, [11] = 0xff } };

static bool is_icmp(const struct judge *j, uint8_t type4, uint8_t type6)
{
	const struct frame_packet *p = j->packet;

	if (!p || !p->has_transport)
		return false;
	return (p->proto == IPPROTO_ICMP && p->icmp_type == type4) ||
	       (p->proto == IPPROTO_ICMPV6 && p->icmp_type == type6);
}

static bool is_igmp(const struct judge *j, uint8_t type)
{
	const struct frame_packet *p = j->packet;

	return p && p->has_transport && p->version == 4 && p->proto == IPPROTO_IGMP &&
	       p->icmp_type == type;
}

bool frame_is_group_report(const struct judge *j)
{
	return is_igmp(j, IGMP1_REPORT) || is_igmp(j, IGMP2_REPORT) || is_igmp(j, IGMP3_REPORT) ||
	       is_igmp(j, IGMP_LEAVE) || is_icmp(j, NEVER, MLD_REPORT) ||
	       is_icmp(j, NEVER, MLD_DONE) || is_icmp(j, NEVER, MLD2_REPORT);
}

bool row_wrong_mac(struct judge *j)
{
	return !j->mac_ok;
}

/* Groups of bridges (01:80:c2:00:00:0x: STP, LLDP, pause, 802.1X) and of Cisco's protocols. */
static bool is_bridge_group(const struct mac *mac)
{
	static const struct mac bridges = { { 0x01, 0x80, 0xc2, 0, 0, 0 } };
	static const struct mac cisco = { { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0 } };

	return memcmp(mac, &bridges, 5) == 0 || memcmp(mac, &cisco, 5) == 0;
}

/* What routers say to each other on a link: EIGRP, OSPF, PIM, VRRP; RIP, HSRP, GLBP. */
static bool is_routing(const struct frame_packet *p)
{
	static const uint8_t protocols[] = { 88, 89, 103, 112 };
	static const uint16_t ports[] = { 520, 521, 1985, 2029, 3222 };

	if (!ip_is_multicast(&p->dst))
		return false;
	for (size_t i = 0; i < sizeof(protocols); i++)
		if (p->proto == protocols[i])
			return true;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (p->has_transport && p->proto == IPPROTO_UDP && p->dport == ports[i])
			return true;
	return false;
}

bool row_unhygienic(struct judge *j)
{
	if (is_bridge_group(&j->frame->dst_mac) || j->frame->ethertype == ETHERTYPE_LLDP ||
		(j->packet && is_routing(j->packet)))
		return true;
	return is_icmp(j, ICMP4_RA, ICMP6_RA) || is_icmp(j, ICMP4_REDIRECT, ICMP6_REDIRECT) ||
	       is_icmp(j, NEVER, MLD_QUERY) || is_igmp(j, IGMP_QUERY) ||
	       frame_is_udp(j->packet, 67, 68) || frame_is_udp(j->packet, 547, 546);
}

bool row_foreign_ethertype(struct judge *j)
{
	uint16_t type = j->frame->ethertype;

	return type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6 && type != ETHERTYPE_ARP;
}

bool row_nested_tag(struct judge *j)
{
	return j->frame->n_tags > 1;
}

/* Sender 0.0.0.0 is a probe for one's own address (RFC 5227). */
bool row_wrong_arp(struct judge *j)
{
	const struct frame *f = j->frame;

	if (!f->is_arp)
		return false;
	if (!mac_equal(&f->arp_sender_mac, &f->src_mac))
		return true;
	if (ip_equal(&f->arp_sender, &any4))
		return !pots_owns(j, &f->arp_target);
	return !pots_owns(j, &f->arp_sender);
}

/* A solicitation names its sender's MAC; an advertisement speaks for its target (RFC 4861, 4.3, 4.4). */
bool row_wrong_nd(struct judge *j)
{
	const struct frame *f = j->frame;

	if (!f->is_nd)
		return false;
	if (f->has_nd_mac && !mac_equal(&f->nd_mac, &f->src_mac))
		return true;
	if (j->packet->icmp_type == 136 ||
		(j->packet->icmp_type == 135 && ip_is_unset(&j->packet->src)))
		return !pots_owns(j, &f->nd_target);
	return false;
}

/* Without an address yet: DHCP, which is broadcast then (RFC 2131, 4.1), duplicate address detection,
 * its MLD report (RFC 3590). */
static bool may_have_no_address(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	if (p->version == 4)
		return frame_is_udp(j->packet, 68, 67) && ip_equal(&p->src, &any4) &&
		       ip_equal(&p->dst, &ip_broadcast4);
	return ip_is_unset(&p->src) && ip_is_multicast(&p->dst) &&
	       (j->frame->is_nd || is_icmp(j, NEVER, MLD_REPORT) || is_icmp(j, NEVER, MLD2_REPORT));
}

bool row_wrong_ip(struct judge *j)
{
	if (!j->packet || may_have_no_address(j))
		return false;
	if ((j->packet->version == 4) != ip_is_v4(&j->packet->src))
		return true;
	return !pots_owns(j, &j->packet->src);
}

/* What would be read differently by whoever receives it, or not at all. */
static const uint64_t misleading =
	BIT(IP4_SOURCE_ROUTE) | BIT(IP4_OPTION) | BIT(IP6_ROUTING) | BIT(IP6_CHAIN) |
	BIT(IP6_ORDER) | BIT(IP6_JUMBO) | BIT(FRAGMENT_RANGE) | BIT(FRAGMENT_LENGTH) |
	BIT(TCP_OFFSET) | BIT(TCP_FLAGS) | BIT(ICMP_FAMILY) | BIT(ND_OPTION) | BIT(TUNNEL_DEPTH) |
	BIT(ADDRESS_MAPPED) | BIT(LAND) | BIT(TAG_DEPTH) | BIT(ND_FRAGMENT) | BIT(IP4_VERSION) |
	BIT(IP6_VERSION) | BIT(IP4_HEADER) | BIT(IP4_TOTAL) | BIT(ARP_FORM);
static const uint64_t cut_off = BIT(ETHERNET_SHORT) | BIT(TAG_SHORT) | BIT(ARP_SHORT) |
				BIT(IP4_SHORT) | BIT(IP4_CUT) | BIT(IP6_SHORT) | BIT(IP6_CUT) |
				BIT(IP6_EXTENSION) | BIT(AH_SHORT) | BIT(TCP_SHORT) |
				BIT(UDP_SHORT) | BIT(UDP_LENGTH) | BIT(SCTP_SHORT) |
				BIT(DCCP_SHORT) | BIT(ICMP_SHORT) | BIT(ND_SHORT) | BIT(GRE_SHORT);

/* Bytes behind the packet that are not there to make a frame as long as it must be. */
static bool has_trailer(const struct frame *f)
{
	uint32_t end = f->n_packets ? f->packet[0].end_at : f->l3_at + ARP_LEN;

	return f->wire_len > PADDED_MAX && f->wire_len > end;
}

bool row_malformed(struct judge *j)
{
	const struct frame *f = j->frame;

	if (has_trailer(f) || (f->anomalies & misleading) || (!j->packet && !f->is_arp))
		return true;
	/* A capture file may hold less than was sent. */
	return f->wire_len == f->len && (f->anomalies & cut_off);
}

/* A datagram in parts is judged as a whole, or not at all; one inside a tunnel is never whole. */
bool row_fragment(struct judge *j)
{
	for (unsigned i = 0; i < j->frame->n_packets; i++)
		if (j->frame->packet[i].is_fragment)
			return true;
	return false;
}
