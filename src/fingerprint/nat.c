/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/nat.h"

#include <stdlib.h>

#include "base/out.h"
#include "fingerprint/inside.h"

#define BIT(ID) (1u << NAT_BIT_##ID)

static const struct {
	const char *name;
	uint8_t weight;
} reasons_table[NAT_REASON_COUNT] = {
#define REASON_ROW(ID, name, weight) { name, weight },
	NAT_REASONS(REASON_ROW)
#undef REASON_ROW
};

/* Routers change these on the way. */
static const uint32_t on_the_way = QUIRK_DF | QUIRK_ID_SET | QUIRK_ID_ZERO | QUIRK_ECN;

static bool same_layout(const struct tcp_look *a, const struct tcp_look *b)
{
	return a->n_options == b->n_options &&
	       memcmp(a->options, b->options, sizeof(a->options)) == 0 && a->scale == b->scale &&
	       (a->quirks & ~on_the_way) == (b->quirks & ~on_the_way);
}

static uint32_t compare_systems(
	const struct nat *nat, const struct tcp_look *look, const struct tcp_match *match)
{
	const struct signature_label *before = nat->match.label, *now = match->label;

	/* What a server answers depends on who asked. */
	if (look->response && (!before || !now))
		return 0;
	if (!before && !now)
		return same_layout(&nat->look, look) ? 0 : BIT(LOOK);
	if (!before || !now)
		return BIT(KNOWN);
	if (!words_same(before->name, now->name))
		return BIT(OS);
	return nat->match.fuzzy != match->fuzzy ? BIT(FUZZY) : 0;
}

/* Systems that choose ports at random go back all the time. */
static uint32_t compare_ports(struct nat *nat, uint16_t port)
{
	uint16_t up = (uint16_t)(port - nat->port);
	bool counted = nat->ports_up >= NAT_PORTS_COUNT;

	if (up > 0 && up < NAT_PORTS_STEP) {
		nat->ports_up += !counted;
		return 0;
	}
	if (up == 0)
		return 0;
	nat->ports_up = 0;
	return counted && port < nat->port ? BIT(PORT) : 0;
}

uint32_t nat_compare(
	struct nat *nat, const struct tcp_look *look, const struct tcp_match *match, uint16_t port)
{
	uint32_t reasons = 0;

	if (nat->has_look && nat->look.version == look->version) {
		reasons = compare_systems(nat, look, match) | compare_ports(nat, port);
		if (abs(nat->match.hops - match->hops) > NAT_HOPS_SAME)
			reasons |= BIT(HOPS);
		if (!look->response && nat->look.mss != look->mss)
			reasons |= BIT(MTU);
	}
	nat->has_look = true;
	nat->look = *look;
	nat->match = *match;
	nat->port = port;
	return reasons;
}

static unsigned weight_of(uint32_t reasons)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < NAT_REASON_COUNT; i++)
		if (reasons >> i & 1)
			sum += reasons_table[i].weight;
	return sum;
}

static bool is_sharing(const struct nat *nat)
{
	unsigned sum = 0, times = 0;

	for (unsigned i = 0; i < NAT_HISTORY; i++) {
		sum += nat->weight[i];
		times += nat->weight[i] >= NAT_COUNTS;
	}
	return sum >= NAT_SHARING && times >= NAT_SHARING_TIMES;
}

static bool may_tell(const struct nat *nat, enum nat_verdict verdict, int64_t wall_ns)
{
	int64_t told_ns = nat->told_ns[verdict];

	return told_ns == 0 || wall_ns - told_ns > NAT_QUIET_NS || wall_ns < told_ns;
}

enum nat_verdict nat_weigh(
	struct nat *nat, uint32_t reasons, int64_t wall_ns, uint32_t *ret_reasons)
{
	unsigned weight = weight_of(reasons);
	enum nat_verdict verdict = NAT_SAME;

	nat->weight[nat->next++ % NAT_HISTORY] = (uint8_t)weight;
	nat->reasons |= reasons;
	*ret_reasons = reasons;
	if (is_sharing(nat)) {
		verdict = NAT_IS_SHARING;
		*ret_reasons = nat->reasons;
	} else if (weight >= NAT_CHANGE) {
		verdict = NAT_IS_CHANGE;
	}
	if (verdict == NAT_SAME || reasons == 0 || !may_tell(nat, verdict, wall_ns))
		return NAT_SAME;
	nat->told_ns[verdict] = wall_ns;
	if (verdict == NAT_IS_SHARING) {
		nat->told_ns[NAT_IS_CHANGE] = wall_ns; /* it is more than that */
		nat->reasons = 0;
	}
	return verdict;
}

void nat_reasons_text(struct out *o, uint32_t reasons)
{
	bool first = true;

	for (unsigned i = 0; i < NAT_REASON_COUNT; i++) {
		if (!(reasons >> i & 1))
			continue;
		if (!first)
			out_char(o, ' ');
		out_str(o, reasons_table[i].name);
		first = false;
	}
}
