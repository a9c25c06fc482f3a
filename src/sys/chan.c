/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cur.h"

struct message_row {
	const char *name;
	enum chan_side from;
	uint16_t fds;
	bool once;
	enum message_type after;
	uint32_t size;
};

/* What stands before each payload. */
struct wire_head {
	uint32_t type;
	uint32_t size;
};

enum { SUPERVISOR = CHAN_SUPERVISOR, CHILD = CHAN_CHILD, ONCE = true, MANY = false };

static const struct message_row rows[MESSAGE_COUNT] = {
#define MESSAGE(ID, id, from, fds, once, after, text)                             \
	[MESSAGE_##ID] = { #ID, (enum chan_side)from, fds, once, MESSAGE_##after, \
		sizeof(struct message_##id) },
#include "sys/messages.def"
#undef MESSAGE
};

static const char *const processes[CHAN_NAMES] = { "fb-gate", "fb-tap", "fb-store", "fb-lens",
	"fb-vault", "fb-rules" };

const char *message_name(enum message_type type)
{
	return type > MESSAGE_NONE && type < MESSAGE_COUNT ? rows[type].name : "?";
}

const char *process_name(enum chan_process process)
{
	return process < CHAN_NAMES ? processes[process] : "?";
}

int chan_pair(int ret_fd[static 2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fd) < 0
		       ? -errno
		       : 0;
}

void chan_init(struct chan *chan, int fd, enum chan_side side)
{
	*chan = (struct chan){ .fd = fd, .side = side };
}

void chan_close(struct chan *chan)
{
	if (chan->fd >= 0)
		close(chan->fd);
	chan->fd = -1;
}

void message_close_fds(struct message *message)
{
	for (size_t i = 0; i < message->n_fds; i++)
		if (message->fd[i] >= 0)
			close(message->fd[i]);
	message->n_fds = 0;
}

static bool row_allows(const struct message_row *row, enum message_type type, enum chan_side from,
	uint32_t passed, size_t n_fds)
{
	if (row->from != from || n_fds > row->fds)
		return false;
	if (row->once && passed >> type & 1)
		return false;
	return row->after == MESSAGE_NONE || (passed >> row->after & 1);
}

int message_check(enum chan_side from, uint32_t *passed, const void *bytes, size_t len,
	size_t n_fds, struct message *ret_message)
{
	struct cur c = cur_make(bytes, len);
	uint32_t type = cur_le32(&c), size = cur_le32(&c);

	if (c.bad || type <= MESSAGE_NONE || type >= MESSAGE_COUNT)
		return -EBADMSG;
	if (size != rows[type].size || cur_left(&c) != size ||
		!row_allows(&rows[type], type, from, *passed, n_fds))
		return -EBADMSG;
	*passed |= 1u << type;
	ret_message->type = type;
	cur_copy(&c, &ret_message->start, size); /* all payloads start where the union does */
	return 0;
}

int chan_send(struct chan *chan, enum message_type type, const void *payload, const int *fds,
	size_t n_fds)
{
	struct wire_head head;
	struct iovec iov[2];
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (chan->broken || type <= MESSAGE_NONE || type >= MESSAGE_COUNT ||
		!row_allows(&rows[type], type, chan->side, chan->passed, n_fds))
		return -EBADMSG;
	head = (struct wire_head){ .type = type, .size = rows[type].size };
	iov[0] = (struct iovec){ .iov_base = &head, .iov_len = sizeof(head) };
	memcpy(&iov[1].iov_base, &payload, sizeof(payload)); /* sendmsg only reads it */
	iov[1].iov_len = rows[type].size;
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(chan->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	chan->passed |= 1u << type;
	return 0;
}

/* Takes over all descriptors that came along, whatever else is wrong with the message. */
static void take_fds(struct msghdr *msg, struct message *message)
{
	message->n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n && message->n_fds < CHAN_FDS_MAX; i++)
			memcpy(&message->fd[message->n_fds++], CMSG_DATA(c) + i * sizeof(int),
				sizeof(int));
	}
}

int chan_receive(struct chan *chan, struct message *ret_message)
{
	/* One byte more than the largest message, so that a longer one shows. */
	uint8_t bytes[sizeof(struct wire_head) + offsetof(struct message, n_fds) + 1];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	enum chan_side from = chan->side == CHAN_CHILD ? CHAN_SUPERVISOR : CHAN_CHILD;
	ssize_t n;

	if (chan->broken)
		return -EBADMSG;
	do
		n = recvmsg(chan->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&msg, ret_message);
	if (n == 0 && ret_message->n_fds == 0)
		return -EPIPE;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
		message_check(from, &chan->passed, bytes, (size_t)n, ret_message->n_fds,
			ret_message) < 0) {
		message_close_fds(ret_message);
		chan->broken = true;
		return -EBADMSG;
	}
	return 1;
}
