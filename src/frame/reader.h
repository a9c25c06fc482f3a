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

struct reader {
	struct frame *f;
	struct cur c;
	struct frame_packet *p;
	uint16_t type;
	bool quoted; /* inside an ICMP error's quotation: cut off as a rule, so no anomalies */
};

static inline void reader_anomaly(struct reader *r, enum frame_anomaly anomaly)
{
	if (!r->quoted)
		r->f->anomalies |= (uint64_t)1 << anomaly;
}

static inline uint32_t reader_at(const struct reader *r)
{
	return (uint32_t)(r->c.at - r->f->data);
}

/* Each reads what its name says into r->p and returns what follows. */
enum step reader_ip4(struct reader *r);
enum step reader_ip6(struct reader *r);
enum step reader_transport(struct reader *r);
