//! What stands for a file system, in this run and the next.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use ahash::AHashMap;
use remainroot_shims::owner::Attributes;

use crate::sys::fd;

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// What its records are found by.
    pub key: u64,
    /// Whether it is an overlay.
    pub overlay: bool,
    /// Whether the key is the number of its device (FAT, …), because the disk does not say which it is: the next time that
    /// may be another's.
    pub by_number: bool,
}

/// The file systems of a run by their device numbers. Each is asked once.
pub struct Systems {
    known: RefCell<AHashMap<u64, System>>,
    /// A number that this start of the machine has alone.
    boot: u64,
    /// Whether one of them is an overlay.
    overlays: Cell<bool>,
    /// sysfs's directory of backing devices, of which FUSE and network file systems have one for each mount.
    mounts: Option<OwnedFd>,
}

impl Systems {
    /// None are known yet. To be called where /sys and /proc are the machine's own.
    pub fn new() -> Systems {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        // Without an id, the process stands for it: what it records then does not outlast it.
        let boot = u64::from_str_radix(&digits, 16).unwrap_or_else(|_| std::process::id().into());
        let mounts = fd::open_path(libc::AT_FDCWD, c"/sys/class/bdi", libc::O_DIRECTORY).ok();
        Systems { known: RefCell::default(), boot, overlays: Cell::default(), mounts }
    }

    /// The file system of a file on device `dev`. Where nothing else stands for it (FUSE), its device number does until
    /// the machine is started anew, when that may be another's; with what sysfs tells successive mounts apart by, for
    /// such a number is given again when it is free.
    pub fn of(&self, file: &dyn Attributes, dev: u64) -> System {
        if let Some(known) = self.known(dev) {
            return known;
        }
        let found = file.file_system();
        let fsid = found.as_ref().ok().and_then(|found| found.fsid);
        let system = System {
            key: fsid.unwrap_or_else(|| mix(dev, self.boot) ^ self.mount(dev)),
            overlay: found.as_ref().is_ok_and(|found| found.overlay),
            by_number: fsid == Some(dev),
        };
        if found.is_err() {
            // It may say more the next time.
            return system;
        }
        self.overlays.set(self.overlays.get() || system.overlay);
        self.known.borrow_mut().insert(dev, system);
        system
    }

    /// Whether no other file system has this key, at this time or another: then what it does not hold is nowhere. An
    /// overlay may have that of the file system below it, as all others there do (before Linux 6.6, or `uuid=null`);
    /// /proc/self/mountinfo says so of the device that its directories are on.
    pub fn is_alone(&self, system: System, dev: u64) -> bool {
        let of_dev = format!("{}:{}", libc::major(dev), libc::minor(dev));
        let has_own = |line: &str| {
            line.split(' ').nth(2) == Some(&of_dev)
                && line
                    .rsplit(' ')
                    .next()
                    .is_some_and(|options| options.split(',').any(|one| one == "uuid=on"))
        };
        let mounts = || fs::read("/proc/self/mountinfo").unwrap_or_default();
        !system.by_number && (!system.overlay || String::from_utf8_lossy(&mounts()).lines().any(has_own))
    }

    /// The inode number that sysfs has given the mount of a device, and gives no other; 0 where there is none.
    fn mount(&self, dev: u64) -> u64 {
        let Some(mounts) = &self.mounts else { return 0 };
        let name = CString::new(format!("{}:{}", libc::major(dev), libc::minor(dev))).unwrap_or_default();
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        fd::statx(mounts.as_raw_fd(), &name, flags, libc::STATX_INO).map_or(0, |found| found.stx_ino)
    }

    /// Whether any that was asked is an overlay.
    pub fn has_overlays(&self) -> bool {
        self.overlays.get()
    }

    /// What was found for a device before.
    pub fn known(&self, dev: u64) -> Option<System> {
        self.known.borrow().get(&dev).copied()
    }
}

/// One number of two, the same in every run (the finalizer of SplitMix64).
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use remainroot_shims::owner::FileSystem;

    use super::*;
    use crate::store::fake::File;

    #[test]
    fn an_id_stands_for_a_file_system_and_else_its_device_in_this_boot() {
        let (file, systems) = (File::new(), Systems::new());
        file.on.set(FileSystem { fsid: Some(9), overlay: true, full: false });
        assert_eq!(systems.of(&file, 1), System { key: 9, overlay: true, by_number: false });
        file.on.set(FileSystem { fsid: None, overlay: false, full: false });
        assert_eq!(systems.of(&file, 1).key, 9);
        let (two, three) = (systems.of(&file, 2).key, systems.of(&file, 3).key);
        assert_ne!(two, three);
        assert_eq!(Systems::new().of(&file, 2).key, two);
        file.on.set(FileSystem { fsid: Some(0x700), overlay: false, full: false });
        assert!(systems.of(&file, 0x700).by_number && !systems.of(&file, 0x701).by_number);
        assert_eq!((systems.known(2).map(|system| system.key), systems.known(4)), (Some(two), None));
    }
}
