/* SPDX-License-Identifier: Apache-2.0 */
/* The gate and its reference model agree, whatever bytes throw the dice of the walk (tests/unit/gate_walk.h). */
#include "gate_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLOWS = 2048 };

/* As new; making a new one takes longer than the walk. */
static struct bench *bench_again(void)
{
	static struct bench *b;
	static struct conf conf;
	static struct conf_a_honeypot honeypot[REF_POTS];

	if (!b) {
		b = bench_new(REF_POTS, FLOWS);
		conf = *b->conf;
		memcpy(honeypot, b->honeypot, sizeof(honeypot));
	}
	*b->conf = conf;
	memcpy(b->honeypot, honeypot, sizeof(honeypot));
	for (unsigned i = 0; i < LIST_COUNT; i++)
		b->list[i].n = 0;
	memset(b->flow_memory, 0, gate_flow_memory_size(b->conf));
	memset(b->budget_memory, 0, 1 << 16);
	b->now = (struct gate_time){ .wall_ns = 1700000000 * SECOND, .steady_ns = 1000 * SECOND };
	b->lockdown = false;
	b->n_records = b->flow_frames = b->packets = 0;
	whole_free(b->whole);
	if (whole_new(&b->whole) < 0)
		abort();
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->bytes = data;
	w->n_bytes = size;
	walk_begin(w, bench_again());
	while (w->n_bytes > 0 && !w->failed)
		walk_step(w);
	if (w->failed) {
		fprintf(stderr, "%s\n", w->story);
		abort();
	}
	w->bench->gate = gate_free(w->bench->gate);
	ref_free(w->ref);
	free(w);
	return 0;
}
