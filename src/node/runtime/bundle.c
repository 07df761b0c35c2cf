// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/bundle.h"

#include <sys/stat.h>

#include "node/runtime/host_devices.h"

static struct json *strings(struct arena *a, const struct str *items, size_t count)
{
	struct json *list = json_array(a);
	for (size_t i = 0; i < count; i++)
		json_push(list, json_string(a, items[i]));
	return list;
}

static struct json *words(struct arena *a, const char *space_separated)
{
	struct json *list = json_array(a);
	struct str rest = str_of(space_separated), word;
	while (str_next(&rest, ' ', &word))
		json_push(list, json_string(a, word));
	return list;
}

// ---- process

static struct json *user_json(struct arena *a, const struct identity *who)
{
	struct json *user = json_object(a), *groups = json_array(a);
	json_put_int(a, user, "uid", who->uid);
	json_put_int(a, user, "gid", who->gid);
	for (size_t i = 0; i < who->group_count; i++)
		json_push(groups, json_int(a, who->groups[i]));
	json_put(user, "additionalGids", groups);
	return user;
}

// No ambient and no inheritable ones: a process that is not root has none after exec, as with other engines.
static struct json *capability_sets(struct arena *a, uint64_t set)
{
	struct json *j = json_object(a);
	json_put(j, "bounding", capabilities_json(a, set));
	json_put(j, "effective", capabilities_json(a, set));
	json_put(j, "permitted", capabilities_json(a, set));
	return j;
}

static struct json *process(struct arena *a, const struct runtime_container_spec *c, const struct bundle_host *host,
			    const struct identity *who, uint64_t capabilities)
{
	struct json *p = json_object(a);
	json_put_bool(a, p, "terminal", c->tty);
	json_put(p, "user", user_json(a, who));
	json_put(p, "args", strings(a, c->args, c->arg_count));
	json_put(p, "env", strings(a, c->env, c->env_count));
	json_put_str(a, p, "cwd", str_empty(c->cwd) ? STR("/") : c->cwd);
	json_put(p, "capabilities", capability_sets(a, capabilities));
	json_put_bool(a, p, "noNewPrivileges", c->no_new_privileges);
	if (c->oom_score_adj >= host->oom_score_least)
		json_put_int(a, p, "oomScoreAdj", c->oom_score_adj);
	return p;
}

// ---- mounts

static void add_mount(struct arena *a, struct json *mounts, const char *target, const char *type, const char *source,
		      const char *options)
{
	struct json *m = json_push(mounts, json_object(a));
	json_put_str(a, m, "destination", str_of(target));
	json_put_str(a, m, "type", str_of(type));
	json_put_str(a, m, "source", str_of(source));
	json_put(m, "options", words(a, options));
}

static void add_own_mounts(struct arena *a, struct json *mounts, const struct runtime_container_spec *c,
			   const struct bundle_pod *pod, const struct bundle_host *host)
{
	add_mount(a, mounts, "/proc", "proc", "proc", "nosuid noexec nodev");
	add_mount(a, mounts, "/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k");
	add_mount(a, mounts, "/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5");
	add_mount(a, mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev");
	add_mount(a, mounts, "/dev/shm", "bind", arena_c(a, pod->shm), "rbind rw");
	const char *how = c->privileged ? "nosuid noexec nodev" : "nosuid noexec nodev ro";
	add_mount(a, mounts, "/sys", "sysfs", "sysfs", how);
	add_mount(a, mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
		  c->privileged && host->cgroup_v2 ? "nosuid noexec nodev relatime"
						   : "nosuid noexec nodev relatime ro");
}

static void add_spec_mount(struct arena *a, struct json *mounts, const struct runtime_mount *m)
{
	static const char *const propagation[] = {
		[RUNTIME_PRIVATE] = "rprivate",
		[RUNTIME_HOST_TO_CONTAINER] = "rslave",
		[RUNTIME_BIDIRECTIONAL] = "rshared",
	};
	const char *access = m->image.n ? "ro nosuid nodev noexec" : m->read_only ? "ro" : "rw", *target = arena_c(a, m->target);
	if (str_empty(m->source))
		add_mount(a, mounts, target, "tmpfs", "tmpfs", arena_fmt(a, "nosuid nodev mode=1777 %s", access).p);
	else
		add_mount(a, mounts, target, "bind", arena_c(a, m->source),
			  arena_fmt(a, "rbind %s %s", access, propagation[m->propagation]).p);
}

// A mount of the pod over one of ours (/dev/shm, /sys/fs/cgroup) takes its place.
static void drop_replaced(struct json *mounts, const struct runtime_container_spec *c)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		struct json *next;
		for (struct json *m = json_first(mounts); m; m = next) {
			next = m->next;
			if (str_eq(json_str(m, "destination"), c->mounts[i].target))
				json_unlink(mounts, m);
		}
	}
}

