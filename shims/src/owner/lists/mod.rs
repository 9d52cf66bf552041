//! What other programs have written down of owners: the formats that are lines of text. Each is read line by line, and
//! says of a line that is none why it is none.

use std::collections::BTreeMap;

use super::PERMISSIONS;
use super::mirror::override_stat::Kind;
use crate::abi::{Gid, Uid};

pub mod fakeroot;
pub mod mtree;

/// What is said of one file. What is not said stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The owner.
    pub uid: Option<Uid>,
    /// The group.
    pub gid: Option<Gid>,
    /// The twelve mode bits (07777).
    pub mode: Option<u16>,
    /// What kind of file it is, and of devices the number.
    pub kind: Option<Kind>,
    /// Extended attributes by full name, in the form of setxattr(2).
    pub xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl Claim {
    /// Adds what else is said of the same file; what is said later replaces what was said before.
    pub fn add(&mut self, later: Claim) {
        self.uid = later.uid.or(self.uid);
        self.gid = later.gid.or(self.gid);
        self.mode = later.mode.or(self.mode);
        self.kind = later.kind.or(self.kind);
        self.xattrs.extend(later.xattrs);
    }

    /// A claim in the terms of stat(2): `mode` with its type bits, `rdev` if they say that it is a device.
    ///
    /// # Errors
    /// Why there can be no such file.
    pub fn of_stat(uid: u32, gid: u32, mode: u32, rdev: u64) -> Result<Claim, String> {
        use linux_raw_sys::general::{
            S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
        };
        let kind = match mode & S_IFMT {
            S_IFREG => Kind::File,
            S_IFDIR => Kind::Dir,
            S_IFLNK => Kind::Symlink,
            S_IFIFO => Kind::Pipe,
            S_IFSOCK => Kind::Socket,
            S_IFBLK => Kind::Block(rdev),
            S_IFCHR => Kind::Char(rdev),
            _ => return Err(format!("mode {mode:o} is of no type of file")),
        };
        if mode & !(S_IFMT | PERMISSIONS) != 0 {
            return Err(format!("{mode:o} is no mode"));
        }
        Ok(Claim {
            uid: Some(Uid::new(uid).ok_or("-1 is no uid")?),
            gid: Some(Gid::new(gid).ok_or("-1 is no gid")?),
            mode: Some((mode & PERMISSIONS) as u16),
            kind: Some(kind),
            xattrs: BTreeMap::new(),
        })
    }
}

/// The value of a word like `uid=33`, read as a number without a sign.
fn number(key: &str, text: &[u8], base: u32) -> Result<u64, String> {
    let text = String::from_utf8_lossy(text);
    match u64::from_str_radix(&text, base) {
        Ok(value) if !text.starts_with('+') => Ok(value),
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => {
            Err(format!("{key}={text}: the number is too large"))
        }
        _ => Err(format!("{key}={text}: expected a number to the base {base}")),
    }
}

/// The same, for what has 32 bits.
fn number_32(key: &str, text: &[u8], base: u32) -> Result<u32, String> {
    let value = number(key, text, base)?;
    u32::try_from(value).map_err(|_| format!("{key}={value}: the number is too large"))
}
