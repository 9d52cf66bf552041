//! What a file looks like to the guest: the native inode with its record laid over it.

use std::ffi::CStr;

use linux_raw_sys::general::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID};

use super::{Device, Inode, Record, World};
use crate::abi::{Gid, Uid, major, minor};

/// The twelve mode bits that chmod sets (`S_IALLUGO`).
pub const PERMISSIONS: u32 = 0o7777;

/// The extended attribute that holds file capabilities.
pub const CAPABILITY: &[u8] = b"security.capability";

/// Owner, group, mode and device number as the guest sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Virtual owner.
    pub uid: Uid,
    /// Virtual group.
    pub gid: Gid,
    /// Type and mode bits (`st_mode`).
    pub mode: u32,
    /// Number of the device that it is, if it is one (`st_rdev`).
    pub rdev: u64,
}

impl Attr {
    /// Lays `record` over what the kernel says.
    pub fn of(inode: &Inode, record: Option<&Record>, world: &World) -> Attr {
        let Some(record) = record else {
            let (uid, gid) = world.owner(inode.uid, inode.gid);
            return Attr { uid, gid, mode: inode.mode, rdev: inode.rdev };
        };
        let permissions = record.mode.map_or(inode.mode & PERMISSIONS, u32::from);
        let (kind, rdev) = match record.device {
            Some(Device::Char(rdev)) => (S_IFCHR, rdev),
            Some(Device::Block(rdev)) => (S_IFBLK, rdev),
            None => (inode.mode & S_IFMT, inode.rdev),
        };
        Attr { uid: record.uid, gid: record.gid, mode: kind | permissions, rdev }
    }

    /// Whether it is a directory.
    pub const fn is_dir(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }

    /// Whether it is a symbolic link.
    pub const fn is_link(&self) -> bool {
        self.mode & S_IFMT == S_IFLNK
    }

    /// Whether it is a regular file.
    pub const fn is_file(&self) -> bool {
        self.mode & S_IFMT == S_IFREG
    }
}

impl World {
    /// Whether the guest's kernel identity owns the inode, so that the kernel lets it change the mode.
    pub const fn owns(&self, inode: &Inode) -> bool {
        inode.uid == self.root_uid
    }

    /// The mode that a file gets natively when it shall have `mode` for the guest: without CAP_DAC_OVERRIDE the
    /// owner's bits stay, so that virtual root can open, list and search what it owns; and execute what anybody can.
    pub const fn native_mode(&self, mode: u32) -> u32 {
        if self.dac_override {
            return mode;
        }
        let kept = match mode & S_IFMT {
            S_IFDIR => 0o700,
            _ if mode & 0o111 != 0 => 0o700,
            _ => 0o600,
        };
        mode | kept
    }

    /// What a record must say of `mode` (type and bits): nothing, where the native mode will show it for ever. A
    /// regular file's set-id bits are recorded, because a namespace's kernel clears them when root writes to it
    /// (`should_remove_suid`).
    pub const fn recorded_mode(&self, mode: u32) -> Option<u16> {
        let fragile = mode & S_IFMT == S_IFREG && mode & (S_ISUID | S_ISGID) != 0;
        if fragile || self.native_mode(mode) != mode { Some((mode & PERMISSIONS) as u16) } else { None }
    }
}

/// Devices that are the same for everyone and hold nothing: their names in /dev, and their numbers.
const HARMLESS: [(&CStr, u32, u32); 6] = [
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

/// The name in /dev of the machine's own device that a placeholder may open as.
pub fn harmless_device(device: Device) -> Option<&'static CStr> {
    let Device::Char(dev) = device else { return None };
    HARMLESS.iter().find(|(_, of, number)| (*of, *number) == (major(dev), minor(dev))).map(|(name, ..)| *name)
}

/// The names of all such devices.
pub fn harmless_names() -> impl Iterator<Item = &'static CStr> {
    HARMLESS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::makedev;
    use crate::owner::{FileId, Time};

    const WORLD: World =
        World { root_uid: 0, root_gid: 0, overflows: true, dac_override: true, reads_undumpable: true };

    fn inode(mode: u32) -> Inode {
        let ctime = Time { sec: 1, nsec: 0 };
        Inode {
            id: FileId { dev: 1, ino: 2 },
            btime: None,
            generation: None,
            ctime,
            mode,
            nlink: 1,
            size: 0,
            uid: 0,
            gid: 0,
            rdev: 0,
        }
    }

    #[test]
    fn a_placeholder_looks_like_its_device() {
        let mut record = Record::owned(Uid::ROOT, Gid::OVERFLOW);
        record.device = Some(Device::Block(makedev(8, 1)));
        let attr = Attr::of(&inode(S_IFREG | 0o640), Some(&record), &WORLD);
        assert_eq!((attr.mode, attr.rdev, attr.gid), (S_IFBLK | 0o640, makedev(8, 1), Gid::OVERFLOW));
    }

    #[test]
    fn nobodys_file_is_roots_in_a_namespace() {
        let mut foreign = inode(S_IFREG | 0o644);
        (foreign.uid, foreign.gid) = (65534, 65534);
        let attr = Attr::of(&foreign, None, &WORLD);
        assert_eq!((attr.uid, attr.gid), (Uid::ROOT, Gid::ROOT));
    }

    #[test]
    fn modes_are_recorded_only_where_the_native_one_cannot_show_them() {
        assert_eq!(WORLD.recorded_mode(S_IFREG | 0o644), None);
        assert_eq!(WORLD.recorded_mode(S_IFREG | 0o4755), Some(0o4755));
        assert_eq!(WORLD.recorded_mode(S_IFDIR | 0o2775), None);
        let bare = World { dac_override: false, ..WORLD };
        assert_eq!(bare.recorded_mode(S_IFREG), Some(0));
        assert_eq!(bare.native_mode(S_IFREG), S_IFREG | 0o600);
        assert_eq!(bare.native_mode(S_IFREG | 0o051), S_IFREG | 0o751);
        assert_eq!(bare.native_mode(S_IFDIR | 0o555), S_IFDIR | 0o755);
    }

    #[test]
    fn only_devices_that_hold_nothing_are_opened_for_real() {
        assert_eq!(harmless_device(Device::Char(makedev(1, 3))), Some(c"null"));
        assert_eq!(harmless_device(Device::Block(makedev(1, 3))), None);
        assert_eq!(harmless_device(Device::Char(makedev(1, 1))), None);
    }
}
