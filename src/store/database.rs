//! The database below an index: made, opened, and looked at whether it can be one of ours.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::changes::Changes;
use super::fault::{Fault, Kind};
use super::index::Mode;

/// A page that counts the transactions of all processes.
const CHANGES: &str = "changes";

/// `PRAGMA application_id`: "rmrt".
pub(super) const APPLICATION: i64 = 0x726D_7274;

/// `PRAGMA user_version`: the format of tables and rows.
pub(super) const FORMAT: i64 = 1;

/// How long to wait for other processes, which hold a lock for microseconds, or for as long as a sync takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait before another try, where the database does not wait by itself.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

const SCHEMA: &str = "\
    CREATE TABLE owners (fs INTEGER NOT NULL, ino INTEGER NOT NULL, btime INTEGER NOT NULL, \
        traits INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (fs, ino, btime)) WITHOUT ROWID; \
    CREATE INDEX by_traits ON owners (traits) WHERE traits <> 0;";

/// Makes the file, if it shall be there, and looks whether it can be a database.
///
/// To be called while this process has no connection to it: closing any descriptor of a file drops all locks that the
/// process has on it (fcntl(2)), and without its lock another process, which ends, takes the log away from under it.
pub(super) fn probe(path: &Path, mode: Mode) -> Result<(), Fault> {
    if mode == Mode::Write {
        // SQLite would leave it to the umask who can read it.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        made.map_err(|error| Fault::io(path, &error))?;
    }
    let mut start = Vec::new();
    let mut file = fs::File::open(path).map_err(|error| Fault::io(path, &error))?;
    file.by_ref().take(16).read_to_end(&mut start).map_err(|error| Fault::io(path, &error))?;
    if !start.is_empty() && start != b"SQLite format 3\0" {
        return Err(Fault::new(path, Kind::Foreign));
    }
    Ok(())
}

/// Opens the database, of which [`probe`] has been told.
pub(super) fn connect(path: &Path, mode: Mode) -> Result<Connection, Fault> {
    let flags = match mode {
        Mode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let fault = |error: rusqlite::Error| Fault::of(path, &error);
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
    db.busy_timeout(PATIENCE).map_err(fault)?;
    // The page size counts for a new database only. Syncing is the keeper's.
    let settings = "PRAGMA page_size = 1024; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; \
        PRAGMA cache_size = -4096; PRAGMA trusted_schema = OFF;";
    db.execute_batch(settings).map_err(fault)?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// Makes the database one that can be shared, and ours, if it is new.
pub(super) fn share(db: &Connection, path: &Path) -> Result<(), Fault> {
    let fault = |error: rusqlite::Error| Fault::of(path, &error);
    let journal: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fault)?;
    if journal != "wal" {
        return Err(Fault::new(path, Kind::Unsuited("this file system, which cannot map shared memory")));
    }
    let tables = || db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    if tables().map_err(fault)? > 0 {
        return Ok(());
    }
    // Of several that find it new, one makes the tables.
    db.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
    let made = || -> rusqlite::Result<()> {
        if tables()? == 0 {
            db.execute_batch(SCHEMA)?;
            db.execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}"
            ))?;
        }
        db.execute_batch("COMMIT")
    };
    made().map_err(|error| {
        // Where the database has done so already, this fails.
        let _ = db.execute_batch("ROLLBACK");
        fault(error)
    })
}

/// Whether all pages are there that the database says it has. Pages in the log may not have reached the file yet.
pub(super) fn whole(db: &Connection, path: &Path) -> Result<(), Fault> {
    let number = |pragma: &str| -> Result<u64, Fault> {
        let read = db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
        read.map(|number| number as u64).map_err(|error| Fault::of(path, &error))
    };
    let expected = number("page_count")? * number("page_size")?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = fs::metadata(PathBuf::from(log)).map_or(0, |file| file.len());
    let length = fs::metadata(path).map_err(|error| Fault::io(path, &error))?.len();
    if log == 0 && length < expected {
        let why = format!("it has {length} bytes of {expected}");
        return Err(Fault::new(path, Kind::Damaged(why)));
    }
    Ok(())
}

/// The count of changes in the directory `dir`.
pub(super) fn count(dir: &Path) -> Result<Changes, Fault> {
    let path = dir.join(CHANGES);
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    open().and_then(Changes::new).map_err(|error| match error.kind() {
        ErrorKind::Unsupported => {
            Fault::new(&path, Kind::Unsuited("this file system, which cannot map shared memory"))
        }
        _ => Fault::io(&path, &error),
    })
}
