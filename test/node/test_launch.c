// SPDX-License-Identifier: Apache-2.0
// What the runtime is told of a container: whom it runs as, what it may do, what is mounted where.
#include "node/pod/launch.h"
#include "unit.h"

struct rig {
	struct arena a;
	struct pod_spec *pod;
	struct image image;
	struct env env;
	struct str target;
	struct runtime_container_spec out;
	struct err e;
};

static int build(struct rig *g, const char *of_pod, const char *of_container)
{
	struct str text =
		arena_fmt(&g->a,
			  "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{%s\"containers\":"
			  "[{\"name\":\"c\",\"command\":[\"run\"],%s\"image\":\"i\"}]}}",
			  of_pod, of_container);
	struct blob *line = blob_create(text);
	pod_spec_unref(g->pod);
	g->pod = pod_spec_create(line, blob_str(line));
	blob_unref(line);
	err_clear(&g->e);
	struct launch_context x = {
		.arena = &g->a,
		.pod = g->pod,
		.container = &g->pod->containers[0],
		.image = &g->image,
		.env = &g->env,
		.hostname = STR("p"),
		.target = g->target,
		.node_memory = 1 << 30,
	};
	return launch_build(&x, &g->out, &g->e);
}

static void begin(struct rig *g)
{
	*g = (struct rig){.image = {.id = STR("sha256:1")}};
	arena_init(&g->a);
}

static void end(struct rig *g)
{
	pod_spec_unref(g->pod);
	err_clear(&g->e);
	arena_finish(&g->a);
}

TEST(who_may_be_root)
{
	static const struct {
		const char *user, *of_pod, *of_container;
		bool good;
	} cases[] = {
		{"", "", "", true},
		{"", "\"securityContext\":{\"runAsNonRoot\":true},", "", false},
		{"0", "\"securityContext\":{\"runAsNonRoot\":true},", "", false},
		{"1000:1000", "\"securityContext\":{\"runAsNonRoot\":true},", "", true},
		{"www-data", "\"securityContext\":{\"runAsNonRoot\":true},", "", false}, // a name may stand for 0
		{"", "\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":7},", "", true},
		{"", "\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":7},",
		 "\"securityContext\":{\"runAsUser\":0},", false},
		{"", "\"securityContext\":{\"runAsNonRoot\":true},", "\"securityContext\":{\"runAsNonRoot\":false},", true},
	};
	struct rig g;
	begin(&g);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		g.image.user = str_of(cases[i].user);
		int r = build(&g, cases[i].of_pod, cases[i].of_container);
		if ((r == 0) != cases[i].good)
			unit_fail(__FILE__, __LINE__, "case %zu: %s", i, err_text(&g.e));
		CHECK(cases[i].good || g.e.reason == ERR_INVALID);
	}
	end(&g);
}

TEST(what_would_confine_it_is_there_or_refused)
{
	static const char *const refused[][2] = {
		{"\"hostUsers\":false,", ""},
		{"\"securityContext\":{\"appArmorProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"p\"}},", ""},
		{"", "\"securityContext\":{\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"p.json\"}},"},
	};
	struct rig g;
	begin(&g);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		CHECK(build(&g, refused[i][0], refused[i][1]) < 0 && g.e.reason == ERR_INVALID);
	CHECK(build(&g, "\"hostUsers\":true,\"securityContext\":{\"supplementalGroupsPolicy\":\"Strict\"},", "") == 0);
	CHECK(g.out.strict_groups);
	end(&g);
}

TEST(whose_processes_it_sees)
{
	struct rig g;
	begin(&g);
	REQUIRE(build(&g, "", "\"targetContainerName\":\"main\",") < 0);
	CHECK(g.e.reason == ERR_INVALID);
	CHECK(build(&g, "\"shareProcessNamespace\":true,", "\"targetContainerName\":\"main\",") == 0);
	CHECK(g.out.pid_of.n == 0);
	g.target = STR("c1");
	REQUIRE(build(&g, "", "\"targetContainerName\":\"main\",") == 0);
	CHECK_STR(g.out.pid_of, "c1");
	CHECK(build(&g, "", "") == 0 && g.out.pid_of.n == 0);
	end(&g);
}

