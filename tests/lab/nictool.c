/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of sys/nic.h and sys/mute.h from a shell, for tests only.
 *   nictool mute prepared|unprepared      one line for each probe that was answered, then the total
 *   nictool hold DATA_NETNS NIC...        prepares; then obeys lines: restore, again N, port N, merged N,
 *                                         lock 0|1, quit
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/mute.h"
#include "sys/nic.h"

static int mute(bool prepared)
{
	struct mute_result result;
	struct nic_error error;

	if (mute_test(prepared, &result, &error)) {
		puts(error.text);
		return 1;
	}
	for (unsigned i = 0; i < MUTE_PROBES; i++)
		if (result.answers[i])
			printf("%s: %u\n", mute_probe_name(i), result.answers[i]);
	printf("link up: %u\ntotal: %u\n", result.at_link_up, result.total);
	return 0;
}

static void print_events(struct nic_set *set)
{
	static const char *const names[] = { "down", "up", "gone", "back", "uncut" };
	struct nic_event events[NIC_MAX];
	int n = nic_watch_read(set, events);

	for (int i = 0; i < n; i++)
		printf("%s %s\n", nic_name(set, events[i].nic), names[events[i].change]);
}

static bool obey(struct nic_set *set, const char *line)
{
	struct nic_error error;
	struct port_info info;
	unsigned n = (unsigned)strtoul(line + strcspn(line, " \n"), NULL, 10);
	int fd;

	if (!strncmp(line, "restore", 7))
		printf("restored %d\n", nic_restore(set));
	else if (!strncmp(line, "again", 5))
		printf("%s\n", nic_again(set, n, &error) ? error.text : "prepared");
	else if (!strncmp(line, "port", 4))
		printf("port %d\n", nic_port_open(set, n, &fd, &info));
	else if (!strncmp(line, "merged", 6))
		printf("merged %d\n", nic_port_open_merged(set, n, &fd));
	else if (!strncmp(line, "lock", 4))
		printf("%s\n", nic_lock(set, n != 0, &error) ? error.text : "done");
	else
		return false;
	return true;
}

static int hold(struct nic_set *set)
{
	char line[64];
	int fds[2];

	printf("ready %s\n", nic_namespace(set));
	nic_watch_fds(set, fds);
	for (;;) {
		struct pollfd p[3] = { { STDIN_FILENO, POLLIN, 0 }, { fds[0], POLLIN, 0 },
			{ fds[1], POLLIN, 0 } };

		fflush(stdout);
		if (poll(p, 3, -1) < 0)
			return 1;
		print_events(set);
		if (p[0].revents && (!fgets(line, sizeof(line), stdin) || !obey(set, line)))
			return 0;
	}
}

int main(int argc, char **argv)
{
	const char *names[NIC_MAX];
	struct nic_error error;
	struct nic_set *set;

	if (argc == 3 && !strcmp(argv[1], "mute"))
		return mute(!strcmp(argv[2], "prepared"));
	if (argc < 4 || argc > 3 + NIC_MAX)
		return 2;
	for (int i = 3; i < argc; i++)
		names[i - 3] = argv[i];
	if (nic_prepare(names, (unsigned)argc - 3, argv[2], &set, &error)) {
		puts(error.text);
		return 1;
	}
	argc = hold(set);
	nic_set_free(set);
	return argc;
}
