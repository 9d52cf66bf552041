/* What the tracer must follow without losing anybody: engine SCENARIO. Prints one line a scenario, or nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <pthread.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __i386__
#define SYS_GETRESUID SYS_getresuid32
#define SYS_GETRESGID SYS_getresgid32
#else
#define SYS_GETRESUID SYS_getresuid
#define SYS_GETRESGID SYS_getresgid
#endif

static char *self;

static void *busy(void *unused)
{
	for (;;)
		syscall(SYS_getuid);
	return unused;
}

static void *exec_true(void *unused)
{
	execl(self, self, "hello", (char *)NULL);
	return unused;
}

static void threads(int count, void *(*run)(void *))
{
	pthread_t thread;
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, run, NULL))
			exit(1);
}

/* A process with many threads, one of which executes a program. */
static int exec_by_thread(void)
{
	threads(8, busy);
	threads(1, exec_true);
	pause();
	return 1;
}

/* A leader that has ended before another thread executes a program. */
static void *exec_later(void *unused)
{
	usleep(20000);
	return exec_true(unused);
}

static int exec_after_leader(void)
{
	threads(1, exec_later);
	syscall(SYS_exit, 0);
	return 1;
}

static int wait_for(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* Trees that are killed while they fork: some children stop before, some after their parent's death. */
static int killed_forks(void)
{
	srand(getpid());
	for (int round = 0; round < 200; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (;;) {
				pid_t child = fork();
				if (child == 0) {
					syscall(SYS_getuid);
					_exit(0);
				}
				wait_for(child);
			}
		}
		usleep(rand() % 3000);
		kill(pid, SIGKILL);
		wait_for(pid);
	}
	puts("killed");
	return 0;
}

/* The same with threads, every one of them in a call that stops. */
static int killed_threads(void)
{
	srand(getpid());
	for (int round = 0; round < 100; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			threads(6, busy);
			busy(NULL);
		}
		usleep(rand() % 3000);
		kill(pid, SIGKILL);
		wait_for(pid);
	}
	puts("killed");
	return 0;
}

/* vfork children that execute, that fail to, and that exit. */
static int vforks(void)
{
	for (int round = 0; round < 50; round++) {
		pid_t pid = vfork();
		if (pid == 0) {
			if (round % 3 == 0)
				execl("/nonexistent", "x", (char *)NULL);
			else if (round % 3 == 1)
				execl(self, self, "quiet", (char *)NULL);
			_exit(9);
		}
		int status = wait_for(pid);
		if (WEXITSTATUS(status) != (round % 3 == 1 ? 0 : 9)) {
			printf("round %d: status %x\n", round, status);
			return 1;
		}
	}
	puts("vforked");
	return 0;
}

static volatile int ticks;

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

/* Signals that arrive in the midst of calls: none is lost, no call is made twice or forgotten. */
static int signals(void)
{
	struct sigaction action = { .sa_handler = tick };
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 20000; i++)
		if (syscall(SYS_getuid) != 0) {
			puts("wrong uid");
			return 1;
		}
	memset(&timer, 0, sizeof timer);
	setitimer(ITIMER_REAL, &timer, NULL);
	int before = ticks;
	for (int i = 0; i < 500; i++)
		raise(SIGUSR1);
	printf("%s %d\n", before > 0 ? "ticked" : "silent", ticks - before);
	return 0;
}

/* Every third signal with a value of its own: what a handler learns of a signal must be what was sent. */
static volatile int sum;

static void add(int signal, siginfo_t *info, void *unused)
{
	(void)signal, (void)unused;
	sum += info->si_value.sival_int;
}

static int queued(void)
{
	struct sigaction action = { .sa_sigaction = add, .sa_flags = SA_SIGINFO };
	sigaction(SIGRTMIN + 3, &action, NULL);
	for (int i = 1; i <= 100; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i });
	printf("sum %d\n", sum);
	return 0;
}

enum { QUEUED = 40 };
static volatile int wrong_infos, received;
static pid_t sender;

/* Each signal says who sent it, how, and with what. */
static void check_info(int signal, siginfo_t *info, void *context)
{
	(void)context;
	int right = info->si_signo == signal && info->si_pid == sender && info->si_uid == 0;
	if (signal == SIGUSR1)
		right &= info->si_code == SI_USER;
	if (signal == SIGUSR2)
		right &= info->si_code == SI_TKILL;
	if (signal == SIGRTMIN + 3) {
		right &= info->si_code == SI_QUEUE && info->si_value.sival_int == received;
		received++;
	}
	wrong_infos += !right;
}

/* What comes while the tracer has a task make calls of its own (who drops root gets a filter) is the sender's, in the
 * sender's order. */
