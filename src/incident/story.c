/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "incident/inside.h"

/* JSON readers have so many digits. */
static const uint64_t times_max = UINT64_C(1000000000000000);

static const struct {
	const char *word;
	uint32_t most;
} kinds[STORY_COUNT] = {
#define STORY(ID, word, most) { word, most },
#include "incident/story.def"
#undef STORY
};

const char *story_word(enum story_kind kind)
{
	return kinds[kind < STORY_COUNT ? kind : STORY_ENTRY].word;
}

uint64_t packet_of(const struct record *record)
{
	if (record->head.packet != 0)
		return record->head.packet;
	return record->head.pcap_cnt == 0 && record->type == EVENT_FLOW ? record->flow.first_packet
									: record->head.pcap_cnt;
}

struct sentence sentence_make(const struct view *v, enum story_kind kind, const char *fmt, ...)
{
	struct sentence s = { .us = v->us,
		.flow = v->record->head.flow_id,
		.packet = packet_of(v->record),
		.times = 1,
		.kind = (uint8_t)kind };
	va_list args;

	va_start(args, fmt);
	vsnprintf(s.text, sizeof(s.text), fmt, args); /* cut where it is too long */
	va_end(args);
	return s;
}

static uint32_t count_kind(const struct incident *inc, uint8_t kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < inc->n_story; i++)
		n += inc->story[i].kind == kind;
	return n;
}

static struct sentence *find_same(struct incident *inc, const struct sentence *s)
{
	for (uint32_t i = 0; i < inc->n_story; i++)
		if (inc->story[i].kind == s->kind && strcmp(inc->story[i].text, s->text) == 0)
			return &inc->story[i];
	return NULL;
}

/* In the order of time; of two of the same time the one that was told first comes first. */
void story_add(struct incident *inc, const struct sentence *s)
{
	struct sentence *same = find_same(inc, s);
	uint32_t at = inc->n_story;

	if (same) {
		same->times =
			s->times < times_max - same->times ? same->times + s->times : times_max;
		return;
	}
	if (inc->n_story == STORY_MAX || count_kind(inc, s->kind) >= kinds[s->kind].most) {
		inc->omitted++;
		return;
	}
	while (at > 0 && inc->story[at - 1].us > s->us)
		at--;
	memmove(&inc->story[at + 1], &inc->story[at], (inc->n_story - at) * sizeof(*s));
	inc->story[at] = *s;
	if (s->times > times_max)
		inc->story[at].times = times_max;
	inc->n_story++;
}
