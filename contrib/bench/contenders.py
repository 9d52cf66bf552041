"""Who is compared, and how each is started: the one place that knows the contenders' command lines."""

# A kernel uid and gid that no passwd, group or subuid file should know (checked at the start).
UNPRIVILEGED = 54_876

NATIVE = "native"
REMAINROOT = "remainroot"
LASTING = "lasting"
PLAIN = "plain"
FAKEROOT = "fakeroot"
PROOT = "proot"
ALL = [NATIVE, REMAINROOT, LASTING, PLAIN, FAKEROOT, PROOT]

# What each needs: (program, Debian package).
NEEDS = {
    NATIVE: [],
    REMAINROOT: [],
    LASTING: [],
    PLAIN: [("unshare", "util-linux")],
    FAKEROOT: [("fakeroot", "fakeroot")],
    PROOT: [("proot", "proot")],
}

# Changes root with the machine's /proc, /dev and /sys, where a mount namespace is at hand. Binds: a new procfs needs
# a pid namespace, and each contender may do without one.
ENTER = 'for d in proc dev sys; do mount --rbind /$d "$0/$d" || exit 125; done; exec chroot "$0" "$@"'


# Where owners last, in the directory that a session starts in.
STORE = "owners-store"


def uid(contender):
    """The kernel uid (and gid) that a contender runs as."""
    return 0 if contender == NATIVE else UNPRIVILEGED


def as_user(contender):
    """Every contender passes through setpriv, native too: its cost is on both sides of a ratio."""
    number = str(uid(contender))
    return ["setpriv", "--reuid", number, "--regid", number, "--clear-groups"]


def on_host(contender, remainroot, command):
    """The command line that runs `command` as root of the machine's own file system."""
    return as_user(contender) + {
        NATIVE: [],
        REMAINROOT: [remainroot, "--store", "memory", "--"],
        LASTING: [remainroot, "--store", STORE, "--"],
        PLAIN: ["unshare", "--user", "--map-root-user", "--mount"],
        FAKEROOT: ["fakeroot", "--"],
        PROOT: ["proot", "-0"],
    }[contender] + command


def in_tree(contender, remainroot, tree, command):
    """The same inside of a Debian tree. fakeroot cannot change root by itself: it runs in a plain namespace, and is
    started within the tree, where its library has to be found (the tree has Debian's own fakeroot package)."""
    unshared = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ENTER, tree]
    return as_user(contender) + {
        NATIVE: ["unshare", "--mount", "sh", "-c", ENTER, tree],
        REMAINROOT: [remainroot, "--store", "memory", "--rootfs", tree, "--"],
        LASTING: [remainroot, "--store", STORE, "--rootfs", tree, "--"],
        PLAIN: unshared,
        FAKEROOT: unshared + ["fakeroot", "--"],
        PROOT: ["proot", "-0", "-r", tree, "-b", "/proc", "-b", "/dev", "-b", "/sys", "-w", "/"],
    }[contender] + command


def apt_options(contender):
    """apt's own sandbox stays on where it can be: natively and under remainroot."""
    return [] if contender in (NATIVE, REMAINROOT, LASTING) else ["-o", "APT::Sandbox::User=root"]


def environment(contender):
    """What a contender's documentation says to set. Debian's fakeroot cannot chown in a single-id namespace at all
    without this: it tries for real first, and only EPERM counts as a refusal, where the kernel says EINVAL."""
    return {"FAKEROOTDONTTRYCHOWN": "1"} if contender == FAKEROOT else {}
