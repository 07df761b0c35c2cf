// SPDX-License-Identifier: Apache-2.0
// What the node's HTTPS endpoint asks about pods: for logs, exec, attach, port-forward and GET /pods.
#include "base/map.h"
#include "node/pod/pods.h"
#include "node/pod/pods_parts.h"

static void fill_container(const struct pods *p, struct arena *a, const struct pod_worker *w, size_t i,
			   struct stream_container *out)
{
	const struct pod_spec *s = worker_spec(w);
	const struct container_state *c = &worker_state(w)->containers[i];
	const struct pod_disk *disk = &pods_host(p)->disk;
	struct str name = s->containers[i].name;
	bool between =
		c->stage == STAGE_STARTING || (c->stage == STAGE_EXITED && !pod_has_finished(s, worker_state(w)) &&
					       container_should_restart(s, &s->containers[i], c->run.exit_code));
	const struct container_run *before = &c->last;
	*out = (struct stream_container){
		.running = c->stage == STAGE_RUNNING || c->stage == STAGE_STOPPING,
		.tty = json_is_true(s->containers[i].json, "tty"),
		.stdin_open = json_is_true(s->containers[i].json, "stdin"),
	};
	if (c->waiting_reason[0]) {
		bool image = strstr(c->waiting_reason, "ImagePull") || !strcmp(c->waiting_reason, "ErrImageNeverPull");
		out->waiting =
			image ? STR("trying and failing to pull image") : arena_str(a, str_of(c->waiting_reason));
	}
	if (c->run.id[0]) {
		out->id = arena_str(a, str_of(c->run.id));
		out->log_path = pod_disk_log(a, disk, s->uid, name, c->run.attempt);
	}
	if (!before->id[0] && between) // the ended one is also the one before
		before = &c->run;
	if (before->id[0])
		out->previous_log_path = pod_disk_log(a, disk, s->uid, name, before->attempt);
}

static void fill_pod(const struct pods *p, struct arena *a, const struct pod_worker *w, struct stream_pod *out)
{
	const struct pod_spec *s = worker_spec(w);
	const struct pod_state *st = worker_state(w);
	struct stream_container *containers = ARENA_ARRAY(a, struct stream_container, s->container_count + 1);
	struct str *names = ARENA_ARRAY(a, struct str, s->container_count + 1);
	for (size_t i = 0; i < s->container_count; i++) {
		fill_container(p, a, w, i, &containers[i]);
		names[i] = arena_str(a, s->containers[i].name);
	}
	*out = (struct stream_pod){
		.namespace = arena_str(a, s->namespace),
		.name = arena_str(a, s->name),
		.uid = arena_str(a, s->uid),
		.net_ns = arena_str(a, worker_net_ns(w)),
		.host_network = s->host_network,
		.ip = arena_str(a, s->host_network ? pods_host(p)->host_ip : str_of(st->ip)),
		.started = st->started,
		.containers = containers,
		.container_names = names,
		.container_count = s->container_count,
	};
}

static struct pod_worker *find(const struct pods *p, struct str namespace, struct str name, struct str uid,
			       struct err *e)
{
	struct pod_worker *w = pods_find(p, namespace, name, uid);
	if (!w)
		err_set(e, ERR_NOT_FOUND, "pod \"%.*s_%.*s\" is not on this node", STR_FMT(name), STR_FMT(namespace));
	return w;
}

static int find_pod(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
		    struct stream_pod *out, struct err *e)
{
	struct pod_worker *w = find(arg, namespace, name, uid, e);
	if (!w)
		return -1;
	fill_pod(arg, a, w, out);
	return 0;
}

static int must_choose(const struct pod_spec *s, struct err *e)
{
	struct buf names CLEAN_BUF;
	buf_init(&names);
	for (size_t i = s->init_count; i < s->init_count + s->main_count; i++)
		buf_fmt(&names, "%s%.*s", names.n ? " " : "", STR_FMT(s->containers[i].name));
	return err_set(e, ERR_BAD_REQUEST, "a container name must be specified for pod %.*s, choose one of: [%.*s]",
		       STR_FMT(s->name), STR_FMT(buf_str(&names)));
}

static int find_container(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid,
			  struct str container, struct stream_container *out, struct err *e)
{
	struct pod_worker *w = find(arg, namespace, name, uid, e);
	if (!w)
		return -1;
	const struct pod_spec *s = worker_spec(w);
	if (!container.n && s->main_count != 1)
		return must_choose(s, e);
	int i = container.n ? pod_spec_find(s, container) : (int)s->init_count;
	if (i < 0)
		return err_set(e, ERR_NOT_FOUND, "container %.*s is not valid for pod %.*s", STR_FMT(container),
			       STR_FMT(name));
	fill_container(arg, a, w, (size_t)i, out);
	return 0;
}

static size_t list(void *arg, struct arena *a, struct stream_pod **out)
{
	const struct map *workers = pods_workers(arg);
	size_t n = 0;
	*out = ARENA_ARRAY(a, struct stream_pod, workers->count + 1);
	map_each(entry, workers)
		fill_pod(arg, a, entry->value, &(*out)[n++]);
	return n;
}

static void pods_json(void *arg, struct buf *out)
{
	bool first = true;
	BUF_LIT(out, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
	map_each(entry, pods_workers(arg)) {
		if (!first)
			buf_add_byte(out, ',');
		json_write(out, worker_spec(entry->value)->object);
		first = false;
	}
	BUF_LIT(out, "]}\n");
}

const struct stream_pods pods_for_streams = {find_pod, find_container, list, pods_json};
