//! Who owns what: identity of inodes, what is recorded of them, and the rules by which it changes.

mod acl;
mod attr;
pub mod lists;
pub mod mirror;
mod permission;
pub mod rules;
mod store;
#[cfg(test)]
pub mod tests_support;
mod xattr;

pub use acl::{ACL_ACCESS, ACL_DEFAULT, Acl};
pub use attr::{Attr, CAPABILITY, PERMISSIONS, harmless_device, harmless_names};
pub use permission::{Access, may, permits};
pub use store::{Attributes, Device, FileId, FileSystem, Inode, Record, Store, Tally, Time, World};
pub use xattr::{XattrKind, may_set_capability, shown_capability};
