// Makes the calls that change owners, modes, attributes and times with every mixture of good and bad arguments, as root
// and as two users, and prints each result: which error comes first is what matters. All calls are raw, so that an i386
// build makes the calls of i386.
//
// It starts in an empty directory of its own, with mounts of its own. "-r" as an argument: no read-only mount.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __i386__
#define WIDE(call) SYS_##call##32
#else
#define WIDE(call) SYS_##call
#endif
#define SYS_fchmodat2_ 452
#define SYS_setxattrat_ 463
#define SYS_getxattrat_ 464
#define SYS_listxattrat_ 465
#define SYS_removexattrat_ 466

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define XATTR_CREATE_ 1
#define XATTR_REPLACE_ 2
#define BAD ((char *)8)

static char long_name[300], long_path[5000], long_attribute[300];

static const struct {
    const char *label, *path;
} paths[] = {
    {"file", "f"}, {"link", "l"}, {"dangling", "n"}, {"loop", "o"}, {"dir", "d"}, {"sticky", "t/f"},
    {"missing", "x"}, {"missing dir", "x/y"}, {"under file", "f/y"}, {"slash", "f/"}, {"empty", ""}, {"null", NULL}, {"bad", BAD},
    {"long name", long_name}, {"long path", long_path}, {"read-only", "r/f"}, {"read-only dir", "r/d"}, {"read-only missing", "r/x"},
    {"device", "c"}, {"fifo", "p"}, {"socket", "s"}, {"set-id", "i"}, {"users", "u"}, {"users dir", "ud"},
};

static const struct {
    const char *label, *path;
    int flags;
} opened[] = {
    {"read", "f", O_RDONLY},        {"path", "f", O_PATH}, {"link", "l", O_PATH | O_NOFOLLOW}, {"dir", "d", O_RDONLY},
    {"read-only", "r/f", O_RDONLY}, {"users", "u", O_RDONLY},  {"fifo", "p", O_RDWR},          {"path of device", "c", O_PATH},
    {"users dir", "ud", O_RDONLY},
};

// The last one, AT_FDCWD, is none: since Linux 6.13 the calls that take a descriptor of a file with attributes take it
// for the working directory, but for those that remove one, and before they did not.
static int fds[COUNT(opened) + 3];
static const char *fd_labels[COUNT(opened) + 3];

