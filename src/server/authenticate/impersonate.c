// SPDX-License-Identifier: Apache-2.0
#include "server/authenticate/impersonate.h"

#include "base/encode.h"
#include "server/authorize/authorize.h"

enum { GROUPS_MAX = 100 };

static bool may(struct call *c, const char *group, const char *resource, struct str name)
{
	struct access a = {.user = &c->user,
			   .is_resource = true,
			   .verb = STR("impersonate"),
			   .group = str_of(group),
			   .resource = str_of(resource),
			   .name = name};
	return access_allowed(c->server, &a);
}

static int refuse(struct err *e, const char *what, struct str name)
{
	return err_set(e, ERR_FORBIDDEN, "%s \"%.*s\" is forbidden: this user may not impersonate it", what,
		       STR_FMT(name));
}

static struct json *extra_of(struct call *c)
{
	struct json *extra = json_object(c->arena);
	struct str prefix = STR("impersonate-extra-");
	for (size_t i = 0; i < c->headers.count; i++) {
		struct str name = c->headers.list[i].name, key;
		if (name.n <= prefix.n || !str_eq_nocase(str_sub(name, 0, prefix.n), prefix) ||
		    decode_url(c->arena, str_from(name, prefix.n), false, &key) < 0)
			continue;
		struct json *values = json_get(extra, key);
		if (!values)
			values = json_set(extra, key, json_array(c->arena));
		json_push(values, json_string(c->arena, c->headers.list[i].value));
	}
	return extra->count ? extra : NULL;
}

int impersonate(struct call *c, struct err *e)
{
	struct str name = call_header(c, "Impersonate-User"), uid = call_header(c, "Impersonate-Uid");
	struct str groups[GROUPS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < c->headers.count && count < GROUPS_MAX; i++)
		if (str_eq_nocase(c->headers.list[i].name, STR("Impersonate-Group")))
			groups[count++] = c->headers.list[i].value;
	struct json *extra = extra_of(c);
	if (str_empty(name)) {
		if (count || !str_empty(uid) || extra)
			return err_set(e, ERR_BAD_REQUEST,
				       "impersonating groups, a uid or extras without a user is not possible");
		return 0;
	}
	if (!may(c, "", "users", name))
		return refuse(e, "users", name);
	for (size_t i = 0; i < count; i++)
		if (!may(c, "", "groups", groups[i]))
			return refuse(e, "groups", groups[i]);
	if (extra && !may(c, "authentication.k8s.io", "userextras", STR_NONE))
		return refuse(e, "userextras", STR("*"));
	struct user u = str_is(name, "system:anonymous") ? user_anonymous(c->arena)
							 : user_make(c->arena, name, uid, groups, count);
	struct str namespace, account;
	if (!count && user_is_service_account(&u, &namespace, &account)) {
		struct str own[] = {STR("system:serviceaccounts"),
				    arena_fmt(c->arena, "system:serviceaccounts:%.*s", STR_FMT(namespace))};
		u = user_make(c->arena, name, uid, own, ARRAY_LEN(own));
	}
	u.extra = extra;
	c->user = u;
	return 0;
}
