//! Owners in extended attributes on the inodes themselves, in the formats that others read and write too.

use std::ffi::CStr;

pub mod override_stat;
pub mod rootlesscontainers;

/// The attribute that marks what was made to mount on, and goes with the run.
pub const MOUNT_POINT: &CStr = c"user.remainroot.mountpoint";

/// Whether an attribute, by its full name, is one of ours: those in which owners are mirrored, and [`MOUNT_POINT`]. No
/// guest ever sees them, and no copy that it makes has them.
pub fn is_ours(name: &[u8]) -> bool {
    [rootlesscontainers::NAME, MOUNT_POINT].iter().any(|ours| ours.to_bytes() == name)
        || name.starts_with(override_stat::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_ours(b"user.rootlesscontainers") && is_ours(b"user.containers.override_stat"));
        assert!(is_ours(b"user.containers.override_security.capability"));
        assert!(is_ours(b"user.remainroot.mountpoint") && !is_ours(b"user.remainroot"));
        assert!(!is_ours(b"user.rootlesscontainers2") && !is_ours(b"user.containers.other"));
    }
}
