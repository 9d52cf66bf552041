//! Files of settings that there should be, as a whole or not at all.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::bundle::write_new;
use crate::sandbox::{Trouble, why_io};

/// What our files begin with; then the digest, and [`CLOSING`].
const OPENING: &str =
    "# By `remainroot oci install`, which also removes it (--remove). SHA-256 of what follows: ";

/// Ends the first line.
const CLOSING: &str = "\n";

/// A file that there should be.
pub struct Wanted {
    /// Where.
    pub path: PathBuf,
    /// With what in it.
    pub content: Content,
}

/// What is in a file.
pub enum Content {
    /// A link to this.
    Link(PathBuf),
    /// A text with our first line.
    Text(String),
}

impl Wanted {
    /// A file with a text, which is signed.
    pub fn text(path: PathBuf, body: &str) -> Wanted {
        Wanted { path, content: Content::Text(format!("{OPENING}{}{CLOSING}{body}", digest(body))) }
    }

    /// Whether it is there already.
    pub fn exists(&self) -> bool {
        match &self.content {
            Content::Link(to) => fs::read_link(&self.path).is_ok_and(|found| found == *to),
            Content::Text(text) => fs::read_to_string(&self.path).is_ok_and(|found| found == *text),
        }
    }

    /// Makes it, in the place of an older one of ours.
    ///
    /// # Errors
    /// The file or directory that cannot be made.
    pub fn make(&self) -> Result<(), Trouble> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(|error| cannot(dir, "be made", &error))?;
        }
        match &self.content {
            Content::Link(to) => {
                if is_ours(&self.path) {
                    fs::remove_file(&self.path).map_err(|error| cannot(&self.path, "be replaced", &error))?;
                }
                symlink(to, &self.path).map_err(|error| cannot(&self.path, "be made", &error))
            }
            Content::Text(text) => write_new(&self.path, text.as_bytes(), 0o644),
        }
    }

    /// Says what is done to it.
    pub fn describe(&self, out: &mut String, verb: &str) {
        match &self.content {
            Content::Link(to) => {
                let _ = writeln!(out, "{verb} {}, a link to {}", self.path.display(), to.display());
            }
            Content::Text(text) => {
                let _ = writeln!(out, "{verb} {}:", self.path.display());
                for line in text.lines().filter(|line| !line.starts_with('#')) {
                    let _ = writeln!(out, "    {line}");
                }
            }
        }
    }
}

/// Whether a file is one of ours, as we have made it.
pub fn is_ours(path: &Path) -> bool {
    let Ok(data) = fs::symlink_metadata(path) else { return false };
    if data.is_symlink() {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        return super::runtime::called_as(OsStr::new(name)).is_some();
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let rest = text.strip_prefix(OPENING).and_then(|rest| rest.split_once(CLOSING));
    rest.is_some_and(|(said, body)| said == digest(body))
}

/// Whether there is anything of this name.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn digest(body: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(body.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What was there before, which comes back unless all that was to be changed is.
#[derive(Debug, Default)]
pub struct Before {
    /// Files, in the order in which they were changed.
    files: Vec<(PathBuf, Was)>,
    /// Directories that were not there, each behind the one that it is in.
    dirs: Vec<PathBuf>,
}

#[derive(Debug)]
enum Was {
    Nothing,
    Link(PathBuf),
    /// Content and permissions.
    File(Vec<u8>, u32),
}

impl Before {
    /// Makes a change at `path`.
    ///
    /// # Errors
    /// Why it could not be made. Then everything that was changed so far is as it was.
    pub fn change(&mut self, path: &Path, make: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| !is_there(dir)).collect();
        self.dirs.extend(missing.into_iter().rev().map(Path::to_owned));
        let done = was(path).and_then(|was| {
            self.files.push((path.to_owned(), was));
            make()
        });
        if done.is_err() {
            self.undo();
        }
        done
    }

    /// What fails here failed before, or has been taken away by somebody else since.
    fn undo(&mut self) {
        for (path, was) in self.files.drain(..).rev() {
            let _ = match was {
                _ if matches!(&was, Was::Link(to) if fs::read_link(&path).is_ok_and(|now| now == *to)) => {
                    Ok(())
                }
                Was::Nothing => fs::remove_file(&path),
                Was::Link(to) => fs::remove_file(&path).or(Ok(())).and_then(|()| symlink(to, &path)),
                Was::File(text, mode) => {
                    write_new(&path, &text, mode).map_err(|trouble| std::io::Error::other(trouble.what))
                }
            };
        }
        self.dirs.drain(..).rev().for_each(|dir| drop(fs::remove_dir(dir)));
    }
}

fn was(path: &Path) -> Result<Was, Trouble> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(Was::Nothing),
        Ok(data) if data.is_symlink() => fs::read_link(path).map(Was::Link),
        Ok(data) => fs::read(path).map(|text| Was::File(text, data.mode() & 0o7777)),
    }
    .map_err(|error| cannot(path, "be read", &error))
}

/// Trouble with a file.
pub fn cannot(path: &Path, what: &str, error: &std::io::Error) -> Trouble {
    Trouble::new(format!("{}: cannot {what}: {}", path.display(), why_io(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unchanged_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50-remainroot-podman.conf");
        assert!(!is_ours(&path));
        let wanted = Wanted::text(path.clone(), "[engine]\n");
        wanted.make().unwrap();
        assert!(is_ours(&path) && wanted.exists());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}x = 1\n")).unwrap();
        assert!(!is_ours(&path));
        fs::write(&path, "[engine]\n").unwrap();
        assert!(!is_ours(&path));
        let link = dir.path().join("remainroot-crun");
        symlink("/nowhere", &link).unwrap();
        assert!(is_ours(&link));
        assert!(!Wanted { path: link, content: Content::Link("/elsewhere".into()) }.exists());
    }

    #[test]
    fn what_fails_in_the_end_has_changed_nothing() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let old = Wanted::text(at("kept/old.conf"), "x = 1\n");
        old.make().unwrap();
        let link = at("remainroot-crun");
        symlink("/nowhere", &link).unwrap();
        fs::write(at("file"), "in the way").unwrap();
        let wanted = [
            Wanted::text(at("kept/old.conf"), "x = 2\n"),
            Wanted { path: link.clone(), content: Content::Link("/elsewhere".into()) },
            Wanted::text(at("new/deep/new.conf"), "y = 1\n"),
            // No directory can be made there.
            Wanted::text(at("file/last.conf"), "z = 1\n"),
        ];
        let mut before = Before::default();
        let done: Result<Vec<()>, Trouble> =
            wanted.iter().map(|file| before.change(&file.path, || file.make())).collect();
        assert!(done.unwrap_err().what.contains("file"));
        assert!(old.exists() && !at("new").exists());
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/nowhere"));
        let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
        assert_eq!((names(home.path()), names(&at("kept"))), (3, 1));

        // One that is removed comes back, too.
        let mut before = Before::default();
        let remove = |path: &Path| fs::remove_file(path).map_err(|error| cannot(path, "be removed", &error));
        before.change(&old.path, || remove(&old.path)).unwrap();
        assert!(!old.exists());
        assert!(before.change(&at("kept"), || remove(&at("kept"))).is_err());
        assert!(old.exists());

        // And what succeeds stays.
        let mut before = Before::default();
        wanted[..3].iter().for_each(|file| before.change(&file.path, || file.make()).unwrap());
        assert!(wanted[..3].iter().all(Wanted::exists));
    }
}
