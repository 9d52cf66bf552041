/* What files of /proc say of namespaces and logins: views SCENARIO. What is wrong is printed, and how much that is: the
 * same natively, as real root of the machine, and under remainroot. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "checks.h"

#define FULL "         0          0 4294967295\n"
#define UNSET "4294967295"

/* In a /proc that the guest has mounted; there, nothing can refuse a write to what may be read. */
static int mounted;

/* EPERM, or EINVAL where the namespace's kernel refuses it. */
#define REFUSED(call) (FAILS(call, EPERM) || (mounted && errno == EINVAL))

static void become(int id)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
	prctl(PR_SET_DUMPABLE, 1);
}

/* Runs a step in a child, as a user. */
static void apart(int id, void (*step)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		if (id)
			become(id);
		step();
		_exit(0);
	}
	ended_well(pid);
}

static const char *text_of(int fd)
{
	static char text[16384];
	int length = 0, more;
	while ((more = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += more;
	close(fd);
	text[length] = 0;
	return more < 0 ? "unreadable" : text;
}

static const char *text_at(int dir, const char *path, int flags)
{
	int fd = openat(dir, path, flags | O_CLOEXEC);
	return fd < 0 ? "not there" : text_of(fd);
}

static int says(const char *path, const char *text)
{
	return strcmp(text_at(AT_FDCWD, path, O_RDONLY), text) == 0;
}

static int says_at(int dir, const char *path, const char *text)
{
	return strcmp(text_at(dir, path, O_RDONLY), text) == 0;
}

static int holds(const char *path, const char *line)
{
	return strstr(text_at(AT_FDCWD, path, O_RDONLY), line) != NULL;
}

struct how { uint64_t flags, mode, resolve; };
enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8, IN_ROOT = 16 };

static int open2(int dir, const char *path, int flags, uint64_t resolve)
{
	/* Larger than the kernel's, as a newer program's may be. */
	struct { struct how how; uint64_t later; } how = { { flags, 0, resolve }, 0 };
	return syscall(437, dir, path, &how, sizeof how);
}

/* Who is not to see anything but a full map finds it by whatever way leads there. */
static void ways(void)
{
	char path[64], other[] = "/tmp/views-XXXXXX";
	CHECK(says("/proc/self/uid_map", FULL));
	CHECK(says("/proc/self/gid_map", FULL));
	CHECK(says("/proc/self/setgroups", "allow\n"));
	CHECK(says("/proc/self/loginuid", UNSET));
	CHECK(says("/proc/self/sessionid", UNSET));
	CHECK(says("/proc/thread-self/uid_map", FULL));
	snprintf(path, sizeof path, "/proc/%d/task/%d/gid_map", getpid(), getpid());
	CHECK(says(path, FULL));
	CHECK(says("/proc/../proc/self//uid_map", FULL));
	/* Init's, which is nobody's of ours. */
	CHECK(strcmp(text_at(AT_FDCWD, "/proc/1/uid_map", O_RDONLY), "not there") != 0);

	/* From directories. */
	int proc = open("/proc", O_RDONLY | O_DIRECTORY), self = open("/proc/self", O_PATH | O_DIRECTORY);
	CHECK(says_at(proc, "self/uid_map", FULL));
	CHECK(says_at(self, "uid_map", FULL));
	CHECK(says_at(self, "task/../setgroups", "allow\n"));
	int back = open(".", O_PATH | O_DIRECTORY);
	CHECK(fchdir(self) == 0 && says("gid_map", FULL) && fchdir(back) == 0);
	close(back);
	CHECK(strcmp(text_at(self, "uid_map", O_RDONLY | O_NOFOLLOW | O_NONBLOCK), FULL) == 0);

	/* By openat2. */
	snprintf(path, sizeof path, "%d/uid_map", getpid());
	CHECK(strcmp(text_of(open2(self, "uid_map", O_RDONLY, 0)), FULL) == 0);
	CHECK(strcmp(text_of(open2(self, "uid_map", O_RDONLY | O_CLOEXEC, BENEATH | NO_MAGICLINKS | NO_XDEV)), FULL) == 0);
	CHECK(strcmp(text_of(open2(proc, path, O_RDONLY, BENEATH | NO_SYMLINKS)), FULL) == 0);
	CHECK(strcmp(text_of(open2(proc, "/self/uid_map", O_RDONLY, IN_ROOT)), FULL) == 0);
	CHECK(strcmp(text_of(open2(AT_FDCWD, "/proc/self/loginuid", O_RDONLY, NO_MAGICLINKS)), UNSET) == 0);
	CHECK(FAILS(open2(proc, "self/uid_map", O_RDONLY, NO_SYMLINKS), ELOOP));
	CHECK(FAILS(open2(proc, "self/uid_map", O_RDONLY, BENEATH | IN_ROOT), EINVAL));
	CHECK(FAILS(open2(proc, "self/uid_map", O_RDONLY | 1 << 30, 0), EINVAL));
	struct { struct how how; uint64_t later; } how = { { O_RDONLY, 0, 0 }, 1 };
	CHECK(FAILS(syscall(437, proc, "self/uid_map", &how, sizeof how), E2BIG));
	how.how.mode = 0644, how.later = 0;
	CHECK(FAILS(syscall(437, proc, "self/uid_map", &how, sizeof how), EINVAL));
	CHECK(FAILS(open2(self, "../self/uid_map", O_RDONLY, BENEATH), EXDEV));
	CHECK(FAILS(open2(AT_FDCWD, "/proc/self/uid_map", O_RDONLY, NO_XDEV), EXDEV));

	/* By links. */
	CHECK(mkdtemp(other) == other);
	int dir = open(other, O_PATH | O_DIRECTORY);
	CHECK(symlinkat("/proc/self", dir, "me") == 0 && symlinkat("/proc/self/uid_map", dir, "uid_map") == 0);
	CHECK(says_at(dir, "me/uid_map", FULL));
	CHECK(says_at(dir, "uid_map", FULL));
	CHECK(FAILS(openat(dir, "uid_map", O_RDONLY | O_NOFOLLOW), ELOOP));
	CHECK(unlinkat(dir, "me", 0) == 0 && unlinkat(dir, "uid_map", 0) == 0);
	/* What is called so and is something else. */
	int plain = openat(dir, "loginuid", O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(write(plain, "5", 1) == 1 && says_at(dir, "loginuid", "5"));
	CHECK(unlinkat(dir, "loginuid", 0) == 0 && rmdir(other) == 0);
	close(plain);

	/* A descriptor is what it was asked to be. */
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT)) == O_RDONLY && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(FAILS(write(fd, "0 0 1", 5), EBADF));
	struct stat stat;
	CHECK(fstat(fd, &stat) == 0 && stat.st_mode == (S_IFREG | 0644));
	char half[12] = "";
	CHECK(pread(fd, half, 10, 11) == 10 && strcmp(half, "         0") == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && strcmp(text_of(fd), FULL) == 0);
	int next = dup(dir);
	close(next);
	CHECK((fd = open("/proc/self/status", O_RDONLY)) == next);
	CHECK(fstat(fd, &stat) == 0 && stat.st_mode == (S_IFREG | 0444));
	const char *status = text_of(fd);
	CHECK(strstr(status, "\nTracerPid:\t0\n") && strstr(status, "\nNoNewPrivs:\t0\n"));
	close(dir), close(self), close(proc);
}

