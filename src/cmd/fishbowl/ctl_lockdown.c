/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/ctl_lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/fishbowl/orders.h"
#include "cmd/fishbowl/run_pids.h"
#include "sys/files.h"

enum { END_WAIT_MS = 2000, STEP_MS = 10 };

/* Gone, or only waiting for a parent that hangs. */
static bool has_ended(pid_t pid)
{
	char path[64], text[512];
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_text_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return true;
	state = strrchr(text, ')');
	return !state || strncmp(state, ") Z", 3) == 0;
}

static int end_gate(int run_dir)
{
	pid_t pid = run_pid_find(run_dir, CHAN_GATE);

	if (pid == 0 || has_ended(pid)) {
		printf("fb-gate does not run: nothing passes.\n");
		return 0;
	}
	if (kill(pid, SIGKILL) < 0 && errno != ESRCH) {
		printf("fb-gate (pid %d) could NOT be killed: %s.\n", (int)pid, strerror(errno));
		return -errno;
	}
	for (int ms = 0; ms < END_WAIT_MS && !has_ended(pid); ms += STEP_MS)
		usleep(STEP_MS * 1000);
	printf("fb-gate (pid %d) was killed%s.\n", (int)pid,
		has_ended(pid) ? ": nothing passes" : " and has NOT ended yet");
	return has_ended(pid) ? 0 : -ETIMEDOUT;
}

static void fill(struct order *order, const char *reason)
{
	const struct passwd *user = getpwuid(getuid());
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*order = (struct order){ .verb = ORDER_LOCKDOWN,
		.since_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec };
	snprintf(order->operator, sizeof(order->operator), "%s", user ? user->pw_name : "?");
	snprintf(order->reason, sizeof(order->reason), "%s",
		order_text_is_plain(reason) ? reason : "");
}

static int note_order(int state_dir, const char *path, const char *reason)
{
	struct orders orders = { 0 };
	char why[ORDERS_WHY_MAX];
	struct order order;
	uint64_t id = 0;
	int r = orders_load(state_dir, &orders, why);

	if (r == -EBADMSG) {
		printf("%s/" ORDERS_NAME " is damaged (%s): the next start locks down for that "
		       "alone.\n",
			path, why);
		return 0;
	}
	fill(&order, reason);
	if (r == 0 || r == -ENOENT)
		r = orders_add(&orders, &order, &id);
	if (r == 0)
		r = orders_save(&orders, state_dir);
	orders_done(&orders);
	if (r < 0)
		printf("The order could NOT be written to %s/" ORDERS_NAME
		       ": %s; the next start forwards again.\n",
			path, strerror(-r));
	else
		printf("The lockdown is in %s/" ORDERS_NAME " (order %" PRIu64
		       "): it holds when the gateway starts again, and when its supervisor "
		       "starts another fb-gate.\n",
			path, id);
	return r;
}

static int open_dir(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		printf("%s %s: %s.\n", what, path, strerror(errno));
	return fd;
}

/* The order first: whoever starts a new gate after the old one has ended finds it. */
int ctl_lockdown_alone(const char *run_dir, const char *state_dir, const char *reason)
{
	int run = open_dir(run_dir, "run_dir"), state = open_dir(state_dir, "state_dir");
	int r = state >= 0 ? note_order(state, state_dir, reason) : -ENOENT;
	int killed = run >= 0 ? end_gate(run) : -ENOENT;

	if (run >= 0)
		close(run);
	if (state >= 0)
		close(state);
	printf("`fishbowl ctl unlock` lifts it when the gateway runs again.\n");
	return r < 0 ? r : killed;
}
