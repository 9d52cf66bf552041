//! A file that a store may look at, by a descriptor.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use remainroot_shims::abi::Errno;
use remainroot_shims::owner::{Attributes, FileSystem};

use crate::sys::fd;
use crate::sys::tell::harmless;

/// A file of this process's, of whatever kind, by a descriptor of whatever kind.
pub struct File<'a> {
    fd: BorrowedFd<'a>,
    /// What names it to the calls that take no descriptor.
    name: CString,
}

impl<'a> File<'a> {
    /// Where /proc has its usual place.
    pub fn new(fd: BorrowedFd<'a>) -> File<'a> {
        File::below("/proc/", fd)
    }

    /// Where /proc is the working directory.
    pub fn beside_proc(fd: BorrowedFd<'a>) -> File<'a> {
        File::below("", fd)
    }

    fn below(proc: &str, fd: BorrowedFd<'a>) -> File<'a> {
        // A number holds no NUL.
        let name = CString::new(format!("{proc}self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
        File { fd, name }
    }
}

impl Attributes for File<'_> {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        let found = fd::file_system(self.fd.as_fd()).map_err(Errno::new)?;
        let overlay = found.kind == fd::OVERLAYFS_SUPER_MAGIC;
        Ok(FileSystem { fsid: (found.id != 0).then_some(found.id), overlay, full: found.available == 0 })
    }

    fn generation(&self) -> Option<u64> {
        fd::generation(self.fd.as_fd())
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        fd::list_xattrs(&self.name).map_err(Errno::new)
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        match fd::fxattr(self.fd.as_fd(), name) {
            // An `O_PATH` descriptor.
            Err(libc::EBADF) => fd::xattr(&self.name, name),
            other => other,
        }
        .map_err(Errno::new)
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
        fd::set_xattr(&self.name, name, value, flags).map_err(Errno::new)
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        fd::remove_xattr(&self.name, name).map_err(Errno::new)
    }

    fn path(&self) -> Option<String> {
        let path = std::fs::read_link(OsStr::from_bytes(self.name.to_bytes())).ok()?;
        Some(path.to_string_lossy().chars().map(harmless).collect())
    }
}
