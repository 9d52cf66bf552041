//! Where owners are kept that last.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{Finding, Level};
use crate::sandbox::{Trouble, why};
use crate::store::{self, Index, Mode};

const FIX: &str = "name a directory of your own with --store or REMAINROOT_STORE; or say --store memory";

/// Looks at the directory that a run would use, and says what [`store::open`] does with it. Nothing is made.
pub fn look(variable: impl Fn(&str) -> Option<OsString>) -> Finding {
    let id = "store";
    let Some(dir) = store::directory(variable) else { return forgetful("there is no home directory") };
    let refused = |what: &str, mend: &str| {
        let what = format!("{what}: a run refuses to start (exit status 125)");
        Finding::trouble(id, Level::Fail, Trouble::new(what).mended_by(mend))
    };
    let full = |dir: &Path, how: &str| {
        let what = format!("{}: {how}: no room is left on its file system", dir.display());
        refused(&what, &format!("make room; or {FIX}"))
    };
    if Index::is_in(&dir) {
        return match Index::open(&dir, Mode::Read) {
            // To look at it takes no room.
            Ok(_) if store::is_full(&dir) => full(&dir, "cannot be used"),
            Ok(_) if can_write(&dir) => {
                Finding::ok(id, format!("{}: an index of owners is there", dir.display()))
            }
            Ok(_) => refused(&format!("{}: cannot be written to", dir.display()), FIX),
            Err(_) if store::is_full(&dir) => full(&dir, "cannot be used"),
            Err(fault) => {
                let told = fault.to_string();
                let (what, mend) = told.split_once('\n').unwrap_or((told.as_str(), FIX));
                refused(what, mend)
            }
        };
    }
    let there = nearest(&dir);
    match access(&there, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if store::is_full(&there) => full(&dir, "cannot be made"),
        Ok(()) => Finding::ok(id, format!("{}: is made by the first run that records owners", dir.display())),
        Err(errno) => {
            forgetful(&format!("{}: cannot be made: {}: {}", dir.display(), there.display(), why(errno)))
        }
    }
}

/// Where no index can be, runs go on without.
fn forgetful(why: &str) -> Finding {
    Finding::warn("store", format!("{why}: owners of links, devices and pipes are forgotten with each run"))
        .fixed_by(FIX)
}

fn can_write(dir: &Path) -> bool {
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// The directory on the way to `dir` that is there already.
fn nearest(dir: &Path) -> PathBuf {
    let found = dir.ancestors().find(|part| part.exists());
    found.filter(|part| !part.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made() {
        let home = tempfile::tempdir().unwrap();
        let said = home.path().join("a/b");
        let at = |path: &Path| look(|name| (name == "REMAINROOT_STORE").then(|| path.into()));
        let found = at(&said);
        assert_eq!(found.level, Level::Ok, "{found:?}");
        assert!(!home.path().join("a").exists());
        assert_eq!(look(|_| None).level, Level::Warn);
    }

    #[test]
    fn an_index_that_a_run_refuses_is_told() {
        let home = tempfile::tempdir().unwrap();
        let at = || look(|name| (name == "REMAINROOT_STORE").then(|| home.path().into()));
        drop(Index::open(home.path(), Mode::Write).unwrap());
        assert_eq!(at().level, Level::Ok, "{:?}", at());
        std::fs::write(home.path().join("index.db"), "this is no database, nor ever was").unwrap();
        assert!(Index::is_in(home.path()));
        let found = at();
        assert_eq!(found.level, Level::Fail, "{found:?}");
        assert!(found.what.contains("refuses to start") && found.fix.is_some(), "{found:?}");
        let choice = store::Choice::Directory(home.path().to_owned());
        assert!(store::open(&choice, None).is_err());
    }
}
