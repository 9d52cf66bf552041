//! One file of a tree as real root would see it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::libc::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFSOCK};
use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::mirror::override_stat::Kind as Claimed;
use remainroot_shims::owner::{Attr, Inode, PERMISSIONS, Record, Time};

use super::walk::Way;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The index beside the tree.
    Index,
    /// An extended attribute of the file, made for this.
    Attribute,
    /// The file itself, as the kernel shows it: one's own are root's.
    File,
}

impl Source {
    /// A word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Source::Index => "index",
            Source::Attribute => "attribute",
            Source::File => "file",
        }
    }
}

/// The types of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    Char,
    /// A block device.
    Block,
}

impl Kind {
    /// The kind by the type bits of a mode. What the kernel does not know is taken for a file.
    pub const fn of(mode: u32) -> Kind {
        match mode & S_IFMT {
            S_IFDIR => Kind::Dir,
            S_IFLNK => Kind::Link,
            S_IFIFO => Kind::Fifo,
            S_IFSOCK => Kind::Socket,
            S_IFCHR => Kind::Char,
            S_IFBLK => Kind::Block,
            _ => Kind::File,
        }
    }

    /// A word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::File => "a regular file",
            Kind::Dir => "a directory",
            Kind::Link => "a symbolic link",
            Kind::Fifo => "a named pipe",
            Kind::Socket => "a socket",
            Kind::Char => "a character device",
            Kind::Block => "a block device",
        }
    }

    /// Whether it is a device.
    pub const fn is_device(self) -> bool {
        matches!(self, Kind::Char | Kind::Block)
    }
}

/// Extended attributes by full name.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// One file.
#[derive(Debug)]
pub struct Entry {
    /// Its path below the tree's root, without a slash at either end; empty for the root itself.
    pub path: Vec<u8>,
    /// The inode as the kernel shows it.
    pub inode: Inode,
    /// Owner, group, mode and device number, as real root would see them.
    pub attr: Attr,
    /// What the store says of it; most stores read the attributes, too.
    pub stored: Option<Record>,
    /// What is believed of it: that, or else what its attributes say.
    pub record: Option<Record>,
    /// What its attributes say, if it is believed.
    pub claim: Option<Claim>,
    /// Bytes of content; 0 for all but regular files.
    pub size: u64,
    /// Bytes that the file itself has; a placeholder for a device should have none.
    pub native_size: u64,
    /// Time of the last change to the content.
    pub mtime: Time,
    /// The text of a symbolic link; empty for others.
    pub target: Vec<u8>,
    /// Extended attributes by full name, access control lists and capabilities (of version 2) among them, the ones
    /// that hold owners not.
    pub xattrs: Xattrs,
    /// The attributes that hold owners, in whatever format.
    pub mirrored: Xattrs,
    /// The path of the first entry with the same inode, if this one is not the first.
    pub first: Option<Vec<u8>>,
    /// Whether what is in it comes next.
    pub(super) way: Way,
    /// An `O_PATH` descriptor of the file itself.
    pub(super) fd: OwnedFd,
}

impl Entry {
    /// Its type, as real root would see it.
    pub const fn kind(&self) -> Kind {
        Kind::of(self.attr.mode)
    }

    /// Where a value comes from: `recorded` says whether the record has it, `claimed` whether the attributes do.
    fn source(&self, recorded: impl Fn(&Record) -> bool, claimed: impl Fn(&Claim) -> bool) -> Source {
        match (&self.record, &self.claim) {
            (Some(record), _) if !recorded(record) => Source::File,
            (Some(_), Some(claim)) if claimed(claim) => Source::Attribute,
            (Some(_), _) => Source::Index,
            (None, _) => Source::File,
        }
    }

    /// Where owner and group come from.
    pub fn source_of_owner(&self) -> Source {
        self.source(|_| true, |claim| claim.uid.is_some() || claim.gid.is_some())
    }

    /// Where the mode comes from.
    pub fn source_of_mode(&self) -> Source {
        self.source(|record| record.mode.is_some(), |claim| claim.mode.is_some())
    }

    /// Where it comes from that it is a device.
    pub fn source_of_device(&self) -> Source {
        let is_said = |claim: &Claim| matches!(claim.kind, Some(Claimed::Char(_) | Claimed::Block(_)));
        self.source(|record| record.device.is_some(), is_said)
    }

    /// Where an extended attribute comes from.
    pub fn source_of_xattr(&self, name: &[u8]) -> Source {
        self.source(|record| record.xattrs.contains_key(name), |claim| claim.xattrs.contains_key(name))
    }

    /// The twelve mode bits.
    pub const fn permissions(&self) -> u32 {
        self.attr.mode & PERMISSIONS
    }

    /// The file itself.
    pub(super) fn held(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens the content of a regular file for reading.
    pub fn content(&self) -> io::Result<File> {
        File::open(through(self.fd.as_fd()))
    }
}

/// A path that names what a descriptor holds, whatever it is.
pub(super) fn through(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
