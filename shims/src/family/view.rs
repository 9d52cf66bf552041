//! What a task sees as root directory and mounts: `fs/open.c`, `fs/namespace.c`, `kernel/nsproxy.c`. The kernel does
//! all of it; the engine only has to know that paths may mean something else from now on.

use std::ffi::CString;

use super::file::{Seen, Target};
use super::mknod;
use crate::abi::Call;
use crate::guest::{Answer, Dir, Guest, Trailing};
use crate::owner::harmless_names;

/// chroot(2), pivot_root(2). Devices in the new root that an earlier run has made are there to be opened from now on.
pub fn new_root(guest: &dyn Guest, call: &Call) -> Answer {
    if guest.store().has_devices()
        && let Ok(root) = guest.read_path(call.word(0))
    {
        for name in harmless_names() {
            let path = [root.to_bytes(), b"/dev/", name.to_bytes()].concat();
            // Neither part holds a NUL.
            let path = CString::new(path).unwrap_or_default();
            let target = Target::Path { dir: Dir::Cwd, path, trailing: Trailing::Keep };
            if let Ok(seen) = Seen::find(guest, &target) {
                mknod::cover(&seen);
            }
        }
    }
    changes_root(guest, call)
}

/// unshare(2), setns(2).
pub fn changes_root(guest: &dyn Guest, _: &Call) -> Answer {
    guest.root_changes();
    Answer::Native
}
