//! Walking a path as the guest's kernel task would.
//!
//! The kernel walks for us, in the task's root, wherever it would find the same for guest and tracer. It would not where the path leads
//! through /proc/self, by whatever links: that is the tracer for the tracer. Such a path holds a magic link behind it,
//! or the word itself; then it is walked here, name by name, with the guest's number in the place of "self".

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::Errno;

use super::pids;
use crate::sys::fd;

/// Links that the kernel follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Inode number of /proc itself (`PROC_ROOT_INO`).
const PROC_ROOT: u64 = 1;

/// A path to be walked for a task.
pub(super) struct Journey {
    /// The task, to be "thread-self".
    pub tid: i32,
    /// The path.
    pub path: CString,
    /// Where a relative path starts.
    pub start: Option<OwnedFd>,
    /// The task's root, if it may be another than the tracer's.
    pub root: Option<OwnedFd>,
    /// 0 or `O_NOFOLLOW`.
    pub flags: i32,
    /// `RESOLVE_*` of openat2(2), which the kernel alone can obey.
    pub restrictions: u64,
}

/// How a journey goes on that could not be made at once.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// The kernel may be able to make it.
    Kernel,
    /// It must be made here, name by name.
    Walk,
}

impl Journey {
    /// Which of the guest's restrictions a walk is made by. None where the kernel cannot walk for the guest, but for those
    /// that keep it to where both see the same.
    pub fn restrictions(resolve: u64, path: &CStr, foreign_root: bool) -> u64 {
        let is_kept = resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) != 0;
        if leads_to_itself(path) || (foreign_root && !is_kept) { 0 } else { resolve }
    }

    /// Opens the file with `O_PATH` if the kernel can say without asking a file system what the path leads to.
    pub fn at_once(&self) -> Result<Result<OwnedFd, Errno>, Next> {
        if leads_to_itself(&self.path) {
            return Err(Next::Walk);
        }
        match self.ask_kernel(libc::RESOLVE_CACHED) {
            // Not at once, or not before Linux 5.12.
            Err(libc::EAGAIN | libc::EINVAL) => Err(Next::Kernel),
            other if self.restrictions != 0 => Ok(other.map_err(Errno::new)),
            Err(errno) if is_beyond_kernel(errno) => Err(Next::Walk),
            other => Ok(other.map_err(Errno::new)),
        }
    }

    /// Opens the file with `O_PATH`, waiting for whatever file system there is on the way. `process` is the task's, to be
    /// "self".
    pub fn make(&self, next: Next, process: i32) -> Result<OwnedFd, Errno> {
        if let Next::Kernel = next {
            match self.ask_kernel(0) {
                // A rename elsewhere broke the walk off.
                other if self.restrictions != 0 => return other.map_err(Errno::new),
                Err(libc::EAGAIN) => {}
                Err(errno) if is_beyond_kernel(errno) => {}
                other => return other.map_err(Errno::new),
            }
        }
        self.walk(process).map_err(Errno::new)
    }

    fn ask_kernel(&self, how: u64) -> Result<OwnedFd, i32> {
        let (start, scope) = match (&self.start, &self.root) {
            (Some(start), _) if self.restrictions != 0 => (start.as_raw_fd(), self.restrictions),
            (None, None) if self.restrictions != 0 => (libc::AT_FDCWD, self.restrictions),
            (Some(start), None) => (start.as_raw_fd(), 0),
            (None, None) => (libc::AT_FDCWD, 0),
            (None, Some(root)) => (root.as_raw_fd(), libc::RESOLVE_IN_ROOT),
            // Up to where another root would make a difference.
            (Some(start), Some(_)) => (start.as_raw_fd(), libc::RESOLVE_BENEATH),
        };
        fd::open_path_resolving(start, &self.path, self.flags, libc::RESOLVE_NO_MAGICLINKS | scope | how)
    }

    fn walk(&self, process: i32) -> Result<OwnedFd, i32> {
        let mut here = match &self.start {
            Some(start) => fd::open_path(start.as_raw_fd(), c".", libc::O_DIRECTORY)?,
            None => self.open_root()?,
        };
        let keep_last = self.flags & libc::O_NOFOLLOW != 0;
        let mut left: VecDeque<Vec<u8>> = names(self.path.to_bytes()).collect();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == b".." && self.is_root(&here) {
                continue;
            }
            let name = CString::new(self.for_guest(process, &here, name)).map_err(|_| libc::EINVAL)?;
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
                here = self.open_root()?;
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(name);
            }
        }
        Ok(here)
    }

    /// "self" and "thread-self" in /proc are the guest.
    fn for_guest(&self, process: i32, here: &OwnedFd, name: Vec<u8>) -> Vec<u8> {
        if !matches!(&name[..], b"self" | b"thread-self") || !fd::is_on_proc(here.as_fd()).unwrap_or(false) {
            return name;
        }
        let stat = match fd::statx(here.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_INO) {
            Ok(stat) if stat.stx_ino == PROC_ROOT => stat,
            _ => return name,
        };
        let number = |task| pids::number_in(here, fd::inode_of(&stat).id.dev, task);
        let process = number(process);
        match &name[..] {
            b"self" => process.to_string().into_bytes(),
            _ => format!("{process}/task/{}", number(self.tid)).into_bytes(),
        }
    }

    fn open_root(&self) -> Result<OwnedFd, i32> {
        match &self.root {
            Some(root) => fd::open_path(root.as_raw_fd(), c".", libc::O_DIRECTORY),
            None => fd::open_path(libc::AT_FDCWD, c"/", libc::O_DIRECTORY),
        }
    }

    /// Whether this is a root that the kernel does not know as one, so that ".." would lead out of it.
    fn is_root(&self, here: &OwnedFd) -> bool {
        const MASK: u32 = libc::STATX_INO | libc::STATX_MNT_ID;
        let identity = |fd: &OwnedFd| {
            let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
            let stat = fd::statx(fd.as_raw_fd(), c"", flags, MASK).ok()?;
            Some((fd::mount_of(&stat), stat.stx_ino))
        };
        self.root.as_ref().is_some_and(|root| identity(root).is_some_and(|root| identity(here) == Some(root)))
    }
}

/// Whether a path may be through /proc/self.
fn leads_to_itself(path: &CStr) -> bool {
    path.to_bytes().windows(4).any(|word| word == b"self")
}

/// Whether the kernel cannot walk this path for us: a magic link, or too many others; a way out of a scope; there is
/// no openat2, before Linux 5.6 or by a filter.
fn is_beyond_kernel(errno: i32) -> bool {
    matches!(errno, libc::ELOOP | libc::EXDEV | libc::ENOSYS | libc::EPERM)
}

/// The names that are still to be walked.
fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let inner = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    // What ends in a slash must be a directory, and a link is followed to it.
    let end = path.ends_with(b"/").then(|| b".".to_vec());
    inner.chain(end)
}
