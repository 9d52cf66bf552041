//! Looking files up as a guest would, and touching them on its behalf.
//!
//! The tracer shares the guest's credentials and, unless the guest changed its own, its root and mounts; so the
//! kernel answers it as it would answer the guest. What differs is what /proc/self means, the working directory and
//! the descriptors: those go through /proc/TID, and so does another root.
//!
//! What a file system may let us wait for is done aside: its server may be a guest.

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{Dir, Guest, Node, Place, Trailing};
use remainroot_shims::owner::{Attributes, FileId, FileSystem, Inode, Time};

use super::mounts::{self, Manners, walk_may_wait};
use super::nursery::Kin;
use super::resolve::{Journey, Next};
use super::run::Run;
use super::tracee::Tracee;
use super::{views, writes};
use crate::store::File;
use crate::sys::{fd, mount};

/// `STATX_MNT_ID_UNIQUE`.
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

const STAT_MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME;

/// A file, held by a descriptor of the tracer's: an `O_PATH` one, or one borrowed from the guest.
pub(super) struct Held {
    run: Rc<Run>,
    /// Whose mounts it was found among.
    tid: i32,
    pub(super) fd: Arc<OwnedFd>,
    /// Whether it was found by a path, and so is what the path leads to, with whatever covers it.
    by_path: bool,
    /// The root of one of our covers, if the file was found beneath it.
    cover: Option<OwnedFd>,
    /// It must be open, not `O_PATH`, and whether it is was not asked yet.
    unproven: Cell<bool>,
    /// What is known of all files on its mount, once that is needed.
    manners: OnceCell<Manners>,
    /// What was seen of it when that was found out.
    glance: Cell<Option<Inode>>,
}

/// See [`Guest::find`].
pub(super) fn find(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Result<Box<dyn Node>, Errno> {
    Ok(Box::new(find_held(run, tracee, place)?))
}

/// The same, for those who need the descriptor.
pub(super) fn find_held(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Result<Held, Errno> {
    let tid = Guest::tid(tracee);
    let mut held = match *place {
        Place::Fd(fd) => hold_descriptor(run, tracee, fd, Kind::Any),
        Place::OpenFd(fd) => hold_descriptor(run, tracee, fd, Kind::Open),
        Place::ChangedFd(fd) => hold_descriptor(run, tracee, fd, Kind::ToldByChange),
        Place::Cwd => open_proc(run, tid, "cwd").map_err(Errno::new).and_then(|fd| hold(run, tid, fd)),
        Place::Exe => open_proc(run, tid, "exe").map_err(Errno::new).and_then(|fd| hold(run, tid, fd)),
        Place::Path { dir, path, trailing } => {
            if path.is_empty() {
                return Err(Errno::ENOENT);
            }
            open(run, tracee, dir, path, flags_of(trailing)).and_then(|fd| hold(run, tid, fd))
        }
    }?;
    held.by_path = matches!(place, Place::Path { .. });
    if let Place::Exe = place {
        // Its pages come from there.
        tracee.set_slow_memory(!held.is_prompt());
    }
    Ok(held)
}

/// Holds a file; the placeholder, if it is a device that covers one.
fn hold(run: &Rc<Run>, tid: i32, fd: OwnedFd) -> Result<Held, Errno> {
    let covers = run.covers.borrow();
    let beneath = if covers.is_empty() { None } else { device_mount(&fd).and_then(|id| covers.get(&id)) };
    // With its last name went what is recorded of it: what is still open then is the machine's.
    let beneath = beneath.filter(|placeholder| has_names(placeholder));
    let (fd, cover) = match beneath {
        None => (Arc::new(fd), None),
        Some(placeholder) => (placeholder.clone(), Some(fd)),
    };
    Ok(Held {
        run: run.clone(),
        tid,
        fd,
        by_path: false,
        cover,
        unproven: Cell::new(false),
        manners: OnceCell::new(),
        glance: Cell::new(None),
    })
}

pub(super) fn open_proc(run: &Run, tid: i32, entry: &str) -> Result<OwnedFd, i32> {
    let path = CString::new(format!("{tid}/{entry}")).map_err(|_| libc::EINVAL)?;
    fd::open_path(run.proc.as_raw_fd(), &path, 0)
}

/// What kind of descriptor is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `O_PATH` ones, too.
    Any,
    /// No `O_PATH` ones.
    Open,
    /// No `O_PATH` ones, but the first operation may be the one to say so.
    ToldByChange,
}

/// The guest's descriptor itself, or else an `O_PATH` one for the same file. EBADF if it is of the wrong kind.
fn hold_descriptor(run: &Rc<Run>, tracee: &Tracee, fd: i32, kind: Kind) -> Result<Held, Errno> {
    let tid = Guest::tid(tracee);
    if let Some(borrowed) = tracee.borrow_fd(fd) {
        let held = hold(run, tid, borrowed?)?;
        held.unproven.set(kind != Kind::Any);
        if kind == Kind::Open || !held.is_prompt() {
            held.prove_open()?;
        }
        if held.is_prompt() {
            return Ok(held);
        }
        // Closing it means to wait, and so might the last of those who use it.
        run.aside.close(held.fd);
    }
    hold(run, tid, open_descriptor(run, tid, fd)?)
}

fn open_descriptor(run: &Run, tid: i32, fd: i32) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    open_proc(run, tid, &format!("fd/{fd}")).map_err(|errno| match errno {
        libc::ENOENT => Errno::EBADF,
        errno => Errno::new(errno),
    })
}

