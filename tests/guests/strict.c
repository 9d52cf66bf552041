/* Tasks whose circumstances change while they run: strict SCENARIO, in an empty directory of its own. Each scenario
 * prints what is wrong, and how much that is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static char *self;
static int wrong;

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(int right, const char *what, int line)
{
	int error = errno;
	if (right)
		return;
	wrong++;
	printf("line %d: %s (errno %d)\n", line, what, error);
	fflush(stdout);
}

/* The end of a scenario: how much was wrong. */
static int verdict(void)
{
	printf("wrong %d\n", wrong);
	return 0;
}

static int uid_of(const char *path)
{
	struct stat stat;
	return lstat(path, &stat) ? -1 : (int)stat.st_uid;
}

static int gid_of(const char *path)
{
	struct stat stat;
	return lstat(path, &stat) ? -1 : (int)stat.st_gid;
}

static int touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	return fd < 0 ? -1 : close(fd);
}

/* The first directory that hands a group on. */
static void pass_on(const char *path)
{
	CHECK(mkdir(path, 0777) == 0);
	CHECK(chown(path, -1, 33) == 0);
	CHECK(chmod(path, 02777) == 0);
}

/* Waits for children, whose exit status is what was wrong with them. */
static void reap(int children)
{
	int status;
	while (children-- > 0 && wait(&status) > 0) {
		CHECK(WIFEXITED(status));
		if (WIFEXITED(status))
			wrong += WEXITSTATUS(status);
	}
	errno = 0;
	CHECK(wait(NULL) == -1 && errno == ECHILD);
}

/* Everything that a user makes is the user's, from the first call on. */
static void work_as_33(void)
{
	struct timespec times[2] = {{5, 0}, {6, 0}};
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "u/socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(mkdir("u", 0755) == 0 && uid_of("u") == 33 && gid_of("u") == 33);
	CHECK(utimensat(AT_FDCWD, "roots", times, 0) == -1 && errno == EPERM);
	CHECK(touch("u/file") == 0 && uid_of("u/file") == 33 && gid_of("u/file") == 33);
	CHECK(utimensat(AT_FDCWD, "u/file", times, 0) == 0);
	CHECK(symlink("x", "u/link") == 0 && uid_of("u/link") == 33);
	CHECK(link("u/file", "u/second") == 0 && uid_of("u/second") == 33);
	CHECK(mkfifo("u/fifo", 0600) == 0 && uid_of("u/fifo") == 33);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && uid_of("u/socket") == 33);
	CHECK(rename("u/second", "u/third") == 0 && uid_of("u/third") == 33);
	CHECK(unlink("u/third") == 0);
	CHECK(getuid() == 33 && setuid(0) == -1 && errno == EPERM);
}

static void drop(void)
{
	CHECK(chmod(".", 0777) == 0 && touch("roots") == 0 && uid_of("roots") == 0);
	CHECK(setgid(33) == 0 && setuid(33) == 0);
}

static int dropped(void)
{
	drop();
	work_as_33();
	return verdict();
}

/* No memory for another filter. */
static int no_memory(void)
{
	struct rlimit none = {4096, 4096};
	CHECK(setrlimit(RLIMIT_AS, &none) == 0);
	drop();
	work_as_33();
	if (fork() == 0) {
		wrong = 0;
		CHECK(touch("u/child") == 0 && uid_of("u/child") == 33);
		_exit(wrong);
	}
	reap(1);
	return verdict();
}

/* What all children of blocked() share. */
struct shared {
	int futex;
	int spin;
	int pipe[2];
	int sem;
};
static struct shared *shared;

static void by_read(void)
{
	char byte;
	CHECK(read(shared->pipe[0], &byte, 1) == 0);
}

static int epoll_for(int fd)
{
	int epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	return epoll;
}

static void by_epoll_wait(void)
{
	struct epoll_event event;
	CHECK(epoll_wait(epoll_for(shared->pipe[0]), &event, 1, -1) == 1);
}

