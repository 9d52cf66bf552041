//! Records as the index holds them: bytes with a version, so that a later form can be told.

use std::collections::BTreeMap;

use linux_raw_sys::general::{S_IFDIR, S_IFMT, S_ISGID};
use remainroot_shims::abi::{Gid, Uid};
use remainroot_shims::owner::{ACL_DEFAULT, Device, Inode, Record, Time};

/// What the first byte of a value says.
const VERSION: u8 = 1;

/// Parts that a value has.
mod part {
    pub const GENERATION: u8 = 1;
    pub const MODE: u8 = 2;
    pub const CHAR: u8 = 4;
    pub const BLOCK: u8 = 8;
    pub const XATTRS: u8 = 16;
    /// No part, but a fact: see [`super::Row::alone`].
    pub const ALONE: u8 = 32;
    /// See [`super::Row::young`].
    pub const YOUNG: u8 = 64;
    /// See [`super::Row::overlay`].
    pub const OVERLAY: u8 = 128;
}

/// One record, and the inode that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What stands for the file system.
    pub fs: u64,
    /// Inode number.
    pub ino: u64,
    /// Birth time, where the file system keeps one.
    pub btime: Option<Time>,
    /// Generation, where the file system tells it.
    pub generation: Option<u64>,
    /// What calls must look out for.
    pub traits: Traits,
    /// The file's own attribute does not say this and must not be believed: it could not be changed.
    pub alone: bool,
    /// The inode was younger than a tick and has no generation: its successor could look like it.
    pub young: bool,
    /// It was seen through an overlay, where the number may at the same time be another file's of the same file system.
    pub overlay: bool,
    /// What is recorded.
    pub record: Record,
}

impl Row {
    /// Whether it says no more than an owner, as the file itself does too.
    pub fn is_mere_owner(&self) -> bool {
        !self.alone && self.record == Record::owned(self.record.uid, self.record.gid)
    }
}

/// What calls must look out for in a record, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(pub u8);

impl Traits {
    /// A device.
    pub const DEVICE: Traits = Traits(1);
    /// A directory that hands a group or a list on.
    pub const PASSES_ON: Traits = Traits(2);
    /// Extended attributes.
    pub const XATTRS: Traits = Traits(4);
    /// Any record at all. Not written: it is true of each.
    pub const ANY: Traits = Traits(8);

