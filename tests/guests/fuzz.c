// Makes random calls with random arguments: good ones, wild pointers, numbers at the edge of what a type holds, descriptors
// that are none. Prints each call with its result, and in the end what it has made of the files, or of itself.
//
//     fuzz MASK SEED FIRST COUNT LENGTH        sequences FIRST, FIRST + 1, … of so many calls, each in a process of its own
//
// The same numbers make the same calls, with no capabilities but those in MASK: real root may have fewer than all. Even
// sequences are about files, made by root, by a user, or by root with few capabilities; odd ones about credentials and
// other tasks. It starts in an empty directory of its own, and names nothing outside of it; no signal but harmless ones
// is sent, and to nobody but itself and a child.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef __i386__
#define WIDE(call) SYS_##call##32
#define HIGH ((char *)0xc0000000)
#else
#define WIDE(call) SYS_##call
#define HIGH ((char *)0xffff800000000000)
#endif
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define EACH(i, table) for (size_t i = 0; i < COUNT(table); i++)
#define PICK(table) (table)[chance(COUNT(table))]
#define BAD ((char *)8)

// The end of memory: no page follows.
#define EDGE ((char *)0x20002000)
// Descriptors that no call gets to see.
#define STDOUT 200
#define ENDS 201
#define ROOM 512
// More than what a call fills, or is given.
#define FILLED (1 << 16)

static uint64_t state;

static uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned chance(unsigned of) {
    return next() % of;
}

static void must(long result, const char *what) {
    if (result < 0) {
        dprintf(STDOUT, "cannot %s: %s\n", what, strerror(errno));
        _exit(1);
    }
}

// Where a call's arguments are made, and its results found.
static _Alignas(16) unsigned char arena[1 << 19];
static size_t used;

static void *fresh(size_t size) {
    void *at = arena + used;
    used += (size + 15) & ~(size_t)15;
    return at;
}

static char long_name[300], long_path[5000], long_attribute[300];
static const char *const paths[] = {"f",  "l", "n", "o", "d", "t/f", "x", "x/y", "f/y", "f/", "", NULL, BAD, long_name, long_path, "r/f", "r/d", "r/x",
                                    "c",  "p", "s", "i", "u", "ud",  "y", "d/y", "ud/y", "t/y", ".", "d/", "l/", "d/x", "h", "ud/x"};
static const struct {
    const char *path;
    int flags;
} opened[] = {{"f", O_RDWR}, {"f", O_PATH}, {"l", O_PATH | O_NOFOLLOW}, {"d", O_RDONLY}, {"u", O_RDONLY}, {"p", O_RDWR}, {"ud", O_RDONLY}, {".", O_RDONLY}};

static const int64_t edges[] = {0, 1, -1, 7, 0x7fff, 0x8000, 0xffff, 0x10000, INT32_MAX, INT32_MIN, UINT32_MAX, 0xfffffffe, INT64_MAX, INT64_MIN, 4096, 65537};
static const unsigned ids[] = {0, 0, 33, 33, 1000, -1, 65534, 65535, 65536, 0x7fffffff, 0x80000000u, -2, 5};
static const char *const names[] = {"user.a", "user.b", "trusted.a", "security.capability", "security.x", "system.posix_acl_access", "user.", "nothing", "", long_attribute,
                                    "trusted.overlay.x"};
// For users, whose files must stay open to them: whom the kernel lets in is a matter of real ids.
static const char *const users_names[] = {"user.a", "user.b", "trusted.a", "security.x", "nothing", "", long_attribute};

static int is_user, child;

static char *wild(void) {
    static char *const pointers[] = {NULL, BAD, HIGH, EDGE, (char *)-1, (char *)-4096, (char *)INTPTR_MAX};
    return PICK(pointers);
}

// Memory that is too short.
static void *short_of(size_t size) {
    return EDGE - chance(size + 1);
}

static int sparse(void) {
    return chance(10) == 0;
}

