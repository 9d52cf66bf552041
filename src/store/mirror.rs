//! The copy of a record that a file carries itself, in an extended attribute.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use linux_raw_sys::general::{S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID};
use remainroot_shims::abi::{Errno, KeepGid, KeepUid};
use remainroot_shims::owner::mirror::override_stat::{self, Kind, OverrideStat};
use remainroot_shims::owner::mirror::rootlesscontainers;
use remainroot_shims::owner::{Attributes, Device, Inode, PERMISSIONS, Record};

/// The format in which owners are written. Both are read; where a file carries both, this one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `user.rootlesscontainers`.
    RootlessContainers,
    /// `user.containers.override_stat`.
    Override,
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    uid: KeepUid,
    gid: KeepGid,
    mode: Option<u16>,
    device: Option<Device>,
    xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// Whether a file is of a kind that may have attributes of users (`xattr_permission`).
pub fn carries(inode: &Inode) -> bool {
    matches!(inode.mode & S_IFMT, S_IFREG | S_IFDIR)
}

impl Carried {
    /// Whether it says what the mode is.
    pub const fn tells_mode(&self) -> bool {
        self.mode.is_some()
    }

    /// Lays it over what else is known of `inode`.
    pub fn over(self, mut record: Record, inode: &Inode) -> Record {
        record.uid = self.uid.or(record.uid);
        record.gid = self.gid.or(record.gid);
        if let Some(mode) = self.mode {
            let fragile = inode.mode & S_IFMT == S_IFREG && u32::from(mode) & (S_ISUID | S_ISGID) != 0;
            record.mode = (fragile || inode.mode & PERMISSIONS != u32::from(mode)).then_some(mode);
        }
        if inode.mode & S_IFMT == S_IFREG {
            record.device = self.device.or(record.device);
        }
        record.xattrs.extend(self.xattrs);
        record
    }
}

impl Format {
    /// What a file carries, in either format. `malformed` hears of values that cannot be read, and count as absent:
    /// the name of the attribute, and why.
    pub fn read(self, file: &dyn Attributes, mut malformed: impl FnMut(&CStr, String)) -> Option<Carried> {
        let list = file.list_xattrs().ok()?;
        let names = || {
            list.split_inclusive(|&byte| byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        };
        let mut found = [None, None];
        for name in names() {
            let format = match name {
                _ if name == rootlesscontainers::NAME => Format::RootlessContainers,
                _ if name == override_stat::NAME => Format::Override,
                _ => continue,
            };
            let Ok(value) = file.xattr(name) else { continue };
            match format.parse(&value) {
                Ok(carried) => found[usize::from(format != self)] = Some(carried),
                Err(why) => malformed(name, why),
            }
        }
        let [first, second] = found;
        let mut carried = first.or(second)?;
        for name in names() {
            if let Some(real) = override_stat::real_name(name.to_bytes())
                && let Ok(value) = file.xattr(name)
            {
                carried.xattrs.insert(real.into(), value.into());
            }
        }
        Some(carried)
    }

    fn parse(self, value: &[u8]) -> Result<Carried, String> {
        let xattrs = BTreeMap::new();
        Ok(match self {
            Format::RootlessContainers => {
                let (uid, gid) = rootlesscontainers::parse(value)?;
                Carried { uid, gid, mode: None, device: None, xattrs }
            }
            Format::Override => {
                let OverrideStat { uid, gid, mode, kind } = override_stat::parse(value)?;
                let device = match kind {
                    Some(Kind::Block(dev)) => Some(Device::Block(dev)),
                    Some(Kind::Char(dev)) => Some(Device::Char(dev)),
                    _ => None,
                };
                let (uid, gid) = (KeepUid::Set(uid), KeepGid::Set(gid));
                Carried { uid, gid, mode: Some(mode), device, xattrs }
            }
        })
    }

    /// Lets a file carry `record`. False where it cannot: its file system has no such attributes or no room for this
    /// one, or its owner may not write to it.
    ///
    /// # Errors
    /// No room, not writable, an error of the disk.
    pub fn write(self, file: &dyn Attributes, inode: &Inode, record: &Record) -> Result<bool, Errno> {
        let set = |name: &CStr, value: &[u8]| tolerated(file, file.set_xattr(name, value, 0));
        match self {
            Format::RootlessContainers => {
                set(rootlesscontainers::NAME, &rootlesscontainers::format(record.uid, record.gid))
            }
            Format::Override => {
                let mode = record.mode.unwrap_or((inode.mode & PERMISSIONS) as u16);
                let kind = match record.device {
                    Some(Device::Block(dev)) => Kind::Block(dev),
                    Some(Device::Char(dev)) => Kind::Char(dev),
                    None if inode.mode & S_IFMT == S_IFDIR => Kind::Dir,
                    None => Kind::File,
                };
                let stat = OverrideStat { uid: record.uid, gid: record.gid, mode, kind: Some(kind) };
                if !set(override_stat::NAME, &override_stat::format(&stat))? {
                    return Ok(false);
                }
                self.write_xattrs(file, record)
            }
        }
    }

    /// Writes the attributes that stand for `security.*` ones, and removes those that stand for none any more.
    fn write_xattrs(self, file: &dyn Attributes, record: &Record) -> Result<bool, Errno> {
        let virtual_ones = record.xattrs.iter().filter(|(name, _)| name.starts_with(b"security."));
        let mut wanted = BTreeMap::new();
        for (name, value) in virtual_ones {
            wanted.extend(override_stat::virtual_name(name).map(|name| (name, value)));
        }
        for name in virtual_names(file) {
            if !wanted.contains_key(&name) {
                tolerated(file, file.remove_xattr(&name))?;
            }
        }
        let mut all = true;
        for (name, value) in wanted {
            all &= tolerated(file, file.set_xattr(&name, value, 0))?;
        }
        Ok(all)
    }

    /// Lets a file carry nothing. False where it still does.
    ///
    /// # Errors
    /// As with [`Format::write`].
    pub fn remove(self, file: &dyn Attributes) -> Result<bool, Errno> {
        let mut gone = true;
        for name in [rootlesscontainers::NAME, override_stat::NAME] {
            gone &= removed(file, name)?;
        }
        if self == Format::Override {
            for name in virtual_names(file) {
                gone &= removed(file, &name)?;
            }
        }
        Ok(gone)
    }
}

fn removed(file: &dyn Attributes, name: &CStr) -> Result<bool, Errno> {
    match file.remove_xattr(name) {
        Err(Errno::ENODATA) => Ok(true),
        // The kernel asks for permission first, and only then whether there is such an attribute.
        Err(Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP) => Ok(file.xattr(name).is_err()),
        other => tolerated(file, other),
    }
}

fn virtual_names(file: &dyn Attributes) -> Vec<CString> {
    let list = file.list_xattrs().unwrap_or_default();
    let names =
        list.split_inclusive(|&byte| byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    names.filter(|name| override_stat::real_name(name.to_bytes()).is_some()).map(CStr::to_owned).collect()
}

/// Whether a change was made; an error only where it is one that the guest must see.
fn tolerated(file: &dyn Attributes, result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(
            Errno::EOPNOTSUPP
            | Errno::EPERM
            | Errno::EACCES
            | Errno::ENOSYS
            | Errno::E2BIG
            | Errno::ERANGE
            | Errno::ENODATA,
        ) => Ok(false),
        // Some file systems have room for few attributes per inode, however empty they are (ext4: a block).
        Err(Errno::ENOSPC) if file.file_system().is_ok_and(|system| !system.full) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
