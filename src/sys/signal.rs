//! Signals of this process: the mask, reading them from a descriptor, passing them on, dying of one.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::last_errno;
use super::process::exit_now;

/// A set of signals.
pub type Set = libc::sigset_t;

/// All signals.
pub fn all() -> Set {
    // SAFETY: plain data; sigfillset then sets every bit.
    let mut set: Set = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid signal set.
    unsafe { libc::sigfillset(&raw mut set) };
    set
}

/// No signal but this one.
pub fn only(signal: i32) -> Set {
    // SAFETY: plain data; all zeros is the empty set.
    let mut set: Set = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid signal set.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    set
}

/// Makes `set` the mask, and returns the one before. As few as the reasons to fail are (none, for a valid `how`),
/// they do not matter here.
pub fn set_mask(set: &Set) -> Set {
    change_mask(libc::SIG_SETMASK, set)
}

fn change_mask(how: i32, set: &Set) -> Set {
    // SAFETY: plain data; the call fills it.
    let mut old: Set = unsafe { std::mem::zeroed() };
    // SAFETY: both sets are valid.
    unsafe { libc::sigprocmask(how, set, &raw mut old) };
    old
}

/// A descriptor that all blocked signals can be read from (signalfd(2)), nonblocking.
pub fn descriptor() -> Result<OwnedFd, i32> {
    // SAFETY: the set is valid.
    match unsafe { libc::signalfd(-1, &all(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) } {
        -1 => Err(last_errno()),
        // SAFETY: the kernel just made this descriptor for us.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// The record of no signal, to be filled in.
pub fn no_signal() -> libc::signalfd_siginfo {
    // SAFETY: plain data; all zeros is a valid value.
    unsafe { std::mem::zeroed() }
}

/// The next signal waiting at a [`descriptor`], if there is one.
pub fn next(fd: BorrowedFd<'_>) -> Option<libc::signalfd_siginfo> {
    let mut info = no_signal();
    let size = size_of_val(&info);
    // SAFETY: the kernel writes at most `size` bytes.
    let got = unsafe { libc::read(fd.as_raw_fd(), (&raw mut info).cast(), size) };
    (got == size as isize).then_some(info)
}

/// A descriptor for a process, which no other can take the place of (pidfd_open(2), Linux 5.3).
pub fn open_pid(pid: i32) -> Result<OwnedFd, i32> {
    // SAFETY: takes two numbers.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => Err(last_errno()),
        // SAFETY: the kernel just made this descriptor for us; it sets close-on-exec itself.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    }
}

/// kill(2) by descriptor (pidfd_send_signal(2)). With `value`, as sigqueue(3) sends it.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32, value: Option<u64>) -> Result<(), i32> {
    let info = value.map(|value| {
        // SAFETY: plain data; all zeros is a valid value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        info.si_signo = signal;
        info.si_code = libc::SI_QUEUE;
        // `_rt` of the kernel's siginfo: si_pid, si_uid (which stay 0: the sender lives in another world), then the
        // value, on a 64-bit machine at offset 24.
        // SAFETY: the offset lies inside the 128 bytes of a siginfo_t and is aligned for a u64.
        unsafe { (&raw mut info).cast::<u8>().add(24).cast::<u64>().write(value) };
        info
    });
    let pointer = info.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `pointer` is NULL or a whole siginfo_t.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, pointer, 0) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<(), i32> {
    // SAFETY: takes two numbers.
    match unsafe { libc::kill(pid, signal) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

/// Sends `signal` to this process. A blocked one is pending from then on, if its default action is to be taken.
pub fn raise(signal: i32) {
    // SAFETY: takes a number. A process has the right to signal itself.
    unsafe { libc::raise(signal) };
}

/// Takes back a signal that is blocked and pending.
pub fn take_back(signal: i32) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: set and time are valid; the record is not asked for.
    unsafe { libc::sigtimedwait(&only(signal), std::ptr::null_mut(), &raw const now) };
}

/// Waits for a SIGCHLD, which is blocked, for no longer than `limit`, below a second.
pub fn await_child(limit: Duration) {
    let limit = libc::timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
    // SAFETY: set and time are valid; the record is not asked for.
    unsafe { libc::sigtimedwait(&only(libc::SIGCHLD), std::ptr::null_mut(), &raw const limit) };
}

/// The calling thread's id.
pub fn thread_id() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::gettid() }
}

/// Sends SIGCHLD to a thread of this process, which [`await_child`] waits for.
pub fn wake(tid: i32) {
    // SAFETY: takes three numbers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGCHLD) };
}

/// Sends SIGALRM to a thread of this process, whatever it waits for.
pub fn interrupt(tid: i32) {
    // SAFETY: takes three numbers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGALRM) };
}

/// Lets a pending `signal` act on this process as if it had no handler and were not blocked: it stops, dies, or,
/// where the kernel shields it (PID 1; a stop in an orphaned process group), goes on. Then all is as before.
pub fn suffer(signal: i32) {
    // SAFETY: SIG_DFL runs no code of ours. SIGSTOP has no other disposition, and refuses to be given one.
    let old = unsafe { libc::signal(signal, libc::SIG_DFL) };
    let set = only(signal);
    change_mask(libc::SIG_UNBLOCK, &set);
    change_mask(libc::SIG_BLOCK, &set);
    if old != libc::SIG_ERR {
        // SAFETY: `old` is what the same call returned.
        unsafe { libc::signal(signal, old) };
    }
}

/// Dies of `signal`, without a core dump of ours. Where that is impossible (PID 1), exits as shells report it.
pub fn die_of(signal: i32) -> ! {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid for the call. The prctl covers core patterns that are pipes, which no limit stops.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    raise(signal);
    suffer(signal);
    exit_now(128 + signal)
}
