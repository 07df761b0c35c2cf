// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

struct str client_path(struct arena *a, struct str group_version, struct str namespace, struct str plural,
		       struct str name, struct str subresource)
{
	struct buf path CLEAN_BUF;
	buf_init(&path);
	if (str_find(group_version, '/') < 0)
		BUF_LIT(&path, "/api/");
	else
		BUF_LIT(&path, "/apis/");
	buf_add(&path, group_version);
	if (!str_empty(namespace)) {
		BUF_LIT(&path, "/namespaces/");
		buf_add(&path, namespace);
	}
	struct str parts[] = {plural, name, subresource};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (str_empty(parts[i]))
			continue;
		buf_add_byte(&path, '/');
		buf_add(&path, parts[i]);
	}
	return arena_str(a, buf_str(&path));
}

static void send_json(struct transport *t, const char *method, struct str path, const char *content_type,
		      const struct json *body, client_done *done, void *arg)
{
	struct buf text CLEAN_BUF;
	buf_init(&text);
	if (body)
		json_write(&text, body);
	struct client_request r = {method, path, body ? content_type : NULL, buf_str(&text)};
	client_send(t, &r, done, arg);
}

void client_get(struct transport *t, struct str path, client_done *done, void *arg)
{
	send_json(t, "GET", path, NULL, NULL, done, arg);
}

void client_create(struct transport *t, struct str collection_path, const struct json *object, client_done *done,
		   void *arg)
{
	send_json(t, "POST", collection_path, "application/json", object, done, arg);
}

void client_patch_merge(struct transport *t, struct str path, const struct json *patch, client_done *done, void *arg)
{
	send_json(t, "PATCH", path, "application/merge-patch+json", patch, done, arg);
}

void client_patch_strategic(struct transport *t, struct str path, const struct json *patch, client_done *done,
			    void *arg)
{
	send_json(t, "PATCH", path, "application/strategic-merge-patch+json", patch, done, arg);
}

void client_delete(struct transport *t, struct str path, const struct json *delete_options, client_done *done,
		   void *arg)
{
	send_json(t, "DELETE", path, "application/json", delete_options, done, arg);
}
