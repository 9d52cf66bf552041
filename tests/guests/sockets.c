/* Whose ids the ends of sockets show to each other: sockets SCENARIO. What is wrong is printed, and how much that is: the
 * same natively, as real root, and under remainroot. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "checks.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define IS_PEER(fd, pid, id) is_peer(fd, pid, id, id, __LINE__)

/* Whether calls are made by numbers of their own: on i386, the C library has one for all of them. */
static int directly;

static int do_connect(int fd, struct sockaddr_un *name)
{
	return directly ? syscall(SYS_connect, fd, name, sizeof *name) : connect(fd, (void *)name, sizeof *name);
}

static int do_listen(int fd)
{
	return directly ? syscall(SYS_listen, fd, 9) : listen(fd, 9);
}

static int do_pair(int type, int *fds)
{
	return directly ? syscall(SYS_socketpair, AF_UNIX, type, 0, fds) : socketpair(AF_UNIX, type, 0, fds);
}

/* Nobody but the ids of the moment: root can go back. */
static void seem(int id)
{
	gid_t groups[2] = { id, id + 1000 };
	CHECK(setresuid(-1, 0, -1) == 0);
	CHECK(setgroups(id ? 2 : 0, groups) == 0);
	CHECK(setresgid(-1, id, -1) == 0);
	CHECK(setresuid(-1, id, -1) == 0);
}

static void become(int id)
{
	seem(id);
	CHECK(setresgid(id, id, id) == 0);
	CHECK(setresuid(id, id, id) == 0);
}

static void is_peer(int fd, pid_t pid, unsigned uid, unsigned gid, int line)
{
	struct ucred cred = { 0 };
	socklen_t length = sizeof cred;
	gid_t groups[8];
	int done = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0;
	check(done, "SO_PEERCRED", line);
	if (cred.pid != pid || cred.uid != uid || cred.gid != gid) {
		printf("%d:%d:%d and not %d:%d:%d\n", cred.pid, cred.uid, cred.gid, pid, uid, gid);
		check(0, "peer", line);
	}
	if (uid && pid) {
		length = sizeof groups;
		done = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0;
		check(done && length == 2 * sizeof *groups && groups[0] == uid && groups[1] == uid + 1000, "groups", line);
	}
}

static int new_socket(int type)
{
	int fd = socket(AF_UNIX, type, 0);
	CHECK(fd >= 0);
	return fd;
}

/* A name that nothing listens on: of a file, or abstract. */
static struct sockaddr_un new_name(int is_file)
{
	static int count;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path + !is_file, sizeof name.sun_path - 1, "%s-%d-%d", is_file ? "socket" : "sockets", getpid(), count++);
	return name;
}

/* What listens there, as a user. */
static int listener(int type, struct sockaddr_un *name, int id)
{
	int fd = new_socket(type);
	CHECK(bind(fd, (struct sockaddr *)name, sizeof *name) == 0);
	seem(id);
	CHECK(do_listen(fd) == 0);
	seem(0);
	return fd;
}

/* What has connected to there, as a user. */
static int client(int type, struct sockaddr_un *name, int id)
{
	int fd = new_socket(type);
	seem(id);
	CHECK(do_connect(fd, name) == 0);
	seem(0);
	return fd;
}

/* One process is all of them at its time, in this order: a user, root, and another user. */
static void at_their_time(int type, int is_file)
{
	const int ids[] = { 33, 0, 34 };
	struct sockaddr_un name = new_name(is_file), other = new_name(is_file);
	pid_t me = getpid();
	int server = listener(type, &name, 35), of_root = listener(type, &other, 0), fds[3], ends[3];
	for (int n = 0; n < 3; n++) {
		fds[n] = client(type, &name, ids[n]);
		/* Nobody has accepted yet. */
		IS_PEER(fds[n], me, 35);
		int fd = client(type, &other, ids[n]);
		IS_PEER(fd, me, 0);
		int end = accept(of_root, NULL, NULL);
		IS_PEER(end, me, ids[n]);
		close(fd);
		close(end);
	}
	for (int n = 0; n < 3; n++) {
		ends[n] = accept(server, NULL, NULL);
		IS_PEER(ends[n], me, ids[n]);
		IS_PEER(fds[n], me, 35);
	}
	/* What listens shows whose it is. What is made to listen anew is shown anew. */
	IS_PEER(server, me, 35);
	CHECK(do_listen(server) == 0);
	IS_PEER(server, me, 0);
	int late = client(type, &name, 33);
	IS_PEER(late, me, 0);
	/* Others are asked the same, and by others. */
	pid_t pid = fork();
	if (pid == 0) {
		become(36);
		for (int n = 0; n < 3; n++)
			IS_PEER(ends[n], me, ids[n]);
		IS_PEER(late, me, 0);
		_exit(0);
	}
	ended_well(pid);
	for (int n = 0; n < 3; n++)
		close(ends[n]), close(fds[n]);
	close(late), close(server), close(of_root);
}

