//! The count of changes that all processes have made to an index, how many of them were this one's, and whose turn it is
//! to make one.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use crate::sys::shared::Counter;

/// How often a lock is tried that another process holds, which it does for microseconds. One that was stopped meanwhile
/// does not stop everybody.
const TRIES: u32 = 400;

/// The time between two tries.
const PAUSE: Duration = Duration::from_micros(100);

/// The count, in a page that all map: reading it takes no call. The file that the page is of is also what is locked.
#[derive(Debug)]
pub struct Changes {
    all: Counter,
    ours: AtomicU64,
    file: File,
}

/// A turn. It is over when this is dropped.
pub struct Turn<'a>(&'a File);

impl Changes {
    /// In a file. None of those counted so far were ours.
    pub fn new(file: File) -> std::io::Result<Changes> {
        Ok(Changes { all: Counter::map(&file)?, ours: AtomicU64::new(0), file })
    }

    /// The page, with its bell.
    pub const fn page(&self) -> &Counter {
        &self.all
    }

    /// How many there were.
    pub fn all(&self) -> u64 {
        self.all.value().load(Ordering::Acquire)
    }

    /// Counts one of ours. Returns how many there were before.
    pub fn add(&self) -> u64 {
        let before = self.all.value().fetch_add(1, Ordering::AcqRel);
        // After it: who looks in between takes it for somebody else's, and not the other way round.
        self.ours.fetch_add(1, Ordering::AcqRel);
        before
    }

    /// How many were not ours.
    pub fn of_others(&self) -> u64 {
        let ours = self.ours.load(Ordering::Acquire);
        self.all().wrapping_sub(ours)
    }

    /// Waits for a turn, in which no other process has one. `None` if it does not come, or where there are no locks.
    pub fn turn(&self) -> Option<Turn<'_>> {
        for _ in 0..TRIES {
            match lock(&self.file, libc::F_WRLCK) {
                Ok(()) => return Some(Turn(&self.file)),
                Err(nix::errno::Errno::EAGAIN) => thread::sleep(PAUSE),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // What was locked can be unlocked.
        let _ = lock(self.0, libc::F_UNLCK);
    }
}

/// Locks the whole file, for whoever has this very open file (`F_OFD_SETLK`).
fn lock(file: &File, kind: i32) -> nix::Result<()> {
    let range =
        libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&range)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let path = dir.path().join("changes");
            let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
            Changes::new(file.unwrap()).unwrap()
        };
        let (one, other) = (open(), open());
        let turn = one.turn().unwrap();
        assert!(other.turn().is_none());
        drop(turn);
        assert!(other.turn().is_some());
        other.add();
        assert_eq!((one.all(), one.of_others(), other.of_others()), (1, 1, 0));
    }
}
