//! Taking over what other programs have written down of the owners of a tree.
//!
//! A list is read to its end, and all of it is compared with the tree, before anything is recorded.

mod pseudo;
mod tar;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use remainroot_shims::owner::FileId;
use remainroot_shims::owner::lists::{Claim, fakeroot, mtree};

use super::entry;
use super::names::shown;
use super::record::Change;
use super::{Progress, Tree, Trouble, claims};
use crate::sandbox::why_io;

/// Where owners come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The save file of fakeroot(1).
    Fakeroot(PathBuf),
    /// The database of pseudo(1).
    Pseudo(PathBuf),
    /// The headers of a tar archive; it may be packed with gzip or Zstandard.
    Tar(PathBuf),
    /// mtree(5).
    Mtree(PathBuf),
    /// The attributes that the files of the tree carry, in either format.
    Attributes,
}

/// What has come of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files of which something was recorded.
    pub taken: u64,
    /// Files that were known to be so.
    pub unchanged: u64,
    /// Claims that are about no file of the tree.
    pub strangers: u64,
    /// Files of which nothing was said.
    pub unmentioned: u64,
    /// Files that are not what was claimed of them.
    pub refused: u64,
}

/// How many of a kind are told one by one.
const TOLD: u64 = 10;

/// Claims by what they are about.
enum Claims {
    ByInode(HashMap<FileId, Claim>),
    ByPath(HashMap<Vec<u8>, Claim>),
    OnFiles,
}

impl Claims {
    /// How many there are of other files than the tree's root, which every tree has.
    fn below_root(&self) -> usize {
        match self {
            Claims::ByInode(claims) => claims.len(),
            Claims::ByPath(claims) => claims.len() - usize::from(claims.contains_key(&b""[..])),
            Claims::OnFiles => 0,
        }
    }

    /// Whether nothing is claimed of anything: a list that was cut off, or is none.
    fn is_empty(&self) -> bool {
        match self {
            Claims::ByInode(claims) => claims.is_empty(),
            Claims::ByPath(claims) => claims.is_empty(),
            Claims::OnFiles => false,
        }
    }

    /// Of a list that is about nothing in the tree.
    fn foreign(&self, tree: &Tree<'_>, claimed: usize) -> Trouble {
        let what = format!("none of the {claimed} files in the list is in {}", tree.path.display());
        Trouble::new(what).mended_by(match self {
            Claims::ByInode(_) => {
                "nothing was imported; the list knows files by their inodes, and a copy of a tree has others: take an \
                 archive or an mtree file of it"
            }
            _ => "nothing was imported; is it a list of another tree, or are its paths from another root?",
        })
    }
}

/// Records what `from` says of the files in `tree`.
pub fn import(tree: &Tree<'_>, from: &From) -> Result<Outcome, Trouble> {
    let progress = Progress::new("importing");
    let mut claims = match from {
        From::Fakeroot(path) => Claims::ByInode(by_inode(by_line(path, fakeroot::line)?, &progress)),
        From::Pseudo(path) => Claims::ByInode(by_inode(pseudo::read(path)?, &progress)),
        From::Tar(path) => Claims::ByPath(archive(path, &progress)?),
        From::Mtree(path) => Claims::ByPath(mtree(path)?),
        From::Attributes => Claims::OnFiles,
    };
    if claims.is_empty() {
        return Err(Trouble::new("the list names no file")
            .mended_by("nothing was imported; is it the right file, and whole?"));
    }
    let mut outcome = Outcome::default();
    let claimed = claims.below_root();
    let (changes, unmentioned) = compare(tree, &mut claims, &mut outcome, &progress)?;
    if claimed > 0 && claims.below_root() == claimed {
        return Err(claims.foreign(tree, claimed));
    }
    outcome.taken = changes.len() as u64;
    tell_strangers(&claims, &mut outcome, &progress);
    for (path, count) in unmentioned.iter().zip(1..) {
        tell(&progress, count, &format!("{path}: not in the list, and left as it is"));
    }
    tree.record(&changes, &progress)?;
    Ok(outcome)
}

