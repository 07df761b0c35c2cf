// SPDX-License-Identifier: Apache-2.0
#include "server/user.h"

bool user_in_group(const struct user *u, const char *group)
{
	for (size_t i = 0; i < u->group_count; i++)
		if (str_is(u->groups[i], group))
			return true;
	return false;
}

struct user user_make(struct arena *a, struct str name, struct str uid, const struct str *groups, size_t count)
{
	struct str *all = ARENA_ARRAY(a, struct str, count + 1);
	size_t n = 0;
	bool has = false;
	for (size_t i = 0; i < count; i++) {
		all[n++] = arena_str(a, groups[i]);
		has = has || str_is(groups[i], "system:authenticated");
	}
	if (!has)
		all[n++] = STR("system:authenticated");
	return (struct user){.name = arena_str(a, name), .uid = arena_str(a, uid), .groups = all, .group_count = n};
}

struct user user_anonymous(struct arena *a)
{
	struct str *groups = ARENA_NEW(a, struct str);
	*groups = STR("system:unauthenticated");
	return (struct user){.name = STR("system:anonymous"), .groups = groups, .group_count = 1};
}

struct user user_copy(struct arena *a, const struct user *u)
{
	struct str *groups = ARENA_ARRAY(a, struct str, u->group_count + 1);
	for (size_t i = 0; i < u->group_count; i++)
		groups[i] = arena_str(a, u->groups[i]);
	return (struct user){.name = arena_str(a, u->name),
			     .uid = arena_str(a, u->uid),
			     .groups = groups,
			     .group_count = u->group_count,
			     .extra = u->extra ? json_clone(a, u->extra) : NULL};
}

struct json *user_info(struct arena *a, const struct user *u)
{
	struct json *info = json_object(a);
	json_put_str(a, info, "username", u->name);
	if (!str_empty(u->uid))
		json_put_str(a, info, "uid", u->uid);
	struct json *groups = json_array(a);
	for (size_t i = 0; i < u->group_count; i++)
		json_push(groups, json_string(a, u->groups[i]));
	if (groups->count)
		json_put(info, "groups", groups);
	if (u->extra && u->extra->count)
		json_put(info, "extra", json_clone(a, u->extra));
	return info;
}

bool user_is_service_account(const struct user *u, struct str *namespace, struct str *name)
{
	struct str prefix = STR("system:serviceaccount:");
	return str_starts(u->name, prefix) && str_cut(str_from(u->name, prefix.n), ':', namespace, name);
}
