/* A file system that is served by a process of the same tree, which itself makes calls that stop it while it serves:
 *
 *	fuse here DIR [WHAT]          mounts over DIR and serves it in a child
 *	fuse given DIR [WHAT]         the same, with the mount in place and its connection on descriptor 9
 *	fuse mount UID DIR CMD ARG…   mounts over DIR in a mount namespace of its own, and executes CMD as UID
 *	fuse serve UID DIR CMD ARG…   the same, and serves it in a process outside of CMD's tree
 *	fuse visit DIR WHAT           uses what another serves
 *
 * WHAT is "use" (prints what its user sees), "proc" (what it sees of itself through a link to /proc), "stuck" (a server that never answers to somebody, until it is killed) or
 * "killed" (the one who waits is killed). FUSE_DEVICE names another node for /dev/fuse, FUSE_OWNER who owns
 * the files to begin with. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CONNECTION 9

/* Inodes: the root, a file, this very program, a directory, a link to the file, one to /proc, and a file that nobody
 * hears of. */
enum { ROOT = FUSE_ROOT_ID, FILE_, PROGRAM, DIRECTORY, LINK, PROC, STUCK, COUNT };

static const char *const names[COUNT] = { [FILE_] = "file", [PROGRAM] = "program", [DIRECTORY] = "directory",
	[LINK] = "link", [PROC] = "proc", [STUCK] = "stuck" };
static struct fuse_attr attrs[COUNT] = {
	[ROOT] = { .mode = S_IFDIR | 0755 },
	[FILE_] = { .mode = S_IFREG | 0644, .size = 6 },
	[PROGRAM] = { .mode = S_IFREG | 0755 },
	[DIRECTORY] = { .mode = S_IFDIR | 0755 },
	[LINK] = { .mode = S_IFLNK | 0777, .size = 4 },
	[PROC] = { .mode = S_IFLNK | 0777, .size = 5 },
	[STUCK] = { .mode = S_IFREG | 0644 },
};
static char *program;
static int device;

/* Calls that the tracer stops the server for. */
static void do_something_else(void)
{
	struct stat stat;
	if (chown("served", 7, 7) || lstat("served", &stat) || stat.st_uid != 7 || chmod("served", 0600))
		_exit(9);
}

static void reply(uint64_t unique, int error, const void *data, size_t size)
{
	static char out[1 << 18];
	struct fuse_out_header header = { .len = sizeof header + size, .error = -error, .unique = unique };
	memcpy(out, &header, sizeof header);
	if (size)
		memcpy(out + sizeof header, data, size);
	/* ENOENT: whoever asked is gone. */
	if (write(device, out, header.len) < 0 && errno != ENOENT)
		_exit(8);
}

static struct fuse_attr *attr_of(uint64_t node)
{
	struct fuse_attr *attr = &attrs[node < COUNT ? node : ROOT];
	attr->ino = node;
	attr->nlink = 1;
	return attr;
}

static void set_attr(uint64_t node, const struct fuse_setattr_in *in)
{
	struct fuse_attr *attr = attr_of(node);
	if (in->valid & FATTR_MODE)
		attr->mode = (attr->mode & S_IFMT) | (in->mode & 07777);
	if (in->valid & FATTR_UID)
		attr->uid = in->uid;
	if (in->valid & FATTR_GID)
		attr->gid = in->gid;
	attr->ctime++;
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out entry = { 0 };
	for (int node = FILE_; node < COUNT; node++)
		if (!strcmp(names[node], name)) {
			entry.nodeid = node;
			entry.attr = *attr_of(node);
			reply(in->unique, 0, &entry, sizeof entry);
			return;
		}
	reply(in->unique, ENOENT, NULL, 0);
}

static void read_file(const struct fuse_in_header *in, const struct fuse_read_in *wanted)
{
	const char *data = in->nodeid == PROGRAM ? program : "hello\n";
	uint64_t size = attrs[in->nodeid].size;
	uint64_t left = wanted->offset < size ? size - wanted->offset : 0;
	reply(in->unique, 0, data + (left ? wanted->offset : 0), left < wanted->size ? left : wanted->size);
}

