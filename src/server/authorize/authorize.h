// SPDX-License-Identifier: Apache-2.0
// Who may do what. One decision for requests, impersonation and the review kinds. Until roles and bindings exist these
// rules hold: the group system:masters and the system's own controllers may do everything; a node what a node needs
// (node.h); everybody who is known may look at discovery, and ask about themselves; everybody at all at the server's
// health.
#ifndef SERVER_AUTHORIZE_H
#define SERVER_AUTHORIZE_H

#include "server/call.h"

struct access {
	const struct user *user;
	bool is_resource;
	struct str verb;
	struct str path; // of a plain path
	struct str namespace, group, version, resource, subresource;
	struct str name;    // of the path, or the only one that the field selector of a list or watch leaves
	struct str on_node; // of pods: the only spec.nodeName that the field selector leaves
};

struct access access_of_call(struct call *c);
bool access_allowed(struct server *s, const struct access *a);
// ERR_FORBIDDEN, worded as upstream does.
int access_check(struct call *c, const struct access *a, struct err *e);
// The rules that hold for a user: fills the arrays of a SubjectRulesReviewStatus.
void access_rules(struct arena *a, const struct user *u, struct json *resource_rules, struct json *path_rules);

#endif
