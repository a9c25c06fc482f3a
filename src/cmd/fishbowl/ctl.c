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

static int exchange(int fd, const struct sockaddr_un *to, const char *verb, json_t **ret_answer)
{
	struct timeval patience = { .tv_sec = 10 };
	char *buf;
	ssize_t n;
	int r = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
		send(fd, verb, strlen(verb), MSG_NOSIGNAL) < 0)
		return -errno;
	buf = malloc(CTL_ANSWER_MAX);
	if (!buf)
		return -ENOMEM;
	n = recv(fd, buf, CTL_ANSWER_MAX, 0);
	if (n < 0)
		r = -errno;
	else
		*ret_answer = json_loadb(buf, (size_t)n, 0, NULL);
	free(buf);
	return r < 0 ? r : *ret_answer ? 0 : -EBADMSG;
}

int ctl_ask(const char *run_dir, const char *verb, json_t **ret_answer)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	json_t *answer = NULL;
	int fd, r;

	if (snprintf(to.sun_path, sizeof(to.sun_path), "%s/" CTL_SOCKET, run_dir) >=
		(int)sizeof(to.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = exchange(fd, &to, verb, &answer);
	close(fd);
	if (r == 0)
		*ret_answer = answer;
	return r;
}
