//! The tracer follows everybody, loses nobody, and leaves nobody behind. Each scenario is a guest program of its own
//! process tree; those that are the kernel's business print the same natively.

mod support;

use std::process::{Command, Output};

use support::{Lab, Machine, can_compile};

/// Runs a scenario under remainroot, bounded in time: a lost stop shows as exit status 124.
fn run(lab: &Lab, machine: Machine, scenario: &str) -> Output {
    run_of("engine", lab, machine, scenario)
}

/// The same of another guest program.
fn run_of(program: &str, lab: &Lab, machine: Machine, scenario: &str) -> Output {
    let guest = lab.guest(program, machine);
    let mut command = lab.unprivileged("timeout");
    command.current_dir(lab.home("home"));
    command.args(["--kill-after=5", "60"]).arg(lab.remainroot()).arg("--").arg(guest).arg(scenario);
    command.output().expect("timeout runs")
}

fn prints(scenario: &str, expected: &str) {
    prints_of("engine", scenario, expected);
}

fn prints_of(program: &str, scenario: &str, expected: &str) {
    for machine in [Machine::X86_64, Machine::I386] {
        let name = format!("{scenario} ({machine:?})");
        if !can_compile(&name, machine) {
            continue;
        }
        let lab = Lab::new();
        let output = run_of(program, &lab, machine, scenario);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((out.as_ref(), output.status.code()), (expected, Some(0)), "{name}: {err}");
        assert_eq!(left_behind(&lab), "", "{name} left tasks behind");
    }
}

/// Processes that run a program from the lab, once those that are about to end had time to: an orphan may outlive the
/// first guest for a moment, and its tracer with it.
fn left_behind(lab: &Lab) -> String {
    let mut left = String::new();
    for _ in 0..200 {
        let output = Command::new("pgrep").arg("-af").arg(lab.path()).output().expect("pgrep runs");
        left =
            String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.contains("pgrep")).collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    left
}

#[test]
fn exec_by_a_thread_takes_over_the_leader() {
    prints("exec-by-thread", "hello from a leader\n");
}

#[test]
fn exec_by_a_thread_whose_leader_has_ended() {
    prints("exec-after-leader", "hello from a leader\n");
}

#[test]
fn trees_killed_while_they_fork() {
    prints("killed-forks", "killed\n");
}

#[test]
fn children_of_a_last_breath_are_their_parents() {
    prints("last-breaths", "wrong 0\n");
}

#[test]
fn children_of_a_last_breath_end_under_a_reaper() {
    prints("reaped-orphans", "all reaped\n");
}

#[test]
fn filters_of_the_guests_own_choose_no_shim() {
    prints("own-trace-filter", "getppid: -1 38, setuid: -1 38\n");
}

#[test]
fn threads_killed_in_their_calls() {
    prints("killed-threads", "killed\n");
}

#[test]
fn vfork_children() {
    prints("vforks", "vforked\n");
}

#[test]
fn no_signal_is_lost() {
    prints("signals", "ticked 500\n");
}

#[test]
fn signals_between_calls_of_ours_are_their_senders() {
    prints("senders", "wrong 0\n");
}

#[test]
fn queued_signals_keep_their_values() {
    prints("queued", "sum 5050\n");
}

#[test]
fn group_stops() {
    prints("stop-and-continue", "status 9\n");
}

#[test]
fn untraced_clones_are_traced() {
    prints("untraced", "clone: 0\nclone3: 0, flags kept\n");
}

#[test]
fn credentials_belong_to_threads() {
    prints("credentials-of-threads", "wrong 0\n");
}

#[test]
fn a_hundred_threads_change_the_credentials_of_all() {
    prints("credentials-of-a-process", "wrong 0\n");
}

#[test]
fn proc_self_is_the_guest() {
    prints("own-descriptors", "wrong 0\n");
}

#[test]
fn a_root_shared_with_another_process() {
    prints("shared-root", "0 33\n");
}

#[test]
fn pids_are_those_of_the_guests_namespace() {
    let expected = "of the child by itself: none\nof the parent: some\n\
                    1 and 2, of the child: none, of nobody: no such task\n";
    prints("nested-pids", expected);
}

#[test]
fn dumpable_is_whose_memory_it_is() {
    let expected =
        "after a vfork: 0\nafter a clone: 1\nafter a fork: 1\nhello from a leader\nafter an exec: 0\n";
    prints("shared-memory", expected);
}

#[test]
fn affinity_stays_the_guests_own() {
    prints("affinity", "same\nchild 0\n");
}

#[test]
fn unknown_interfaces_fail_closed() {
    let name = "unknown_interfaces_fail_closed";
    if !can_compile(name, Machine::X86_64) {
        return;
    }
    let output = run(&Lab::new(), Machine::X86_64, "unknown-abi");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "x32: -1 38, uid 0\n-1: -1 38\nio_uring: -1 38\n");
    assert_eq!(err.lines().filter(|line| line.starts_with("remainroot:")).count(), 1, "{err}");
}

#[test]
fn daemons_keep_their_tracer() {
    if !can_compile("daemons_keep_their_tracer", Machine::X86_64) {
        return;
    }
    let lab = Lab::new();
    let output = run(&lab, Machine::X86_64, "orphan");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "orphaned\n");
    // The orphan lives for 0.3 s; the tracer goes with it.
    assert_eq!(left_behind(&lab), "");
}

#[test]
fn a_task_that_drops_owns_what_it_makes() {
    prints_of("strict", "dropped", "wrong 0\n");
}

#[test]
fn a_program_executed_after_dropping() {
    prints_of("strict", "executed", "wrong 0\n");
}

#[test]
fn a_task_without_memory_for_a_filter() {
    prints_of("strict", "no-memory", "wrong 0\n");
}

#[test]
fn calls_that_others_are_blocked_in_go_on() {
    prints_of("strict", "blocked", "wrong 0\n");
}

#[test]
fn a_filter_of_the_guests_own_comes_last() {
    prints_of("strict", "own-filter", "wrong 0\n");
}

#[test]
fn threads_synchronize_filters_of_their_own() {
    prints_of("strict", "synchronized", "wrong 0\n");
}

#[test]
fn signals_while_filters_are_added() {
    prints_of("strict", "signals", "wrong 0\n");
}

#[test]
fn ignored_signals_end_no_call() {
    prints_of("ignored", "all", "wrong 0\n");
}

#[test]
fn signals_end_the_calls_that_filters_broke_off() {
    prints_of("strict", "signalled", "wrong 0\n");
}

#[test]
fn a_storm_of_changing_circumstances() {
    prints_of("strict", "storm", "wrong 0\n");
}

#[test]
fn a_filter_of_the_guests_own_waits_for_the_threads() {
    prints_of("strict", "raced", "wrong 0\n");
}

#[test]
fn children_born_while_a_filter_comes() {
    prints_of("strict", "born-meanwhile", "wrong 0\n");
}

#[test]
fn a_task_without_the_right_to_a_filter() {
    prints_of("strict", "no-rights", "wrong 0\n");
}
