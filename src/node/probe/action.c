// SPDX-License-Identifier: Apache-2.0
#include "node/probe/action.h"

#include <stdio.h>

#include "base/encode.h"
#include "node/probe/page.h"
#include "wire/grpc.h"

enum { SAID_MAX = 10 << 10, ADDRESS_MAX = 300 };

struct action {
	struct loop *loop;
	struct runtime_session *session;
	struct page *page;
	struct grpc_call *grpc;
	struct stream *stream; // perhaps still connecting
	struct timer timer;
	struct task finish;
	struct buf said;
	bool any_answer;
	enum action_result result;
	bool over; // `finish` is posted, or nobody listens any more
	bool cancelled;
	action_done *done;
	void *arg;
};

static void let_go(struct action *a)
{
	timer_stop(&a->timer);
	runtime_session_cancel(a->session);
	stream_close(a->stream);
	page_cancel(a->page);
	grpc_call_cancel(a->grpc);
	a->session = NULL;
	a->grpc = NULL;
	a->stream = NULL;
	a->page = NULL;
}

static void action_free(struct action *a)
{
	let_go(a);
	buf_finish(&a->said);
	free(a);
}

static void run_finish(struct task *t)
{
	struct action *a = CONTAINER_OF(t, struct action, finish);
	if (!a->cancelled) {
		let_go(a);
		a->done(a->arg, a->result, buf_str(&a->said));
		a->cancelled = true;
	}
	action_free(a);
}

// `done` is told from a turn of its own: the clients below do not like to be destroyed from inside their callbacks.
static void end(struct action *a, enum action_result result)
{
	if (a->over)
		return;
	a->over = true;
	a->result = result;
	timer_stop(&a->timer);
	loop_post(a->loop, &a->finish);
}

static void fail(struct action *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct action *a, const char *format, ...)
{
	va_list args;
	if (a->over)
		return;
	va_start(args, format);
	buf_clear(&a->said);
	buf_vfmt(&a->said, format, args);
	va_end(args);
	end(a, ACTION_BAD);
}

static void add_said(struct action *a, struct str text)
{
	buf_add(&a->said, str_sub(text, 0, SAID_MAX - (a->said.n < SAID_MAX ? a->said.n : SAID_MAX)));
}

// ---- exec

static void on_output(void *arg, int stream, struct str data)
{
	add_said(arg, data);
}

static void on_exec_end(void *arg, int exit_code, const struct err *e)
{
	struct action *a = arg;
	a->session = NULL;
	if (e && e->reason == ERR_TIMEOUT)
		fail(a, "command timed out");
	else if (e)
		fail(a, "%s", err_text(e));
	else
		end(a, exit_code == 0 ? ACTION_GOOD : ACTION_BAD);
}

static void start_exec(struct action *a, const struct action_context *x, const struct pod_action *what,
		       int64_t timeout_ns)
{
	static const struct runtime_session_events events = {on_output, on_exec_end};
	struct runtime_exec_spec spec = {
		.id = x->container_id,
		.args = what->command,
		.arg_count = what->command_count,
		.timeout_ns = timeout_ns,
	};
	a->session = runtime_exec(x->runtime, &spec, &events, a);
}

// ---- tcp

static void on_connect(void *arg, struct stream *s, const struct err *e)
{
	struct action *a = arg;
	a->stream = s;
	if (e)
		fail(a, "%s", err_text(e));
	else
		end(a, ACTION_GOOD);
}

static void address_of(char out[ADDRESS_MAX], const struct action_context *x, const struct pod_action *what)
{
	struct str host = what->host.n ? what->host : x->ip;
	bool v6 = str_find(host, ':') >= 0;
	snprintf(out, ADDRESS_MAX, "%s%.*s%s:%d", v6 ? "[" : "", STR_FMT(host), v6 ? "]" : "", what->port);
}

static void start_tcp(struct action *a, const struct action_context *x, const struct pod_action *what)
{
	char address[ADDRESS_MAX];
	address_of(address, x, what);
	a->stream = net_connect(x->loop, address, on_connect, a);
}

// ---- http

