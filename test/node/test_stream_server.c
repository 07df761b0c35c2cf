// SPDX-License-Identifier: Apache-2.0
// The node's HTTPS endpoint with real containers behind it: who may call, logs, exec over WebSocket, clients that stall.
#include <stdio.h>
#include <unistd.h>

#include "base/times.h"
#include "node/stream/stream_server.h"
#include "runtime_fixture.h"
#include "unit.h"
#include "wire/client.h"
#include "wire/websocket.h"
#include "wire/x509.h"

struct setting {
	struct rig rig;
	struct x509_pair authority, other, server, caller, stranger, forged;
	struct stream_server *endpoint;
	struct http_client *client;
	// The last answer.
	bool done;
	int code;
	struct str body;
};

// ---- what the pods' half would know: pod default/p with the container c1

static int find_pod(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid, struct stream_pod *out,
		    struct err *e)
{
	if (!str_is(namespace, "default") || !str_is(name, "p"))
		return err_set(e, ERR_NOT_FOUND, "pod \"%.*s\" not found", STR_FMT(name));
	*out = (struct stream_pod){.namespace = namespace, .name = name, .uid = STR("p1")};
	return 0;
}

static int find_container(void *arg, struct arena *a, struct str namespace, struct str name, struct str uid, struct str container,
			  struct stream_container *out, struct err *e)
{
	struct setting *s = arg;
	struct stream_pod pod;
	struct runtime_state st;
	if (find_pod(arg, a, namespace, name, uid, &pod, e) < 0)
		return -1;
	bool there = runtime_state(s->rig.runtime, a, STR("c1"), &st);
	*out = (struct stream_container){.running = there && st.phase == RUNTIME_RUNNING};
	if (there) {
		out->id = st.id;
		out->log_path = st.log_path;
	}
	return 0;
}

static size_t list(void *arg, struct arena *a, struct stream_pod **out)
{
	static const struct str names[] = {STR_INIT("c1")};
	struct stream_container *c = ARENA_NEW(a, struct stream_container);
	*out = ARENA_NEW(a, struct stream_pod);
	find_pod(arg, a, STR("default"), STR("p"), STR_NONE, *out, NULL);
	find_container(arg, a, STR("default"), STR("p"), STR_NONE, STR_NONE, c, NULL);
	(*out)->containers = c;
	(*out)->container_names = names;
	(*out)->container_count = 1;
	return 1;
}

static void pods_json(void *arg, struct buf *out)
{
	BUF_LIT(out, "{}");
}

static const struct stream_pods pods = {find_pod, find_container, list, pods_json};

// ---- certificates and connections

static void issue(struct setting *s, const struct x509_pair *by, const char *name, unsigned use, struct x509_pair *out)
{
	static const struct str names[] = {STR_INIT("127.0.0.1")};
	int64_t now = loop_wall(s->rig.loop);
	struct x509_request r = {
		.common_name = str_of(name), .names = names, .name_count = 1, .uses = use,
		.not_before_ns = now - 60 * TIME_S, .not_after_ns = now + 3600 * TIME_S,
	};
	REQUIRE(x509_issue(buf_str(&by->certificate), buf_str(&by->key), &r, out, NULL) == 0);
}

static struct http_client *client_as(struct setting *s, const struct x509_pair *who)
{
	struct tls_config t = {.authorities = buf_str(&s->authority.certificate)};
	if (who) {
		t.certificate = buf_str(&who->certificate);
		t.key = buf_str(&who->key);
	}
	struct tls_context *context = tls_context_client(&t, NULL);
	struct http_client_config c = {
		.loop = s->rig.loop, .server_name = "127.0.0.1", .tls = context,
		.address = arena_fmt(&s->rig.a, "127.0.0.1:%d", stream_server_port(s->endpoint)).p,
	};
	struct http_client *client = http_client_create(&c);
	tls_context_unref(context);
	return client;
}

