//! `remainroot doctor`, on this machine and under profiles that forbid what it needs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Lab, Machine, can_compile, skipped};
use crate::{finish, text};

/// The object that it prints, and the exit status.
fn doctor(command: &mut Command) -> (Value, Option<i32>) {
    let (out, err, status) = text(&command.args(["doctor", "--json"]).output().expect("it starts"));
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    for finding in report["findings"].as_array().expect("a list") {
        assert!(finding["level"] == "ok" || finding["fix"].is_string(), "nothing mends this: {finding:#}");
    }
    (report, status)
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id}: {report:#}"))
}

fn level<'a>(report: &'a Value, id: &str) -> &'a str {
    finding(report, id)["level"].as_str().expect("a word")
}

#[test]
fn a_plain_user() {
    let lab = Lab::new();
    let home = lab.home("home");
    let (report, status) = doctor(lab.command().current_dir(&home).env("HOME", &home));
    assert_eq!(
        (status, &report["verdict"], &report["status"]),
        (Some(0), &"works".into(), &0.into()),
        "{report:#}"
    );
    assert_eq!((&report["schema"], &report["runs"]["plain"]), (&1.into(), &true.into()));
    assert_eq!(report["path"], home.to_str().unwrap());
    for id in ["kernel", "proc", "user-namespaces", "mounts", "seccomp", "ptrace", "memory", "run"] {
        assert_eq!(level(&report, id), "ok", "{report:#}");
    }
    // What is documented, and nothing else.
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/DOCTOR.md")).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        let id = finding["id"].as_str().unwrap();
        assert!(documented.contains(&format!("| `{id}` |")), "{id} is not documented");
        let members: Vec<_> = finding.as_object().unwrap().keys().collect();
        assert_eq!(members, ["fix", "id", "level", "what"]);
    }
    for member in report.as_object().unwrap().keys() {
        assert!(documented.contains(&format!("`{member}`")), "{member} is not documented");
    }
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was left behind");
}

#[test]
fn text_says_what_and_how_to_mend_it() {
    let lab = Lab::new();
    let (out, err, status) =
        finish(lab.command().env("REMAINROOT_STORE", "/proc/store").args(["doctor", "/proc"]));
    assert_eq!((err.as_str(), status), ("", Some(0)), "{out}");
    assert!(out.starts_with("ok    kernel "), "{out}");
    assert!(out.contains("warn  attributes") && out.contains("fix: remainroot doctor DIR"), "{out}");
    assert!(out.contains("warn  store") && out.contains("fix: name a directory"), "{out}");
    assert!(out.ends_with("\nremainroot works here, with the limits above.\n"), "{out}");
    let (out, err, status) = finish(lab.command().args(["doctor", "/no/such/dir"]));
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    assert!(err.contains("/no/such/dir: No such file"), "{err}");
}

#[test]
fn a_link_is_not_written_through() {
    let lab = Lab::new();
    let (home, other) = (lab.home("home"), lab.home("other"));
    std::os::unix::fs::symlink(&other, home.join("link")).unwrap();
    let (report, _) = doctor(lab.command().current_dir(&home).env("HOME", &home).env("TMPDIR", &home));
    assert_eq!(level(&report, "mounts"), "ok", "{report:#}");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}

/// What is found under a filter that forbids `calls`.
fn under_profile(calls: &str) -> Option<(Value, Option<i32>)> {
    if !can_compile("doctor_under_profile", Machine::X86_64) {
        return None;
    }
    let lab = Lab::new();
    let profile = lab.guest("profile", Machine::X86_64);
    Some(doctor(lab.unprivileged(profile).arg(calls).arg(lab.remainroot())))
}

#[test]
fn profiles_that_forbid_one_thing_are_found_out() {
    for (calls, id, word, verdict, expected) in [
        ("unshare", "user-namespaces", "seccomp filter", "limited", 1),
        ("mount", "mounts", "Operation not permitted", "limited", 1),
        ("ptrace", "ptrace", "PTRACE_SEIZE", "cannot", 2),
        ("seccomp", "seccomp", "Operation not permitted", "cannot", 2),
    ] {
        let Some((report, status)) = under_profile(calls) else { return };
        let found = finding(&report, id);
        assert_eq!(found["level"], "fail", "{calls}: {report:#}");
        assert!(
            found["what"].as_str().unwrap().contains(word) && found["fix"].is_string(),
            "{calls}: {found:#}"
        );
        assert_eq!((&report["verdict"], status), (&verdict.into(), Some(expected)), "{calls}: {report:#}");
        let container = finding(&report, "container");
        assert!(container["what"].as_str().unwrap().contains("seccomp filters: "), "{container:#}");
        assert_eq!((container["level"].as_str(), container["fix"].is_string()), (Some("warn"), true));
    }
    for (calls, id) in [("pidfd_getfd", "descriptors"), ("process_vm_readv,process_vm_writev", "memory")] {
        let Some((report, status)) = under_profile(calls) else { return };
        assert_eq!((level(&report, id), status), ("warn", Some(0)), "{report:#}");
    }
}