static int senders(void)
{
	struct sigaction action = { .sa_sigaction = check_info, .sa_flags = SA_SIGINFO | SA_RESTART };
	int signals[] = { SIGUSR1, SIGUSR2, SIGRTMIN + 3 }, wrong = 0;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	sender = getpid();
	for (int round = 0; round < 100; round++) {
		pid_t pid = fork();
		if (!pid) {
			while (received < QUEUED) {
				if (received >= QUEUED / 4 && getuid() == 0 && syscall(SYS_setresuid, 33, 33, 33))
					_exit(99);
				close(-1);
			}
			_exit(wrong_infos);
		}
		for (int i = 0; i < QUEUED; i++) {
			sigqueue(pid, SIGRTMIN + 3, (union sigval){ .sival_int = i });
			kill(pid, SIGUSR1);
			syscall(SYS_tgkill, pid, pid, SIGUSR2);
			usleep(10);
		}
		wrong += WEXITSTATUS(wait_for(pid));
	}
	printf("wrong %d\n", wrong);
	return 0;
}

/* Stopped and continued by a sibling, many times. */
static int stop_and_continue(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			syscall(SYS_getuid);
	for (int round = 0; round < 100; round++) {
		int status;
		kill(pid, SIGSTOP);
		if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
			printf("round %d: status %x\n", round, status);
			return 1;
		}
		kill(pid, SIGCONT);
		if (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status)) {
			printf("round %d: not continued, status %x\n", round, status);
			return 1;
		}
	}
	kill(pid, SIGKILL);
	printf("status %x\n", wait_for(pid));
	return 0;
}

/* A child that asks not to be traced is traced all the same: what it gets are virtual answers. */
static int child_asks(void *unused)
{
	(void)unused;
	/* 12345 cannot be had in a namespace with one id, except from us. */
	if (syscall(SYS_setuid, 12345) != 0)
		return errno;
	return syscall(SYS_getuid) == 12345 ? 0 : 255;
}

static int untraced(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = clone(child_asks, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, NULL);
	printf("clone: %d\n", WEXITSTATUS(wait_for(pid)));
	struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } args = {
		.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD,
	};
	pid = syscall(435 /* clone3 */, &args, sizeof args);
	if (pid == 0)
		_exit(child_asks(NULL));
	printf("clone3: %d, flags %s\n", WEXITSTATUS(wait_for(pid)), args.flags == CLONE_UNTRACED ? "kept" : "lost");
	return 0;
}

/* An interface that we do not know must not be a way around us. */
static int unknown_abi(void)
{
#ifdef __x86_64__
	long value = syscall(0x40000000 + SYS_setuid, 12345);
	printf("x32: %ld %d, uid %ld\n", value, errno, syscall(SYS_getuid));
#endif
	long none = syscall(-1);
	printf("-1: %ld %d\n", none, errno);
	long ring = syscall(425 /* io_uring_setup */, 1, NULL);
	printf("io_uring: %ld %d\n", ring, errno);
	return 0;
}

/* Daemons: an orphan that outlives everybody it knows. */
static int orphan(void)
{
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(300000);
			/* Still answered, long after the first process has gone. */
			_exit(syscall(SYS_setuid, 12345) == 0 ? 0 : 1);
		}
		_exit(0);
	}
	wait(NULL);
	puts("orphaned");
	return 0;
}

/* Sixteen threads that change their own credentials, which are theirs alone. */
static void *change(void *id)
{
	for (int i = 0; i < 200; i++) {
		long uid = 1000 + (long)id;
		if (syscall(SYS_setresuid, -1, uid, -1) || syscall(SYS_geteuid) != uid || syscall(SYS_setresuid, -1, 0, -1))
			return (void *)1;
	}
	return NULL;
}

static int credentials_of_threads(void)
{
	pthread_t thread[16];
	long wrong = 0;
	for (long i = 0; i < 16; i++)
		pthread_create(&thread[i], NULL, change, (void *)i);
	for (int i = 0; i < 16; i++) {
		void *result;
		pthread_join(thread[i], &result);
		wrong += (long)result;
	}
	printf("wrong %ld\n", wrong);
	return 0;
}

/* A hundred threads that change the credentials of the whole process at once, each as the C library does it: by a signal
 * to all others. */
static pthread_barrier_t barrier;

