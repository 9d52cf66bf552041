//! The file system at hand: what it can keep.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Finding, Level};
use crate::sandbox::{Trouble, why, why_io};
use crate::sys::{fd, xattr};

/// Kinds of file systems by their magic numbers (linux/magic.h), and what is to be said of some.
const KINDS: [(i64, &str, Option<&str>); 18] = [
    (0xEF53, "ext2, ext3 or ext4", None),
    (0x5846_5342, "XFS", None),
    (0x9123_683E, "Btrfs", None),
    (0xF2F5_2010, "F2FS", None),
    (0xCA45_1A4E, "bcachefs", None),
    (0x2FC1_2FC1, "ZFS", None),
    (0x0102_1994, "tmpfs", None),
    (0x8584_58F6, "ramfs", None),
    (0x794C_7630, "overlay", None),
    (0x6573_5546, "FUSE", Some("a stat waits for the program that serves it")),
    (0x6969, "NFS", Some(REMOTE)),
    (0x517B, "SMB", Some(REMOTE)),
    (0xFF53_4D42, "CIFS", Some(REMOTE)),
    (0xFE53_4D42, "SMB", Some(REMOTE)),
    (0x0102_1997, "9P", Some(REMOTE)),
    (0x00C3_6400, "Ceph", Some(REMOTE)),
    (0x0BD0_0BD0, "Lustre", Some(REMOTE)),
    (0x4D44, "FAT", Some("it keeps neither links nor modes: no place for a root file system")),
];

const REMOTE: &str = "owners are kept for one machine: others see none of them, and root there may be nobody";

/// An attribute of ours, for the test alone.
const NAME: &CStr = c"user.remainroot.doctor";

/// A directory that was asked about.
pub struct Dir {
    /// Its path, absolute.
    pub path: PathBuf,
    fd: OwnedFd,
}

/// Opens the directory at `path`, or the one that a file there is in.
pub fn directory(path: &Path) -> Result<Dir, Trouble> {
    let said = path.display();
    let trouble = |error: &std::io::Error| Trouble::new(format!("{said}: {}", why_io(error)));
    let real = path.canonicalize().map_err(|error| trouble(&error))?;
    let dir = if real.is_dir() { real.as_path() } else { real.parent().unwrap_or(Path::new("/")) };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let fd = open(dir, flags, Mode::empty()).map_err(|errno| trouble(&errno.into()))?;
    Ok(Dir { path: dir.to_owned(), fd })
}

/// What it is on, and what that can keep.
pub fn look(dir: &Dir) -> Vec<Finding> {
    let mut findings = vec![kind(dir)];
    match nameless(dir) {
        Ok(file) => findings.extend([attributes(&file), birth(&file)]),
        Err(errno) => findings.push(
            Finding::warn(
                "attributes",
                format!("not tried: {} cannot be written to: {}", dir.path.display(), why(errno)),
            )
            .fixed_by("remainroot doctor DIR, with the directory that your files are in"),
        ),
    }
    findings
}

fn kind(dir: &Dir) -> Finding {
    let id = "file-system";
    let magic = fd::file_system(dir.fd.as_fd()).map_or(0, |found| found.kind);
    let flags = fd::mount_flags(dir.fd.as_fd()).unwrap_or(0);
    let path = dir.path.display();
    let known = KINDS.iter().find(|(number, ..)| *number == magic);
    let name =
        known.map_or_else(|| format!("a file system of kind {magic:#x}"), |(_, name, _)| (*name).to_owned());
    let what = format!("{path} is on {name}");
    if flags & libc::ST_RDONLY != 0 {
        return Finding::warn(id, format!("{what}, read-only"))
            .fixed_by("no owner can be changed there: copy what is to be changed elsewhere");
    }
    if flags & libc::ST_NOEXEC != 0 {
        return Finding::warn(id, format!("{what}, mounted noexec: no program there can be run"))
            .fixed_by("put root file systems on another one");
    }
    match known.and_then(|(.., limit)| *limit) {
        Some(limit) => Finding::warn(id, format!("{what}: {limit}"))
            .fixed_by("where there is a choice, a disk of this machine (ext4, XFS, Btrfs) or tmpfs"),
        None => Finding::ok(id, what),
    }
}

/// A new file without a name: nothing stays, whatever happens. Where the file system has none, its name is taken away
/// at once.
fn nameless(dir: &Dir) -> Result<File, Errno> {
    let mode = Mode::from_bits_truncate(0o600);
    match openat(&dir.fd, ".", OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC, mode) {
        Ok(fd) => return Ok(fd.into()),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    let name = format!(".remainroot-doctor-{}", std::process::id());
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let fd = openat(&dir.fd, name.as_str(), flags, mode)?;
    unlinkat(&dir.fd, name.as_str(), UnlinkatFlags::NoRemoveDir)?;
    Ok(fd.into())
}

fn attributes(file: &File) -> Finding {
    let id = "attributes";
    let value = b"0:0";
    let tried = xattr::set_open(file.as_fd(), NAME, value).and_then(|()| xattr::get_open(file.as_fd(), NAME));
    match tried {
        Ok(read) if read == value => {
            Finding::ok(id, "files can carry their owners themselves (user.* attributes)")
        }
        Ok(_) => Finding::warn(
            id,
            "an attribute did not read back as it was written: owners are kept in the index alone",
        )
        .fixed_by("another file system"),
        Err(errno) => {
            let why = why(Errno::from_raw(errno));
            Finding::warn(id, format!("no user.* attributes ({why}): owners are kept in the index alone, and do not move with the files"))
                .fixed_by("ext4, XFS, Btrfs, or tmpfs of Linux 6.6 or newer; or export with remainroot owners export")
        }
    }
}

fn birth(file: &File) -> Finding {
    let id = "birth-time";
    let mask = libc::STATX_BTIME;
    let stat = fd::statx(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH, mask);
    let has_birth = stat.as_ref().is_ok_and(fd::has_birth_time);
    let has_generation = fd::generation(file.as_fd()).is_some();
    match (has_birth, has_generation) {
        (true, true) => Finding::ok(id, "a file is told from an earlier one of the same number by birth time and generation"),
        (true, false) => Finding::ok(id, "a file is told from an earlier one of the same number by its birth time"),
        (false, true) => Finding::ok(id, "no birth times; a file is told from an earlier one of the same number by its generation"),
        (false, false) => Finding::new(
            id,
            Level::Warn,
            "neither birth times nor generations: a new file that gets the number of one that was removed from outside \
             may get its owner, too",
        )
        .fixed_by("remove files by remainroot -- rm, or use a file system that has birth times"),
    }
}
