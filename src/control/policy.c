/* SPDX-License-Identifier: Apache-2.0 */
#include "control/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/budget.h"

enum { MAGIC = 0x504c4246, VERSION = 2, ALIGN = 64, V4_BITS = 96 };

static uint64_t aligned(uint64_t at)
{
	return (at + ALIGN - 1) / ALIGN * ALIGN;
}

static const void *at(const struct policy *policy, uint64_t offset)
{
	return (const char *)policy + offset;
}

static void *at_writable(struct policy *policy, uint64_t offset)
{
	return (char *)policy + offset;
}

/* ---- lists ---- */

static struct ip masked(const struct ip *ip, unsigned bits)
{
	struct ip net = *ip;

	if (bits < 128)
		net.byte[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
	for (unsigned i = bits / 8 + 1; i < sizeof(net.byte); i++)
		net.byte[i] = 0;
	return net;
}

static uint32_t hash_net(const struct ip *net, unsigned bits)
{
	uint64_t word[2];

	memcpy(word, net, sizeof(word));
	/* The last bytes of an address are the highest of a word: they must come down. */
	word[0] = (word[0] ^ bits) * 0x9e3779b97f4a7c15;
	word[1] = (word[1] ^ word[0] ^ word[0] >> 32) * 0xbf58476d1ce4e5b9;
	word[1] = (word[1] ^ word[1] >> 32) * 0x94d049bb133111eb;
	return (uint32_t)(word[1] >> 32);
}

static bool same_net(const struct list_rule *a, const struct list_rule *b)
{
	return a->net.bits == b->net.bits && ip_equal(&a->net.ip, &b->net.ip);
}

/* Longest prefixes first, the rules of one network together. */
static int compare_rules(const void *a, const void *b)
{
	const struct list_rule *left = a, *right = b;

	if (left->net.bits != right->net.bits)
		return left->net.bits < right->net.bits ? 1 : -1;
	return memcmp(&left->net.ip, &right->net.ip, sizeof(left->net.ip));
}

static uint32_t index_size(size_t rules)
{
	uint32_t size = 2;

	while (size < 2 * rules)
		size *= 2;
	return size;
}

/* In the index is the number of a network's first rule, and 1. */
static void index_rules(struct policy *policy, struct policy_list *list)
{
	const struct list_rule *rule = at(policy, list->rules_at);
	uint32_t *index = at_writable(policy, list->index_at);

	for (uint32_t i = 0; i < list->n_rules; i++) {
		uint32_t slot;

		if (i > 0 && same_net(&rule[i], &rule[i - 1]))
			continue;
		if (i == 0 || rule[i].net.bits != rule[i - 1].net.bits)
			list->length[list->n_lengths++] = rule[i].net.bits;
		slot = hash_net(&rule[i].net.ip, rule[i].net.bits) & list->index_mask;
		while (index[slot])
			slot = (slot + 1) & list->index_mask;
		index[slot] = i + 1;
	}
}

static bool is_over(const struct list_rule *rule, int64_t now_ns)
{
	return rule->until_ns != 0 && rule->until_ns <= now_ns;
}

static void put_list(
	struct policy *policy, struct policy_list *to, const struct list *from, int64_t now_ns)
{
	struct list_rule *rule = at_writable(policy, to->rules_at);

