// SPDX-License-Identifier: Apache-2.0
// onggi up: the server and the node agent as two processes under one supervisor, which starts again what ends. The
// supervisor knows nothing of either: it is small, so that it does not fail with them.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/times.h"
#include "cli/address.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/node.h"
#include "cli/trim.h"

enum { ARGUMENTS_MAX = 64, FIRST_DELAY_MS = 100, LAST_DELAY_MS = 5000, LOOK_S = 10, STEADY_S = 30, STOP_PATIENCE_S = 15 };

struct half {
	const char *name; // "server", "node"
	char *argv[ARGUMENTS_MAX];
	int argc;
	pid_t pid;   // 0: not running
	bool killed; // by a signal, when it last ended
	int64_t started, start_at; // monotonic, ns
	int delay_ms;
};

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * TIME_S + t.tv_nsec;
}

static void add_argument(struct half *h, const char *text)
{
	MUST(h->argc < ARGUMENTS_MAX - 1);
	h->argv[h->argc++] = mem_strdup(text);
}

// What was said on our command line, said again on the half's.
static void add_options(struct half *h, const struct option_spec *list)
{
	char word[64];
	for (const struct option_spec *o = list; o->name; o++) {
		const char *text = o->kind == OPTION_TEXT ? *(const char **)o->target : NULL;
		char number[24];
		snprintf(word, sizeof word, "--%s", o->name);
		if (o->kind == OPTION_NUMBER) {
			snprintf(number, sizeof number, "%lld", (long long)*(int64_t *)o->target);
			text = number;
		}
		if (o->kind == OPTION_FLAG ? !*(bool *)o->target : !text || !*text)
			continue;
		add_argument(h, word);
		if (text)
			add_argument(h, text);
	}
}

static void drop_arguments(struct half *h)
{
	while (h->argc)
		free(h->argv[--h->argc]);
}

static void start(struct half *h)
{
	pid_t parent = getpid();
	h->pid = fork();
	if (h->pid < 0) {
		log_error("cannot start the %s: %s", h->name, strerror(errno));
		h->pid = 0;
		h->start_at = now() + LAST_DELAY_MS * TIME_MS;
		return;
	}
	if (h->pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGTERM); // a supervisor that was killed takes both along; containers live on
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		execv("/proc/self/exe", h->argv);
		_exit(EXIT_FAILURE);
	}
	h->started = now();
}

static void on_end(struct half *h, int status)
{
	if (WIFSIGNALED(status))
		log_warn("the %s was ended by signal %d; starting it again", h->name, WTERMSIG(status));
	else
		log_warn("the %s ended with status %d; starting it again", h->name, WEXITSTATUS(status));
	h->killed = WIFSIGNALED(status);
	bool steady = now() - h->started > STEADY_S * TIME_S;
	h->delay_ms = steady || !h->delay_ms ? FIRST_DELAY_MS : h->delay_ms * 2;
	if (h->delay_ms > LAST_DELAY_MS)
		h->delay_ms = LAST_DELAY_MS;
	h->pid = 0;
	h->start_at = now() + h->delay_ms * TIME_MS;
}

static void reap(struct half *halves, size_t n)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (size_t i = 0; i < n; i++)
			if (halves[i].pid == pid)
				on_end(&halves[i], status);
}

// A half that refuses its arguments or its data dir at once will not do better by being started again.
static bool refused(const struct half *h, int64_t since)
{
	return h->pid == 0 && !h->killed && h->started - since < TIME_S && now() - h->started < TIME_S;
}

static void stop(struct half *halves, size_t n)
{
	int64_t until = now() + STOP_PATIENCE_S * TIME_S;
	for (size_t i = n; i > 0; i--) // the node first, so that it can still tell the server
		if (halves[i - 1].pid)
			kill(halves[i - 1].pid, SIGTERM);
	for (size_t i = 0; i < n; i++)
		while (halves[i].pid && waitpid(halves[i].pid, NULL, WNOHANG) == 0) {
			if (now() > until)
				kill(halves[i].pid, SIGKILL);
			nanosleep(&(struct timespec){.tv_nsec = 10 * TIME_MS}, NULL);
		}
}

// The server was started by an address that may go while we run, as machines move between networks: then it needs a
// certificate for the new one, and the agent the way to it (the file, for which it waits until the server has written it).
static void follow_address(struct half *halves, size_t n, char *address, size_t size)
{
	char path[4096], fresh[INET_ADDRSTRLEN];
	if (!*address || address_is_here(address) || !address_of_default_route(fresh, sizeof fresh))
		return;
	log_warn("the address of this machine is %s now, no longer %s: starting both again", fresh, address);
	str_to_c(str_of(fresh), address, size);
	snprintf(path, sizeof path, "%s/node.kubeconfig", cli_data_dir);
	unlink(path);
	for (size_t i = 0; i < n; i++)
		if (halves[i].pid)
			kill(halves[i].pid, SIGTERM);
}

