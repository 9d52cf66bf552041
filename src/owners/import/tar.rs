//! The headers of a tar archive: ustar, GNU and pax. Contents are skipped.
//!
//! The crate that decodes headers splits extended ones at newlines, and an attribute's value may hold some; so the
//! archive is taken apart here.

use std::collections::BTreeMap;
use std::io::{self, Read};

use remainroot_shims::abi::{Gid, Uid, makedev};
use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::mirror::override_stat::Kind;
use tar::{EntryType, Header};

/// Bytes in a record.
const RECORD: usize = 512;

/// Extended headers are a few hundred bytes; attributes make them some 64 KiB larger, each.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What is wrong with an archive, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where the entry begins, in bytes of the unpacked archive.
    pub at: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Records of extended headers.
type Pax = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads an archive from its first header to its last.
pub struct Reader<R> {
    from: R,
    at: u64,
    /// What holds for all entries that follow.
    global: Pax,
}

/// What extended headers have said of the next entry.
#[derive(Default)]
struct Next {
    pax: Pax,
    long_name: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    /// Reads from the first byte on.
    pub fn new(from: R) -> Reader<R> {
        Reader { from, at: 0, global: Pax::new() }
    }

    /// The next entry: its path below the root, without a slash at either end, and what is said of it. Links to entries
    /// that were there before, which say nothing of their own, are passed over. `None` at the end of the archive.
    ///
    /// # Errors
    /// What is wrong with the archive, and where.
    pub fn next(&mut self) -> Result<Option<(Vec<u8>, Claim)>, Wrong> {
        let mut next = Next::default();
        loop {
            let at = self.at;
            let wrong = |why: String| Wrong { at, why };
            let Some(header) = self.header()? else {
                return if next.pax.is_empty() && next.long_name.is_none() {
                    Ok(None)
                } else {
                    Err(wrong("it ends behind an extended header".to_owned()))
                };
            };
            let size = header.entry_size().map_err(|_| wrong("a size that is no number".to_owned()))?;
            match header.entry_type() {
                EntryType::XHeader => next.pax = records(&self.text(size)?).map_err(wrong)?,
                EntryType::XGlobalHeader => {
                    let text = self.text(size)?;
                    self.global.extend(records(&text).map_err(wrong)?);
                }
                EntryType::GNULongName => {
                    let mut name = self.text(size)?;
                    name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
                    next.long_name = Some(name);
                }
                EntryType::GNULongLink => drop(self.text(size)?),
                kind => {
                    let mut pax = self.global.clone();
                    pax.append(&mut next.pax);
                    let said = Said { header: &header, pax: &pax, long_name: next.long_name.take() };
                    let size = said.number("size", size).map_err(wrong)?;
                    if kind == EntryType::GNUSparse {
                        self.skip_sparse_map(&header)?;
                    }
                    let has_content = !matches!(
                        kind,
                        EntryType::Directory
                            | EntryType::Symlink
                            | EntryType::Link
                            | EntryType::Char
                            | EntryType::Block
                            | EntryType::Fifo
                    );
                    if has_content {
                        self.skip(size)?;
                    }
                    let of_entry = |why: String| match &said.name()[..] {
                        b"" => wrong(why),
                        name => wrong(format!("{}: {why}", shown(name))),
                    };
                    if let Some(claim) = said.claim(kind).map_err(of_entry)? {
                        return Ok(Some((said.path().map_err(of_entry)?, claim)));
                    }
                }
            }
        }
    }

