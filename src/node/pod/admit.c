// SPDX-License-Identifier: Apache-2.0
#include "node/pod/admit.h"

#include "node/runtime/sysctl.h"

static bool runs_elsewhere(const struct pod_spec *s)
{
	struct str os = json_str(s->object, "spec.os.name");
	return os.n && !str_is(os, "linux");
}

// ---- parameters of the kernel

// Of a namespace, and without influence on other pods.
static bool is_safe(struct str name)
{
	static const char *const safe[] = {
		"kernel.shm_rmid_forced",	"net.ipv4.ip_local_port_range",
		"net.ipv4.tcp_syncookies",	"net.ipv4.ping_group_range",
		"net.ipv4.tcp_fin_timeout",	"net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.tcp_keepalive_time",	"net.ipv4.ip_local_reserved_ports",
		"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_rmem",		"net.ipv4.tcp_wmem",
	};
	for (size_t i = 0; i < ARRAY_LEN(safe); i++)
		if (str_is(name, safe[i]))
			return true;
	return false;
}

static bool is_listed(struct str list, struct str name)
{
	struct str pattern;
	while (str_next(&list, ',', &pattern)) {
		pattern = str_trim(pattern);
		bool prefix = str_ends(pattern, STR("*"));
		if (prefix ? str_starts(name, str_sub(pattern, 0, pattern.n - 1)) : str_eq(name, pattern))
			return true;
	}
	return false;
}

static bool sysctls_admitted(struct arena *a, const struct pod_spec *s, struct str unsafe, struct str *message)
{
	bool own_ipc = !json_is_true(s->object, "spec.hostIPC");
	json_each(sysctl, json_at(s->object, "spec.securityContext.sysctls")) {
		struct str name = sysctl_dotted(a, json_str(sysctl, "name"));
		if (!sysctl_is_own(name, !s->host_network, own_ipc))
			*message = arena_fmt(a, "forbidden sysctl: \"%.*s\" is not of a namespace of the pod",
					     STR_FMT(name));
		else if (!is_safe(name) && !is_listed(unsafe, name))
			*message = arena_fmt(a, "forbidden sysctl: \"%.*s\" not allowlisted", STR_FMT(name));
		else
			continue;
		return false;
	}
	return true;
}

int admit_check_sysctls(struct str unsafe_sysctls, struct err *e)
{
	struct str pattern;
	while (str_next(&unsafe_sysctls, ',', &pattern)) {
		pattern = str_trim(pattern);
		if (pattern.n && !sysctl_is_own(pattern, true, true))
			return err_set(e, ERR_BAD_REQUEST, "\"%.*s\" is not of a namespace: no pod can have its own",
				       STR_FMT(pattern));
	}
	return 0;
}

// ---- ports of the host

static struct str or_else(struct str s, struct str otherwise)
{
	return s.n ? s : otherwise;
}

static bool is_any(struct str host_ip)
{
	return !host_ip.n || str_is(host_ip, "0.0.0.0") || str_is(host_ip, "::");
}

static bool same_host_port(const struct json *a, const struct json *b)
{
	struct str at_a = json_str(a, "hostIP"), at_b = json_str(b, "hostIP");
	int64_t port = json_i64(a, "hostPort", 0);
	return port && port == json_i64(b, "hostPort", 0) && (is_any(at_a) || is_any(at_b) || str_eq(at_a, at_b)) &&
	       str_eq(or_else(json_str(a, "protocol"), STR("TCP")), or_else(json_str(b, "protocol"), STR("TCP")));
}

// Init containers have ended when others may want their ports.
static bool is_lasting(const struct container_spec *c)
{
	return c->kind == CONTAINER_MAIN || c->kind == CONTAINER_SIDECAR;
}

static bool holds_port(const struct pod_spec *s, const struct json *port)
{
	for (size_t i = 0; i < s->container_count; i++)
		if (is_lasting(&s->containers[i]))
			json_each(own, json_get(s->containers[i].json, STR("ports")))
				if (same_host_port(own, port))
					return true;
	return false;
}

bool pods_share_host_port(const struct pod_spec *a, const struct pod_spec *b)
{
	for (size_t i = 0; i < a->container_count; i++)
		if (is_lasting(&a->containers[i]))
			json_each(port, json_get(a->containers[i].json, STR("ports")))
				if (json_i64(port, "hostPort", 0) && holds_port(b, port))
					return true;
	return false;
}

// ---- all

bool pod_admit(struct arena *a, const struct pod_spec *s, const struct admit_rules *r, const struct node_amounts *used,
	       const char **reason, struct str *message)
{
	if (runs_elsewhere(s)) {
		*reason = "PodOSNotSupported";
		*message = STR("Failed to admit pod as the OS field doesn't match node OS");
		return false;
	}
	if (!sysctls_admitted(a, s, r->unsafe_sysctls, message)) {
		*reason = "SysctlForbidden";
		return false;
	}
	return pod_fits(a, s, &r->allocatable, used, reason, message);
}
