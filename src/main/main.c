// SPDX-License-Identifier: Apache-2.0
// Finds the command and runs it.
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "node/runtime/runtime.h"
#include "onggi_version.h"

static const struct command *const commands[] = {
	&command_up, &command_server, &command_node, &command_node_clean, &command_image_import, &command_image_ls,
	&command_image_rm, &command_image_inspect,
};

static void print_help(FILE *to)
{
	fprintf(to, "usage: onggi COMMAND [options]\n\n"
		    "A container cloud in one executable: the Kubernetes API, and the nodes that serve it.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-16s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(to, "  %-16s %s\n", "version", "Prints the version.");
	fprintf(to, "\nonggi COMMAND --help tells the options of each.\n");
}

// How many words of argv the command's name takes; 0: it is another.
static int matches(const struct command *c, int argc, char **argv)
{
	const char *space = strchr(c->name, ' ');
	size_t first = space ? (size_t)(space - c->name) : strlen(c->name);
	if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], c->name, first) != 0)
		return 0;
	if (!space)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

// The longest name wins: "node clean" before "node".
static const struct command *find(int argc, char **argv, int *words)
{
	const struct command *found = NULL;
	*words = 0;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int n = matches(commands[i], argc, argv);
		if (n > *words) {
			found = commands[i];
			*words = n;
		}
	}
	return found;
}

static int unknown(int argc, char **argv)
{
	const char *names[ARRAY_LEN(commands)];
	char said[128];
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i]->name;
	bool two = argc > 1 && argv[1][0] != '-' && strcmp(argv[0], "image") == 0;
	snprintf(said, sizeof said, "%s%s%s", argv[0], two ? " " : "", two ? argv[1] : "");
	const char *nearest = options_nearest(said, names, ARRAY_LEN(names));
	fprintf(stderr, "onggi: unknown command \"%s\"%s%s%s; onggi --help lists all\n", said,
		nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return EXIT_USAGE;
}

// As ps and top show it: those that `up` starts would be called "exe", after the link by which it finds its own program.
static void name_process(const struct command *c)
{
	char name[16]; // what the kernel keeps
	snprintf(name, sizeof name, "onggi %s", c->name);
	prctl(PR_SET_NAME, name);
}

int main(int argc, char **argv)
{
	int words, operands;
	if (argc > 1 && strcmp(argv[1], RUNTIME_POD_INIT) == 0)
		runtime_pod_init(argc > 2 ? argv[2] : "");
	argc--, argv++;
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "help") == 0) {
		print_help(argc ? stdout : stderr);
		return argc ? EXIT_SUCCESS : EXIT_USAGE;
	}
	if (strcmp(argv[0], "version") == 0 || strcmp(argv[0], "--version") == 0) {
		printf("onggi %s (Kubernetes API %s)\n", ONGGI_VERSION, ONGGI_KUBERNETES_VERSION);
		return EXIT_SUCCESS;
	}
	const struct command *c = find(argc, argv, &words);
	if (!c)
		return unknown(argc, argv);
	int parsed = options_parse(c, argc - words, argv + words, &operands);
	if (parsed != 0)
		return parsed > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	name_process(c);
	return c->run(operands, argv + words);
}
