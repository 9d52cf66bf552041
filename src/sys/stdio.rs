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

/// Closes what this process inherited beyond the standard descriptors, for the same reason: all that does not close
/// itself at an exec, as everything of ours does.
pub fn let_go_of_inherited() {
    // Where there is no /proc, they stay.
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.collect();
    for fd in numbers.into_iter().filter(|&fd| fd > 2) {
        // SAFETY: plain numbers. Descriptors of ours have FD_CLOEXEC set, and are not touched.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) == 0 {
                libc::close(fd);
            }
        }
    }
}