static void by_epoll_pwait(void)
{
	struct epoll_event event;
	sigset_t set, now;
	sigfillset(&set);
	CHECK(epoll_pwait(epoll_for(shared->pipe[0]), &event, 1, -1, &set) == 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(!sigismember(&now, SIGTERM));
}

static void by_poll(void)
{
	struct pollfd fd = {shared->pipe[0], POLLIN, 0};
	CHECK(poll(&fd, 1, -1) == 1);
}

static void by_nanosleep(void)
{
	struct timespec time = {0, 700000000}, rest, before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK(nanosleep(&time, &rest) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	int64_t slept = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
	CHECK(slept >= 700000000);
}

static void by_futex(void)
{
	long result = syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
	CHECK(result == 0);
}

static void by_sigtimedwait(void)
{
	struct timespec long_time = {60, 0};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigtimedwait(&set, NULL, &long_time) == SIGUSR1);
}

static void by_semop(void)
{
	struct sembuf take = {0, -1, 0};
	CHECK(semop(shared->sem, &take, 1) == 0);
}

static void by_wait(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		by_read();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void by_vfork(void)
{
	pid_t child = vfork();
	if (child == 0) {
		char byte;
		syscall(SYS_read, shared->pipe[0], &byte, 1);
		_exit(0);
	}
	CHECK(waitpid(child, NULL, 0) == child);
}

static void by_spinning(void)
{
	while (!__atomic_load_n(&shared->spin, __ATOMIC_ACQUIRE))
		;
}

static void handler(int signal)
{
	(void)signal;
}

/* A real signal still ends the wait. */
static void by_signal(void)
{
	struct sigaction action = {.sa_handler = handler};
	struct epoll_event event;
	sigaction(SIGUSR1, &action, NULL);
	sigset_t none;
	sigemptyset(&none);
	CHECK(epoll_pwait(epoll_create1(0), &event, 1, -1, &none) == -1 && errno == EINTR);
}

static void by_stop(void)
{
	by_read();
}

static void *thread_waits(void *unused)
{
	by_epoll_wait();
	return unused;
}

static void by_threads(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, thread_waits, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Kills whoever makes one of the calls that add a filter. */
static int forbid(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
#ifdef SYS_mmap2
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap2, 1, 0),
#else
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void by_own_filter(void)
{
	CHECK(forbid(0) == 0);
	by_epoll_wait();
}

static void by_own_filter_of_prctl(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	by_read();
}

static const struct waiter {
	const char *name;
	void (*wait)(void);
} waiters[] = {
	{"read", by_read},
	{"epoll_wait", by_epoll_wait},
	{"epoll_pwait", by_epoll_pwait},
	{"poll", by_poll},
	{"nanosleep", by_nanosleep},
	{"futex", by_futex},
	{"sigtimedwait", by_sigtimedwait},
	{"semop", by_semop},
	{"wait", by_wait},
	{"vfork", by_vfork},
	{"spinning", by_spinning},
	{"signal", by_signal},
	{"stop", by_stop},
	{"threads", by_threads},
	{"own filter", by_own_filter},
	{"own filter of prctl", by_own_filter_of_prctl},
};
#define WAITERS (sizeof waiters / sizeof *waiters)

/* Others are in the midst of something while the first directory comes that hands a group on. */
static int blocked(void)
{
	pid_t children[WAITERS];
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->sem = semget(IPC_PRIVATE, 1, 0600);
	CHECK(pipe(shared->pipe) == 0);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < WAITERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char path[64];
			close(shared->pipe[1]);
			waiters[i].wait();
			snprintf(path, sizeof path, "g/%s", waiters[i].name);
			CHECK(touch(path) == 0);
			CHECK(gid_of(path) == 33);
			if (wrong)
				printf("%s: wrong %d\n", waiters[i].name, wrong);
			fflush(stdout);
			_exit(wrong);
		}
	}
	usleep(200000);
	for (size_t i = 0; i < WAITERS; i++)
		if (waiters[i].wait == by_stop)
			kill(children[i], SIGSTOP);
	usleep(50000);
	pass_on("g");
	__atomic_store_n(&shared->spin, 1, __ATOMIC_RELEASE);
	usleep(100000);
	__atomic_store_n(&shared->futex, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->futex, FUTEX_WAKE, 1000, NULL, NULL, 0);
	struct sembuf give = {0, 1, 0};
	CHECK(semop(shared->sem, &give, 1) == 0);
	for (size_t i = 0; i < WAITERS; i++) {
		if (waiters[i].wait == by_stop)
			kill(children[i], SIGCONT);
		if (waiters[i].wait == by_sigtimedwait || waiters[i].wait == by_signal)
			kill(children[i], SIGUSR1);
	}
	close(shared->pipe[1]);
	reap(WAITERS);
	semctl(shared->sem, 0, IPC_RMID);
	return verdict();
}

/* A filter of the guest's own first; then it drops. */
static int own_filter(void)
{
	CHECK(chmod(".", 0777) == 0 && touch("roots") == 0);
	if (fork() == 0) {
		wrong = 0;
		CHECK(forbid(0) == 0);
		CHECK(setgid(33) == 0 && setuid(33) == 0);
		work_as_33();
		_exit(wrong);
	}
	reap(1);
	/* The same for its child. */
	CHECK(forbid(0) == 0);
	if (fork() == 0) {
		wrong = 0;
		pass_on("g");
		_exit(wrong);
	}
	reap(1);
	CHECK(touch("g/file") == 0 && gid_of("g/file") == 33);
	return verdict();
}

static int baton;

static void *drops_and_works(void *number)
{
	char path[32];
	snprintf(path, sizeof path, "t%d", (int)(intptr_t)number);
	while (!__atomic_load_n(&baton, __ATOMIC_ACQUIRE))
		;
	syscall(SYS_setfsgid, 33);
	syscall(SYS_setfsuid, 33);
	CHECK(touch(path) == 0 && uid_of(path) == 33);
	pid_t child = syscall(SYS_fork);
	if (child == 0)
		syscall(SYS_exit_group, touch("child"));
	int status = -1;
	CHECK(waitpid(child, &status, __WALL) == child && status == 0);
	__atomic_add_fetch(&baton, 1, __ATOMIC_ACQ_REL);
	for (;;)
		pause();
	return NULL;
}

/* The process gets its own filter while its threads get ours. */
static int raced(void)
{
	CHECK(chmod(".", 0777) == 0);
	for (int round = 0; round < 40; round++) {
		if (fork() == 0) {
			enum { THREADS = 6 };
			pthread_t thread;
			wrong = 0;
			for (intptr_t i = 0; i < THREADS; i++)
				CHECK(pthread_create(&thread, NULL, drops_and_works, (void *)i) == 0);
			__atomic_store_n(&baton, 1, __ATOMIC_RELEASE);
			for (volatile int n = 0; n < round * 20000; n++)
				;
			CHECK(forbid(SECCOMP_FILTER_FLAG_TSYNC) == 0);
			while (__atomic_load_n(&baton, __ATOMIC_ACQUIRE) <= THREADS)
				usleep(1000);
			CHECK(uid_of("child") == 33);
			_exit(wrong);
		}
		reap(1);
	}
	return verdict();
}

static void *drops_alone(void *unused)
{
	syscall(SYS_setfsgid, 33);
	syscall(SYS_setfsuid, 33);
	CHECK(touch("mine") == 0 && uid_of("mine") == 33);
	__atomic_store_n(&baton, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&baton, __ATOMIC_ACQUIRE) == 1)
		usleep(1000);
	CHECK(touch("later") == 0 && uid_of("later") == 33);
	return unused;
}

