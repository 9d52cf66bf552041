//! Looking at a file while the guest stands at the entry of its stat call, so that it need not make the call and stop
//! again. Only where the tracer sees surely what the guest would see, and never waiting for a file system: one that is
//! slow, or served by a guest, answers to the guest's own call.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::{STATX, STATX_SIZE};
use remainroot_shims::guest::{Dir, Guest, Place, Trailing};

use super::files::open_proc;
use super::mounts::{Speed, speed_of};
use super::run::Run;
use super::tracee::Tracee;
use crate::sys::fd;

/// Nothing is walked that is not in the kernel's cache, nor through a link of /proc, which may be `/proc/self/fd/N`.
/// What is found on /proc itself, where "self" is the tracer, is not local.
const AT_ONCE: u64 = libc::RESOLVE_CACHED | libc::RESOLVE_NO_MAGICLINKS;

/// See [`Guest::quick_stat`].
pub(super) fn stat(run: &Run, tracee: &Tracee, place: &Place<'_>, mask: u32) -> Option<[u8; STATX_SIZE]> {
    let tid = Guest::tid(tracee);
    match *place {
        Place::Fd(fd) => {
            let file = tracee.borrow_fd(fd)?.ok()?;
            let seen = look(run, tid, &file, mask);
            if seen.is_none_or(|(bytes, speed)| speed == Speed::Unknown && may_be_regular(&bytes)) {
                run.close(file);
            }
            seen
        }
        Place::Path { dir, path, trailing } if !tracee.has_foreign_root() => {
            let flags = if trailing == Trailing::Follow { 0 } else { libc::O_NOFOLLOW };
            look(run, tid, &walk(run, tracee, dir, path, flags)?, mask)
        }
        _ => None,
    }
    .and_then(|(bytes, speed)| (speed == Speed::Local).then_some(bytes))
}

/// Whether these are a regular file's attributes, or do not tell.
fn may_be_regular(statx: &[u8; STATX_SIZE]) -> bool {
    matches!(STATX.decode(statx).mode & libc::S_IFMT, 0 | libc::S_IFREG)
}

/// Walks a path from where it starts.
fn walk(run: &Run, tracee: &Tracee, dir: Dir, path: &CStr, flags: i32) -> Option<OwnedFd> {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        return None;
    }
    let start = match dir {
        _ if bytes.starts_with(b"/") => None,
        Dir::Cwd => Some(open_proc(run, Guest::tid(tracee), "cwd").ok()?),
        Dir::Fd(fd) => Some(tracee.borrow_fd(fd)?.ok()?),
    };
    let from = start.as_ref().map_or(run.proc.as_raw_fd(), |dir| dir.as_raw_fd());
    let found = fd::open_path_resolving(from, path, flags, AT_ONCE);
    if let (Err(libc::ENOTDIR), Some(start)) = (&found, start) {
        run.close(start);
    }
    found.ok()
}

/// What the file system says of a file without asking anybody, and what kind of file system that is.
fn look(run: &Run, tid: i32, file: &OwnedFd, mask: u32) -> Option<([u8; STATX_SIZE], Speed)> {
    let bytes = fd::statx_bytes(file.as_fd(), libc::AT_STATX_DONT_SYNC, mask).ok()?;
    Some((bytes, speed_of(run, tid, file, STATX.decode(&bytes).dev)))
}
