//! `remainroot owners`: what was said, and doing it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::owners::export::{self, Compression, Format, Grain, Image, Output, Times};
use crate::owners::show::{self, Depth};
use crate::owners::{Tree, Trouble, diff, enter};
use crate::store::Kept;

/// What can be done with owners.
#[derive(Debug, Subcommand)]
pub enum Owners {
    /// Show owners, modes, devices and attributes, and where each is known from.
    Show {
        /// Show all that is below a directory, too.
        #[arg(long, short)]
        recursive: bool,
        /// The files. A link is shown itself.
        #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Tell what differs between two trees: types, owners, modes, devices, links and attributes.
    ///
    /// The exit status is 0 if nothing does, else 1.
    Diff {
        /// A tree.
        #[arg(value_name = "A", value_hint = ValueHint::DirPath)]
        one: PathBuf,
        /// Another.
        #[arg(value_name = "B", value_hint = ValueHint::DirPath)]
        other: PathBuf,
    },
    /// Write a tree with its owners, devices, ACLs and capabilities in a form that other programs read.
    Export(ExportArgs),
}

/// `owners export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// What to write.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatArg::Tar)]
    format: FormatArg,

    /// Where to write it (default: standard output; an image needs a name).
    ///
    /// An image becomes a directory, or, if the name ends in .tar, an archive of it.
    #[arg(long, short, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    output: Option<PathBuf>,

    /// How the layer of an image is packed.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = CompressionArg::Gzip)]
    compression: CompressionArg,

    /// The name of an image in its layout.
    #[arg(long, value_name = "TAG", default_value = "latest")]
    tag: String,

    /// Keep fractions of seconds where the format can.
    #[arg(long)]
    nanoseconds: bool,

    /// The tree.
    #[arg(value_name = "TREE", value_hint = ValueHint::DirPath)]
    tree: PathBuf,
}

/// `--format` of `owners export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// A tar archive with extended headers (pax).
    Tar,
    /// An OCI image of one layer.
    Oci,
    /// mtree(5), with digests of contents.
    Mtree,
    /// Definitions for mksquashfs -pf.
    SquashfsPseudo,
    /// The save file of fakeroot -s and -i.
    Fakeroot,
}

/// `--compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompressionArg {
    /// Not at all.
    None,
    /// gzip, which everybody reads.
    Gzip,
    /// Zstandard: faster and smaller.
    Zstd,
}

/// Does what was said. Returns the exit status.
pub fn execute(what: Owners) -> Result<i32> {
    match what {
        Owners::Show { recursive, paths } => {
            let world = enter()?;
            show::show(&paths, depth(recursive), &Kept::default(), world, print)?;
            Ok(0)
        }
        Owners::Diff { one, other } => {
            let world = enter()?;
            let store = Kept::default();
            let tree = |path| Tree { path, store: &store, world };
            let found = diff::diff(&tree(&one), &tree(&other), print)?;
            Ok(i32::from(found > 0))
        }
        Owners::Export(args) => export(args),
    }
}

fn depth(recursive: bool) -> Depth {
    if recursive { Depth::Below } else { Depth::Named }
}

/// Writes to standard output. Once the reader has seen enough, there is nothing more to do.
fn print(text: &str) -> Result<(), Trouble> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Trouble::new(format!("cannot write to standard output: {error}"))),
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
    let world = enter()?;
    let store = Kept::default();
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