    /// Reads what is behind the end of the archive, for what is wrong with how it is packed to be noticed.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn rest(mut self) -> Result<(), Wrong> {
        let at = self.at;
        io::copy(&mut self.from, &mut io::sink()).map(drop).map_err(|error| unreadable(at, &error))
    }

    /// The next header, or `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Wrong> {
        let at = self.at;
        let mut block = [0; RECORD];
        self.fill(&mut block)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|&byte| u32::from(byte)).sum();
        if header.cksum().ok() != Some(sum + 8 * u32::from(b' ')) {
            let why = if at == 0 { "this is no tar archive" } else { "a header whose checksum is wrong" };
            return Err(Wrong { at, why: why.to_owned() });
        }
        Ok(Some(header))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Wrong> {
        let at = self.at;
        self.from.read_exact(buffer).map_err(|error| unreadable(at, &error))?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// The content of an extended header.
    fn text(&mut self, size: u64) -> Result<Vec<u8>, Wrong> {
        if size > LONGEST {
            return Err(Wrong { at: self.at, why: format!("an extended header of {size} bytes") });
        }
        let mut text = Vec::new();
        let at = self.at;
        let read =
            (&mut self.from).take(size).read_to_end(&mut text).map_err(|error| unreadable(at, &error))?;
        self.at += read as u64;
        self.pass(size - read as u64 + padding(size))?;
        Ok(text)
    }

    /// Passes over content and what fills its last record.
    fn skip(&mut self, size: u64) -> Result<(), Wrong> {
        let whole = size.checked_add(padding(size));
        self.pass(whole.ok_or_else(|| Wrong { at: self.at, why: format!("{size} bytes of content") })?)
    }

    /// Passes over so many bytes.
    fn pass(&mut self, bytes: u64) -> Result<(), Wrong> {
        let at = self.at;
        let passed = io::copy(&mut (&mut self.from).take(bytes), &mut io::sink());
        let passed = passed.map_err(|error| unreadable(at, &error))?;
        self.at += passed;
        if passed < bytes {
            return Err(Wrong { at: self.at, why: "it ends within an entry".to_owned() });
        }
        Ok(())
    }

    /// Passes over the rest of a map of holes, in GNU's old format: records that each say whether one more follows.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), Wrong> {
        const GOES_ON: usize = 482;
        const GOES_ON_AGAIN: usize = 504;
        let mut goes_on = header.as_bytes()[GOES_ON] != 0;
        while goes_on {
            let mut block = [0; RECORD];
            self.fill(&mut block)?;
            goes_on = block[GOES_ON_AGAIN] != 0;
        }
        Ok(())
    }
}

const fn padding(size: u64) -> u64 {
    (RECORD as u64 - size % RECORD as u64) % RECORD as u64
}

fn unreadable(at: u64, error: &io::Error) -> Wrong {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof if at == 0 => "this is no tar archive".to_owned(),
        io::ErrorKind::UnexpectedEof => "it ends before its end: a part is missing".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Wrong { at, why }
}

/// Reads extended records: `LENGTH KEY=VALUE` and a newline each, where the length counts all of it.
fn records(text: &[u8]) -> Result<Pax, String> {
    let mut all = Pax::new();
    let mut rest = text;
    while !rest.is_empty() && rest[0] != 0 {
        let record = || {
            let space = rest.iter().take(20).position(|&byte| byte == b' ')?;
            let length: usize = str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
            let body = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = body.iter().position(|&byte| byte == b'=')?;
            Some((length, &body[..equals], &body[equals + 1..]))
        };
        let Some((length, key, value)) = record() else {
            return Err("an extended header that is none".to_owned());
        };
        all.insert(key.to_vec(), value.to_vec());
        rest = &rest[length..];
    }
    Ok(all)
}

/// All that is said of one entry.
struct Said<'a> {
    header: &'a Header,
    pax: &'a Pax,
    long_name: Option<Vec<u8>>,
}

