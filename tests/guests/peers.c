/* What tasks of different users may do to each other, and see of each other: peers SCENARIO. What is wrong is printed,
 * and how much that is: the same natively, as real root, and under remainroot. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "checks.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif


static void become(int id)
{
	gid_t groups[2] = { id, id + 1000 };
	CHECK(setgroups(2, groups) == 0);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
	prctl(PR_SET_DUMPABLE, 1);
}

/* Runs a step as a user. */
static void as_user(int id, void (*step)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		become(id);
		step();
		_exit(0);
	}
	ended_well(pid);
}

/* A process of a user that waits, in a group of its own (0: a new one) or in ours (-1). */
static pid_t sleeper(int id, int group)
{
	int ready[2];
	char byte;
	CHECK(pipe(ready) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (group >= 0)
			setpgid(0, group);
		if (id)
			become(id);
		signal(SIGTERM, SIG_DFL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int killed_by(pid_t pid)
{
	int status = -1;
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void put_down(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(killed_by(pid) == SIGKILL);
}

static pid_t of_root, of_33, of_34, leader, gone;

static void signals_of_33(void)
{
	siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_QUEUE };
	CHECK(kill(getpid(), 0) == 0);
	CHECK(FAILS(kill(of_root, 0), EPERM));
	CHECK(FAILS(kill(of_root, SIGTERM), EPERM));
	CHECK(FAILS(kill(of_34, SIGTERM), EPERM));
	CHECK(kill(of_33, 0) == 0);
	CHECK(FAILS(kill(of_root, 65), EINVAL));
	CHECK(FAILS(kill(0x3ffffff, 0), ESRCH));
	/* All of us are of one session. */
	CHECK(kill(of_root, SIGCONT) == 0);
	CHECK(FAILS(syscall(SYS_tkill, of_root, SIGTERM), EPERM));
	CHECK(FAILS(syscall(SYS_tgkill, of_root, of_root, SIGTERM), EPERM));
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
	CHECK(FAILS(syscall(SYS_rt_sigqueueinfo, of_root, SIGTERM, &info), EPERM));
	CHECK(FAILS(syscall(SYS_rt_tgsigqueueinfo, of_root, of_root, SIGTERM, &info), EPERM));
	int handle = syscall(SYS_pidfd_open, of_root, 0);
	if (handle >= 0) {
		CHECK(FAILS(syscall(SYS_pidfd_send_signal, handle, SIGTERM, NULL, 0), EPERM));
		close(handle);
	}
	CHECK(FAILS(kill(-of_root, SIGTERM), EPERM));
	/* One that may be signalled is enough, and nobody else is. */
	CHECK(kill(-leader, SIGTERM) == 0);
	CHECK(kill(of_33, SIGTERM) == 0);
}

static int signals(void)
{
	of_root = sleeper(0, 0);
	of_33 = sleeper(33, 0);
	of_34 = sleeper(34, 0);
	leader = sleeper(0, 0);
	pid_t other = sleeper(33, leader);
	as_user(33, signals_of_33);
	CHECK(killed_by(of_33) == SIGTERM);
	CHECK(killed_by(other) == SIGTERM);
	CHECK(waitpid(leader, NULL, WNOHANG) == 0);
	CHECK(waitpid(of_root, NULL, WNOHANG) == 0);
	put_down(of_root);
	put_down(leader);
	/* Root signals everybody. */
	CHECK(kill(of_34, SIGTERM) == 0);
	CHECK(killed_by(of_34) == SIGTERM);
	return 0;
}

static void everybody_of_4711(void)
{
	CHECK(kill(-1, SIGTERM) == 0);
}

/* Nobody else has this id. */
static int everybody(void)
{
	of_root = sleeper(0, -1);
	of_33 = sleeper(4711, -1);
	as_user(4711, everybody_of_4711);
	CHECK(killed_by(of_33) == SIGTERM);
	CHECK(waitpid(of_root, NULL, WNOHANG) == 0);
	put_down(of_root);
	as_user(4711, everybody_of_4711);
	return 0;
}

/* `struct sched_attr` of sched_setattr(2), which this libc does not have. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Written to in the memory of others. */
static char spot;

static void priorities_of_4711(void)
{
	struct sched_param param = { 0 };
	struct attributes attributes = { .size = sizeof attributes, .policy = SCHED_BATCH, .nice = 11 };
	struct rlimit limit;
	cpu_set_t set;
	CHECK(FAILS(setpriority(PRIO_PROCESS, of_root, 10), EPERM));
	CHECK(setpriority(PRIO_PROCESS, of_33, 10) == 0);
	CHECK(FAILS(setpriority(PRIO_PGRP, of_root, 10), EPERM));
	CHECK(FAILS(sched_setscheduler(of_root, SCHED_BATCH, &param), EPERM));
	CHECK(sched_setscheduler(of_33, SCHED_BATCH, &param) == 0);
	CHECK(FAILS(sched_setparam(of_root, &param), EPERM));
	CHECK(FAILS(syscall(SYS_sched_setattr, of_root, &attributes, 0), EPERM));
	CHECK(syscall(SYS_sched_setattr, of_33, &attributes, 0) == 0);
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
	CHECK(FAILS(sched_setaffinity(of_root, sizeof set, &set), EPERM));
	CHECK(sched_setaffinity(of_33, sizeof set, &set) == 0);
	CHECK(FAILS(syscall(SYS_ioprio_set, 1, of_root, 2 << 13 | 5), EPERM));
	CHECK(syscall(SYS_ioprio_set, 1, of_33, 2 << 13 | 5) == 0);
	CHECK(FAILS(prlimit(of_root, RLIMIT_NOFILE, NULL, &limit), EPERM));
	CHECK(prlimit(of_33, RLIMIT_NOFILE, NULL, &limit) == 0);
	CHECK(prlimit(0, RLIMIT_NOFILE, NULL, &limit) == 0);
	CHECK(FAILS(syscall(SYS_prlimit64, of_root, RLIMIT_NOFILE, NULL, NULL), EPERM));
	CHECK(syscall(SYS_prlimit64, of_33, RLIMIT_NOFILE, NULL, NULL) == 0);
	/* Into whose memory one may look. */
	char byte = 'x', seen = 0;
	struct iovec to = { &seen, 1 }, from = { &byte, 1 };
	CHECK(FAILS(process_vm_readv(of_root, &to, 1, &from, 1, 0), EPERM));
	CHECK(process_vm_readv(of_33, &to, 1, &from, 1, 0) == 1);
	struct iovec there = { &spot, 1 };
	CHECK(FAILS(process_vm_writev(of_root, &from, 1, &there, 1, 0), EPERM));
	CHECK(process_vm_writev(of_33, &from, 1, &there, 1, 0) == 1);
	/* KCMP_VM, and KCMP_FILE of the first descriptor. */
	CHECK(FAILS(syscall(SYS_kcmp, getpid(), of_root, 1, 0, 0), EPERM));
	CHECK(FAILS(syscall(SYS_kcmp, of_root, getpid(), 0, 0, 0), EPERM));
	CHECK(syscall(SYS_kcmp, getpid(), of_33, 1, 0, 0) > 0);
}

static int priorities(void)
{
	of_root = sleeper(0, 0);
	of_33 = sleeper(4711, 0);
	as_user(4711, priorities_of_4711);
	CHECK(getpriority(PRIO_PROCESS, of_root) == 0);
	/* Those of a user. */
	CHECK(setpriority(PRIO_USER, 4711, 15) == 0);
	CHECK(getpriority(PRIO_PROCESS, of_33) == 15);
	CHECK(getpriority(PRIO_USER, 4711) == 15);
	CHECK(getpriority(PRIO_PROCESS, of_root) == 0);
	CHECK(FAILS(setpriority(PRIO_USER, 4712, 15), ESRCH));
	put_down(of_33);
	put_down(of_root);
	return 0;
}

static void is_peer(int fd, pid_t pid, unsigned uid, unsigned gid)
{
	struct ucred cred = { 0 };
	socklen_t length = sizeof cred;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0);
	CHECK(length == sizeof cred);
	CHECK(cred.pid == pid);
	CHECK(cred.uid == uid);
	CHECK(cred.gid == gid);
	/* As much as there is room for. */
	memset(&cred, 0x55, sizeof cred);
	length = 6;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0);
	CHECK(length == 6);
	CHECK(cred.uid == (0x55550000 | (uid & 0xffff)));
	CHECK(cred.gid == 0x55555555);
}

static int listener(struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memset(name, 0, sizeof *name);
	name->sun_family = AF_UNIX;
	snprintf(name->sun_path + 1, sizeof name->sun_path - 1, "peers-%d", getpid());
	CHECK(bind(fd, (struct sockaddr *)name, sizeof *name) == 0);
	CHECK(listen(fd, 5) == 0);
	return fd;
}

/* A client of a user that has connected, and waits or is gone. */
static int client(int server, struct sockaddr_un *name, int id, int stays, pid_t *pid)
{
	*pid = fork();
	if (*pid == 0) {
		if (id)
			become(id);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(connect(fd, (struct sockaddr *)name, sizeof *name) == 0);
		is_peer(fd, getppid(), 0, 0);
		while (stays)
			pause();
		_exit(0);
	}
	int fd = accept(server, NULL, NULL);
	CHECK(fd >= 0);
	if (!stays)
		ended_well(*pid);
	return fd;
}

static int sockets(void)
{
	struct sockaddr_un name;
	int server = listener(&name), pair[2];
	pid_t pid;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	is_peer(pair[0], getpid(), 0, 0);
	int fd = client(server, &name, 0, 1, &pid);
	is_peer(fd, pid, 0, 0);
	put_down(pid);
	fd = client(server, &name, 33, 1, &pid);
	is_peer(fd, pid, 33, 33);
	/* Its groups. */
	gid_t groups[8] = { 7, 7, 7, 7, 7, 7, 7, 7 };
	socklen_t length = 4;
	CHECK(FAILS(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length), ERANGE));
	CHECK(length == 8 && groups[0] == 7);
	length = sizeof groups;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0);
	CHECK(length == 8 && groups[0] == 33 && groups[1] == 1033 && groups[2] == 7);
	/* Others are asked the same, and by others. */
	pid_t asker = fork();
	if (asker == 0) {
		become(34);
		is_peer(fd, pid, 33, 33);
		_exit(0);
	}
	ended_well(asker);
	put_down(pid);
	is_peer(fd, pid, 33, 33);
	fd = client(server, &name, 34, 0, &gone);
	is_peer(fd, gone, 34, 34);
	return 0;
}

