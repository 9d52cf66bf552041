//! Messages to the front.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::last_errno;

/// Sends one message; a peer that is gone is an error, not a signal.
pub fn send(socket: BorrowedFd<'_>, message: &[u8]) -> Result<(), i32> {
    // SAFETY: the kernel reads `message` with its length.
    let sent =
        unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Sends one message if there is room for it now.
pub fn offer(socket: BorrowedFd<'_>, message: &[u8]) {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the kernel reads `message` with its length.
    unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), flags) };
}