/* A filter of its own, which lets everything through, is there besides those that were. */
static int filters_of_own(void)
{
	const char *line = strstr(text_at(AT_FDCWD, "/proc/self/status", O_RDONLY), "\nSeccomp_filters:\t");
	return line ? atoi(strchr(line, '\t')) : -1;
}

static void installs_filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &all };
	int before = filters_of_own();
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	CHECK(before >= 0 && filters_of_own() == before + 1);
	CHECK(holds("/proc/self/status", "\nSeccomp:\t2\n"));
}

static int own(void)
{
	ways();
	apart(0, ways);
	CHECK(holds("/proc/self/status", "\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"));
	/* As many filters as who started this has: none of ours. */
	const char *filters = getenv("FILTERS");
	CHECK(!filters || filters_of_own() == atoi(filters));
	apart(0, installs_filter);
	apart(33, installs_filter);
	CHECK(!filters || filters_of_own() == atoi(filters));
	/* A name of any bytes. */
	CHECK(prctl(PR_SET_NAME, "a\xff\xfe\r\tb\\") == 0);
	CHECK(holds("/proc/self/status", "Name:\ta\xff\xfe\r\tb\\\\\n"));
	/* Set for good. */
	int fd;
	CHECK((fd = open("/proc/self/uid_map", O_RDWR)) >= 0 && FAILS(write(fd, "0 0 1", 5), EPERM));
	CHECK(strcmp(text_of(fd), FULL) == 0);
	CHECK((fd = open("/proc/self/gid_map", O_WRONLY | O_TRUNC)) >= 0 && FAILS(write(fd, "0 0 1", 5), EPERM));
	close(fd);
	CHECK((fd = open("/proc/self/setgroups", O_RDWR)) >= 0 && FAILS(write(fd, "deny", 4), EPERM));
	CHECK(strcmp(text_of(fd), "allow\n") == 0);
	return 0;
}

