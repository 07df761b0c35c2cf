// SPDX-License-Identifier: Apache-2.0
// Two tables: `entries`, one for each event as it stands in the API (object, type, reason, message), and `sources`, one
// for each object, which bound how much is told of it. Windows and limits are client-go's.
#include "client/events.h"

#include "base/map.h"
#include "base/times.h"
#include "client/backoff.h"

enum {
	MESSAGE_MAX = 1024,
	ENTRIES_MAX = 4096, // a sweep makes room
	OPEN_MAX = 512,
	TRIES_MAX = 5,
	SIMILAR_MAX = 10, // messages of one reason within the window before they are combined
	BURST = 25,
};
static const int64_t window_ns = 600 * TIME_S, refill_ns = 300 * TIME_S;

struct entry {
	struct events *events;
	struct str key, reason; // behind the struct, as what `about` holds
	struct events_about about;
	enum events_type type;
	char *message;	    // heap
	int64_t created_ns; // wall; the name in the API is made of it
	int64_t first_ns, last_ns;
	int count, count_written;
	bool open; // a request is under way
	struct timer retry;
	struct backoff backoff;
};

struct source {
	int tokens;
	int64_t filled_ns; // loop's time: when the last token came
};

struct similar { // of one object, type and reason
	int messages;
	int64_t since_ns; // loop's time
};

struct events {
	struct transport *transport;
	struct str component, host; // one heap block
	struct map entries, sources, similar;
	int open;
	int64_t stamp; // of the newest event's name
	bool dead;     // destroyed while requests were open: the last answer frees it
};

// ---- what an event looks like

static void put_optional(struct arena *a, struct json *object, const char *key, struct str value)
{
	if (!str_empty(value))
		json_put_str(a, object, key, value);
}

static struct str namespace_of(const struct entry *entry)
{
	return str_empty(entry->about.namespace) ? STR("default") : entry->about.namespace;
}

static struct str event_name(struct arena *a, const struct entry *entry)
{
	return arena_fmt(a, "%.*s.%llx", STR_FMT(entry->about.name), (unsigned long long)entry->created_ns);
}

static struct json *event_object(struct arena *a, const struct entry *entry)
{
	const struct events_about *about = &entry->about;
	struct json *event = json_object(a);
	json_put_str(a, event, "apiVersion", STR("v1"));
	json_put_str(a, event, "kind", STR("Event"));
	json_put_str(a, json_need_object(a, event, "metadata"), "name", event_name(a, entry));
	json_put_str(a, json_need_object(a, event, "metadata"), "namespace", namespace_of(entry));
	struct json *involved = json_need_object(a, event, "involvedObject");
	json_put_str(a, involved, "kind", about->kind);
	put_optional(a, involved, "namespace", about->namespace);
	json_put_str(a, involved, "name", about->name);
	put_optional(a, involved, "uid", about->uid);
	json_put_str(a, involved, "apiVersion", about->api_version);
	put_optional(a, involved, "resourceVersion", about->resource_version);
	put_optional(a, involved, "fieldPath", about->field_path);
	json_put_str(a, event, "reason", entry->reason);
	json_put_str(a, event, "message", str_of(entry->message));
	struct json *source = json_need_object(a, event, "source");
	json_put_str(a, source, "component", entry->events->component);
	put_optional(a, source, "host", entry->events->host);
	json_put_str(a, event, "firstTimestamp", time_format(a, entry->first_ns));
	json_put_str(a, event, "lastTimestamp", time_format(a, entry->last_ns));
	json_put_int(a, event, "count", entry->count);
	json_put_str(a, event, "type", entry->type == EVENTS_WARNING ? STR("Warning") : STR("Normal"));
	json_put_str(a, event, "reportingComponent", entry->events->component);
	json_put_str(a, event, "reportingInstance", entry->events->host);
	return event;
}

// ---- writing

static void entry_write(struct entry *entry);

static void entry_free(struct entry *entry)
{
	timer_stop(&entry->retry);
	free(entry->message);
	free(entry);
}

static void events_free(struct events *v)
{
	map_each(slot, &v->entries)
		entry_free(slot->value);
	map_each(slot, &v->sources)
		free(slot->value);
	map_each(slot, &v->similar)
		free(slot->value);
	map_finish(&v->entries);
	map_finish(&v->sources);
	map_finish(&v->similar);
	free((char *)v->component.p);
	free(v);
}

static void retry_fire(struct timer *t)
{
	entry_write(CONTAINER_OF(t, struct entry, retry));
}

