//! Rows of the calls that make tasks and change where they live.

use syscalls::Errno;

use super::Shim::{self, Entry as At, Refuse};
use super::Support::{Full, Partial, Refused};
use super::{Case, Entry, Needs, Row, When};
use crate::family::{process, sched, seccomp, view};

const DROPPED: &str = "not refused to a task that has dropped the capability for it";
const NESTED: &str = "as chroot; nested user namespaces see the virtual ids of the outer one";

const CLONE: &[Case] =
    &[Case { when: When::AnyBit { arg: 0, mask: process::CLONE_FLAGS }, needs: Needs::ALWAYS }];

const SECCOMP: &[Case] =
    &[Case { when: When::OneOf { arg: 0, values: &[seccomp::SET_FILTER] }, needs: Needs::ALWAYS }];

/// What a path means to a task, and on which CPUs it runs.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // src/family/process.rs
    row!(clone, Partial("CLONE_UNTRACED is ignored"), x86_64: coroutine!(process::clone),
        i386: coroutine!(process::clone), cases: CLONE),
    row!(clone3, Partial("CLONE_UNTRACED is ignored"), x86_64: coroutine!(process::clone3), i386: coroutine!(process::clone3)),

    // src/family/seccomp.rs
    row!(seccomp, Partial("a call that a supervisor of the guest's own answers (SECCOMP_RET_USER_NOTIF) has no shim"),
        x86_64: At(seccomp::seccomp), i386: At(seccomp::seccomp), cases: SECCOMP),

    // What a path means, and CPUs: src/family/view.rs, sched.rs
    row!(chroot, Partial(DROPPED), x86_64: At(view::new_root), i386: At(view::new_root)),
    row!(pivot_root, Partial(DROPPED), x86_64: At(view::new_root), i386: At(view::new_root)),
    row!(unshare, Partial(NESTED), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(setns, Partial(NESTED), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(sched_getaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
    row!(io_uring_setup, Refused(Errno::ENOSYS, "its operations pass no filter; programs fall back to plain calls"),
        x86_64: Refuse(Errno::ENOSYS), i386: Refuse(Errno::ENOSYS)),
    row!(sched_setaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
];
