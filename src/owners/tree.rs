//! A directory with what is known of its owners laid over it.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::mirror::is_ours;
use remainroot_shims::owner::{Attr, CAPABILITY, FileId, Inode, Record, Store, Time, World};

use super::entry::{Entry, Kind, Xattrs, through};
use super::names::{below, shown};
use super::progress::Progress;
use super::walk::{Found, Walk};
use super::{Trouble, claims};
use crate::sandbox::why;
use crate::store::File;
use crate::sys::fd;
use crate::sys::xattr::{self, Name};

/// A tree, and whose its files are.
pub struct Tree<'a> {
    /// Its root directory, as it was named.
    pub path: &'a Path,
    /// What is recorded.
    pub store: &'a dyn Store,
    /// How native ids read.
    pub world: World,
}

/// Attributes of the host's own, which would be wrong anywhere else.
const HOSTS_OWN: &[&[u8]] = &[
    b"security.selinux",
    b"security.SMACK",
    b"security.apparmor",
    b"security.ima",
    b"security.evm",
    b"trusted.overlay.",
];

/// The entries of a tree: a directory before what is in it, in the order of names by their bytes.
pub struct Entries<'t> {
    tree: &'t Tree<'t>,
    progress: &'t Progress,
    walk: Walk,
    /// The first path of each inode that has several.
    linked: HashMap<FileId, Vec<u8>>,
}

impl Entries<'_> {
    /// The next entry, or `None` at the end. Not an iterator, since what fails ends it.
    pub fn next(&mut self) -> Result<Option<Entry>, Trouble> {
        let Some(found) = self.walk.next()? else { return Ok(None) };
        self.progress.file();
        self.tree.entry(found, &mut self.linked, self.progress).map(Some)
    }
}

impl Tree<'_> {
    /// Calls `each` with every entry but `own`, what is being written meanwhile, and what is below that.
    pub fn each(
        &self,
        progress: &Progress,
        own: Option<FileId>,
        mut each: impl FnMut(Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut entries = self.entries(progress)?;
        entries.walk.leave_out(own);
        while let Some(entry) = entries.next()? {
            each(entry)?;
        }
        Ok(())
    }

    /// Begins with the first entry.
    pub fn entries<'t>(&'t self, progress: &'t Progress) -> Result<Entries<'t>, Trouble> {
        Ok(Entries { tree: self, progress, walk: self.walk()?, linked: HashMap::new() })
    }

    /// All files, without what is known of them.
    pub(super) fn walk(&self) -> Result<Walk, Trouble> {
        fd::raise_limit();
        Walk::new(self.path, self.open(0)?)
    }

    /// A path below the root as people would write it.
    pub(super) fn below(&self, path: &[u8]) -> String {
        below(self.path, path)
    }

    /// The root itself, a link as such.
    pub fn root(&self, progress: &Progress) -> Result<Entry, Trouble> {
        let found = Found::root(self.path, self.open(libc::O_NOFOLLOW)?)?;
        self.entry(found, &mut HashMap::new(), progress)
    }

    /// The root, with `O_NOFOLLOW` or whatever the path leads to.
    fn open(&self, flags: i32) -> Result<OwnedFd, Trouble> {
        let path = CString::new(self.path.as_os_str().as_bytes())
            .map_err(|_| Trouble::new(format!("{}: a path cannot hold a NUL", self.path.display())))?;
        fd::open_path(libc::AT_FDCWD, &path, flags).map_err(|errno| {
            Trouble::new(format!("cannot open {}: {}", self.path.display(), why(Errno::from_raw(errno))))
        })
    }

    fn entry(
        &self,
        found: Found,
        linked: &mut HashMap<FileId, Vec<u8>>,
        progress: &Progress,
    ) -> Result<Entry, Trouble> {
        let Found { path, fd, stat, way } = found;
        let inode = fd::inode_of(&stat);
        let trouble = |verb: &str, errno| {
            let why = why(Errno::from_raw(errno));
            Trouble::new(format!("cannot {verb} {}: {why}", self.below(&path)))
        };
        let (mut xattrs, mirrored) = native_xattrs(&fd, |name, errno| {
            let name = shown(name);
            progress.say(&trouble(&format!("read the attribute {name} of"), errno).to_string());
        })
        .map_err(|errno| trouble("list the attributes of", errno))?;
        let stored = self
            .store
            .find(&File::new(fd.as_fd()), &inode)
            .map_err(|errno| trouble("find the record of", errno.into_raw()))?;
        let (mirrored_record, claim) = self.mirrored_record(&mirrored, &inode).unwrap_or_else(|wrong| {
            let why = match wrong {
                // A store that reads attributes has told it.
                Wrong::Malformed(_) if self.store.mirrors() => None,
                Wrong::Malformed(why) | Wrong::Unfit(why) => Some(why),
            };
            if let Some(why) = why.filter(|_| progress.tells_attributes()) {
                progress.say(&format!("{}: taken for absent: {why}", self.below(&path)));
            }
            (None, None)
        });
        let record = stored.clone().or(mirrored_record);
        let claim = claim.filter(|claim: &Claim| {
            let believed = |record: &Record| {
                claim.uid.is_none_or(|uid| uid == record.uid) && claim.gid.is_none_or(|gid| gid == record.gid)
            };
            record.as_ref().is_some_and(believed)
        });
        if let Some(record) = &record {
            xattrs.extend(record.xattrs.clone());
        }
        if let Some(value) = xattrs.get_mut(CAPABILITY) {
            *value = version_2(value);
        }
        let attr = Attr::of(&inode, record.as_ref(), &self.world);
        let target = match Kind::of(attr.mode) {
            Kind::Link => fd::read_link(fd.as_fd()).map_err(|errno| trouble("read the link", errno))?,
            _ => Vec::new(),
        };
        // A directory has one name; its links are its own dots.
        let first = if inode.nlink > 1 && !attr.is_dir() {
            match linked.get(&inode.id) {
                Some(first) => Some(first.clone()),
                None => {
                    linked.insert(inode.id, path.clone());
                    None
                }
            }
        } else {
            None
        };
        let size = if attr.is_file() { stat.stx_size } else { 0 };
        let mtime = Time { sec: stat.stx_mtime.tv_sec, nsec: stat.stx_mtime.tv_nsec };
        let native_size = stat.stx_size;
        Ok(Entry {
            path,
            inode,
            attr,
            stored,
            record,
            claim,
            size,
            native_size,
            mtime,
            target,
            xattrs,
            mirrored,
            first,
            way,
            fd,
        })
    }

    /// What a file's own attributes say, if they say anything and the file can be what they say; and the record that
    /// it would be.
    fn mirrored_record(
        &self,
        mirrored: &Xattrs,
        inode: &Inode,
    ) -> Result<(Option<Record>, Option<Claim>), Wrong> {
        let claim = claims::of_attributes(mirrored).map_err(Wrong::Malformed)?;
        let Some(claim) = claim else { return Ok((None, None)) };
        let record = claims::record(&claim, inode, None, &self.world).map_err(Wrong::Unfit)?;
        Ok((Some(record), Some(claim)))
    }
}

