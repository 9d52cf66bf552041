//! `--userns`, on hosts and in containers of several kinds.

use std::process::Command;

use crate::finish;
use crate::support::{Lab, NOBODY_WE_KNOW, is_root, skipped};

const LOOK: &str = "echo $(id -u) $(cat /proc/self/uid_map); grep -c . /proc/self/setgroups; \
                    touch f && chown 7:8 f && stat -c %u:%g f && rm f";

fn look(command: &mut Command) -> (String, String, Option<i32>) {
    finish(command.args(["--", "sh", "-c", LOOK]))
}

#[test]
fn a_plain_user_gets_a_namespace() {
    let lab = Lab::new();
    let home = lab.home("home");
    for mode in [&[][..], &["--userns", "auto"], &["--userns", "new"]] {
        let (out, err, status) = look(lab.command().current_dir(&home).args(mode));
        assert_eq!((out, status), (format!("0 0 {} 1\n1\n7:8\n", nix_uid()), Some(0)), "{mode:?}: {err}");
        assert_eq!(err, "", "{mode:?}");
    }
}

fn nix_uid() -> u32 {
    if is_root() { NOBODY_WE_KNOW } else { nix::unistd::geteuid().as_raw() }
}

#[test]
fn no_namespace_at_all() {
    let lab = Lab::new();
    let home = lab.home("home");
    for mode in ["none", "keep"] {
        let (out, err, status) = look(lab.command().current_dir(&home).args(["--userns", mode]));
        assert_eq!((out.as_str(), status), ("0 0 0 4294967295\n1\n7:8\n", Some(0)), "{mode}: {err}");
    }
}

/// `unshare --map-root-user`, with remainroot as its first program.
fn in_a_namespace(lab: &Lab) -> Command {
    let mut command = lab.unprivileged("unshare");
    command.args(["--user", "--map-root-user", "--"]).arg(lab.remainroot());
    command
}

#[test]
fn a_namespace_whose_root_we_are_is_kept() {
    let lab = Lab::new();
    let home = lab.home("home");
    let script = "readlink /proc/self/ns/user";
    let shell = format!(
        "readlink /proc/self/ns/user; {} -- sh -c '{script}'; {} --userns new -- sh -c '{script}'",
        lab.remainroot().display(),
        lab.remainroot().display()
    );
    let mut command = lab.unprivileged("unshare");
    let (out, err, _) =
        finish(command.current_dir(home).args(["--user", "--map-root-user", "--", "sh", "-c", &shell]));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out} {err}");
    assert_eq!(lines[0], lines[1]);
    assert_ne!(lines[0], lines[2]);
}

#[test]
fn a_root_in_a_kept_namespace() {
    let lab = Lab::new();
    let (out, err, status) = finish(in_a_namespace(&lab).args([
        "--bind",
        "/usr:/usr:ro",
        "--",
        "sh",
        "-c",
        "touch /usr/x 2>&1 | grep -c Read-only",
    ]));
    assert_eq!((out.as_str(), status), ("1\n", Some(0)), "{err}");
}

#[test]
fn namespaces_forbidden() {
    let lab = Lab::new();
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces || exit 77; {} --userns new -- true",
        lab.remainroot().display()
    );
    let mut command = lab.unprivileged("unshare");
    let (out, err, status) = finish(command.args(["--user", "--map-root-user", "--", "sh", "-c", &script]));
    if status == Some(77) {
        return skipped("namespaces_forbidden", "user.max_user_namespaces cannot be set in a namespace");
    }
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    for word in ["user.max_user_namespaces = 0", "sysctl -w user.max_user_namespaces=", "--userns none"] {
        assert!(err.contains(word), "{word}: {err}");
    }
}

#[test]
fn real_root_is_told() {
    if !is_root() {
        return skipped("real_root_is_told", "it takes real root");
    }
    let lab = Lab::new();
    for (mode, told) in [("auto", true), ("new", true), ("keep", false), ("none", false)] {
        let (out, err, status) =
            finish(lab.natively(lab.remainroot()).args(["--userns", mode, "--", "id", "-u"]));
        assert_eq!((out.as_str(), status), ("0\n", Some(0)), "{mode}: {err}");
        assert_eq!(err.lines().count(), usize::from(told), "{mode}: {err}");
    }
}

/// Whether a program is there to be used as a container.
fn there(test: &str, program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skipped(test, &format!("{program} is not installed"));
    }
    found
}

#[test]
fn in_bubblewrap_without_capabilities() {
    if !there("in_bubblewrap_without_capabilities", "bwrap") {
        return;
    }
    let lab = Lab::new();
    let home = lab.home("home");
    let mut command = lab.unprivileged("bwrap");
    command.args([
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--bind",
        "/",
        "/",
        "--dev-bind",
        "/dev",
        "/dev",
        "--proc",
        "/proc",
    ]);
    command.current_dir(&home).arg(lab.remainroot());
    let (out, err, status) = look(&mut command);
    assert_eq!((out.lines().last(), status, err.as_str()), (Some("7:8"), Some(0), ""), "{out}");
    assert!(out.starts_with("0 "), "{out}");
}

#[test]
fn a_root_that_cannot_be_mounted_is_explained() {
    if !there("a_root_that_cannot_be_mounted_is_explained", "bwrap") {
        return;
    }
    let lab = Lab::new();
    let home = lab.home("home");
    let mut command = lab.unprivileged("bwrap");
    command.args(["--unshare-user", "--uid", "0", "--gid", "0", "--bind", "/", "/"]).arg(lab.remainroot());
    let (out, err, status) = finish(command.arg("--rootfs").arg(home).args(["--", "true"]));
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    assert!(err.contains("CAP_SYS_ADMIN"), "{err}");
}

#[test]
fn tracing_forbidden() {
    let lab = Lab::new();
    // A process can have one tracer.
    if !there("tracing_forbidden", "strace") {
        return;
    }
    let mut command = lab.unprivileged("strace");
    command.args(["-f", "-o", "/dev/null"]).arg(lab.remainroot()).args(["--", "true"]);
    let (out, err, status) = finish(&mut command);
    assert_eq!((out.as_str(), status), ("", Some(125)), "{err}");
    assert!(err.contains("PTRACE_SEIZE") && err.contains("strace"), "{err}");
}
