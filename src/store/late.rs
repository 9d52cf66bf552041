//! Rows that may reach the index a little later, because the file itself holds all that they say: a mere owner of a
//! regular file or a directory. Written together they cost a tenth of what each costs alone.
//!
//! Another process may have changed the file's owner before they are written, and a row that it has removed, or found
//! none to remove, must not come back. So a row counts only as long as nobody else has changed anything since it was
//! added; after that it is dropped, which loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remainroot_shims::owner::Time;
use rusqlite::{Connection, params};

use super::changes::Changes;
use super::row::{Row, encode, pack};

/// The key of a row.
type Key = (u64, u64, i64);

/// Others may have written more of an inode since: that stays. So does what says that the file is not to be believed.
/// The second byte of a value says what it has; see [`super::row`].
const QUERY: &str = "INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value \
    WHERE owners.traits = 0 AND hex(substr(owners.value, 2, 1)) IN ('00', '01', '40', '41', '80', '81', 'C0', 'C1')";

/// Rows by their keys, each with how many changes of others there were when it was added.
type Rows = BTreeMap<Key, (Row, u64)>;

/// The rows that wait, and those that are being written.
#[derive(Default)]
pub struct Late {
    state: Mutex<State>,
    /// Held by who writes them.
    flight: Mutex<()>,
}

#[derive(Default)]
struct State {
    waiting: Rows,
    /// They are not in the index for sure before the transaction that takes them there has ended.
    flying: Arc<Rows>,
    /// Those among them that were out of date before it has.
    cancelled: BTreeSet<Key>,
}

/// The rows, held. Who counts a change of ours holds this meanwhile, so that it does not look like one of others'. Nobody
/// holds it while he writes to the database: its own lock keeps the order of what is written.
pub struct Held<'a>(MutexGuard<'a, State>);

/// How many changes others have made; none where there is no count, since then nobody else is there.
fn of_others(changes: Option<&Changes>) -> u64 {
    changes.map_or(0, Changes::of_others)
}

impl Late {
    /// Holds them.
    pub fn hold(&self) -> Held<'_> {
        // There is no state in between: a panic elsewhere leaves a map that is as good as any.
        Held(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Late {
    /// Writes all of them to the index that still count. What fails can be tried again.
    ///
    /// They are taken when the transaction has begun: whatever else this process writes comes before it, and has taken
    /// its row out of those that wait, or after it.
    pub fn flush(&self, db: &Connection, changes: Option<&Changes>) -> rusqlite::Result<()> {
        let _flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if self.hold().is_empty() {
            return Ok(());
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        let (rows, now) = self.hold().take_off(changes);
        let write = || -> rusqlite::Result<()> {
            let mut statement = db.prepare_cached(QUERY)?;
            // Nobody else writes now; who has written before, and removed something perhaps, has counted it.
            for (row, _) in rows.values().filter(|(_, then)| *then == now) {
                let (fs, ino) = (row.fs as i64, row.ino as i64);
                statement.execute(params![fs, ino, pack(row.btime), row.traits.0, encode(row)])?;
            }
            Ok(())
        };
        let written = write().and_then(|()| db.execute_batch("COMMIT"));
        if written.is_err() {
            // Where the database has done so already, this fails.
            let _ = db.execute_batch("ROLLBACK");
        }
        self.hold().land(written.is_ok());
        written
    }
}

impl Held<'_> {
    /// Adds a row. Returns how many wait.
    pub fn add(&mut self, row: Row, changes: Option<&Changes>) -> usize {
        self.0.waiting.insert((row.fs, row.ino, pack(row.btime)), (row, of_others(changes)));
        self.0.waiting.len()
    }

    /// Takes a row away, before what makes it out of date is written.
    pub fn remove(&mut self, fs: u64, ino: u64, btime: Option<Time>) {
        let key = (fs, ino, pack(btime));
        self.0.waiting.remove(&key);
        if self.0.flying.contains_key(&key) {
            self.0.cancelled.insert(key);
        }
    }

    /// Those of an inode number that still count.
    pub fn of(&self, fs: u64, ino: u64, changes: Option<&Changes>) -> impl Iterator<Item = &Row> {
        let now = of_others(changes);
        let State { waiting, flying, cancelled } = &*self.0;
        let range = (fs, ino, i64::MIN)..=(fs, ino, i64::MAX);
        let stale = |key: &Key| cancelled.contains(key) || waiting.contains_key(key);
        let in_the_air = flying.range(range.clone()).filter(move |(key, _)| !stale(key));
        in_the_air
            .chain(waiting.range(range))
            .filter(move |(_, (_, then))| *then == now)
            .map(|(_, (row, _))| row)
    }

    /// File systems and inode numbers of all.
    pub fn each(&self, mut each: impl FnMut(u64, u64)) {
        self.0.waiting.keys().chain(self.0.flying.keys()).for_each(|(fs, ino, _)| each(*fs, *ino));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.waiting.is_empty() && self.0.flying.is_empty()
    }

    /// Takes all that wait, to be written. Says how many changes others have made.
    fn take_off(&mut self, changes: Option<&Changes>) -> (Arc<Rows>, u64) {
        self.0.flying = Arc::new(std::mem::take(&mut self.0.waiting));
        (self.0.flying.clone(), of_others(changes))
    }

    /// They were written; if not, they wait again.
    fn land(&mut self, written: bool) {
        let rows = std::mem::take(&mut self.0.flying);
        let cancelled = std::mem::take(&mut self.0.cancelled);
        if !written {
            for (key, row) in rows.iter().filter(|(key, _)| !cancelled.contains(*key)) {
                self.0.waiting.entry(*key).or_insert_with(|| row.clone());
            }
        }
    }
}
