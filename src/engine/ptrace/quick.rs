//! Looking at a file while the guest stands at the entry of its stat call, so that it need not make the call and stop
//! again. Only where the tracer sees surely what the guest would see, and never waiting for a file system: one that is
//! slow, or served by a guest, answers to the guest's own call.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use remainroot_shims::abi::{STATX, STATX_SIZE};
use remainroot_shims::guest::{Dir, Guest, Place, Trailing};

use super::files::open_proc;
use super::run::Run;
use super::tracee::Tracee;
use crate::sys::fd;

/// Nothing is walked that is not in the kernel's cache, nor through a link of /proc, which may be `/proc/self/fd/N`.
/// What is found on /proc itself, where "self" is the tracer, is not [`LOCAL`].
const AT_ONCE: u64 = libc::RESOLVE_CACHED | libc::RESOLVE_NO_MAGICLINKS;

/// File systems whose attributes are in memory, or on a disk of this machine: what they say without being asked to
/// synchronise is what they say to everybody.
const LOCAL: [&str; 15] = [
    "bcachefs", "btrfs", "devtmpfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "iso9660", "overlay", "ramfs",
    "squashfs", "tmpfs", "xfs", "zfs",
];

/// See [`Guest::quick_stat`].
pub(super) fn stat(run: &Run, tracee: &Tracee, place: &Place<'_>, mask: u32) -> Option<[u8; STATX_SIZE]> {
    let file = match *place {
        Place::Fd(fd) => tracee.borrow_fd(fd)?.ok()?,
        Place::Path { dir, path, trailing } if !tracee.has_foreign_root() => {
            let tid = Guest::tid(tracee);
            let bytes = path.to_bytes();
            if bytes.is_empty() {
                return None;
            }
            let start: Option<OwnedFd> = match dir {
                _ if bytes.starts_with(b"/") => None,
                Dir::Cwd => Some(open_proc(run, tid, "cwd").ok()?),
                Dir::Fd(fd) => Some(tracee.borrow_fd(fd)?.ok()?),
            };
            let flags = if trailing == Trailing::Follow { 0 } else { libc::O_NOFOLLOW };
            let start = start.as_ref().map_or(run.proc.as_raw_fd(), |dir| dir.as_raw_fd());
            fd::open_path_resolving(start, path, flags, AT_ONCE).ok()?
        }
        _ => return None,
    };
    let bytes = fd::statx_bytes(file.as_fd(), libc::AT_STATX_DONT_SYNC, mask).ok()?;
    is_local(run, tracee, STATX.decode(&bytes).dev).then_some(bytes)
}

/// Whether a device holds one of the [`LOCAL`] file systems. Its number may come to stand for another file system
/// after an unmount; the worst is then an attribute as old as that file system's own cache.
fn is_local(run: &Run, tracee: &Tracee, dev: u64) -> bool {
    if let Some(known) = run.local.borrow().get(&dev) {
        return *known;
    }
    let local = mounts_of(run, tracee).is_some_and(|mounts| {
        let (major, minor) = (libc::major(dev), libc::minor(dev));
        mounts.lines().any(|line| is_local_mount(line, &format!("{major}:{minor}")))
    });
    run.local.borrow_mut().insert(dev, local);
    local
}

fn mounts_of(run: &Run, tracee: &Tracee) -> Option<String> {
    let path = CString::new(format!("{}/mountinfo", Guest::tid(tracee))).ok()?;
    let text = fd::read_file(run.proc.as_raw_fd(), &path).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Whether a line of mountinfo (proc(5)) is about this device, and of a local type.
fn is_local_mount(line: &str, device: &str) -> bool {
    let Some((mount, file_system)) = line.split_once(" - ") else { return false };
    mount.split(' ').nth(2) == Some(device)
        && file_system.split(' ').next().is_some_and(|kind| LOCAL.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_mounts_are_told_by_device_and_type() {
        let ext4 = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue";
        let fuse = "36 35 0:41 / /x rw - fuse.sshfs ext4 rw";
        assert!(is_local_mount(ext4, "98:0"));
        assert!(!is_local_mount(ext4, "98:1"));
        assert!(!is_local_mount(fuse, "0:41"));
        assert!(!is_local_mount("", "0:41"));
    }
}
