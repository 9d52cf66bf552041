//! Archives that are right, and archives that are not.

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Claim)>, Wrong> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = reader.next()? {
        all.push(entry);
    }
    Ok(all)
}

fn entry(kind: EntryType, name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_uid(33);
    header.set_gid(44);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(RECORD), 0);
    bytes
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
        text.extend([format!("{length} {key}=").as_bytes(), value, b"\n"].concat());
    }
    entry(EntryType::XHeader, "x", &text)
}

fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

#[test]
fn headers_of_all_kinds() {
    let long = "l/".repeat(90);
    let bytes = archive(&[
        entry(EntryType::Directory, "./", b""),
        entry(EntryType::Regular, "./f", b"content"),
        pax(&[("uid", b"3000000"), ("path", b"p\xFF/q"), ("SCHILY.xattr.user.a%3D%25", b"x\ny=z\0")]),
        entry(EntryType::Regular, "short", &[0; 513]),
        entry(EntryType::GNULongName, "././@LongLink", [long.as_bytes(), b"\0"].concat().as_slice()),
        entry(EntryType::Symlink, "short", b""),
        entry(EntryType::Link, "h", b""),
        entry(EntryType::Regular, "old/", b""),
        entry(EntryType::new(b'D'), "dumped/", b"names"),
        entry(EntryType::new(b'V'), "label", b""),
        entry(EntryType::new(b'?'), "unknown", b""),
    ]);
    let all = read(&bytes).unwrap();
    let paths: Vec<_> = all.iter().map(|(path, _)| path.as_slice()).collect();
    let long = long.trim_end_matches('/').as_bytes();
    assert_eq!(paths, [&b""[..], b"f", b"p\xFF/q", long, b"old", b"dumped", b"unknown"]);
    let claim = &all[2].1;
    assert_eq!((claim.uid, claim.gid), (Uid::new(3_000_000), Gid::new(44)));
    assert_eq!(claim.mode, Some(0o4755));
    assert_eq!(claim.xattrs[&b"user.a=%"[..]][..], b"x\ny=z\0"[..]);
    assert_eq!(all[3].1.kind, Some(Kind::Symlink));
    let kinds = all[4..].iter().map(|(_, claim)| claim.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [Some(Kind::Dir), Some(Kind::Dir), Some(Kind::File)]);
}

#[test]
fn what_is_wrong_is_told() {
    let wrong = |bytes: &[u8]| {
        let Wrong { at, why } = read(bytes).unwrap_err();
        format!("{at}: {why}")
    };
    let good = entry(EntryType::Regular, "f", &[1; 600]);
    assert_eq!(wrong(b""), "0: this is no tar archive");
    assert_eq!(wrong(&[b'x'; 600]), "0: this is no tar archive");
    assert_eq!(wrong(&good), "1536: it ends before its end: a part is missing");
    assert_eq!(wrong(&good[..1000]), "1000: it ends within an entry");
    let mut broken = archive(&[good.clone(), good.clone()]);
    broken[1536] = b'x';
    assert_eq!(wrong(&broken), "1536: a header whose checksum is wrong");
    let up = archive(&[good, entry(EntryType::Regular, "a/../../b", b"")]);
    assert_eq!(wrong(&up), "1536: a/../../b: a path with \"..\" in it");
    let id = |value| archive(&[pax(&[("uid", value)]), entry(EntryType::Regular, "f", b"")]);
    assert_eq!(wrong(&id(b"4294967295")), "1024: f: -1 is no uid");
    assert_eq!(wrong(&id(b"4294967296")), "1024: f: uid=4294967296: the number is too large");
    assert_eq!(wrong(&id(b"-1")), "1024: f: uid=-1: no number");
    assert_eq!(wrong(&id(b"\x1b[2J\n")), "1024: f: uid=\\u{1b}[2J\\n: no number");
    let field = |uid: &[u8; 8]| {
        let mut bytes = entry(EntryType::Regular, "f", b"");
        bytes[108..116].copy_from_slice(uid);
        let mut header = Header::from_byte_slice(&bytes).clone();
        header.set_cksum();
        archive(&[header.as_bytes().to_vec()])
    };
    assert_eq!(wrong(&field(&[0xFF; 8])), "0: f: a negative uid");
    assert_eq!(wrong(&field(b"\x80\0\0\x01\0\0\0\0")), "0: f: uid=4294967296: the number is too large");
    assert_eq!(wrong(&field(b"12x\0\0\0\0\0")), "0: f: a uid that is no number");
    assert_eq!(wrong(&archive(&[entry(EntryType::Regular, "", b"")])), "0: there is no name");
    let torn = entry(EntryType::XHeader, "x", b"99 path=a\n");
    assert_eq!(wrong(&archive(&[torn])), "0: an extended header that is none");
    assert_eq!(wrong(&archive(&[pax(&[("path", b"a")])])), "1024: it ends behind an extended header");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_spoilt_archive_is_no_panic(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
        mends: bool,
    ) {
        let mut bytes = archive(&[
            pax(&[("uid", b"70000"), ("size", b"5"), ("SCHILY.xattr.user.x", b"y")]),
            entry(EntryType::Regular, "some/file", b"12345"),
            entry(EntryType::GNULongName, "l", b"long/name\0"),
            entry(EntryType::Char, "c", b""),
            entry(EntryType::GNUSparse, "s", &[0; 512]),
        ]);
        for (index, byte) in &at {
            let index = index.index(bytes.len());
            bytes[index] = *byte;
        }
        if mends {
            // So that what follows the checksum is reached.
            for start in (0..bytes.len()).step_by(RECORD) {
                let sum: u32 = bytes[start..start + RECORD].iter().enumerate()
                    .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) })
                    .sum();
                if bytes[start..start + RECORD].iter().any(|&byte| byte != 0) {
                    bytes[start + 148..start + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
        }
        let _ = read(&bytes);
        let _ = read(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_records_can_be_read(text in "([0-9]{1,3} [a-z]{0,4}=?[a-z\n]{0,5}\n?){0,5}") {
        let _ = records(text.as_bytes());
    }
}
