// SPDX-License-Identifier: Apache-2.0
// What is only for pods of one operating system: options of Windows, and what Linux has that Windows has not. Whether
// a pod is of either it may say itself (spec.os).
#include "api/rules/pod.h"

enum { CREDENTIAL_SPEC_MAX = 64 * 1024, DOMAIN_MAX = 255, NETBIOS_MAX = 15, USER_MAX = 104 };

static bool has_any(struct str s, const char *characters)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] && strchr(characters, s.p[i]))
			return true;
	return false;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

// A NetBIOS name, or a DNS name in any case.
static bool is_domain(struct check *c, struct str domain)
{
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct check trial = {.arena = c->arena, .e = &ignored};
	if (domain.n && domain.n <= NETBIOS_MAX && domain.p[0] != '.' && !has_any(domain, "\\/:*?\"<>|"))
		return true;
	check_lower_format(&trial, NULL, domain, format_dns_subdomain);
	return trial.failures == 0;
}

static void check_user(struct check *c, const struct path *p, struct str all)
{
	struct str domain, user;
	bool has_domain = str_cut(all, '\\', &domain, &user);
	if (!has_domain)
		user = all;
	if (str_find(user, '\\') >= 0) {
		fail_text(c, p, all, "must not have more than one backslash");
		return;
	}
	if (has_domain && domain.n > DOMAIN_MAX)
		fail_text(c, p, all, "the domain must be no more than %d characters", DOMAIN_MAX);
	if (has_domain && !is_domain(c, domain))
		fail_text(c, p, all, "the domain must be a NetBIOS or a DNS name");
	if (!user.n)
		fail_text(c, p, all, "must name a user");
	else if (user.n > USER_MAX)
		fail_text(c, p, all, "the user must be no more than %d characters", USER_MAX);
	size_t dots = 0;
	while (dots < user.n && (user.p[dots] == '.' || user.p[dots] == ' '))
		dots++;
	if (user.n && dots == user.n)
		fail_text(c, p, all, "the user must not be of dots and spaces only");
	if (has_any(user, "\"/\\:;|=,+*?<>@[]"))
		fail_text(c, p, all, "the user must not have any of \"/\\:;|=,+*?<>@[]");
}

void check_windows_options(struct check *c, const struct path *p, const struct json *options)
{
	const struct json *name = field(options, "gmsaCredentialSpecName"), *spec = field(options, "gmsaCredentialSpec");
	const struct json *user = field(options, "runAsUserName");
	if (name)
		check_format(c, AT(p, "gmsaCredentialSpecName"), name->text, format_dns_subdomain);
	if (spec && (!spec->text.n || spec->text.n > CREDENTIAL_SPEC_MAX))
		fail_invalid(c, AT(p, "gmsaCredentialSpec"), spec, "must be of 1 to %d bytes", CREDENTIAL_SPEC_MAX);
	if (user && (!user->text.n || has_control(user->text)))
		fail_invalid(c, AT(p, "runAsUserName"), user, "must be a name, without control characters");
	else if (user)
		check_user(c, AT(p, "runAsUserName"), user->text);
}

// Containers of Windows that run as processes of the host: all of a pod's or none

struct host_processes {
	const struct json *whole; // as the pod has it
	size_t containers, of_host;
};

static void count_host_process(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	struct host_processes *h = arg;
	const struct json *own = json_at(container, "securityContext.windowsOptions.hostProcess");
	h->containers++;
	h->of_host += own ? own->boolean : h->whole && h->whole->boolean;
	if (h->whole && own && own->boolean != h->whole->boolean)
		fail_invalid(c, AT(AT(AT(p, "securityContext"), "windowsOptions"), "hostProcess"), own,
			     "must be as the pod has it");
}

static void check_host_processes(struct check *c, const struct path *p, const struct json *spec)
{
	struct host_processes h = {.whole = json_at(spec, "securityContext.windowsOptions.hostProcess")};
	each_container(c, p, spec, count_host_process, &h);
	if (h.of_host == 0)
		return;
	if (h.of_host != h.containers)
		fail_text(c, p, STR(""), "either all containers are processes of the host or none");
	if (!is_true(spec, "hostNetwork"))
		fail_invalid(c, AT(p, "hostNetwork"), json_bool(c->arena, false),
			     "must be true where containers are processes of the host");
}

// What each system has not

static void check_absent(struct check *c, const struct path *p, const struct json *object, const char *const *names,
			 const char *system)
{
	for (; *names; names++)
		if (field(object, *names))
			fail_forbidden(c, AT_STR(p, str_of(*names)), "not for a pod of %s", system);
}

static const char *const not_of_linux[] = {"windowsOptions", NULL};
static const char *const not_of_windows_pod[] = {
	"appArmorProfile",    "seLinuxOptions",		  "seccompProfile",	 "fsGroup",  "fsGroupChangePolicy",
	"sysctls",	      "runAsUser",		  "runAsGroup",		 "supplementalGroups",
	"supplementalGroupsPolicy", "seLinuxChangePolicy", NULL};
static const char *const not_of_windows_spec[] = {"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace", NULL};
static const char *const not_of_windows_container[] = {
	"appArmorProfile", "seLinuxOptions", "seccompProfile",		 "capabilities", "readOnlyRootFilesystem",
	"privileged",	   "procMount",	     "allowPrivilegeEscalation", "runAsUser",	 "runAsGroup",
	NULL};

static void check_linux_container(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	check_absent(c, AT(p, "securityContext"), field(container, "securityContext"), not_of_linux, "linux");
}

static void check_windows_container(struct check *c, const struct path *p, const struct json *container, void *arg)
{
	check_absent(c, AT(p, "securityContext"), field(container, "securityContext"), not_of_windows_container,
		     "windows");
}

void check_system(struct check *c, const struct path *p, const struct json *spec)
{
	const struct path *at = AT(p, "securityContext");
	const struct json *context = field(spec, "securityContext");
	struct str system = json_str(spec, "os.name");
	check_host_processes(c, p, spec);
	if (str_is(system, "linux")) {
		check_absent(c, at, context, not_of_linux, "linux");
		each_container(c, p, spec, check_linux_container, NULL);
	} else if (str_is(system, "windows")) {
		check_absent(c, p, spec, not_of_windows_spec, "windows");
		check_absent(c, at, context, not_of_windows_pod, "windows");
		each_container(c, p, spec, check_windows_container, NULL);
	}
}
