//! Where the index of a run is.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::Uid;

use super::fault::{Fault, Kind};
use super::index::{Index, Mode};
use super::kept::Kept;
use super::mirror::Format;
use super::row::Row;
use super::system::Systems;
use crate::sys::fd;

/// The variable that names the directory, where the command line does not.
pub const VARIABLE: &str = "REMAINROOT_STORE";

/// What was said of where owners are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The user's own index, if there can be one.
    Auto,
    /// Nowhere: they are forgotten with the run.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

/// What keeps the owners of a run: opened before the run goes to its own world, in which its path may mean nothing.
pub struct Opened {
    index: Option<Index>,
    mirror: Option<Format>,
    systems: Systems,
    /// What the user should know.
    pub notice: Option<String>,
}

impl Opened {
    fn new(index: Option<Index>, mirror: Option<Format>, notice: Option<String>) -> Opened {
        Opened { index, mirror, systems: Systems::new(), notice }
    }

    /// The store, for a run whose own files are natively `own`'s.
    pub fn into_store(self, own: u32) -> Kept {
        Kept::new(self.index, self.mirror, self.systems, own)
    }
}

impl Default for Kept {
    /// A store for the length of a run.
    fn default() -> Kept {
        Kept::new(None, None, Systems::new(), 0)
    }
}

/// Opens what was chosen; `mirror` says how files shall carry their owners.
///
/// # Errors
/// What is wrong with a directory that was named, or, by default, with an index that is there, or could be: a full disk.
/// Where there is none and none can be made (no home, no permission, read-only, a network file system), there is none by
/// default, and a notice.
pub fn open(choice: &Choice, mirror: Option<Format>) -> Result<Opened, Fault> {
    let auto = *choice == Choice::Auto;
    let dir = match choice {
        Choice::Memory => return Ok(Opened::new(None, None, None)),
        Choice::Directory(dir) => Some(dir.clone()),
        Choice::Auto => directory(|name| env::var_os(name)),
    };
    let without = |why: &str| {
        let what = match mirror {
            Some(_) => "owners of what cannot carry them itself (links, devices, …)",
            None => "owners",
        };
        let notice = format!(
            "{what} will be forgotten after this run: {why} (name a directory with --store or {VARIABLE}, or say \
             --store memory)"
        );
        Ok(Opened::new(None, mirror, Some(notice)))
    };
    let dir = match dir {
        Some(dir) if dir.as_os_str().is_empty() => {
            return Err(Fault::new(
                Path::new("--store \"\""),
                Kind::Denied("it names no directory".to_owned()),
            ));
        }
        Some(dir) if auto => strangers_home(&dir, |name| env::var_os(name)).map_or(Ok(dir), Err),
        Some(dir) => Ok(dir),
        None => Err("there is no home directory".to_owned()),
    };
    let dir = match dir {
        Ok(dir) => dir,
        Err(why) => return without(&why),
    };
    let opened = Index::open(&dir, Mode::Write).and_then(|index| index.keep().map(|()| index));
    match opened.map_err(|fault| fault.on_full(|| is_full(&dir))) {
        Ok(index) => Ok(Opened::new(Some(index), mirror, None)),
        // A run that did not see the records that there are would take every file for root's.
        Err(fault) if auto && fault.is_of_place() && !Index::is_in(&dir) => without(&fault.briefly()),
        Err(fault) => Err(fault),
    }
}

/// Whether no room is left for the index: less than the page or two that its smallest file takes.
pub fn is_full(dir: &Path) -> bool {
    let found = File::open(dir).map(|dir| fd::file_system(dir.as_fd()));
    matches!(found, Ok(Ok(found)) if found.available < 8)
}

/// Whether root is about to leave something in the home of a user that is not root (`sudo` with HOME kept), who could
/// not use it later. Says so.
fn strangers_home(dir: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let home = PathBuf::from(variable("HOME")?);
    let owner = fs::metadata(&home).ok()?.uid();
    let is_named = variable(VARIABLE).is_some_and(|named| !named.is_empty());
    (!is_named && Uid::effective().is_root() && owner != 0 && dir.starts_with(&home))
        .then(|| format!("{} is the home of uid {owner}", home.display()))
}

/// Opens what was chosen, to look at owners: nothing is made, and nothing has to be writable.
///
/// # Errors
/// What is wrong with the index, or that there is none in a directory that was named.
pub fn open_existing(choice: &Choice, mirror: Option<Format>) -> Result<Opened, Fault> {
    match (choice, existing(choice)) {
        (Choice::Directory(dir), None) => Err(match fs::metadata(dir) {
            Err(error) => Fault::io(dir, &error),
            Ok(_) => Fault::new(dir, Kind::Denied("there is no index in it".to_owned())),
        }),
        (_, None) => Ok(Opened::new(None, mirror, None)),
        (_, Some(dir)) => Ok(Opened::new(Some(Index::open(&dir, Mode::Read)?), mirror, None)),
    }
}

