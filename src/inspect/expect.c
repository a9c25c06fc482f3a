/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that were announced in others: FTP's data, TFTP's files, DCC. */
#include "inspect/inside.h"

static const struct ip *address_of(const struct now *now, unsigned side)
{
	return side == now->side ? &now->packet->src : &now->packet->dst;
}

void expect_on_told(void *context, const struct proto_expect *what)
{
	struct inspect *in = context;
	const struct ip *host[2] = { address_of(&in->now, 0),
		what->elsewhere ? &what->other : address_of(&in->now, 1) };
	struct expected *e;

	/* What is inspected as it leaves: an announcement from outside must not choose how
	 * connections to any host are read. */
	if (in->setup.is_inline && what->elsewhere)
		return;
	e = &in->expected[in->next_expected++ % EXPECTED_MAX];
	in->n_expected += e->what.proto == PROTO_NONE;
	*e = (struct expected){ .listener = *host[what->listens],
		.other = *host[!what->listens],
		.what = *what,
		.until_ns = in->now.frame->steady_ns + EXPECTED_NS };
}

static bool is_host(const struct ip *ip, const struct ip *expected)
{
	return ip_is_unset(expected) || ip_equal(ip, expected);
}

static bool fits(const struct expected *e, const struct frame_packet *p, int64_t steady_ns)
{
	if (e->what.proto == PROTO_NONE || e->what.ip_proto != p->proto || steady_ns > e->until_ns)
		return false;
	return (p->dport == e->what.port && is_host(&p->dst, &e->listener) &&
		       is_host(&p->src, &e->other)) ||
	       (p->sport == e->what.port && is_host(&p->src, &e->listener) &&
		       is_host(&p->dst, &e->other));
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
