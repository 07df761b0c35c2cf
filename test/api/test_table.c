// SPDX-License-Identifier: Apache-2.0
#include "api/table.h"
#include "base/times.h"
#include "unit.h"

// The row of an object, its cells joined by '|'; "now" is 2026-01-01T00:10:00Z.
static void expect(int line, const char *version, const char *kind, const char *object, const char *want)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct str group = STR(""), v = str_of(version);
	if (str_find(v, '/') >= 0)
		str_cut(v, '/', &group, &v);
	const struct api_resource *r = api_resource_by_kind(group, v, str_of(kind));
	REQUIRE(r);
	struct json *tree;
	REQUIRE(!json_parse(&a, str_of(object), NULL, &tree, &e));
	int64_t now;
	REQUIRE(!time_parse(STR("2026-01-01T00:10:00Z"), &now));
	struct json *cells = api_table_cells(&a, r, tree, now), *columns = api_table_columns(&a, r);
	struct buf b CLEAN_BUF;
	buf_init(&b);
	json_each(cell, cells) {
		if (b.n)
			buf_add_byte(&b, '|');
		if (cell->type == JSON_INT)
			buf_add_i64(&b, cell->integer);
		else
			buf_add(&b, cell->text);
	}
	if (!str_is(buf_str(&b), want))
		unit_fail(__FILE__, line, "%s\n    gives %.*s\n    not   %s", object, STR_FMT(buf_str(&b)), want);
	if (cells->count != columns->count)
		unit_fail(__FILE__, line, "%s has %u cells and %u columns", kind, cells->count, columns->count);
}

#define META "\"metadata\":{\"name\":\"x\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}"
#define EXPECT(version, kind, object, want) expect(__LINE__, version, kind, object, want)

TEST(table_pods)
{
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":\"Pending\"}}",
	       "x|0/1|Pending|0|10m|<none>|<none>|<none>|<none>");
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}],\"readinessGates\":[{\"conditionType\":\"g\"}]},"
	       "\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"192.0.2.9\"}],\"containerStatuses\":["
	       "{\"name\":\"c\",\"ready\":true,\"restartCount\":2,\"state\":{\"running\":{}},\"lastState\":{\"terminated\":{\"finishedAt\":\"2026-01-01T00:05:00Z\"}}},"
	       "{\"name\":\"d\",\"ready\":false,\"restartCount\":1,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}}",
	       "x|1/2|CrashLoopBackOff|3 (5m ago)|10m|192.0.2.9|n|<none>|0/1");
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":[{\"name\":\"c\"}]},"
	       "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":0}}},{\"name\":\"j\",\"state\":{\"running\":{}}}],"
	       "\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}}",
	       "x|0/1|Init:1/2|0|10m|<none>|<none>|<none>|<none>");
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{\"name\":\"c\"}]},"
	       "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"restartCount\":4,\"state\":{\"terminated\":{\"exitCode\":3}}}]}}",
	       "x|0/1|Init:ExitCode:3|4|10m|<none>|<none>|<none>|<none>");
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\"}],\"containers\":[{\"name\":\"c\"}]},"
	       "\"status\":{\"phase\":\"Running\",\"initContainerStatuses\":[{\"name\":\"i\",\"ready\":true,\"started\":true,\"restartCount\":1,\"state\":{\"running\":{}}}],"
	       "\"containerStatuses\":[{\"name\":\"c\",\"ready\":true,\"restartCount\":0,\"state\":{\"running\":{}}}]}}",
	       "x|2/2|Running|1|10m|<none>|<none>|<none>|<none>");
	EXPECT("v1", "Pod", "{" META ",\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":\"Succeeded\",\"containerStatuses\":["
	       "{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}}]}}",
	       "x|0/1|Completed|0|10m|<none>|<none>|<none>|<none>");
	EXPECT("v1", "Pod", "{\"metadata\":{\"name\":\"x\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Running\"}}",
	       "x|0/1|Terminating|0|<unknown>|<none>|<none>|<none>|<none>");
}

