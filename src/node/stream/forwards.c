// SPDX-License-Identifier: Apache-2.0
// Port forwarding: connections to 127.0.0.1 (then ::1) in the pod's network namespace.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "node/images/tree.h"
#include "node/stream/server.h"
#include "wire/remote.h"

struct port_forward {
	struct open_stream open;
	struct forward *forward;
	char *net_ns; // path; NULL: the host's
	struct dial *dials; // not answered yet
};

struct dial { // one connection being made
	struct port_forward *owner;
	struct forward_connection *connection;
	struct stream *connecting; // NULL: told
	struct dial *next;
	uint16_t port;
	bool v6;
};

static void free_dial(struct dial *d)
{
	for (struct dial **at = &d->owner->dials; *at; at = &(*at)->next) {
		if (*at == d) {
			*at = d->next;
			break;
		}
	}
	stream_close(d->connecting);
	free(d);
}

static void free_forward(struct port_forward *f)
{
	while (f->dials)
		free_dial(f->dials);
	open_stream_drop(&f->open);
	free(f->net_ns);
	free(f);
}

static void cut(struct open_stream *o)
{
	struct port_forward *f = CONTAINER_OF(o, struct port_forward, open);
	forward_destroy(f->forward);
	free_forward(f);
}

// ---- dialling

static void on_connect(void *arg, struct stream *s, const struct err *e);

// A socket belongs to the namespace in which it was made, so the loop's thread is in the pod's only while it makes it.
static int connect_inside(struct dial *d, struct err *e)
{
	char address[32];
	struct loop *l = d->owner->open.server->loop;
	const char *ns = d->owner->net_ns;
	snprintf(address, sizeof(address), d->v6 ? "[::1]:%u" : "127.0.0.1:%u", d->port);
	if (!ns) {
		d->connecting = net_connect(l, address, on_connect, d);
		return 0;
	}
	int back CLEAN_FD = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC),
		 to CLEAN_FD = open(ns, O_RDONLY | O_CLOEXEC);
	if (back < 0 || to < 0 || setns(to, CLONE_NEWNET) < 0)
		return err_errno(e, errno, "network namespace of the pod");
	d->connecting = net_connect(l, address, on_connect, d);
	MUST(setns(back, CLONE_NEWNET) == 0);
	return 0;
}

static void refuse(struct dial *d, const struct err *e)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	buf_fmt(&text, "failed to connect to localhost:%u inside the pod: %s", d->port, err_text(e));
	forward_refuse(d->connection, buf_str(&text));
	free_dial(d);
}

static void on_connect(void *arg, struct stream *s, const struct err *why)
{
	struct dial *d = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	d->connecting = NULL;
	if (s) {
		duplex_splice(forward_open(d->connection), duplex_of_stream(s));
		free_dial(d);
	} else if (!d->v6) {
		d->v6 = true;
		if (connect_inside(d, &e) < 0)
			refuse(d, &e);
	} else {
		refuse(d, why);
	}
}

// ---- from the client

static void on_wanted(void *arg, struct forward_connection *c, uint16_t port)
{
	struct port_forward *f = arg;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct dial *d = MEM_NEW(struct dial);
	*d = (struct dial){.owner = f, .connection = c, .next = f->dials, .port = port};
	f->dials = d;
	if (connect_inside(d, &e) < 0)
		refuse(d, &e);
}

static void on_give_up(void *arg, struct forward_connection *c)
{
	struct port_forward *f = arg;
	for (struct dial *d = f->dials; d; d = d->next) {
		if (d->connection == c) {
			free_dial(d);
			return;
		}
	}
}

static void on_client_end(void *arg)
{
	cut(&((struct port_forward *)arg)->open);
}

static const struct forward_events events = {on_wanted, on_give_up, on_client_end};

void stream_port_forward(struct stream_server *s, struct http_exchange *x)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct stream_path p;
	struct stream_pod pod;
	int ok = stream_path_parse(&x->arena, x->path, false, &p) ? 0 : err_set(&e, ERR_NOT_FOUND, "no such path");
	if (ok == 0)
		ok = s->pods->find_pod(s->pods_arg, &x->arena, p.namespace, p.pod, p.uid, &pod, &e);
	if (ok == 0 && str_empty(pod.net_ns) && !pod.host_network) // not the host's in its place
		ok = err_set(&e, ERR_CONFLICT, "pod \"%.*s_%.*s\" has no network", STR_FMT(p.pod), STR_FMT(p.namespace));
	if (ok < 0) {
		stream_refuse(x, &e);
		return;
	}
	struct port_forward *f = MEM_NEW(struct port_forward);
	if (!str_empty(pod.net_ns)) {
		f->net_ns = mem_alloc(pod.net_ns.n + 1);
		str_to_c(pod.net_ns, f->net_ns, pod.net_ns.n + 1);
	}
	open_stream_add(s, &f->open, cut);
	f->forward = forward_accept(x, &events, f);
	if (!f->forward)
		free_forward(f);
}
