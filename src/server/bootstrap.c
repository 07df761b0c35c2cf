// SPDX-License-Identifier: Apache-2.0
#include "server/bootstrap.h"

#include "base/buf.h"
#include "base/err.h"
#include "server/worker.h"

struct step {
	struct str method, target, body;
	bool needed; // an answer other than 2xx or 409 ends the bootstrap
};

enum { STEPS_MAX = 16 };

struct boot {
	struct worker *worker;
	struct arena arena;
	struct user user;
	struct step steps[STEPS_MAX];
	size_t count, at;
	int code;
	struct buf answer;
	void (*done)(void *arg, const struct err *e);
	void *arg;
};

static void next(struct boot *b);

static void finish(struct boot *b, const struct err *e)
{
	b->done(b->arg, e);
	buf_finish(&b->answer);
	arena_finish(&b->arena);
	free(b);
}

static void on_head(void *arg, int code)
{
	((struct boot *)arg)->code = code;
}

static void on_piece(void *arg, struct blob *piece)
{
	struct boot *b = arg;
	if (b->answer.n < 4096)
		buf_add(&b->answer, str_sub(blob_str(piece), 0, 4096));
}

static void on_end(void *arg, bool whole)
{
	struct boot *b = arg;
	struct step *s = &b->steps[b->at];
	bool look = str_is(s->method, "GET"); // where it is there, the next step is not needed
	bool fine = whole && (b->code < 300 || b->code == 409 || (look && b->code == 404) || !s->needed);
	if (!fine) {
		struct err e CLEAN_ERR = ERR_EMPTY;
		err_set(&e, ERR_INTERNAL, "%.*s answered %d: %.*s", STR_FMT(s->target), b->code,
			STR_FMT(buf_str(&b->answer)));
		finish(b, &e);
		return;
	}
	b->at += look && b->code == 200 ? 2 : 1;
	next(b);
}

static void next(struct boot *b)
{
	static const struct local_events events = {on_head, on_piece, on_end};
	if (b->at == b->count) {
		finish(b, NULL);
		return;
	}
	struct step *s = &b->steps[b->at];
	struct local_request r = {.method = s->method, .target = s->target, .body = s->body, .user = &b->user};
	if (str_is(s->method, "PATCH"))
		r.content_type = STR("application/merge-patch+json");
	buf_clear(&b->answer);
	local_start(b->worker, &r, &events, b);
}

static void add(struct boot *b, bool needed, const char *method, const char *target, struct str body)
{
	MUST(b->count < STEPS_MAX);
	b->steps[b->count++] = (struct step){str_of(method), str_of(target), body, needed};
}

static void add_namespace(struct boot *b, const char *name)
{
	add(b, true, "POST", "/api/v1/namespaces",
	    arena_fmt(&b->arena, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}",
		      name));
}

static struct str first_address(struct arena *a, struct address_range range)
{
	uint32_t ip = range.base + 1;
	return arena_fmt(a, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static void add_service(struct boot *b)
{
	struct str ip = first_address(&b->arena, b->worker->server->services);
	add(b, true, "GET", "/api/v1/namespaces/default/services/kubernetes",
	    STR_NONE); // its address would clash with itself
	add(b, true, "POST", "/api/v1/namespaces/default/services",
	    arena_fmt(&b->arena,
		      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubernetes\",\"labels\":"
		      "{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},\"spec\":{\"clusterIP\":\"%.*s\","
		      "\"ports\":"
		      "[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":6443}]}}",
		      STR_FMT(ip)));
}

// Made, and where they were there already brought up to date.
static void add_endpoints(struct boot *b, struct str address)
{
	struct arena *a = &b->arena;
	ptrdiff_t colon = str_find_last(address, ':');
	if (colon < 0)
		return;
	struct str host = str_sub(address, 0, (size_t)colon), port = str_from(address, (size_t)colon + 1);
	struct str subsets = arena_fmt(a,
				       "\"subsets\":[{\"addresses\":[{\"ip\":\"%.*s\"}],\"ports\":[{\"name\":\"https\","
				       "\"port\":%.*s,\"protocol\":\"TCP\"}]}]",
				       STR_FMT(host), STR_FMT(port));
	add(b, false, "POST", "/api/v1/namespaces/default/endpoints",
	    arena_fmt(a,
		      "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"kubernetes\",\"labels\":"
		      "{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},%.*s}",
		      STR_FMT(subsets)));
	add(b, false, "PATCH", "/api/v1/namespaces/default/endpoints/kubernetes",
	    arena_fmt(a, "{%.*s}", STR_FMT(subsets)));
	struct str ends = arena_fmt(a,
				    "\"endpoints\":[{\"addresses\":[\"%.*s\"],\"conditions\":{\"ready\":true}}],"
				    "\"ports\":[{\"name\":\"https\",\"port\":%.*s,\"protocol\":\"TCP\"}]",
				    STR_FMT(host), STR_FMT(port));
	const char *slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
	add(b, false, "POST", slices,
	    arena_fmt(a,
		      "{\"apiVersion\":\"discovery.k8s.io/"
		      "v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"kubernetes\","
		      "\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},\"addressType\":\"IPv4\",%.*s}",
		      STR_FMT(ends)));
	add(b, false, "PATCH", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
	    arena_fmt(a, "{%.*s}", STR_FMT(ends)));
}

void bootstrap(struct worker *w, struct str address, void (*done)(void *arg, const struct err *e), void *arg)
{
	struct boot *b = MEM_NEW(struct boot);
	struct str masters = STR("system:masters");
	b->worker = w;
	b->done = done;
	b->arg = arg;
	arena_init(&b->arena);
	buf_init(&b->answer);
	b->user = user_make(&b->arena, STR("system:apiserver"), STR_NONE, &masters, 1);
	add_namespace(b, "default");
	add_namespace(b, "kube-system");
	add_namespace(b, "kube-public");
	add_namespace(b, "kube-node-lease");
	add_service(b);
	add_endpoints(b, address);
	next(b);
}