/// The directory that a relative path starts from.
fn open_dir(run: &Run, tid: i32, dir: Dir) -> Result<OwnedFd, Errno> {
    match dir {
        Dir::Cwd => open_proc(run, tid, "cwd").map_err(Errno::new),
        Dir::Fd(fd) => open_descriptor(run, tid, fd),
    }
}

/// Looks a path up as the task would, in its own root and mounts.
fn open(run: &Run, tracee: &Tracee, dir: Dir, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    let journey = journey(run, tracee, dir, path, flags)?;
    match journey.at_once() {
        Ok(found) => found,
        Err(next) => make(run, tracee, journey, next),
    }
}

fn make(run: &Run, tracee: &Tracee, journey: Journey, next: Next) -> Result<OwnedFd, Errno> {
    let process = tracee.process();
    if walk_may_wait(run, tracee) {
        return run.aside.wait(move || journey.make(next, process));
    }
    journey.make(next, process)
}

fn journey(run: &Run, tracee: &Tracee, dir: Dir, path: &CStr, flags: i32) -> Result<Journey, Errno> {
    let tid = Guest::tid(tracee);
    let restrictions = Journey::restrictions(tracee.resolve(), path, tracee.has_foreign_root());
    let is_absolute = path.to_bytes().starts_with(b"/") && restrictions & libc::RESOLVE_IN_ROOT == 0;
    let start = if is_absolute { None } else { Some(open_dir(run, tid, dir)?) };
    let root = match tracee.has_foreign_root() {
        true => Some(open_proc(run, tid, "root").map_err(Errno::new)?),
        false => None,
    };
    Ok(Journey { tid, path: path.to_owned(), start, root, flags, restrictions })
}