static void write_done(void *arg, const struct client_response *r)
{
	struct entry *entry = arg;
	struct events *v = entry->events;
	entry->open = false;
	v->open--;
	if (v->dead) {
		if (v->open == 0)
			events_free(v);
		return;
	}
	if (!r->e) {
		backoff_reset(&entry->backoff);
		if (entry->count > entry->count_written)
			entry_write(entry);
		return;
	}
	bool patched = entry->count_written > 0 && r->e->reason == ERR_NOT_FOUND;
	bool refused = r->code >= 400 && r->code < 500 && r->code != 429 && !patched;
	entry->count_written = 0; // an event that has expired is written anew
	if (!refused && entry->backoff.failures < TRIES_MAX)
		timer_start(v->transport->loop, &entry->retry, backoff_next(&entry->backoff, v->transport->loop));
}

static void entry_write(struct entry *entry)
{
	struct events *v = entry->events;
	if (entry->open || v->open >= OPEN_MAX)
		return;
	timer_stop(&entry->retry);
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	entry->open = true;
	v->open++;
	if (entry->count_written == 0) {
		int64_t now = loop_wall(v->transport->loop);
		v->stamp = now > v->stamp ? now : v->stamp + 1; // two events of one moment are two
		entry->created_ns = v->stamp;
		entry->count_written = entry->count;
		struct str path = client_path(&a, STR("v1"), namespace_of(entry), STR("events"), STR_NONE, STR_NONE);
		client_create(v->transport, path, event_object(&a, entry), write_done, entry);
		return;
	}
	entry->count_written = entry->count;
	struct json *patch = json_object(&a);
	json_put_int(&a, patch, "count", entry->count);
	json_put_str(&a, patch, "message", str_of(entry->message));
	json_put_str(&a, patch, "lastTimestamp", time_format(&a, entry->last_ns));
	struct str path =
		client_path(&a, STR("v1"), namespace_of(entry), STR("events"), event_name(&a, entry), STR_NONE);
	client_patch_merge(v->transport, path, patch, write_done, entry);
}

// ---- bounds, by the loop's time: the wall clock may be set back

// Whether the object may have one more.
static bool source_allows(struct events *v, struct str object_key, int64_t now_ns)
{
	struct source *s = map_get(&v->sources, object_key);
	if (!s) {
		s = MEM_NEW(struct source);
		*s = (struct source){BURST, now_ns};
		map_set(&v->sources, object_key, s);
	}
	int64_t refills = (now_ns - s->filled_ns) / refill_ns;
	s->filled_ns += refills * refill_ns;
	s->tokens = s->tokens + refills > BURST ? BURST : s->tokens + (int)refills;
	if (s->tokens == 0)
		return false;
	s->tokens--;
	return true;
}

// Whether this message is one too many of its reason, so that it joins the combined event.
static bool must_combine(struct events *v, struct str reason_key, bool known, int64_t now_ns)
{
	struct similar *s = map_get(&v->similar, reason_key);
	if (!s) {
		s = MEM_NEW(struct similar);
		s->since_ns = now_ns;
		map_set(&v->similar, reason_key, s);
	}
	if (now_ns - s->since_ns > window_ns)
		*s = (struct similar){0, now_ns};
	if (!known)
		s->messages++;
	return s->messages > SIMILAR_MAX && !known;
}

static void sweep_map(struct map *m, size_t keep)
{
	while (m->count > keep) {
		struct map_entry *last = &m->entries[m->count - 1];
		free(last->value);
		map_remove(m, last->key);
	}
}

// Forgets what is old, or all that is idle where that is not enough.
static void sweep(struct events *v, int64_t now_ns)
{
	for (int round = 0; round < 2 && v->entries.count >= ENTRIES_MAX; round++) {
		for (size_t n = v->entries.count; n-- > 0;) {
			struct entry *entry = v->entries.entries[n].value;
			if (entry->open || (round == 0 && now_ns - entry->last_ns < window_ns))
				continue;
			map_remove(&v->entries, entry->key);
			entry_free(entry);
		}
	}
	if (v->sources.count >= ENTRIES_MAX)
		sweep_map(&v->sources, 0);
	if (v->similar.count >= ENTRIES_MAX)
		sweep_map(&v->similar, 0);
}

// ---- recording

// Copies the text to *end, which moves on.
static struct str pack(char **end, struct str text)
{
	struct str copy = {*end, text.n};
	if (text.n)
		memcpy(*end, text.p, text.n);
	*end += text.n;
	return copy;
}

