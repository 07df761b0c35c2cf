// SPDX-License-Identifier: Apache-2.0
// Who asks. Lives in the arena of whoever made it.
#ifndef SERVER_USER_H
#define SERVER_USER_H

#include "base/json.h"

struct user {
	struct str name, uid;
	const struct str *groups;
	size_t group_count;
	struct json *extra; // object of string arrays, or NULL
};

bool user_in_group(const struct user *u, const char *group);
// With "system:authenticated" (or "system:unauthenticated" for nobody) among the groups.
struct user user_make(struct arena *a, struct str name, struct str uid, const struct str *groups, size_t count);
struct user user_anonymous(struct arena *a);
struct user user_copy(struct arena *a, const struct user *u);
// authentication.k8s.io/v1 UserInfo.
struct json *user_info(struct arena *a, const struct user *u);
// "system:serviceaccount:NS:NAME": whether the user is one, and whose.
bool user_is_service_account(const struct user *u, struct str *namespace, struct str *name);

#endif