/* Whether a status file, opened from a directory, says that. */
static int tells(int dir, const char *path, const char *line)
{
	static char text[16384];
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), length = 0, more;
	if (fd < 0)
		return 0;
	while ((more = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += more;
	close(fd);
	text[length] = 0;
	return strstr(text, line) != NULL;
}

static int owned_by(const char *path, unsigned uid, unsigned gid)
{
	struct stat stat;
	int result = lstat(path, &stat);
	return result == 0 && stat.st_uid == uid && stat.st_gid == gid;
}

static void views_of_33(void)
{
	char path[64];
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\n"));
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nGroups:\t33 1033 \n"));
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"));
	CHECK(tells(AT_FDCWD, "/proc/thread-self/status", "\nUid:\t33\t"));
	CHECK(owned_by("/proc/self/", 33, 33));
	CHECK(owned_by("/proc/self/stat", 33, 33));
	snprintf(path, sizeof path, "/proc/%d", of_root);
	CHECK(owned_by(path, 0, 0));
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(tells(dir, "status", "\nUid:\t0\t0\t0\t0\n"));
	snprintf(path, sizeof path, "task/%d/status", of_root);
	CHECK(tells(dir, path, "\nUid:\t0\t0\t0\t0\n"));
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nNoNewPrivs:\t0\n"));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nNoNewPrivs:\t1\n"));
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nTracerPid:\t0\n"));
	/* What else is called so. */
	CHECK(FAILS(open("/proc/self/fd/status", O_RDONLY), ENOENT));
	prctl(PR_SET_DUMPABLE, 0);
	CHECK(owned_by("/proc/self/", 33, 33));
	CHECK(owned_by("/proc/self/stat", 0, 0));
}

