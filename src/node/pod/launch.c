// SPDX-License-Identifier: Apache-2.0
#include "node/pod/launch.h"

#include "node/pod/resources.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// What the container's securityContext says, or else the pod's.
static const struct json *security(const struct launch_context *x, const char *field)
{
	const struct json *own = json_get(json_get(x->container->json, STR("securityContext")), str_of(field));
	return own ? own : json_get(json_at(x->pod->object, "spec.securityContext"), str_of(field));
}

static bool security_is_true(const struct launch_context *x, const char *field)
{
	const struct json *v = security(x, field);
	return v && v->type == JSON_BOOL && v->boolean;
}

static const struct str *strings(struct arena *a, const struct json *array, size_t *count)
{
	struct str *out = ARENA_ARRAY(a, struct str, (array ? array->count : 0) + 1);
	*count = 0;
	json_each(item, array) {
		if (item->type == JSON_STRING)
			out[(*count)++] = item->text;
	}
	return out;
}

// ---- who

static void set_groups(const struct launch_context *x, struct runtime_container_spec *out)
{
	const struct json *more = json_at(x->pod->object, "spec.securityContext.supplementalGroups");
	int64_t fs_group = json_i64(x->pod->object, "spec.securityContext.fsGroup", -1);
	int64_t *groups = ARENA_ARRAY(x->arena, int64_t, (more ? more->count : 0) + 1);
	if (fs_group >= 0)
		groups[out->group_count++] = fs_group;
	json_each(g, more)
		groups[out->group_count++] = g->integer;
	out->groups = groups;
	out->strict_groups = json_str_is(x->pod->object, "spec.securityContext.supplementalGroupsPolicy", "Strict");
}

static int check_not_root(const struct launch_context *x, const struct runtime_container_spec *out, struct err *e)
{
	struct str user = x->image->user, name, group;
	int64_t number;
	if (!security_is_true(x, "runAsNonRoot"))
		return 0;
	if (out->has_uid)
		return out->uid ? 0 : err_set(e, ERR_INVALID, "container's runAsUser breaks non-root policy");
	str_cut(user, ':', &name, &group);
	if (name.n && str_to_i64(name, &number))
		return err_set(
			e, ERR_INVALID,
			"container has runAsNonRoot and image has non-numeric user (%.*s), cannot verify user is non-root",
			STR_FMT(name));
	if (!name.n || !number)
		return err_set(e, ERR_INVALID, "container has runAsNonRoot and image will run as root");
	return 0;
}

static int set_identity(const struct launch_context *x, struct runtime_container_spec *out, struct err *e)
{
	const struct json *uid = security(x, "runAsUser"), *gid = security(x, "runAsGroup");
	out->user = x->image->user;
	if (uid && uid->type == JSON_INT)
		out->has_uid = true, out->uid = uid->integer;
	if (gid && gid->type == JSON_INT)
		out->has_gid = true, out->gid = gid->integer;
	set_groups(x, out);
	return check_not_root(x, out, e);
}

// ---- what it may do

static bool adds_sys_admin(const struct runtime_container_spec *out)
{
	for (size_t i = 0; i < out->cap_add_count; i++) {
		if (str_is(out->cap_add[i], "SYS_ADMIN") || str_is(out->cap_add[i], "CAP_SYS_ADMIN") ||
		    str_is(out->cap_add[i], "ALL"))
			return true;
	}
	return false;
}

// What would confine the container and cannot be had here is refused: it must not run with less.
static int check_confinement(const struct launch_context *x, struct err *e)
{
	static const char *const profiles[][2] = {{"seccompProfile", "seccomp"}, {"appArmorProfile", "AppArmor"}};
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		const struct json *profile = security(x, profiles[i][0]);
		if (json_str_is(profile, "type", "Localhost"))
			return err_set(e, ERR_INVALID, "%s profile \"%.*s\" is not on this node", profiles[i][1],
				       STR_FMT(json_str(profile, "localhostProfile")));
	}
	const struct json *host_users = json_at(x->pod->object, "spec.hostUsers");
	if (host_users && host_users->type == JSON_BOOL && !host_users->boolean)
		return err_set(e, ERR_INVALID, "hostUsers: false asks for a user namespace, which this node does not give");
	return 0;
}