static void set_up(struct setting *s)
{
	rig_set_up(&s->rig);
	int64_t now = loop_wall(s->rig.loop);
	REQUIRE(x509_make_authority(STR("ours"), now - TIME_S, now + 3600 * TIME_S, &s->authority, NULL) == 0);
	REQUIRE(x509_make_authority(STR("ours"), now - TIME_S, now + 3600 * TIME_S, &s->other, NULL) == 0);
	issue(s, &s->authority, "node", X509_USE_SERVER, &s->server);
	issue(s, &s->authority, "the-api", X509_USE_CLIENT, &s->caller);
	issue(s, &s->authority, "somebody", X509_USE_CLIENT, &s->stranger);
	issue(s, &s->other, "the-api", X509_USE_CLIENT, &s->forged);
	struct stream_server_options o = {
		.listen = "127.0.0.1:0", .certificate = buf_str(&s->server.certificate), .key = buf_str(&s->server.key),
		.client_ca = buf_str(&s->authority.certificate), .allowed_name = STR("the-api"), .node_name = STR("n"),
		.runtime = s->rig.runtime, .pods = &pods, .pods_arg = s,
	};
	REQUIRE(stream_server_open(s->rig.loop, &o, &s->endpoint, NULL) == 0);
	s->client = client_as(s, &s->caller);
}

static void tear_down(struct setting *s)
{
	struct x509_pair *pairs[] = {&s->authority, &s->other, &s->server, &s->caller, &s->stranger, &s->forged};
	if (s->client)
		http_client_destroy(s->client);
	stream_server_close(s->endpoint);
	if (s->rig.loop)
		rig_turn(&s->rig, 20);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		x509_pair_finish(pairs[i]);
	rig_tear_down(&s->rig);
}
#define CLEAN_SETTING __attribute__((cleanup(tear_down)))

static void on_response(void *arg, const struct http_response *r)
{
	struct setting *s = arg;
	s->code = r->head ? r->head->code : 0;
	s->body = arena_str(&s->rig.a, r->body);
	s->done = true;
	loop_real_stop(s->rig.loop);
}

static int fetch_as(struct setting *s, struct http_client *client, const char *method, const char *target)
{
	struct http_call_request r = {.method = method, .target = str_of(target)};
	s->done = false;
	s->code = -1;
	http_fetch(client, &r, 8 << 20, on_response, s);
	rig_until(&s->rig, &s->done);
	return s->code;
}

static int get(struct setting *s, const char *target)
{
	return fetch_as(s, s->client, "GET", target);
}

// ---- tests

TEST(endpoint_who_may_call)
{
	struct setting s CLEAN_SETTING = {0};
	set_up(&s);
	struct http_client *nobody = client_as(&s, NULL), *stranger = client_as(&s, &s.stranger), *forged = client_as(&s, &s.forged);
	static const char *const paths[] = {"/healthz", "/pods", "/exec/default/p/c1?command=id&output=1", "/metrics", "/nowhere"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		CHECK_INT(fetch_as(&s, nobody, "GET", paths[i]), 401);
		CHECK_INT(fetch_as(&s, stranger, "GET", paths[i]), 403);
		CHECK_INT(fetch_as(&s, forged, "GET", paths[i]), 401);
	}
	CHECK_INT(get(&s, "/healthz"), 200);
	CHECK_STR(s.body, "ok");
	CHECK_INT(get(&s, "/nowhere"), 404);
	CHECK_INT(get(&s, "/pods"), 200);
	CHECK_INT(fetch_as(&s, s.client, "POST", "/pods"), 405);
	CHECK_INT(fetch_as(&s, s.client, "DELETE", "/exec/default/p/c1"), 405);
	http_client_destroy(nobody);
	http_client_destroy(stranger);
	http_client_destroy(forged);
}

