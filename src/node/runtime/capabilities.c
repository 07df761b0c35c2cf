// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/prctl.h>

#include "base/json.h"
#include "node/runtime/identity.h"

// By their numbers in the kernel (capability.h).
static const char *const names[] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
	"SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
};

// What containers get where nobody says otherwise, in all engines.
static const char *const ordinary[] = {
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
};

static const uint64_t all = (UINT64_C(1) << ARRAY_LEN(names)) - 1;

static int bit_of(struct str name, uint64_t *bit)
{
	if (str_starts(name, STR("CAP_")))
		name = str_from(name, 4);
	if (str_is(name, "ALL")) {
		*bit = all;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i])) {
			*bit = UINT64_C(1) << i;
			return 0;
		}
	}
	return -1;
}

uint64_t capabilities_own(void)
{
	uint64_t own = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			own |= UINT64_C(1) << i;
	return own;
}

static int collect(const struct str *list, size_t count, uint64_t *set, struct err *e)
{
	*set = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t bit;
		if (bit_of(list[i], &bit) < 0)
			return err_set(e, ERR_INVALID, "unknown capability \"%.*s\"", STR_FMT(list[i]));
		*set |= bit;
	}
	return 0;
}

// ALL among the added or dropped comes first, single names after it: drop ALL and add CHOWN leaves CHOWN.
int capabilities_of(const struct runtime_container_spec *spec, uint64_t own, uint64_t *out, struct err *e)
{
	uint64_t add, drop, set = 0, bit;
	if (spec->privileged) {
		*out = own;
		return 0;
	}
	if (collect(spec->cap_add, spec->cap_add_count, &add, e) < 0 ||
	    collect(spec->cap_drop, spec->cap_drop_count, &drop, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(ordinary); i++)
		if (bit_of(str_of(ordinary[i]), &bit) == 0)
			set |= bit;
	if (add == all)
		set = all & ~drop;
	else if (drop == all)
		set = add;
	else
		set = (set | add) & ~drop;
	*out = set & own;
	return 0;
}

struct json *capabilities_json(struct arena *a, uint64_t set)
{
	struct json *list = json_array(a);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (set >> i & 1)
			json_push(list, json_string(a, arena_fmt(a, "CAP_%s", names[i])));
	return list;
}
