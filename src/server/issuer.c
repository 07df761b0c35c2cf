// SPDX-License-Identifier: Apache-2.0
// The documents by which others verify ServiceAccount tokens (OpenID Connect Discovery 1.0).
#include "server/authenticate/authenticate.h"
#include "server/plain.h"
#include "server/respond.h"
#include "server/state.h"
#include "wire/jwt.h"

static struct json *strings(struct arena *a, const char *one)
{
	struct json *list = json_array(a);
	json_push(list, json_string(a, str_of(one)));
	return list;
}

static struct json *configuration(struct call *c, struct json *key)
{
	struct arena *a = c->arena;
	struct json *o = json_object(a);
	json_put_str(a, o, "issuer", STR(SERVICE_ACCOUNT_ISSUER));
	json_put_str(a, o, "jwks_uri", arena_fmt(a, "https://%.*s/openid/v1/jwks", STR_FMT(server_address(c->server))));
	json_put(o, "response_types_supported", strings(a, "id_token"));
	json_put(o, "subject_types_supported", strings(a, "public"));
	struct json *algorithms = json_put(o, "id_token_signing_alg_values_supported", json_array(a));
	json_push(algorithms, json_string(a, json_str(key, "alg")));
	return o;
}

void issuer_path(struct call *c)
{
	struct json *key = jwt_key_jwk(c->arena, authenticator_key(c->server->authenticator));
	if (str_is(c->path, "/openid/v1/jwks")) {
		struct json *set = json_object(c->arena);
		json_push(json_put(set, "keys", json_array(c->arena)), key);
		respond_json(c, 200, set);
	} else {
		respond_json(c, 200, configuration(c, key));
	}
}