// Until the next half is to be started, or it is time to look again.
static struct timespec until_next(const struct half *halves, size_t n)
{
	int64_t wait = LOOK_S * TIME_S;
	for (size_t i = 0; i < n; i++)
		if (!halves[i].pid && halves[i].start_at - now() < wait)
			wait = halves[i].start_at - now();
	wait = wait < 0 ? 0 : wait;
	return (struct timespec){wait / TIME_S, wait % TIME_S};
}

// address: that by which the server is reached, as long as the machine has it; "": it does not matter.
static int supervise(struct half *halves, size_t n, char *address, size_t address_size)
{
	sigset_t signals;
	int64_t begun = now();
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (size_t i = 0; i < n; i++)
		start(&halves[i]);
	trim_code();
	for (;;) {
		struct timespec patience = until_next(halves, n);
		int got = sigtimedwait(&signals, NULL, &patience);
		if (got == SIGTERM || got == SIGINT || got == SIGHUP)
			break;
		reap(halves, n);
		if (refused(&halves[0], begun)) {
			stop(halves, n);
			return EXIT_FAILURE;
		}
		follow_address(halves, n, address, address_size);
		for (size_t i = 0; i < n; i++)
			if (!halves[i].pid && now() >= halves[i].start_at)
				start(&halves[i]);
	}
	stop(halves, n);
	return EXIT_SUCCESS;
}

// Holds DATA/up.pid as long as we live: a second `up` on the same data dir is refused.
static int claim(const char *data_dir)
{
	char path[4096], text[32];
	mkdir(data_dir, 0700);
	snprintf(path, sizeof path, "%s/up.pid", data_dir);
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0) {
		fprintf(stderr, "onggi up: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (flock(file, LOCK_EX | LOCK_NB) < 0) {
		fprintf(stderr, "onggi up: another onggi runs on %s\n", data_dir);
		close(file);
		return -1;
	}
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(file, 0) < 0 || write(file, text, (size_t)n) < 0)
		fprintf(stderr, "onggi up: %s: %s\n", path, strerror(errno));
	return file;
}

// address: the machine's own, where the server is to be reached at that. A machine without any is still reached by its
// pods: at their bridge.
static int choose_address(char *address, size_t size, struct err *e)
{
	static char bridge[INET_ADDRSTRLEN];
	*address = '\0';
	if (cli_advertise_address || address_of_machine(address, size))
		return 0;
	if (places_gateway_of(node_flags.pod_range, bridge, sizeof bridge, e) < 0)
		return -1;
	log_warn("this machine has no IPv4 address: pods reach the API at their bridge's, %s; start again when it has one "
		 "for others", bridge);
	cli_advertise_address = bridge;
	return 0;
}

// Packets from pods to this machine's loopback are no part of what the network lets through.
static void warn_of_loopback(void)
{
	struct str at = str_of(cli_listen_address);
	if (str_starts(at, STR("127.")) || str_starts(at, STR("[::1]")))
		log_warn("pods can't reach the API at %s, which is this machine's own: --listen 0.0.0.0:6443 serves them too",
			 cli_listen_address);
}

static int run_up(int count, char **operands)
{
	if (count != 0) {
		options_help(&command_up, stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "onggi up: the node agent needs root\n");
		return EXIT_FAILURE;
	}
	struct err e CLEAN_ERR = ERR_EMPTY;
	struct node_setup setup;
	char address[INET_ADDRSTRLEN];
	log_set_name("up");
	if (node_setup_read(&setup, &e) < 0 || choose_address(address, sizeof address, &e) < 0) {
		fprintf(stderr, "onggi up: %s\n", err_text(&e));
		return EXIT_USAGE;
	}
	int file = claim(cli_data_dir);
	if (file < 0)
		return EXIT_FAILURE;
	warn_of_loopback();
	struct half halves[] = {{.name = "server"}, {.name = "node"}};
	for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
		add_argument(&halves[i], "onggi");
		add_argument(&halves[i], halves[i].name);
		add_options(&halves[i], data_dir_option);
		add_options(&halves[i], i == 0 ? server_options : node_options);
	}
	add_argument(&halves[0], "--node");
	add_argument(&halves[0], setup.name);
	daemon_prepare();
	int status = supervise(halves, ARRAY_LEN(halves), address, sizeof address);
	for (size_t i = 0; i < ARRAY_LEN(halves); i++)
		drop_arguments(&halves[i]);
	char path[4096];
	snprintf(path, sizeof path, "%s/up.pid", cli_data_dir);
	unlink(path);
	close(file);
	return status;
}

const struct command command_up = {
	"up", "", "Runs the control plane and the node agent of this machine.",
	"Both are processes of their own, started again when they end. Options of `onggi server` and `onggi node` are "
	"passed on.",
	(const struct option_spec *const[]){data_dir_option, server_options, node_options, NULL}, run_up,
};
