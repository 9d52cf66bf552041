//! Whom sockets and processes belong with.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::fd;

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

/// The number of a socket's inode, which no other has while it is open.
pub fn inode_of(socket: &impl AsFd) -> Option<u64> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let stat = fd::statx(socket.as_fd().as_raw_fd(), c"", flags, libc::STATX_INO | libc::STATX_TYPE).ok()?;
    (u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFSOCK).then_some(stat.stx_ino)
}

/// Whether it is a socket of AF_UNIX that is made for connections (SOCK_STREAM, SOCK_SEQPACKET).
pub fn takes_connections(socket: BorrowedFd<'_>) -> bool {
    let option = |name: i32| {
        let mut value: libc::c_int = -1;
        let mut length = size_of_val(&value) as libc::socklen_t;
        let fd = socket.as_raw_fd();
        // SAFETY: the kernel writes at most `length` bytes, for which there is room.
        unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length);
        }
        value
    };
    option(libc::SO_DOMAIN) == libc::AF_UNIX
        && [libc::SOCK_STREAM, libc::SOCK_SEQPACKET].contains(&option(libc::SO_TYPE))
}

/// A call that writes the name of a socket.
type Naming = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// `getsockname(socket)` of AF_UNIX: path or abstract name, empty if it has none.
pub fn name_of(socket: BorrowedFd<'_>) -> Option<Vec<u8>> {
    name(socket, libc::getsockname)
}

/// `getpeername(socket)`, likewise. `None` if it is not connected.
pub fn peer_name_of(socket: BorrowedFd<'_>) -> Option<Vec<u8>> {
    name(socket, libc::getpeername)
}

fn name(socket: BorrowedFd<'_>, get: Naming) -> Option<Vec<u8>> {
    const FAMILY: usize = size_of::<libc::sa_family_t>();
    // SAFETY: plain data; all zeros is a valid value.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, for which there is room.
    let result = unsafe { get(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length) };
    if result != 0 || i32::from(address.ss_family) != libc::AF_UNIX {
        return None;
    }
    let length = (length as usize).min(size_of_val(&address));
    // SAFETY: as many bytes as there are, all of them initialized.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const address).cast::<u8>(), length) };
    Some(bytes.get(FAMILY..)?.to_vec())
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