/* A thread with other credentials keeps none of its siblings from synchronizing their filters. */
static int synchronized(void)
{
	pthread_t thread;
	CHECK(chmod(".", 0777) == 0);
	CHECK(pthread_create(&thread, NULL, drops_alone, NULL) == 0);
	while (!__atomic_load_n(&baton, __ATOMIC_ACQUIRE))
		usleep(1000);
	CHECK(forbid(SECCOMP_FILTER_FLAG_TSYNC) == 0);
	CHECK(touch("roots") == 0 && uid_of("roots") == 0);
	if (fork() == 0) {
		wrong = 0;
		pass_on("g");
		_exit(wrong);
	}
	reap(1);
	CHECK(touch("g/file") == 0 && gid_of("g/file") == 33);
	__atomic_store_n(&baton, 2, __ATOMIC_RELEASE);
	while (uid_of("later") != 33)
		usleep(1000);
	/* Not joined: that would free memory. */
	return verdict();
}

static void *drops_for_all(void *delay)
{
	while (!__atomic_load_n(&baton, __ATOMIC_ACQUIRE))
		;
	for (volatile int n = 0; n < (int)(intptr_t)delay; n++)
		;
	syscall(SYS_setfsuid, 33);
	getppid();
	return NULL;
}

/* Children come while their process gets a filter: they may have it or not. */
static int born_meanwhile(void)
{
	CHECK(chmod(".", 0777) == 0);
	for (intptr_t round = 0; round < 100; round++) {
		if (fork() == 0) {
			pthread_t thread;
			wrong = 0;
			CHECK(pthread_create(&thread, NULL, drops_for_all, (void *)(round * 3000)) == 0);
			__atomic_store_n(&baton, 1, __ATOMIC_RELEASE);
			for (int i = 0; i < 5; i++) {
				if (fork() == 0) {
					char path[32];
					wrong = 0;
					snprintf(path, sizeof path, "b%d-%d", (int)round, i);
					CHECK(setgid(33) == 0 && setuid(33) == 0);
					CHECK(touch(path) == 0 && uid_of(path) == 33);
					_exit(wrong);
				}
			}
			reap(5);
			_exit(wrong);
		}
		reap(1);
	}
	return verdict();
}

