// Runs scripts of file operations by several users, and prints what they see: results, errnos, owners, modes, device
// numbers, attributes; never inode numbers or times.
//
// Standard input holds sequences. "S" begins one in a new directory, "E" ends it and prints what is there. Between them
// each line is an operation: who, what, arguments. All calls are raw, so that an i386 build makes the calls of i386.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alarms.h"

#ifdef __i386__
#define WIDE(call) SYS_##call##32
#else
#define WIDE(call) SYS_##call
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define SYS_setxattrat_ 463
#define SYS_getxattrat_ 464
#define SYS_listxattrat_ 465
#define SYS_removexattrat_ 466

enum { ACTORS = 5, LINE = 4096 };

static char out[1 << 20];
static size_t used;

#define say(...) (used += snprintf(out + used, sizeof out - used, __VA_ARGS__))

static void say_result(long result) {
    if (result < 0)
        say("-%d", errno);
    else
        say("%ld", result);
}

static unsigned long u16(const unsigned char *at) { return at[0] | at[1] << 8; }
__attribute__((unused)) static unsigned long u32(const unsigned char *at) { return u16(at) | u16(at + 2) << 16; }

// Links of devices are left out: one that is covered by the machine's own shows that one's.
static void say_fields(unsigned long mode, unsigned long uid, unsigned long gid, unsigned long rdev, unsigned long nlink) {
    say("%lo %lu:%lu", mode, uid, gid);
    if (S_ISCHR(mode) || S_ISBLK(mode))
        say(" dev %lx", rdev);
    else if (!S_ISDIR(mode))
        say(" n%lu", nlink);
}

static void say_stat(const struct stat *s) { say_fields(s->st_mode, s->st_uid, s->st_gid, s->st_rdev, s->st_nlink); }

// The stat calls by which a file can be asked about: `how` picks one.
static void stat_by(int how, const char *path) {
    struct stat s;
    unsigned char raw[256];
    struct statx x;
    int fd = -1;
    long r;
    memset(&s, 0, sizeof s);
    switch (how) {
#ifdef __i386__
    case 0: case 1: case 2: // 16-bit ids
        memset(raw, 0, sizeof raw);
        if (how == 2) {
            fd = open(path, O_PATH | O_NOFOLLOW);
            r = syscall(SYS_fstat, fd, raw);
        } else {
            r = syscall(how ? SYS_lstat : SYS_stat, path, raw);
        }
        if (r == 0)
            say_fields(u16(raw + 8), u16(raw + 12), u16(raw + 14), u32(raw + 16), u16(raw + 10));
        break;
    case 3: // with errors of its own for what 16 bits cannot hold
        memset(raw, 0, sizeof raw);
        r = syscall(SYS_oldlstat, path, raw);
        if (r < 0 && errno == EOVERFLOW)
            r = 0;
        break;
    case 4:
        r = syscall(SYS_lstat64, path, &s);
        if (r == 0)
            say_stat(&s);
        break;
    case 5:
        r = syscall(SYS_stat64, path, &s);
        if (r == 0)
            say_stat(&s);
        break;
    case 6:
        r = syscall(SYS_fstatat64, AT_FDCWD, path, &s, AT_SYMLINK_NOFOLLOW);
        if (r == 0)
            say_stat(&s);
        break;
    case 7:
        fd = open(path, O_PATH | O_NOFOLLOW);
        r = syscall(SYS_fstat64, fd, &s);
        if (r == 0)
            say_stat(&s);
        break;
#else
    case 0: case 3: case 5:
        r = syscall(SYS_stat, path, &s);
        if (r == 0)
            say_stat(&s);
        break;
    case 1: case 4:
        r = syscall(SYS_lstat, path, &s);
        if (r == 0)
            say_stat(&s);
        break;
    case 2: case 7:
        fd = open(path, O_PATH | O_NOFOLLOW);
        r = syscall(SYS_fstat, fd, &s);
        if (r == 0)
            say_stat(&s);
        break;
    case 6:
        fd = open(path, O_PATH | O_NOFOLLOW);
        r = syscall(SYS_newfstatat, fd, "", &s, AT_EMPTY_PATH);
        if (r == 0)
            say_stat(&s);
        break;
#endif
    default:
        memset(raw, 0, sizeof raw);
        r = syscall(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x);
        if (r == 0)
            say_fields(x.stx_mode, x.stx_uid, x.stx_gid, x.stx_rdev_major << 8 | x.stx_rdev_minor, x.stx_nlink);
    }
    if (r < 0)
        say_result(r);
    if (fd >= 0)
        close(fd);
}

