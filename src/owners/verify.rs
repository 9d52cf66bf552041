//! `remainroot owners verify` and `repair`: the index against the attributes, and both against the tree.

use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::mirror::override_stat::Kind as Claimed;
use remainroot_shims::owner::{Attr, Device, Record};

use super::entry::{Entry, Kind};
use super::record::Change;
use super::rows::{Found, Rows};
use super::{Progress, Tree, Trouble, claims};
use crate::store::{File, Row};
use crate::sys::fd;

/// What has come of a look at everything.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Files with a record in the index.
    pub indexed: u64,
    /// Files whose attribute alone says whose they are.
    pub attribute_only: u64,
    /// Files about which index, attribute and tree do not agree.
    pub wrong: u64,
    /// Records on the tree's file systems that are of no file of the tree: of other trees, or of files that are gone.
    pub left: u64,
}

/// Passes a line on whatever does not agree to `print`. The tree's own store plays no part: what is in the index is in
/// `rows`.
pub fn verify(
    tree: &Tree<'_>,
    mut rows: Rows,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> Result<Verdict, Trouble> {
    let progress = Progress::new("verifying").without_attributes();
    let mut verdict = Verdict::default();
    let mut entries = tree.entries(&progress)?;
    while let Some(entry) = entries.next()? {
        if entry.first.is_some() {
            continue;
        }
        let found = rows.take(&File::new(entry.held()), &entry.inode, entry.way);
        let row = if let Found::Row(row) = &found { Some(row) } else { None };
        verdict.indexed += u64::from(row.is_some());
        let found = match (row, claims::of_attributes(&entry.mirrored)) {
            (_, Err(why)) => Some(format!("a malformed attribute: {why}")),
            (None, _) if found.row().is_some_and(|row| !is_of_another(row, &entry)) => {
                Some("recorded under another number of its file system".to_owned())
            }
            (Some(row), _) if is_of_another(row, &entry) => {
                Some("the index has a record of an earlier file with its inode number".to_owned())
            }
            (Some(row), _) if stands_for_nothing(&row.record, &entry) => {
                Some(format!("a device by the index, but {} with content", Kind::of(entry.inode.mode).word()))
            }
            (Some(row), _) if row.alone => None,
            (Some(row), Ok(Some(claim))) => disagreement(&row.record, &claim, &entry, tree),
            (Some(row), Ok(None)) if carries_attributes(&entry) => {
                Some(format!("{}:{} by the index, and no attribute", row.record.uid, row.record.gid))
            }
            (None, Ok(Some(claim))) => {
                verdict.attribute_only += 1;
                claims::record(&claim, &entry.inode, None, &tree.world)
                    .err()
                    .map(|why| format!("an attribute: {why}"))
            }
            (_, Ok(None)) => None,
        };
        if let Some(found) = found {
            verdict.wrong += 1;
            print(&format!("{}: {found}\n", tree.below(&entry.path)))?;
        }
    }
    verdict.left = rows.left();
    Ok(verdict)
}

/// What a repair has come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Files whose record was made anew from their attributes.
    pub recovered: u64,
    /// Files whose record was under another number of their file system.
    pub brought: u64,
    /// Files whose attributes make no sense.
    pub malformed: u64,
    /// Links, pipes, sockets and devices without a record: they cannot carry an attribute.
    pub unknown: u64,
    /// Files and directories without record or attribute: root's, if nothing was lost.
    pub bare: u64,
    /// Empty files that had an attribute and no record: a device may have stood there.
    pub hollow: u64,
    /// There was no record at all, so that what only records hold (ACLs, capabilities, …) is lost if there was any.
    pub anew: bool,
}

