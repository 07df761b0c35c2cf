// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include "base/log.h"
#include "server/access_files.h"
#include "server/authenticate/authenticate.h"
#include "server/bootstrap.h"
#include "server/documents.h"
#include "server/listening.h"
#include "server/worker.h"

#define VERSION "v1.36.0+onggi.0.1.0"
enum { FILE_MAX = 1 << 20, NAMES_MAX = 64 };
#define RENEWAL_NS (3600 * TIME_S)
#define UPKEEP_NS (10 * TIME_S)

struct server_private { // what only the core loop touches
	struct server shared;
	struct pki pki;
	const char *listen, *advertise;
	const char *admin_file, *node_file; // kubeconfigs
	struct str node;		    // whose agent gets the latter; empty: none
	struct str client_authorities; // PEM: ours and the further one
	struct worker *local;	       // of the bootstrap
	struct worker *to_stop;	       // the next
	struct timer renewal, upkeep;
	struct tls_context *former_node_tls[8]; // loops may still look at them; renewals are months apart
	size_t former;
	void (*on_ready)(void *arg, const struct err *e);
	void (*on_stopped)(void *arg);
	void *ready_arg, *stopped_arg;
};

static struct server_private *private_of(const struct server *s)
{
	return CONTAINER_OF(s, struct server_private, shared);
}

// ---- creating

static int parse_range(struct str text, struct address_range *out, struct err *e)
{
	struct str ip, bits, part;
	int64_t n, length;
	uint32_t base = 0;
	int parts = 0;
	if (!str_cut(text, '/', &ip, &bits) || str_to_i64(bits, &length) < 0 || length < 8 || length > 30)
		return err_set(e, ERR_INVALID, "service range \"%.*s\": it must be like 10.96.0.0/16", STR_FMT(text));
	while (str_next(&ip, '.', &part)) {
		if (++parts > 4 || str_to_i64(part, &n) < 0 || n < 0 || n > 255)
			return err_set(e, ERR_INVALID, "service range \"%.*s\": no IPv4 address", STR_FMT(text));
		base = base << 8 | (uint32_t)n;
	}
	out->mask = ~(uint32_t)0 << (32 - length);
	out->base = base & out->mask;
	return parts == 4 ? 0 : err_set(e, ERR_INVALID, "service range \"%.*s\": no IPv4 address", STR_FMT(text));
}

static struct str host_of(struct str address)
{
	ptrdiff_t colon = str_find_last(address, ':');
	struct str host = colon < 0 ? address : str_sub(address, 0, (size_t)colon);
	if (host.n > 2 && host.p[0] == '[')
		host = str_sub(host, 1, host.n - 2);
	return host;
}

static bool is_any_address(struct str host)
{
	return str_empty(host) || str_is(host, "0.0.0.0") || str_is(host, "::");
}