TEST(endpoint_with_a_renewed_certificate)
{
	struct setting s CLEAN_SETTING = {0};
	set_up(&s);
	CHECK_INT(get(&s, "/healthz"), 200);
	struct stream_server_options o = {
		.certificate = buf_str(&s.server.certificate), .key = buf_str(&s.server.key),
		.client_ca = buf_str(&s.other.certificate),
	};
	REQUIRE(stream_server_renew(s.endpoint, &o, NULL) == 0);
	struct http_client *later = client_as(&s, &s.forged), *former = client_as(&s, &s.caller);
	CHECK_INT(fetch_as(&s, later, "GET", "/healthz"), 200); // of the authority that counts from now on
	CHECK_INT(fetch_as(&s, former, "GET", "/healthz"), 401);
	CHECK_INT(get(&s, "/healthz"), 200); // on the connection from before
	http_client_destroy(later);
	http_client_destroy(former);
}

// A pod whose network is not there, or not there any more, does not lead to what the host keeps to itself.
TEST(endpoint_forwards_to_no_port_of_the_host)
{
	struct setting s CLEAN_SETTING = {0};
	set_up(&s);
	CHECK_INT(get(&s, "/portForward/default/p?port=22"), 409);
	CHECK(str_contains(s.body, STR("has no network")));
}