static void *bytes(size_t size) {
    if (sparse())
        return chance(2) ? wild() : short_of(size);
    unsigned char *at = fresh(size);
    for (size_t i = 0; i < size; i++)
        at[i] = next();
    return at;
}

static const unsigned char *first_room;
static int rooms;

// What a call is to fill.
static void *room(size_t size) {
    if (sparse())
        return chance(2) ? wild() : short_of(size);
    unsigned char *at = memset(fresh(size), 0xaa, size);
    first_room = rooms++ ? first_room : at;
    return at;
}

static void *numbers(size_t count, size_t size) {
    if (sparse())
        return chance(2) ? wild() : short_of(count * size);
    unsigned char *at = fresh(count * size + 8);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = chance(3) ? ids[chance(COUNT(ids))] : (uint64_t)edges[chance(COUNT(edges))];
        memcpy(at + i * size, &number, size);
    }
    return at;
}

static const char *path(void) {
    return sparse() ? wild() : PICK(paths);
}

static long descriptor(void) {
    // The first ones are those of `opened`.
    return chance(8) ? (long)chance(COUNT(opened) + 6) : (long)PICK(edges);
}

static mode_t mode(void) {
    mode_t mode = next() & 07777;
    return is_user ? mode | 0777 : mode;
}

static const void *times(size_t width, size_t pairs) {
    static const int64_t seconds[] = {0, 1, 1000000000, INT32_MAX}, fractions[] = {0, 1, 999999, 1000000, 999999999, 1000000000, UTIME_NOW, UTIME_OMIT, -1};
    if (chance(4) == 0)
        return chance(2) ? NULL : wild();
    unsigned char *at = fresh(4 * width);
    for (size_t i = 0; i < pairs; i++) {
        memcpy(at + 2 * i * width, &PICK(seconds), width);
        memcpy(at + (2 * i + 1) * width, &PICK(fractions), width);
    }
    return at;
}

static int open_flags(void) {
    static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, 3}, others[] = {O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE, O_CLOEXEC, O_APPEND};
    // O_NONBLOCK: no pipe shall hold us up.
    int flags = O_NONBLOCK | PICK(access);
    for (int i = chance(4); i > 0; i--)
        flags |= PICK(others);
    return flags;
}

// A message's header, with credentials or something wrong.
static void *header(void) {
    struct msghdr *message = fresh(sizeof *message);
    struct iovec *vector = fresh(sizeof *vector);
    struct cmsghdr *control = fresh(256);
    int who[3] = {getpid(), PICK(ids), PICK(ids)};
    memset(message, 0, sizeof *message), memset(control, 0, 256);
    *vector = (struct iovec){bytes(32), chance(20)};
    message->msg_iov = chance(10) ? vector : (void *)wild();
    message->msg_iovlen = chance(10) ? 1 : PICK(edges);
    control->cmsg_level = chance(8) ? SOL_SOCKET : (int)PICK(edges);
    control->cmsg_type = chance(8) ? SCM_CREDENTIALS : (int)PICK(edges);
    control->cmsg_len = chance(4) ? CMSG_LEN(sizeof who) : (size_t)PICK(edges);
    memcpy(CMSG_DATA(control), who, sizeof who);
    if (chance(4)) {
        message->msg_control = sparse() ? wild() : (void *)control;
        message->msg_controllen = chance(4) ? CMSG_SPACE(sizeof who) : chance(CMSG_SPACE(sizeof who));
    }
    return message;
}

static void *headers(void) {
    struct mmsghdr *two = fresh(2 * sizeof *two);
    memset(two, 0, 2 * sizeof *two);
    two->msg_hdr = *(struct msghdr *)header();
    return two;
}

static void *how(void) {
    uint64_t *how = fresh(64);
    how[0] = (uint32_t)(open_flags() | (sparse() ? PICK(edges) : 0)) | O_NONBLOCK;
    how[1] = how[0] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) || sparse() ? mode() : 0;
    how[2] = chance(3) ? 0 : next() & 0x1f;
    how[3] = chance(8) == 0;
    return how;
}

