// SPDX-License-Identifier: Apache-2.0
// ConfigMap and Secret.
#include "api/rules/rules.h"
#include "base/encode.h"

enum { CONTENT_MAX = 1024 * 1024 }; // bytes of all values together

static size_t decoded_size(const struct json *base64)
{
	size_t n = base64->text.n, padding = 0;
	while (padding < 2 && padding < n && base64->text.p[n - 1 - padding] == '=')
		padding++;
	return n / 4 * 3 - (n ? padding : 0);
}

static void check_immutable_content(struct check *c, const char *const *fields)
{
	if (!is_true(c->old, "immutable"))
		return;
	if (!is_true(c->object, "immutable"))
		fail_forbidden(c, AT(NULL, "immutable"), "the object was made immutable and stays so");
	for (; *fields; fields++)
		if (!same_field(c->object, c->old, *fields))
			fail_forbidden(c, AT_STR(NULL, str_of(*fields)), "the object is immutable");
}

void rules_config_map_create(struct check *c)
{
	const struct json *data = field(c->object, "data"), *binary = field(c->object, "binaryData");
	struct index binary_keys CLEAN_INDEX;
	index_init(&binary_keys, binary, NULL);
	size_t total = 0;
	json_each(value, data) {
		check_format(c, AT_KEY(AT(NULL, "data"), value->key), value->key, format_config_key);
		if (index_get(&binary_keys, value->key))
			fail_text(c, AT_KEY(AT(NULL, "data"), value->key), value->key, "the key is in binaryData too");
		total += value->text.n;
	}
	json_each(value, binary) {
		check_format(c, AT_KEY(AT(NULL, "binaryData"), value->key), value->key, format_config_key);
		total += decoded_size(value);
	}
	if (total > CONTENT_MAX)
		fail_too_long(c, NULL, CONTENT_MAX);
}

void rules_config_map_update(struct check *c)
{
	static const char *const fixed[] = {"data", "binaryData", NULL};
	check_immutable_content(c, fixed);
	rules_config_map_create(c);
}

// What each type of Secret must hold.

static void need_key(struct check *c, const struct json *data, const char *key, bool filled)
{
	const struct json *value = field(data, key);
	if (!value || (filled && !value->text.n))
		fail_required(c, AT_KEY(AT(NULL, "data"), str_of(key)), "a Secret of this type has this key");
}

// The value holds JSON; it is not shown.
static void need_json(struct check *c, const struct json *data, const char *key)
{
	const struct json *value = field(data, key);
	const struct path *p = AT_KEY(AT(NULL, "data"), str_of(key));
	struct err ignored CLEAN_ERR = ERR_EMPTY;
	struct json *parsed;
	struct str text;
	if (!value)
		fail_required(c, p, "a Secret of this type has this key");
	else if (decode_base64(c->arena, value->text, &text) || json_parse(c->arena, text, NULL, &parsed, &ignored) ||
		 (parsed->type != JSON_OBJECT && parsed->type != JSON_NULL))
		fail_text(c, p, STR("<not shown>"), "must hold a JSON object");
}

static void check_secret_type(struct check *c)
{
	const struct json *data = field(c->object, "data");
	struct str type = text_of(c->object, "type");
	if (str_is(type, "kubernetes.io/service-account-token")) {
		const struct json *annotations = json_at(c->object, "metadata.annotations");
		if (!text_of(annotations, "kubernetes.io/service-account.name").n)
			fail_required(c,
				      AT_KEY(AT(AT(NULL, "metadata"), "annotations"),
					     STR("kubernetes.io/service-account.name")),
				      "a token belongs to a service account");
	} else if (str_is(type, "kubernetes.io/dockercfg")) {
		need_json(c, data, ".dockercfg");
	} else if (str_is(type, "kubernetes.io/dockerconfigjson")) {
		need_json(c, data, ".dockerconfigjson");
	} else if (str_is(type, "kubernetes.io/basic-auth")) {
		if (!field(data, "username") && !field(data, "password")) {
			need_key(c, data, "username", false);
			need_key(c, data, "password", false);
		}
	} else if (str_is(type, "kubernetes.io/ssh-auth")) {
		need_key(c, data, "ssh-privatekey", true);
	} else if (str_is(type, "kubernetes.io/tls")) {
		need_key(c, data, "tls.crt", false);
		need_key(c, data, "tls.key", false);
	}
}

void rules_secret_create(struct check *c)
{
	size_t total = 0;
	json_each(value, field(c->object, "data")) {
		check_format(c, AT_KEY(AT(NULL, "data"), value->key), value->key, format_config_key);
		total += decoded_size(value);
	}
	if (total > CONTENT_MAX)
		fail_too_long(c, AT(NULL, "data"), CONTENT_MAX);
	check_secret_type(c);
}

void rules_secret_update(struct check *c)
{
	static const char *const fixed[] = {"data", NULL};
	check_immutable(c, AT(NULL, "type"), field(c->object, "type"), field(c->old, "type"));
	check_immutable_content(c, fixed);
	rules_secret_create(c);
}

// stringData is for writing only: it overwrites keys of data.
void rules_secret_prepare_create(struct api_context *c, struct json *secret)
{
	struct json *texts = json_get(secret, STR("stringData"));
	if (count_of(texts)) {
		struct json *data = json_need_object(c->arena, secret, "data");
		json_each(text, texts) {
			struct buf b CLEAN_BUF;
			buf_init(&b);
			encode_base64(&b, text->text);
			json_set(data, text->key,
				 json_string(c->arena, b.n ? arena_str(c->arena, buf_str(&b)) : STR("")));
		}
	}
	json_remove(secret, STR("stringData"));
}

void rules_secret_prepare_update(struct api_context *c, struct json *secret, const struct json *old)
{
	rules_secret_prepare_create(c, secret);
}
