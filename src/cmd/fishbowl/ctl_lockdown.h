/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_lockdown - the lockdown when no supervisor answers. */
#pragma once

/* Ends fb-gate of that run_dir and notes the order for the next start. Says on stdout what was done and what
 * not; 0 when nothing passes now and will not after the next start. */
int ctl_lockdown_alone(const char *run_dir, const char *state_dir, const char *reason);
