//! A file for the tests of stores.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use remainroot_shims::abi::Errno;
use remainroot_shims::owner::{Attributes, FileSystem};

/// A file that has nothing but attributes.
pub struct File {
    /// Its attributes.
    pub xattrs: RefCell<BTreeMap<CString, Vec<u8>>>,
    /// What every change of an attribute comes to.
    pub fails: Cell<Option<Errno>>,
    /// How often attributes were listed or read.
    pub reads: Cell<u32>,
    /// Its generation.
    pub generation: Cell<Option<u64>>,
    /// Its file system.
    pub on: Cell<FileSystem>,
}

impl File {
    /// Without attributes, on a file system with an identity.
    pub fn new() -> File {
        File {
            xattrs: RefCell::default(),
            fails: Cell::default(),
            reads: Cell::default(),
            generation: Cell::default(),
            on: Cell::new(FileSystem { fsid: Some(7), overlay: false, full: false }),
        }
    }

    fn writable(&self) -> Result<(), Errno> {
        self.fails.get().map_or(Ok(()), Err)
    }
}

impl Attributes for File {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        Ok(self.on.get())
    }

    fn generation(&self) -> Option<u64> {
        self.generation.get()
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.xattrs.borrow().keys().flat_map(|name| name.to_bytes_with_nul().to_vec()).collect())
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        self.reads.set(self.reads.get() + 1);
        self.xattrs.borrow().get(name).cloned().ok_or(Errno::ENODATA)
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], _: u32) -> Result<(), Errno> {
        self.writable()?;
        self.xattrs.borrow_mut().insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        self.writable()?;
        self.xattrs.borrow_mut().remove(name).map(drop).ok_or(Errno::ENODATA)
    }
}
