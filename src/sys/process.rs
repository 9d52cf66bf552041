//! Making the guest's first process.

use std::ffi::{CStr, CString};

use super::last_errno;

/// Which side of a fork we are on.
pub enum Fork {
    /// The parent, with the child's pid.
    Parent(i32),
    /// The child.
    Child,
}

/// fork(2). Sound only in a process with one thread, which the tracer is: the child may then use the heap.
pub fn fork() -> Result<Fork, i32> {
    // SAFETY: the caller has one thread, so the child finds no lock held by somebody who is not there.
    match unsafe { libc::fork() } {
        -1 => Err(last_errno()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// execve(2). Returns only if it failed, with the errno.
pub fn exec(path: &CStr, argv: &[CString], env: &[CString]) -> i32 {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays are NULL-terminated and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    last_errno()
}

/// Ends this process at once, without running anything of the parent's at its exit.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// This process.
pub fn id() -> i32 {
    // SAFETY: touches no memory and cannot fail.
    unsafe { libc::getpid() }
}

/// The process that made this one, or whoever has taken its place.
pub fn parent() -> i32 {
    // SAFETY: touches no memory and cannot fail.
    unsafe { libc::getppid() }
}

/// Moves this process into a session and process group of its own, without a terminal (setsid(2)). Fails only for
/// the leader of a process group, which no child is before it made itself one.
pub fn leave_session() {
    // SAFETY: touches no memory.
    unsafe { libc::setsid() };
}

/// Has the kernel kill this process as soon as its parent is gone. Whether the parent was still there is for the
/// caller to check.
pub fn die_with_parent() {
    // SAFETY: plain numbers; cannot fail with a valid signal.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Takes back `PR_SET_PDEATHSIG`: this process outlives its parent from now on.
pub fn outlive_parent() {
    // SAFETY: plain numbers; cannot fail with a valid signal or 0.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
}

/// Whether two tasks have one memory (kcmp(2)). `None` where that cannot be asked.
pub fn share_memory(one: i32, other: i32) -> Option<bool> {
    const KCMP_VM: i32 = 1;
    // SAFETY: plain numbers.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) } {
        -1 => None,
        order => Some(order == 0),
    }
}