// An address of a socket. None without a name: such addresses are everybody's.
static void *address(void) {
    char *at = fresh(128);
    const char *name = PICK(paths);
    short family = chance(8) ? AF_UNIX : chance(50);
    memset(at, 0, 128);
    memcpy(at, &family, sizeof family);
    strcpy(at + 2, name > BAD && *name && strlen(name) < 100 ? name : "y");
    return at;
}

static void *task_header(void) {
    static const uint32_t versions[] = {0x19980330, 0x20071026, 0x20080522, 0x20080522, 0x20080522, 1};
    int *at = fresh(8), whom[] = {0, 0, 0, getpid(), child, -1, INT32_MAX};
    at[0] = PICK(versions), at[1] = PICK(whom);
    return at;
}

// A constant, by a digit in a call's description.
static long constant(char kind) {
    static const long zeros[16];
    static const unsigned char all[512] = {[0 ... 511] = 0xff};
    static const int harmless[] = {0, CLONE_FS, CLONE_FILES, 1, 2}, operations[] = {1, 2, 3, -1, 99};
    switch (kind) {
    case '1': return PICK(harmless);
    case '2': return (long)zeros;
    case '3': return (long)all;
    case '4': return 4; // RLIMIT_CORE
    case '5': return (long)wild();
    case '6': return PICK(operations);
    case '7': return chance(10) ? SOL_SOCKET : (long)PICK(edges);
    case '8': return (long)BAD;
    case '9': return chance(3);
    default: return 0;
    }
}

// Whom and what calls about tasks name: nothing is wild in it but what means nobody, and nothing raises what only the
// machine's root may raise again.
static long about_tasks(char kind) {
    static const int signals[] = {0, 0, 65, -1, SIGCHLD, SIGURG, SIGWINCH, INT32_MAX}, policies[] = {0, 3, 4, 99, -1};
    static const int options[] = {PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_SECUREBITS,
                                  PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, -1, 1000};
    static const int whom[] = {PRIO_PROCESS, PRIO_PROCESS, PRIO_PGRP, 3, 4, -1}, io_whom[] = {0, 1, 1, 2, 4, -1};
    static const int nice[] = {19, 20, 100, INT32_MAX}, classes[] = {2 << 13 | 7, 3 << 13, 2 << 13 | 9, 5 << 13, 0x70000}, limits[] = {16, 17, -1, INT32_MAX};
    static const int resources[] = {0, 1, 2, 3, 4, 5, 6, 8, 16, 40, 64, 100}, sizes[] = {0, 1, 63, 88, 4097, -1};
    const int tasks[] = {0, getpid(), child, child, INT32_MAX, INT32_MIN, -INT32_MAX};
    switch (kind) {
    case 'T': return PICK(tasks);
    case 'S': return PICK(signals);
    case 'O': return PICK(options);
    case 'P': return PICK(policies);
    case 'W': return PICK(whom);
    case 'I': return PICK(io_whom);
    case 'N': return PICK(nice);
    case 'C': return PICK(classes);
    case 'L': return PICK(limits);
    case 'R': return PICK(resources);
    case 'K': return PICK(sizes);
    case 'H': return (long)(sparse() ? wild() : task_header());
    default: return 0;
    }
}

