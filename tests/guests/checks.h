/* Scenarios that print what is wrong in them, in whichever of their processes, and how much that is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Shared by all processes of a scenario. */
static int *wrong;

#define CHECK(condition) check(condition, #condition, __LINE__)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

struct scenario {
	const char *name;
	int (*run)(void);
};

static void check(int right, const char *what, int line)
{
	int error = errno;
	if (right)
		return;
	__atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
	printf("line %d: %s (errno %d)\n", line, what, error);
	fflush(stdout);
}

/* Before the first check. */
static void begin(void)
{
	wrong = mmap(NULL, sizeof *wrong, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void ended_well(pid_t pid)
{
	int status = -1;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

/* Runs the scenario that the only argument names. */
static int play(const struct scenario *scenarios, unsigned count, int argc, char **argv)
{
	for (unsigned n = 0; argc == 2 && n < count; n++)
		if (!strcmp(argv[1], scenarios[n].name)) {
			scenarios[n].run();
			printf("wrong %d\n", *wrong);
			return 0;
		}
	return 2;
}
