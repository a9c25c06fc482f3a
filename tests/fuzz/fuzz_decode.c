/* SPDX-License-Identifier: Apache-2.0 */
/* All methods over the input: what comes out lies within what was decoded. */
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sum;

static void read_result(
	struct decode *d, const struct decode_result *r, const uint8_t *data, size_t size)
{
	char name[DECODE_NAME_MAX];
	size_t len;
	const uint8_t *bytes = decode_bytes(d, r, data, size, &len);

	if (len > DECODE_MAX || r->at > len || r->len > len - r->at)
		abort();
	for (size_t i = 0; i < len; i += 1 + len / 64)
		sum += bytes[i];
	decode_name(r, name);
	if (strlen(name) + 1 >= sizeof(name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decode *d;
	struct decode_result r[DECODE_RESULTS_MAX];
	size_t n;

	if (!d && decode_new(&d))
		abort();
	n = decode_try(d, data, size, DECODE_RESULTS_MAX, r);
	for (size_t i = 0; i < n; i++)
		read_result(d, &r[i], data, size);
	for (unsigned method = 0; method < DECODE_METHODS; method++)
		if (decode_with(d, (enum decode_method_id)method, size > 0 ? data[0] : 0, data,
			    size, &r[0]))
			read_result(d, &r[0], data, size);
	return 0;
}