static void must(long result, const char *what) {
    if (result < 0) {
        printf("cannot %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void become(unsigned id, unsigned group) {
    must(syscall(WIDE(setgroups), group ? 1 : 0, &group), "setgroups");
    must(syscall(WIDE(setresgid), id, id, id), "setresgid");
    must(syscall(WIDE(setresuid), id, id, id), "setresuid");
}

static void make(const char *path, int mode) {
    must(mknod(path, mode, 0), path);
    must(chmod(path, mode & 07777), path);
}

static void make_all(int read_only) {
    umask(0);
    make("f", S_IFREG | 0666);
    must(symlink("f", "l"), "symlink");
    must(symlink("none", "n"), "symlink");
    must(symlink("o", "o"), "symlink");
    must(mkdir("d", 0777), "mkdir");
    must(mkdir("t", 01777), "mkdir");
    must(chmod("t", 01777), "chmod");
    make("t/f", S_IFREG | 0666);
    must(mkdir("r", 0777), "mkdir");
    must(mkdir("r/d", 0777), "mkdir");
    make("r/f", S_IFREG | 0666);
    must(mknod("c", S_IFCHR | 0666, 0x103), "mknod");
    make("p", S_IFIFO | 0666);
    make("s", S_IFSOCK | 0666);
    make("i", S_IFREG | 06777);
    make("u", S_IFREG | 0666);
    must(chown("u", 1000, 1000), "chown");
    must(mkdir("ud", 0777), "mkdir");
    must(chown("ud", 1000, 33), "chown");
    must(chmod("ud", 02777), "chmod");
    if (read_only) {
        must(mount("r", "r", NULL, MS_BIND, NULL), "mount");
        must(mount(NULL, "r", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), "remount");
    }
    memset(long_name, 'a', 256);
    memset(long_path, '/', sizeof long_path - 1);
    memset(long_attribute, 'a', 256);
    memcpy(long_attribute, "user.", 5);
    for (size_t i = 0; i < COUNT(opened); i++) {
        fds[i] = open(opened[i].path, opened[i].flags | O_CLOEXEC);
        must(fds[i], opened[i].path);
        fd_labels[i] = opened[i].label;
    }
    size_t n = COUNT(opened);
    fds[n] = -1, fd_labels[n] = "-1";
    fds[n + 1] = 999, fd_labels[n + 1] = "999";
    fds[n + 2] = AT_FDCWD, fd_labels[n + 2] = "cwd";
}

static void say(long result) {
    if (result < 0)
        printf(" = -%d\n", errno);
    else
        printf(" = %ld\n", result);
}

// A descriptor for the calls that take nothing else.
#define EACH_OPENED(i) for (size_t i = 0; i < COUNT(fds) - 1; i++)
#define EACH(i, table) for (size_t i = 0; i < COUNT(table); i++)

// Descriptors that -at calls start from, with paths that show what became of them.
static const int flag_sets[] = {0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, 1};
static const char *const starts[] = {"f", "", NULL, BAD, "x", "f/y"};

static void change_owners(void) {
    static const unsigned ids[][2] = {{-1, -1}, {0, 0}, {1000, -1}, {-1, 33}, {-1, 1000}, {33, 33}, {0x80000000u, 7}};
    EACH(i, ids) {
        unsigned uid = ids[i][0], gid = ids[i][1];
        EACH(p, paths) {
            printf("chown %s %d %d", paths[p].label, uid, gid), say(syscall(WIDE(chown), paths[p].path, uid, gid));
            printf("lchown %s %d %d", paths[p].label, uid, gid), say(syscall(WIDE(lchown), paths[p].path, uid, gid));
#ifdef __i386__
            printf("chown16 %s %d %d", paths[p].label, uid, gid), say(syscall(SYS_chown, paths[p].path, uid, gid));
#endif
        }
        EACH(n, fds)
            printf("fchown %s %d %d", fd_labels[n], uid, gid), say(syscall(WIDE(fchown), fds[n], uid, gid));
    }
    EACH(n, fds) EACH(s, starts) EACH(f, flag_sets) {
        printf("fchownat %s %zu %x", fd_labels[n], s, flag_sets[f]);
        say(syscall(SYS_fchownat, fds[n], starts[s], 1000, 1000, flag_sets[f]));
    }
}

static void change_modes(void) {
    static const unsigned modes[] = {0666, 0170666, 02777, 06777, 01777};
    EACH(i, modes) {
        EACH(p, paths)
            printf("chmod %s %o", paths[p].label, modes[i]), say(syscall(SYS_chmod, paths[p].path, modes[i]));
        EACH(n, fds)
            printf("fchmod %s %o", fd_labels[n], modes[i]), say(syscall(SYS_fchmod, fds[n], modes[i]));
    }
    EACH(n, fds) EACH(s, starts) {
        printf("fchmodat %s %zu", fd_labels[n], s), say(syscall(SYS_fchmodat, fds[n], starts[s], 0777));
        EACH(f, flag_sets) {
            printf("fchmodat2 %s %zu %x", fd_labels[n], s, flag_sets[f]);
            say(syscall(SYS_fchmodat2_, fds[n], starts[s], 0777, flag_sets[f]));
        }
    }
}

static const char *const names[] = {
    "user.x", "trusted.x", "security.x", "security.capability", "system.posix_acl_access", "system.posix_acl_default",
    "user.", "trusted.", "security.", "system.x", "system.posix_acl_access.x", "nonsense.x", "", NULL, BAD, long_attribute, "user", "security",
};

static const char *name_label(size_t n) {
    return names[n] == long_attribute ? "long" : names[n] == BAD ? "bad" : names[n] ? names[n] : "null";
}

static const unsigned char capability_2[20] = {1, 0, 0, 2, 0, 4}, capability_3[24] = {1, 0, 0, 3, 0, 4};
static const unsigned char capability_of_33[24] = {1, 0, 0, 3, 0, 4, [20] = 33}, capability_of_none[24] = {1, 0, 0, 3, 0, 4, [20] = 255, 255, 255, 255};
static const unsigned char list_plain[28] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 6, 0, 255, 255, 255, 255, 32, 0, 6, 0, 255, 255, 255, 255};
static const unsigned char list_named[44] = {2,  0, 0, 0, 1,   0,   7,   0,   255, 255, 255, 255, 2,   0,   7,  0, 33, 0, 0,   0,   4,   0,
                                             7,  0, 255, 255, 255, 255, 16,  0,   7,   0,   255, 255, 255, 255, 32, 0, 6,  0, 255, 255, 255, 255};
static const unsigned char list_wrong[28] = {2, 0, 0, 0, 1, 0, 9, 0, 255, 255, 255, 255, 4, 0, 6, 0, 255, 255, 255, 255, 32, 0, 6, 0, 255, 255, 255, 255};
static unsigned char big[70000];

static const struct {
    const char *label;
    const void *value;
    size_t size;
} values[] = {
    {"nothing", "", 0}, {"null", NULL, 0}, {"null of 1", NULL, 1}, {"bad", BAD, 4}, {"word", "abc", 3}, {"2", capability_2, 20}, {"3", capability_3, 24},
    {"3 of 33", capability_of_33, 24}, {"3 of none", capability_of_none, 24}, {"cut", capability_2, 12}, {"plain", list_plain, 28}, {"empty list", list_plain, 4}, {"named", list_named, 44},
    {"wrong", list_wrong, 28}, {"large", big, 65537}, {"huge", big, (size_t)-1},
};

struct arguments {
    uint64_t value;
    uint32_t size, flags;
    uint64_t more;
};

static void set_attributes(void) {
    static const int flags[] = {0, XATTR_CREATE_, XATTR_REPLACE_, 3, 4};
    EACH(n, names) {
        EACH(p, paths) EACH(v, values) {
            printf("setxattr %s %s %s", paths[p].label, name_label(n), values[v].label);
            say(syscall(SYS_setxattr, paths[p].path, names[n], values[v].value, values[v].size, 0));
        }
        EACH(p, paths) EACH(f, flags) EACH(v, values) if (v == 4 || v == 5 || v == 12) {
            printf("lsetxattr %s %s %s %d", paths[p].label, name_label(n), values[v].label, flags[f]);
            say(syscall(SYS_lsetxattr, paths[p].path, names[n], values[v].value, values[v].size, flags[f]));
            if (f % 2 == 0)
                printf("lremovexattr %s %s", paths[p].label, name_label(n)), say(syscall(SYS_lremovexattr, paths[p].path, names[n]));
        }
        EACH_OPENED(d) EACH(v, values) {
            printf("fsetxattr %s %s %s", fd_labels[d], name_label(n), values[v].label);
            say(syscall(SYS_fsetxattr, fds[d], names[n], values[v].value, values[v].size, 0));
        }
    }
}

static void set_attributes_at(void) {
    static const size_t sizes[] = {0, 8, 16, 17, 24, 4096, 4097};
    static struct {
        struct arguments a;
        char rest[5000];
    } one;
    EACH(n, names) EACH(d, fds) EACH(s, starts) EACH(f, flag_sets) {
        if (fds[d] == AT_FDCWD && (s == 1 || s == 2))
            continue;
        one.a = (struct arguments){(uintptr_t)"abc", 3, 0, 0};
        printf("setxattrat %s %zu %x %s", fd_labels[d], s, flag_sets[f], name_label(n));
        say(syscall(SYS_setxattrat_, fds[d], starts[s], flag_sets[f], names[n], &one, 16));
        one.a = (struct arguments){0, 0, 0, 0};
        printf("getxattrat %s %zu %x %s", fd_labels[d], s, flag_sets[f], name_label(n));
        say(syscall(SYS_getxattrat_, fds[d], starts[s], flag_sets[f], names[n], &one, 16));
        if (n < 6)
            printf("removexattrat %s %zu %x %s", fd_labels[d], s, flag_sets[f], name_label(n)), say(syscall(SYS_removexattrat_, fds[d], starts[s], flag_sets[f], names[n]));
        if (n == 0)
            printf("listxattrat %s %zu %x", fd_labels[d], s, flag_sets[f]), say(syscall(SYS_listxattrat_, fds[d], starts[s], flag_sets[f], NULL, 0));
    }
    EACH(s, sizes) for (int flags = 0; flags < 5; flags += 2) for (int more = 0; more < 2; more++) for (int n = 1; n < 3; n++) EACH(f, flag_sets) {
        one.a = (struct arguments){(uintptr_t)"abc", 3, flags, more};
        printf("setxattrat of %zu %d %d %s %x", sizes[s], flags, more, names[n], flag_sets[f]);
        say(syscall(SYS_setxattrat_, AT_FDCWD, "f", flag_sets[f], names[n], &one, sizes[s]));
        one.a = (struct arguments){(uintptr_t)big, 30, flags, more};
        printf("getxattrat of %zu %d %d %s %x", sizes[s], flags, more, names[n], flag_sets[f]);
        say(syscall(SYS_getxattrat_, AT_FDCWD, "f", flag_sets[f], names[n], &one, sizes[s]));
    }
    printf("setxattrat bad"), say(syscall(SYS_setxattrat_, AT_FDCWD, "f", 0, "trusted.x", BAD, 16));
    printf("setxattrat bad, large"), say(syscall(SYS_setxattrat_, AT_FDCWD, "f", 0, "trusted.x", BAD, 5000));
    printf("setxattrat bad, flags"), say(syscall(SYS_setxattrat_, AT_FDCWD, "f", 1, "trusted.x", BAD, 16));
    printf("getxattrat bad"), say(syscall(SYS_getxattrat_, AT_FDCWD, "f", 0, "trusted.x", BAD, 16));
}

static void read_attributes(void) {
    static const size_t sizes[] = {0, 2, 20, 100, 65536, 70000};
    EACH(n, names) EACH(s, sizes) {
        EACH(p, paths) {
            printf("getxattr %s %s %zu", paths[p].label, name_label(n), sizes[s]), say(syscall(SYS_getxattr, paths[p].path, names[n], big, sizes[s]));
            printf("lgetxattr %s %s %zu", paths[p].label, name_label(n), sizes[s]), say(syscall(SYS_lgetxattr, paths[p].path, names[n], BAD, sizes[s]));
        }
        EACH_OPENED(d)
            printf("fgetxattr %s %s %zu", fd_labels[d], name_label(n), sizes[s]), say(syscall(SYS_fgetxattr, fds[d], names[n], big, sizes[s]));
    }
    EACH(s, sizes) {
        EACH(p, paths) {
            printf("listxattr %s %zu", paths[p].label, sizes[s]), say(syscall(SYS_listxattr, paths[p].path, big, sizes[s]));
            printf("llistxattr %s %zu", paths[p].label, sizes[s]), say(syscall(SYS_llistxattr, paths[p].path, BAD, sizes[s]));
        }
        EACH_OPENED(d)
            printf("flistxattr %s %zu", fd_labels[d], sizes[s]), say(syscall(SYS_flistxattr, fds[d], big, sizes[s]));
    }
}

static void remove_attributes(void) {
    EACH(n, names) {
        EACH(p, paths) {
            printf("removexattr %s %s", paths[p].label, name_label(n)), say(syscall(SYS_removexattr, paths[p].path, names[n]));
            printf("lremovexattr %s %s", paths[p].label, name_label(n)), say(syscall(SYS_lremovexattr, paths[p].path, names[n]));
        }
        EACH_OPENED(d)
            printf("fremovexattr %s %s", fd_labels[d], name_label(n)), say(syscall(SYS_fremovexattr, fds[d], names[n]));
    }
}

static void make_nodes(void) {
    static const unsigned modes[] = {0644, 0100644, 010644, 020644, 060644, 0140644, 040644, 0120644, 030644, 0170644, 06020777};
    static const unsigned devices[] = {0, 0x103, 0x801, 0xffffffff};
    static const char *const new[] = {"f", "l", "n", "o", "d", "x/y", "f/y", "", NULL, BAD, long_name, long_path, "r/f", "r/x", "d/new", "d/slash/", ".", "..", "/", "d/../new"};
    EACH(m, modes) EACH(d, devices) EACH(n, new) {
        printf("mknod %zu %o %x", n, modes[m], devices[d]), say(syscall(SYS_mknod, new[n], modes[m], devices[d]));
        if (new[n] && new[n] != BAD)
            unlink(n >= 14 && n < 16 ? "d/new" : n == 19 ? "new" : "d/slash");
    }
    EACH(f, fds) EACH(s, starts) EACH(d, devices)
        printf("mknodat %s %zu %x", fd_labels[f], s, devices[d]), say(syscall(SYS_mknodat, fds[f], starts[s], 020644, devices[d]));
    unlinkat(fds[3], "x", 0);
    unlinkat(AT_FDCWD, "x", 0);
    unlinkat(fds[8], "x", 0);
}

static void set_times(void) {
    static const long times[][4] = {{1, 2, 3, 4}, {1, UTIME_OMIT, 3, UTIME_OMIT}, {1, UTIME_NOW, 3, UTIME_NOW}, {1, UTIME_NOW, 3, UTIME_OMIT}, {1, 1000000000, 3, 4},
                                    {1, UTIME_OMIT, 3, 1000000000}, {1, -1, 3, UTIME_NOW}};
    for (size_t t = 0; t < COUNT(times) + 2; t++) {
        const void *at = t < COUNT(times) ? (const void *)times[t] : t == COUNT(times) ? NULL : (const void *)BAD;
        EACH(p, paths) {
            printf("utimensat %s %zu", paths[p].label, t), say(syscall(SYS_utimensat, AT_FDCWD, paths[p].path, at, 0));
            printf("utimensat nofollow %s %zu", paths[p].label, t), say(syscall(SYS_utimensat, AT_FDCWD, paths[p].path, at, AT_SYMLINK_NOFOLLOW));
            printf("utimes %s %zu", paths[p].label, t), say(syscall(SYS_utimes, paths[p].path, at));
            printf("utime %s %zu", paths[p].label, t), say(syscall(SYS_utime, paths[p].path, at));
            printf("futimesat %s %zu", paths[p].label, t), say(syscall(SYS_futimesat, AT_FDCWD, paths[p].path, at));
        }
        EACH(f, fds) {
            EACH(s, starts) EACH(n, flag_sets) {
                printf("utimensat %s %zu %x %zu", fd_labels[f], s, flag_sets[n], t);
                say(syscall(SYS_utimensat, fds[f], starts[s], at, flag_sets[n]));
            }
            printf("futimesat %s %zu", fd_labels[f], t), say(syscall(SYS_futimesat, fds[f], NULL, at));
        }
    }
}

static void link_files(void) {
    EACH(p, paths) {
        printf("link %s", paths[p].label), say(syscall(SYS_link, paths[p].path, "d/new"));
        unlink("d/new");
        printf("link to %s", paths[p].label), say(syscall(SYS_link, "f", paths[p].path));
        unlink("x");
        printf("link users to %s", paths[p].label), say(syscall(SYS_link, "u", paths[p].path));
        unlink("x");
        static const int flags[] = {0, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, 1};
        EACH(f, flags) {
            printf("linkat %s %x", paths[p].label, flags[f]), say(syscall(SYS_linkat, AT_FDCWD, paths[p].path, AT_FDCWD, "d/new", flags[f]));
            unlink("d/new");
        }
    }
    // Whether one's own descriptor may be linked depends on who opened it (Linux 6.10), which nobody but the kernel knows.
    EACH(n, fds) {
        if (getuid() != 0 || !strcmp(fd_labels[n], "path of device"))
            continue;
        printf("linkat of %s", fd_labels[n]), say(syscall(SYS_linkat, fds[n], "", AT_FDCWD, "d/new", AT_EMPTY_PATH));
        unlink("d/new");
    }
}

static const struct {
    const char *path;
    int mode, owner;
} lent[] = {{"t/zero", S_IFREG | 0666, 0},      {"t/mine", S_IFREG | 0666, 1000}, {"t/other", S_IFREG | 0666, 33}, {"t/fifo", S_IFIFO | 0666, 33},
            {"t/socket", S_IFSOCK | 0666, 33},  {"t/dir", S_IFDIR | 0777, 33},    {"t/mydir", S_IFDIR | 0777, 1000}, {"g/other", S_IFREG | 0666, 33},
            {"d/other", S_IFREG | 0666, 33},    {"v/zero", S_IFREG | 0666, 0},    {"v/other", S_IFREG | 0666, 33}};

static int is_there;

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where) {
    (void)s, (void)type, (void)where;
    return remove(path);
}

