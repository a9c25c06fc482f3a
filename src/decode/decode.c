/* SPDX-License-Identifier: Apache-2.0 */
/* All methods and keys, and which results are the best. */
#include "decode/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "decode/inside.h"

enum {
	KEYS_BITS = 11, /* log2 of how many keys of all methods there are */
	WORDS_CLEAR = 2,
	PLAIN_TIMES = 2, /* as much better than what is there already */
};

struct decode {
	struct decode_scale scale;
	struct decode_buffer layer[DECODE_STEPS_MAX];
	struct decode_buffer out;
};

/* Of what is there already. */
struct plain {
	struct decode_score score;
	unsigned words; /* in all of it */
};

struct results {
	struct decode_result *at;
	size_t n, max;
};

int decode_new(struct decode **ret_decode)
{
	struct decode *d = malloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	decode_scale_make(&d->scale);
	*ret_decode = d;
	return 0;
}

struct decode *decode_free(struct decode *d)
{
	free(d);
	return NULL;
}

/* Its spaces may be written as hyphens. */
static bool is_name(const char *name, const char *written)
{
	size_t i = 0;

	while (name[i] && (written[i] == name[i] || (name[i] == ' ' && written[i] == '-')))
		i++;
	return !name[i] && !written[i];
}

enum decode_method_id decode_method_find(const char *name)
{
	unsigned id = 0;

	while (id < DECODE_METHODS && !is_name(decode_methods[id].name, name))
		id++;
	return (enum decode_method_id)id;
}

static bool has_key(unsigned method)
{
	return decode_methods[method].last > 0;
}

/* ---- results ---- */

static struct decode_result result_of(
	const struct decode_step *step, unsigned n_steps, const struct decode_score *score)
{
	struct decode_result r = { .n_steps = (uint8_t)n_steps,
		.is_file = score->is_file,
		.n_words = score->words,
		.score = score->bits,
		.at = score->at,
		.len = score->len };

	for (unsigned i = 0; i < n_steps; i++) {
		r.step[i] = step[i];
		r.score -= has_key(step[i].method) ? KEYS_BITS : 0;
	}
	r.is_clear = r.score >= DECODE_CLEAR &&
		     (score->is_file || (score->is_dense &&
						(score->words >= WORDS_CLEAR || score->is_padded)));
	return r;
}

/* Of equal ones the first stays first. */
static void keep(struct results *results, const struct decode_result *r)
{
	size_t at = results->n;

	if (r->score <= 0)
		return;
	while (at > 0 && results->at[at - 1].score < r->score)
		at--;
	if (at == results->max)
		return;
	if (results->n < results->max)
		results->n++;
	memmove(&results->at[at + 1], &results->at[at],
		(results->n - 1 - at) * sizeof(results->at[0]));
	results->at[at] = *r;
}

/* ---- trying ---- */

static struct cur cur_of(const struct decode_buffer *b)
{
	return cur_make(b->at, b->len);
}

/* Of `plain`, what is there already, a result must not be another form: upper case, or NULs made spaces. */
static bool is_new(const struct decode_score *score, const struct plain *plain)
{
	return score->is_file || (score->bits >= PLAIN_TIMES * plain->score.bits &&
					 score->words >= PLAIN_TIMES * plain->words);
}

static void try_keys(struct decode *d, struct cur in, struct decode_step *step, unsigned n,
	const struct plain *plain, struct results *results)
{
	struct decode_step *last = &step[n - 1];
	const struct decode_method *m = &decode_methods[last->method];

	last->key = 0;
	decode_run(*last, in, DECODE_TRY_BYTES, &d->out);
	if (!decode_is_uneven(&d->out))
		return;
	for (unsigned key = m->first; key <= m->last; key++) {
		struct decode_score score;
		struct decode_result r;

		last->key = (uint8_t)key;
		decode_run(*last, in, DECODE_TRY_BYTES, &d->out);
		score = decode_score(&d->scale, &d->out);
		r = result_of(step, n, &score);
		if (is_new(&score, plain))
			keep(results, &r);
	}
}

static bool is_plain(const struct plain *plain, uint32_t len)
{
	const struct decode_score *s = &plain->score;

	return s->is_file || (s->is_dense && plain->words >= WORDS_CLEAR && s->len > len / 4 * 3);
}

/* Nothing but numbers and what stands between them: too few kinds of bytes for words to be behind them, but with some
 * key each is one letter or two, which looks like text. */