// One argument, by its letter.
static long argument(char kind) {
    static const int at_flags[] = {0, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x1100, 0x2000, 0x4000, 0x8000}, devices[] = {0x103, 0x105, 0x107, 0xfff00};
    static const int socket_options[] = {SO_PEERCRED, SO_PASSCRED, SO_TYPE, 9999}, how_sizes[] = {24, 24, 24, 32, 0, 16, 23, 25, 4097, -1};
    static const int message_flags[] = {0, MSG_NOSIGNAL, MSG_PEEK, 1 << 30};
    static const mode_t types[] = {0, S_IFREG, S_IFCHR, S_IFSOCK, S_IFDIR, S_IFLNK, 0170000};
    switch (kind) {
    case 'p': return (long)path();
    case 'd': return chance(2) ? AT_FDCWD : descriptor();
    case 'f': return descriptor();
    case 'u': return chance(8) ? (long)PICK(ids) : (long)PICK(edges);
    case 'm': return mode();
    case 'y': return PICK(types) | mode();
    case 'v': return PICK(devices);
    case 'o': return open_flags();
    case 'a': return chance(8) ? PICK(at_flags) | PICK(at_flags) : (long)PICK(edges);
    case 'b': return (long)bytes(64);
    case 'r': return (long)room(ROOM);
    // Of a device, it would matter which one's number overflows.
    case 'Q': return (long)fresh(ROOM);
    case 'n': return chance(3) ? (long)chance(128) : (long)PICK(edges);
    case 'l': return chance(66);
    case 'x': return (long)(sparse() ? wild() : is_user ? PICK(users_names) : PICK(names));
    case 't': return (long)times(sizeof(long), 2);
    case 'w': return (long)times(8, 2);
    case 's': return (long)times(sizeof(long), 1);
    case 'e': return chance(2) ? (long)chance(9) : (long)PICK(edges);
    case 'i': return PICK(edges);
    case 'g': return (long)numbers(16, 4);
    case 'G': return (long)numbers(32, 2);
    case 'c': return chance(4) ? (long)chance(20) : (long)PICK(edges) | 1;
    case 'k': return (long)numbers(2, 8);
    case 'z': return (long)numbers(1, 4);
    case 'h': return (long)(sparse() ? wild() : header());
    case 'H': return (long)(sparse() ? wild() : headers());
    case 'j': return (long)(sparse() ? wild() : how());
    case 'J': return PICK(how_sizes);
    case 'q': return MSG_DONTWAIT | PICK(message_flags);
    case 'O': return PICK(socket_options);
    case 'B': return (long)(sparse() ? wild() : address());
    // RENAME_WHITEOUT alone is left out: whose the whiteout is, is not recorded.
    case 'X': return chance(8) ? (long)chance(4) : (long)PICK(edges) & ~4L;
    default: return constant(kind);
    }
}

// What is shown of a call's results, beside its value: no more than an error's number, what the first room holds, or what
// the kinds of stat say there.
enum { VALUE, ERROR, BYTES, PLAIN, WIDER, EXTENDED };

typedef struct {
    const char *name;
    int number;
    // Those of the calls about tasks are of `about_tasks`, behind a dot.
    const char *kinds;
    int shows;
    // Of socketcall(2), for i386.
    int operation;
} Form;

