// SPDX-License-Identifier: Apache-2.0
// Environments and command lines; names, hosts and resolv.conf; what pods may know of themselves.
#include "node/env/env.h"
#include "node/env/env_file.h"
#include "node/env/expand.h"
#include "node/env/services.h"
#include "node/pod/names.h"
#include "unit.h"

static struct pod_spec *pod_of(const char *text)
{
	struct blob *line = blob_create(str_of(text));
	struct pod_spec *s = pod_spec_create(line, blob_str(line));
	blob_unref(line);
	return s;
}

static bool lookup_letters(void *arg, struct str name, struct str *value)
{
	if (str_is(name, "A"))
		*value = STR("one");
	else if (str_is(name, "EMPTY"))
		*value = STR("");
	else
		return false;
	return true;
}

TEST(expansion)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"$(A)", "one"},
		{"a$(A)b", "aoneb"},
		{"$(NONE)", "$(NONE)"},
		{"$$(A)", "$(A)"},
		{"$$$(A)", "$one"},
		{"$", "$"},
		{"$(", "$("},
		{"$(A", "$(A"},
		{"$A", "$A"},
		{"$(EMPTY)|", "|"},
		{"$$", "$"},
		{"$()", "$()"},
		{"$(A)$(A)", "oneone"},
		{"$($(A))", "$($(A))"},
		{"x$y$$z", "x$y$z"},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(expand(&a, str_of(cases[i].in), lookup_letters, NULL), cases[i].out);
}

static const char pod_text[] =
	"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{\"b\":\"2\",\"a\":\"x\\\"y\\nz\"}},"
	"\"spec\":{\"serviceAccountName\":\"sa\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"$(A)\",\"$("
	"NO)\"],\"args\":[\"$(B)\"],"
	"\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"64Mi\"}},"
	"\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"given\"}}],"
	"\"env\":[{\"name\":\"A\",\"value\":\"one\"},{\"name\":\"B\",\"value\":\"$(A)-$(P_k)-$(LATER)\"},{\"name\":"
	"\"LATER\",\"value\":\"z\"},"
	"{\"name\":\"SECRET\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"given\",\"key\":\"k\"}}},"
	"{\"name\":\"SKIPPED\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"none\",\"key\":\"k\",\"optional\":true}}},"
	"{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
	"{\"name\":\"CPU\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
	"{\"name\":\"PATH\",\"value\":\"/mine\"}]},"
	"{\"name\":\"d\",\"image\":\"i\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"none\","
	"\"key\":\"k\"}}}]}]}}";

static const struct json *lookup_data(void *arg, bool secret, struct str name)
{
	struct arena *a = arg;
	if (!str_is(name, "given"))
		return NULL;
	struct json *data = json_object(a);
	json_put_str(a, data, "k", secret ? STR("aGlkZGVu") : STR("v"));
	return data;
}

static struct str item(const struct env *env, const char *name)
{
	for (size_t i = 0; i < env->count; i++) {
		struct str key, value;
		if (str_cut(env->items[i], '=', &key, &value) && str_is(key, name))
			return value;
	}
	return STR("<none>");
}

TEST(environment)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *pod = pod_of(pod_text);
	struct downward_context downward = {
		.pod = pod, .ip = STR("10.0.0.9"), .node_cpu_milli = 4000, .node_memory = 1 << 30};
	struct str image_env[] = {STR("PATH=/bin"), STR("KEPT=yes")}, entrypoint[] = {STR("run")},
		   command[] = {STR("it")};
	struct image image = {.env = {image_env, 2}, .entrypoint = {entrypoint, 1}, .command = {command, 1}};
	struct env_context x = {.downward = &downward,
				.container = &pod->containers[0],
				.image = &image,
				.lookup = lookup_data,
				.lookup_arg = &a};
	struct env env;
	REQUIRE(!env_build(&a, &x, &env, NULL));
	CHECK_STR(item(&env, "A"), "one");
	CHECK_STR(item(&env, "B"), "one-v-$(LATER)");
	CHECK_STR(item(&env, "P_k"), "v");
	CHECK_STR(item(&env, "SECRET"), "hidden");
	CHECK_STR(item(&env, "SKIPPED"), "<none>");
	CHECK_STR(item(&env, "IP"), "10.0.0.9");
	CHECK_STR(item(&env, "CPU"), "2");
	CHECK_STR(item(&env, "PATH"), "/mine");
	CHECK_STR(item(&env, "KEPT"), "yes");
	struct str *args;
	size_t count;
	REQUIRE(!env_command(&a, x.container, &image, &env, &args, &count, NULL) && count == 3);
	CHECK_STR(args[0], "one");
	CHECK_STR(args[1], "$(NO)");
	CHECK_STR(args[2], "one-v-$(LATER)");
	// Another container, whose ConfigMap is missing and not optional; and whose command is the image's.
	struct err e CLEAN_ERR = ERR_EMPTY;
	x.container = &pod->containers[1];
	CHECK(env_build(&a, &x, &env, &e) && e.reason == ERR_NOT_FOUND);
	env.count = 0;
	REQUIRE(!env_command(&a, x.container, &image, &env, &args, &count, NULL) && count == 2);
	CHECK_STR(args[1], "it");
	image.entrypoint.count = image.command.count = 0;
	CHECK(env_command(&a, x.container, &image, &env, &args, &count, NULL) < 0);
	pod_spec_unref(pod);
}

