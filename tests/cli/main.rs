//! The wrapper behaves like no wrapper: exit status, signals, standard descriptors, job control, and what the options
//! promise. Everything runs as an unprivileged user.

mod doctor;
mod identity;
mod jobs;
mod namespaces;
mod pid1;
mod rootfs;
mod signals;
mod status;
mod stdio;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod watching;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// No single step of these tests takes longer, unless something hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Output of a command as text: (stdout, stderr, exit status or none).
fn text(output: &Output) -> (String, String, Option<i32>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (lossy(&output.stdout), lossy(&output.stderr), output.status.code())
}

/// Runs a command that must come to its end.
fn finish(command: &mut Command) -> (String, String, Option<i32>) {
    text(&command.output().expect("the program starts"))
}

/// Waits until `done` says so.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Pids of the processes whose command line contains `text`, but for this one's helpers.
fn pids_with(text: &str) -> Vec<i32> {
    let output = Command::new("pgrep").arg("-f").arg(text).output().expect("pgrep runs");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect()
}

/// The state letter of a process (`R`, `S`, `T`, …), or `-` if it is gone.
fn state(pid: i32) -> char {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .unwrap_or('-')
}

/// Stopped by a signal, or held so by a tracer.
fn is_stopped(pid: i32) -> bool {
    matches!(state(pid), 'T' | 't')
}

fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("kill");
}