#define CALL(name, ...) {#name, SYS_##name, __VA_ARGS__}
#define FORM(name, number, ...) {#name, number, __VA_ARGS__}
// clang-format off
static const Form on_files[] = {
    CALL(chown, "puu"), CALL(lchown, "puu"), CALL(fchown, "fuu"), CALL(fchownat, "dpuua"),
    CALL(chmod, "pm"), CALL(fchmod, "fm"), CALL(fchmodat, "dpm"), FORM(fchmodat2, 452, "dpma"),
    CALL(utime, "ps"), CALL(utimes, "pt"), CALL(futimesat, "dpt"), CALL(utimensat, "dpta"),
    CALL(stat, "pr", PLAIN), CALL(lstat, "pr", PLAIN), CALL(fstat, "fr", PLAIN), CALL(statx, "dpair", EXTENDED),
    CALL(open, "pom"), CALL(openat, "dpom"), FORM(openat2, 437, "dpjJ"), CALL(creat, "pm"),
    CALL(mkdir, "pm"), CALL(mkdirat, "dpm"), CALL(symlink, "pp"), CALL(symlinkat, "pdp"), CALL(mknod, "pyv"), CALL(mknodat, "dpyv"),
    CALL(unlink, "p"), CALL(unlinkat, "dpa"), CALL(rmdir, "p"), CALL(rename, "pp"), CALL(renameat, "dpdp"), CALL(renameat2, "dpdpX"),
    CALL(link, "pp"), CALL(truncate, "pn"), CALL(ftruncate, "fn"), CALL(getdents64, "fre", ERROR), CALL(getdents, "fre", ERROR),
    CALL(setxattr, "pxble"), CALL(lsetxattr, "pxble"), CALL(fsetxattr, "fxble"), CALL(getxattr, "pxrn", BYTES), CALL(lgetxattr, "pxrn", BYTES),
    CALL(fgetxattr, "fxrn", BYTES), CALL(listxattr, "prn", BYTES), CALL(llistxattr, "prn", BYTES), CALL(flistxattr, "frn", BYTES),
    CALL(removexattr, "px"), CALL(lremovexattr, "px"), CALL(fremovexattr, "fx"),
    FORM(setxattrat, 463, "dpaxkJ"), FORM(getxattrat, 464, "dpaxkJ"), FORM(listxattrat, 465, "dparn", BYTES), FORM(removexattrat, 466, "dpax"),
    CALL(mount, "b8bib"),
#ifdef __i386__
    CALL(chown32, "puu"), CALL(lchown32, "puu"), CALL(fchown32, "fuu"), FORM(utimensat_time64, 412, "dpwa"), FORM(oldstat, 18, "pQ", ERROR),
    FORM(oldlstat, 84, "pQ", ERROR), FORM(oldfstat, 28, "fQ", ERROR), CALL(stat64, "pr", WIDER), CALL(lstat64, "pr", WIDER), CALL(fstat64, "fr", WIDER),
    CALL(fstatat64, "dpra", WIDER), CALL(truncate64, "pn0"), CALL(ftruncate64, "fn0"),
#else
    CALL(newfstatat, "dpra", PLAIN),
#endif
};

static const Form on_tasks[] = {
    CALL(setuid, "u"), CALL(setreuid, "uu"), CALL(setresuid, "uuu"), CALL(setfsuid, "u"),
    CALL(setgid, "u"), CALL(setregid, "uu"), CALL(setresgid, "uuu"), CALL(setfsgid, "u"),
    CALL(getuid, ""), CALL(geteuid, ""), CALL(getgid, ""), CALL(getegid, ""), CALL(getresuid, "rrr", BYTES), CALL(getresgid, "rrr", BYTES),
    CALL(getgroups, "cr", BYTES), CALL(capget, ".Hr", BYTES), CALL(capset, ".Hb"),
    CALL(prctl, ".Oiiii"), CALL(prctl, ".Oeeee"), CALL(prctl, ".Oe000"), CALL(prctl, ".Oe000"),
    CALL(execve, "pbb"), CALL(execve, "p00"), CALL(execveat, "dpbba"), CALL(execveat, "dp00a"), CALL(chroot, "5"), CALL(unshare, "1"), CALL(setns, "fe"),
    CALL(clone3, ".bK"), CALL(clone3, ".5K"), CALL(seccomp, "6i5"),
    CALL(kill, ".TS"), CALL(kill, ".TS"), CALL(tkill, ".TS"), CALL(tgkill, ".TTS"), CALL(rt_sigqueueinfo, ".TSb"), CALL(rt_tgsigqueueinfo, ".TTSb"),
    CALL(pidfd_send_signal, ".fS0e"), CALL(setpriority, ".WTN"), CALL(getpriority, ".WT"), CALL(ioprio_set, ".ITC"), CALL(sched_setscheduler, ".TPb"),
    CALL(sched_setscheduler, ".TP2"), CALL(sched_setparam, ".Tb"), CALL(sched_setattr, ".Tbe"), CALL(prlimit64, ".TLkr"), CALL(prlimit64, ".T40r"),
    CALL(process_vm_readv, ".T5e5e0"), CALL(process_vm_writev, ".T5e5e0"), CALL(kcmp, ".TTRee", ERROR), CALL(pidfd_getfd, "ffe"),
    CALL(sched_getaffinity, ".Ter", ERROR), CALL(sched_setaffinity, ".Te3"),
#ifdef __i386__
    CALL(setuid32, "u"), CALL(setreuid32, "uu"), CALL(setresuid32, "uuu"), CALL(setfsuid32, "u"), CALL(setgid32, "u"), CALL(setregid32, "uu"),
    CALL(setresgid32, "uuu"), CALL(setfsgid32, "u"), CALL(getresuid32, "rrr", BYTES), CALL(getresgid32, "rrr", BYTES), CALL(getgroups32, "cr", BYTES),
    CALL(setgroups32, "cg"), CALL(setgroups, "cG"), CALL(socketcall, "eb"), CALL(socketcall, "e5"),
#else
    CALL(setgroups, "cg"),
#endif
    CALL(setsockopt, "f7Oze", VALUE, 14), CALL(getsockopt, "f7Orz", ERROR, 15), CALL(sendmsg, "fhq", VALUE, 16), CALL(recvmsg, "fhq", VALUE, 17),
    CALL(sendmmsg, "fH9q", VALUE, 20), CALL(recvmmsg, "fH9q0", VALUE, 19), CALL(bind, "fBc", VALUE, 2),
};
// clang-format on

