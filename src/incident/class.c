/* SPDX-License-Identifier: Apache-2.0 */
#include "base/out.h"
#include "incident/inside.h"

enum { WEIGHTS = 8, AUTOMATED = 6, HUMAN = 7, ACTOR_MIN = 2 };

struct trait {
	enum measure measure;
	uint32_t at_least;
	const char *words;
	uint8_t weight[WEIGHTS]; /* of CLASS_SCAN and on; then automated, human */
};

static const struct trait traits[] = {
#define TRAIT(MEASURE, n, words, ...) { MEASURE_##MEASURE, n, words, { __VA_ARGS__ } },
#include "incident/class.def"
};

static const char *const words[CLASS_COUNT] = {
#define CLASS(ID, word, text) word,
#include "incident/class.def"
};

const char *class_word(enum nature class)
{
	return words[class < CLASS_COUNT ? class : CLASS_UNKNOWN];
}

const char *actor_word(enum actor actor)
{
	return actor == ACTOR_AUTOMATED ? "automated" : actor == ACTOR_HUMAN ? "human" : "";
}

static enum nature greatest(const uint32_t sum[static WEIGHTS], enum nature least)
{
	enum nature class = CLASS_UNKNOWN;
	uint32_t most = CLASS_MIN;

	for (unsigned i = least - CLASS_SCAN; i < AUTOMATED; i++)
		if (sum[i] >= most) {
			most = sum[i];
			class = (enum nature)(CLASS_SCAN + i);
		}
	return class;
}

static enum actor actor_of(uint32_t automated, uint32_t human)
{
	if (automated > human)
		return automated >= ACTOR_MIN ? ACTOR_AUTOMATED : ACTOR_UNKNOWN;
	return human > automated && human >= ACTOR_MIN ? ACTOR_HUMAN : ACTOR_UNKNOWN;
}

static bool spoke_for(const struct trait *trait, const struct judgement *j)
{
	return (j->class != CLASS_UNKNOWN && trait->weight[j->class - CLASS_SCAN] > 0) ||
	       (j->actor == ACTOR_AUTOMATED && trait->weight[AUTOMATED] > 0) ||
	       (j->actor == ACTOR_HUMAN && trait->weight[HUMAN] > 0);
}

struct judgement class_judge(
	const struct habits *habits, enum nature least, char why[static WHY_SIZE])
{
	struct out o = out_make(why, WHY_SIZE);
	uint32_t sum[WEIGHTS] = { 0 };
	struct judgement j;

	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
		for (unsigned w = 0; w < WEIGHTS; w++)
			if (habits->n[traits[i].measure] >= traits[i].at_least)
				sum[w] += traits[i].weight[w];
	j = (struct judgement){ greatest(sum, least), actor_of(sum[AUTOMATED], sum[HUMAN]) };
	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
		if (habits->n[traits[i].measure] >= traits[i].at_least && spoke_for(&traits[i], &j))
			out_fmt(&o, "%s%s", o.len > 0 ? "; " : "", traits[i].words);
	return j;
}
