//! What a task sees as root directory and mounts: `fs/open.c`, `fs/namespace.c`, `kernel/nsproxy.c`. The kernel does
//! all of it; the engine only has to know that paths may mean something else from now on.

use crate::abi::Call;
use crate::guest::{Answer, Guest};

/// chroot(2), pivot_root(2), unshare(2), setns(2).
pub fn changes_root(guest: &dyn Guest, _: &Call) -> Answer {
    guest.root_changes();
    Answer::Native
}
