//! Whether we are in a container, and what profile it has put around us.

use std::fs;
use std::path::Path;

use super::{Finding, is_said, status_field};

/// Security modules that confine by profile, and where the kernel says by which.
const PROFILES: [&str; 2] = ["/proc/self/attr/apparmor/current", "/proc/self/attr/current"];

/// Values that mean no profile.
const UNCONFINED: [&str; 3] = ["unconfined", "unconfined (unconfined)", "kernel"];

/// The container's name, if there is one, and what is to be said; `trouble` if something was found that a profile may be
/// the cause of.
pub fn look(trouble: bool) -> (Option<String>, Vec<Finding>) {
    let container = name();
    let (mut around, mut blameless) = (Vec::new(), Vec::new());
    if status_field("Seccomp:").is_some_and(|mode| mode == "2") {
        let count = status_field("Seccomp_filters:").unwrap_or_else(|| "1 or more".to_owned());
        around.push(format!("seccomp filters: {count}"));
    }
    if let Some(profile) = profile() {
        around.push(format!("security profile: {profile}"));
    }
    if status_field("NoNewPrivs:").is_some_and(|value| value == "1") {
        blameless.push(
            "no_new_privs is set, which does no harm: virtual set-id programs work all the same".to_owned(),
        );
    }
    let where_we_are = match &container {
        Some(name) => format!("inside of {name}"),
        None => "none was recognized".to_owned(),
    };
    let what = [vec![where_we_are], around.clone(), blameless].concat().join("; ");
    // Whoever traces us is in the way already, and has been named.
    let is_traced = status_field("TracerPid:").is_some_and(|tracer| tracer != "0");
    let finding = if trouble && !is_traced && !around.is_empty() {
        Finding::warn("container", format!("{what}; what failed above may be its doing"))
            .fixed_by(mend(container.as_deref()))
    } else {
        Finding::ok("container", what)
    };
    let chroot = is_chrooted().then(|| {
        Finding::warn(
            "chroot",
            "the root directory is one of chroot(2): the kernel makes no user namespace in it",
        )
        .fixed_by("enter it with remainroot --rootfs DIR from outside, instead of chroot")
    });
    (container, std::iter::once(finding).chain(chroot).collect())
}

fn mend(container: Option<&str>) -> String {
    let options = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined";
    match container {
        Some("docker") => format!("docker run {options} …"),
        Some("podman") => format!("podman run {options} …"),
        Some("kubernetes") => {
            "in the pod's securityContext: seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}"
                .to_owned()
        }
        _ => format!("start the container with a wider profile (podman or docker run {options} …)"),
    }
}

/// The kind of container, by the marks that its engine leaves.
fn name() -> Option<String> {
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".to_owned());
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    let said = std::env::var_os("container").filter(|said| is_said(said));
    said.map(|said| said.to_string_lossy().into_owned())
}

fn profile() -> Option<String> {
    let text = PROFILES.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let text = text.trim_end_matches(['\0', '\n']);
    (!text.is_empty() && !UNCONFINED.contains(&text)).then(|| text.to_owned())
}

/// Whether our root directory is no mount point (`current_chrooted`).
fn is_chrooted() -> bool {
    fs::read_to_string("/proc/self/mountinfo")
        .is_ok_and(|text| !text.lines().any(|line| line.split(' ').nth(4) == Some("/")))
}