/* Whose process lives on as another, or has ended. */
static void of_others(int type, int is_file)
{
	struct sockaddr_un name = new_name(is_file);
	int server = listener(type, &name, 0);
	for (int before = 0; before <= 33; before += 33)
		for (int after = before; after <= 34; after += 34)
			for (int stays = 0; stays < 2; stays++) {
				pid_t pid = fork();
				if (pid == 0) {
					int fd = client(type, &name, before);
					if (after)
						become(after);
					CHECK(write(fd, "", 1) == 1);
					IS_PEER(fd, getppid(), 0);
					while (stays)
						pause();
					_exit(0);
				}
				char byte;
				if (!stays)
					ended_well(pid);
				int fd = accept(server, NULL, NULL);
				CHECK(read(fd, &byte, 1) == 1);
				IS_PEER(fd, pid, before);
				if (stays) {
					kill(pid, SIGKILL);
					waitpid(pid, NULL, 0);
					IS_PEER(fd, pid, before);
				}
				close(fd);
			}
	close(server);
}

/* A server that drops, and whose child goes on as another. */
static void of_servers(int type, int is_file)
{
	for (int before = 0; before <= 33; before += 33) {
		struct sockaddr_un name = new_name(is_file);
		int ready[2];
		char byte;
		CHECK(pipe(ready) == 0);
		pid_t pid = fork();
		if (pid == 0) {
			int fd = listener(type, &name, before);
			pid_t parent = getpid();
			become(34);
			if (fork() == 0) {
				while (getppid() == parent)
					usleep(1000);
				CHECK(write(ready[1], "", 1) == 1);
				int end = accept(fd, NULL, NULL);
				CHECK(read(end, &byte, 1) == 0);
				_exit(0);
			}
			_exit(0);
		}
		ended_well(pid);
		CHECK(read(ready[0], &byte, 1) == 1);
		int fd = client(type, &name, 36);
		IS_PEER(fd, pid, before);
		close(fd);
		close(ready[0]), close(ready[1]);
	}
}

/* Who connected has closed its end already, and is somebody else. */
static void of_closed(int type, int is_file)
{
	struct sockaddr_un name = new_name(is_file), other = new_name(is_file);
	int server = listener(type, &name, 0), elsewhere = listener(type, &other, 0);
	pid_t me = getpid();
	close(client(type, &name, 33));
	close(client(type, &other, 0));
	int end = accept(server, NULL, NULL), far = accept(elsewhere, NULL, NULL);
	IS_PEER(end, me, 33);
	IS_PEER(far, me, 0);
	close(end), close(far), close(server), close(elsewhere);
}

/* What came to nothing leaves nothing behind. */
static void in_vain(int type, int is_file)
{
	struct sockaddr_un name = new_name(is_file), nobody = new_name(is_file);
	int server = listener(type, &name, 0), fd = new_socket(type);
	IS_PEER(fd, 0, -1);
	seem(33);
	CHECK(do_connect(fd, &nobody) == -1);
	CHECK(do_listen(fd) == -1);
	seem(0);
	CHECK(do_connect(fd, &name) == 0);
	int end = accept(server, NULL, NULL);
	IS_PEER(end, getpid(), 0);
	seem(34);
	CHECK(do_connect(fd, &name) == -1 && errno == EISCONN);
	CHECK(do_connect(1, &name) == -1);
	CHECK(do_connect(-1, &name) == -1 && errno == EBADF);
	CHECK(syscall(SYS_connect, fd, 8, sizeof name) == -1 && errno == EFAULT);
	seem(0);
	IS_PEER(end, getpid(), 0);
	close(fd), close(end), close(server);
	/* What was accepted has the name of what listens, and does not listen. */
	name = new_name(is_file), server = listener(type, &name, 33), fd = new_socket(type);
	CHECK(do_connect(fd, &name) == 0);
	end = accept(server, NULL, NULL);
	CHECK(do_listen(end) == -1 && errno == EINVAL);
	IS_PEER(fd, getpid(), 33);
	close(fd), close(end), close(server);
}

