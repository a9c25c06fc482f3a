/* SPDX-License-Identifier: Apache-2.0 */
/* The table of conversations: found by id, in the order of their last frame. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "inspect/inside.h"

int talks_new(struct inspect *in)
{
	uint32_t n = in->setup.flows_max, buckets = 1;

	while (buckets < n)
		buckets *= 2;
	in->talk = calloc(n, sizeof(*in->talk));
	in->free = calloc(n, sizeof(*in->free));
	in->bucket = malloc(buckets * sizeof(*in->bucket));
	if (!in->talk || !in->free || !in->bucket)
		return -ENOMEM;
	memset(in->bucket, 0xff, buckets * sizeof(*in->bucket));
	in->bucket_mask = buckets - 1;
	in->newest = in->oldest = TALK_NONE;
	for (uint32_t i = n; i > 0; i--)
		in->free[in->n_free++] = i - 1;
	crypto_shorthash_keygen(in->hash_key);
	return 0;
}

void talks_free(struct inspect *in)
{
	while (in->newest != TALK_NONE)
		talk_drop(in, &in->talk[in->newest]);
	free(in->talk);
	free(in->free);
	free(in->bucket);
}

static uint32_t *bucket_of(const struct inspect *in, uint64_t id)
{
	return &in->bucket[(id * 0x9e3779b97f4a7c15u) >> 32 & in->bucket_mask];
}

struct talk *talk_find(const struct inspect *in, uint64_t id)
{
	for (uint32_t i = *bucket_of(in, id); i != TALK_NONE; i = in->talk[i].next_in_bucket)
		if (in->talk[i].id == id)
			return &in->talk[i];
	return NULL;
}

static void list_remove(struct inspect *in, const struct talk *t)
{
	if (t->newer == TALK_NONE)
		in->newest = t->older;
	else
		in->talk[t->newer].older = t->older;
	if (t->older == TALK_NONE)
		in->oldest = t->newer;
	else
		in->talk[t->older].newer = t->newer;
}

static void list_add(struct inspect *in, struct talk *t)
{
	uint32_t n = (uint32_t)(t - in->talk);

	t->newer = TALK_NONE;
	t->older = in->newest;
	if (in->newest == TALK_NONE)
		in->oldest = n;
	else
		in->talk[in->newest].newer = n;
	in->newest = n;
}

void talk_put_inside(struct talk *outer, struct talk *inner)
{
	inner->outer = outer;
	inner->after = outer->inner;
	if (inner->after)
		inner->after->before = inner;
	outer->inner = inner;
}

static void leave_outer(struct talk *t)
{
	if (!t->outer)
		return;
	if (t->before)
		t->before->after = t->after;
	else
		t->outer->inner = t->after;
	if (t->after)
		t->after->before = t->before;
	t->outer = t->before = t->after = NULL;
}

void talk_drop(struct inspect *in, struct talk *t)
{
	uint32_t *link = bucket_of(in, t->id);
	uint32_t n = (uint32_t)(t - in->talk);

	while (*link != n)
		link = &in->talk[*link].next_in_bucket;
	*link = t->next_in_bucket;
	list_remove(in, t);
	leave_outer(t);
	while (t->inner)
		leave_outer(t->inner);
	rules_flow_free(t->marks);
	proto_conn_free(t->conn);
	for (unsigned i = 0; i < 2; i++)
		stream_free(t->side[i].stream);
	memset(t, 0, sizeof(*t));
	in->free[in->n_free++] = n;
}

static struct talk *begin(struct inspect *in, uint64_t id)
{
	uint32_t *link, n;
	struct talk *t;

	if (in->n_free == 0) {
		in->counts.evicted++;
		t = &in->talk[in->oldest];
		inspect_end_talk(in, t);
		talk_drop(in, t);
	}
	n = in->free[--in->n_free];
	t = &in->talk[n];
	link = bucket_of(in, id);
	t->id = t->flow_id = id;
	t->next_in_bucket = *link;
	*link = n;
	t->side[0].fin_at = t->side[1].fin_at = UINT64_MAX;
	list_add(in, t);
	return t;
}

struct talk *talk_get(struct inspect *in, uint64_t id, bool *ret_is_new)
{
	struct talk *t = talk_find(in, id);

	*ret_is_new = !t;
	if (id == 0)
		return NULL;
	if (!t)
		return begin(in, id);
	if (t->newer != TALK_NONE) {
		list_remove(in, t);
		list_add(in, t);
	}
	return t;
}

uint64_t talk_inner_id(const struct inspect *in, const struct flow_key *key)
{
	uint64_t id;

	crypto_shorthash(
		(unsigned char *)&id, (const unsigned char *)key, sizeof(*key), in->hash_key);
	return id ? id : 1;
}