/// Looks for each file of the tree what is claimed of it. Those claims are taken out. Returns what has to be recorded, and
/// the first files that no list mentions.
fn compare(
    tree: &Tree<'_>,
    claims: &mut Claims,
    outcome: &mut Outcome,
    progress: &Progress,
) -> Result<(Vec<Change>, Vec<String>), Trouble> {
    let (mut changes, mut unmentioned) = (Vec::new(), Vec::new());
    let mut entries = tree.entries(progress)?;
    while let Some(entry) = entries.next()? {
        let claim = match claims {
            // All names of an inode are one claim.
            Claims::ByInode(_) if entry.first.is_some() => continue,
            Claims::ByInode(claims) => claims.remove(&entry.inode.id),
            Claims::ByPath(claims) => claims.remove(&entry.path),
            Claims::OnFiles if entry.first.is_some() => continue,
            Claims::OnFiles => on_file(&entry, outcome),
        };
        let Some(claim) = claim else {
            // Other names of an inode are in no archive twice.
            if entry.first.is_none() {
                outcome.unmentioned += 1;
                if !matches!(claims, Claims::OnFiles) && outcome.unmentioned <= TOLD {
                    unmentioned.push(tree.below(&entry.path));
                }
            }
            continue;
        };
        match claims::record(&claim, &entry.inode, entry.record.as_ref(), &tree.world) {
            // What attributes say is known; but neither in the index nor in the other format.
            Ok(record) if Some(&record) != entry.stored.as_ref() || matches!(claims, Claims::OnFiles) => {
                changes.push(Change::of(&entry, record));
            }
            Ok(_) => outcome.unchanged += 1,
            Err(why) => {
                outcome.refused += 1;
                tell(
                    progress,
                    outcome.refused,
                    &format!("{}: left as it is: {why}", tree.below(&entry.path)),
                );
            }
        }
    }
    Ok((changes, unmentioned))
}

/// What a file's own attributes say. Why they could not be believed has been told.
fn on_file(entry: &entry::Entry, outcome: &mut Outcome) -> Option<Claim> {
    claims::of_attributes(&entry.mirrored).unwrap_or_else(|_| {
        outcome.refused += 1;
        None
    })
}

/// Says something, if it is not the like of what was said often enough.
fn tell(progress: &Progress, count: u64, text: &str) {
    if count <= TOLD {
        progress.say(text);
    }
    if count == TOLD {
        progress.say("more of this kind are counted, and not told");
    }
}

/// Says what of the list is about nothing in the tree.
fn tell_strangers(claims: &Claims, outcome: &mut Outcome, progress: &Progress) {
    let mut names: Vec<String> = match claims {
        Claims::ByInode(left) => {
            left.keys().map(|id| format!("device {:x}, inode {}", id.dev, id.ino)).collect()
        }
        Claims::ByPath(left) => left.keys().map(|path| shown(path)).collect(),
        Claims::OnFiles => Vec::new(),
    };
    names.sort_unstable();
    for name in names {
        outcome.strangers += 1;
        tell(progress, outcome.strangers, &format!("{name}: not in the tree"));
    }
}

fn open(path: &Path) -> Result<File, Trouble> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::new(format!("cannot read {}: {}", path.display(), why_io(error)))
}

/// How much of a line is quoted: one that is wrong may be anything, of any length.
const QUOTED: usize = 160;

/// What is wrong with a line of a list.
fn wrong_line(path: &Path, number: u64, why: &str) -> Trouble {
    let cut = why.char_indices().nth(QUOTED).map(|(end, _)| format!("{}…", &why[..end]));
    Trouble::new(format!("{}, line {number}: {}", path.display(), cut.as_deref().unwrap_or(why)))
        .mended_by("nothing was imported; mend or remove the line")
}