/// Why the attributes of a file are not believed.
enum Wrong {
    /// One makes no sense.
    Malformed(String),
    /// The file cannot be what they say.
    Unfit(String),
}

/// The attributes that the kernel keeps, without those of the host's own; and apart from them those that hold owners. One
/// that cannot be read is told, and left out.
fn native_xattrs(fd: &OwnedFd, unreadable: impl Fn(&[u8], i32)) -> Result<(Xattrs, Xattrs), i32> {
    let file = CString::new(through(fd.as_fd())).map_err(|_| libc::EINVAL)?;
    let list = match xattr::list(Name::new(&file)) {
        Err(libc::EOPNOTSUPP) => Vec::new(),
        other => other?,
    };
    let (mut all, mut mirrored) = (Xattrs::new(), Xattrs::new());
    for name in list.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let bytes = name.to_bytes();
        if HOSTS_OWN.iter().any(|own| bytes.starts_with(own)) {
            continue;
        }
        match xattr::get(Name::new(&file), name) {
            Ok(value) if is_ours(bytes) => drop(mirrored.insert(bytes.into(), value.into())),
            Ok(value) => drop(all.insert(bytes.into(), value.into())),
            // It was removed since, or there is none to be read.
            Err(libc::ENODATA | libc::EOPNOTSUPP) => {}
            Err(errno) => unreadable(bytes, errno),
        }
    }
    Ok((all, mirrored))
}

/// File capabilities in the form that belongs to no namespace (`VFS_CAP_REVISION_2`): version 3 ends in the id of its
/// namespace's root, which is another one elsewhere.
fn version_2(value: &[u8]) -> Box<[u8]> {
    const SIZE_3: usize = 24;
    let mut value = value.to_vec();
    if value.len() == SIZE_3 && value[3] == 3 {
        value.truncate(SIZE_3 - 4);
        value[3] = 2;
    }
    value.into()
}
