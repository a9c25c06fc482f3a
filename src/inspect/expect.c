/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that were announced in others: FTP's data, TFTP's files, DCC. */
#include "inspect/inside.h"

static const struct ip *address_of(const struct now *now, unsigned side)
{
	return side == now->side ? &now->packet->src : &now->packet->dst;
}

static bool is_free(const struct expected *e, int64_t steady_ns)
{
	return e->what.proto == PROTO_NONE || steady_ns > e->until_ns;
}

static bool is_older(const struct expected *e, const struct expected *than)
{
	return !than || e->number < than->number;
}

static bool is_same(const struct expected *e, const struct expected *other)
{
	return e->by == other->by && e->what.proto == other->what.proto &&
	       e->what.port == other->what.port && ip_equal(&e->listener, &other->listener) &&
	       ip_equal(&e->other, &other->other);
}

/* For another one: who announces many makes his own be forgotten first. */
static struct expected *make_room(struct inspect *in, const struct expected *what)
{
	struct expected *oldest = NULL, *own = NULL, *free = NULL;
	unsigned n_own = 0;

	for (unsigned i = 0; i < EXPECTED_MAX; i++) {
		struct expected *e = &in->expected[i];

		if (is_free(e, in->now.frame->steady_ns)) {
			free = e;
			continue;
		}
		oldest = is_older(e, oldest) ? e : oldest;
		if (is_same(e, what))
			return e; /* it is told again, with more */
		if (e->by == what->by) {
			n_own++;
			own = is_older(e, own) ? e : own;
		}
	}
	if (n_own >= EXPECTED_OF_TALK_MAX)
		return own;
	return free ? free : oldest;
}

void expect_on_told(void *context, const struct proto_expect *what)
{
	struct inspect *in = context;
	const struct ip *host[2] = { address_of(&in->now, 0),
		what->elsewhere ? &what->other : address_of(&in->now, 1) };
	struct expected e = { .by = in->now.talk ? in->now.talk->id : 0,
		.number = in->n_announced + 1,
		.listener = *host[what->listens],
		.other = *host[!what->listens],
		.what = *what,
		.until_ns = in->now.frame->steady_ns + EXPECTED_NS };
	struct expected *room;

	/* What is inspected as it leaves: an announcement from outside must not choose how
	 * connections to any host are read. */
	if (in->setup.is_inline && what->elsewhere)
		return;
	room = make_room(in, &e);
	in->n_expected += room->what.proto == PROTO_NONE;
	in->n_announced++;
	*room = e;
}

static bool is_host(const struct ip *ip, const struct ip *expected)
{
	return ip_is_unset(expected) || ip_equal(ip, expected);
}

static bool is_as_told(const struct expected *e, const struct ip *from, const struct ip *to)
{
	return is_host(to, &e->listener) && is_host(from, &e->other);
}

/* Between others, which one of the two has said, and nobody has proved. */
static bool is_elsewhere(const struct expected *e, const struct ip *from, const struct ip *to)
{
	if (ip_is_unset(&e->what.also))
		return false;
	return (e->what.listens == 1 && is_host(to, &e->listener)) ||
	       (ip_equal(to, &e->what.also) && is_host(from, &e->other));
}

static bool fits(const struct inspect *in, const struct expected *e,
	bool are(const struct expected *e, const struct ip *from, const struct ip *to))
{
	const struct frame_packet *p = in->now.packet;

	if (is_free(e, in->now.frame->steady_ns) || e->what.ip_proto != p->proto)
		return false;
	return (p->dport == e->what.port && are(e, &p->src, &p->dst)) ||
	       (p->sport == e->what.port && are(e, &p->dst, &p->src));
}

const struct proto_expect *expect_take(struct inspect *in, bool *ret_doubted)
{
	*ret_doubted = in->setup.is_inline;
	for (unsigned i = 0; in->n_expected > 0 && i < EXPECTED_MAX; i++) {
		struct expected *e = &in->expected[i];

		if (!fits(in, e, is_as_told)) {
			if (in->setup.is_inline || !fits(in, e, is_elsewhere))
				continue;
			*ret_doubted = true;
		}
		in->taken = e->what;
		e->what.proto = PROTO_NONE;
		in->n_expected--;
		return &in->taken;
	}
	return NULL;
}
