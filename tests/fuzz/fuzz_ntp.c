/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "control/ntp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (ntp_request_fine(data, size) &&
		(size % 4 || size < 48 || size > 48 + NTP_EXTENSIONS_MAX + 24))
		abort();
	return 0;
}