static void of_user(void)
{
	ways();
	char path[64];
	int fd;
	CHECK(holds("/proc/self/status", "\nUid:\t33\t33\t33\t33\n"));
	/* Root's. */
	snprintf(path, sizeof path, "/proc/%d/uid_map", getppid());
	CHECK(says(path, FULL));
	CHECK(FAILS(open(path, O_WRONLY), EACCES));
	snprintf(path, sizeof path, "/proc/%d/loginuid", getppid());
	CHECK(says(path, UNSET));
	CHECK(FAILS(open(path, O_RDWR), EACCES));
	CHECK(FAILS(open("/proc/self/sessionid", O_RDWR), EACCES));
	CHECK(FAILS(open("/proc/self/status", O_WRONLY), EACCES));
	CHECK(FAILS(open("/proc/self/setgroups", O_RDWR), EACCES));
	CHECK((fd = open("/proc/self/uid_map", O_RDWR)) >= 0 && FAILS(write(fd, "0 33 1", 6), EPERM));
	close(fd);
	prctl(PR_SET_DUMPABLE, 0);
	CHECK(FAILS(open("/proc/self/loginuid", O_RDWR), EACCES));
	prctl(PR_SET_DUMPABLE, 1);
	/* One's own, once. */
	CHECK((fd = open("/proc/self/loginuid", O_WRONLY | O_CREAT | O_TRUNC, 0644)) >= 0 && write(fd, "33", 2) == 2);
	close(fd);
	CHECK(says("/proc/self/loginuid", "33") && !says("/proc/self/sessionid", UNSET));
	CHECK((fd = open("/proc/self/loginuid", O_RDWR)) >= 0 && REFUSED(write(fd, "34", 2)));
	CHECK(mounted ? !close(fd) : strcmp(text_of(fd), "33") == 0);
	CHECK(says("/proc/self/loginuid", "33"));
}

static int user(void)
{
	apart(33, of_user);
	CHECK(says("/proc/self/loginuid", UNSET) || !says("/proc/self/uid_map", FULL));
	return 0;
}

