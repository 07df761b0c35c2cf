// SPDX-License-Identifier: Apache-2.0
// What containers use: the summary for `kubectl top`'s metrics and Prometheus' series, both read from control groups when
// asked for.
#include <stdio.h>

#include "base/json.h"
#include "base/times.h"
#include "node/stream/server.h"

// ---- /stats/summary

static struct json *cpu_json(struct arena *a, struct str now, const struct cgroup_stats *s)
{
	struct json *j = json_object(a);
	json_put_str(a, j, "time", now);
	json_put_int(a, j, "usageCoreNanoSeconds", (int64_t)s->cpu_ns);
	return j;
}

static struct json *memory_json(struct arena *a, struct str now, const struct cgroup_stats *s)
{
	struct json *j = json_object(a);
	json_put_str(a, j, "time", now);
	if (s->memory_limit)
		json_put_int(
			a, j, "availableBytes",
			(int64_t)(s->memory_limit > s->memory_working_set ? s->memory_limit - s->memory_working_set : 0));
	json_put_int(a, j, "usageBytes", (int64_t)s->memory_bytes);
	json_put_int(a, j, "workingSetBytes", (int64_t)s->memory_working_set);
	json_put_int(a, j, "rssBytes", (int64_t)s->memory_rss);
	json_put_int(a, j, "pageFaults", (int64_t)s->memory_faults);
	json_put_int(a, j, "majorPageFaults", (int64_t)s->memory_major_faults);
	return j;
}

static void put_usage(struct arena *a, struct json *j, struct str now, const struct cgroup_stats *s)
{
	json_put(j, "cpu", cpu_json(a, now, s));
	json_put(j, "memory", memory_json(a, now, s));
}

static struct json *container_json(struct stream_server *s, struct arena *a, struct str now, const struct stream_pod *p,
				   size_t i)
{
	struct cgroup_stats stats;
	if (!p->containers[i].running || runtime_stats(s->runtime, p->containers[i].id, &stats, NULL) < 0)
		return NULL;
	struct json *j = json_object(a);
	json_put_str(a, j, "name", p->container_names[i]);
	put_usage(a, j, now, &stats);
	return j;
}

static struct json *pod_json(struct stream_server *s, struct arena *a, struct str now, const struct stream_pod *p)
{
	struct json *j = json_object(a), *ref = json_object(a), *containers = json_array(a);
	struct cgroup_stats stats;
	json_put_str(a, ref, "name", p->name);
	json_put_str(a, ref, "namespace", p->namespace);
	json_put_str(a, ref, "uid", p->uid);
	json_put(j, "podRef", ref);
	json_put_str(a, j, "startTime", time_format(a, p->started));
	for (size_t i = 0; i < p->container_count; i++) {
		struct json *c = container_json(s, a, now, p, i);
		if (c)
			json_push(containers, c);
	}
	json_put(j, "containers", containers);
	if (runtime_pod_stats(s->runtime, p->uid, &stats, NULL) == 0)
		put_usage(a, j, now, &stats);
	return j;
}

// The machine as a whole, as the kernel counts it.
static int64_t meminfo(struct arena *a, const char *text, const char *key)
{
	struct str rest = str_of(text), line, name, value;
	int64_t kib = 0;
	while (str_next(&rest, '\n', &line)) {
		if (!str_cut(line, ':', &name, &value) || !str_is(name, key))
			continue;
		value = str_trim(value);
		str_cut(value, ' ', &value, &name);
		str_to_i64(value, &kib);
	}
	return kib * 1024;
}

static int64_t busy_cpu_ns(const char *text)
{
	struct str rest = str_of(text), line, word;
	int64_t ticks = 0, n;
	str_next(&rest, '\n', &line);
	for (int i = 0; str_next(&line, ' ', &word) && i < 8;) {
		if (str_to_i64(word, &n) < 0)
			continue;
		if (i != 3 && i != 4) // idle and waiting for disks
			ticks += n;
		i++;
	}
	return ticks * (TIME_S / 100);
}

