//! Whether the container engines that are here have been told of us.

use super::Finding;
use crate::oci::install::{self, Found};

/// How an image is built where no runtime is asked.
const CHROOT: &str =
    "buildah's --isolation chroot and COPY --chown ask no runtime: podman unshare remainroot -- buildah …";

/// Looks at podman and buildah.
pub fn look() -> Finding {
    finding(&install::engines())
}

fn finding(found: &[Found]) -> Finding {
    let id = "engines";
    let Some(first) = found.first() else {
        return Finding::ok(id, "neither podman nor buildah is in PATH");
    };
    let names: Vec<&str> = found.iter().map(|found| found.engine).collect();
    let (names, verb) = (names.join(" and "), if found.len() > 1 { "take" } else { "takes" });
    if found.iter().any(|found| found.told) {
        return Finding::ok(id, format!("{names} {verb} remainroot for the runtime; {CHROOT}"));
    }
    let engine = first.engine;
    Finding::ok(
        id,
        format!("{names}: not told of remainroot (remainroot oci install --engine {engine} does); {CHROOT}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named() {
        let what = |found: &[(&'static str, bool)]| {
            let found: Vec<Found> = found.iter().map(|&(engine, told)| Found { engine, told }).collect();
            finding(&found).what
        };
        assert_eq!(what(&[]), "neither podman nor buildah is in PATH");
        assert!(
            what(&[("podman", true), ("buildah", true)]).starts_with("podman and buildah take remainroot")
        );
        assert!(what(&[("buildah", false)]).contains("oci install --engine buildah does"));
    }
}
