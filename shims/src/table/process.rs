//! Rows of the calls that make tasks and change where they live.

use super::Shim::{Entry as At, Refuse};
use syscalls::Errno;

use super::Support::{Full, Partial, Refused};
use super::{Entry, Row, When};
use crate::family::{sched, view};

/// What a path means to a task, and on which CPUs it runs.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // What a path means, and CPUs: src/family/view.rs, sched.rs
    row!(chroot, Full, x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(pivot_root, Full, x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(unshare, Partial("nested user namespaces see the virtual ids of the outer one"), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(setns, Partial("as unshare"), x86_64: At(view::changes_root), i386: At(view::changes_root)),
    row!(sched_getaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
    row!(io_uring_setup, Refused(Errno::ENOSYS, "its operations pass no filter; programs fall back to plain calls"),
        x86_64: Refuse(Errno::ENOSYS), i386: Refuse(Errno::ENOSYS)),
    row!(sched_setaffinity, Full, x86_64: At(sched::affinity), i386: At(sched::affinity)),
];
