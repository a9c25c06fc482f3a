/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration: a struct conf or a text of faults, never both, never neither. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL;
	char *faults = NULL;
	int r = conf_load_text((const char *)data, size, "fuzz", &conf, &faults);

	if (r == 0 ? !conf || faults : conf || (r == -EINVAL && !faults))
		abort();
	conf_free(conf);
	free(faults);
	return 0;
}