static bool is_numbers(struct cur c)
{
	while (cur_left(&c) > 0) {
		uint8_t byte = cur_u8(&c);

		if (byte == 0 || !strchr("0123456789 \t\r\n,.:;-+", byte))
			return false;
	}
	return true;
}

/* All methods with a key, if the bytes are not text already. */
static void try_keyed(struct decode *d, struct cur in, struct decode_step *step, unsigned n,
	struct results *results)
{
	struct plain plain;

	decode_run((struct decode_step){ .method = DECODE_XOR }, in, DECODE_TRY_BYTES, &d->out);
	if (d->out.len < DECODE_MIN || is_numbers(cur_of(&d->out)))
		return;
	plain.score = decode_score(&d->scale, &d->out);
	plain.words = decode_words(cur_of(&d->out));
	if (is_plain(&plain, d->out.len))
		return;
	for (unsigned method = 0; method < DECODE_METHODS; method++) {
		step[n].method = (uint8_t)method;
		if (has_key(method))
			try_keys(d, in, step, n + 1, &plain, results);
	}
}

/* All methods without; what comes out is tried with all others. */
static void try_packed(struct decode *d, struct cur in, struct decode_step *step, unsigned n,
	struct results *results)
{
	struct decode_buffer *layer = &d->layer[n];

	for (unsigned method = 0; method < DECODE_METHODS; method++) {
		struct decode_score score;
		struct decode_result r;

		step[n] = (struct decode_step){ .method = (uint8_t)method };
		if (has_key(method))
			continue;
		decode_run(step[n], in, DECODE_TRY_BYTES, layer);
		if (layer->len == 0)
			continue;
		score = decode_score(&d->scale, layer);
		r = result_of(step, n + 1, &score);
		keep(results, &r);
		if (n + 1 < DECODE_STEPS_MAX) {
			try_keyed(d, cur_of(layer), step, n + 1, results);
			try_packed(d, cur_of(layer), step, n + 1, results);
		}
	}
}

size_t decode_try(struct decode *d, const uint8_t *bytes, size_t len, size_t max,
	struct decode_result ret_results[static 1])
{
	struct decode_step step[DECODE_STEPS_MAX] = { 0 };
	struct results results = { .at = ret_results, .max = max };
	struct cur in = cur_make(bytes, len);

	cur_limit(&in, DECODE_TRY_BYTES);
	if (cur_left(&in) < DECODE_MIN || max == 0)
		return 0;
	try_keyed(d, in, step, 0, &results);
	try_packed(d, in, step, 0, &results);
	return results.n;
}

bool decode_with(struct decode *d, enum decode_method_id method, int key, const uint8_t *bytes,
	size_t len, struct decode_result *ret_result)
{
	unsigned first = key == DECODE_ANY_KEY ? 0 : (unsigned)key & 0xff;
	unsigned last = key == DECODE_ANY_KEY && has_key(method) ? 255 : first;
	bool found = false;

	for (unsigned k = first; k <= last; k++) {
		struct decode_step step = { .method = (uint8_t)method, .key = (uint8_t)k };
		struct decode_score score;
		struct decode_result r;

		decode_run(step, cur_make(bytes, len), DECODE_MAX, &d->out);
		if (d->out.len == 0)
			return false;
		score = decode_score(&d->scale, &d->out);
		r = result_of(&step, 1, &score);
		if (!found || r.score > ret_result->score)
			*ret_result = r;
		found = true;
	}
	return found;
}

const uint8_t *decode_bytes(struct decode *d, const struct decode_result *result,
	const uint8_t *bytes, size_t len, size_t *ret_len)
{
	struct cur in = cur_make(bytes, len);

	*ret_len = 0;
	for (unsigned i = 0; i < result->n_steps; i++) {
		decode_run(result->step[i], in, DECODE_MAX, &d->layer[i]);
		in = cur_of(&d->layer[i]);
		*ret_len = d->layer[i].len;
	}
	return result->n_steps > 0 ? d->layer[result->n_steps - 1].at : NULL;
}

void decode_name(const struct decode_result *result, char ret_name[static DECODE_NAME_MAX])
{
	struct out o = out_make(ret_name, DECODE_NAME_MAX);

	for (unsigned i = 0; i < result->n_steps; i++) {
		out_fmt(&o, "%s%s", i > 0 ? ", " : "", decode_methods[result->step[i].method].name);
		if (has_key(result->step[i].method))
			out_fmt(&o, " 0x%02x", result->step[i].key);
	}
}