static void put_bytes(const unsigned char *at, size_t size) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    printf(" %016llx", (unsigned long long)hash);
}

static void put_words(const unsigned char *at, const int (*fields)[2], size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        memcpy(&word, at + fields[i][0], fields[i][1]);
        printf(" %llo", (unsigned long long)word);
    }
}

// Type and mode, owner, group, device and size, by where they are and how wide.
static void put_results(int shows, const unsigned char *at) {
    static const int extended[][2] = {{28, 2}, {20, 4}, {24, 4}, {128, 4}, {132, 4}, {40, 8}};
#ifdef __i386__
    static const int plain[][2] = {{8, 2}, {12, 2}, {14, 2}, {16, 4}, {20, 4}}, wider[][2] = {{16, 4}, {24, 4}, {28, 4}, {32, 8}, {44, 8}};
#else
    static const int plain[][2] = {{24, 4}, {28, 4}, {32, 4}, {40, 8}, {48, 8}}, wider[][2] = {{0, 0}};
#endif
    if (shows == BYTES)
        put_bytes(at, ROOM);
    else if (shows == PLAIN)
        put_words(at, plain, COUNT(plain));
    else if (shows == WIDER)
        put_words(at, wider, COUNT(wider));
    else if (shows == EXTENDED)
        put_words(at, extended, COUNT(extended));
}

static void put_argument(char kind, long value) {
    if (kind == 'T' && (value == getpid() || value == child))
        printf(" %s", value == child ? "child" : "self");
    else
        printf(" %c:%lx", kind, value);
}

static void perform(const Form *form) {
    long a[6] = {0}, result;
    const char *kinds = form->kinds;
    int is_dotted = *kinds == '.', count = strlen(kinds += is_dotted), number = form->number;
    used = 0, rooms = 0, first_room = NULL;
    printf("%s", form->name);
    for (int i = 0; i < count; i++) {
        int is_of_tasks = is_dotted && kinds[i] >= 'A' && kinds[i] <= 'Z';
        a[i] = is_of_tasks ? about_tasks(kinds[i]) : argument(kinds[i]);
        put_argument(kinds[i], a[i]);
    }
#ifdef __i386__
    if (form->operation && chance(2)) {
        long *list = memcpy(fresh(sizeof a), a, sizeof a);
        number = SYS_socketcall, a[0] = form->operation, a[1] = (long)list;
        printf(" by socketcall");
    }
#endif
    fflush(stdout);
    // What former calls have filled differs from run to run (times, inode numbers), and too large a length reaches it.
    memset(arena + used, 0, FILLED);
    result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result < 0)
        printf(" = -%d", errno);
    else if (form->shows == VALUE)
        printf(" = %ld", result);
    else if (form->shows != ERROR) {
        printf(" =");
        if (first_room)
            put_results(form->shows, first_room);
    }
    printf("\n");
}

