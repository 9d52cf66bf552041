//! `user.rootlesscontainers` (<https://rootlesscontaine.rs/proto/>): a proto3 message whose field 1 is the uid and
//! field 2 the gid, both `uint32`.

use std::ffi::CStr;

use crate::abi::{Gid, KeepGid, KeepUid, Uid};

/// The attribute's name.
pub const NAME: &CStr = c"user.rootlesscontainers";

const FIELD_UID: u64 = 1;
const FIELD_GID: u64 = 2;

/// Wire types of the protobuf encoding.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const START_GROUP: u64 = 3;
const END_GROUP: u64 = 4;
const FIXED32: u64 = 5;

/// What a value says of the owner. An absent field is 0, as proto3 has it; 0xFFFFFFFF leaves alone what is there; of a
/// field that is there twice the last one counts; fields that are not known are skipped.
///
/// # Errors
/// Why it is no such message.
pub fn parse(value: &[u8]) -> Result<(KeepUid, KeepGid), String> {
    let (mut uid, mut gid) = (0, 0);
    let mut rest = value;
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        match (tag >> 3, tag & 7) {
            (FIELD_UID, VARINT) => uid = varint(&mut rest)? as u32,
            (FIELD_GID, VARINT) => gid = varint(&mut rest)? as u32,
            (0, _) => return Err("a field with the number 0".to_owned()),
            (FIELD_UID | FIELD_GID, wire) => return Err(format!("an id of wire type {wire}, not a varint")),
            (field, wire) => skip(&mut rest, field, wire)?,
        }
    }
    Ok((KeepUid::from_raw(uid), KeepGid::from_raw(gid)))
}

/// The value for an owner. Both fields are written, zeros too, so that it is never empty: some tools and file systems
/// take an empty value for none.
pub fn format(uid: Uid, gid: Gid) -> Vec<u8> {
    let mut value = Vec::with_capacity(12);
    for (field, id) in [(FIELD_UID, uid.raw()), (FIELD_GID, gid.raw())] {
        value.push((field << 3 | VARINT) as u8);
        let mut left = id;
        while left >= 0x80 {
            value.push(left as u8 | 0x80);
            left >>= 7;
        }
        value.push(left as u8);
    }
    value
}

/// Takes a varint from the front: at most ten bytes, of which a `uint32` keeps the low 32 bits.
fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for at in 0..10 {
        let Some((&byte, tail)) = rest.split_first() else {
            return Err("it ends within a number".to_owned());
        };
        *rest = tail;
        value |= u64::from(byte & 0x7F).checked_shl(7 * at).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number of more than ten bytes".to_owned())
}

/// Skips the content of a field that is not ours. Groups, which proto3 no longer has, may nest, and are read without
/// recursion.
fn skip(rest: &mut &[u8], field: u64, wire: u64) -> Result<(), String> {
    let mut groups = Vec::new();
    let (mut field, mut wire) = (field, wire);
    loop {
        match wire {
            VARINT => drop(varint(rest)?),
            FIXED64 => take(rest, 8)?,
            DELIMITED => {
                let length = varint(rest)?;
                take(rest, length)?;
            }
            START_GROUP => groups.push(field),
            END_GROUP if groups.pop() == Some(field) => {}
            END_GROUP => return Err("the end of a group that did not begin".to_owned()),
            FIXED32 => take(rest, 4)?,
            _ => return Err(format!("wire type {wire}, which does not exist")),
        }
        if groups.is_empty() {
            return Ok(());
        }
        let tag = varint(rest)?;
        (field, wire) = (tag >> 3, tag & 7);
    }
}

fn take(rest: &mut &[u8], length: u64) -> Result<(), String> {
    let tail = usize::try_from(length).ok().and_then(|length| rest.get(length..));
    *rest = tail.ok_or("it ends within a field")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(value: &[u8]) -> Result<(Option<u32>, Option<u32>), String> {
        parse(value).map(|(uid, gid)| (uid.id().map(Uid::raw), gid.id().map(Gid::raw)))
    }

    #[test]
    fn known_values() {
        let format = |uid, gid| super::format(Uid::new(uid).unwrap(), Gid::new(gid).unwrap());
        assert_eq!(format(0, 0), [8, 0, 16, 0]);
        assert_eq!(format(33, 1000), [8, 33, 16, 0xE8, 7]);
        assert_eq!(ids(&[8, 33, 16, 0xE8, 7]), Ok((Some(33), Some(1000))));
        assert_eq!(format(u32::MAX - 1, 0), [8, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 16, 0]);
    }

    #[test]
    fn absent_is_zero_and_minus_one_leaves_alone() {
        assert_eq!(ids(&[]), Ok((Some(0), Some(0))));
        assert_eq!(ids(&[16, 5]), Ok((Some(0), Some(5))));
        assert_eq!(ids(&[8, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Ok((None, Some(0))));
    }

    #[test]
    fn any_order_the_last_wins_and_strangers_are_skipped() {
        assert_eq!(ids(&[16, 5, 8, 4, 16, 6]), Ok((Some(4), Some(6))));
        let strangers =
            [0x1A, 2, 9, 9, 8, 4, 0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x30, 0x80, 1, 16, 6];
        assert_eq!(ids(&strangers), Ok((Some(4), Some(6))));
        assert_eq!(ids(&[0x1B, 0x23, 0x28, 1, 0x24, 0x1C, 8, 7]), Ok((Some(7), Some(0))));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let wrong: &[&[u8]] = &[
            &[8],
            &[8, 0x80],
            &[0, 1],
            &[10, 1, 1],
            &[0x1A, 5, 1],
            &[0x1B, 8, 1],
            &[0x1C],
            &[0x1F, 0],
            &[8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            &[0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            b"33:33",
        ];
        for value in wrong {
            assert!(parse(value).is_err(), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(uid in 0..u32::MAX, gid in 0..u32::MAX) {
            let value = format(Uid::new(uid).unwrap(), Gid::new(gid).unwrap());
            prop_assert_eq!(ids(&value), Ok((Some(uid), Some(gid))));
        }

        #[test]
        fn anything_can_be_read(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&value);
        }
    }
}
