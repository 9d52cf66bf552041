//! `user.containers.override_stat`, as containers/storage and fuse-overlayfs have it: `UID:GID:OCTALMODE[:TYPE]` in
//! text; and `user.containers.override_NAME` for attributes of other namespaces that the kernel would not take.

use std::ffi::{CStr, CString};

use linux_raw_sys::general::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK};

use crate::abi::{Gid, Uid, major, makedev, minor};

/// The attribute's name.
pub const NAME: &CStr = c"user.containers.override_stat";

/// What the names of virtual attributes begin with: `security.capability` is
/// `user.containers.override_security.capability`.
pub const PREFIX: &[u8] = b"user.containers.override_";

/// What a value says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideStat {
    /// The owner.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
    /// The twelve mode bits (07777).
    pub mode: u16,
    /// What kind of file it is, where that is said.
    pub kind: Option<Kind>,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `file`
    File,
    /// `dir`
    Dir,
    /// `symlink`
    Symlink,
    /// `pipe`
    Pipe,
    /// `socket`
    Socket,
    /// `block-MAJ-MIN`, encoded as `st_rdev`.
    Block(u64),
    /// `char-MAJ-MIN`, encoded as `st_rdev`.
    Char(u64),
}

impl Kind {
    /// The type bits of `st_mode`.
    pub const fn type_bits(self) -> u32 {
        match self {
            Kind::File => S_IFREG,
            Kind::Dir => S_IFDIR,
            Kind::Symlink => S_IFLNK,
            Kind::Pipe => S_IFIFO,
            Kind::Socket => S_IFSOCK,
            Kind::Block(_) => S_IFBLK,
            Kind::Char(_) => S_IFCHR,
        }
    }
}

/// Reads a value. The mode needs no leading zeros, and device numbers may have colons between them: so fuse-overlayfs
/// writes them.
///
/// # Errors
/// Why it is none.
pub fn parse(value: &[u8]) -> Result<OverrideStat, String> {
    // Some writers end it as a string in C.
    let value = value.strip_suffix(b"\0").unwrap_or(value);
    let text = std::str::from_utf8(value).map_err(|_| "it is not text")?;
    let mut fields = text.splitn(4, ':');
    let mut next = |what: &str| fields.next().ok_or_else(|| format!("there is no {what}"));
    let uid = number(next("uid")?, 10).and_then(|raw| Uid::new(raw).ok_or("-1 is no uid".to_owned()))?;
    let gid = number(next("gid")?, 10).and_then(|raw| Gid::new(raw).ok_or("-1 is no gid".to_owned()))?;
    let mode = number(next("mode")?, 8)?;
    // Some write the type bits along with the others; what counts is the type in words.
    if mode > 0o177_777 {
        return Err(format!("{mode:o} is no mode"));
    }
    let kind = fields.next().map(kind).transpose()?;
    Ok(OverrideStat { uid, gid, mode: (mode & 0o7777) as u16, kind })
}

fn kind(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "file" => Kind::File,
        "dir" => Kind::Dir,
        "symlink" => Kind::Symlink,
        "pipe" => Kind::Pipe,
        "socket" => Kind::Socket,
        _ => {
            let wrong = || format!("{text:?} is no type of file");
            let mut words = text.split(['-', ':']);
            let (kind, pair) = (words.next(), (words.next(), words.next()));
            let (Some(major), Some(minor), None) = (pair.0, pair.1, words.next()) else {
                return Err(wrong());
            };
            let dev = makedev(number(major, 10)?, number(minor, 10)?);
            match kind {
                Some("block") => Kind::Block(dev),
                Some("char") => Kind::Char(dev),
                _ => return Err(wrong()),
            }
        }
    })
}

/// A number without a sign.
fn number(text: &str, base: u32) -> Result<u32, String> {
    match u32::from_str_radix(text, base) {
        Ok(value) if !text.starts_with('+') => Ok(value),
        _ => Err(format!("{text:?} is no number")),
    }
}

