// SPDX-License-Identifier: Apache-2.0
// onggi image import|ls|rm|inspect: the images of this node, with or without a running agent.
#include <unistd.h>

#include "base/json.h"
#include "base/times.h"
#include "cli/commands.h"
#include "node/images/images.h"

static const char *import_name;

static const struct option_spec import_options[] = {
	{"name", OPTION_TEXT, "NAME:TAG", "call the image this instead of what the archive says", &import_name},
	{0},
};

static int fail(const struct err *e)
{
	fprintf(stderr, "onggi image: %s\n", err_text(e));
	return EXIT_FAILURE;
}

static int wrong_operands(const struct command *c)
{
	options_help(c, stderr);
	return EXIT_USAGE;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
	if (total && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%3d %% of %llu MB", (int)(done * 100 / total), (unsigned long long)(total >> 20));
}

static void print_names(const struct image *image)
{
	for (size_t i = 0; i < image->names.count; i++)
		printf("%.*s\n", STR_FMT(image->names.items[i]));
	if (image->names.count == 0)
		printf("%.*s\n", STR_FMT(image->id));
}

static int run_import(int count, char **operands)
{
	struct arena a CLEAN_ARENA;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct images *images;
	struct image *taken;
	size_t n;
	arena_init(&a);
	if (count != 1)
		return wrong_operands(&command_image_import);
	struct images_import how = {.name = str_of(import_name), .progress = show_progress};
	if (images_open(cli_data_dir, &images, &e) < 0)
		return fail(&e);
	int result = images_import(images, &a, operands[0], &how, &taken, &n, &e);
	images_close(images);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	if (result < 0)
		return fail(&e);
	for (size_t i = 0; i < n; i++)
		print_names(&taken[i]);
	return EXIT_SUCCESS;
}

static int run_ls(int count, char **operands)
{
	struct arena a CLEAN_ARENA;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct images *images;
	struct image *list;
	size_t n;
	arena_init(&a);
	if (count != 0)
		return wrong_operands(&command_image_ls);
	if (images_open(cli_data_dir, &images, &e) < 0)
		return fail(&e);
	int result = images_list(images, &a, &list, &n, &e);
	images_close(images);
	if (result < 0)
		return fail(&e);
	printf("%-56s %-14s %10s\n", "NAME", "ID", "SIZE");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < list[i].names.count || k == 0; k++) {
			struct str name = k < list[i].names.count ? list[i].names.items[k] : STR("<none>");
			struct str id = str_sub(list[i].id, strlen("sha256:"), 12);
			printf("%-56.*s %-14.*s %7.1f MB\n", STR_FMT(name), STR_FMT(id), (double)list[i].size / 1e6);
		}
	return EXIT_SUCCESS;
}

static int run_rm(int count, char **operands)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct images *images;
	if (count == 0)
		return wrong_operands(&command_image_rm);
	if (images_open(cli_data_dir, &images, &e) < 0)
		return fail(&e);
	int result = 0;
	for (int i = 0; i < count && result == 0; i++)
		result = images_remove(images, str_of(operands[i]), &e);
	images_close(images);
	return result < 0 ? fail(&e) : EXIT_SUCCESS;
}

static void put_strings(struct arena *a, struct json *object, const char *key, const struct image_strings *s)
{
	struct json *list = json_put(object, key, json_array(a));
	for (size_t i = 0; i < s->count; i++)
		json_push(list, json_string(a, s->items[i]));
}

static struct json *describe(struct arena *a, const struct image *image)
{
	struct json *o = json_object(a);
	json_put_str(a, o, "id", image->id);
	json_put_str(a, o, "digest", image->digest);
	put_strings(a, o, "names", &image->names);
	put_strings(a, o, "digests", &image->digests);
	put_strings(a, o, "layers", &image->layers);
	json_put_int(a, o, "size", (int64_t)image->size);
	if (image->created)
		json_put_str(a, o, "created", time_format(a, image->created));
	json_put_str(a, o, "architecture", image->architecture);
	json_put_str(a, o, "os", image->os);
	put_strings(a, o, "entrypoint", &image->entrypoint);
	put_strings(a, o, "command", &image->command);
	put_strings(a, o, "env", &image->env);
	json_put_str(a, o, "user", image->user);
	json_put_str(a, o, "workingDir", image->working_dir);
	json_put_str(a, o, "stopSignal", image->stop_signal);
	put_strings(a, o, "volumes", &image->volumes);
	put_strings(a, o, "labels", &image->labels);
	return o;
}

static int run_inspect(int count, char **operands)
{
	struct arena a CLEAN_ARENA;
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct images *images;
	struct image image;
	arena_init(&a);
	if (count != 1)
		return wrong_operands(&command_image_inspect);
	if (images_open(cli_data_dir, &images, &e) < 0)
		return fail(&e);
	int result = images_find(images, &a, str_of(operands[0]), &image, &e);
	images_close(images);
	if (result < 0)
		return fail(&e);
	struct str text = json_text(&a, describe(&a, &image));
	printf("%.*s\n", STR_FMT(text));
	return EXIT_SUCCESS;
}

const struct command command_image_import = {
	"image import", "FILE",
	"Takes in an image: an OCI layout or a docker archive, a directory or a tar, plain, gzip or zstd.",
	"Every digest is verified; what fails changes nothing.",
	(const struct option_spec *const[]){data_dir_option, import_options, NULL}, run_import,
};
const struct command command_image_ls = {
	"image ls", "", "Lists the images of this node.", NULL,
	(const struct option_spec *const[]){data_dir_option, NULL}, run_ls,
};
const struct command command_image_rm = {
	"image rm", "NAME...", "Removes names of images, and images that have none left.", NULL,
	(const struct option_spec *const[]){data_dir_option, NULL}, run_rm,
};
const struct command command_image_inspect = {
	"image inspect", "NAME", "Prints what is known of an image, as JSON.", NULL,
	(const struct option_spec *const[]){data_dir_option, NULL}, run_inspect,
};
