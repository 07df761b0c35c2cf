// SPDX-License-Identifier: Apache-2.0
// pods/resize: no pod grows beyond its node.
#include "world.h"

#define PODS "/api/v1/namespaces/default/pods"

static void check_cause(const struct json *answer, const char *reason, const char *message)
{
	CHECK_STR(json_str(answer, "details.causes.0.reason"), reason);
	if (!strstr(json_str(answer, "message").p, message))
		unit_fail(__FILE__, __LINE__, "%.*s: not \"%s\"", STR_FMT(json_str(answer, "message")), message);
}

TEST(resizes_within_the_node)
{
	static const struct {
		const char *requests, *cause;
		int code;
	} cases[] = {
		{"'cpu':'2','memory':'1Gi'", "", 200},
		{"'cpu':'2001m','memory':'1Gi'", "cpu, requested: 2001, allocatable: 2000", 403},
		{"'cpu':'3','memory':'2Gi'", "allocatable: 2000; memory, requested: 2147483648", 403},
		{"'cpu':'100m','memory':'1Gi'", "", 200},
	};
	struct world w;
	world_init(&w, 6);
	ask(&w, "POST", "/api/v1/namespaces/default/serviceaccounts", "{'metadata':{'name':'default'}}");
	ask(&w, "POST", "/api/v1/nodes", "{'metadata':{'name':'n'}}");
	CHECK_INT(ask(&w, "POST", PODS, "{'metadata':{'name':'p'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i',"
		      "'resources':{'requests':{'cpu':'1','memory':'1Gi'}}}]}}").code, 201);
	CHECK_INT(ask_patch(&w, "/api/v1/nodes/n/status", "application/merge-patch+json",
			    "{'status':{'capacity':{'cpu':'4','memory':'4Gi'},'allocatable':{'cpu':'2','memory':'1Gi'}}}").code, 200);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *body = arena_fmt(&w.arena, "{'spec':{'containers':[{'name':'c','resources':{'requests':{%s}}}]}}", cases[i].requests).p;
		struct answer got = ask_patch(&w, PODS "/p/resize", "application/strategic-merge-patch+json", body);
		CHECK_INT(got.code, cases[i].code);
		if (got.code == 403)
			check_cause(got.body, "NodeCapacity", cases[i].cause);
	}
	world_finish(&w);
}
