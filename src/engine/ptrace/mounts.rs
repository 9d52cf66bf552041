//! Which file systems answer at once, and which may let whoever asks wait for somebody.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ahash::AHashMap;
use remainroot_shims::guest::Guest;

use super::run::Run;
use super::tracee::Tracee;
use crate::sys::fd;

/// File systems whose attributes are in memory, or on a disk of this machine: what they say without being asked to
/// synchronise is what they say to everybody.
const LOCAL: [&str; 15] = [
    "bcachefs", "btrfs", "devtmpfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "iso9660", "overlay", "ramfs",
    "squashfs", "tmpfs", "xfs", "zfs",
];

/// File systems of the kernel's own making, which wait for nobody either.
const KERNEL: [&str; 21] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// How soon a file system answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    /// At once, and the same to everybody: it is local.
    Local,
    /// At once; but files of the kernel's own making may depend on who asks.
    Prompt,
    /// Who knows.
    Unknown,
}

impl Speed {
    fn of(kind: &str) -> Speed {
        match kind {
            _ if LOCAL.contains(&kind) => Speed::Local,
            _ if KERNEL.contains(&kind) => Speed::Prompt,
            _ => Speed::Unknown,
        }
    }
}

/// How files on a mount behave.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// They answer at once.
    pub prompt: bool,
    /// They may become other inodes when they are changed ([`remainroot_shims::guest::Node::copies_up`]).
    pub copies_up: bool,
    /// Their generation, where it is the same for all ([`fd::ONLY_GENERATION`]).
    pub generation: Option<u64>,
}

impl Manners {
    /// Of files of which nothing is known.
    pub const UNKNOWN: Manners = Manners { prompt: false, copies_up: true, generation: None };
}

/// How many mounts are remembered before all are forgotten: namespaces come and go.
const REMEMBERED: usize = 4096;

/// Device and id of a mount ([`fd::mount_of`]).
type Mount = (u64, u64);

/// What is known of mounts.
pub(super) struct Mounts {
    /// The mounts that the tracer sees, if it can.
    info: RefCell<Option<File>>,
    /// Whether there was one among them, when they were last read, that may let us wait.
    slow: Cell<bool>,
    /// Whether a guest has made such a mount, or is about to.
    served: Cell<bool>,
    /// Devices, and what is on them.
    devices: RefCell<AHashMap<u64, Speed>>,
    /// Mounts, and what is known of the files on them.
    manners: RefCell<AHashMap<Mount, Manners>>,
}

impl Mounts {
    /// For a tracer with this /proc.
    pub fn new(proc: &OwnedFd) -> Mounts {
        let mounts = Mounts {
            info: RefCell::new(fd::open_file(proc.as_raw_fd(), c"self/mountinfo").ok().map(File::from)),
            slow: Cell::new(true),
            served: Cell::default(),
            devices: RefCell::default(),
            manners: RefCell::default(),
        };
        mounts.reread();
        mounts
    }

    fn reread(&self) {
        let mut text = Vec::new();
        let mut info = self.info.borrow_mut();
        let read = info.as_mut().map(|info| info.rewind().and_then(|()| info.read_to_end(&mut text)));
        let known = matches!(read, Some(Ok(_)));
        self.slow.set(!known || has_slow(&String::from_utf8_lossy(&text)));
    }

    /// A guest is about to mount a file system of this type.
    pub fn expect(&self, kind: &str) {
        if !is_prompt_type(kind) {
            self.served.set(true);
        }
    }

    /// Whether a guest has made a mount that may let us wait for it.
    pub fn are_served(&self) -> bool {
        self.served.get()
    }

    /// Whether a walk through the tracer's own mounts may wait for somebody.
    fn may_wait(&self) -> bool {
        let news = self.info.borrow().as_ref().is_none_or(|info| fd::has_news(info.as_fd()));
        if news {
            self.reread();
        }
        self.slow.get() || self.served.get()
    }
}

/// Whether walking a path on a task's behalf may wait for somebody. Where it has mounts of its own, that is taken for
/// granted: nobody tells us when they change.
pub(super) fn walk_may_wait(run: &Run, tracee: &Tracee) -> bool {
    let elsewhere = || {
        let namespace = |task: String| {
            let path = CString::new(format!("{task}/ns/mnt")).ok()?;
            fd::statx(run.proc.as_raw_fd(), &path, 0, libc::STATX_INO).ok().map(|stat| stat.stx_ino)
        };
        let theirs = namespace(Guest::tid(tracee).to_string());
        theirs.is_none() || theirs != namespace("self".to_owned())
    };
    run.mounts.may_wait() || (tracee.has_foreign_root() && elsewhere())
}

