//! Credentials for tests.

use crate::abi::{Gid, Uid};
use crate::cred::Cred;

/// A uid that is not -1.
pub fn uid(raw: u32) -> Uid {
    Uid::new(raw).unwrap()
}

/// A gid that is not -1.
pub fn gid(raw: u32) -> Gid {
    Gid::new(raw).unwrap()
}

/// Someone with these ids; capabilities as far as uid 0 gives them.
pub fn user(owner: u32, group: u32, groups: &[u32]) -> Cred {
    Cred::login(uid(owner), gid(group), groups.iter().map(|&raw| gid(raw)).collect())
}
