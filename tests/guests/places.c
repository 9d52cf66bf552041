/* What a path means: other roots, other mounts, and the rarer ways to make, name and run files. Prints results, errnos
 * and owners, which must be those of real root. Starts in an empty directory of its own, which root owns. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef __i386__
#define SET(call) SYS_##call##32
#else
#define SET(call) SYS_##call
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif

static const char *self;

/* A result, and the error if it is one. */
static void say(const char *what, long result)
{
	printf("%s: %s%s\n", what, result < 0 ? "" : "done", result < 0 ? strerrorname_np(errno) : "");
}

/* Type, mode and owner. */
static void show(const char *path)
{
	struct stat s;
	if (lstat(path, &s) < 0)
		printf("  %s: %s\n", path, strerrorname_np(errno));
	else
		printf("  %s: %o %u:%u\n", path, s.st_mode, s.st_uid, s.st_gid);
}

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	if (fd < 0)
		perror(path);
	close(fd);
}

/* Mounts of its own that nobody outside sees. */
static void private_mounts(void)
{
	say("unshare", syscall(SYS_unshare, CLONE_NEWNS));
	say("private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void by_chroot(void)
{
	mkdir("root", 0755);
	mkdir("root/in", 0755);
	say("chroot", syscall(SYS_chroot, "root"));
	say("chdir", chdir("/"));
	make("/in/file");
	say("chown", chown("/in/file", 33, 34));
	show("/in/file");
	show("in/file");
	say("mknod", mknod("/in/null", S_IFCHR | 0666, 1 << 8 | 3));
	show("/in/null");
	symlink("/in/file", "/link");
	say("lchown", lchown("/link", 5, 6));
	say("chown through the link", chown("/link", 7, 8));
	show("/link");
	show("/in/file");
	say("chroot to nowhere", syscall(SYS_chroot, "/nowhere"));
	say("setuid", syscall(SET(setuid), 33));
	say("chroot without rights", syscall(SYS_chroot, "/in"));
}

static void by_pivot_root(void)
{
	private_mounts();
	mkdir("new", 0755);
	say("mount", syscall(SYS_mount, "none", "new", "tmpfs", 0, "mode=755"));
	say("chdir", chdir("new"));
	mkdir("proc", 0555);
	say("proc", syscall(SYS_mount, "none", "proc", "proc", 0, NULL));
	say("pivot_root", syscall(SYS_pivot_root, ".", "."));
	say("umount", umount2(".", MNT_DETACH));
	make("/file");
	say("chown", chown("/file", 33, 34));
	show("/file");
	struct stat s;
	say("proc is there", stat("/proc/self/status", &s));
}

static void by_setns(void)
{
	int before = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	char *home = get_current_dir_name();
	private_mounts();
	mkdir("over", 0755);
	make("over/below");
	chown("over/below", 1, 2);
	say("mount", syscall(SYS_mount, "none", "over", "tmpfs", 0, "mode=755"));
	make("over/above");
	chown("over/above", 3, 4);
	show("over/above");
	show("over/below");
	say("setns", syscall(SYS_setns, before, CLONE_NEWNS));
	say("chdir", chdir(home));
	show("over/above");
	show("over/below");
	free(home);
}

/* Options that give what is in a mount to others than root. */
static void with_owners(void)
{
	private_mounts();
	mkdir("theirs", 0755);
	chown("theirs", 7, 8);
	say("tmpfs", syscall(SYS_mount, "none", "theirs", "tmpfs", MS_NOSUID, "uid=33,mode=2750,gid=70000"));
	show("theirs");
	make("theirs/file");
	show("theirs/file");
	say("bad id", syscall(SYS_mount, "none", "theirs", "tmpfs", 0, "uid=4294967295"));
	say("no id", syscall(SYS_mount, "none", "theirs", "tmpfs", 0, "gid=nobody"));
	say("bad option", syscall(SYS_mount, "none", "theirs", "tmpfs", 0, "gid=5,other=1"));
	say("bad place", syscall(SYS_mount, "none", "nowhere", "tmpfs", 0, "gid=5"));
	say("devpts", syscall(SYS_mount, "none", "theirs", "devpts", 0, "newinstance,uid=5,gid=5,ptmxmode=0666"));
	show("theirs");
	show("theirs/ptmx");
	umount2("theirs", 0);
	umount2("theirs", 0);
	show("theirs");
}

static void rare_names(void)
{
	umask(022);
	mkdir("dir", 0755);
	mkdir("roots", 0777);
	/* A new file is in the directory that a link leads to. */
	mkdir("shared", 0755);
	say("chown", chown("shared", 0, 35));
	say("chmod", chmod("shared", 02777));
	symlink("shared/roots", "first");
	symlink("shared", "second");
	symlink("../second/users", "shared/behind");
	symlink("shared/behind", "third");
	make("first");
	show("shared/roots");
	say("chown", chown("dir", 33, 34));
	say("setgid", syscall(SET(setgid), 34));
	say("setuid", syscall(SET(setuid), 33));
	say("creat", syscall(SYS_creat, "dir/made", 0664));
	show("dir/made");
	say("symlinkat", syscall(SYS_symlinkat, "made", AT_FDCWD, "dir/link"));
	show("dir/link");
	say("renameat", syscall(SYS_renameat, AT_FDCWD, "dir/made", AT_FDCWD, "dir/moved"));
	show("dir/made");
	show("dir/moved");
	make("third");
	show("shared/users");
	/* That it is a path says more than that it were a new file. */
	say("open", syscall(SYS_open, "roots", O_PATH | O_TMPFILE | O_RDWR, 0700));
	say("openat", syscall(SYS_openat, AT_FDCWD, "roots", O_PATH | O_TMPFILE | O_RDWR, 0700));
	show("roots");
}

/* Who may write to a device with O_CREAT, as a shell's redirection does, in a directory like /tmp. */
static void sticky_devices(void)
{
	static const mode_t modes[] = { 0777, 01777, 01775 };
	mkdir("tmp", 0755);
	symlink("tmp/null", "link");
	say("mknod", mknod("tmp/null", S_IFCHR | 0666, 1 << 8 | 3));
	say("mknod", mknod("tmp/other", S_IFCHR | 0666, 1 << 8 | 5));
	chmod("tmp/null", 0666);
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		for (unsigned owners = 0; owners < 4; owners++) {
			chown("tmp", owners & 1 ? 33 : 0, 34);
			chown("tmp/null", owners & 2 ? 33 : 0, 34);
			chmod("tmp", modes[i]);
			printf("%o %u\n", modes[i], owners);
			fflush(stdout);
			say("open", syscall(SYS_open, "tmp/null", O_WRONLY | O_CREAT | O_TRUNC, 0666));
			say("openat", syscall(SYS_openat, AT_FDCWD, "tmp/null", O_RDWR | O_CREAT, 0666));
			say("exclusively", syscall(SYS_open, "tmp/null", O_WRONLY | O_CREAT | O_EXCL, 0666));
			say("as a directory", syscall(SYS_open, "tmp/null", O_RDONLY | O_CREAT | O_DIRECTORY, 0666));
			if (!(owners & 2))
				say("by link", syscall(SYS_open, "link", O_WRONLY | O_CREAT, 0666));
			say("new", syscall(SYS_open, "tmp/new", O_WRONLY | O_CREAT, 0666));
			say("unlink", unlink("tmp/new"));
		}
	chmod("tmp", 01777);
	chown("tmp", 0, 0);
	say("unlink", unlink("tmp/null"));
	say("setgid", syscall(SET(setgid), 34));
	say("setuid", syscall(SET(setuid), 33));
	say("other", syscall(SYS_open, "tmp/other", O_RDONLY | O_CREAT, 0666));
}

/* An open device whose last name goes, while others are there, is one still. */
static void nameless_devices(void)
{
	say("mknod", mknod("zero", S_IFCHR | 0666, 1 << 8 | 5));
	for (int n = 0; n < 2; n++) {
		struct stat s;
		say("mknod", mknod("null", S_IFCHR | 0666, 1 << 8 | 3));
		int fd = open("null", O_RDWR);
		make("file");
		say(n ? "rename" : "unlink", n ? rename("file", "null") : unlink("null"));
		say("fstat", fstat(fd, &s));
		printf("  %o %llx %lld\n", s.st_mode & S_IFMT, (unsigned long long)s.st_rdev, (long long)s.st_size);
		say("write", write(fd, "x", 1));
		unlink("null");
		close(fd);
	}
	unlink("zero");
}

/* Paths that must not lead everywhere: a new file has its owner from the directory that it comes to be in. */
static void restricted_paths(void)
{
	static const struct { const char *path; unsigned long resolve; } paths[] = {
		{ "/inside/a", RESOLVE_IN_ROOT }, { "link", RESOLVE_IN_ROOT }, { "../../../inside/c", RESOLVE_IN_ROOT },
		{ "passwords", RESOLVE_IN_ROOT }, { "round/d", RESOLVE_IN_ROOT }, { "up", RESOLVE_IN_ROOT },
		{ "inside/../inside/e", RESOLVE_BENEATH }, { "../f", RESOLVE_BENEATH }, { "link", RESOLVE_BENEATH },
		{ "/f", RESOLVE_BENEATH }, { "round/g", RESOLVE_NO_SYMLINKS }, { "inside/g", RESOLVE_NO_SYMLINKS },
		{ "inside/h", RESOLVE_NO_XDEV }, { "/proc/h", RESOLVE_NO_XDEV }, { "inside/i", RESOLVE_NO_MAGICLINKS },
		{ "inside/j", RESOLVE_CACHED }, { "inside/a", RESOLVE_CACHED }, { "inside/k", 0x100 },
	};
	static const char *const made[] = {
		"a", "b", "c", "d", "e", "g", "h", "i", "j", "k", "l",
	};
	say("mkdir", mkdir("top", 0777) | mkdir("top/inside", 0777) | mkdir("top/etc", 0777) | mkdir("inside", 0777));
	say("chmod", chmod(".", 0777) | chmod("top", 0777) | chmod("inside", 0777) | chmod("top/etc", 0777));
	say("chown", chown("top/inside", 7, 44) | chmod("top/inside", 02777));
	say("symlink", symlink("/inside/b", "top/link") | symlink("/etc/passwd", "top/passwords") | symlink("../top/inside", "top/round") |
		symlink("../inside/l", "top/up"));
	make("top/top");
	int dir = open("top", O_PATH | O_DIRECTORY);
	for (int id = 0; id <= 33; id += 33) {
		say("ids", syscall(SET(setresgid), -1, id, -1) | syscall(SET(setresuid), -1, id, -1));
		for (size_t n = 0; n < sizeof paths / sizeof *paths; n++) {
			struct open_how how = { .flags = O_CREAT | O_WRONLY, .mode = 0644, .resolve = paths[n].resolve };
			int fd = syscall(SYS_openat2, dir, paths[n].path, &how, sizeof how);
			struct stat s;
			say(paths[n].path, fd);
			if (fd >= 0 && fstat(fd, &s) == 0)
				printf("  %o %u:%u\n", s.st_mode, s.st_uid, s.st_gid);
			close(fd);
		}
		say("back", syscall(SET(setresuid), -1, 0, -1) | syscall(SET(setresgid), -1, 0, -1));
		for (size_t n = 0; n < sizeof made / sizeof *made; n++) {
			char path[64];
			snprintf(path, sizeof path, "top/inside/%s", made[n]);
			show(path);
			unlink(path);
		}
		/* A device is a file like others. */
		for (int bits = 0; bits <= 01000; bits += 01000) {
			say("chmod", chmod("top/inside", 0777 | bits) | mknod("top/inside/null", S_IFCHR | 0666, 1 << 8 | 3) | chmod("top/inside/null", 0666));
			say("chown", chown("top/inside/null", 33, 34));
			for (int makes = 0; makes <= O_CREAT; makes += O_CREAT)
				for (int resolve = 0; resolve <= RESOLVE_BENEATH; resolve++) {
					struct open_how how = { .flags = O_RDWR | makes, .mode = makes ? 0600 : 0, .resolve = resolve };
					int fd = syscall(SYS_openat2, dir, "inside/null", &how, sizeof how);
					say("device", fd);
					say("written", write(fd, "x", 1) - 1);
					close(fd);
				}
			show("top/inside/null");
			unlink("top/inside/null");
		}
		chmod("top/inside", 02777);
		show("top/etc/passwd");
		unlink("top/etc/passwd");
		show("inside/l");
	}
}

static void listed_attributes(void)
{
	make("file");
	int fd = open("file", O_RDONLY);
	char list[256];
	say("fsetxattr", fsetxattr(fd, "trusted.remainroot", "x", 1, 0));
	long length = syscall(SYS_flistxattr, fd, list, sizeof list);
	say("flistxattr", length);
	for (long at = 0; at < length; at += strlen(list + at) + 1)
		if (!strncmp(list + at, "trusted.", 8))
			printf("  %s\n", list + at);
	say("too short", syscall(SYS_flistxattr, fd, list, 3));
}

/* The stat calls of old give up where an inode number needs more than 16 bits. */
static void old_stats(void)
{
#ifdef __i386__
	struct { unsigned short dev, ino, mode, nlink, uid, gid, rdev; unsigned long size, times[3]; } s = { 0 };
	private_mounts();
	mkdir("small", 0755);
	say("mount", syscall(SYS_mount, "none", "small", "tmpfs", 0, "mode=755"));
	make("small/file");
	say("chown", chown("small/file", 70000, 34));
	say("oldstat", syscall(SYS_oldstat, "small/file", &s));
	printf("  %o %u:%u\n", s.mode, s.uid, s.gid);
	memset(&s, 0, sizeof s);
	say("oldfstat", syscall(SYS_oldfstat, open("small/file", O_RDONLY), &s));
	printf("  %o %u:%u\n", s.mode, s.uid, s.gid);
	/* Nothing is written where a number does not fit, which may be that of a device. */
	say("mknod", mknod("null", S_IFCHR | 0666, 1 << 8 | 3));
	close(open("null", O_RDWR));
	memset(&s, 0x55, sizeof s);
	int done = syscall(SYS_oldstat, "null", &s) == 0;
	printf("  %s\n", done == (s.nlink != 0x5555) ? "right" : "wrong");
#endif
}

/* A set-user-ID program run by its descriptor. */
static void run_by_descriptor(void)
{
	char *const arguments[] = { "places", "ids", NULL }, *const none[] = { NULL };
	char command[4200];
	snprintf(command, sizeof command, "cp '%s' program", self);
	if (system(command) != 0)
		puts("no copy");
	say("chown", chown("program", 5, 6));
	say("chmod", chmod("program", 06755));
	int fd = open("program", O_PATH | O_CLOEXEC);
	say("setgid", syscall(SET(setgid), 34));
	say("setuid", syscall(SET(setuid), 33));
	fflush(stdout);
	syscall(SYS_execveat, fd, "", arguments, none, AT_EMPTY_PATH);
	say("execveat", -1);
}

static int ids(void)
{
	uid_t u[3];
	gid_t g[3];
	getresuid(u, u + 1, u + 2);
	getresgid(g, g + 1, g + 2);
	printf("  %u %u %u, %u %u %u\n", u[0], u[1], u[2], g[0], g[1], g[2]);
	return 0;
}

static void own_processors(void)
{
	cpu_set_t all, one, now;
	int first = 0;
	sched_getaffinity(0, sizeof all, &all);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	say("sched_setaffinity", syscall(SYS_sched_setaffinity, 0, sizeof one, &one));
	for (int i = 0; i < 100; i++)
		syscall(SET(getuid));
	sched_getaffinity(0, sizeof now, &now);
	printf("  %s\n", CPU_EQUAL(&one, &now) ? "as set" : "others");
}

static void new_filesystems(void)
{
	private_mounts();
	say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	say("unknown", syscall(SYS_fsopen, "nothing-like-this", 0));
	say("setuid", syscall(SET(setuid), 33));
	say("fsopen without rights", syscall(SYS_fsopen, "tmpfs", 0));
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "chroot", by_chroot }, { "pivot_root", by_pivot_root }, { "setns", by_setns },
		{ "owners of mounts", with_owners },
		{ "names", rare_names }, { "restricted", restricted_paths }, { "sticky", sticky_devices }, { "nameless", nameless_devices },
		{ "attributes", listed_attributes }, { "old stats", old_stats },
		{ "execveat", run_by_descriptor }, { "processors", own_processors }, { "fsopen", new_filesystems },
	};
	if (argc == 2 && !strcmp(argv[1], "ids"))
		return ids();
	self = argv[0];
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		printf("%s\n", parts[i].name);
		fflush(stdout);
		char home[] = "placesXXXXXX";
		pid_t pid = fork();
		if (pid == 0) {
			if (!mkdtemp(home) || chmod(home, 0755) < 0 || chdir(home) < 0)
				return 1;
			parts[i].run();
			fflush(stdout);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		printf("  status %d\n", status);
	}
	return 0;
}