TEST(table_workloads)
{
	EXPECT("apps/v1", "Deployment", "{" META ",\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"y\",\"x\"]}]},"
	       "\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"j\"}]}}},\"status\":{\"readyReplicas\":2,\"updatedReplicas\":3}}",
	       "x|2/3|3|0|10m|a,b|i,j|a in (x,y),app=web");
	EXPECT("apps/v1", "ReplicaSet", "{" META ",\"spec\":{\"replicas\":3},\"status\":{\"replicas\":2,\"readyReplicas\":1}}", "x|3|2|1|10m|||<none>");
	EXPECT("v1", "ConfigMap", "{" META ",\"data\":{\"a\":\"\"},\"binaryData\":{\"b\":\"\"}}", "x|2|10m");
	EXPECT("v1", "Secret", "{" META ",\"type\":\"Opaque\"}", "x|Opaque|0|10m");
	EXPECT("v1", "Namespace", "{" META ",\"status\":{\"phase\":\"Active\"}}", "x|Active|10m");
	EXPECT("coordination.k8s.io/v1", "Lease", "{" META ",\"spec\":{\"holderIdentity\":\"me\"}}", "x|me|10m");
}

TEST(table_network)
{
	EXPECT("v1", "Service", "{" META ",\"spec\":{\"type\":\"NodePort\",\"clusterIPs\":[\"10.0.0.1\"],\"externalIPs\":[\"192.0.2.80\"],\"selector\":{\"b\":\"2\",\"a\":\"1\"},"
	       "\"ports\":[{\"port\":80,\"nodePort\":31080,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}}",
	       "x|NodePort|10.0.0.1|192.0.2.80|80:31080/TCP,53/UDP|10m|a=1,b=2");
	EXPECT("v1", "Service", "{" META ",\"spec\":{\"type\":\"LoadBalancer\"}}", "x|LoadBalancer|<none>|<pending>|<none>|10m|<none>");
	EXPECT("v1", "Service", "{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"db\"}}", "x|ExternalName|<none>|db|<none>|10m|<none>");
	EXPECT("v1", "Endpoints", "{" META ",\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"::1\"}],\"ports\":[{\"port\":80},{\"port\":81}]}]}",
	       "x|1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...|10m");
	EXPECT("v1", "Endpoints", "{" META "}", "x|<none>|10m");
	EXPECT("discovery.k8s.io/v1", "EndpointSlice", "{" META ",\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"1.1.1.1\"]}],\"ports\":[{\"port\":80},{\"name\":\"n\"}]}",
	       "x|IPv4|80,n|1.1.1.1|10m");
	EXPECT("v1", "Node", "{\"metadata\":{\"name\":\"x\",\"labels\":{\"node-role.kubernetes.io/a\":\"\",\"kubernetes.io/role\":\"b\"}},\"spec\":{\"unschedulable\":true},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
	       "\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"1.1.1.1\"}]}}",
	       "x|Ready,SchedulingDisabled|a,b|<unknown>||1.1.1.1|<none>|<unknown>|<unknown>|<unknown>");
}

TEST(table_events)
{
	EXPECT("v1", "Event", "{\"metadata\":{\"name\":\"x\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\",\"fieldPath\":\"spec\"},\"type\":\"Normal\",\"reason\":\"R\",\"message\":\" m \","
	       "\"source\":{\"component\":\"c\",\"host\":\"h\"},\"count\":3,\"firstTimestamp\":\"2026-01-01T00:00:00Z\",\"lastTimestamp\":\"2026-01-01T00:09:00Z\"}",
	       "60s|Normal|R|pod/p|spec|c, h|m|10m|3|x");
	EXPECT("events.k8s.io/v1", "Event", "{\"metadata\":{\"name\":\"x\"},\"regarding\":{\"kind\":\"Node\"},\"note\":\"n\",\"eventTime\":\"2026-01-01T00:00:00.000000Z\",\"reportingController\":\"c\","
	       "\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-01T00:09:30.000000Z\"}}",
	       "30s|||node||c|n|10m|2|x");
}
