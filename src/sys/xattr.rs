//! Extended attributes (xattr(7)) of files by their names, and of open ones.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use linux_raw_sys::general::xattr_args;

use super::fd::{Result, check};

/// The calls on attributes with a directory to start from (Linux 6.13). Their numbers are the same for all
/// architectures.
mod at {
    pub const SET: libc::c_long = 463;
    pub const GET: libc::c_long = 464;
    pub const LIST: libc::c_long = 465;
    pub const REMOVE: libc::c_long = 466;
}

/// What names a file, links at its end followed: a path, from the working directory or another on.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    dir: Option<BorrowedFd<'a>>,
    path: &'a CStr,
}

impl<'a> Name<'a> {
    /// From the working directory on.
    pub const fn new(path: &'a CStr) -> Name<'a> {
        Name { dir: None, path }
    }

    /// From `dir` on, which takes [`starts_anywhere`].
    pub const fn below(dir: BorrowedFd<'a>, path: &'a CStr) -> Name<'a> {
        Name { dir: Some(dir), path }
    }
}

/// Whether this kernel has the calls that start from a directory, and no filter forbids them.
pub fn starts_anywhere() -> bool {
    // EBADF comes before everything else that can be wrong; who does not know the call or forbids it says something else.
    const NONE: RawFd = -1;
    let tries = [
        // SAFETY: the paths are NUL-terminated; nothing is read or written with a bad descriptor.
        check(|| unsafe { libc::syscall(at::SET, NONE, c"x".as_ptr(), 0, c"user.x".as_ptr(), &EMPTY, ARGS) }),
        // SAFETY: as above.
        check(|| unsafe { libc::syscall(at::GET, NONE, c"x".as_ptr(), 0, c"user.x".as_ptr(), &EMPTY, ARGS) }),
        // SAFETY: as above.
        check(|| unsafe { libc::syscall(at::LIST, NONE, c"x".as_ptr(), 0, std::ptr::null::<u8>(), 0) }),
        // SAFETY: as above.
        check(|| unsafe { libc::syscall(at::REMOVE, NONE, c"x".as_ptr(), 0, c"user.x".as_ptr()) }),
    ];
    tries == [Err(libc::EBADF); 4]
}

/// Bytes of [`xattr_args`].
const ARGS: usize = size_of::<xattr_args>();
const EMPTY: xattr_args = xattr_args { value: 0, size: 0, flags: 0 };

/// `getxattr(file, name)`, whole.
///
/// # Errors
/// The errno of getxattr(2), here and below.
pub fn get(file: Name<'_>, name: &CStr) -> Result<Vec<u8>> {
    whole(|buf| match file.dir {
        None => {
            let to = buf.as_mut_ptr().cast();
            // SAFETY: both strings are NUL-terminated; the buffer has the length that is passed.
            unsafe { libc::getxattr(file.path.as_ptr(), name.as_ptr(), to, buf.len()) as libc::c_long }
        }
        Some(dir) => {
            let args = xattr_args { value: buf.as_mut_ptr() as u64, size: buf.len() as u32, flags: 0 };
            let (dir, path) = (dir.as_raw_fd(), file.path.as_ptr());
            // SAFETY: both strings are NUL-terminated; `args` has its size, and a buffer with its length.
            unsafe { libc::syscall(at::GET, dir, path, 0, name.as_ptr(), &raw const args, ARGS) }
        }
    })
}

/// `fgetxattr(fd, name)`, whole.
pub fn get_open(fd: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    whole(|buf| {
        let to = buf.as_mut_ptr().cast();
        // SAFETY: the string is NUL-terminated; the buffer has the length that is passed.
        unsafe { libc::fgetxattr(fd.as_raw_fd(), name.as_ptr(), to, buf.len()) as libc::c_long }
    })
}

