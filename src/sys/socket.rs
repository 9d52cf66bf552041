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

/// Whether the other end has yet to read something of what was sent. False when it is gone.
pub fn is_unread(socket: BorrowedFd<'_>) -> bool {
    let mut unread: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) };
    done == 0 && unread > 0
}