static const char *read_proc(struct arena *a, const char *path)
{
	enum { ROOM = 8192 };
	char *text = arena_alloc(a, ROOM + 1);
	FILE *f = fopen(path, "re");
	if (f) {
		text[fread(text, 1, ROOM, f)] = 0;
		fclose(f);
	}
	return text;
}

static struct json *node_json(struct stream_server *s, struct arena *a, struct str now)
{
	struct json *j = json_object(a);
	const char *memory = read_proc(a, "/proc/meminfo");
	int64_t total = meminfo(a, memory, "MemTotal"), available = meminfo(a, memory, "MemAvailable");
	struct cgroup_stats stats = {
		.cpu_ns = (uint64_t)busy_cpu_ns(read_proc(a, "/proc/stat")),
		.memory_bytes = (uint64_t)(total - meminfo(a, memory, "MemFree")),
		.memory_working_set = (uint64_t)(total - available),
		.memory_rss = (uint64_t)meminfo(a, memory, "AnonPages"),
		.memory_limit = (uint64_t)total,
	};
	json_put_str(a, j, "nodeName", str_of(s->node_name));
	put_usage(a, j, now, &stats);
	return j;
}

void stream_summary(struct stream_server *s, struct http_exchange *x)
{
	struct arena *a = &x->arena;
	struct str now = time_format(a, loop_wall(s->loop));
	struct json *j = json_object(a), *pods = json_array(a);
	struct stream_pod *list;
	size_t count = s->pods->list(s->pods_arg, a, &list);
	json_put(j, "node", node_json(s, a, now));
	for (size_t i = 0; i < count; i++)
		json_push(pods, pod_json(s, a, now, &list[i]));
	json_put(j, "pods", pods);
	http_reply_str(x, 200, "application/json", json_text(a, j));
}

// ---- /metrics/cadvisor

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static const struct series {
	const char *name, *type, *help;
	size_t offset; // of a uint64_t in struct cgroup_stats
	bool in_seconds;
} series[] = {
#define FIELD(name) offsetof(struct cgroup_stats, name)
    {"container_cpu_usage_seconds_total", "counter", "Processor time used.", FIELD(cpu_ns), true},
    {"container_cpu_user_seconds_total", "counter", "Of it in user mode.", FIELD(cpu_user_ns), true},
    {"container_cpu_system_seconds_total", "counter", "Of it in the kernel.", FIELD(cpu_system_ns), true},
    {"container_cpu_cfs_periods_total", "counter", "Periods of the limit that have passed.", FIELD(cpu_periods), false},
    {"container_cpu_cfs_throttled_periods_total", "counter", "Periods in which it was held back.",
     FIELD(cpu_throttled_periods), false},
    {"container_cpu_cfs_throttled_seconds_total", "counter", "Time it was held back.", FIELD(cpu_throttled_ns), true},
    {"container_memory_usage_bytes", "gauge", "Memory in use, caches included.", FIELD(memory_bytes), false},
    {"container_memory_working_set_bytes", "gauge", "Memory in use less inactive file pages.",
     FIELD(memory_working_set), false},
    {"container_memory_rss", "gauge", "Anonymous memory.", FIELD(memory_rss), false},
    {"container_memory_cache", "gauge", "Page cache.", FIELD(memory_cache), false},
    {"container_memory_swap", "gauge", "Swap in use.", FIELD(memory_swap), false},
    {"container_memory_mapped_file", "gauge", "Mapped files.", FIELD(memory_mapped_file), false},
    {"container_memory_failcnt", "counter", "Times the limit was hit.", FIELD(memory_failures), false},
    {"container_spec_memory_limit_bytes", "gauge", "Limit of memory; 0: none.", FIELD(memory_limit), false},
    {"container_processes", "gauge", "Processes.", FIELD(pids), false},
    {"container_fs_reads_bytes_total", "counter", "Bytes read from disks.", FIELD(io_read_bytes), false},
    {"container_fs_writes_bytes_total", "counter", "Bytes written to disks.", FIELD(io_write_bytes), false},
    {"container_fs_reads_total", "counter", "Reads from disks.", FIELD(io_reads), false},
    {"container_fs_writes_total", "counter", "Writes to disks.", FIELD(io_writes), false},
#undef FIELD
};

