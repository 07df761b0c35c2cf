// SPDX-License-Identifier: Apache-2.0
// A Secret for TLS whose certificate and key do not belong together is taken, with a warning.
#include "api/object.h"
#include "base/encode.h"
#include "server/admission/admission.h"
#include "wire/x509.h"

static struct str decoded(struct admission *a, const char *key)
{
	struct str bytes = STR_NONE;
	const struct json *plain = json_get(json_at(a->object, "stringData"), str_of(key));
	const struct json *value = json_get(json_at(a->object, "data"), str_of(key));
	if (plain)
		return plain->text;
	if (!value || decode_base64(a->call->arena, value->text, &bytes) < 0)
		return STR_NONE;
	return bytes;
}

int admit_secret_pair(struct admission *a, struct err *e)
{
	if (!str_is(a->resource->plural, "secrets") || a->operation == OPERATION_DELETE ||
	    !json_str_is(a->object, "type", "kubernetes.io/tls"))
		return 0;
	if (!x509_matches(decoded(a, "tls.crt"), decoded(a, "tls.key"), STR_NONE))
		api_warn(a->call->arena, a->call->warnings,
			 STR("data: tls.crt and tls.key are no certificate and its key"));
	return 0;
}