// Directories with a sticky bit: /tmp, one that a group may write to, one without the bit, and a user's.
static void put_back(void) {
    static const struct {
        const char *path;
        int mode, owner;
    } dirs[] = {{"t", 01777, 0}, {"g", 01775, 0}, {"d", 0777, 0}, {"v", 01777, 1000}};
    if (is_there)
        return;
    nftw(".", remove_one, 8, FTW_DEPTH | FTW_PHYS);
    EACH(d, dirs) {
        must(mkdir(dirs[d].path, 0777), "mkdir"), must(chown(dirs[d].path, dirs[d].owner, 33), "chown");
        must(chmod(dirs[d].path, dirs[d].mode), "chmod");
    }
    EACH(i, lent) {
        if (S_ISDIR(lent[i].mode))
            must(mkdir(lent[i].path, 0777), "mkdir");
        else
            make(lent[i].path, lent[i].mode);
        must(chown(lent[i].path, lent[i].owner, lent[i].owner), "chown");
    }
    make("d/f", S_IFREG | 0666);
    is_there = 1;
}

static long take(int what, const char *path, const char *other, int flags) {
    switch (what) {
    case 0:
        return syscall(SYS_unlink, path);
    case 1:
        return syscall(SYS_rmdir, path);
    case 2: case 3: case 4:
        return syscall(SYS_unlinkat, AT_FDCWD, path, what == 3 ? AT_REMOVEDIR : what == 4);
    case 5:
        return syscall(SYS_rename, "d/f", path);
    case 6:
        return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, flags);
    default:
        return syscall(SYS_link, path, other);
    }
}

