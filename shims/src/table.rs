//! THE list: every system call of every ABI, and what becomes of it.
//!
//! Its rows make the filter, the dispatch, the support page and the test obligations. Adding a shim = one row here,
//! one function in [`crate::family`], one guest program in the tests.

use std::rc::Rc;

use syscalls::{Errno, x86, x86_64};

use crate::abi::{Abi, Call};
use crate::family::{caps, chmod, chown, exec, gid, groups, prctl, sched, stat, uid, view, xattr};
use crate::guest::{Answer, Coroutine, Guest};

/// What becomes of a call.
#[derive(Clone, Copy)]
pub enum Shim {
    /// The kernel's own answer stands. The guest never stops for it.
    Kernel,
    /// This error, from the filter itself: the guest never stops for it.
    Refuse(Errno),
    /// Answered while the guest stands at the call's entry: one stop.
    Entry(fn(&dyn Guest, &Call) -> Answer),
    /// A coroutine, which may let the guest make calls and wait for them.
    Coroutine(fn(Rc<dyn Guest>, Call) -> Coroutine),
}

/// For which arguments the guest stops. Only calls whose number has a row with arguments pay for reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// For all.
    Always,
    /// If any bit of `mask` is set in argument `arg` (its low 32 bits).
    AnyBit {
        /// Index of the argument.
        arg: u8,
        /// The bits.
        mask: u32,
    },
    /// If argument `arg` (its low 32 bits) is one of `values`.
    OneOf {
        /// Index of the argument.
        arg: u8,
        /// The values.
        values: &'static [u32],
    },
}

