/*
 * Makes system calls as a script says, and prints after each what the kernel returned and the whole credential state.
 * The oracle of credentials (tests/oracle_cred) writes the script and reads what is printed.
 *
 *     cred SCRIPT      run all sequences of a script
 *     cred x OFFSET    go on behind an exec: the script is descriptor 3
 *
 * The script, a line each:
 *     n MASK                     drop all capabilities that are not in the mask
 *     h NAME UID GID MODE CAPS   make a copy of this program, with these attributes (CAPS in hex, or -)
 *     s                          a sequence starts, in a new process
 *     c NR ARG...                make a call; ARG is a number, ! (a bad pointer), =HEX (pointer to these bytes; if they
 *                                are 8 and end in "pppp", that becomes the own tid, and "PPPP" the pid of the leader
 *                                of this process, or of the parent process in a leader), #N or %N (pointer to N gids
 *                                of 32 or 16 bits, descending)
 *     f                          fork; the child goes on, the parent prints its state when the child has ended
 *     t                          the same with a thread
 *     x NAME                     execute a copy
 *     e                          the sequence ends
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "alarms.h"

#ifdef __i386__
#define WIDE(name) SYS_##name##32
#else
#define WIDE(name) SYS_##name
#endif

enum { SCRIPT = 3, GROUPS_MAX = 65537, SAMPLES = 7 };

/* Enough to see every rule that treats capabilities differently; one call each is too slow for all 41. */
static const int sampled[SAMPLES] = { 0, 6, 7, 8, 13, 24, 40 };

static const char *script;
static size_t script_length;
static uint32_t groups[GROUPS_MAX];
static unsigned char memory[3][4 * GROUPS_MAX];