// Names that are taken away or given to other files. It is root who puts back what is gone.
static void take_names(void) {
    static const char *const others[] = {"t/mine", "t/other", "t/dir", "t/none", "d/none", "d/f", "t/other/", "x/y", "t/."};
    static const char *const ends[] = {"", "/", "/.", "/x"};
    static const unsigned users[][2] = {{0, 0}, {1000, 33}, {33, 0}, {50, 33}};
    char path[64];
    must(mkdir("w", 0777), "mkdir"), must(chdir("w"), "chdir");
    EACH(u, users) EACH(i, lent) EACH(o, others) for (int what = o ? 6 : 0; what < 8; what++) EACH(e, ends) {
        for (int flags = 0; flags < (what == 6 ? 4 : 1); flags++) {
            put_back();
            snprintf(path, sizeof path, "%s%s", lent[i].path, ends[e]);
            printf("%s to %s by %d: %d %d", path, others[o], users[u][0], what, flags);
            fflush(stdout);
            int pid = fork(), status;
            must(pid, "fork");
            if (pid == 0) {
                become(users[u][0], users[u][1]);
                long result = take(what, path, others[o], flags);
                say(result);
                fflush(stdout);
                _exit(result < 0);
            }
            must(waitpid(pid, &status, 0), "wait");
            is_there = status != 0;
        }
    }
    must(chdir(".."), "chdir");
}

