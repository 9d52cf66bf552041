//! Signal masks and sending.

use super::last_errno;

/// Sets this thread's signal mask.
pub fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: `mask` is a valid set; the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<(), i32> {
    // SAFETY: plain numbers.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(last_errno()) }
}
