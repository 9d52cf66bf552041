//! Letting go of the standard descriptors.

/// Puts /dev/null in the place of a standard descriptor, so that whoever is at its other end sees the guest alone
/// holding it: a pipe ends when the guest closes it. Where there is no /dev/null, it stays as it is.
pub fn let_go(fd: i32) {
    // SAFETY: the path is NUL-terminated; descriptors are plain numbers, and `null` is ours alone.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null >= 0 {
            libc::dup2(null, fd);
            libc::close(null);
        }
    }
}
