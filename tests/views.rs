//! What files of /proc say of namespaces and logins: the same natively, as real root of the machine, and under
//! remainroot.

mod support;

use std::fs;
use std::process::Command;

use support::{Lab, Machine, can_compile, is_root};

/// Whether what virtual root is to see can be seen here by real root: in the machine's first user namespace, in a session
/// without a login, with the capability to change that.
fn is_oracle() -> bool {
    const AUDIT_CONTROL: u32 = 30;
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let status = read("status");
    let caps = status.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
    let caps = caps.and_then(|caps| u64::from_str_radix(caps, 16).ok()).unwrap_or(0);
    is_root()
        && read("uid_map") == "         0          0 4294967295\n"
        && read("loginuid") == "4294967295"
        && caps & 1 << AUDIT_CONTROL != 0
}

/// Runs a scenario natively, and with each of these values of `--proc`.
fn agrees(scenario: &str, values: &[&str]) {
    if !fs::exists("/proc/self/loginuid").unwrap_or(false) {
        return support::skipped(scenario, "the kernel has no /proc/PID/loginuid (CONFIG_AUDIT)");
    }
    for machine in [Machine::X86_64, Machine::I386] {
        let name = format!("{scenario} ({machine:?})");
        if !can_compile(&name, machine) {
            continue;
        }
        let lab = Lab::new();
        let guest = lab.guest("views", machine);
        let bounded = |mut command: Command| {
            command.current_dir(lab.path()).args(["--kill-after=5", "60"]);
            command
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let filters = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        let filters = filters.expect("the kernel tells how many (Linux 5.10)");
        let mut commands = Vec::new();
        if is_oracle() {
            commands.push(("natively".to_owned(), bounded(lab.natively("timeout"))));
        }
        for value in values {
            let mut inside = bounded(lab.unprivileged("timeout"));
            inside.arg(lab.remainroot()).args(["--proc", value, "--"]);
            commands.push((format!("with --proc {value}"), inside));
        }
        for (world, mut command) in commands {
            command.env("FILTERS", filters.trim());
            let output = command.arg(&guest).arg(scenario).output().expect("timeout runs");
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!((out.as_ref(), output.status.code()), ("wrong 0\n", Some(0)), "{name} {world}: {err}");
        }
    }
}

#[test]
fn everybody_sees_the_first_namespace_by_whatever_way_leads_there() {
    agrees("own", &["full"]);
}

#[test]
fn users_see_it_and_may_write_as_little_as_natively() {
    agrees("user", &["auto", "full"]);
}

#[test]
fn who_lists_tasks_sees_it() {
    agrees("listed", &["auto"]);
}

#[test]
fn logins_are_set_inherited_and_refused_as_by_the_audit_subsystem() {
    agrees("login", &["full"]);
}

#[test]
fn namespaces_of_the_guests_own_have_maps_of_their_own() {
    agrees("namespaces", &["full"]);
}

#[test]
fn another_proc_tells_the_same() {
    agrees("another", &["full"]);
}
