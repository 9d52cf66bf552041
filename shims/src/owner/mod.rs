//! Who owns what: identity of inodes, what is recorded of them, and the rules by which it changes.

mod attr;
pub mod rules;
mod store;
#[cfg(test)]
pub mod tests_support;

pub use attr::{Attr, CAPABILITY, PERMISSIONS, harmless_device};
pub use store::{Device, FileId, Inode, Record, Store, Time, World};