/* Answers one request. */
static void answer(struct fuse_in_header *in, void *body)
{
	struct fuse_attr_out attr = { 0 };
	struct fuse_open_out open = { 0 };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .namelen = 255 } };
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 65536, .max_readahead = 65536 };
	switch (in->opcode) {
	case FUSE_INIT:
		return reply(in->unique, 0, &init, sizeof init);
	case FUSE_LOOKUP:
		return look_up(in, body);
	case FUSE_SETATTR:
		if (in->nodeid == STUCK)
			return;
		set_attr(in->nodeid, body);
		/* fall through */
	case FUSE_GETATTR:
		attr.attr = *attr_of(in->nodeid);
		return reply(in->unique, 0, &attr, sizeof attr);
	case FUSE_READLINK:
		return in->nodeid == PROC ? reply(in->unique, 0, "/proc", 5) : reply(in->unique, 0, "file", 4);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return reply(in->unique, 0, &open, sizeof open);
	case FUSE_READ:
		return read_file(in, body);
	case FUSE_STATFS:
		return reply(in->unique, 0, &statfs, sizeof statfs);
	case FUSE_GETXATTR:
		return reply(in->unique, ENODATA, NULL, 0);
	case FUSE_ACCESS:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return reply(in->unique, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return reply(in->unique, ENOSYS, NULL, 0);
	}
}

/* Until the file system is unmounted or the parent has ended: another's death signal would not be for root. */
static void serve(void)
{
	static char in[1 << 18];
	pid_t parent = getppid();
	for (;;) {
		struct pollfd wait = { .fd = device, .events = POLLIN };
		if (poll(&wait, 1, 200) == 0) {
			if (getppid() != parent)
				_exit(0);
			continue;
		}
		ssize_t got = read(device, in, sizeof in);
		if (got < 0 && errno == ENODEV)
			_exit(0);
		if (got < 0)
			continue;
		struct fuse_in_header *header = (void *)in;
		if (header->opcode != FUSE_FORGET)
			do_something_else();
		answer(header, header + 1);
	}
}

static void load_program(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat stat;
	if (fd < 0 || fstat(fd, &stat))
		exit(2);
	program = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	attrs[PROGRAM].size = stat.st_size;
	close(fd);
}

static void mount_at(const char *dir, int fd, const char *more)
{
	char options[128];
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0%s", fd, more);
	if (mount("fuse", dir, "fuse", MS_NOSUID | MS_NODEV, options)) {
		perror("mount");
		exit(77);
	}
}

static const char *said(int result)
{
	return result < 0 ? strerrorname_np(errno) : "done";
}

static void show(const char *name)
{
	struct stat stat;
	const char *result = said(lstat(name, &stat));
	printf("%s: %s", name, result);
	if (!strcmp(result, "done"))
		printf(" %o %u:%u", stat.st_mode, stat.st_uid, stat.st_gid);
	printf("\n");
}

