/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* All packets up to the end of file. */
static int receive(int fd, json_t **ret_answer)
{
	char *buf = malloc(CTL_ANSWER_MAX);
	size_t len = 0;
	ssize_t n;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (len < CTL_ANSWER_MAX && (n = recv(fd, buf + len, CTL_ANSWER_MAX - len, 0)) != 0) {
		if (n < 0 && errno != EINTR) {
			r = -errno;
			break;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (r == 0) {
		*ret_answer = json_loadb(buf, len, 0, NULL);
		r = *ret_answer ? 0 : -EBADMSG;
	}
	free(buf);
	return r;
}

static int exchange(int fd, const struct sockaddr_un *to, const char *request, json_t **ret_answer)
{
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
		send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -errno;
	return receive(fd, ret_answer);
}

int ctl_ask(const char *run_dir, const char *request, int patience_s, json_t **ret_answer)
{
	struct timeval patience = { .tv_sec = patience_s };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	json_t *answer = NULL;
	int fd, r;

	if (strlen(request) >= CTL_REQUEST_MAX)
		return -E2BIG;
	if (snprintf(to.sun_path, sizeof(to.sun_path), "%s/" CTL_SOCKET, run_dir) >=
		(int)sizeof(to.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(
		fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); /* connect() as well */
	r = exchange(fd, &to, request, &answer);
	close(fd);
	if (r == 0)
		*ret_answer = answer;
	return r;
}
