//! Pids as guests know them. In a pid namespace of its own, a guest has other numbers for itself and its like than the
//! tracer has.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use remainroot_shims::guest::Guest;

use super::files;
use super::run::Run;
use super::tracee::Tracee;
use crate::sys::fd;

/// The task that a guest calls `pid`, by the tracer's number. `None`: there is none of ours in its namespace.
pub(super) fn named_by(run: &Run, tracee: &Tracee, pid: i32) -> Option<i32> {
    let proc = run.proc.as_raw_fd();
    let tid = Guest::tid(tracee);
    let depth = numbers(proc, tid)?.len();
    if depth == 1 {
        // The namespace that the tracer sees the tasks in.
        return Some(pid);
    }
    let home = namespace(proc, tid, 0)?;
    let names = Names { level: Some((depth, home)) };
    let tids: Vec<i32> = run.tasks.borrow().iter().map(|slot| slot.tracee.tid()).collect();
    let alive = tids.into_iter().find(|other| names.name(run, *other) == Some(pid));
    alive.or_else(|| run.departed.borrow().named(Inner { pid, namespace: home }))
}

/// What a process is called in a pid namespace that a guest has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    pid: i32,
    namespace: u64,
}

/// What this one is called in its own. `None` if it lives in the namespace that the tracer sees.
pub(super) fn inner(run: &Run, tid: i32) -> Option<Inner> {
    let proc = run.proc.as_raw_fd();
    let numbers = numbers(proc, tid).filter(|numbers| numbers.len() > 1)?;
    Some(Inner { pid: *numbers.last()?, namespace: namespace(proc, tid, 0)? })
}

/// How a guest calls others.
pub(super) struct Names {
    /// In which of the namespaces that the tracer sees, the tracer's being the first. `None`: in that one.
    level: Option<(usize, u64)>,
}

/// How this guest does.
pub(super) fn names_of(run: &Run, tracee: &Tracee) -> Names {
    let proc = run.proc.as_raw_fd();
    let tid = Guest::tid(tracee);
    let depth = numbers(proc, tid).map_or(1, |numbers| numbers.len());
    Names { level: if depth == 1 { None } else { namespace(proc, tid, 0).map(|home| (depth, home)) } }
}

impl Names {
    /// The number that it has for a task; `None` if it cannot see that.
    pub fn name(&self, run: &Run, tid: i32) -> Option<i32> {
        let Some((depth, home)) = self.level else { return Some(tid) };
        let proc = run.proc.as_raw_fd();
        let Some(numbers) = numbers(proc, tid) else {
            let departed = run.departed.borrow();
            return departed.inner(tid).filter(|inner| inner.namespace == home).map(|inner| inner.pid);
        };
        let number = *numbers.get(depth - 1)?;
        (namespace(proc, tid, numbers.len() - depth) == Some(home)).then_some(number)
    }
}

/// The number of a task in the innermost pid namespace that it lives in.
pub(super) fn own_number(run: &Run, tid: i32) -> Option<i32> {
    numbers(run.proc.as_raw_fd(), tid)?.pop()
}

/// The number of a task in a /proc, which may be that of another pid namespace than the tracer's own /proc, its
/// working directory. The tracer's if the task cannot be seen there.
pub(super) fn number_in(proc: &OwnedFd, device: u64, tid: i32) -> i32 {
    static OURS: OnceLock<Option<u64>> = OnceLock::new();
    let ours = OURS.get_or_init(|| {
        let stat = fd::statx(libc::AT_FDCWD, c".", libc::AT_STATX_DONT_SYNC, libc::STATX_INO).ok()?;
        Some(fd::inode_of(&stat).id.dev)
    });
    if *ours == Some(device) {
        return tid;
    }
    let found = || {
        let all = numbers(libc::AT_FDCWD, tid)?;
        let home = namespace(libc::AT_FDCWD, tid, 0)?;
        // A namespace and a number in it: nobody else has both.
        let is_it = |number: &&i32| {
            namespace(proc.as_raw_fd(), **number, 0) == Some(home)
                && numbers(proc.as_raw_fd(), **number).is_some_and(|seen| seen.last() == all.last())
        };
        all.iter().find(is_it).copied()
    };
    found().unwrap_or(tid)
}

/// The numbers of a task from the namespace of `proc` inwards (`NSpid` of /proc/PID/status).
fn numbers(proc: RawFd, tid: i32) -> Option<Vec<i32>> {
    let status = files::status(proc, tid)?;
    let numbers: Vec<i32> = files::field_of(&status, "NSpid:")?
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Which pid namespace is so many levels above that of a task.
fn namespace(proc: RawFd, tid: i32, above: usize) -> Option<u64> {
    let path = CString::new(format!("{tid}/ns/pid")).ok()?;
    let mut namespace = fd::open_file(proc, &path).ok()?;
    for _ in 0..above {
        namespace = fd::parent_namespace(namespace.as_fd()).ok()?;
    }
    let stat = fd::statx(namespace.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_INO).ok()?;
    Some(stat.stx_ino)
}