/* Whatever the tracer looks files up for. */
static int use(const char *dir)
{
	char text[16] = "", path[4096];
	printf("cd: %s\n", said(chdir(dir)));
	show("file");
	printf("chown: %s\n", said(chown("file", 33, 44)));
	show("file");
	printf("chown through a link: %s\n", said(chown("link", 34, 44)));
	show("file");
	printf("lchown: %s\n", said(lchown("link", 1, 2)));
	show("link");
	printf("chmod: %s\n", said(chmod("file", 0640)));
	show("file");
	printf("chown of nothing: %s\n", said(chown("none", 1, 1)));
	int fd = open("file", O_RDONLY);
	printf("read: %zd %s", read(fd, text, sizeof text), text);
	printf("fchown: %s\n", said(fchown(fd, 35, -1)));
	printf("fchmod: %s\n", said(fchmod(fd, 0600)));
	show("file");
	printf("getxattr: %s\n", said(getxattr("file", "user.x", text, sizeof text)));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	printf("chown by a link of proc: %s\n", said(chown(path, 36, -1)));
	printf("absolute chown: %s\n", said(chown(realpath("directory", path), 5, 6)));
	show("directory");
	printf("\n");
	fflush(stdout);
	/* A program whose pages come from there, names of files among them. */
	pid_t pid = fork();
	if (!pid) {
		execl("./program", "program", "paths", (char *)NULL);
		_exit(3);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("program: %d\n", status);
	pid = fork();
	if (!pid) {
		printf("chroot: %s\n", said(chroot(".")));
		printf("chown in it: %s\n", said(chown("/../file", 40, 41)));
		show("/file");
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return chdir("/");
}

static void show_self(uint64_t resolve)
{
	char text[4096] = "";
	struct open_how how = { .flags = O_RDONLY, .resolve = resolve };
	int fd = syscall(SYS_openat2, AT_FDCWD, "proc/self/status", &how, sizeof how);
	printf("openat2 %#jx: %s", (uintmax_t)resolve, said(fd));
	if (read(fd, text, sizeof text - 1) > 0)
		printf(" %.*s", (int)strcspn(strstr(text, "TracerPid"), "\n"), strstr(text, "TracerPid"));
	printf("\n");
	close(fd);
}

/* Files of /proc by way of a file system that must be asked, by one who sees users' tasks there. */
static int see(const char *dir)
{
	char list[4096];
	int ready[2], quit[2];
	if (pipe(ready) || pipe(quit))
		return 2;
	pid_t pid = fork();
	if (!pid) {
		close(quit[1]);
		_exit(setresuid(33, 33, 33) || write(ready[1], "", 1) != 1 || read(quit[0], list, 1) != 0);
	}
	if (read(ready[0], list, 1) != 1)
		return 2;
	close(quit[0]);
	printf("cd: %s\n", said(chdir(dir)));
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	printf("list: %s\n", said(syscall(SYS_getdents64, fd, list, sizeof list)));
	close(fd);
	fd = open("/proc", O_RDONLY | O_DIRECTORY);
	printf("list of tasks: %s\n", said(syscall(SYS_getdents64, fd, list, sizeof list)));
	close(fd);
	show_self(0);
	show_self(RESOLVE_NO_MAGICLINKS);
	show_self(RESOLVE_NO_SYMLINKS);
	/* With a second /proc, or what may be one. */
	if (mount("proc", "/proc", "proc", 0, NULL) == 0)
		umount2("/proc", MNT_DETACH);
	show_self(RESOLVE_NO_MAGICLINKS);
	fd = open("file", O_RDONLY);
	printf("file: %s\n", said(fd));
	close(fd);
	printf("no file of a task: %s\n", said(open("directory/status", O_RDONLY)));
	close(quit[1]);
	int status;
	waitpid(pid, &status, 0);
	printf("user: %d\n", status);
	return chdir("/");
}

/* Executed from the file system itself. */
static int paths(void)
{
	show("directory");
	printf("chown: %s\n", said(chown("file", 50, 51)));
	show("file");
	return 0;
}

/* One process waits for ever; nobody else does. It ends with the server, or is killed, which the kernel itself would
 * let wait, too. */
static int stuck(const char *dir, pid_t server, int kills)
{
	struct stat stat;
	if (chdir(dir))
		return 2;
	pid_t pid = fork();
	if (!pid) {
		int result = chown("stuck", 1, 1);
		_exit(result < 0 ? errno : 0);
	}
	usleep(200000);
	printf("chown beside it: %s\n", said(chown("file", 33, 44)));
	show("file");
	for (int i = 0; i < 200; i++)
		if (lstat("file", &stat) || stat.st_uid != 33)
			printf("wrong\n");
	int status;
	printf("still waiting: %d\n", waitpid(pid, &status, WNOHANG));
	kill(kills ? pid : server, SIGKILL);
	waitpid(pid, &status, 0);
	printf("ended: %s\n", WIFSIGNALED(status) ? "killed" : strerrorname_np(WEXITSTATUS(status)));
	return chdir("/");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "paths"))
		return paths();
	if (argc < 3)
		return 2;
	setbuf(stdout, NULL);
	umask(022);
	load_program();
	close(open("served", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	const char *owner = getenv("FUSE_OWNER");
	for (int node = ROOT; owner && node < COUNT; node++)
		attrs[node].uid = attrs[node].gid = atoi(owner);
	if (!strcmp(argv[1], "visit"))
		return !strcmp(argv[3], "use") ? use(argv[2]) : stuck(argv[2], 0, 1);
	int given = !strcmp(argv[1], "given"), serves = !strcmp(argv[1], "serve");
	const char *node = getenv("FUSE_DEVICE");
	device = given ? CONNECTION : open(node ? node : "/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0) {
		perror("/dev/fuse");
		return 77;
	}
	if (serves || !strcmp(argv[1], "mount")) {
		uid_t uid = atoi(argv[2]);
		dup2(device, CONNECTION);
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			return 2;
		mount_at(argv[3], CONNECTION, ",allow_other");
		if (serves && !fork()) {
			device = CONNECTION;
			serve();
		}
		if (serves)
			close(CONNECTION);
		if (setgid(uid) || setuid(uid))
			return 2;
		execv(argv[4], argv + 4);
		return 2;
	}
	if (!given) {
		if (unshare(CLONE_NEWNS))
			return 77;
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		mount_at(argv[2], device, "");
	}
	pid_t server = fork();
	if (!server)
		serve();
	close(device);
	const char *what = argc > 3 ? argv[3] : "use";
	int is_use = !strcmp(what, "use"), is_proc = !strcmp(what, "proc");
	int result = is_use ? use(argv[2]) : is_proc ? see(argv[2]) : stuck(argv[2], server, !strcmp(what, "killed"));
	if (!given)
		printf("umount: %s\n", said(umount2(argv[2], MNT_DETACH)));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return result;
}
