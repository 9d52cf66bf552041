/* Runs a program under a filter like a container's: profile CALL,CALL… PROGRAM ARG…; each CALL fails with EPERM. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct { const char *name; unsigned nr; } KNOWN[] = {
    { "unshare", SYS_unshare }, { "ptrace", SYS_ptrace }, { "process_vm_readv", SYS_process_vm_readv },
    { "process_vm_writev", SYS_process_vm_writev }, { "pidfd_getfd", SYS_pidfd_getfd }, { "mount", SYS_mount }, { "seccomp", SYS_seccomp },
};

int main(int argc, char **argv)
{
    struct sock_filter code[64];
    unsigned short n = 0;
    if (argc < 3)
        return 2;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (char *word = strtok(argv[1], ","); word; word = strtok(NULL, ",")) {
        unsigned i = 0;
        while (i < sizeof KNOWN / sizeof *KNOWN && strcmp(KNOWN[i].name, word))
            i++;
        if (i == sizeof KNOWN / sizeof *KNOWN || n > 60)
            return 2;
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KNOWN[i].nr, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { n, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 3;
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