/// The same as [`find_held`] for what may be a file of /proc about a task. Links of the guest's may lead to it through
/// /proc/self, which is the tracer for the kernel when that walks for us.
pub(super) fn find_about_task(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Result<Held, Errno> {
    let held = find_held(run, tracee, place)?;
    let Place::Path { dir, path, trailing } = *place else { return Ok(held) };
    if !views::may_be_ours(run, &held) {
        return Ok(held);
    }
    let journey = journey(run, tracee, dir, path, flags_of(trailing))?;
    let found = make(run, tracee, journey, Next::Walk);
    hold(run, Guest::tid(tracee), found?)
}

const fn flags_of(trailing: Trailing) -> i32 {
    match trailing {
        Trailing::Follow => 0,
        Trailing::Keep => libc::O_NOFOLLOW,
    }
}

/// See [`Guest::may_resolve`].
pub(super) fn may_resolve(run: &Run, tracee: &Tracee, dir: Dir, path: &CStr, resolve: u64) -> bool {
    if tracee.has_foreign_root() && path.to_bytes().starts_with(b"/") {
        return false;
    }
    let Ok(start) = open_dir(run, Guest::tid(tracee), dir) else { return false };
    let path = path.to_owned();
    // "self" is another for us, but there all the same.
    let look = move || fd::open_path_resolving(start.as_raw_fd(), &path, 0, resolve).map_err(Errno::new);
    let found = if walk_may_wait(run, tracee) { run.aside.wait(look) } else { look() };
    found.is_ok()
}

/// See [`Guest::sysctl`].
pub(super) fn sysctl(run: &Run, name: &CStr) -> u32 {
    let read = || {
        let path = CString::new([b"sys/", name.to_bytes()].concat()).ok()?;
        let text = fd::read_file(run.proc.as_raw_fd(), &path).ok()?;
        String::from_utf8_lossy(&text).trim().parse().ok()
    };
    read().unwrap_or(0)
}

/// The umask line of /proc/TID/status.
pub(super) fn umask(run: &Run, tid: i32) -> Result<u32, Errno> {
    status_field(run, tid, "Umask:").and_then(|text| u32::from_str_radix(&text, 8).ok()).ok_or(Errno::ESRCH)
}

/// The process that a task is a thread of; a task that is gone counts as one of its own.
pub(super) fn process_of(run: &Run, tid: i32) -> i32 {
    status_number(run, tid, "Tgid:").unwrap_or(tid)
}

/// Whether a task has ended, though its end may not be reported yet.
pub(super) fn is_dead(run: &Run, tid: i32) -> bool {
    status_field(run, tid, "State:").is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// A numeric field of /proc/TID/status.
pub(super) fn status_number(run: &Run, tid: i32, field: &str) -> Option<i32> {
    status_field(run, tid, field)?.parse().ok()
}

/// A field of a task's /proc status, by its name with the colon; `None` if the task is gone.
pub(super) fn status_field(run: &Run, tid: i32, field: &str) -> Option<String> {
    field_of(&status(run.proc.as_raw_fd(), tid)?, field).map(str::to_owned)
}

/// A new task's process, and the one whose child it is. A task that is gone is its own.
pub(super) fn kin_of(run: &Run, tid: i32) -> Kin {
    let text = status(run.proc.as_raw_fd(), tid).unwrap_or_default();
    let number = |field| field_of(&text, field).and_then(|value| value.parse().ok());
    let process = number("Tgid:").unwrap_or(tid);
    let parent = if process == tid { number("PPid:").unwrap_or(0) } else { process };
    Kin { process, parent }
}

/// A task's status, by the /proc that `proc` is.
pub(super) fn status(proc: RawFd, tid: i32) -> Option<String> {
    let path = CString::new(format!("{tid}/status")).ok()?;
    let text = fd::read_file(proc, &path).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// A field of such a status.
pub(super) fn field_of<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim)
}

impl Held {
    /// Whether it is on a /proc, whichever.
    pub(super) fn is_on_proc(&self) -> bool {
        self.with(|fd| fd::is_on_proc(fd.as_fd()).map_err(Errno::new)) == Ok(true)
    }

    /// Reads it, a small file of a /proc, whole.
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let path = CString::new(format!("self/fd/{}", self.fd.as_raw_fd())).ok()?;
        fd::read_file(self.run.proc.as_raw_fd(), &path).ok()
    }

    /// Its descriptor, if the file system answers at once and nobody else has it.
    pub(super) fn into_prompt(self) -> Option<OwnedFd> {
        if self.is_prompt() { Arc::into_inner(self.fd) } else { None }
    }

    /// Whether the file system answers at once.
    fn is_prompt(&self) -> bool {
        self.manners().prompt
    }

    fn manners(&self) -> Manners {
        *self.manners.get_or_init(|| {
            const MASK: u32 = STAT_MASK | libc::STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
            let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
            let Ok(stat) = fd::statx(self.fd.as_raw_fd(), c"", flags, MASK) else {
                return Manners::UNKNOWN;
            };
            let manners = mounts::manners_of(&self.run, self.tid, &self.fd, fd::mount_of(&stat));
            self.glance.set(manners.prompt.then(|| fd::inode_of(&stat)));
            Manners { generation: manners.generation.filter(|_| fd::has_birth_time(&stat)), ..manners }
        })
    }

    /// EBADF if the guest's descriptor is an `O_PATH` one where it must not be.
    fn prove_open(&self) -> Result<(), Errno> {
        if self.unproven.get() && fd::is_path_only(self.cover.as_ref().unwrap_or(&self.fd).as_fd()) {
            return Err(Errno::EBADF);
        }
        self.unproven.set(false);
        Ok(())
    }

    /// Makes a call with the file as stores see it.
    fn with_file<T: Send + 'static>(
        &self,
        call: impl FnOnce(File<'_>) -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, Errno> {
        let descriptors = self.run.descriptors.clone();
        self.with(move |fd| call(descriptors.file(fd.as_fd())))
    }

    /// Makes a call with the file; aside, if it may have to wait.
    fn with<T: Send + 'static>(
        &self,
        call: impl FnOnce(&OwnedFd) -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, Errno> {
        self.prove_open()?;
        if self.is_prompt() {
            return call(&self.fd);
        }
        let fd = self.fd.clone();
        self.run.aside.wait(move || call(&fd))
    }
}

