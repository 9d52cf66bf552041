//! What tasks of different users may do to each other, and see of each other: the same natively, as real root, and
//! under remainroot.

mod support;

use std::process::Command;

use support::{Lab, Machine, can_compile, is_root};

fn agrees(scenario: &str) {
    for machine in [Machine::X86_64, Machine::I386] {
        let name = format!("{scenario} ({machine:?})");
        if !can_compile(&name, machine) {
            continue;
        }
        let lab = Lab::new();
        let guest = lab.guest("peers", machine);
        let bounded = |mut command: Command| {
            command.current_dir(lab.path()).args(["--kill-after=5", "60"]);
            command
        };
        let mut natively = bounded(lab.natively("timeout"));
        natively.arg(&guest);
        let mut inside = bounded(lab.unprivileged("timeout"));
        inside.arg(lab.remainroot()).arg("--").arg(&guest);
        for (world, mut command) in [("natively", natively), ("under remainroot", inside)] {
            if world == "natively" && !is_root() {
                continue;
            }
            let output = command.arg(scenario).output().expect("timeout runs");
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!((out.as_ref(), output.status.code()), ("wrong 0\n", Some(0)), "{name} {world}: {err}");
        }
    }
}

#[test]
fn signals_reach_those_of_the_same_user() {
    agrees("signals");
}

#[test]
fn a_signal_to_everybody_is_one_to_those_of_the_same_user() {
    agrees("everybody");
}

#[test]
fn priorities_limits_and_memory_are_those_of_the_same_user() {
    agrees("priorities");
}

#[test]
fn sockets_know_whose_the_other_end_is() {
    agrees("sockets");
}

#[test]
fn proc_tells_whose_tasks_are() {
    agrees("views");
}

#[test]
fn messages_tell_who_sent_them() {
    agrees("messages");
}
