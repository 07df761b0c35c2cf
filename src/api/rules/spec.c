// SPDX-License-Identifier: Apache-2.0
// The spec of a pod: what concerns the pod as a whole.
#include "api/rules/pod.h"

enum { NAMESERVERS_MAX = 3, SEARCHES_MAX = 32, SEARCH_BYTES_MAX = 2048 };

static void check_search(struct check *c, const struct path *p, struct str domain)
{
	if (str_is(domain, "."))
		return;
	char *plain = arena_c(c->arena, domain);
	for (char *at = plain; *at; at++) // '_' is allowed here, unlike in names: at the beginning too
		if (*at == '_')
			*at = at > plain && at[-1] != '.' ? '-' : at[1] == '\0' || strchr("-_.", at[1]) ? '-' : 'x';
	struct format_faults f = {0};
	format_domain_name(str_of(plain), &f);
	for (size_t i = 0; i < f.count; i++)
		fail_text(c, p, domain, "%s", f.text[i]);
}

static void check_dns_config(struct check *c, const struct path *p, const struct json *config)
{
	const struct json *servers = field(config, "nameservers"), *searches = field(config, "searches");
	size_t i = 0, bytes = 0;
	if (count_of(servers) > NAMESERVERS_MAX)
		fail_invalid(c, AT(p, "nameservers"), servers, "at most %d nameservers", NAMESERVERS_MAX);
	json_each(server, servers)
		check_format(c, AT_INDEX(AT(p, "nameservers"), i++), server->text, format_ip);
	i = 0;
	json_each(search, searches) {
		bytes += search->text.n + 1;
		check_search(c, AT_INDEX(AT(p, "searches"), i++), search->text);
	}
	if (count_of(searches) > SEARCHES_MAX)
		fail_invalid(c, AT(p, "searches"), searches, "at most %d search paths", SEARCHES_MAX);
	if (bytes > SEARCH_BYTES_MAX + 1) // with spaces between
		fail_invalid(c, AT(p, "searches"), searches, "at most %d bytes together", SEARCH_BYTES_MAX);
	i = 0;
	json_each(option, field(config, "options")) {
		if (!text_of(option, "name").n)
			fail_required(c, AT_INDEX(AT(p, "options"), i), "an option has a name");
		i++;
	}
}

static void check_dns(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *config = field(spec, "dnsConfig");
	bool none = str_is(text_of(spec, "dnsPolicy"), "None");
	ONE_OF(c, AT(p, "dnsPolicy"), field(spec, "dnsPolicy"), "ClusterFirstWithHostNet", "ClusterFirst", "Default",
	       "None");
	if (none && !config)
		fail_required(c, AT(p, "dnsConfig"), "a pod whose `dnsPolicy` is None says how names are looked up");
	else if (none && !is_set(config, "nameservers"))
		fail_required(c, AT(AT(p, "dnsConfig"), "nameservers"),
			      "a pod whose `dnsPolicy` is None has a nameserver");
	else
		check_dns_config(c, AT(p, "dnsConfig"), config);
}

static void check_host_aliases(struct check *c, const struct path *p, const struct json *aliases)
{
	size_t i = 0;
	json_each(alias, aliases) {
		const struct path *at = AT_INDEX(p, i++);
		size_t j = 0;
		check_format(c, AT(at, "ip"), text_of(alias, "ip"), format_ip);
		json_each(host, field(alias, "hostnames"))
			check_format(c, AT_INDEX(AT(at, "hostnames"), j++), host->text, format_dns_subdomain);
	}
}

static void check_gates(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *gates = field(spec, "schedulingGates");
	size_t i = 0;
	json_each(gate, field(spec, "readinessGates"))
		check_format(c, AT(AT_INDEX(AT(p, "readinessGates"), i++), "conditionType"),
			     text_of(gate, "conditionType"), format_qualified_name);
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	i = 0;
	json_each(gate, gates) {
		const struct path *at = AT_INDEX(AT(p, "schedulingGates"), i++);
		check_format(c, at, text_of(gate, "name"), format_qualified_name);
		if (seen_add(&known, text_of(gate, "name")))
			fail_duplicate(c, at, field(gate, "name"));
	}
}

static void check_optional(struct check *c, const struct path *p, const struct json *spec, const char *name,
			   format_check *format)
{
	if (text_of(spec, name).n)
		check_format(c, AT_STR(p, str_of(name)), text_of(spec, name), format);
}

static void check_names(struct check *c, const struct path *p, const struct json *spec)
{
	check_optional(c, p, spec, "serviceAccountName", format_dns_subdomain);
	check_optional(c, p, spec, "nodeName", format_dns_subdomain);
	check_optional(c, p, spec, "hostname", format_dns_label);
	check_optional(c, p, spec, "subdomain", format_dns_label);
	check_optional(c, p, spec, "priorityClassName", format_dns_subdomain);
	if (field(spec, "runtimeClassName"))
		check_format(c, AT(p, "runtimeClassName"), text_of(spec, "runtimeClassName"), format_dns_subdomain);
	check_labels(c, AT(p, "nodeSelector"), field(spec, "nodeSelector"));
}

static void check_os(struct check *c, const struct path *p, const struct json *os)
{
	static const char *const systems[] = {"linux", "windows", NULL};
	struct str name = text_of(os, "name");
	if (!name.n)
		fail_required(c, AT(p, "name"), "use linux or windows");
	else if (!text_is_one_of(name, systems))
		fail_unsupported(c, p, field(os, "name"), systems);
}