TEST(downward)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *pod = pod_of(pod_text);
	struct downward_context x = {
		.pod = pod, .host_ip = STR("192.0.2.1"), .node_name = STR("n1"), .node_memory = 1000};
	struct str value;
	CHECK(!downward_field(&a, &x, STR("metadata.labels"), &value, NULL));
	CHECK_STR(value, "a=\"x\\\"y\\nz\"\nb=\"2\"");
	CHECK(!downward_field(&a, &x, STR("metadata.labels['b']"), &value, NULL));
	CHECK_STR(value, "2");
	CHECK(!downward_field(&a, &x, STR("metadata.labels['none']"), &value, NULL));
	CHECK_STR(value, "");
	CHECK(!downward_field(&a, &x, STR("spec.nodeName"), &value, NULL));
	CHECK_STR(value, "n1");
	CHECK(downward_field(&a, &x, STR("spec.containers"), &value, NULL) < 0);
	struct json *ref;
	REQUIRE(!json_parse(&a, STR("{\"resource\":\"limits.memory\",\"divisor\":\"1Mi\"}"), NULL, &ref, NULL));
	CHECK(!downward_resource(&a, &x, ref, STR("c"), &value, NULL));
	CHECK_STR(value, "64");
	CHECK(!downward_resource(&a, &x, ref, STR("d"), &value, NULL)); // no limit: the node's, in whole Mi rounded up
	CHECK_STR(value, "1");
	CHECK(downward_resource(&a, &x, ref, STR("none"), &value, NULL) < 0);
	pod_spec_unref(pod);
}

TEST(files_of_variables)
{
	static const char file[] = "# made by an init container\n\n  A='1'\nB='two\nlines' # and a comment\r\n\r\nC= 'nothing'\n"
				   "D='$A \\n \"'\nA='again'\nE=bare\nF='6'";
	static const struct {
		const char *name, *want; // NULL: it cannot be read so far
	} cases[] = {{"A", "1"}, {"B", "two\nlines"}, {"C", ""}, {"D", "$A \\n \""}, {"E", NULL}, {"F", NULL}};
	struct str value;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		int r = env_file_find(str_of(file), str_of(cases[i].name), &value, &e);
		CHECK_INT(r, cases[i].want ? 0 : -1);
		if (cases[i].want)
			CHECK_STR(value, cases[i].want);
		else
			CHECK_STR(str_of(err_text(&e)), "line 10 is not NAME='value'");
	}
	static const char *const bad[] = {"A", "A\nB='1'", "='1'", "A ='1'", "A=", "A=\n", "A='1", "A='1'x", "A='1''2'"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(env_file_find(str_of(bad[i]), STR("A"), &value, NULL) < 0);
	CHECK(!env_file_find(STR(""), STR("A"), &value, NULL) && !value.n);
	CHECK(!env_file_find(STR("B='1'\n"), STR("A"), &value, NULL) && !value.n);
}

