/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-tap/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture/reader.h"
#include "capture/zfile.h"

enum { IOV_BATCH = 1024 };

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

size_t writer_statistics(const struct writer *w, const char *what, int64_t time_ns, uint8_t *buf)
{
	size_t len = 0;

	for (uint32_t i = 0; i < w->setup->n_interfaces; i++) {
		const struct ring_marker_interface *gate = &w->marker.interface[i];
		char comment[SEGMENT_COMMENT_MAX];
		struct pcapng_statistics statistics = {
			.interface = i,
			.time_ns = time_ns,
			.start_ns = w->start_ns,
			.end_ns = time_ns,
			.received = gate->received + gate->missed,
			.accepted = gate->received,
			.os_drops = gate->missed + gate->unseen,
			.delivered = w->account.frames[i],
			.comment = comment,
		};

		segment_comment(
			what, w->account.frames[i], w->account.bytes[i], &w->place, comment);
		len += pcapng_put_statistics(buf + len, &statistics);
	}
	return len;
}

static size_t put_header(const struct writer *w, uint8_t *buf)
{
	const struct tap_setup *setup = w->setup;
	char comment[128];
	struct pcapng_section section = {
		.program = "Fishbowl " FISHBOWL_VERSION,
		.os = "Linux",
		.comment = comment,
	};
	size_t len;

	snprintf(comment, sizeof(comment), "honeynet %s, boot %" PRIx64 ", segment %" PRIu64,
		setup->honeynet, setup->boot, w->number);
	len = pcapng_put_section(buf, &section);
	for (uint32_t i = 0; i < setup->n_interfaces; i++)
		len += pcapng_put_interface(buf + len, &setup->interface[i]);
	return len + writer_statistics(w, "open", wall_ns(), buf + len);
}

int writer_open(struct writer *w, int64_t mono_ns)
{
	size_t room = (2 * (size_t)w->setup->n_interfaces + 1) * PCAPNG_BLOCK_MAX, len;
	uint8_t *buf = malloc(room);
	struct writer next = *w;
	ssize_t n;
	int result;

	if (!buf)
		return -ENOMEM;
	next.number++;
	next.packets = 0;
	next.opened_mono_ns = mono_ns;
	segment_name(w->setup->boot, next.number, next.name);
	len = put_header(&next, buf);
	next.fd = openat(w->setup->dir_fd, next.name,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	n = next.fd < 0 ? -1 : write(next.fd, buf, len);
	result = n < 0 ? -errno : n != (ssize_t)len ? -ENOSPC : 0;
	free(buf);
	if (result < 0) {
		if (next.fd >= 0) {
			close(next.fd);
			unlinkat(w->setup->dir_fd, next.name, 0);
		}
		return result;
	}
	next.size = len;
	*w = next;
	return 0;
}

/* Moves (*at, iov) over n bytes. */
static void advance(struct iovec *iov, size_t count, size_t *at, size_t n)
{
	while (*at < count && n >= iov[*at].iov_len)
		n -= iov[(*at)++].iov_len;
	if (*at < count) {
		iov[*at].iov_base = (uint8_t *)iov[*at].iov_base + n;
		iov[*at].iov_len -= n;
	}
}

int writer_append(struct writer *w, struct iovec *iov, size_t n, size_t *at)
{
	while (*at < n) {
		size_t part = n - *at < IOV_BATCH ? n - *at : IOV_BATCH;
		ssize_t done = pwritev(w->fd, iov + *at, (int)part, (off_t)w->size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -ENOSPC;
		w->size += (uint64_t)done;
		advance(iov, n, at, (size_t)done);
	}
	return 0;
}

int writer_close(struct writer *w)
{
	uint8_t *buf = malloc((size_t)w->setup->n_interfaces * PCAPNG_BLOCK_MAX);
	size_t len;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	len = writer_statistics(w, "close", wall_ns(), buf);
	n = pwrite(w->fd, buf, len, (off_t)w->size);
	free(buf);
	if (n != (ssize_t)len) {
		int result = n < 0 ? -errno : -ENOSPC;

		return ftruncate(w->fd, (off_t)w->size) < 0 ? -errno : result;
	}
	close(w->fd);
	w->fd = -1;
	return 0;
}

/* A segment that another boot, or other NICs, left open: its own account closes it. */
static int close_foreign(int fd, const struct segment_scan *scan, const struct tap_setup *setup)
{
	struct tap_setup its = *setup;
	struct writer w = { .setup = &its,
		.fd = fd,
		.size = scan->good_end,
		.place = scan->place,
		.account = scan->account,
		.start_ns = scan->first_ns };

	its.n_interfaces = scan->n_interfaces < RING_INTERFACES_MAX ? (uint32_t)scan->n_interfaces
								    : RING_INTERFACES_MAX;
	return writer_close(&w);
}

static int scan_segment(
	const struct tap_setup *setup, const char *name, struct segment_scan *ret_scan)
{
	struct capture_reader *reader;
	struct zfile *file;
	int result = zfile_open(setup->dir_fd, name, &file);

	if (result < 0)
		return result;
	result = capture_reader_new_source(zfile_read, file, &reader);
	if (result == 0) {
		result = segment_scan(reader, ret_scan);
		capture_reader_free(reader);
	}
	zfile_close(file);
	return result;
}

/* Cuts off a partial block; goes on with the segment or closes it. */
static int reopen(struct writer *w, const struct segment *segment, const struct segment_scan *scan,
	bool go_on)
{
	int fd = openat(w->setup->dir_fd, segment->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int result;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)scan->good_end) < 0)
		result = -errno;
	else
		result = go_on ? 0 : close_foreign(fd, scan, w->setup);
	if (result < 0) {
		close(fd);
	} else if (go_on) {
		w->fd = fd;
		w->size = scan->good_end;
		w->packets = scan->packets;
		w->first_id = scan->first_id;
		w->last_id = scan->last_id;
		memcpy(w->name, segment->name, sizeof(w->name));
	}
	return result;
}

/* Goes on from this segment. -ENOENT: it holds nothing and is removed. */
static int resume_from(struct writer *w, const struct segment *segment, bool fresh)
{
	const struct tap_setup *setup = w->setup;
	struct segment_scan scan;
	int result = scan_segment(setup, segment->name, &scan);

	if (result < 0)
		return result;
	if (!scan.usable && segment->plain) {
		/* Killed while it was made: its packets would come behind the header. */
		return unlinkat(setup->dir_fd, segment->name, 0) < 0 ? -errno : -ENOENT;
	}
	w->place = scan.place;
	if (!fresh)
		w->account = scan.account;
	if (scan.closed || !segment->plain)
		return 0;
	return reopen(w, segment, &scan,
		segment->boot == setup->boot && scan.n_interfaces == setup->n_interfaces && !fresh);
}

int writer_resume(struct writer *w, const struct tap_setup *setup, uint64_t last_number, bool fresh)
{
	struct segment *segment;
	size_t n;
	int result = segment_list(setup->dir_fd, &segment, &n);

	if (result < 0)
		return result;
	*w = (struct writer){
		.setup = setup, .fd = -1, .number = last_number, .start_ns = wall_ns()
	};
	if (n > 0 && segment[n - 1].number > w->number)
		w->number = segment[n - 1].number;
	result = -ENOENT;
	for (size_t i = n; i-- > 0 && result == -ENOENT;)
		result = resume_from(w, &segment[i], fresh);
	free(segment);
	return result == -ENOENT ? 0 : result;
}