/// Records in the tree's store what attributes say, where that is something else than `rows` have. Passes a line on
/// everything that they cannot say to `print`.
pub fn repair(
    tree: &Tree<'_>,
    mut rows: Rows,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> Result<Repair, Trouble> {
    let progress = Progress::new("repairing").without_attributes();
    let mut repair = Repair { anew: rows.is_empty(), ..Repair::default() };
    let mut changes = Vec::new();
    let mut entries = tree.entries(&progress)?;
    while let Some(entry) = entries.next()? {
        if entry.first.is_some() {
            continue;
        }
        let found = rows.take(&File::new(entry.held()), &entry.inode, entry.way);
        let row = found.row().filter(|row| !is_of_another(row, &entry));
        let before = row.map(|row| &row.record);
        let is_elsewhere = matches!(found, Found::Elsewhere(_)) && before.is_some();
        let claim = claims::of_attributes(&entry.mirrored).and_then(|claim| {
            claim.map(|claim| claims::record(&claim, &entry.inode, before, &tree.world)).transpose()
        });
        if let (true, Some(before), Ok(claim)) = (is_elsewhere, before, &claim) {
            repair.brought += 1;
            let is_alone = row.is_some_and(|row| row.alone);
            let record = claim.as_ref().filter(|_| !is_alone).unwrap_or(before);
            changes.push(Change::of(&entry, record.clone()));
            continue;
        }
        match claim {
            Ok(Some(_)) if row.is_some_and(|row| row.alone) => {}
            Ok(Some(record)) if Some(&record) == before => {}
            Ok(Some(record)) => {
                let is_empty = Kind::of(entry.inode.mode) == Kind::File && entry.native_size == 0;
                if row.is_none() && record.device.is_none() && is_empty {
                    repair.hollow += 1;
                    print(&format!("{}: empty, and may have stood for a device\n", tree.below(&entry.path)))?;
                }
                changes.push(Change::of(&entry, record));
            }
            Ok(None) if row.is_some() => {}
            Ok(None) if carries_attributes(&entry) => repair.bare += 1,
            Ok(None) => {
                repair.unknown += 1;
                print(&format!(
                    "{}: {}, which cannot carry an attribute\n",
                    tree.below(&entry.path),
                    entry.kind().word()
                ))?;
            }
            Err(why) => {
                repair.malformed += 1;
                print(&format!("{}: {why}\n", tree.below(&entry.path)))?;
            }
        }
    }
    repair.recovered = changes.len() as u64 - repair.brought;
    tree.record(&changes, &progress)?;
    Ok(repair)
}

/// Whether a row was made for an earlier inode of the same number.
fn is_of_another(row: &Row, entry: &Entry) -> bool {
    let now = row.generation.and_then(|_| fd::generation(entry.held()));
    row.generation.zip(now).is_some_and(|(then, now)| then != now)
}

/// Whether a record says of a file that it is a device, which it cannot be.
fn stands_for_nothing(record: &Record, entry: &Entry) -> bool {
    let stands_for_one = match Kind::of(entry.inode.mode) {
        Kind::File => entry.native_size == 0,
        kind => kind == Kind::Socket,
    };
    record.device.is_some() && !stands_for_one
}

/// Whether a file is of a type that can have attributes of users.
fn carries_attributes(entry: &Entry) -> bool {
    matches!(Kind::of(entry.inode.mode), Kind::File | Kind::Dir)
}

/// What an attribute says otherwise than the index.
fn disagreement(record: &Record, claim: &Claim, entry: &Entry, tree: &Tree<'_>) -> Option<String> {
    let attr = Attr::of(&entry.inode, Some(record), &tree.world);
    let (uid, gid) = (claim.uid.unwrap_or(attr.uid), claim.gid.unwrap_or(attr.gid));
    if (uid, gid) != (attr.uid, attr.gid) {
        return Some(format!("{}:{} by the index, {uid}:{gid} by its attribute", attr.uid, attr.gid));
    }
    let permissions = attr.mode & 0o7777;
    if let Some(mode) = claim.mode.filter(|mode| u32::from(*mode) != permissions) {
        return Some(format!("mode {permissions:04o} by the index, {mode:04o} by its attribute"));
    }
    let device = match claim.kind? {
        Claimed::Char(dev) => Some(Device::Char(dev)),
        Claimed::Block(dev) => Some(Device::Block(dev)),
        _ => None,
    };
    (device != record.device).then(|| "another device by the index than by its attribute".to_owned())
}
