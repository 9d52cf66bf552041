//! A thread that writes what may be written late, moves what the log of the index holds into the index itself, and syncs
//! both: what a loss of power may cost is what happened since it last did so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::changes::Changes;
use super::database::connect;
use super::fault::Fault;
use super::index::Mode;
use super::late::Late;
use super::row::Row;
use crate::sys::{sched, signal};

/// How long changes may wait to be synced.
const INTERVAL: Duration = Duration::from_secs(2);

/// Pages in the log from which on writers have to wait until it is empty.
const LONG: i64 = 64 * 1024;

/// So many rows are not kept waiting.
const MANY: usize = 1024;

/// With so many rows waiting, whoever adds one writes them all.
const TOO_MANY: usize = 64 * 1024;

/// What thread and owner share.
#[derive(Default)]
struct Signs {
    /// The count of changes, where there is one.
    changes: Option<Arc<Changes>>,
    /// Rows that wait.
    late: Late,
    /// Too many of them to wait for the interval's end.
    many: AtomicBool,
    /// There are changes to sync.
    dirty: AtomicBool,
    /// It is time to end.
    stop: AtomicBool,
}

/// The thread, which is started with the first change.
pub struct Keeper {
    signs: Arc<Signs>,
    /// Its own connection, until the thread has it. Made in time, while the store can be reached by its path.
    db: Option<Connection>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// For the database at `path`, which has its tables.
    pub fn new(path: &Path, changes: Option<Arc<Changes>>) -> Result<Keeper, Fault> {
        let db = connect(path, Mode::Write)?;
        let signs = Arc::new(Signs { changes, ..Signs::default() });
        Ok(Keeper { signs, db: Some(db), thread: None })
    }

    /// The rows that wait.
    pub fn late(&self) -> &Late {
        &self.signs.late
    }

    /// Lets a row wait to be written. True where too many do, and the caller must write them.
    pub fn add(&mut self, row: Row) -> bool {
        let changes = self.signs.changes.as_deref();
        let waiting = self.signs.late.hold().add(row, changes);
        self.note();
        if waiting == MANY {
            self.signs.many.store(true, Ordering::Release);
            if let Some(thread) = &self.thread {
                thread.thread().unpark();
            }
        }
        waiting >= TOO_MANY
    }

    /// There was a change.
    pub fn note(&mut self) {
        if self.signs.dirty.swap(true, Ordering::AcqRel) {
            return;
        }
        match (&self.thread, self.db.take()) {
            (Some(thread), _) => thread.thread().unpark(),
            (None, Some(db)) => {
                let signs = self.signs.clone();
                // Signals, the tracer's alarm among them, are for its own thread alone.
                let mask = signal::set_mask(&signal::all());
                let named = thread::Builder::new().name("store".to_owned());
                // Without a thread, the kernel writes back what is in the page cache when it will.
                self.thread = named.spawn(move || run(&db, &signs)).ok();
                signal::set_mask(&mask);
            }
            (None, None) => {}
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signs.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does not panic, and if it did, what is left would be as after a kill.
            let _ = thread.join();
        }
    }
}

fn run(db: &Connection, signs: &Signs) {
    // Beside the tracer and its guest it would take their time, where there are idle CPUs.
    sched::roam();
    loop {
        while !signs.dirty.load(Ordering::Acquire) && !signs.stop.load(Ordering::Acquire) {
            thread::park();
        }
        let until = Instant::now() + INTERVAL;
        while !signs.stop.load(Ordering::Acquire)
            && !signs.many.load(Ordering::Acquire)
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            thread::park_timeout(left);
        }
        // In this order: what is added after the rows were taken is a change again.
        if signs.dirty.swap(false, Ordering::AcqRel) {
            // What cannot be written (the disk is full) waits for the next time, and is in the files.
            let _ = signs.late.flush(db, signs.changes.as_deref());
            if !signs.many.swap(false, Ordering::AcqRel) {
                sync(db);
            }
        }
        if signs.stop.load(Ordering::Acquire) {
            return;
        }
    }
}

/// Syncs. What goes wrong here (another process is at it, the disk is full) leaves all in the log, which is as good.
fn sync(db: &Connection) {
    let checkpoint = |how: &str| -> rusqlite::Result<(i64, i64)> {
        db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| Ok((row.get(1)?, row.get(2)?)))
    };
    if let Ok((log, done)) = checkpoint("PASSIVE")
        && log > LONG
        && done < log
    {
        let _ = checkpoint("RESTART");
    }
}
