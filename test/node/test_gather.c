// SPDX-License-Identifier: Apache-2.0
// Which files a pod's volumes hold, from its spec and the objects that it refers to.
#include "base/times.h"
#include "node/volume/gather.h"
#include "unit.h"

struct shop { // what there is
	struct arena arena;
	struct json *objects; // "configmap/NAME", "secret/NAME"
};

static const struct json *lookup(void *arg, bool secret, struct str name)
{
	struct shop *s = arg;
	return json_get(s->objects, arena_fmt(&s->arena, "%s/%.*s", secret ? "secret" : "configmap", STR_FMT(name)));
}

static bool token(void *arg, const struct volume_token *t, struct str *value)
{
	struct shop *s = arg;
	*value = arena_fmt(&s->arena, "token for %.*s", STR_FMT(t->audience));
	return true;
}

static const char objects[] =
	"{\"configmap/m\":{\"data\":{\"a\":\"1\",\"b\":\"2\"},\"binaryData\":{\"raw\":\"AAE=\"}},"
	"\"configmap/n\":{\"data\":{\"b\":\"3\",\"c\":\"4\"}},"
	"\"secret/s\":{\"data\":{\"k\":\"aGV5\"}}}";

// "volume: path=value(mode) ..." of each, or why not.
static struct str gathered(struct shop *s, const char *volumes, const char *more)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct buf out CLEAN_BUF;
	struct str which, text = arena_fmt(&s->arena,
					   "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"labels\":{\"x\":\"y\"}},\"spec\":{%s"
					   "\"volumes\":[%s],\"containers\":[{\"name\":\"c\"}]}}", more, volumes);
	struct blob *line = blob_create(text);
	struct pod_spec *pod = pod_spec_create(line, blob_str(line));
	struct downward_context downward = {.pod = pod};
	struct volume_context x = {&downward, lookup, s, token, s};
	struct volume_set set;
	buf_init(&out);
	if (volumes_gather(&s->arena, &x, &set, &which, &e))
		buf_fmt(&out, "%.*s: %s", STR_FMT(which), err_text(&e));
	else
		for (size_t i = 0; i < set.count; i++)
			for (size_t f = 0; f < set.items[i].file_count; f++) {
				const struct volume_file *file = &set.items[i].files[f];
				buf_fmt(&out, "%s%.*s=%.*s(%o)", out.n ? " " : "", STR_FMT(file->path),
					STR_FMT(file->bytes), file->mode);
			}
	struct str result = arena_str(&s->arena, buf_str(&out));
	pod_spec_unref(pod);
	blob_unref(line);
	return result;
}

TEST(files_of_volumes)
{
	static const struct {
		const char *volumes, *more, *want;
	} cases[] = {
		{"{\"name\":\"v\",\"secret\":{\"secretName\":\"s\",\"defaultMode\":256}}", "", "k=hey(400)"},
		{"{\"name\":\"v\",\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\",\"path\":\"d/e\",\"mode\":384}]}}", "",
		 "d/e=1(600)"},
		{"{\"name\":\"v\",\"configMap\":{\"name\":\"none\",\"optional\":true}}", "", ""},
		{"{\"name\":\"v\",\"configMap\":{\"name\":\"none\"}}", "", "v: configmap \"none\" not found"},
		{"{\"name\":\"v\",\"configMap\":{\"name\":\"m\",\"optional\":true,\"items\":[{\"key\":\"z\",\"path\":\"z\"}]}}", "", ""},
		{"{\"name\":\"v\",\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\",\"path\":\"../a\"}]}}", "",
		 "v: path \"../a\" leads out of the volume"},
		{"{\"name\":\"v\",\"downwardAPI\":{\"items\":[{\"path\":\"l\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}", "",
		 "l=x=\"y\"(644)"},
		// Of several sources with the same path the last one counts, as one file.
		{"{\"name\":\"v\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"n\"}},{\"configMap\":{\"name\":\"m\","
		 "\"items\":[{\"key\":\"a\",\"path\":\"b\",\"mode\":256}]}},{\"secret\":{\"name\":\"s\"}}]}}", "",
		 "b=1(400) c=4(644) k=hey(644)"},
		{"{\"name\":\"v\",\"projected\":{\"defaultMode\":292,\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\","
		 "\"audience\":\"me\"}}]}}", "", "t=token for me(444)"},
		{"{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\",\"audience\":\"me\"}}]}}",
		 "\"securityContext\":{\"fsGroup\":7},", "t=token for me(600)"},
	};
	struct shop s = {0};
	arena_init(&s.arena);
	REQUIRE(!json_parse(&s.arena, str_of(objects), NULL, &s.objects, NULL));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(gathered(&s, cases[i].volumes, cases[i].more), cases[i].want);
	arena_finish(&s.arena);
}
