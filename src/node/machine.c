// SPDX-License-Identifier: Apache-2.0
#include "node/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "node/volume/files.h"

enum { FILE_READ_MAX = 256 << 10, SHARE = 20 };
static const int64_t memory_least = 100LL << 20;

static struct str read_text(struct arena *a, const char *path)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	FILE *f = fopen(path, "re"); // these may be symlinks
	if (!f)
		return STR_NONE;
	files_read_fd(fileno(f), FILE_READ_MAX, &out);
	fclose(f);
	return arena_str(a, buf_str(&out));
}

// The value behind "KEY" and `separator` at the start of a line; STR_NONE: absent.
static struct str find_line(struct str text, const char *key, char separator)
{
	struct str line, name, value;
	while (str_next(&text, '\n', &line)) {
		if (str_cut(line, separator, &name, &value) && str_is(name, key))
			return str_trim(value);
	}
	return STR_NONE;
}

static int64_t kilobytes(struct str meminfo, const char *key)
{
	struct str value = find_line(meminfo, key, ':'), number, unit;
	int64_t n = 0;
	str_cut(value, ' ', &number, &unit);
	return str_to_i64(number, &n) ? 0 : n * 1024;
}

static int64_t read_number(struct arena *a, const char *path)
{
	int64_t n = 0;
	return str_to_i64(str_trim(read_text(a, path)), &n) ? 0 : n;
}

static struct str architecture_of(struct arena *a, const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return STR("amd64");
	if (!strcmp(machine, "aarch64"))
		return STR("arm64");
	return arena_str(a, str_of(machine));
}

static struct str runtime_version(struct arena *a)
{
	char line[128] = "";
	FILE *f = popen("crun --version 2>/dev/null", "re");
	if (!f)
		return STR("crun://unknown");
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	while (fgetc(f) != EOF)
		; // so that it ends by itself
	pclose(f);
	struct str words = str_trim(str_of(line)), word = STR_NONE;
	while (str_next(&words, ' ', &word))
		; // "crun version 1.8.1": the last one
	return arena_fmt(a, "crun://%.*s", STR_FMT(word.n ? word : STR("unknown")));
}

static struct str unquoted(struct str s)
{
	return s.n >= 2 && s.p[0] == '"' ? str_sub(s, 1, s.n - 2) : s;
}

int machine_read(struct arena *a, const char *data_dir, struct machine *out, struct err *e)
{
	struct utsname name;
	struct statvfs fs;
	struct str meminfo = read_text(a, "/proc/meminfo");
	*out = (struct machine){
		.cpus = sysconf(_SC_NPROCESSORS_ONLN),
		.memory = kilobytes(meminfo, "MemTotal"),
		.pids = read_number(a, "/proc/sys/kernel/pid_max"),
		.machine_id = str_trim(read_text(a, "/etc/machine-id")),
		.boot_id = str_trim(read_text(a, "/proc/sys/kernel/random/boot_id")),
		.system_uuid = str_trim(read_text(a, "/sys/class/dmi/id/product_uuid")),
		.os_image = unquoted(find_line(read_text(a, "/etc/os-release"), "PRETTY_NAME", '=')),
		.resolv = read_text(a, "/etc/resolv.conf"),
		.hosts = read_text(a, "/etc/hosts"),
		.runtime_version = runtime_version(a),
	};
	if (uname(&name) || !out->memory)
		return err_set(e, ERR_INTERNAL, "this machine cannot be read: is /proc mounted?");
	out->hostname = arena_str(a, str_of(name.nodename));
	out->kernel = arena_str(a, str_of(name.release));
	out->architecture = architecture_of(a, name.machine);
	if (!statvfs(data_dir, &fs))
		out->storage = (int64_t)(fs.f_blocks * fs.f_frsize);
	return 0;
}

struct machine_pressure machine_pressure_read(const char *data_dir)
{
	struct arena a CLEAN_ARENA;
	struct statvfs fs;
	struct machine_pressure p = {0};
	arena_init(&a);
	struct str meminfo = read_text(&a, "/proc/meminfo");
	if (meminfo.n)
		p.memory = kilobytes(meminfo, "MemAvailable") < memory_least;
	if (!statvfs(data_dir, &fs))
		p.disk = fs.f_bavail < fs.f_blocks / SHARE || (fs.f_files && fs.f_favail < fs.f_files / SHARE);
	struct str load = read_text(&a, "/proc/loadavg"), word, running, total;
	for (int i = 0; i < 4 && str_next(&load, ' ', &word); i++)
		;
	int64_t tasks = 0, most = read_number(&a, "/proc/sys/kernel/pid_max");
	if (str_cut(word, '/', &running, &total) && !str_to_i64(total, &tasks) && most)
		p.pids = tasks > most - most / SHARE;
	return p;
}
