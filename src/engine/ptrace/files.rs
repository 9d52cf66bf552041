//! Looking files up as a guest would, and touching them on its behalf.
//!
//! The tracer shares the guest's credentials and, unless the guest changed its own, its root and mounts; so the
//! kernel answers it as it would answer the guest. What differs is what /proc/self means, the working directory and
//! the descriptors: those go through /proc/TID. A task with another root is looked up from within that root.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use remainroot_shims::abi::Errno;
use remainroot_shims::guest::{Dir, Guest, Node, Place, Trailing};
use remainroot_shims::owner::{Attributes, FileSystem, Inode};

use super::resolve;
use super::run::Run;
use super::tracee::Tracee;
use crate::store::File;
use crate::sys::{fd, mount};

/// `STATX_MNT_ID_UNIQUE`.
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

const STAT_MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME;

/// A file, held by a descriptor of the tracer's: an `O_PATH` one, or one borrowed from the guest.
struct Held {
    run: Rc<Run>,
    fd: OwnedFd,
    /// The root of one of our covers, if the file was found beneath it.
    cover: Option<OwnedFd>,
}

/// See [`Guest::find`].
pub(super) fn find(run: &Rc<Run>, tracee: &Tracee, place: &Place<'_>) -> Result<Box<dyn Node>, Errno> {
    let tid = Guest::tid(tracee);
    let fd = match *place {
        Place::Fd(fd) => hold_descriptor(run, tracee, fd),
        Place::OpenFd(fd) => hold_descriptor(run, tracee, fd)
            .and_then(|fd| if fd::is_path_only(fd.as_fd()) { Err(Errno::EBADF) } else { Ok(fd) }),
        Place::Cwd => open_proc(run, tid, "cwd").map_err(Errno::new),
        Place::Exe => open_proc(run, tid, "exe").map_err(Errno::new),
        Place::Path { dir, path, trailing } => {
            if path.is_empty() {
                return Err(Errno::ENOENT);
            }
            let flags = match trailing {
                Trailing::Follow => 0,
                Trailing::Keep => libc::O_NOFOLLOW,
            };
            if tracee.has_foreign_root() {
                open_in_root(run, tid, dir, path, flags)
            } else {
                open_from(run, tid, dir, path, flags)
            }
        }
    }?;
    Ok(Box::new(hold(run, fd)?))
}

/// Holds a file; the placeholder, if it is a device that covers one.
fn hold(run: &Rc<Run>, fd: OwnedFd) -> Result<Held, Errno> {
    let covers = run.covers.borrow();
    let beneath = if covers.is_empty() { None } else { device_mount(&fd).and_then(|id| covers.get(&id)) };
    let (fd, cover) = match beneath {
        None => (fd, None),
        Some(placeholder) => {
            let placeholder = placeholder
                .try_clone()
                .map_err(|error| Errno::new(error.raw_os_error().unwrap_or(libc::EMFILE)))?;
            (placeholder, Some(fd))
        }
    };
    Ok(Held { run: run.clone(), fd, cover })
}

pub(super) fn open_proc(run: &Run, tid: i32, entry: &str) -> Result<OwnedFd, i32> {
    let path = CString::new(format!("{tid}/{entry}")).map_err(|_| libc::EINVAL)?;
    fd::open_path(run.proc.as_raw_fd(), &path, 0)
}