impl Attributes for Held {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        self.with_file(|file| file.file_system())
    }

    fn generation(&self) -> Option<u64> {
        let asked = || self.with_file(|file| Ok(file.generation())).ok().flatten();
        self.manners().generation.or_else(asked)
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        self.with_file(|file| file.list_xattrs())
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        let name = name.to_owned();
        self.with_file(move |file| file.xattr(&name))
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.with_file(move |file| file.set_xattr(&name, &value, flags))
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        let name = name.to_owned();
        self.with_file(move |file| file.remove_xattr(&name))
    }

    fn path(&self) -> Option<String> {
        self.run.descriptors.file(self.fd.as_fd()).path()
    }
}

impl Node for Held {
    fn remove_unused(&self, name: &CStr, file: &Inode) -> Result<(), Errno> {
        let (name, file) = (name.to_owned(), *file);
        // Nothing removes a name for one inode alone: of what takes it between these two calls we know nothing.
        self.with(move |dir| fd::remove_unused(dir.as_fd(), &name, &file).map_err(Errno::new))
    }

    fn read_link(&self) -> Result<CString, Errno> {
        let text = self.with(|fd| fd::read_link(fd.as_fd()).map_err(Errno::new))?;
        CString::new(text).map_err(|_| Errno::EINVAL)
    }

