// Says who it is, becomes somebody else for good, tries to come back, and gives files away: built static by musl, and
// dynamic for 32 bits, whose C libraries make these calls in their own manner.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, int result) {
    const char *how = result < 0 ? strerror(errno) : "ok";
    uid_t uid[3];
    gid_t gid[3], groups[32];
    getresuid(&uid[0], &uid[1], &uid[2]);
    getresgid(&gid[0], &gid[1], &gid[2]);
    int count = getgroups(32, groups);
    printf("%s: %d %s; uid %u %u %u, gid %u %u %u, groups", what, result, how, uid[0], uid[1], uid[2], gid[0], gid[1],
           gid[2]);
    for (int i = 0; i < count; i++)
        printf(" %u", groups[i]);
    printf("\n");
}

static void look(const char *what, int result) {
    struct stat st;
    const char *how = result < 0 ? strerror(errno) : "ok";
    if (lstat("given", &st) < 0)
        printf("%s: %d %s; lstat: error %d\n", what, result, how, errno);
    else
        printf("%s: %d %s; %u:%u %o\n", what, result, how, st.st_uid, st.st_gid, st.st_mode);
}

int main(void) {
    const gid_t some[] = {5, 70000, 4};
    int fd;

    say("start", 0);
    look("open", fd = open("/tmp/given-by-become", O_CREAT | O_RDWR, 0600));
    unlink("/tmp/given-by-become");
    look("create", close(open("given", O_CREAT | O_WRONLY, 0640)));
    look("chown", chown("given", 33, 70000));
    look("lchown", lchown("given", 70001, -1));
    look("chmod", chmod("given", 06755));
    look("fchown", fchown(fd, 1, 2));
    say("setgroups", setgroups(3, some));
    say("setfsuid", setfsuid(44));
    look("create as 44", close(open("given-by-44", O_CREAT | O_WRONLY, 0640)));
    say("setfsuid", setfsuid(0));
    say("setegid", setegid(34));
    say("setresgid", setresgid(34, 35, 36));
    say("seteuid", seteuid(33));
    say("seteuid", seteuid(0));
    say("setreuid", setreuid(33, 70000));
    say("setuid", setuid(33));
    say("setuid 0", setuid(0));
    say("setgroups", setgroups(0, some));
    say("setresgid", setresgid(0, 0, 0));
    look("chown", chown("given", 0, 0));
    look("chmod", chmod("given", 0777));
    return 0;
}
