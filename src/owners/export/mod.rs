//! Writing a tree with its owners in forms that other programs read.

mod fakeroot;
mod mtree;
mod oci;
mod pax;
mod sparse;
mod squashfs;
mod tar;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use remainroot_shims::owner::{FileId, Time};

use super::entry::Entry;
use super::{Progress, Tree, Trouble};
use crate::sandbox::why_io;

pub use oci::{Compression, Image};

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tar archive.
    Tar,
    /// An OCI image, as a directory or, where the output's name ends in `.tar`, as an archive of it.
    Oci(Image),
    /// mtree(5), with digests of contents.
    Mtree,
    /// Lines for `mksquashfs -pf`.
    SquashfsPseudo,
    /// The save file of fakeroot(1).
    Fakeroot,
}

/// Which times an export shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// `SOURCE_DATE_EPOCH`: later times become this one.
    pub epoch: Option<i64>,
    /// How finely.
    pub grain: Grain,
}

/// How finely times are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Whole seconds, as most formats and tools have them.
    Seconds,
    /// As the file system has them.
    Nanoseconds,
}

impl Times {
    /// The time that is told of an entry's content.
    fn of(&self, entry: &Entry) -> Time {
        let Time { sec, nsec } = entry.mtime;
        match self.epoch {
            Some(epoch) if sec >= epoch => Time { sec: epoch, nsec: 0 },
            _ if self.grain == Grain::Seconds => Time { sec, nsec: 0 },
            _ => Time { sec, nsec },
        }
    }
}

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A path, which is there only when the export is complete.
    Path(PathBuf),
}

/// Writes a tree.
pub fn export(tree: &Tree<'_>, format: &Format, times: Times, to: &Output) -> Result<(), Trouble> {
    let progress = Progress::new("exporting");
    if fs::metadata(tree.path).is_ok_and(|there| !there.is_dir()) {
        return Err(Trouble::new(format!("{}: a tree begins with a directory", tree.path.display())));
    }
    match (to, format) {
        (Output::Path(path), Format::Oci(image)) => oci::export(tree, image, times, path, &progress),
        (Output::Stdout, Format::Oci(_)) => {
            Err(Trouble::new("an image is a directory: standard output cannot hold it")
                .mended_by("name one with --output DIR, or an archive of it with --output FILE.tar"))
        }
        (Output::Stdout, Format::Tar) if io::stdout().is_terminal() => {
            Err(Trouble::new("refusing to write an archive to a terminal")
                .mended_by("name a file with --output, or redirect standard output"))
        }
        (Output::Stdout, _) => {
            let own = io::stdout().as_fd().try_clone_to_owned().ok().and_then(|fd| own(&fd.into()));
            written(tree, format, times, io::stdout().lock(), own, &progress)
        }
        (Output::Path(path), _) => {
            replacing(path, |file| written(tree, format, times, file, own(file), &progress))
        }
    }
}

fn written(
    tree: &Tree<'_>,
    format: &Format,
    times: Times,
    out: impl Write,
    own: Option<FileId>,
    progress: &Progress,
) -> Result<(), Trouble> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    match format {
        Format::Tar => {
            let mut writer = tar::Writer::new(&mut out, times);
            tree.each(progress, own, |entry| writer.entry(&entry, progress))?;
            writer.finish()?;
        }
        Format::Mtree => {
            lines(&mut out, mtree::HEAD)?;
            let mut unsaid = 0;
            tree.each(progress, own, |entry| {
                unsaid += u64::from(!entry.xattrs.is_empty());
                lines(&mut out, &mtree::line(&entry, times, progress)?)
            })?;
            tell_unsaid(unsaid, progress);
        }
        Format::SquashfsPseudo => {
            let mut writer = squashfs::Writer::default();
            tree.each(progress, own, |entry| lines(&mut out, &writer.line(&entry, progress)))?;
            writer.finish(progress);
        }
        Format::Fakeroot => {
            let mut unsaid = 0;
            tree.each(progress, own, |entry| {
                unsaid += u64::from(!entry.xattrs.is_empty());
                lines(&mut out, fakeroot::line(&entry).as_bytes())
            })?;
            tell_unsaid(unsaid, progress);
        }
        // An image is more than a stream.
        Format::Oci(_) => {}
    }
    out.flush().map_err(|error| Trouble::new(format!("cannot write the export: {}", why_io(&error))))
}

/// Says how many files have attributes, where the format knows none.
fn tell_unsaid(files: u64, progress: &Progress) {
    if files > 0 {
        progress.say(&format!(
            "attributes (ACLs, capabilities, …) of {files} files are left out: the format has no place for them; tar and oci do"
        ));
    }
}

/// What tells an output from the files of the tree that it may lie in.
fn own(file: &File) -> Option<FileId> {
    let there = file.metadata().ok()?;
    // A device (/dev/null) is no part of what is written.
    (there.is_file() || there.is_dir()).then(|| FileId { dev: there.dev(), ino: there.ino() })
}

fn lines(out: &mut impl Write, text: &[u8]) -> Result<(), Trouble> {
    out.write_all(text).map_err(|error| Trouble::new(format!("cannot write the export: {}", why_io(&error))))
}

/// Lets `write` write a new file, which takes its name when it is complete and on disk. A file of that name stays what
/// it was until then.
fn replacing(path: &Path, write: impl FnOnce(&File) -> Result<(), Trouble>) -> Result<(), Trouble> {
    let trouble = |error: io::Error| cannot_make(path, &error);
    // What is no regular file (/dev/null, a pipe) is written to as it is.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return write(&File::options().write(true).open(path).map_err(trouble)?);
    }
    let new = unfinished(path);
    let file = File::create_new(&new).map_err(|error| cannot_make(&new, &error))?;
    let unchanged = |mut trouble: Trouble| {
        let stands = if path.exists() { "is what it was before" } else { "was not made" };
        trouble.what = format!("{}; {} {stands}", trouble.what, path.display());
        trouble
    };
    let result = write(&file).map_err(unchanged).and_then(|()| file.sync_all().map_err(trouble));
    let result = result.and_then(|()| fs::rename(&new, path).map_err(trouble));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

/// What failed with a new file; one that is there from an earlier export is to be removed by those who know.
fn cannot_make(path: &Path, error: &io::Error) -> Trouble {
    let trouble = Trouble::new(format!("cannot write {}: {}", path.display(), why_io(error)));
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            trouble.mended_by("if an earlier export left it unfinished, remove it")
        }
        _ => trouble,
    }
}

/// The name of what is to become `path`, beside it.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".unfinished");
    path.with_file_name(name)
}
