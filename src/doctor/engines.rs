//! Whether the container engines that are here have been told of us.

use super::Finding;
use crate::oci::install;

/// How an image is built where no runtime is asked.
const CHROOT: &str =
    "buildah's --isolation chroot and COPY --chown ask no runtime: podman unshare remainroot -- buildah …";

/// Looks at podman and buildah.
pub fn look() -> Finding {
    let (engines, told) = install::engines();
    finding(&engines, told)
}

fn finding(engines: &[&str], told: bool) -> Finding {
    let id = "engines";
    let Some(first) = engines.first() else {
        return Finding::ok(id, "neither podman nor buildah is in PATH");
    };
    let (names, verb) = (engines.join(" and "), if engines.len() > 1 { "take" } else { "takes" });
    Finding::ok(
        id,
        if told {
            format!("{names} {verb} remainroot for the runtime; {CHROOT}")
        } else {
            format!(
                "{names}: not told of remainroot (remainroot oci install --engine {first} does); {CHROOT}"
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named() {
        assert_eq!(finding(&[], false).what, "neither podman nor buildah is in PATH");
        assert!(finding(&["podman", "buildah"], true).what.starts_with("podman and buildah take remainroot"));
        assert!(finding(&["buildah"], false).what.contains("oci install --engine buildah does"));
    }
}
