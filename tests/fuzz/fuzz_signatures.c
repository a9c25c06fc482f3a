/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of signatures: faults are printable lines, and what was read can be matched. */
#include <stdlib.h>

#include "fingerprint_bench.h"

#include "base/cur.h"
#include "fingerprint/http.h"
#include "fingerprint/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_faults(const struct signatures *set)
{
	static char text[1 << 16];
	struct out o = out_make(text, sizeof(text));

	signatures_print_faults(&o, set);
	for (const char *c = text; *c; c++)
		if ((*c < ' ' && *c != '\n') || *c > '~')
			abort();
}

static void match(const struct signatures *set)
{
	static const char headers[] = "Host: a\r\nUser-Agent: Tool/1 (Linux)\r\nAccept: */*\r\n";
	static const struct syn syn = {
		.options = LINUX_OPTIONS("\0\0\0\1"), .n_options = 20, .window = 64240
	};
	static struct bytes b;
	struct http_look request;
	struct http_match program;
	struct tcp_match system;
	struct tcp_look look;
	struct frame frame;

	syn_frame(&b, &syn);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &frame);
	if (!tcp_look_read(&frame, &frame.packet[0], &look) ||
		!http_look_read(cur_make(headers, sizeof(headers) - 1), false, 1, &request))
		abort();
	tcp_match(set, &look, 0, &system);
	look.response = true;
	tcp_match(set, &look, 1460, &system);
	http_match(set, &request, &program);
	if (program.label && system.label)
		(void)signatures_runs_on(program.label, system.label);
	(void)http_named_system(set, &request);
	(void)signatures_link(set, 1500);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signatures *set;

	if (signatures_new(&set) < 0)
		abort();
	if (signatures_read(set, "fuzz", data, size) == 0) {
		check_faults(set);
		match(set);
	}
	signatures_free(set);
	return 0;
}
