//! Whom sockets and processes belong with.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `getsockopt(fd, SOL_SOCKET, SO_PEERCRED)`: pid, as this process sees it (0: nobody, or nobody that it can see), and
/// real ids. `None` if it is no socket.
pub fn of_socket(fd: BorrowedFd<'_>) -> Option<libc::ucred> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of_val(&cred) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, for which there is room.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(cred)
}

/// The process group of a process.
pub fn group_of(pid: i32) -> Option<i32> {
    // SAFETY: takes a number.
    Some(unsafe { libc::getpgid(pid) }).filter(|group| *group >= 0)
}

/// Its session.
pub fn session_of(pid: i32) -> Option<i32> {
    // SAFETY: takes a number.
    Some(unsafe { libc::getsid(pid) }).filter(|session| *session >= 0)
}
