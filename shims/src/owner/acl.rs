//! POSIX access control lists: `fs/posix_acl.c`, in the form of the `system.posix_acl_*` attributes.
//!
//! A namespace's kernel takes no list that names an id which it does not map, so every list is kept in the record, and
//! what it says of owner, mask and others is reflected in the mode as the kernel does.

use super::attr::Attr;
use crate::abi::{Errno, Gid, Uid};
use crate::cred::Cred;

/// The attribute that holds the list by which access is judged.
pub const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds what new files in a directory get.
pub const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;
const HEADER: usize = 4;
const ENTRY: usize = 8;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// `ACL_UNDEFINED_ID`: what entries that name nobody say.
const NO_ID: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    perm: u16,
    id: u32,
}

/// An access control list, its entries in the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl(Vec<Entry>);

impl Acl {
    /// Reads the value of an attribute (`posix_acl_from_xattr`). `None` for a list without entries, which stands for
    /// no list. EINVAL for a wrong size, tag or id, EOPNOTSUPP for another version.
    pub fn from_xattr(value: &[u8]) -> Result<Option<Acl>, Errno> {
        if value.is_empty() {
            return Ok(None);
        }
        let (version, body) = value.split_first_chunk::<HEADER>().ok_or(Errno::EINVAL)?;
        if u32::from_le_bytes(*version) != VERSION {
            return Err(Errno::EOPNOTSUPP);
        }
        if body.len() % ENTRY != 0 {
            return Err(Errno::EINVAL);
        }
        let entries = body.chunks_exact(ENTRY).map(|bytes| {
            let tag = u16::from_le_bytes([bytes[0], bytes[1]]);
            let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let id = match tag {
                USER_OBJ | GROUP_OBJ | MASK | OTHER => NO_ID,
                USER | GROUP if id != NO_ID => id,
                _ => return Err(Errno::EINVAL),
            };
            Ok(Entry { tag, perm: u16::from_le_bytes([bytes[2], bytes[3]]), id })
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        Ok(if entries.is_empty() { None } else { Some(Acl(entries)) })
    }

    /// The value of the attribute (`posix_acl_to_xattr`).
    pub fn to_xattr(&self) -> Box<[u8]> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for Entry { tag, perm, id } in &self.0 {
            value.extend(tag.to_le_bytes());
            value.extend(perm.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value.into()
    }

    /// Whether the list is complete and in order (`posix_acl_valid`): one entry for owner, group and others, named
    /// ones between them, and a mask if there are any. EINVAL.
    pub fn valid(&self) -> Result<(), Errno> {
        let mut state = USER_OBJ;
        let mut needs_mask = false;
        for entry in &self.0 {
            state = match (entry.tag, state) {
                _ if entry.perm & !7 != 0 => return Err(Errno::EINVAL),
                (USER_OBJ, USER_OBJ) => USER,
                (USER, USER) => {
                    needs_mask = true;
                    USER
                }
                (GROUP_OBJ, USER) => GROUP,
                (GROUP, GROUP) => {
                    needs_mask = true;
                    GROUP
                }
                (MASK, GROUP) => OTHER,
                (OTHER, OTHER) => 0,
                (OTHER, GROUP) if !needs_mask => 0,
                _ => return Err(Errno::EINVAL),
            };
        }
        if state == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// The nine permission bits that the list amounts to, and whether they say all of it
    /// (`posix_acl_equiv_mode`).
    pub fn equiv_mode(&self) -> (u32, bool) {
        let mut mode = 0;
        let mut equivalent = true;
        for entry in &self.0 {
            let perm = u32::from(entry.perm & 7);
            match entry.tag {
                USER_OBJ => mode |= perm << 6,
                GROUP_OBJ => mode |= perm << 3,
                OTHER => mode |= perm,
                MASK => {
                    mode = (mode & !0o070) | perm << 3;
                    equivalent = false;
                }
                _ => equivalent = false,
            }
        }
        (mode, equivalent)
    }

    /// What the list becomes by chmod (`__posix_acl_chmod_masq`).
    pub fn chmod(&mut self, mode: u32) {
        let group_class = self.group_class();
        for entry in &mut self.0 {
            match entry.tag {
                USER_OBJ => entry.perm = (mode >> 6 & 7) as u16,
                OTHER => entry.perm = (mode & 7) as u16,
                tag if tag == group_class => entry.perm = (mode >> 3 & 7) as u16,
                _ => {}
            }
        }
    }

    /// Makes a directory's default list the access list of a file that is created with `mode`, and returns the nine
    /// bits that remain and whether they say all of it (`posix_acl_create_masq`). The umask plays no part.
    pub fn create(&mut self, mode: u32) -> (u32, bool) {
        let group_class = self.group_class();
        let mut left = mode & 0o777;
        let mut equivalent = true;
        for entry in &mut self.0 {
            let shift = match entry.tag {
                USER_OBJ => 6,
                OTHER => 0,
                tag if tag == group_class => 3,
                _ => {
                    equivalent &= entry.tag == GROUP_OBJ;
                    continue;
                }
            };
            equivalent &= entry.tag != MASK;
            entry.perm &= (mode >> shift & 7) as u16;
            left &= u32::from(entry.perm) << shift | !(7 << shift);
        }
        (left, equivalent)
    }

    /// Whether the list grants `want` (the bits of [`super::Access`]) on a file (`posix_acl_permission`).
    pub fn permits(&self, cred: &Cred, attr: &Attr, want: u32) -> bool {
        let grants = |entry: &Entry| !u32::from(entry.perm) & want == 0;
        let masked =
            |entry: &Entry| grants(entry) && self.0.iter().find(|entry| entry.tag == MASK).is_none_or(grants);
        let mut is_member = false;
        for entry in &self.0 {
            let group = match entry.tag {
                USER_OBJ if attr.uid == cred.uid.fs => return grants(entry),
                USER if Uid::new(entry.id) == Some(cred.uid.fs) => return masked(entry),
                GROUP_OBJ => Some(attr.gid),
                GROUP => Gid::new(entry.id),
                OTHER => return !is_member && grants(entry),
                _ => None,
            };
            if group.is_some_and(|gid| cred.in_group(gid)) {
                is_member = true;
                if grants(entry) {
                    return masked(entry);
                }
            }
        }
        false
    }

    /// The tag of the entry that the mode's group bits stand for.
    fn group_class(&self) -> u16 {
        if self.0.iter().any(|entry| entry.tag == MASK) { MASK } else { GROUP_OBJ }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Acl {
        Acl(entries.iter().map(|&(tag, perm, id)| Entry { tag, perm, id }).collect())
    }

    fn named() -> Acl {
        acl(&[
            (USER_OBJ, 7, NO_ID),
            (USER, 6, 33),
            (GROUP_OBJ, 5, NO_ID),
            (MASK, 6, NO_ID),
            (OTHER, 4, NO_ID),
        ])
    }

    fn plain() -> Acl {
        acl(&[(USER_OBJ, 6, NO_ID), (GROUP_OBJ, 4, NO_ID), (OTHER, 4, NO_ID)])
    }

    #[test]
    fn from_xattr_and_back() {
        assert_eq!(Acl::from_xattr(&named().to_xattr()), Ok(Some(named())));
        assert_eq!(Acl::from_xattr(&[]), Ok(None));
        assert_eq!(Acl::from_xattr(&[2, 0, 0, 0]), Ok(None));
        assert_eq!(Acl::from_xattr(&[2, 0, 0]), Err(Errno::EINVAL));
        assert_eq!(Acl::from_xattr(&[1, 0, 0, 0]), Err(Errno::EOPNOTSUPP));
        assert_eq!(Acl::from_xattr(&[2, 0, 0, 0, 9]), Err(Errno::EINVAL));
        let nobody = acl(&[(USER, 6, NO_ID)]).to_xattr();
        assert_eq!(Acl::from_xattr(&nobody), Err(Errno::EINVAL));
    }

    #[test]
    fn posix_acl_valid() {
        assert_eq!(named().valid(), Ok(()));
        assert_eq!(plain().valid(), Ok(()));
        assert_eq!(acl(&[(USER_OBJ, 8, NO_ID)]).valid(), Err(Errno::EINVAL));
        assert_eq!(acl(&[(USER_OBJ, 7, NO_ID), (OTHER, 7, NO_ID)]).valid(), Err(Errno::EINVAL));
        let mut unmasked = named();
        unmasked.0.remove(3);
        assert_eq!(unmasked.valid(), Err(Errno::EINVAL));
    }

    #[test]
    fn the_mask_is_the_groups_part_of_the_mode() {
        assert_eq!(named().equiv_mode(), (0o764, false));
        assert_eq!(plain().equiv_mode(), (0o644, true));
        let mut changed = named();
        changed.chmod(0o751);
        assert_eq!(changed.equiv_mode(), (0o751, false));
        assert_eq!(changed.0[2].perm, 5);
        let mut changed = plain();
        changed.chmod(0o600);
        assert_eq!(changed.equiv_mode(), (0o600, true));
    }

    #[test]
    fn a_default_list_is_masked_by_the_mode_of_creation() {
        let mut inherited = named();
        assert_eq!(inherited.create(0o640), (0o640, false));
        assert_eq!(inherited.equiv_mode(), (0o640, false));
        assert_eq!(inherited.0[1].perm, 6);
        let mut inherited = plain();
        assert_eq!(inherited.create(0o666), (0o644, true));
    }
}
