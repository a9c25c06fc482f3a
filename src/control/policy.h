/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - what the gate judges by, as one flat image without pointers (doc/design/control.md). Made by
 * policy_build() in the supervisor, in replay and in tests; mapped read-only by fb-gate.
 *
 * Whoever judges by an image checks it first with policy_check(): then no offset in it leads outside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "conf/conf.h"
#include "conf/list.h"

#define POLICY_SIZE_MAX (UINT64_C(256) << 20) /* bytes of an image */

/* What a honeypot sees of a refusal (settings.def, section refuse). */
enum policy_refusal {
	POLICY_REFUSAL_TCP,
	POLICY_REFUSAL_UDP,
	POLICY_REFUSAL_ICMP,
	POLICY_REFUSAL_OTHER,
	POLICY_REFUSAL_FENCE,
	POLICY_REFUSAL_BLACK_LIST,
	POLICY_REFUSAL_ROACH_MOTEL,
	POLICY_REFUSAL_DNS,
	POLICY_REFUSALS
};

struct policy_pot {
	struct conf_limit limit;
	uint8_t isolate, roach_motel;
	uint8_t zero[6];
};

/* The rules of one list, those of one network together, and an index by network: for each prefix length
 * in use one look-up. */
struct policy_list {
	uint64_t rules_at, index_at; /* struct list_rule[n_rules], uint32_t[index_mask + 1] */
	uint32_t n_rules, index_mask;
	uint32_t n_lengths;
	uint8_t length[132]; /* prefix lengths in use, longest first */
};

struct policy {
	uint32_t magic, version;
	uint64_t size; /* bytes of the image */
	uint64_t generation;
	uint32_t n_pots, n_resolvers, n_ntp_servers;
	uint8_t lockdown; /* nothing passes, in any direction */
	uint8_t has_router;
	uint8_t refusal[POLICY_REFUSALS]; /* enum refuse_how (control/refuse.h) */
	uint8_t zero[2];
	struct ip router; /* where ICMP errors seem to come from */
	struct conf_honeynet honeynet;
	struct conf_dns dns;
	struct policy_list list[LIST_COUNT];
	uint8_t privacy; /* enum conf_choice_privacy */
	uint8_t zero_too[3];
	uint32_t n_bannered;
	struct list_rule bannered[CONF_BANNERED_MAX];
	uint64_t pots_at;      /* struct policy_pot[n_pots] */
	uint64_t resolvers_at; /* struct ip[n_resolvers], n_ntp_servers behind them */
};

/* What an image is made from. */
struct policy_source {
	const struct conf *conf;
	const struct list *list; /* LIST_COUNT of them; NULL: all empty */
	const struct policy_pot
		*pot; /* conf->n_honeypots of them; NULL: as the configuration says */
	bool lockdown;
	uint64_t generation; /* at least 1 */
	int64_t now_ns;      /* since 1970: rules whose time is over are left out */
};

/* As the configuration says, for honeypot `n`. */
struct policy_pot policy_pot_of(const struct conf *conf, size_t n);

/* *ret_policy is one block of policy->size bytes, to be freed with free(). -ENOMEM; -E2BIG: larger than
 * POLICY_SIZE_MAX, or its limits more than the budgets can remember (control/budget.h). */
int policy_build(const struct policy_source *source, struct policy **ret_policy);

/* NULL when the bytes are no image that may be used. Contents are trusted, places are not. */
const struct policy *policy_check(const void *memory, size_t size);

static inline const struct policy_pot *policy_pot(const struct policy *policy, size_t n)
{
	return (const struct policy_pot *)(const void *)((const char *)policy + policy->pots_at) +
	       n;
}

/* `port`: the destination port, 0 where the protocol has none. A rule with a port asks for it. */
bool policy_listed(const struct policy *policy, enum list_kind kind, const struct ip *ip,
	uint8_t proto, uint16_t port);
bool policy_is_resolver(const struct policy *policy, const struct ip *ip);
bool policy_is_ntp_server(const struct policy *policy, const struct ip *ip);