static void make(const char *path, int mode, int owner, int group) {
    must(S_ISDIR(mode) ? mkdir(path, 0777) : mknod(path, mode, 0x103), path);
    must(chown(path, owner, group), path);
    must(chmod(path, mode & 07777), path);
}

static void make_all(void) {
    make("f", S_IFREG | 0666, 0, 0), make("d", S_IFDIR | 0777, 0, 0), make("t", S_IFDIR | 01777, 0, 0), make("t/f", S_IFREG | 0666, 33, 33);
    make("r", S_IFDIR | 02777, 0, 1000), make("r/f", S_IFREG | 0666, 1000, 33), make("r/d", S_IFDIR | 0777, 1000, 33), make("c", S_IFCHR | 0666, 0, 0);
    make("p", S_IFIFO | 0666, 0, 0), make("s", S_IFSOCK | 0666, 0, 0), make("i", S_IFREG | 06777, 0, 0), make("u", S_IFREG | 0666, 1000, 1000);
    make("ud", S_IFDIR | 02777, 1000, 33);
    must(symlink("f", "l"), "symlink"), must(symlink("none", "n"), "symlink"), must(symlink("o", "o"), "symlink");
    EACH(i, opened) must(open(opened[i].path, opened[i].flags), opened[i].path);
}

static void make_sockets(void) {
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
}

static void drop_some_capabilities(void) {
    // CHOWN, FOWNER, FSETID, MKNOD, SETFCAP, SYS_ADMIN.
    uint32_t header[2] = {0x20080522, 0}, data[6];
    must(syscall(SYS_capget, header, data), "capget");
    for (int set = 0; set < 3; set++)
        data[set] &= ~(1u << 0 | 1 << 3 | 1 << 4 | 1 << 27 | 1u << 31 | 1 << 21);
    must(syscall(SYS_capset, header, data), "capset");
}

static void keep_capabilities(uint64_t mask) {
    uint32_t header[2] = {0x20080522, 0}, low = mask, high = mask >> 32, data[6] = {low, low, 0, high, high, 0};
    must(syscall(WIDE(setgroups), 0, NULL), "setgroups");
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (!(mask >> cap & 1))
            must(prctl(PR_CAPBSET_DROP, cap), "drop");
    must(syscall(SYS_capset, header, data), "capset");
}

static void become_user(void) {
    unsigned group = 33;
    must(syscall(WIDE(setgroups), 1, &group), "setgroups");
    must(syscall(WIDE(setresgid), 33, 33, 33), "setresgid");
    must(syscall(WIDE(setresuid), 1000, 1000, 1000), "setresuid");
}

static void show_task(void) {
    unsigned u[3], g[3], groups[65536], version[2] = {0x20080522, 0}, caps[6] = {0};
    syscall(WIDE(getresuid), u, u + 1, u + 2), syscall(WIDE(getresgid), g, g + 1, g + 2), syscall(SYS_capget, version, caps);
    int count = syscall(WIDE(getgroups), COUNT(groups), groups);
    printf("ids %u %u %u, %u %u %u, %d groups,", u[0], u[1], u[2], g[0], g[1], g[2], count);
    put_bytes((void *)groups, count > 0 ? 4 * count : 0), put_bytes((void *)caps, sizeof caps);
    printf(" %d %d %d\n", prctl(PR_GET_SECUREBITS), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE));
}

static char *shown[4096];
static size_t lines;

