//! What can go wrong with a store, in words for people and as an errno for guests.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use remainroot_shims::abi::Errno;
use rusqlite::{Error as Sql, ErrorCode, ffi};

/// A store cannot be used, or not in this way.
#[derive(Debug)]
pub struct Fault {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file is no index, or another program's.
    Foreign,
    /// It was written by a newer version, which says so by this number.
    Newer(i64),
    /// Parts of it are missing or make no sense.
    Damaged(String),
    /// No room is left.
    Full,
    /// It can be read only.
    ReadOnly,
    /// There is no permission, or no such directory.
    Denied(String),
    /// Another process has kept it to itself for a long time.
    Busy,
    /// The file system cannot do what it takes to share an index.
    Unsuited(&'static str),
    /// Anything else.
    Other(String),
}

impl Fault {
    /// A fault of the file or directory at `path`.
    pub fn new(path: &Path, kind: Kind) -> Fault {
        Fault { path: path.to_owned(), kind }
    }

    /// What the database said of the file at `path`.
    pub(super) fn of(path: &Path, error: &Sql) -> Fault {
        let kind = match error {
            Sql::SqliteFailure(failure, message) => {
                let text = message.clone().unwrap_or_else(|| failure.to_string());
                match failure.code {
                    ErrorCode::NotADatabase => Kind::Foreign,
                    ErrorCode::DatabaseCorrupt => Kind::Damaged(text),
                    ErrorCode::DiskFull => Kind::Full,
                    ErrorCode::ReadOnly => Kind::ReadOnly,
                    ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Busy,
                    ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Kind::Denied(text),
                    ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
                        Kind::Damaged("it ends too early".to_owned())
                    }
                    _ => Kind::Other(text),
                }
            }
            other => Kind::Other(other.to_string()),
        };
        Fault::new(path, kind)
    }

    /// What the kernel said of the file or directory at `path`.
    pub(super) fn io(path: &Path, error: &io::Error) -> Fault {
        let text = match error.raw_os_error() {
            Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
            None => error.to_string(),
        };
        let kind = match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Kind::Full,
            Some(libc::EROFS) => Kind::ReadOnly,
            Some(libc::EEXIST) => Kind::Denied("it is not a directory".to_owned()),
            Some(libc::EACCES | libc::EPERM | libc::ENOENT | libc::ENOTDIR) => Kind::Denied(text),
            _ => Kind::Other(text),
        };
        Fault::new(path, kind)
    }

    /// Whether it is an index that has lost parts.
    pub const fn is_damage(&self) -> bool {
        matches!(self.kind, Kind::Damaged(_))
    }

    /// Whether the place is one where no index can be, today or tomorrow: not one that is full, or locked, or damaged.
    pub const fn is_of_place(&self) -> bool {
        matches!(self.kind, Kind::Denied(_) | Kind::ReadOnly | Kind::Unsuited(_))
    }

    /// With the reason that the database leaves out: where its log and locks cannot be made for want of room, it
    /// speaks of an input/output error.
    pub(super) fn on_full(self, is_full: impl FnOnce() -> bool) -> Fault {
        match self.kind {
            Kind::Other(_) if is_full() => Fault { kind: Kind::Full, ..self },
            _ => self,
        }
    }

    /// Path and reason, without advice.
    pub fn briefly(&self) -> String {
        let why = match &self.kind {
            Kind::Full => "no room is left",
            Kind::ReadOnly => "read-only file system",
            Kind::Denied(why) | Kind::Other(why) | Kind::Damaged(why) => why,
            Kind::Unsuited(what) => {
                return format!("{}: an index cannot be shared on {what}", self.path.display());
            }
            Kind::Foreign => "no index of owners",
            Kind::Newer(_) => "written by a newer remainroot",
            Kind::Busy => "locked by another process",
        };
        format!("{}: {why}", self.path.display())
    }

    /// What the guest gets to see of it.
    pub fn errno(&self) -> Errno {
        match self.kind {
            Kind::Full => Errno::ENOSPC,
            Kind::ReadOnly => Errno::EROFS,
            _ => Errno::EIO,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Foreign => write!(
                f,
                "{path}: this is no index of owners\n\
                 name another directory with --store, or move the file away"
            ),
            Kind::Newer(version) => write!(
                f,
                "{path}: this index was written by a newer remainroot (format {version})\n\
                 use that one, or another directory with --store"
            ),
            Kind::Damaged(why) => write!(
                f,
                "{path}: this index is damaged: {why}\n\
                 move it away and start anew: files and directories carry their owners themselves; for the rest, \
                 see remainroot owners repair"
            ),
            Kind::Full => write!(
                f,
                "{path}: cannot record an owner: no room is left on its file system\n\
                 make room, or name a directory elsewhere with --store"
            ),
            Kind::ReadOnly => write!(
                f,
                "{path}: this index can only be read: owners show, diff, verify and export do no more\n\
                 for all else, name a directory that can be written to with --store, or say --store memory"
            ),
            Kind::Denied(why) => {
                write!(f, "{path}: cannot be opened: {why}\nname a directory of your own with --store")
            }
            Kind::Busy => write!(f, "{path}: another process keeps this index locked"),
            Kind::Unsuited(what) => write!(
                f,
                "{path}: an index cannot be shared on {what}\nname a directory on a disk of this machine with --store"
            ),
            Kind::Other(why) => write!(f, "{path}: {why}"),
        }
    }
}

impl std::error::Error for Fault {}
