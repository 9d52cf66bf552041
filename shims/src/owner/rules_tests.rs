use linux_raw_sys::general::{S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG};

use super::*;
use crate::owner::tests_support::{gid, uid, user};

fn file(owner: u32, group: u32, mode: u32) -> Attr {
    Attr { uid: uid(owner), gid: gid(group), mode: S_IFREG | mode, rdev: 0 }
}

fn dir(owner: u32, group: u32, mode: u32) -> Attr {
    Attr { mode: S_IFDIR | mode, ..file(owner, group, 0) }
}

fn to(owner: u32) -> KeepUid {
    KeepUid::from_raw(owner)
}

fn grp(group: u32) -> KeepGid {
    KeepGid::from_raw(group)
}

const KEEP: u32 = u32::MAX;

#[test]
fn chown_ok_and_chgrp_ok() {
    let root = user(0, 0, &[]);
    let me = user(1000, 1000, &[33]);
    let mine = file(1000, 1000, 0o644);
    assert_eq!(chown_common(&root, &mine, to(5), grp(6)), Ok(file(5, 6, 0o644)));
    assert_eq!(chown_common(&me, &mine, to(5), grp(KEEP)), Err(Errno::EPERM));
    assert_eq!(chown_common(&me, &mine, to(1000), grp(KEEP)), Ok(mine));
    assert_eq!(chown_common(&me, &mine, to(KEEP), grp(33)), Ok(file(1000, 33, 0o644)));
    assert_eq!(chown_common(&me, &mine, to(KEEP), grp(34)), Err(Errno::EPERM));
    assert_eq!(chown_common(&me, &file(0, 33, 0o644), to(KEEP), grp(33)), Err(Errno::EPERM));
    assert_eq!(chown_common(&me, &file(0, 0, 0o644), to(KEEP), grp(KEEP)), Ok(file(0, 0, 0o644)));
}

#[test]
fn chown_takes_set_id_bits_even_from_root() {
    let root = user(0, 0, &[]);
    let new =
        |attr, owner| chown_common(&root, &attr, to(owner), grp(KEEP)).map(|attr| attr.mode & PERMISSIONS);
    assert_eq!(new(file(0, 0, 0o6755), 1), Ok(0o755));
    assert_eq!(new(file(0, 0, 0o6755), KEEP), Ok(0o755));
    assert_eq!(new(file(0, 0, 0o2644), 1), Ok(0o2644));
    assert_eq!(new(dir(0, 0, 0o6755), 1), Ok(0o6755));
}

#[test]
fn a_stranger_cannot_take_set_id_bits_by_chown_of_nothing() {
    let me = user(1000, 1000, &[]);
    assert_eq!(chown_common(&me, &file(0, 0, 0o4755), to(KEEP), grp(KEEP)), Err(Errno::EPERM));
    assert_eq!(chown_common(&me, &file(1000, 33, 0o2644), to(KEEP), grp(KEEP)), Ok(file(1000, 33, 0o644)));
}

#[test]
fn chmod_by_owner_keeps_set_group_id_only_for_a_group_member() {
    let me = user(1000, 1000, &[33]);
    let bits = |attr| chmod_common(&me, &attr, 0o2755).map(|attr| attr.mode & PERMISSIONS);
    assert_eq!(bits(file(1000, 33, 0)), Ok(0o2755));
    assert_eq!(bits(file(1000, 34, 0)), Ok(0o755));
    assert_eq!(bits(file(0, 33, 0)), Err(Errno::EPERM));
    let link = Attr { mode: S_IFLNK | 0o777, ..file(0, 0, 0) };
    assert_eq!(chmod_common(&me, &link, 0), Err(Errno::EOPNOTSUPP));
}

#[test]
fn inode_init_owner_and_mode_strip_sgid() {
    let me = user(1000, 1000, &[]);
    assert_eq!(inode_init_owner(&me, &dir(0, 50, 0o777)), (uid(1000), gid(1000)));
    assert_eq!(inode_init_owner(&me, &dir(0, 50, 0o2777)), (uid(1000), gid(50)));
    let made = S_IFREG | 0o2755;
    assert_eq!(mode_strip_sgid(&me, &dir(0, 50, 0o2777), made), S_IFREG | 0o755);
    assert_eq!(mode_strip_sgid(&me, &dir(0, 50, 0o777), made), made);
    assert_eq!(mode_strip_sgid(&me, &dir(0, 1000, 0o2777), made), made);
    assert_eq!(mode_strip_sgid(&me, &dir(0, 50, 0o2777), S_IFREG | 0o2644), S_IFREG | 0o2644);
}

#[test]
fn a_write_takes_set_id_bits_from_all_but_the_capable() {
    let (owner, member) = (user(1000, 1000, &[]), user(1000, 1000, &[33]));
    for (mode, by_owner, by_member) in
        [(0o6755, 0o6000, 0o6000), (0o2745, 0o2000, 0), (0o4644, 0o4000, 0o4000), (0o755, 0, 0)]
    {
        let file = file(1000, 33, mode);
        assert_eq!(dropped_by_write(&owner, &file), by_owner, "{mode:o}");
        assert_eq!(dropped_by_write(&member, &file), by_member, "{mode:o}");
        assert_eq!(dropped_by_write(&user(0, 0, &[]), &file), 0);
    }
}

#[test]
fn may_create_in_sticky_protects_what_others_left() {
    let device = |owner| Attr { mode: S_IFCHR | 0o666, ..file(owner, 0, 0) };
    // As the kernel did it, for (owner of the directory, its mode, owner of the device, who opens).
    for (dir_owner, mode, owner, who, allowed) in [
        (0, 0o1777, 0, 0, true),
        (1000, 0o1777, 0, 0, true),
        (0, 0o1777, 1000, 0, false),
        (1000, 0o1777, 1000, 0, true),
        (0, 0o1777, 1000, 1000, true),
        (0, 0o1777, 0, 1000, true),
        (0, 0o777, 1000, 0, true),
        (0, 0o1775, 1000, 0, true),
    ] {
        let verdict = may_create_in_sticky(&user(who, 0, &[]), &dir(dir_owner, 0, mode), &device(owner), 1);
        assert_eq!(verdict, allowed, "{dir_owner} {mode:o} {owner} {who}");
    }
    let may = |mode, protected| {
        may_create_in_sticky(&user(0, 0, &[]), &dir(0, 0, mode), &file(1000, 0, 0o644), protected)
    };
    assert_eq!([may(0o1777, 0), may(0o1777, 1), may(0o1775, 1), may(0o1775, 2)], [true, false, true, false]);
}