static int is_device(const struct stat *s) { return S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode); }

// A device that no machine has: the major number is for local use.
static int is_absent(const struct stat *s) { return s->st_rdev >> 8 == 240; }

// Opens a file for the calls that take no O_PATH descriptor. Devices that may exist are opened as paths only, since
// opening one has effects.
static int open_file(const char *path, int flags) {
    struct stat s;
    if (stat(path, &s) == 0 && is_device(&s) && !is_absent(&s))
        flags = O_PATH;
    return open(path, flags | O_NONBLOCK | O_NOCTTY);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// Attributes with their values, sorted: file systems list them in an order of their own.
static void say_xattrs(const char *path) {
    char list[8192], *names[256];
    unsigned char value[8192];
    long length = syscall(SYS_llistxattr, path, list, sizeof list);
    if (length < 0) {
        say(" list ");
        say_result(length);
        return;
    }
    size_t count = 0;
    for (char *name = list; name < list + length; name += strlen(name) + 1)
        names[count++] = name;
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; i++) {
        long n = syscall(SYS_lgetxattr, path, names[i], value, sizeof value);
        say(" %s=", names[i]);
        if (n < 0)
            say_result(n);
        for (long j = 0; j < n; j++)
            say("%02x", value[j]);
    }
}

// Names and types in a directory, by either call.
static size_t list_dir(const char *path, int old, char entries[][128], size_t max) {
    char buffer[8192];
    size_t count = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return 0;
    long n;
    while ((n = syscall(old ? SYS_getdents : SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < n;) {
            unsigned char *entry = (unsigned char *)buffer + at;
            size_t word = sizeof(long);
            unsigned length = u16(entry + (old ? 2 * word : 16));
            const char *name = (char *)entry + (old ? 2 * word + 2 : 19);
            unsigned type = old ? entry[length - 1] : entry[18];
            if (strcmp(name, ".") && strcmp(name, "..") && count < max)
                snprintf(entries[count++], 128, "%s %u", name, type);
            at += length;
        }
    }
    close(fd);
    qsort(entries, count, sizeof *entries, (int (*)(const void *, const void *))strcmp);
    return count;
}

static void dump(const char *dir) {
    static char entries[4][64][128];
    static int depth;
    char path[512];
    if (depth == 4)
        return;
    size_t count = list_dir(dir, 0, entries[depth], 64);
    for (size_t i = 0; i < count; i++) {
        char *type = strrchr(entries[depth][i], ' ');
        *type++ = 0;
        snprintf(path, sizeof path, "%s/%s", dir, entries[depth][i]);
        say("  %s t%s ", path, type);
        stat_by(8, path);
        say_xattrs(path);
        say("\n");
        struct stat s;
        if (lstat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
            depth++;
            dump(path);
            depth--;
        }
    }
}

static size_t unhex(const char *text, unsigned char *value) {
    size_t n = 0;
    if (*text == '-')
        return 0;
    for (; text[0] && text[1]; text += 2) {
        char pair[3] = {text[0], text[1], 0};
        value[n++] = strtoul(pair, NULL, 16);
    }
    return n;
}

// chown by one of its forms. Ids of 16-bit forms are cut as a caller of them would cut them.
static long chown_by(int how, const char *path, unsigned uid, unsigned gid) {
    int fd;
    long r;
    switch (how) {
    case 0:
        return syscall(WIDE(chown), path, uid, gid);
    case 1:
        return syscall(WIDE(lchown), path, uid, gid);
    case 2: case 3: // open, and as a path only
        fd = open_file(path, how == 2 ? O_RDONLY : O_PATH);
        if (fd < 0)
            return fd;
        r = syscall(WIDE(fchown), fd, uid, gid);
        break;
    case 4:
        return syscall(SYS_fchownat, AT_FDCWD, path, uid, gid, 0);
    case 5:
        return syscall(SYS_fchownat, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
    case 6:
        fd = open(path, O_PATH | O_NOFOLLOW);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fchownat, fd, "", uid, gid, AT_EMPTY_PATH);
        break;
    case 7:
        return syscall(SYS_fchownat, AT_FDCWD, path, uid, gid, 0x8);
    case 8:
        return syscall(SYS_fchownat, AT_FDCWD, "", uid, gid, 0);
#ifdef __i386__
    case 9:
        return syscall(SYS_chown, path, uid & 0xffff, gid & 0xffff);
    case 10:
        return syscall(SYS_lchown, path, uid & 0xffff, gid & 0xffff);
    case 11:
        fd = open_file(path, O_RDONLY);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fchown, fd, uid & 0xffff, gid & 0xffff);
        break;
#endif
    default: { // by the descriptor's name in /proc
        char name[64];
        fd = open(path, O_PATH);
        if (fd < 0)
            return fd;
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        r = syscall(WIDE(chown), name, uid, gid);
    }
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static long chmod_by(int how, const char *path, unsigned mode) {
    int fd;
    long r;
    switch (how) {
    case 0:
        return syscall(SYS_chmod, path, mode);
    case 1:
        return syscall(SYS_fchmodat, AT_FDCWD, path, mode);
    case 2: case 3:
        fd = open_file(path, how == 2 ? O_RDONLY : O_PATH);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fchmod, fd, mode);
        break;
    case 4:
        return syscall(SYS_fchmodat2, AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW);
    case 5:
        return syscall(SYS_fchmodat2, AT_FDCWD, path, mode, 0x8);
    default:
        fd = open(path, O_PATH | O_NOFOLLOW);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static long create_by(int how, const char *path, unsigned mode) {
    struct open_how request = {.flags = O_CREAT | O_RDONLY | O_NONBLOCK, .mode = mode & 07777};
    struct stat s;
    long fd;
    if (stat(path, &s) == 0 && is_device(&s) && !is_absent(&s))
        how = 1;
    switch (how) {
    case 0:
        fd = syscall(SYS_open, path, O_RDONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
        break;
    case 1:
        fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK, mode);
        break;
    case 2:
        fd = syscall(SYS_openat2, AT_FDCWD, path, &request, sizeof request);
        break;
    case 3: // made without a name, then given one
        fd = syscall(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_WRONLY, mode);
        if (fd >= 0) {
            char name[64];
            if (fstat(fd, &s) == 0)
                say_stat(&s), say(" ");
            snprintf(name, sizeof name, "/proc/self/fd/%ld", fd);
            if (syscall(SYS_linkat, AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0) {
                int saved = errno;
                close(fd);
                errno = saved;
                return -1;
            }
        }
        break;
    default:
        fd = syscall(SYS_open, path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    }
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return fd;
}

struct xattr_arguments {
    uint64_t value;
    uint32_t size, flags;
};

static long setxattr_by(int how, const char *path, const char *name, const void *value, size_t size, int flags) {
    struct xattr_arguments arguments = {(uintptr_t)value, size, flags};
    long r;
    int fd;
    switch (how) {
    case 0:
        return syscall(SYS_setxattr, path, name, value, size, flags);
    case 1:
        return syscall(SYS_lsetxattr, path, name, value, size, flags);
    case 2:
        fd = open_file(path, O_RDONLY);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fsetxattr, fd, name, value, size, flags);
        break;
    default:
        return syscall(SYS_setxattrat_, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, name, &arguments, sizeof arguments);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static long getxattr_by(int how, const char *path, const char *name, void *value, size_t size) {
    struct xattr_arguments arguments = {(uintptr_t)value, size, 0};
    long r;
    int fd;
    switch (how) {
    case 0:
        return syscall(SYS_getxattr, path, name, value, size);
    case 1:
        return syscall(SYS_lgetxattr, path, name, value, size);
    case 2:
        fd = open_file(path, O_RDONLY);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fgetxattr, fd, name, value, size);
        break;
    default:
        return syscall(SYS_getxattrat_, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, name, &arguments, sizeof arguments);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static long removexattr_by(int how, const char *path, const char *name) {
    long r;
    int fd;
    switch (how) {
    case 0:
        return syscall(SYS_removexattr, path, name);
    case 1:
        return syscall(SYS_lremovexattr, path, name);
    case 2:
        fd = open_file(path, O_RDONLY);
        if (fd < 0)
            return fd;
        r = syscall(SYS_fremovexattr, fd, name);
        break;
    default:
        return syscall(SYS_removexattrat_, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, name);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static void list_by(int how, const char *path, size_t size) {
    char list[8192] = "", *names[256];
    long n;
    if (how == 0)
        n = syscall(SYS_listxattr, path, list, size);
    else
        n = syscall(SYS_listxattrat_, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, list, size);
    say_result(n);
    size_t count = 0;
    for (char *name = list; size && n > 0 && name < list + n; name += strlen(name) + 1)
        names[count++] = name;
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; i++)
        say(" %s", names[i]);
}

// Sets both times, or the first, to a fixed one.
static long utime_by(int how, const char *path) {
    long times[4] = {1, 2, 3, how & 1 ? UTIME_OMIT : 4};
    long r;
    int fd;
    switch (how) {
    case 0: case 1:
        return syscall(SYS_utimensat, AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
    case 2:
        return syscall(SYS_utime, path, times);
    case 3:
        times[3] = 4;
        return syscall(SYS_utimes, path, times);
    case 4:
        times[3] = 4;
        return syscall(SYS_futimesat, AT_FDCWD, path, times);
#ifdef __i386__
    case 5: {
        int64_t wide[4] = {1, 2, 3, 4};
        return syscall(SYS_utimensat_time64, AT_FDCWD, path, wide, 0);
    }
#endif
    default:
        fd = open_file(path, O_RDONLY);
        if (fd < 0)
            return fd;
        r = syscall(SYS_utimensat, fd, NULL, times, 0);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

// Binds a socket, which makes a file.
static long bind_to(const char *path, __attribute__((unused)) int by_socketcall) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    size_t length = sizeof(sa_family_t) + strlen(path);
    long r;
#ifdef __i386__
    long arguments[] = {fd, (long)&address, length};
    if (by_socketcall)
        r = syscall(SYS_socketcall, 2, arguments);
    else
#endif
        r = syscall(SYS_bind, fd, &address, length);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static long write_by(int how, const char *path) {
    static const int flags[] = {O_WRONLY, O_RDWR | O_APPEND, O_RDWR};
    int fd = open_file(path, flags[how % 3]);
    if (fd < 0)
        return fd;
    long r = how == 2 ? fallocate(fd, 0, 0, 1) : write(fd, "x", how != 3);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

// Makes a file one byte long, or empty. Devices are left alone.
static long truncate_by(int how, const char *path) {
    struct stat s;
    int fd;
    if (stat(path, &s) == 0 && is_device(&s) && !is_absent(&s))
        return 0;
    switch (how) {
    case 0:
        return syscall(SYS_truncate, path, 1L);
#ifdef __i386__
    case 3:
        return syscall(SYS_truncate64, path, 1L, 0L);
#endif
    case 1:
        fd = open(path, O_WRONLY | O_TRUNC | O_NONBLOCK);
        break;
    default:
        fd = open(path, O_RDWR | O_NONBLOCK);
    }
    if (fd < 0)
        return fd;
    long r = 0;
#ifdef __i386__
    if (how == 4)
        r = syscall(SYS_ftruncate64, fd, 1L, 0L);
    else
#endif
    if (how != 1)
        r = syscall(SYS_ftruncate, fd, 1L);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

static void read_from(const char *path) {
    unsigned char byte = 0xee;
    struct stat s;
    int harmless = stat(path, &s) == 0 && S_ISCHR(s.st_mode) && (s.st_rdev == 0x103 || s.st_rdev == 0x105);
    int fd = harmless ? open(path, O_RDONLY) : open_file(path, O_RDONLY);
    if (fd < 0) {
        say_result(fd);
        return;
    }
    long n = read(fd, &byte, 1);
    say_result(n);
    if (n == 1)
        say(" %02x", byte);
    close(fd);
}

// Makes a directory one that everybody can change, so that permission to do so plays no part; or a file one that
// everybody can write to.
static void widen(const char *path, int is_dir, int mode) {
    struct stat s;
    if (stat(path, &s) < 0 || S_ISDIR(s.st_mode) != is_dir)
        say("no");
    else
        say_result(syscall(SYS_chmod, path, (s.st_mode & 07777) | mode));
}

static void become(int actor);

// Opens a file, and lets a child write to it that drops root.
static void bequeath(const char *path) {
    int fd = open(path, O_WRONLY), status = -1, pid = fork();
    if (pid == 0) {
        become(1);
        _exit(write(fd, "x", 1) != 1);
    }
    waitpid(pid, &status, 0);
    say("%d", status);
    close(fd);
}

// Splits a line into words.
static int words(char *line, char **word, int max) {
    int n = 0;
    for (char *w = strtok(line, " \n"); w && n < max; w = strtok(NULL, " \n"))
        word[n++] = w;
    return n;
}

static void act(char *line) {
    char *w[8] = {0};
    unsigned char value[4096] = {0};
    char entries[64][128];
    int n = words(line, w, 8);
    const char *op = n ? w[0] : "", *path = n > 1 ? w[1] : "";
#define NUMBER(i) strtoul(w[i], NULL, 0)
    if (!strcmp(op, "begin")) {
        umask(022);
        say_result(chdir(path));
    } else if (!strcmp(op, "umask"))
        say_result(umask(NUMBER(1)));
    else if (!strcmp(op, "create"))
        say_result(create_by(NUMBER(2), path, NUMBER(3)));
    else if (!strcmp(op, "mkdir"))
        say_result(syscall(SYS_mkdir, path, NUMBER(2)));
    else if (!strcmp(op, "widen"))
        widen(path, 1, 0777);
    else if (!strcmp(op, "lend"))
        widen(path, 0, 0666);
    else if (!strcmp(op, "mkdirat"))
        say_result(syscall(SYS_mkdirat, AT_FDCWD, path, NUMBER(2)));
    else if (!strcmp(op, "symlink"))
        say_result(syscall(SYS_symlink, w[2], path));
    else if (!strcmp(op, "mknod"))
        say_result(syscall(SYS_mknod, path, NUMBER(2), NUMBER(3)));
    else if (!strcmp(op, "mknodat"))
        say_result(syscall(SYS_mknodat, AT_FDCWD, path, NUMBER(2), NUMBER(3)));
    else if (!strcmp(op, "link"))
        say_result(syscall(SYS_link, path, w[2]));
    else if (!strcmp(op, "rename"))
        say_result(syscall(SYS_rename, path, w[2]));
    else if (!strcmp(op, "renameat2"))
        say_result(syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, w[2], NUMBER(3)));
    else if (!strcmp(op, "unlink"))
        say_result(syscall(SYS_unlink, path));
    else if (!strcmp(op, "unlinkat"))
        say_result(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
    else if (!strcmp(op, "rmdir"))
        say_result(syscall(SYS_rmdir, path));
    else if (!strcmp(op, "chmod"))
        say_result(chmod_by(NUMBER(2), path, NUMBER(3)));
    else if (!strcmp(op, "chown"))
        say_result(chown_by(NUMBER(2), path, NUMBER(3), NUMBER(4)));
    else if (!strcmp(op, "stat"))
        stat_by(NUMBER(2), path);
    else if (!strcmp(op, "utime"))
        say_result(utime_by(NUMBER(2), path));
    else if (!strcmp(op, "bind"))
        say_result(bind_to(path, 0));
    else if (!strcmp(op, "bind_by_socketcall"))
        say_result(bind_to(path, 1));
    else if (!strcmp(op, "write"))
        say_result(write_by(n > 2 ? NUMBER(2) : 0, path));
    else if (!strcmp(op, "truncate"))
        say_result(truncate_by(NUMBER(2), path));
    else if (!strcmp(op, "bequeath"))
        bequeath(path);
    else if (!strcmp(op, "read"))
        read_from(path);
    else if (!strcmp(op, "setxattr")) {
        size_t size = unhex(w[4], value);
        say_result(setxattr_by(NUMBER(2), path, w[3], value, size, NUMBER(5)));
    } else if (!strcmp(op, "getxattr")) {
        long got = getxattr_by(NUMBER(2), path, w[3], value, NUMBER(4));
        say_result(got);
        for (long i = 0; NUMBER(4) && i < got; i++)
            say(" %02x", value[i]);
    } else if (!strcmp(op, "removexattr"))
        say_result(removexattr_by(NUMBER(2), path, w[3]));
    else if (!strcmp(op, "listxattr"))
        list_by(NUMBER(2), path, NUMBER(3));
    else if (!strcmp(op, "ls")) {
        for (int old = 0; old < 2; old++) {
            size_t count = list_dir(path, old, entries, 64);
            for (size_t i = 0; i < count; i++)
                say("%s, ", entries[i]);
        }
    } else if (!strcmp(op, "dump"))
        dump(".");
    else
        say("what is \"%s\"?", op);
}

static void must(long result, const char *what) {
    if (result < 0) {
        printf("cannot %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

// Makes the caller one of the users. On i386 the plain calls take 16-bit ids.
static void become(int actor) {
    unsigned groups[] = {33, 1000};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    unsigned kept = 1 << CAP_CHOWN | 1 << CAP_FSETID;
    struct __user_cap_data_struct data[2] = {{kept, kept, 0}, {0, 0, 0}};
    switch (actor) {
    case 1: // somebody, who is also in group 33
        must(syscall(WIDE(setgroups), 2, groups), "setgroups");
        must(syscall(WIDE(setresgid), 1000, 1000, 1000), "setresgid");
        must(syscall(WIDE(setresuid), 1000, 1000, 1000), "setresuid");
        break;
    case 2: // a daemon
        must(syscall(WIDE(setgroups), 0, groups), "setgroups");
        must(syscall(WIDE(setresgid), 33, 33, 33), "setresgid");
        must(syscall(WIDE(setresuid), 33, 33, 33), "setresuid");
        break;
    case 3: // a server that works for a client with a large id
        must(syscall(WIDE(setgroups), 0, groups), "setgroups");
        syscall(WIDE(setfsgid), 50);
        syscall(WIDE(setfsuid), 0x80000000);
        break;
    case 4: // somebody who may give files away
        must(syscall(WIDE(setgroups), 0, groups), "setgroups");
        must(prctl(PR_SET_KEEPCAPS, 1), "prctl");
        must(syscall(WIDE(setresgid), 1001, 1001, 1001), "setresgid");
        must(syscall(WIDE(setresuid), 1001, 1001, 1001), "setresuid");
        must(syscall(SYS_capset, &header, data), "capset");
    }
}

// A user waits for lines and answers each.
static void serve(int actor, int from, int to) {
    char line[LINE];
    FILE *lines = fdopen(from, "r");
    become(actor);
    alarms(1);
    while (fgets(line, sizeof line, lines)) {
        used = 0;
        act(line);
        say("\n");
        if (write(to, out, used) < 0)
            break;
    }
    exit(0);
}

int main(void) {
    static int to[ACTORS], from[ACTORS];
    char line[LINE], dir[32];
    int sequence = 0;
    for (int i = 1; i < ACTORS; i++) {
        int down[2], up[2];
        must(pipe(down), "pipe");
        must(pipe(up), "pipe");
        int pid = fork();
        must(pid, "fork");
        if (pid == 0) {
            close(down[1]);
            for (int j = 1; j < i; j++)
                close(to[j]);
            serve(i, down[0], up[1]);
        }
        close(down[0]);
        close(up[1]);
        to[i] = down[1];
        from[i] = up[0];
    }
    alarms(1);
    while (fgets(line, sizeof line, stdin)) {
        int all = line[0] == 'S', actor = all ? 0 : line[0] - '0';
        char request[LINE];
        if (line[0] == 'E') {
            used = 0;
            dump(".");
            fputs(out, stdout);
            must(chdir(".."), "chdir");
            puts("E");
            continue;
        }
        if (all) {
            snprintf(dir, sizeof dir, "s%d", ++sequence);
            must(mkdir(dir, 0777), "mkdir");
            must(chmod(dir, 0777), "chmod");
            must(chdir(dir), "chdir");
            umask(022);
            printf("S\n");
        }
        for (int i = all ? 1 : actor; i <= (all ? ACTORS - 1 : actor); i++) {
            if (all)
                snprintf(request, sizeof request, "begin %s%s\n", sequence > 1 ? "../" : "", dir);
            else
                snprintf(request, sizeof request, "%s", line + 2);
            if (i == 0) {
                used = 0;
                act(request);
                printf("%.*s\n", (int)used, out);
                continue;
            }
            must(write(to[i], request, strlen(request)), "write");
            size_t n = 0;
            do {
                ssize_t got = read(from[i], out + n, sizeof out - n);
                if (got <= 0) {
                    printf("actor %d is gone\n", i);
                    return 1;
                }
                n += got;
            } while (out[n - 1] != '\n');
            if (!all)
                fwrite(out, 1, n, stdout);
        }
    }
    for (int i = 1; i < ACTORS; i++)
        close(to[i]);
    while (wait(NULL) > 0)
        ;
    return 0;
}
