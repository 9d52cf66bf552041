//! Job control, as a person at a terminal sees it.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::support::Lab;
use crate::terminal::Terminal;
use crate::{eventually, finish, pids_with};

/// An interactive shell, from which `rr` starts remainroot.
fn shell(lab: &Lab) -> Terminal {
    let mut bash = lab.unprivileged("bash");
    bash.args(["--norc", "--noprofile", "--noediting", "-i"]).env("HISTFILE", "");
    let mut terminal = Terminal::run(&bash);
    terminal.expect("outer$ ");
    terminal.outer(&format!("rr() {{ {} -- \"$@\"; }}", lab.remainroot().display()));
    terminal.outer(&format!("RR={}", lab.remainroot().display()));
    terminal
}

#[test]
fn stop_and_continue_from_the_keyboard() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.line("$RR -- sh -c 'echo started; exec sleep 60'");
    terminal.expect("\nstarted");
    terminal.keys("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer$ ");
    assert!(terminal.outer("jobs").contains("Stopped"));
    terminal.line("fg");
    terminal.expect("sleep 60'");
    terminal.keys("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer$ ");
    terminal.outer("bg");
    assert!(terminal.outer("jobs").contains("Running"));
    terminal.line("fg");
    terminal.expect("sleep 60'");
    terminal.keys("\x03");
    terminal.expect("outer$ ");
    assert_eq!(terminal.outer("echo status $?"), "status 130\n");
    terminal.line("exit");
    assert!(terminal.end().success());
}

#[test]
fn interrupts_arrive_once() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.line("$RR -- bash -c 'trap \"echo got INT\" INT; echo started; for i in 1 2 3 4 5 6; do sleep 0.2; done; exit 9'");
    terminal.expect("\nstarted");
    terminal.keys("\x03");
    let all = terminal.expect("outer$ ");
    assert_eq!(all.matches("got INT").count(), 1, "{all}");
    assert_eq!(terminal.outer("echo status $?"), "status 9\n");
}

#[test]
fn a_new_window_size_arrives_once() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.line("$RR -- bash -c 'trap \"echo got WINCH\" WINCH; echo started; for i in 1 2 3 4 5 6; do sleep 0.2; done'");
    terminal.expect("\nstarted");
    let status = Command::new("stty").args(["-F", &terminal.name, "rows", "40"]).status().unwrap();
    assert!(status.success());
    let all = terminal.expect("outer$ ");
    assert_eq!(all.matches("got WINCH").count(), 1, "{all}");
}

#[test]
fn a_background_guest_that_reads_is_stopped() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.outer("$RR -- cat &");
    eventually("cat is stopped", || terminal.outer("jobs").contains("Stopped"));
    terminal.line("fg");
    terminal.expect("cat");
    terminal.line("hello");
    terminal.expect("hello");
    terminal.expect("hello");
    terminal.keys("\x04");
    terminal.expect("outer$ ");
    assert_eq!(terminal.outer("echo status $?"), "status 0\n");
}

#[test]
fn a_shell_as_guest_controls_its_jobs() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.line("PS1='inner# ' $RR -- bash --norc --noprofile --noediting -i");
    terminal.expect("inner# ");
    terminal.line("sleep 60");
    terminal.expect("sleep 60");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.keys("\x1a");
    terminal.expect("Stopped");
    terminal.expect("inner# ");
    terminal.line("fg");
    terminal.expect("sleep 60");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.keys("\x03");
    terminal.expect("inner# ");
    terminal.line("echo status $?");
    terminal.expect("status 130");
    terminal.expect("inner# ");
    terminal.line("cat | cat &");
    terminal.expect("inner# ");
    terminal.line("wait %1; jobs");
    terminal.expect("Stopped");
    // Bash itself, without remainroot, takes two children that die at once for stopped still, one time in fifty, until
    // it waits for another.
    terminal.line("kill -9 %1; wait; /bin/true; echo wai''ted");
    terminal.expect("waited");
    terminal.expect("inner# ");
    terminal.line("suspend");
    terminal.expect("Stopped");
    terminal.expect("outer$ ");
    terminal.line("fg");
    terminal.expect("bash");
    terminal.line("echo ba''ck");
    terminal.expect("back");
    terminal.line("exit 7");
    terminal.expect("outer$ ");
    assert_eq!(terminal.outer("echo status $?"), "status 7\n");
}

#[test]
fn jobs_of_pipes() {
    let lab = Lab::new();
    let mut terminal = shell(&lab);
    terminal.line("rr sh -c 'echo star\"\"ted >&2; exec sleep 60' | rr cat");
    terminal.expect("started");
    terminal.keys("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer$ ");
    terminal.line("fg");
    terminal.expect("cat");
    terminal.keys("\x03");
    terminal.expect("outer$ ");
    eventually("all gone", || pids_with("^sleep 60").is_empty() || terminal.outer("jobs").is_empty());
}

#[test]
fn a_session_leader_that_nobody_can_continue_is_not_stopped() {
    let lab = Lab::new();
    let mut command = lab.command();
    command.args(["--", "sh", "-c", "echo started; sleep 1; echo done; exit 3"]);
    let mut terminal = Terminal::run(&command);
    terminal.expect("started");
    terminal.keys("\x1a");
    terminal.expect("done");
    assert_eq!(terminal.end().code(), Some(3));
}

#[test]
fn a_hang_up_reaches_the_guest() {
    let lab = Lab::new();
    let mut command = lab.command();
    command.args(["--", "sh", "-c", "echo started; exec sleep 60"]);
    let mut terminal = Terminal::run(&command);
    terminal.expect("started");
    terminal.hang_up();
    assert_eq!(terminal.end().signal(), Some(libc::SIGHUP));
}

#[test]
fn no_terminal_at_all() {
    let lab = Lab::new();
    let mut command = lab.unprivileged("setsid");
    command.arg("--wait").arg(lab.remainroot()).args(["--", "sh", "-c", "tty; : >/dev/tty || exit 8"]);
    let (out, err, status) = finish(&mut command);
    assert_eq!((out.as_str(), status), ("not a tty\n", Some(2)), "{err}");
}