static void *change_all(void *id)
{
	pthread_barrier_wait(&barrier);
	long wrong = setresuid(-1, 1000 + (long)id, 0) != 0 || setresgid(-1, 2000 + (long)id, 0) != 0;
	pthread_barrier_wait(&barrier);
	/* All have come to the same end. */
	uid_t uid[3];
	gid_t gid[3];
	wrong += syscall(SYS_GETRESUID, uid, uid + 1, uid + 2) || syscall(SYS_GETRESGID, gid, gid + 1, gid + 2);
	wrong += uid[1] != geteuid() || uid[1] < 1000 || uid[1] >= 1100 || gid[1] < 2000 || gid[1] >= 2100;
	static volatile uid_t first;
	uid_t none = 0;
	if (!__atomic_compare_exchange_n(&first, &none, uid[1], 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		wrong += none != uid[1];
	return (void *)wrong;
}

static int credentials_of_a_process(void)
{
	pthread_t thread[100];
	/* Capabilities stay, whoever one is (SECBIT_NO_SETUID_FIXUP). */
	long wrong = prctl(PR_SET_SECUREBITS, 4, 0, 0, 0) != 0;
	pthread_barrier_init(&barrier, NULL, 100);
	for (long i = 0; i < 100; i++)
		if (pthread_create(&thread[i], NULL, change_all, (void *)i))
			return 1;
	for (int i = 0; i < 100; i++) {
		void *result;
		pthread_join(thread[i], &result);
		wrong += (long)result;
	}
	printf("wrong %ld\n", wrong);
	return 0;
}

/* The CPUs that a task believes to have are its own, wherever it was moved to. */
static void *kill_soon(void *unused)
{
	usleep(rand() % 4000);
	kill(getpid(), SIGKILL);
	return unused;
}

static void breathe_last(void)
{
	srand(getpid());
	threads(1, kill_soon);
	for (;;)
		if (fork() == 0)
			_exit(0);
}

/* Those that a reaper of orphans gets, who is followed himself, end as well. */
static int reaped_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (int round = 0; round < 300; round++) {
		pid_t pid = fork();
		if (pid == 0)
			breathe_last();
		wait_for(pid);
	}
	while (wait(NULL) > 0)
		;
	puts("all reaped");
	return 0;
}

/* Children of processes that are killed while they fork have their parents' credentials, not those of others. */
static int last_breaths(void)
{
	int *wrong = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	srand(getpid());
	for (int round = 0; round < 300; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			srand(getpid());
			syscall(SYS_setresuid, 33, 33, 33);
			threads(1, kill_soon);
			for (;;)
				if (fork() == 0) {
					if (syscall(SYS_getuid) != 33)
						__sync_fetch_and_add(wrong, 1);
					_exit(0);
				}
		}
		wait_for(pid);
	}
	usleep(100000);
	printf("wrong %d\n", *wrong);
	return 0;
}

/* Filters of the guest's own that ask a tracer: without one they answer ENOSYS, whatever data they pass. */
static int own_trace_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 9999),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	long getppid_says = syscall(SYS_getppid);
	int getppid_errno = errno;
	long setuid_says = syscall(SYS_setuid, 33);
	printf("getppid: %ld %d, setuid: %ld %d\n", getppid_says, getppid_errno, setuid_says, errno);
	return 0;
}

static int affinity(void)
{
	cpu_set_t before, after;
	sched_getaffinity(0, sizeof before, &before);
	for (int i = 0; i < 200; i++)
		syscall(SYS_getuid);
	sched_getaffinity(0, sizeof after, &after);
	printf("%s\n", CPU_EQUAL(&before, &after) ? "same" : "changed");
	for (int i = 0; i < 200; i++)
		syscall(SYS_getuid);
	pid_t pid = fork();
	if (pid == 0) {
		sched_getaffinity(0, sizeof after, &after);
		_exit(!CPU_EQUAL(&before, &after));
	}
	printf("child %d\n", WEXITSTATUS(wait_for(pid)));
	return 0;
}

/* Ways to one's own descriptor that lead through /proc/self, which must be the guest's. */
static int own_descriptors(void)
{
	char dir[] = "/tmp/remainroot-own-XXXXXX", link[64], indirect[64];
	struct stat file, std;
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	int fd = open("file", O_CREAT | O_RDWR, 0644);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	int wrong = symlink(link, "link") || symlink("/proc/self/cwd", "here");
	wrong += chown("link", 8, -1) || fstat(fd, &file) || file.st_uid != 8;
	wrong += chown("here/file", 9, -1) || fstat(fd, &file) || file.st_uid != 9;
	snprintf(indirect, sizeof indirect, "self/fd/%d", fd);
	wrong += chdir("/proc") || chown(indirect, 10, -1) || fstat(fd, &file) || file.st_uid != 10;
	wrong += dup2(fd, 0) || chdir("/dev") || chown("./stdin", 11, -1) || fstat(fd, &file) || file.st_uid != 11;
	wrong += lchown("/dev/stdin", 5, 6) || lstat("/dev/stdin", &std) || std.st_uid != 5 || std.st_gid != 6;
	wrong += fstat(fd, &file) || file.st_uid != 11;
	wrong += chdir(dir) || unlink("file") || unlink("link") || unlink("here") || rmdir(dir);
	printf("wrong %d\n", wrong);
	return 0;
}

