//! Extended attributes that a namespace's kernel keeps from its root: `fs/xattr.c`, `security/commoncap.c`.

use linux_raw_sys::general::S_ISVTX;

use super::acl::{ACL_ACCESS, ACL_DEFAULT};
use super::attr::{Attr, CAPABILITY};
use super::rules::inode_owner_or_capable;
use crate::abi::Errno;
use crate::cred::{CapSet, Cred};

/// The kinds of attributes that differ in who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrKind {
    /// `security.capability`.
    Capability,
    /// Any other `security.*`.
    Security,
    /// `trusted.*`.
    Trusted,
    /// `user.*`: the kernel keeps these, where the file is of a kind that may have them.
    User,
    /// `system.posix_acl_access`.
    AccessAcl,
    /// `system.posix_acl_default`.
    DefaultAcl,
    /// Whatever else the file system may know.
    Other,
}

impl XattrKind {
    /// The kind of a full name.
    pub fn of(name: &[u8]) -> XattrKind {
        match name {
            CAPABILITY => XattrKind::Capability,
            ACL_ACCESS => XattrKind::AccessAcl,
            ACL_DEFAULT => XattrKind::DefaultAcl,
            _ if name.starts_with(b"security.") => XattrKind::Security,
            _ if name.starts_with(b"trusted.") => XattrKind::Trusted,
            _ if name.starts_with(b"user.") => XattrKind::User,
            _ => XattrKind::Other,
        }
    }

    /// Whether `name`, of this kind, is no more than the prefix that all of the kind have. EINVAL
    /// (`xattr_resolve_name`).
    pub fn is_bare(self, name: &[u8]) -> bool {
        matches!(self, XattrKind::Security | XattrKind::Trusted | XattrKind::User)
            && name.iter().position(|&byte| byte == b'.') == Some(name.len() - 1)
    }

    /// Whether attributes of this kind live in our records.
    pub const fn is_recorded(self) -> bool {
        !matches!(self, XattrKind::User | XattrKind::Other)
    }

    /// Whether the permission to read or write the file is needed besides.
    pub const fn needs_access(self) -> bool {
        matches!(self, XattrKind::User | XattrKind::Other)
    }

    /// Whether a task may see such an attribute (`xattr_permission` with MAY_READ): to others than CAP_SYS_ADMIN,
    /// trusted ones do not exist.
    pub fn may_read(self, cred: &Cred, attr: &Attr) -> Result<(), Errno> {
        match self {
            XattrKind::Trusted if !cred.capable(CapSet::SYS_ADMIN) => Err(Errno::ENODATA),
            XattrKind::User if !attr.is_file() && !attr.is_dir() => Err(Errno::ENODATA),
            _ => Ok(()),
        }
    }

    /// Whether a task may remove such an attribute (`xattr_permission` with MAY_WRITE, then
    /// `cap_inode_removexattr`, `set_posix_acl`). EPERM, and for lists EOPNOTSUPP on links.
    pub fn may_remove(self, cred: &Cred, attr: &Attr) -> Result<(), Errno> {
        match self {
            XattrKind::Capability if !cred.capable(CapSet::SETFCAP) => Err(Errno::EPERM),
            _ => self.may_set(cred, attr),
        }
    }

    /// Whether a task may set such an attribute, likewise (`cap_inode_setxattr`). Who may set file capabilities is
    /// [`may_set_capability`]'s to say, which an empty value does not reach.
    pub fn may_set(self, cred: &Cred, attr: &Attr) -> Result<(), Errno> {
        let allowed = match self {
            XattrKind::Capability => true,
            XattrKind::Security | XattrKind::Trusted => cred.capable(CapSet::SYS_ADMIN),
            // In a directory that all may write to, others could fill it up.
            XattrKind::User if attr.is_dir() && attr.mode & S_ISVTX != 0 => {
                inode_owner_or_capable(cred, attr)
            }
            XattrKind::User => attr.is_file() || attr.is_dir(),
            XattrKind::AccessAcl | XattrKind::DefaultAcl if attr.is_link() => return Err(Errno::EOPNOTSUPP),
            XattrKind::AccessAcl | XattrKind::DefaultAcl => inode_owner_or_capable(cred, attr),
            XattrKind::Other => true,
        };
        if allowed { Ok(()) } else { Err(Errno::EPERM) }
    }
}

