//! The records of the mock's files.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use linux_raw_sys::general::{S_IFDIR, S_IFMT, S_ISGID};

use crate::abi::Errno;
use crate::owner::{Attributes, FileId, Inode, Record, Store, Time};

/// A store for a file system that never gives a number again.
#[derive(Default)]
pub(super) struct Map {
    pub(super) records: RefCell<BTreeMap<FileId, (Inode, Record)>>,
    /// Whether there is no room left.
    pub(super) full: Cell<bool>,
    /// Whether nothing can be read any more.
    pub(super) damaged: Cell<bool>,
}

impl Map {
    fn full(&self) -> Result<(), Errno> {
        if self.full.get() { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    fn any(&self, test: impl Fn(&Inode, &Record) -> bool) -> bool {
        self.records.borrow().values().any(|(inode, record)| test(inode, record))
    }
}

impl Store for Map {
    fn find(&self, _: &dyn Attributes, inode: &Inode) -> Result<Option<Record>, Errno> {
        if self.damaged.get() {
            return Err(Errno::EIO);
        }
        let records = self.records.borrow();
        let found = records.get(&inode.id).filter(|(was, _)| was.btime == inode.btime);
        Ok(found.map(|(_, record)| record.clone()))
    }
    fn suspect(&self, id: FileId, _: Time) -> Result<Record, bool> {
        Err(self.records.borrow().contains_key(&id))
    }
    fn put(&self, _: &dyn Attributes, inode: &Inode, record: Record) -> Result<(), Errno> {
        self.full()?;
        self.records.borrow_mut().insert(inode.id, (*inode, record));
        Ok(())
    }
    fn forget(&self, _: &dyn Attributes, inode: &Inode) -> Result<(), Errno> {
        self.full()?;
        self.records.borrow_mut().remove(&inode.id);
        Ok(())
    }
    fn unlinked(&self, file: &dyn Attributes, inode: &Inode) {
        let _ = self.forget(file, inode);
    }
    fn directories_pass_on(&self) -> bool {
        self.any(|inode, record| {
            inode.mode & S_IFMT == S_IFDIR
                && (inode.mode & S_ISGID != 0 || record.xattrs.contains_key(&b"system.posix_acl_default"[..]))
        })
    }
    fn has_devices(&self) -> bool {
        self.any(|_, record| record.device.is_some())
    }
    fn may_be_device(&self, id: FileId) -> bool {
        self.any(|inode, record| inode.id == id && record.device.is_some())
    }
    fn has_xattrs(&self) -> bool {
        self.any(|_, record| !record.xattrs.is_empty())
    }
    fn awaits_unlink(&self) -> bool {
        self.has_devices()
    }
}
