/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: over TCP or not; second and third: the guard; the rest: what goes to a resolver. */
#include <stdlib.h>

#include "control/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_guard guard;
	enum dns_fault fault;
	bool tcp;

	if (size < 3)
		return 0;
	tcp = data[0] & 1;
	guard = (struct dns_guard){ .name_max = data[1], .entropy_tenths = data[2] };
	fault = dns_question_look(data + 3, size - 3, tcp, &guard);
	if (fault >= DNS_FAULT_COUNT || (fault == DNS_LENGTH && !tcp))
		abort();
	/* A header, the root's name, type and class. */
	if (fault == DNS_FINE && size - 3 < (tcp ? 19u : 17u))
		abort();
	return 0;
}
