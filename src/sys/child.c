/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { START_WAIT_MS = 10000 };
static const int64_t beat_ns = 1000000000;

static bool start_is_good(const struct message *m, enum chan_process process)
{
	const struct message_start *start = &m->start;

	if (start->process != process || start->n_fds != m->n_fds ||
		start->n_ports > CHAN_PORTS_MAX || start->seccomp > JAIL_KILL)
		return false;
	for (size_t i = 0; i < m->n_fds; i++)
		if (start->fd[i].role >= ROLE_COUNT)
			return false;
	return memchr(start->honeynet, 0, sizeof(start->honeynet)) != NULL;
}

int child_start(enum chan_process process, struct child *ret_child)
{
	struct pollfd wait = { .fd = CHAN_CHILD_FD, .events = POLLIN };
	struct child child = { 0 };
	struct message m;
	int r;

	/* Executed by descriptor, so the kernel may not know the name. */
	prctl(PR_SET_NAME, process_name(process), 0, 0, 0);
	chan_init(&child.chan, CHAN_CHILD_FD, CHAN_CHILD);
	if (poll(&wait, 1, START_WAIT_MS) <= 0) {
		fprintf(stderr, "%s: started by `fishbowl run`, not by hand\n",
			process_name(process));
		return -ETIMEDOUT;
	}
	r = chan_receive(&child.chan, &m);
	if (r == 1 && (m.type != MESSAGE_START || !start_is_good(&m, process)))
		r = -EBADMSG;
	if (r != 1) {
		fprintf(stderr, "%s: no START message on descriptor 3: %s\n", process_name(process),
			strerror(r < 0 ? -r : ENOMSG));
		return r < 0 ? r : -ENOMSG;
	}
	child.start = m.start;
	memcpy(child.fd, m.fd, sizeof(child.fd));
	*ret_child = child;
	return 0;
}

/* Its place in child->fd; n_fds when START had none. */
static size_t find_fd(const struct child *child, enum chan_role role, unsigned index)
{
	size_t i = 0;

	while (i < child->start.n_fds &&
		(child->start.fd[i].role != role || child->start.fd[i].index != index))
		i++;
	return i;
}

int child_fd(const struct child *child, enum chan_role role, unsigned index)
{
	size_t i = find_fd(child, role, index);

	return i < child->start.n_fds ? child->fd[i] : -1;
}

static void *map(
	struct child *child, enum chan_role role, int protection, int flags, size_t *ret_size)
{
	size_t i = find_fd(child, role, 0);
	struct stat st;
	void *memory;

	if (i == child->start.n_fds || fstat(child->fd[i], &st) < 0)
		return NULL;
	memory = mmap(NULL, (size_t)st.st_size, protection, flags, child->fd[i], 0);
	if (memory == MAP_FAILED)
		return NULL;
	close(child->fd[i]);
	child->fd[i] = -1;
	*ret_size = (size_t)st.st_size;
	return memory;
}

void *child_map(struct child *child, enum chan_role role, size_t *ret_size)
{
	/* fb-gate looks at every slot before it forwards: page by page that takes twice as long. */
	int now = role == ROLE_FLOW_TABLE ? MAP_POPULATE : 0;

	return map(child, role, PROT_READ | PROT_WRITE, MAP_SHARED | now, ret_size);
}

const void *child_map_read(struct child *child, enum chan_role role, size_t *ret_size)
{
	return map(child, role, PROT_READ, MAP_PRIVATE, ret_size);
}

/* Exit handlers of libraries (and sanitizers) may want system calls that the jail does not have. */
static void leave(int status, void *unused)
{
	(void)unused;
	_exit(status);
}

int child_ready(struct child *child, const struct jail *jail)
{
	struct jail mine = *jail;
	struct message_ready ready = { 0 };
	int r;

	mine.mode = child->start.seccomp;
	if (on_exit(leave, NULL) != 0)
		return -ENOMEM;
	r = jail_enter(&mine, &ready.landlock_abi);
	if (r < 0)
		return r;
	return chan_send(&child->chan, MESSAGE_READY, &ready, NULL, 0);
}

enum child_event child_poll(struct child *child, int64_t now_ns, struct message *ret_message)
{
	int r;

	if (now_ns >= child->next_beat_ns) {
		struct message_alive alive = { .beat = ++child->beat };

		child->next_beat_ns = now_ns + beat_ns;
		(void)chan_send(&child->chan, MESSAGE_ALIVE, &alive, NULL, 0);
	}
	r = chan_receive(&child->chan, ret_message);
	if (r == 0)
		return CHILD_NOTHING;
	if (r < 0)
		return CHILD_ORPHAN;
	switch (ret_message->type) {
	case MESSAGE_AUDIT:
		return CHILD_AUDIT;
	case MESSAGE_STOP:
		if (ret_message->stop.how == STOP_RESTART)
			chan_close(&child->chan);
		return CHILD_STOP;
	case MESSAGE_POLICY:
		return CHILD_POLICY;
	case MESSAGE_RULES:
		return CHILD_RULES;
	case MESSAGE_KILL_FLOW:
		return CHILD_KILL_FLOW;
	case MESSAGE_SEGMENT:
		return CHILD_SEGMENT;
	case MESSAGE_FILE_ORDER:
		return CHILD_FILE_ORDER;
	default:
		message_close_fds(ret_message);
		return CHILD_NOTHING;
	}
}

int child_applied(struct child *child, const struct message_applied *applied)
{
	return chan_send(&child->chan, MESSAGE_APPLIED, applied, NULL, 0);
}

int child_compiled(struct child *child, const struct message_compiled *compiled, int fd)
{
	return chan_send(&child->chan, MESSAGE_COMPILED, compiled, &fd, fd >= 0);
}

int child_file_done(struct child *child, const struct message_file_done *done)
{
	return chan_send(&child->chan, MESSAGE_FILE_DONE, done, NULL, 0);
}

int child_audited(struct child *child, const struct message_audited *audited)
{
	return chan_send(&child->chan, MESSAGE_AUDITED, audited, NULL, 0);
}

int child_want(struct child *child, const struct message_want *want)
{
	return chan_send(&child->chan, MESSAGE_WANT, want, NULL, 0);
}
