// SPDX-License-Identifier: Apache-2.0
#include "node/pod/tokens.h"

#include "base/map.h"

enum { RETRY_FIRST_MS = 500, RETRY_MAX_S = 60 };

struct token {
	struct tokens *all;
	struct arena memory;
	struct str key, uid, path, request; // what is sent
	char *value;			    // NULL: not here yet
	struct timer timer;		    // of the renewal, or of the next try
	int64_t retry_ns;
	bool open;	// a request is under way
	bool forgotten; // dropped while it was; its answer frees it
};

struct tokens {
	struct transport *transport;
	struct map map; // "uid|audience|seconds"
	tokens_changed *on_change;
	void *arg;
};

static void ask(struct token *t);

static struct str key_of(struct arena *a, struct str uid, const struct volume_token *t)
{
	return arena_fmt(a, "%.*s|%.*s|%lld", STR_FMT(uid), STR_FMT(t->audience), (long long)t->seconds);
}

struct tokens *tokens_create(struct transport *t, tokens_changed *on_change, void *arg)
{
	struct tokens *k = MEM_NEW(struct tokens);
	*k = (struct tokens){.transport = t, .on_change = on_change, .arg = arg};
	map_init(&k->map);
	return k;
}

static void token_free(struct token *t)
{
	if (t->value)
		explicit_bzero(t->value, strlen(t->value));
	free(t->value);
	arena_finish(&t->memory);
	free(t);
}

static void token_forget(struct token *t)
{
	timer_stop(&t->timer);
	if (t->open)
		t->forgotten = true;
	else
		token_free(t);
}

void tokens_destroy(struct tokens *k)
{
	if (!k)
		return;
	map_each(entry, &k->map)
		token_forget(entry->value);
	map_finish(&k->map);
	free(k);
}

static void on_timer(struct timer *timer)
{
	ask(CONTAINER_OF(timer, struct token, timer));
}

static void take(struct token *t, const struct json *answer)
{
	struct loop *l = t->all->transport->loop;
	struct str value = json_str(answer, "status.token");
	int64_t expires, now = loop_wall(l);
	free(t->value);
	t->value = mem_zalloc(value.n + 1);
	memcpy(t->value, value.p, value.n);
	t->retry_ns = 0;
	if (time_parse(json_str(answer, "status.expirationTimestamp"), &expires) || expires <= now)
		expires = now + 600 * TIME_S;
	timer_start(l, &t->timer, (expires - now) / 5 * 4);
}

static void on_answer(void *arg, const struct client_response *r)
{
	struct token *t = arg;
	t->open = false;
	if (t->forgotten) {
		token_free(t);
		return;
	}
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	struct json *answer;
	if (!r->e && !json_parse(&a, r->body, NULL, &answer, NULL)) {
		take(t, answer);
	} else {
		t->retry_ns = t->retry_ns ? t->retry_ns * 2 : RETRY_FIRST_MS * TIME_MS;
		if (t->retry_ns > RETRY_MAX_S * TIME_S)
			t->retry_ns = RETRY_MAX_S * TIME_S;
		timer_start(t->all->transport->loop, &t->timer, t->retry_ns);
	}
	t->all->on_change(t->all->arg, t->uid, r->e);
}

static void ask(struct token *t)
{
	struct client_request r = {.method = "POST", .path = t->path, .body = t->request};
	t->open = true;
	client_send(t->all->transport, &r, on_answer, t);
}

static struct str request_of(struct arena *a, const struct pod_spec *pod, const struct volume_token *t)
{
	struct json *request = json_object(a), *spec = json_need_object(a, request, "spec");
	json_put_str(a, request, "apiVersion", STR("authentication.k8s.io/v1"));
	json_put_str(a, request, "kind", STR("TokenRequest"));
	struct json *audiences = json_put(spec, "audiences", json_array(a));
	if (t->audience.n)
		json_push(audiences, json_string(a, t->audience));
	json_put_int(a, spec, "expirationSeconds", t->seconds);
	struct json *bound = json_need_object(a, spec, "boundObjectRef");
	json_put_str(a, bound, "apiVersion", STR("v1"));
	json_put_str(a, bound, "kind", STR("Pod"));
	json_put_str(a, bound, "name", pod->name);
	json_put_str(a, bound, "uid", pod->uid);
	return json_text(a, request);
}

void tokens_want(struct tokens *k, const struct pod_spec *pod, const struct volume_token *want)
{
	struct token *t = MEM_NEW(struct token);
	struct arena *a = &t->memory;
	arena_init(a);
	t->key = key_of(a, pod->uid, want);
	if (map_has(&k->map, t->key)) {
		token_free(t);
		return;
	}
	struct str account = json_str(pod->object, "spec.serviceAccountName");
	t->all = k;
	t->timer.fire = on_timer;
	t->uid = arena_str(a, pod->uid);
	t->path = client_path(a, STR("v1"), pod->namespace, STR("serviceaccounts"),
			      account.n ? account : STR("default"), STR("token"));
	t->request = request_of(a, pod, want);
	map_set(&k->map, t->key, t);
	ask(t);
}

void tokens_drop(struct tokens *k, struct str uid)
{
	for (size_t i = k->map.count; i-- > 0;) {
		struct token *t = k->map.entries[i].value;
		if (!str_eq(t->uid, uid))
			continue;
		map_remove(&k->map, t->key);
		token_forget(t);
	}
}

bool tokens_get(const struct tokens *k, struct str uid, const struct volume_token *want, struct str *value)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	const struct token *t = map_get(&k->map, key_of(&a, uid, want));
	if (!t || !t->value)
		return false;
	*value = str_of(t->value);
	return true;
}