/// How much of the kernel's behaviour towards real root a guest gets. Printed by `remainroot syscalls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All of it.
    Full,
    /// All but what is said here.
    Partial(&'static str),
    /// The kernel is asked, and its answer is right or good enough for the reason given.
    Passed(&'static str),
    /// Not available, with the error and the reason.
    Refused(Errno, &'static str),
}

/// A call's number in one ABI, and what becomes of it there.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The number.
    pub nr: u32,
    /// What becomes of it.
    pub shim: Shim,
    /// For which arguments.
    pub when: When,
}

/// One system call.
#[derive(Clone, Copy)]
pub struct Row {
    /// The kernel's name for it.
    pub name: &'static str,
    /// In the AMD64 table.
    pub x86_64: Option<Entry>,
    /// In the i386 table. Calls of the same name may differ: `setuid` takes 16-bit ids there.
    pub i386: Option<Entry>,
    /// How far it goes.
    pub support: Support,
}

impl Row {
    /// The entry for an ABI.
    pub fn entry(&self, abi: Abi) -> Option<&Entry> {
        match abi {
            Abi::X86_64 => self.x86_64.as_ref(),
            Abi::I386 => self.i386.as_ref(),
        }
    }
}

/// `entry!(x86_64::setuid, shim)`: `Some(Entry)` for a number of an ABI, by the name of the call.
macro_rules! entry {
    ($abi:ident :: $name:ident, $shim:expr) => {
        entry!($abi::$name, $shim, When::Always)
    };
    ($abi:ident :: $name:ident, $shim:expr, $when:expr) => {
        Some(Entry { nr: $abi::Sysno::$name as u32, shim: $shim, when: $when })
    };
}

/// One row; `when` may be left out for calls that always stop.
macro_rules! row {
    ($name:ident, $support:expr, x86_64: $a:expr, i386: $b:expr $(, when: $when:expr)?) => {
        Row {
            name: stringify!($name),
            x86_64: entry!(x86_64::$name, $a $(, $when)?),
            i386: entry!(x86::$name, $b $(, $when)?),
            support: $support,
        }
    };
    ($name:ident, $support:expr, x86_64: $a:expr $(, when: $when:expr)?) => {
        Row { name: stringify!($name), x86_64: entry!(x86_64::$name, $a $(, $when)?), i386: None, support: $support }
    };
    ($name:ident, $support:expr, i386: $b:expr $(, when: $when:expr)?) => {
        Row { name: stringify!($name), x86_64: None, i386: entry!(x86::$name, $b $(, $when)?), support: $support }
    };
}

/// Turns an `async fn(Rc<dyn Guest>, Call) -> Answer` into a [`Shim::Coroutine`].
macro_rules! coroutine {
    ($shim:path) => {
        Shim::Coroutine(|guest, call| Box::pin($shim(guest, call)))
    };
}

use Shim::Entry as At;
use Support::{Full, Partial};

const XATTRS: Support = Partial("a write to a file does not take its capabilities away");

/// The list.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // Credentials: src/family/uid.rs, gid.rs, groups.rs. On i386 the bare names take 16-bit ids.
    row!(getuid, Full, x86_64: At(uid::getuid), i386: At(uid::getuid16)),
    row!(geteuid, Full, x86_64: At(uid::geteuid), i386: At(uid::geteuid16)),
    row!(getresuid, Full, x86_64: At(uid::getresuid), i386: At(uid::getresuid16)),
    row!(setuid, Full, x86_64: At(uid::setuid), i386: At(uid::setuid16)),
    row!(setreuid, Full, x86_64: At(uid::setreuid), i386: At(uid::setreuid16)),
    row!(setresuid, Full, x86_64: At(uid::setresuid), i386: At(uid::setresuid16)),
    row!(setfsuid, Full, x86_64: At(uid::setfsuid), i386: At(uid::setfsuid16)),
    row!(getuid32, Full, i386: At(uid::getuid)),
    row!(geteuid32, Full, i386: At(uid::geteuid)),
    row!(getresuid32, Full, i386: At(uid::getresuid)),
    row!(setuid32, Full, i386: At(uid::setuid)),
    row!(setreuid32, Full, i386: At(uid::setreuid)),
    row!(setresuid32, Full, i386: At(uid::setresuid)),
    row!(setfsuid32, Full, i386: At(uid::setfsuid)),
    row!(getgid, Full, x86_64: At(gid::getgid), i386: At(gid::getgid16)),
    row!(getegid, Full, x86_64: At(gid::getegid), i386: At(gid::getegid16)),
    row!(getresgid, Full, x86_64: At(gid::getresgid), i386: At(gid::getresgid16)),
    row!(setgid, Full, x86_64: At(gid::setgid), i386: At(gid::setgid16)),
    row!(setregid, Full, x86_64: At(gid::setregid), i386: At(gid::setregid16)),
    row!(setresgid, Full, x86_64: At(gid::setresgid), i386: At(gid::setresgid16)),
    row!(setfsgid, Full, x86_64: At(gid::setfsgid), i386: At(gid::setfsgid16)),
    row!(getgid32, Full, i386: At(gid::getgid)),
    row!(getegid32, Full, i386: At(gid::getegid)),
    row!(getresgid32, Full, i386: At(gid::getresgid)),
    row!(setgid32, Full, i386: At(gid::setgid)),
    row!(setregid32, Full, i386: At(gid::setregid)),
    row!(setresgid32, Full, i386: At(gid::setresgid)),
    row!(setfsgid32, Full, i386: At(gid::setfsgid)),
    row!(getgroups, Full, x86_64: At(groups::getgroups), i386: At(groups::getgroups16)),
    row!(setgroups, Full, x86_64: At(groups::setgroups), i386: At(groups::setgroups16)),
    row!(getgroups32, Full, i386: At(groups::getgroups)),
    row!(setgroups32, Full, i386: At(groups::setgroups)),

    // Capabilities and exec: src/family/caps.rs, prctl.rs, exec.rs
    row!(capget, Full, x86_64: At(caps::capget), i386: At(caps::capget)),
    row!(capset, Full, x86_64: At(caps::capset), i386: At(caps::capset)),
    row!(prctl, Partial("credentials as the kernel's; dumpable and parent-death signal outlive a change of ids"),
        x86_64: At(prctl::prctl), i386: At(prctl::prctl), when: When::OneOf { arg: 0, values: prctl::OPERATIONS }),
    row!(execve, Partial("scripts: capabilities of the interpreter's file cannot make the call fail"),
        x86_64: At(exec::execve), i386: At(exec::execve)),
    row!(execveat, Partial("scripts: capabilities of the interpreter's file cannot make the call fail"),
        x86_64: At(exec::execveat), i386: At(exec::execveat)),

    // What a path means, and CPUs: src/family/view.rs, sched.rs
    row!(chroot, Full, x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(pivot_root, Full, x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(unshare, Partial("nested user namespaces see the virtual ids of the outer one"), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(setns, Partial("as unshare"), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(sched_getaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
    row!(sched_setaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
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

    // Extended attributes: src/family/xattr.rs
    row!(setxattr, XATTRS, x86_64: At(xattr::setxattr), i386: At(xattr::setxattr)),
    row!(lsetxattr, XATTRS, x86_64: At(xattr::lsetxattr), i386: At(xattr::lsetxattr)),
    row!(fsetxattr, XATTRS, x86_64: At(xattr::fsetxattr), i386: At(xattr::fsetxattr)),
    row!(setxattrat, XATTRS, x86_64: At(xattr::setxattrat), i386: At(xattr::setxattrat)),
    row!(getxattr, XATTRS, x86_64: At(xattr::getxattr), i386: At(xattr::getxattr)),
    row!(lgetxattr, XATTRS, x86_64: At(xattr::lgetxattr), i386: At(xattr::lgetxattr)),
    row!(fgetxattr, XATTRS, x86_64: At(xattr::fgetxattr), i386: At(xattr::fgetxattr)),
    row!(getxattrat, XATTRS, x86_64: At(xattr::getxattrat), i386: At(xattr::getxattrat)),
    row!(listxattr, XATTRS, x86_64: At(xattr::listxattr), i386: At(xattr::listxattr)),
    row!(llistxattr, XATTRS, x86_64: At(xattr::llistxattr), i386: At(xattr::llistxattr)),
    row!(flistxattr, XATTRS, x86_64: At(xattr::flistxattr), i386: At(xattr::flistxattr)),
    row!(listxattrat, XATTRS, x86_64: At(xattr::listxattrat), i386: At(xattr::listxattrat)),
    row!(removexattr, XATTRS, x86_64: At(xattr::removexattr), i386: At(xattr::removexattr)),
    row!(lremovexattr, XATTRS, x86_64: At(xattr::lremovexattr), i386: At(xattr::lremovexattr)),
    row!(fremovexattr, XATTRS, x86_64: At(xattr::fremovexattr), i386: At(xattr::fremovexattr)),
    row!(removexattrat, XATTRS, x86_64: At(xattr::removexattrat), i386: At(xattr::removexattrat)),
];

/// Finds the row of a call.
pub fn row_of(abi: Abi, nr: u32) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.entry(abi).is_some_and(|entry| entry.nr == nr))
}
