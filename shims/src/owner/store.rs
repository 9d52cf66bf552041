//! Inode identity, records, and the store that holds them.

use std::collections::BTreeMap;
use std::ffi::CStr;

use linux_raw_sys::general::{S_IFDIR, S_IFMT, S_IFREG};

use crate::abi::{Errno, Gid, Uid};

/// A point in time as the kernel's file systems keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds, below 10⁹.
    pub nsec: u32,
}

/// Device and inode number: what every stat call of every ABI tells. Not an identity by itself, because a file
/// system may give the number of a deleted inode to a new one; a record also holds the birth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// `st_dev` in the kernel's own 64-bit user encoding (`makedev` of statx's major and minor).
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// An inode as the kernel shows it to us, before anything of ours is laid over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Device and inode number.
    pub id: FileId,
    /// Birth time, where the file system keeps one. Two inodes that follow each other within a tick of the kernel's
    /// clock have the same.
    pub btime: Option<Time>,
    /// What the file system itself tells successive inodes of one number apart by (a digest of the file handle, which
    /// holds `i_generation`), where it says so.
    pub generation: Option<u64>,
    /// Time of the last change to the inode.
    pub ctime: Time,
    /// Type and mode bits (`st_mode`).
    pub mode: u32,
    /// Number of hard links.
    pub nlink: u32,
    /// Length in bytes.
    pub size: u64,
    /// Native owner, as seen from the guest's user namespace.
    pub uid: u32,
    /// Native group.
    pub gid: u32,
    /// Device number, for device nodes, in the encoding of [`FileId::dev`].
    pub rdev: u64,
}

impl Inode {
    /// Whether nobody has written to a regular file or given it another name, so that it may have been made just now. Of
    /// what is no regular file, no more than the names tell; a directory has up to two from its beginning.
    pub const fn is_unused(&self) -> bool {
        match self.mode & S_IFMT {
            S_IFREG => self.size == 0 && self.nlink <= 1,
            S_IFDIR => self.nlink <= 2,
            _ => self.nlink <= 1,
        }
    }

    /// Whether another look has found the same file: one that has its number by now is of another type or birth time, as
    /// far as the file system tells.
    pub fn is_same(&self, other: &Inode) -> bool {
        let type_and_birth = |inode: &Inode| (inode.mode & S_IFMT, inode.btime);
        self.id == other.id && type_and_birth(self) == type_and_birth(other)
    }
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// A character device with its number, encoded as `st_rdev`.
    Char(u64),
    /// A block device with its number, encoded as `st_rdev`.
    Block(u64),
}

/// What the kernel could not be told about an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Virtual owner.
    pub uid: Uid,
    /// Virtual group.
    pub gid: Gid,
    /// The twelve mode bits (07777) where the native ones may differ from them: set-id bits that a namespace's
    /// kernel would clear, modes that would lock an owner without capabilities out. `None`: the native ones.
    pub mode: Option<u16>,
    /// The device that this placeholder stands for.
    pub device: Option<Device>,
    /// Extended attributes that the kernel would not take, by full name (`security.capability`, `trusted.x`,
    /// `system.posix_acl_access`), in the form in which the guest gave them.
    pub xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl Record {
    /// A record that says no more than the owner.
    pub fn owned(uid: Uid, gid: Gid) -> Record {
        Record { uid, gid, mode: None, device: None, xattrs: BTreeMap::new() }
    }
}

/// How native ids read, to a guest that believes itself root of the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// The native uid that stands for virtual root (0 in a namespace, our own without one).
    pub root_uid: u32,
    /// The native gid that stands for virtual root's.
    pub root_gid: u32,
    /// Whether ids without a mapping show as the overflow id: so it is in a user namespace, where a file of
    /// nobody's stands for one of the machine's own root.
    pub overflows: bool,
    /// Whether the guest can read, write and search its own files whatever their mode (CAP_DAC_OVERRIDE).
    pub dac_override: bool,
    /// Whether the engine can read the memory of processes that the kernel thinks undumpable (CAP_SYS_PTRACE).
    pub reads_undumpable: bool,
}

impl World {
    /// Whose an inode without a record is.
    pub fn owner(&self, native_uid: u32, native_gid: u32) -> (Uid, Gid) {
        let uid = if native_uid == self.root_uid || (self.overflows && native_uid == 65534) {
            0
        } else {
            native_uid
        };
        let gid = if native_gid == self.root_gid || (self.overflows && native_gid == 65534) {
            0
        } else {
            native_gid
        };
        (Uid::new(uid).unwrap_or(Uid::OVERFLOW), Gid::new(gid).unwrap_or(Gid::OVERFLOW))
    }
}

/// The file system that a file is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// What stands for it across reboots (`f_fsid` of statfs(2)), where it has such a thing.
    pub fsid: Option<u64>,
    /// Whether it is an overlay: several of those may show one inode number for different files of one file system.
    pub overlay: bool,
    /// Whether there is no room left on it for those who are not privileged.
    pub full: bool,
}