/* A child executes with a program of its own what comes after. */
static int executed(void)
{
	drop();
	execl(self, self, "executed-33", (char *)NULL);
	return 1;
}

static int executed_33(void)
{
	work_as_33();
	return verdict();
}

/* In a namespace that has no root, exec takes the right to add a filter. */
static int no_rights(void)
{
	CHECK(unshare(CLONE_NEWUSER) == 0);
	execl(self, self, "executed", (char *)NULL);
	return 1;
}

static volatile int ticks;

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

/* Signals at any moment, while filters are added again and again. */
static int signals(void)
{
	struct sigaction action = {.sa_handler = tick};
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	sigaction(SIGALRM, &action, NULL);
	CHECK(chmod(".", 0777) == 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		if (child == 0) {
			char path[32];
			wrong = 0;
			snprintf(path, sizeof path, "f%d", i);
			setitimer(ITIMER_REAL, &often, NULL);
			CHECK(setgid(33) == 0 && setuid(33) == 0);
			int fd;
			do
				fd = open(path, O_CREAT | O_EXCL, 0600);
			while (fd < 0 && errno == EINTR);
			CHECK(fd >= 0 && uid_of(path) == 33 && gid_of(path) == 33);
			while (ticks < 3)
				;
			setitimer(ITIMER_REAL, &never, NULL);
			_exit(wrong);
		}
	}
	reap(100);
	return verdict();
}

static volatile int caught;

static void catch_one(int signal)
{
	(void)signal;
	caught++;
}

static void sleep_in(int kind)
{
	struct timespec time = {60, 0};
	struct epoll_event event;
	switch (kind) {
	case 0:
		CHECK(pause() == -1 && errno == EINTR);
		break;
	case 1:
		CHECK(epoll_wait(epoll_create1(0), &event, 1, -1) == -1 && errno == EINTR);
		break;
	case 2:
		CHECK(select(0, NULL, NULL, NULL, NULL) == -1 && errno == EINTR);
		break;
	default:
		CHECK(nanosleep(&time, NULL) == -1 && errno == EINTR);
	}
}

static void new_kind_of_record(int round)
{
	if (round == 0) {
		CHECK(chmod("g", 02777) == 0);
	} else if (round == 1) {
		CHECK(setxattr("file", "trusted.x", "1", 1, 0) == 0);
	} else {
		CHECK(mknod("device", S_IFBLK | 0600, 0x705) == 0);
	}
}

/* Waits until a task sleeps in a call: natively so, not in a stop. */
static void wait_for_sleep(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (int patience = 0; patience < 30000; patience++) {
		int fd = open(path, O_RDONLY);
		ssize_t length = read(fd, text, sizeof text - 1);
		close(fd);
		text[length < 0 ? 0 : length] = 0;
		char *state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return;
		usleep(1000);
	}
	CHECK(!"asleep in 30 seconds");
}

/* Signals that end a call, sent while filters are added to those who wait in it: each ends its call, and none is
 * forgotten in a call that is made again. */