static int set_powers(const struct launch_context *x, struct runtime_container_spec *out, struct err *e)
{
	const struct json *capabilities = security(x, "capabilities"),
			  *escalation = security(x, "allowPrivilegeEscalation");
	out->privileged = security_is_true(x, "privileged");
	out->read_only_root = security_is_true(x, "readOnlyRootFilesystem");
	out->cap_add = strings(x->arena, json_get(capabilities, STR("add")), &out->cap_add_count);
	out->cap_drop = strings(x->arena, json_get(capabilities, STR("drop")), &out->cap_drop_count);
	out->no_new_privileges = escalation && escalation->type == JSON_BOOL && !escalation->boolean &&
				 !out->privileged && !adds_sys_admin(out);
	const struct json *proc = security(x, "procMount"), *seccomp = security(x, "seccompProfile");
	out->unmasked_proc = proc && str_is(proc->text, "Unmasked");
	out->seccomp_default = json_str_is(seccomp, "type", "RuntimeDefault") && !out->privileged;
	return check_confinement(x, e);
}

// ---- what it sees

static bool has_name(const struct env *env, struct str prefix)
{
	for (size_t i = 0; i < env->count; i++) {
		if (str_starts(env->items[i], prefix))
			return true;
	}
	return false;
}

static void set_env(const struct launch_context *x, struct runtime_container_spec *out)
{
	struct str *all = ARENA_ARRAY(x->arena, struct str, x->env->count + 3);
	size_t n = 0;
	if (!has_name(x->env, STR("PATH=")))
		all[n++] = STR(DEFAULT_PATH);
	if (!has_name(x->env, STR("HOSTNAME=")))
		all[n++] = arena_fmt(x->arena, "HOSTNAME=%.*s", STR_FMT(x->hostname));
	if (out->tty && !has_name(x->env, STR("TERM=")))
		all[n++] = STR("TERM=xterm");
	for (size_t i = 0; i < x->env->count; i++)
		all[n++] = x->env->items[i];
	out->env = all;
	out->env_count = n;
}

// An ephemeral container sees the processes of its target; where the pod's containers (or the host's) all see each
// other, it does so anyway.
static int set_target(const struct launch_context *x, struct runtime_container_spec *out, struct err *e)
{
	struct str name = json_str(x->container->json, "targetContainerName");
	const struct json *pod = json_get(x->pod->object, STR("spec"));
	if (!name.n || json_is_true(pod, "hostPID") || json_is_true(pod, "shareProcessNamespace"))
		return 0;
	out->pid_of = x->target;
	return x->target.n ? 0 : err_set(e, ERR_INVALID, "target container \"%.*s\" does not run", STR_FMT(name));
}

int launch_build(const struct launch_context *x, struct runtime_container_spec *out, struct err *e)
{
	const struct json *c = x->container->json;
	struct str *args, cwd = json_str(c, "workingDir");
	*out = (struct runtime_container_spec){
		.pod_uid = x->pod->uid, .name = x->container->name, .image_id = x->image->id};
	if (set_identity(x, out, e) || set_powers(x, out, e) || set_target(x, out, e) ||
	    env_command(x->arena, x->container, x->image, x->env, &args, &out->arg_count, e))
		return -1;
	out->args = args;
	out->cwd = cwd.n ? cwd : x->image->working_dir;
	out->tty = json_is_true(c, "tty");
	out->stdin_open = json_is_true(c, "stdin");
	out->stdin_once = json_is_true(c, "stdinOnce");
	struct container_size size = container_size_of(x->pod, x->container);
	out->limits = container_limits(&size);
	out->oom_score_adj = container_oom_score(x->pod, x->container, x->node_memory);
	set_env(x, out);
	return 0;
}

// Files that the node writes are not for containers to change.
static bool is_ours(const struct json *volume)
{
	return json_get(volume, STR("configMap")) || json_get(volume, STR("secret")) ||
	       json_get(volume, STR("downwardAPI")) || json_get(volume, STR("projected"));
}

static int check_sub_path(struct str path, struct err *e)
{
	struct str piece, rest = path;
	bool bad = path.n && path.p[0] == '/';
	while (!bad && str_next(&rest, '/', &piece))
		bad = str_is(piece, "..");
	return bad ? err_set(e, ERR_INVALID, "subPath \"%.*s\" must be relative and must not contain \"..\"",
			     STR_FMT(path))
		   : 0;
}

int launch_mounts(const struct launch_context *x, struct pod_disk_mount **out, size_t *count, struct err *e)
{
	const struct json *list = json_get(x->container->json, STR("volumeMounts"));
	*out = ARENA_ARRAY(x->arena, struct pod_disk_mount, (list ? list->count : 0) + 1);
	*count = 0;
	json_each(mount, list) {
		struct pod_disk_mount *m = &(*out)[(*count)++];
		struct str expression = json_str(mount, "subPathExpr");
		m->volume = json_str(mount, "name");
		const struct json *volume = pod_spec_volume(x->pod, m->volume);
		m->host_path = json_str(volume, "hostPath.path");
		m->image = json_str(volume, "image.reference");
		m->in_memory = volume_is_in_memory(volume);
		m->sub_path = expression.n ? env_expand(x->arena, x->env, expression) : json_str(mount, "subPath");
		m->read_only = json_is_true(mount, "readOnly") || is_ours(volume);
		if (json_str_is(mount, "recursiveReadOnly", "Enabled"))
			return err_set(e, ERR_INVALID,
				       "volume \"%.*s\" is to be read-only with all that is mounted below, which this node does "
				       "not give",
				       STR_FMT(m->volume));
		if (check_sub_path(m->sub_path, e))
			return -1;
	}
	return 0;
}

