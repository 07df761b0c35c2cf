// SPDX-License-Identifier: Apache-2.0
#include "node/env/services.h"

#include <ctype.h>

enum { SERVICES_ENV_MAX = 20000 };

// "my-db" gives "MY_DB".
static struct str shout(struct arena *a, struct str name)
{
	char *out = arena_c(a, name);
	for (size_t i = 0; i < name.n; i++)
		out[i] = out[i] == '-' || out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
	return (struct str){out, name.n};
}

static void add(struct str *out, size_t *count, size_t room, struct str item)
{
	if (*count < room)
		out[(*count)++] = item;
}

// "tcp", "udp" or "sctp"
static const char *scheme_of(struct arena *a, const struct json *port)
{
	struct str protocol = json_str(port, "protocol");
	char *lower = arena_c(a, protocol.n ? protocol : STR("TCP"));
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return lower;
}

static void add_port(struct arena *a, struct str prefix, struct str ip, const struct json *port, struct str *out,
		     size_t *count, size_t room)
{
	struct str protocol = json_str(port, "protocol");
	protocol = protocol.n ? protocol : STR("TCP");
	long long number = json_i64(port, "port", 0);
	const char *lower = scheme_of(a, port);
	struct str full = arena_fmt(a, "%.*s_PORT_%lld_%.*s", STR_FMT(prefix), number, STR_FMT(protocol));
	add(out, count, room, arena_fmt(a, "%.*s=%s://%.*s:%lld", STR_FMT(full), lower, STR_FMT(ip), number));
	add(out, count, room, arena_fmt(a, "%.*s_PROTO=%s", STR_FMT(full), lower));
	add(out, count, room, arena_fmt(a, "%.*s_PORT=%lld", STR_FMT(full), number));
	add(out, count, room, arena_fmt(a, "%.*s_ADDR=%.*s", STR_FMT(full), STR_FMT(ip)));
}

void services_env_of(struct arena *a, const struct json *service, struct str *out, size_t *count, size_t room)
{
	struct str ip = json_str(service, "spec.clusterIP"), prefix = shout(a, json_str(service, "metadata.name"));
	const struct json *ports = json_at(service, "spec.ports"), *first = json_first(ports);
	if (!first || !ip.n || str_is(ip, "None"))
		return;
	long long number = json_i64(first, "port", 0);
	add(out, count, room, arena_fmt(a, "%.*s_SERVICE_HOST=%.*s", STR_FMT(prefix), STR_FMT(ip)));
	add(out, count, room, arena_fmt(a, "%.*s_SERVICE_PORT=%lld", STR_FMT(prefix), number));
	json_each(port, ports) {
		struct str name = json_str(port, "name");
		if (name.n)
			add(out, count, room,
			    arena_fmt(a, "%.*s_SERVICE_PORT_%.*s=%lld", STR_FMT(prefix), STR_FMT(shout(a, name)),
				      (long long)json_i64(port, "port", 0)));
	}
	add(out, count, room,
	    arena_fmt(a, "%.*s_PORT=%s://%.*s:%lld", STR_FMT(prefix), scheme_of(a, first), STR_FMT(ip), number));
	json_each(port, ports)
		add_port(a, prefix, ip, port, out, count, room);
}

struct gathering {
	struct arena *arena;
	struct str prefix; // "namespace/"
	struct str *out;
	size_t count;
};

static bool gather(void *arg, const struct informer_object *o)
{
	struct gathering *g = arg;
	if (str_starts(o->key, g->prefix))
		services_env_of(g->arena, informer_parse(g->arena, o), g->out, &g->count, SERVICES_ENV_MAX);
	return g->count < SERVICES_ENV_MAX;
}

void services_env(struct arena *a, const struct informer *services, struct str namespace, bool links, struct str **out,
		  size_t *count)
{
	struct str *room = mem_alloc(SERVICES_ENV_MAX * sizeof(struct str));
	struct gathering g = {.arena = a, .out = room, .prefix = arena_fmt(a, "%.*s/", STR_FMT(namespace))};
	const struct informer_object *master = informer_get(services, STR("default/kubernetes"));
	if (master && !(links && str_is(namespace, "default")))
		services_env_of(a, informer_parse(a, master), room, &g.count, SERVICES_ENV_MAX);
	if (links)
		informer_each(services, gather, &g);
	*out = ARENA_ARRAY(a, struct str, g.count + 1);
	*count = g.count;
	if (g.count)
		memcpy(*out, room, g.count * sizeof(**out));
	free(room);
}