// What is there, after all that.
static void show(void) {
    static const char *const all[] = {"f", "l", "d", "t", "t/f", "r/f", "r/d", "c", "p", "s", "i", "u", "ud"};
    EACH(i, all) {
        struct stat s;
        char list[4096];
        if (lstat(all[i], &s) < 0)
            printf("%s is gone\n", all[i]);
        else
            printf("%s %o %d:%d, %ld of names\n", all[i], s.st_mode, s.st_uid, s.st_gid, (long)syscall(SYS_llistxattr, all[i], list, sizeof list));
    }
}

static const struct {
    const char *label;
    void (*run)(void);
} groups[] = {
    {"owners", change_owners}, {"modes", change_modes}, {"attributes", set_attributes}, {"attributes at", set_attributes_at}, {"reading", read_attributes},
    {"removal", remove_attributes}, {"nodes", make_nodes}, {"times", set_times}, {"links", link_files}, {"names", take_names},
};

int main(int argc, char **argv) {
    int read_only = argc < 2 || strcmp(argv[1], "-r");
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    EACH(g, groups) for (int actor = 0; actor < (groups[g].run == take_names ? 1 : 3); actor++) {
        char dir[64];
        snprintf(dir, sizeof dir, "%zu.%d", g, actor);
        printf("%s %d\n", groups[g].label, actor);
        must(mkdir(dir, 0777), dir);
        must(chmod(dir, 0777), dir);
        fflush(stdout);
        int pid = fork();
        must(pid, "fork");
        if (pid == 0) {
            must(chdir(dir), dir);
            make_all(read_only);
            if (groups[g].run != take_names)
                become(actor == 1 ? 1000 : actor == 2 ? 33 : 0, actor == 1 ? 33 : 0);
            groups[g].run();
            show();
            fflush(stdout);
            _exit(0);
        }
        int status;
        must(waitpid(pid, &status, 0), "wait");
        if (status) {
            printf("ended with %x\n", status);
            return 1;
        }
    }
    return 0;
}