    /// Those of a record of `inode`.
    pub fn of(inode: &Inode, record: &Record) -> Traits {
        let mode = record.mode.map_or(inode.mode, u32::from);
        let sets_group = mode & S_ISGID != 0 && record.gid != Gid::ROOT;
        let is_dir = inode.mode & S_IFMT == S_IFDIR;
        let passes_on = is_dir && (sets_group || record.xattrs.contains_key(ACL_DEFAULT));
        let bit = |set: bool, bit: Traits| if set { bit.0 } else { 0 };
        Traits(
            bit(record.device.is_some(), Traits::DEVICE)
                | bit(passes_on, Traits::PASSES_ON)
                | bit(!record.xattrs.is_empty(), Traits::XATTRS),
        )
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and those.
    pub const fn and(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }
}

/// A time as one number of nanoseconds, for keys and comparisons. `None` is 0.
pub fn pack(time: Option<Time>) -> i64 {
    time.map_or(0, |time| time.sec.wrapping_mul(1_000_000_000).wrapping_add(time.nsec.into()))
}

/// The reverse of [`pack`].
pub fn unpack(nsecs: i64) -> Option<Time> {
    let time = Time { sec: nsecs.div_euclid(1_000_000_000), nsec: nsecs.rem_euclid(1_000_000_000) as u32 };
    (nsecs != 0).then_some(time)
}

/// The value of a row: 10 bytes for a mere owner, 18 with a generation.
pub fn encode(row: &Row) -> Vec<u8> {
    let Record { uid, gid, mode, device, xattrs } = &row.record;
    let mut value = vec![VERSION, 0];
    let mut parts = 0;
    value.extend(uid.raw().to_le_bytes());
    value.extend(gid.raw().to_le_bytes());
    if let Some(generation) = row.generation {
        parts |= part::GENERATION;
        value.extend(generation.to_le_bytes());
    }
    if let Some(mode) = mode {
        parts |= part::MODE;
        value.extend(mode.to_le_bytes());
    }
    if let Some(Device::Char(dev) | Device::Block(dev)) = device {
        parts |= if matches!(device, Some(Device::Char(_))) { part::CHAR } else { part::BLOCK };
        value.extend(dev.to_le_bytes());
    }
    if !xattrs.is_empty() {
        parts |= part::XATTRS;
        for (name, content) in xattrs {
            for bytes in [name, content] {
                value.extend((bytes.len() as u32).to_le_bytes());
                value.extend_from_slice(bytes);
            }
        }
    }
    parts |= if row.alone { part::ALONE } else { 0 };
    parts |= if row.young { part::YOUNG } else { 0 };
    parts |= if row.overlay { part::OVERLAY } else { 0 };
    value[1] = parts;
    value
}

/// Reads a value into a row with this key; `None` if it is none that this version writes.
pub fn decode(fs: u64, ino: u64, btime: i64, traits: u8, value: &[u8]) -> Option<Row> {
    let (&[VERSION, parts], mut rest) = value.split_first_chunk()? else { return None };
    let rest = &mut rest;
    let uid = Uid::new(u32::from_le_bytes(take(rest)?))?;
    let gid = Gid::new(u32::from_le_bytes(take(rest)?))?;
    let has = |part| parts & part != 0;
    let generation = if has(part::GENERATION) { Some(u64::from_le_bytes(take(rest)?)) } else { None };
    let mode = if has(part::MODE) { Some(u16::from_le_bytes(take(rest)?) & 0o7777) } else { None };
    let device = match (has(part::CHAR), has(part::BLOCK)) {
        (false, false) => None,
        (true, false) => Some(Device::Char(u64::from_le_bytes(take(rest)?))),
        (false, true) => Some(Device::Block(u64::from_le_bytes(take(rest)?))),
        (true, true) => return None,
    };
    let mut xattrs = BTreeMap::new();
    while has(part::XATTRS) && !rest.is_empty() {
        let name = counted(rest)?;
        xattrs.insert(name, counted(rest)?);
    }
    let record = Record { uid, gid, mode, device, xattrs };
    let (alone, young, overlay) = (has(part::ALONE), has(part::YOUNG), has(part::OVERLAY));
    rest.is_empty().then_some(Row {
        fs,
        ino,
        btime: unpack(btime),
        generation,
        traits: Traits(traits),
        alone,
        young,
        overlay,
        record,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*bytes)
}

fn counted(rest: &mut &[u8]) -> Option<Box<[u8]>> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Row {
        Row {
            fs: u64::MAX,
            ino: 5,
            btime: Some(Time { sec: 1_700_000_000, nsec: 7 }),
            generation: None,
            traits: Traits::default(),
            alone: false,
            young: false,
            overlay: false,
            record: Record::owned(Uid::new(33).unwrap(), Gid::new(u32::MAX - 1).unwrap()),
        }
    }

    fn again(row: &Row) -> Option<Row> {
        decode(row.fs, row.ino, pack(row.btime), row.traits.0, &encode(row))
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(again(&plain()), Some(plain()));
        assert_eq!(encode(&plain()).len(), 10);
        let mut full = Row {
            btime: None,
            generation: Some(9),
            traits: Traits::DEVICE.and(Traits::XATTRS),
            alone: true,
            young: true,
            overlay: true,
            ..plain()
        };
        full.record.mode = Some(0o6755);
        full.record.device = Some(Device::Block(0x801));
        full.record.xattrs.insert(b"trusted.x"[..].into(), b"y"[..].into());
        full.record.xattrs.insert(b"trusted.empty"[..].into(), b""[..].into());
        assert_eq!(again(&full), Some(full.clone()));
        full.record.device = Some(Device::Char(0x103));
        assert_eq!(again(&full), Some(full));
    }

    #[test]
    fn what_is_cut_or_unknown_is_none() {
        let mut row = plain();
        row.generation = Some(3);
        row.record.xattrs.insert(b"trusted.x"[..].into(), b"y"[..].into());
        let value = encode(&row);
        for end in 0..value.len() {
            // A list of attributes may end after any of them.
            if end != 18 {
                assert_eq!(decode(1, 2, 3, 0, &value[..end]), None, "{end}");
            }
        }
        let newer = [&[VERSION + 1], &value[1..]].concat();
        assert_eq!(decode(1, 2, 3, 0, &newer), None);
        assert_eq!(decode(1, 2, 3, 0, &[&value[..], &[0]].concat()), None);
    }

    #[test]
    fn times_are_numbers() {
        for time in [None, Some(Time { sec: 5, nsec: 999_999_999 }), Some(Time { sec: -5, nsec: 1 })] {
            assert_eq!(unpack(pack(time)), time);
        }
    }
}
