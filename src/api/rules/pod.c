// SPDX-License-Identifier: Apache-2.0
#include "api/rules/rules.h"

void pod_create(struct check *c)
{
}

void pod_update(struct check *c)
{
}

void pod_status(struct check *c)
{
}

void check_pod_template(struct check *c, const struct path *p, const struct json *template)
{
}