/// The guest's descriptor itself, or else an `O_PATH` one for the same file.
fn hold_descriptor(run: &Run, tracee: &Tracee, fd: i32) -> Result<OwnedFd, Errno> {
    match tracee.borrow_fd(fd) {
        Some(result) => result,
        None => open_descriptor(run, Guest::tid(tracee), fd),
    }
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

/// Looks a path up in the root that tracer and guest share.
fn open_from(run: &Run, tid: i32, dir: Dir, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    if path.to_bytes().starts_with(b"/") {
        return resolve::open(tid, run.proc.as_raw_fd(), path, flags);
    }
    let dir = open_dir(run, tid, dir)?;
    resolve::open(tid, dir.as_raw_fd(), path, flags)
}

/// Looks a path up in the task's own root and mounts: the tracer goes there and comes back.
fn open_in_root(run: &Run, tid: i32, dir: Dir, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    let start = if path.to_bytes().starts_with(b"/") { None } else { Some(open_dir(run, tid, dir)?) };
    let root = CString::new(format!("{tid}/root")).map_err(|_| Errno::EINVAL)?;
    match fd::change_root(&root) {
        // Nobody could have left our root either.
        Err(libc::EPERM) => return open_from(run, tid, dir, path, flags),
        result => result.map_err(Errno::new)?,
    }
    let start = start.as_ref().map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    let found = resolve::open(tid, start, path, flags);
    // With the way back barred we could not go on; these cannot fail for a process that just did the like.
    let back = fd::change_dir(run.root.as_fd())
        .and_then(|()| fd::change_root(c"."))
        .and_then(|()| fd::change_dir(run.proc.as_fd()));
    back.map_err(Errno::new).and(found)
}

/// The umask line of /proc/TID/status.
pub(super) fn umask(run: &Run, tid: i32) -> Result<u32, Errno> {
    status_field(run, tid, "Umask:").and_then(|text| u32::from_str_radix(&text, 8).ok()).ok_or(Errno::ESRCH)
}

/// The process that a task is a thread of; a task that is gone counts as one of its own.
pub(super) fn process_of(run: &Run, tid: i32) -> i32 {
    status_number(run, tid, "Tgid:").unwrap_or(tid)
}

/// The thread id of a task in the innermost pid namespace that it lives in.
pub(super) fn own_number(run: &Run, tid: i32) -> Option<i32> {
    status_field(run, tid, "NSpid:")?.split_whitespace().last()?.parse().ok()
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
    let path = CString::new(format!("{tid}/status")).ok()?;
    let text = fd::read_file(run.proc.as_raw_fd(), &path).ok()?;
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
}

impl Held {
    /// The file as stores see it.
    fn file(&self) -> File<'_> {
        File::beside_proc(self.fd.as_fd())
    }

    /// A path that names the held file itself, whatever it is, to the calls that take no descriptor. Relative to
    /// /proc, the tracer's working directory.
    fn name(&self) -> Result<CString, Errno> {
        name_of(&self.fd)
    }
}

impl Attributes for Held {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        self.file().file_system()
    }

    fn generation(&self) -> Option<u64> {
        self.file().generation()
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        self.file().list_xattrs()
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        self.file().xattr(name)
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
        self.file().set_xattr(name, value, flags)
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        self.file().remove_xattr(name)
    }

    fn path(&self) -> Option<String> {
        self.file().path()
    }
}

impl Node for Held {
    fn stat(&self) -> Result<Inode, Errno> {
        let stat = fd::statx(self.fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, STAT_MASK).map_err(Errno::new)?;
        Ok(fd::inode_of(&stat))
    }

    fn touch_owner(&self) -> Result<(), Errno> {
        fd::chown_nobody(self.fd.as_fd()).map_err(Errno::new)
    }

    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        match fd::fchmod(self.fd.as_fd(), mode) {
            Err(libc::EBADF) => fd::chmod(&self.name()?, mode),
            other => other,
        }
        .map_err(Errno::new)
    }

    fn mount_flags(&self) -> Result<u64, Errno> {
        fd::mount_flags(self.fd.as_fd()).map_err(Errno::new)
    }

    fn cover_with_device(&self, name: &CStr) -> Result<(), Errno> {
        let mut device = b"/dev/".to_vec();
        device.extend_from_slice(name.to_bytes());
        let device = CString::new(device).map_err(|_| Errno::EINVAL)?;
        let cover = mount::clone_file(&device).map_err(Errno::new)?;
        mount::attach(cover.as_fd(), self.fd.as_fd()).map_err(Errno::new)?;
        let placeholder =
            self.fd.try_clone().map_err(|error| Errno::new(error.raw_os_error().unwrap_or(libc::EMFILE)))?;
        if let Some(id) = device_mount(&cover) {
            self.run.covers.borrow_mut().insert(id, placeholder);
        }
        Ok(())
    }

    fn uncover(&self) -> Result<(), Errno> {
        let cover = self.cover.as_ref().ok_or(Errno::EINVAL)?;
        mount::detach(&name_of(cover)?).map_err(Errno::new)?;
        if let Some(id) = device_mount(cover) {
            self.run.covers.borrow_mut().remove(&id);
        }
        Ok(())
    }

    fn cover_with_tree(&self, path: &CStr) -> Result<(), Errno> {
        mount::bind_tree(path, &self.name()?).map_err(Errno::new)
    }
}

/// See [`Held::name`].
fn name_of(fd: &OwnedFd) -> Result<CString, Errno> {
    CString::new(format!("self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::EINVAL)
}

/// The id of the mount that a device is on (Linux 5.8; from 6.8 on one that is never used again); `None` for other
/// files.
fn device_mount(fd: &OwnedFd) -> Option<u64> {
    const IDS: u32 = libc::STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
    let stat = fd::statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_TYPE | IDS).ok()?;
    let is_device = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFCHR;
    (is_device && stat.stx_mask & IDS != 0).then_some(stat.stx_mnt_id)
}
