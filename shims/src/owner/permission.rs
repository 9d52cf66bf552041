//! Whether a task may read, write or execute a file: `generic_permission` in `fs/namei.c`, in terms of virtual
//! credentials and owners.
//!
//! The kernel checks the calls that it makes itself, by the real owner. This is for those whose outcome hangs on a
//! permission and is ours to tell: times, attributes, links to files of others.

use super::acl::{ACL_ACCESS, Acl};
use super::attr::Attr;
use super::{Inode, Record, World};
use crate::abi::Errno;
use crate::cred::{CapSet, Cred};

bitflags::bitflags! {
    /// What a task wants to do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u32 {
        /// `MAY_EXEC`.
        const EXEC = 1;
        /// `MAY_WRITE`.
        const WRITE = 2;
        /// `MAY_READ`.
        const READ = 4;
    }
}

/// Checks a file with its record. EACCES.
pub fn may(
    cred: &Cred,
    access: Access,
    inode: &Inode,
    record: Option<&Record>,
    world: &World,
) -> Result<(), Errno> {
    let attr = Attr::of(inode, record, world);
    let value = record.and_then(|record| record.xattrs.get(ACL_ACCESS));
    let list = value.and_then(|value| Acl::from_xattr(value).ok().flatten());
    generic_permission(cred, &attr, list.as_ref(), access)
}

/// The same of a file without a list.
pub fn permits(cred: &Cred, attr: &Attr, access: Access) -> Result<(), Errno> {
    generic_permission(cred, attr, None, access)
}

/// `generic_permission`: by owner, list, group and others, and then by capabilities. EACCES.
fn generic_permission(cred: &Cred, attr: &Attr, list: Option<&Acl>, access: Access) -> Result<(), Errno> {
    if acl_permission_check(cred, attr, list, access) {
        return Ok(());
    }
    let reads = access == Access::READ || (attr.is_dir() && !access.contains(Access::WRITE));
    let executable = attr.is_dir() || !access.contains(Access::EXEC) || attr.mode & 0o111 != 0;
    let overrides = (reads && cred.capable(CapSet::DAC_READ_SEARCH))
        || (executable && cred.capable(CapSet::DAC_OVERRIDE));
    if overrides { Ok(()) } else { Err(Errno::EACCES) }
}

/// `acl_permission_check`: the first class that the task belongs to decides.
fn acl_permission_check(cred: &Cred, attr: &Attr, list: Option<&Acl>, access: Access) -> bool {
    let grants = |shift: u32| !(attr.mode >> shift) & access.bits() == 0;
    if attr.uid == cred.uid.fs {
        return grants(6);
    }
    if let Some(list) = list.filter(|_| attr.mode & 0o070 != 0) {
        return list.permits(cred, attr, access.bits());
    }
    if cred.in_group(attr.gid) { grants(3) } else { grants(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::tests_support::{gid, uid, user};

    fn file(owner: u32, group: u32, mode: u32) -> Attr {
        Attr { uid: uid(owner), gid: gid(group), mode: 0o100_000 | mode, rdev: 0 }
    }

    fn check(cred: &Cred, attr: &Attr, access: Access) -> bool {
        generic_permission(cred, attr, None, access).is_ok()
    }

    #[test]
    fn the_first_class_decides() {
        let me = user(1000, 1000, &[33]);
        assert!(check(&me, &file(1000, 0, 0o600), Access::READ | Access::WRITE));
        assert!(!check(&me, &file(1000, 0, 0o077), Access::READ));
        assert!(check(&me, &file(0, 33, 0o060), Access::WRITE));
        assert!(!check(&me, &file(0, 33, 0o607), Access::WRITE));
        assert!(check(&me, &file(0, 0, 0o002), Access::WRITE));
    }

    #[test]
    fn root_may_all_but_execute_what_nobody_can() {
        let root = user(0, 0, &[]);
        assert!(check(&root, &file(1000, 1000, 0), Access::READ | Access::WRITE));
        assert!(!check(&root, &file(1000, 1000, 0o600), Access::EXEC));
        assert!(check(&root, &file(1000, 1000, 0o001), Access::EXEC));
        let dir = Attr { mode: 0o040_000, ..file(1000, 1000, 0) };
        assert!(check(&root, &dir, Access::EXEC));
    }

    #[test]
    fn named_ones_are_masked() {
        let value = |mask: u8| {
            let entry = |tag: u8, perm: u8, id: [u8; 4]| [&[tag, 0, perm, 0][..], &id[..]].concat();
            let nobody = [0xFF; 4];
            let entries = [
                entry(1, 7, nobody),
                entry(2, 7, [33, 0, 0, 0]),
                entry(4, 4, nobody),
                entry(16, mask, nobody),
                entry(32, 7, nobody),
            ];
            [vec![2, 0, 0, 0], entries.concat()].concat()
        };
        let may = |cred: &Cred, mask: u8, access| {
            let list = Acl::from_xattr(&value(mask)).unwrap();
            generic_permission(cred, &file(0, 50, 0o777), list.as_ref(), access).is_ok()
        };
        assert!(may(&user(33, 33, &[]), 6, Access::WRITE));
        assert!(!may(&user(33, 33, &[]), 4, Access::WRITE));
        assert!(
            !may(&user(5, 50, &[]), 7, Access::WRITE),
            "a group's entry that does not grant it ends the search"
        );
        assert!(may(&user(5, 5, &[]), 4, Access::WRITE));
    }
}
