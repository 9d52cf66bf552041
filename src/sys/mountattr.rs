//! mount_setattr(2), which no crate wraps.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::last_errno;

/// `AT_RECURSIVE` of linux/fcntl.h.
const RECURSIVE: i32 = 0x8000;

/// Makes the mount that `fd` is the root of, and all below it, read-only, and keeps all other flags (Linux 5.12).
pub fn set_read_only(fd: BorrowedFd<'_>) -> Result<(), i32> {
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is NUL-terminated and `attr` has the size that is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | RECURSIVE,
            &raw const attr,
            size_of_val(&attr),
        )
    };
    if done == -1 { Err(last_errno()) } else { Ok(()) }
}
