// SPDX-License-Identifier: Apache-2.0
// Security contexts of pods and containers.
#include "api/rules/pod.h"

static void check_id(struct check *c, const struct path *p, const struct json *context, const char *name)
{
	if (field(context, name))
		check_range(c, AT_STR(p, str_of(name)), field(context, name), 0, INT32_MAX);
}

static void check_seccomp(struct check *c, const struct path *p, const struct json *profile)
{
	const struct json *file = field(profile, "localhostProfile");
	struct str type = text_of(profile, "type");
	if (!profile)
		return;
	if (!type.n)
		fail_required(c, AT(p, "type"), "a seccompProfile has a type");
	else
		ONE_OF(c, AT(p, "type"), field(profile, "type"), "Localhost", "RuntimeDefault", "Unconfined");
	if (!str_is(type, "Localhost")) {
		if (file)
			fail_invalid(c, AT(p, "localhostProfile"), file, "may only be set when the type is Localhost");
	} else if (!file) {
		fail_required(c, AT(p, "localhostProfile"), "must be set when the type is Localhost");
	} else {
		check_descending_path(c, AT(p, "localhostProfile"), file->text);
	}
}

enum { PROFILE_NAME_MAX = 4095 };

static void check_loaded_profile(struct check *c, const struct path *p, const struct json *name)
{
	if (!name || !name->text.n)
		fail_required(c, p, "must be set when the type is Localhost");
	else if (str_trim(name->text).n != name->text.n)
		fail_invalid(c, p, name, "must not begin or end with a space");
	if (name && name->text.n > PROFILE_NAME_MAX)
		fail_too_long(c, p, PROFILE_NAME_MAX);
}

static void check_app_armor(struct check *c, const struct path *p, const struct json *profile)
{
	const struct json *name = field(profile, "localhostProfile");
	if (!profile)
		return;
	if (!text_of(profile, "type").n)
		fail_required(c, AT(p, "type"), "an appArmorProfile has a type");
	else if (!ONE_OF(c, AT(p, "type"), field(profile, "type"), "Localhost", "RuntimeDefault", "Unconfined"))
		return;
	else if (str_is(text_of(profile, "type"), "Localhost"))
		check_loaded_profile(c, AT(p, "localhostProfile"), name);
	else if (name)
		fail_invalid(c, AT(p, "localhostProfile"), name, "may only be set when the type is Localhost");
}

// Parameters of the kernel that belong to a namespace the pod shares with the host are the host's.
static bool is_host_sysctl(struct str name, const struct json *spec)
{
	static const char *const ipc[] = {"kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."};
	char dotted[260];
	if (!str_to_c(name, dotted, sizeof dotted))
		return false;
	for (char *at = dotted; *at; at++)
		if (*at == '/')
			*at = '.';
	if (is_true(spec, "hostNetwork") && str_starts(str_of(dotted), STR("net.")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (is_true(spec, "hostIPC") && str_starts(str_of(dotted), str_of(ipc[i])))
			return true;
	return false;
}

static void check_sysctls(struct check *c, const struct path *p, const struct json *sysctls, const struct json *spec)
{
	struct seen known CLEAN_SEEN;
	seen_init(&known);
	size_t i = 0;
	json_each(sysctl, sysctls) {
		const struct path *at = AT(AT_INDEX(p, i++), "name");
		struct str name = text_of(sysctl, "name");
		bool twice = seen_add(&known, name);
		if (!name.n)
			fail_required(c, at, "a sysctl has a name");
		else if (!format_good(format_sysctl, name))
			check_format(c, at, name, format_sysctl);
		else if (twice)
			fail_duplicate(c, at, field(sysctl, "name"));
		if (is_host_sysctl(name, spec))
			fail_text(c, at, name, "the pod shares this with the host");
	}
}

void check_pod_security(struct check *c, const struct path *p, const struct json *spec)
{
	const struct path *at = AT(p, "securityContext");
	const struct json *context = field(spec, "securityContext");
	size_t i = 0;
	check_id(c, at, context, "fsGroup");
	check_id(c, at, context, "runAsUser");
	check_id(c, at, context, "runAsGroup");
	json_each(group, field(context, "supplementalGroups"))
		check_range(c, AT_INDEX(AT(at, "supplementalGroups"), i++), group, 0, INT32_MAX);
	if (is_true(spec, "shareProcessNamespace") && is_true(spec, "hostPID"))
		fail_invalid(c, AT(at, "shareProcessNamespace"), field(spec, "shareProcessNamespace"),
			     "can't be combined with hostPID");
	check_sysctls(c, AT(at, "sysctls"), field(context, "sysctls"), spec);
	if (field(context, "fsGroupChangePolicy"))
		ONE_OF(c, AT(at, "fsGroupChangePolicy"), field(context, "fsGroupChangePolicy"), "Always",
		       "OnRootMismatch");
	if (field(context, "supplementalGroupsPolicy"))
		ONE_OF(c, AT(at, "supplementalGroupsPolicy"), field(context, "supplementalGroupsPolicy"), "Merge",
		       "Strict");
	if (field(context, "seLinuxChangePolicy"))
		ONE_OF(c, AT(at, "seLinuxChangePolicy"), field(context, "seLinuxChangePolicy"), "MountOption",
		       "Recursive");
	check_seccomp(c, AT(at, "seccompProfile"), field(context, "seccompProfile"));
	check_app_armor(c, AT(at, "appArmorProfile"), field(context, "appArmorProfile"));
	check_windows_options(c, AT(at, "windowsOptions"), field(context, "windowsOptions"));
}

// Privileges that imply the means to gain more.
static void check_escalation(struct check *c, const struct path *p, const struct json *context)
{
	const struct json *escalation = field(context, "allowPrivilegeEscalation");
	if (!escalation || escalation->boolean)
		return;
	if (is_true(context, "privileged"))
		fail_invalid(c, p, context, "a privileged container can't have `allowPrivilegeEscalation` false");
	json_each(capability, json_at(context, "capabilities.add"))
		if (str_is(capability->text, "CAP_SYS_ADMIN"))
			fail_invalid(c, p, context,
				     "a container with CAP_SYS_ADMIN can't have `allowPrivilegeEscalation` false");
}

void check_container_security(struct check *c, const struct path *p, const struct json *context,
			      const struct json *spec)
{
	const struct json *mount = field(context, "procMount"), *host_users = field(spec, "hostUsers");
	if (!context)
		return;
	check_id(c, p, context, "runAsUser");
	check_id(c, p, context, "runAsGroup");
	if (mount && ONE_OF(c, AT(p, "procMount"), mount, "Default", "Unmasked") && str_is(mount->text, "Unmasked") &&
	    !(host_users && !host_users->boolean))
		fail_invalid(c, AT(p, "procMount"), mount, "`hostUsers` must be false for 'Unmasked'");
	check_seccomp(c, AT(p, "seccompProfile"), field(context, "seccompProfile"));
	check_app_armor(c, AT(p, "appArmorProfile"), field(context, "appArmorProfile"));
	check_windows_options(c, AT(p, "windowsOptions"), field(context, "windowsOptions"));
	check_escalation(c, p, context);
}