    fn stat(&self) -> Result<Inode, Errno> {
        if self.is_prompt()
            && let Some(inode) = self.glance.take()
        {
            return Ok(inode);
        }
        self.with(|fd| {
            let stat = fd::statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, STAT_MASK).map_err(Errno::new)?;
            Ok(fd::inode_of(&stat))
        })
    }

    fn copies_up(&self) -> bool {
        self.manners().copies_up
    }

    fn touch_owner(&self) -> Result<(), Errno> {
        // fchown(2) asks whether it is open by itself; a placeholder beneath a device is held by its path.
        let asks = self.unproven.get() && self.cover.is_none();
        if asks {
            self.unproven.set(false);
        }
        let touch = if asks { fd::fchown_nobody } else { fd::chown_nobody };
        self.with(move |fd| touch(fd.as_fd()).map_err(Errno::new))
    }

    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        self.with(move |fd| {
            match fd::fchmod(fd.as_fd(), mode) {
                Err(libc::EBADF) => fd::chmod(&name_of(fd)?, mode),
                other => other,
            }
            .map_err(Errno::new)
        })
    }

    fn set_times(&self, times: [Time; 2]) -> Result<(), Errno> {
        self.with(move |fd| fd::set_times(&name_of(fd)?, times).map_err(Errno::new))
    }

    fn watch(&self, id: FileId, drops: u32) {
        let Some(inotify) = self.run.writes.inotify() else { return };
        let watch = self.with(move |fd| writes::watch_once(&inotify, &name_of(fd)?));
        if let Ok(descriptor) = watch {
            self.run.writes.add(id, descriptor, drops);
        }
    }

    fn written(&self, id: FileId) -> Option<u32> {
        self.run.writes.take(id)
    }

    fn mount_flags(&self) -> Result<u64, Errno> {
        self.with(|fd| fd::mount_flags(fd.as_fd()).map_err(Errno::new))
    }

    fn cover_with_device(&self, name: &CStr) -> Result<(), Errno> {
        if self.cover.is_some() || !self.by_path {
            return Err(Errno::EBUSY);
        }
        let mut device = b"/dev/".to_vec();
        device.extend_from_slice(name.to_bytes());
        let device = CString::new(device).map_err(|_| Errno::EINVAL)?;
        let cover = mount::clone_file(&device).map_err(Errno::new)?;
        mount::attach(cover.as_fd(), self.fd.as_fd()).map_err(Errno::new)?;
        if let Some(id) = device_mount(&cover) {
            self.run.covers.borrow_mut().insert(id, self.fd.clone());
        }
        Ok(())
    }

    fn uncover(&self) -> Result<(), Errno> {
        let cover = self.cover.as_ref().ok_or(Errno::EINVAL)?;
        mount::detach(&name_of(cover)?).map_err(Errno::new)?;
        match device_mount_once(cover) {
            Some((id, true)) => self.run.outlive_cover(id),
            Some((id, false)) => drop(self.run.covers.borrow_mut().remove(&id)),
            None => {}
        }
        Ok(())
    }

    fn cover_with_tree(&self, path: &CStr) -> Result<(), Errno> {
        mount::bind_tree(path, &name_of(&self.fd)?).map_err(Errno::new)
    }
}

/// A path that names a held file itself, whatever it is, to the calls that take no descriptor. Relative to /proc, the
/// tracer's working directory.
fn name_of(fd: &OwnedFd) -> Result<CString, Errno> {
    CString::new(format!("self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::EINVAL)
}

/// Whether a file has a name still.
fn has_names(fd: &OwnedFd) -> bool {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    fd::statx(fd.as_raw_fd(), c"", flags, libc::STATX_NLINK).is_ok_and(|stat| stat.stx_nlink > 0)
}

/// The id of the mount that a device is on (Linux 5.8); `None` for other files.
fn device_mount(fd: &OwnedFd) -> Option<u64> {
    device_mount_once(fd).map(|(id, _)| id)
}

/// The same, and whether the id is never used again (Linux 6.8).
fn device_mount_once(fd: &OwnedFd) -> Option<(u64, bool)> {
    const IDS: u32 = libc::STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let stat = fd::statx(fd.as_raw_fd(), c"", flags, libc::STATX_TYPE | IDS).ok()?;
    let is_device = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFCHR;
    let is_unique = stat.stx_mask & STATX_MNT_ID_UNIQUE != 0;
    (is_device && stat.stx_mask & IDS != 0).then_some((stat.stx_mnt_id, is_unique))
}
