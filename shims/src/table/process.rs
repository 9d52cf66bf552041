//! Rows of the calls that make tasks and change where they live.

use syscalls::Errno;

use super::Shim::{self, Entry as At, Refuse};
use super::Support::{Full, Partial, Refused};
use super::{Case, Entry, Needs, Row, When};
use crate::family::{message, priority, process, sched, seccomp, signal, socket, view};

const DROPPED: &str = "not refused to a task that has dropped the capability for it";
const NESTED: &str = "as chroot; nested user namespaces see the virtual ids of the outer one";

const CLONE: &[Case] =
    &[Case { when: When::AnyBit { arg: 0, mask: process::CLONE_FLAGS }, needs: Needs::ALWAYS }];

const SECCOMP: &[Case] =
    &[Case { when: When::OneOf { arg: 0, values: &[seccomp::SET_FILTER] }, needs: Needs::ALWAYS }];

const SENDER: &str = "the uid that the receiver sees is the real one";
const RAISING: &str = "raising a priority needs root of the machine";
const HARD: &str = "raising a hard limit needs root of the machine";

/// Whoever is whole root may do all of it.
const DROPPED_ONLY: &[Case] = &[Case::under(Needs::USER)];
const OF_USERS: &[Case] =
    &[Case { when: When::OneOf { arg: 0, values: &[priority::PRIO_USER] }, needs: Needs::ALWAYS }];
const SETTING: &[Case] = &[OF_USERS[0], DROPPED_ONLY[0]];
const IO_SETTING: &[Case] = &[
    Case { when: When::OneOf { arg: 0, values: &[priority::IOPRIO_WHO_USER] }, needs: Needs::ALWAYS },
    DROPPED_ONLY[0],
];
const NAMED: &str = "a message's sender (SCM_CREDENTIALS) is shown by its real ids as they are now, whatever it named; to name another's pid is refused";
const PASSING: &[Case] =
    &[Case { when: When::OneOf { arg: 2, values: &[message::SO_PASSCRED] }, needs: Needs::ALWAYS }];
const SENDING: &[Case] = &[Case::under(Needs::USER.union(Needs::SENDERS))];
const RECEIVING: &[Case] = &[Case::under(Needs::SENDERS)];
const ENDS: &str = "when a socket listens again, those who had connected see the new ids (SO_PEERCRED), too; of a process with more than 1024 connections and pairs as a user, the oldest show its ids as they are now";
/// Root may listen anew on what a user has let listen.
const LISTENING: &[Case] = &[Case::under(Needs::USER.union(Needs::USERS))];
const PAIRING: &[Case] =
    &[Case { when: When::OneOf { arg: 0, values: &[socket::AF_UNIX] }, needs: Needs::USER }];
const PEER: &[Case] = &[
    Case { when: When::OneOf { arg: 2, values: &[socket::SO_PEERGROUPS] }, needs: Needs::ALWAYS },
    Case { when: When::OneOf { arg: 2, values: &[socket::SO_PEERCRED] }, needs: Needs::USERS },
];

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
    row!(sched_setaffinity, Full, x86_64: At(sched::set_affinity), i386: At(sched::set_affinity)),

    // What may be done to others: src/family/signal.rs, priority.rs
    row!(kill, Partial(SENDER), x86_64: coroutine!(signal::kill), i386: coroutine!(signal::kill), cases: DROPPED_ONLY),
    row!(tkill, Partial(SENDER), x86_64: At(signal::tkill), i386: At(signal::tkill), cases: DROPPED_ONLY),
    row!(tgkill, Partial(SENDER), x86_64: coroutine!(signal::tgkill), i386: coroutine!(signal::tgkill), cases: DROPPED_ONLY),
    row!(rt_sigqueueinfo, Full, x86_64: coroutine!(signal::queue), i386: coroutine!(signal::queue), cases: DROPPED_ONLY),
    row!(rt_tgsigqueueinfo, Full, x86_64: coroutine!(signal::queue_to_thread), i386: coroutine!(signal::queue_to_thread), cases: DROPPED_ONLY),
    row!(pidfd_send_signal, Partial(SENDER), x86_64: coroutine!(signal::by_handle), i386: coroutine!(signal::by_handle), cases: DROPPED_ONLY),
    row!(setpriority, Partial(RAISING), x86_64: coroutine!(priority::setpriority), i386: coroutine!(priority::setpriority), cases: SETTING),
    row!(getpriority, Full, x86_64: coroutine!(priority::getpriority), i386: coroutine!(priority::getpriority), cases: OF_USERS),
    row!(ioprio_set, Partial(RAISING), x86_64: coroutine!(priority::ioprio_set), i386: coroutine!(priority::ioprio_set), cases: IO_SETTING),
    row!(sched_setscheduler, Partial(RAISING), x86_64: coroutine!(priority::set_scheduler), i386: coroutine!(priority::set_scheduler), cases: DROPPED_ONLY),
    row!(sched_setparam, Partial(RAISING), x86_64: coroutine!(priority::set_parameters), i386: coroutine!(priority::set_parameters), cases: DROPPED_ONLY),
    row!(sched_setattr, Partial(RAISING), x86_64: coroutine!(priority::set_attributes), i386: coroutine!(priority::set_attributes), cases: DROPPED_ONLY),
    row!(prlimit64, Partial(HARD), x86_64: coroutine!(priority::prlimit), i386: coroutine!(priority::prlimit), cases: DROPPED_ONLY),
    row!(process_vm_readv, Full, x86_64: coroutine!(priority::look_into), i386: coroutine!(priority::look_into), cases: DROPPED_ONLY),
    row!(process_vm_writev, Full, x86_64: coroutine!(priority::look_into), i386: coroutine!(priority::look_into), cases: DROPPED_ONLY),
    row!(kcmp, Full, x86_64: At(priority::compare), i386: At(priority::compare), cases: DROPPED_ONLY),
    row!(pidfd_getfd, Full, x86_64: At(priority::take_descriptor), i386: At(priority::take_descriptor), cases: DROPPED_ONLY),

    // src/family/socket.rs
    row!(setsockopt, Full, x86_64: At(message::setsockopt), i386: At(message::setsockopt), cases: PASSING),
    row!(sendmsg, Partial(NAMED), x86_64: coroutine!(message::sendmsg), i386: coroutine!(message::sendmsg), cases: SENDING),
    row!(recvmsg, Partial(NAMED), x86_64: coroutine!(message::recvmsg), i386: coroutine!(message::recvmsg), cases: RECEIVING),
    row!(sendmmsg, Partial(NAMED), x86_64: coroutine!(message::sendmmsg), i386: coroutine!(message::sendmmsg), cases: SENDING),
    row!(recvmmsg, Partial(NAMED), x86_64: coroutine!(message::recvmmsg), i386: coroutine!(message::recvmmsg), cases: RECEIVING),
    row!(recvmmsg_time64, Partial(NAMED), i386: coroutine!(message::recvmmsg), cases: RECEIVING),
    row!(connect, Partial(ENDS), x86_64: coroutine!(socket::connect), i386: coroutine!(socket::connect), cases: DROPPED_ONLY),
    row!(listen, Partial(ENDS), x86_64: At(socket::listen), i386: At(socket::listen), cases: LISTENING),
    row!(socketpair, Partial(ENDS), x86_64: coroutine!(socket::socketpair), i386: coroutine!(socket::socketpair), cases: PAIRING),
    row!(getsockopt, Partial(ENDS), x86_64: coroutine!(socket::getsockopt), i386: coroutine!(socket::getsockopt), cases: PEER),
];
