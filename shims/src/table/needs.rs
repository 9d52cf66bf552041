//! Under which circumstances a call has to be looked at.
//!
//! Most of what root itself does is right as the kernel does it, as long as nothing in the store says otherwise. A
//! filter cannot see who calls and what is recorded, so each circumstance has rows of its own, and an engine adds
//! those to a task's filter at the moment at which the circumstance arises.

use crate::cred::Cred;
use crate::owner::{Store, World};

bitflags::bitflags! {
    /// A set of circumstances. Of a [`super::Case`]: those under which the call is looked at, any one of them being
    /// enough. Of a task: those that it lives under.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Needs: u16 {
        /// None in particular: every task lives under it.
        const ALWAYS = 1 << 0;
        /// The task is not [whole root](Cred::is_whole_root).
        const USER = 1 << 1;
        /// A directory may hand a group or a list to what is made in it ([`Store::directories_pass_on`]).
        const PASSING_ON = 1 << 2;
        /// Devices are recorded ([`Store::has_devices`]).
        const DEVICES = 1 << 3;
        /// Extended attributes are recorded, or must not be seen ([`Store::has_xattrs`], [`Store::mirrors`]).
        const XATTRS = 1 << 4;
        /// Inodes are to be forgotten with their last name ([`Store::awaits_unlink`]).
        const UNLINKS = 1 << 5;
        /// Some task of the run has, or had, other ids than those that the kernel shows for it.
        const USERS = 1 << 6;
        /// So it is, and somebody wants to be told who sends messages (SO_PASSCRED).
        const SENDERS = 1 << 7;
        /// Names of one file may differ in their inode numbers ([`Store::has_overlays`]).
        const OVERLAYS = 1 << 8;
        /// The task is to see what virtual root would see in /proc: it looks at tasks, or that was asked for.
        const VIEWS = 1 << 9;
    }
}

impl Needs {
    /// What comes from who the task is.
    pub fn of_task(cred: &Cred) -> Needs {
        if cred.is_whole_root() { Needs::ALWAYS } else { Needs::ALWAYS | Needs::USER }
    }

    /// What everybody has to reckon with once a task has these credentials.
    pub fn of_ids(cred: &Cred) -> Needs {
        if cred.is_plain_root() { Needs::empty() } else { Needs::USERS }
    }

    /// What comes from what is recorded.
    pub fn of_store(store: &dyn Store) -> Needs {
        let conditions = [
            (Needs::PASSING_ON, store.directories_pass_on()),
            (Needs::DEVICES, store.has_devices()),
            (Needs::XATTRS, store.has_xattrs() || store.mirrors()),
            (Needs::UNLINKS, store.awaits_unlink()),
            (Needs::OVERLAYS, store.has_overlays()),
        ];
        conditions.into_iter().filter(|(_, holds)| *holds).map(|(need, _)| need).collect()
    }

    /// What comes from where the guest lives. Without capabilities even root's own files have to be cared for; without
    /// a namespace the kernel calls even root something else.
    pub fn of_world(world: &World) -> Needs {
        let care = if world.dac_override {
            Needs::ALWAYS
        } else {
            Needs::all() - Needs::USERS - Needs::SENDERS - Needs::VIEWS
        };
        if (world.root_uid, world.root_gid) == (0, 0) { care } else { care | Needs::USERS }
    }
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
