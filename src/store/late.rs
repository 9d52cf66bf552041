//! Rows that may reach the index a little later, because the file itself holds all that they say: a mere owner of a
//! regular file or a directory. Written together they cost a tenth of what each costs alone.
//!
//! Another process may have changed the file's owner before they are written, and a row that it has removed, or found
//! none to remove, must not come back. So a row counts only as long as nobody else has changed anything since it was
//! added; after that it is dropped, which loses nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// The rows that wait. Who writes to the index, or counts a change of ours, holds this meanwhile, so that old never comes
/// after new.
#[derive(Default)]
pub struct Late(Mutex<Rows>);

/// The rows, held.
pub struct Held<'a>(MutexGuard<'a, Rows>);

/// How many changes others have made; none where there is no count, since then nobody else is there.
fn of_others(changes: Option<&Changes>) -> u64 {
    changes.map_or(0, Changes::of_others)
}

impl Late {
    /// Holds them.
    pub fn hold(&self) -> Held<'_> {
        // There is no state in between: a panic elsewhere leaves a map that is as good as any.
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held<'_> {
    /// Adds a row. Returns how many there are.
    pub fn add(&mut self, row: Row, changes: Option<&Changes>) -> usize {
        self.0.insert((row.fs, row.ino, pack(row.btime)), (row, of_others(changes)));
        self.0.len()
    }

    /// Takes a row away: it is out of date.
    pub fn remove(&mut self, fs: u64, ino: u64, btime: Option<Time>) {
        self.0.remove(&(fs, ino, pack(btime)));
    }

    /// Those of an inode number that still count.
    pub fn of(&self, fs: u64, ino: u64, changes: Option<&Changes>) -> impl Iterator<Item = &Row> {
        let now = of_others(changes);
        let of_inode = self.0.range((fs, ino, i64::MIN)..=(fs, ino, i64::MAX));
        of_inode.filter(move |(_, (_, then))| *then == now).map(|(_, (row, _))| row)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes all of them to the index that still count. What fails can be tried again.
    pub fn flush(&mut self, db: &Connection, changes: Option<&Changes>) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let write = || -> rusqlite::Result<()> {
            let mut statement = db.prepare_cached(QUERY)?;
            // Nobody else writes now; who has written before, and removed something perhaps, has counted it.
            let now = of_others(changes);
            for (row, _) in self.0.values().filter(|(_, then)| *then == now) {
                let (fs, ino) = (row.fs as i64, row.ino as i64);
                statement.execute(params![fs, ino, pack(row.btime), row.traits.0, encode(row)])?;
            }
            Ok(())
        };
        db.execute_batch("BEGIN IMMEDIATE")?;
        let written = write().and_then(|()| db.execute_batch("COMMIT"));
        if written.is_err() {
            // Where the database has done so already, this fails.
            let _ = db.execute_batch("ROLLBACK");
        } else {
            self.0.clear();
        }
        written
    }
}
