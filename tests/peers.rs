//! What tasks of different users may do to each other, and see of each other: the same natively, as real root, and
//! under remainroot.

mod support;

use std::process::Command;

use support::{Lab, Machine, can_compile, is_root};

fn agrees(scenario: &str) {
    all_agree("peers", scenario, false);
}

/// `tells_ids`: whoever the kernel itself takes root for.
fn all_agree(program: &str, scenario: &str, tells_ids: bool) {
    for machine in [Machine::X86_64, Machine::I386] {
        let name = format!("{scenario} ({machine:?})");
        if !can_compile(&name, machine) {
            continue;
        }
        let lab = Lab::new();
        let (guest, home) = (lab.guest(program, machine), lab.home("home"));
        let bounded = |mut command: Command| {
            command.current_dir(&home).args(["--kill-after=5", "60"]);
            command
        };
        let mut natively = bounded(lab.natively("timeout"));
        natively.arg(&guest);
        let inside = |before: &[&str], userns: &str| {
            let mut command = bounded(lab.unprivileged("timeout"));
            command.args(before).arg(lab.remainroot()).args(["--userns", userns, "--"]).arg(&guest);
            command
        };
        let mut worlds = vec![("natively", natively), ("under remainroot", inside(&[], "auto"))];
        if tells_ids && machine == Machine::X86_64 {
            worlds.push(("without a namespace", inside(&[], "none")));
            worlds
                .push(("in another's namespace", inside(&["unshare", "--user", "--map-root-user"], "keep")));
        }
        for (world, mut command) in worlds {
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
    all_agree("peers", "sockets", true);
}

/// Whatever becomes of those who made them.
#[test]
fn sockets_show_the_ids_of_the_moment_at_which_they_were_connected() {
    all_agree("sockets", "connections", true);
    all_agree("sockets", "passed", false);
    all_agree("sockets", "elsewhere", false);
}

#[test]
fn pairs_of_sockets_show_whose_they_were_made() {
    all_agree("sockets", "pairs", true);
}

#[test]
fn of_many_connections_each_shows_its_own_ids() {
    all_agree("sockets", "many", false);
}

#[test]
fn proc_tells_whose_tasks_are() {
    agrees("views");
}

#[test]
fn another_proc_tells_the_same() {
    agrees("other-proc");
}

#[test]
fn memory_is_shown_to_users_who_may_read_the_program() {
    agrees("programs");
}

#[test]
fn messages_tell_who_sent_them() {
    all_agree("peers", "messages", true);
}

#[test]
fn many_messages_at_once_tell_who_sent_them() {
    agrees("many-messages");
}

/// Its stack may be small, and what is below in use.
#[test]
fn what_is_below_the_stack_of_a_sender_is_left_alone() {
    agrees("small-stack");
}

/// A cluster whose local connections are authenticated by who connects, and two who connect.
const CLUSTER: &str = r#"
bin=$1 dir=$2
as() { user=$1; shift; setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }
mkdir "$dir" && chown postgres:postgres "$dir" && cd "$dir" || exit 1
as postgres "$bin/initdb" -D "$dir/data" --auth-local=peer -U postgres >"$dir.log" 2>&1 &&
as postgres "$bin/pg_ctl" -w -D "$dir/data" -l "$dir/log" -o "-k $dir -c listen_addresses= -c fsync=off" start >>"$dir.log" 2>&1 ||
	{ cat "$dir.log" "$dir/log"; exit 1; }
as postgres psql -h "$dir" -Atc 'select current_user'
as www-data psql -h "$dir" -U postgres -Atc 'select current_user' 2>&1 | grep -o 'Peer authentication failed.*'
as www-data kill "$(head -n1 "$dir/data/postmaster.pid")" 2>&1 | grep -o 'not permitted'
as postgres "$bin/pg_ctl" -m immediate -D "$dir/data" stop
"#;

#[test]
fn postgresql_knows_who_connects() {
    let programs = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let Some(version) = programs.map(|entry| entry.path()).max() else {
        return support::skipped("postgresql_knows_who_connects", "no PostgreSQL (Debian: postgresql)");
    };
    let lab = Lab::new();
    let home = lab.home("home");
    let mut command = lab.unprivileged("timeout");
    command.args(["--kill-after=5", "120"]).arg(lab.remainroot()).args(["--", "sh", "-c", CLUSTER, "sh"]);
    let output = command.arg(version.join("bin")).arg(home.join("pg")).output().expect("timeout runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let expected = "postgres\nPeer authentication failed for user \"postgres\"\nnot permitted\n";
    assert!(out.starts_with(expected), "{out}{err}");
}
