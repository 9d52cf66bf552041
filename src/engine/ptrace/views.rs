//! What /proc says of tasks: the tracer's own /proc, which is that of most guests, and those that guests mount.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{
    Dir, Guest, Loan, Node, Place, Room as _, Shelf, TaskFile, Text, Trailing, Writes,
};
use remainroot_shims::owner::Attributes;
use remainroot_shims::table::Needs;

use super::mounts::walk_may_wait;
use super::room::{ALIGNMENT, Room};
use super::run::Run;
use super::tracee::Tracee;
use super::{files, login, peers, pids};
use crate::sys::{fd, process};

/// Inode number of /proc itself (`PROC_ROOT_INO`).
const ROOT: u64 = 1;

/// Device and inode number of a file, by its name in a directory.
pub(super) fn identity(dir: i32, name: &str) -> Option<(u64, u64)> {
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
    let Some((dev, ROOT)) = identity(borrowed.as_raw_fd(), "") else {
        run.close(borrowed);
        return false;
    };
    // The root of another file system may have that number, too, and wait for its server.
    let is_on_proc = move || fd::is_on_proc(borrowed.as_fd()).map_err(Errno::new);
    if dev == run.proc_device {
        return true;
    }
    let answer = if walk_may_wait(run, tracee) { run.aside.wait(is_on_proc) } else { is_on_proc() };
    answer == Ok(true)
}

/// See [`Guest::shows_tasks`].
pub(super) fn shows_tasks(run: &Run, dev: u64) -> bool {
    // Nobody says which device another /proc has; it has none behind it, at least.
    let may = dev == run.proc_device || (run.has_other_procs.get() && libc::major(dev) == 0);
    may && run.arisen.get().contains(Needs::USERS)
}