// Under which names clients reach the server.
static size_t server_names(struct server_private *p, const struct server_config *c, struct str *names)
{
	static const char *const always[] = {"localhost",
					     "127.0.0.1",
					     "::1",
					     "kubernetes",
					     "kubernetes.default",
					     "kubernetes.default.svc",
					     "kubernetes.default.svc.cluster.local"};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		names[n++] = str_of(always[i]);
	uint32_t ip = p->shared.services.base + 1;
	names[n++] = arena_fmt(&p->shared.arena, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	if (c->host_name && *c->host_name)
		names[n++] = str_of(c->host_name);
	if (c->listen && !is_any_address(host_of(str_of(c->listen))))
		names[n++] = host_of(str_of(c->listen));
	for (size_t i = 0; i < c->name_count && n < NAMES_MAX; i++)
		names[n++] = str_of(c->names[i]);
	return n;
}

static int read_optional(struct server_private *p, const char *path, struct str *out, struct err *e)
{
	*out = STR("");
	return path ? file_read(p->shared.core, &p->shared.arena, path, FILE_MAX, out, e) : 0;
}

static int open_parts(struct server_private *p, const struct server_config *c, struct err *e)
{
	struct server *s = &p->shared;
	struct str names[NAMES_MAX], tokens, further;
	struct str range = c->service_range ? str_of(c->service_range) : STR("10.96.0.0/16");
	if (parse_range(range, &s->services, e) < 0)
		return -1;
	size_t name_count = server_names(p, c, names);
	if (pki_open(&p->pki, s->core, c->data_dir, names, name_count, c->certificate_life_ns, e) < 0 ||
	    read_optional(p, c->token_file, &tokens, e) < 0 || read_optional(p, c->client_authority, &further, e) < 0)
		return -1;
	p->client_authorities = arena_fmt(&s->arena, "%.*s\n%.*s", STR_FMT(buf_str(&p->pki.authority.certificate)),
					  STR_FMT(further));
	s->authenticator = authenticator_create(tokens, p->pki.token_key, e);
	return s->authenticator ? 0 : -1;
}

struct server *server_create(const struct server_config *c, struct err *e)
{
	struct server_private *p = MEM_NEW(struct server_private);
	struct server *s = &p->shared;
	arena_init(&s->arena);
	s->core = c->core;
	s->store = c->store;
	s->version = VERSION;
	s->platform = "linux/amd64";
	s->pki = &p->pki;
	s->node_port_first = c->node_port_first ? c->node_port_first : 30000;
	s->node_port_last = c->node_port_last ? c->node_port_last : 32767;
	s->loopback_nodes = !c->refuse_loopback_nodes;
	s->reads_max = c->reads_max ? c->reads_max : 2000;
	s->writes_max = c->writes_max ? c->writes_max : 1000;
	s->watches_max = c->watches_max ? c->watches_max : 20000;
	s->started_ns = loop_now(c->core);
	s->started_wall_ns = loop_wall(c->core);
	p->admin_file = arena_fmt(&s->arena, "%s/admin.kubeconfig", c->data_dir).p;
	p->node_file = arena_fmt(&s->arena, "%s/node.kubeconfig", c->data_dir).p;
	p->node = c->node ? arena_str(&s->arena, str_of(c->node)) : STR_NONE;
	p->listen = c->listen ? arena_c(&s->arena, str_of(c->listen)) : NULL;
	p->advertise = c->advertise ? arena_c(&s->arena, str_of(c->advertise)) : NULL;
	s->documents = documents_create();
	s->listening = listening_create(s, c->io, p->listen ? c->io_count : 0, p->listen);
	if (open_parts(p, c, e) < 0) {
		server_destroy(s);
		return NULL;
	}
	return s;
}

void server_destroy(struct server *s)
{
	if (!s)
		return;
	struct server_private *p = private_of(s);
	timer_stop(&p->renewal);
	timer_stop(&p->upkeep);
	listening_destroy(s->listening);
	for (struct worker *w = atomic_load(&s->workers), *next; w; w = next) {
		next = w->next;
		worker_retire(w);
		worker_free(w);
	}
	tls_context_unref(atomic_load(&s->node_tls));
	for (size_t i = 0; i < ARRAY_LEN(p->former_node_tls); i++)
		tls_context_unref(p->former_node_tls[i]);
	authenticator_destroy(s->authenticator);
	documents_destroy(s->documents);
	pki_finish(&p->pki);
	arena_finish(&s->arena);
	free(p);
}

// ---- certificates

static struct tls_context *serving_context(struct server_private *p, struct err *e)
{
	struct tls_config c = {.certificate = buf_str(&p->pki.server.certificate),
			       .key = buf_str(&p->pki.server.key),
			       .authorities = p->client_authorities,
			       .http2 = true};
	return tls_context_server(&c, e);
}

// What the loops use to call nodes; the former context lives on, as one of them may be taking a reference just now.
static int set_node_context(struct server_private *p, struct err *e)
{
	struct tls_config c = {.certificate = buf_str(&p->pki.node_client.certificate),
			       .key = buf_str(&p->pki.node_client.key),
			       .authorities = buf_str(&p->pki.authority.certificate)};
	struct tls_context *tls = tls_context_client(&c, e);
	if (!tls)
		return -1;
	struct tls_context **former = &p->former_node_tls[p->former++ % ARRAY_LEN(p->former_node_tls)];
	tls_context_unref(*former);
	*former = atomic_exchange(&p->shared.node_tls, tls);
	return 0;
}

static int write_admin_file(struct server_private *p, struct err *e)
{
	return access_file_admin(&p->pki, p->shared.advertise, p->admin_file, e);
}

static int write_node_file(struct server_private *p, struct err *e)
{
	return p->node.n ? access_file_node(&p->pki, p->shared.advertise, p->node, p->node_file, e) : 0;
}

// How long until the certificates are looked at again.
static int64_t renewal_delay(const struct server_private *p)
{
	return p->pki.life_ns / 16 < RENEWAL_NS ? p->pki.life_ns / 16 : RENEWAL_NS;
}

// What the certificates that have changed are used for.
static int take_up(struct server_private *p, struct err *e)
{
	struct tls_context *tls = serving_context(p, e);
	if (!tls)
		return -1;
	listening_set_tls(p->shared.listening, tls);
	tls_context_unref(tls);
	log_info("certificates renewed");
	return set_node_context(p, e);
}

static int write_access_files(struct server_private *p, struct err *e)
{
	if (p->listen && write_admin_file(p, e) < 0)
		return -1;
	return write_node_file(p, e);
}

static void renew(struct timer *t)
{
	struct server_private *p = CONTAINER_OF(t, struct server_private, renewal);
	struct err e CLEAN_ERR = ERR_EMPTY;
	bool changed = false;
	if (pki_renew(&p->pki, &changed, &e) < 0)
		log_error("renewing certificates: %s", err_text(&e));
	if (changed && take_up(p, &e) < 0)
		log_error("using the renewed certificates: %s", err_text(&e));
	if (write_access_files(p, &e) < 0)
		log_error("renewing the files that give access: %s", err_text(&e));
	timer_start(p->shared.core, &p->renewal, renewal_delay(p));
}

// ---- starting and stopping

static void ready(struct server_private *p, const struct err *e)
{
	atomic_store(&p->shared.ready, e == NULL);
	p->on_ready(p->ready_arg, e);
}

static void kept_up(void *arg, const struct err *e)
{
	struct server_private *p = arg;
	if (p->on_stopped)
		return;
	if (e)
		log_warn("making what every cluster has: %s", err_text(e));
	timer_start(p->shared.core, &p->upkeep, UPKEEP_NS);
}

// What every cluster has is made again when somebody deletes it.
static void keep_up(struct timer *t)
{
	struct server_private *p = CONTAINER_OF(t, struct server_private, upkeep);
	bootstrap(p->local, p->shared.advertise, kept_up, p);
}

static void bootstrapped(void *arg, const struct err *e)
{
	struct server_private *p = arg;
	struct err failure CLEAN_ERR = ERR_EMPTY;
	if (!e && write_node_file(p, &failure) < 0)
		e = &failure;
	ready(p, e);
	p->upkeep.fire = keep_up;
	if (!e)
		kept_up(p, NULL);
}

static void listens(void *arg, int port, const struct err *why)
{
	struct server_private *p = arg;
	struct server *s = &p->shared;
	if (why) {
		ready(p, why);
		return;
	}
	if (p->listen) {
		struct str host = host_of(str_of(p->listen));
		if (is_any_address(host))
			host = p->advertise ? str_of(p->advertise) : STR("127.0.0.1");
		s->advertise = str_find(host, ':') >= 0 ? arena_fmt(&s->arena, "[%.*s]:%d", STR_FMT(host), port)
							: arena_fmt(&s->arena, "%.*s:%d", STR_FMT(host), port);
		struct err e CLEAN_ERR = ERR_EMPTY;
		if (write_admin_file(p, &e) < 0) {
			ready(p, &e);
			return;
		}
	}
	p->local = worker_create(s, s->core);
	bootstrap(p->local, s->advertise, bootstrapped, p);
	p->renewal.fire = renew;
	timer_start(s->core, &p->renewal, renewal_delay(p));
}

void server_start(struct server *s, void (*on_ready)(void *arg, const struct err *e), void *arg)
{
	struct server_private *p = private_of(s);
	struct err e CLEAN_ERR = ERR_EMPTY;
	p->on_ready = on_ready;
	p->ready_arg = arg;
	struct tls_context *tls = serving_context(p, &e);
	if (!tls || set_node_context(p, &e) < 0) {
		tls_context_unref(tls);
		ready(p, &e);
		return;
	}
	listening_open(s->listening, tls, listens, p);
	tls_context_unref(tls);
}

// Stops one worker after the other; none is made any more.
static void stop_next(void *arg)
{
	struct server_private *p = arg;
	struct worker *w = p->to_stop;
	if (!w) {
		p->on_stopped(p->stopped_arg);
		return;
	}
	p->to_stop = w->next;
	worker_stop(w, stop_next, p);
}

static void closed(void *arg)
{
	struct server_private *p = arg;
	p->to_stop = atomic_load(&p->shared.workers);
	stop_next(p);
}

void server_stop(struct server *s, void (*on_stopped)(void *arg), void *arg)
{
	struct server_private *p = private_of(s);
	p->on_stopped = on_stopped;
	p->stopped_arg = arg;
	atomic_store(&s->ready, false);
	timer_stop(&p->renewal);
	timer_stop(&p->upkeep);
	listening_close(s->listening, closed, p);
}

// ---- telling

struct str server_address(const struct server *s)
{
	return atomic_load(&s->ready) ? s->advertise : STR(""); // it is being found out on another thread
}

struct str server_authority(const struct server *s)
{
	return buf_str(&private_of(s)->pki.authority.certificate);
}
