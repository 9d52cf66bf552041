//! Owners in extended attributes on the inodes themselves, in the formats that others read and write too.

pub mod override_stat;
pub mod rootlesscontainers;

/// Whether an attribute, by its full name, is one in which owners are mirrored. No guest ever sees those.
pub fn is_ours(name: &[u8]) -> bool {
    name == rootlesscontainers::NAME.to_bytes() || name.starts_with(override_stat::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_ours(b"user.rootlesscontainers") && is_ours(b"user.containers.override_stat"));
        assert!(is_ours(b"user.containers.override_security.capability"));
        assert!(!is_ours(b"user.rootlesscontainers2") && !is_ours(b"user.containers.other"));
    }
}
