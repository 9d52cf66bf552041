//! Where owners are kept that last.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{Finding, Level};
use crate::sandbox::{Trouble, why};
use crate::store::{self, Index, Mode};

/// Looks at the directory that a run would use. Nothing is made.
pub fn look(variable: impl Fn(&str) -> Option<OsString>) -> Finding {
    let id = "store";
    let fix = "name a directory of your own with --store or REMAINROOT_STORE; or say --store memory";
    let Some(dir) = store::directory(variable) else {
        return Finding::warn(id, "no HOME: owners of links, devices and pipes are forgotten with each run")
            .fixed_by(fix);
    };
    if Index::is_in(&dir) {
        return match Index::open(&dir, Mode::Read) {
            Ok(_) if can_write(&dir) => {
                Finding::ok(id, format!("{}: an index of owners is there", dir.display()))
            }
            Ok(_) => Finding::warn(id, format!("{}: cannot be written to", dir.display())).fixed_by(fix),
            Err(fault) => {
                let told = fault.to_string();
                let (what, mend) = told.split_once('\n').unwrap_or((told.as_str(), fix));
                Finding::trouble(id, Level::Warn, Trouble::new(what).mended_by(mend))
            }
        };
    }
    let there = nearest(&dir);
    match access(&there, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Finding::ok(id, format!("{}: is made by the first run that records owners", dir.display())),
        Err(errno) => {
            let why = format!("{}: cannot be made: {}: {}", dir.display(), there.display(), why(errno));
            Finding::warn(
                id,
                format!("{why}; owners of links, devices and pipes are forgotten with each run"),
            )
            .fixed_by(fix)
        }
    }
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
        std::fs::create_dir(home.path().join("damaged")).unwrap();
        std::fs::write(home.path().join("damaged/owners.db"), "this is no database, nor ever was").unwrap();
        let found = at(&home.path().join("damaged"));
        assert!(found.level == Level::Ok || found.fix.is_some(), "{found:?}");
    }
}