static int show_file(const char *path, const struct stat *s, int type, struct FTW *where) {
    (void)type, (void)where;
    static char list[65536], value[65536];
    uint64_t sum = 0;
    ssize_t size = llistxattr(path, list, sizeof list);
    for (char *name = list; name < list + size; name += strlen(name) + 1) {
        uint64_t hash = 0xcbf29ce484222325;
        ssize_t length = lgetxattr(path, name, value, sizeof value);
        for (char *at = name; *at; at++)
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
        for (ssize_t i = 0; i < length; i++)
            hash = (hash ^ (unsigned char)value[i]) * 0x100000001b3;
        // In whatever order they are told.
        sum += hash;
    }
    if (lines < COUNT(shown))
        must(asprintf(&shown[lines++], "%s %o %u:%u %llx %lld %016llx\n", path, s->st_mode, s->st_uid, s->st_gid, (unsigned long long)s->st_rdev,
                      S_ISDIR(s->st_mode) ? 0 : (long long)s->st_size, (unsigned long long)sum), "print");
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void show_files(void) {
    nftw(".", show_file, 8, FTW_PHYS);
    qsort(shown, lines, sizeof *shown, by_name);
    for (size_t i = 0; i < lines; i++)
        fputs(shown[i], stdout), free(shown[i]);
    lines = 0;
}

static void waits_for(int pid) {
    int status;
    must(waitpid(pid, &status, 0), "wait");
    if (status) {
        printf("ended with %x\n", status);
        exit(1);
    }
}

static void waits_for_orphan(void) {
    int status;
    must(wait(&status), "wait");
    if (status)
        printf("child: %x\n", status);
}

// A child that ends when its parent does, whoever that has become.
static void outlive_nobody(void) {
    char byte;
    close(ENDS + 1);
    while (read(ENDS, &byte, 1) < 0)
        ;
    _exit(0);
}

static void sequence(uint64_t seed, unsigned number, unsigned length) {
    char dir[32];
    state = seed ^ (uint64_t)number << 32;
    printf("S %u\n", number);
    snprintf(dir, sizeof dir, "%u", number);
    must(mkdir(dir, 0777), dir), must(chmod(dir, 0777), dir), must(chdir(dir), dir);
    fflush(stdout);
    int pid = fork();
    must(pid, "fork");
    if (pid == 0) {
        make_all();
        // What attributes files without names have is not compared.
        if (number % 2)
            make_sockets();
        setsid();
        int pair[2];
        must(pipe2(pair, O_CLOEXEC), "pipe"), must(dup3(pair[0], ENDS, O_CLOEXEC), "dup"), must(dup3(pair[1], ENDS + 1, O_CLOEXEC), "dup");
        close(pair[0]), close(pair[1]);
        child = fork();
        must(child, "fork");
        if (child == 0)
            outlive_nobody();
        unsigned actor = number % 2 ? 0 : chance(3);
        is_user = actor == 1;
        if (actor == 1)
            become_user();
        else if (actor == 2)
            drop_some_capabilities();
        for (unsigned i = 0; i < length; i++)
            perform(number % 2 ? &PICK(on_tasks) : &PICK(on_files));
        if (number % 2)
            show_task();
        fflush(stdout);
        _exit(0);
    }
    waits_for(pid);
    // Its child, too, which ends with it.
    waits_for_orphan();
    show_files();
    printf("E\n");
    fflush(stdout);
    must(chdir(".."), "chdir");
}

int main(int argc, char **argv) {
    if (argc < 6)
        return 2;
    uint64_t mask = strtoull(argv[1], NULL, 0), seed = strtoull(argv[2], NULL, 0);
    unsigned first = atoi(argv[3]), count = atoi(argv[4]), length = atoi(argv[5]);
    // Descriptors from 0 on are those of the sequences.
    must(dup2(1, STDOUT), "dup2");
    fcntl(STDOUT, F_SETFD, FD_CLOEXEC);
    stdout = fdopen(STDOUT, "w");
    // Whoever started us may have left others open: they are not to be played with.
    must(close_range(0, STDOUT - 1, 0) | close_range(STDOUT + 1, ~0u, 0), "close");
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    umask(0);
    keep_capabilities(mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    memset(long_name, 'a', 256), memset(long_path, '/', sizeof long_path - 1), memset(long_attribute, 'a', 256);
    memcpy(long_attribute, "user.", 5);
    void *edge = mmap(EDGE - 8192, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    must(edge == MAP_FAILED ? -1 : 0, "mmap");
    for (unsigned n = first; n < first + count; n++)
        sequence(seed, n, length);
    return 0;
}
