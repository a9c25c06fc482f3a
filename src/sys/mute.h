/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mute - proof at the start that a NIC set up as the data NICs are answers nothing: a veth pair in a
 * namespace that lives only for the test gets MUTE_PROBES frames that a host would answer.
 */
#pragma once

#include "sys/nic.h"

#define MUTE_PROBES 14

struct mute_result {
	unsigned at_link_up; /* frames the NIC sent by itself */
	unsigned answers[MUTE_PROBES];
	unsigned total; /* all of them: 0 = mute */
};

const char *mute_probe_name(unsigned probe);

/* `prepared` false leaves the NIC as the kernel makes it: it must answer, or the test is worth
 * nothing. Takes about 1.2 s (longer unprepared). 0, or -errno and *ret_error when the test could
 * not be made. Leaves nothing behind, also when it is killed. */
int mute_test(bool prepared, struct mute_result *ret_result, struct nic_error *ret_error);
