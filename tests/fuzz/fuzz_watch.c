/* SPDX-License-Identifier: Apache-2.0 */
/* A segment, packet by packet, as fb-lens looks at it: every record that it makes can be
 * written. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/reader.h"
#include "cmd/fb-lens/watch.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_record(void *context, const struct record *record)
{
	static uint8_t packed[RECORD_PACKED_MAX];

	(void)context;
	if (record_pack(record, packed, sizeof(packed)) < 0)
		abort();
}

static struct watch *new_watch(struct counts_lens *counts)
{
	static struct conf *conf;
	struct watch_setup setup = { .counts = counts, .emit = on_record };
	struct watch *watch;

	if (!conf && conf_default(&conf) < 0)
		abort();
	conf->rules.conversations = 64;
	conf->rules.streams = 1 << 20;
	setup.conf = conf;
	if (watch_new(&setup, &watch) < 0)
		abort();
	return watch;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct counts_lens counts = { 0 };
	struct watch *watch = new_watch(&counts);
	struct capture_packet packet;
	struct capture_reader *r;
	uint64_t packets = 0;

	if (capture_reader_new_memory(data, size, &r) < 0)
		abort();
	while (capture_reader_next(r, &packet) == 1) {
		packets++;
		watch_packet(watch, &packet, capture_reader_interface(r, packet.interface));
	}
	/* A datagram in parts is looked at once more when it is whole. */
	if (counts.looked + counts.not_looked < packets || counts.looked > 2 * packets)
		abort();
	capture_reader_free(r);
	watch_free(watch);
	return 0;
}