static int views(void)
{
	char path[64];
	of_root = sleeper(0, 0);
	of_33 = sleeper(33, 0);
	snprintf(path, sizeof path, "/proc/%d", of_33);
	CHECK(owned_by(path, 33, 33));
	/* As ps and pgrep find it. */
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;
	while ((entry = readdir(proc)))
		if (atoi(entry->d_name) == of_33) {
			found++;
			snprintf(path, sizeof path, "%d/status", of_33);
			CHECK(tells(dirfd(proc), path, "\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\n"));
			CHECK(tells(dirfd(proc), path, "\nGroups:\t33 1033 \n"));
		}
	CHECK(found == 1);
	CHECK(tells(AT_FDCWD, "/proc/self/status", "\nUid:\t0\t0\t0\t0\n"));
	as_user(33, views_of_33);
	put_down(of_33);
	put_down(of_root);
	return 0;
}

static int channel[2];

/* Sends a byte, naming somebody if that is wanted: from memory that nobody writes to. */
static int send_as(const struct ucred *named)
{
	struct letter {
		char byte;
		union { char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof *named)]; struct cmsghdr align; } control;
		struct iovec iov;
		struct msghdr message;
	} *letter;
	const size_t page = 4096;
	letter = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	letter->iov = (struct iovec){ &letter->byte, 1 };
	letter->message = (struct msghdr){ .msg_iov = &letter->iov, .msg_iovlen = 1 };
	struct cmsghdr *one = NULL;
	if (named) {
		/* Behind a descriptor. */
		letter->message.msg_control = &letter->control;
		letter->message.msg_controllen = sizeof letter->control.bytes;
		one = CMSG_FIRSTHDR(&letter->message);
		one->cmsg_level = SOL_SOCKET;
		one->cmsg_type = SCM_RIGHTS;
		one->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(one), &channel[0], sizeof(int));
		one = CMSG_NXTHDR(&letter->message, one);
		one->cmsg_level = SOL_SOCKET;
		one->cmsg_type = SCM_CREDENTIALS;
		one->cmsg_len = CMSG_LEN(sizeof *named);
		memcpy(CMSG_DATA(one), named, sizeof *named);
	}
	CHECK(mprotect(letter, page, PROT_READ) == 0);
	int sent = sendmsg(channel[1], &letter->message, 0), error = errno;
	CHECK(!named || !memcmp(CMSG_DATA(one), named, sizeof *named));
	munmap(letter, page);
	errno = error;
	return sent;
}

