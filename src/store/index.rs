//! The index: every record, in a database that several processes use at once.
//!
//! It is an SQLite database in WAL mode. What that gives, and an LMDB without syncing would not: a process may be killed
//! at any moment, and a machine may lose its power, without more loss than the last unsynced transactions, because what
//! is in the log is checked by sums and what is in the main file was synced before the log is used again; a full disk is
//! an error at the write and not a SIGBUS in a mapping. A recorded owner costs one `pwrite` of a page of 1 KiB (4 µs in
//! all; LMDB with `MDB_NOSYNC`: 3.7 µs), a lookup 1.4 µs; neither is done for an inode that the process knows already.
//! An owner that the file itself carries is written here a little later, with others ([`super::late`]).
//!
//! A transaction is in the page cache before it is answered. A thread of its own syncs it every few seconds
//! ([`super::keeper`]).

use std::cell::{Cell, RefCell};
use std::fs::DirBuilder;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use remainroot_shims::owner::Time;
use rusqlite::{Connection, OptionalExtension, params};

use super::changes::{Changes, Turn};
use super::database::{
    APPLICATION, FORMAT, PATIENCE, PAUSE, connect, connect_to_nothing, count, probe, share, whole,
};
use super::fault::{Fault, Kind};
use super::filter::Filter;
use super::keeper::Keeper;
use super::news::News;
use super::row::{Row, Traits, decode, encode, pack};

/// The database, in the store's directory.
const FILE: &str = "index.db";

/// What an index is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only to look at, wherever it is. It must be there.
    Read,
    /// To change it. It is made, with its directory, if it is not there.
    Write,
}

/// An open index.
pub struct Index {
    path: PathBuf,
    db: Connection,
    changes: Option<Arc<Changes>>,
    /// The count of transactions that this process knows of.
    known: Cell<u64>,
    keeper: RefCell<Option<Keeper>>,
    filter: Filter,
}

impl Index {
    /// Opens the index in the directory `dir`.
    ///
    /// # Errors
    /// Whatever is wrong with it. A damaged or foreign file is left as it is.
    pub fn open(dir: &Path, mode: Mode) -> Result<Index, Fault> {
        let start = Instant::now();
        loop {
            match Index::try_open(dir, mode) {
                // Of several that find it new, all but one are told so at once when it becomes one with a log.
                Err(Fault { kind: Kind::Busy, .. }) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                opened => return opened,
            }
        }
    }