impl Said<'_> {
    /// A number of the extended header, or else the one given.
    fn number(&self, key: &str, otherwise: u64) -> Result<u64, String> {
        match self.pax.get(key.as_bytes()) {
            None => Ok(otherwise),
            Some(text) => str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| format!("{key}={}: no number", shown(text))),
        }
    }

    /// An id: of the extended header, or else the one that a field holds.
    fn id(&self, key: &str, field: &[u8], read: io::Result<u64>) -> Result<u32, String> {
        // Numbers of GNU's are binary and have a sign, the second bit.
        let is_negative = field[0] & 0xC0 == 0xC0;
        let id = match self.pax.contains_key(key.as_bytes()) {
            true => self.number(key, 0)?,
            false if is_negative => return Err(format!("a negative {key}")),
            false => read.map_err(|_| format!("a {key} that is no number"))?,
        };
        u32::try_from(id).map_err(|_| format!("{key}={id}: the number is too large"))
    }

    /// What it amounts to. `None` for what is no file, or only another name of one.
    fn claim(&self, kind: EntryType) -> Result<Option<Claim>, String> {
        let device = || {
            let half = |key, field: io::Result<Option<u32>>| {
                let field = field.map_err(|_| format!("a {key} that is no number"))?;
                let number = self.number(key, field.unwrap_or(0).into())?;
                u32::try_from(number).map_err(|_| format!("{key}={number}: the number is too large"))
            };
            let major = half("SCHILY.devmajor", self.header.device_major())?;
            let minor = half("SCHILY.devminor", self.header.device_minor())?;
            Ok::<_, String>(makedev(major, minor))
        };
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // Before there was a type for them, directories were files with a slash at their end.
                if self.name().ends_with(b"/") { Kind::Dir } else { Kind::File }
            }
            EntryType::Directory => Kind::Dir,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Fifo => Kind::Pipe,
            EntryType::Char => Kind::Char(device()?),
            EntryType::Block => Kind::Block(device()?),
            EntryType::Link => return Ok(None),
            kind => match kind.as_byte() {
                // GNU's directories with a list of what was in them.
                b'D' => Kind::Dir,
                // GNU's labels and further parts of a file, and names of an older form.
                b'M' | b'N' | b'V' => return Ok(None),
                // What nobody knows is an ordinary file (pax(5)).
                _ => Kind::File,
            },
        };
        let fields = self.header.as_old();
        let uid = self.id("uid", &fields.uid, self.header.uid())?;
        let gid = self.id("gid", &fields.gid, self.header.gid())?;
        let mode = self.header.mode().map_err(|_| "a mode that is no number")?;
        let mut claim = Claim {
            uid: Some(Uid::new(uid).ok_or("-1 is no uid")?),
            gid: Some(Gid::new(gid).ok_or("-1 is no gid")?),
            mode: Some((mode & 0o7777) as u16),
            kind: Some(kind),
            xattrs: BTreeMap::new(),
        };
        for (key, value) in self.pax {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                claim.xattrs.insert(unescaped(name).into(), value.as_slice().into());
            }
        }
        Ok(Some(claim))
    }

    /// The name as it stands in the archive.
    fn name(&self) -> Vec<u8> {
        let in_pax = [&b"GNU.sparse.name"[..], b"path"].into_iter().find_map(|key| self.pax.get(key));
        match (in_pax, &self.long_name) {
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) => self.header.path_bytes().into_owned(),
        }
    }

    /// Its path below the root.
    fn path(&self) -> Result<Vec<u8>, String> {
        let name = self.name();
        if name.is_empty() {
            return Err("there is no name".to_owned());
        }
        let mut parts = Vec::new();
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err("a path with \"..\" in it".to_owned()),
                part => parts.push(part),
            }
        }
        Ok(parts.join(&b'/'))
    }
}

/// What an archive says, for messages about it: on one line.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).escape_debug().to_string()
}

/// The name of an attribute from the form that it has in a key.
fn unescaped(key: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((&byte, tail)) = rest.split_first() {
        (rest, _) = match rest {
            [b'%', b'2', b'5', tail @ ..] => (tail, name.push(b'%')),
            [b'%', b'3', b'D' | b'd', tail @ ..] => (tail, name.push(b'=')),
            _ => (tail, name.push(byte)),
        };
    }
    name
}

#[cfg(test)]
#[path = "tar_tests.rs"]
mod tests;