static enum runtime_propagation propagation_of(const struct json *mount)
{
	if (json_str_is(mount, "mountPropagation", "Bidirectional"))
		return RUNTIME_BIDIRECTIONAL;
	return json_str_is(mount, "mountPropagation", "HostToContainer") ? RUNTIME_HOST_TO_CONTAINER : RUNTIME_PRIVATE;
}

static bool mounts_at(const struct launch_context *x, struct str target)
{
	json_each(mount, json_get(x->container->json, STR("volumeMounts"))) {
		struct str path = json_str(mount, "mountPath");
		if (str_eq(path, target) || (str_ends(path, STR("/")) && str_eq(str_sub(path, 0, path.n - 1), target)))
			return true;
	}
	return false;
}

// A file of the pod's etc, unless a volume of the pod's own takes the place.
static void add_etc(const struct launch_context *x, const struct pod_disk *disk, const char *file,
		    struct runtime_mount *list, size_t *n)
{
	struct str target = arena_fmt(x->arena, "/etc/%s", file);
	if (!mounts_at(x, target))
		list[(*n)++] =
			(struct runtime_mount){.source = pod_disk_etc(x->arena, disk, x->pod->uid, file), .target = target};
}

static size_t depth_of(struct str path)
{
	size_t depth = 0;
	struct str piece;
	while (str_next(&path, '/', &piece))
		depth += piece.n > 0;
	return depth;
}

// A mount would hide those that were made below it before.
static struct runtime_mount *outer_first(struct arena *a, const struct runtime_mount *list, size_t n)
{
	struct runtime_mount *out = ARENA_ARRAY(a, struct runtime_mount, n + 1);
	size_t placed = 0;
	for (size_t depth = 0; placed < n; depth++)
		for (size_t i = 0; i < n; i++)
			if (depth_of(list[i].target) == depth)
				out[placed++] = list[i];
	return out;
}

void launch_finish(const struct launch_context *x, const struct pod_disk *disk, const struct pod_disk_mount *mounts,
		   size_t count, struct str words, struct runtime_container_spec *out)
{
	struct runtime_mount *list = ARENA_ARRAY(x->arena, struct runtime_mount, count + 4);
	struct str words_target = json_str(x->container->json, "terminationMessagePath");
	size_t n = 0, i = 0;
	json_each(mount, json_get(x->container->json, STR("volumeMounts"))) {
		list[n++] = (struct runtime_mount){.source = mounts[i].source,
						   .image = mounts[i].image,
						   .image_path = mounts[i].sub_path,
						   .target = json_str(mount, "mountPath"),
						   .read_only = mounts[i].read_only,
						   .propagation = propagation_of(mount)};
		i++;
	}
	add_etc(x, disk, "hosts", list, &n);
	add_etc(x, disk, "resolv.conf", list, &n);
	add_etc(x, disk, "hostname", list, &n);
	if (words.n)
		list[n++] = (struct runtime_mount){
			.source = words, .target = words_target.n ? words_target : STR("/dev/termination-log")};
	out->mounts = outer_first(x->arena, list, n);
	out->mount_count = n;
}

void launch_pod(struct arena *a, const struct pod_spec *s, struct str net_ns, struct str hostname,
		struct runtime_pod_spec *out)
{
	const struct json *sysctls = json_at(s->object, "spec.securityContext.sysctls");
	struct runtime_sysctl *list = ARENA_ARRAY(a, struct runtime_sysctl, (sysctls ? sysctls->count : 0) + 1);
	*out = (struct runtime_pod_spec){
		.uid = s->uid,
		.hostname = s->host_network ? STR_NONE : hostname,
		.net_ns = net_ns,
		.host_pid = json_is_true(s->object, "spec.hostPID"),
		.host_ipc = json_is_true(s->object, "spec.hostIPC"),
		.share_pid = json_is_true(s->object, "spec.shareProcessNamespace"),
		.limits = pod_limits(s),
		.sysctls = list,
	};
	json_each(item, sysctls)
		list[out->sysctl_count++] = (struct runtime_sysctl){json_str(item, "name"), json_str(item, "value")};
}
