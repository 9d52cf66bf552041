//! What a list claims of a file becomes a record of it.

use std::ffi::CStr;

use remainroot_shims::owner::lists::Claim;
use remainroot_shims::owner::mirror::override_stat::{self, Kind as Claimed};
use remainroot_shims::owner::mirror::rootlesscontainers;
use remainroot_shims::owner::{Attr, Device, Inode, PERMISSIONS, Record, World, XattrKind};

use super::entry::{Kind, Xattrs};

/// The record of a file after `claim`, where `before` was recorded.
///
/// # Errors
/// Why the file cannot be what is claimed.
pub(super) fn record(
    claim: &Claim,
    inode: &Inode,
    before: Option<&Record>,
    world: &World,
) -> Result<Record, String> {
    let there = Attr::of(inode, before, world);
    let mut record = before.cloned().unwrap_or_else(|| Record::owned(there.uid, there.gid));
    record.uid = claim.uid.unwrap_or(record.uid);
    record.gid = claim.gid.unwrap_or(record.gid);
    if let Some(kind) = claim.kind {
        record.device = device(kind, inode)?;
    }
    if let Some(mode) = claim.mode {
        let is_native = inode.mode & PERMISSIONS == u32::from(mode);
        let type_bits = inode.mode & !PERMISSIONS;
        record.mode = if is_native { world.recorded_mode(type_bits | u32::from(mode)) } else { Some(mode) };
    }
    let recorded = |name: &[u8]| XattrKind::of(name).is_recorded();
    let xattrs = claim.xattrs.iter().filter(|(name, _)| recorded(name));
    record.xattrs.extend(xattrs.map(|(name, value)| (name.clone(), value.clone())));
    Ok(record)
}

/// What a file stands for, if it can be what is claimed.
fn device(claimed: Claimed, inode: &Inode) -> Result<Option<Device>, String> {
    let native = Kind::of(inode.mode);
    let wanted = Kind::of(claimed.type_bits());
    match claimed {
        // What a run makes, or an unprivileged tool.
        Claimed::Char(rdev) if matches!(native, Kind::File | Kind::Socket) => Ok(Some(Device::Char(rdev))),
        Claimed::Block(rdev) if matches!(native, Kind::File | Kind::Socket) => Ok(Some(Device::Block(rdev))),
        Claimed::Char(rdev) | Claimed::Block(rdev) if native == wanted && rdev != inode.rdev => {
            Err("it is another device".to_owned())
        }
        _ if native == wanted => Ok(None),
        _ => Err(format!("it is {}, not {}", native.word(), wanted.word())),
    }
}

/// What the attributes of a file itself claim, in either format; `None` if there are none. Where there are both,
/// `user.rootlesscontainers` is believed, as in a run.
///
/// # Errors
/// The attribute that is malformed, and why.
pub(super) fn of_attributes(attributes: &Xattrs) -> Result<Option<Claim>, String> {
    let (owner, stat) = (rootlesscontainers::NAME, override_stat::NAME);
    let named = |name: &CStr| attributes.get(name.to_bytes());
    let malformed = |name: &CStr, why: String| format!("{}: {why}", name.to_string_lossy());
    let mut claim = Claim::default();
    if let Some(value) = named(owner) {
        let (uid, gid) = rootlesscontainers::parse(value).map_err(|why| malformed(owner, why))?;
        (claim.uid, claim.gid) = (uid.id(), gid.id());
    } else if let Some(value) = named(stat) {
        let said = override_stat::parse(value).map_err(|why| malformed(stat, why))?;
        (claim.uid, claim.gid, claim.mode) = (Some(said.uid), Some(said.gid), Some(said.mode));
        claim.kind = said.kind;
    } else {
        return Ok(None);
    }
    for (name, value) in attributes {
        if let Some(real) = override_stat::real_name(name) {
            claim.xattrs.insert(real.into(), value.clone());
        }
    }
    Ok(Some(claim))
}

#[cfg(test)]
mod tests {
    use remainroot_shims::abi::{Gid, Uid, makedev};
    use remainroot_shims::owner::{FileId, Time};

    use super::*;

    const WORLD: World =
        World { root_uid: 0, root_gid: 0, overflows: true, dac_override: true, reads_undumpable: true };

    fn inode(mode: u32) -> Inode {
        let (id, ctime) = (FileId { dev: 1, ino: 2 }, Time { sec: 1, nsec: 0 });
        Inode { id, btime: None, generation: None, ctime, mode, nlink: 1, size: 0, uid: 0, gid: 0, rdev: 0 }
    }

    fn attributes(all: &[(&str, &[u8])]) -> Xattrs {
        all.iter().map(|(name, value)| (name.as_bytes().into(), (*value).into())).collect()
    }

    #[test]
    fn what_is_not_said_stays() {
        let claim = Claim { gid: Gid::new(7), ..Claim::default() };
        let mut before = Record::owned(Uid::new(33).unwrap(), Gid::ROOT);
        before.mode = Some(0o4755);
        let after = record(&claim, &inode(0o100755), Some(&before), &WORLD).unwrap();
        assert_eq!((after.uid.raw(), after.gid.raw(), after.mode), (33, 7, Some(0o4755)));
    }

    #[test]
    fn a_mode_is_recorded_where_the_file_has_another() {
        let mode =
            |mode| record(&Claim { mode: Some(mode), ..Claim::default() }, &inode(0o100755), None, &WORLD);
        assert_eq!(mode(0o755).unwrap().mode, None);
        assert_eq!(mode(0o640).unwrap().mode, Some(0o640));
        assert_eq!(mode(0o4755).unwrap().mode, Some(0o4755));
    }

    #[test]
    fn only_a_file_can_stand_for_a_device() {
        let null = Claim { kind: Some(Claimed::Char(makedev(1, 3))), ..Claim::default() };
        let after = record(&null, &inode(0o100600), None, &WORLD).unwrap();
        assert_eq!(after.device, Some(Device::Char(makedev(1, 3))));
        let why = record(&null, &inode(0o040700), None, &WORLD).unwrap_err();
        assert_eq!(why, "it is a directory, not a character device");
        let native = Inode { rdev: makedev(1, 3), ..inode(0o020600) };
        assert_eq!(record(&null, &native, None, &WORLD).unwrap().device, None);
        let link = Claim { kind: Some(Claimed::Symlink), ..Claim::default() };
        assert_eq!(
            record(&link, &inode(0o100600), None, &WORLD).unwrap_err(),
            "it is a regular file, not a symbolic link"
        );
    }

    #[test]
    fn attributes_of_both_formats() {
        assert_eq!(of_attributes(&Xattrs::new()), Ok(None));
        let claim = of_attributes(&attributes(&[
            ("user.rootlesscontainers", &[8, 33, 16, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
            ("user.containers.override_stat", b"1:2:4755:file"),
            ("user.containers.override_security.capability", &[1]),
            ("user.other", b"x"),
        ]));
        let claim = claim.unwrap().unwrap();
        assert_eq!((claim.uid, claim.gid, claim.mode), (Uid::new(33), None, None));
        assert_eq!(claim.xattrs, attributes(&[("security.capability", &[1])]));
        let stat = attributes(&[("user.containers.override_stat", b"1:2:4755:file")]);
        let claim = of_attributes(&stat).unwrap().unwrap();
        assert_eq!((claim.uid, claim.gid, claim.mode), (Uid::new(1), Gid::new(2), Some(0o4755)));
        let why = of_attributes(&attributes(&[("user.containers.override_stat", b"1:2")])).unwrap_err();
        assert_eq!(why, "user.containers.override_stat: there is no mode");
    }
}
