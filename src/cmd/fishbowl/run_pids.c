/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/run_pids.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/files.h"

pid_t run_pid_find(int dir, enum chan_process process)
{
	char text[128], path[64], name[32];
	char *at = text;
	long pid = 0;

	if (file_text_read(dir, RUN_PIDS_NAME, text, sizeof(text)) < 0)
		return 0;
	for (enum chan_process p = 0; p <= process; p++)
		pid = strtol(at, &at, 10);
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	if (pid <= 1 || file_text_read(AT_FDCWD, path, name, sizeof(name)) < 0 ||
		strcmp(name, process_name(process)) != 0)
		return 0;
	return (pid_t)pid;
}