    fn try_open(dir: &Path, mode: Mode) -> Result<Index, Fault> {
        let path = Index::path_in(dir);
        if mode == Mode::Write {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|error| Fault::io(dir, &error))?;
            super::place::check(dir)?;
        }
        probe(&path, mode)?;
        let db = connect(&path, mode)?;
        let fault = |error: rusqlite::Error| Fault::of(&path, &error);
        let number = |pragma: &str| -> rusqlite::Result<i64> {
            db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
        };
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
        let application = number("application_id").map_err(fault)?;
        if tables == 0 && application == 0 && mode == Mode::Read {
            // Whoever began to make it was killed.
            let db = connect_to_nothing(&path)?;
            return Ok(Index::new(path, db, None));
        }
        if tables > 0 || mode == Mode::Read {
            if application != APPLICATION {
                return Err(Fault::new(&path, Kind::Foreign));
            }
            let format = number("user_version").map_err(fault)?;
            if format > FORMAT {
                return Err(Fault::new(&path, Kind::Newer(format)));
            }
        }
        if mode == Mode::Write {
            share(&db, &path)?;
        }
        whole(&db, &path)?;
        let changes = (mode == Mode::Write).then(|| count(dir).map(Arc::new)).transpose()?;
        Ok(Index::new(path, db, changes))
    }

    fn new(path: PathBuf, db: Connection, changes: Option<Arc<Changes>>) -> Index {
        let known = Cell::new(changes.as_ref().map_or(0, |changes| changes.all()));
        Index { path, db, changes, known, keeper: RefCell::default(), filter: Filter::default() }
    }

    /// Whether it was opened to be changed.
    pub const fn can_change(&self) -> bool {
        self.changes.is_some()
    }

    /// Lets a thread of its own sync it from now on, and not those who change it.
    pub fn keep(&self) -> Result<(), Fault> {
        let keeper = Keeper::new(&self.path, self.changes.clone())?;
        self.batch("PRAGMA wal_autocheckpoint = 0")?;
        *self.keeper.borrow_mut() = Some(keeper);
        // Who compares a tree with the index learns that somebody was here, who may have moved files without a word.
        self.count_change();
        Ok(())
    }

    /// Whether there is an index in a directory.
    pub fn is_in(dir: &Path) -> bool {
        Index::path_in(dir).exists()
    }

    /// Where the index in a directory is, or would be.
    pub fn path_in(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// The records of an inode number: of the inode that has it now, and perhaps of earlier ones; with overlays, of
    /// inodes that share it.
    pub fn get(&self, fs: u64, ino: u64) -> Result<Vec<Row>, Fault> {
        let of_others = self.changes.as_ref().map(|changes| changes.of_others());
        let mut found = match of_others {
            Some(of_others) if !self.filter.may_have(of_others, fs, ino) => Vec::new(),
            _ => self.read(fs, ino)?,
        };
        if let Some(of_others) = of_others.filter(|_| found.is_empty()) {
            self.missed(of_others)?;
        }
        if let Some(keeper) = &*self.keeper.borrow() {
            for row in keeper.late().hold().of(fs, ino, self.changes.as_deref()) {
                // As when it is written: not over what says more.
                match found.iter_mut().find(|written| written.btime == row.btime) {
                    Some(written) if !written.is_mere_owner() => {}
                    Some(written) => *written = row.clone(),
                    None => found.push(row.clone()),
                }
            }
        }
        Ok(found)
    }

    /// The records of an inode number that are in the database.
    fn read(&self, fs: u64, ino: u64) -> Result<Vec<Row>, Fault> {
        const QUERY: &str = "SELECT btime, traits, value FROM owners WHERE fs = ? AND ino = ?";
        let mut statement = self.db.prepare_cached(QUERY).map_err(|error| self.fault(&error))?;
        let mut rows = statement.query(params![fs as i64, ino as i64]).map_err(|error| self.fault(&error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let read = || -> rusqlite::Result<Option<Row>> {
                Ok(decode(fs, ino, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob()?))
            };
            found.push(read().map_err(|error| self.fault(&error))?.ok_or_else(|| self.senseless())?);
        }
        Ok(found)
    }

    /// Notes that a number was looked up in vain.
    fn missed(&self, of_others: u64) -> Result<(), Fault> {
        // Rows take 30 bytes at least.
        let most = || {
            let pages: i64 = self.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap_or(i64::MAX);
            (pages as usize).saturating_mul(1024 / 30)
        };
        if !self.filter.missed(of_others, most) {
            return Ok(());
        }
        // Who is in the midst of a change has counted it, and may be killed before he counts that it is done.
        let Some(_turn) = self.changes.as_ref().and_then(|changes| changes.turn_at_once()) else {
            return Ok(());
        };
        let fill = || -> rusqlite::Result<()> {
            let mut statement = self.db.prepare_cached("SELECT fs, ino FROM owners")?;
            let mut numbers = Vec::new();
            // First those that may be there before the others were read, or will be after.
            if let Some(keeper) = &*self.keeper.borrow() {
                keeper.late().hold().each(|fs, ino| numbers.push((fs, ino)));
            }
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                numbers.push((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
            }
            self.filter.make(of_others, numbers.len());
            numbers.into_iter().for_each(|(fs, ino)| self.filter.add(fs, ino));
            Ok(())
        };
        fill().map_err(|error| self.fault(&error))
    }

    /// Calls `each` with every record, by file system and number, until it has enough.
    pub fn each(&self, mut each: impl FnMut(Row) -> ControlFlow<()>) -> Result<(), Fault> {
        let mut run = || -> rusqlite::Result<bool> {
            let mut statement = self
                .db
                .prepare("SELECT fs, ino, btime, traits, value FROM owners ORDER BY fs, ino, btime")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (fs, ino): (i64, i64) = (row.get(0)?, row.get(1)?);
                let value = row.get_ref(4)?;
                let Some(row) = decode(fs as u64, ino as u64, row.get(2)?, row.get(3)?, value.as_blob()?)
                else {
                    return Ok(false);
                };
                if each(row).is_break() {
                    break;
                }
            }
            Ok(true)
        };
        match run() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.senseless()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Writes a record, in place of one of the same inode.
    pub fn put(&self, row: &Row) -> Result<(), Fault> {
        const QUERY: &str = "INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE \
            SET traits = excluded.traits, value = excluded.value";
        let value = encode(row);
        self.filter.add(row.fs, row.ino);
        self.change(
            (row.fs, row.ino, row.btime),
            QUERY,
            params![row.fs as i64, row.ino as i64, pack(row.btime), row.traits.0, value],
        )
    }

    /// Writes a record, soon, that the file itself holds too, and that is a mere owner.
    pub fn put_late(&self, row: Row) -> Result<(), Fault> {
        let mut guard = self.keeper.borrow_mut();
        let Some(keeper) = &mut *guard else {
            drop(guard);
            return self.put(&row);
        };
        self.filter.add(row.fs, row.ino);
        if keeper.add(row) {
            let changes = self.changes.as_deref();
            keeper.late().flush(&self.db, changes).map_err(|error| self.fault(&error))?;
        }
        let held = keeper.late().hold();
        self.count_change();
        drop(held);
        Ok(())
    }

    /// Removes the record of an inode. There need not be one.
    pub fn remove(&self, fs: u64, ino: u64, btime: Option<Time>) -> Result<(), Fault> {
        const QUERY: &str = "DELETE FROM owners WHERE fs = ? AND ino = ? AND btime = ?";
        self.change((fs, ino, btime), QUERY, params![fs as i64, ino as i64, pack(btime)])
    }

    /// How many changes all processes have made, and how often it was opened to be kept ([`Index::keep`]).
    pub fn count(&self) -> u64 {
        self.changes.as_ref().map_or(0, |changes| changes.all())
    }

    /// Removes records of inodes: all of them, or none if [`Index::count`] is another now.
    pub fn remove_all(&self, rows: &[Row], count: u64) -> Result<(), Fault> {
        self.batch("BEGIN IMMEDIATE")?;
        let removed = if self.count() == count {
            rows.iter().try_for_each(|row| self.remove(row.fs, row.ino, row.btime))
        } else {
            let why = "a run has had it open meanwhile, in which files may have moved: do this again";
            Err(Fault::new(&self.path, Kind::Other(why.to_owned())))
        };
        removed.and_then(|()| self.batch("COMMIT")).inspect_err(|_| {
            // Where the database has done so already, this fails.
            let _ = self.batch("ROLLBACK");
        })
    }

    /// All that calls must look out for in any record.
    pub fn traits(&self) -> Result<Traits, Fault> {
        const QUERY: &str = "SELECT min(traits) FROM owners WHERE traits <> 0 AND traits > ?";
        let mut statement = self.db.prepare_cached(QUERY).map_err(|error| self.fault(&error))?;
        let mut all = Traits::default();
        let mut last = Some(0u8);
        while let Some(after) = last {
            last = statement.query_row([after], |row| row.get(0)).map_err(|error| self.fault(&error))?;
            all = all.and(Traits(last.unwrap_or(0)));
        }
        Ok(all)
    }

    /// Whether there is no record at all.
    pub fn is_empty(&self) -> Result<bool, Fault> {
        if self.keeper.borrow().as_ref().is_some_and(|keeper| !keeper.late().hold().is_empty()) {
            return Ok(false);
        }
        let one = self.db.query_row("SELECT 1 FROM owners LIMIT 1", [], |_| Ok(())).optional();
        one.map(|one| one.is_none()).map_err(|error| self.fault(&error))
    }

    /// File system and inode number of all devices.
    pub fn devices(&self) -> Result<Vec<(u64, u64)>, Fault> {
        const QUERY: &str = "SELECT fs, ino FROM owners WHERE traits <> 0 AND traits & 1";
        let read = || -> rusqlite::Result<Vec<(u64, u64)>> {
            let mut statement = self.db.prepare(QUERY)?;
            let rows = statement.query_map([], |row| {
                let (fs, ino): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((fs as u64, ino as u64))
            })?;
            rows.collect()
        };
        read().map_err(|error| self.fault(&error))
    }

    /// Reads all of it, and compares what is there twice. `Err` says what is damaged.
    pub fn check(&self) -> Result<(), Fault> {
        let said: String = self
            .db
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| self.fault(&error))?;
        if said != "ok" {
            return Err(Fault::new(&self.path, Kind::Damaged(said)));
        }
        self.each(|_| ControlFlow::Continue(()))
    }

    /// Whether another process has changed it since this was last asked. Reads memory alone.
    pub fn was_changed(&self) -> bool {
        let Some(changes) = &self.changes else { return false };
        let now = changes.all();
        self.known.replace(now) != now
    }

    /// Tells those who listen that a record with such traits is about to be written.
    pub fn announce(&self, traits: Traits) {
        if let Some(changes) = &self.changes {
            changes.page().ring(traits.0);
        }
    }

    /// Listens to what others announce; `wake` is called until it says that it was heard.
    pub fn listen(&self, wake: Box<dyn Fn() -> bool + Send>) -> Option<News> {
        News::start(self.changes.clone()?, wake)
    }

    /// Keeps other processes from changing anything until it is dropped.
    pub fn turn(&self) -> Option<Turn<'_>> {
        self.changes.as_ref()?.turn()
    }

    /// Notes that a transaction of ours is done: others will look again.
    fn note_change(&self) {
        let mut keeper = self.keeper.borrow_mut();
        let held = keeper.as_ref().map(|keeper| keeper.late().hold());
        self.count_change();
        drop(held);
        if let Some(keeper) = &mut *keeper {
            keeper.note();
        }
    }

    /// Counts a change of ours, which is known to us if all before it are.
    fn count_change(&self) {
        if let Some(changes) = &self.changes {
            let before = changes.add();
            if before == self.known.get() {
                self.known.set(before + 1);
            }
        }
    }

    fn change(
        &self,
        (fs, ino, btime): (u64, u64, Option<Time>),
        query: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<(), Fault> {
        {
            let keeper = self.keeper.borrow();
            let late = keeper.as_ref().map(|keeper| keeper.late().hold());
            // Before it, too: who writes late rows after us, in whatever process, must not overlook it.
            self.count_change();
            if let Some(mut late) = late {
                late.remove(fs, ino, btime);
            }
        }
        self.db
            .prepare_cached(query)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| self.fault(&error))?;
        self.note_change();
        Ok(())
    }

    fn batch(&self, query: &str) -> Result<(), Fault> {
        self.db.execute_batch(query).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rusqlite::Error) -> Fault {
        Fault::of(&self.path, error)
    }

    /// A row that no version has written.
    fn senseless(&self) -> Fault {
        Fault::new(&self.path, Kind::Damaged("a record makes no sense".to_owned()))
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