/// containerd's default profile, as far as it stands in the way: no namespaces, and of ptrace's kin only ptrace(2).
#[test]
fn a_profile_that_leaves_nothing_but_ptrace_is_enough() {
    if !can_compile("a_profile_that_leaves_nothing_but_ptrace_is_enough", Machine::X86_64) {
        return;
    }
    let lab = Lab::new();
    let profile = lab.guest("profile", Machine::X86_64);
    let mut command = lab.unprivileged(profile);
    command.arg("unshare,mount,process_vm_readv,process_vm_writev,pidfd_getfd").arg(lab.remainroot());
    let file = lab.home("home").join("file");
    // An empty value is no memory at all.
    let script = "touch $0; chown 33:4 $0; stat -c %u:%g $0; setpriv --reuid 5 --clear-groups id -u
        if command -v setfattr > /dev/null; then setfattr -n trusted.empty $0; fi";
    command.args(["--userns", "none", "--", "sh", "-c", script]).arg(file);
    let (out, err, status) = finish(&mut command);
    assert_eq!((out.as_str(), err.as_str(), status), ("33:4\n5\n", "", Some(0)));
}

#[test]
fn namespaces_forbidden_by_a_setting() {
    let lab = Lab::new();
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces || exit 77
         exec setpriv --ambient-caps=-all --inh-caps=-all {} \"$@\"",
        lab.remainroot().display()
    );
    let mut command = lab.unprivileged("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-c", &script, "sh"]);
    if command.output().is_ok_and(|output| output.status.code() == Some(77)) {
        return skipped(
            "namespaces_forbidden_by_a_setting",
            "user.max_user_namespaces cannot be set in a namespace",
        );
    }
    let (report, status) = doctor(&mut command);
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!((&report["runs"]["plain"], &report["runs"]["userns_none"]), (&false.into(), &true.into()));
    let found = finding(&report, "user-namespaces");
    assert!(found["what"].as_str().unwrap().contains("user.max_user_namespaces = 0"), "{found:#}");
    assert!(found["fix"].as_str().unwrap().contains("sysctl -w user.max_user_namespaces="), "{found:#}");
}

#[test]
fn a_file_system_that_nothing_can_be_written_to() {
    let test = "doctor::a_file_system_that_nothing_can_be_written_to";
    if Command::new("bwrap").arg("--version").output().is_err() {
        return skipped(test, "bwrap is not installed");
    }
    let lab = Lab::new();
    let inside = |words: &[&str]| {
        let mut command = lab.unprivileged("bwrap");
        command
            .args(["--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"])
            .args(words);
        command.arg(lab.remainroot()).env("HOME", lab.path());
        command
    };
    // What is tried in a new directory finds a place for it.
    let (report, status) = doctor(&mut inside(&[]));
    assert_eq!((status, level(&report, "mounts")), (Some(0), "ok"), "{report:#}");
    assert_eq!((level(&report, "attributes"), level(&report, "store")), ("warn", "warn"), "{report:#}");
    let (out, _, status) = finish(inside(&["--remount-ro", "/dev"]).arg("doctor"));
    assert!(out.contains("warn  mounts") && out.contains("--rootfs and --bind could not be tried."), "{out}");
    assert_eq!(status, Some(1), "{out}");
}

#[test]
fn inside_of_another_run() {
    let lab = Lab::new();
    let (report, status) = doctor(lab.command().arg("--").arg(lab.remainroot()));
    assert_eq!(
        (status, level(&report, "ptrace"), level(&report, "container")),
        (Some(2), "fail", "ok"),
        "{report:#}"
    );
    assert!(finding(&report, "ptrace")["fix"].as_str().unwrap().contains("root already"), "{report:#}");
}

#[test]
fn in_bubblewrap() {
    if Command::new("bwrap").arg("--version").output().is_err() {
        return skipped("doctor::in_bubblewrap", "bwrap is not installed");
    }
    let lab = Lab::new();
    let mut command = lab.unprivileged("bwrap");
    command.args(["--unshare-user", "--uid", "0", "--gid", "0", "--bind", "/", "/", "--proc", "/proc"]);
    let (report, status) = doctor(command.arg(lab.remainroot()));
    assert_eq!((status, level(&report, "mounts")), (Some(1), "fail"), "{report:#}");
    assert!(finding(&report, "mounts")["what"].as_str().unwrap().contains("CAP_SYS_ADMIN"), "{report:#}");
}