static int connections(void)
{
	for (int n = 0; n < 8; n++) {
		int type = n & 1 ? SOCK_SEQPACKET : SOCK_STREAM, is_file = n & 2;
		directly = n & 4;
		at_their_time(type, is_file);
		of_others(type, is_file);
		of_servers(type, is_file);
		of_closed(type, is_file);
		in_vain(type, is_file);
	}
	return 0;
}

static int pairs(void)
{
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	pid_t me = getpid();
	for (int n = 0; n < 12; n++) {
		int fds[2], mine = n & 1 ? 33 : 0;
		directly = n >= 6;
		seem(mine);
		CHECK(do_pair(types[n / 2 % 3], fds) == 0);
		seem(0);
		pid_t pid = fork();
		if (pid == 0) {
			become(34);
			IS_PEER(fds[0], me, mine);
			IS_PEER(fds[1], me, mine);
			_exit(0);
		}
		ended_well(pid);
		IS_PEER(fds[0], me, mine);
		IS_PEER(fds[1], me, mine);
		seem(33);
		CHECK(do_pair(-1, fds) == -1);
		CHECK(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8) == -1 && errno == EFAULT);
		seem(0);
		close(fds[0]), close(fds[1]);
	}
	return 0;
}

/* Sends a descriptor to whom it may concern, or receives one. */
static int pass(int channel, int fd)
{
	char byte = 0;
	union { char bytes[CMSG_SPACE(sizeof fd)]; struct cmsghdr align; } control = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (fd < 0) {
		CHECK(recvmsg(channel, &message, 0) == 1);
		memcpy(&fd, CMSG_DATA(head), sizeof fd);
		return fd;
	}
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	CHECK(sendmsg(channel, &message, 0) == 1);
	return fd;
}

/* Sockets that travel are whose they were. */
static int passed(void)
{
	struct sockaddr_un name = new_name(0);
	int server = listener(SOCK_STREAM, &name, 0), channel[2];
	CHECK(do_pair(SOCK_STREAM, channel) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = client(SOCK_STREAM, &name, 33);
		become(34);
		pass(channel[1], fd);
		_exit(0);
	}
	int fd = pass(channel[0], -1), end = accept(server, NULL, NULL);
	ended_well(pid);
	IS_PEER(end, pid, 33);
	IS_PEER(fd, getpid(), 0);
	return 0;
}

/* More than one can remember. */
static int many(void)
{
	struct sockaddr_un name = new_name(0);
	int server = listener(SOCK_STREAM, &name, 33);
	pid_t me = getpid();
	for (int n = 0; n < 600; n++) {
		int fd = client(SOCK_STREAM, &name, n % 3 ? 34 : 0), end = accept(server, NULL, NULL);
		IS_PEER(end, me, n % 3 ? 34 : 0);
		IS_PEER(fd, me, 33);
		close(fd), close(end);
	}
	/* Pairs are the least of it. */
	int fds[2], ends[2];
	for (int n = 0; n < 2; n++) {
		fds[n] = client(SOCK_STREAM, &name, n ? 34 : 0);
		ends[n] = accept(server, NULL, NULL);
	}
	seem(35);
	for (int n = 0; n < 1200; n++) {
		int pair[2];
		CHECK(do_pair(SOCK_STREAM, pair) == 0);
		close(pair[0]), close(pair[1]);
	}
	for (int id = 35; id >= 0; id -= 35) {
		for (int n = 0; n < 2; n++) {
			IS_PEER(ends[n], me, n ? 34 : 0);
			IS_PEER(fds[n], me, 33);
		}
		seem(0);
	}
	return 0;
}

/* In another network namespace, files are the same, and nobody looks in from outside. */
static int elsewhere(void)
{
	struct sockaddr_un name = new_name(1);
	int server = listener(SOCK_STREAM, &name, 0);
	if (unshare(CLONE_NEWNET) != 0)
		return 0;
	int fd = client(SOCK_STREAM, &name, 33), end = accept(server, NULL, NULL);
	IS_PEER(end, getpid(), 33);
	IS_PEER(fd, getpid(), 0);
	name = new_name(1);
	server = listener(SOCK_STREAM, &name, 34);
	fd = client(SOCK_STREAM, &name, 35), end = accept(server, NULL, NULL);
	IS_PEER(end, getpid(), 35);
	IS_PEER(fd, getpid(), 34);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ "connections", connections }, { "pairs", pairs }, { "passed", passed }, { "many", many },
		{ "elsewhere", elsewhere },
	};
	begin();
	/* Users find files, and may write to them. */
	char dir[] = "sockets-XXXXXX";
	umask(0);
	CHECK(mkdtemp(dir) && chmod(dir, 0777) == 0 && chdir(dir) == 0);
	return play(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
