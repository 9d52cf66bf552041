//! A number in a file that several processes have mapped.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// One page of a file.
#[derive(Debug)]
pub struct Counter {
    page: NonNull<AtomicU64>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only ever used atomically.
unsafe impl Send for Counter {}
// SAFETY: as above.
unsafe impl Sync for Counter {}

const PAGE: usize = 4096;

impl Counter {
    /// Maps the beginning of `file`, which is filled up with zeros to a page.
    pub fn map(file: &File) -> io::Result<Counter> {
        let length = file.metadata()?.len();
        if let Some(missing) = (PAGE as u64).checked_sub(length).filter(|missing| *missing > 0) {
            // Written and not merely made longer: a hole could not be filled on a full disk, and kill us with SIGBUS.
            file.write_all_at(&vec![0; missing as usize], length)?;
        }
        let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, wherever the kernel likes.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, rights, flags, file.as_raw_fd(), 0) };
        match NonNull::new(page.cast::<AtomicU64>()) {
            Some(page) if page.as_ptr() != libc::MAP_FAILED.cast() => Ok(Counter { page }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The number.
    pub fn value(&self) -> &AtomicU64 {
        // SAFETY: aligned to a page, mapped as long as `self` lives, and nobody uses it but atomically.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference to it is left.
        unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
