//! What /proc says of tasks: the tracer's own /proc, which is that of most guests, and those that guests mount.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{Guest, Loan, Node, Place, TaskFile};
use remainroot_shims::owner::Attributes;
use remainroot_shims::table::Needs;

use super::run::Run;
use super::tracee::Tracee;
use super::{files, peers, pids};
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

/// Whether a descriptor of the guest's is /proc itself: ours, or another.
pub(super) fn is_list(run: &Run, tracee: &Tracee, fd: i32) -> bool {
    let Some(Ok(borrowed)) = tracee.borrow_fd(fd) else { return false };
    let is_list = identity(borrowed.as_raw_fd(), "").is_some_and(|(dev, ino)| {
        ino == ROOT && (dev == run.proc_device || fd::is_on_proc(borrowed.as_fd()) == Ok(true))
    });
    run.close(borrowed);
    is_list
}

/// See [`Guest::shows_tasks`].
pub(super) fn shows_tasks(run: &Run, dev: u64) -> bool {
    // Nobody says which device another /proc has; it has none behind it, at least.
    let may = dev == run.proc_device || (run.has_other_procs.get() && libc::major(dev) == 0);
    may && run.arisen.get().contains(Needs::USERS)
}

/// See [`Guest::task_file`].
pub(super) fn task_file(run: &std::rc::Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Option<TaskFile> {
    let node = files::find_held(run, tracee, place).ok()?;
    let id = node.stat().ok().map(|inode| (inode.id.dev, inode.id.ino))?;
    let is_ours = id.0 == run.proc_device;
    let is_another = || run.has_other_procs.get() && node.is_on_proc();
    if !(is_ours || is_another()) {
        return None;
    }
    let path = node.path()?;
    // Where /proc is mounted, the path does not say.
    let starts = path.match_indices('/').map(|(slash, _)| &path[slash + 1..]);
    let mut inside = starts.filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let (tid, name) = inside.find_map(|inside| {
        let (tid, name) = parse(inside)?;
        if is_ours {
            // What is behind the number is the same file there and here.
            return (identity(run.proc.as_raw_fd(), inside) == Some(id)).then_some((tid, name));
        }
        // Another file, but one that every /proc has of the task.
        let tid = pids::named_by(run, tracee, tid)?;
        identity(run.proc.as_raw_fd(), &format!("{tid}/{name}")).map(|_| (tid, name))
    })?;
    let cred = peers::cred_of(run, tid)?;
    let dumpable = run.tasks.borrow().get(tid).is_none_or(|slot| slot.tracee.dumpable() == 1);
    Some(TaskFile { tid, name: name.to_owned(), cred, dumpable })
}

/// The task and the name of a file in its directory, by the path in /proc.
fn parse(inside: &str) -> Option<(i32, &str)> {
    let (process, rest) = inside.split_once('/').unwrap_or((inside, ""));
    let (task, name) = match rest.strip_prefix("task/") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => (process, rest),
    };
    Some((task.parse().ok()?, name))
}

/// See [`Guest::read_task_file`].
pub(super) fn read(run: &std::rc::Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Option<Vec<u8>> {
    files::find_held(run, tracee, place).ok()?.read()
}

/// How far below its stack pointer a program may use its stack (the red zone of the AMD64 psABI).
const RED_ZONE: u64 = 128;

/// A path on the guest's stack, whose former contents come back afterwards.
struct Lent {
    /// What it leads to, if that is ours.
    _text: Option<OwnedFd>,
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
pub(super) fn lend(run: &Run, tracee: &Tracee, text: &[u8]) -> Result<Box<dyn Loan>, Errno> {
    if run.has_other_procs.get() {
        // There, our number may be somebody else's.
        return Err(Errno::ENOSYS);
    }
    let file = fd::file_of(text).map_err(Errno::new)?;
    let path = format!("/proc/{}/fd/{}", process::id(), file.as_fd().as_raw_fd());
    put(tracee, path.as_bytes(), Some(file))
}

/// See [`Guest::lend_path`].
pub(super) fn lend_path(tracee: &Tracee, path: &CStr) -> Result<Box<dyn Loan>, Errno> {
    put(tracee, path.to_bytes(), None)
}

fn put(tracee: &Tracee, path: &[u8], text: Option<OwnedFd>) -> Result<Box<dyn Loan>, Errno> {
    let tid = Guest::tid(tracee);
    let path = [path, b"\0"].concat();
    let sp = arch::stack_pointer(tid).map_err(|_| Errno::ESRCH)?;
    let at = sp.wrapping_sub(RED_ZONE + path.len() as u64);
    let mut former = vec![0; path.len()];
    tracee.read(at, &mut former)?;
    tracee.write(at, &path)?;
    Ok(Box::new(Lent { _text: text, tid, at, former }))
}

/// See [`Guest::fill`].
pub(super) fn fill(run: &Run, tracee: &Tracee, fd: i32, text: &[u8]) -> Result<(), Errno> {
    let path = CString::new(format!("{}/fd/{fd}", Guest::tid(tracee))).map_err(|_| Errno::EINVAL)?;
    fd::write_file(run.proc.as_raw_fd(), &path, text).map_err(Errno::new)
}
