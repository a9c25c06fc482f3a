/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - one Ethernet frame, parsed as far as layer 4, tunnels included.
 *
 * frame_parse() never fails: what it cannot read it leaves unset and names as an anomaly, so that
 * a verdict can always be given. It allocates nothing and borrows the bytes.
 * Work is bounded: FRAME_TAGS_MAX tags, FRAME_EXT_MAX extension headers, FRAME_DEPTH_MAX tunnels.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h> /* IPPROTO_... */

#include "base/ip.h"

#define FRAME_TAGS_MAX      4 /* VLAN tags read; more is an anomaly */
#define FRAME_EXT_MAX       8 /* IPv6 extension headers in a chain */
#define FRAME_DEPTH_MAX     4 /* packets inside packets */
#define TCP_WSCALE_NONE     255
#define FRAME_ETHERTYPE_MIN 0x0600 /* below: an 802.3 length */

enum frame_anomaly {
	FRAME_ANOMALY_NONE,
#define ANOMALY(id, name, text) FRAME_ANOMALY_##id,
#include "frame/anomaly.def"
#undef ANOMALY
	FRAME_ANOMALY_COUNT
};

/* How a capture file frames its packets; live frames are always FRAME_LINK_ETHERNET. */
enum frame_link {
	FRAME_LINK_ETHERNET,
	FRAME_LINK_RAW_IP,  /* DLT_RAW, DLT_IPV4, DLT_IPV6 */
	FRAME_LINK_COOKED,  /* Linux cooked v1 */
	FRAME_LINK_COOKED2, /* Linux cooked v2 */
	FRAME_LINK_NULL,    /* BSD loopback: family in the capturing host's byte order */
	FRAME_LINK_LOOP,    /* OpenBSD loopback: family in network order */
	FRAME_LINK_HDLC,    /* PPP with or without its HDLC address, and Cisco's */
	FRAME_LINK_WIFI,    /* 802.11 */
	FRAME_LINK_RADIOTAP /* 802.11 behind a radiotap header */
};

/* One IP packet with its transport header. Offsets are from the start of the frame. */
struct frame_packet {
	struct ip src, dst;
	uint8_t version; /* 4 or 6; 0 = not IP */
	uint8_t proto;   /* IPPROTO_... of the transport: behind IPv6 extension headers */
	uint8_t ttl;
	uint8_t tcp_flags; /* RFC 9293, FIN = 1 ... CWR = 128 */
	uint8_t icmp_type; /* of IGMP (RFC 3376, 4) too */
	uint8_t icmp_code;
	bool is_fragment;    /* part of a datagram (an atomic fragment, RFC 6946, is not) */
	bool first_fragment; /* the part with offset 0 */
	bool last_fragment;
	bool has_transport;       /* ports, flags, ICMP fields were readable */
	uint16_t sport, dport;    /* ICMP echo: both are the identifier */
	uint16_t fragment_offset; /* bytes */
	uint16_t fragment_len;    /* bytes of the datagram that this part holds */
	uint32_t fragment_id;
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_window;
	uint8_t tcp_wscale; /* shift of a SYN's window scale option (RFC 7323), as sent; TCP_WSCALE_NONE */
	uint32_t l3_at, l4_at, payload_at, end_at; /* end_at: by the IP header, without padding */
};

struct frame {
	const uint8_t *data;
	uint32_t len;
	uint32_t wire_len; /* set to len; raise it where a capture file holds less than was sent */
	struct mac src_mac, dst_mac;
	uint16_t ethertype; /* behind the tags; below FRAME_ETHERTYPE_MIN an 802.3 length */
	uint16_t tag[FRAME_TAGS_MAX]; /* VLAN ids with priority bits */
	uint8_t n_tags;
	uint8_t n_packets; /* IP packets found: 0 = none, 1 = the outer, more = inside tunnels */
	/* The innermost packet begins a tunnel, or goes over a tunnel's port, and what is inside cannot be
	 * read as IP: encrypted, control messages, unknown, nonsense, too deep. Of fragments the first. */
	bool opaque_tunnel;
	uint32_t l3_at;
	/* ARP (RFC 826), when ethertype is 0x0806 and it could be read. Not inside tunnels. */
	bool is_arp;
	uint16_t arp_op;
	struct mac arp_sender_mac;
	struct ip arp_sender, arp_target;
	/* IPv6 neighbour discovery (RFC 4861) in the outer packet: target of NS, NA and redirect (else
	 * unset), link-layer address option if any. */
	bool is_nd;
	struct ip nd_target;
	bool has_nd_mac;
	struct mac nd_mac;
	/* ICMP error in the outer packet: the packet it quotes. */
	bool has_quoted;
	uint64_t anomalies; /* bit n: enum frame_anomaly n */
	/* Of these only what n_packets and has_quoted say is set. */
	struct frame_packet packet[FRAME_DEPTH_MAX];
	struct frame_packet quoted;
};

void frame_parse(const uint8_t *data, uint32_t len, enum frame_link link, struct frame *ret_frame);

/* Whether the checksums of one of its packets are right; true as well where they cannot be known: of fragments, of
 * what is cut, of protocols not known here. */
bool frame_sums_right(const struct frame *frame, const struct frame_packet *packet);

/* Whether UDP tunnels of that port are one way: both ends send to it, from ports of their own choice (RFC 7348, 5;
 * RFC 8926, 3.3; RFC 8086, 3.1; RFC 7510, 3; 3GPP TS 29.281, 4.4.2), so that each way looks like a conversation. */
bool frame_tunnel_is_one_way(uint16_t port);

const char *frame_anomaly_name(enum frame_anomaly anomaly);

static inline bool frame_has_anomaly(const struct frame *f, enum frame_anomaly anomaly)
{
	return f->anomalies >> anomaly & 1;
}
