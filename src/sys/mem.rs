//! Another process's memory: process_vm_readv(2) and process_vm_writev(2).

use super::last_errno;

/// Reads as much of `buf` as there is at `addr`; the count says how much. EFAULT if nothing could be read.
pub fn read(pid: i32, addr: u64, buf: &mut [u8]) -> Result<usize, i32> {
    let local = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let remote = libc::iovec { iov_base: addr as usize as *mut _, iov_len: buf.len() };
    // SAFETY: `local` describes `buf`, which is ours and writable; `remote` is only ever used in the other process.
    let count = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count < 0 { Err(last_errno()) } else { Ok(count as usize) }
}

/// Writes as much of `data` as fits at `addr`, respecting the protection of the pages as the kernel's own copy to
/// user space does.
pub fn write(pid: i32, addr: u64, data: &[u8]) -> Result<usize, i32> {
    let local = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let remote = libc::iovec { iov_base: addr as usize as *mut _, iov_len: data.len() };
    // SAFETY: `local` describes `data`, which the kernel only reads; `remote` belongs to the other process.
    let count = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count < 0 { Err(last_errno()) } else { Ok(count as usize) }
}