struct sample {
	const struct stream_pod *pod;
	struct str container; // empty: the pod as a whole
	struct str id, image;
	struct cgroup_stats stats;
};

static size_t collect(struct stream_server *s, struct arena *a, struct sample **out)
{
	struct stream_pod *pods;
	struct runtime_state st;
	size_t count = s->pods->list(s->pods_arg, a, &pods), room = 0, n = 0;
	for (size_t i = 0; i < count; i++)
		room += pods[i].container_count + 1;
	*out = ARENA_ARRAY(a, struct sample, room + 1);
	for (size_t i = 0; i < count; i++) {
		struct sample *m = &(*out)[n];
		*m = (struct sample){.pod = &pods[i]};
		n += runtime_pod_stats(s->runtime, pods[i].uid, &m->stats, NULL) == 0;
		for (size_t k = 0; k < pods[i].container_count; k++) {
			const struct stream_container *c = &pods[i].containers[k];
			m = &(*out)[n];
			*m = (struct sample){.pod = &pods[i], .container = pods[i].container_names[k], .id = c->id};
			if (!c->running || !runtime_state(s->runtime, a, c->id, &st))
				continue;
			m->image = st.image_id;
			n += runtime_stats(s->runtime, c->id, &m->stats, NULL) == 0;
		}
	}
	return n;
}

static void write_series(struct buf *out, const struct series *r, const struct sample *samples, size_t count)
{
	buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name, r->type);
	for (size_t i = 0; i < count; i++) {
		const struct sample *m = &samples[i];
		uint64_t value = *(const uint64_t *)(const void *)((const char *)&m->stats + r->offset);
		buf_fmt(out, "%s{container=\"%.*s\",id=\"%.*s\",image=\"%.*s\",namespace=\"%.*s\",pod=\"%.*s\"} ",
			r->name, STR_FMT(m->container), STR_FMT(m->id), STR_FMT(m->image), STR_FMT(m->pod->namespace),
			STR_FMT(m->pod->name));
		if (r->in_seconds)
			buf_fmt(out, "%.9g\n", seconds(value));
		else
			buf_fmt(out, "%llu\n", (unsigned long long)value);
	}
}

static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

void stream_metrics_cadvisor(struct stream_server *s, struct http_exchange *x)
{
	struct buf text CLEAN_BUF;
	struct sample *samples;
	size_t count = collect(s, &x->arena, &samples);
	buf_init(&text);
	for (size_t i = 0; i < ARRAY_LEN(series); i++)
		write_series(&text, &series[i], samples, count);
	http_reply_str(x, 200, metrics_type, buf_str(&text));
}

// ---- /metrics: the agent itself

void stream_metrics(struct stream_server *s, struct http_exchange *x)
{
	struct arena *a = &x->arena;
	struct buf text CLEAN_BUF;
	struct stream_pod *pods;
	struct runtime_state *containers;
	size_t pod_count = s->pods->list(s->pods_arg, a, &pods), count = runtime_list(s->runtime, a, &containers),
	       by_phase[3] = {0};
	static const char *const names[] = {"created", "running", "exited"};
	for (size_t i = 0; i < count; i++)
		by_phase[containers[i].phase]++;
	buf_init(&text);
	buf_fmt(&text,
		"# HELP kubelet_node_name The node's name.\n# TYPE kubelet_node_name "
		"gauge\nkubelet_node_name{node=\"%s\"} 1\n",
		s->node_name ? s->node_name : "");
	buf_fmt(&text,
		"# HELP kubelet_running_pods Pods on this node.\n# TYPE kubelet_running_pods "
		"gauge\nkubelet_running_pods %zu\n",
		pod_count);
	BUF_LIT(&text,
		"# HELP kubelet_running_containers Containers by state.\n# TYPE kubelet_running_containers gauge\n");
	for (size_t i = 0; i < 3; i++)
		buf_fmt(&text, "kubelet_running_containers{container_state=\"%s\"} %zu\n", names[i], by_phase[i]);
	http_reply_str(x, 200, metrics_type, buf_str(&text));
}
