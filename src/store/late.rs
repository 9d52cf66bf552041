//! Rows that may reach the index a little later, because the file itself holds all that they say: a mere owner of a
//! regular file or a directory. Written together they cost a tenth of what each costs alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remainroot_shims::owner::Time;
use rusqlite::{Connection, params};

use super::row::{Row, encode, pack};

/// The key of a row.
type Key = (u64, u64, i64);

/// Others may have written more of an inode since: that stays. So does what says that the file is not to be believed.
/// The second byte of a value says what it has; see [`super::row`].
const QUERY: &str = "INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value \
    WHERE owners.traits = 0 AND hex(substr(owners.value, 2, 1)) IN ('00', '01', '40', '41', '80', '81', 'C0', 'C1')";

/// Rows by their keys. Who writes to the index holds this meanwhile, so that old never comes after new.
#[derive(Default)]
pub struct Late(Mutex<BTreeMap<Key, Row>>);

/// The rows, held.
pub struct Held<'a>(MutexGuard<'a, BTreeMap<Key, Row>>);

impl Late {
    /// Holds them.
    pub fn hold(&self) -> Held<'_> {
        // There is no state in between: a panic elsewhere leaves a map that is as good as any.
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held<'_> {
    /// Adds a row. Returns how many there are.
    pub fn add(&mut self, row: Row) -> usize {
        self.0.insert((row.fs, row.ino, pack(row.btime)), row);
        self.0.len()
    }

    /// Takes a row away: it is out of date.
    pub fn remove(&mut self, fs: u64, ino: u64, btime: Option<Time>) {
        self.0.remove(&(fs, ino, pack(btime)));
    }

    /// Those of an inode number.
    pub fn of(&self, fs: u64, ino: u64) -> impl Iterator<Item = &Row> {
        self.0.range((fs, ino, i64::MIN)..=(fs, ino, i64::MAX)).map(|(_, row)| row)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes all of them to the index. What fails can be tried again.
    pub fn flush(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let write = || -> rusqlite::Result<()> {
            let mut statement = db.prepare_cached(QUERY)?;
            for row in self.0.values() {
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
