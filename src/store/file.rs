//! A file that a store may look at, by a descriptor.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use remainroot_shims::abi::Errno;
use remainroot_shims::owner::{Attributes, FileSystem};

use super::disk;
use crate::sys::tell::harmless;
use crate::sys::xattr::Name;
use crate::sys::{fd, xattr};

/// A file of this process's, of whatever kind, by a descriptor of whatever kind.
pub struct File<'a> {
    fd: BorrowedFd<'a>,
    /// Where /proc is.
    proc: &'static str,
    /// What names it to the calls that take no descriptor: a path, from this directory on.
    dir: Option<BorrowedFd<'a>>,
    path: CString,
}

/// A process's own descriptors, as a directory held open: from there it is one step to a file, and not three and the
/// symbolic link of /proc/self.
pub struct Descriptors(Option<OwnedFd>);

impl Descriptors {
    /// This process's, where /proc is the working directory. They are of no use to a child.
    pub fn beside_proc() -> Descriptors {
        let open = || fd::open_path(libc::AT_FDCWD, c"self/fd", libc::O_DIRECTORY).ok();
        Descriptors(xattr::starts_anywhere().then(open).flatten())
    }

    /// The file that one of them is for.
    pub fn file<'a>(&'a self, fd: BorrowedFd<'a>) -> File<'a> {
        match &self.0 {
            Some(dir) => File::named(fd, Some(dir.as_fd()), "", ""),
            None => File::named(fd, None, "", "self/fd/"),
        }
    }
}

impl<'a> File<'a> {
    /// Where /proc has its usual place.
    pub fn new(fd: BorrowedFd<'a>) -> File<'a> {
        File::named(fd, None, "/proc/", "/proc/self/fd/")
    }

    fn named(fd: BorrowedFd<'a>, dir: Option<BorrowedFd<'a>>, proc: &'static str, before: &str) -> File<'a> {
        // A number holds no NUL.
        let path = CString::new(format!("{before}{}", fd.as_raw_fd())).unwrap_or_default();
        File { fd, proc, dir, path }
    }

    fn name(&self) -> Name<'_> {
        match self.dir {
            Some(dir) => Name::below(dir, &self.path),
            None => Name::new(&self.path),
        }
    }
}

impl Attributes for File<'_> {
    fn file_system(&self) -> Result<FileSystem, Errno> {
        let found = fd::file_system(self.fd.as_fd()).map_err(Errno::new)?;
        let overlay = found.kind == fd::OVERLAYFS_SUPER_MAGIC;
        // The number of a device is another's the next time; the disk may know its own.
        let fsid = (found.id != 0).then(|| match disk::is_number(self.fd, found.id) {
            true => disk::identity(self.proc, self.fd).unwrap_or(found.id),
            false => found.id,
        });
        Ok(FileSystem { fsid, overlay, full: found.available == 0 })
    }

    fn generation(&self) -> Option<u64> {
        fd::generation(self.fd.as_fd())
    }

    fn list_xattrs(&self) -> Result<Vec<u8>, Errno> {
        xattr::list(self.name()).map_err(Errno::new)
    }

    fn xattr(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        match xattr::get_open(self.fd.as_fd(), name) {
            // An `O_PATH` descriptor.
            Err(libc::EBADF) => xattr::get(self.name(), name),
            other => other,
        }
        .map_err(Errno::new)
    }

    fn set_xattr(&self, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
        xattr::set(self.name(), name, value, flags).map_err(Errno::new)
    }

    fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        xattr::remove(self.name(), name).map_err(Errno::new)
    }

    fn path(&self) -> Option<String> {
        let dir = self.dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
        let path = fd::read_link_at(dir, &self.path).ok()?;
        Some(String::from_utf8_lossy(&path).chars().map(harmless).collect())
    }
}
