//! Rows of the calls that show and change whose a file is.

use super::Shim::{self, Entry as At};
use super::Support::{self, Full, Partial};
use super::{Case, Entry, Needs, Row, When};
use crate::family::{
    bind, chmod, chown, create, dirent, mknod, mount, socket, stat, unlink, utime, write, xattr,
};

const SETTING_TIMES: &[Case] = &[Case::under(Needs::USER.union(Needs::DEVICES))];

/// The chown, chmod and stat families.
#[rustfmt::skip]
pub const OWNERS: &[Row] = &[
    // chown: src/family/chown.rs
    row!(chown, Full, x86_64: At(chown::chown), i386: At(chown::chown16)),
    row!(lchown, Full, x86_64: At(chown::lchown), i386: At(chown::lchown16)),
    row!(fchown, Full, x86_64: At(chown::fchown), i386: At(chown::fchown16)),
    row!(fchownat, Full, x86_64: At(chown::fchownat), i386: At(chown::fchownat)),
    row!(chown32, Full, i386: At(chown::chown)),
    row!(lchown32, Full, i386: At(chown::lchown)),
    row!(fchown32, Full, i386: At(chown::fchown)),

    // chmod: src/family/chmod.rs
    row!(chmod, Full, x86_64: At(chmod::chmod), i386: At(chmod::chmod)),
    row!(fchmod, Full, x86_64: At(chmod::fchmod), i386: At(chmod::fchmod)),
    row!(fchmodat, Full, x86_64: At(chmod::fchmodat), i386: At(chmod::fchmodat)),
    row!(fchmodat2, Full, x86_64: At(chmod::fchmodat2), i386: At(chmod::fchmodat2)),

    // times: src/family/utime.rs
    row!(utime, Full, x86_64: coroutine!(utime::utime), i386: coroutine!(utime::utime), cases: SETTING_TIMES),
    row!(utimes, Full, x86_64: coroutine!(utime::utimes), i386: coroutine!(utime::utimes), cases: SETTING_TIMES),
    row!(futimesat, Full, x86_64: coroutine!(utime::futimesat), i386: coroutine!(utime::futimesat), cases: SETTING_TIMES),
    row!(utimensat, Full, x86_64: coroutine!(utime::utimensat), i386: coroutine!(utime::utimensat), cases: SETTING_TIMES),
    row!(utimensat_time64, Full, i386: coroutine!(utime::utimensat_time64), cases: SETTING_TIMES),

    // stat: src/family/stat.rs
    row!(stat, Full, x86_64: coroutine!(stat::stat), i386: coroutine!(stat::stat32)),
    row!(lstat, Full, x86_64: coroutine!(stat::lstat), i386: coroutine!(stat::lstat32)),
    row!(fstat, Full, x86_64: coroutine!(stat::fstat), i386: coroutine!(stat::fstat32)),
    row!(newfstatat, Full, x86_64: coroutine!(stat::fstatat)),
    row!(statx, Full, x86_64: coroutine!(stat::statx), i386: coroutine!(stat::statx)),
    row!(stat64, Full, i386: coroutine!(stat::stat64)),
    row!(lstat64, Full, i386: coroutine!(stat::lstat64)),
    row!(fstat64, Full, i386: coroutine!(stat::fstat64)),
    row!(fstatat64, Full, i386: coroutine!(stat::fstatat64)),
    row!(oldstat, Full, i386: coroutine!(stat::oldstat)),
    row!(oldlstat, Full, i386: coroutine!(stat::oldlstat)),
    row!(oldfstat, Full, i386: coroutine!(stat::oldfstat)),
];

const ACCESS: Support =
    Partial("permissions of directories are checked for the real owner, also where a task has dropped root");