	for (size_t i = 0; i < from->n; i++)
		if (!is_over(&from->rule[i], now_ns))
			rule[to->n_rules++] = from->rule[i];
	qsort(rule, to->n_rules, sizeof(*rule), compare_rules);
	index_rules(policy, to);
}

static bool rule_fits(const struct list_rule *rule, uint8_t proto, uint16_t port)
{
	if (rule->proto != 0 && rule->proto != proto)
		return false;
	return port >= rule->port_low && port <= rule->port_high;
}

/* An IPv4 address is in IPv4 networks only: `::/0` does not mean it. */
bool policy_listed(const struct policy *policy, enum list_kind kind, const struct ip *ip,
	uint8_t proto, uint16_t port)
{
	const struct policy_list *list = &policy->list[kind];
	const struct list_rule *rule = at(policy, list->rules_at);
	const uint32_t *index = at(policy, list->index_at);
	bool v4 = list->n_rules > 0 && ip_is_v4(ip);

	for (uint32_t l = 0; l < list->n_lengths; l++) {
		struct list_rule want = { .net.bits = list->length[l] };
		uint32_t slot;

		if (v4 && want.net.bits < V4_BITS)
			return false;
		want.net.ip = masked(ip, want.net.bits);
		slot = hash_net(&want.net.ip, want.net.bits) & list->index_mask;
		while (index[slot] && !same_net(&rule[index[slot] - 1], &want))
			slot = (slot + 1) & list->index_mask;
		if (!index[slot])
			continue;
		for (uint32_t i = index[slot] - 1; i < list->n_rules && same_net(&rule[i], &want);
			i++)
			if (rule_fits(&rule[i], proto, port))
				return true;
	}
	return false;
}

/* ---- the image ---- */

struct policy_pot policy_pot_of(const struct conf *conf, size_t n)
{
	const struct conf_a_honeypot *honeypot = &conf->honeypot[n];
	struct policy_pot pot = {
		.limit = honeypot->limit,
		.isolate = conf->top.isolate || honeypot->set.isolate,
		.roach_motel = conf->top.roach_motel || honeypot->set.roach_motel,
	};

