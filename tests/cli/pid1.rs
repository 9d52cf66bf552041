//! As PID 1 of a container.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::Lab;
use crate::{eventually, finish, kill, pids_with};

/// remainroot as the first process of a new pid namespace.
fn as_pid_1(lab: &Lab) -> Command {
    let mut command = lab.unprivileged("unshare");
    command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(lab.remainroot()).arg("--");
    command
}

#[test]
fn exit_status_and_signals_come_through() {
    let lab = Lab::new();
    assert_eq!(finish(as_pid_1(&lab).args(["sh", "-c", "exit 6"])), (String::new(), String::new(), Some(6)));
    // The kernel lets nothing kill PID 1 by default, so the shells' number stands for it.
    assert_eq!(finish(as_pid_1(&lab).args(["bash", "-c", "kill -TERM $$"])).2, Some(143));
}

#[test]
fn signals_from_outside_are_forwarded() {
    let lab = Lab::new();
    let mark = lab.home("mark").join("ready");
    let script =
        format!("trap 'echo got TERM; exit 5' TERM; touch {}; while :; do sleep 0.02; done", mark.display());
    let child = as_pid_1(&lab).args(["bash", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the guest is ready", || mark.exists());
    let fronts = pids_with(&format!("^{} -- bash", lab.remainroot().display()));
    let is_first = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
    };
    kill(*fronts.iter().find(|pid| is_first(pid)).expect("PID 1"), Signal::SIGTERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"got TERM\n"[..], Some(5)));
}

#[test]
fn orphans_are_reaped() {
    let lab = Lab::new();
    let script = "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; (setsid sleep 0.1 &); sleep 1; \
                  grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; cat /proc/1/comm";
    let (out, err, status) = finish(as_pid_1(&lab).args(["bash", "-c", script]));
    assert_eq!((out.as_str(), status), ("0\nremainroot\n", Some(0)), "{err}");
}
