//! `remainroot owners set`.

use std::path::PathBuf;

use remainroot_shims::abi::{Gid, Uid};
use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::{Store, World};

use super::record::Change;
use super::show::Depth;
use super::{Progress, Tree, Trouble, claims};

/// Reads `UID:GID[:MODE]`: numbers, the mode in octal digits; an id that is left out stays.
///
/// # Errors
/// What is wrong with it.
pub fn claim(text: &str) -> Result<Claim, String> {
    let expected =
        || format!("{text}: expected UID:GID or UID:GID:MODE, in numbers, as in 33:33 or 0:42:640");
    let parts: Vec<&str> = text.split(':').collect();
    let (uid, gid, mode) = match parts[..] {
        [uid, gid] => (uid, gid, None),
        [uid, gid, mode] => (uid, gid, Some(mode)),
        _ => return Err(expected()),
    };
    let id = |text: &str| match text {
        "" => Ok(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => match text.parse::<u32>() {
            Ok(u32::MAX) => Err(format!("{text}: -1 is no id")),
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(format!("{text}: the number is too large")),
        },
        _ => Err(expected()),
    };
    let mode = mode.map(|text| {
        u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777 && !text.starts_with('+'))
    });
    Ok(Claim {
        uid: id(uid)?.and_then(Uid::new),
        gid: id(gid)?.and_then(Gid::new),
        mode: mode.map(|mode| mode.ok_or_else(expected)).transpose()?,
        ..Claim::default()
    })
}

/// Records `claim` of each path, or of all that is below it. Of one that fails nothing is recorded, which is told. Returns
/// how many failed.
pub fn set(paths: &[PathBuf], depth: Depth, claim: &Claim, store: &dyn Store, world: World) -> u64 {
    let progress = Progress::new("recording");
    progress.each(paths, |path| {
        let tree = Tree { path, store, world };
        let mut changes = Vec::new();
        let mut entries = tree.entries(&progress)?;
        while let Some(entry) = entries.next()? {
            let record = claims::record(claim, &entry.inode, entry.record.as_ref(), &world)
                .map_err(|why| Trouble::new(format!("{}: {why}", tree.below(&entry.path))))?;
            if entry.first.is_none() {
                changes.push(Change::of(&entry, record));
            }
            if depth == Depth::Named {
                break;
            }
        }
        tree.record(&changes, &progress)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let read = |text: &str| {
            claim(text).map(|claim| (claim.uid.map(Uid::raw), claim.gid.map(Gid::raw), claim.mode))
        };
        assert_eq!(read("33:34"), Ok((Some(33), Some(34), None)));
        assert_eq!(read("0:42:4750"), Ok((Some(0), Some(42), Some(0o4750))));
        assert_eq!(read(":42"), Ok((None, Some(42), None)));
        for wrong in [
            "",
            "33",
            "a:b",
            "1:2:9",
            "1:2:17777",
            "1:2:",
            "1:2:3:4",
            "-1:0",
            "4294967295:0",
            "4294967296:0",
            "+1:0",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
