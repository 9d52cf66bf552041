//! Walking a path as the guest's kernel task would.
//!
//! The kernel walks for us wherever it would find the same for guest and tracer. It would not where the path leads
//! through /proc/self, by whatever links: that is the tracer for the tracer. Such a path holds a magic link behind it,
//! or the word itself; then it is walked here, name by name, with the guest's number in the place of "self".

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::Errno;

use crate::sys::fd;

/// Links that the kernel follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Inode number of /proc itself (`PROC_ROOT_INO`).
const PROC_ROOT: u64 = 1;

/// Opens `path` with `O_PATH` and `flags` (0 or `O_NOFOLLOW`), from the directory `start` or, if it is absolute, from
/// the tracer's present root.
pub(super) fn open(tid: i32, start: i32, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    let names_itself = path.to_bytes().windows(4).any(|word| word == b"self");
    if !names_itself {
        match fd::open_path_resolving(start, path, flags, libc::RESOLVE_NO_MAGICLINKS) {
            // A magic link, or too many others.
            Err(libc::ELOOP) => {}
            // A rename elsewhere broke the walk off, or there is no openat2: before Linux 5.6, or by a filter.
            Err(libc::EAGAIN | libc::ENOSYS | libc::EPERM) => {}
            other => return other.map_err(Errno::new),
        }
    }
    walk(tid, start, path, flags & libc::O_NOFOLLOW != 0).map_err(Errno::new)
}

/// The names that are still to be walked.
fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let inner = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    // What ends in a slash must be a directory, and a link is followed to it.
    let end = path.ends_with(b"/").then(|| b".".to_vec());
    inner.chain(end)
}

fn walk(tid: i32, start: i32, path: &CStr, keep_last: bool) -> Result<OwnedFd, i32> {
    let root = || fd::open_path(libc::AT_FDCWD, c"/", libc::O_DIRECTORY);
    let is_absolute = path.to_bytes().starts_with(b"/");
    let mut here = if is_absolute { root()? } else { fd::open_path(start, c".", libc::O_DIRECTORY)? };
    let mut left: VecDeque<Vec<u8>> = names(path.to_bytes()).collect();
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let name = CString::new(for_guest(tid, &here, name)).map_err(|_| libc::EINVAL)?;
        let next = fd::open_path(here.as_raw_fd(), &name, libc::O_NOFOLLOW)?;
        let is_last = left.is_empty();
        if !fd::is_link(next.as_fd())? || (is_last && keep_last) {
            here = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(libc::ELOOP);
        }
        if fd::is_on_proc(next.as_fd())? {
            // The kernel knows where a magic link leads; its text may not.
            here = fd::open_path(here.as_raw_fd(), &name, 0)?;
            continue;
        }
        let target = fd::read_link(next.as_fd())?;
        if target.starts_with(b"/") {
            here = root()?;
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(name);
        }
    }
    Ok(here)
}

/// "self" and "thread-self" in /proc are the guest.
fn for_guest(tid: i32, here: &OwnedFd, name: Vec<u8>) -> Vec<u8> {
    let names_itself = matches!(&name[..], b"self" | b"thread-self");
    let in_proc = || {
        fd::is_on_proc(here.as_fd()).unwrap_or(false)
            && fd::statx(here.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_INO)
                .is_ok_and(|stat| stat.stx_ino == PROC_ROOT)
    };
    if !names_itself || !in_proc() {
        return name;
    }
    match &name[..] {
        b"self" => tid.to_string().into_bytes(),
        _ => format!("{tid}/task/{tid}").into_bytes(),
    }
}
