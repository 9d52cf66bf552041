/* Signals that nobody handles, sent to a task in a call that signals end for good. Natively it is not even woken. Prints
 * what is wrong, and how much that is. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What waits, and what those who wait for it share. */
static int ends[2], semaphore, events;
static struct {
	int waits;
	int caught;
} *shared;
static int wrong;

static void check(int right, const char *call, const char *what, long result, int error)
{
	if (right)
		return;
	wrong++;
	printf("%s, %s: %ld (errno %d)\n", call, what, result, error);
	fflush(stdout);
}

static void catch_one(int signal)
{
	(void)signal;
	shared->caught++;
}

static long wait_epoll(void)
{
	struct epoll_event event;
	return epoll_wait(events, &event, 1, -1);
}

static long wait_epoll_masked(void)
{
	struct epoll_event event;
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN);
	return epoll_pwait(events, &event, 1, -1, &mask);
}

static long wait_epoll_long(void)
{
	struct epoll_event event;
	return syscall(SYS_epoll_pwait2, events, &event, 1, NULL, NULL, 8);
}

static long wait_semaphore(void)
{
	struct sembuf down = {.sem_op = -1};
	return semop(semaphore, &down, 1) ? -1 : 1;
}

static long wait_semaphore_long(void)
{
	struct sembuf down = {.sem_op = -1};
	return semtimedop(semaphore, &down, 1, NULL) ? -1 : 1;
}

static long wait_signal(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigwaitinfo(&set, NULL) == SIGRTMIN ? 1 : -1;
}

static long wait_events(void)
{
	aio_context_t context = 0;
	struct iocb poll = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = ends[0], .aio_buf = POLLIN};
	struct iocb *polls = &poll;
	struct io_event event;
	if (syscall(SYS_io_setup, 1, &context) || syscall(SYS_io_submit, context, 1, &polls) != 1)
		return -2;
	return syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

static const struct {
	const char *name;
	long (*wait)(void);
} calls[] = {
	{"epoll_wait", wait_epoll},
	{"epoll_pwait", wait_epoll_masked},
	{"epoll_pwait2", wait_epoll_long},
	{"semop", wait_semaphore},
	{"semtimedop", wait_semaphore_long},
	{"sigwaitinfo", wait_signal},
	{"io_getevents", wait_events},
};

/* All that any of the calls may wait for. */
static void release(pid_t pid)
{
	struct sembuf up = {.sem_op = 1};
	if (write(ends[1], "", 1) != 1 || semop(semaphore, &up, 1) || kill(pid, SIGRTMIN))
		exit(3);
}

static void take_back(void)
{
	char byte;
	if (read(ends[0], &byte, 1) != 1 || semctl(semaphore, 0, SETVAL, 0))
		exit(4);
}

/* The state that /proc/PID/stat tells: S for one that waits. */
static char state_of(pid_t pid)
{
	char path[32], text[128] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return 'X';
	size_t length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = 0;
	char *close = strrchr(text, ')');
	return close ? close[2] : 'X';
}

/* Until it waits, and for a while already: on its way there it may seem to for a moment. */
static void await(pid_t pid)
{
	for (int since = 0; since < 5;) {
		char now = state_of(pid);
		if (now == 'Z' || now == 'X')
			return;
		since = shared->waits && now == 'S' ? since + 1 : 0;
		usleep(1000);
	}
}

enum { IGNORED, THEN_HANDLED, THEN_STOPPED };
static const char *const manners[] = {"ignored", "then handled", "then stopped"};

static void try(size_t number, int manner)
{
	shared->waits = shared->caught = 0;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		shared->waits = 1;
		long result = calls[number].wait();
		int error = errno;
		if (manner == IGNORED)
			check(result == 1 && !shared->caught, calls[number].name, manners[manner], result, error);
		else
			check(result == -1 && error == EINTR && shared->caught == (manner == THEN_HANDLED),
			      calls[number].name, manners[manner], result, error);
		_exit(wrong != 0);
	}
	await(pid);
	const int ignored[] = {SIGUSR1, SIGCHLD, SIGWINCH, SIGURG, SIGCONT, SIGUSR1};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
		kill(pid, ignored[i]);
		/* Every other time together with the next. */
		if (i % 2)
			await(pid);
	}
	if (manner == THEN_HANDLED) {
		kill(pid, SIGWINCH);
		kill(pid, SIGUSR2);
	} else if (manner == THEN_STOPPED) {
		int status;
		kill(pid, SIGSTOP);
		waitpid(pid, &status, WUNTRACED);
		kill(pid, SIGCONT);
	} else {
		release(pid);
	}
	int status;
	waitpid(pid, &status, 0);
	wrong += status != 0;
	if (manner == IGNORED)
		take_back();
}

int main(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	semaphore = semget(IPC_PRIVATE, 1, 0600);
	events = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	if (semaphore < 0 || pipe(ends) || epoll_ctl(events, EPOLL_CTL_ADD, ends[0], &event))
		return 2;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR1, SIG_IGN);
	struct sigaction action = {.sa_handler = catch_one};
	sigaction(SIGUSR2, &action, NULL);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		for (int manner = IGNORED; manner <= THEN_STOPPED; manner++)
			try(i, manner);
	semctl(semaphore, 0, IPC_RMID);
	printf("wrong %d\n", wrong);
	return 0;
}