	return pot;
}

/* Where everything goes; sets policy->size. */
static void lay_out(const struct policy_source *source, struct policy *head)
{
	uint64_t end = aligned(sizeof(*head));

	head->pots_at = end;
	end = aligned(end + head->n_pots * sizeof(struct policy_pot));
	head->resolvers_at = end;
	end = aligned(end + (head->n_resolvers + head->n_ntp_servers) * sizeof(struct ip));
	for (unsigned i = 0; i < LIST_COUNT; i++) {
		size_t n = source->list ? source->list[i].n : 0;
		uint32_t size = index_size(n);

		head->list[i].index_mask = size - 1;
		head->list[i].rules_at = end;
		end = aligned(end + n * sizeof(struct list_rule));
		head->list[i].index_at = end;
		end = aligned(end + size * sizeof(uint32_t));
	}
	head->size = end;
}

/* They have been checked. */
static void put_bannered(const struct conf_texts *entries, struct policy *head)
{
	char why[LIST_WHY_MAX];

	for (size_t i = 0; i < entries->n && head->n_bannered < CONF_BANNERED_MAX; i++)
		if (list_rule_parse(entries->text[i], &head->bannered[head->n_bannered], why) == 0)
			head->n_bannered++;
}

static void init_head(const struct policy_source *source, struct policy *ret_head)
{
	const struct conf *conf = source->conf;
	const struct conf_refuse *refuse = &conf->refuse;

	*ret_head = (struct policy){ .magic = MAGIC,
		.version = VERSION,
		.generation = source->generation,
		.n_pots = (uint32_t)conf->n_honeypots,
		.n_resolvers = (uint32_t)conf->n_resolvers,
		.n_ntp_servers = (uint32_t)conf->n_ntp_servers,
		.lockdown = source->lockdown,
		.has_router = !ip_is_unset(&conf->router),
		.refusal = { [POLICY_REFUSAL_TCP] = (uint8_t)refuse->tcp,
			[POLICY_REFUSAL_UDP] = (uint8_t)refuse->udp,
			[POLICY_REFUSAL_ICMP] = (uint8_t)refuse->icmp,
			[POLICY_REFUSAL_OTHER] = (uint8_t)refuse->other,
			[POLICY_REFUSAL_FENCE] = (uint8_t)refuse->fence,
			[POLICY_REFUSAL_BLACK_LIST] = (uint8_t)refuse->black_list,
			[POLICY_REFUSAL_ROACH_MOTEL] = (uint8_t)refuse->roach_motel,
			[POLICY_REFUSAL_DNS] = (uint8_t)refuse->dns },
		.router = conf->router,
		.honeynet = conf->honeynet,
		.dns = conf->dns,
		.privacy = (uint8_t)conf->privacy.policy };
	put_bannered(&conf->privacy.bannered, ret_head);
	lay_out(source, ret_head);
}

int policy_build(const struct policy_source *source, struct policy **ret_policy)
{
	const struct conf *conf = source->conf;
	struct policy head, *policy;
	struct policy_pot *pot;
	struct ip *resolver;
	int r;

	init_head(source, &head);
	if (head.size > POLICY_SIZE_MAX)
		return -E2BIG;
	policy = calloc(1, head.size);
	if (!policy)
		return -ENOMEM;
	*policy = head;
	pot = at_writable(policy, head.pots_at);
	for (size_t i = 0; i < conf->n_honeypots; i++)
		pot[i] = source->pot ? source->pot[i] : policy_pot_of(conf, i);
	resolver = at_writable(policy, head.resolvers_at);
	for (size_t i = 0; i < conf->n_resolvers; i++)
		*resolver++ = conf->resolver[i];
	for (size_t i = 0; i < conf->n_ntp_servers; i++)
		*resolver++ = conf->ntp_server[i];
	for (unsigned i = 0; source->list && i < LIST_COUNT; i++)
		put_list(policy, &policy->list[i], &source->list[i], source->now_ns);
	r = budget_check(policy);
	if (r < 0)
		free(policy);
	else
		*ret_policy = policy;
	return r;
}

/* ---- the reader's side ---- */

static bool fits(uint64_t size, uint64_t offset, uint64_t n, uint64_t each)
{
	return offset % sizeof(uint64_t) == 0 && offset <= size && n <= (size - offset) / each;
}

static bool list_fits(const struct policy *policy, const struct policy_list *list)
{
	uint64_t slots = (uint64_t)list->index_mask + 1;
	const uint32_t *index;

	if (list->n_lengths > sizeof(list->length) || (slots & (slots - 1)) != 0 ||
		slots < 2 * (uint64_t)list->n_rules ||
		!fits(policy->size, list->rules_at, list->n_rules, sizeof(struct list_rule)) ||
		!fits(policy->size, list->index_at, slots, sizeof(uint32_t)))
		return false;
	for (uint32_t i = 0; i < list->n_lengths; i++)
		if (list->length[i] > 128)
			return false;
	index = at(policy, list->index_at);
	for (uint64_t i = 0; i < slots; i++)
		if (index[i] > list->n_rules)
			return false;
	return true;
}

const struct policy *policy_check(const void *memory, size_t size)
{
	const struct policy *policy = memory;

	if (size < sizeof(*policy) || policy->magic != MAGIC || policy->version != VERSION ||
		policy->size != size || policy->generation == 0 ||
		policy->n_pots > CONF_HONEYPOTS_MAX || policy->n_bannered > CONF_BANNERED_MAX ||
		!fits(size, policy->pots_at, policy->n_pots, sizeof(struct policy_pot)) ||
		!fits(size, policy->resolvers_at,
			(uint64_t)policy->n_resolvers + policy->n_ntp_servers, sizeof(struct ip)))
		return NULL;
	for (unsigned i = 0; i < LIST_COUNT; i++)
		if (!list_fits(policy, &policy->list[i]))
			return NULL;
	return policy;
}

static bool is_among(const struct ip *among, uint32_t n, const struct ip *ip)
{
	for (uint32_t i = 0; i < n; i++)
		if (ip_equal(&among[i], ip))
			return true;
	return false;
}

bool policy_is_resolver(const struct policy *policy, const struct ip *ip)
{
	return is_among(at(policy, policy->resolvers_at), policy->n_resolvers, ip);
}

bool policy_is_ntp_server(const struct policy *policy, const struct ip *ip)
{
	const struct ip *resolver = at(policy, policy->resolvers_at);

	return is_among(resolver + policy->n_resolvers, policy->n_ntp_servers, ip);
}
