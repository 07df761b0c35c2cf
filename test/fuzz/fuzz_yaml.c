// SPDX-License-Identifier: Apache-2.0
// A YAML body as every kind in turn (the first byte says which): whatever decodes must come back from its encoding.
#include "fuzz_object.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	return fuzz_object(data, size, API_YAML);
}