/// The value in the form of containers/storage: four digits of mode at least, dashes between device numbers.
pub fn format(stat: &OverrideStat) -> Vec<u8> {
    let mut text = format!("{}:{}:{:04o}", stat.uid, stat.gid, stat.mode);
    let kind = match stat.kind {
        None => return text.into_bytes(),
        Some(Kind::File) => "file".to_owned(),
        Some(Kind::Dir) => "dir".to_owned(),
        Some(Kind::Symlink) => "symlink".to_owned(),
        Some(Kind::Pipe) => "pipe".to_owned(),
        Some(Kind::Socket) => "socket".to_owned(),
        Some(Kind::Block(dev)) => format!("block-{}-{}", major(dev), minor(dev)),
        Some(Kind::Char(dev)) => format!("char-{}-{}", major(dev), minor(dev)),
    };
    text.push(':');
    text.push_str(&kind);
    text.into_bytes()
}

/// The name under which the attribute `name` (`security.capability`) is kept. `None` for a name with a NUL.
pub fn virtual_name(name: &[u8]) -> Option<CString> {
    CString::new([PREFIX, name].concat()).ok()
}

/// The attribute that is kept under a name, the reverse of [`virtual_name`]. `None` for other names.
pub fn real_name(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(PREFIX).filter(|real| real.contains(&b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stat(uid: u32, gid: u32, mode: u16, kind: Option<Kind>) -> OverrideStat {
        OverrideStat { uid: Uid::new(uid).unwrap(), gid: Gid::new(gid).unwrap(), mode, kind }
    }

    #[test]
    fn known_values() {
        let known = [
            ("0:0:0755", stat(0, 0, 0o755, None)),
            ("33:34:4755:file", stat(33, 34, 0o4755, Some(Kind::File))),
            ("0:0:0000:dir", stat(0, 0, 0, Some(Kind::Dir))),
            ("1:2:0777:symlink", stat(1, 2, 0o777, Some(Kind::Symlink))),
            ("1:2:0600:pipe", stat(1, 2, 0o600, Some(Kind::Pipe))),
            ("1:2:0600:socket", stat(1, 2, 0o600, Some(Kind::Socket))),
            ("0:6:0660:block-8-1", stat(0, 6, 0o660, Some(Kind::Block(makedev(8, 1))))),
            ("0:5:0666:char-1-3", stat(0, 5, 0o666, Some(Kind::Char(makedev(1, 3))))),
        ];
        for (text, value) in known {
            assert_eq!(parse(text.as_bytes()), Ok(value), "{text}");
            assert_eq!(format(&value), text.as_bytes());
        }
    }

    #[test]
    fn other_writers_are_understood() {
        assert_eq!(parse(b"0:0:755"), Ok(stat(0, 0, 0o755, None)));
        assert_eq!(parse(b"0:0:755\0"), Ok(stat(0, 0, 0o755, None)));
        assert_eq!(parse(b"0:0:100644:file"), Ok(stat(0, 0, 0o644, Some(Kind::File))));
        let device = Some(Kind::Block(makedev(8, 1)));
        assert_eq!(parse(b"0:0:660:block:8:1"), Ok(stat(0, 0, 0o660, device)));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "0",
            "0:0",
            "0:0:",
            ":0:0",
            "0:0:8",
            "0:0:200000",
            "-1:0:0",
            "4294967295:0:0",
            "+1:0:0",
            "a:0:0",
            "0:0:0:",
            "0:0:0:door",
            "0:0:0:block",
            "0:0:0:block-1",
            "0:0:0:block-1-2-3",
            "0:0:0:char-x-1",
            " 0:0:0",
            "0:0:0:file ",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[b'0', 0xFF]).is_err());
    }

    #[test]
    fn virtual_attributes_have_names() {
        let name = virtual_name(b"security.capability").unwrap();
        assert_eq!(name.to_bytes(), b"user.containers.override_security.capability");
        assert_eq!(real_name(name.to_bytes()), Some(&b"security.capability"[..]));
        assert_eq!((real_name(NAME.to_bytes()), real_name(b"user.x")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(uid in 0..u32::MAX, gid in 0..u32::MAX, mode in 0u16..0o10000, dev in 0..u64::MAX) {
            let value = stat(uid, gid, mode, Some(Kind::Char(makedev(dev as u32 & 0xFFF, (dev >> 32) as u32 & 0xFFFFF))));
            prop_assert_eq!(parse(&format(&value)), Ok(value));
        }

        #[test]
        fn anything_can_be_read(value in "[0-9:a-z-]{0,24}") {
            let _ = parse(value.as_bytes());
        }
    }
}
