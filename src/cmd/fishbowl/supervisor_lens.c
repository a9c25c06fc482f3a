/* SPDX-License-Identifier: Apache-2.0 */
/* Segments for fb-lens, which may not open files itself. Names and numbers are fb-tap's; their
 * content is not looked at here. */
#include "cmd/fishbowl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/segment.h"

static const int64_t look_again_ns = SUP_NS_PER_S;

bool sup_child_wanted(const struct supervisor *s, enum chan_process process)
{
	const struct conf *conf = s->conf;

	if (process == CHAN_VAULT)
		return conf->top.lens && conf->top.application_records && conf->files.keep;
	return process != CHAN_LENS || conf->top.lens;
}

uint64_t sup_open_segment(const struct supervisor *s)
{
	const struct counts_tap *tap = s->counts[CHAN_TAP];
	char name[COUNTS_SEGMENT_MAX];
	struct segment segment;

	if (!tap)
		return 0;
	memcpy(name, tap->segment, sizeof(name));
	name[sizeof(name) - 1] = 0;
	return segment_parse(name, &segment) ? segment.number : 0;
}

void sup_lens_want(struct supervisor *s, uint64_t number)
{
	s->lens.wants = true;
	s->lens.number = number;
	s->lens.next_look_ns = 0;
	sup_lens_tick(s);
}

/* The first that is wanted, if fb-tap has finished its header: it names a segment only then. */
static const struct segment *choose(const struct supervisor *s, const struct segment *segment,
	size_t n, uint64_t from, uint64_t open)
{
	for (size_t i = 0; i < n && segment[i].number <= open; i++)
		if (from == 0 ? segment[i].boot == s->boot : segment[i].number >= from)
			return &segment[i];
	return NULL;
}

/* -1: it was compressed or removed a moment ago. */
static int open_file(const struct supervisor *s, const struct segment *segment)
{
	char packed[SEGMENT_NAME_MAX + 8];

	snprintf(packed, sizeof(packed), "%s.zst", segment->name);
	return openat(s->fd[ROLE_CAPTURE_DIR], segment->plain ? segment->name : packed,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static bool hand_over(struct supervisor *s, const struct segment *segment)
{
	struct message_segment message = { .number = segment->number,
		.compressed = !segment->plain };
	int fd = open_file(s, segment);
	bool done = fd >= 0 &&
		    chan_send(&s->child[CHAN_LENS].chan, MESSAGE_SEGMENT, &message, &fd, 1) == 0;

	if (fd >= 0)
		close(fd);
	return done;
}

void sup_lens_tick(struct supervisor *s)
{
	uint64_t open = sup_open_segment(s), from = s->lens.number;
	const struct segment *chosen;
	struct segment *segment;
	size_t n;

	/* The usual case costs nothing: it waits for the one after the open one. */
	if (!s->lens.wants || s->child[CHAN_LENS].chan.fd < 0 || open == 0 || from == open + 1 ||
		sup_now() < s->lens.next_look_ns)
		return;
	if (from > open) /* of a state_dir that is not there any more */
		from = 0;
	s->lens.next_look_ns = sup_now() + look_again_ns;
	if (segment_list(s->fd[ROLE_CAPTURE_DIR], &segment, &n) < 0)
		return;
	chosen = choose(s, segment, n, from, open);
	if (chosen && hand_over(s, chosen))
		s->lens.wants = false;
	free(segment);
}

void sup_lens_send_rules(struct supervisor *s)
{
	struct message_rules rules = { .generation = s->rules.image };
	struct sup_child *child = &s->child[CHAN_LENS];
	int fd = s->fd[ROLE_RULES];
	struct stat st;

	if (child->chan.fd < 0)
		return; /* it gets them with START */
	if (fd >= 0 && fstat(fd, &st) == 0)
		rules.size = (uint64_t)st.st_size;
	if (chan_send(&child->chan, MESSAGE_RULES, &rules, &fd, fd >= 0) < 0)
		sup_child_kill(child, "it takes no messages");
}

void sup_lens_applied(struct supervisor *s, const struct message_applied *applied)
{
	if (applied->rules != 0 && applied->result < 0)
		sup_control(s, REASON_RULES_REFUSED, process_name(CHAN_LENS),
			"the old ones are in force: %s",
			strerror(applied->result < -4095 ? EBADMSG : -(int)applied->result));
}