static struct entry *entry_create(struct events *v, struct str key, const struct events_about *about, struct str reason)
{
	size_t room = key.n + reason.n + about->api_version.n + about->kind.n + about->namespace.n + about->name.n +
		      about->uid.n + about->resource_version.n + about->field_path.n;
	struct entry *entry = mem_zalloc(sizeof *entry + room);
	char *end = (char *)(entry + 1);
	entry->events = v;
	entry->key = pack(&end, key);
	entry->reason = pack(&end, reason);
	entry->about = (struct events_about){
		.api_version = pack(&end, about->api_version),
		.kind = pack(&end, about->kind),
		.namespace = pack(&end, about->namespace),
		.name = pack(&end, about->name),
		.uid = pack(&end, about->uid),
		.resource_version = pack(&end, about->resource_version),
		.field_path = pack(&end, about->field_path),
	};
	entry->first_ns = loop_wall(v->transport->loop);
	entry->retry.fire = retry_fire;
	entry->retry.loop = v->transport->loop;
	entry->backoff = (struct backoff){.first_ns = TIME_S, .max_ns = 30 * TIME_S};
	map_set(&v->entries, key, entry);
	return entry;
}

static void set_message(struct entry *entry, struct str message)
{
	if (entry->message && str_is(message, entry->message))
		return;
	free(entry->message);
	entry->message = mem_zalloc(message.n + 1);
	if (message.n)
		memcpy(entry->message, message.p, message.n);
}

static void record(struct events *v, const struct events_about *about, enum events_type type, struct str reason,
		   struct str message)
{
	struct arena a CLEAN_ARENA;
	arena_init(&a);
	int64_t now_ns = loop_wall(v->transport->loop), steady_ns = loop_now(v->transport->loop);
	sweep(v, now_ns);
	struct str object_key =
		arena_fmt(&a, "%.*s/%.*s/%.*s/%.*s/%.*s", STR_FMT(about->kind), STR_FMT(about->namespace),
			  STR_FMT(about->name), STR_FMT(about->uid), STR_FMT(about->field_path));
	struct str reason_key = arena_fmt(&a, "%.*s/%d/%.*s", STR_FMT(object_key), type, STR_FMT(reason));
	struct str key = arena_fmt(&a, "%.*s/%.*s", STR_FMT(reason_key), STR_FMT(message));
	struct entry *entry = map_get(&v->entries, key);
	if (must_combine(v, reason_key, entry != NULL, steady_ns)) {
		key = reason_key;
		message = arena_fmt(&a, "(combined from similar events): %.*s", STR_FMT(message));
		entry = map_get(&v->entries, key);
	}
	if (!source_allows(v, object_key, steady_ns))
		return;
	if (entry && now_ns - entry->last_ns > window_ns && !entry->open) {
		map_remove(&v->entries, entry->key);
		entry_free(entry);
		entry = NULL;
	}
	if (!entry)
		entry = entry_create(v, key, about, reason);
	entry->type = type;
	set_message(entry, message);
	entry->last_ns = now_ns;
	entry->count++;
	entry_write(entry);
}

void events_record(struct events *v, const struct events_about *about, enum events_type type, const char *reason,
		   const char *format, ...)
{
	struct buf message CLEAN_BUF;
	buf_init(&message);
	va_list args;
	va_start(args, format);
	buf_vfmt(&message, format, args);
	va_end(args);
	record(v, about, type, str_of(reason), str_sub(buf_str(&message), 0, MESSAGE_MAX));
}

struct events *events_create(struct transport *t, struct str component, struct str host)
{
	struct events *v = MEM_NEW(struct events);
	char *names = mem_alloc(component.n + host.n + 1);
	memcpy(names, component.p, component.n);
	if (host.n)
		memcpy(names + component.n, host.p, host.n);
	v->transport = t;
	v->component = (struct str){names, component.n};
	v->host = (struct str){names + component.n, host.n};
	map_init(&v->entries);
	map_init(&v->sources);
	map_init(&v->similar);
	return v;
}

void events_destroy(struct events *v)
{
	if (!v)
		return;
	v->dead = true;
	map_each(slot, &v->entries)
		timer_stop(&((struct entry *)slot->value)->retry);
	if (v->open == 0)
		events_free(v);
}

struct events_about events_about_object(const char *api_version, const char *kind, const struct json *object)
{
	return (struct events_about){
		.api_version = str_of(api_version),
		.kind = str_of(kind),
		.namespace = json_str(object, "metadata.namespace"),
		.name = json_str(object, "metadata.name"),
		.uid = json_str(object, "metadata.uid"),
		.resource_version = json_str(object, "metadata.resourceVersion"),
	};
}