/// What is known of all files on the mount of `file`. An overlay answers at once if what it may be made of does.
pub(super) fn manners_of(run: &Run, tid: i32, file: &OwnedFd, mount: Mount) -> Manners {
    if let Some(known) = run.mounts.manners.borrow().get(&mount) {
        return *known;
    }
    let manners = mounts_of(run, tid).and_then(|text| {
        let kind = kind_of(&text, fd::mount_number(file.as_fd()), mount.0)?;
        let is_overlay = kind == "overlay";
        let known = is_prompt_type(kind);
        let prompt = known && (!is_overlay || !(run.mounts.are_served() || has_slow(&text)));
        let generation = (kind == "tmpfs").then_some(fd::ONLY_GENERATION);
        Some(Manners { prompt, copies_up: is_overlay || !known, generation })
    });
    let manners = manners.unwrap_or(Manners::UNKNOWN);
    let mut known = run.mounts.manners.borrow_mut();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(mount, manners);
    manners
}

/// What is on a device, which `file` is on. Its number may come to stand for another file system after an unmount; then
/// attributes may be shown that are as old as that file system's own cache.
pub(super) fn speed_of(run: &Run, tid: i32, file: &OwnedFd, dev: u64) -> Speed {
    if let Some(known) = run.mounts.devices.borrow().get(&dev) {
        return *known;
    }
    let mounts = mounts_of(run, tid);
    let number = fd::mount_number(file.as_fd());
    let speed = mounts.and_then(|text| match kind_of(&text, number, dev)? {
        // It asks whatever it is made of.
        "overlay" if run.mounts.are_served() || has_slow(&text) => None,
        kind => Some(Speed::of(kind)),
    });
    let speed = speed.unwrap_or(Speed::Unknown);
    run.mounts.devices.borrow_mut().insert(dev, speed);
    speed
}

fn mounts_of(run: &Run, tid: i32) -> Option<String> {
    let path = CString::new(format!("{tid}/mountinfo")).ok()?;
    let text = fd::read_file(run.proc.as_raw_fd(), &path).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn is_prompt_type(kind: &str) -> bool {
    Speed::of(kind) != Speed::Unknown
}

/// Mount number, device and type of a line of mountinfo, proc(5).
fn parse(line: &str) -> Option<(u64, &str, &str)> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut words = mount.split(' ');
    Some((words.next()?.parse().ok()?, words.nth(1)?, file_system.split(' ').next()?))
}

/// The type of the file system of a mount, by its number, or else by the device. Files of btrfs are on their subvolumes'
/// devices, which mountinfo does not name; a mount may be in no list that the task can see.
fn kind_of(mounts: &str, number: Option<u64>, dev: u64) -> Option<&str> {
    let wanted = format!("{}:{}", libc::major(dev), libc::minor(dev));
    let mut all = mounts.lines().filter_map(parse);
    let by_number = all.clone().find(|(one, ..)| Some(*one) == number);
    by_number.or_else(|| all.find(|(_, device, _)| *device == wanted)).map(|(_, _, kind)| kind)
}

/// Whether any of these mounts may let whoever walks there wait.
fn has_slow(mounts: &str) -> bool {
    mounts.lines().any(|line| parse(line).is_none_or(|(_, _, kind)| !is_prompt_type(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXT4: &str = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue";
    const FUSE: &str = "37 35 0:41 / /x rw - fuse.sshfs ext4 rw";
    const PROC: &str = "22 26 0:21 / /proc rw shared:5 - proc proc rw";

    #[test]
    fn types_are_told_by_mount_or_by_device() {
        let mounts = format!("{EXT4}\n{FUSE}\n{PROC}\n");
        assert_eq!(kind_of(&mounts, None, libc::makedev(98, 0)), Some("ext4"));
        assert_eq!(kind_of(&mounts, None, libc::makedev(0, 41)), Some("fuse.sshfs"));
        assert_eq!(kind_of(&mounts, None, libc::makedev(98, 1)), None);
        assert_eq!(kind_of(&mounts, Some(22), libc::makedev(98, 1)), Some("proc"));
        assert_eq!(kind_of(&mounts, Some(23), libc::makedev(98, 0)), Some("ext4"));
        assert_eq!(kind_of("", None, libc::makedev(98, 1)), None);
    }

    #[test]
    fn what_is_not_known_to_answer_at_once_may_not() {
        assert!(!has_slow(&format!("{EXT4}\n{PROC}\n")));
        assert!(has_slow(&format!("{EXT4}\n{FUSE}\n{PROC}\n")));
        assert!(has_slow("36 35 0:41 / /x rw - autofs systemd-1 rw"));
        assert!(has_slow("what is this"));
        assert!(!has_slow(""));
    }
}
