/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp - the SYN or SYN+ACK of a system: what it looks like, and which signature it fits, as p0f 3.09b decides it.
 * Pure.
 */
#pragma once

#include "fingerprint/signatures.h"

struct frame;
struct frame_packet;
struct out;

#define TCP_HOPS_MAX 35 /* more hops than that are not believed */

struct tcp_look {
	bool response;             /* a SYN+ACK */
	uint8_t version, ttl, tos; /* tos: DSCP */
	uint8_t ip_options;        /* bytes; of IPv6 its extension headers */
	uint16_t header_len;       /* IP and TCP, with options */
	uint8_t options[SIGNATURES_OPTIONS_MAX], n_options, eol_pad;
	uint16_t mss; /* 0: none */
	uint16_t window;
	uint8_t scale;
	bool payload;
	bool has_timestamp;
	uint32_t timestamp;
	uint32_t quirks; /* enum tcp_quirk */
};

/* False: it is no whole TCP segment with SYN and without RST and FIN. */
bool tcp_look_read(
	const struct frame *frame, const struct frame_packet *packet, struct tcp_look *ret_look);
/* The timestamp (RFC 7323) of any TCP segment. */
bool tcp_timestamp(
	const struct frame *frame, const struct frame_packet *packet, uint32_t *ret_timestamp);

struct tcp_match {
	const struct signature_tcp *signature; /* NULL: none fits */
	const struct signature_label *label;   /* of it */
	bool fuzzy;   /* only with another TTL, or with quirks that routers take away or add */
	uint8_t hops; /* how far away it is; above TCP_HOPS_MAX: not believed */
};

/* `peer_mss`: of a SYN+ACK, what the SYN before it said; else 0. */
void tcp_match(const struct signatures *set, const struct tcp_look *look, uint16_t peer_mss,
	struct tcp_match *ret_match);

/* As p0f writes signatures: "4:60+4:0:1460:mss*10,6:mss,sok,ts,nop,ws:df,id+:0". */
#define TCP_RAW_MAX 384
void tcp_look_text(struct out *o, const struct tcp_look *look, uint16_t peer_mss);
/* From the MSS; 0 when there is none. */
uint32_t tcp_look_mtu(const struct tcp_look *look);
