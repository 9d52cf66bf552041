// Needs nothing but itself: a file of somebody else's, and becoming them. Prints "OWNER:GROUP then UID:GID", and ends with 7.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    struct stat found;
    int fd = open("/owned", O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || fchown(fd, 33, 4) != 0 || fstat(fd, &found) != 0) {
        perror("/owned");
        return 1;
    }
    if (setgid(4) != 0 || setuid(33) != 0) {
        perror("setuid");
        return 1;
    }
    printf("%u:%u then %u:%u\n", found.st_uid, found.st_gid, getuid(), getgid());
    return 7;
}
