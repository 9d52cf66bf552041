//! Signals sent to the front reach the guest, once; stops and ends are mirrored.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::support::Lab;
use crate::{eventually, is_stopped, kill, pids_with, state};

/// A guest that runs until it is told otherwise, in a process group of its own that a parent could continue.
struct Running {
    front: Child,
    out: Lines<BufReader<ChildStdout>>,
    pid: i32,
    /// The guest's own pid, which it printed first.
    guest: i32,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut front = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(front.stdout.take().unwrap()).lines();
        let guest = out.next().expect("the guest says its pid").unwrap().parse().unwrap();
        Running { pid: front.id() as i32, front, out, guest }
    }

    fn sh(lab: &Lab, script: &str) -> Running {
        let mut command = lab.command();
        command.args(["--", "bash", "-c", &format!("echo $$; {script}")]);
        Running::start(command)
    }

    fn line(&mut self) -> String {
        self.out.next().expect("another line").unwrap()
    }

    /// How the front ended: (code, signal).
    fn end(mut self) -> (Option<i32>, Option<i32>) {
        let status = self.front.wait().unwrap();
        (status.code(), status.signal())
    }
}

#[test]
fn signals_to_the_front_reach_the_guest() {
    let lab = Lab::new();
    let names = [
        "TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "ALRM", "PIPE", "TSTP", "TTIN", "CONT",
        "RTMIN+3",
    ];
    let traps: String = names.iter().map(|name| format!("trap 'echo got {name}' {name}; ")).collect();
    let mut guest = Running::sh(&lab, &format!("{traps} echo ready; while :; do sleep 0.02; done"));
    assert_eq!(guest.line(), "ready");
    for name in names {
        let status =
            Command::new("bash").args(["-c", &format!("kill -{name} {}", guest.pid)]).status().unwrap();
        assert!(status.success());
        assert_eq!(guest.line(), format!("got {name}"));
    }
    kill(guest.guest, Signal::SIGKILL);
    assert_eq!(guest.end(), (None, Some(libc::SIGKILL)));
}

#[test]
fn a_signal_that_comes_before_the_guest_is_not_lost() {
    let lab = Lab::new();
    for _ in 0..10 {
        let mut front = lab.command().args(["--", "sleep", "30"]).spawn().unwrap();
        kill(front.id() as i32, Signal::SIGTERM);
        assert_eq!(front.wait().unwrap().signal(), Some(libc::SIGTERM));
    }
}

#[test]
fn what_the_guest_sends_to_its_group_is_not_doubled() {
    let lab = Lab::new();
    let by_child = "perl -e '$SIG{USR1} = q(IGNORE); kill USR1 => 0; sleep 1'";
    let script = format!("trap 'echo got' USR1; kill -USR1 0; {by_child}; echo end; exec sleep 60");
    let mut guest = Running::sh(&lab, &script);
    assert_eq!([guest.line(), guest.line(), guest.line()], ["got", "got", "end"]);
    kill(guest.guest, Signal::SIGKILL);
    guest.end();
}