const REVISION_MASK: u32 = 0xFF00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// Whether a task may set file capabilities to a value (`cap_convert_nscap`): it must have the form of version 2 or 3
/// (EINVAL), the task CAP_SETFCAP (EPERM), and version 3 a root id (EINVAL), in this order.
pub fn may_set_capability(cred: &Cred, value: &[u8]) -> Result<(), Errno> {
    let root_id = match (revision(value), value.len()) {
        (Some(REVISION_2), 20) => &[0; 4],
        (Some(REVISION_3), 24) => &value[20..],
        _ => return Err(Errno::EINVAL),
    };
    if !cred.capable(CapSet::SETFCAP) {
        return Err(Errno::EPERM);
    }
    if root_id == [0xFF; 4] { Err(Errno::EINVAL) } else { Ok(()) }
}

/// What root of the machine reads back (`cap_inode_getsecurity`): version 3 for its own root id is shown as version 2.
pub fn shown_capability(value: &[u8]) -> Vec<u8> {
    let mut shown = value.to_vec();
    if revision(value) == Some(REVISION_3) && value.get(20..) == Some(&[0; 4]) {
        shown.truncate(20);
        shown[3] = (REVISION_2 >> 24) as u8;
    }
    shown
}

fn revision(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|word| u32::from_le_bytes(*word) & REVISION_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::tests_support::{gid, uid, user};

    #[test]
    fn who_may() {
        let file = Attr { uid: uid(1000), gid: gid(1000), mode: 0o100644, rdev: 0 };
        let (root, owner, other) = (user(0, 0, &[]), user(1000, 1000, &[]), user(33, 33, &[]));
        let write = |name: &[u8], cred| XattrKind::of(name).may_remove(cred, &file);
        for name in [&b"trusted.x"[..], b"security.x", CAPABILITY] {
            assert_eq!((write(name, &root), write(name, &owner)), (Ok(()), Err(Errno::EPERM)));
        }
        assert_eq!((write(ACL_ACCESS, &owner), write(ACL_ACCESS, &other)), (Ok(()), Err(Errno::EPERM)));
        assert_eq!(XattrKind::Trusted.may_read(&owner, &file), Err(Errno::ENODATA));
        assert!(XattrKind::Trusted.is_bare(b"trusted.") && !XattrKind::Trusted.is_bare(b"trusted.x."));
        let device = Attr { mode: 0o020644, ..file };
        assert_eq!(XattrKind::User.may_set(&root, &device), Err(Errno::EPERM));
        let sticky = Attr { mode: 0o041_777, ..file };
        assert_eq!(XattrKind::User.may_set(&owner, &sticky), Ok(()));
        assert_eq!(XattrKind::User.may_set(&other, &sticky), Err(Errno::EPERM));
        assert_eq!(XattrKind::Capability.may_set(&other, &file), Ok(()), "an empty value is not looked at");
        assert_eq!(XattrKind::User.may_read(&root, &device), Err(Errno::ENODATA));
    }

    #[test]
    fn capabilities_have_a_form() {
        let mut two = [0; 20];
        two[3] = 2;
        let mut three = [0; 24];
        three[3] = 3;
        let (root, owner) = (user(0, 0, &[]), user(1000, 1000, &[]));
        assert_eq!((may_set_capability(&root, &two), may_set_capability(&root, &three)), (Ok(()), Ok(())));
        assert_eq!(may_set_capability(&owner, &two[..12]), Err(Errno::EINVAL));
        assert_eq!(may_set_capability(&owner, &two), Err(Errno::EPERM));
        assert_eq!(shown_capability(&two), two);
        assert_eq!(shown_capability(&three), two);
        three[20] = 5;
        assert_eq!(shown_capability(&three), three);
        three[20..].fill(0xFF);
        assert_eq!(may_set_capability(&root, &three), Err(Errno::EINVAL));
        assert_eq!(may_set_capability(&owner, &three), Err(Errno::EPERM));
    }
}
