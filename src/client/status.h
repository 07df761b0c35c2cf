// SPDX-License-Identifier: Apache-2.0
// An error made of what a server answered.
#ifndef CLIENT_STATUS_H
#define CLIENT_STATUS_H

#include "base/err.h"

// body: a Status object; of anything else the text is taken, shortened. retry_after: the header's value, or
// empty.
void status_to_err(struct str body, int code, struct str retry_after, struct err *out);

#endif