#[test]
fn what_others_send_to_the_group_is_not_doubled() {
    let lab = Lab::new();
    let mut guest = Running::sh(&lab, "trap 'echo got' USR1; echo ready; while :; do sleep 0.02; done");
    assert_eq!(guest.line(), "ready");
    // The sleeping child dies of it; the shell counts.
    for _ in 0..5 {
        kill(-guest.pid, Signal::SIGUSR1);
        assert_eq!(guest.line(), "got");
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    kill(guest.pid, Signal::SIGTERM);
    assert!(guest.out.next().is_none(), "one more than was sent");
    assert_eq!(guest.end(), (None, Some(libc::SIGTERM)));
}

#[test]
fn killing_the_front_kills_the_tree() {
    let lab = Lab::new();
    let sleep = lab.copy("/bin/sleep", "sleep");
    let sleep = sleep.display();
    let guest =
        Running::sh(&lab, &format!("setsid {sleep} 60 & {sleep} 60 & (trap '' TERM; {sleep} 60) & wait"));
    eventually("three sleepers", || pids_with(&format!("^{sleep} 60")).len() == 3);
    kill(guest.pid, Signal::SIGKILL);
    assert_eq!(guest.end(), (None, Some(libc::SIGKILL)));
    eventually("the end of all", || pids_with(lab.path().to_str().unwrap()).is_empty());
}

#[test]
fn a_killed_tracer_is_reported() {
    let lab = Lab::new();
    let mut command = lab.command();
    command.args(["--", "bash", "-c", "echo $$; exec sleep 60"]).stderr(Stdio::piped());
    let mut guest = Running::start(command);
    let status = std::fs::read_to_string(format!("/proc/{}/status", guest.guest)).unwrap();
    let tracer =
        status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim().parse().unwrap();
    kill(tracer, Signal::SIGKILL);
    let mut err = String::new();
    std::io::Read::read_to_string(&mut guest.front.stderr.take().unwrap(), &mut err).unwrap();
    assert!(err.starts_with("remainroot: the tracer was killed"), "{err}");
    let pid = guest.guest;
    assert_eq!(guest.end(), (Some(125), None));
    eventually("the guest's end", || matches!(state(pid), '-' | 'Z'));
}

#[test]
fn a_timer_set_before_exec_is_the_guests() {
    let lab = Lab::new();
    let mut command = lab.unprivileged("perl");
    command.args(["-e", "alarm 1; exec @ARGV"]).arg(lab.remainroot()).args(["--", "sleep", "30"]);
    assert_eq!(command.status().unwrap().signal(), Some(libc::SIGALRM));
}

/// Waits until both are stopped, or neither, for good: on their way from one to the other, traced processes look as if
/// they had arrived already.
fn settle(guest: &Running, stopped: bool) {
    let mut steady = 0;
    eventually(if stopped { "both stop" } else { "both go on" }, || {
        let arrived = [guest.guest, guest.pid].iter().all(|pid| is_stopped(*pid) == stopped);
        steady = if arrived { steady + 1 } else { 0 };
        steady == 15
    });
}

/// Waits for the front to stop, as a shell would see it.
fn stop_signal(pid: i32) -> Option<Signal> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
        _ => None,
    }
}

#[test]
fn the_front_stops_with_the_guest() {
    let lab = Lab::new();
    let guest = Running::sh(&lab, "exec sleep 60");
    for signal in [Signal::SIGSTOP, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
        kill(guest.guest, signal);
        assert_eq!(stop_signal(guest.pid), Some(signal));
        assert!(is_stopped(guest.guest));
        // Whoever continues the guest knows nothing of the front.
        kill(guest.guest, Signal::SIGCONT);
        settle(&guest, false);
    }
    kill(guest.guest, Signal::SIGSTOP);
    assert_eq!(stop_signal(guest.pid), Some(Signal::SIGSTOP));
    kill(guest.guest, Signal::SIGKILL);
    assert_eq!(guest.end(), (None, Some(libc::SIGKILL)));
}

#[test]
fn the_guest_stops_and_goes_on_with_the_front() {
    let lab = Lab::new();
    let guest = Running::sh(&lab, "exec sleep 60");
    for _ in 0..5 {
        kill(guest.pid, Signal::SIGTSTP);
        assert_eq!(stop_signal(guest.pid), Some(Signal::SIGTSTP));
        assert!(is_stopped(guest.guest));
        kill(guest.pid, Signal::SIGCONT);
        settle(&guest, false);
        kill(-guest.pid, Signal::SIGSTOP);
        settle(&guest, true);
        kill(-guest.pid, Signal::SIGCONT);
        settle(&guest, false);
    }
    kill(guest.pid, Signal::SIGTERM);
    assert_eq!(guest.end(), (None, Some(libc::SIGTERM)));
}

#[test]
fn storms_of_stops_leave_nobody_stopped() {
    let lab = Lab::new();
    let guest = Running::sh(&lab, "exec sleep 60");
    for round in 0..200 {
        let stop = if round % 2 == 0 { Signal::SIGTSTP } else { Signal::SIGSTOP };
        kill(guest.guest, stop);
        kill(guest.guest, Signal::SIGCONT);
    }
    settle(&guest, false);
    kill(guest.guest, Signal::SIGTERM);
    assert_eq!(guest.end(), (None, Some(libc::SIGTERM)));
}