static int signalled(void)
{
	enum { SLEEPERS = 32 };
	struct sigaction action = {.sa_handler = catch_one};
	sigaction(SIGUSR1, &action, NULL);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(mkdir("g", 0777) == 0 && chown("g", -1, 33) == 0 && touch("file") == 0);
	for (int round = 0; round < 3; round++) {
		pid_t sleepers[SLEEPERS];
		shared->spin = 0;
		for (int i = 0; i < SLEEPERS; i++) {
			sleepers[i] = fork();
			if (sleepers[i] == 0) {
				alarm(60);
				sleep_in(i % 4);
				CHECK(caught == 1);
				fflush(stdout);
				_exit(wrong != 0);
			}
		}
		/* A signal that comes before one sleeps ends nothing. */
		for (int i = 0; i < SLEEPERS; i++)
			wait_for_sleep(sleepers[i]);
		if (fork() == 0) {
			while (!__atomic_load_n(&shared->spin, __ATOMIC_ACQUIRE))
				;
			for (int i = 0; i < SLEEPERS; i++) {
				for (volatile int n = 0; n < 20000; n++)
					;
				kill(sleepers[i], SIGUSR1);
			}
			_exit(0);
		}
		usleep(10000);
		__atomic_store_n(&shared->spin, 1, __ATOMIC_RELEASE);
		new_kind_of_record(round);
		reap(SLEEPERS + 1);
	}
	return verdict();
}

static void *writes(void *name)
{
	char path[64];
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "%s-%d", (char *)name, i);
		CHECK(touch(path) == 0);
		CHECK(uid_of(path) == 0);
	}
	return NULL;
}

/* Processes and threads come, drop, and are killed, while everything else comes up as well. */
static int storm(void)
{
	CHECK(chmod(".", 0777) == 0);
	for (int i = 0; i < 60; i++) {
		if (fork())
			continue;
		char path[64];
		pthread_t thread;
		wrong = 0;
		snprintf(path, sizeof path, "p%d", i);
		if (i % 6 == 0) {
			/* Killed at any moment. */
			pid_t victim = fork();
			if (victim == 0) {
				for (int n = 0;; n++) {
					if (fork() == 0) {
						_exit(setgid(33) || setuid(33) || touch("victim"));
					}
					wait(NULL);
				}
			}
			usleep(3000 * i);
			kill(victim, SIGKILL);
			waitpid(victim, NULL, 0);
		} else if (i % 6 == 1) {
			pass_on(path);
			strcat(path, "/f");
			CHECK(touch(path) == 0 && gid_of(path) == 33);
		} else if (i % 6 == 2) {
			CHECK(pthread_create(&thread, NULL, writes, path) == 0);
			CHECK(pthread_join(thread, NULL) == 0);
		} else if (i % 6 == 3) {
			CHECK(mknod(path, S_IFBLK | 0600, 0x705) == 0);
			struct stat stat;
			CHECK(lstat(path, &stat) == 0 && S_ISBLK(stat.st_mode) && unlink(path) == 0);
		} else if (i % 6 == 4) {
			CHECK(forbid(0) == 0);
			CHECK(setgid(33) == 0 && setuid(33) == 0);
			CHECK(touch(path) == 0 && uid_of(path) == 33);
		} else {
			CHECK(setgid(33) == 0 && setuid(33) == 0);
			if (vfork() == 0)
				_exit(0);
			wait(NULL);
			CHECK(touch(path) == 0 && uid_of(path) == 33);
		}
		fflush(stdout);
		_exit(wrong);
	}
	reap(60);
	/* Of a child whose parent was killed before anybody heard of it, perhaps. */
	CHECK(uid_of("victim") == 33 || uid_of("victim") == -1);
	return verdict();
}

static const struct scenario {
	const char *name;
	int (*run)(void);
} scenarios[] = {
	{"dropped", dropped},
	{"no-memory", no_memory},
	{"blocked", blocked},
	{"own-filter", own_filter},
	{"synchronized", synchronized},
	{"raced", raced},
	{"born-meanwhile", born_meanwhile},
	{"executed", executed},
	{"executed-33", executed_33},
	{"no-rights", no_rights},
	{"signals", signals},
	{"signalled", signalled},
	{"storm", storm},
};

int main(int argc, char **argv)
{
	self = argv[0];
	for (size_t i = 0; argc == 2 && i < sizeof scenarios / sizeof *scenarios; i++)
		if (!strcmp(argv[1], scenarios[i].name))
			return scenarios[i].run();
	return 2;
}
