//! The database below an index: made, opened, and looked at whether it can be one of ours.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::changes::Changes;
use super::fault::{Fault, Kind};
use super::index::Mode;
use crate::sys::locks;

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
    match mode {
        Mode::Write => connect_to(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE),
        Mode::Read => match connect_to(path, path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            Err(Fault { kind: Kind::Denied(_) | Kind::ReadOnly | Kind::Full | Kind::Other(_), .. }) => {
                connect_to_file_alone(path)
            }
            other => other,
        },
    }
}

/// Opens the database to read it where its shared memory cannot be made or written: on a file system that can only be
/// read, or is full. Then nobody writes to it either, and it needs no locks; but what is in its log alone would not be
/// seen, so that there must be nothing. (With a log there is its shared memory too, as its last user has left it, and
/// the database reads both without us. It is missing where somebody has copied only some of the files.)
fn connect_to_file_alone(path: &Path) -> Result<Connection, Fault> {
    if log_length(path) > 0 {
        let why = "its log (index.db-wal) is not of use without index.db-shm, which cannot be made here\n\
             copy all files of the directory to a place that can be written to, and name that with --store";
        return Err(Fault::new(path, Kind::Other(why.to_owned())));
    }
    let mut uri = b"file:".to_vec();
    for &byte in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(byte),
            byte if byte.is_ascii_alphanumeric() => uri.push(byte),
            byte => uri.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    uri.extend_from_slice(b"?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect_to(path, Path::new(OsStr::from_bytes(&uri)), flags)
}

/// A database without rows, to read it where there is a file that was not begun.
pub(super) fn connect_to_nothing(path: &Path) -> Result<Connection, Fault> {
    let fault = |error: rusqlite::Error| Fault::of(path, &error);
    let db = Connection::open_in_memory().map_err(fault)?;
    db.execute_batch(SCHEMA).map_err(fault)?;
    Ok(db)
}

/// Opens the database at `path`, by `name`, and reads from it.
fn connect_to(path: &Path, name: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let fault = |error: rusqlite::Error| Fault::of(path, &error);
    locks::install();
    let db = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
    db.busy_timeout(PATIENCE).map_err(fault)?;
    // The page size counts for a new database only. Syncing is the keeper's.
    let settings = "PRAGMA page_size = 1024; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; \
        PRAGMA cache_size = -4096; PRAGMA trusted_schema = OFF;";
    db.execute_batch(settings).map_err(fault)?;
    db.set_prepared_statement_cache_capacity(16);
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(fault)?;
    Ok(db)
}

/// How many bytes are in the log.
fn log_length(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(PathBuf::from(log)).map_or(0, |file| file.len())
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
    let length = fs::metadata(path).map_err(|error| Fault::io(path, &error))?.len();
    if log_length(path) == 0 && length < expected {
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