/// All rows of the index that was chosen, if there is one.
///
/// # Errors
/// What is wrong with it.
pub fn rows(choice: &Choice) -> Result<Vec<Row>, Fault> {
    let Some(dir) = existing(choice) else { return Ok(Vec::new()) };
    let index = Index::open(&dir, Mode::Read)?;
    index.check()?;
    let mut rows = Vec::new();
    index.each(|row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// A stretch of time in which no run may have the index that was chosen open.
pub struct Quiet {
    dir: PathBuf,
    count: u64,
}

/// Begins one, before rows are read. `None` if there is no index.
///
/// # Errors
/// What is wrong with the index, or that a run has it open, which may give files of rows another place meanwhile.
pub fn quiet(choice: &Choice) -> Result<Option<Quiet>, Fault> {
    let Some(dir) = existing(choice) else { return Ok(None) };
    // First the count, then the look: a run that opens it in between is seen, and one that does so later is counted.
    let count = Index::open(&dir, Mode::Write)?.count();
    refuse_open(&dir)?;
    Ok(Some(Quiet { dir, count }))
}

impl Quiet {
    /// Ends it, and removes rows: all or none.
    ///
    /// # Errors
    /// What is wrong with the index, or that a run has it open, or has had since this began.
    pub fn remove(self, rows: &[Row]) -> Result<(), Fault> {
        refuse_open(&self.dir)?;
        Index::open(&self.dir, Mode::Write)?.remove_all(rows, self.count)
    }
}

fn refuse_open(dir: &Path) -> Result<(), Fault> {
    let path = Index::path_in(dir);
    if is_open(&path) {
        let why = "a run has it open, in which files may move: do this when that has ended";
        return Err(Fault::new(&path, Kind::Other(why.to_owned())));
    }
    Ok(())
}

/// Moves a damaged index out of the way, so that a new one can be made. Returns its new name, which nothing had before.
///
/// # Errors
/// Why it cannot be moved. A run that has it open would go on to record in it, for nobody.
pub fn set_aside(fault: &Fault) -> Result<PathBuf, Fault> {
    let with = |path: &Path, ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    if is_open(&fault.path) {
        let why = "it is damaged, and a run has it open: repair it when that has ended";
        return Err(Fault::new(&fault.path, Kind::Other(why.to_owned())));
    }
    let numbered = |number: u32| match number {
        1 => with(&fault.path, ".damaged"),
        number => with(&fault.path, &format!(".damaged.{number}")),
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let aside = (1..=u32::MAX).map(numbered).find(is_free).unwrap_or_else(|| numbered(1));
    fs::rename(&fault.path, &aside).map_err(|error| Fault::io(&fault.path, &error))?;
    // What they hold belongs to the index that was moved.
    for ending in ["-wal", "-shm"] {
        let _ = fs::rename(with(&fault.path, ending), with(&aside, ending));
    }
    Ok(aside)
}

/// Whether another process has a database open: in WAL mode each keeps its shared lock (`SHARED_FIRST`, `SHARED_SIZE` of
/// SQLite's file format) until it closes it. To be called while this process has no connection to it.
fn is_open(path: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(path) else { return false };
    let mut range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0x4000_0002,
        l_len: 510,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut range)).is_ok() && range.l_type != libc::F_UNLCK as i16
}

/// The directory that was chosen, if there is an index in it.
fn existing(choice: &Choice) -> Option<PathBuf> {
    let dir = match choice {
        Choice::Memory => None,
        Choice::Directory(dir) => Some(dir.clone()),
        Choice::Auto => directory(|name| env::var_os(name)),
    };
    dir.filter(|dir| Index::is_in(dir))
}

/// The user's own directory, by the variables of the environment (XDG base directory specification).
pub fn directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // An empty variable counts as none, a relative path as wrong.
    let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(named) = variable(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let state = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("remainroot"))
}

/// File systems that other machines may write to at the same time, by their magic numbers (linux/magic.h).
const NETWORK: [(i64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0BD0_0BD0, "Lustre"),
];

/// Whether an index can be in a directory: not on a network file system, whose locks and mapped pages are not one for
/// all machines.
pub(super) fn check(dir: &Path) -> Result<(), Fault> {
    let open = File::open(dir).map_err(|error| Fault::io(dir, &error))?;
    let kind = fd::file_system(open.as_fd()).map_or(0, |found| found.kind);
    match NETWORK.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Err(Fault::new(dir, Kind::Unsuited(name))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        directory(find).map(|path| path.display().to_string())
    }

    #[test]
    fn rows_are_removed_unless_somebody_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let choice = Choice::Directory(dir.path().to_owned());
        assert!(quiet(&choice).unwrap().is_none());
        drop(open(&choice, None).unwrap());
        quiet(&choice).unwrap().unwrap().remove(&[]).unwrap();
        // A whole run, which need not have recorded anything.
        let begun = quiet(&choice).unwrap().unwrap();
        drop(open(&choice, None).unwrap());
        assert!(begun.remove(&[]).unwrap_err().to_string().contains("meanwhile"));
        // Who looks on changes nothing.
        let begun = quiet(&choice).unwrap().unwrap();
        drop(open_existing(&choice, None).unwrap());
        rows(&choice).unwrap();
        begun.remove(&[]).unwrap();
    }

    #[test]
    fn the_environment_says_where() {
        let home = ("HOME", "/home/me");
        assert_eq!(of(&[home]).as_deref(), Some("/home/me/.local/state/remainroot"));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "/s")]).as_deref(), Some("/s/remainroot"));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "s")]).as_deref(), Some("/home/me/.local/state/remainroot"));
        assert_eq!(of(&[home, (VARIABLE, "/x")]).as_deref(), Some("/x"));
        assert_eq!(of(&[home, (VARIABLE, "")]).as_deref(), Some("/home/me/.local/state/remainroot"));
        assert_eq!((of(&[]), of(&[("HOME", "")])), (None, None));
    }
}
