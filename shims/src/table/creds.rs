//! Rows of the calls that read and change credentials.

use super::Shim::Entry as At;
use super::Support::{Full, Partial};
use super::{Case, Entry, Needs, Row, When};
use crate::family::{caps, exec, gid, groups, prctl, uid};

/// Ids and groups.
#[rustfmt::skip]
pub const IDS: &[Row] = &[
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
];

const PRCTL: &[Case] =
    &[Case { when: When::OneOf { arg: 0, values: prctl::OPERATIONS }, needs: Needs::ALWAYS }];
const EXEC: &[Case] = &[Case::under(Needs::USER)];

/// Capabilities, prctl, exec.
#[rustfmt::skip]
pub const RIGHTS: &[Row] = &[
    // Capabilities and exec: src/family/caps.rs, prctl.rs, exec.rs
    row!(capget, Full, x86_64: At(caps::capget), i386: At(caps::capget)),
    row!(capset, Full, x86_64: At(caps::capset), i386: At(caps::capset)),
    row!(prctl, Partial("credentials as the kernel's; the parent-death signal outlives a change of ids"),
        x86_64: At(prctl::prctl), i386: At(prctl::prctl), cases: PRCTL),
    row!(execve, Partial("permission to execute is root's, also for dropped users; a script's interpreter with capabilities held back is executed without them"),
        x86_64: At(exec::execve), i386: At(exec::execve), cases: EXEC),
    row!(execveat, Partial("permission to execute is root's, also for dropped users; a script's interpreter with capabilities held back is executed without them"),
        x86_64: At(exec::execveat), i386: At(exec::execveat), cases: EXEC),
];
