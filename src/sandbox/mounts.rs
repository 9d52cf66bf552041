//! Mounts inside a root, each named by a path that is looked up in it.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::target::{Kind, Root, kind_of, path_of};
use super::trouble::{Trouble, why, why_io};
use crate::sys::fd::mount_flags;
use crate::sys::mountattr::set_read_only;

const NONE: Option<&str> = None;

/// Mounts `source`, of the world outside, with all that is mounted below it, at `target` inside, which is made if it
/// is missing.
pub fn bind(root: &Root, source: &Path, target: &Path) -> Result<(), Trouble> {
    let failed = |errno| failed(&format!("cannot bind {} to {}", source.display(), target.display()), errno);
    let kind =
        kind_of(source).map_err(|error| Trouble::new(format!("{}: {}", source.display(), why_io(&error))))?;
    let point = root.mount_point(target, kind).map_err(|errno| no_mount_point(target, kind, errno))?;
    mount(Some(source), &path_of(&point), NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).map_err(|errno| {
        match (errno, kind) {
            (Errno::ENOTDIR, Kind::Dir) => Trouble::new(format!(
                "cannot bind {} to {}: the first is a directory, the second is there and is none",
                source.display(),
                target.display()
            )),
            (Errno::ENOTDIR, Kind::File) => Trouble::new(format!(
                "cannot bind {} to {}: the second is a directory, the first is none",
                source.display(),
                target.display()
            )),
            _ => failed(errno),
        }
    })
}

/// Makes what is mounted at `target` inside read-only, with all that is mounted below it where the kernel can do that
/// in one step (Linux 5.12).
pub fn protect(root: &Root, target: &Path) -> Result<(), Trouble> {
    let failed = |errno| failed(&format!("cannot make {} read-only", target.display()), errno);
    let top = root.find(target, 0).map_err(failed)?;
    if set_read_only(top.as_fd()).is_ok() {
        return Ok(());
    }
    // A remount sets all flags anew, and the kernel refuses to drop those that the mount came with.
    let present = mount_flags(top.as_fd()).map_err(|errno| failed(Errno::from_raw(errno)))?;
    let flags = kept(present) | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, &path_of(&top), NONE, flags, NONE).map_err(failed)
}

/// The mount(2) flags for those that statvfs(3) reports.
fn kept(present: u64) -> MsFlags {
    [
        (libc::ST_NOSUID, MsFlags::MS_NOSUID),
        (libc::ST_NODEV, MsFlags::MS_NODEV),
        (libc::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (libc::ST_NOATIME, MsFlags::MS_NOATIME),
        (libc::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (libc::ST_RELATIME, MsFlags::MS_RELATIME),
    ]
    .into_iter()
    .filter(|(shown, _)| present & *shown != 0)
    .fold(MsFlags::empty(), |flags, (_, flag)| flags | flag)
}

/// Mounts a new tmpfs at the directory `target` inside, which is made if it is missing.
pub fn tmpfs(root: &Root, target: &Path, flags: MsFlags, mode: &str) -> Result<(), Trouble> {
    let point =
        root.mount_point(target, Kind::Dir).map_err(|errno| no_mount_point(target, Kind::Dir, errno))?;
    mount(Some("tmpfs"), &path_of(&point), Some("tmpfs"), flags, Some(mode))
        .map_err(|errno| failed(&format!("cannot mount a tmpfs at {}", target.display()), errno))
}

/// Trouble with a mount point that is not there and cannot be made.
fn no_mount_point(target: &Path, kind: Kind, errno: Errno) -> Trouble {
    if errno == Errno::ENOSYS {
        return Trouble::new(
            "--rootfs and --bind need openat2(2): Linux 5.6, not forbidden by a seccomp filter",
        );
    }
    let kind = match kind {
        Kind::Dir => "directory",
        Kind::File => "file",
    };
    let trouble = failed(&format!("cannot make the {kind} {} to mount on", target.display()), errno);
    match errno {
        Errno::EACCES | Errno::EPERM | Errno::EROFS => trouble.mended_by(
            "where a root directory is somebody else's or cannot be written to, all that is mounted on must be there: \
             /proc, /sys, /dev, and what --bind names",
        ),
        _ => trouble,
    }
}

/// Trouble with a system call.
pub fn failed(what: &str, errno: Errno) -> Trouble {
    Trouble::new(format!("{what}: {}", why(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_mount_are_kept() {
        let shown = libc::ST_NOSUID | libc::ST_RELATIME | libc::ST_RDONLY;
        assert_eq!(kept(shown), MsFlags::MS_NOSUID | MsFlags::MS_RELATIME);
        assert_eq!(kept(0), MsFlags::empty());
    }
}
