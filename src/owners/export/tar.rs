//! A tree as a tar archive of the POSIX interchange format (pax): ustar headers, and extended ones where those are too
//! small. Numbers for owners and no names, no time but that of the content: nothing of the machine that it was made on.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use tar::{EntryType, Header};

use super::sparse::{self, Extent};
use super::{Times, pax};
use crate::owners::entry::{Entry, Kind};
use crate::owners::names::shown;
use crate::owners::{Progress, Trouble};
use crate::sandbox::why_io;

/// Bytes in a record of an archive.
const RECORD: u64 = 512;

/// The largest number in a field of seven octal digits, and in one of eleven.
const MAX_7: u64 = 0o7_777_777;
const MAX_11: u64 = 0o77_777_777_777;

/// Writes entries one after the other.
pub(super) struct Writer<W> {
    out: W,
    times: Times,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W, times: Times) -> Writer<W> {
        Writer { out, times }
    }

    /// Writes an entry. Sockets have no place in an archive and are left out.
    pub fn entry(&mut self, entry: &Entry, progress: &Progress) -> Result<(), Trouble> {
        let Some(kind) = entry_type(entry) else {
            progress.say(&format!("{}: left out, a tar archive cannot hold a socket", shown(&entry.path)));
            return Ok(());
        };
        let mut pax = pax::Records::default();
        let mut header = self.header(entry, kind, &mut pax);
        if kind == EntryType::Regular && entry.size > 0 {
            return self.file(entry, header, pax, progress);
        }
        header.set_size(0);
        self.headers(entry, &pax, &mut header).map_err(cannot_write)
    }

    /// Writes the end of the archive, and returns what it was written to.
    pub fn finish(mut self) -> Result<W, Trouble> {
        self.out
            .write_all(&[0; 2 * RECORD as usize])
            .and_then(|()| self.out.flush())
            .map_err(cannot_write)?;
        Ok(self.out)
    }

    /// Writes a file with its content, or with what of it is no hole.
    fn file(
        &mut self,
        entry: &Entry,
        mut header: Header,
        mut pax: pax::Records,
        progress: &Progress,
    ) -> Result<(), Trouble> {
        let unreadable = |error| cannot_read(entry, &error);
        let content = entry.content().map_err(unreadable)?;
        let sparse = sparse::extents(&content, entry.size).map_err(unreadable)?;
        let map = sparse.as_deref().map(|extents| sparse_map(extents, entry.size)).unwrap_or_default();
        if sparse.is_some() {
            pax.number("GNU.sparse.major", 1);
            pax.number("GNU.sparse.minor", 0);
            pax.add(b"GNU.sparse.name", &name(entry));
            pax.number("GNU.sparse.realsize", entry.size);
            short_name(&mut header, &beside(&entry.path, b"GNUSparseFile.0"));
        }
        let extents = sparse.unwrap_or_else(|| vec![Extent { start: 0, length: entry.size }]);
        let stored = map.len() as u64 + extents.iter().map(|extent| extent.length).sum::<u64>();
        if stored > MAX_11 {
            pax.number("size", stored);
        }
        header.set_size(stored.min(MAX_11));
        self.headers(entry, &pax, &mut header)
            .and_then(|()| self.out.write_all(&map))
            .map_err(cannot_write)?;
        let mut missing = 0;
        for extent in extents {
            missing += self.copy(entry, &content, extent, progress)?;
        }
        if missing > 0 {
            let path = shown(&entry.path);
            progress.say(&format!(
                "{path}: became {missing} bytes shorter while it was read; zeros took their place"
            ));
        }
        self.pad(stored).map_err(cannot_write)
    }

    /// A header, but for its size; what does not fit goes to the extended one.
    fn header(&self, entry: &Entry, kind: EntryType, pax: &mut pax::Records) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(entry.permissions());
        let (name, target) = (name(entry), link_target(entry));
        if [&name[..], target].into_iter().any(|text| str::from_utf8(text).is_err()) {
            // Otherwise readers may take the bytes for a broken text.
            pax.add(b"hdrcharset", b"BINARY");
        }
        if !short_name(&mut header, &name) {
            pax.add(b"path", &name);
        }
        if !fill(&mut header.as_old_mut().linkname, target) {
            pax.add(b"linkpath", target);
        }
        header.set_uid(pax.or_number("uid", entry.attr.uid.raw().into(), MAX_7));
        header.set_gid(pax.or_number("gid", entry.attr.gid.raw().into(), MAX_7));
        let time = self.times.of(entry);
        let fits = u64::try_from(time.sec).ok().filter(|&sec| sec <= MAX_11);
        header.set_mtime(fits.unwrap_or(0));
        if fits.is_none() || time.nsec != 0 {
            pax.add(b"mtime", pax::decimal(time.sec, time.nsec).as_bytes());
        }
        if entry.first.is_some() {
            return header;
        }
        if entry.kind().is_device() {
            let (major, minor) = (nix::libc::major(entry.attr.rdev), nix::libc::minor(entry.attr.rdev));
            let major = pax.or_number("SCHILY.devmajor", major.into(), MAX_7);
            let minor = pax.or_number("SCHILY.devminor", minor.into(), MAX_7);
            if let Some(ustar) = header.as_ustar_mut() {
                ustar.set_device_major(major as u32);
                ustar.set_device_minor(minor as u32);
            }
        }
        for (name, value) in &entry.xattrs {
            pax.add(&[b"SCHILY.xattr.", &pax::xattr_key(name)[..]].concat(), value);
        }
        header
    }

    fn headers(&mut self, entry: &Entry, pax: &pax::Records, header: &mut Header) -> io::Result<()> {
        let records = pax.as_bytes();
        if !records.is_empty() {
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            short_name(&mut extended, &beside(&entry.path, b"PaxHeaders.0"));
            extended.set_mode(0o644);
            extended.set_uid(0);
            extended.set_gid(0);
            extended.set_mtime(0);
            extended.set_size(records.len() as u64);
            extended.set_cksum();
            self.out.write_all(extended.as_bytes())?;
            self.out.write_all(records)?;
            self.pad(records.len() as u64)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// Writes a part of a file. Returns how many bytes of it there no longer were.
    fn copy(
        &mut self,
        entry: &Entry,
        content: &File,
        extent: Extent,
        progress: &Progress,
    ) -> Result<u64, Trouble> {
        let mut buffer = vec![0; extent.length.min(128 * 1024) as usize];
        let mut left = extent.length;
        while left > 0 {
            let (room, at) = (left.min(buffer.len() as u64) as usize, extent.start + extent.length - left);
            let read = match content.read_at(&mut buffer[..room], at) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(cannot_read(entry, &error)),
            };
            self.out.write_all(&buffer[..read]).map_err(cannot_write)?;
            left -= read as u64;
            progress.moved(read as u64);
        }
        io::copy(&mut io::repeat(0).take(left), &mut self.out).map_err(cannot_write)?;
        Ok(left)
    }

    fn pad(&mut self, written: u64) -> io::Result<()> {
        let zeros = written.next_multiple_of(RECORD) - written;
        self.out.write_all(&[0; RECORD as usize][..zeros as usize])
    }
}

