//! Every file of a tree, a directory before what is in it, in the order of names by their bytes.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::libc;

use remainroot_shims::owner::FileId;

use super::Trouble;
use super::entry::through;
use super::names::below;
use crate::sandbox::why;
use crate::sys::fd;

/// The kernel's word on a file, with the mount it is on.
const MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;

/// What the walk did with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It went into this directory.
    Into,
    /// It went on: this is no directory, or one that was removed meanwhile.
    Past,
    /// It did not go into what is mounted here.
    Mount,
}

/// A file that the walk has come to.
pub(super) struct Found {
    /// Its path below the root.
    pub path: Vec<u8>,
    /// An `O_PATH` descriptor.
    pub fd: OwnedFd,
    /// What the kernel says of it.
    pub stat: libc::statx,
    /// Whether what is in it comes next.
    pub way: Way,
}

impl Found {
    /// The root of a tree, of which `fd` is a descriptor.
    pub fn root(named: &Path, fd: OwnedFd) -> Result<Found, Trouble> {
        let stat = fd::statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, MASK)
            .map_err(|errno| failed("look at", named, b"", errno))?;
        Ok(Found { path: Vec::new(), fd, stat, way: Way::Past })
    }

    fn is_dir(&self) -> bool {
        u32::from(self.stat.stx_mode) & libc::S_IFMT == libc::S_IFDIR
    }
}

/// A directory that the walk is in.
struct Level {
    dir: OwnedFd,
    /// Length of its path.
    path: usize,
    /// Names that are still to come, the next one last.
    names: Vec<CString>,
}

/// A walk in progress. It follows no link, holds one descriptor a level, and enters no other mount.
pub(super) struct Walk {
    /// The root as it was named, for messages.
    named: PathBuf,
    levels: Vec<Level>,
    path: Vec<u8>,
    /// What is to be returned first.
    root: Option<Found>,
    mount: u64,
    /// What is passed over, with all that is below it.
    left_out: Option<FileId>,
}

impl Walk {
    /// A walk from the directory (or the one file) that `root` holds.
    pub fn new(named: &Path, root: OwnedFd) -> Result<Walk, Trouble> {
        let root = Found::root(named, root)?;
        let mount = mount_of(&root.stat);
        Ok(Walk {
            named: named.to_owned(),
            levels: Vec::new(),
            path: Vec::new(),
            root: Some(root),
            mount,
            left_out: None,
        })
    }

    /// Passes over a file, or a directory with what is below it, from now on.
    pub fn leave_out(&mut self, file: Option<FileId>) {
        self.left_out = file;
    }

    /// Goes down into a directory that [`Walk::next`] returned last.
    fn enter(&mut self, found: &Found) -> Result<Way, Trouble> {
        // The files of an overlay may be on other devices than its directories.
        let is_told = found.is_dir() || found.stat.stx_mask & libc::STATX_MNT_ID != 0;
        if is_told && mount_of(&found.stat) != self.mount {
            return Ok(Way::Mount);
        }
        if !found.is_dir() {
            return Ok(Way::Past);
        }
        let mut names = match names_in(found) {
            // It was removed since.
            Err(Errno::ENOENT | Errno::ESTALE) => return Ok(Way::Past),
            other => other.map_err(|errno| failed("list", &self.named, &found.path, errno as i32))?,
        };
        names.sort_unstable_by(|a, b| b.cmp(a));
        let dir = found.fd.try_clone().map_err(|error| {
            Trouble::new(format!("cannot hold {} open: {error}", below(&self.named, &found.path)))
                .mended_by("allow more open files: ulimit -n")
        })?;
        self.levels.push(Level { dir, path: found.path.len(), names });
        Ok(Way::Into)
    }

    /// The next file, or `None` at the end. One that vanishes meanwhile is left out.
    pub fn next(&mut self) -> Result<Option<Found>, Trouble> {
        if let Some(mut root) = self.root.take() {
            root.way = self.enter(&root)?;
            return Ok(Some(root));
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            self.path.truncate(level.path);
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            match look_at(&level.dir, &name) {
                Ok((_, stat)) if self.left_out.is_some_and(|out| fd::inode_of(&stat).id == out) => {}
                Ok((fd, stat)) => {
                    let mut found = Found { path: self.path.clone(), fd, stat, way: Way::Past };
                    found.way = self.enter(&found)?;
                    return Ok(Some(found));
                }
                Err(libc::ENOENT | libc::ESTALE) => {}
                Err(errno) => return Err(failed("look at", &self.named, &self.path, errno)),
            }
        }
        Ok(None)
    }
}

fn look_at(dir: &OwnedFd, name: &CStr) -> Result<(OwnedFd, libc::statx), i32> {
    let fd = fd::open_path(dir.as_raw_fd(), name, libc::O_NOFOLLOW)?;
    let stat = fd::statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW, MASK)?;
    Ok((fd, stat))
}

/// What is mounted on, if the root of a tree is a mount of its own: what the directory above it says.
pub(super) fn covered(root: &Found) -> Option<(OwnedFd, libc::statx)> {
    let above = look_at(&root.fd, c"..").ok()?;
    (root.is_dir() && mount_of(&above.1) != mount_of(&root.stat)).then_some(above)
}

/// What tells mounts apart: their ids (Linux 5.8), or else devices.
fn mount_of(stat: &libc::statx) -> u64 {
    if stat.stx_mask & libc::STATX_MNT_ID != 0 {
        stat.stx_mnt_id
    } else {
        libc::makedev(stat.stx_dev_major, stat.stx_dev_minor)
    }
}

fn names_in(found: &Found) -> Result<Vec<CString>, Errno> {
    let file = File::open(through(found.fd.as_fd()))
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    let mut dir = Dir::from_fd(file.into())?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn failed(verb: &str, root: &Path, path: &[u8], errno: i32) -> Trouble {
    Trouble::new(format!("cannot {verb} {}: {}", below(root, path), why(Errno::from_raw(errno))))
}