static void die(const char *what)
{
	dprintf(2, "cred guest: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static char line[8192];
static size_t used;

static void put(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	used += vsnprintf(line + used, sizeof line - used, format, args);
	va_end(args);
}

static void flush(void)
{
	put("\n");
	if (write(1, line, used) != (ssize_t)used)
		die("write");
	used = 0;
}

/* Bytes in hex, or their number and a hash where they are many. */
static void put_bytes(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint64_t hash = 0xcbf29ce484222325;
	if (length <= 64) {
		for (size_t n = 0; n < length; n++)
			put("%02x", at[n]);
		return;
	}
	for (size_t n = 0; n < length; n++)
		hash = (hash ^ at[n]) * 0x100000001b3;
	put("%zu:%016llx", length, (unsigned long long)hash);
}

static void put_state(void)
{
	uint32_t u[3], g[3], version[2] = { 0x20080522, 0 }, caps[6] = { 0 };
	int bounding = 0, ambient = 0, n;
	syscall(WIDE(getresuid), u, u + 1, u + 2);
	syscall(WIDE(getresgid), g, g + 1, g + 2);
	put(" uid=%u,%u,%u,%u", u[0], u[1], u[2], (uint32_t)syscall(WIDE(setfsuid), -1));
	put(" gid=%u,%u,%u,%u", g[0], g[1], g[2], (uint32_t)syscall(WIDE(setfsgid), -1));
	n = syscall(WIDE(getgroups), GROUPS_MAX, groups);
	put(" groups=");
	put_bytes(groups, n < 0 ? 0 : 4 * n);
	syscall(SYS_capget, version, caps);
	put(" E=%08x%08x P=%08x%08x I=%08x%08x", caps[3], caps[0], caps[4], caps[1], caps[5], caps[2]);
	for (n = 0; n < SAMPLES; n++) {
		bounding |= (syscall(SYS_prctl, PR_CAPBSET_READ, sampled[n], 0, 0, 0) == 1) << n;
		ambient |= (syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, sampled[n], 0, 0) == 1) << n;
	}
	put(" X=%02x A=%02x securebits=%x nnp=%d", bounding, ambient,
	    (int)syscall(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0),
	    (int)syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static const char *skip_line(const char *at)
{
	const char *end = memchr(at, '\n', script + script_length - at);
	if (!end)
		die("script ends early");
	return end + 1;
}

static unsigned hex(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

static size_t read_hex(const char **at, unsigned char *to)
{
	size_t length = 0;
	for (; **at > ' '; *at += 2)
		to[length++] = hex((*at)[0]) << 4 | hex((*at)[1]);
	return length;
}

static long leader(void)
{
	return syscall(SYS_gettid) == getpid() ? getppid() : getpid();
}

static void make_call(const char *at)
{
	unsigned long args[6] = { 0 };
	size_t length[3] = { 0 };
	char *end;
	int count = 0, blocks = 0;
	long nr = strtol(at, &end, 10), ret;
	for (at = end; *at == ' ' && count < 6; count++) {
		at++;
		if (*at == '=' || *at == '#' || *at == '%') {
			unsigned char *to = memory[blocks];
			char kind = *at++;
			if (kind == '=') {
				length[blocks] = read_hex(&at, to);
			} else {
				unsigned long many = strtoul(at, &end, 10);
				at = end;
				for (unsigned long n = 0; n < many; n++) {
					uint32_t gid = many - n;
					uint16_t low = gid;
					if (kind == '#')
						memcpy(to + 4 * n, &gid, 4);
					else
						memcpy(to + 2 * n, &low, 2);
				}
				length[blocks] = many * (kind == '#' ? 4 : 2);
			}
			args[count] = (unsigned long)to;
			blocks++;
		} else if (*at == '!') {
			args[count] = 16, at++;
		} else {
			args[count] = strtoull(at, &end, 0), at = end;
		}
	}
	for (int n = 0; n < blocks; n++)
		if (length[n] == 8 && (!memcmp(memory[n] + 4, "pppp", 4) || !memcmp(memory[n] + 4, "PPPP", 4))) {
			int32_t pid = memory[n][4] == 'p' ? syscall(SYS_gettid) : leader();
			memcpy(memory[n] + 4, &pid, 4);
			length[n] = 4;
		}
	ret = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (ret == -1 && errno)
		put("r -%d", errno);
	else
		put("r %lld", (long long)ret);
	for (int n = 0; n < blocks; n++) {
		put(" =");
		put_bytes(memory[n], length[n]);
	}
}

static void run_sequence(const char *at);

static void report(const char *what)
{
	put("%s", what);
	put_state();
	flush();
}

static void *run_thread(void *at)
{
	report("t");
	run_sequence(at);
	return 0;
}

static void run_sequence(const char *at)
{
	for (; *at != 'e'; at = skip_line(at)) {
		pthread_t thread;
		int status;
		pid_t child;
		char name[64], offset[24];
		errno = 0;
		switch (*at) {
		case 'c':
			make_call(at + 2);
			put_state();
			flush();
			break;
		case 'f':
			child = fork();
			if (child < 0)
				die("fork");
			if (child == 0) {
				alarms(1);
				report("f");
				break;
			}
			if (waitpid(child, &status, 0) != child || status)
				put("status %x ", status);
			report("u");
			return;
		case 't':
			if (pthread_create(&thread, 0, run_thread, (void *)(skip_line(at))))
				die("pthread_create");
			pthread_join(thread, 0);
			report("u");
			return;
		case 'x':
			snprintf(name, sizeof name, "./%.*s", (int)strcspn(at + 2, "\n"), at + 2);
			snprintf(offset, sizeof offset, "%zu", (size_t)(skip_line(at) - script));
			alarms(0);
			execv(name, (char *[]){ "cred", "x", offset, 0 });
			put("r -%d", errno);
			alarms(1);
			put_state();
			flush();
			break;
		default:
			die("unknown line in a sequence");
		}
	}
}

static void copy_self(const char *name, long uid, long gid, int mode, const char *caps)
{
	static unsigned char buffer[1 << 20];
	ssize_t length;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (from < 0 || to < 0)
		die(name);
	while ((length = read(from, buffer, sizeof buffer)) > 0)
		if (write(to, buffer, length) != length)
			die("write");
	if (fchown(to, uid, gid) || fchmod(to, mode))
		die("attributes");
	if (*caps != '-') {
		unsigned char value[64];
		size_t size = read_hex(&caps, value);
		if (fsetxattr(to, "security.capability", value, size, 0))
			die("security.capability");
	}
	close(from);
	close(to);
}

static void limit_caps(uint64_t mask)
{
	uint32_t version[2] = { 0x20080522, 0 }, caps[6];
	for (int cap = 0; cap <= 40; cap++)
		if (!(mask >> cap & 1) && prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap))
			die("PR_CAPBSET_DROP");
	if (syscall(SYS_capget, version, caps))
		die("capget");
	for (int n = 0; n < 6; n++)
		caps[n] &= n < 3 ? mask : mask >> 32;
	if (syscall(SYS_capset, version, caps) || syscall(WIDE(setgroups), 0, 0))
		die("capset, setgroups");
}

static void run_script(void)
{
	const char *at = script, *end = script + script_length;
	for (; at < end; at = skip_line(at)) {
		if (*at == 'n') {
			limit_caps(strtoull(at + 2, 0, 16));
		} else if (*at == 'h') {
			char name[64], caps[64];
			unsigned long uid, gid, mode;
			if (sscanf(at, "h %63s %lu %lu %lo %63s", name, &uid, &gid, &mode, caps) != 5)
				die("h line");
			copy_self(name, uid, gid, mode, caps);
		} else if (*at == 's') {
			int status;
			pid_t child;
			put("s");
			flush();
			child = fork();
			if (child < 0)
				die("fork");
			if (child == 0) {
				alarms(1);
				run_sequence(skip_line(at));
				_exit(0);
			}
			if (waitpid(child, &status, 0) != child || status) {
				put("status %x", status);
				flush();
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct stat meta;
	int resumed = argc == 3 && !strcmp(argv[1], "x");
	if (!resumed) {
		int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
		if (fd < 0 || (fd != SCRIPT && dup2(fd, SCRIPT) < 0))
			die("usage: cred SCRIPT");
	}
	if (fstat(SCRIPT, &meta))
		die("fstat");
	script_length = meta.st_size;
	script = mmap(0, script_length, PROT_READ, MAP_PRIVATE, SCRIPT, 0);
	if (script == MAP_FAILED)
		die("mmap");
	if (!resumed) {
		run_script();
		return 0;
	}
	alarms(1);
	put("x aux=%lu,%lu,%lu,%lu,%lu", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID),
	    getauxval(AT_SECURE));
	put_state();
	flush();
	run_sequence(script + strtoul(argv[2], 0, 10));
	return 0;
}
