//! The only unsafe code: the kernel's interfaces that no crate wraps in the shape we need. Each function is a thin,
//! typed skin over one call; nothing here decides anything.

pub mod diag;
pub mod fd;
pub mod fiber;
pub mod inherit;
pub mod locks;
pub mod mem;
pub mod mount;
pub mod mountattr;
pub mod peer;
pub mod process;
pub mod ptrace;
pub mod sched;
pub mod seccomp;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod stdio;
pub mod tell;
pub mod xattr;

use std::io;

/// The errno of the call that just failed.
pub(crate) fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
