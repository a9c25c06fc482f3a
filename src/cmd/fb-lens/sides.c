/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-lens/sides.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "frame/frame.h"

enum { WAYS = 4 };

struct conversation {
	uint64_t flow_id; /* 0: free */
	uint64_t used;    /* when, in calls */
	struct ip client;
	uint16_t port;
	bool midstream;
};

struct sides {
	uint64_t calls;
	size_t n_sets; /* a power of two */
	struct conversation *at;
};

int sides_new(size_t conversations, struct sides **ret_sides)
{
	struct sides *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->n_sets = 1;
	while (s->n_sets * WAYS < conversations)
		s->n_sets *= 2;
	s->at = calloc(s->n_sets * WAYS, sizeof(*s->at));
	if (!s->at) {
		free(s);
		return -ENOMEM;
	}
	*ret_sides = s;
	return 0;
}

struct sides *sides_free(struct sides *s)
{
	if (s) {
		free(s->at);
		free(s);
	}
	return NULL;
}

/* Its place: where it is, or the one used longest ago. */
static struct conversation *find(const struct sides *s, uint64_t flow_id)
{
	/* Flow ids differ in their low bits. */
	struct conversation *set = &s->at[(flow_id & (s->n_sets - 1)) * WAYS], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].flow_id == flow_id)
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	return oldest;
}

/* Of the first frame that is seen. */
static bool sender_began(const struct frame_packet *p, bool answers)
{
	if (p->proto == IPPROTO_TCP && p->has_transport && p->tcp_flags & TH_SYN)
		return !(p->tcp_flags & TH_ACK);
	return !answers;
}

static void begin(
	struct conversation *c, uint64_t flow_id, const struct frame_packet *p, bool answers)
{
	bool began = sender_began(p, answers);

	c->flow_id = flow_id;
	c->client = began ? p->src : p->dst;
	c->port = began ? p->sport : p->dport;
	c->midstream = p->proto == IPPROTO_TCP && !(p->has_transport && p->tcp_flags & TH_SYN);
}

struct sides_answer sides_of(
	struct sides *s, uint64_t flow_id, const struct frame *frame, bool answers)
{
	const struct frame_packet *p = &frame->packet[0];
	struct conversation *c;
	bool is_client;

	if (flow_id == 0 || frame->n_packets == 0)
		return (struct sides_answer){ 0 };
	c = find(s, flow_id);
	if (c->flow_id != flow_id)
		begin(c, flow_id, p, answers);
	c->used = ++s->calls;
	is_client = ip_equal(&c->client, &p->src) && (!p->has_transport || c->port == p->sport);
	return (struct sides_answer){ .side = !is_client, .midstream = c->midstream };
}
