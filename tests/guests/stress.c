/* Bad days: stress kills SEED COUNT | crowd COUNT | short COUNT | quiet. Where a number of the tracer's is to be looked
 * at, it prints "look" and waits for a line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char *self;

static void die(const char *what)
{
	printf("%s: errno %d\n", what, errno);
	exit(1);
}

static int wait_for(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return status;
}

static void look(void)
{
	char line[16];
	puts("look");
	if (!fgets(line, sizeof line, stdin))
		exit(1);
}

/* splitmix64: the same numbers from the same seed. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

/* What a thread of the victim does, whatever comes of it. */
static void anything(uint64_t *state)
{
	char name[16], other[16];
	struct stat stat;
	uint64_t pick = next(state);
	snprintf(name, sizeof name, "f%u", (unsigned)(pick >> 8) % 8);
	snprintf(other, sizeof other, "f%u", (unsigned)(pick >> 16) % 8);
	unsigned id = (unsigned)(pick >> 24) % 3 * 1000;
	int fd;
	pid_t pid;
	switch (pick % 16) {
	case 0:
		fd = open(name, O_CREAT | O_RDWR, 0644);
		fchown(fd, id, id);
		close(fd);
		break;
	case 1:
		chown(name, id, id);
		break;
	case 2:
		lstat(name, &stat);
		break;
	case 3:
		mknod(name, S_IFCHR | 0600, 0x103);
		break;
	case 4:
		setxattr(name, "trusted.x", "y", 1, 0);
		break;
	case 5:
		rename(name, other);
		break;
	case 6:
		unlink(name);
		break;
	case 7:
		symlink("x", name);
		lchown(name, id, id);
		break;
	case 8:
		syscall(SYS_setresuid, id, 0, 0);
		break;
	case 9:
		syscall(SYS_setfsuid, id);
		break;
	case 10:
		pid = fork();
		if (!pid) {
			syscall(SYS_setresuid, id, id, id);
			creat(name, 0600);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		break;
	case 11:
		pid = vfork();
		if (!pid) {
			execl(self, self, "quiet", (char *)NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
		break;
	case 12:
		chmod(name, 06755);
		break;
	case 13:
		link(name, other);
		break;
	case 14:
		syscall(SYS_getgroups, 0, NULL);
		break;
	case 15:
		if ((pick >> 32) % 16 == 0)
			execl(self, self, "again", (char *)NULL);
		break;
	}
}

static void *works(void *seed)
{
	uint64_t state = (uintptr_t)seed;
	for (;;)
		anything(&state);
	return NULL;
}

static void victim(uint64_t *state)
{
	pthread_t thread;
	for (unsigned count = next(state) % 4; count; count--)
		pthread_create(&thread, NULL, works, (void *)(uintptr_t)next(state));
	works((void *)(uintptr_t)next(state));
}

/* Killed at moments and, with threads, in calls that nobody can foresee. */
static int kills(uint64_t seed, int count)
{
	/* For waiting until the victim's children are gone as well. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		die("prctl");
	for (int round = 0; round < count; round++) {
		uint64_t state = seed + round;
		unsigned delay = next(&state) % 4000;
		pid_t pid = fork();
		if (!pid) {
			setpgid(0, 0);
			victim(&state);
		}
		setpgid(pid, pid);
		usleep(delay);
		/* The tree at once, or the leader first and then who is left. */
		if (next(&state) % 2)
			kill(pid, SIGKILL);
		kill(-pid, SIGKILL);
		int status = wait_for(pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
			printf("round %d: status %x\n", round, status);
			return 1;
		}
		while (waitpid(-pid, NULL, 0) > 0)
			;
	}
	printf("killed %d\n", count);
	return 0;
}

/* All there at once, half of them threads, each with credentials of its own. */
static volatile int arrived;

static void *arrives(void *number)
{
	uid_t id = 1000 + (intptr_t)number;
	if (syscall(SYS_setresuid, id, id, id) || syscall(SYS_getuid) != id)
		die("setresuid");
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static int crowd(int count)
{
	int ready[2];
	char byte = 0;
	if (pipe(ready))
		die("pipe");
	look();
	pid_t *pids = calloc(count / 2, sizeof *pids);
	for (int i = 0; i < count / 2; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			if (syscall(SYS_setresuid, 1000 + i, 1000 + i, 1000 + i) || write(ready[1], &byte, 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
	}
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (intptr_t i = 0; i < count / 2; i++) {
		pthread_t thread;
		if ((errno = pthread_create(&thread, &small, arrives, (void *)i)))
			die("pthread_create");
		if (read(ready[0], &byte, 1) != 1)
			die("read");
	}
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < count / 2)
		usleep(1000);
	look();
	for (int i = 0; i < count / 2; i++) {
		kill(pids[i], SIGKILL);
		wait_for(pids[i]);
	}
	printf("crowd %d\n", count);
	fflush(stdout);
	_exit(0);
}

/* One after the other; every tenth runs a program, every other one drops root. */
static void in_a_row(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			if (i % 2 && syscall(SYS_setresuid, 1000 + i, 1000 + i, 1000 + i))
				_exit(1);
			if (i % 10 == 0)
				execl(self, self, "quiet", (char *)NULL);
			_exit(0);
		}
		if (wait_for(pid))
			die("a child");
	}
}

static int in_turn(int count)
{
	in_a_row(count / 4);
	look();
	in_a_row(count - count / 4);
	look();
	printf("ended %d\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	self = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "quiet"))
		return 0;
	if (!strcmp(what, "again")) {
		uint64_t state = getpid();
		victim(&state);
	}
	if (!strcmp(what, "kills") && argc == 4)
		return kills(strtoull(argv[2], NULL, 10), atoi(argv[3]));
	if (!strcmp(what, "crowd") && argc == 3)
		return crowd(atoi(argv[2]));
	if (!strcmp(what, "short") && argc == 3)
		return in_turn(atoi(argv[2]));
	return 2;
}
