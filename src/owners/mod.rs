//! Who owns what in a tree, looked at and moved from outside a run: `remainroot owners`.
//!
//! A [`Tree`] is a directory with what is known of its owners laid over it. Its entries come in an order that
//! depends on nothing but their names, each as real root would see it; [`export`] writes them.

mod claims;
pub mod diff;
mod entry;
pub mod export;
pub mod import;
mod names;
mod progress;
mod record;
pub mod rows;
pub mod set;
pub mod show;
#[cfg(test)]
mod tests;
mod tree;
pub mod verify;
mod walk;

pub use crate::sandbox::Trouble;
pub use progress::Progress;
pub use remainroot_shims::owner::World;
pub use tree::Tree;

use crate::sandbox::{Sandbox, UserNs};

/// Goes to where one's own files are open whatever their mode, as they are in a run: a user namespace, unless this is
/// real root, who sees all owners as they are. Where there can be none, it is done without. This process must have one
/// thread.
pub fn enter() -> Result<World, Trouble> {
    let sandbox = |userns| Sandbox { userns, rootfs: None, binds: Vec::new(), workdir: None };
    let userns = if nix::unistd::geteuid().is_root() { UserNs::None } else { UserNs::Auto };
    let inside = sandbox(userns).enter(&[]).or_else(|_| sandbox(UserNs::None).enter(&[]))?;
    Ok(inside.terms.world)
}
