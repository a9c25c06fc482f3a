/* SPDX-License-Identifier: Apache-2.0 */
/* How much some bytes look like text: the stretch whose letters follow each other as in text and commands. */
#include <assert.h>
#include <string.h>

#include "decode/inside.h"

enum {
	LETTERS = 26,
	OTHER = LETTERS, /* in the table of digrams */
	/* Classes behind those of lower case letters, 0 to 25. */
	SPACE = LETTERS,
	DIGIT,
	PATH,  /* what paths, names and options are made of */
	SHELL, /* what commands are made of */
	LINE,
	MARK,  /* all else that is printable */
	UPPER, /* upper case: only that it is a letter counts */
	BROKEN,
	CLASSES,
	BYTE_BITS = 8,
	BROKEN_GAIN = -10,
	UPPER_BITS = 6,
	UPPER_INSIDE = 3,    /* behind a small letter */
	TEXT_BITS_MIN = 12,  /* what has less is not looked at for words */
	DENSE_HALF_BITS = 3, /* half bits a byte; text has about six */
	PAD_MIN = 16,
	PAD_LONG = 64,
	PAD_BITS = 56, /* text that ends in a sea of NULs is no chance */
	WORD_BITS = 6,
	WORDS_MAX = 10,
	FILE_BITS = 90,
	FILE_AT_MAX = 64,
	BLOCK_PAIRS =
		40 /* equal pairs in a block; of random bytes there are 16, with a deviation of 6 */
};

/* -log2 of how often a letter, or anything else, follows another. Counted in this project's own texts. */
static const char digrams[LETTERS + 1][LETTERS + 2] = {
	"943497695974439594437779594", /* a */
	"578639985995993596695999491", /* b */
	"497939938925693597847899793", /* c */
	"579529694998984595488997691", /* d */
	"585465798994749683339665792", /* e */
	"469755993995993993866999891", /* f */
	"298929965987554895476759982", /* g */
	"348929974997993996868999892", /* h */
	"874454598994425595439697966", /* i */
	"699949996999981899194999995", /* j */
	"799619893999967799489999991", /* k */
	"399534993974994999566899593", /* l */
	"349829983988684399587999993", /* m */
	"595336495977974899436799792", /* n */
	"684585897975535592533749994", /* o */
	"396649995995982594646799592", /* p */
	"599999997986999868591979992", /* q */
	"395529695969854896534789692", /* r */
	"697929955977995696436979791", /* s */
	"496739934997885795465989891", /* t */
	"865448895993439593429999996", /* u */
	"499918993997977999899998992", /* v */
	"299939933994954994699989993", /* w */
	"585645995997999599929995991", /* x */
	"989969996997958499439989991", /* y */
	"999919994995989999499999943", /* z */
	"576675775986766696558969992", /* other */
};

static uint8_t class_of(unsigned c)
{
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a');
	if (c >= 'A' && c <= 'Z')
		return UPPER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	if (c == ' ')
		return SPACE;
	if (c == '\n' || c == '\r' || c == '\t')
		return LINE;
	if (c == '/' || c == '.' || c == '-' || c == ':' || c == '_')
		return PATH;
	if (c > 0 && c < 128 && strchr(";|&><$\"'=,()", (int)c))
		return SHELL;
	return c > ' ' && c < 127 ? MARK : BROKEN;
}

/* Beside being no letter. */
static int bits_of(unsigned class)
{
	static const uint8_t bits[CLASSES] = {
		[SPACE] = 1, [DIGIT] = 5, [PATH] = 4, [SHELL] = 6, [LINE] = 5, [MARK] = 7
	};

	return bits[class];
}

static int gain_of(unsigned before, unsigned class)
{
	unsigned from = before < LETTERS ? before : OTHER;
	int letter = digrams[from][OTHER] - '0';

	if (class == BROKEN)
		return BROKEN_GAIN;
	if (class < LETTERS)
		return BYTE_BITS - (digrams[from][class] - '0');
	if (class == UPPER)
		return BYTE_BITS - UPPER_BITS - (before < LETTERS ? UPPER_INSIDE : 0);
	return BYTE_BITS - letter - bits_of(class);
}

void decode_scale_make(struct decode_scale *scale)
{
	static_assert(CLASSES <= DECODE_CLASSES, "there is a row for each");
	for (unsigned c = 0; c < 256; c++)
		scale->class_of[c] = class_of(c);
	for (unsigned a = 0; a < CLASSES; a++)
		for (unsigned b = 0; b < CLASSES; b++)
			scale->gain[a][b] = (int8_t)gain_of(a, b);
}