// On the host's network a container's port is the host's; a template may leave it to who makes pods of it.
static void check_host_network(struct check *c, const struct path *p, const struct json *containers, bool is_pod)
{
	size_t i = 0;
	json_each(container, containers) {
		size_t j = 0;
		json_each(port, field(container, "ports")) {
			int64_t of_host = json_i64(port, "hostPort", 0);
			if ((is_pod || of_host) && of_host != json_i64(port, "containerPort", 0))
				fail_invalid(c, AT(AT_INDEX(AT(AT_INDEX(p, i), "ports"), j), "hostPort"),
					     field(port, "hostPort"),
					     "must be equal to `containerPort` when `hostNetwork` is true");
			j++;
		}
		i++;
	}
}

enum { HOSTNAME_MAX = 64 };

static void check_hostname(struct check *c, const struct path *p, const struct json *spec)
{
	const struct json *name = field(spec, "hostnameOverride");
	const struct path *at = AT(p, "hostnameOverride");
	if (!name)
		return;
	if (is_true(spec, "setHostnameAsFQDN"))
		fail_forbidden(c, at, "not with setHostnameAsFQDN");
	if (is_true(spec, "hostNetwork"))
		fail_forbidden(c, at, "not on the host's network");
	if (name->text.n > HOSTNAME_MAX)
		fail_too_long(c, at, HOSTNAME_MAX);
	check_format(c, at, name->text, format_dns_subdomain);
}

static void check_no_devices(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	if (is_set(container, "volumeDevices"))
		fail_forbidden(c, AT(p, "volumeDevices"), "not when `hostUsers` is false");
}

// Users of its own a pod can't have in namespaces of the host.
static void check_own_users(struct check *c, const struct path *p, const struct json *spec)
{
	static const struct {
		const char *name, *told;
	} of_host[] = {{"hostNetwork", "hostNetwork"}, {"hostPID", "HostPID"}, {"hostIPC", "HostIPC"}};
	const struct json *host_users = field(spec, "hostUsers");
	if (!host_users || host_users->boolean)
		return;
	for (size_t i = 0; i < ARRAY_LEN(of_host); i++)
		if (is_true(spec, of_host[i].name))
			fail_forbidden(c, AT_STR(p, str_of(of_host[i].told)), "not when `hostUsers` is false");
	each_container(c, p, spec, check_no_devices, NULL);
}

void each_container(struct check *c, const struct path *spec_path, const struct json *spec,
		    void (*check)(struct check *c, const struct path *p, const struct json *container, void *arg),
		    void *arg)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		size_t j = 0;
		json_each(container, field(spec, lists[i]))
			check(c, AT_INDEX(AT_STR(spec_path, str_of(lists[i])), j++), container, arg);
	}
}

static void pod_scope_init(struct pod_scope *pod)
{
	seen_init(&pod->volumes);
	seen_init(&pod->claimed);
	seen_init(&pod->claims);
}

static void pod_scope_finish(struct pod_scope *pod)
{
	seen_finish(&pod->volumes);
	seen_finish(&pod->claimed);
	seen_finish(&pod->claims);
}

static void check_parts(struct check *c, const struct path *p, const struct json *spec, struct pod_scope *pod)
{
	check_volumes(c, AT(p, "volumes"), field(spec, "volumes"), pod);
	check_device_claims(c, AT(p, "resourceClaims"), field(spec, "resourceClaims"), pod);
	check_containers(c, p, pod);
	check_env_files(c, p, spec);
	check_pod_resources(c, AT(p, "resources"), pod);
	check_overhead(c, AT(p, "overhead"), field(spec, "overhead"));
}

void check_pod_spec(struct check *c, const struct path *p, const struct json *spec, bool is_pod, struct str pod_name)
{
	struct pod_scope pod = {.spec = spec,
				.is_pod = is_pod,
				.pod_name = pod_name,
				.grace_s = json_i64(spec, "terminationGracePeriodSeconds", 30)};
	const struct json *deadline = field(spec, "activeDeadlineSeconds"),
			  *preemption = field(spec, "preemptionPolicy");
	pod_scope_init(&pod);
	check_parts(c, p, spec, &pod);
	if (is_true(spec, "hostNetwork"))
		check_host_network(c, AT(p, "containers"), field(spec, "containers"), is_pod);
	check_own_users(c, p, spec);
	check_hostname(c, p, spec);
	ONE_OF(c, AT(p, "restartPolicy"), field(spec, "restartPolicy"), "Always", "OnFailure", "Never");
	check_dns(c, p, spec);
	check_pod_security(c, p, spec);
	check_placement(c, p, spec);
	check_gates(c, p, spec);
	check_names(c, p, spec);
	if (deadline)
		check_range(c, AT(p, "activeDeadlineSeconds"), deadline, 1, INT32_MAX);
	check_host_aliases(c, AT(p, "hostAliases"), field(spec, "hostAliases"));
	if (preemption && !preemption->text.n)
		fail_required(c, AT(p, "preemptionPolicy"), "must say something where it is given");
	else if (preemption)
		ONE_OF(c, AT(p, "preemptionPolicy"), preemption, "PreemptLowerPriority", "Never");
	if (field(spec, "os"))
		check_os(c, AT(p, "os"), field(spec, "os"));
	check_system(c, p, spec);
	pod_scope_finish(&pod);
}

void check_pod_template(struct check *c, const struct path *p, const struct json *template)
{
	const struct json *metadata = field(template, "metadata"), *spec = field(template, "spec");
	check_labels(c, AT(p, "labels"), field(metadata, "labels"));
	check_annotations(c, AT(p, "annotations"), field(metadata, "annotations"));
	check_pod_annotations(c, AT(p, "annotations"), template, NULL);
	check_pod_spec(c, AT(p, "spec"), spec, false, STR_NONE);
	check_profile_annotations(c, p, template);
	if (is_set(spec, "ephemeralContainers"))
		fail_forbidden(c, AT(AT(p, "spec"), "ephemeralContainers"), "a template has no ephemeral containers");
}
