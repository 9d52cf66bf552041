//! Another process's memory: process_vm_readv(2) and process_vm_writev(2).
//!
//! Some container profiles forbid these two and let ptrace(2) through (containerd's, unless a container has CAP_SYS_PTRACE).
//! `/proc/PID/mem` asks for the same right and is a file: it is what remains there. It does not mind the protection of
//! pages: what the kernel would not write for a program because it is read-only is then written.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use super::last_errno;

/// Reads as much of `buf` as there is at `addr`; the count says how much. EFAULT if nothing could be read.
pub fn read(pid: i32, addr: u64, buf: &mut [u8]) -> Result<usize, i32> {
    if buf.is_empty() {
        return Ok(0);
    }
    let local = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let remote = libc::iovec { iov_base: addr as usize as *mut _, iov_len: buf.len() };
    // SAFETY: `local` describes `buf`, which is ours and writable; `remote` is only ever used in the other process.
    let count = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count >= 0 { Ok(count as usize) } else { by_file(pid, last_errno(), |file| file.read_at(buf, addr)) }
}

/// Writes as much of `data` as fits at `addr`, respecting the protection of the pages as the kernel's own copy to
/// user space does.
pub fn write(pid: i32, addr: u64, data: &[u8]) -> Result<usize, i32> {
    if data.is_empty() {
        return Ok(0);
    }
    let local = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let remote = libc::iovec { iov_base: addr as usize as *mut _, iov_len: data.len() };
    // SAFETY: `local` describes `data`, which the kernel only reads; `remote` belongs to the other process.
    let count = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count >= 0 { Ok(count as usize) } else { by_file(pid, last_errno(), |file| file.write_at(data, addr)) }
}

/// Tries `/proc/PID/mem` where the call was forbidden.
fn by_file(pid: i32, errno: i32, io: impl FnOnce(&File) -> std::io::Result<usize>) -> Result<usize, i32> {
    if errno != libc::EPERM && errno != libc::ENOSYS {
        return Err(errno);
    }
    // Whoever may not trace it may not open this either: then that is not what forbids it.
    let file =
        OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem")).map_err(|_| errno)?;
    match io(&file) {
        Ok(0) => Err(libc::EFAULT),
        Ok(count) => Ok(count),
        // EIO, where there is no memory.
        Err(_) => Err(libc::EFAULT),
    }
}

/// Whether the calls themselves are let through.
pub fn calls_are_allowed() -> bool {
    let none = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    let pid = std::process::id() as i32;
    // SAFETY: nothing is read: both lists are empty.
    let read = unsafe { libc::process_vm_readv(pid, &raw const none, 0, &raw const none, 0, 0) };
    // SAFETY: nothing is written: both lists are empty.
    let written = unsafe { libc::process_vm_writev(pid, &raw const none, 0, &raw const none, 0, 0) };
    read >= 0 && written >= 0
}
