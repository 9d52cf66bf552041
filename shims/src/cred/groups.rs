//! Supplementary groups: `kernel/groups.c`.

use std::rc::Rc;

use crate::abi::{Errno, Gid};

use super::{CapSet, Cred};

/// The most supplementary groups a task can have (`NGROUPS_MAX`).
pub const GROUPS_MAX: usize = 65536;

/// Sorts a list as the kernel keeps it (`groups_sort`): ascending, duplicates kept.
pub(super) fn sorted(mut groups: Vec<Gid>) -> Rc<[Gid]> {
    groups.sort_unstable();
    groups.into()
}

impl Cred {
    /// What setgroups(2) checks before it reads the list. Rule "setgroups order": CAP_SETGID (EPERM), then the
    /// length, taken as unsigned (EINVAL); only then may the list fault or hold a -1.
    pub fn may_setgroups(&self, length: i32) -> Result<usize, Errno> {
        if !self.capable(CapSet::SETGID) {
            return Err(Errno::EPERM);
        }
        usize::try_from(length).ok().filter(|length| *length <= GROUPS_MAX).ok_or(Errno::EINVAL)
    }

    /// setgroups(2), once the list has been read and found to hold no -1. EPERM without CAP_SETGID, EINVAL above
    /// [`GROUPS_MAX`].
    pub fn setgroups(&self, groups: Vec<Gid>) -> Result<Cred, Errno> {
        self.may_setgroups(i32::try_from(groups.len()).map_err(|_| Errno::EINVAL)?)?;
        Ok(Cred { groups: sorted(groups), ..self.clone() })
    }

    /// Whether the task counts as a member of a file's group (`in_group_p`): by its file system gid or its
    /// supplementary groups.
    pub fn in_group(&self, gid: Gid) -> bool {
        self.gid.fs == gid || self.groups.binary_search(&gid).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Uid;

    fn gid(raw: u32) -> Gid {
        Gid::new(raw).unwrap()
    }

    #[test]
    fn setgroups_order_of_errors() {
        let user = Cred::login(Uid::new(1000).unwrap(), gid(1000), vec![]);
        assert_eq!(user.may_setgroups(-1), Err(Errno::EPERM));
        assert_eq!(Cred::root().may_setgroups(-1), Err(Errno::EINVAL));
        assert_eq!(Cred::root().may_setgroups(65537), Err(Errno::EINVAL));
        assert_eq!(Cred::root().may_setgroups(65536), Ok(65536));
    }

    #[test]
    fn setgroups_sorts_and_keeps_duplicates() {
        let list = vec![gid(0x8000_0000), gid(33), gid(0), gid(33)];
        let cred = Cred::root().setgroups(list).unwrap();
        assert_eq!(*cred.groups, [gid(0), gid(33), gid(33), gid(0x8000_0000)]);
        assert!(cred.in_group(gid(0x8000_0000)) && !cred.in_group(gid(34)));
    }
}