/// Claims by inode. Lists may have one for each name of an inode; where those do not agree, the last holds.
fn by_inode(list: Vec<(FileId, Claim)>, progress: &Progress) -> HashMap<FileId, Claim> {
    let mut all = HashMap::with_capacity(list.len());
    let mut contradictions = 0;
    for (id, claim) in list {
        if all.get(&id).is_some_and(|before| *before != claim) {
            contradictions += 1;
            let FileId { dev, ino } = id;
            tell(
                progress,
                contradictions,
                &format!("device {dev:x}, inode {ino}: twice in the list, and not the same; the last holds"),
            );
        }
        all.insert(id, claim);
    }
    all
}

/// Reads a list of lines that each stand for themselves.
fn by_line<T>(path: &Path, read: impl Fn(&[u8]) -> Result<T, String>) -> Result<Vec<T>, Trouble> {
    let mut all = Vec::new();
    lines(path, |line| {
        all.push(read(line)?);
        Ok(())
    })?;
    Ok(all)
}

/// Calls `each` with every line. Returns how many there were.
fn lines(path: &Path, mut each: impl FnMut(&[u8]) -> Result<(), String>) -> Result<u64, Trouble> {
    let mut input = BufReader::with_capacity(256 * 1024, open(path)?);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(|error| unreadable(path, &error))? == 0 {
            return Ok(number);
        }
        number += 1;
        let text = line.strip_suffix(b"\n");
        let text = text.ok_or_else(|| wrong_line(path, number, "it has no end: the file is truncated"))?;
        each(text).map_err(|why| wrong_line(path, number, &why))?;
    }
}

fn mtree(path: &Path) -> Result<HashMap<Vec<u8>, Claim>, Trouble> {
    let mut parser = mtree::Parser::default();
    let mut all = HashMap::new();
    let last = lines(path, |line| {
        let Some((path, claim)) = parser.line(line)? else { return Ok(()) };
        match all.entry(path) {
            Entry::Vacant(entry) => drop(entry.insert(claim)),
            // What a later line does not say, an earlier one may have said.
            Entry::Occupied(mut entry) => entry.get_mut().add(claim),
        }
        Ok(())
    })?;
    parser.end().map_err(|why| wrong_line(path, last, &why))?;
    Ok(all)
}

fn archive(path: &Path, progress: &Progress) -> Result<HashMap<Vec<u8>, Claim>, Trouble> {
    let mut file = open(path)?;
    let mut magic = [0; 6];
    let read = file.read(&mut magic).and_then(|read| file.rewind().map(|()| read));
    let read = read.map_err(|error| unreadable(path, &error))?;
    let file = BufReader::with_capacity(256 * 1024, file);
    let unpacked: Box<dyn Read> = match &magic[..read] {
        [0x1F, 0x8B, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            Box::new(zstd::Decoder::with_buffer(file).map_err(|error| unreadable(path, &error))?)
        }
        [0xFD, b'7', b'z', ..] | [b'B', b'Z', b'h', ..] => {
            return Err(Trouble::new(format!("{}: packed in a way that is not read here", path.display()))
                .mended_by("unpack it first (xz -d, bzip2 -d)"));
        }
        _ => Box::new(file),
    };
    let wrong = |tar::Wrong { at, why }: tar::Wrong| {
        Trouble::new(format!("{}, entry at byte {at}: {why}", path.display()))
            .mended_by("nothing was imported; the archive has to be fetched or made again")
    };
    let mut reader = tar::Reader::new(unpacked);
    let mut all = HashMap::new();
    while let Some((name, claim)) = reader.next().map_err(wrong)? {
        progress.moved(1);
        // What comes later replaces what was there before, as when it is unpacked.
        all.insert(name, claim);
    }
    // The checksum is at the very end.
    reader.rest().map_err(wrong)?;
    Ok(all)
}
