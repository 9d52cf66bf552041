//! Credentials as immutable values, and the kernel's rules for changing them.
//!
//! A rule is a method that gives a new [`Cred`] or the errno with which the kernel would refuse. The task is taken to
//! live in the machine's first user namespace, where a capability counts if it is in the effective set.

mod caps;
mod exec;
mod groups;
#[cfg(test)]
mod invariants;
pub mod login;
mod peer;
mod securebits;
mod setid;

use std::rc::Rc;

use crate::abi::{Gid, Uid};

pub use caps::{CapChange, CapSet, Caps};
pub use exec::{Exec, ExecFile, FileCaps, FileEffect};
pub use groups::GROUPS_MAX;
pub use login::Login;
pub use securebits::SecureBits;

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

/// The virtual credentials of one task, `struct cred` of the kernel, and its no_new_privs flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// User ids.
    pub uid: Ids<Uid>,
    /// Group ids.
    pub gid: Ids<Gid>,
    /// Supplementary groups, sorted as the kernel keeps them (`groups_sort`).
    pub groups: Rc<[Gid]>,
    /// Capabilities.
    pub caps: Caps,
    /// How far uid 0 is special.
    pub securebits: SecureBits,
    /// Whether exec may give privileges no more (PR_SET_NO_NEW_PRIVS).
    pub no_new_privs: bool,
}

impl Cred {
    /// Whether a task that goes from `old` to these credentials may know what its new self should not show:
    /// the test of `commit_creds` for whether the process stays dumpable.
    pub fn raises_suspicion(&self, old: &Cred) -> bool {
        let ids = |cred: &Cred| (cred.uid.effective, cred.gid.effective, cred.uid.fs, cred.gid.fs);
        ids(self) != ids(old) || !old.caps.permitted.contains(self.caps.permitted)
    }

    /// Root, as the kernel starts the first process: all ids 0, no supplementary groups, all capabilities.
    pub fn root() -> Cred {
        Cred::login(Uid::ROOT, Gid::ROOT, Vec::new())
    }

    /// What a login program that is root leaves a session of `uid` with, by setgroups(2), setgid(2), setuid(2): root
    /// has all capabilities, others have none.
    pub fn login(uid: Uid, gid: Gid, groups: Vec<Gid>) -> Cred {
        Cred {
            uid: Ids::all(uid),
            gid: Ids::all(gid),
            groups: groups::sorted(groups),
            caps: if uid == Uid::ROOT { Caps::FULL } else { Caps::NONE },
            securebits: SecureBits::empty(),
            no_new_privs: false,
        }
    }

    /// Whether nothing at all is held back from this task, so that the kernel's own answer to what it does to files
    /// and programs needs a second look only for what is recorded: all ids are 0, and all capabilities are effective
    /// and in the bounding set.
    pub fn is_whole_root(&self) -> bool {
        self.is_plain_root() && self.caps.effective.is_all() && self.caps.bounding.is_all()
    }

    /// Whether this is what the kernel itself would show for a task of the namespace's root that never changed
    /// anything, but for its groups.
    pub fn is_plain_root(&self) -> bool {
        self.uid == Ids::all(Uid::ROOT) && self.gid == Ids::all(Gid::ROOT)
    }
}
