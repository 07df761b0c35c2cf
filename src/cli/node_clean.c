// SPDX-License-Identifier: Apache-2.0
// onggi node clean: takes away what a stopped agent left on the machine. Images and logs in the data dir stay.
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/node.h"
#include "network/network.h"
#include "node/cgroup/cgroup.h"
#include "node/runtime/runtime.h"
#include "node/volume/files.h"

enum { PATIENCE_MS = 20000 }; // for an agent that is still ending

static int remove_containers(const struct node_setup *s, struct err *e)
{
	struct images *images = NULL;
	int code = images_open(cli_data_dir, &images, e);
	if (code == 0) {
		struct runtime_options o = node_setup_runtime(s, images);
		code = runtime_purge(&o, e);
	}
	images_close(images);
	return code;
}

static int remove_volumes(struct err *e)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/pods", cli_data_dir);
	return files_unmount_and_remove(path, e);
}

static int remove_network(const struct node_setup *s, struct err *e)
{
	struct network_config c = node_setup_network(s);
	return network_remove(&c, e);
}

static int told(int code, const struct err *e)
{
	if (code < 0)
		fprintf(stderr, "onggi node clean: %s\n", err_text(e));
	return code < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

// Each step is tried even where another failed.
static int remove_all(const struct node_setup *s)
{
	struct err isolate CLEAN_ERR = ERR_EMPTY, containers CLEAN_ERR = ERR_EMPTY, volumes CLEAN_ERR = ERR_EMPTY,
		   network CLEAN_ERR = ERR_EMPTY;
	int failed = told(node_isolate(s->run_dir, &isolate), &isolate);
	failed |= told(remove_containers(s, &containers), &containers);
	failed |= told(remove_volumes(&volumes), &volumes);
	failed |= told(remove_network(s, &network), &network);
	struct cgroups groups;
	if (cgroups_init(&groups, NULL, s->cgroup_parent, NULL) == 0)
		cgroups_drop(&groups);
	return failed;
}

// The mounts are those of the agent's mount namespace. A child enters it, because what keeps it, and so the directory
// that this lies in, can be removed only from outside.
static int remove_in_child(const struct node_setup *s)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0)
		_exit(remove_all(s));
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_FAILURE;
	return WEXITSTATUS(status);
}

static int run_clean(int count, char **operands)
{
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct node_setup s;
	if (count != 0) {
		options_help(&command_node_clean, stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0)
		err_set(&e, ERR_FORBIDDEN, "it needs root");
	if (e.reason || node_setup_read(&s, &e) < 0 || node_claim(PATIENCE_MS, &e) < 0)
		return told(-1, &e);
	int failed = remove_in_child(&s);
	node_unisolate(s.run_dir);
	return failed | told(files_unmount_and_remove(s.run_dir, &e), &e);
}

const struct command command_node_clean = {
	"node clean", "", "Removes containers, links, packet rules, mounts and cgroups that a stopped agent left.",
	"Give it the options that the agent had. Images and logs in the data dir stay, what containers and volumes held "
	"does not.",
	(const struct option_spec *const[]){data_dir_option, node_options, NULL}, run_clean,
};
