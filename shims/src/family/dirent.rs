//! getdents(2): `fs/readdir.c`. Placeholders of devices are listed as what they stand for.

use std::ffi::CStr;
use std::rc::Rc;

use linux_raw_sys::general::{DT_REG, DT_SOCK, S_IFMT};

use super::file::{Seen, Target};
use crate::abi::{Abi, Call};
use crate::guest::{Answer, Dir, Guest, Host, Place, Trailing, host};
use crate::owner::FileId;

/// Where the fields of a directory entry lie.
struct Layout {
    /// Width of the inode number, at the start.
    ino: usize,
    /// The length of the record, two bytes.
    length: usize,
    /// The name.
    name: usize,
    /// The type: here, or in the last byte of the record.
    kind: Option<usize>,
}

/// `struct linux_dirent64`.
const DIRENT64: Layout = Layout { ino: 8, length: 16, name: 19, kind: Some(18) };
/// `struct linux_dirent` of x86-64.
const DIRENT_X86_64: Layout = Layout { ino: 8, length: 16, name: 18, kind: None };
/// `struct compat_linux_dirent`.
const DIRENT_I386: Layout = Layout { ino: 4, length: 8, name: 10, kind: None };

/// getdents64(2).
pub async fn getdents64(guest: Rc<dyn Guest>, call: Call) -> Answer {
    listed(guest, call, &DIRENT64).await
}

/// getdents(2).
pub async fn getdents(guest: Rc<dyn Guest>, call: Call) -> Answer {
    let layout = match call.abi {
        Abi::X86_64 => &DIRENT_X86_64,
        Abi::I386 => &DIRENT_I386,
    };
    listed(guest, call, layout).await
}

async fn listed(guest: Rc<dyn Guest>, call: Call, layout: &'static Layout) -> Answer {
    guest.lists(call.int(0));
    if !guest.store().has_devices() {
        return Answer::Native;
    }
    if let Ok(length @ 1..) = host(&guest, Host::Native).await {
        // The kernel has filled the buffer: if it cannot be read any more, the guest has taken it away.
        let _ = retype(&*guest, &call, layout, length as usize);
    }
    Answer::Native
}

/// Corrects the types in the `length` bytes that the kernel wrote.
fn retype(guest: &dyn Guest, call: &Call, layout: &Layout, length: usize) -> Result<(), crate::abi::Errno> {
    let fd = call.int(0);
    let dev = guest.find(&Place::Fd(fd))?.stat()?.id.dev;
    let mut bytes = vec![0; length];
    guest.read(call.word(1), &mut bytes)?;
    let mut at = 0;
    while let Some(entry) = Entry::read(&bytes[at..], layout) {
        let id = FileId { dev, ino: entry.ino };
        if matches!(u32::from(entry.kind), DT_REG | DT_SOCK) && guest.store().may_be_device(id) {
            let target = Target::Path { dir: Dir::Fd(fd), path: entry.name.into(), trailing: Trailing::Keep };
            let kind = Seen::find(guest, &target).map(|seen| ((seen.attr().mode & S_IFMT) >> 12) as u8);
            if let Ok(kind) = kind {
                guest.write(call.word(1) + (at + entry.kind_at) as u64, &[kind])?;
            }
        }
        at += entry.length;
    }
    Ok(())
}

/// One entry.
struct Entry<'a> {
    ino: u64,
    length: usize,
    kind_at: usize,
    kind: u8,
    name: &'a CStr,
}

impl<'a> Entry<'a> {
    /// The first entry in `bytes`, if there is a whole one.
    fn read(bytes: &'a [u8], layout: &Layout) -> Option<Entry<'a>> {
        let ino = bytes.get(..layout.ino)?.iter().rev().fold(0, |ino, &byte| ino << 8 | u64::from(byte));
        let length = usize::from(u16::from_le_bytes(*bytes.get(layout.length..)?.first_chunk()?));
        let record = bytes.get(..length)?;
        let kind_at = layout.kind.or(length.checked_sub(1))?;
        let name = CStr::from_bytes_until_nul(record.get(layout.name..)?).ok()?;
        Some(Entry { ino, length, kind_at, kind: *record.get(kind_at)?, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::mock::{Mock, call, run};
    use crate::owner::Device;

    fn entry64(ino: u64, kind: u8, name: &str) -> Vec<u8> {
        let mut bytes = ino.to_le_bytes().to_vec();
        bytes.extend([0; 8]);
        bytes.extend(32u16.to_le_bytes());
        bytes.push(kind);
        bytes.extend(name.as_bytes());
        bytes.resize(32, 0);
        bytes
    }

    #[test]
    fn placeholders_are_listed_as_devices() {
        let mock = Rc::new(Mock::new());
        mock.file("/d", 0o040755);
        mock.file("/d/sda", 0o100644);
        mock.file("/d/file", 0o100644);
        mock.open(3, "/d");
        mock.record("/d/sda", |record| record.device = Some(Device::Block(0x801)));
        let buffer = mock.poke(&[0; 64]);
        let (device, file) = (mock.inode("/d/sda").id.ino, mock.inode("/d/file").id.ino);
        let kernel = |mock: &Mock, _| {
            mock.write(buffer, &[entry64(device, 8, "sda"), entry64(file, 8, "file")].concat()).map(|()| 64)
        };
        let made = call(&mock, &[], &[3, buffer, 64]);
        assert_eq!(run(&mock, |guest| getdents64(guest, made), kernel), Answer::Native);
        assert_eq!(mock.peek(buffer, 64), [entry64(device, 6, "sda"), entry64(file, 8, "file")].concat());
    }

    #[test]
    fn an_entry_that_is_cut_off_is_none() {
        let bytes = entry64(5, 8, "name");
        assert!(Entry::read(&bytes, &DIRENT64).is_some_and(|entry| entry.name == c"name"));
        assert!(Entry::read(&bytes[..31], &DIRENT64).is_none());
        assert!(Entry::read(&[], &DIRENT_I386).is_none());
    }
}
