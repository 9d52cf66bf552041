//! The save file of fakeroot(1): `dev=HEX,ino=N,mode=OCTAL,uid=N,gid=N,nlink=N,rdev=N`, one inode a line.

use super::{Claim, number, number_32};
use crate::owner::FileId;

/// Reads a line, without the newline at its end.
///
/// # Errors
/// Why it is none.
pub fn line(text: &[u8]) -> Result<(FileId, Claim), String> {
    let mut words = text.split(|&byte| byte == b',');
    let mut next = |key: &'static str| {
        let word = words.next().ok_or_else(|| format!("it ends before {key}="))?;
        word.strip_prefix(key.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .ok_or_else(|| format!("expected {key}=…, not {:?}", String::from_utf8_lossy(word)))
    };
    let dev = number("dev", next("dev")?, 16)?;
    let ino = number("ino", next("ino")?, 10)?;
    let mode = number_32("mode", next("mode")?, 8)?;
    let uid = number_32("uid", next("uid")?, 10)?;
    let gid = number_32("gid", next("gid")?, 10)?;
    number("nlink", next("nlink")?, 10)?;
    let rdev = number("rdev", next("rdev")?, 10)?;
    match words.next() {
        Some(more) => {
            Err(format!("expected no more than seven words, not {:?}", String::from_utf8_lossy(more)))
        }
        None => Ok((FileId { dev, ino }, Claim::of_stat(uid, gid, mode, rdev)?)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::abi::{Gid, Uid};
    use crate::owner::mirror::override_stat::Kind;

    #[test]
    fn a_line() {
        let (id, claim) = line(b"dev=fe00,ino=12,mode=104755,uid=33,gid=7,nlink=1,rdev=0").unwrap();
        assert_eq!(id, FileId { dev: 0xFE00, ino: 12 });
        assert_eq!((claim.uid, claim.gid), (Uid::new(33), Gid::new(7)));
        assert_eq!((claim.mode, claim.kind), (Some(0o4755), Some(Kind::File)));
        let (_, claim) = line(b"dev=1,ino=1,mode=20666,uid=0,gid=0,nlink=1,rdev=259").unwrap();
        assert_eq!(claim.kind, Some(Kind::Char(259)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let why = |text: &str| line(text.as_bytes()).unwrap_err();
        assert_eq!(why(""), "expected dev=…, not \"\"");
        assert_eq!(why("dev=fe00"), "it ends before ino=");
        assert_eq!(why("dev=xyz,ino=1"), "dev=xyz: expected a number to the base 16");
        assert_eq!(why("dev=1,uid=1"), "expected ino=…, not \"uid=1\"");
        assert_eq!(
            why("dev=1,ino=1,mode=4755,uid=0,gid=0,nlink=1,rdev=0"),
            "mode 4755 is of no type of file"
        );
        assert_eq!(why("dev=1,ino=1,mode=100644,uid=4294967295,gid=0,nlink=1,rdev=0"), "-1 is no uid");
        let most = "dev=1,ino=1,mode=100644,uid=4294967296,gid=0,nlink=1,rdev=0";
        assert_eq!(why(most), "uid=4294967296: the number is too large");
        let more = "dev=1,ino=1,mode=100644,uid=0,gid=0,nlink=1,rdev=0,x";
        assert_eq!(why(more), "expected no more than seven words, not \"x\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_written_is_read(dev: u64, ino: u64, mode in 0u32..0o10000, uid in 0..u32::MAX, rdev: u64) {
            let text = format!("dev={dev:x},ino={ino},mode={:o},uid={uid},gid=0,nlink=1,rdev={rdev}", 0o060000 | mode);
            let claim = Claim::of_stat(uid, 0, 0o060000 | mode, rdev).unwrap();
            prop_assert_eq!(line(text.as_bytes()), Ok((FileId { dev, ino }, claim)));
        }

        #[test]
        fn anything_can_be_read(
            text in "dev=[0-9a-g]{0,17},ino=[0-9-]{0,20},mode=[0-9]{0,8},uid=[0-9+]{0,11},gid=[0-9]{0,11},nlink=.,rdev=[0-9]{0,3}",
            at: prop::sample::Index, byte: u8,
        ) {
            let mut text = text.into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let _ = line(&text);
            let _ = line(&text[at..]);
            let _ = line(&text[..at]);
        }
    }
}
