//! Mount points that were not there: made for a run, and removed when it is over.
//!
//! A mount needs something to be mounted on, and what it was stays on disk. Two runs may share such a place: the one
//! that made it then leaves it, because removing a mount point takes the mounts of others away with it. Each run
//! holds a shared lock (flock(2)) on what it mounts on, and removes only what it can lock for itself.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{FileStat, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, fchdir, unlinkat};

use super::target::{Kind, path_of};

/// How often a lock is tried that another run holds while it removes what it made: for no longer than a moment.
const TRIES: u32 = 20;

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(5);

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
    /// Notes that `name` was made in `parent`.
    pub fn note(&mut self, parent: OwnedFd, name: &OsStr, kind: Kind) {
        // What is gone again already need not be removed.
        if let Ok(stat) = look(&parent, name) {
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
        let ours = match used.iter().find(|used| used.id == self.id) {
            // A directory on the way.
            None => true,
            Some(Used { lock: None, .. }) => false,
            Some(Used { lock: Some(lock), .. }) => lock.relock(FlockArg::LockExclusiveNonblock).is_ok(),
        };
        let Ok(stat) = look(&self.parent, &self.name) else { return };
        if !ours || id(&stat) != self.id {
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

impl Drop for Points {
    fn drop(&mut self) {
        for made in self.made.iter().rev() {
            made.remove(&self.used);
        }
    }
}