const AS_MKDIR: Support = Partial("permissions as with mkdir");
const OPENS: Support = Partial(
    "permissions as with mkdir; who writes a wrong number to /proc/PID/loginuid is not told so, and writes in vain",
);
const DEVICES: Support = Partial(
    "null, zero, full, random, urandom and tty open; others answer ENXIO, or with --owner-xattr override are empty files",
);
const PORTS: Support = Partial(
    "ports below ip_unprivileged_port_start need a network namespace of the guest's own; a socket whose file's owner cannot \
     be recorded (no room) loses the file, and stays bound",
);
/// Whatever root makes is right as it is, unless it inherits something.
const MAKING: Needs = Needs::USER.union(Needs::PASSING_ON);
const MAKE: &[Case] = &[Case::under(MAKING)];
const BIND: &[Case] = &[
    Case { when: When::OneOf { arg: 0, values: &[bind::SOCKETCALL_BIND] }, needs: MAKING },
    // Which option is in memory.
    Case { when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_GETSOCKOPT] }, needs: Needs::USERS },
    Case {
        when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_CONNECT, socket::SOCKETCALL_SOCKETPAIR] },
        needs: Needs::USER,
    },
    Case {
        when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_LISTEN] },
        needs: Needs::USER.union(Needs::USERS),
    },
    Case { when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_SETSOCKOPT] }, needs: Needs::ALWAYS },
    Case {
        when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_SENDMSG, socket::SOCKETCALL_SENDMMSG] },
        needs: Needs::USER.union(Needs::SENDERS),
    },
    Case {
        when: When::OneOf { arg: 0, values: &[socket::SOCKETCALL_RECVMSG, socket::SOCKETCALL_RECVMMSG] },
        needs: Needs::SENDERS,
    },
];
const CREAT: &[Case] = &[
    Case { when: When::AnyBit { arg: 1, mask: create::FRAGILE }, needs: Needs::ALWAYS },
    Case::under(MAKING),
];
/// Opening what may exist: a device, too.
const OPENING: Needs = MAKING.union(Needs::DEVICES);
const OPEN: &[Case] = &open_with_flags_in(1);
const OPENAT: &[Case] = &open_with_flags_in(2);

/// The mode is the argument behind the flags.
const fn open_with_flags_in(flags: u8) -> [Case; 3] {
    let fragile = When::BothBits { args: [flags, flags + 1], masks: [create::MAKES, create::FRAGILE] };
    let makes = When::AnyBit { arg: flags, mask: create::MAKES };
    [
        Case { when: fragile, needs: Needs::ALWAYS },
        Case { when: makes, needs: OPENING },
        // To write to a file with set-id bits; to read of tasks.
        Case::under(Needs::USER.union(Needs::VIEWS)),
    ]
}

/// Calls that make files, devices among them.
#[rustfmt::skip]
pub const CREATION: &[Row] = &[
    // src/family/create.rs, mknod.rs, bind.rs
    row!(open, OPENS, x86_64: coroutine!(create::open), i386: coroutine!(create::open), cases: OPEN),
    row!(openat, OPENS, x86_64: coroutine!(create::openat), i386: coroutine!(create::openat), cases: OPENAT),
    // Flags and mode are in memory, so that each call must be looked at: it may make a set-id file.
    row!(openat2, OPENS, x86_64: coroutine!(create::openat2), i386: coroutine!(create::openat2)),
    row!(creat, AS_MKDIR, x86_64: coroutine!(create::creat), i386: coroutine!(create::creat), cases: CREAT),
    row!(mkdir, ACCESS, x86_64: coroutine!(create::mkdir), i386: coroutine!(create::mkdir), cases: MAKE),
    row!(mkdirat, ACCESS, x86_64: coroutine!(create::mkdirat), i386: coroutine!(create::mkdirat), cases: MAKE),
    row!(symlink, ACCESS, x86_64: coroutine!(create::symlink), i386: coroutine!(create::symlink), cases: MAKE),
    row!(symlinkat, ACCESS, x86_64: coroutine!(create::symlinkat), i386: coroutine!(create::symlinkat), cases: MAKE),
    row!(mknod, DEVICES, x86_64: coroutine!(mknod::mknod), i386: coroutine!(mknod::mknod)),
    row!(mknodat, DEVICES, x86_64: coroutine!(mknod::mknodat), i386: coroutine!(mknod::mknodat)),
    row!(bind, PORTS, x86_64: coroutine!(bind::bind), i386: coroutine!(bind::bind), cases: MAKE),
    row!(socketcall, Partial("as the calls that it stands for"), i386: coroutine!(socket::socketcall), cases: BIND),
];

const BY_USERS: &[Case] = &[Case::under(Needs::USER)];
/// By those, too, who may have opened a login uid: natively it takes no notice.
const OPENED: &[Case] = &[Case::under(Needs::USER.union(Needs::VIEWS))];

/// Calls that make a file shorter or longer.
#[rustfmt::skip]
pub const CONTENTS: &[Row] = &[
    // src/family/write.rs
    row!(truncate, Full, x86_64: At(write::truncate), i386: At(write::truncate), cases: BY_USERS),
    row!(ftruncate, Full, x86_64: At(write::ftruncate), i386: At(write::ftruncate), cases: OPENED),
    row!(truncate64, Full, i386: At(write::truncate), cases: BY_USERS),
    row!(ftruncate64, Full, i386: At(write::ftruncate64), cases: OPENED),
];

const FRESH: Support = Partial(
    "where a namespace is refused a new proc or sysfs, the present one is bound; options uid= and gid= of tmpfs and \
     devpts are left out where it has not such ids, and recorded of tmpfs",
);

