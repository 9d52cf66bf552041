//! mount(2) and its successors.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::last_errno;

fn check(value: libc::c_long) -> Result<i64, i32> {
    if value < 0 { Err(last_errno()) } else { Ok(value) }
}

/// A new mount of the file `source`, not attached to anything yet (`open_tree(…, OPEN_TREE_CLONE)`, Linux 5.2).
pub fn clone_file(source: &CStr) -> Result<OwnedFd, i32> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `source` is NUL-terminated.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.as_ptr(), flags) })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Attaches such a mount over what `target` holds (`move_mount`).
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), i32> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (from, to, empty) = (mount.as_raw_fd(), target.as_raw_fd(), c"".as_ptr());
    // SAFETY: the empty paths are NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_move_mount, from, empty, to, empty, flags) }).map(drop)
}

/// Binds the tree `source`, with all that is mounted in it, over `target` (`MS_BIND | MS_REC`).
pub fn bind_tree(source: &CStr, target: &CStr) -> Result<(), i32> {
    let flags = libc::MS_BIND | libc::MS_REC;
    // SAFETY: both strings are NUL-terminated; a bind mount takes neither type nor data.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), ptr::null(), flags, ptr::null()) }.into())
        .map(drop)
}

/// Takes the mount at `target` away, at once or when its last user is done (`MNT_DETACH`).
pub fn detach(target: &CStr) -> Result<(), i32> {
    // SAFETY: `target` is NUL-terminated.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }.into()).map(drop)
}
