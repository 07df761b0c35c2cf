// SPDX-License-Identifier: Apache-2.0
// What one request costs the server's thread: a handler that answers 1 KB over TLS, and /list with 10,000
// blobs of 1 KB. Load it from outside; it prints the CPU time per request when it is interrupted:
//   wire-http & wrk -t1 -c64 -d5 https://127.0.0.1:PORT/ ; kill -INT %1
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/times.h"
#include "sys/real.h"
#include "wire/server.h"
#include "wire/x509.h"

enum { LIST_COUNT = 10000, OBJECT_SIZE = 1024 };

struct bench {
	struct loop *loop;
	struct blob *object;
	struct blob *list[LIST_COUNT];
	uint64_t requests;
};

static void on_request(void *arg, struct http_exchange *x)
{
	struct bench *b = arg;
	struct http_reply ok = {.code = 200, .content_type = "application/json"};
	b->requests++;
	if (str_is(x->path, "/list")) {
		for (int i = 0; i < LIST_COUNT; i++)
			blob_ref(b->list[i]);
		http_reply(x, &ok, b->list, LIST_COUNT);
	} else {
		blob_ref(b->object);
		http_reply(x, &ok, &b->object, 1);
	}
}

static void on_interrupt(void *arg, int number)
{
	struct bench *b = arg;
	loop_real_stop(b->loop);
}

static struct tls_context *make_context(struct loop *l)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct x509_pair authority, server;
	struct str name = STR("127.0.0.1");
	int64_t from = loop_wall(l) - TIME_S, to = from + 3600 * TIME_S;
	struct x509_request r = {.common_name = STR("bench"), .names = &name, .name_count = 1, .uses = X509_USE_SERVER,
				 .not_before_ns = from, .not_after_ns = to};
	MUST(x509_make_authority(STR("bench-ca"), from, to, &authority, &e) == 0);
	MUST(x509_issue(buf_str(&authority.certificate), buf_str(&authority.key), &r, &server, &e) == 0);
	struct tls_config config = {.certificate = buf_str(&server.certificate), .key = buf_str(&server.key),
				    .http2 = true};
	struct tls_context *c = tls_context_server(&config, &e);
	MUST(c);
	x509_pair_finish(&authority);
	x509_pair_finish(&server);
	return c;
}

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * TIME_S + t.tv_nsec;
}

static struct blob *make_object(void)
{
	struct blob *b = blob_create_raw(OBJECT_SIZE);
	memset(b->p, 'x', OBJECT_SIZE);
	return b;
}

int main(int argc, char **argv)
{
	static const struct http_handler handler = {.on_request = on_request};
	static struct bench b;
	struct err e CLEAN_ERR = ERR_EMPTY;
	bool plain = argc > 1 && strcmp(argv[1], "plain") == 0;
	b.loop = loop_real_create();
	b.object = make_object();
	for (int i = 0; i < LIST_COUNT; i++)
		b.list[i] = make_object();
	struct tls_context *tls = plain ? NULL : make_context(b.loop);
	struct http_server_config config = {.loop = b.loop, .handler = &handler, .arg = &b, .tls = tls};
	struct http_server *s = http_server_create(&config);
	if (http_server_listen(s, "127.0.0.1:0", &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return 1;
	}
	printf("%s://127.0.0.1:%d/\n", plain ? "http" : "https", http_server_port(s));
	fflush(stdout);
	loop_real_on_signal(b.loop, SIGINT, on_interrupt, &b);
	int64_t start = cpu_ns();
	loop_real_run(b.loop);
	int64_t spent = cpu_ns() - start;
	if (b.requests)
		printf("%llu requests, %.2f us of CPU each\n", (unsigned long long)b.requests,
		       (double)spent / 1000 / (double)b.requests);
	http_server_destroy(s);
	tls_context_unref(tls);
	loop_real_destroy(b.loop);
	blob_unref(b.object);
	for (int i = 0; i < LIST_COUNT; i++)
		blob_unref(b.list[i]);
	return 0;
}