/* Who lists tasks when there are users' ones. */
static int listed(void)
{
	int ready[2], quit[2];
	char byte;
	CHECK(pipe(ready) == 0 && pipe(quit) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(33);
		close(quit[1]);
		_exit(write(ready[1], "", 1) != 1 || read(quit[0], &byte, 1) != 0);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	while ((entry = readdir(proc)))
		if (atoi(entry->d_name) == pid) {
			char path[64];
			snprintf(path, sizeof path, "%d/uid_map", pid);
			CHECK(says_at(dirfd(proc), path, FULL));
		}
	closedir(proc);
	ways();
	close(quit[1]);
	int status = -1;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

/* As pam_loginuid does it. */
static int log_in(const char *path, const char *uid)
{
	char former[24];
	int fd = open(path, O_NOFOLLOW | O_RDWR), length = strlen(uid), result = -1;
	if (fd < 0)
		return -1;
	if (read(fd, former, sizeof former) > 0 && lseek(fd, 0, SEEK_SET) == 0 && ftruncate(fd, 0) == 0 &&
	    write(fd, uid, length) == length)
		result = 0;
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

static char session[16];

static void child_of_1000(void)
{
	CHECK(says("/proc/self/loginuid", "1000") && says("/proc/self/sessionid", session));
	execl("/proc/self/exe", "views", "of-1000", NULL);
	CHECK(!"exec");
}

static int of_1000(void)
{
	CHECK(says("/proc/self/loginuid", "1000"));
	CHECK(!says("/proc/self/sessionid", UNSET));
	return 0;
}

static void without_capability(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	CHECK(syscall(SYS_capget, &header, data) == 0);
	data[0].effective &= ~(1u << CAP_AUDIT_CONTROL);
	CHECK(syscall(SYS_capset, &header, data) == 0);
	CHECK(REFUSED(log_in("/proc/self/loginuid", "5")));
	CHECK(says("/proc/self/loginuid", "1000"));
}

static void *in_thread(void *unused)
{
	(void)unused;
	CHECK(says("/proc/thread-self/loginuid", "1000"));
	/* That is the process's first thread's. */
	CHECK(REFUSED(log_in("/proc/self/loginuid", "7")));
	CHECK(log_in("/proc/thread-self/loginuid", "7") == 0);
	CHECK(says("/proc/thread-self/loginuid", "7"));
	return NULL;
}

/* Nothing is truncated; what is asked for must make sense all the same (do_ftruncate in fs/open.c). */
static void truncates(void)
{
	char path[64];
	int fd = open64("/proc/self/loginuid", O_RDWR);
	CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, 7) == 0);
	CHECK(FAILS(ftruncate(fd, -1), EINVAL) && FAILS(ftruncate64(fd, -1), EINVAL));
	CHECK(FAILS(ftruncate64(fd, 1LL << 32), EFBIG) && FAILS(ftruncate64(fd, 0x80000000LL), EFBIG));
	CHECK(ftruncate64(fd, 0x7FFFFFFF) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int again = open(path, O_RDONLY);
	CHECK(again >= 0 && FAILS(ftruncate(again, 0), EINVAL));
	close(again);
	close(fd);
	CHECK(says("/proc/self/loginuid", UNSET));
}

static void logs_in(void)
{
	char path[64];
	truncates();
	CHECK(log_in("/proc/self/loginuid", "1000") == 0);
	CHECK(says("/proc/self/loginuid", "1000"));
	strcpy(session, text_at(AT_FDCWD, "/proc/self/sessionid", O_RDONLY));
	CHECK(atoi(session) > 0);
	apart(0, child_of_1000);
	apart(33, child_of_1000);
	apart(0, without_capability);
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(says("/proc/self/loginuid", "1000"));
	/* Another's. */
	snprintf(path, sizeof path, "/proc/%d/loginuid", getppid());
	CHECK(REFUSED(log_in(path, "5")));
	CHECK(says(path, UNSET));
	/* Again, with the capability. */
	int fd = open("/proc/self/loginuid", O_WRONLY);
	CHECK(write(fd, "33\n", 3) == 3);
	close(fd);
	CHECK(says("/proc/self/loginuid", "33") && !says("/proc/self/sessionid", session));
	/* What is inherited may not have been asked for before. */
	CHECK(log_in("/proc/self/loginuid", "1000") == 0);
	apart(0, (void (*)(void))of_1000);
	fd = open("/proc/self/loginuid", O_WRONLY | O_TRUNC);
	CHECK(write(fd, UNSET, 10) == 10);
	close(fd);
	CHECK(says("/proc/self/loginuid", UNSET) && says("/proc/self/sessionid", UNSET));
}

static int login(void)
{
	apart(0, logs_in);
	CHECK(says("/proc/self/loginuid", UNSET));
	return 0;
}

/* A namespace of one's own has maps of its own. */
static void below(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/uid_map", getppid());
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(says("/proc/self/uid_map", ""));
	CHECK(says(path, "         0 4294967295 4294967295\n"));
	int fd = open("/proc/self/uid_map", O_RDWR);
	CHECK(write(fd, "5 0 1", 5) == 5);
	close(fd);
	CHECK(says("/proc/self/uid_map", "         5          0          1\n"));
	CHECK(says(path, "         0          5 4294967295\n"));
	CHECK(says("/proc/self/loginuid", UNSET));
}

static int namespaces(void)
{
	apart(0, below);
	CHECK(says("/proc/self/uid_map", FULL));
	return 0;
}

/* In a pid namespace with a /proc of its own. */
static void in_another(void)
{
	char self[16] = "";
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0);
	/* A container that hides parts of /proc is refused a new one, and has the old one again. */
	if (readlink("/proc/self", self, sizeof self - 1) != 1 || strcmp(self, "1"))
		return;
	mounted = 1;
	ways();
	apart(33, of_user);
	apart(0, logs_in);
	/* Nothing is left of what was made for it. */
	const char *dirs[] = { "/dev/shm", "/tmp", "/var/tmp" };
	for (int i = 0; i < 3; i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *entry;
		while (dir && (entry = readdir(dir)))
			CHECK(strncmp(entry->d_name, ".remainroot-", 12) != 0);
	}
}

static int another(void)
{
	CHECK(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0);
	apart(0, in_another);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ "own", own }, { "user", user }, { "listed", listed }, { "login", login },
		{ "namespaces", namespaces }, { "another", another },
	};
	begin();
	/* What "login" executes. */
	if (argc == 2 && !strcmp(argv[1], "of-1000")) {
		of_1000();
		return *wrong != 0;
	}
	return play(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
