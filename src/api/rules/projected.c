// SPDX-License-Identifier: Apache-2.0
// Projected volumes: several sources write into one directory, each path once.
#include "api/rules/volume.h"

enum { TOKEN_SECONDS_MIN = 600 };
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)

struct projection {
	const struct path *path; // of the volume's source
	struct seen paths;
};

static void claim_path(struct check *c, struct projection *all, const struct json *path)
{
	if (path && path->text.n && seen_add(&all->paths, path->text))
		fail_invalid(c, all->path, path, "two sources write the same path");
}

static void check_projected_items(struct check *c, const struct path *p, const struct json *source,
				  struct projection *all)
{
	check_needed_text(c, p, source, "name");
	check_key_files(c, AT(p, "items"), field(source, "items"));
	json_each(item, field(source, "items"))
		claim_path(c, all, field(item, "path"));
}

static void check_token(struct check *c, const struct path *p, const struct json *source, struct projection *all)
{
	const struct json *seconds = field(source, "expirationSeconds");
	if (seconds && seconds->integer < TOKEN_SECONDS_MIN)
		fail_invalid(c, AT(p, "expirationSeconds"), seconds, "must not be less than 10 minutes");
	if (seconds && seconds->integer > TOKEN_SECONDS_MAX)
		fail_invalid(c, AT(p, "expirationSeconds"), seconds, "must not be more than 2^32 seconds");
	if (!text_of(source, "path").n)
		fail_required(c, AT(all->path, "path"), "says where the token is to be");
	else
		check_file_path(c, AT(all->path, "path"), text_of(source, "path"));
}

static void check_projected_source(struct check *c, const struct path *p, const struct json *source,
				   struct projection *all)
{
	static const char *const kinds[] = {"secret", "configMap", "downwardAPI", "serviceAccountToken"};
	size_t found = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct json *part = field(source, kinds[i]);
		const struct path *at = AT_STR(p, str_of(kinds[i]));
		if (!part)
			continue;
		found++;
		if (i < 2) {
			check_projected_items(c, at, part, all);
		} else if (i == 2) {
			json_each(file, field(part, "items")) {
				check_downward_file(c, at, file);
				claim_path(c, all, field(file, "path"));
			}
		} else {
			check_token(c, at, part, all);
		}
	}
	if (found > 1)
		fail_forbidden(c, p, "a source is of one kind");
}

void check_projected(struct check *c, const struct path *p, const struct json *source, const struct pod_scope *pod)
{
	struct projection all = {.path = p};
	size_t i = 0;
	seen_init(&all.paths);
	check_file_mode(c, p, source, "defaultMode");
	json_each(part, field(source, "sources"))
		check_projected_source(c, AT_INDEX(AT(p, "sources"), i++), part, &all);
	seen_finish(&all.paths);
}