TEST(powers)
{
	struct rig g;
	begin(&g);
	REQUIRE(!build(&g, "",
		       "\"securityContext\":{\"allowPrivilegeEscalation\":false,\"readOnlyRootFilesystem\":true,"
		       "\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"CHOWN\"]},\"seccompProfile\":{\"type\":"
		       "\"RuntimeDefault\"}},"));
	CHECK(g.out.no_new_privileges && g.out.read_only_root && g.out.seccomp_default && !g.out.privileged);
	CHECK(g.out.cap_drop_count == 1 && g.out.cap_add_count == 1);
	REQUIRE(!build(&g, "",
		       "\"securityContext\":{\"privileged\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},"));
	CHECK(g.out.privileged && !g.out.seccomp_default && !g.out.no_new_privileges);
	CHECK(build(&g, "",
		    "\"securityContext\":{\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"x\"}},") <
	      0);
	REQUIRE(!build(&g, "\"securityContext\":{\"fsGroup\":5,\"supplementalGroups\":[6,7],\"runAsGroup\":8},", ""));
	CHECK(g.out.group_count == 3 && g.out.groups[0] == 5 && g.out.has_gid && g.out.gid == 8 && !g.out.has_uid);
	end(&g);
}

static bool has(const struct runtime_container_spec *s, const char *variable)
{
	for (size_t i = 0; i < s->env_count; i++) {
		if (str_is(s->env[i], variable))
			return true;
	}
	return false;
}

