/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* fishbowl rules propose: argv[0] is "propose". Its exit status. */
int rules_propose(int argc, char **argv);
