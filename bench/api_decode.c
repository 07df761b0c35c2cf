// SPDX-License-Identifier: Apache-2.0
// What a write request costs before it is stored: decoding, defaults and encoding of a ConfigMap of 1 KB and of a pod.
//   api_decode [TIMES]
#include <stdio.h>
#include <time.h>

#include "api/object.h"

static const char pod[] =
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"labels\":{\"app\":\"web\"}},"
	"\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"example.test/web:1\","
	"\"ports\":[{\"containerPort\":80}],"
	"\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}},"
	"\"readinessProbe\":{\"httpGet\":{\"path\":\"/\",\"port\":80}},"
	"\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"
	"\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"m\"}}]}}";

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *plural, struct str body, int times)
{
	const struct api_resource *r = api_resource_find(STR(""), STR("v1"), str_of(plural));
	struct arena a CLEAN_ARENA;
	struct buf out CLEAN_BUF;
	arena_init(&a);
	buf_init(&out);
	double from = seconds();
	for (int i = 0; i < times; i++) {
		struct json *object;
		size_t revision_at;
		arena_reset(&a);
		buf_clear(&out);
		MUST(api_decode(&a, body, API_JSON, r->type, r, API_WARN, NULL, &object, NULL) == 0);
		api_default(&a, r, object);
		api_encode(&out, r, object, &revision_at);
	}
	printf("%s: %zu bytes in, %zu out, %.2f us\n", plural, body.n, out.n, (seconds() - from) / times * 1e6);
}

int main(int argc, char **argv)
{
	int64_t times = 200000;
	char map[1200];
	if (argc > 1 && (str_to_i64(str_of(argv[1]), &times) < 0 || times < 1 || times > 100000000)) {
		fprintf(stderr, "usage: api_decode [TIMES]\n");
		return 2;
	}
	int n = snprintf(map, sizeof map,
			 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"},"
			 "\"data\":{\"k\":\"%0900d\"}}",
			 0);
	measure("configmaps", (struct str){map, (size_t)n}, (int)times);
	measure("pods", str_of(pod), (int)times);
	return 0;
}
