/* SPDX-License-Identifier: Apache-2.0 */
#include "control/privacy.h"

#include "conf/conf.h"
#include "control/gate.h"
#include "flow/flow.h"
#include "frame/frame.h"

/* A conversation, by who was asked. */
struct asked {
	bool from_outside;
	struct ip ip;
	uint16_t port;
	uint8_t proto;
};

static struct asked asked_of(const struct gate_answer *answer, const struct frame_packet *p)
{
	bool by_sender = answer->side == 0;
	enum direction from = by_sender ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;

	return (struct asked){ .from_outside = answer->direction == from,
		.ip = by_sender ? p->dst : p->src,
		.port = by_sender ? p->dport : p->sport,
		.proto = p->proto };
}

static bool is_bannered(const struct policy *policy, const struct asked *asked)
{
	for (uint32_t i = 0; i < policy->n_bannered; i++) {
		const struct list_rule *rule = &policy->bannered[i];

		if (rule->proto == asked->proto && asked->port >= rule->port_low &&
			asked->port <= rule->port_high && ip_in_prefix(&asked->ip, &rule->net))
			return true;
	}
	return false;
}

static bool is_ours(const struct policy *policy, const struct asked *asked)
{
	return policy_is_resolver(policy, &asked->ip) || policy_is_ntp_server(policy, &asked->ip);
}

/* Where the payload of the frame begins. */
static uint32_t headers_of(const struct frame *frame)
{
	const struct frame_packet *p = &frame->packet[0];
	uint32_t end = frame->n_packets == 0 ? frame->l3_at
		       : p->has_transport    ? p->payload_at
					     : p->l4_at;

	return end < frame->len ? end : frame->len;
}

uint32_t privacy_keep(
	const struct policy *policy, const struct gate_answer *answer, const struct frame *frame)
{
	struct asked asked;
	bool whole;

	if (policy->privacy == CONF_PRIVACY_FULL || frame->is_arp)
		return frame->len;
	if (frame->n_packets == 0)
		return policy->privacy == CONF_PRIVACY_MINIMISE ? frame->len : headers_of(frame);
	asked = asked_of(answer, &frame->packet[0]);
	if (policy->privacy == CONF_PRIVACY_MINIMISE)
		whole = answer->direction == DIRECTION_INTERNAL || asked.from_outside ||
			is_ours(policy, &asked);
	else
		whole = asked.from_outside && is_bannered(policy, &asked);
	return whole ? frame->len : headers_of(frame);
}

const char *privacy_consent(const struct policy *policy, const struct flow *flow)
{
	unsigned end = !flow->starter;
	struct asked asked = { .from_outside = flow->direction == DIRECTION_INBOUND,
		.ip = flow->key.ip[end],
		.port = flow->key.port[end],
		.proto = flow->key.proto };

	if (policy->n_bannered == 0 || !asked.from_outside)
		return NULL;
	return is_bannered(policy, &asked) ? "shown" : "none";
}