/// A file as a store sees it: what it may ask and leave there.
pub trait Attributes {
    /// The file system (`fstatfs`).
    fn file_system(&self) -> Result<FileSystem, Errno>;

    /// The generation of the inode, where the file system tells it (`name_to_handle_at`). Costs as much as a stat.
    fn generation(&self) -> Option<u64>;

    /// `listxattr`: the names, each with its NUL.
    fn list_xattrs(&self) -> Result<Vec<u8>, Errno>;

    /// The value of an extended attribute; ENODATA where there is none.
    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno>;

    /// `setxattr` with XATTR_CREATE, XATTR_REPLACE or 0 in `flags`.
    fn set_xattr(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno>;

    /// `removexattr`.
    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno>;

    /// A path to it, for messages, where that can be told.
    fn path(&self) -> Option<String> {
        None
    }
}

/// How much a store holds in memory: what this run recorded, or met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files with a record.
    pub files: u64,
    /// Devices among them.
    pub devices: u64,
    /// Those with attributes.
    pub with_xattrs: u64,
}

/// The owners of a run, shared by all its tasks. A store may last beyond the run; the shims do not know.
///
/// A lookup takes the file and the whole [`Inode`], so that a store can tell a reused inode number by its birth time,
/// and read what the file itself carries. Where a caller has only what a stat buffer holds (no birth time), it asks
/// [`Store::suspect`] first.
///
/// What a store says of its contents ([`Store::directories_pass_on`], `has_…`, [`Store::awaits_unlink`]) decides which
/// calls of root's are looked at. It is asked when a run starts, whenever a shim has run, and when the store says so
/// ([`Store::listen`]): others may write to it at the same time. What they bring concerns a run a moment after they have
/// brought it, as long as it takes to wake an engine (tens of microseconds on an idle CPU): guests of two runs that
/// take turns faster than that may miss a group that a directory hands on. And what only files say of themselves
/// ([`Store::mirrors`]) a store knows once it has met the file.
///
/// To ask the file may take its time, and meanwhile other tasks are served: a store is called again before it has
/// returned, and holds nothing borrowed while it asks.
pub trait Store {
    /// The record of exactly this inode. A record of an earlier inode with the same number is dropped. EIO where there
    /// may be one that cannot be read, which must not look like none.
    fn find(&self, file: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno>;

    /// A record for this number, if there is one and (by `ctime`, seen unchanged since birth times were last
    /// compared) it surely belongs to the present inode: `Ok`. `Err(true)`: there is or may be a record, ask
    /// [`Store::find`] with the file. `Err(false)`: there is none.
    fn suspect(&self, id: FileId, ctime: Time) -> Result<Record, bool>;

    /// Whether a change of the mode of this inode may have to be told: something recorded under its number holds more than
    /// an owner, or that is not known without asking the file.
    fn minds_mode(&self, id: FileId, ctime: Time) -> bool {
        !matches!(self.suspect(id, ctime), Err(false))
    }

    /// Makes `record` what is known of `inode`. ENOSPC, EDQUOT, EROFS, EIO: then what was known before stands.
    fn put(&self, file: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno>;

    /// Forgets what is known of `inode`: there is nothing to say of it any more. Errors as with [`Store::put`].
    fn forget(&self, file: &dyn Attributes, inode: &Inode) -> Result<(), Errno>;

    /// The last link of `inode` is gone. Forgets it if another inode could be taken for it; otherwise it may still be
    /// open, and keeps its owner for a while.
    fn unlinked(&self, file: &dyn Attributes, inode: &Inode);

    /// Whether any directory may hand a group other than root's to files made in it (set-group-ID, gid not 0), or
    /// carries a default ACL of ours. As long as there is none, a file made by root needs no attention.
    fn directories_pass_on(&self) -> bool;

    /// Whether any record is a device.
    fn has_devices(&self) -> bool;

    /// Whether there is a record for this number, and of a device. The inode may be another one by now.
    fn may_be_device(&self, id: FileId) -> bool;

    /// Whether any record holds extended attributes.
    fn has_xattrs(&self) -> bool;

    /// Whether there is anything that [`Store::unlinked`] would forget: any record.
    fn awaits_unlink(&self) -> bool;

    /// Whether a record may be of a file on an overlay, where a further name of a file can have an inode number of its
    /// own (`ovl_getattr`).
    fn has_overlays(&self) -> bool {
        false
    }

    /// Whether files may carry their owners in attributes of their own ([`super::mirror`]), which guests must not see.
    fn mirrors(&self) -> bool {
        false
    }

    /// From now on, has `wake` called (by whatever thread, again and again until it is true) when others bring something
    /// that calls must be looked at for.
    fn listen(&self, wake: Box<dyn Fn() -> bool + Send>) {
        drop(wake);
    }

    /// What is recorded, as far as this run knows.
    fn tally(&self) -> Tally {
        Tally::default()
    }

    /// Whether these hold the mode too, so that every change of it has to be told.
    fn mirrors_modes(&self) -> bool {
        false
    }
}
