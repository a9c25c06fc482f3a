/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rule.h"

#include <stdlib.h>

static void free_transforms(struct rule_option *option)
{
	for (unsigned i = 0; i < option->n_transforms; i++)
		free(option->transform[i].pattern);
	free(option->transform);
}

static void free_option(struct rule_option *option)
{
	free_transforms(option);
	switch (option->keyword) {
	case RULE_CONTENT:
		free(option->content.bytes);
		free(option->content.replace);
		break;
	case RULE_PCRE:
		free(option->pcre.pattern);
		break;
	case RULE_ABSENT:
	case RULE_IPOPTS:
	case RULE_GEOIP:
	case RULE_STREAM_REASSEMBLE:
	case RULE_APP_PROTOCOL:
	case RULE_APP_EVENT:
	case RULE_DECODE_EVENT:
	case RULE_STREAM_EVENT:
	case RULE_SSL_VERSION:
	case RULE_SSL_STATE:
	case RULE_DCE_IFACE:
	case RULE_LUA:
		free(option->word.text);
		free(option->word.numbers);
		break;
	default:
		break;
	}
}

static void free_nets(struct rule_nets *nets)
{
	free(nets->in);
	free(nets->out);
}

struct rule *rule_free(struct rule *rule)
{
	if (!rule)
		return NULL;
	for (unsigned i = 0; i < rule->n_options; i++)
		free_option(&rule->option[i]);
	free(rule->option);
	for (unsigned i = 0; i < rule->n_references; i++) {
		free(rule->reference[i].system);
		free(rule->reference[i].id);
	}
	free(rule->reference);
	free_nets(&rule->src);
	free_nets(&rule->dst);
	free(rule->sport.range);
	free(rule->dport.range);
	free(rule->msg);
	free(rule->classtype);
	free(rule->category);
	free(rule->metadata);
	free(rule->text);
	free(rule);
	return NULL;
}
