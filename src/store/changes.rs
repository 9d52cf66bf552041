//! The count of changes that all processes have made to an index, how many of them were this one's, and whose turn it is
//! to make one.
//!
//! The count is in a page that is mapped, as the database's own shared memory is (`index.db-shm`). Whoever truncates these
//! files under a run kills it (SIGBUS), with all its programs, and the process that the user sees says so: nothing that was
//! answered is lost. That is not mended. To read the count by a call would cost every stat of a known inode one; to ask for
//! the size before each access leaves the moment in between; and a handler that put zeros there would let a run go on
//! whose index somebody is taking away: a backup that is copied over it, say.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use crate::sys::shared::Counter;

/// How often a lock is tried that another process holds, which it does for microseconds. One that was stopped meanwhile
/// does not stop everybody.
const TRIES: u32 = 400;

/// After so many turns that nobody else wanted, the next is not given back until somebody does.
const QUIET: u32 = 256;

/// The byte of the file that is locked for a turn.
const TURN: i64 = 0;

/// The byte that is locked instead by those who could not have that one.
const DETOUR: i64 = 1;

/// The time between two tries.
const PAUSE: Duration = Duration::from_micros(100);

/// The count, in a page that all map: reading it takes no call. The file that the page is of is also what is locked.
#[derive(Debug)]
pub struct Changes {
    all: Counter,
    ours: AtomicU64,
    file: File,
    turns: Mutex<Turns>,
}

/// What this process has of the turns.
#[derive(Debug, Default)]
struct Turns {
    /// The byte that is locked.
    locked: Option<i64>,
    /// Turns that are not over: while one waits for a file system, another task may have one.
    depth: u32,
    /// How often somebody had wanted one when that was last looked at.
    wanted: u32,
    /// Turns since that has changed.
    quiet: u32,
    /// Another process has kept it for long, and was stopped perhaps.
    blocked: bool,
    /// Somebody listens who can give it back between two turns.
    keeps: bool,
}

/// A turn. It is over when this is dropped.
pub struct Turn<'a>(&'a Changes);

impl Changes {
    /// In a file. None of those counted so far were ours.
    pub fn new(file: File) -> std::io::Result<Changes> {
        Ok(Changes { all: Counter::map(&file)?, ours: AtomicU64::new(0), file, turns: Mutex::default() })
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
    ///
    /// Whoever is alone keeps the lock from one turn to the next: that saves two calls a turn. It is given back when
    /// another process says that it wants it ([`Changes::give_way`]), and by the kernel when this one is killed.
    pub fn turn(&self) -> Option<Turn<'_>> {
        let tries = if self.turns().blocked { 1 } else { TRIES };
        for (byte, tries) in [(TURN, tries), (DETOUR, TRIES)] {
            for left in (0..tries).rev() {
                match self.try_turn(byte) {
                    Ok(turn) => return Some(turn),
                    Err(nix::errno::Errno::EAGAIN) if left > 0 => thread::sleep(PAUSE),
                    Err(nix::errno::Errno::EAGAIN) => {}
                    Err(_) => return None,
                }
            }
            self.turns().blocked = true;
        }
        None
    }

    /// A turn, if nobody else has one.
    pub fn turn_at_once(&self) -> Option<Turn<'_>> {
        self.try_turn(TURN).ok().filter(|_| self.turns().locked == Some(TURN))
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        // Each change of it is one of a number: a panic elsewhere leaves what is as good as any.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_turn(&self, byte: i64) -> nix::Result<Turn<'_>> {
        let mut turns = self.turns();
        turns.look(self.all.wanted());
        if turns.depth == 0 && turns.quiet == 0 {
            turns.release(&self.file);
        }
        if turns.locked.is_none() {
            lock(&self.file, libc::F_WRLCK, byte).inspect_err(|_| self.all.want())?;
            turns.locked = Some(byte);
            turns.blocked &= byte != TURN;
        }
        turns.depth += 1;
        Ok(Turn(self))
    }

    /// Says whether somebody listens for those who want a turn.
    pub fn may_keep(&self, keeps: bool) {
        let mut turns = self.turns();
        turns.keeps = keeps;
        turns.end(self);
    }

    /// Gives back the lock that was kept, if somebody wants it.
    pub fn give_way(&self) {
        self.turns().end(self);
    }
}

impl Turns {
    /// Notes how often somebody has wanted a turn.
    fn look(&mut self, wanted: u32) {
        if wanted != self.wanted {
            (self.wanted, self.quiet) = (wanted, 0);
        }
    }

    /// Gives the lock back, unless there are turns left, or it may be kept.
    fn end(&mut self, changes: &Changes) {
        self.look(changes.all.wanted());
        if self.depth == 0 && !(self.keeps && self.quiet >= QUIET && self.locked == Some(TURN)) {
            self.release(&changes.file);
        }
    }

    fn release(&mut self, file: &File) {
        if let Some(byte) = self.locked.take() {
            // What was locked can be unlocked.
            let _ = lock(file, libc::F_UNLCK, byte);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.turns();
        turns.depth -= 1;
        turns.quiet = turns.quiet.saturating_add(1);
        turns.end(self.0);
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // Another process may have the file open by the same description.
        self.turns().release(&self.file);
    }
}

/// Locks a byte of the file, for whoever has this very open file (`F_OFD_SETLK`).
fn lock(file: &File, kind: i32, byte: i64) -> nix::Result<()> {
    let range = libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
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
        // Who could not have one takes the other lock, of which there is one too.
        let detour = other.turn().unwrap();
        assert_eq!((one.turns().locked, other.turns().locked), (Some(TURN), Some(DETOUR)));
        assert!(open().turn().is_none());
        drop((turn, detour));
        assert!(other.turn().is_some_and(|_| other.turns().locked == Some(TURN)));
        other.add();
        assert_eq!((one.all(), one.of_others(), other.of_others()), (1, 1, 0));
        // Who is alone keeps it, until another wants it.
        one.may_keep(true);
        (0..QUIET).for_each(|_| drop(one.turn()));
        assert_eq!(one.turns().locked, Some(TURN));
        let turn = one.turn();
        assert!(other.try_turn(TURN).is_err());
        one.give_way();
        assert!(other.try_turn(TURN).is_err());
        drop(turn);
        assert!(other.try_turn(TURN).is_ok());
        (0..QUIET).for_each(|_| drop(one.turn()));
        assert!(other.try_turn(TURN).is_err());
        one.give_way();
        assert!(other.try_turn(TURN).is_ok());
        (0..QUIET).for_each(|_| drop(one.turn()));
        one.may_keep(false);
        assert!(other.try_turn(TURN).is_ok());
    }
}
