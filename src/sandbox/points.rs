//! Mount points that were not there: made for a run, and removed when it is over.
//!
//! A mount needs something to be mounted on, and what it was stays on disk. Two runs may share such a place, and
//! removing a mount point takes the mounts of others away with it. So each run holds a shared lock (flock(2)) on what
//! it mounts on, and removes only what it can lock for itself. An extended attribute marks what was made: whoever comes
//! to use it has to remove it as well, the last one does, and what a run left that was killed goes with the next.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, fchdir, unlinkat};

use remainroot_shims::owner::mirror::MOUNT_POINT;

use super::target::{Kind, path_of};
use crate::sys::xattr::{self, Name};

/// How often a lock is tried that another run holds while it removes what it made: for no longer than a moment.
const TRIES: u32 = 20;

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// Marks what was made to mount on, where the file system has attributes. Its value says nothing.
const MARK: &CStr = MOUNT_POINT;

/// Device and inode number.
type Id = (u64, u64);

/// Something that was made.
struct Made {
    parent: OwnedFd,
    name: OsString,
    kind: Kind,
    id: Id,
}

/// What is mounted on, and a lock on it where it can be locked.
struct Used {
    id: Id,
    lock: Option<Flock<File>>,
}

/// What was made to mount on, and locks on all that is mounted on. Removes the first, as far as it is still empty and
/// nobody else's, when dropped; by then no task of the run may be left.
#[derive(Default)]
pub struct Points {
    made: Vec<Made>,
    used: Vec<Used>,
}

impl Points {
    /// Notes that `name`, which `point` holds, was made in `parent`.
    pub fn note(&mut self, parent: OwnedFd, name: &OsStr, kind: Kind, point: &OwnedFd) {
        // Without a mark it stays behind only if others use it.
        let _ = by_path(point, |path| xattr::set(Name::new(path), MARK, b"1", 0));
        self.add(parent, name, kind, point);
    }

    /// Notes that `name` in `parent` is to be removed, if it was made by another run.
    pub fn adopt(&mut self, parent: OwnedFd, name: &OsStr, point: &OwnedFd) {
        let Ok(stat) = fstat(point) else { return };
        let kind = match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Dir,
            libc::S_IFREG if stat.st_size == 0 => Kind::File,
            _ => return,
        };
        if by_path(point, |path| xattr::get(Name::new(path), MARK)).is_ok() {
            self.add(parent, name, kind, point);
        }
    }

    fn add(&mut self, parent: OwnedFd, name: &OsStr, kind: Kind, point: &OwnedFd) {
        if let Ok(stat) = fstat(point)
            && !self.made.iter().any(|made| made.id == id(&stat))
        {
            self.made.push(Made { parent, name: name.to_owned(), kind, id: id(&stat) });
        }
    }

    /// Keeps others from removing the mount point that `point` holds. ENOENT if one has done so already. Where files
    /// cannot be locked, they are not.
    pub fn lock(&mut self, point: &OwnedFd) -> Result<(), Errno> {
        let id = id(&fstat(point)?);
        if !self.used.iter().any(|used| used.id == id) {
            self.used.push(Used { id, lock: shared(point) });
        }
        match fstat(point)?.st_nlink {
            0 => Err(Errno::ENOENT),
            _ => Ok(()),
        }
    }

    /// How much is noted so far.
    pub fn mark(&self) -> (usize, usize) {
        (self.made.len(), self.used.len())
    }

    /// Forgets what was noted after `mark`: it was made in a file system that lasts no longer than the run.
    pub fn forget_since(&mut self, (made, used): (usize, usize)) {
        self.made.truncate(made);
        self.used.truncate(used);
    }
}

/// Makes a call with a path to what an `O_PATH` descriptor holds: with the descriptor itself it would be refused.
fn by_path<T>(point: &OwnedFd, call: impl FnOnce(&CStr) -> Result<T, i32>) -> Result<T, i32> {
    call(&CString::new(path_of(point).as_os_str().as_bytes()).map_err(|_| libc::EINVAL)?)
}

fn shared(point: &OwnedFd) -> Option<Flock<File>> {
    let kind = fstat(point).ok()?.st_mode & libc::S_IFMT;
    if kind != libc::S_IFDIR && kind != libc::S_IFREG {
        return None;
    }
    let mut file = File::open(path_of(point)).ok()?;
    for _ in 0..TRIES {
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err(_) => return None,
        }
        sleep(PAUSE);
    }
    None
}

fn look(parent: &OwnedFd, name: &OsStr) -> Result<FileStat, Errno> {
    fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn id(stat: &FileStat) -> Id {
    (stat.st_dev, stat.st_ino)
}

impl Made {
    /// Removes it. What others use, have put there, or in its place, stays.
    fn remove(&self, used: &[Used]) {
        if fchdir(&self.parent).is_err() {
            return;
        }
        // However much the guest has mounted on top.
        while umount2(self.name.as_os_str(), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_ok() {}
        let Ok(stat) = look(&self.parent, &self.name) else { return };
        if id(&stat) != self.id || !self.is_left_to_us(used) {
            return;
        }
        // What cannot be removed stays: it is not empty, or the file system has become read-only.
        let _ = match self.kind {
            Kind::Dir => unlinkat(&self.parent, self.name.as_os_str(), UnlinkatFlags::RemoveDir),
            Kind::File if stat.st_size == 0 => {
                unlinkat(&self.parent, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)
            }
            Kind::File => Ok(()),
        };
    }
}

impl Made {
    /// Whether nobody else mounts on it.
    fn is_left_to_us(&self, used: &[Used]) -> bool {
        let exclusively = FlockArg::LockExclusiveNonblock;
        match used.iter().find(|used| used.id == self.id) {
            Some(used) => used.lock.as_ref().is_some_and(|lock| lock.relock(exclusively).is_ok()),
            // On the way to ours; it may be the place of another's.
            None => {
                let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                openat(&self.parent, self.name.as_os_str(), flags, Mode::empty())
                    .is_ok_and(|dir| Flock::lock(File::from(dir), exclusively).is_ok())
            }
        }
    }
}

#[cfg(test)]
impl Points {
    /// What is left of it when the process is killed.
    pub fn abandon(mut self) {
        self.made.clear();
    }
}

impl Drop for Points {
    fn drop(&mut self) {
        for made in self.made.iter().rev() {
            made.remove(&self.used);
        }
    }
}
