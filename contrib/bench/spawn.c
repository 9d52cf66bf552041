/* spawn N PROGRAM: N times fork, exec PROGRAM, wait; fails if any of them does. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: spawn N PROGRAM\n", stderr);
        return 2;
    }
    for (int left = atoi(argv[1]); left > 0; left--) {
        pid_t child = fork();
        if (child == 0) {
            execl(argv[2], argv[2], (char *)NULL);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "spawn: %d runs before the end: a child failed\n", left);
            return 1;
        }
    }
    return 0;
}
