/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that were announced in others: FTP's data. */
#include "inspect/inside.h"

static const struct ip *address_of(const struct now *now, unsigned side)
{
	return side == now->side ? &now->packet->src : &now->packet->dst;
}

void expect_on_told(void *context, const struct proto_expect *what)
{
	struct inspect *in = context;
	struct expected *e = &in->expected[in->next_expected++ % EXPECTED_MAX];

	in->n_expected += e->what.proto == PROTO_NONE;
	*e = (struct expected){ .listener = *address_of(&in->now, what->listens),
		.other = *address_of(&in->now, !what->listens),
		.what = *what,
		.until_ns = in->now.frame->steady_ns + EXPECTED_NS };
}

static bool fits(const struct expected *e, const struct frame_packet *p, int64_t steady_ns)
{
	if (e->what.proto == PROTO_NONE || steady_ns > e->until_ns)
		return false;
	return (p->dport == e->what.port && ip_equal(&p->dst, &e->listener) &&
		       ip_equal(&p->src, &e->other)) ||
	       (p->sport == e->what.port && ip_equal(&p->src, &e->listener) &&
		       ip_equal(&p->dst, &e->other));
}

const struct proto_expect *expect_take(struct inspect *in)
{
	for (unsigned i = 0; in->n_expected > 0 && i < EXPECTED_MAX; i++) {
		struct expected *e = &in->expected[i];

		if (!fits(e, in->now.packet, in->now.frame->steady_ns))
			continue;
		in->taken = e->what;
		e->what.proto = PROTO_NONE;
		in->n_expected--;
		return &in->taken;
	}
	return NULL;
}
