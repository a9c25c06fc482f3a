/* SPDX-License-Identifier: Apache-2.0 */
/* run_pids - run_dir/pids: the numbers of the processes of a run. A help, no more: each is checked by name, so
 * that a number used anew meanwhile is safe. */
#pragma once

#include <sys/types.h>

#include "sys/chan.h"

#define RUN_PIDS_NAME "pids"

/* 0: there is none, or it has ended. `dir` is run_dir. */
pid_t run_pid_find(int dir, enum chan_process process);