/// Users may not take away whatever the kernel lets them.
const RENAME: &[Case] = &[Case::under(Needs::USER.union(Needs::UNLINKS).union(Needs::DEVICES))];
const LINK: &[Case] = &[Case::under(Needs::USER.union(Needs::DEVICES).union(Needs::OVERLAYS))];
const LIST: &[Case] = &[Case::under(Needs::DEVICES.union(Needs::USERS))];

/// Calls that change or list what is found under a name.
#[rustfmt::skip]
pub const NAMES: &[Row] = &[
    // src/family/unlink.rs, dirent.rs, mount.rs
    row!(unlink, ACCESS, x86_64: coroutine!(unlink::unlink), i386: coroutine!(unlink::unlink), cases: RENAME),
    row!(unlinkat, ACCESS, x86_64: coroutine!(unlink::unlinkat), i386: coroutine!(unlink::unlinkat), cases: RENAME),
    row!(rmdir, ACCESS, x86_64: coroutine!(unlink::rmdir), i386: coroutine!(unlink::rmdir), cases: RENAME),
    row!(rename, ACCESS, x86_64: coroutine!(unlink::rename), i386: coroutine!(unlink::rename), cases: RENAME),
    row!(renameat, ACCESS, x86_64: coroutine!(unlink::renameat), i386: coroutine!(unlink::renameat), cases: RENAME),
    row!(renameat2, ACCESS, x86_64: coroutine!(unlink::renameat2), i386: coroutine!(unlink::renameat2), cases: RENAME),
    row!(link, ACCESS, x86_64: coroutine!(unlink::link), i386: coroutine!(unlink::link), cases: LINK),
    row!(linkat, ACCESS, x86_64: coroutine!(unlink::linkat), i386: coroutine!(unlink::linkat), cases: LINK),
    row!(getdents, Full, x86_64: coroutine!(dirent::getdents), i386: coroutine!(dirent::getdents), cases: LIST),
    row!(getdents64, Full, x86_64: coroutine!(dirent::getdents64), i386: coroutine!(dirent::getdents64), cases: LIST),
    row!(mount, FRESH, x86_64: coroutine!(mount::mount), i386: coroutine!(mount::mount)),
    row!(fsopen, Partial("proc and sysfs by mount(2) only"), x86_64: At(mount::fsopen), i386: At(mount::fsopen)),
];

const READ: &[Case] = &[Case::under(Needs::USER.union(Needs::XATTRS).union(Needs::DEVICES))];
const NAMED: &[Case] = &[Case::under(Needs::XATTRS)];

/// Extended attributes.
#[rustfmt::skip]
pub const ATTRIBUTES: &[Row] = &[
    // src/family/xattr.rs
    row!(setxattr, Full, x86_64: At(xattr::setxattr), i386: At(xattr::setxattr)),
    row!(lsetxattr, Full, x86_64: At(xattr::lsetxattr), i386: At(xattr::lsetxattr)),
    row!(fsetxattr, Full, x86_64: At(xattr::fsetxattr), i386: At(xattr::fsetxattr)),
    row!(setxattrat, Full, x86_64: At(xattr::setxattrat), i386: At(xattr::setxattrat)),
    row!(getxattr, Full, x86_64: At(xattr::getxattr), i386: At(xattr::getxattr), cases: READ),
    row!(lgetxattr, Full, x86_64: At(xattr::lgetxattr), i386: At(xattr::lgetxattr), cases: READ),
    row!(fgetxattr, Full, x86_64: At(xattr::fgetxattr), i386: At(xattr::fgetxattr), cases: READ),
    row!(getxattrat, Full, x86_64: At(xattr::getxattrat), i386: At(xattr::getxattrat)),
    row!(listxattr, Full, x86_64: At(xattr::listxattr), i386: At(xattr::listxattr), cases: NAMED),
    row!(llistxattr, Full, x86_64: At(xattr::llistxattr), i386: At(xattr::llistxattr), cases: NAMED),
    row!(flistxattr, Full, x86_64: At(xattr::flistxattr), i386: At(xattr::flistxattr), cases: NAMED),
    row!(listxattrat, Full, x86_64: At(xattr::listxattrat), i386: At(xattr::listxattrat)),
    row!(removexattr, Full, x86_64: At(xattr::removexattr), i386: At(xattr::removexattr)),
    row!(lremovexattr, Full, x86_64: At(xattr::lremovexattr), i386: At(xattr::lremovexattr)),
    row!(fremovexattr, Full, x86_64: At(xattr::fremovexattr), i386: At(xattr::fremovexattr)),
    row!(removexattrat, Full, x86_64: At(xattr::removexattrat), i386: At(xattr::removexattrat)),
];
