/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/hosts.h"

#include <errno.h>
#include <stdlib.h>

enum { WAYS = HOSTS_WAYS };

struct hosts {
	uint64_t calls;
	size_t n_hosts, n_conversations;
	struct host *host;
	/* Apart from the rest: looking for one that is not there touches one cache line. 0: free. */
	uint64_t *key;
	struct conversation *conversation;
};

int hosts_new(size_t n_hosts, size_t n_conversations, struct hosts **ret_hosts)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (!hosts)
		return -ENOMEM;
	hosts->n_hosts = n_hosts;
	hosts->n_conversations = n_conversations;
	hosts->host = calloc(n_hosts, sizeof(*hosts->host));
	hosts->key = calloc(n_conversations, sizeof(*hosts->key));
	hosts->conversation = calloc(n_conversations, sizeof(*hosts->conversation));
	if (!hosts->host || !hosts->key || !hosts->conversation) {
		hosts_free(hosts);
		return -ENOMEM;
	}
	*ret_hosts = hosts;
	return 0;
}

struct hosts *hosts_free(struct hosts *hosts)
{
	if (hosts) {
		free(hosts->host);
		free(hosts->key);
		free(hosts->conversation);
		free(hosts);
	}
	return NULL;
}

/* Who sends may choose it: a bad spread costs him others' places in one set, no time. */
static size_t set_of(uint64_t key, size_t n)
{
	key *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(key >> 32) % (n / WAYS) * WAYS;
}

static uint64_t key_of(const struct ip *ip)
{
	uint64_t half[2];

	memcpy(half, ip, sizeof(half));
	return half[0] * 31 + half[1];
}

struct host *hosts_get(struct hosts *hosts, const struct ip *ip, int64_t wall_ns)
{
	struct host *set = &hosts->host[set_of(key_of(ip), hosts->n_hosts)], *host = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (ip_equal(&set[i].ip, ip)) {
			host = &set[i];
			break;
		}
		if (set[i].used < host->used)
			host = &set[i];
	}
	if (!ip_equal(&host->ip, ip) || wall_ns - host->used_ns > FINGERPRINT_FORGET_NS)
		*host = (struct host){ .ip = *ip };
	host->used_ns = wall_ns;
	host->used = ++hosts->calls;
	return host;
}

struct conversation *hosts_find_conversation(struct hosts *hosts, uint64_t key)
{
	size_t set = set_of(key, hosts->n_conversations);

	for (size_t i = set; i < set + WAYS; i++)
		if (hosts->key[i] == key) {
			hosts->conversation[i].used = ++hosts->calls;
			return &hosts->conversation[i];
		}
	return NULL;
}

struct conversation *hosts_new_conversation(struct hosts *hosts, uint64_t key)
{
	size_t set = set_of(key, hosts->n_conversations), at = set;

	for (size_t i = set; i < set + WAYS; i++) {
		if (hosts->key[i] == key) {
			at = i;
			break;
		}
		if (hosts->conversation[i].used < hosts->conversation[at].used)
			at = i;
	}
	hosts->key[at] = key;
	hosts->conversation[at] = (struct conversation){ .used = ++hosts->calls };
	return &hosts->conversation[at];
}