TEST(usual_variables)
{
	struct rig g;
	begin(&g);
	REQUIRE(!build(&g, "", ""));
	CHECK(has(&g.out, "HOSTNAME=p") &&
	      has(&g.out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	struct str own[] = {STR("PATH=/mine")};
	g.env = (struct env){own, 1};
	g.image.working_dir = STR("/srv");
	REQUIRE(!build(&g, "", ""));
	CHECK(g.out.env_count == 2 && has(&g.out, "PATH=/mine"));
	REQUIRE(!build(&g, "", "\"tty\":true,"));
	CHECK(g.out.env_count == 3 && has(&g.out, "TERM=xterm"));
	struct str vt[] = {STR("TERM=vt100")};
	g.env = (struct env){vt, 1};
	REQUIRE(!build(&g, "", "\"tty\":true,"));
	CHECK(!has(&g.out, "TERM=xterm"));
	CHECK_STR(g.out.cwd, "/srv");
	REQUIRE(!build(&g, "", "\"workingDir\":\"/tmp\","));
	CHECK_STR(g.out.cwd, "/tmp");
	end(&g);
}

static int mounts_of(struct rig *g, const char *mounts, struct pod_disk_mount **out, size_t *count)
{
	struct str list = arena_fmt(&g->a, "\"volumeMounts\":[%s],", mounts);
	REQUIRE(!build(
		g,
		"\"volumes\":[{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"m\",\"emptyDir\":{\"medium\":\"Memory\"}},"
		"{\"name\":\"c\",\"configMap\":{\"name\":\"x\"}},{\"name\":\"h\",\"hostPath\":{\"path\":\"/srv\"}},"
		"{\"name\":\"i\",\"image\":{\"reference\":\"models:1\"}}],",
		list.p));
	struct launch_context x = {.arena = &g->a, .pod = g->pod, .container = &g->pod->containers[0], .env = &g->env};
	return launch_mounts(&x, out, count, &g->e);
}

TEST(mounts)
{
	struct rig g;
	struct pod_disk_mount *m;
	size_t n;
	begin(&g);
	struct str variables[] = {STR("NAME=deep")};
	g.env = (struct env){variables, 1};
	REQUIRE(!mounts_of(
		&g,
		"{\"name\":\"e\",\"mountPath\":\"/e\",\"subPathExpr\":\"a/$(NAME)\"},{\"name\":\"c\",\"mountPath\":\"/c\"},"
		"{\"name\":\"h\",\"mountPath\":\"/etc/hosts\",\"readOnly\":true},{\"name\":\"m\",\"mountPath\":\"/m\"}",
		&m, &n));
	REQUIRE(n == 4);
	CHECK_STR(m[0].sub_path, "a/deep");
	CHECK(!m[0].read_only && m[1].read_only && m[2].read_only && !m[0].in_memory && m[3].in_memory);
	CHECK_STR(m[2].host_path, "/srv");
	struct pod_disk disk;
	pod_disk_init_none(&disk);
	struct launch_context x = {.arena = &g.a, .pod = g.pod, .container = &g.pod->containers[0], .env = &g.env};
	launch_finish(&x, &disk, m, n, STR("/run/x/words"), &g.out);
	CHECK_INT(g.out.mount_count, 7);
	size_t hosts = 0, words = 0;
	for (size_t i = 0; i < 7; i++) {
		hosts += str_is(g.out.mounts[i].target, "/etc/hosts");
		words += str_is(g.out.mounts[i].target, "/dev/termination-log");
	}
	CHECK(hosts == 1 && words == 1); // hosts is the pod's own
	REQUIRE(!mounts_of(&g, "{\"name\":\"i\",\"mountPath\":\"/i\",\"subPath\":\"a/b\"}", &m, &n));
	x.pod = g.pod;
	x.container = &g.pod->containers[0];
	launch_finish(&x, &disk, m, n, STR_NONE, &g.out);
	CHECK_STR(g.out.mounts[0].image, "models:1");
	CHECK_STR(g.out.mounts[0].image_path, "a/b");
	CHECK(mounts_of(&g, "{\"name\":\"e\",\"mountPath\":\"/e\",\"subPath\":\"a/../../b\"}", &m, &n) < 0);
	CHECK(mounts_of(&g, "{\"name\":\"h\",\"mountPath\":\"/h\",\"readOnly\":true,\"recursiveReadOnly\":\"Enabled\"}", &m,
			&n) < 0);
	CHECK(!mounts_of(&g, "{\"name\":\"h\",\"mountPath\":\"/h\",\"readOnly\":true,\"recursiveReadOnly\":\"IfPossible\"}", &m,
			 &n));
	// What is mounted inside of another mount comes after it, in whatever order the pod names them.
	static const char *const order[] = {"/etc", "/z/", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/z/b", "/z/a/c"};
	REQUIRE(!mounts_of(&g, "{\"name\":\"h\",\"mountPath\":\"/z/a/c\"},{\"name\":\"e\",\"mountPath\":\"/etc/resolv.conf\"},"
			   "{\"name\":\"e\",\"mountPath\":\"/etc\"},{\"name\":\"e\",\"mountPath\":\"/z/\"},"
			   "{\"name\":\"e\",\"mountPath\":\"/etc/hostname\"},{\"name\":\"h\",\"mountPath\":\"/etc/hosts\"},"
			   "{\"name\":\"h\",\"mountPath\":\"/z/b\"}", &m, &n));
	x.pod = g.pod;
	x.container = &g.pod->containers[0];
	launch_finish(&x, &disk, m, n, STR_NONE, &g.out);
	REQUIRE(g.out.mount_count == ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		CHECK_STR(g.out.mounts[i].target, order[i]);
	struct str climbing[] = {STR("NAME=..")};
	g.env = (struct env){climbing, 1};
	CHECK(mounts_of(&g, "{\"name\":\"e\",\"mountPath\":\"/e\",\"subPathExpr\":\"$(NAME)/b\"}", &m, &n) < 0);
	end(&g);
}
