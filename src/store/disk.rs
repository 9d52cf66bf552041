//! Which disk a file system is on, where statfs(2) names the device and not the disk (XFS, F2FS, …).

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;

use crate::sys::fd;

/// What stands for the file system that `file` is on, by its UUID: a number that is the same whatever the number of its
/// device. `None` where it tells nothing, or not to us. What is mounted of it is asked, wherever, and else the file itself, if
/// it is a regular one or a directory. /proc is at `proc`, a path with a slash at its end or empty.
pub fn identity(proc: &str, file: BorrowedFd<'_>) -> Option<u64> {
    let dev = device(file)?;
    let info = CString::new(format!("{proc}self/mountinfo")).ok()?;
    let mounts = fd::read_file(libc::AT_FDCWD, &info).unwrap_or_default();
    let of_dev = format!("{}:{}", libc::major(dev), libc::minor(dev));
    let points = mounts.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut words = line.split(|&byte| byte == b' ').skip(2);
        (words.next()? == of_dev.as_bytes()).then(|| words.nth(1)).flatten().map(unescape)
    });
    let of_point = |path: OsString| ask(proc, reach(&path)?.as_fd(), dev);
    points.filter_map(of_point).next().or_else(|| ask(proc, file, dev))
}

/// What /proc/PID/mountinfo writes in three octal digits after a backslash.
fn unescape(text: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(bytes)
}

/// Whether an `f_fsid` is no more than the number of the device that `file` is on (`huge_encode_dev`).
pub fn is_number(file: BorrowedFd<'_>, fsid: u64) -> bool {
    device(file) == Some(fsid)
}

fn device(file: BorrowedFd<'_>) -> Option<u64> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let stat = fd::statx(file.as_raw_fd(), c"", flags, libc::STATX_TYPE).ok()?;
    Some(fd::inode_of(&stat).id.dev)
}

/// What is at a path, if the kernel can tell at once: on the way there may be a file system that a guest serves, who waits
/// for us.
fn reach(path: &OsStr) -> Option<OwnedFd> {
    let path = CString::new(path.as_bytes()).ok()?;
    match fd::open_path_resolving(libc::AT_FDCWD, &path, 0, libc::RESOLVE_CACHED) {
        // Linux 5.12, or a filter that does not know the call.
        Err(libc::EINVAL | libc::ENOSYS | libc::EPERM) => fd::open_path(libc::AT_FDCWD, &path, 0).ok(),
        reached => reached.ok(),
    }
}

/// Asks a directory or regular file, if it is on this device. What else there may be must not be opened: that has effects.
fn ask(proc: &str, held: BorrowedFd<'_>, dev: u64) -> Option<u64> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let stat = fd::statx(held.as_raw_fd(), c"", flags, libc::STATX_TYPE).ok()?;
    let inode = fd::inode_of(&stat);
    if inode.id.dev != dev || !matches!(inode.mode & libc::S_IFMT, libc::S_IFDIR | libc::S_IFREG) {
        return None;
    }
    let itself = format!("{proc}self/fd/{}", held.as_raw_fd());
    let opened =
        File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(itself).ok()?;
    number(&fd::uuid_of_disk(opened.as_fd()).ok()?)
}

/// The halves of a UUID in one, as ext4 makes its `f_fsid`; `None` for one of zeros, which says nothing.
fn number(uuid: &[u8; 16]) -> Option<u64> {
    let whole = u128::from_le_bytes(*uuid);
    let folded = (whole >> 64) as u64 ^ whole as u64;
    (folded != 0).then_some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescape(b"/a\\040b\\134c\\9"), OsString::from("/a b\\c\\9"));
    }

    #[test]
    fn a_uuid_is_a_number_unless_it_is_nothing() {
        assert_eq!(number(&[0; 16]), None);
        let uuid = std::array::from_fn(|at| at as u8 + 1);
        assert_eq!(number(&uuid), Some(0x1808_0808_0808_0808));
    }
}
