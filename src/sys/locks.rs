//! Locks of SQLite's that are lost by nothing but giving them back.
//!
//! SQLite locks its files for the process (`F_SETLK`), and such locks go with whichever descriptor of the file the process
//! closes first. A tracer closes descriptors that it has borrowed from guests (`pidfd_getfd`), and a guest that copies its
//! home directory has the index open: another run that ended then took the log away from under this one, and what was
//! recorded from there on was lost. So its locks are made those of an open file (`F_OFD_SETLK`, Linux 3.15): of one for
//! each file, which all connections of the process share, as they would have shared the process's. To other processes both
//! kinds are alike.

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi;

/// Who holds the locks of one file.
struct Holder {
    /// Device and inode number of the file.
    file: (u64, u64),
    /// The open file that has them.
    fd: OwnedFd,
    /// The descriptors of SQLite's that have asked for some.
    askers: Vec<RawFd>,
}

/// A few: one or two files for each index.
static HOLDERS: Mutex<Vec<Holder>> = Mutex::new(Vec::new());

/// Has SQLite lock in this way from now on. To be called before it opens anything.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the names are NUL-terminated. SQLite calls `fcntl` with two numbers and one more, or a pointer: in the
        // calling conventions of x86-64 and AArch64 a function with three parameters is called in the same way. What a
        // system call is replaced with is cast to a function without parameters, as xSetSystemCall wants it.
        unsafe {
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            let Some(set) = system.as_ref().and_then(|system| system.xSetSystemCall) else { return };
            let set = |name: &CStr, call| set(system, name.as_ptr().cast::<c_char>(), Some(call));
            set(c"fcntl", std::mem::transmute::<Fcntl, unsafe extern "C" fn()>(fcntl));
            set(c"close", std::mem::transmute::<Close, unsafe extern "C" fn()>(close));
        }
    });
}

type Fcntl = unsafe extern "C" fn(c_int, c_int, *mut libc::flock) -> c_int;
type Close = unsafe extern "C" fn(c_int) -> c_int;

fn holders() -> MutexGuard<'static, Vec<Holder>> {
    // Each change is whole: nothing in between can panic.
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In the place of fcntl(2).
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut libc::flock) -> c_int {
    let of_open_file = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_SETLKW => libc::F_OFD_SETLKW,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: passed on as it came.
        _ => return unsafe { libc::fcntl(fd, command, argument) },
    };
    let mut all = holders();
    // Where there is no descriptor left, its own open file must do.
    let holder = holder(&mut all, fd).unwrap_or(fd);
    // SAFETY: SQLite passes a lock of its own with these commands.
    unsafe {
        (*argument).l_pid = 0;
        libc::fcntl(holder, of_open_file, argument)
    }
}

/// In the place of close(2). SQLite closes a file when it has no locks on it any more, or, of its shared memory, gives them
/// back by that.
unsafe extern "C" fn close(fd: c_int) -> c_int {
    holders().retain(|holder| !holder.askers.contains(&fd));
    // SAFETY: it is SQLite's.
    unsafe { libc::close(fd) }
}

/// The descriptor that has the locks of the file that `fd` is of.
fn holder(all: &mut Vec<Holder>, fd: RawFd) -> Option<RawFd> {
    if let Some(holder) = all.iter().find(|holder| holder.askers.contains(&fd)) {
        return Some(holder.fd.as_raw_fd());
    }
    let inode =
        super::fd::inode_of(&super::fd::statx(fd, c"", libc::AT_EMPTY_PATH, libc::STATX_BASIC_STATS).ok()?);
    let file = (inode.id.dev, inode.id.ino);
    if let Some(holder) = all.iter_mut().find(|holder| holder.file == file) {
        holder.askers.push(fd);
        return Some(holder.fd.as_raw_fd());
    }
    // SAFETY: plain numbers.
    let own = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if own < 0 {
        return None;
    }
    // SAFETY: the kernel just made this descriptor for us.
    let own = unsafe { OwnedFd::from_raw_fd(own) };
    all.push(Holder { file, fd: own, askers: vec![fd] });
    all.last().map(|holder| holder.fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use rusqlite::Connection;

    use super::*;

    /// Whether anybody but this open file has a lock on the bytes that readers lock (`SHARED_FIRST`, `SHARED_SIZE`).
    fn is_locked(path: &Path) -> bool {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let (l_type, l_whence) = (libc::F_WRLCK as i16, libc::SEEK_SET as i16);
        let mut range = libc::flock { l_type, l_whence, l_start: 0x4000_0002, l_len: 510, l_pid: 0 };
        // SAFETY: takes a lock to look for.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) }, 0);
        range.l_type != libc::F_UNLCK as i16
    }

    #[test]
    fn locks_last_until_the_last_connection_ends() {
        install();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let open = || {
            let db = Connection::open(&path).unwrap();
            db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (n)").unwrap();
            db
        };
        let (one, other) = (open(), open());
        // `is_locked` itself opens and closes the file, as whatever a guest has open is by us.
        assert!(is_locked(&path) && is_locked(&path));
        drop(one);
        assert!(is_locked(&path));
        other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        drop(other);
        assert!(!is_locked(&path));
        assert!(std::fs::metadata(dir.path().join("db-wal")).is_err());
        let again = open();
        assert_eq!(again.query_row("SELECT n FROM t", [], |row| row.get(0)), Ok(1));
    }
}
