// SPDX-License-Identifier: Apache-2.0
// Claims of devices: a pod names them, its containers use them, whole or one request of them.
#include "api/rules/pod.h"

static void check_claim(struct check *c, const struct path *p, const struct json *claim, struct seen *names)
{
	static const char *const ways[] = {"resourceClaimName", "resourceClaimTemplateName"};
	struct str name = text_of(claim, "name");
	size_t given = 0;
	if (!name.n)
		fail_required(c, AT(p, "name"), "a claim has a name");
	else if (seen_add(names, name))
		fail_duplicate(c, AT(p, "name"), field(claim, "name"));
	else
		check_format(c, AT(p, "name"), name, format_dns_label);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const struct json *object = field(claim, ways[i]);
		given += object != NULL;
		if (object)
			check_format(c, AT_STR(p, str_of(ways[i])), object->text, format_dns_subdomain);
	}
	if (given != 1)
		fail_invalid(c, p, claim, "either resourceClaimName or resourceClaimTemplateName must be given");
}

void check_device_claims(struct check *c, const struct path *p, const struct json *claims, struct pod_scope *pod)
{
	struct seen names CLEAN_SEEN;
	seen_init(&names);
	size_t i = 0;
	json_each(claim, claims) {
		if (text_of(claim, "name").n)
			seen_add(&pod->claims, text_of(claim, "name"));
		check_claim(c, AT_INDEX(p, i++), claim, &names);
	}
}

// What a container uses so far: claims as a whole, requests of claims, and claims of which requests are used.
struct uses {
	struct seen whole, requests, parted;
};

static void check_use(struct check *c, const struct path *p, const struct json *use, struct uses *all)
{
	struct str name = text_of(use, "name"), request = text_of(use, "request");
	struct str both = arena_fmt(c->arena, "%.*s/%.*s", STR_FMT(name), STR_FMT(request));
	if (seen_has(&all->whole, name)) {
		fail_duplicate(c, p, field(use, "name"));
		return;
	}
	if (!request.n) {
		if (seen_has(&all->parted, name))
			fail_duplicate(c, p, field(use, "name"));
		seen_add(&all->whole, name);
		return;
	}
	check_format(c, AT(p, "request"), request, format_dns_label);
	if (seen_add(&all->requests, both))
		fail_duplicate(c, p, json_string(c->arena, both));
	seen_add(&all->parted, name);
}

static void uses_finish(struct uses *all)
{
	seen_finish(&all->whole);
	seen_finish(&all->requests);
	seen_finish(&all->parted);
}

void check_used_claims(struct check *c, const struct path *p, const struct json *uses, const struct pod_scope *pod)
{
	struct uses all __attribute__((cleanup(uses_finish)));
	seen_init(&all.whole);
	seen_init(&all.requests);
	seen_init(&all.parted);
	size_t i = 0;
	json_each(use, uses) {
		const struct path *at = AT_INDEX(p, i++);
		struct str name = text_of(use, "name");
		if (!name.n) {
			fail_required(c, at, "says which claim of the pod");
			continue;
		}
		check_use(c, at, use, &all);
		if (!seen_has(&pod->claims, name))
			fail_not_found(c, at, field(use, "name"));
	}
}
