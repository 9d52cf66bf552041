//! Credentials as immutable values, and the kernel's rules for changing them.

use std::rc::Rc;

use crate::abi::{Gid, Uid};

/// Real, effective, saved and file system id of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ids<T> {
    /// The real id.
    pub real: T,
    /// The effective id.
    pub effective: T,
    /// The saved set-id.
    pub saved: T,
    /// The id that file system permission checks and new files use.
    pub fs: T,
}

impl<T: Copy> Ids<T> {
    /// All four the same.
    pub const fn all(id: T) -> Ids<T> {
        Ids { real: id, effective: id, saved: id, fs: id }
    }
}

/// The virtual credentials of one task, `struct cred` of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// User ids.
    pub uid: Ids<Uid>,
    /// Group ids.
    pub gid: Ids<Gid>,
    /// Supplementary groups, sorted as the kernel keeps them (`groups_sort`).
    pub groups: Rc<[Gid]>,
}

impl Cred {
    /// Whether this is what the kernel itself would show for a task of the namespace's root that never changed
    /// anything, but for its groups.
    pub fn is_plain_root(&self) -> bool {
        self.uid == Ids::all(Uid::ROOT) && self.gid == Ids::all(Gid::ROOT)
    }
}
