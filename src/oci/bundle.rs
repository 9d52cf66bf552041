//! The files of a bundle: its config.json, the original beside it, and the owner store.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde_json::Value;

use super::ids::Ids;
use super::spec;
use crate::sandbox::{Trouble, why_io};

/// What the original's name ends in.
const BEFORE: &str = ".before-remainroot";

/// The store, in the bundle.
pub const STORE: &str = "remainroot-store";

/// A file that describes a container or a process.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    text: Vec<u8>,
    /// What it says.
    pub value: Value,
}

impl Config {
    /// Reads one.
    ///
    /// # Errors
    /// The file, and why it cannot be read, or where it is no JSON.
    pub fn read(path: &Path) -> Result<Config, Trouble> {
        let text = fs::read(path).map_err(|error| at(path, &why_io(&error)))?;
        let value =
            serde_json::from_slice(&text).map_err(|error| at(path, &format!("no valid JSON: {error}")))?;
        Ok(Config { path: path.to_owned(), text, value })
    }

    /// Trouble with what it says.
    pub fn wrong(&self, trouble: &Trouble) -> Trouble {
        Trouble { what: format!("{}: {}", self.path.display(), trouble.what), mend: trouble.mend.clone() }
    }

    /// Writes a new value in its place, and the original beside it.
    ///
    /// # Errors
    /// The file, and why it cannot be written. Then nothing has changed.
    pub fn replace(&self, value: &Value) -> Result<Change, Trouble> {
        let before = beside(&self.path, BEFORE);
        let mode = fs::metadata(&self.path).map_or(0o600, |data| data.permissions().mode() & 0o777);
        write_new(&before, &self.text, mode)?;
        let new = value.to_string();
        if let Err(trouble) = write_new(&self.path, new.as_bytes(), mode) {
            let _ = fs::remove_file(&before);
            return Err(trouble);
        }
        Ok(Change { path: self.path.clone(), before, store: None })
    }

    /// The original of a file that was changed; itself if it was not.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn original(path: &Path) -> Result<Config, Trouble> {
        let before = beside(path, BEFORE);
        if before.exists() { Config::read(&before) } else { Config::read(path) }
    }
}

/// Puts the original of a file back that was changed and has not been written anew since.
///
/// # Errors
/// The file, and why it could not be put back.
pub fn restore(path: &Path) -> Result<(), Trouble> {
    let before = beside(path, BEFORE);
    let is_ours = |config: &Config| config.value.get("process").is_some_and(|p| spec::prefix_of(p).is_some());
    if before.exists() && Config::read(path).as_ref().is_ok_and(is_ours) {
        fs::rename(&before, path).map_err(|error| at(&before, &why_io(&error)))?;
    }
    Ok(())
}

/// What was changed in a bundle.
#[derive(Debug)]
pub struct Change {
    path: PathBuf,
    before: PathBuf,
    store: Option<PathBuf>,
}

impl Change {
    /// Makes the directory for the store, if it is not there.
    ///
    /// # Errors
    /// As [`make_store`].
    pub fn make_store(&mut self, dir: &Path, spec: &Value) -> Result<(), Trouble> {
        if make_store(dir, spec)? {
            self.store = Some(dir.to_owned());
        }
        Ok(())
    }

    /// Puts the original back.
    ///
    /// # Errors
    /// The file, and why it could not be put back.
    pub fn undo(self) -> Result<(), Trouble> {
        // One that owners have been recorded in is not empty, and stays.
        self.store.iter().for_each(|dir| drop(fs::remove_dir(dir)));
        fs::rename(&self.before, &self.path).map_err(|error| at(&self.before, &why_io(&error)))
    }
}

/// Makes a directory for owners, which the root of the container that `spec` describes can use. Returns whether it was not
/// there.
///
/// # Errors
/// The directory, and why it cannot be made.
pub fn make_store(dir: &Path, spec: &Value) -> Result<bool, Trouble> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            // Real root makes namespaces whose root is somebody else; others can only be that root themselves.
            if let Some((uid, gid)) = Ids::root_outside(spec).filter(|_| geteuid().is_root()) {
                chown(dir, Some(uid), Some(gid)).map_err(|error| {
                    let _ = fs::remove_dir(dir);
                    at(dir, &format!("cannot be given to the container's root: {}", why_io(&error)))
                })?;
            }
            Ok(true)
        }
        Err(_) if dir.is_dir() => Ok(false),
        Err(error) => Err(at(dir, &format!("no directory for owners: {}", why_io(&error)))),
    }
}

/// A file of our own for a description of a process. Removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Writes one, beside another.
    ///
    /// # Errors
    /// The file, and why it cannot be written.
    pub fn write(beside_this: &Path, value: &Value) -> Result<Scratch, Trouble> {
        let path = beside(beside_this, &format!(".remainroot-{}", std::process::id()));
        write_new(&path, value.to_string().as_bytes(), 0o600)?;
        Ok(Scratch(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// The file, and why it cannot be written.
pub fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), Trouble> {
    let new = beside(path, &format!(".new-{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut file| file.write_all(text))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        at(path, &format!("cannot be written: {}", why_io(&error)))
    })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    OsStr::from_bytes(&[path.as_os_str().as_bytes(), ending.as_bytes()].concat()).into()
}

fn at(path: &Path, why: &str) -> Trouble {
    Trouble::new(format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        fs::write(&path, "{ \"a\":  1.50 }\n").unwrap();
        let config = Config::read(&path).unwrap();
        let mut change = config.replace(&json!({ "a": 2 })).unwrap();
        change.make_store(&dir.path().join(STORE), &config.value).unwrap();
        assert_eq!(Config::read(&path).unwrap().value, json!({ "a": 2 }));
        assert_eq!(Config::original(&path).unwrap().value, json!({ "a": 1.5 }));
        change.undo().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{ \"a\":  1.50 }\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        let told = Config::read(&path).unwrap_err().to_string();
        assert_eq!(told, format!("{}: No such file or directory", path.display()));
        fs::write(&path, "{").unwrap();
        let told = Config::read(&path).unwrap_err().to_string();
        assert!(told.starts_with(&format!("{}: no valid JSON: ", path.display())), "{told}");
    }
}