/* A process that shares its root with its parent, and changes it. */
static int changes_root(void *dir)
{
	return chroot(dir);
}

static int shared_root(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char dir[] = "/tmp/remainroot-root-XXXXXX", path[64];
	struct stat file = { .st_uid = -1 };
	/* A way back to where the directory can be removed. */
	int outside = open("/tmp", O_RDONLY | O_DIRECTORY);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/x", dir);
	close(open(path, O_CREAT | O_RDWR, 0644));
	wait_for(clone(changes_root, stack + sizeof stack, CLONE_FS | SIGCHLD, dir));
	int failed = chown("/x", 33, 33) || stat("/x", &file);
	printf("%d %d\n", failed, (int)file.st_uid);
	return unlink("/x") || unlinkat(outside, dir + strlen("/tmp/"), AT_REMOVEDIR);
}

static const char *effective_of(pid_t pid)
{
	uint32_t header[2] = { 0x20080522, pid }, data[6] = { 0 };
	if (syscall(SYS_capget, header, data))
		return errno == ESRCH ? "no such task" : "error";
	return data[0] ? "some" : "none";
}

/* Tasks of a pid namespace are known by their numbers there. */
static int nested_pids(void)
{
	int ready[2];
	char byte = 0;
	if (unshare(CLONE_NEWPID) || pipe(ready))
		return 1;
	if (fork() == 0) {
		pid_t child = fork();
		if (!child) {
			if (syscall(SYS_setuid, 33) || write(ready[1], &byte, 1) != 1)
				_exit(1);
			printf("of the child by itself: %s\n", effective_of(getpid()));
			printf("of the parent: %s\n", effective_of(1));
			fflush(stdout);
			if (write(ready[1], &byte, 1) != 1)
				_exit(1);
			pause();
		}
		for (int i = 0; i < 2; i++)
			if (read(ready[0], &byte, 1) != 1)
				_exit(1);
		printf("%d and %d, of the child: %s, of nobody: %s\n", getpid(), child, effective_of(child),
		       effective_of(99));
		fflush(stdout);
		kill(child, SIGKILL);
		_exit(0);
	}
	wait(NULL);
	return 0;
}

static char stack[65536] __attribute__((aligned(16)));

static int set_dumpable(void *value)
{
	return prctl(PR_SET_DUMPABLE, (long)value, 0, 0, 0);
}

/* Whether a process may be dumped goes with its memory. */
static int shared_memory(void)
{
	pid_t pid = vfork();
	if (!pid)
		_exit(set_dumpable((void *)0));
	wait_for(pid);
	printf("after a vfork: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	wait_for(clone(set_dumpable, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)1));
	printf("after a clone: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	pid = fork();
	if (!pid)
		_exit(set_dumpable((void *)0));
	wait_for(pid);
	printf("after a fork: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	set_dumpable((void *)0);
	pid = vfork();
	if (!pid) {
		execl(self, self, "hello", (char *)NULL);
		_exit(1);
	}
	wait_for(pid);
	printf("after an exec: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } scenarios[] = {
		{ "last-breaths", last_breaths },
		{ "reaped-orphans", reaped_orphans },
		{ "own-trace-filter", own_trace_filter },
		{ "exec-by-thread", exec_by_thread }, { "exec-after-leader", exec_after_leader },
		{ "killed-forks", killed_forks }, { "killed-threads", killed_threads }, { "vforks", vforks },
		{ "signals", signals }, { "queued", queued }, { "senders", senders },
		{ "stop-and-continue", stop_and_continue },
		{ "untraced", untraced }, { "unknown-abi", unknown_abi }, { "orphan", orphan },
		{ "own-descriptors", own_descriptors }, { "shared-root", shared_root },
		{ "nested-pids", nested_pids }, { "shared-memory", shared_memory },
		{ "credentials-of-a-process", credentials_of_a_process }, { "credentials-of-threads", credentials_of_threads }, { "affinity", affinity },
	};
	self = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "quiet"))
		return 0;
	if (!strcmp(argv[1], "hello")) {
		printf("hello from %s\n", getpid() == syscall(SYS_gettid) ? "a leader" : "a thread");
		return 0;
	}
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		if (!strcmp(argv[1], scenarios[i].name))
			return scenarios[i].run();
	return 2;
}
