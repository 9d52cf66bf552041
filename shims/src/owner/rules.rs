//! Who may change what, and what else changes with it: `fs/attr.c`, `fs/open.c` and `fs/inode.c`, in terms of
//! virtual credentials and virtual owners. Functions carry the names that they have in the kernel. Every id has a place
//! in the world that the guest believes in, so where the kernel asks `capable_wrt_inode_uidgid`, the effective set
//! alone decides.

use linux_raw_sys::general::{S_ISGID, S_ISUID, S_ISVTX, S_IWGRP, S_IWOTH, S_IXGRP};

use super::attr::{Attr, PERMISSIONS};
use crate::abi::{Errno, Gid, KeepGid, KeepUid, Uid};
use crate::cred::{CapSet, Cred};

/// Whether a set-group-ID bit for this group may be given or kept (`in_group_or_capable`).
pub fn in_group_or_capable(cred: &Cred, gid: Gid) -> bool {
    cred.in_group(gid) || cred.capable(CapSet::FSETID)
}

/// Whether a task may change what only the owner may (`inode_owner_or_capable`).
pub fn inode_owner_or_capable(cred: &Cred, attr: &Attr) -> bool {
    cred.uid.fs == attr.uid || cred.capable(CapSet::FOWNER)
}

/// Whether a task may give a file to `uid` (`chown_ok`).
fn chown_ok(cred: &Cred, attr: &Attr, uid: Uid) -> bool {
    (cred.uid.fs == attr.uid && uid == attr.uid) || cred.capable(CapSet::CHOWN)
}

/// Whether a task may give a file to group `gid` (`chgrp_ok`).
fn chgrp_ok(cred: &Cred, attr: &Attr, gid: Gid) -> bool {
    (cred.uid.fs == attr.uid && (gid == attr.gid || cred.in_group(gid))) || cred.capable(CapSet::CHOWN)
}

/// Whether a change of owner or size takes the set-group-ID bit (`setattr_should_drop_sgid`): always where the
/// group can execute the file; otherwise it marks no program, and goes only from those who could not set it.
fn setattr_should_drop_sgid(cred: &Cred, attr: &Attr) -> bool {
    attr.mode & S_ISGID != 0 && (attr.mode & S_IXGRP != 0 || !in_group_or_capable(cred, attr.gid))
}

/// The mode bits that a write or truncation takes from a file, besides its capabilities (`setattr_should_drop_suidgid`).
pub fn dropped_by_write(cred: &Cred, attr: &Attr) -> u32 {
    if !attr.is_file() || cred.capable(CapSet::FSETID) {
        return 0;
    }
    let sgid = if setattr_should_drop_sgid(cred, attr) { S_ISGID } else { 0 };
    attr.mode & S_ISUID | sgid
}

/// What a file becomes by chown (`chown_common`, `notify_change`, `setattr_prepare`). EPERM.
pub fn chown_common(cred: &Cred, attr: &Attr, uid: KeepUid, gid: KeepGid) -> Result<Attr, Errno> {
    let mut mode = attr.mode;
    if !attr.is_dir() {
        mode &= !S_ISUID;
        if setattr_should_drop_sgid(cred, attr) {
            mode &= !S_ISGID;
        }
    }
    if uid.id().is_some_and(|uid| !chown_ok(cred, attr, uid))
        || gid.id().is_some_and(|gid| !chgrp_ok(cred, attr, gid))
        || (mode != attr.mode && !inode_owner_or_capable(cred, attr))
    {
        return Err(Errno::EPERM);
    }
    let group = gid.or(attr.gid);
    if mode != attr.mode && !in_group_or_capable(cred, group) {
        mode &= !S_ISGID;
    }
    Ok(Attr { uid: uid.or(attr.uid), gid: group, mode, ..*attr })
}

/// What a file becomes by chmod (`chmod_common`, `setattr_prepare`). EPERM, and EOPNOTSUPP for links.
pub fn chmod_common(cred: &Cred, attr: &Attr, mode: u32) -> Result<Attr, Errno> {
    if attr.is_link() {
        return Err(Errno::EOPNOTSUPP);
    }
    if !inode_owner_or_capable(cred, attr) {
        return Err(Errno::EPERM);
    }
    let mut bits = mode & PERMISSIONS;
    if !in_group_or_capable(cred, attr.gid) {
        bits &= !S_ISGID;
    }
    Ok(Attr { mode: (attr.mode & !PERMISSIONS) | bits, ..*attr })
}

/// Owner and group of a new file in a directory (`inode_init_owner`): the creator's, but a set-group-ID directory
/// passes its own group on.
pub fn inode_init_owner(cred: &Cred, dir: &Attr) -> (Uid, Gid) {
    (cred.uid.fs, if dir.mode & S_ISGID != 0 { dir.gid } else { cred.gid.fs })
}

/// The mode of a new file in a directory (`mode_strip_sgid`): one that would run with the directory's group may be
/// made only by those who could set the bit themselves. `mode` has the type.
pub fn mode_strip_sgid(cred: &Cred, dir: &Attr, mode: u32) -> u32 {
    let marks_program = mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
    let is_dir = Attr { mode, ..*dir }.is_dir();
    if !marks_program || is_dir || dir.mode & S_ISGID == 0 || in_group_or_capable(cred, dir.gid) {
        return mode;
    }
    mode & !S_ISGID
}

/// Whether a task may take a name away, or put another file in its place, by the sticky bit of the directory
/// (`check_sticky`).
pub fn check_sticky(cred: &Cred, dir: &Attr, attr: &Attr) -> bool {
    dir.mode & S_ISVTX == 0
        || attr.uid == cred.uid.fs
        || dir.uid == cred.uid.fs
        || cred.capable(CapSet::FOWNER)
}

/// Whether O_CREAT may open a file that exists (`may_create_in_sticky`): not one that somebody else than the
/// directory's owner put into a directory like /tmp. `protected` is the sysctl for this type of file, 1 for those that
/// none speaks of; 2 makes directories that a group may write to count as well.
pub fn may_create_in_sticky(cred: &Cred, dir: &Attr, attr: &Attr, protected: u32) -> bool {
    let shared = if protected >= 2 { S_IWOTH | S_IWGRP } else { S_IWOTH };
    let is_shared = dir.mode & S_ISVTX != 0 && dir.mode & shared != 0;
    protected == 0 || !is_shared || attr.uid == dir.uid || attr.uid == cred.uid.fs
}

/// Whether the contents of a file are no more than they seem, so that a link to it by somebody who may read and write
/// it does no harm (`safe_hardlink_source`).
pub fn is_plain_file(attr: &Attr) -> bool {
    let marks_program = attr.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
    attr.is_file() && attr.mode & S_ISUID == 0 && !marks_program
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
