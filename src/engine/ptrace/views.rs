//! What /proc says of tasks, on the tracer's own /proc, which is that of most guests.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{Guest, Loan, Place, TaskFile};

use super::run::Run;
use super::tracee::Tracee;
use super::{files, peers};
use crate::arch;
use crate::sys::{fd, mem, process};

/// Inode number of /proc itself (`PROC_ROOT_INO`).
const ROOT: u64 = 1;

/// Device and inode number of a file, by its name in a directory.
fn identity(dir: i32, name: &str) -> Option<(u64, u64)> {
    let flags = libc::AT_STATX_DONT_SYNC
        | if name.is_empty() { libc::AT_EMPTY_PATH } else { libc::AT_SYMLINK_NOFOLLOW };
    let stat = fd::statx(dir, &CString::new(name).ok()?, flags, libc::STATX_INO).ok()?;
    let id = fd::inode_of(&stat).id;
    Some((id.dev, id.ino))
}

/// The device of a /proc.
pub(super) fn device_of(proc: &OwnedFd) -> u64 {
    identity(proc.as_raw_fd(), "").map_or(0, |(dev, _)| dev)
}

/// Whether a descriptor of the guest's is /proc itself.
pub(super) fn is_list(run: &Run, tracee: &Tracee, fd: i32) -> bool {
    let Some(Ok(borrowed)) = tracee.borrow_fd(fd) else { return false };
    let is_list = identity(borrowed.as_raw_fd(), "") == Some((run.proc_device, ROOT));
    run.close(borrowed);
    is_list
}

/// See [`Guest::task_file`].
pub(super) fn task_file(run: &std::rc::Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Option<TaskFile> {
    let node = files::find(run, tracee, place).ok()?;
    let id = node.stat().ok().map(|inode| (inode.id.dev, inode.id.ino))?;
    if id.0 != run.proc_device {
        return None;
    }
    let path = node.path()?;
    // Where /proc is mounted, the path does not say; what is behind the number is the same file there and here.
    let starts = path.match_indices('/').map(|(slash, _)| &path[slash + 1..]);
    let inside = starts.filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let inside = inside.into_iter().find(|rest| identity(run.proc.as_raw_fd(), rest) == Some(id))?;
    let (process, rest) = inside.split_once('/').unwrap_or((inside, ""));
    let (task, name) = match rest.strip_prefix("task/") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => (process, rest),
    };
    let tid = task.parse().ok()?;
    let cred = peers::cred_of(run, tid)?;
    let dumpable = run.tasks.borrow().get(tid).is_none_or(|slot| slot.tracee.dumpable() == 1);
    Some(TaskFile { tid, name: name.to_owned(), cred, dumpable })
}

/// See [`Guest::read_task_file`].
pub(super) fn read(run: &Run, file: &TaskFile) -> Option<Vec<u8>> {
    let path = CString::new(format!("{}/{}", file.tid, file.name)).ok()?;
    fd::read_file(run.proc.as_raw_fd(), &path).ok()
}

/// How far below its stack pointer a program may use its stack (the red zone of the AMD64 psABI).
const RED_ZONE: u64 = 128;

/// A text that a guest can open, and its path on the guest's stack, whose former contents come back afterwards.
struct Lent {
    _text: OwnedFd,
    tid: i32,
    at: u64,
    former: Vec<u8>,
}

impl Loan for Lent {
    fn path(&self) -> u64 {
        self.at
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Gone with the task if it is gone.
        let _ = mem::write(self.tid, self.at, &self.former);
    }
}

/// See [`Guest::lend`].
pub(super) fn lend(tracee: &Tracee, text: &[u8]) -> Result<Box<dyn Loan>, Errno> {
    let tid = Guest::tid(tracee);
    let file = fd::file_of(text).map_err(Errno::new)?;
    let path = format!("/proc/{}/fd/{}\0", process::id(), file.as_fd().as_raw_fd());
    let sp = arch::stack_pointer(tid).map_err(|_| Errno::ESRCH)?;
    let at = sp.wrapping_sub(RED_ZONE + path.len() as u64);
    let mut former = vec![0; path.len()];
    tracee.read(at, &mut former)?;
    tracee.write(at, path.as_bytes())?;
    Ok(Box::new(Lent { _text: file, tid, at, former }))
}
