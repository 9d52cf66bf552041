//! `remainroot owners`: doing what was said.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::owners_args::{CompressionArg, ExportArgs, FormatArg, ImportArg, Owners, StoreArgs};
use super::{OUR_FAILURE, plan};
use crate::owners::export::{self, Compression, Format, Grain, Image, Output, Times};
use crate::owners::import::{self, From, Outcome};
use crate::owners::rows::{self, Rows};
use crate::owners::show::{self, Depth};
use crate::owners::verify::{self, Repair, Verdict};
use crate::owners::{Tree, Trouble, World, diff, enter, set};
use crate::sandbox::why_io;
use crate::store::{self, Choice, Kept, Systems};

/// The exit status where so many things are not as they should be.
const fn status(wrong: u64) -> i32 {
    if wrong > 0 { 1 } else { 0 }
}

/// Does what was said. Returns the exit status.
pub fn execute(what: Owners) -> Result<i32> {
    match what {
        Owners::Show { recursive, store, paths } => {
            let (store, world) = existing(store)?;
            Ok(status(show::show(&paths, depth(recursive), &store, world, print)))
        }
        Owners::Set { recursive, store, owner, paths } => {
            let claim = set::claim(&owner).map_err(anyhow::Error::msg)?;
            let (store, world) = lasting(store)?;
            Ok(status(set::set(&paths, depth(recursive), &claim, &store, world)))
        }
        Owners::Diff { store, one, other } => {
            let (store, world) = existing(store)?;
            let tree = |path| Tree { path, store: &store, world };
            let found = diff::diff(&tree(&one), &tree(&other), print)?;
            Ok(status(found))
        }
        Owners::Verify { store, tree } => verify(store, &tree),
        Owners::Repair { store, tree } => repair(store, &tree),
        Owners::Prune { dry_run, store, trees } => prune(dry_run, store, &trees),
        Owners::Import { format, store, tree, file } => import(format, store, &tree, file),
        Owners::Export(args) => export(args),
    }
}

fn depth(recursive: bool) -> Depth {
    if recursive { Depth::Below } else { Depth::Named }
}

/// Where owners are, and the format of attributes.
fn said(args: StoreArgs) -> (Choice, Option<store::Format>) {
    (plan::store(args.store), plan::format(args.owner_xattr))
}

/// Opens what there is, and goes to where files can be read.
fn existing(args: StoreArgs) -> Result<(Kept, World)> {
    let (choice, format) = said(args);
    in_world(store::open_existing(&choice, format)?)
}

/// Opens, or makes, what is to be changed, and goes to where files can be read.
fn lasting(args: StoreArgs) -> Result<(Kept, World)> {
    let (choice, format) = said(args);
    if choice == Choice::Memory {
        bail!("--store memory: what is recorded there would be forgotten at once; name a directory, or auto");
    }
    in_world(store::open(&choice, format)?)
}

fn in_world(opened: store::Opened) -> Result<(Kept, World)> {
    if let Some(notice) = &opened.notice {
        crate::tell!("{notice}");
    }
    let world = enter()?;
    Ok((opened.into_store(world.root_uid), world))
}

fn verify(args: StoreArgs, tree: &Path) -> Result<i32> {
    let rows = Rows::new(store::rows(&plan::store(args.store))?, Systems::new());
    let world = enter()?;
    let nothing = Kept::default();
    let verdict = verify::verify(&Tree { path: tree, store: &nothing, world }, rows, print)?;
    let Verdict { indexed, attribute_only, wrong, left } = verdict;
    crate::tell!(
        "{indexed} files are in the index, {attribute_only} have an attribute alone; {wrong} are wrong"
    );
    if left > 0 {
        crate::tell!(
            "{left} records on its file system are of other trees or mounts, or of files that are gone (owners prune)"
        );
    }
    Ok(status(wrong))
}

fn repair(args: StoreArgs, tree: &Path) -> Result<i32> {
    let rows = match store::rows(&plan::store(args.store.clone())) {
        Err(fault) if fault.is_damage() => {
            let aside = store::set_aside(&fault)?;
            crate::tell!("{fault}");
            crate::tell!("it is {} now", aside.display());
            Vec::new()
        }
        other => other?,
    };
    let rows = Rows::new(rows, Systems::new());
    let (store, world) = lasting(args)?;
    store.leave_malformed_untold();
    let repair = verify::repair(&Tree { path: tree, store: &store, world }, rows, print)?;
    let Repair { recovered, brought, malformed, unknown, bare, hollow, anew } = repair;
    if brought > 0 {
        crate::tell!("{brought} recovered from records under another number of their file system");
    }
    crate::tell!(
        "{recovered} recovered from attributes, {malformed} attributes make no sense\n\
         root's, if nothing was lost: {unknown} files that cannot carry an attribute, {bare} that carry none"
    );
    if hollow > 0 {
        crate::tell!("{hollow} empty files may have stood for devices: make those anew with mknod in a run");
    }
    if anew {
        crate::tell!(
            "there was no record before: if files had ACLs, capabilities, set-id bits or attributes of root's, these \
             are lost"
        );
    }
    Ok(status(malformed))
}

