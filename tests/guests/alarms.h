/* With ALARMS in the environment, SIGALRM comes every millisecond, whatever a program is about. Calls are made again
 * where the kernel does that (SA_RESTART), so that nothing else must change. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static void on_alarm(int signal)
{
	(void)signal;
}

/* From here on, or no more: a timer outlives an exec, and its handler does not. It does not outlive a fork. */
static void alarms(int on)
{
	struct sigaction action;
	struct itimerval timer = { { 0, on ? 1000 : 0 }, { 0, on ? 1000 : 0 } };
	if (!getenv("ALARMS"))
		return;
	memset(&action, 0, sizeof action);
	/* One may be on its way, to another thread: where there is no handler any more, it must not kill. */
	action.sa_handler = on ? on_alarm : SIG_IGN;
	action.sa_flags = SA_RESTART;
	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &timer, NULL))
		abort();
}
