// SPDX-License-Identifier: Apache-2.0
#include "server/status.h"

struct status_details status_of_resource(const struct api_resource *r, struct str name)
{
	return (struct status_details){.present = true, .name = name, .group = r->group, .kind = r->plural};
}

struct status_details status_of_kind(const struct api_resource *r, struct str name)
{
	return (struct status_details){.present = true, .name = name, .group = r->group, .kind = r->kind};
}

struct status_details status_empty(void)
{
	return (struct status_details){.present = true};
}

static struct json *causes_json(struct arena *a, const struct err *e)
{
	struct json *list = json_array(a);
	for (size_t i = 0; i < e->cause_count; i++) {
		struct json *cause = json_object(a);
		json_put_str(a, cause, "reason", arena_str(a, str_of(e->causes[i].reason)));
		json_put_str(a, cause, "message", arena_str(a, str_of(e->causes[i].message)));
		if (e->causes[i].field && *e->causes[i].field)
			json_put_str(a, cause, "field", arena_str(a, str_of(e->causes[i].field)));
		json_push(list, cause);
	}
	return list;
}

static void put_nonempty(struct arena *a, struct json *object, const char *key, struct str value)
{
	if (!str_empty(value))
		json_put_str(a, object, key, value);
}

static struct json *details_json(struct arena *a, const struct status_details *d, const struct err *e)
{
	struct json *details = json_object(a);
	put_nonempty(a, details, "name", d->name);
	put_nonempty(a, details, "group", d->group);
	put_nonempty(a, details, "kind", d->kind);
	put_nonempty(a, details, "uid", d->uid);
	if (e && e->cause_count)
		json_put(details, "causes", causes_json(a, e));
	if (e && e->retry_after_s)
		json_put_int(a, details, "retryAfterSeconds", e->retry_after_s);
	return details;
}

// `ConfigMap "x" is invalid: [metadata.name: Required value, data: ...]`
static struct str invalid_text(struct arena *a, const struct err *e, const struct status_details *d)
{
	struct buf out CLEAN_BUF;
	buf_init(&out);
	buf_add(&out, d->kind);
	if (!str_empty(d->group))
		buf_fmt(&out, ".%.*s", STR_FMT(d->group));
	buf_fmt(&out, " \"%.*s\" is invalid: ", STR_FMT(d->name));
	if (e->cause_count > 1)
		buf_add_byte(&out, '[');
	for (size_t i = 0; i < e->cause_count; i++)
		buf_fmt(&out, "%s%s: %s", i ? ", " : "", e->causes[i].field, e->causes[i].message);
	if (e->cause_dropped)
		buf_fmt(&out, ", and %zu more", e->cause_dropped);
	if (e->cause_count > 1)
		buf_add_byte(&out, ']');
	return arena_str(a, buf_str(&out));
}

static struct json *status_base(struct arena *a, const char *status)
{
	struct json *s = json_object(a);
	json_put_str(a, s, "kind", STR("Status"));
	json_put_str(a, s, "apiVersion", STR("v1"));
	json_put(s, "metadata", json_object(a));
	json_put_str(a, s, "status", str_of(status));
	return s;
}

struct json *status_error(struct arena *a, const struct err *e, const struct status_details *d, int *code)
{
	static const struct status_details none;
	if (!d)
		d = &none;
	*code = err_http_code(e->reason);
	struct json *s = status_base(a, "Failure");
	bool invalid = e->reason == ERR_INVALID && e->cause_count;
	json_put_str(a, s, "message", invalid ? invalid_text(a, e, d) : arena_str(a, str_of(err_text(e))));
	json_put_str(a, s, "reason", str_of(err_reason_name(e->reason)));
	if (d->present || e->cause_count || e->retry_after_s)
		json_put(s, "details", details_json(a, d, e));
	json_put_int(a, s, "code", *code);
	return s;
}

struct json *status_success(struct arena *a, const struct status_details *d)
{
	struct json *s = status_base(a, "Success");
	if (d)
		json_put(s, "details", details_json(a, d, NULL));
	return s;
}

struct str status_resource_text(struct arena *a, const struct api_resource *r)
{
	if (str_empty(r->group))
		return r->plural;
	return arena_fmt(a, "%.*s.%.*s", STR_FMT(r->plural), STR_FMT(r->group));
}

static const char *dot(const struct api_resource *r)
{
	return str_empty(r->group) ? "" : ".";
}

int status_not_found(struct err *e, const struct api_resource *r, struct str name)
{
	return err_set(e, ERR_NOT_FOUND, "%.*s%s%.*s \"%.*s\" not found", STR_FMT(r->plural), dot(r), STR_FMT(r->group),
		       STR_FMT(name));
}

int status_exists(struct err *e, const struct api_resource *r, struct str name)
{
	return err_set(e, ERR_ALREADY_EXISTS, "%.*s%s%.*s \"%.*s\" already exists", STR_FMT(r->plural), dot(r),
		       STR_FMT(r->group), STR_FMT(name));
}

int status_conflict(struct err *e, const struct api_resource *r, struct str name, const char *why)
{
	return err_set(e, ERR_CONFLICT, "Operation cannot be fulfilled on %.*s%s%.*s \"%.*s\": %s", STR_FMT(r->plural),
		       dot(r), STR_FMT(r->group), STR_FMT(name), why);
}