TEST(service_variables)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *service;
	struct str out[32];
	size_t n = 0;
	REQUIRE(!json_parse(
		&a,
		STR("{\"metadata\":{\"name\":\"my-db\"},\"spec\":{\"clusterIP\":\"10.96.0.7\",\"ports\":["
		    "{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}}"),
		NULL, &service, NULL));
	services_env_of(&a, service, out, &n, ARRAY_LEN(out));
	struct env env = {out, n};
	CHECK_STR(item(&env, "MY_DB_SERVICE_HOST"), "10.96.0.7");
	CHECK_STR(item(&env, "MY_DB_SERVICE_PORT"), "5432");
	CHECK_STR(item(&env, "MY_DB_SERVICE_PORT_SQL"), "5432");
	CHECK_STR(item(&env, "MY_DB_PORT"), "tcp://10.96.0.7:5432");
	CHECK_STR(item(&env, "MY_DB_PORT_53_UDP"), "udp://10.96.0.7:53");
	CHECK_STR(item(&env, "MY_DB_PORT_5432_TCP_ADDR"), "10.96.0.7");
	json_put_str(&a, json_at(service, "spec.ports.0"), "protocol", STR("SCTP"));
	n = 0;
	services_env_of(&a, service, out, &n, ARRAY_LEN(out));
	env.count = n;
	CHECK_STR(item(&env, "MY_DB_PORT"), "sctp://10.96.0.7:5432");
	n = 0;
	REQUIRE(!json_parse(
		&a,
		STR("{\"metadata\":{\"name\":\"headless\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":1}]}}"),
		NULL, &service, NULL));
	services_env_of(&a, service, out, &n, ARRAY_LEN(out));
	CHECK_INT(n, 0);
}

static const struct names_config names = {
	.cluster_domain = STR_INIT("cluster.local"),
	.nameserver = STR_INIT("10.96.0.10"),
	.host_resolv =
		STR_INIT("# made by hand\nsearch old.test\nsearch\tcorp.test.\nnameserver\t192.0.2.1\nnameserver  192.0.2.2 # two\n"
			 "options \ttimeout:3\n"),
	.host_hosts = STR_INIT("127.0.0.1 localhost\n"),
	.host_name = STR_INIT("host"),
};

TEST(resolv_conf)
{
	static const struct {
		const char *spec, *text;
	} cases[] = {
		{"{}", "search ns.svc.cluster.local svc.cluster.local cluster.local corp.test\nnameserver "
		       "10.96.0.10\noptions ndots:5\n"},
		{"{\"dnsPolicy\":\"Default\"}",
		 "search corp.test\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n"},
		{"{\"hostNetwork\":true,\"dnsPolicy\":\"ClusterFirst\"}",
		 "search corp.test\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n"},
		{"{\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\"],\"searches\":[\"a.test\"],"
		 "\"options\":[{\"name\":\"ndots\",\"value\":\"2\"},{\"name\":\"rotate\"}]}}",
		 "search a.test\nnameserver 1.1.1.1\noptions ndots:2 rotate\n"},
		{"{\"dnsConfig\":{\"options\":[{\"name\":\"ndots\",\"value\":\"1\"}],\"nameservers\":[\"10.96.0.10\"]}}",
		 "search ns.svc.cluster.local svc.cluster.local cluster.local corp.test\nnameserver 10.96.0.10\noptions "
		 "ndots:1\n"},
	};
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pod_spec *pod = pod_of(
			arena_fmt(&a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},\"spec\":%s}", cases[i].spec).p);
		CHECK_STR(names_resolv(&a, pod, &names), cases[i].text);
		pod_spec_unref(pod);
	}
}

TEST(hosts_and_hostname)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct pod_spec *pod = pod_of("{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},\"spec\":{\"hostname\":"
				      "\"alpha\",\"subdomain\":\"beta\","
				      "\"setHostnameAsFQDN\":true,\"hostAliases\":[{\"ip\":\"192.0.2.7\",\"hostnames\":"
				      "[\"seven\",\"sieben\"]}]}}");
	CHECK_STR(names_hostname(&a, pod, &names), "alpha.beta.ns.svc.cluster.local");
	struct str hosts = names_hosts(&a, pod, &names, STR("10.0.0.1"));
	CHECK(str_contains(hosts, STR("\n10.0.0.1\talpha.beta.ns.svc.cluster.local\talpha\n")));
	CHECK(str_ends(hosts, STR("\n192.0.2.7\tseven\tsieben\n")));
	pod_spec_unref(pod);
	// 63 bytes at most, and none of them a closing dash.
	pod = pod_of("{\"metadata\":{\"name\":\"a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-12-456\","
		     "\"namespace\":\"ns\"},\"spec\":{}}");
	CHECK_STR(names_hostname(&a, pod, &names), "a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-12");
	pod_spec_unref(pod);
	pod = pod_of("{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},\"spec\":{\"hostNetwork\":true}}");
	CHECK_STR(names_hostname(&a, pod, &names), "host");
	CHECK_STR(names_hosts(&a, pod, &names, STR("192.0.2.1")),
		  "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n");
	pod_spec_unref(pod);
}
