//! Who owns what: identity of inodes, what is recorded of them, and the rules by which it changes.

mod store;

pub use store::{Device, FileId, Inode, Record, Store, Time, World};