/// See [`Guest::task_file`].
pub(super) fn task_file(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Option<TaskFile> {
    let node = files::find_about_task(run, tracee, place).ok()?;
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
    let tasks = run.tasks.borrow();
    let slot = tasks.get(tid);
    let dumpable = slot.is_none_or(|slot| slot.tracee.dumpable() == 1);
    let filters = slot.map_or(1, |slot| slot.filters.ours());
    Some(TaskFile { tid, name: name.to_owned(), cred, dumpable, filters })
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
pub(super) fn read(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Option<Vec<u8>> {
    files::find_about_task(run, tracee, place).ok()?.read()
}

/// Whether what the kernel has found for us may be about us, and not about the guest: a link may have led it through
/// /proc/self.
pub(super) fn may_be_ours(run: &Run, found: &files::Held) -> bool {
    if run.has_other_procs.get() {
        return found.is_on_proc();
    }
    let Some((dev, ino)) = identity(found.fd.as_raw_fd(), "") else { return false };
    dev == run.proc_device
        && ino != ROOT
        && path_on(run, &found.fd).is_some_and(|path| names(&path, process::id()))
}

/// The path of an open file, as /proc has it.
fn path_on(run: &Run, file: &OwnedFd) -> Option<String> {
    let link = CString::new(format!("self/fd/{}", file.as_raw_fd())).ok()?;
    let link = fd::open_path(run.proc.as_raw_fd(), &link, libc::O_NOFOLLOW).ok()?;
    String::from_utf8(fd::read_link(link.as_fd()).ok()?).ok()
}

/// Whether a directory of this path is called by that number.
fn names(path: &str, number: i32) -> bool {
    path.split('/').any(|name| name.parse() == Ok(number))
}

/// See [`Guest::sees_views`].
pub(super) fn sees_views(run: &Run, tracee: &Tracee) -> bool {
    let has = run.tasks.borrow().get(Guest::tid(tracee)).map_or(Needs::empty(), |slot| slot.filters.has());
    (run.needs.get() | tracee.needs() | has).intersects(Needs::USER | Needs::VIEWS)
}

/// The user namespace that a task lives in.
fn namespace(run: &Run, task: &str) -> Option<u64> {
    let path = CString::new(format!("{task}/ns/user")).ok()?;
    let stat = fd::statx(run.proc.as_raw_fd(), &path, libc::AT_STATX_DONT_SYNC, libc::STATX_INO).ok()?;
    Some(stat.stx_ino)
}

/// See [`Guest::lives_at_home`]. The tracer stays in the namespace in which the first guest started.
pub(super) fn lives_at_home(run: &Run, tid: i32) -> bool {
    let home = *run.home.get_or_init(|| namespace(run, "self"));
    home.is_some() && namespace(run, &tid.to_string()) == home
}

/// See [`Guest::id_at_home`].
pub(super) fn id_at_home(run: &Run, tid: i32, map: &CStr, id: u32) -> u32 {
    if lives_at_home(run, tid) {
        return id;
    }
    // As the tracer reads it, it tells which ids of its own those of the task are.
    let path = CString::new(format!("{tid}/{}", map.to_string_lossy()));
    let text = path.ok().and_then(|path| fd::read_file(run.proc.as_raw_fd(), &path).ok()).unwrap_or_default();
    id_in(&String::from_utf8_lossy(&text), id).unwrap_or(u32::MAX)
}

/// What the namespace of a map calls an id of its parent's.
fn id_in(map: &str, id: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut words = line.split_whitespace().map(str::parse);
        let (Some(Ok(first)), Some(Ok(lower)), Some(Ok(count))) = (words.next(), words.next(), words.next())
        else {
            return None;
        };
        let (first, lower, count): (u32, u32, u32) = (first, lower, count);
        id.checked_sub(lower).filter(|at| *at < count).and_then(|at| first.checked_add(at))
    })
}

/// A path on the guest's stack, with what it needs besides.
struct Lent {
    run: Rc<Run>,
    /// The text.
    file: Cell<Option<OwnedFd>>,
    /// What it says, and whose login it sets.
    login: Option<(Vec<u8>, Rc<login::State>)>,
    /// Its name, and where, if it has one.
    _named: Option<Named>,
    room: Room,
    beside: u64,
}

impl Loan for Lent {
    fn path(&self) -> u64 {
        self.room.at()
    }

    fn beside(&self) -> u64 {
        self.beside
    }

    fn opened(&self) {
        if let (Some((before, state)), Some(file)) = (&self.login, self.file.take()) {
            state.opened(&self.run, file, before);
        }
    }
}

/// A name for a moment.
struct Named {
    dir: OwnedFd,
    name: CString,
}

impl Drop for Named {
    fn drop(&mut self) {
        // It is there: nobody else knows it.
        let _ = fd::remove(self.dir.as_fd(), &self.name);
    }
}

/// See [`Guest::lend`].
pub(super) fn lend(
    run: &Rc<Run>,
    tracee: &Tracee,
    text: &Text<'_>,
    shelf: Shelf<'_>,
) -> Result<Box<dyn Loan>, Errno> {
    let (path, file, named) = match shelf {
        Shelf::Engine => {
            if run.has_other_procs.get() {
                // There, our number may be somebody else's.
                return Err(Errno::ENOSYS);
            }
            let name = CString::new(text.name).map_err(|_| Errno::EINVAL)?;
            let file = fd::text_in_memory(&name, text.bytes, text.writes != Writes::Login);
            let file = file.map_err(Errno::new)?;
            fd::fchmod(file.as_fd(), text.mode).map_err(Errno::new)?;
            (format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()).into_bytes(), file, None)
        }
        // No file with a name refuses what its mode allows.
        Shelf::Dir(_) if text.writes == Writes::Refused => return Err(Errno::ENOSYS),
        Shelf::Dir(dir) => {
            // What the guest wanted of its path does not hold for ours.
            Guest::resolves(tracee, 0);
            let place = Place::Path { dir: Dir::Cwd, path: dir, trailing: Trailing::Follow };
            let dir_fd = files::find_held(run, tracee, &place)?.into_prompt().ok_or(Errno::ENOSYS)?;
            let name = CString::new(format!(".remainroot-{}-{}", process::id(), run.next_text()));
            let name = name.map_err(|_| Errno::EINVAL)?;
            let file = fd::make_file(dir_fd.as_fd(), &name).map_err(Errno::new)?;
            let path = [dir.to_bytes(), b"/", name.to_bytes()].concat();
            let named = Named { dir: dir_fd, name };
            fd::write_all(&file, text.bytes).map_err(Errno::new)?;
            fd::fchmod(file.as_fd(), text.mode).map_err(Errno::new)?;
            (path, file, Some(named))
        }
    };
    let (room, beside) = put(tracee, &path, text.beside)?;
    let login = (text.writes == Writes::Login).then(|| (text.bytes.to_vec(), tracee.login_state()));
    let file = Cell::new(Some(file));
    Ok(Box::new(Lent { run: run.clone(), file, login, _named: named, room, beside }))
}

/// Puts a path and something else on the guest's stack. Returns where both are.
fn put(tracee: &Tracee, path: &[u8], beside: &[u8]) -> Result<(Room, u64), Errno> {
    // The path, with its NUL, so that what follows is aligned as the stack is.
    let mut bytes = path.to_vec();
    bytes.resize((path.len() + 1).next_multiple_of(ALIGNMENT), 0);
    let offset = bytes.len() as u64;
    bytes.extend_from_slice(beside);
    let room = Room::on_stack(tracee, bytes.len())?;
    tracee.write(room.at(), &bytes)?;
    let beside = room.at() + offset;
    Ok((room, beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_the_map_says() {
        let map = "         5          0          1\n       100         10          5\n";
        assert_eq!(
            [0, 1, 9, 10, 14, 15].map(|id| id_in(map, id)),
            [Some(5), None, None, Some(100), Some(104), None]
        );
        assert_eq!(id_in("", 0), None);
        assert_eq!(id_in("         0          0 4294967295\n", 4_294_967_294), Some(4_294_967_294));
    }
}