static void is_sender(pid_t pid, unsigned uid, unsigned gid)
{
	char byte;
	union { char bytes[256]; struct cmsghdr align; } control;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes };
	struct ucred sender = { 0, -1, -1 };
	CHECK(recvmsg(channel[0], &message, 0) == 1);
	for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
		if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS)
			memcpy(&sender, CMSG_DATA(one), sizeof sender);
	CHECK(sender.pid == pid);
	CHECK(sender.uid == uid);
	CHECK(sender.gid == gid);
}

static void messages_of_33(void)
{
	struct ucred me = { getpid(), 33, 33 }, root = { getpid(), 0, 33 }, group = { getpid(), 33, 0 };
	struct ucred other = { getppid(), 33, 33 };
	CHECK(send_as(NULL) == 1);
	CHECK(send_as(&me) == 1);
	CHECK(FAILS(send_as(&root), EPERM));
	CHECK(FAILS(send_as(&group), EPERM));
	CHECK(FAILS(send_as(&other), EPERM));
	CHECK(write(channel[1], "", 1) == 1);
}

static int messages(void)
{
	int on = 1;
	struct ucred me = { getpid(), 0, 0 }, user = { getpid(), 33, 33 };
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
	CHECK(setsockopt(channel[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	CHECK(send_as(NULL) == 1);
	is_sender(getpid(), 0, 0);
	CHECK(send_as(&me) == 1);
	is_sender(getpid(), 0, 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(33);
		messages_of_33();
		for (;;)
			pause();
	}
	is_sender(pid, 33, 33);
	is_sender(pid, 33, 33);
	is_sender(pid, 33, 33);
	put_down(pid);
	/* Of one that is gone. */
	pid = fork();
	if (pid == 0) {
		become(34);
		CHECK(send_as(NULL) == 1);
		_exit(0);
	}
	ended_well(pid);
	is_sender(pid, 34, 34);
	CHECK(send_as(NULL) == 1);
	is_sender(getpid(), 0, 0);
	CHECK(send_as(&user) == 1);
	return 0;
}

/* All this in a pid namespace with a /proc of its own. */
static int other_proc(void)
{
	CHECK(unshare(CLONE_NEWPID | CLONE_NEWNS) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char self[16] = "";
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0);
		/* A container that hides parts of /proc is refused a new one, and has the old one again. */
		if (readlink("/proc/self", self, sizeof self - 1) == 1 && !strcmp(self, "1")) {
			views();
			sockets();
			messages();
		}
		_exit(0);
	}
	ended_well(pid);
	return 0;
}

enum { MANY = 3 };

/* Several messages at once, each with the credentials that it is given. */
struct many {
	struct mmsghdr headers[MANY];
	struct iovec data[MANY];
	union {
		char bytes[256];
		struct cmsghdr align;
	} control[MANY];
	char byte[MANY];
};

static struct many *prepare(struct many *many)
{
	memset(many, 0, sizeof *many);
	for (int n = 0; n < MANY; n++) {
		struct msghdr *header = &many->headers[n].msg_hdr;
		many->data[n] = (struct iovec){ &many->byte[n], 1 };
		header->msg_iov = &many->data[n];
		header->msg_iovlen = 1;
		header->msg_control = &many->control[n];
		header->msg_controllen = CMSG_SPACE(sizeof(struct ucred));
	}
	return many;
}

static void name_sender(struct many *many, int n, struct ucred who)
{
	struct cmsghdr *control = &many->control[n].align;
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_CREDENTIALS;
	control->cmsg_len = CMSG_LEN(sizeof who);
	memcpy(CMSG_DATA(control), &who, sizeof who);
}

static void many_messages_of_33(void)
{
	struct many many;
	struct ucred me = { getpid(), 33, 33 }, root = { getpid(), 0, 33 };
	for (int refused = MANY; refused >= 0; refused--) {
		prepare(&many);
		for (int n = 0; n < MANY; n++)
			name_sender(&many, n, n == refused ? root : me);
		/* Those before the one that may not be sent are. */
		int sent = syscall(SYS_sendmmsg, channel[1], many.headers, MANY, 0);
		CHECK(refused ? sent == refused : sent == -1 && errno == EPERM);
		struct ucred last;
		memcpy(&last, CMSG_DATA(&many.control[MANY - 1].align), sizeof last);
		CHECK(last.uid == (refused == MANY - 1 ? 0 : 33));
	}
	CHECK(write(channel[1], "", 1) == 1);
}

static int many_messages(void)
{
#ifdef SYS_recvmmsg_time64
	const int calls[] = { SYS_recvmmsg, SYS_recvmmsg_time64 };
#else
	const int calls[] = { SYS_recvmmsg, SYS_recvmmsg };
#endif
	int on = 1;
	struct many many;
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
	CHECK(setsockopt(channel[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(33);
		many_messages_of_33();
		for (;;)
			pause();
	}
	/* Three, two, one, none, and the last one. */
	for (int left = 7, round = 0; left > 0; round++) {
		int got = syscall(calls[round % 2], channel[0], prepare(&many)->headers, MANY, MSG_WAITFORONE, NULL);
		CHECK(got > 0);
		for (int n = 0; n < got && n < MANY; n++) {
			struct cmsghdr *control = CMSG_FIRSTHDR(&many.headers[n].msg_hdr);
			struct ucred who = { 0 };
			CHECK(control && control->cmsg_type == SCM_CREDENTIALS);
			if (control)
				memcpy(&who, CMSG_DATA(control), sizeof who);
			CHECK(who.pid == pid && who.uid == 33 && who.gid == 33);
		}
		left -= got > 0 ? got : left;
	}
	put_down(pid);
	return 0;
}

enum { LETTERS = 100, LETTER = 2000, NEAR = 1024 };

/* A small stack, as coroutines have, and what is below its end. Others use that while a call of the former waits. */
static struct neighbours {
	_Alignas(64) volatile unsigned char below[32 * 1024], stack[8 * 1024];
	/* What is theirs ends here. */
	volatile unsigned char *volatile end;
	volatile int sent, intact;
	struct mmsghdr headers[LETTERS];
	struct iovec data[LETTERS];
	union { char bytes[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr align; } control[LETTERS];
	char letter[LETTER];
} *near;

static ucontext_t outside, coroutine;

static void send_from_small_stack(void)
{
	volatile char used[6500];
	used[0] = used[sizeof used - 1] = 0;
	near->end = (unsigned char *)used - NEAR;
	near->sent = syscall(SYS_sendmmsg, channel[1], near->headers, LETTERS, 0);
	int intact = 1;
	for (volatile unsigned char *at = near->below; at < near->end; at++)
		intact &= *at == 0x5a;
	near->intact = intact;
}

static void from_small_stack(void)
{
	struct ucred me = { getpid(), 33, 33 };
	for (int n = 0; n < LETTERS; n++) {
		struct msghdr *header = &near->headers[n].msg_hdr;
		struct cmsghdr *control = &near->control[n].align;
		near->data[n] = (struct iovec){ near->letter, LETTER };
		*header = (struct msghdr){ .msg_iov = &near->data[n], .msg_iovlen = 1, .msg_control = control };
		header->msg_controllen = sizeof near->control[n].bytes;
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_CREDENTIALS;
		control->cmsg_len = CMSG_LEN(sizeof me);
		memcpy(CMSG_DATA(control), &me, sizeof me);
	}
	CHECK(getcontext(&coroutine) == 0);
	coroutine.uc_stack.ss_sp = (void *)near->stack;
	coroutine.uc_stack.ss_size = sizeof near->stack;
	coroutine.uc_link = &outside;
	makecontext(&coroutine, send_from_small_stack, 0);
	CHECK(swapcontext(&outside, &coroutine) == 0);
	CHECK(near->sent == LETTERS);
	CHECK(near->intact);
	for (int n = 0; n < LETTERS; n++)
		CHECK(near->headers[n].msg_len == LETTER);
	CHECK(write(channel[1], "", 1) == 1);
}

static int small_stack(void)
{
	char letter[LETTER];
	int room = 4096, left = LETTERS;
	near = mmap(NULL, sizeof *near, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
	CHECK(setsockopt(channel[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(channel[0]);
		become(33);
		from_small_stack();
		_exit(0);
	}
	close(channel[1]);
	/* One is here, and there is not room for all others: the call waits. */
	CHECK(recv(channel[0], letter, sizeof letter, 0) == LETTER);
	for (volatile unsigned char *at = near->below; at < near->end; at++)
		*at = 0x5a;
	while (--left > 0)
		CHECK(recv(channel[0], letter, sizeof letter, 0) == LETTER);
	CHECK(recv(channel[0], letter, sizeof letter, 0) == 1);
	ended_well(pid);
	return 0;
}

/* Whether a program that a user has become shows to that user what it has in memory. Exit status. */
static int shows(void)
{
	struct stat stat;
	int dumpable = prctl(PR_GET_DUMPABLE);
	if (lstat("/proc/self/stat", &stat) != 0 || (stat.st_uid != geteuid()) != (dumpable == 0 && geteuid()))
		return 9;
	return dumpable;
}

/* Copies of this program. */
static int programs(void)
{
	static const struct {
		int uid, gid, mode, capabilities, shows;
	} files[] = {
		{ 0, 0, 0755, 0, 1 }, { 0, 0, 0711, 0, 0 }, { 0, 33, 0750, 0, 1 }, { 0, 33, 0710, 0, 0 },
		{ 33, 33, 0311, 0, 0 }, { 33, 33, 0755, 0, 1 }, { 34, 34, 04755, 0, 0 }, { 33, 33, 04755, 0, 1 },
		{ 0, 34, 02755, 0, 0 }, { 0, 33, 02755, 0, 1 }, { 0, 0, 0755, 1, 0 }, { 0, 0, 04755, 0, 0 },
	};
	const uint32_t net_raw[] = { 0x02000001, 1 << 13, 0, 0, 0 };
	char command[300], self[256] = "";
	CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
	for (unsigned n = 0; n < sizeof files / sizeof *files; n++) {
		char name[] = "./program";
		snprintf(command, sizeof command, "cp %s %s", self, name);
		CHECK(system(command) == 0);
		CHECK(chown(name, files[n].uid, files[n].gid) == 0);
		CHECK(chmod(name, files[n].mode) == 0);
		if (files[n].capabilities)
			CHECK(setxattr(name, "security.capability", net_raw, sizeof net_raw, 0) == 0);
		for (int id = 0; id <= 33; id += 33) {
			int status = -1, changes = files[n].uid == 34 || files[n].gid == 34;
			pid_t pid = fork();
			if (pid == 0) {
				if (id)
					become(id);
				execl(name, name, "shows", NULL);
				_exit(8);
			}
			CHECK(waitpid(pid, &status, 0) == pid);
			int expected = id ? files[n].shows : !changes && !(files[n].uid == 33 && files[n].mode & S_ISUID) && !(files[n].gid == 33 && files[n].mode & S_ISGID);
			if (WEXITSTATUS(status) != expected)
				printf("%o of %d:%d by %d: %d\n", files[n].mode, files[n].uid, files[n].gid, id, WEXITSTATUS(status));
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
		}
		CHECK(unlink(name) == 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "shows"))
		return shows();
	static const struct scenario scenarios[] = {
		{ "signals", signals }, { "everybody", everybody }, { "priorities", priorities },
		{ "sockets", sockets }, { "views", views }, { "other-proc", other_proc },
		{ "programs", programs }, { "messages", messages }, { "many-messages", many_messages },
		{ "small-stack", small_stack },
	};
	begin();
	return play(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