static void on_page(void *arg, const struct err *e, int code, struct str body)
{
	struct action *a = arg;
	bool moved = !a->any_answer && code >= 300 && code < 400;
	a->page = NULL;
	if (moved)
		add_said(a, STR("Probe terminated redirects, Response body: "));
	add_said(a, body);
	if (e)
		fail(a, "%s", err_text(e));
	else if (a->any_answer || (code >= 200 && code < 400))
		end(a, moved ? ACTION_DOUBTFUL : ACTION_GOOD);
	else
		fail(a, "HTTP probe failed with statuscode: %d", code);
}

static void start_http(struct action *a, const struct action_context *x, const struct pod_action *what)
{
	struct page_request request = {.https = str_is(what->scheme, "HTTPS"),
				       .hook = x->any_answer,
				       .host = what->host.n ? what->host : x->ip,
				       .port = what->port,
				       .path = what->path,
				       .headers = what->headers};
	a->page = page_get(x->loop, &request, on_page, a);
}

// ---- grpc: the health checking protocol, HealthCheckRequest and HealthCheckResponse

enum { REQUEST_SERVICE = 1 << 3 | 2, RESPONSE_STATUS = 1 << 3, SERVING = 1 };

static void write_request(struct buf *out, struct str service)
{
	if (str_empty(service))
		return;
	buf_add_byte(out, REQUEST_SERVICE);
	encode_varint(out, service.n);
	buf_add(out, service);
}

static void on_health(void *arg, const struct grpc_answer *answer)
{
	static const char serving[] = {RESPONSE_STATUS, SERVING};
	struct action *a = arg;
	a->grpc = NULL;
	if (answer->e)
		fail(a, "gRPC probe failed: %s", err_text(answer->e));
	else if (answer->status == GRPC_UNIMPLEMENTED)
		fail(a, "gRPC probe failed: the server does not implement grpc.health.v1.Health");
	else if (answer->status != GRPC_OK)
		fail(a, "gRPC probe failed: status %d: %.*s", answer->status, STR_FMT(answer->reason));
	else if (str_eq(answer->message, (struct str){serving, sizeof serving}))
		end(a, ACTION_GOOD);
	else
		fail(a, "service unhealthy: it does not answer SERVING");
}

static void start_grpc(struct action *a, const struct action_context *x, const struct pod_action *what)
{
	char address[ADDRESS_MAX];
	struct buf message CLEAN_BUF;
	buf_init(&message);
	write_request(&message, what->service);
	address_of(address, x, what);
	struct grpc_request request = {.address = address,
				       .path = "/grpc.health.v1.Health/Check",
				       .user_agent = "kube-probe/1.36",
				       .message = buf_str(&message)};
	a->grpc = grpc_call_start(x->loop, &request, on_health, a);
}

// ---- all

static void on_timer(struct timer *t)
{
	struct action *a = CONTAINER_OF(t, struct action, timer);
	if (a->done && !a->session && !a->page && !a->grpc && !a->stream) {
		end(a, ACTION_GOOD); // a sleep is over
		return;
	}
	fail(a, "timeout");
}

struct action *action_start(const struct action_context *x, const struct pod_action *what, int64_t timeout_ns,
			    action_done *done, void *arg)
{
	struct action *a = MEM_NEW(struct action);
	a->loop = x->loop;
	a->timer.fire = on_timer;
	a->finish.run = run_finish;
	a->any_answer = x->any_answer;
	a->done = done;
	a->arg = arg;
	buf_init(&a->said);
	if (what->kind == ACTION_SLEEP)
		timeout_ns = what->sleep_ns;
	if (timeout_ns || what->kind == ACTION_SLEEP)
		timer_start(x->loop, &a->timer, timeout_ns);
	if (what->kind == ACTION_EXEC)
		start_exec(a, x, what, timeout_ns);
	else if (what->kind == ACTION_TCP && what->port)
		start_tcp(a, x, what);
	else if (what->kind == ACTION_HTTP && what->port)
		start_http(a, x, what);
	else if (what->kind == ACTION_GRPC && what->port)
		start_grpc(a, x, what);
	else if (what->kind != ACTION_SLEEP)
		fail(a, "the port is not one of the container's");
	return a;
}

void action_cancel(struct action *a)
{
	if (!a)
		return;
	a->cancelled = true;
	if (a->over) // run_finish frees it
		return;
	a->over = true;
	loop_post(a->loop, &a->finish);
	let_go(a);
}