/// Calls with a small buffer, and with a large one where the small one is too short (ERANGE).
fn whole(mut call: impl FnMut(&mut [u8]) -> libc::c_long) -> Result<Vec<u8>> {
    // XATTR_SIZE_MAX and XATTR_LIST_MAX are 64 KiB, but nearly all are small.
    let mut value = vec![0; 256];
    loop {
        match check(|| call(&mut value)) {
            Ok(size) => {
                value.truncate(size as usize);
                return Ok(value);
            }
            Err(libc::ERANGE) if value.len() < 65536 => value.resize(65536, 0),
            Err(errno) => return Err(errno),
        }
    }
}

/// `setxattr(file, name, value, flags)`.
pub fn set(file: Name<'_>, name: &CStr, value: &[u8], flags: u32) -> Result<()> {
    let (path, from) = (file.path.as_ptr(), value.as_ptr());
    let Some(dir) = file.dir else {
        let (from, flags) = (from.cast(), flags as i32);
        // SAFETY: both strings are NUL-terminated; the kernel reads `value` with its length.
        let call = || unsafe { libc::setxattr(path, name.as_ptr(), from, value.len(), flags) }.into();
        return check(call).map(drop);
    };
    let size = u32::try_from(value.len()).map_err(|_| libc::E2BIG)?;
    let args = xattr_args { value: from as u64, size, flags };
    let dir = dir.as_raw_fd();
    // SAFETY: both strings are NUL-terminated; `args` has its size, and names `value` with its length.
    check(|| unsafe { libc::syscall(at::SET, dir, path, 0, name.as_ptr(), &raw const args, ARGS) }).map(drop)
}

/// `fsetxattr(fd, name, value, 0)`.
pub fn set_open(fd: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    let (from, len) = (value.as_ptr().cast(), value.len());
    // SAFETY: the string is NUL-terminated; the kernel reads `value` with its length.
    check(|| unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), from, len, 0) }.into()).map(drop)
}

/// `listxattr(file)`, whole.
pub fn list(file: Name<'_>) -> Result<Vec<u8>> {
    let path = file.path.as_ptr();
    whole(|buf| match file.dir {
        // SAFETY: the path is NUL-terminated; the buffer has the length that is passed.
        None => unsafe { libc::listxattr(path, buf.as_mut_ptr().cast(), buf.len()) as libc::c_long },
        // SAFETY: as above.
        Some(dir) => unsafe {
            libc::syscall(at::LIST, dir.as_raw_fd(), path, 0, buf.as_mut_ptr(), buf.len())
        },
    })
}

/// `removexattr(file, name)`.
pub fn remove(file: Name<'_>, name: &CStr) -> Result<()> {
    let path = file.path.as_ptr();
    let call = || match file.dir {
        // SAFETY: both strings are NUL-terminated.
        None => unsafe { libc::removexattr(path, name.as_ptr()) }.into(),
        // SAFETY: as above.
        Some(dir) => unsafe { libc::syscall(at::REMOVE, dir.as_raw_fd(), path, 0, name.as_ptr()) },
    };
    check(call).map(drop)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn both_ways_lead_to_the_same_attributes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        let opened = std::fs::File::open(dir.path()).unwrap();
        let path = CString::new(dir.path().join("f").to_str().unwrap()).unwrap();
        let mut names = vec![Name::new(&path)];
        if starts_anywhere() {
            names.push(Name::below(opened.as_fd(), c"f"));
        }
        for (n, name) in names.iter().enumerate() {
            let long = vec![n as u8; 1000];
            set(*name, c"user.a", &long, 0).unwrap();
            for other in &names {
                assert_eq!(get(*other, c"user.a").unwrap(), long);
                assert_eq!(list(*other).unwrap(), b"user.a\0");
            }
            assert_eq!(set(*name, c"user.a", b"", libc::XATTR_CREATE as u32), Err(libc::EEXIST));
            remove(*name, c"user.a").unwrap();
            assert_eq!(remove(*name, c"user.a"), Err(libc::ENODATA));
        }
    }
}
