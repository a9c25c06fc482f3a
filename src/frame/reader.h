/* SPDX-License-Identifier: Apache-2.0 */
/* reader - what the parts of frame_parse() hand to each other. Private to src/frame. */
#pragma once

#include "base/cur.h"
#include "frame/frame.h"

/* What comes next in the frame, at the cursor. */
enum step {
	STEP_NONE,
	STEP_ETHERTYPE, /* by reader.type */
	STEP_ETHERNET,  /* an Ethernet header inside a tunnel */
	STEP_IP4,
	STEP_IP6,
	STEP_TRANSPORT, /* reader.p->proto */
};

/* Between a tunnel's header and the packet inside. */
enum tunnel {
	TUNNEL_NONE,
	TUNNEL_SURE,
	TUNNEL_GUESSED, /* by port: maybe none at all, so no anomalies until there is an IP header */
};

struct reader {
	struct frame *f;
	struct cur c;
	struct frame_packet *p;
	uint16_t type;
	enum tunnel tunnel; /* if it is still set in the end, the inside could not be read */
	bool quoted; /* inside an ICMP error's quotation: cut off as a rule, so no anomalies */
};

static inline void reader_anomaly(struct reader *r, enum frame_anomaly anomaly)
{
	if (!r->quoted && r->tunnel != TUNNEL_GUESSED)
		r->f->anomalies |= (uint64_t)1 << anomaly;
}

static inline uint32_t reader_at(const struct reader *r)
{
	return (uint32_t)(r->c.at - r->f->data);
}

/* The transport header ends here. */
static inline void reader_done(struct reader *r)
{
	r->p->has_transport = true;
	r->p->payload_at = reader_at(r);
}

enum { ETHERTYPE_IP4 = 0x0800, ETHERTYPE_IP6 = 0x86dd };

/* VLAN tags from `type` on; the type behind them. Those of the outer frame are kept, those inside a tunnel are
 * skipped. */
uint16_t reader_tags(struct reader *r, uint16_t type, bool outer);
enum step reader_by_nibble(const struct reader *r); /* IP, told by its version, or STEP_NONE */

/* The link header of a capture other than Ethernet. */
enum step reader_link(struct reader *r, enum frame_link link);

/* Each reads what its name says into r->p and returns what follows. */
enum step reader_ip4(struct reader *r);
enum step reader_ip6(struct reader *r);
enum step reader_transport(struct reader *r);
enum step reader_tunnel(struct reader *r);     /* by r->p->proto, if it is one */
enum step reader_udp_tunnel(struct reader *r); /* by port, if it is one */

/* Most ports need no look: those of tunnels all lie between these. */
enum { TUNNEL_PORT_FIRST = 1701, TUNNEL_PORT_LAST = 8472 };

static inline bool reader_maybe_tunnel_port(uint16_t port)
{
	return port >= TUNNEL_PORT_FIRST && port <= TUNNEL_PORT_LAST;
}