TEST(endpoint_logs)
{
	struct setting s CLEAN_SETTING = {0};
	set_up(&s);
	CHECK_INT(get(&s, "/containerLogs/default/p/c1"), 400);
	CHECK(str_contains(s.body, STR("is waiting to start: ContainerCreating")));
	REQUIRE(rig_run(&s.rig, "c1", "echo one; echo two; sleep 0.5; echo three") == 0);
	rig_turn(&s.rig, 100);
	CHECK_INT(get(&s, "/containerLogs/default/p/c1"), 200);
	CHECK_STR(s.body, "one\ntwo\n");
	CHECK_INT(get(&s, "/containerLogs/default/p/c1?tailLines=1"), 200);
	CHECK_STR(s.body, "two\n");
	CHECK_INT(get(&s, "/containerLogs/default/p/c1?follow=true&tailLines=0"), 200); // until the container has ended
	CHECK_STR(s.body, "three\n");
	static const char *const bad[] = {"tailLines=-1", "tailLines=x", "sinceTime=yesterday", "limitBytes=1e9", "stream=Stdboth", "previous=true"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(get(&s, arena_fmt(&s.rig.a, "/containerLogs/default/p/c1?%s", bad[i]).p), 400);
	static const char *const absent[] = {"default/q/c1", "other/p/c1", "default/p", "a/b/c/d/e", "default/..%2f..%2fetc/passwd"};
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		CHECK_INT(get(&s, arena_fmt(&s.rig.a, "/containerLogs/%s", absent[i]).p), 404);
}

static int inotify_instances(void)
{
	FILE *f = popen("ls -l /proc/$PPID/fd 2>/dev/null | grep -c inotify", "re");
	int n = -1;
	REQUIRE(f && fscanf(f, "%d", &n) == 1);
	pclose(f);
	return n;
}

struct follower {
	bool done;
	size_t bytes;
};

static void on_followed(void *arg, const struct http_response *r)
{
	struct follower *f = arg;
	f->done = true;
	f->bytes = r->body.n;
}

// Root has 128 inotify instances for all that it runs on the machine: many who follow logs leave some to others.
TEST(endpoint_with_many_followers)
{
	enum { FOLLOWERS = 80 };
	struct setting s CLEAN_SETTING = {0};
	struct follower followers[FOLLOWERS] = {0};
	struct http_call_request r = {.method = "GET", .target = STR("/containerLogs/default/p/c1?follow=true")};
	set_up(&s);
	REQUIRE(rig_run(&s.rig, "c1", "echo one; sleep 2; echo two") == 0);
	for (size_t i = 0; i < FOLLOWERS; i++)
		http_fetch(s.client, &r, 8 << 20, on_followed, &followers[i]);
	rig_turn(&s.rig, 1000);
	int instances = inotify_instances();
	CHECK(instances > 2 && instances < 40);
	for (size_t i = 0; i < FOLLOWERS; i++) {
		REQUIRE(rig_until(&s.rig, &followers[i].done));
		CHECK_INT(followers[i].bytes, strlen("one\ntwo\n"));
	}
	CHECK(inotify_instances() <= 1);
}

TEST(endpoint_figures)
{
	struct setting s CLEAN_SETTING = {0};
	set_up(&s);
	REQUIRE(rig_run(&s.rig, "c1", "exec sleep 1000") == 0);
	CHECK_INT(get(&s, "/stats/summary"), 200);
	CHECK(str_contains(s.body, STR("\"containers\":[{\"name\":\"c1\",\"cpu\"")));
	CHECK_INT(get(&s, "/metrics/cadvisor"), 200);
	CHECK(str_contains(s.body, STR("\ncontainer_memory_working_set_bytes{container=\"c1\",id=\"c1\"")));
	CHECK_INT(get(&s, "/metrics"), 200);
	CHECK(str_contains(s.body, STR("kubelet_running_containers{container_state=\"running\"} 1\n")));
}

// ---- exec over WebSocket

struct socket_talk {
	struct setting *s;
	struct websocket *socket;
	struct buf channels[5]; // what came on each
	int channel;
	bool ended;
};

static void on_socket_data(void *arg, bool text, struct str piece, bool first, bool last)
{
	struct socket_talk *t = arg;
	if (first && piece.n) {
		t->channel = piece.p[0];
		piece = str_from(piece, 1);
	}
	if (t->channel >= 0 && t->channel < 5)
		buf_add(&t->channels[t->channel], piece);
}

static void on_socket_end(void *arg, const struct err *e)
{
	struct socket_talk *t = arg;
	t->ended = true;
	loop_real_stop(t->s->rig.loop);
}

static const struct websocket_events socket_events = {.on_data = on_socket_data, .on_end = on_socket_end};

static void on_upgraded(void *arg, const struct http_head *head, struct duplex *d)
{
	struct socket_talk *t = arg;
	t->socket = websocket_create(d, true, &socket_events, t);
	loop_real_stop(t->s->rig.loop);
}

static void on_refused(void *arg, const struct err *e)
{
	struct socket_talk *t = arg;
	t->ended = true;
	loop_real_stop(t->s->rig.loop);
}

static bool socket_open(struct setting *s, struct socket_talk *t, const char *target)
{
	static const struct http_header headers[] = {
		{STR_INIT("Connection"), STR_INIT("Upgrade")},
		{STR_INIT("Upgrade"), STR_INIT("websocket")},
		{STR_INIT("Sec-WebSocket-Version"), STR_INIT("13")},
		{STR_INIT("Sec-WebSocket-Key"), STR_INIT("dGhlIHNhbXBsZSBub25jZQ==")},
		{STR_INIT("Sec-WebSocket-Protocol"), STR_INIT("v5.channel.k8s.io")},
	};
	static const struct http_call_events events = {.on_end = on_refused, .on_upgrade = on_upgraded};
	struct http_call_request r = {
		.method = "GET", .target = str_of(target), .headers = {headers, ARRAY_LEN(headers)}, .fresh_connection = true,
	};
	*t = (struct socket_talk){.s = s};
	http_call_start(s->client, &r, &events, t);
	for (int i = 0; i < 5000 && !t->socket && !t->ended; i++)
		rig_turn(&s->rig, 1);
	return t->socket;
}

static void socket_finish(struct socket_talk *t)
{
	websocket_destroy(t->socket);
	for (size_t i = 0; i < 5; i++)
		buf_finish(&t->channels[i]);
}
#define CLEAN_SOCKET __attribute__((cleanup(socket_finish)))

TEST(endpoint_exec)
{
	struct setting s CLEAN_SETTING = {0};
	struct socket_talk t CLEAN_SOCKET = {0};
	set_up(&s);
	CHECK_INT(get(&s, "/exec/default/p/c1?command=id&output=1"), 404); // nothing runs yet
	REQUIRE(rig_run(&s.rig, "c1", "exec sleep 1000") == 0);
	CHECK_INT(get(&s, "/exec/default/p/c1?command=id&output=1"), 400); // no upgrade
	CHECK(!socket_open(&s, &t, "/exec/default/p/c1?output=1"));
	REQUIRE(socket_open(&s, &t, "/exec/default/p/c1?command=sh&command=-c&command=cat%3B+echo+e+%3E%262%3B+exit+3&input=1&output=1&error=1"));
	websocket_send(t.socket, false, (struct str){"\0", 1}, STR("from here"));
	websocket_send(t.socket, false, (struct str){"\xff", 1}, (struct str){"\0", 1}); // the end of stdin
	REQUIRE(rig_until(&s.rig, &t.ended));
	CHECK_STR(buf_str(&t.channels[1]), "from here");
	CHECK_STR(buf_str(&t.channels[2]), "e\n");
	CHECK(str_contains(buf_str(&t.channels[3]), STR("NonZeroExitCode")) && str_contains(buf_str(&t.channels[3]), STR("\"3\"")));
}

static long resident_kib(void)
{
	long pages = 0, skip;
	FILE *f = fopen("/proc/self/statm", "re");
	if (fscanf(f, "%ld %ld", &skip, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool under_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
	return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
	return false;
#endif
}

// Clients that take nothing cost a bounded piece of memory each, and nobody else's time.
TEST(endpoint_stalled_clients)
{
	enum { CLIENTS = 10, EACH_KIB = 4096 };
	struct setting s CLEAN_SETTING = {0};
	struct socket_talk t[CLIENTS] = {{0}};
	set_up(&s);
	REQUIRE(rig_run(&s.rig, "c1", "exec sleep 1000") == 0);
	long before = resident_kib();
	for (int i = 0; i < CLIENTS; i++) {
		REQUIRE(socket_open(&s, &t[i], "/exec/default/p/c1?command=cat&command=/dev/zero&output=1"));
		websocket_read(t[i].socket, false);
	}
	rig_turn(&s.rig, 1500);
	if (!under_sanitizer()) // which keeps what was freed
		CHECK(resident_kib() - before < CLIENTS * EACH_KIB);
	int64_t begun = loop_now(s.rig.loop);
	CHECK_INT(get(&s, "/healthz"), 200);
	CHECK(loop_now(s.rig.loop) - begun < TIME_S);
	for (int i = 0; i < CLIENTS; i++)
		socket_finish(&t[i]);
	rig_turn(&s.rig, 300);
	struct cgroup_stats stats; // their processes are gone with them
	CHECK(runtime_stats(s.rig.runtime, STR("c1"), &stats, NULL) == 0 && stats.pids == 1);
}

// The server ends with everything open.
TEST(endpoint_closed_under_way)
{
	struct setting s CLEAN_SETTING = {0};
	struct socket_talk t CLEAN_SOCKET = {0};
	set_up(&s);
	REQUIRE(rig_run(&s.rig, "c1", "exec sleep 1000") == 0);
	REQUIRE(socket_open(&s, &t, "/exec/default/p/c1?command=cat&input=1&output=1"));
	struct http_call_request r = {.method = "GET", .target = STR("/containerLogs/default/p/c1?follow=true")};
	http_fetch(s.client, &r, 1 << 20, on_response, &s);
	rig_turn(&s.rig, 200);
	stream_server_close(s.endpoint);
	s.endpoint = NULL;
	CHECK(rig_until(&s.rig, &t.ended));
	CHECK(rig_until(&s.rig, &s.done));
}
