// SPDX-License-Identifier: Apache-2.0
#include "node/runtime/seccomp.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encode.h"
#include "node/images/tree.h"

// Everybody's.
static const char always[] =
	"accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown "
	"chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
	"clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 "
	"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old "
	"eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate "
	"fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync "
	"fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync "
	"ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat "
	"getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
	"getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid "
	"getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt "
	"get_thread_area gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents "
	"io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule "
	"landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr "
	"llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier "
	"memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect "
	"mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "
	"mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at "
	"nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 "
	"pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 "
	"process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev "
	"pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
	"remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction "
	"rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	"rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
	"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler "
	"sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 "
	"sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
	"setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
	"setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 "
	"setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn "
	"socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range "
	"syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
	"timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
	"timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat "
	"utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev modify_ldt";

// What a capability that was asked for makes sense of. Numbers are the kernel's.
static const struct {
	int capability;
	const char *calls;
} with_capability[] = {
	{2, "open_by_handle_at"},
	{16, "delete_module init_module finit_module"},
	{17, "iopl ioperm"},
	{18, "chroot"},
	{19, "kcmp pidfd_getfd process_madvise"},
	{20, "acct"},
	{21, "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr "
	     "move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
	     "umount umount2 unshare"},
	{22, "reboot"},
	{23, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{25, "settimeofday stime clock_settime clock_settime64"},
	{26, "vhangup"},
	{34, "syslog"},
	{38, "perf_event_open"},
	{39, "bpf"},
};
enum { CAP_SYS_ADMIN_NUMBER = 21, FILTERS_MAX = 32 };

// Namespaces that clone may not make without CAP_SYS_ADMIN.
static const uint64_t clone_namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
					 CLONE_NEWNET | CLONE_NEWCGROUP;

struct seccomp_cache {
	pthread_mutex_t mutex;
	size_t count;
	struct {
		uint64_t key;
		char *base64;
	} filters[FILTERS_MAX];
};

struct seccomp_cache *seccomp_cache_create(void)
{
	struct seccomp_cache *c = MEM_NEW(struct seccomp_cache);
	pthread_mutex_init(&c->mutex, NULL);
	return c;
}

void seccomp_cache_destroy(struct seccomp_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		free(c->filters[i].base64);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

// ---- building

static int allow_all(scmp_filter_ctx f, const char *calls)
{
	struct str rest = str_of(calls), name;
	char c_name[64];
	while (str_next(&rest, ' ', &name)) {
		str_to_c(name, c_name, sizeof(c_name));
		int number = seccomp_syscall_resolve_name(c_name);
		if (number == __NR_SCMP_ERROR) // newer than the library
			continue;
		int code = seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 0);
		if (code < 0 && code != -EEXIST)
			return code;
	}
	return 0;
}

static int allow_when(scmp_filter_ctx f, const char *call, struct scmp_arg_cmp condition)
{
	int number = seccomp_syscall_resolve_name(call);
	int code = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(f, SCMP_ACT_ALLOW, number, 1, &condition);
	return code == -EEXIST ? 0 : code;
}

static int add_conditions(scmp_filter_ctx f, bool admin)
{
	static const uint64_t personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
	for (size_t i = 0; i < ARRAY_LEN(personalities); i++)
		if (allow_when(f, "personality", SCMP_A0_64(SCMP_CMP_EQ, personalities[i])) < 0)
			return -1;
	// Virtual machine sockets would reach beside the network namespace.
	if (allow_when(f, "socket", SCMP_A0_64(SCMP_CMP_LT, AF_VSOCK)) < 0 ||
	    allow_when(f, "socket", SCMP_A0_64(SCMP_CMP_GT, AF_VSOCK)) < 0)
		return -1;
	if (admin)
		return 0;
	if (allow_when(f, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, clone_namespaces, 0)) < 0)
		return -1;
	// clone3 keeps its flags in memory, where a filter cannot look: ENOSYS makes the C library use clone.
	return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int add_architectures(scmp_filter_ctx f)
{
#if defined(__x86_64__)
	static const uint32_t more[] = {SCMP_ARCH_X86, SCMP_ARCH_X32};
#elif defined(__aarch64__)
	static const uint32_t more[] = {SCMP_ARCH_ARM};
#else
	static const uint32_t more[] = {};
#endif
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		int code = seccomp_arch_add(f, more[i]);
		if (code < 0 && code != -EEXIST)
			return code;
	}
	return 0;
}

static int build(scmp_filter_ctx f, uint64_t capabilities)
{
	if (seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0) // a binary tree rather than a long list
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 1);
	if (add_architectures(f) < 0 || allow_all(f, always) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(with_capability); i++)
		if (capabilities >> with_capability[i].capability & 1 && allow_all(f, with_capability[i].calls) < 0)
			return -1;
	return add_conditions(f, capabilities >> CAP_SYS_ADMIN_NUMBER & 1);
}

static int export_base64(scmp_filter_ctx f, struct buf *out, struct err *e)
{
	int fd CLEAN_FD = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	if (fd < 0 || seccomp_export_bpf(f, fd) < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return err_errno(e, errno, "seccomp filter");
	char *bytes CLEAN_FREE = mem_alloc((size_t)st.st_size);
	if (pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
		return err_errno(e, errno, "seccomp filter");
	encode_base64(out, (struct str){bytes, (size_t)st.st_size});
	return 0;
}

static int compile(uint64_t capabilities, struct buf *out, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return err_set(e, ERR_INTERNAL, "seccomp is not to be had");
	int result = build(f, capabilities) < 0 ? err_set(e, ERR_INTERNAL, "seccomp profile cannot be built")
						: export_base64(f, out, e);
	seccomp_release(f);
	return result;
}

static uint64_t key_of(uint64_t capabilities)
{
	uint64_t relevant = 0;
	for (size_t i = 0; i < ARRAY_LEN(with_capability); i++)
		relevant |= UINT64_C(1) << with_capability[i].capability;
	return capabilities & relevant;
}

static const char *find(struct seccomp_cache *c, uint64_t key)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->filters[i].key == key)
			return c->filters[i].base64;
	return NULL;
}

int seccomp_filter(struct seccomp_cache *c, struct arena *a, uint64_t capabilities, struct str *base64, struct err *e)
{
	struct buf text CLEAN_BUF;
	uint64_t key = key_of(capabilities);
	int result = 0;
	buf_init(&text);
	pthread_mutex_lock(&c->mutex);
	const char *known = find(c, key);
	if (known)
		*base64 = arena_str(a, str_of(known));
	else if ((result = compile(key, &text, e)) == 0)
		*base64 = arena_str(a, buf_str(&text));
	if (!known && result == 0 && c->count < FILTERS_MAX) {
		c->filters[c->count].key = key;
		c->filters[c->count++].base64 = mem_strdup(base64->p);
	}
	pthread_mutex_unlock(&c->mutex);
	return result;
}
