//! What a process gets from the one that started it, and has to pass on unchanged through execve(2): ignored
//! signals, and which of the descriptors 0, 1 and 2 were closed.
//!
//! Rust's runtime changes both before `main` (it ignores SIGPIPE, and opens /dev/null on closed standard
//! descriptors). The second suits us: descriptors of ours can then never land on 0, 1 or 2. So the state is noted
//! by a constructor, which the C library runs before the runtime, and put back in the guest just before its exec.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static CHILD_IGNORED: AtomicBool = AtomicBool::new(false);
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: `.init_array` holds pointers to functions of this type; `note` needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

/// Notes the state, before `main`.
extern "C" fn note() {
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    CHILD_IGNORED.store(is_ignored(libc::SIGCHLD), Ordering::Relaxed);
    let closed = (0..3).filter(|&fd| {
        // SAFETY: F_GETFD takes a number and touches no memory.
        unsafe { libc::fcntl(fd, libc::F_GETFD) == -1 }
    });
    CLOSED.store(closed.fold(0, |bits, fd| bits | 1 << fd), Ordering::Relaxed);
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: plain data; all zeros is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only; the kernel writes one struct sigaction.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

fn set(signal: i32, disposition: libc::sighandler_t) {
    // SAFETY: SIG_DFL and SIG_IGN run no code of ours.
    unsafe { libc::signal(signal, disposition) };
}

/// Makes children of ours waitable: an ignored SIGCHLD, which we may have inherited, would have the kernel reap
/// them.
pub fn wait_for_children() {
    set(libc::SIGCHLD, libc::SIG_DFL);
}

/// Puts back what this process was started with. To be called in the guest's process, last before its exec:
/// messages to stderr may be lost afterwards.
pub fn restore() {
    if !PIPE_IGNORED.load(Ordering::Relaxed) {
        set(libc::SIGPIPE, libc::SIG_DFL);
    }
    if CHILD_IGNORED.load(Ordering::Relaxed) {
        set(libc::SIGCHLD, libc::SIG_IGN);
    }
    let closed = CLOSED.load(Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
        // SAFETY: only the stand-in that Rust's runtime opened there is closed.
        unsafe { libc::close(fd) };
    }
}
