/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count-pcapng - counts the packets of pcapng files and how many of them a comment says were passed.
 * For checking Fishbowl's captures, so it shares no code with what writes them. Prints
 * "packets passed outward twice": `outward` = passed ones that did not arrive at the first interface,
 * `twice` = packets whose id (epb_packetid) came before.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EPB = 6, OPT_END = 0, OPT_COMMENT = 1, OPT_PACKETID = 5, BLOCK_MAX = 1 << 24 };

static uint64_t packets, passed, outward, twice, last_id;

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void options(const uint8_t *p, const uint8_t *end, uint32_t interface)
{
	while (end - p >= 4) {
		uint32_t head = le32(p);
		uint32_t len = head >> 16;

		p += 4;
		if ((head & 0xffff) == OPT_END || len > end - p)
			return;
		if ((head & 0xffff) == OPT_COMMENT && len >= 4 && memcmp(p, "pass", 4) == 0) {
			passed++;
			outward += interface > 0;
		}
		if ((head & 0xffff) == OPT_PACKETID && len == 8) {
			uint64_t id = le32(p) | (uint64_t)le32(p + 4) << 32;

			twice += packets > 1 && id <= last_id;
			last_id = id;
		}
		p += (len + 3) & ~3u;
	}
}

static int count_file(const char *path)
{
	static uint8_t block[BLOCK_MAX];
	FILE *f = fopen(path, "rb");
	int good = f != NULL;

	while (good && fread(block, 8, 1, f) == 1) {
		uint32_t len = le32(block + 4);

		good = len >= 12 && len <= BLOCK_MAX && fread(block + 8, len - 8, 1, f) == 1 &&
		       le32(block + len - 4) == len;
		if (good && le32(block) == EPB && len >= 32) {
			uint32_t captured = (le32(block + 20) + 3) & ~3u;

			packets++;
			if (captured <= len - 32)
				options(block + 28 + captured, block + len - 4, le32(block + 8));
		}
	}
	if (!good)
		fprintf(stderr, "%s: not a whole pcapng file\n", path);
	if (f)
		fclose(f);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= count_file(argv[i]);
	printf("%llu %llu %llu %llu\n", (unsigned long long)packets, (unsigned long long)passed,
		(unsigned long long)outward, (unsigned long long)twice);
	return failed;
}
