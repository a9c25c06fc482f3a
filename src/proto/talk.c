/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/talk.h"

#include <string.h>

void talk_queue_add(struct talk_queue *q, struct proto_tx *tx)
{
	if (q->beyond || q->n == TALK_QUEUE_MAX) {
		q->beyond++;
		tx->state.done[1] = true;
		return;
	}
	q->tx[(q->first + q->n++) % TALK_QUEUE_MAX] = tx;
}

struct proto_tx *talk_queue_first(const struct talk_queue *q)
{
	return q->n ? q->tx[q->first] : NULL;
}

void talk_queue_next(struct talk_queue *q)
{
	if (!q->n) {
		q->beyond -= q->beyond ? 1 : 0;
		return;
	}
	proto_tx_done(q->tx[q->first], 1);
	q->first = (q->first + 1) % TALK_QUEUE_MAX;
	q->n--;
}

void talk_queue_forget(struct talk_queue *q, const void *data)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < q->n; i++) {
		struct proto_tx *tx = q->tx[(q->first + i) % TALK_QUEUE_MAX];

		if (tx->data != data)
			q->tx[(q->first + kept++) % TALK_QUEUE_MAX] = tx;
	}
	q->n = kept;
}

void talk_skip(uint64_t *left, struct cur *c)
{
	size_t n = *left < cur_left(c) ? (size_t)*left : cur_left(c);

	cur_skip(c, n);
	*left -= n;
}

struct out talk_out(const struct proto_fields *f, char *text, size_t size)
{
	struct out o = out_make(text, size);

	if (proto_fields_said(f))
		out_char(&o, ',');
	return o;
}

void talk_say(struct proto_fields *f, const struct out *o)
{
	if (o->len > 1)
		proto_fields_say(f, o);
}

void talk_text(struct out *o, const char *name, struct cur text)
{
	json_text(o, name, text.at, cur_left(&text));
}