/* To what is printable around it. */
static void widen(
	const struct decode_scale *scale, const struct decode_buffer *b, struct decode_score *s)
{
	uint32_t end = s->at + s->len;

	while (s->at > 0 && scale->class_of[b->at[s->at - 1]] != BROKEN)
		s->at--;
	while (end < b->len && scale->class_of[b->at[end]] != BROKEN)
		end++;
	s->len = end - s->at;
}

/* The stretch with the highest sum. A byte that goes on and on gains nothing. */
static void find_stretch(
	const struct decode_scale *scale, const struct decode_buffer *b, struct decode_score *s)
{
	uint32_t begin = 0, best_begin = 0, best_end = 0;
	unsigned before = BROKEN;
	int32_t sum = 0, best = 0;

	for (uint32_t i = 0; i < b->len; i++) {
		unsigned class = scale->class_of[b->at[i]];
		int gain = scale->gain[before][class];

		if (gain > 0 && i >= 2 && b->at[i] == b->at[i - 1] && b->at[i] == b->at[i - 2])
			gain = 0;
		if (sum <= 0) {
			sum = 0;
			begin = i;
		}
		sum += gain;
		before = class;
		if (sum > best) {
			best = sum;
			best_begin = begin;
			best_end = i + 1;
		}
	}
	s->bits = best;
	s->at = best_begin;
	s->len = best_end - best_begin;
}

static bool is_padded(const struct decode_buffer *b, uint32_t from)
{
	uint32_t n = 0;

	while (from + n < b->len && b->at[from + n] == 0)
		n++;
	return n >= PAD_LONG || (n >= PAD_MIN && from + n == b->len);
}

/* ELF: its magic, class, byte order and version. PE: the header where the DOS header says it is. */
static bool is_program(struct cur c)
{
	struct cur file = c;
	uint32_t magic = cur_be32(&c);
	uint8_t class = cur_u8(&c), order = cur_u8(&c), version = cur_u8(&c);

	if (magic == 0x7f454c46)
		return (class == 1 || class == 2) && (order == 1 || order == 2) && version == 1;
	if (magic >> 16 != 0x4d5a)
		return false;
	c = file;
	cur_skip(&c, 0x3c);
	cur_skip(&file, cur_le32(&c));
	return cur_be32(&file) == 0x50450000 && cur_ok(&c) && cur_ok(&file);
}

static void find_file(const struct decode_buffer *b, struct decode_score *s)
{
	for (uint32_t at = 0; at < b->len && at <= FILE_AT_MAX && !s->is_file; at++) {
		if (b->at[at] != 0x7f && b->at[at] != 'M')
			continue;
		if (is_program(cur_make(b->at + at, b->len - at))) {
			s->is_file = true;
			s->bits += FILE_BITS;
			s->at = at;
			s->len = b->len - at;
		}
	}
}

struct decode_score decode_score(const struct decode_scale *scale, const struct decode_buffer *b)
{
	struct decode_score s = { 0 };
	unsigned words;

	find_stretch(scale, b, &s);
	s.is_dense = s.bits * 2 >= DENSE_HALF_BITS * (int32_t)s.len;
	if (s.bits >= TEXT_BITS_MIN) {
		widen(scale, b, &s);
		words = decode_words(cur_make(b->at + s.at, s.len));
		s.words = (uint8_t)words;
		s.bits += WORD_BITS * (int32_t)(words < WORDS_MAX ? words : WORDS_MAX);
		s.is_padded = words > 0 && is_padded(b, s.at + s.len);
		s.bits += s.is_padded ? PAD_BITS : 0;
	}
	find_file(b, &s);
	return s;
}

static unsigned equal_pairs(struct cur block)
{
	uint8_t count[256] = { 0 };
	unsigned pairs = 0;

	while (cur_left(&block) > 0)
		pairs += 2u * count[cur_u8(&block)]++;
	return pairs;
}

bool decode_is_uneven(const struct decode_buffer *b)
{
	if (b->len < 4 * DECODE_BLOCK)
		return true;
	for (uint32_t at = 0; at + DECODE_BLOCK <= b->len; at += DECODE_BLOCK / 2)
		if (equal_pairs(cur_make(b->at + at, DECODE_BLOCK)) > BLOCK_PAIRS)
			return true;
	return false;
}
