//! Setting access control lists: `vfs_set_acl`, `set_posix_acl` in `fs/posix_acl.c`.

use std::ffi::CStr;

use linux_raw_sys::general::S_ISGID;

use super::file::Seen;
use crate::abi::Errno;
use crate::guest::Guest;
use crate::owner::{ACL_ACCESS, ACL_DEFAULT, Acl, Attr, PERMISSIONS, XattrKind, rules};

/// Makes `value` a file's list, or takes the list away if it has no entries. The mode follows an access list; one that
/// says no more than the mode is not kept (`posix_acl_update_mode`).
pub fn set(
    guest: &dyn Guest,
    seen: &mut Seen,
    kind: XattrKind,
    name: &CStr,
    value: &[u8],
) -> Result<(), Errno> {
    let list = Acl::from_xattr(value)?;
    let cred = guest.cred();
    let mut attr = seen.attr();
    seen.native_xattr(name)?;
    let default = kind == XattrKind::DefaultAcl;
    if default && !attr.is_dir() && !attr.is_link() {
        return if list.is_some() { Err(Errno::EACCES) } else { Ok(()) };
    }
    kind.may_set(&cred, &attr)?;
    let mut record = seen.edit();
    record.xattrs.remove(name.to_bytes());
    if let Some(list) = list {
        list.valid()?;
        let (bits, equivalent) = list.equiv_mode();
        if default || !equivalent {
            record.xattrs.insert(name.to_bytes().into(), list.to_xattr());
        }
        if !default {
            attr.mode = (attr.mode & !0o777) | bits;
            if !rules::in_group_or_capable(&cred, attr.gid) {
                attr.mode &= !S_ISGID;
            }
            seen.set_mode(attr.mode)?;
        }
    }
    if default {
        seen.stir()?;
    }
    seen.remove_native_xattr(name)?;
    seen.save(guest, record, &attr)
}

/// Lets a file's access list follow a chmod (`posix_acl_chmod`).
pub fn chmod(record: &mut crate::owner::Record, mode: u32) {
    if let Some(value) = record.xattrs.get_mut(ACL_ACCESS)
        && let Ok(Some(mut list)) = Acl::from_xattr(value)
    {
        list.chmod(mode);
        *value = list.to_xattr();
    }
}

/// Gives a new file what the default list of its directory says (`posix_acl_create`): an access list and a mode, and to
/// a directory the default list too. `requested` is the mode of the creating call, on which the umask has no effect
/// then. Links get nothing.
pub fn inherit(record: &mut crate::owner::Record, dir: &Seen, child: &mut Attr, requested: u32) {
    let inherited = dir.record.as_ref().and_then(|record| record.xattrs.get(ACL_DEFAULT));
    let Some(value) = inherited.filter(|_| !child.is_link()) else { return };
    let Ok(Some(mut list)) = Acl::from_xattr(value) else { return };
    if child.is_dir() {
        record.xattrs.insert(ACL_DEFAULT.into(), value.clone());
    }
    let (bits, equivalent) = list.create(requested);
    child.mode = (child.mode & (!PERMISSIONS | 0o7000)) | bits;
    if !equivalent {
        record.xattrs.insert(ACL_ACCESS.into(), list.to_xattr());
    }
}
