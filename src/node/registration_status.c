// SPDX-License-Identifier: Apache-2.0
#include "base/times.h"
#include "node/registration.h"

#define KUBELET_VERSION "v1.36.0+onggi" // the API level that this node speaks

struct node_amounts registration_allocatable(const struct machine *m, int pods_max)
{
	enum { SYSTEM_MEMORY = 100 << 20 }; // the same as the least that must stay available
	int64_t memory = m->memory > 2 * SYSTEM_MEMORY ? m->memory - SYSTEM_MEMORY : m->memory;
	return (struct node_amounts){m->cpus * 1000, memory, m->storage - m->storage / 10, pods_max};
}

static void put_labels(struct arena *a, struct json *labels, struct str more)
{
	struct str pair, key, value;
	while (str_next(&more, ',', &pair)) {
		str_cut(pair, '=', &key, &value);
		if (key.n)
			json_set(labels, key, json_string(a, value));
	}
}

struct json *registration_node(struct arena *a, const struct registration_config *c)
{
	const struct {
		const char *key;
		struct str value;
	} usual[] = {
		{"kubernetes.io/hostname", c->name},
		{"kubernetes.io/os", STR("linux")},
		{"kubernetes.io/arch", c->machine->architecture},
		{"beta.kubernetes.io/os", STR("linux")},
		{"beta.kubernetes.io/arch", c->machine->architecture},
	};
	struct json *node = json_object(a);
	json_put_str(a, node, "apiVersion", STR("v1"));
	json_put_str(a, node, "kind", STR("Node"));
	struct json *meta = json_put(node, "metadata", json_object(a)), *labels = json_object(a);
	json_put_str(a, meta, "name", c->name);
	json_put(meta, "labels", labels);
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		json_put_str(a, labels, usual[i].key, usual[i].value);
	put_labels(a, labels, c->labels);
	return node;
}

// ---- status

static void put_resources(struct arena *a, struct json *status, const char *key, int64_t cpu_milli, int64_t memory,
			  int64_t storage, int64_t pods)
{
	struct json *r = json_put(status, key, json_object(a));
	json_put_str(a, r, "cpu",
		     cpu_milli % 1000 ? arena_fmt(a, "%lldm", (long long)cpu_milli)
				      : arena_fmt(a, "%lld", (long long)cpu_milli / 1000));
	json_put_str(a, r, "ephemeral-storage", arena_fmt(a, "%lldKi", (long long)storage / 1024));
	json_put_str(a, r, "hugepages-1Gi", STR("0"));
	json_put_str(a, r, "hugepages-2Mi", STR("0"));
	json_put_str(a, r, "memory", arena_fmt(a, "%lldKi", (long long)memory / 1024));
	json_put_str(a, r, "pods", arena_fmt(a, "%lld", (long long)pods));
}

static const struct json *find_condition(const struct json *status, const char *type)
{
	json_each(c, json_get(status, STR("conditions"))) {
		if (json_str_is(c, "type", type))
			return c;
	}
	return NULL;
}

static void put_conditions(struct arena *a, struct json *status, const struct machine_pressure *p, int64_t now,
			   const struct json *previous)
{
	const struct {
		const char *type;
		bool is;
		const char *reason, *message;
	} all[] = {
		{"MemoryPressure", p->memory, p->memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
		 p->memory ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"},
		{"DiskPressure", p->disk, p->disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
		 p->disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"},
		{"PIDPressure", p->pids, p->pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
		 p->pids ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available"},
		{"Ready", true, "KubeletReady", "kubelet is posting ready status"},
	};
	struct json *list = json_put(status, "conditions", json_array(a));
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct str is = all[i].is ? STR("True") : STR("False");
		const struct json *before = find_condition(previous, all[i].type);
		struct str since =
			str_eq(json_str(before, "status"), is) ? json_str(before, "lastTransitionTime") : STR_NONE;
		struct json *c = json_push(list, json_object(a));
		json_put_str(a, c, "type", str_of(all[i].type));
		json_put_str(a, c, "status", is);
		json_put_str(a, c, "lastHeartbeatTime", time_format(a, now));
		json_put_str(a, c, "lastTransitionTime", since.n ? arena_str(a, since) : time_format(a, now));
		json_put_str(a, c, "reason", str_of(all[i].reason));
		json_put_str(a, c, "message", str_of(all[i].message));
	}
}

static void put_address(struct arena *a, struct json *list, const char *type, struct str address)
{
	struct json *one = json_push(list, json_object(a));
	json_put_str(a, one, "type", str_of(type));
	json_put_str(a, one, "address", address);
}

struct json *registration_status(struct arena *a, const struct registration_config *c, const struct machine_pressure *p,
				 int64_t now, const struct json *previous)
{
	const struct machine *m = c->machine;
	struct node_amounts free = registration_allocatable(m, c->pods_max);
	struct json *status = json_object(a);
	put_resources(a, status, "capacity", m->cpus * 1000, m->memory, m->storage, c->pods_max);
	put_resources(a, status, "allocatable", free.cpu_milli, free.memory, free.storage, free.pods);
	put_conditions(a, status, p, now, previous);
	struct json *addresses = json_put(status, "addresses", json_array(a));
	put_address(a, addresses, "InternalIP", c->address);
	put_address(a, addresses, "Hostname", c->name);
	json_put_int(a, json_need_object(a, status, "daemonEndpoints.kubeletEndpoint"), "Port", c->port);
	struct json *info = json_put(status, "nodeInfo", json_object(a));
	json_put_str(a, info, "machineID", m->machine_id);
	json_put_str(a, info, "systemUUID", m->system_uuid);
	json_put_str(a, info, "bootID", m->boot_id);
	json_put_str(a, info, "kernelVersion", m->kernel);
	json_put_str(a, info, "osImage", m->os_image);
	json_put_str(a, info, "containerRuntimeVersion", m->runtime_version);
	json_put_str(a, info, "kubeletVersion", STR(KUBELET_VERSION));
	json_put_str(a, info, "kubeProxyVersion", STR(""));
	json_put_str(a, info, "operatingSystem", STR("linux"));
	json_put_str(a, info, "architecture", m->architecture);
	return status;
}
