//! `remainroot owners`: what was said, as clap parses it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::args::OwnerXattrArg;

/// What can be done with owners.
#[derive(Debug, Subcommand)]
pub enum Owners {
    /// Show owners, modes, devices and attributes, and where each is known from: index, attribute, or the file itself.
    ///
    /// The exit status is 1 if something cannot be looked at; the others are shown.
    Show {
        /// Show all that is below a directory, too.
        #[arg(long, short)]
        recursive: bool,
        #[command(flatten)]
        store: StoreArgs,
        /// The files. A link is shown itself.
        #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Record an owner, and a mode, of files that there are.
    ///
    /// The exit status is 1 if that fails for one of them; the others are recorded.
    Set {
        /// Do so for all that is below a directory, too.
        #[arg(long, short)]
        recursive: bool,
        #[command(flatten)]
        store: StoreArgs,
        /// Owner and group in numbers, mode in octal digits; an id that is left out stays.
        #[arg(value_name = "UID:GID[:MODE]")]
        owner: String,
        /// The files.
        #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Tell what differs between two trees: types, owners, modes, devices, links and attributes.
    ///
    /// The exit status is 0 if nothing does, else 1.
    Diff {
        #[command(flatten)]
        store: StoreArgs,
        /// A tree.
        #[arg(value_name = "A", value_hint = ValueHint::DirPath)]
        one: PathBuf,
        /// Another.
        #[arg(value_name = "B", value_hint = ValueHint::DirPath)]
        other: PathBuf,
    },
    /// Compare the index with the attributes of files, and both with the tree.
    ///
    /// The exit status is 0 if all agree, else 1.
    Verify {
        #[command(flatten)]
        store: StoreArgs,
        /// The tree.
        #[arg(value_name = "TREE", value_hint = ValueHint::DirPath)]
        tree: PathBuf,
    },
    /// Make the index of a tree anew from the attributes of its files, and tell what they cannot say.
    ///
    /// A damaged index is moved out of the way. What the index alone knows, and still has, stays. The exit status is 1
    /// if there are attributes that make no sense.
    Repair {
        #[command(flatten)]
        store: StoreArgs,
        /// The tree.
        #[arg(value_name = "TREE", value_hint = ValueHint::DirPath)]
        tree: PathBuf,
    },
    /// Forget the records of files that are gone: what is in none of the trees, though on their file systems.
    ///
    /// Files that are removed in a run are forgotten at once; those that others have removed stay in the index, where they
    /// do no harm but take room. No record tells where its file was: so name all trees on these file systems that runs
    /// have worked in, or directories that hold them all. Mounts in them are not
    /// gone into: name these, too. Where a mount may hide files, or nothing tells one file system from another, records
    /// are kept, and it is said which and why.
    Prune {
        /// Say how many there are, and forget none.
        #[arg(long, short = 'n')]
        dry_run: bool,
        #[command(flatten)]
        store: StoreArgs,
        /// The trees.
        #[arg(required = true, value_name = "TREE", value_hint = ValueHint::DirPath)]
        trees: Vec<PathBuf>,
    },
    /// Take over what other programs have written down of the owners of a tree.
    ///
    /// All of it is read and compared with the tree before anything is recorded; what does not match is told. The exit
    /// status is 1 if some of the files are not what was said of them, and were left as they are.
    Import {
        /// What FILE is.
        #[arg(long, value_enum, value_name = "FORMAT")]
        format: ImportArg,
        #[command(flatten)]
        store: StoreArgs,
        /// The tree.
        #[arg(value_name = "TREE", value_hint = ValueHint::DirPath)]
        tree: PathBuf,
        /// The list. Attributes are on the files of the tree themselves, and take none.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Write a tree with its owners, devices, ACLs and capabilities in a form that other programs read.
    ///
    /// With SOURCE_DATE_EPOCH in the environment, no time is later than that, and the same tree gives the same bytes.
    Export(ExportArgs),
}

/// Where owners are kept.
#[derive(Args, Debug)]
pub struct StoreArgs {
    /// Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves.
    #[arg(long, value_name = "auto|memory|PATH", default_value = "auto", value_hint = ValueHint::DirPath)]
    pub store: OsString,

    /// The attribute in which files and directories carry their owners themselves.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = OwnerXattrArg::Rootlesscontainers)]
    pub owner_xattr: OwnerXattrArg,
}

/// `--format` of `owners import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportArg {
    /// The save file of fakeroot -s; files are known by their inodes.
    Fakeroot,
    /// files.db of pseudo; files are known by their inodes.
    Pseudo,
    /// The headers of a tar archive, plain or packed with gzip or zstd; files are known by their paths.
    Tar,
    /// mtree(5); files are known by their paths.
    Mtree,
    /// user.rootlesscontainers and user.containers.override_stat, on the files themselves.
    Attributes,
}

/// `owners export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// What to write.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatArg::Tar)]
    pub format: FormatArg,

    /// Where to write it (default: standard output; an image needs a name).
    ///
    /// An image becomes a directory, or, if the name ends in .tar, an archive of it.
    #[arg(long, short, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,

    /// How the layer of an image is packed.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = CompressionArg::Gzip)]
    pub compression: CompressionArg,

    /// The name of an image in its layout.
    #[arg(long, value_name = "TAG", default_value = "latest")]
    pub tag: String,

    /// Keep fractions of seconds where the format can.
    #[arg(long)]
    pub nanoseconds: bool,

    #[command(flatten)]
    pub store: StoreArgs,

    /// The tree.
    #[arg(value_name = "TREE", value_hint = ValueHint::DirPath)]
    pub tree: PathBuf,
}

/// `--format` of `owners export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
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
pub enum CompressionArg {
    /// Not at all.
    None,
    /// gzip, which everybody reads.
    Gzip,
    /// Zstandard: faster and smaller.
    Zstd,
}
