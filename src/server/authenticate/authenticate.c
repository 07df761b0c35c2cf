// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/authenticate.h"

#include "base/map.h"
#include "server/authenticate/service_account.h"
#include "server/authenticate/token_file.h"
#include "server/authenticate/websocket_token.h"
#include "server/plain.h"
#include "server/worker.h"
#include "wire/jwt.h"

struct authenticator {
	struct token_file file;
	struct jwt_key *key;
};

struct authenticator *authenticator_create(struct str token_file, struct str key_pem, struct err *e)
{
	struct authenticator *a = MEM_NEW(struct authenticator);
	token_file_init(&a->file);
	if (token_file_read(&a->file, token_file, e) < 0 || jwt_key_load(key_pem, &a->key, e) < 0) {
		authenticator_destroy(a);
		return NULL;
	}
	return a;
}

void authenticator_destroy(struct authenticator *a)
{
	if (!a)
		return;
	token_file_finish(&a->file);
	jwt_key_destroy(a->key);
	free(a);
}

const struct jwt_key *authenticator_key(const struct authenticator *a)
{
	return a->key;
}

static bool has_audience(const struct json *audiences, struct str wanted)
{
	json_each(audience, audiences)
		if (audience->type == JSON_STRING && str_eq(audience->text, wanted))
			return true;
	return false;
}

int authenticate_token(struct call *c, struct str token, const struct json *audiences, struct user *out,
		       struct json **accepted, struct err *e)
{
	struct authenticator *a = c->server->authenticator;
	struct json *own = json_array(c->arena);
	json_push(own, json_string(c->arena, STR(SERVICE_ACCOUNT_ISSUER)));
	const struct json *wanted = audiences && audiences->count ? audiences : own;
	const struct user *listed = token_file_find(&a->file, token);
	if (!listed)
		return service_account_verify(c, token, wanted, out, accepted, e);
	// A token of the file is good for the server itself only.
	if (wanted != own && !has_audience(wanted, STR(SERVICE_ACCOUNT_ISSUER)))
		return err_set(e, ERR_UNAUTHORIZED, "the token is not for these audiences");
	*out = user_make(c->arena, listed->name, listed->uid, listed->groups, listed->group_count);
	*accepted = own;
	return 0;
}

static int by_certificate(struct call *c, struct err *e)
{
	const struct tls_peer *p = c->peer;
	if (!p->verified || p->not_after_ns < loop_wall(c->loop))
		return err_set(e, ERR_UNAUTHORIZED, "Unauthorized");
	c->user = user_make(c->arena, p->common_name, STR_NONE, p->organizations, p->organization_count);
	return 0;
}

static int by_token(struct call *c, struct str token, struct err *e)
{
	struct json *accepted;
	struct err why CLEAN_ERR = ERR_EMPTY;
	if (str_empty(token) || authenticate_token(c, token, NULL, &c->user, &accepted, &why) < 0)
		return err_set(e, ERR_UNAUTHORIZED, "Unauthorized");
	return 0;
}

static int by_header(struct call *c, struct str header, struct err *e)
{
	struct str scheme, token;
	if (!str_cut(header, ' ', &scheme, &token) || !str_eq_nocase(scheme, STR("Bearer")))
		return err_set(e, ERR_UNAUTHORIZED, "Unauthorized");
	return by_token(c, str_trim(token), e);
}

int authenticate(struct call *c, struct err *e)
{
	if (c->vouched) {
		c->user = *c->vouched;
		return 0;
	}
	struct str header = call_header(c, "Authorization"), of_websocket = websocket_token_take(c);
	if (!str_empty(header))
		return by_header(c, header, e);
	if (c->peer)
		return by_certificate(c, e);
	if (of_websocket.p)
		return by_token(c, of_websocket, e);
	if (!c->route.is_resource && plain_path_is_public(c->path)) {
		c->user = user_anonymous(c->arena);
		return 0;
	}
	return err_set(e, ERR_UNAUTHORIZED, "Unauthorized");
}