fn prune(dry_run: bool, args: StoreArgs, trees: &[PathBuf]) -> Result<i32> {
    let choice = plan::store(args.store);
    let quiet = if dry_run { None } else { store::quiet(&choice)? };
    let rows = Rows::new(store::rows(&choice)?, Systems::new());
    let world = enter()?;
    let nothing = Kept::default();
    let trees: Vec<_> = trees.iter().map(|path| Tree { path, store: &nothing, world }).collect();
    let gone = rows::gone(&trees, rows)?;
    if dry_run {
        crate::tell!("{} records are of files that are gone", gone.rows.len());
    } else {
        quiet.map_or(Ok(()), |quiet| quiet.remove(&gone.rows))?;
        crate::tell!("{} records of files that are gone were removed", gone.rows.len());
    }
    for (why, count) in &gone.kept {
        crate::tell!("{count} records are kept: {why}");
    }
    Ok(0)
}

fn import(format: ImportArg, args: StoreArgs, tree: &Path, file: Option<PathBuf>) -> Result<i32> {
    let from = match (format, file) {
        (ImportArg::Attributes, None) => From::Attributes,
        (ImportArg::Attributes, Some(file)) => {
            bail!("{}: attributes are on the files of the tree, and take no list", file.display())
        }
        (_, None) => bail!("FILE is missing: name the list after the tree"),
        (ImportArg::Fakeroot, Some(file)) => From::Fakeroot(file),
        (ImportArg::Pseudo, Some(file)) => From::Pseudo(file),
        (ImportArg::Tar, Some(file)) => From::Tar(file),
        (ImportArg::Mtree, Some(file)) => From::Mtree(file),
    };
    let (store, world) = lasting(args)?;
    let outcome = import::import(&Tree { path: tree, store: &store, world }, &from)?;
    let Outcome { taken, unchanged, unmentioned, strangers, refused } = outcome;
    crate::tell!(
        "{taken} recorded, {unchanged} known to be so; not mentioned: {unmentioned}; not in the tree: {strangers}; \
         not what was said: {refused}"
    );
    Ok(status(refused))
}

/// Writes to standard output. Once the reader has seen enough, there is nothing more to do.
fn print(text: &str) -> Result<(), Trouble> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        // Nor has it any use to go on to the next path.
        Err(error) => {
            crate::tell!("cannot write to standard output: {}", why_io(&error));
            std::process::exit(OUR_FAILURE)
        }
        Ok(()) => Ok(()),
    }
}

fn export(args: ExportArgs) -> Result<i32> {
    let format = match args.format {
        FormatArg::Tar => Format::Tar,
        FormatArg::Oci => Format::Oci(Image {
            compression: match args.compression {
                CompressionArg::None => Compression::None,
                CompressionArg::Gzip => Compression::Gzip,
                CompressionArg::Zstd => Compression::Zstd,
            },
            tag: args.tag,
        }),
        FormatArg::Mtree => Format::Mtree,
        FormatArg::SquashfsPseudo => Format::SquashfsPseudo,
        FormatArg::Fakeroot => Format::Fakeroot,
    };
    let grain = if args.nanoseconds { Grain::Nanoseconds } else { Grain::Seconds };
    let times = Times { epoch: source_date_epoch(std::env::var_os("SOURCE_DATE_EPOCH"))?, grain };
    let to = match args.output {
        Some(path) if path.as_os_str() != "-" => Output::Path(path),
        _ => Output::Stdout,
    };
    let (store, world) = existing(args.store)?;
    let tree = Tree { path: &args.tree, store: &store, world };
    export::export(&tree, &format, times, &to)?;
    Ok(0)
}

/// The time that `SOURCE_DATE_EPOCH` names, in seconds since the epoch.
fn source_date_epoch(value: Option<OsString>) -> Result<Option<i64>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_string_lossy();
    let epoch: i64 = text
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH={text}: expected seconds since the epoch"))?;
    if epoch < 0 {
        bail!("SOURCE_DATE_EPOCH={text}: a time before the epoch");
    }
    Ok(Some(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_a_number() {
        let read = |text: &str| source_date_epoch(Some(text.into())).map_err(|error| error.to_string());
        assert_eq!(read("0"), Ok(Some(0)));
        assert_eq!(read(""), Ok(None));
        assert!(read("-1").unwrap_err().contains("before the epoch"));
        assert!(read("today").unwrap_err().starts_with("SOURCE_DATE_EPOCH=today"));
    }
}