static struct json *all_mounts(struct arena *a, const struct runtime_container_spec *c, const struct bundle_pod *pod,
			       const struct bundle_host *host)
{
	struct json *mounts = json_array(a);
	add_own_mounts(a, mounts, c, pod, host);
	drop_replaced(mounts, c);
	for (size_t i = 0; i < c->mount_count; i++)
		add_spec_mount(a, mounts, &c->mounts[i]);
	return mounts;
}

// ---- linux

static void add_namespace(struct arena *a, struct json *list, const char *type, struct str path)
{
	struct json *n = json_push(list, json_object(a));
	json_put_str(a, n, "type", str_of(type));
	if (!str_empty(path))
		json_put_str(a, n, "path", path);
}

static struct json *namespaces(struct arena *a, const struct bundle_pod *pod, const struct bundle_host *host)
{
	struct json *list = json_array(a);
	add_namespace(a, list, "mount", STR_NONE);
	if (!pod->host_pid)
		add_namespace(a, list, "pid", pod->pid_ns);
	if (!str_empty(pod->net_ns))
		add_namespace(a, list, "network", pod->net_ns);
	if (!str_empty(pod->ipc_ns))
		add_namespace(a, list, "ipc", pod->ipc_ns);
	if (!str_empty(pod->uts_ns))
		add_namespace(a, list, "uts", pod->uts_ns);
	if (host->cgroup_v2)
		add_namespace(a, list, "cgroup", STR_NONE);
	return list;
}

// Limits are set by us (node/cgroup), so that both versions of control groups are treated in one place: crun is only told
// of devices.
static struct json *resources(struct arena *a, const struct runtime_container_spec *c, const struct json *devices)
{
	struct json *r = json_object(a), *rules = json_put(r, "devices", json_array(a));
	struct json *all = json_push(rules, json_object(a));
	json_put_bool(a, all, "allow", c->privileged);
	json_put_str(a, all, "access", STR("rwm"));
	json_each(d, devices) {
		struct json *rule = json_push(rules, json_object(a));
		json_put_bool(a, rule, "allow", true);
		json_put_str(a, rule, "access", STR("rwm"));
		json_put_str(a, rule, "type", json_str(d, "type"));
		json_put_int(a, rule, "major", json_i64(d, "major", 0));
		json_put_int(a, rule, "minor", json_i64(d, "minor", 0));
	}
	return r;
}

static const char masked[] = "/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats "
			     "/proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware "
			     "/sys/devices/virtual/powercap";
static const char read_only[] = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

static struct json *linux_part(struct arena *a, const struct runtime_container_spec *c, const struct bundle_pod *pod,
			       const struct bundle_host *host)
{
	struct json *l = json_object(a);
	struct json *devices = c->privileged ? host_devices_all(a) : host_devices_named(a, c->devices, c->device_count);
	json_put(l, "namespaces", namespaces(a, pod, host));
	json_put_str(a, l, "cgroupsPath", host->cgroup);
	json_put(l, "devices", devices);
	json_put(l, "resources", resources(a, c, devices));
	if (!c->privileged && !c->unmasked_proc) {
		json_put(l, "maskedPaths", words(a, masked));
		json_put(l, "readonlyPaths", words(a, read_only));
	}
	return l;
}

struct json *bundle_config(struct arena *a, const struct runtime_container_spec *spec, const struct bundle_pod *pod,
			   const struct bundle_host *host, const struct identity *who, uint64_t capabilities)
{
	struct json *j = json_object(a), *root = json_object(a);
	json_put_str(a, j, "ociVersion", STR("1.0.2"));
	json_put(j, "process", process(a, spec, host, who, capabilities));
	json_put_str(a, root, "path", STR("rootfs"));
	json_put_bool(a, root, "readonly", spec->read_only_root);
	json_put(j, "root", root);
	json_put(j, "mounts", all_mounts(a, spec, pod, host));
	json_put(j, "linux", linux_part(a, spec, pod, host));
	if (!str_empty(host->seccomp)) {
		struct json *notes = json_put(j, "annotations", json_object(a));
		json_put_str(a, notes, "run.oci.seccomp_bpf_data", host->seccomp);
	}
	return j;
}