fn cannot_read(entry: &Entry, error: &io::Error) -> Trouble {
    Trouble::new(format!("cannot read {}: {}", shown(&entry.path), why_io(error)))
}

fn cannot_write(error: io::Error) -> Trouble {
    Trouble::new(format!("cannot write the archive: {}", why_io(&error)))
}

fn entry_type(entry: &Entry) -> Option<EntryType> {
    Some(match entry.kind() {
        Kind::Socket => return None,
        _ if entry.first.is_some() => EntryType::Link,
        Kind::File => EntryType::Regular,
        Kind::Dir => EntryType::Directory,
        Kind::Link => EntryType::Symlink,
        Kind::Fifo => EntryType::Fifo,
        Kind::Char => EntryType::Char,
        Kind::Block => EntryType::Block,
    })
}

/// The name of an entry: a directory's ends in a slash, the root's is a dot.
fn name(entry: &Entry) -> Vec<u8> {
    let mut name = if entry.path.is_empty() { b".".to_vec() } else { entry.path.clone() };
    if entry.attr.is_dir() {
        name.push(b'/');
    }
    name
}

/// What a link of either sort leads to; nothing for what is no link.
fn link_target(entry: &Entry) -> &[u8] {
    entry.first.as_deref().unwrap_or(&entry.target)
}

/// Puts text into a field, as much as there is room for. Whether that was all.
fn fill(field: &mut [u8], text: &[u8]) -> bool {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    field[length..].fill(0);
    length == text.len()
}

/// Names a header, as far as there is room for it: not in the prefix, which not every reader knows of. Whether that was
/// all.
fn short_name(header: &mut Header, name: &[u8]) -> bool {
    fill(&mut header.as_old_mut().name, name)
}

/// The path with a directory in between: what readers see of an extended header, or of a sparse file's map, if they do
/// not know what it is.
fn beside(path: &[u8], between: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|&byte| byte == b'/');
    let (dir, base) = at.map_or((&b"."[..], path), |at| (&path[..at], &path[at + 1..]));
    [dir, b"/", between, b"/", base].concat()
}

/// The map of a sparse file in the pax format 1.0: the number of parts, each with its beginning and length, filled up
/// to a record.
fn sparse_map(extents: &[Extent], size: u64) -> Vec<u8> {
    // A hole at the end is said by a part of no length behind it.
    let end = extents.last().map_or(0, |last| last.start + last.length);
    let closing = (end < size).then_some(Extent { start: size, length: 0 });
    let parts: Vec<_> = extents.iter().chain(&closing).collect();
    let mut map = format!("{}\n", parts.len());
    for Extent { start, length } in parts {
        map += &format!("{start}\n{length}\n");
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(RECORD as usize), 0);
    map
}
